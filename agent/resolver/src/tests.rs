//! The sequences of the hook contract (section 4.4) and the checklist (sections 7.4 and 7.5), played
//! on one unit without hands: every step is taken to succeed at once unless the story says otherwise.

use std::collections::BTreeSet;

use muster_charms::{Scope, StorageKind};
use muster_model::goal::{CharmGoal, RelationGoal, StorageGoal, TaskGoal};
use muster_model::name::{RelationId, Role, TaskId};
use muster_model::record::{Provider, Resolve, TaskKind};
use muster_model::report::{StepReport, TaskOutcome};
use muster_model::status::TaskState;
use muster_model::{Effects, Seq, Version};
use muster_resources::Digest;

use super::*;

mod leaving;
mod property;
mod relations;
mod sequences;
mod storage;
mod trouble;

/// One unit, `wiki/0`, and what the world is to it.
struct Story {
    local: Local,
    seen: Seen,
    goal: UnitGoal,
    settings: ModelSettings,
    now: Timestamp,
    /// The number of the last report of a failure.
    failure: Seq,
    /// Hooks that fail the next time.
    fails: BTreeSet<String>,
    /// What was done since it was last asked: hooks by name and subject, and other steps.
    done: Vec<String>,
}

fn unit() -> UnitName {
    "wiki/0".parse().unwrap()
}

impl Story {
    fn new() -> Story {
        let seen = Seen { boot: "boot-1".into(), ..Seen::default() };
        Story {
            local: Local::default(),
            seen,
            goal: UnitGoal {
                life: Life::Alive,
                force: false,
                principal: None,
                subordinates: BTreeSet::new(),
                seq: Seq::ZERO,
                charm: charm(0),
                config: Default::default(),
                trust: false,
                leader: false,
                leader_settings: Version::ZERO,
                relations: Default::default(),
                storage: Default::default(),
                resources: Default::default(),
                tasks: Vec::new(),
                resolve: None,
                ports: Default::default(),
                bindings: Default::default(),
                cores: None,
                mem_mib: None,
            },
            settings: ModelSettings {
                egress_subnets: String::new(),
                retry_hooks: true,
                update_status_ms: 300_000,
                parallel_hooks: false,
                proxies: Default::default(),
            },
            now: Timestamp(1_000_000),
            failure: Seq::ZERO,
            fails: BTreeSet::new(),
            done: Vec::new(),
        }
    }

    fn leader() -> Story {
        let mut story = Story::new();
        story.goal.leader = true;
        story.seen.leads = true;
        story
    }

    /// A unit that has started and rests.
    fn started() -> Story {
        let mut story = Story::leader();
        story.settle();
        story.done.clear();
        story
    }

    fn relation(&mut self, id: u32, endpoint: &str, role: Role, members: &[(&str, u64)]) {
        let remote = if role == Role::Peer { "wiki" } else { "postgresql" };
        self.goal.relations.insert(
            RelationId(id),
            RelationGoal {
                own_application_version: Version::ZERO,
                life: Life::Alive,
                endpoint: endpoint.parse().unwrap(),
                role,
                scope: Scope::Global,
                remote_application: remote.parse().unwrap(),
                members: members
                    .iter()
                    .map(|(unit, version)| (unit.parse().unwrap(), Version(*version)))
                    .collect(),
                remote_application_version: Version::ZERO,
                in_scope: true,
            },
        );
    }

    fn rel(&mut self, id: u32) -> &mut RelationGoal {
        self.goal.relations.get_mut(&RelationId(id)).unwrap()
    }

    fn storage(&mut self, id: &str) {
        self.goal.storage.insert(
            id.parse().unwrap(),
            StorageGoal {
                life: Life::Alive,
                destroy: false,
                force: false,
                created: false,
                kind: StorageKind::Filesystem,
                provider: Provider::Rootfs,
                size_mib: 1,
                location: "/srv".into(),
                read_only: false,
            },
        );
    }

    /// The operator takes every storage back.
    fn detach(&mut self, force: bool) {
        for storage in self.goal.storage.values_mut() {
            storage.life = Life::Dying;
            storage.force = force;
        }
    }

    fn task(&mut self, id: u32, action: bool) {
        let kind = if action {
            TaskKind::Action { name: "go".parse().unwrap(), parameters: Default::default() }
        } else {
            TaskKind::Command { command: "true".into(), timeout_ms: None }
        };
        self.goal.tasks.push(TaskGoal {
            id: TaskId(id),
            kind,
            parallel: false,
            execution_group: String::new(),
            cancel: false,
        });
    }

    /// The operator answers what the controller last heard of as failed.
    fn resolve(&mut self, retry: bool) {
        let count = self.goal.resolve.map_or(0, |resolve| resolve.count) + 1;
        self.goal.resolve = Some(Resolve { seq: self.failure, retry, count });
    }

