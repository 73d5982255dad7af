//! The hooks that a charm can receive, and what they are called on disk (hook contract,
//! sections 1.12 and 4.3).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::{ActionName, EndpointName, StorageName};

/// What befalls a relation, in the order of a member's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelationEvent {
    /// The relation is seen for the first time.
    Created,
    /// A remote unit came.
    Joined,
    /// A remote unit, or its application, said something new.
    Changed,
    /// A remote unit left.
    Departed,
    /// The relation is over.
    Broken,
}

impl RelationEvent {
    /// All, in the order of a relation's life.
    pub const ALL: [RelationEvent; 5] = [
        RelationEvent::Created,
        RelationEvent::Joined,
        RelationEvent::Changed,
        RelationEvent::Departed,
        RelationEvent::Broken,
    ];

    /// The last word of the hook's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RelationEvent::Created => "created",
            RelationEvent::Joined => "joined",
            RelationEvent::Changed => "changed",
            RelationEvent::Departed => "departed",
            RelationEvent::Broken => "broken",
        }
    }
}

/// What befalls a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StorageEvent {
    /// It is there and mounted.
    Attached,
    /// It is about to go.
    Detaching,
}

impl StorageEvent {
    /// Both, in the order of a storage's life.
    pub const ALL: [StorageEvent; 2] = [StorageEvent::Attached, StorageEvent::Detaching];

    /// The last word of the hook's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            StorageEvent::Attached => "attached",
            StorageEvent::Detaching => "detaching",
        }
    }
}

/// A hook, told by kind; it prints as its file is called (`db-relation-joined`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookKind {
    /// Once, the first that is not about storage.
    Install,
    /// After the first `config-changed`, and after each reboot of the host.
    Start,
    /// Configuration, trust, addresses or bindings are not what the last one saw.
    ConfigChanged,
    /// New charm files lie there, or a new revision of a resource.
    UpgradeCharm,
    /// The unit leads.
    LeaderElected,
    /// The leader's settings are new to this follower.
    LeaderSettingsChanged,
    /// Never fired; charms may ship it.
    LeaderDeposed,
    /// A timer.
    UpdateStatus,
    /// The unit is going, its relations are gone.
    Stop,
    /// The last.
    Remove,
    /// A relation of this endpoint.
    Relation {
        /// The charm's own endpoint.
        endpoint: EndpointName,
        /// What befell it.
        event: RelationEvent,
    },
    /// An instance of this storage.
    Storage {
        /// The storage's name.
        storage: StorageName,
        /// What befell it.
        event: StorageEvent,
    },
    /// A secret that is watched has a newer revision.
    SecretChanged,
    /// An own secret is due for rotation.
    SecretRotate,
    /// A revision of an own secret has expired.
    SecretExpired,
    /// A revision of an own secret has no readers left.
    SecretRemove,
    /// Before the operating system is upgraded.
    PreSeriesUpgrade,
    /// After the operating system was upgraded.
    PostSeriesUpgrade,
    /// Every five minutes, where the charm has `metrics.yaml`.
    CollectMetrics,
    /// The meter's status changed.
    MeterStatusChanged,
    /// No hook but an action, which lies in `actions/`.
    Action(ActionName),
}

impl HookKind {
    /// Every hook that any charm can receive, whatever its endpoints and storages are.
    pub const STANDARD: [HookKind; 18] = [
        HookKind::Install,
        HookKind::Start,
        HookKind::ConfigChanged,
        HookKind::UpgradeCharm,
        HookKind::LeaderElected,
        HookKind::LeaderSettingsChanged,
        HookKind::LeaderDeposed,
        HookKind::UpdateStatus,
        HookKind::Stop,
        HookKind::Remove,
        HookKind::SecretChanged,
        HookKind::SecretRotate,
        HookKind::SecretExpired,
        HookKind::SecretRemove,
        HookKind::PreSeriesUpgrade,
        HookKind::PostSeriesUpgrade,
        HookKind::CollectMetrics,
        HookKind::MeterStatusChanged,
    ];

    /// The hook of `event` at `endpoint`.
    #[must_use]
    pub fn relation(endpoint: EndpointName, event: RelationEvent) -> Self {
        HookKind::Relation { endpoint, event }
    }

    /// The hook of `event` of `storage`.
    #[must_use]
    pub fn storage(storage: StorageName, event: StorageEvent) -> Self {
        HookKind::Storage { storage, event }
    }

    /// The file in the charm that answers it, such as `hooks/install` or `actions/snapshot`; also
    /// what `JUJU_DISPATCH_PATH` says.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            HookKind::Action(_) => format!("actions/{self}"),
            _ => format!("hooks/{self}"),
        }
    }
}

impl fmt::Display for HookKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            HookKind::Install => "install",
            HookKind::Start => "start",
            HookKind::ConfigChanged => "config-changed",
            HookKind::UpgradeCharm => "upgrade-charm",
            HookKind::LeaderElected => "leader-elected",
            HookKind::LeaderSettingsChanged => "leader-settings-changed",
            HookKind::LeaderDeposed => "leader-deposed",
            HookKind::UpdateStatus => "update-status",
            HookKind::Stop => "stop",
            HookKind::Remove => "remove",
            HookKind::Relation { endpoint, event } => {
                return write!(f, "{endpoint}-relation-{}", event.as_str());
            }
            HookKind::Storage { storage, event } => {
                return write!(f, "{storage}-storage-{}", event.as_str());
            }
            HookKind::SecretChanged => "secret-changed",
            HookKind::SecretRotate => "secret-rotate",
            HookKind::SecretExpired => "secret-expired",
            HookKind::SecretRemove => "secret-remove",
            HookKind::PreSeriesUpgrade => "pre-series-upgrade",
            HookKind::PostSeriesUpgrade => "post-series-upgrade",
            HookKind::CollectMetrics => "collect-metrics",
            HookKind::MeterStatusChanged => "meter-status-changed",
            HookKind::Action(name) => name.as_str(),
        };
        f.pad(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_are_called_as_their_files_are() {
        let joined = HookKind::relation("db_admin".parse().unwrap(), RelationEvent::Joined);
        assert_eq!(joined.to_string(), "db_admin-relation-joined");
        assert_eq!(joined.path(), "hooks/db_admin-relation-joined");
        let attached = HookKind::storage("data".parse().unwrap(), StorageEvent::Attached);
        assert_eq!(attached.path(), "hooks/data-storage-attached");
        assert_eq!(HookKind::Action("submit".parse().unwrap()).path(), "actions/submit");
    }

    #[test]
    fn hooks_are_kept_as_json_and_read_back() {
        let mut hooks = HookKind::STANDARD.to_vec();
        hooks.push(HookKind::relation("db".parse().unwrap(), RelationEvent::Broken));
        hooks.push(HookKind::storage("data".parse().unwrap(), StorageEvent::Detaching));
        hooks.push(HookKind::Action("submit".parse().unwrap()));
        let json = serde_json::to_string(&hooks).unwrap();
        assert_eq!(serde_json::from_str::<Vec<HookKind>>(&json).unwrap(), hooks);
    }
}
