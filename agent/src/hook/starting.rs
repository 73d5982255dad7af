//! The process of the next run, started before it is wanted.
//!
//! A process that changes its control group waits for the kernel's grace period, some milliseconds,
//! whenever none on the machine has done so just before. So the process of the next run is started,
//! and joins its group, while nobody waits for it; when a run begins it is told what to become, and
//! that costs a message. Whoever comes while none waits starts one.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Pid;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};

use crate::config::Settings;
use crate::hook::cgroup::{Group, Groups};
use crate::hook::runs::Runs;
use crate::starter::{self, Order};

/// How long a process that is not wanted any more may take to end.
const ENDING: Duration = Duration::from_secs(5);

/// Runs of this process so far: its agents, if it has several, must not share a group.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// Where runs get their process from. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Starters {
    groups: Groups,
    runs: Runs,
    program: PathBuf,
    /// Processes and threads that one run may have at once.
    processes: u32,
    waiting: Arc<Mutex<Option<Started>>>,
}

/// A process that waits in its group to be told what to become.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) group: Arc<Group>,
    orders: Option<ChildStdin>,
}

impl Starters {
    /// Processes of `program`, which is the agent's own binary.
    pub(crate) fn new(groups: Groups, runs: Runs, settings: &Settings) -> Starters {
        groups.sweep();
        let (program, processes) = (settings.program.clone(), settings.processes);
        Starters { groups, runs, program, processes, waiting: Arc::default() }
    }

    /// Where what a run leaves running is handed over to.
    pub(crate) fn runs(&self) -> Runs {
        self.runs.clone()
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Option<Started>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process for a run.
    ///
    /// # Errors
    /// If none waits and none can be started.
    pub(crate) fn take(&self) -> io::Result<Started> {
        let waiting = self.waiting().take();
        if let Some(mut started) = waiting
            && matches!(started.child.try_wait(), Ok(None))
        {
            return Ok(started);
        }
        // None waits, or somebody killed it.
        self.start()
    }

    /// Sees to it that the next run finds one. Nobody waits for this; if it fails, the run tries
    /// again and says so.
    pub(crate) fn prepare(&self) {
        let starters = self.clone();
        tokio::spawn(async move {
            if starters.waiting().is_some() {
                return;
            }
            match starters.start() {
                Ok(started) => {
                    let spare = starters.waiting().replace(started);
                    if let Some(spare) = spare {
                        spare.dismiss().await;
                    }
                }
                Err(error) => tracing::debug!(%error, "no process waits for the next hook"),
            }
        });
    }

    /// Ends what waits.
    pub(crate) async fn close(&self) {
        let waiting = self.waiting().take();
        if let Some(started) = waiting {
            started.dismiss().await;
        }
    }

    /// A group for what is started elsewhere, and how its run is noted.
    pub(crate) fn group(&self) -> (String, Group) {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let group = self.groups.create(number, self.processes);
        (format!("{}-{number}", std::process::id()), group)
    }

    fn start(&self) -> io::Result<Started> {
        let (name, mut group) = self.group();
        let mut child = Command::new(&self.program)
            .arg0(starter::NAME)
            .args(group.procs())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let orders = child.stdin.take();
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        group.began(leader, &self.runs, &name);
        Ok(Started { child, group: Arc::new(group), orders })
    }
}

impl Started {
    /// Tells it what to become.
    ///
    /// # Errors
    /// If the order is larger than any may be, or the process is gone.
    pub(crate) async fn order(&mut self, order: &Order) -> io::Result<()> {
        let message = order.encode()?;
        let mut orders = self.orders.take().ok_or(io::ErrorKind::BrokenPipe)?;
        orders.write_all(&message).await
    }

    /// Without an order it ends by itself.
    async fn dismiss(mut self) {
        drop(self.orders.take());
        if tokio::time::timeout(ENDING, self.child.wait()).await.is_err() {
            tracing::warn!("a process that waited for a hook does not end");
        }
        if let Err(error) = self.group.remove() {
            tracing::debug!(%error, "a control group that was not used is not removed");
        }
    }
}
