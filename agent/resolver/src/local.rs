//! What a unit has done, as its journal keeps it, and how a finished step changes it.

use std::collections::{BTreeMap, BTreeSet};

use muster_model::goal::{CharmGoal, UnitGoal};
use muster_model::hook::{RelationHookKind, StorageHookKind};
use muster_model::name::{EndpointName, RelationId, StorageId, TaskId, UnitName};
use muster_model::report::{StepReport, TaskOutcome};
use muster_model::{Effects, Hook, Seq, Timestamp, Version};
use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::step::Seen;

/// All that a unit remembers (hook contract, section 4.1).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Local {
    /// The number of the last report that the controller took.
    pub seq: Seq,
    /// What is under way.
    pub progress: Progress,
    /// The task under way, beside whatever `progress` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskProgress>,
    /// The charm whose files are in place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployed: Option<CharmGoal>,
    /// What has been done for good.
    pub flags: Flags,
    /// What the last committed `config-changed` has seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Fingerprint>,
    /// The boot for which `start` was committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// Relations that it has seen.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub relations: BTreeMap<RelationId, RelationLocal>,
    /// Storages that it has seen.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub storage: BTreeMap<StorageId, StorageLocal>,
    /// Tasks that are over and that a goal may still list.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tasks_done: BTreeSet<TaskId>,
    /// The last of the operator's answers that was acted on: the failure's number and the count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved: Option<(Seq, u32)>,
}

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
        /// Why they could not be, if that was tried.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conflict: Option<String>,
        /// The failed hook that waits for it, if the upgrade was forced.
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
    /// The number of the report that told of it; zero before.
    #[serde(default)]
    pub seq: Seq,
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

/// What has been done for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Flags {
    /// `install` was committed.
    pub installed: bool,
    /// `start` was committed.
    pub started: bool,
    /// `stop` was committed since.
    pub stopped: bool,
    /// `remove` was committed.
    pub removed: bool,
    /// `leader-elected` was committed, and the lead not given up since.
    pub leader: bool,
}

/// What a unit knows of a relation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RelationLocal {
    /// The local endpoint.
    pub endpoint: EndpointName,
    /// Whether `-created` was committed.
    #[serde(default)]
    pub created: bool,
    /// Whether `-broken` was; nothing more is done for it then.
    #[serde(default)]
    pub broken: bool,
    /// Remote units that have joined, with the versions of their databags that a hook has seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<UnitName, Version>,
    /// The version of the remote application's databag that a hook has seen.
    #[serde(default)]
    pub application: Version,
    /// Who has joined and waits for its `-changed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_pending: Option<UnitName>,
}

/// What a unit knows of a storage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct StorageLocal {
    /// Whether making it has begun; then there may be something to take away.
    pub made: bool,
    /// Whether `-storage-attached` was committed.
    pub attached: bool,
    /// Whether it was taken away again.
    pub released: bool,
}

impl Local {
    /// A unit that was never here. `seq` is what the controller says was taken of it.
    #[must_use]
    pub fn new(seq: Seq) -> Local {
        Local { seq, ..Local::default() }
    }

    /// The report that is still to be taken, if there is one. Its number is the one after
    /// [`Local::seq`].
    #[must_use]
    pub fn outstanding(&self) -> Option<StepReport> {
        if let Some(TaskProgress::Outside { effects }) = &self.task {
            return Some(StepReport::Outside { effects: effects.clone() });
        }
        if let Some(TaskProgress::Ended { task, outcome, effects }) = &self.task {
            return Some(StepReport::Task {
                task: *task,
                outcome: outcome.clone(),
                effects: effects.clone(),
            });
        }
        match &self.progress {
            Progress::Deployed { charm, .. } => Some(StepReport::Deployed {
                charm: charm.url.clone(),
                charm_modified: charm.modified,
            }),
            Progress::Committing { hook, effects, .. } => {
                Some(StepReport::Committed { hook: hook.clone(), effects: effects.clone() })
            }
            Progress::Failing { failure } => Some(StepReport::Failed {
                hook: failure.hook.clone(),
                attempts: failure.attempts,
                reason: failure.reason.clone(),
            }),
            Progress::Left => Some(StepReport::Gone),
            _ => None,
        }
    }

    /// The controller has taken the outstanding report. `retry_at` is when a failed hook runs again.
    pub fn taken(&mut self, retry_at: Option<Timestamp>) {
        if self.outstanding().is_none() {
            return;
        }
        self.seq = self.seq.next();
        match self.task.take() {
            Some(TaskProgress::Ended { task, .. }) => {
                self.tasks_done.insert(task);
                return;
            }
            Some(TaskProgress::Outside { .. }) => return,
            other => self.task = other,
        }
        match std::mem::take(&mut self.progress) {
            Progress::Deployed { charm, failure } => self.deployed(charm, failure),
            Progress::Committing { hook, inputs, .. } => self.committed(hook, inputs),
            Progress::Failing { mut failure } => {
                failure.seq = self.seq;
                self.progress = Progress::Failed { failure, retry_at };
            }
            Progress::Left => self.progress = Progress::Gone,
            other => self.progress = other,
        }
    }

