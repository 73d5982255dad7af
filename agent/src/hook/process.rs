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
use crate::hook::cgroup::Group;
use crate::hook::output;
use crate::hook::starting::Started;
use crate::starter::Order;
use crate::unit_log::{Level, UnitLog};

/// How long output may trail behind the end of a run (hook contract, section 3.1).
const TRAIL: Duration = Duration::from_millis(100);

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
    /// Whether its output is kept for a result.
    pub(crate) keep: bool,
    /// Whether its output is logged, and as which part of the unit.
    pub(crate) log: Option<(&'a UnitLog, String)>,
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
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// Makes `started` the program and waits for its end. What it leaves behind is cleared away afterwards, which nobody waits
/// for.
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
    let keeps = [Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new()))];
    let readers = [
        out.map(|from| reader(from, &plan, Level::Debug, &keeps[0])),
        err.map(|from| reader(from, &plan, Level::Warning, &keeps[1])),
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
    trail(readers).await;
    let (linger, grace) = (plan.settings.linger, plan.settings.grace);
    let linger = if matches!(ended, Ended::Exit(_)) { linger } else { Duration::ZERO };
    tokio::spawn(async move {
        // The server has let go of it by then, or does within the wait.
        group_clear(group, linger, grace).await;
    });
    let [stdout, stderr] =
        keeps.map(|kept| std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner)));
    Ok(Ran { ended, stdout, stderr })
}

type Reader = tokio::task::JoinHandle<()>;

fn reader(
    from: impl tokio::io::AsyncRead + Unpin + Send + 'static,
    plan: &Plan<'_>,
    level: Level,
    kept: &Arc<Mutex<Vec<u8>>>,
) -> Reader {
    let log = plan.log.as_ref().map(|(log, part)| ((*log).clone(), part.clone()));
    let (keep, kept) = (plan.keep, Arc::clone(kept));
    tokio::spawn(async move {
        output::read(from, keep, &kept, |line| {
            if let Some((log, part)) = &log {
                log.write(level, part, line);
            }
        })
        .await;
    })
}

/// Waits a moment for what is still in the pipes. A child that went on holds them open; it is not
/// waited for.
async fn trail(readers: [Option<Reader>; 2]) {
    let deadline = tokio::time::Instant::now() + TRAIL;
    for mut reader in readers.into_iter().flatten() {
        if tokio::time::timeout_at(deadline, &mut reader).await.is_err() {
            reader.abort();
        }
    }
}

async fn group_clear(group: Arc<Group>, linger: Duration, grace: Duration) {
    if group.is_empty() && group.remove().is_ok() {
        return;
    }
    group.clear(linger, grace).await;
}

fn how(status: std::process::ExitStatus) -> Ended {
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
