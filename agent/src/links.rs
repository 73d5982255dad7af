//! The names under which the binary is found.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use crate::paths::remove;
use crate::tools;

/// The links under which the binary is each tool (hook contract, section 3.4). A link of an older
/// agent to a tool that is no more goes.
///
/// One folder for all units: a new unit makes one link to it, and not one for each tool.
pub(crate) fn tools(program: &Path, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut there = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let known = entry.file_name().into_string().ok().filter(|name| tools::is_tool(name));
        match known {
            Some(name) if leads(&entry.path(), program) => {
                there.insert(name);
            }
            _ => remove(&entry.path())?,
        }
    }
    for name in tools::names().filter(|name| !there.contains(*name)) {
        std::os::unix::fs::symlink(program, folder.join(name))?;
    }
    Ok(())
}

/// A link at `path` to `target`, whatever was there before.
pub(crate) fn link(target: &Path, path: &Path) -> io::Result<()> {
    if leads(path, target) {
        return Ok(());
    }
    remove(path)?;
    std::os::unix::fs::symlink(target, path)
}

fn leads(path: &Path, target: &Path) -> bool {
    fs::read_link(path).is_ok_and(|found| found == target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tool_has_a_link_and_nothing_else_stays() {
        let home = tempfile::tempdir().unwrap();
        let (program, folder) = (home.path().join("agent"), home.path().join("tools"));
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink("/old", folder.join("config-get")).unwrap();
        fs::write(folder.join("gone"), "").unwrap();
        for _ in 0..2 {
            tools(&program, &folder).unwrap();
            let names: BTreeSet<String> = fs::read_dir(&folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            assert_eq!(names, tools::names().map(str::to_owned).collect());
            assert_eq!(fs::read_link(folder.join("config-get")).unwrap(), program);
        }
    }

    #[test]
    fn a_link_takes_the_place_of_a_folder() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("unit-a-0");
        fs::create_dir_all(path.join("inner")).unwrap();
        link(&home.path().join("all"), &path).unwrap();
        assert_eq!(fs::read_link(&path).unwrap(), home.path().join("all"));
    }
}