    /// The controller has refused what the hook or task wrote: it counts as failed (section 4.14).
    pub fn refused(&mut self, reason: &str) {
        if matches!(self.task, Some(TaskProgress::Outside { .. })) {
            self.task = None;
            return;
        }
        if let Some(TaskProgress::Ended { task, outcome, effects }) = &mut self.task {
            if effects.is_empty() {
                // Nothing is left that could be refused but the outcome itself.
                if !is_bare(outcome) {
                    *outcome = bare_outcome(reason);
                    return;
                }
                // Not even that is wanted: nobody awaits it.
                let task = *task;
                self.task = None;
                self.tasks_done.insert(task);
                return;
            }
            *effects = Effects::default();
            refuse_outcome(outcome, reason);
            return;
        }
        match std::mem::take(&mut self.progress) {
            Progress::Committing { hook, inputs, attempts, .. } => {
                self.progress = Progress::Failing {
                    failure: Failure {
                        hook,
                        inputs,
                        attempts: attempts.saturating_add(1),
                        reason: reason.to_owned(),
                        seq: Seq::ZERO,
                    },
                };
            }
            other => self.progress = other,
        }
    }

    /// How often the hook that runs next has failed already.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        match &self.progress {
            Progress::Failed { failure, .. } => failure.attempts,
            Progress::Running { attempts, .. } => *attempts,
            _ => 0,
        }
    }

    /// A hook is about to start.
    pub fn begin(&mut self, hook: Hook, inputs: Inputs) {
        let attempts = self.attempts();
        self.progress = Progress::Running { hook, inputs, attempts };
    }

    /// The hook that runs has ended well.
    pub fn ended(&mut self, effects: Effects) {
        match std::mem::take(&mut self.progress) {
            Progress::Running { hook, inputs, attempts } => {
                self.progress = Progress::Committing { hook, inputs, effects, attempts };
            }
            other => self.progress = other,
        }
    }

    /// The hook that runs has failed.
    pub fn failed(&mut self, reason: &str) {
        match std::mem::take(&mut self.progress) {
            Progress::Running { hook, inputs, attempts } => {
                self.progress = Progress::Failing {
                    failure: Failure {
                        hook,
                        inputs,
                        attempts: attempts.saturating_add(1),
                        reason: reason.to_owned(),
                        seq: Seq::ZERO,
                    },
                };
            }
            other => self.progress = other,
        }
    }

    /// The hook that runs was ended from outside: it runs again, and nobody is told (section 4.14,
    /// "terminated"). A hook that had failed before stays failed, and is due.
    pub fn terminated(&mut self) {
        match std::mem::take(&mut self.progress) {
            Progress::Running { hook, .. } => self.progress = Progress::Queued { hook },
            other => self.progress = other,
        }
    }

    /// A hook counts as done without having run.
    pub fn pass_over(&mut self, hook: Hook, inputs: Inputs) {
        self.progress =
            Progress::Committing { hook, inputs, effects: Effects::default(), attempts: 0 };
    }

    /// The operator wants the failed hook to run again at once.
    pub fn retry(&mut self, count: u32) {
        if let Progress::Failed { failure, retry_at } = &mut self.progress {
            self.resolved = Some((failure.seq, count));
            // Due at any time; the next failure counts from one again (section 4.14).
            *retry_at = Some(Timestamp::ZERO);
            failure.attempts = 0;
        } else if let Progress::Deploying { conflict, .. } = &mut self.progress {
            self.resolved = Some((self.seq, count));
            *conflict = None;
        }
    }

    /// The operator wants the failed hook to count as done.
    pub fn skip(&mut self, count: u32) {
        match std::mem::take(&mut self.progress) {
            Progress::Failed { failure, .. } => {
                self.resolved = Some((failure.seq, count));
                self.pass_over(failure.hook, failure.inputs);
            }
            other => self.progress = other,
        }
    }

    /// Charm files are about to be put in place.
    pub fn begin_deploy(&mut self, charm: CharmGoal) {
        let failure = match std::mem::take(&mut self.progress) {
            Progress::Failed { failure, .. } => Some(failure),
            Progress::Deploying { failure, .. } => failure,
            _ => None,
        };
        self.progress = Progress::Deploying { charm, conflict: None, failure };
    }

    /// Charm files could not be put in place.
    pub fn conflict(&mut self, why: &str) {
        if let Progress::Deploying { conflict, .. } = &mut self.progress {
            *conflict = Some(why.to_owned());
        }
    }

    /// Charm files are in place.
    pub fn end_deploy(&mut self) {
        match std::mem::take(&mut self.progress) {
            Progress::Deploying { charm, failure, .. } => {
                self.progress = Progress::Deployed { charm, failure };
            }
            other => self.progress = other,
        }
    }

    fn deployed(&mut self, charm: CharmGoal, failure: Option<Failure>) {
        self.deployed = Some(charm);
        self.progress = match failure {
            // Forced upon a unit in error: the hook is tried with the new code, and neither
            // upgrade-charm nor config-changed runs for this upgrade (section 4.9).
            Some(failure) => Progress::Failed { failure, retry_at: Some(Timestamp::ZERO) },
            None if self.flags.installed => Progress::Queued { hook: Hook::UpgradeCharm },
            None => Progress::Idle,
        };
    }

    fn committed(&mut self, hook: Hook, inputs: Inputs) {
        self.progress = crate::chain::after(&hook, &self.flags);
        match hook {
            Hook::Install => self.flags.installed = true,
            Hook::Start => {
                self.flags.started = true;
                self.flags.stopped = false;
                self.boot = Some(inputs.boot);
            }
            Hook::ConfigChanged => self.config = Some(inputs.config),
            Hook::LeaderElected => self.flags.leader = true,
            Hook::Stop => self.flags.stopped = true,
            Hook::Remove => self.flags.removed = true,
            Hook::UpgradeCharm | Hook::LeaderSettingsChanged | Hook::UpdateStatus => {}
            Hook::Relation(hook) => self.relation_committed(&hook),
            Hook::Storage(hook) => {
                let storage = self.storage.entry(hook.storage).or_default();
                storage.attached = hook.kind == StorageHookKind::Attached;
                storage.released &= !storage.attached;
            }
        }
    }

    fn relation_committed(&mut self, hook: &muster_model::hook::RelationHook) {
        let relation = self.relations.entry(hook.relation).or_insert_with(|| RelationLocal {
            endpoint: hook.endpoint.clone(),
            created: false,
            broken: false,
            members: BTreeMap::new(),
            application: Version::ZERO,
            changed_pending: None,
        });
        match (hook.kind, &hook.remote_unit) {
            (RelationHookKind::Created, _) => relation.created = true,
            (RelationHookKind::Joined, Some(unit)) => {
                relation.members.insert(unit.clone(), hook.version);
                relation.changed_pending = Some(unit.clone());
            }
            (RelationHookKind::Changed, Some(unit)) => {
                if let Some(version) = relation.members.get_mut(unit) {
                    *version = hook.version;
                }
                if relation.changed_pending.as_ref() == Some(unit) {
                    relation.changed_pending = None;
                }
            }
            (RelationHookKind::Changed, None) => relation.application = hook.version,
            (RelationHookKind::Departed, Some(unit)) => {
                relation.members.remove(unit);
                if relation.changed_pending.as_ref() == Some(unit) {
                    relation.changed_pending = None;
                }
            }
            (RelationHookKind::Broken, _) => {
                relation.broken = true;
                relation.members.clear();
                relation.changed_pending = None;
            }
            (RelationHookKind::Joined | RelationHookKind::Departed, None) => {}
        }
    }

    /// Drops what is over and what `goal` no longer lists. Never drops what still has to be undone:
    /// what is missing from a goal is not thereby removed (reliability document, R7).
    pub fn prune(&mut self, goal: &UnitGoal) {
        self.tasks_done.retain(|task| goal.tasks.iter().any(|goal| goal.id == *task));
        self.relations.retain(|id, local| !local.broken || goal.relations.contains_key(id));
        self.storage.retain(|id, local| !local.released || goal.storage.contains_key(id));
    }
}

