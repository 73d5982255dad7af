//! Taking down what a controller made on this host, without the controller.
//!
//! A store that is damaged, a port that somebody else has, a bootstrap that was cut off: machines, mounts,
//! groups and rules must go all the same, and the records of the substrate are enough for that.

use std::path::Path;

use crate::config::{HOSTS, THIS_HOST};
use crate::substrate::{self, Substrate};
use crate::{RunError, provision, store};

/// Removes everything that the controller of `data_dir` made on this host, but for the data directory and
/// for the data of kept storage on the host itself; answers where that is. Nothing made, or no such
/// directory, is fine. `agent` is the agent's program, which clears up after an agent of this host.
///
/// # Errors
/// If the controller still runs, or something could not be removed: the same can be done again.
pub fn teardown(data_dir: &Path, agent: &Path) -> Result<Vec<String>, RunError> {
    if !data_dir.exists() {
        return Ok(Vec::new());
    }
    let _held = store::lock(data_dir).map_err(RunError::Store)?;
    let state_root = data_dir.join(HOSTS);
    let substrate = if state_root.exists() {
        let settings = substrate::Settings { state_root, ..Default::default() };
        let opened = Substrate::open(settings);
        Some(opened.map_err(|error| RunError::Substrate(Box::new(error)))?)
    } else {
        None
    };
    provision::remove_made(substrate.as_ref(), &data_dir.join(THIS_HOST), agent)
        .map_err(|error| RunError::Teardown(Box::new(error)))
}
