//! Carrying a step out, with a journal before and after, as the agent's `step/` does on a real host.

use std::time::Duration;

use muster_model::goal::SnapshotRequest;
use muster_model::hook::RelationHookKind;
use muster_model::name::{ModelId, UnitName};
use muster_model::refusal::Code;
use muster_model::report::{NowReport, ReportBody, StepReport, TaskOutcome};
use muster_model::status::{TaskState, Workload};
use muster_model::{Effects, Hook, Seq, Timestamp};
use muster_resolver::{Inputs, Progress, Step, TaskProgress, retry_delay};

use super::host::{Host, Stop, newer};
use super::unit::{Busy, Unit};
use super::{At, Broken, World};

impl World {
    /// Carries `step` out, or begins to; whether anything was done.
    pub(crate) fn carry_out(
        &mut self,
        at: At,
        host: &mut Host,
        name: &UnitName,
        unit: &mut Unit,
        step: &Step,
    ) -> Result<bool, Stop> {
        let wanted = host.goal.as_ref().and_then(|goal| goal.units.get(name)).cloned();
        let answer = wanted.as_ref().and_then(|goal| goal.resolve);
        let inputs = wanted.as_ref().map(|goal| Inputs::of(goal, &unit.seen)).unwrap_or_default();
        if !matches!(step, Step::Report(_)) && free(host, name) {
            self.say(|| format!("{name} {step}"));
        }
        match step {
            Step::Deploy(charm) => {
                let goes_on = matches!(&unit.local.progress,
                    Progress::Deploying { charm: at, .. } if at == charm);
                if !goes_on {
                    unit.local.begin_deploy(charm.clone(), answer);
                    self.save(host, name, unit)?;
                }
                let scripted = self.scripts.fails(at.0, name, "deploy");
                if scripted || self.random.happens(self.faults.trouble) {
                    unit.local.conflict("the disk is full");
                    self.save(host, name, unit)?;
                    return Ok(true);
                }
                host.charms.insert(name.clone(), charm.url.clone());
                unit.seen.endpoints = self.endpoints(&host.goal, &charm.url);
                unit.local.end_deploy();
                self.save(host, name, unit)?;
            }
            Step::Mount(id) => return self.mount(at, host, name, unit, id),
            Step::Unmount(id) => return self.unmount(at, host, name, unit, id),
            Step::Hook(hook) => return self.begin_hook(at, host, name, unit, hook, inputs),
            Step::PassOver(hook) => {
                unit.local.pass_over(hook.clone(), inputs);
                self.save(host, name, unit)?;
            }
            Step::Retry(_) => {
                unit.local.retry(answer);
                self.save(host, name, unit)?;
            }
            Step::Skip(_) => {
                unit.local.skip(answer);
                self.save(host, name, unit)?;
            }
            Step::Task(task) => {
                // Its beginning is told before it runs, so it waits for the controller.
                if !free(host, name) || host.is_cut_off(self.now) {
                    return Ok(false);
                }
                unit.local.task = Some(TaskProgress::Running(*task));
                self.save(host, name, unit)?;
                let now = NowReport::TaskStarted(*task);
                // A refusal changes nothing: the outcome is told in any case.
                let _refused = self.tell_now(at, host, name, now)?;
                let ends = self.moment();
                unit.busy = Some(Busy::Task { task: *task, ends });
                host.lock = Some(name.clone());
            }
            Step::CancelTask(task) => {
                let outcome = outcome(TaskState::Cancelled);
                let effects = Effects::default();
                unit.local.task = Some(TaskProgress::Ended { task: *task, outcome, effects });
                self.save(host, name, unit)?;
            }
            Step::Resign => {
                unit.local.flags.leader = false;
                unit.seen.leader_settings = None;
                self.save(host, name, unit)?;
            }
            Step::Report(report) => return self.report(at, host, name, unit, report),
            Step::Leave => self.leave(at, host, name, unit)?,
        }
        Ok(true)
    }

