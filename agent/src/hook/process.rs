//! Which program answers a hook, and running it to its end.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::hook::left::Heir;
use crate::hook::output::{self, Kept, Reading, Sink, Stream};
use crate::hook::starting::Started;
use crate::starter::Order;
use crate::unit_log::{Level, UnitLog};

/// Why a program was not started.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    #[error("the charm is missing from disk: there is no `{}`", path.display())]
    NoCharm { path: PathBuf },
    #[error("`{}` cannot be run: it is not an executable file", path.display())]
    NotRunnable { path: PathBuf },
    #[error("cannot look at `{}`", path.display())]
    Look { path: PathBuf, source: io::Error },
    #[error("cannot start `{}`", path.display())]
    Start { path: PathBuf, source: io::Error },
}

/// The file that answers `what` (`hooks/install`, `actions/snapshot`); none if there is none (hook
/// contract, section 3.5).
pub(crate) fn program(charm: &Path, what: &str) -> Result<Option<PathBuf>, StartError> {
    let metadata = charm.join("metadata.yaml");
    if !metadata.is_file() {
        return Err(StartError::NoCharm { path: metadata });
    }
    for path in [charm.join("dispatch"), charm.join(what)] {
        match fs::metadata(&path) {
            // A dangling link counts as no file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(StartError::Look { path, source }),
            Ok(file) if file.is_file() && file.permissions().mode() & 0o111 != 0 => {
                return Ok(Some(path));
            }
            Ok(_) => return Err(StartError::NotRunnable { path }),
        }
    }
    Ok(None)
}

/// What is run, and how.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) program: &'a Path,
    pub(crate) args: Vec<OsString>,
    pub(crate) cwd: PathBuf,
    pub(crate) variables: BTreeMap<&'static str, OsString>,
    /// How long it may take; none is for ever.
    pub(crate) deadline: Option<Duration>,
    /// What becomes of its output.
    pub(crate) sink: Sink,
    /// Whether its output is logged, and as which part of the unit.
    pub(crate) log: Option<(&'a UnitLog, String)>,
    /// To whom it leaves what goes on when it has ended.
    pub(crate) heir: Heir,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, with this code.
    Exit(i32),
    /// By this signal, from whomever.
    Signal(i32),
    /// It took too long, and was ended.
    Overrun,
    /// The agent ended it, because it was told to.
    Killed,
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) ended: Ended,
    pub(crate) stdout: Kept,
    pub(crate) stderr: Kept,
    /// Whether it wanted more processes than it may have.
    pub(crate) crowded: bool,
}

/// Makes `started` the program and waits for its end. What it leaves behind is looked after then, which
/// nobody waits for.
pub(crate) async fn run(
    plan: Plan<'_>,
    mut started: Started,
    kill: &CancellationToken,
) -> Result<Ran, StartError> {
    let start = |source| StartError::Start { path: plan.program.to_owned(), source };
    let order = Order {
        program: plan.program.to_owned(),
        cwd: plan.cwd.clone(),
        args: plan.args.clone(),
        variables: plan.variables.iter().map(|(key, v)| ((*key).into(), v.clone())).collect(),
    };
    started.order(&order).await.map_err(start)?;
    let Started { mut child, group, .. } = started;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let over = CancellationToken::new();
    let keeps: [Arc<Mutex<Kept>>; 2] = Default::default();
    let reading = |stream, kept: &Arc<Mutex<Kept>>| Reading {
        stream,
        sink: plan.sink.clone(),
        kept: Arc::clone(kept),
        over: over.clone(),
    };
    let readers = [
        out.map(|from| reader(from, &plan, Level::Debug, reading(Stream::Out, &keeps[0]))),
        err.map(|from| reader(from, &plan, Level::Warning, reading(Stream::Err, &keeps[1]))),
    ];
    let overrun = async {
        match plan.deadline {
            Some(deadline) => tokio::time::sleep(deadline).await,
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        status = child.wait() => how(status.map_err(start)?),
        () = kill.cancelled() => {
            group.signal(Signal::KILL);
            Ended::Killed
        }
        () = overrun => {
            group.signal(Signal::TERM);
            if tokio::time::timeout(plan.settings.grace, child.wait()).await.is_err() {
                group.signal(Signal::KILL);
            }
            Ended::Overrun
        }
    };
    if matches!(ended, Ended::Killed | Ended::Overrun) {
        // Killed, so this takes no longer than the kernel needs.
        child.wait().await.map_err(start)?;
    }
    over.cancel();
    for reader in readers.into_iter().flatten() {
        reader.await.map_err(|broken| start(io::Error::other(broken)))?;
    }
    let crowded = ended != Ended::Exit(0) && group.was_crowded();
    let waits = (plan.settings.linger, plan.settings.grace);
    tokio::spawn(plan.heir.settle(group, ended.clone(), waits));
    let [stdout, stderr] =
        keeps.map(|kept| std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner)));
    Ok(Ran { ended, stdout, stderr, crowded })
}

type Reader = tokio::task::JoinHandle<()>;

fn reader(
    from: impl tokio::io::AsyncRead + Unpin + Send + 'static,
    plan: &Plan<'_>,
    level: Level,
    reading: Reading,
) -> Reader {
    let log = plan.log.as_ref().map(|(log, part)| ((*log).clone(), part.clone()));
    tokio::spawn(async move {
        output::read(from, reading, |line| {
            if let Some((log, part)) = &log {
                log.write(level, part, line);
            }
        })
        .await;
    })
}

pub(crate) fn how(status: std::process::ExitStatus) -> Ended {
    use std::os::unix::process::ExitStatusExt;

    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exit(code),
        (None, Some(signal)) => Ended::Signal(signal),
        (None, None) => Ended::Exit(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charm(files: &[(&str, u32)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("hooks")).unwrap();
        for (name, mode) in files {
            let path = folder.path().join(name);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        folder
    }

    /// Hook contract E18.
    #[test]
    fn e18_dispatch_comes_before_hooks() {
        let charm = charm(&[("metadata.yaml", 0o644), ("dispatch", 0o755), ("hooks/start", 0o755)]);
        let found = program(charm.path(), "hooks/start").unwrap().unwrap();
        assert_eq!(found, charm.path().join("dispatch"));
        assert!(program(charm.path(), "hooks/other").unwrap().is_some());
    }

    /// Hook contract E19.
    #[test]
    fn e19_no_file_is_no_failure() {
        let charm = charm(&[("metadata.yaml", 0o644)]);
        assert!(program(charm.path(), "hooks/start").unwrap().is_none());
        std::os::unix::fs::symlink("/nowhere/at/all", charm.path().join("dispatch")).unwrap();
        assert!(program(charm.path(), "hooks/start").unwrap().is_none());
    }

    /// Hook contract E20.
    #[test]
    fn e20_a_file_that_cannot_run_is_a_failure() {
        let charm = charm(&[("metadata.yaml", 0o644), ("hooks/start", 0o644)]);
        assert!(matches!(
            program(charm.path(), "hooks/start"),
            Err(StartError::NotRunnable { .. })
        ));
    }

    /// Hook contract E21.
    #[test]
    fn e21_a_charm_without_metadata_is_a_failure() {
        let charm = charm(&[("hooks/start", 0o755)]);
        assert!(matches!(program(charm.path(), "hooks/start"), Err(StartError::NoCharm { .. })));
    }
}
