//! What networks of all state roots of this host share: a lock, the use of `ip_forward`, and the
//! numbers that tell their addresses apart.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::FlockOperation;

use super::error::{SubstrateError, file};
use super::record::{NetworkRecord, publish};
use super::tool;

/// What networks of all state roots of this host share: a lock, and who uses `ip_forward`. It
/// goes with the boot, as what it speaks of does.
const SHARED: &str = "/run/muster";

/// Where the numbers of networks are kept: they outlive the boot.
const NUMBERS: &str = "/var/lib/muster/networks";

/// The kernel's switch for forwarding.
const FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

/// Held while things are changed that all state roots of this host share.
pub(super) fn shared_lock() -> Result<fs::File, SubstrateError> {
    use std::os::unix::fs::MetadataExt;
    let path = Path::new(SHARED).join("lock");
    loop {
        fs::create_dir_all(SHARED).map_err(file("make", SHARED))?;
        let lock = match fs::File::create(&path) {
            Ok(lock) => lock,
            // Somebody removed the folder in between.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(file("open", path)(error)),
        };
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)
            .map_err(|error| file("lock", &path)(error.into()))?;
        let held = lock.metadata().map_err(file("look at", &path))?.ino();
        // The last network removes the file: then it is another's lock that counts.
        if fs::metadata(&path).is_ok_and(|meta| meta.ino() == held) {
            return Ok(lock);
        }
    }
}

/// Removes what all state roots of this host share, when nobody uses it any more.
pub(super) fn leave_shared() -> Result<(), SubstrateError> {
    let _shared = shared_lock()?;
    let others = fs::read_dir(SHARED)
        .map_err(file("list", SHARED))?
        .flatten()
        .any(|entry| entry.file_name() != "lock");
    if others {
        return Ok(());
    }
    remove_file(&Path::new(SHARED).join("lock"))?;
    if let Err(error) = fs::remove_dir(SHARED) {
        tracing::debug!(%error, "somebody came at the same moment");
    }
    Ok(())
}

/// Turns forwarding on, once for all networks of this host, and remembers how it was.
pub(super) fn use_forwarding(tag: &str) -> Result<(), SubstrateError> {
    let folder = Path::new(SHARED).join("forward");
    let (users, before) = (folder.join("users"), folder.join("before"));
    fs::create_dir_all(&users).map_err(file("make", &users))?;
    if !before.exists() {
        let value = fs::read_to_string(FORWARD).map_err(file("read", FORWARD))?;
        publish(&before, value.trim().as_bytes()).map_err(file("write", &before))?;
    }
    let user = users.join(tag);
    fs::write(&user, b"").map_err(file("write", user))?;
    fs::write(FORWARD, "1").map_err(file("write", FORWARD))
}

/// Gives up forwarding; the last network sets it back to how it was.
pub(super) fn leave_forwarding(tag: &str) -> Result<(), SubstrateError> {
    let _shared = shared_lock()?;
    let folder = Path::new(SHARED).join("forward");
    let (users, before) = (folder.join("users"), folder.join("before"));
    remove_file(&users.join(tag))?;
    let others = fs::read_dir(&users).is_ok_and(|mut users| users.next().is_some());
    if others {
        return Ok(());
    }
    match fs::read_to_string(&before) {
        Ok(value) => fs::write(FORWARD, value.trim()).map_err(file("write", FORWARD))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(file("read", before)(error)),
    }
    super::tree::remove(&folder).map_err(file("remove", folder))
}

/// Reserves a number that no other network of this host has, beginning at a given one.
///
/// A reservation whose state root has no record of it any more is taken over.
///
/// # Errors
///
/// [`SubstrateError::Full`].
pub(super) fn reserve_number(
    prefix: (u8, u8),
    begin: u8,
    state: &Path,
) -> Result<u8, SubstrateError> {
    let _shared = shared_lock()?;
    fs::create_dir_all(NUMBERS).map_err(file("make", NUMBERS))?;
    let own = state.to_string_lossy();
    let in_use = tool::run("ip", &["-4", "route", "show", "table", "all"])?;
    for offset in 0..=253u8 {
        let number = u8::try_from((u16::from(begin) + u16::from(offset)) % 254 + 1).unwrap_or(1);
        let path = Path::new(NUMBERS).join(number.to_string());
        let holder = fs::read_to_string(&path).unwrap_or_default();
        let taken = !holder.is_empty()
            && holder != own
            && super::record::load::<NetworkRecord>(Path::new(&holder))
                .is_ok_and(|record| record.is_some_and(|record| record.number == number));
        let routed = in_use.contains(&format!(" {}.{}.{number}.", prefix.0, prefix.1))
            || in_use.contains(&format!("\n{}.{}.{number}.", prefix.0, prefix.1));
        if taken || (routed && holder != own) {
            continue;
        }
        publish(&path, own.as_bytes()).map_err(file("write", path))?;
        return Ok(number);
    }
    Err(SubstrateError::Full {
        what: "network number",
        range: format!("{}.{}.1 to 254", prefix.0, prefix.1),
    })
}

/// Gives a number back, if it is ours.
pub(super) fn release_number(number: u8, state: &Path) -> Result<(), SubstrateError> {
    let _shared = shared_lock()?;
    let path = Path::new(NUMBERS).join(number.to_string());
    if fs::read_to_string(&path).is_ok_and(|holder| holder == state.to_string_lossy()) {
        remove_file(&path)?;
    }
    // Both go when the last network goes; others keep them by being in them.
    for folder in [NUMBERS, "/var/lib/muster"] {
        if let Err(error) = fs::remove_dir(folder) {
            tracing::debug!(%error, folder, "the folder stays");
        }
    }
    Ok(())
}

pub(super) fn remove_file(path: &Path) -> Result<(), SubstrateError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file("remove", path)(error)),
        _ => Ok(()),
    }
}
