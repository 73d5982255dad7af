//! Coming to rest: when nothing goes wrong any more, everything ends where it should.

use std::collections::BTreeSet;
use std::time::Duration;

use muster_model::command::ModelCommand;
use muster_model::life::Life;
use muster_model::name::{ModelId, UnitName};
use muster_model::record::Subject;
use muster_model::record::{
    Application, Machine, ModelInfo, Relation, Scale, Storage, TaskResult, Token, Unit,
    UnitProgress,
};
use muster_model::upkeep::{self, Agenda};
use muster_model::{Model, Timestamp, settled};

use muster_resolver::Progress;

use super::{At, Broken, Faults, World, broken};

/// Within so much simulated time after the last fault everything has come to rest (R15).
const SOON: Duration = Duration::from_secs(600);

/// Turns that machines take until then, at most.
const TURNS: usize = 60_000;

impl World {
    /// Goes on until nothing is left to do but wait, for at most `span` of simulated time.
    ///
    /// # Errors
    /// If an invariant breaks, or there is no end.
    pub fn settle(&mut self, span: Duration) -> Result<(), Broken> {
        let deadline = self.now + span;
        let mut turns = 0;
        loop {
            let mut did = false;
            self.upkeep()?;
            while !self.late.is_empty() {
                did = true;
                self.deliver_late()?;
            }
            while let Some(at) = self.wanting().into_iter().next() {
                did = true;
                let before = self.estate.revision();
                self.substrate()?;
                if self.wanting().contains(&at) && before == self.estate.revision() {
                    break;
                }
            }
            let hosts: Vec<At> = self.hosts.keys().copied().collect();
            for at in hosts {
                while self.host_turn(at)? {
                    did = true;
                    turns += 1;
                    if turns > TURNS {
                        return broken("there is no end to it");
                    }
                }
            }
            if did {
                continue;
            }
            let wakes = self.hosts.values().filter_map(|host| host.wakes());
            let lapse = self.heard.silent.values().map(|since| *since + upkeep::LEASE);
            let quiet = self.hosts.values().filter(|host| host.is_cut_off(self.now));
            let quiet = quiet.map(|host| host.heard_at + Duration::from_secs(41));
            let next: Option<Timestamp> =
                wakes.chain(lapse).chain(quiet).filter(|at| *at > self.now).min();
            match next.filter(|at| *at <= deadline) {
                Some(at) => self.advance(at.since(self.now) + Duration::from_millis(1))?,
                None => return Ok(()),
            }
        }
    }

    /// Nothing goes wrong any more; failed hooks are answered; everything comes to rest.
    ///
    /// # Errors
    /// If an invariant breaks, or it does not come to rest as it should.
    pub fn calm(&mut self) -> Result<(), Broken> {
        self.say(|| "nothing goes wrong any more".to_owned());
        self.faults = Faults::default();
        self.scripts.heal();
        // Hooks that answer whatever they hear go on for ever, and rightly.
        self.scripts.talkative = false;
        for host in self.hosts.values_mut() {
            host.silent_until = None;
        }
        let deadline = self.now + SOON;
        loop {
            self.settle(deadline.since(self.now))?;
            let failed = self.failed();
            if failed.is_empty() || self.now >= deadline {
                break;
            }
            for (model, unit) in failed {
                let units = BTreeSet::from([unit]);
                // A failure that was over before the answer came is refused, and is over.
                let _answer = self.command(model, ModelCommand::Resolve { units, retry: true })?;
            }
        }
        self.check_rest()
    }

    fn failed(&self) -> Vec<(ModelId, UnitName)> {
        let mut all = Vec::new();
        for model in self.estate.models() {
            let failed = model.table::<UnitProgress>().iter().filter(|(_, p)| p.failure.is_some());
            all.extend(failed.map(|(name, _)| (model.id(), name.clone())));
        }
        all
    }

    /// Whether everything that was removed is gone, and everything that is alive is settled.
    ///
    /// # Errors
    /// What is not.
    pub fn check_rest(&self) -> Result<(), Broken> {
        for model in self.estate.models() {
            self.check_model(model)?;
        }
        let mut agenda = Agenda::everything(&self.estate);
        let mut stuck = Vec::new();
        let more =
            upkeep::next(&self.estate, &mut agenda, &self.heard, self.wall(), |matter, why| {
                stuck.push(format!("{matter:?}: {why}"));
            });
        if let Some(more) = more {
            return broken(format!("I20: upkeep at rest writes {:?}", more.txn.writes));
        }
        if let Some(stuck) = stuck.first() {
            return broken(format!("R28: upkeep cannot go on: {stuck}"));
        }
        for model in self.estate.models() {
            let storages = model.table::<Storage>().values().filter(|s| s.life.is_alive());
            for storage in storages {
                if storage.machine.and_then(|machine| model.machine(machine)).is_none() {
                    return broken(format!("R14: storage {} is lost with its machine", storage.id));
                }
            }
        }
        for token in self.estate.table::<Token>().values() {
            if let Subject::Machine { model, machine } | Subject::Join { model, machine } =
                &token.subject
                && self.estate.model(*model).and_then(|m| m.machine(*machine)).is_none()
            {
                return broken(format!("I1: a token of machine {machine}, which is not"));
            }
        }
        for (at, host) in &self.hosts {
            if self.estate.model(at.0).and_then(|model| model.machine(at.1)).is_none() {
                return broken(format!("R14: the substrate still has machine {}", at.1));
            }
            self.check_host(*at, host)?;
        }
        self.reloaded().map(|_| ())
    }

