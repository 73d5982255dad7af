//! Storage on the host: made, mounted where the charm finds it, found again, taken away (reliability
//! document, R14 and S11).
//!
//! | provider | file system | device |
//! | --- | --- | --- |
//! | rootfs | a folder of ours, bound to the place | – |
//! | tmpfs | memory | – |
//! | loop | ext4 in a sparse file behind a loop device | the loop device, by a link that stays |
//!
//! What is mounted already is found by what lies behind it and left alone; so it does not matter how
//! often this runs. Whatever belongs to a storage is told by its backing's name, and nothing else is
//! ever unmounted. There is no lazy unmounting: a busy mount is said to be busy and tried again.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use muster_charms::StorageKind;
use muster_model::goal::StorageGoal;
use muster_model::name::StorageId;
use muster_model::record::Provider;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rustix::fs::{Mode, OFlags};
use thiserror::Error;

use crate::loop_device;
use crate::paths::Paths;
pub(crate) use table::mounted_below;
use table::{Entry, table};

/// Why a storage is not as it should be.
#[derive(Debug, Error)]
pub(crate) enum MountError {
    #[error("`{}` is no place for storage: {rule}", path.display())]
    Place { path: PathBuf, rule: &'static str },
    #[error("{provider} gives no block devices")]
    NoDevices { provider: &'static str },
    #[error("cannot make `{}`", path.display())]
    Make { path: PathBuf, source: io::Error },
    #[error(
        "the data `{}` is gone; put it back, or let go of the storage by force", path.display()
    )]
    Gone { path: PathBuf },
    #[error("cannot look at `{}`", path.display())]
    Look { path: PathBuf, source: io::Error },
    #[error("cannot make a file system in `{}`: {why}", path.display())]
    Format { path: PathBuf, why: String },
    #[error("cannot put `{}` behind a loop device", path.display())]
    Loop { path: PathBuf, source: io::Error },
    #[error("cannot mount on `{}`", path.display())]
    Mount { path: PathBuf, source: io::Error },
    #[error("something else is mounted on `{}`", path.display())]
    Foreign { path: PathBuf },
    #[error("`{}` is in use and cannot be unmounted", path.display())]
    Busy { path: PathBuf },
    #[error("cannot unmount `{}`", path.display())]
    Unmount { path: PathBuf, source: io::Error },
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot read what is mounted")]
    Table(#[source] io::Error),
    #[error("cannot remove `{}`", path.display())]
    Remove { path: PathBuf, source: io::Error },
}

/// What is known of a storage's data before it is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// Nobody has used it: what is not there is made.
    New,
    /// It was ready before: what is not there is lost, and nothing empty may take its place.
    Kept,
}

/// A storage that is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    /// Where the charm finds it.
    pub(crate) location: PathBuf,
    /// What lies behind it.
    pub(crate) provider_id: String,
}

/// Makes a storage ready, or finds it so.
pub(crate) fn ready(
    paths: &Paths,
    id: &StorageId,
    goal: &StorageGoal,
    data: Data,
) -> Result<Ready, MountError> {
    let backing = backing(paths, id, goal.provider);
    let provider_id = backing.to_string_lossy().into_owned();
    if goal.kind == StorageKind::Block {
        let provider = match goal.provider {
            Provider::Loop => {
                let device = attach(&backing, goal, data, false)?;
                let location = link(paths, id, &device)?;
                return Ok(Ready { location, provider_id });
            }
            Provider::Rootfs => "rootfs",
            Provider::Tmpfs => "tmpfs",
        };
        return Err(MountError::NoDevices { provider });
    }
    let location = place(paths, goal)?;
    let table = table().map_err(MountError::Table)?;
    let mut here = table.iter().filter(|entry| entry.point == location);
    if let Some(found) = here.next_back() {
        return if owns(found, paths, id) {
            Ok(Ready { location, provider_id })
        } else {
            Err(MountError::Foreign { path: location })
        };
    }
    let target = open_place(&location)?;
    let wrong = |source: io::Error| MountError::Mount { path: location.clone(), source };
    let on = format!("/proc/self/fd/{}", target.as_raw_fd());
    let mut flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    if goal.read_only {
        flags |= MsFlags::MS_RDONLY;
    }
    match goal.provider {
        Provider::Rootfs => {
            folder(&backing, data)?;
            mount(Some(&backing), on.as_str(), None::<&str>, MsFlags::MS_BIND, None::<&str>)
                .map_err(|error| wrong(error.into()))?;
            // A bind takes its flags in a second step, on what is now mounted there.
            let again = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | flags;
            let remounted = mount(None::<&str>, &location, None::<&str>, again, None::<&str>);
            if let Err(error) = remounted {
                unmount(&location)?;
                return Err(wrong(error.into()));
            }
        }
        Provider::Tmpfs => {
            let options = format!("size={}m,mode=0755", goal.size_mib.max(1));
            mount(
                Some(provider_id.as_str()),
                on.as_str(),
                Some("tmpfs"),
                flags,
                Some(options.as_str()),
            )
            .map_err(|error| wrong(error.into()))?;
        }
        Provider::Loop => {
            let device = attach(&backing, goal, data, true)?;
            if let Err(error) = mount(Some(&device), on.as_str(), Some("ext4"), flags, None::<&str>)
            {
                detach(&device)?;
                return Err(wrong(error.into()));
            }
        }
    }
    Ok(Ready { location, provider_id })
}

