//! Files of a machine, touched from outside without following anything out of it.
//!
//! A machine's root is full of absolute links (`/var/run`, `/etc/mtab`) and belongs to somebody
//! else: writing into it resolves every path inside it, and removing a tree walks directory
//! descriptors, follows no link and never crosses into another file system
//! (`reliability-security.md` R14).

use std::ffi::CStr;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};

/// Writes a file inside `root`, with its parent folders, replacing what is there.
///
/// # Errors
///
/// The kernel's own; a path with `..` is refused.
pub(super) fn write_inside(root: &Path, path: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let top = rustix::fs::open(root, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let (folder, name) = parent_inside(&top, path)?;
    let temporary = format!(".{name}.muster");
    match rustix::fs::unlinkat(&folder, &temporary, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let file = rustix::fs::openat(
        &folder,
        &temporary,
        OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::from_raw_mode(0o600),
    )?;
    let mut file = std::fs::File::from(file);
    file.write_all(bytes)?;
    // After the bytes, and free of the umask.
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & 0o7777))?;
    rustix::fs::renameat(&folder, &temporary, &folder, &name)?;
    Ok(())
}

/// Makes a folder inside `root`, with its parents.
///
/// # Errors
///
/// As [`write_inside`].
pub(super) fn folder_inside(root: &Path, path: &str) -> io::Result<()> {
    let top = rustix::fs::open(root, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    parent_inside(&top, &format!("{}/x", path.trim_end_matches('/'))).map(drop)
}

fn parent_inside(top: &OwnedFd, path: &str) -> io::Result<(OwnedFd, String)> {
    let bad = || io::Error::new(io::ErrorKind::InvalidInput, format!("`{path}` is no plain path"));
    let mut names = Vec::new();
    for part in Path::new(path).components() {
        match part {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => names.push(name.to_str().ok_or_else(bad)?),
            Component::ParentDir | Component::Prefix(_) => return Err(bad()),
        }
    }
    let name = names.pop().ok_or_else(bad)?.to_owned();
    let mut so_far = String::from(".");
    let mut folder = open_inside(top, &so_far)?;
    for part in names {
        so_far.push('/');
        so_far.push_str(part);
        folder = match open_inside(top, &so_far) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                rustix::fs::mkdirat(&folder, part, Mode::from_raw_mode(0o755))?;
                open_inside(top, &so_far)?
            }
            other => other?,
        };
    }
    Ok((folder, name))
}

fn open_inside(top: &OwnedFd, path: &str) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat2(
        top,
        path,
        OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
    )?)
}

/// Removes a file or a tree; what is not there is fine.
///
/// # Errors
///
/// The kernel's own. A mount inside the tree is an error (`EXDEV`), and nothing behind it is
/// touched.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the root is not removed"));
    };
    let folder = match rustix::fs::open(parent, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    {
        Ok(folder) => folder,
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let Some(name) = name.to_str().and_then(|name| std::ffi::CString::new(name).ok()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no plain name"));
    };
    remove_at(&folder, &name)
}

fn remove_at(folder: &OwnedFd, name: &CStr) -> io::Result<()> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => return Ok(()),
        Err(rustix::io::Errno::ISDIR) => {}
        Err(error) => return Err(error.into()),
    }
    let inner = rustix::fs::openat2(
        folder,
        name,
        OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV,
    )?;
    clear(&inner)?;
    match rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn clear(folder: &OwnedFd) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder.as_fd())? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    for (name, kind) in names {
        if kind == FileType::Directory {
            remove_at(folder, &name)?;
        } else if let Err(error) = rustix::fs::unlinkat(folder, &name, AtFlags::empty()) {
            match error {
                rustix::io::Errno::NOENT => {}
                // Some file systems do not tell a file's kind.
                rustix::io::Errno::ISDIR => remove_at(folder, &name)?,
                error => return Err(error.into()),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absolute_link_stays_inside() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("var")).unwrap();
        let wrote = write_inside(root.path(), "/var/file", 0o644, b"x");
        assert!(wrote.is_err(), "the link points to nothing inside");
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_and_parents_are_made() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        write_inside(root.path(), "/a/b/c", 0o755, b"1").unwrap();
        write_inside(root.path(), "/a/b/c", 0o600, b"2").unwrap();
        let path = root.path().join("a/b/c");
        assert_eq!(std::fs::read(&path).unwrap(), b"2");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        assert!(write_inside(root.path(), "/a/../b", 0o600, b"").is_err());
    }

    #[test]
    fn r14_removal_follows_no_link() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("canary"), b"x").unwrap();
        let root = tempfile::tempdir().unwrap();
        let tree = root.path().join("tree");
        std::fs::create_dir_all(tree.join("deep/er")).unwrap();
        std::os::unix::fs::symlink(outside.path(), tree.join("deep/link")).unwrap();
        remove(&tree).unwrap();
        remove(&tree).unwrap();
        assert!(!tree.exists());
        assert!(outside.path().join("canary").exists());
    }
}
