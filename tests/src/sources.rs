//! The project's own text files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Every text file below `root` with its path from there, sorted; what was built, links and hidden
/// folders but the project's own are left out.
///
/// # Errors
///
/// A folder or a file of the project that cannot be read.
pub fn files(root: &Path) -> io::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    walk(root, root, &mut files)?;
    files.sort();
    Ok(files)
}

/// Every Rust file, as [`files`].
///
/// # Errors
///
/// As [`files`].
pub fn rust(root: &Path) -> io::Result<Vec<(String, String)>> {
    let mut all = files(root)?;
    all.retain(|(path, _)| path.ends_with(".rs"));
    Ok(all)
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let hidden =
            name.starts_with('.') && !matches!(name.as_str(), ".ci" | ".cargo" | ".config");
        if hidden || name == "target" || name == "__pycache__" || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, files)?;
        } else {
            // What is no UTF-8 is no text.
            match fs::read_to_string(&path) {
                Ok(text) => {
                    let path = path.strip_prefix(root).unwrap_or(&path);
                    files.push((path.to_string_lossy().into_owned(), text));
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
