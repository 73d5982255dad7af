//! Somebody waits for the end of every run, one thread a machine.
//!
//! ```text
//! end of a run ─┬─ `reboot` inside ──────────▶ started again, same layer, same address
//!               ├─ `poweroff` inside ────────▶ stays off, and says so
//!               ├─ anything else ────────────▶ started again, unless it keeps happening
//!               └─ stopped or removed by us ─▶ nothing to do
//! ```
//!
//! What stays off here is still wanted: [`Substrate::revive`] brings it back.

use std::process::Child;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::error::{SubstrateError, kernel};
use super::launch;
use super::machine::Slot;
use super::process::{self, Process, Waited};
use super::record::{self, MachineRecord, Wanted};
use super::{Inner, Substrate, hold};

/// How often a console is looked at whether it has grown too large.
const LOOK: Duration = Duration::from_secs(20);

/// Failures within [`FAILURES_WITHIN`] after which a machine is left alone: something is wrong
/// that starting it once more does not mend.
const FAILURES: usize = 5;

/// See [`FAILURES`].
const FAILURES_WITHIN: Duration = Duration::from_secs(600);

impl Substrate {
    /// Finds the machines that run already and waits for their ends from now on.
    pub(super) fn adopt(&self) -> Result<(), SubstrateError> {
        for name in self.inner.names()? {
            let Some(mut record) = record::load::<MachineRecord>(&self.inner.folder(&name))? else {
                continue;
            };
            let Some(run) = record.run.clone() else { continue };
            if self.inner.runs(&record) {
                self.supervise(&self.inner.slot(&name), &name, run.keeper, None)?;
            } else {
                let same = run.boot == self.inner.boot;
                let why = if same { "while nobody watched" } else { "with a reboot of the host" };
                record.ended = Some(format!("it ended {why}"));
                record.run = None;
                self.inner.save(&record)?;
            }
        }
        Ok(())
    }

    /// Starts the thread that waits for the end of a run.
    pub(super) fn supervise(
        &self,
        slot: &Arc<Slot>,
        name: &str,
        keeper: Process,
        child: Option<Child>,
    ) -> Result<(), SubstrateError> {
        let watch = Watch {
            inner: Arc::downgrade(&self.inner),
            slot: Arc::clone(slot),
            name: name.to_owned(),
            keeper,
            child,
        };
        let stop = Arc::clone(&self.inner.stop);
        std::thread::Builder::new()
            .name(format!("host {name}"))
            .spawn(move || watch.wait(&stop))
            .map(drop)
            .map_err(kernel("start a thread"))
    }
}

struct Watch {
    inner: Weak<Inner>,
    slot: Arc<Slot>,
    name: String,
    keeper: Process,
    child: Option<Child>,
}

impl Watch {
    fn wait(mut self, stop: &std::os::fd::OwnedFd) {
        if let Some(keeper) = self.keeper.open() {
            loop {
                match process::wait_end(&keeper, Some(stop), LOOK) {
                    Ok(Waited::Ended) => break,
                    Ok(Waited::Stop) => return,
                    Ok(Waited::TimeOver) => self.bound_console(),
                    Err(error) => {
                        tracing::error!(%error, machine = self.name, "cannot wait for its end");
                        return;
                    }
                }
            }
        }
        if let Some(child) = &mut self.child
            && let Err(error) = child.wait()
        {
            tracing::warn!(%error, machine = self.name, "its keeper was not waited for");
        }
        // First the machine, then the substrate: whoever stops the machine and then lets go of the
        // substrate must not find it held by us.
        let slot = Arc::clone(&self.slot);
        let _change = hold(&slot.change);
        let Some(inner) = self.inner.upgrade() else { return };
        let substrate = Substrate { inner };
        let result = self.ended(&substrate);
        if let Err(error) = result {
            tracing::error!(error = %chain(&error), machine = self.name, "ended and stays so");
        }
        if let Some(tell) = &*hold(&substrate.inner.turns) {
            tell(&self.name);
        }
    }

    fn bound_console(&self) {
        let Some(inner) = self.inner.upgrade() else { return };
        let console = inner.folder(&self.name).join("console.log");
        if let Err(error) = launch::bound_console(&console) {
            tracing::warn!(%error, machine = self.name, "its console was not bounded");
        }
    }

    /// Decides what the end of the run means. The slot is held.
    fn ended(&self, substrate: &Substrate) -> Result<(), SubstrateError> {
        let inner = &substrate.inner;
        let record = record::load::<MachineRecord>(&inner.folder(&self.name))?;
        let Some(mut record) = record else { return Ok(()) };
        if record.run.as_ref().map(|run| run.keeper) != Some(self.keeper) {
            // Stopped by us, or started anew meanwhile.
            return Ok(());
        }
        let status = launch::end_status(&inner.files(&record));
        inner.halt(&record)?;
        record.run = None;
        let again = match (record.wanted, status) {
            (Wanted::Stopped, _) => false,
            (Wanted::Running, Some(0)) => {
                record.ended = Some("it was powered off from inside".to_owned());
                false
            }
            (Wanted::Running, Some(launch::REBOOT)) => true,
            (Wanted::Running, status) => self.once_more(&mut record, status),
        };
        inner.save(&record)?;
        tracing::info!(machine = self.name, ?status, again, "a machine ended");
        if !again {
            return Ok(());
        }
        let result = substrate.bring_up(&self.slot, &mut record);
        if let Err(error) = &result {
            record.ended = Some(chain(error));
            inner.save(&record)?;
        }
        result
    }

    fn once_more(&self, record: &mut MachineRecord, status: Option<i32>) -> bool {
        let mut failures = hold(&self.slot.failures);
        failures.retain(|at| at.elapsed() < FAILURES_WITHIN);
        failures.push(Instant::now());
        let status = status.map_or_else(|| "unknown status".to_owned(), |s| format!("status {s}"));
        if failures.len() <= FAILURES {
            return true;
        }
        record.ended = Some(format!(
            "it ended {} times within {} minutes, last with {status}; see its console",
            failures.len(),
            FAILURES_WITHIN.as_secs() / 60
        ));
        false
    }
}

fn chain(error: &SubstrateError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
