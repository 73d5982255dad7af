//! What a unit has done, as its journal keeps it, and how a finished step changes it.

use std::collections::{BTreeMap, BTreeSet};

use muster_model::goal::{CharmGoal, StorageGoal, UnitGoal};
use muster_model::hook::{RelationHookKind, StorageHookKind};
use muster_model::name::{EndpointName, RelationId, StorageId, TaskId, UnitName};
use muster_model::record::Resolve;
use muster_model::report::StepReport;
use muster_model::{Effects, Hook, Seq, Timestamp, Version};
use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::outcome::{bare_outcome, is_bare, refuse_outcome};
use crate::progress::{Conflict, Failure, Inputs, Progress, TaskProgress};
use crate::secret::SecretsLocal;

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
    /// What it has been told of secrets.
    #[serde(skip_serializing_if = "SecretsLocal::is_empty")]
    pub secrets: SecretsLocal,
    /// Tasks that are over and that a goal may still list.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tasks_done: BTreeSet<TaskId>,
    /// The last of the operator's answers that was acted on: the number that it is about, and its
    /// count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved: Option<(Seq, u32)>,
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
    /// Whether it was ready once; then it holds data, and is never made anew (R14).
    pub created: bool,
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
            Progress::Conflicting { conflict, .. } => Some(StepReport::NotDeployed {
                charm: conflict.charm.url.clone(),
                attempts: conflict.attempts,
                reason: conflict.reason.clone(),
            }),
            Progress::Left => Some(StepReport::Gone),
            _ => None,
        }
    }

    /// The controller has taken the outstanding report. `retry_at` is when what failed is tried again.
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
                failure.since = first(failure.since, self.seq);
                self.progress = Progress::Failed { failure, retry_at };
            }
            Progress::Conflicting { mut conflict, failure } => {
                conflict.since = first(conflict.since, self.seq);
                // An upgrade waits for the operator; without a charm there is nothing to wait with.
                let retry_at = retry_at.filter(|_| self.deployed.is_none());
                self.progress = Progress::Conflicted { conflict, retry_at, failure };
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
            Progress::Committing { hook, inputs, attempts, since, .. } => {
                let attempts = attempts.saturating_add(1);
                let failure = Failure { hook, inputs, attempts, reason: reason.to_owned(), since };
                self.progress = Progress::Failing { failure };
            }
            other => self.progress = other,
        }
    }

    /// A hook is about to start.
    pub fn begin(&mut self, hook: Hook, inputs: Inputs) {
        let (attempts, since) = match &self.progress {
            Progress::Failed { failure, .. } => (failure.attempts, failure.since),
            _ => (0, Seq::ZERO),
        };
        self.progress = Progress::Running { hook, inputs, attempts, since };
    }

    /// The hook that runs has ended well.
    pub fn ended(&mut self, effects: Effects) {
        match std::mem::take(&mut self.progress) {
            Progress::Running { hook, inputs, attempts, since } => {
                self.progress = Progress::Committing { hook, inputs, effects, attempts, since };
            }
            other => self.progress = other,
        }
    }

    /// The hook that runs has failed.
    pub fn failed(&mut self, reason: &str) {
        match std::mem::take(&mut self.progress) {
            Progress::Running { hook, inputs, attempts, since } => {
                let attempts = attempts.saturating_add(1);
                let failure = Failure { hook, inputs, attempts, reason: reason.to_owned(), since };
                self.progress = Progress::Failing { failure };
            }
            other => self.progress = other,
        }
    }

    /// The hook that runs was ended from outside: it runs again, and nobody is told (section 4.14,
    /// "terminated"). A hook that had failed before stays failed, and is due.
    pub fn terminated(&mut self) {
        match std::mem::take(&mut self.progress) {
            Progress::Running { hook, since: Seq::ZERO, .. } => {
                self.progress = Progress::Queued { hook };
            }
            Progress::Running { hook, inputs, attempts, since } => {
                let reason = "the hook was terminated".to_owned();
                let failure = Failure { hook, inputs, attempts, reason, since };
                self.progress = Progress::Failed { failure, retry_at: Some(Timestamp::ZERO) };
            }
            other => self.progress = other,
        }
    }

    /// A hook counts as done without having run.
    pub fn pass_over(&mut self, hook: Hook, inputs: Inputs) {
        let effects = Effects::default();
        self.progress =
            Progress::Committing { hook, inputs, effects, attempts: 0, since: Seq::ZERO };
    }

    /// The operator wants the failed hook to run again at once.
    pub fn retry(&mut self, answer: Option<Resolve>) {
        if let Progress::Failed { failure, retry_at } = &mut self.progress {
            // Due at any time; the next failure counts from one again (section 4.14).
            *retry_at = Some(Timestamp::ZERO);
            failure.attempts = 0;
            self.acted_on(answer);
        }
    }

    /// The operator wants the failed hook to count as done.
    pub fn skip(&mut self, answer: Option<Resolve>) {
        match std::mem::take(&mut self.progress) {
            Progress::Failed { failure, .. } => {
                self.acted_on(answer);
                self.pass_over(failure.hook, failure.inputs);
            }
            other => self.progress = other,
        }
    }

    fn acted_on(&mut self, answer: Option<Resolve>) {
        self.resolved = answer.map(|answer| (answer.seq, answer.count)).or(self.resolved);
    }

    /// Charm files are about to be put in place; after a conflict, also because of the operator's
    /// `answer`.
    pub fn begin_deploy(&mut self, charm: CharmGoal, answer: Option<Resolve>) {
        let (before, failure) = match std::mem::take(&mut self.progress) {
            Progress::Failed { failure, .. } => (None, Some(failure)),
            Progress::Deploying { before, failure, .. } => (before, failure),
            Progress::Conflicted { mut conflict, failure, .. } => {
                let answered = answer.filter(|answer| answer.seq >= conflict.since);
                if answered.is_some() || conflict.charm != charm {
                    conflict.attempts = 0;
                }
                self.acted_on(answered);
                (Some(conflict), failure)
            }
            _ => (None, None),
        };
        self.progress = Progress::Deploying { charm, before, failure };
    }

    /// Charm files could not be put in place.
    pub fn conflict(&mut self, why: &str) {
        match std::mem::take(&mut self.progress) {
            Progress::Deploying { charm, before, failure } => {
                let (attempts, since) =
                    before.map_or((0, Seq::ZERO), |before| (before.attempts, before.since));
                let attempts = attempts.saturating_add(1);
                let conflict = Conflict { charm, attempts, reason: why.to_owned(), since };
                self.progress = Progress::Conflicting { conflict, failure };
            }
            other => self.progress = other,
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
                (self.flags.started, self.flags.stopped) = (true, false);
                self.boot = Some(inputs.boot);
            }
            Hook::ConfigChanged => self.config = Some(inputs.config),
            Hook::LeaderElected => self.flags.leader = true,
            Hook::Stop => self.flags.stopped = true,
            Hook::Remove => self.flags.removed = true,
            Hook::UpgradeCharm | Hook::LeaderSettingsChanged | Hook::UpdateStatus => {}
            Hook::Relation(hook) => self.relation_committed(&hook),
            Hook::Secret(hook) => self.secrets.committed(hook),
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

    /// Making a storage begins: from now on there may be something to take away again. Answers whether it
    /// holds data, of this unit or, as the goal says, of one before: nothing empty may take its place (R14).
    pub fn mounting(&mut self, id: &StorageId, goal: &StorageGoal) -> bool {
        let storage = self.storage.entry(id.clone()).or_default();
        storage.made = true;
        storage.released = false;
        goal.created || storage.created || storage.attached
    }

    /// A storage is ready.
    pub fn mounted(&mut self, id: &StorageId) {
        self.storage.entry(id.clone()).or_default().created = true;
    }

    /// A storage was taken away, and its data too if it was `destroyed`.
    pub fn unmounted(&mut self, id: &StorageId, destroyed: bool) {
        let storage = self.storage.entry(id.clone()).or_default();
        storage.released = true;
        storage.attached = false;
        storage.created &= !destroyed;
    }

    /// Drops what is over and what `goal` no longer lists. Never drops what still has to be undone:
    /// what is missing from a goal is not thereby removed (reliability document, R7).
    pub fn prune(&mut self, goal: &UnitGoal) {
        self.tasks_done.retain(|task| goal.tasks.iter().any(|goal| goal.id == *task));
        self.secrets.prune(&goal.secrets);
        self.relations.retain(|id, local| !local.broken || goal.relations.contains_key(id));
        self.storage.retain(|id, local| !local.released || goal.storage.contains_key(id));
    }
}

/// The number that first told of a failure, which the report of now may be.
fn first(since: Seq, now: Seq) -> Seq {
    if since == Seq::ZERO { now } else { since }
}