    fn begin_hook(
        &mut self,
        at: At,
        host: &mut Host,
        name: &UnitName,
        unit: &mut Unit,
        hook: &Hook,
        inputs: Inputs,
    ) -> Result<bool, Stop> {
        if !free(host, name) {
            return Ok(false);
        }
        unit.local.begin(hook.clone(), inputs);
        self.save(host, name, unit)?;
        self.has_what_the_goal_names(at, host, name)?;
        let effects = self.effects(at.0, name, unit, hook);
        if self.scripts.talkative
            && self.random.happens(80)
            && let Some(want) = self.secret_want(at.0)
        {
            // Whoever may not read it hears so, and its hook goes on.
            self.tool_tells(at, host, name, NowReport::Secret(want))?;
        }
        if self.scripts.talkative && self.random.happens(100) {
            let now = NowReport::Status { value: Workload::Active, message: "at work".to_owned() };
            self.tool_tells(at, host, name, now)?;
        }
        if self.scripts.talkative && unit.seen.leads && self.random.happens(60) {
            let value = Some(self.random.below(4).to_string());
            let change = [("shared".to_owned(), value)].into();
            // Who leads no more hears it, and its hook goes on.
            self.tool_tells(at, host, name, NowReport::LeaderSettings(change))?;
        }
        unit.busy = Some(Busy::Hook { hook: hook.clone(), effects, ends: self.moment() });
        host.lock = Some(name.clone());
        Ok(true)
    }

    /// What a hook writes: as its script has it, or something by chance.
    fn effects(&mut self, model: ModelId, name: &UnitName, unit: &Unit, hook: &Hook) -> Effects {
        let mut effects = self.scripts.effects(model, name, &hook.to_string());
        if !self.scripts.talkative {
            return effects;
        }
        let about = match hook {
            Hook::Relation(hook) if hook.kind != RelationHookKind::Broken => Some(hook.relation),
            _ => {
                let known = unit.local.relations.iter().filter(|(_, local)| !local.broken);
                known.map(|(id, _)| *id).next()
            }
        };
        if let Some(relation) = about.filter(|_| self.random.happens(250)) {
            let value = Some(self.random.below(3).to_string());
            effects.unit_settings.insert(relation, [("said".to_owned(), value)].into());
        }
        if let Some(relation) = about.filter(|_| unit.seen.leads && self.random.happens(150)) {
            let value = Some(self.random.below(3).to_string());
            effects.application_settings.insert(relation, [("ruled".to_owned(), value)].into());
        }
        if self.random.happens(50) {
            let value = Some(self.random.below(5).to_string());
            effects.state.insert("kept".to_owned(), value);
        }
        if self.random.happens(80) {
            let leads = unit.seen.leads;
            effects.secrets.extend(self.secret_effects(model, name, leads, about));
        }
        if self.random.happens(40) {
            let port = 7000 + self.random.below(40);
            if let Ok(range) = format!("{port}/tcp").parse() {
                let port = muster_model::effects::OpenPort { range, endpoint: None };
                effects.open_ports.insert(port);
            }
        }
        effects
    }

    /// What a hook fetches before it starts has every bag that the goal speaks of, at least as new.
    fn has_what_the_goal_names(
        &mut self,
        at: At,
        host: &Host,
        name: &UnitName,
    ) -> Result<(), Broken> {
        let Some(goal) = host.goal.as_ref().and_then(|goal| goal.units.get(name)) else {
            return Ok(());
        };
        let Some(model) = self.estate.model(at.0) else { return Ok(()) };
        let request = SnapshotRequest::default();
        let Some(snapshot) = model.snapshot(name, &request, self.estate.revision()) else {
            return Ok(());
        };
        for (id, relation) in &goal.relations {
            if model.relation(*id).is_none() {
                continue;
            }
            for (member, version) in &relation.members {
                let member = muster_model::name::Member::Unit(member.clone());
                let has = snapshot.bags.iter().find(|b| b.relation == *id && b.member == member);
                if has.is_none_or(|bag| bag.version < *version) {
                    return Err(Broken(format!("{name} cannot read {member} in relation {id}")));
                }
            }
        }
        Ok(())
    }

    /// A process has come to its end.
    pub(crate) fn ends(
        &mut self,
        at: At,
        host: &mut Host,
        name: &UnitName,
        unit: &mut Unit,
    ) -> Result<(), Stop> {
        host.lock = host.lock.take().filter(|holder| holder != name);
        match unit.busy.take() {
            Some(Busy::Hook { hook, effects, .. }) => {
                if hook == Hook::UpdateStatus {
                    unit.seen.tick = None;
                }
                let scripted = self.scripts.fails(at.0, name, &hook.to_string());
                if scripted || self.random.happens(self.faults.fail_hook) {
                    self.say(|| format!("{name} {hook} fails"));
                    unit.local.failed("exit status 1");
                } else if self.random.happens(self.faults.kill_hook) {
                    unit.local.terminated();
                } else {
                    unit.local.ended(effects);
                }
            }
            Some(Busy::Task { task, .. }) => {
                let fails = self.random.happens(self.faults.fail_hook);
                let state = if fails { TaskState::Failed } else { TaskState::Completed };
                let outcome = outcome(state);
                unit.local.task =
                    Some(TaskProgress::Ended { task, outcome, effects: Effects::default() });
            }
            None => {}
        }
        self.save(host, name, unit)
    }

