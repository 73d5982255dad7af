//! Whether the disk has room for what a hook makes the agent write (reliability document, R12).

use std::path::Path;

/// Bytes that must be free: the largest effects of a hook, journalled in a new file, and its log.
const BYTES: u64 = 16 << 20;
/// Files that must be possible.
const FILES: u64 = 64;

/// Why there is no room on the file system of `folder`; none if there is.
pub(crate) fn lack(folder: &Path) -> Option<String> {
    let shown = folder.display();
    let found = match rustix::fs::statvfs(folder) {
        Ok(found) => found,
        Err(error) => return Some(format!("cannot ask for the room below `{shown}`: {error}")),
    };
    // Without the numbers of the moment: what a unit waits for is told whenever its words change.
    if found.f_bavail.saturating_mul(found.f_frsize) < BYTES {
        return Some(format!("less than {} MiB are free below `{shown}`", BYTES >> 20));
    }
    // A file system without a limit says that it has no files at all.
    (found.f_files > 0 && found.f_favail < FILES)
        .then(|| format!("fewer than {FILES} files can be made below `{shown}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::mount::{MsFlags, mount, umount};

    #[test]
    fn r12_bytes_and_files_must_both_be_left() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        for (options, lacks) in [
            ("size=64m", None),
            ("size=8m", Some("less than 16 MiB are free")),
            ("size=64m,nr_inodes=20", Some("fewer than 64 files can be made")),
        ] {
            let none = Some("none");
            mount(none, folder.path(), Some("tmpfs"), MsFlags::empty(), Some(options)).unwrap();
            let found = lack(folder.path());
            umount(folder.path()).unwrap();
            match (lacks, found) {
                (None, None) => {}
                (Some(lacks), Some(found)) => assert!(found.starts_with(lacks), "{found}"),
                other => panic!("{options}: {other:?}"),
            }
        }
    }
}
