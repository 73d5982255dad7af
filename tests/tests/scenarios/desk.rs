//! Where lines are typed: each becomes commands of the world in the current model.

#[path = "secret.rs"]
mod secret;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use muster::Act;
use muster::commands::actions::What;
use muster::commands::config::Config;
use muster::commands::deploy;
use muster::commands::units::{Remove, Removed};
use muster::{Said, parse};
use muster_model::command::{Command, Deploy, EstateCommand, ModelCommand, Refresh};
use muster_model::goal::{Snapshot, SnapshotRequest};
use muster_model::name::{ApplicationName, MachineId, ModelId, UnitName};
use muster_model::record::{Application, OfferedBase, Placement, Relation, Storage, Unit};
use muster_model::reply::Outcome;
use muster_model::report::SecretHow;
use muster_model::view::{ViewRequest, uptake};
use muster_model::{Caller, Model};
use muster_tests::fixture::add_charm;
use muster_tests::world::{Broken, World, named};
use serde_json::Value;

/// A world and the model that the operator works in.
pub(crate) struct Desk {
    world: World,
    models: BTreeMap<String, ModelId>,
    current: ModelId,
}

/// As long as `settle` waits at most.
const PATIENCE: Duration = Duration::from_secs(1800);

impl Desk {
    pub(crate) fn new() -> Desk {
        let mut world = World::new(1).expect("an empty world is sound");
        let current =
            world.add_model(1, "default").expect("sound").expect("the first model is made");
        Desk { world, models: BTreeMap::from([("default".to_owned(), current)]), current }
    }

    /// Carries out a line and answers what it prints.
    pub(crate) fn line(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let done = match words.as_slice() {
            ["settle"] => self.world.settle(PATIENCE).map(|()| String::new()),
            ["advance", span] => self.world.advance(seconds(span)).map(|()| String::new()),
            ["fail", unit, hook] => Ok(self.fail(unit, hook, 1)),
            ["fail", unit, hook, times] => {
                let times = times.parse().expect("a number of failures");
                Ok(self.fail(unit, hook, times))
            }
            ["crash", unit] => {
                let unit: UnitName = named(unit);
                let machine = self.model().unit(&unit).expect("the unit is there").machine;
                self.world.kill((self.current, machine));
                Ok(String::new())
            }
            ["silence", machine, span] => {
                let machine = MachineId(machine.parse().expect("a machine"));
                let span = seconds(span);
                self.world.cut_off((self.current, machine), span);
                Ok(String::new())
            }
            ["late"] => {
                self.world.faults.late_upkeep = 1000;
                Ok(String::new())
            }
            ["prompt"] => {
                self.world.faults.late_upkeep = 0;
                self.world.upkeep().map(|()| String::new())
            }
            ["images", bases @ ..] => self.images(bases).map(|()| String::new()),
            ["lose", storage] => {
                let storage = named(storage);
                let record = self.model().storage(&storage).expect("the storage is there");
                let machine = record.machine.expect("it was on a machine");
                self.world.lose((self.current, machine), &storage);
                Ok(String::new())
            }
            ["status"] => Ok(self.status()),
            ["hooks", units @ ..] => Ok(self.hooks(units)),
            ["goal-state", unit] => Ok(self.seen_by(unit, |seen| seen.goal_state)),
            ["statuses", unit] => Ok(self.seen_by(unit, |seen| seen.status)),
            ["read", unit, name] => Ok(self.read(unit, name, SecretHow::Tracked)),
            ["read", unit, name, "--refresh"] => Ok(self.read(unit, name, SecretHow::Refresh)),
            ["model", name] => {
                self.current = *self.models.get(*name).expect("the model is there");
                Ok(String::new())
            }
            _ => return self.typed(&words),
        };
        match done {
            Ok(text) => text,
            Err(broken) => panic!("{line}: {broken}"),
        }
    }

    fn fail(&mut self, unit: &str, hook: &str, times: u32) -> String {
        self.world.scripts.of(self.current, &named(unit), hook).fails = times;
        String::new()
    }

