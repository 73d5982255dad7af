//! Taking away what the agent of a machine left on it, when the machine is this host itself and goes.
//!
//! Only what it made is removed, and nothing below somebody else's mount. The data of storage is
//! never removed here: whatever of it was to be destroyed is gone by now, and the rest is moved out
//! of the way of the next agent and named (reliability document, R14).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use muster_model::name::{MachineId, ModelId};
use thiserror::Error;

use crate::config::Settings;
use crate::identity;
use crate::machine;
use crate::mount::{self, MountError};
use crate::paths::{Paths, entries, private_folder, remove};
use crate::unit_log;

/// Why something of an agent is still there.
#[derive(Debug, Error)]
pub enum PurgeError {
    /// The agent still runs.
    #[error("the agent of this machine still runs")]
    Runs(#[source] machine::RunError),
    /// A storage is still mounted.
    #[error("cannot unmount a storage")]
    Mounted(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A file or folder cannot be removed, or moved.
    #[error("cannot clear up `{}`", path.display())]
    Remove {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl From<MountError> for PurgeError {
    fn from(error: MountError) -> PurgeError {
        PurgeError::Mounted(Box::new(error))
    }
}

/// Removes what the agent of `machine` made, if it is that machine's agent which lived here. Answers
/// where the data is that stays.
///
/// # Errors
/// What is still there; it may be tried again.
pub async fn purge(
    settings: &Settings,
    (model, id): (ModelId, MachineId),
) -> Result<Vec<PathBuf>, PurgeError> {
    let paths = &settings.paths;
    let wrong = |path: PathBuf| move |source| PurgeError::Remove { path, source };
    let owner = identity::owner(&paths.identity()).map_err(wrong(paths.identity()))?;
    if owner != Some((model, id)) {
        return Ok(Vec::new());
    }
    let lock = machine::lock(settings).await.map_err(PurgeError::Runs)?;
    for storage in mount::present(paths)? {
        mount::release(paths, &storage, false)?;
    }
    for tag in entries(&paths.units()).map_err(wrong(paths.units()))? {
        for place in ["agents", "tools"] {
            let folder = paths.juju.join(place).join(&tag);
            remove(&folder).map_err(wrong(folder.clone()))?;
        }
    }
    for tools in [paths.machine_tools(id), paths.all_tools()] {
        remove(&tools).map_err(wrong(tools.clone()))?;
    }
    remove(&paths.exec_socket()).map_err(wrong(paths.exec_socket()))?;
    for name in ["juju-exec", "juju-run"] {
        let Some(link) = paths.programs.as_ref().map(|programs| programs.join(name)) else {
            continue;
        };
        if fs::read_link(&link).is_ok_and(|target| target == settings.program) {
            remove(&link).map_err(wrong(link.clone()))?;
        }
    }
    for log in unit_log::begun(paths).map_err(wrong(paths.log_notes()))? {
        remove(&log).map_err(wrong(log.clone()))?;
    }
    remove_empty(&paths.logs).map_err(wrong(paths.logs.clone()))?;
    remove_empty(&paths.juju).map_err(wrong(paths.juju.clone()))?;
    let kept = keep(paths, &format!("{model}-{id}"))?;
    for name in entries(&paths.muster).map_err(wrong(paths.muster.clone()))? {
        let path = paths.muster.join(&name);
        // The identity goes last: until then the next try knows whose all this was.
        if path != paths.kept() && path != paths.identity() && !path.ends_with("lock") {
            remove(&path).map_err(wrong(path.clone()))?;
        }
    }
    for path in [paths.identity(), paths.muster.join("lock")] {
        remove(&path).map_err(wrong(path.clone()))?;
    }
    drop(lock);
    remove_empty(&paths.muster).map_err(wrong(paths.muster.clone()))?;
    Ok(kept)
}

/// Moves data that is there to a folder of its own, where no other machine's storage of the same name
/// finds it.
fn keep(paths: &Paths, whose: &str) -> Result<Vec<PathBuf>, PurgeError> {
    let folder = paths.kept().join(whose);
    let wrong = |path: &Path| {
        let path = path.to_owned();
        move |source| PurgeError::Remove { path, source }
    };
    for name in entries(&paths.backings()).map_err(wrong(&paths.backings()))? {
        let from = paths.backings().join(&name);
        if from.extension().is_some_and(|extension| extension == "new") {
            // An image that was never whole.
            remove(&from).map_err(wrong(&from))?;
            continue;
        }
        private_folder(&folder).map_err(wrong(&folder))?;
        fs::rename(&from, folder.join(&name)).map_err(wrong(&from))?;
    }
    let names = entries(&folder).map_err(wrong(&folder))?;
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// Removes the folders below `folder`, and itself, that have nothing in them but such folders; none
/// of another file system, or of what somebody mounted there.
fn remove_empty(folder: &Path) -> io::Result<()> {
    let folder = match fs::canonicalize(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        folder => folder?,
    };
    let foreign = mount::mounted_below(&folder)?;
    remove_empty_but(&folder, &foreign)
}

fn remove_empty_but(folder: &Path, foreign: &[PathBuf]) -> io::Result<()> {
    for name in entries(folder)? {
        let path = folder.join(name);
        if fs::symlink_metadata(&path)?.is_dir() && !foreign.contains(&path) {
            remove_empty_but(&path, foreign)?;
        }
    }
    match fs::remove_dir(folder) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::DirectoryNotEmpty
                    | io::ErrorKind::ResourceBusy
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}