/// Takes a storage from wherever it is mounted, and its data if `destroy` says so.
pub(crate) fn release(paths: &Paths, id: &StorageId, destroy: bool) -> Result<(), MountError> {
    let table = table().map_err(MountError::Table)?;
    let mut devices = BTreeSet::new();
    // The last mounted is the first to go: mounts may lie on one another.
    for entry in table.iter().rev().filter(|entry| owns(entry, paths, id)) {
        unmount(&entry.point)?;
        if entry.source.starts_with("/dev/loop") {
            devices.insert(PathBuf::from(&entry.source));
        }
    }
    let image = backing(paths, id, Provider::Loop);
    let wrong = |source| MountError::Loop { path: image.clone(), source };
    if let Ok(device) = fs::read_link(paths.device(id))
        && device.exists()
        && loop_device::was_made_for(&device, &image).map_err(wrong)?
    {
        devices.insert(device);
    }
    if let Ok(image) = fs::canonicalize(&image) {
        devices.extend(loop_device::find(&image).map_err(wrong)?);
    }
    for device in devices {
        detach(&device)?;
    }
    remove(&paths.device(id))?;
    if destroy {
        remove(&image)?;
        // What somebody else mounted in it is not its data.
        remove(&backing(paths, id, Provider::Rootfs))?;
    }
    Ok(())
}

/// The storage that is here: on disk, behind a device, or in memory.
pub(crate) fn present(paths: &Paths) -> Result<BTreeSet<StorageId>, MountError> {
    let mut found = BTreeSet::new();
    for folder in [paths.backings(), paths.devices()] {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(MountError::Read { path: folder, source }),
        };
        for entry in entries {
            let entry =
                entry.map_err(|source| MountError::Read { path: folder.clone(), source })?;
            found.extend(named(&entry.path()));
        }
    }
    let memory =
        table().map_err(MountError::Table)?.into_iter().filter(|entry| entry.kind == "tmpfs");
    let ours = memory.map(|entry| PathBuf::from(entry.source));
    found.extend(ours.filter(|at| at.starts_with(paths.backings())).filter_map(|at| named(&at)));
    Ok(found)
}

/// The storage whose backing has this name.
fn named(backing: &Path) -> Option<StorageId> {
    let (name, number) = backing.file_stem()?.to_str()?.rsplit_once('-')?;
    format!("{name}/{number}").parse().ok()
}

fn backing(paths: &Paths, id: &StorageId, provider: Provider) -> PathBuf {
    match provider {
        Provider::Loop => paths.backing(id).with_extension("img"),
        Provider::Rootfs | Provider::Tmpfs => paths.backing(id),
    }
}

/// Where the file system goes. The usual place is below the root that charms know, which may be
/// another one in tests.
fn place(paths: &Paths, goal: &StorageGoal) -> Result<PathBuf, MountError> {
    let wanted = Path::new(&goal.location);
    if let Ok(below) = wanted.strip_prefix("/var/lib/juju/storage") {
        let path = paths.storage().join(below);
        check(&path)?;
        return Ok(path);
    }
    check(wanted)?;
    let system = [
        "/bin",
        "/boot",
        "/dev",
        "/etc",
        "/lib",
        "/lib32",
        "/lib64",
        "/proc",
        "/root",
        "/run",
        "/sbin",
        "/sys",
        "/usr",
        "/var/lib/juju",
        "/var/lib/muster",
        "/var/lib/dpkg",
        "/var/lib/systemd",
    ];
    let whole =
        ["/", "/home", "/media", "/mnt", "/opt", "/srv", "/tmp", "/var", "/var/lib", "/var/log"];
    if whole.iter().any(|path| wanted == Path::new(path))
        || system.iter().any(|path| wanted.starts_with(path))
    {
        let rule = "it belongs to the system";
        return Err(MountError::Place { path: wanted.to_owned(), rule });
    }
    Ok(wanted.to_owned())
}

fn check(path: &Path) -> Result<(), MountError> {
    let plain =
        path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let normal = path.components().collect::<PathBuf>();
    if !path.is_absolute() || !plain || normal.as_os_str() != path.as_os_str() {
        let rule = "it must be an absolute path without `.` and `..`";
        return Err(MountError::Place { path: path.to_owned(), rule });
    }
    Ok(())
}