    /// What a unit's tools print from, a line each.
    fn seen_by(&self, unit: &str, part: impl Fn(Snapshot) -> Option<Value>) -> String {
        let asked = SnapshotRequest { goal_state: true, ..SnapshotRequest::default() };
        let seen = self.model().snapshot(&named(unit), &asked, self.world.estate.revision());
        let part = part(seen.expect("the unit is there")).expect("it was asked for");
        let mut text = String::new();
        let mut places = vec![(String::new(), &part)];
        while let Some((place, value)) = places.pop() {
            match value.as_object().filter(|map| !map.is_empty()) {
                Some(map) => {
                    places.extend(map.iter().rev().map(|(key, v)| (format!("{place} {key}"), v)));
                }
                None => writeln!(text, "{}: {value}", place.trim()).expect("text"),
            }
        }
        text
    }

    /// Has the controller offer these bases: `debian@12`, or `ubuntu@22.04=debian@12` for one that is
    /// the other in truth.
    fn images(&mut self, bases: &[&str]) -> Result<(), Broken> {
        let base = |text: &str| text.parse().expect("a base");
        let offered = bases.iter().map(|text| match text.split_once('=') {
            Some((name, root)) => OfferedBase { base: base(name), stands_on: Some(base(root)) },
            None => OfferedBase { base: base(text), stands_on: None },
        });
        let command = Command::Estate(EstateCommand::OfferBases(offered.collect()));
        let told = self.world.command_as(&Caller::Controller, &command)?;
        told.expect("the controller may");
        Ok(())
    }

    fn model(&self) -> &Model {
        self.world.estate.model(self.current).expect("the current model is there")
    }

    /// A line of the CLI.
    fn typed(&mut self, words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let request = match parse(&words) {
            Ok(Said::Request(request)) => request,
            Ok(Said::Text(text)) => return text,
            Err(failure) => return failure.to_string(),
        };
        let commands = match request.act {
            Act::AddModel(asked) => return self.add_model(asked.name.as_str()),
            Act::DestroyModel(asked) => {
                let model = *self.models.get(&asked.model).expect("the model is there");
                let (destroy_storage, force) = (asked.destroy_storage, asked.force);
                let command = ModelCommand::DestroyModel { destroy_storage, force };
                return self.give(model, vec![command]);
            }
            Act::Change(commands) => commands,
            Act::Integrate(asked) => {
                vec![ModelCommand::Integrate { one: asked.one, other: asked.other }]
            }
            Act::Remove(asked) => vec![self.remove(asked)],
            Act::Deploy(asked) => match self.deploy(*asked) {
                Ok(command) => vec![command],
                Err(said) => return said,
            },
            Act::Refresh(asked) => match self.refresh(*asked) {
                Ok(command) => {
                    let ModelCommand::Refresh(Refresh { application, .. }) = &command else {
                        panic!("a refresh is one command");
                    };
                    let application = application.clone();
                    let said = self.give(self.current, vec![command]);
                    return said + &self.uptake(&application);
                }
                Err(said) => return said,
            },
            Act::Config(Config { application, set, reset, .. }) => {
                vec![ModelCommand::Configure { application, set, reset, trust: None }]
            }
            Act::ModelConfig(asked) => {
                vec![ModelCommand::ConfigureModel { set: asked.set, reset: asked.reset }]
            }
            Act::AddStorage(asked) => {
                let unit = asked.unit;
                let each = asked.storage.into_iter().map(|(name, directive)| {
                    ModelCommand::AddStorage { unit: unit.clone(), name, directive }
                });
                each.collect()
            }
            Act::Run(asked) => {
                let What::Action { name, .. } = asked.what else {
                    panic!("stories run actions only")
                };
                let parameters = serde_json::Map::new();
                let targets = asked.targets;
                vec![ModelCommand::RunAction { targets, action: name, parameters }]
            }
            Act::AddMachine(asked) => vec![ModelCommand::AddMachines {
                count: asked.count,
                constraints: asked.constraints,
                base: asked.base,
                host: asked.host,
            }],
            Act::Secret(asked) => return self.secret(asked),
            Act::Storage(_) => return self.storage(),
            Act::Machines(_) => return self.machines(),
            other => panic!("no story has needed {other:?} so far"),
        };
        self.give(self.current, commands)
    }

