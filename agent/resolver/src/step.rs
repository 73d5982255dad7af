//! What comes out of a decision, and what the host adds to the facts.

use std::collections::BTreeMap;
use std::fmt;

use muster_model::goal::CharmGoal;
use muster_model::name::{StorageId, TaskId, UnitName};
use muster_model::record::Address;
use muster_model::report::StepReport;
use muster_model::{Hook, Timestamp, Version};

use crate::progress::Failure;

/// What the host and this process know and do not journal: it is looked at anew after a start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The kernel's id of the present boot.
    pub boot: String,
    /// The machine's addresses, best first.
    pub addresses: Vec<Address>,
    /// Whether the unit may claim to lead: the records say so and the lease has not run out.
    pub leads: bool,
    /// The version of the leader's settings that a hook has seen since the agent started.
    pub leader_settings: Option<Version>,
    /// Endpoints that the charm on disk declares; relations of others wait for an upgrade. None:
    /// not known, all count as declared.
    pub endpoints: Option<std::collections::BTreeSet<muster_model::name::EndpointName>>,
    /// The storages of the unit that this process has looked at.
    pub storage: BTreeMap<StorageId, StorageSeen>,
    /// When `update-status` is due.
    pub tick: Option<Timestamp>,
    /// Why the disk has no room for what a hook makes the agent write; none if it has.
    pub full: Option<String>,
}

/// How a storage stands on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageSeen {
    /// It is where the charm finds it.
    Ready,
    /// It could not be made ready, for this reason; tried again at that time.
    Trouble(String, Timestamp),
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Put the charm's files in place.
    Deploy(CharmGoal),
    /// Make a storage and mount it where the charm finds it.
    Mount(StorageId),
    /// Unmount a storage whose hook has been; destroy its data if that is wanted.
    Unmount(StorageId),
    /// Run a hook.
    Hook(Hook),
    /// Count a hook as done without running it.
    PassOver(Hook),
    /// The operator has answered the failure: it is over, the hook runs again.
    Retry(Failure),
    /// The operator has answered the failure: it is over, the hook counts as done.
    Skip(Failure),
    /// Run an action or a command.
    Task(TaskId),
    /// Answer a task that was taken back before it ran.
    CancelTask(TaskId),
    /// Give up the lead; no hook runs.
    Resign,
    /// Tell what was done.
    Report(StepReport),
    /// Take everything of the unit from the machine, and tell.
    Leave,
}

/// What the unit does now.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// This.
    Run(Step),
    /// Nothing: something is needed that is not there.
    Wait {
        /// What it waits for.
        reason: Reason,
        /// When to look again, if time alone may change the answer.
        until: Option<Timestamp>,
    },
    /// Nothing: all is as wanted.
    Idle {
        /// When to look again.
        until: Option<Timestamp>,
    },
    /// Nothing more ever: the unit has left.
    Gone,
}

/// What a unit waits for, as people read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A failed hook runs again by itself.
    Retry(Hook),
    /// A failed hook waits for the operator.
    Resolve(Hook),
    /// The charm's files could not be put in place at an upgrade.
    Conflict(String),
    /// The first charm's files could not be put in place; it is tried again.
    Deploy(String),
    /// The disk has no room.
    Full(String),
    /// A storage is not ready.
    Storage(StorageId, String),
    /// The controller has not taken the unit into a relation yet.
    Scope(muster_model::name::EndpointName),
    /// It is to lead, and has no lease yet that says until when.
    Lease,
    /// Subordinates are still there.
    Subordinates(UnitName),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Retry(hook) => write!(f, "hook `{hook}` failed; it will run again"),
            Reason::Resolve(hook) => write!(f, "hook `{hook}` failed; waiting for `resolved`"),
            Reason::Conflict(why) => write!(f, "upgrade failed: {why}"),
            Reason::Deploy(why) => {
                write!(f, "cannot put the charm in place: {why}; it will be tried again")
            }
            Reason::Full(why) => write!(f, "the disk is full: {why}"),
            Reason::Storage(storage, why) => write!(f, "storage {storage}: {why}"),
            Reason::Scope(endpoint) => write!(f, "entering the relation of {endpoint}"),
            Reason::Lease => f.write_str("the controller to confirm that it leads"),
            Reason::Subordinates(unit) => write!(f, "{unit} is still there"),
        }
    }
}

/// The line that stories and logs show.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Deploy(charm) => write!(f, "deploy {}", charm.url),
            Step::Mount(storage) => write!(f, "mount {storage}"),
            Step::Unmount(storage) => write!(f, "unmount {storage}"),
            Step::Hook(hook) => write!(f, "run {hook}"),
            Step::PassOver(hook) => write!(f, "pass over {hook}"),
            Step::Retry(failure) => write!(f, "retry {}", failure.hook),
            Step::Skip(failure) => write!(f, "skip {}", failure.hook),
            Step::Task(task) => write!(f, "task {task}"),
            Step::CancelTask(task) => write!(f, "cancel task {task}"),
            Step::Resign => f.write_str("resign"),
            Step::Report(report) => match report {
                StepReport::Deployed { charm, .. } => write!(f, "report deployed {charm}"),
                StepReport::NotDeployed { charm, .. } => write!(f, "report not deployed {charm}"),
                StepReport::Committed { hook, .. } => write!(f, "report committed {hook}"),
                StepReport::Failed { hook, .. } => write!(f, "report failed {hook}"),
                StepReport::Task { task, .. } => write!(f, "report task {task}"),
                StepReport::Outside { .. } => f.write_str("report outside"),
                StepReport::Gone => f.write_str("report gone"),
            },
            Step::Leave => f.write_str("leave"),
        }
    }
}
