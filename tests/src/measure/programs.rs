//! The programs that are measured: controller, agent and command as they ship.

use std::path::PathBuf;
use std::sync::OnceLock;

use super::MeasureError;
use crate::demo::{Place, build};
use crate::voice::Voice;
use muster_console::outcome::Chain;

/// A folder that was named on the command line.
static NAMED: OnceLock<PathBuf> = OnceLock::new();

/// Has every row measure the programs in `folder`, and build none.
pub fn take_from(folder: PathBuf) {
    // Named once, by the command line.
    NAMED.get_or_init(|| folder);
}

/// Where the programs lie.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Builds them as the demo does, and as `cargo build --release` does: one way, so that what is
    /// measured is what ships. Done once, whatever the number of rows; not at all if a folder was
    /// named.
    pub fn build() -> Result<Self, MeasureError> {
        if let Some(folder) = NAMED.get() {
            return Ok(Self { folder: folder.clone() });
        }
        let place = Place { profile: "release".to_owned(), ..Place::of_this_program() };
        let built = build::binaries(&place, &Voice::new());
        built.map_err(|error| MeasureError::Unequal(Chain(&error).to_string()))?;
        take_from(place.programs());
        Ok(Self { folder: place.programs() })
    }

    /// The controller.
    pub fn controller(&self) -> PathBuf {
        self.folder.join("muster-controller")
    }

    /// The agent.
    pub fn agent(&self) -> PathBuf {
        self.folder.join("muster-agent")
    }

    /// The command.
    pub fn command(&self) -> PathBuf {
        self.folder.join("muster")
    }
}