    /// Tells the controller what was done, once each, in order.
    fn report(
        &mut self,
        at: At,
        host: &mut Host,
        name: &UnitName,
        unit: &mut Unit,
        step: &StepReport,
    ) -> Result<bool, Stop> {
        let seq = unit.local.seq.next();
        let body = ReportBody::Step { unit: name.clone(), seq, step: step.clone() };
        match self.tell(at, host, body)? {
            Ok(_) => self.taken(host, name, unit, step)?,
            Err(refusal) if refusal.code == Code::OutOfStep => {
                self.out_of_step(at, host, name, unit, step)?;
            }
            Err(refusal) => match step {
                StepReport::Committed { .. } | StepReport::Task { .. } => {
                    unit.local.refused(&refusal.message);
                    self.save(host, name, unit)?;
                }
                _ => {
                    unit.again = Some(self.now + Duration::from_secs(60));
                    return Ok(false);
                }
            },
        }
        Ok(true)
    }

    fn out_of_step(
        &mut self,
        at: At,
        host: &mut Host,
        name: &UnitName,
        unit: &mut Unit,
        step: &StepReport,
    ) -> Result<(), Stop> {
        if let Some(goal) = newer(&self.estate, at, muster_model::Revision::ZERO) {
            host.goal = Some(goal);
        }
        let known = host.goal.as_ref().and_then(|goal| goal.units.get(name)).map(|goal| goal.seq);
        match known {
            Some(known) if known > unit.local.seq => {
                self.taken(host, name, unit, step)?;
                unit.local.seq = unit.local.seq.max(known);
            }
            Some(known) if known < unit.local.seq => unit.local.seq = known,
            _ => unit.again = Some(self.now + Duration::from_secs(60)),
        }
        self.save(host, name, unit)
    }

    fn taken(
        &mut self,
        host: &mut Host,
        name: &UnitName,
        unit: &mut Unit,
        step: &StepReport,
    ) -> Result<(), Stop> {
        if let StepReport::Committed { hook: Hook::LeaderSettingsChanged, .. } = step
            && let Progress::Committing { inputs, .. } = &unit.local.progress
        {
            unit.seen.leader_settings = Some(inputs.leader_settings);
        }
        let retry_at = match step {
            StepReport::Failed { attempts, .. } | StepReport::NotDeployed { attempts, .. } => {
                Some(self.now + retry_delay(*attempts, 500))
            }
            _ => None,
        };
        unit.local.taken(retry_at);
        if let Some(wanted) = host.goal.as_ref().and_then(|goal| goal.units.get(name)) {
            unit.local.prune(wanted);
        }
        if unit.local.seq == Seq::ZERO {
            return Err(Broken(format!("{name} reported and counts nothing")).into());
        }
        self.save(host, name, unit)
    }

    pub(crate) fn tell_now(
        &mut self,
        at: At,
        host: &Host,
        name: &UnitName,
        now: NowReport,
    ) -> Result<Result<muster_model::report::Receipt, muster_model::Refusal>, Stop> {
        self.tell(at, host, ReportBody::Now { unit: name.clone(), now })
    }

    /// A hook tool tells; where it cannot, or is refused, the tool fails and the hook goes on.
    fn tool_tells(
        &mut self,
        at: At,
        host: &Host,
        name: &UnitName,
        now: NowReport,
    ) -> Result<(), Stop> {
        match self.tell_now(at, host, name, now) {
            Ok(_) | Err(Stop::CutOff) => Ok(()),
            Err(stop) => Err(stop),
        }
    }

    /// When a process that starts now ends.
    fn moment(&mut self) -> Timestamp {
        self.now + Duration::from_millis(self.random.below(3_000))
    }
}

/// One hook at a time on a machine.
fn free(host: &Host, name: &UnitName) -> bool {
    host.lock.as_ref().is_none_or(|holder| holder == name)
}

fn outcome(state: TaskState) -> TaskOutcome {
    TaskOutcome { state, message: String::new(), results: serde_json::Map::new() }
}
