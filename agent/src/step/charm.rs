//! Putting a charm's files in place (hook contract, sections 1.12 and 4.9).
//!
//! ```text
//! blob ─one reading─▶ what the charm says, its listing     (from the checked bytes, never from disk)
//!                  └▶ .charm-new ─▶ what the new one lacks goes ─▶ each item is renamed into place
//!                              └──▶ where no charm was: renamed as a whole
//! ```
//!
//! Each rename is whole, so a script that runs keeps its file; what the charm made itself was never
//! listed and stays. Started again at any point it comes to the same end; the marker file says
//! whether it did, and says so only when everything is on disk: after a power cut a file may have its
//! name and none of its bytes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use muster_charms::Charm;
use muster_charms::tree::ItemKind;
use muster_model::goal::CharmGoal;
use muster_resolver::Progress;
use muster_resources::archive::{Listed, Wanted};
use muster_resources::{Archive, ArchiveError, Digest, Limits, Reader, Unpack};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::StepError;
use crate::fetch::{self, blocking};
use crate::paths::remove;
use crate::unit::Unit;

const DEPLOYING: &str = ".juju-deploying";
const DEPLOYED: &str = ".juju-charm";

#[derive(Debug, Error)]
enum DeployError {
    #[error("cannot read the archive")]
    Archive(#[source] ArchiveError),
    #[error("the archive is not a charm")]
    Charm(#[source] muster_charms::charm::CharmError),
    #[error("cannot read `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// What is kept of a deployed charm, in the unit's private folder.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    digest: Digest,
    charm: Charm,
    /// Path and kind (`f`, `l`, `d`) of each item that the archive held.
    listing: BTreeMap<String, char>,
}

pub(super) async fn deploy(unit: &mut Unit, goal: &CharmGoal) -> Result<(), StepError> {
    unit.unless_stopped(fetch::blob(&unit.world, goal.digest, None)).await??;
    let held = unit.lock_machine().await?;
    if !matches!(&unit.local.progress, Progress::Deploying { charm, .. } if charm == goal) {
        let answer = unit.resolve();
        unit.local.begin_deploy(goal.clone(), answer);
        unit.save()?;
    }
    let archive = unit.world.blobs.path(&goal.digest);
    let paths = unit.world.settings.paths.clone();
    let (name, wanted) = (unit.name.clone(), goal.clone());
    let work = Work {
        folder: paths.unit(&name),
        charm: paths.charm(&name),
        kept: kept_path(&paths.private(&name)),
        laying: paths.private(&name).join("charm-laying.json"),
        reader: unit.world.settings.reader.clone(),
        sync,
    };
    let done = blocking(move || work.deploy(&archive, &wanted)).await?;
    drop(held);
    match done {
        Ok(charm) => {
            unit.set_charm(charm);
            unit.local.end_deploy();
        }
        Err(error) => {
            let why = muster_console::outcome::Chain(&error).to_string();
            tracing::warn!(unit = %unit.name, error = why, "the charm cannot be put in place");
            unit.local.conflict(&why);
        }
    }
    unit.save()
}

/// What the deployed charm says, as kept when it was put in place.
pub(crate) fn read_charm(private: &Path) -> Option<Arc<Charm>> {
    let bytes = fs::read(kept_path(private)).ok()?;
    serde_json::from_slice::<Kept>(&bytes).ok().map(|kept| Arc::new(kept.charm))
}

fn kept_path(private: &Path) -> PathBuf {
    private.join("charm.json")
}

struct Work {
    folder: PathBuf,
    charm: PathBuf,
    kept: PathBuf,
    /// What a deploy that did not come to its end may have laid; none after one that did.
    laying: PathBuf,
    reader: Reader,
    /// Brings all that was written to the charm's file system to disk.
    sync: fn(&Path) -> io::Result<()>,
}

impl Work {
    fn deploy(&self, archive: &Path, goal: &CharmGoal) -> Result<Arc<Charm>, DeployError> {
        let write = |path: &Path| {
            let path = path.to_owned();
            move |source| DeployError::Write { path, source }
        };
        let old: Option<Kept> = read(&self.kept)?;
        let marker = self.charm.join(DEPLOYING);
        // Another revision of a resource: the files are those that are there, unless another charm
        // was half laid over them.
        if let Some(old) = old.as_ref().filter(|old| old.digest == goal.digest)
            && self.charm.join(DEPLOYED).exists()
            && !marker.exists()
        {
            remove(&self.laying).map_err(write(&self.laying))?;
            return Ok(Arc::new(old.charm.clone()));
        }
        let opened = Archive::open(archive).map_err(DeployError::Archive)?;
        let wanted = Wanted {
            names: ["version", "revision"].map(str::to_owned).into(),
            extensions: ["yaml".to_owned()].into(),
        };
        crate::paths::private_folder(&self.folder).map_err(write(&self.folder))?;
        let fresh = self.folder.join(".charm-new");
        remove(&fresh).map_err(write(&fresh))?;
        // Its files are moved to their places, and synced there.
        let (limits, expected) = (Limits::charm(), Some(goal.digest));
        let how = Unpack { limits, strip: 0, expected, durable: false };
        let unpacked = self.reader.unpack_and_inspect(&opened, &fresh, &how, &wanted);
        let (_, inspected) = unpacked.map_err(DeployError::Archive)?;
        let charm = match Charm::read(&inspected.files) {
            Ok(charm) => charm,
            Err(error) => {
                remove(&fresh).map_err(write(&fresh))?;
                return Err(DeployError::Charm(error));
            }
        };
        let listing: BTreeMap<String, ItemKind> =
            inspected.entries.iter().map(|(path, listed)| (path.clone(), kind(listed))).collect();
        let words = listing.iter().map(|(path, kind)| (path.clone(), word(*kind))).collect();
        let kept = Kept { digest: goal.digest, charm, listing: words };
        let there = fs::symlink_metadata(&self.charm).is_ok();
        let marked = if there { &self.charm } else { &fresh }.join(DEPLOYING);
        fs::write(&marked, format!("{}\n", goal.url)).map_err(write(&marked))?;
        if there {
            self.lay_over(old.as_ref(), &fresh, (&inspected.entries, &listing), &kept)?;
        } else {
            // Nothing is there to be spared. Should this one have to go again, what it laid is known.
            save(&self.kept, &kept).map_err(write(&self.kept))?;
            fs::rename(&fresh, &self.charm).map_err(write(&self.charm))?;
        }
        self.mark_hooks(&kept.charm, &listing)?;
        let revision = self.charm.join("revision");
        fs::write(&revision, goal.url.revision.to_string()).map_err(write(&revision))?;
        // Until all of it is on disk the marker stays, and whoever starts again lays everything anew:
        // a sync that failed is not to be tried once more (R1).
        (self.sync)(&self.charm).map_err(write(&self.charm))?;
        let done = self.charm.join(DEPLOYED);
        fs::rename(&marker, &done).map_err(write(&done))?;
        fs::File::open(&self.charm)
            .and_then(|folder| folder.sync_all())
            .map_err(write(&self.charm))?;
        remove(&self.laying).map_err(write(&self.laying))?;
        Ok(Arc::new(kept.charm))
    }

    /// Takes away what the new charm lacks, and puts each of its items in the place of the old one.
    fn lay_over(
        &self,
        old: Option<&Kept>,
        fresh: &Path,
        (entries, listing): (&BTreeMap<String, Listed>, &BTreeMap<String, ItemKind>),
        kept: &Kept,
    ) -> Result<(), DeployError> {
        let write = |path: &Path| {
            let path = path.to_owned();
            move |source| DeployError::Write { path, source }
        };
        let laid: Option<BTreeMap<String, char>> = read(&self.laying)?;
        // What deploys that did not come to their end may have laid, beside what is kept.
        let mut there = laid.unwrap_or_default();
        there.extend(old.iter().flat_map(|old| old.listing.clone()));
        for path in muster_charms::upgrade::removals(&kinds(&there), listing) {
            let path = self.charm.join(path);
            remove(&path).map_err(write(&path))?;
        }
        // What the charm made itself is not taken for the archive's, should this one have to go again.
        let is_new = |path: &String| fs::symlink_metadata(self.charm.join(path)).is_err();
        there.extend(kept.listing.clone().into_iter().filter(|(path, _)| is_new(path)));
        save(&self.laying, &there).map_err(write(&self.laying))?;
        self.lay(fresh, entries)?;
        save(&self.kept, kept).map_err(write(&self.kept))?;
        remove(fresh).map_err(write(fresh))
    }

    /// Moves each item of the new charm to its place. Folders come before what lies in them.
    fn lay(&self, fresh: &Path, entries: &BTreeMap<String, Listed>) -> Result<(), DeployError> {
        for (path, listed) in entries {
            let (from, to) = (fresh.join(path), self.charm.join(path));
            let there = fs::symlink_metadata(&to);
            let is_folder = there.as_ref().is_ok_and(fs::Metadata::is_dir);
            let done = match listed {
                Listed::Folder if is_folder => Ok(()),
                Listed::Folder => remove(&to).and_then(|()| fs::create_dir(&to)),
                Listed::File { .. } | Listed::Link { .. } => {
                    let cleared = if is_folder { remove(&to) } else { Ok(()) };
                    cleared.and_then(|()| fs::rename(&from, &to))
                }
            };
            done.map_err(|source| DeployError::Write { path: to, source })?;
        }
        Ok(())
    }

    /// Each plain file in `hooks/` that is called like a hook of this charm may be run, whatever the
    /// archive says of it.
    fn mark_hooks(
        &self,
        charm: &Charm,
        listing: &BTreeMap<String, ItemKind>,
    ) -> Result<(), DeployError> {
        for name in charm.hook_names() {
            let path = format!("hooks/{name}");
            if listing.get(&path) != Some(&ItemKind::File) {
                continue;
            }
            let path = self.charm.join(path);
            let changed = fs::metadata(&path).and_then(|file| {
                let mode = file.permissions().mode() | 0o100;
                fs::set_permissions(&path, fs::Permissions::from_mode(mode))
            });
            changed.map_err(|source| DeployError::Write { path: path.clone(), source })?;
        }
        Ok(())
    }
}

fn kind(listed: &Listed) -> ItemKind {
    match listed {
        Listed::Folder => ItemKind::Folder,
        Listed::File { .. } => ItemKind::File,
        Listed::Link { .. } => ItemKind::Link,
    }
}

fn word(kind: ItemKind) -> char {
    match kind {
        ItemKind::Folder => 'd',
        ItemKind::File => 'f',
        ItemKind::Link => 'l',
    }
}

fn kinds(words: &BTreeMap<String, char>) -> BTreeMap<String, ItemKind> {
    words.iter().map(|(path, word)| (path.clone(), from_word(*word))).collect()
}

fn from_word(word: char) -> ItemKind {
    match word {
        'd' => ItemKind::Folder,
        'l' => ItemKind::Link,
        _ => ItemKind::File,
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(fs::File::open(folder)?)?)
}

/// What was saved at `path`; none only where nothing was (R12).
fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, DeployError> {
    let wrong = |source| DeployError::Read { path: path.to_owned(), source };
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).map_err(|error| wrong(error.into()))?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(wrong(error)),
    }
}

fn save(path: &Path, kept: &impl Serialize) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let bytes = serde_json::to_vec(kept)?;
    let mut file = fs::File::create(&fresh)?;
    io::Write::write_all(&mut file, &bytes)?;
    file.sync_all()?;
    fs::rename(fresh, path)
}

#[cfg(test)]
mod tests;
