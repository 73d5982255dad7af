//! What becomes of machines without anybody asking for it: powered off from inside, ended once too often,
//! back again, with the limits that hold now.
//!
//! The substrate tells of each turn, and at the start all machines are looked at, for what happened while
//! no controller ran. A machine that does not run is in `error`, with the reason: it is not made anew,
//! since it has its data, and the controller's next start, or the host's, brings it back.

use muster_model::Estate;
use muster_model::life::Life;
use muster_model::name::{MachineId, ModelId};
use muster_model::record::InstanceRecord;
use muster_model::status::Instance;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Provisioner;
use super::machine::{limits, report};
use crate::ledger::Ledger;
use crate::substrate::{Host, HostState, Substrate, SubstrateError};

/// Tells the model of every turn, until `shutdown`.
pub(super) async fn follow(this: Provisioner, ledger: Ledger, shutdown: CancellationToken) {
    let Some(substrate) = this.plan.substrate.clone() else { return };
    let (send, mut turns) = mpsc::unbounded_channel();
    // Before the first look, so that nothing falls between.
    let at_once = send.clone();
    substrate.on_turn(move |name| {
        if send.send(name.to_owned()).is_err() {
            tracing::debug!(name, "nobody is told of a machine any more");
        }
    });
    let all = substrate.clone();
    match tokio::task::spawn_blocking(move || all.list()).await {
        Ok(Ok(hosts)) => {
            for host in hosts {
                if at_once.send(host.name).is_err() {
                    return;
                }
            }
        }
        Ok(Err(error)) => {
            tracing::warn!(error = %crate::Chain(&error), "cannot look at the machines");
        }
        Err(error) => tracing::error!(%error, "a thread of the provisioner failed"),
    }
    drop(at_once);
    loop {
        let name = tokio::select! {
            name = turns.recv() => match name {
                Some(name) => name,
                None => return,
            },
            () = this.ending.cancelled() => return,
            () = shutdown.cancelled() => return,
        };
        let substrate = substrate.clone();
        let looked = tokio::task::spawn_blocking(move || look(&substrate, &name)).await;
        match looked {
            Ok(Ok(Some(host))) => tell(&ledger, &host).await,
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = %crate::Chain(&error), "cannot look at a machine");
            }
            Err(error) => tracing::error!(%error, "a thread of the provisioner failed"),
        }
    }
}

/// One that is gone meanwhile has nothing to tell.
fn look(substrate: &Substrate, name: &str) -> Result<Option<Host>, SubstrateError> {
    match substrate.get(name) {
        Ok(host) => Ok(Some(host)),
        Err(SubstrateError::Unknown { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn tell(ledger: &Ledger, host: &Host) {
    let Some((model, machine, said)) = news(&ledger.estate(), host) else { return };
    let told = report(ledger, model, machine, |r| {
        r.state = said.state;
        r.message = said.message;
        r.limits = limits(host);
    });
    if let Err(error) = told.await {
        tracing::warn!(machine = host.name, error = %crate::Chain(&error), "could not be told of");
    }
}

/// How a machine stands.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    state: Instance,
    message: String,
}

/// What the model does not know of a machine yet. One that is being made, or let go of, is told of by who
/// does that.
fn news(estate: &Estate, host: &Host) -> Option<(ModelId, MachineId, Said)> {
    let named = |record: &InstanceRecord| record.instance.as_deref() == Some(&*host.name);
    let (model, id, record) = estate.models().find_map(|model| {
        let instances = model.table::<InstanceRecord>();
        let (id, record) = instances.iter().find(|(_, record)| named(record))?;
        Some((model, *id, record))
    })?;
    let made = matches!(record.status.value, Instance::Running | Instance::Error);
    if !made || record.gone || model.machine(id)?.life == Life::Dead {
        return None;
    }
    let said = state(&host.state)?;
    let known = record.status.value == said.state
        && record.status.message == said.message
        && record.limits == limits(host);
    (!known).then_some((model.id(), id, said))
}

fn state(state: &HostState) -> Option<Said> {
    match state {
        HostState::Running { .. } => {
            Some(Said { state: Instance::Running, message: String::new() })
        }
        HostState::Ended(why) => Some(Said {
            state: Instance::Error,
            message: format!("{why}; it is started again with the controller or the host"),
        }),
        HostState::Stopped | HostState::Incomplete => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_ended_is_in_error_with_the_reason() {
        let off = state(&HostState::Ended("it was powered off from inside".to_owned())).unwrap();
        assert_eq!(off.state, Instance::Error);
        assert!(off.message.starts_with("it was powered off from inside; "), "{}", off.message);
        let runs = state(&HostState::Running { leader: None }).unwrap();
        assert_eq!(runs, Said { state: Instance::Running, message: String::new() });
        assert_eq!(state(&HostState::Stopped), None);
        assert_eq!(state(&HostState::Incomplete), None);
    }
}
