//! The programs that are measured: controller, agent and command as they ship.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::MeasureError;
use crate::call::Call;
use crate::demo::Place;

/// The kind of machine that is built for. Named, so that a flag for the linker does not reach what
/// the build itself runs.
const TARGET: &str = "x86_64-unknown-linux-gnu";

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
    /// Builds them, optimised and statically linked, as users get them.
    /// Done once, whatever the number of rows; not at all if a folder was named.
    pub fn build() -> Result<Self, MeasureError> {
        if let Some(folder) = NAMED.get() {
            return Ok(Self { folder: folder.clone() });
        }
        let place = Place::of_this_program();
        // This program was built the same way when it lies in a folder of that name.
        let target = match place.target.ends_with(TARGET) {
            true => place.target.parent().unwrap_or(&place.target).to_owned(),
            false => place.target.clone(),
        };
        let call = |verb: &str| {
            Call::cargo()
                .args([verb, "--quiet", "--release", "--target", TARGET])
                .env("CARGO_TARGET_DIR", &target)
                .env("RUSTFLAGS", "-C target-feature=+crt-static")
                .within(&place.root)
        };
        call("build").args(["--bins", "-p", "muster", "-p", "muster-controller"]).run()?;
        // A hook tool is started by the hundred: addresses that are known when it is linked save it
        // some twenty thousand relocations at each start.
        call("rustc")
            .args(["-p", "muster-agent", "--bin", "muster-agent", "--"])
            .args(["-C", "relocation-model=static"])
            .run()?;
        let static_folder = target.join(TARGET).join("release");
        take_from(static_folder.clone());
        Ok(Self { folder: static_folder })
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

    /// Where they lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}
