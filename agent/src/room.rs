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