    fn give(&mut self, model: ModelId, commands: Vec<ModelCommand>) -> String {
        let mut text = String::new();
        for command in commands {
            match self.world.command(model, command).expect("an invariant broke") {
                Ok(Outcome::Removal(removal)) => {
                    for (id, place) in &removal.left {
                        writeln!(text, "the data of {id} is left in {place}").expect("text");
                    }
                }
                Ok(Outcome::Application { base: Some(base), .. }) => {
                    if let Some(notice) = base.notice() {
                        writeln!(text, "{notice}").expect("a String takes everything");
                    }
                }
                Ok(_) => {}
                Err(refusal) => {
                    writeln!(text, "ERROR {refusal}").expect("a String takes everything");
                    if let Some(hint) = refusal.hint {
                        writeln!(text, "  {hint}").expect("a String takes everything");
                    }
                }
            }
        }
        text
    }

    fn add_model(&mut self, name: &str) -> String {
        let number = self.models.len() as u128 + 1;
        match self.world.add_model(number, name).expect("an invariant broke") {
            Ok(id) => {
                self.models.insert(name.to_owned(), id);
                self.current = id;
                String::new()
            }
            Err(refusal) => format!("ERROR {refusal}"),
        }
    }

    /// `./wiki` is the first revision of the simulation's charm of that name, `./wiki-2` the second.
    fn know(&mut self, path: &str) -> Result<muster_model::name::CharmUrl, String> {
        let name = path.trim_start_matches("./");
        let (name, revision) = match name.rsplit_once('-') {
            Some((name, digit)) => (name, digit.parse().expect("a revision")),
            None => (name, 1),
        };
        let command = ModelCommand::AddCharm(add_charm(name, revision));
        match self.world.command(self.current, command).expect("an invariant broke") {
            Ok(Outcome::Charm(url)) => Ok(url),
            Ok(other) => panic!("a charm is made known and the answer is {other:?}"),
            Err(refusal) => Err(format!("ERROR {refusal}")),
        }
    }

    fn deploy(&mut self, asked: deploy::Deploy) -> Result<ModelCommand, String> {
        let charm = self.know(&asked.source)?;
        let record = self.model().charm(&charm).expect("it is known");
        let usual = u32::from(!record.charm.metadata.subordinate);
        let mut placements = asked.placements;
        let units = asked.units.unwrap_or(usual).max(u32::try_from(placements.len()).unwrap_or(0));
        placements.resize(units as usize, Placement::Anywhere);
        let config = asked.config.into_iter().map(|setting| match setting {
            deploy::Setting::Value(key, value) => (key, value),
            deploy::Setting::File(path) => panic!("a story has no file {path}"),
        });
        Ok(ModelCommand::Deploy(Deploy {
            application: asked.application.unwrap_or_else(|| charm.name.clone()),
            charm,
            channel: asked.channel,
            placements,
            config: config.collect(),
            trust: asked.trust,
            constraints: asked.constraints,
            base: asked.base,
            storage: asked.storage,
            attach_storage: asked.attach_storage,
            resources: BTreeMap::new(),
            bindings: BTreeMap::new(),
            force: asked.force,
        }))
    }

    fn refresh(&mut self, asked: deploy::Refresh) -> Result<ModelCommand, String> {
        let charm = asked.path.map(|path| self.know(&path)).transpose()?;
        Ok(ModelCommand::Refresh(Refresh {
            charm,
            channel: asked.channel,
            base: asked.base,
            storage: asked.storage,
            force_units: asked.force_units,
            force_base: asked.force_base,
            ..Refresh::of(asked.application)
        }))
    }

    /// What becomes of a refresh on each unit, as it is said to the operator.
    fn uptake(&self, application: &ApplicationName) -> String {
        let now = self.world.estate.revision();
        let view = self.model().view(&ViewRequest::default(), &self.world.heard, now);
        let view = view.expect("the model is there");
        let Some(seen) = view.applications.get(application) else { return String::new() };
        seen.units.values().map(|unit| uptake(seen, unit) + "\n").collect()
    }

