//! Waiting for something to be so, on the server.

use serde::{Deserialize, Serialize};

use super::ModelView;
use crate::name::{ApplicationName, MachineId, TaskId, UnitName};
use crate::status::Workload;
use crate::version::Revision;

/// What is waited for, and for how long at most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Wait {
    /// What must be so.
    pub condition: Condition,
    /// After how many milliseconds the answer comes in any case; capped by the server.
    pub timeout_ms: u64,
}

/// What must be so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Anything changed in the model after this revision.
    Changed {
        /// The revision that the caller has seen.
        after: Revision,
    },
    /// Everything in the model is settled.
    Settled,
    /// An application and all of its units are settled.
    ApplicationSettled(ApplicationName),
    /// A unit is settled.
    UnitSettled(UnitName),
    /// An application is alive and shows this status.
    Application {
        /// Which.
        name: ApplicationName,
        /// The status.
        status: Workload,
    },
    /// A unit is alive and shows this status.
    Unit {
        /// Which.
        name: UnitName,
        /// The status.
        status: Workload,
    },
    /// A machine is alive and started.
    MachineStarted(MachineId),
    /// An application is no longer there.
    ApplicationGone(ApplicationName),
    /// A unit is no longer there.
    UnitGone(UnitName),
    /// A machine is no longer there.
    MachineGone(MachineId),
    /// A task is over.
    TaskOver(TaskId),
    /// A task is over or its log has grown beyond so many lines.
    TaskMoved {
        /// Which.
        task: TaskId,
        /// Lines that the caller has seen.
        seen: u32,
    },
}

/// The answer to a wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WaitAnswer {
    /// Whether it is so; if not, the time was over.
    pub holds: bool,
    /// As of which revision.
    pub revision: Revision,
    /// What is still missing, in a sentence; empty if it is so.
    pub missing: String,
}

/// Whether it is so in `view` (which must hold what the condition is about; tasks are asked for by
/// the server). The error says what is missing.
///
/// # Errors
/// What is still missing, in a sentence.
pub fn holds(condition: &Condition, view: &ModelView) -> Result<(), String> {
    match condition {
        Condition::Changed { after } => check(view.revision > *after, || "a change".to_owned()),
        Condition::Settled => match unsettled(view, None) {
            None if view.settled => Ok(()),
            None => Err("machines or units that are being made".to_owned()),
            Some(missing) => Err(missing),
        },
        Condition::ApplicationSettled(name) => match view.applications.get(name) {
            None => Err(format!("application \"{name}\" not found")),
            Some(app) if app.settled => Ok(()),
            Some(_) => Err(unsettled(view, Some(name))
                .unwrap_or_else(|| format!("units of \"{name}\" are being made"))),
        },
        Condition::UnitSettled(name) => match unit(view, name) {
            None => Err(format!("unit \"{name}\" not found")),
            Some(unit) => check(unit.settled, || format!("{name}: {}", unit.waits_for)),
        },
        Condition::Application { name, status } => match view.applications.get(name) {
            None => Err(format!("application \"{name}\" not found")),
            Some(app) => {
                check(app.application.life.is_alive() && app.status.value == *status, || {
                    format!("application \"{name}\" is {} {}", app.status.value, app.status.message)
                })
            }
        },
        Condition::Unit { name, status } => match unit(view, name) {
            None => Err(format!("unit \"{name}\" not found")),
            Some(unit) => {
                check(unit.unit.life.is_alive() && unit.workload.value == *status, || {
                    format!("unit \"{name}\" is {} {}", unit.workload.value, unit.workload.message)
                })
            }
        },
        Condition::MachineStarted(id) => match view.machines.get(id) {
            None => Err(format!("machine \"{id}\" not found")),
            Some(machine) => {
                let started = machine.agent.value == crate::status::MachineAgent::Started;
                check(machine.machine.life.is_alive() && started, || {
                    format!("machine \"{id}\" is {}", machine.agent.value)
                })
            }
        },
        Condition::ApplicationGone(name) => check(!view.applications.contains_key(name), || {
            format!("application \"{name}\" is there")
        }),
        Condition::UnitGone(name) => {
            check(unit(view, name).is_none(), || format!("unit \"{name}\" is there"))
        }
        Condition::MachineGone(id) => {
            check(!view.machines.contains_key(id), || format!("machine \"{id}\" is there"))
        }
        Condition::TaskOver(id) => match view.tasks.get(id) {
            None => Err(format!("task \"{id}\" not found")),
            Some(task) => {
                check(task.result.state.is_over(), || format!("task {id} is {}", task.result.state))
            }
        },
        Condition::TaskMoved { task: id, seen } => match view.tasks.get(id) {
            None => Err(format!("task \"{id}\" not found")),
            Some(task) => {
                let lines = task.log.as_ref().map_or(0, |log| log.lines.len());
                check(task.result.state.is_over() || lines > *seen as usize, || {
                    format!("task {id} is {}", task.result.state)
                })
            }
        },
    }
}

fn check(so: bool, missing: impl FnOnce() -> String) -> Result<(), String> {
    if so { Ok(()) } else { Err(missing()) }
}

fn unit<'v>(view: &'v ModelView, name: &UnitName) -> Option<&'v super::UnitView> {
    view.applications.get(&name.application)?.units.get(name)
}

/// The first few units that are not settled, each with its reason.
fn unsettled(view: &ModelView, only: Option<&ApplicationName>) -> Option<String> {
    const SHOWN: usize = 5;
    let wanted = view.applications.iter().filter(|(name, _)| only.is_none_or(|o| o == *name));
    let units: Vec<String> = wanted
        .flat_map(|(_, app)| app.units.iter())
        .filter(|(_, unit)| !unit.settled)
        .map(|(name, unit)| format!("{name}: {}", unit.waits_for))
        .collect();
    let more = units.len().saturating_sub(SHOWN);
    let mut text = units.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    (!units.is_empty()).then_some(text)
}
