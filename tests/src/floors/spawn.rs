//! *spawn*: start a static program that does nothing, and wait for its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::call::Call;
use crate::measure::{MeasureError, io_error};

/// A static program that does nothing, made by the machine's C compiler.
#[derive(Debug)]
pub struct Nothing {
    path: PathBuf,
}

impl Nothing {
    /// Compiles it into `folder`.
    pub fn compile(folder: &Path) -> Result<Self, MeasureError> {
        let source = folder.join("nothing.c");
        let path = folder.join("nothing");
        fs::write(&source, "int main(void) { return 0; }\n").map_err(io_error("write a source"))?;
        Call::new("cc").args(["-static", "-O2", "-o"]).arg(&path).arg(&source).run()?;
        Ok(Self { path })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Starts it, waits for its end, and says how long that took.
    pub fn spawn(&self) -> Result<Duration, MeasureError> {
        let began = Instant::now();
        let status = Command::new(&self.path)
            .stdin(Stdio::null())
            .status()
            .map_err(io_error("start the program that does nothing"))?;
        let took = began.elapsed();
        if status.success() {
            Ok(took)
        } else {
            Err(MeasureError::Unequal(format!("the program that does nothing ended with {status}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_starts_and_ends() {
        let home = tempfile::tempdir().unwrap();
        let nothing = Nothing::compile(home.path()).unwrap();
        assert!(nothing.spawn().unwrap() > Duration::ZERO);
    }
}
