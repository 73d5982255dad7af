//! What agents and the provisioner tell.

mod secret;

use std::collections::BTreeMap;

pub use secret::{SecretFound, SecretHow, SecretWant};
use serde::{Deserialize, Serialize};

use crate::effects::{Effects, SettingsChange};
use crate::hook::Hook;
use crate::name::{CharmUrl, MachineId, ModelId, StorageId, TaskId, UnitName};
use crate::record::{Address, Hardware, Limit};
use crate::status::{Instance, StorageState, TaskState, Workload};
use crate::time::Timestamp;
use crate::version::{Revision, Seq, Version};

/// What is told. The caller must be the machine's own agent, or the controller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The model.
    pub model: ModelId,
    /// What.
    pub body: ReportBody,
}

/// What is told, by whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportBody {
    /// A machine's agent, of the machine.
    Facts {
        /// The machine.
        machine: MachineId,
        /// What it says.
        facts: Box<FactsReport>,
    },
    /// A machine's agent: the machine has nothing left that needs it; it may go.
    MachineDone {
        /// The machine.
        machine: MachineId,
    },
    /// A machine's agent, of storage that no unit has and that was to be destroyed.
    Discarded {
        /// The machine.
        machine: MachineId,
        /// The storage.
        storage: StorageId,
        /// Why its data is still there; empty: it is gone.
        #[serde(default)]
        trouble: String,
    },
    /// A machine's agent, of those of its units that have nothing to do.
    Rest {
        /// The machine.
        machine: MachineId,
        /// The goal's revision, as of which the units below have nothing to do.
        revision: Revision,
        /// Each unit with what it waits for; empty if nothing.
        units: BTreeMap<UnitName, String>,
        /// How many processes hooks of these units left running; those that are not named: none.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        left: BTreeMap<UnitName, u32>,
    },
    /// A unit's agent, once a step is over. Numbered: taken once, in order.
    Step {
        /// The unit.
        unit: UnitName,
        /// The number.
        seq: Seq,
        /// What is over.
        step: StepReport,
    },
    /// A unit's agent, while a run goes on: what the hook contract lists as seen at once. May be
    /// sent again without harm.
    Now {
        /// The unit.
        unit: UnitName,
        /// What.
        now: NowReport,
    },
    /// A machine's agent, of a task on the machine itself.
    MachineTask {
        /// The machine.
        machine: MachineId,
        /// The task.
        task: TaskId,
        /// How it stands.
        outcome: TaskOutcome,
    },
    /// The provisioner, of a machine.
    Provision {
        /// The machine.
        machine: MachineId,
        /// How it stands.
        instance: InstanceReport,
    },
}

/// What a machine is, as its agent sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FactsReport {
    /// Its host name.
    pub hostname: String,
    /// Its addresses, best first.
    pub addresses: Vec<Address>,
    /// What it has.
    pub hardware: Hardware,
    /// What it runs.
    pub base: Option<muster_charms::Base>,
    /// The kernel's id for the present boot.
    pub boot_id: String,
    /// The version of the agent.
    pub agent_version: String,
    /// Why the agent cannot go on; empty if it can.
    #[serde(default)]
    pub trouble: String,
}

/// A step that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepReport {
    /// Charm files are in place.
    Deployed {
        /// The charm.
        charm: CharmUrl,
        /// The application's count of changes that they answer.
        charm_modified: u32,
    },
    /// Charm files could not be put in place. An upgrade waits for the operator; a first charm is
    /// tried again.
    NotDeployed {
        /// The charm.
        charm: CharmUrl,
        /// How often in a row.
        attempts: u32,
        /// Why, in a sentence.
        reason: String,
    },
    /// A hook exited well, or was passed over (then without effects).
    Committed {
        /// The hook.
        hook: Hook,
        /// What it wrote.
        #[serde(default)]
        effects: Effects,
    },
    /// A hook failed. Nothing of it is kept.
    Failed {
        /// The hook.
        hook: Hook,
        /// How often in a row.
        attempts: u32,
        /// Why, in a sentence.
        reason: String,
    },
    /// An action or a command is over. Its effects are kept as its outcome says.
    Task {
        /// The task.
        task: TaskId,
        /// How it ended.
        outcome: TaskOutcome,
        /// What it wrote, if it is to be kept.
        #[serde(default)]
        effects: Effects,
    },
    /// A command from outside hooks (`juju-exec`) wrote something; it is kept whatever the unit's
    /// state, and says nothing of a hook that failed.
    Outside {
        /// What it wrote.
        effects: Effects,
    },
    /// The unit has left: nothing of it remains on the machine.
    Gone,
}

/// How a task stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TaskOutcome {
    /// Where it stands.
    pub state: TaskState,
    /// The failure's text.
    #[serde(default)]
    pub message: String,
    /// What it set.
    #[serde(default)]
    pub results: serde_json::Map<String, serde_json::Value>,
}

/// What is seen at once (hook contract, section 4.15, the right column).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NowReport {
    /// `status-set`.
    Status {
        /// The word; one that charms may set.
        value: Workload,
        /// What was said.
        message: String,
    },
    /// `status-set --application`; refused unless the unit leads.
    ApplicationStatus {
        /// The word; one that charms may set.
        value: Workload,
        /// What was said.
        message: String,
    },
    /// `application-version-set`.
    WorkloadVersion(String),
    /// `leader-set`; refused unless the unit leads.
    LeaderSettings(SettingsChange),
    /// A task has begun.
    TaskStarted(TaskId),
    /// `action-log`.
    TaskLog {
        /// The task.
        task: TaskId,
        /// The line's time.
        at: Timestamp,
        /// The line.
        line: String,
    },
    /// Where a storage stands.
    Storage {
        /// Which.
        storage: StorageId,
        /// Where it stands.
        state: StorageState,
        /// Why it cannot go on; empty if it can.
        message: String,
        /// Where the charm finds it.
        location: String,
        /// What the provider calls it.
        provider_id: String,
    },
    /// `secret-get`: which revision is read, and from now on.
    Secret(SecretWant),
    /// The machine is about to restart at the charm's wish.
    Rebooting,
}

/// What the provisioner says of a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct InstanceReport {
    /// What the substrate calls it.
    pub instance: Option<String>,
    /// Where it stands.
    pub state: Instance,
    /// What happens, or why it cannot go on.
    pub message: String,
    /// Its address.
    pub address: Option<std::net::IpAddr>,
    /// Whether each limit is enforced.
    pub limits: BTreeMap<String, Limit>,
    /// Whether the substrate has let go of everything of it.
    pub gone: bool,
}

/// The answer to a report that was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Receipt {
    /// The revision at which it holds.
    pub revision: Revision,
    /// The last numbered report of the unit that was taken.
    #[serde(default)]
    pub seq: Seq,
    /// The version of the leader's settings after `leader-set`.
    #[serde(default)]
    pub leader_settings: Version,
    /// What `secret-get` may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretFound>,
}