    fn check_model(&self, model: &Model) -> Result<(), Broken> {
        if let Some(info) = model.info().filter(|info: &&ModelInfo| !info.life.is_alive()) {
            return broken(format!("R28: model {} does not go", info.name));
        }
        let units = model.table::<Unit>().values();
        let dying = units.filter(|unit| !unit.life.is_alive()).map(|u| format!("unit {}", u.name));
        let apps = model.table::<Application>().values().filter(|a| !a.life.is_alive());
        let dying = dying.chain(apps.map(|app| format!("application {}", app.name)));
        let machines = model.table::<Machine>().values().filter(|m| !m.life.is_alive());
        let dying = dying.chain(machines.map(|machine| format!("machine {}", machine.id)));
        let relations = model.table::<Relation>().values().filter(|r| !r.life.is_alive());
        let dying = dying.chain(relations.map(|r| format!("relation {} ({r})", r.id)));
        let storages = model.table::<Storage>().values().filter(|s| {
            let leaves = s.attachment.as_ref().is_some_and(|a| a.life != Life::Alive);
            s.life != Life::Alive || leaves
        });
        let mut dying = dying.chain(storages.map(|storage| format!("storage {}", storage.id)));
        if let Some(dying) = dying.next() {
            return broken(format!("R28: {dying} does not go"));
        }
        if let Some(scale) = model.table::<Scale>().values().find(|s| !s.pending.is_empty()) {
            return broken(format!("{} waits for units that do not come", scale.application));
        }
        for (name, _) in model.table::<Unit>().iter() {
            if let Err(why) = settled::unit(model, name) {
                return broken(format!("{name} is not settled: {why:?}"));
            }
            if !model.progress(name).is_some_and(|p| p.installed && p.started) {
                return broken(format!("{name} is settled and was never started"));
            }
        }
        for relation in model.table::<Relation>().values() {
            let ends = relation.ends.iter().flat_map(|end| model.units_of(&end.application));
            for unit in
                ends.filter(|unit| muster_model::goal::relation::sees(model, unit, relation))
            {
                let member = muster_model::name::Member::Unit(unit.name.clone());
                if !model.databag(relation.id, &member).is_some_and(|bag| bag.in_scope) {
                    return broken(format!("{} is not in relation {}", unit.name, relation.id));
                }
            }
        }
        let open = model.table::<TaskResult>().values().find(|result| !result.state.is_over());
        match open {
            Some(result) => broken(format!("task {} is {} for ever", result.task, result.state)),
            None => Ok(()),
        }
    }

    /// Everything that is wanted has its data on disk, and nothing else has (R14).
    fn check_data(&self, at: At, host: &super::Host, model: &Model) -> Result<(), Broken> {
        let here = model.table::<Storage>().values().filter(|s| s.machine == Some(at.1));
        let wanted: BTreeSet<_> = here.map(|storage| storage.id.clone()).collect();
        if let Some(lost) = wanted.difference(&host.disk).next() {
            return broken(format!("R14: the data of {lost} on machine {} is lost", at.1));
        }
        let parked = host.journals.keys().any(|name| self.watch.went_by_force(at.0, name));
        match host.disk.difference(&wanted).find(|_| !parked && !self.watch.forced_storage(at.0)) {
            Some(left) => broken(format!("R14: machine {} has data of {left}, which is not", at.1)),
            None => Ok(()),
        }
    }

    /// What is on a machine is what the records say.
    fn check_host(&self, at: At, host: &super::Host) -> Result<(), Broken> {
        let Some(model) = self.estate.model(at.0) else { return Ok(()) };
        let wanted: BTreeSet<_> =
            model.units_on(at.1).flat_map(|unit| unit.storages.iter().cloned()).collect();
        let mine: BTreeSet<_> = host
            .journals
            .iter()
            .filter(|(name, _)| !self.watch.went_by_force(at.0, name))
            .flat_map(|(_, local)| local.storage.keys().cloned())
            .collect();
        let mounts: BTreeSet<_> = host
            .mounts
            .iter()
            .filter(|id| wanted.contains(id) || mine.contains(id))
            .cloned()
            .collect();
        let parked = host.journals.len() > model.units_on(at.1).count();
        if mounts != wanted || (host.mounts != wanted && !parked) {
            return broken(format!(
                "R14: machine {} has {:?} mounted, and {wanted:?} is wanted",
                at.1, host.mounts
            ));
        }
        self.check_data(at, host, model)?;
        for (name, local) in &host.journals {
            let Some(goal) = host.goal.as_ref().and_then(|goal| goal.units.get(name)) else {
                // Who went by force while its machine was away is parked there (R7). Of one that was
                // killed between its last report and its last line only that line is left.
                let left = matches!(local.progress, Progress::Left | Progress::Gone);
                if left || self.watch.went_by_force(at.0, name) {
                    continue;
                }
                return broken(format!("{name} is parked on machine {} for ever", at.1));
            };
            for (id, relation) in &goal.relations {
                let known = local.relations.get(id);
                if known.is_none_or(|known| known.members != relation.members) {
                    return broken(format!(
                        "{name} does not know who is in relation {id}: {known:?}, and {relation:?}"
                    ));
                }
            }
            if local.flags.leader != goal.leader {
                return broken(format!("{name} is wrong about whether it leads"));
            }
        }
        Ok(())
    }
}