    fn next(&self) -> Next {
        next(&unit(), &self.local, &self.seen, &self.goal, &self.settings, self.now)
    }

    /// Takes the next step, if there is one.
    fn step(&mut self) -> bool {
        let Next::Run(step) = self.next() else { return false };
        if !matches!(step, Step::Report(_)) {
            self.done.push(told(&step));
        }
        self.take(step);
        true
    }

    fn take(&mut self, step: Step) {
        let inputs = Inputs::of(&self.goal, &self.seen);
        match step {
            Step::Deploy(charm) => {
                self.local.begin_deploy(charm, self.goal.resolve);
                if self.fails.remove("deploy") {
                    self.local.conflict("the disk is full");
                } else {
                    self.local.end_deploy();
                }
            }
            Step::Mount(id) => {
                self.local.mounting(&id, &self.goal.storage[&id]);
                let seen = if self.fails.remove("mount") {
                    let again = self.now + std::time::Duration::from_secs(10);
                    StorageSeen::Trouble("no loop device is free".into(), again)
                } else {
                    self.local.mounted(&id);
                    StorageSeen::Ready
                };
                self.seen.storage.insert(id, seen);
            }
            Step::Unmount(id) => {
                self.seen.storage.remove(&id);
                self.local.unmounted(&id, false);
            }
            Step::Hook(hook) => {
                self.local.begin(hook.clone(), inputs);
                if hook == muster_model::Hook::UpdateStatus {
                    self.seen.tick = None;
                }
                if self.fails.remove(&hook.to_string()) {
                    self.local.failed("exit status 1");
                } else {
                    self.local.ended(Effects::default());
                }
            }
            Step::PassOver(hook) => self.local.pass_over(hook, inputs),
            Step::Retry(_) => self.local.retry(self.goal.resolve),
            Step::Skip(_) => self.local.skip(self.goal.resolve),
            Step::Task(task) => {
                self.local.task = Some(TaskProgress::Ended {
                    task,
                    outcome: TaskOutcome {
                        state: TaskState::Completed,
                        message: String::new(),
                        results: Default::default(),
                    },
                    effects: Effects::default(),
                });
            }
            Step::CancelTask(task) => {
                self.local.task = None;
                self.local.tasks_done.insert(task);
            }
            Step::Resign => {
                self.local.flags.leader = false;
                self.seen.leader_settings = None;
            }
            Step::Report(report) => {
                if let StepReport::Committed { hook, .. } = &report
                    && *hook == muster_model::Hook::LeaderSettingsChanged
                {
                    self.seen.leader_settings = Some(self.goal.leader_settings);
                }
                let retry_at = match &report {
                    StepReport::Failed { attempts, .. }
                    | StepReport::NotDeployed { attempts, .. } => {
                        Some(self.now + retry_delay(*attempts, 500))
                    }
                    _ => None,
                };
                self.local.taken(retry_at);
                if retry_at.is_some() {
                    self.failure = self.local.seq;
                }
                self.goal.seq = self.local.seq;
            }
            Step::Leave => {
                self.seen.storage.clear();
                self.local.progress = Progress::Left;
            }
        }
        // Whatever the journal holds is read back the same: a crash here changes nothing.
        let text = serde_json::to_string(&self.local).unwrap();
        assert_eq!(serde_json::from_str::<Local>(&text).unwrap(), self.local);
    }

    /// Plays until nothing is left to do, and says what was done, and what it waits for.
    fn settle(&mut self) -> String {
        for _ in 0..500 {
            if !self.step() {
                let done = std::mem::take(&mut self.done).join(", ");
                return match self.next() {
                    Next::Wait { reason, .. } => format!("{done} | {reason}"),
                    _ => done,
                };
            }
        }
        panic!("it never comes to rest: {:?}", &self.done[self.done.len() - 20..]);
    }

    /// Plays until this is the step that comes next.
    fn until(&mut self, step: &str) {
        for _ in 0..500 {
            match self.next() {
                Next::Run(next) if told(&next) == step => return,
                _ => assert!(self.step(), "{step} never comes; done: {:?}", self.done),
            }
        }
        panic!("{step} never comes");
    }
}

/// A hook by its name and subject; other steps as they print.
fn told(step: &Step) -> String {
    match step {
        Step::Hook(hook) => match hook {
            muster_model::Hook::Relation(about) => match &about.remote_unit {
                Some(unit) => format!("{hook} {unit}"),
                None => hook.to_string(),
            },
            muster_model::Hook::Storage(about) => format!("{hook} {}", about.storage),
            _ => hook.to_string(),
        },
        other => format!("[{other}]"),
    }
}

fn charm(revision: u32) -> CharmGoal {
    CharmGoal {
        url: format!("local:wiki-{revision}").parse().unwrap(),
        digest: Digest::of(&revision.to_le_bytes()),
        modified: revision,
        forced: false,
    }
}
