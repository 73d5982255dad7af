//! Which hook, with everything that makes it this run and no other.

mod secret;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::{
    ActionName, ApplicationName, EndpointName, RelationId, StorageId, TaskId, UnitName,
};
use crate::version::Version;

pub use secret::{SecretHook, SecretHookKind};

/// A hook to run: its kind and what it is about (hook contract, sections 3.3 and 4.3).
///
/// It is journalled before it starts and sent with its report, so that a retry is about the same
/// relation, the same remote unit and the same departing unit (section 4.14).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    /// Once, the first but for storage.
    Install,
    /// After the first `config-changed`, and after each boot of the machine.
    Start,
    /// The configuration, the trust or the addresses differ from those last committed.
    ConfigChanged,
    /// New charm files, or a new revision of a resource, are in place.
    UpgradeCharm,
    /// The unit has become leader.
    LeaderElected,
    /// The leader's settings were written, or the unit lost the lead.
    LeaderSettingsChanged,
    /// The timer, when there is nothing else to do.
    UpdateStatus,
    /// The unit leaves; its relations are gone.
    Stop,
    /// The last one.
    Remove,
    /// One of the five of a relation.
    Relation(RelationHook),
    /// One of the two of a storage.
    Storage(StorageHook),
    /// One of the four of a secret.
    Secret(SecretHook),
}

/// One of the five hooks of a relation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RelationHook {
    /// Which of the five.
    pub kind: RelationHookKind,
    /// The relation.
    pub relation: RelationId,
    /// The local endpoint.
    pub endpoint: EndpointName,
    /// The application at the other end; the own one for peers.
    pub remote_application: ApplicationName,
    /// The unit it is about; none in `created`, `broken` and the application's own `changed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_unit: Option<UnitName>,
    /// The databag's version that this run has seen, for `joined` and `changed`.
    #[serde(default)]
    pub version: Version,
    /// Who goes, in `departed`: the remote unit, or the local one if it is the one that leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub departing_unit: Option<UnitName>,
}

/// Which of the five hooks of a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RelationHookKind {
    /// The relation was first seen.
    Created,
    /// A remote unit came.
    Joined,
    /// A databag changed.
    Changed,
    /// A remote unit went.
    Departed,
    /// The relation ends for this unit.
    Broken,
}

/// One of the two hooks of a storage.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StorageHook {
    /// Whether it comes (`attached`) or goes (`detaching`).
    pub kind: StorageHookKind,
    /// The instance.
    pub storage: StorageId,
}

/// Whether a storage comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageHookKind {
    /// It is mounted and ready.
    Attached,
    /// It will be unmounted once the hook has ended well.
    Detaching,
}

/// What `hooks/` calls it, and what `JUJU_HOOK_NAME` says.
impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hook::Install => f.write_str("install"),
            Hook::Start => f.write_str("start"),
            Hook::ConfigChanged => f.write_str("config-changed"),
            Hook::UpgradeCharm => f.write_str("upgrade-charm"),
            Hook::LeaderElected => f.write_str("leader-elected"),
            Hook::LeaderSettingsChanged => f.write_str("leader-settings-changed"),
            Hook::UpdateStatus => f.write_str("update-status"),
            Hook::Stop => f.write_str("stop"),
            Hook::Remove => f.write_str("remove"),
            Hook::Relation(hook) => {
                let kind = match hook.kind {
                    RelationHookKind::Created => "created",
                    RelationHookKind::Joined => "joined",
                    RelationHookKind::Changed => "changed",
                    RelationHookKind::Departed => "departed",
                    RelationHookKind::Broken => "broken",
                };
                write!(f, "{}-relation-{kind}", hook.endpoint)
            }
            Hook::Storage(hook) => {
                let kind = match hook.kind {
                    StorageHookKind::Attached => "attached",
                    StorageHookKind::Detaching => "detaching",
                };
                write!(f, "{}-storage-{kind}", hook.storage.name)
            }
            Hook::Secret(hook) => hook.fmt(f),
        }
    }
}

impl Hook {
    /// What an error status calls it: its name, but the kind alone for storage (hook contract,
    /// section 4.14).
    #[must_use]
    pub fn told(&self) -> String {
        match self {
            Hook::Storage(hook) => match hook.kind {
                StorageHookKind::Attached => "storage-attached".to_owned(),
                StorageHookKind::Detaching => "storage-detaching".to_owned(),
            },
            hook => hook.to_string(),
        }
    }
}

/// What a unit runs: a hook, an action of the charm, or an operator's own command.
///
/// Actions and commands have a task that awaits their result; hooks have not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Run {
    /// A hook.
    Hook(Hook),
    /// An action of the charm.
    Action {
        /// Whose result it is.
        task: TaskId,
        /// The action's name.
        name: ActionName,
    },
    /// A shell command of an operator, as `exec` sends it.
    Command {
        /// Whose result it is.
        task: TaskId,
    },
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Run::Hook(hook) => hook.fmt(f),
            Run::Action { name, .. } => name.fmt(f),
            Run::Command { .. } => f.write_str("juju-run-commands"),
        }
    }
}