    fn remove(&self, asked: Remove) -> ModelCommand {
        let Remove { destroy_storage, force, .. } = asked;
        match asked.what {
            Removed::Applications(mut names) => {
                let application = names.pop().expect("one application at a time");
                ModelCommand::RemoveApplication { application, destroy_storage, force }
            }
            Removed::Units(units) => ModelCommand::RemoveUnits {
                units: units.into_iter().collect::<BTreeSet<_>>(),
                destroy_storage,
                force,
            },
            Removed::Some(application, count) => {
                let mut units: Vec<UnitName> =
                    self.model().units_of(&application).map(|unit| unit.name.clone()).collect();
                let at = units.len().saturating_sub(count as usize);
                let units = units.split_off(at).into_iter().collect();
                ModelCommand::RemoveUnits { units, destroy_storage, force }
            }
            Removed::Machines(machines) => {
                ModelCommand::RemoveMachines { machines: machines.into_iter().collect(), force }
            }
        }
    }

    /// Units with their workload, their machine and what they wait for; relations; machines.
    fn status(&self) -> String {
        let request = ViewRequest::default();
        let Some(model) = self.world.estate.model(self.current) else {
            return "the model is gone".to_owned();
        };
        let view = model.view(&request, &self.world.heard, self.world.estate.revision());
        let Some(view) = view else { return "the model is gone".to_owned() };
        let mut text = String::new();
        for (name, application) in &view.applications {
            if application.application.life.is_alive() && !application.units.is_empty() {
                continue;
            }
            let life = application.application.life;
            writeln!(text, "{name}: {life}, {} units", application.units.len()).expect("text");
        }
        for unit in view.applications.values().flat_map(|application| application.units.values()) {
            let star = if unit.leader { "*" } else { "" };
            let name = format!("{}{star}", unit.unit.name);
            let machine = unit.unit.machine;
            let workload = unit.workload.value;
            let dying = if unit.unit.life.is_alive() { "" } else { " (going)" };
            write!(text, "{name:<12} {workload:<12} on {machine}{dying}").expect("text");
            if !unit.workload.message.is_empty() {
                write!(text, "  {}", unit.workload.message).expect("text");
            }
            if !unit.waits_for.is_empty() {
                write!(text, "  waits for: {}", unit.waits_for).expect("text");
            }
            text.push('\n');
        }
        let related = model.table::<Relation>().values().filter(|relation| !relation.is_peer());
        for relation in related {
            writeln!(text, "relation {}: {relation}, {}", relation.id, relation.life)
                .expect("text");
        }
        if model.table::<Application>().is_empty() && model.table::<Unit>().is_empty() {
            text.push_str("nothing is deployed\n");
        }
        text
    }

    fn storage(&self) -> String {
        let mut text = String::new();
        for (id, storage) in self.model().table::<Storage>().iter() {
            let whose = match &storage.attachment {
                Some(attachment) => attachment.unit.to_string(),
                None => "nobody".to_owned(),
            };
            writeln!(text, "{id}: {whose}, {}", storage.life).expect("text");
        }
        if text.is_empty() { "no storage".to_owned() } else { text }
    }

    /// Machines with who lives there and what they keep, as people read it.
    fn machines(&self) -> String {
        let Some(view) = self.world.estate.model(self.current).and_then(|model| {
            let now = self.world.estate.revision();
            model.view(&ViewRequest::default(), &self.world.heard, now)
        }) else {
            return "the model is gone".to_owned();
        };
        let mut text = String::new();
        for (id, machine) in &view.machines {
            let units: Vec<String> = machine.units.iter().map(ToString::to_string).collect();
            let holds: Vec<String> = machine.holds.iter().map(ToString::to_string).collect();
            write!(text, "{id}: {}, units [{}]", machine.machine.life, units.join(", "))
                .expect("text");
            if !holds.is_empty() {
                write!(text, ", holds storage {}", holds.join(", ")).expect("text");
            }
            text.push('\n');
        }
        if text.is_empty() { "no machines".to_owned() } else { text }
    }

    fn hooks(&mut self, units: &[&str]) -> String {
        let mut text = String::new();
        for unit in units {
            for hook in self.world.committed(self.current, &named(unit)) {
                writeln!(text, "{unit} {hook}").expect("text");
            }
        }
        text
    }
}

/// `60s`.
fn seconds(text: &str) -> Duration {
    let number = text.strip_suffix('s').and_then(|text| text.parse().ok());
    Duration::from_secs(number.expect("a span in seconds"))
}