/// What is told of a task whose own outcome the controller does not take.
fn bare_outcome(reason: &str) -> TaskOutcome {
    let mut outcome = TaskOutcome {
        state: muster_model::status::TaskState::Failed,
        message: String::new(),
        results: serde_json::Map::new(),
    };
    refuse_outcome(&mut outcome, &reason.chars().take(1024).collect::<String>());
    outcome
}

/// Whether an outcome is one of [`bare_outcome`].
fn is_bare(outcome: &TaskOutcome) -> bool {
    outcome.message == REFUSED
        && outcome.results.keys().all(|key| key == "stderr" || key == "return-code")
}

/// What a task's outcome says when it was not taken.
const REFUSED: &str = "committing requested changes failed";

/// Section 4.16, "commit refused".
fn refuse_outcome(outcome: &mut TaskOutcome, reason: &str) {
    use muster_model::status::TaskState;
    use serde_json::{Value, json};

    outcome.state = TaskState::Failed;
    if outcome.message.is_empty() {
        outcome.message = REFUSED.to_owned();
    }
    let stderr = match outcome.results.get("stderr") {
        Some(Value::String(text)) => format!("{text}{reason}"),
        _ => reason.to_owned(),
    };
    outcome.results.insert("stderr".to_owned(), json!(stderr));
    let code = outcome.results.get("return-code").and_then(Value::as_i64).unwrap_or(0);
    if code == 0 {
        outcome.results.insert("return-code".to_owned(), json!(1));
    }
}
