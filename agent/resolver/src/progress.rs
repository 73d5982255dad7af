//! What a unit has under way, as its journal keeps it: each variant is true from when it was synced
//! until the next one is.

use muster_model::goal::{CharmGoal, UnitGoal};
use muster_model::name::TaskId;
use muster_model::report::TaskOutcome;
use muster_model::{Effects, Hook, Seq, Timestamp, Version};
use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::step::Seen;

/// What is under way. Each variant is true from when it was synced until the next one is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// Nothing.
    #[default]
    Idle,
    /// Charm files are being put in place; some may be.
    Deploying {
        /// Which.
        charm: CharmGoal,
        /// How the try before this one ended, if it could not be done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Conflict>,
        /// The failed hook that waits for it, if the upgrade was forced.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
    },
    /// Charm files could not be put in place; the controller may not know.
    Conflicting {
        /// Which, and why.
        conflict: Conflict,
        /// See [`Progress::Deploying`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
    },
    /// Charm files could not be put in place, and the controller knows.
    Conflicted {
        /// Which, and why.
        conflict: Conflict,
        /// When it is tried again by itself; never, once a charm was deployed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
        /// See [`Progress::Deploying`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
    },
    /// Charm files are in place; the controller may not know.
    Deployed {
        /// Which.
        charm: CharmGoal,
        /// See [`Progress::Deploying`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
    },
    /// This hook is next, before anything else of its kind.
    Queued {
        /// Which.
        hook: Hook,
    },
    /// The hook's process may have been started.
    Running {
        /// Which.
        hook: Hook,
        /// What it sees.
        inputs: Inputs,
        /// How often it had failed before.
        #[serde(default)]
        attempts: u32,
        /// See [`Failure::since`]; zero if it had not failed.
        #[serde(default)]
        since: Seq,
    },
    /// The hook has ended well, or was passed over; the controller may not know.
    Committing {
        /// Which.
        hook: Hook,
        /// What it saw.
        inputs: Inputs,
        /// What it wrote.
        #[serde(default)]
        effects: Effects,
        /// How often it had failed before.
        #[serde(default)]
        attempts: u32,
        /// See [`Failure::since`]; zero if it had not failed.
        #[serde(default)]
        since: Seq,
    },
    /// The hook has failed; the controller may not know.
    Failing {
        /// Which, and why.
        failure: Failure,
    },
    /// The hook has failed, and the controller knows.
    Failed {
        /// Which, and why.
        failure: Failure,
        /// When it runs again by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
    },
    /// Everything of the unit is being taken away.
    Leaving,
    /// Everything of the unit was taken away; the controller may not know.
    Left,
    /// The controller knows.
    Gone,
}

/// A hook that failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Failure {
    /// The hook.
    pub hook: Hook,
    /// What it saw.
    pub inputs: Inputs,
    /// How often in a row.
    pub attempts: u32,
    /// Why, in a sentence.
    pub reason: String,
    /// The number of the report that first told of it; zero before. It stays while the hook fails
    /// again and again: an answer to any failure of the row is an answer to this one.
    #[serde(default, alias = "seq")]
    pub since: Seq,
}

/// A charm whose files could not be put in place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Conflict {
    /// The charm.
    pub charm: CharmGoal,
    /// How often in a row.
    pub attempts: u32,
    /// Why, in a sentence.
    pub reason: String,
    /// The number of the report that first told of it; zero before. See [`Failure::since`].
    #[serde(default)]
    pub since: Seq,
}

/// What a hook saw and what its commit remembers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inputs {
    /// The configuration, trust, bindings and addresses.
    pub config: Fingerprint,
    /// The boot.
    pub boot: String,
    /// The leader's settings.
    pub leader_settings: Version,
}

impl Inputs {
    /// What a hook sees that starts now.
    #[must_use]
    pub fn of(goal: &UnitGoal, seen: &Seen) -> Inputs {
        Inputs {
            config: Fingerprint::of(goal, &seen.addresses),
            boot: seen.boot.clone(),
            leader_settings: goal.leader_settings,
        }
    }
}

/// A task under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskProgress {
    /// Its process may have been started.
    Running(TaskId),
    /// It is over; the controller may not know.
    Ended {
        /// Which.
        task: TaskId,
        /// How it ended.
        outcome: TaskOutcome,
        /// What it wrote, if that is kept.
        #[serde(default)]
        effects: Effects,
    },
    /// A command that nobody but the machine itself asked for (`juju-exec`) is over; the controller
    /// may not know what it wrote.
    Outside {
        /// What it wrote.
        effects: Effects,
    },
}