/// Opens the folder to mount on, made if need be, without following a link on the way; it must be
/// empty, for what is in it would be hidden.
fn open_place(path: &Path) -> Result<OwnedFd, MountError> {
    let wrong = |error: rustix::io::Errno| match error {
        rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR => MountError::Place {
            path: path.to_owned(),
            rule: "a part of it is no folder, or a link",
        },
        error => MountError::Make { path: path.to_owned(), source: error.into() },
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut folder = rustix::fs::open("/", flags, Mode::empty()).map_err(wrong)?;
    for part in path.components() {
        let Component::Normal(name) = part else { continue };
        folder = match rustix::fs::openat(&folder, name, flags, Mode::empty()) {
            Err(rustix::io::Errno::NOENT) => {
                rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o755)).map_err(wrong)?;
                rustix::fs::openat(&folder, name, flags, Mode::empty()).map_err(wrong)?
            }
            opened => opened.map_err(wrong)?,
        };
    }
    let entries = rustix::fs::Dir::read_from(&folder).map_err(wrong)?;
    for entry in entries {
        let entry = entry.map_err(wrong)?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            let rule = "there is something in it already";
            return Err(MountError::Place { path: path.to_owned(), rule });
        }
    }
    Ok(folder)
}

/// Whether a backing is there. One that is lost is an error, and so is one that cannot be looked at.
fn is_there(path: &Path, data: Data) -> Result<bool, MountError> {
    match path.try_exists() {
        Ok(false) if data == Data::Kept => Err(MountError::Gone { path: path.to_owned() }),
        Ok(found) => Ok(found),
        Err(source) => Err(MountError::Look { path: path.to_owned(), source }),
    }
}

fn folder(path: &Path, data: Data) -> Result<(), MountError> {
    if is_there(path, data)? {
        return Ok(());
    }
    let made = |source| MountError::Make { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        crate::paths::private_folder(parent).map_err(made)?;
    }
    fs::create_dir_all(path).map_err(made)
}

/// The loop device over the backing file, both made if need be.
fn attach(
    backing: &Path,
    goal: &StorageGoal,
    data: Data,
    format: bool,
) -> Result<PathBuf, MountError> {
    if !is_there(backing, data)? {
        make_image(backing, goal.size_mib, format)?;
    }
    loop_device::attach(backing)
        .map_err(|source| MountError::Loop { path: backing.to_owned(), source })
}

fn detach(device: &Path) -> Result<(), MountError> {
    loop_device::detach(device)
        .map_err(|source| MountError::Loop { path: device.to_owned(), source })
}

/// A sparse file of the size, with a file system in it if wanted; under its name only when whole.
fn make_image(backing: &Path, size_mib: u64, format: bool) -> Result<(), MountError> {
    let made = |source| MountError::Make { path: backing.to_owned(), source };
    if let Some(parent) = backing.parent() {
        crate::paths::private_folder(parent).map_err(made)?;
    }
    let fresh = backing.with_extension("new");
    let file = File::create(&fresh).map_err(made)?;
    file.set_len(size_mib.max(1) << 20).map_err(made)?;
    if format {
        let output = Command::new("mkfs.ext4")
            .args(["-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"])
            .arg(&fresh)
            .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| MountError::Format {
                path: backing.to_owned(),
                why: format!("cannot run mkfs.ext4: {error}"),
            })?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(MountError::Format { path: backing.to_owned(), why });
        }
    }
    file.sync_all().map_err(made)?;
    fs::rename(&fresh, backing).map_err(made)
}

/// A link to the device whose name stays when the device's number does not.
fn link(paths: &Paths, id: &StorageId, device: &Path) -> Result<PathBuf, MountError> {
    let link = paths.device(id);
    let made = |source| MountError::Make { path: link.clone(), source };
    if fs::read_link(&link).is_ok_and(|target| target == device) {
        return Ok(link);
    }
    if let Some(parent) = link.parent() {
        crate::paths::private_folder(parent).map_err(made)?;
    }
    remove(&link)?;
    std::os::unix::fs::symlink(device, &link).map_err(made)?;
    Ok(link)
}

fn remove(path: &Path) -> Result<(), MountError> {
    crate::paths::remove(path)
        .map_err(|source| MountError::Remove { path: path.to_owned(), source })
}

fn unmount(point: &Path) -> Result<(), MountError> {
    match umount2(point, MntFlags::UMOUNT_NOFOLLOW) {
        Ok(()) => Ok(()),
        Err(nix::errno::Errno::EBUSY) => Err(MountError::Busy { path: point.to_owned() }),
        Err(error) => Err(MountError::Unmount { path: point.to_owned(), source: error.into() }),
    }
}

/// Whether a mount shows this storage: told by what lies behind it.
fn owns(entry: &Entry, paths: &Paths, id: &StorageId) -> bool {
    let folder = backing(paths, id, Provider::Rootfs);
    if entry.kind == "tmpfs" {
        // Memory has nothing behind it; we call it by where its backing would be.
        return Path::new(&entry.source) == folder;
    }
    if entry.source.starts_with("/dev/loop") {
        let image = backing(paths, id, Provider::Loop);
        return loop_device::was_made_for(Path::new(&entry.source), &image).unwrap_or(false);
    }
    if entry.root == Path::new("/") {
        return false;
    }
    // The root is relative to its file system, which may be mounted anywhere; the folder's own
    // identity decides.
    match (fs::metadata(&folder), fs::metadata(&entry.point)) {
        (Ok(ours), Ok(theirs)) => {
            use std::os::unix::fs::MetadataExt;
            ours.dev() == theirs.dev() && ours.ino() == theirs.ino()
        }
        _ => false,
    }
}

mod table;
#[cfg(test)]
mod tests;
