//! Units: what is wanted of one, and how far it is.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::effects::{OpenPort, Settings};
use crate::hook::Hook;
use crate::life::Life;
use crate::name::{CharmUrl, MachineId, StorageId, UnitName};
use crate::status::{Agent, Status, Workload};
use crate::time::Timestamp;
use crate::version::{Revision, Seq, Version};

/// What is wanted of a unit. Its own agent looks again when this changes, and so do the units
/// that are related to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Unit {
    /// Its name.
    pub name: UnitName,
    /// Whether it is wanted.
    #[serde(default)]
    pub life: Life,
    /// The machine that it lives on. A principal's is chosen when the unit is made; a
    /// subordinate's is its principal's.
    pub machine: MachineId,
    /// For subordinates: whom it lives beside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<UnitName>,
    /// The subordinate units that live beside this one.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub subordinates: BTreeSet<UnitName>,
    /// The storage instances that it has.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub storages: BTreeSet<StorageId>,
    /// The operator's last answer to a failed hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve: Option<Resolve>,
    /// Once dying: whether its storage is destroyed with it.
    #[serde(default)]
    pub destroy_storage: bool,
    /// Once dying: whether it goes without running its hooks.
    #[serde(default)]
    pub force: bool,
    /// When it was made.
    pub created: Timestamp,
}

/// An operator's answer to a failed hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Resolve {
    /// The failure that it answers: the report's number. Another failure is not answered by it.
    pub seq: Seq,
    /// Whether the hook runs again, or counts as done.
    pub retry: bool,
    /// Counts the answers, so that a second "retry" to the same failure is seen as a new one.
    pub count: u32,
}

/// How far a unit is, as its agent reports. Wakes nobody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UnitProgress {
    /// The unit.
    pub unit: UnitName,
    /// The last report that was taken; each number is taken once (R5).
    #[serde(default)]
    pub seq: Seq,
    /// Whether its agent has ever reported. A unit that never did is dropped without hooks.
    #[serde(default)]
    pub seen: bool,
    /// Whether `install` was committed.
    #[serde(default)]
    pub installed: bool,
    /// Whether the first `start` was committed.
    #[serde(default)]
    pub started: bool,
    /// The charm whose files it runs; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charm: Option<CharmUrl>,
    /// The application's count of changes to the charm that those files answer.
    #[serde(default)]
    pub charm_modified: u32,
    /// Whether the charm ever called `status-set`; until then the system speaks for it.
    #[serde(default)]
    pub status_set: bool,
    /// What the charm says of its workload, or the system before the charm has spoken.
    pub workload: Status<Workload>,
    /// What the agent does. `Executing` is not kept: it is heard with the presence.
    pub agent: Status<Agent>,
    /// What failed and waits to be tried again, or for the operator's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<UnitFailure>,
    /// Ports that it has opened.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ports: BTreeSet<OpenPort>,
    /// The revision of the goal at which it had nothing to do; see [`settled`](crate::settled).
    #[serde(default)]
    pub rested: Revision,
    /// Why it cannot go on though nothing failed; empty if it can. For `status`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub waits_for: String,
    /// How many processes its hooks left running, when it rested last.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left: u32,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A hook that failed and has not succeeded or been passed over since; or a charm whose files could
/// not be put in place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UnitFailure {
    /// The hook. None: putting the charm's files in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<Hook>,
    /// The number of the report that told of it.
    pub seq: Seq,
    /// How often it failed in a row.
    pub attempts: u32,
    /// Why, in a sentence.
    pub reason: String,
    /// When it last failed.
    pub at: Timestamp,
}

impl UnitProgress {
    /// What is said of the failure in a status (hook contract, sections 1.11, 4.9 and 4.14).
    #[must_use]
    pub fn failure_told(&self) -> Option<String> {
        let failure = self.failure.as_ref()?;
        Some(match &failure.hook {
            Some(hook) => format!("hook failed: \"{}\"", hook.told()),
            None if self.charm.is_some() => "upgrade failed".to_owned(),
            None => "cannot put the charm in place".to_owned(),
        })
    }

    /// The workload as others see it: in error while something has failed. Where no charm was ever put
    /// in place it stays where its installation stands (hook contract, section 1.11).
    #[must_use]
    pub fn workload_shown(&self) -> Status<Workload> {
        match (&self.failure, self.failure_told()) {
            (Some(failure), Some(told)) if failure.hook.is_some() || self.charm.is_some() => {
                Status::new(Workload::Error, told, failure.at)
            }
            _ => self.workload.clone(),
        }
    }
}

/// What a charm keeps with the controller (`state-set`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UnitState {
    /// The unit.
    pub unit: UnitName,
    /// How often it changed.
    #[serde(default)]
    pub version: Version,
    /// The state.
    #[serde(default)]
    pub state: Settings,
}
