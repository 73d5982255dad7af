//! The words of status, and a status with its message and time (CLI contract, section 5).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// Every word, in the order of declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The word as it is printed and written.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// What a charm says of its workload, and what the system says in its place.
    ///
    /// The order is that of severity, mildest first (CLI contract, section 5): an application
    /// shows the most severe of its units.
    Workload {
        /// The charm never said anything.
        Unknown = "unknown",
        /// The unit has left.
        Terminated = "terminated",
        /// Serving.
        Active = "active",
        /// Busy with itself.
        Maintenance = "maintenance",
        /// Needs something that will come by itself.
        Waiting = "waiting",
        /// Needs a person.
        Blocked = "blocked",
        /// A hook failed.
        Error = "error",
    }
}

words! {
    /// What a unit's agent does.
    Agent {
        /// The machine or the agent is not there yet.
        Allocating = "allocating",
        /// Running a hook, an action or a command.
        Executing = "executing",
        /// Nothing to do.
        Idle = "idle",
        /// The host is about to restart at the charm's wish.
        Rebooting = "rebooting",
        /// A hook failed; shown as `idle`, with the workload in `error`.
        Error = "error",
        /// The agent itself cannot go on.
        Failed = "failed",
        /// No sign of life for longer than the stated limit; computed, never kept.
        Lost = "lost",
    }
}

words! {
    /// What a machine's agent does.
    MachineAgent {
        /// Not there yet.
        Pending = "pending",
        /// Alive.
        Started = "started",
        /// On its way out.
        Stopped = "stopped",
        /// No sign of life; computed, never kept.
        Down = "down",
        /// Cannot go on.
        Error = "error",
    }
}

words! {
    /// What the substrate says of a machine.
    Instance {
        /// Nothing was asked of the substrate yet.
        Pending = "pending",
        /// It is being made.
        Allocating = "allocating",
        /// It runs.
        Running = "running",
        /// It could not be made; tried again.
        ProvisioningError = "provisioning error",
        /// It ran and broke.
        Error = "error",
        /// The substrate cannot say.
        Unknown = "unknown",
    }
}

words! {
    /// Where a storage stands.
    StorageState {
        /// To be made.
        Pending = "pending",
        /// Made, being mounted.
        Attaching = "attaching",
        /// Mounted on its unit.
        Attached = "attached",
        /// Being taken from its unit.
        Detaching = "detaching",
        /// Kept, with no unit.
        Detached = "detached",
        /// Being destroyed.
        Destroying = "destroying",
        /// Cannot go on; tried again.
        Error = "error",
    }
}

words! {
    /// Where a task stands.
    TaskState {
        /// Waits for its unit.
        Pending = "pending",
        /// Runs.
        Running = "running",
        /// Ended well.
        Completed = "completed",
        /// Ended badly.
        Failed = "failed",
        /// Taken back before it ran.
        Cancelled = "cancelled",
        /// Killed while it ran.
        Aborted = "aborted",
    }
}

impl TaskState {
    /// Whether nothing more will come of it.
    #[must_use]
    pub fn is_over(self) -> bool {
        !matches!(self, TaskState::Pending | TaskState::Running)
    }
}

/// A word with what was said of it and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Status<W> {
    /// The word.
    pub value: W,
    /// What was said; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it was set. The same word and message again do not move it.
    pub since: Timestamp,
}

impl<W: PartialEq> Status<W> {
    /// A status as of `since`.
    #[must_use]
    pub fn new(value: W, message: impl Into<String>, since: Timestamp) -> Self {
        Status { value, message: message.into(), since }
    }

    /// Takes over a newer status; answers whether it differs.
    pub fn set(&mut self, value: W, message: impl Into<String>, now: Timestamp) -> bool {
        let message = message.into();
        let differs = self.value != value || self.message != message;
        if differs {
            *self = Status { value, message, since: now };
        }
        differs
    }
}
