//! Resources on the machine: the file that `resource-get` names, and trees unpacked once.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use muster_model::goal::ResourceGoal;
use muster_model::name::{ResourceName, UnitName};
use muster_resources::{
    Archive, ArchiveError, Digest, Limits, Reader, Unpack, clone_tree, verify_tree,
};
use thiserror::Error;

use crate::fetch::{self, FetchError, blocking};
use crate::world::World;

/// Why a resource is not where it is wanted.
#[derive(Debug, Error)]
pub(crate) enum ResourceError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("cannot place `{}`", path.display())]
    Place { path: PathBuf, source: io::Error },
    #[error("cannot unpack into `{}`", path.display())]
    Unpack { path: PathBuf, source: ArchiveError },
    #[error(
        "this machine never unpacked the resource so: there is no digest to hold the folder against"
    )]
    NeverUnpacked,
    #[error("not what was unpacked")]
    Check(#[source] ArchiveError),
}

/// The resource as a file of the unit's own, under the name that the charm declares.
pub(crate) async fn file(
    world: &World,
    unit: &UnitName,
    name: &ResourceName,
    goal: &ResourceGoal,
) -> Result<PathBuf, ResourceError> {
    let folder = world.settings.paths.resources(unit).join(name.as_str());
    let path = folder.join(&goal.filename);
    let mark = folder.join(".digest");
    let digest = goal.digest.to_string();
    let current = fs::read_to_string(&mark).is_ok_and(|text| text == digest)
        && fs::metadata(&path).is_ok_and(|file| file.len() == goal.size);
    if current {
        return Ok(path);
    }
    fetch::blob(world, goal.digest, Some(goal.size)).await?;
    let blob = world.blobs.path(&goal.digest);
    let placed = path.clone();
    blocking(move || place(&blob, &folder, &placed).and_then(|()| fs::write(&mark, digest)))
        .await?
        .map_err(|source| ResourceError::Place { path: path.clone(), source })?;
    Ok(path)
}

/// Shares the bytes with the cache where the file system can; else copies. A link to the cache's own
/// file would let a charm change what other units get.
fn place(blob: &Path, folder: &Path, path: &Path) -> io::Result<()> {
    crate::paths::private_folder(folder)?;
    let fresh = folder.join(".arriving");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut from = File::open(blob)?;
    let mut to = File::create_new(&fresh)?;
    if rustix::fs::ioctl_ficlone(&to, &from).is_err() {
        io::copy(&mut from, &mut to)?;
    }
    fs::rename(&fresh, path)
}

/// Unpacks the resource into `target` and answers the digest of the tree. The machine unpacks each
/// archive once; this and every later target is a copy of that.
pub(crate) async fn unpack(
    world: &World,
    goal: &ResourceGoal,
    target: &Path,
    strip: usize,
) -> Result<Digest, ResourceError> {
    let digest = goal.digest;
    fetch::blob(world, digest, Some(goal.size)).await?;
    let tree = world.settings.paths.tree(&digest, strip);
    let mark = tree.with_extension("tree");
    let archive = world.blobs.path(&digest);
    let target = target.to_owned();
    let reader = world.settings.reader.clone();
    // The mark is read under the lock: who waited for another unit's unpacking must see its end.
    let _held = world.locks.group(&format!("tree {digest}")).await;
    let known = recorded(&mark);
    blocking(move || {
        let wrong = |source| ResourceError::Unpack { path: target.clone(), source };
        let digest = match known.filter(|_| tree.is_dir()) {
            Some(known) => known,
            None => once(&reader, &archive, &tree, &mark, digest, strip).map_err(wrong)?,
        };
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)
                .map_err(|source| ResourceError::Place { path: parent.to_owned(), source })?;
        }
        clone_tree(&tree, &target).map_err(wrong)?;
        Ok(digest)
    })
    .await?
}

/// Checks that `folder` still holds what the archive of the resource holds, by the digest of the tree
/// that was recorded when this machine unpacked it.
pub(crate) async fn check(
    world: &World,
    goal: &ResourceGoal,
    folder: &Path,
    strip: usize,
) -> Result<Digest, ResourceError> {
    let mark = world.settings.paths.tree(&goal.digest, strip).with_extension("tree");
    let _held = world.locks.group(&format!("tree {}", goal.digest)).await;
    let expected = recorded(&mark).ok_or(ResourceError::NeverUnpacked)?;
    let folder = folder.to_owned();
    blocking(move || {
        verify_tree(&folder, &expected).map_err(ResourceError::Check)?;
        Ok(expected)
    })
    .await?
}

/// The digest of the tree that was unpacked, if it was unpacked to its end.
fn recorded(mark: &Path) -> Option<Digest> {
    fs::read_to_string(mark).ok().and_then(|text| text.trim().parse().ok())
}

fn once(
    reader: &Reader,
    archive: &Path,
    tree: &Path,
    mark: &Path,
    expected: Digest,
    strip: usize,
) -> Result<Digest, ArchiveError> {
    let io = |source| ArchiveError::Read { source };
    if let Some(parent) = tree.parent() {
        crate::paths::private_folder(parent).map_err(io)?;
    }
    match fs::remove_dir_all(tree) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let how = Unpack { limits: Limits::resource(), strip, expected: Some(expected), durable: true };
    let unpacked = reader.unpack(&Archive::open(archive)?, tree, &how)?;
    // Written last: without it the tree is made again.
    fs::write(mark, unpacked.tree.to_string()).map_err(io)?;
    Ok(unpacked.tree)
}
