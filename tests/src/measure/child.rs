//! Runs in a process of their own, so that their memory and processor time can be told apart.
//!
//! `measure inner run COMMAND…` runs a program, `measure inner unpack …` and `measure inner clone …`
//! do what an agent does; each prints one line of JSON. They are not for people.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use muster_resources::archive::{Archive, Limits, Reader, Unpack};
use muster_resources::{Digest, clone_tree};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use serde::{Deserialize, Serialize};

use super::{MeasureError, Run, io_error};
use crate::call::Call;

/// What one run took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Taken {
    /// Wall time in seconds.
    pub seconds: f64,
    /// User and system time in seconds.
    pub cpu: f64,
    /// The largest resident memory in bytes.
    pub peak: u64,
}

impl From<Taken> for Run {
    fn from(taken: Taken) -> Self {
        Self { times: vec![taken.seconds], cpu: taken.cpu, peak: taken.peak }
    }
}

/// What is done inside.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Inner {
    /// Run a program to its end.
    Run {
        /// The program and its arguments.
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<String>,
    },
    /// Verify and unpack an archive as an agent does.
    Unpack {
        /// The archive.
        archive: PathBuf,
        /// Where to.
        target: PathBuf,
        /// Its digest.
        digest: String,
    },
    /// Give a second unit its tree as an agent does.
    Clone {
        /// The first unit's tree.
        from: PathBuf,
        /// The second's.
        to: PathBuf,
    },
    /// Serve as the bare floor does, until killed.
    Idle,
}

/// Runs this very program with `args` inside, and reads what it took.
pub fn inside(args: &[&str]) -> Result<Taken, MeasureError> {
    let me = std::env::current_exe().map_err(io_error("find this program"))?;
    let printed = Call::new(me).arg("inner").args(args).run()?;
    let last = printed.lines().last().unwrap_or_default();
    serde_json::from_str(last).map_err(|error| MeasureError::Unequal(error.to_string()))
}

/// Does it, and says what it took.
pub fn perform(inner: &Inner) -> Result<Taken, MeasureError> {
    match inner {
        Inner::Run { command } => program(command),
        Inner::Unpack { archive, target, digest } => own(|| unpack(archive, target, digest)),
        Inner::Clone { from, to } => {
            own(|| clone_tree(from, to).map_err(|error| MeasureError::Unequal(error.to_string())))
        }
        Inner::Idle => own(crate::floors::idle::serve),
    }
}

fn program(command: &[String]) -> Result<Taken, MeasureError> {
    let (program, args) =
        command.split_first().ok_or_else(|| MeasureError::Unequal("no command".to_owned()))?;
    let began = Instant::now();
    let status = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(io_error("start a yardstick"))?;
    let seconds = began.elapsed().as_secs_f64();
    if !status.success() {
        return Err(MeasureError::Unequal(format!("`{}` ended with {status}", command.join(" "))));
    }
    taken(seconds, UsageWho::RUSAGE_CHILDREN)
}

/// What this process does, and those that it has do it.
fn own(work: impl FnOnce() -> Result<(), MeasureError>) -> Result<Taken, MeasureError> {
    let began = Instant::now();
    work()?;
    let seconds = began.elapsed().as_secs_f64();
    let (own, others) =
        (taken(seconds, UsageWho::RUSAGE_SELF)?, taken(seconds, UsageWho::RUSAGE_CHILDREN)?);
    Ok(Taken { seconds, cpu: own.cpu + others.cpu, peak: own.peak.max(others.peak) })
}

fn unpack(archive: &Path, target: &Path, digest: &str) -> Result<(), MeasureError> {
    let wrong = |error: &dyn std::error::Error| MeasureError::Unequal(error.to_string());
    let expected: Digest = digest.parse().map_err(|error| wrong(&error))?;
    let how =
        Unpack { limits: Limits::resource(), strip: 0, expected: Some(expected), durable: true };
    let archive = Archive::open(archive).map_err(|error| wrong(&error))?;
    Reader::child().unpack(&archive, target, &how).map_err(|error| wrong(&error))?;
    Ok(())
}

fn taken(seconds: f64, who: UsageWho) -> Result<Taken, MeasureError> {
    let usage: Usage =
        getrusage(who).map_err(|errno| io_error("read what was used")(errno.into()))?;
    let time =
        |value: nix::sys::time::TimeVal| value.tv_sec() as f64 + value.tv_usec() as f64 / 1e6;
    let cpu = time(usage.user_time()) + time(usage.system_time());
    // The kernel counts in KiB.
    let peak = u64::try_from(usage.max_rss()).unwrap_or(0) * 1024;
    Ok(Taken { seconds, cpu, peak })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_timed_and_its_failure_is_no_sample() {
        let run =
            |words: &[&str]| program(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
        assert!(run(&["true"]).unwrap().seconds > 0.0);
        assert!(matches!(run(&["false"]), Err(MeasureError::Unequal(_))));
    }
}
