//! A story by chance: what operators do, one thing after the other, while everything runs.

use std::collections::{BTreeMap, BTreeSet};

use muster_charms::StorageDirective;
use muster_model::Model;
use muster_model::command::{
    Deploy, EndpointRef, ModelCommand, Refresh, RelationRef, ResourceFile, SecretCommand, TargetRef,
};
use muster_model::name::{ApplicationName, MachineId, ModelId, RelationId, UnitName};
use muster_model::record::{
    Application, Machine, Placement, Relation, Secret, Storage, TaskResult, Unit, UnitProgress,
};
use muster_model::reply::Outcome;
use muster_model::secret::SecretId;
use muster_tests::fixture::{CHARMS, REVISIONS, add_charm, digest};
use muster_tests::world::{Broken, Faults, World, named, uuid};

/// Two models side by side, so many commands, and rest in the end.
pub(crate) fn tell(seed: u64, faults: Faults, commands: u32) -> (World, Result<(), Broken>) {
    run(seed, |world| {
        act(world, faults, commands)?;
        world.calm()
    })
}

/// The same without an end: what is under way stays so.
pub(crate) fn act_only(seed: u64, faults: Faults, commands: u32) -> (World, Result<(), Broken>) {
    run(seed, |world| act(world, faults, commands))
}

/// The same, and then every model is destroyed.
pub(crate) fn tell_to_the_end(
    seed: u64,
    faults: Faults,
    commands: u32,
) -> (World, Result<(), Broken>) {
    run(seed, |world| {
        act(world, faults.clone(), commands)?;
        world.faults = faults;
        let models: Vec<ModelId> = world.estate.models().map(|model| model.id()).collect();
        for model in models {
            let destroy_storage = Some(world.random.below(2) == 0);
            let force = world.random.below(4) == 0;
            let asked = ModelCommand::DestroyModel { destroy_storage, force };
            if world.command(model, asked)?.is_err() {
                // What is on machines that go with the model cannot be let go of.
                let destroy_storage = Some(true);
                let asked = ModelCommand::DestroyModel { destroy_storage, force };
                let _gone = world.command(model, asked)?;
            }
            for _ in 0..world.random.below(60) {
                world.step()?;
            }
        }
        world.calm()?;
        let left = world.estate.models().next();
        match left {
            Some(model) => Err(Broken(format!("R28: model {} is still there", model.id()))),
            None if !world.hosts.is_empty() => Err(Broken("a machine is still there".to_owned())),
            None => Ok(()),
        }
    })
}

fn run(
    seed: u64,
    story: impl FnOnce(&mut World) -> Result<(), Broken>,
) -> (World, Result<(), Broken>) {
    let mut world = World::new(seed).expect("an empty world is sound");
    let result = story(&mut world);
    (world, result)
}

fn act(world: &mut World, faults: Faults, commands: u32) -> Result<(), Broken> {
    world.scripts.talkative = true;
    for (number, name) in [(1, "one"), (2, "two")] {
        let made = world.add_model(number, name)?;
        made.map_err(|refusal| Broken(refusal.to_string()))?;
    }
    world.faults = faults;
    for _ in 0..commands {
        let model = uuid(u128::from(world.random.below(2)) + 1);
        command(world, model)?;
        for _ in 0..world.random.below(40) {
            world.step()?;
        }
    }
    Ok(())
}

/// One command; one in three is nonsense, which is refused and changes nothing.
fn command(world: &mut World, id: ModelId) -> Result<(), Broken> {
    let Some(model) = world.estate.model(id).cloned() else { return Ok(()) };
    let pick = world.random.below(100);
    if pick < 26 || model.table::<Application>().is_empty() {
        return deploy(world, id, &model);
    }
    let asked = match pick {
        26..38 => integrate(world, &model),
        38..50 => scale(world, &model),
        50..60 => settings(world, id, &model)?,
        60..66 => secrets(world, id, &model),
        66..72 => storage(world, &model),
        72..80 => tasks(world, &model),
        80..86 => resolve(world, &model),
        _ => take_down(world, &model),
    };
    let Some(asked) = asked else { return Ok(()) };
    let before = world.estate.revision();
    if world.command(id, asked)?.is_err() && world.estate.revision() != before {
        return Err(Broken("a refused command changed something".to_owned()));
    }
    Ok(())
}

fn deploy(world: &mut World, id: ModelId, model: &Model) -> Result<(), Broken> {
    let Some(charm) = world.random.choose(CHARMS).copied() else { return Ok(()) };
    let Some(url) = know(world, id, charm, 1)? else { return Ok(()) };
    let name = if world.random.below(3) == 0 { format!("{charm}-b") } else { charm.to_owned() };
    let subordinate = charm == "logger";
    let units = if subordinate { 0 } else { world.random.below(3) + 1 };
    let machines = names::<Machine>(model);
    let placements = (0..units).map(|_| placement(world, &machines)).collect();
    let mut storage = BTreeMap::new();
    if charm == "db" && world.random.below(2) == 0 {
        storage.insert(named("data"), directive(world, "rootfs"));
    }
    if charm == "proxy" && world.random.below(2) == 0 {
        storage.insert(named("cache"), directive(world, "tmpfs"));
        storage.insert(named("raw"), directive(world, "loop"));
    }
    let mut attach_storage = Vec::new();
    if units == 1 && world.random.below(3) == 0 {
        attach_storage.extend(world.random.choose(&names::<Storage>(model)).cloned());
    }
    let asked = Deploy {
        application: named(&name),
        charm: url,
        channel: None,
        placements,
        config: BTreeMap::new(),
        trust: false,
        constraints: Default::default(),
        base: None,
        storage,
        attach_storage,
        resources: BTreeMap::new(),
        bindings: BTreeMap::new(),
        force: false,
    };
    world.command(id, ModelCommand::Deploy(asked)).map(|_| ())
}

/// Makes a charm known to the model; none, if the model is on its way out.
fn know(
    world: &mut World,
    id: ModelId,
    charm: &str,
    revision: u32,
) -> Result<Option<muster_model::name::CharmUrl>, Broken> {
    match world.command(id, ModelCommand::AddCharm(add_charm(charm, revision)))? {
        Ok(Outcome::Charm(url)) => Ok(Some(url)),
        Ok(other) => Err(Broken(format!("a charm is made known and the answer is {other:?}"))),
        Err(_) => Ok(None),
    }
}

fn placement(world: &mut World, machines: &[MachineId]) -> Placement {
    match world.random.below(4) {
        0 => Placement::NewMachine,
        1 => match world.random.choose(machines) {
            Some(machine) => Placement::Machine(*machine),
            None => Placement::Anywhere,
        },
        _ => Placement::Anywhere,
    }
}

fn directive(world: &mut World, pool: &str) -> StorageDirective {
    StorageDirective {
        pool: Some(named(pool)),
        count: Some(u32::try_from(world.random.below(3)).unwrap_or(0) + 1),
        size: Some(1024),
    }
}

fn integrate(world: &mut World, model: &Model) -> Option<ModelCommand> {
    let applications = names::<Application>(model);
    let end = |world: &mut World| {
        let application = world.random.choose(&applications).cloned()?;
        Some(EndpointRef { application, endpoint: None })
    };
    let (one, mut other) = (end(world)?, end(world)?);
    if one.application.as_str().starts_with("logger") && world.random.below(2) == 0 {
        other.endpoint = Some(named("juju-info"));
    }
    Some(ModelCommand::Integrate { one, other })
}

fn scale(world: &mut World, model: &Model) -> Option<ModelCommand> {
    let application = world.random.choose(&names::<Application>(model)).cloned()?;
    if world.random.below(8) == 0 {
        let count = u32::try_from(world.random.below(2)).unwrap_or(0) + 1;
        let constraints = Default::default();
        return Some(ModelCommand::AddMachines { count, constraints, base: None, host: false });
    }
    if world.random.below(2) == 0 {
        let units = unit(world, model)?;
        return Some(ModelCommand::RemoveUnits {
            units: BTreeSet::from([units]),
            destroy_storage: world.random.below(2) == 0,
            force: world.random.below(6) == 0,
        });
    }
    let machines = names::<Machine>(model);
    let mut attach_storage = Vec::new();
    let count = world.random.below(3) + 1;
    if count == 1 && world.random.below(2) == 0 {
        attach_storage.extend(world.random.choose(&names::<Storage>(model)).cloned());
    }
    let placements = (0..count).map(|_| placement(world, &machines)).collect();
    Some(ModelCommand::AddUnits { application, placements, attach_storage })
}

fn settings(world: &mut World, id: ModelId, model: &Model) -> Result<Option<ModelCommand>, Broken> {
    let Some(application) = world.random.choose(&names::<Application>(model)).cloned() else {
        return Ok(None);
    };
    let Some(record) = model.application(&application) else { return Ok(None) };
    let charm = record.charm.name.to_string();
    let modelwide = |key: &str, value: &str| ModelCommand::ConfigureModel {
        set: [(key.to_owned(), value.to_owned())].into(),
        reset: BTreeSet::new(),
    };
    Ok(Some(match world.random.below(8) {
        0 => {
            let revision = u32::try_from(world.random.below(u64::from(REVISIONS))).unwrap_or(0) + 1;
            let Some(url) = know(world, id, &charm, revision)? else { return Ok(None) };
            ModelCommand::Refresh(Refresh {
                charm: Some(url),
                force_units: world.random.below(3) == 0,
                ..Refresh::of(application)
            })
        }
        1 => ModelCommand::AttachResource {
            application,
            name: named("theme"),
            file: ResourceFile {
                digest: digest(&world.random.below(3).to_string()),
                size: 10,
                origin_name: "theme.tar".to_owned(),
            },
        },
        2 => modelwide(
            "automatically-retry-hooks",
            if world.random.below(2) == 0 { "true" } else { "false" },
        ),
        3 => modelwide(
            "http-proxy",
            if world.random.below(2) == 0 { "http://proxy:3128" } else { "" },
        ),
        _ => {
            let options = model.charm_of(&application).map(|c| c.charm.options.clone());
            let keys: Vec<_> = options.unwrap_or_default().into_keys().collect();
            let Some(key) = world.random.choose(&keys).cloned() else { return Ok(None) };
            let values = ["1", "2", "true", "blue"];
            let value = world.random.choose(&values).copied().unwrap_or("1").to_owned();
            let reset = world.random.below(4) == 0;
            ModelCommand::Configure {
                application,
                set: if reset { BTreeMap::new() } else { [(key.clone(), value)].into() },
                reset: if reset { [key].into() } else { BTreeSet::new() },
                trust: (world.random.below(6) == 0).then_some(true),
            }
        }
    }))
}

fn secrets(world: &mut World, id: ModelId, model: &Model) -> Option<ModelCommand> {
    let known: Vec<SecretId> = names::<Secret>(model);
    let text = world.random.below(5).to_string();
    let secret = world.random.choose(&known).cloned();
    let Some(secret) = secret.filter(|_| world.random.below(3) > 0) else {
        let fresh = world.secret_id();
        let content = world.sealed(id, &fresh, &text);
        let (name, description) = (format!("s-{text}"), String::new());
        let command = SecretCommand::Add { id: fresh, name, description, content };
        return Some(ModelCommand::Secret(command));
    };
    Some(ModelCommand::Secret(match world.random.below(6) {
        0 => SecretCommand::Remove {
            id: secret,
            revision: (world.random.below(2) == 0).then_some(1),
        },
        1 | 2 => SecretCommand::Update {
            content: Some(world.sealed(id, &secret, &text)),
            id: secret,
            name: None,
            description: None,
            auto_prune: (world.random.below(2) == 0).then_some(true),
        },
        _ => SecretCommand::Grant {
            id: secret,
            applications: world
                .random
                .choose(&names::<Application>(model))
                .cloned()
                .into_iter()
                .collect(),
            granted: world.random.below(3) > 0,
        },
    }))
}

fn storage(world: &mut World, model: &Model) -> Option<ModelCommand> {
    let unit = unit(world, model)?;
    if world.random.below(2) == 0 {
        let name = *world.random.choose(&["data", "cache", "raw", "spool"])?;
        let directive = StorageDirective { pool: None, count: Some(1), size: None };
        return Some(ModelCommand::AddStorage { unit, name: named(name), directive });
    }
    let storage = BTreeSet::from([world.random.choose(&names::<Storage>(model)).cloned()?]);
    Some(match world.random.below(3) {
        0 => ModelCommand::DetachStorage { storage, force: world.random.below(4) == 0 },
        1 => ModelCommand::AttachStorage { unit, storage },
        _ => ModelCommand::RemoveStorage {
            storage,
            force: world.random.below(2) == 0,
            keep_data: world.random.below(3) == 0,
        },
    })
}

fn tasks(world: &mut World, model: &Model) -> Option<ModelCommand> {
    let application = world.random.choose(&names::<Application>(model)).cloned()?;
    let machine = world.random.choose(&names::<Machine>(model)).copied();
    let target = match world.random.below(4) {
        0 => TargetRef::Leader(application),
        1 => TargetRef::Application(application),
        2 => TargetRef::Machine(machine?),
        _ => TargetRef::Unit(unit(world, model)?),
    };
    if world.random.below(5) == 0 {
        let tasks: Vec<_> = model.table::<TaskResult>().iter().map(|(id, _)| *id).collect();
        let task = *world.random.choose(&tasks)?;
        return Some(ModelCommand::CancelTasks(BTreeSet::from([task])));
    }
    if world.random.below(2) == 0 {
        return Some(ModelCommand::RunCommand {
            targets: vec![target],
            command: "uptime".to_owned(),
            timeout_ms: None,
            parallel: world.random.below(2) == 0,
            execution_group: String::new(),
        });
    }
    let action = *world.random.choose(&["backup", "dump", "vacuum", "rotate", "purge", "query"])?;
    let parameters = serde_json::Map::new();
    Some(ModelCommand::RunAction { targets: vec![target], action: named(action), parameters })
}

fn resolve(world: &mut World, model: &Model) -> Option<ModelCommand> {
    let failed = model.table::<UnitProgress>().iter().filter(|(_, p)| p.failure.is_some());
    let failed: Vec<UnitName> = failed.map(|(name, _)| name.clone()).collect();
    let units = BTreeSet::from([world.random.choose(&failed).cloned()?]);
    Some(ModelCommand::Resolve { units, retry: world.random.below(2) == 0 })
}

fn take_down(world: &mut World, model: &Model) -> Option<ModelCommand> {
    let force = world.random.below(4) == 0;
    let destroy_storage = world.random.below(2) == 0;
    Some(match world.random.below(12) {
        0..5 => {
            let others = model.table::<Relation>().values().filter(|r| !r.is_peer());
            let ids: Vec<RelationId> = others.map(|relation| relation.id).collect();
            let relation = RelationRef::Id(*world.random.choose(&ids)?);
            ModelCommand::RemoveRelation { relation, force }
        }
        5..9 => {
            let application: ApplicationName =
                world.random.choose(&names::<Application>(model)).cloned()?;
            ModelCommand::RemoveApplication { application, destroy_storage, force }
        }
        9..11 => {
            let machine = *world.random.choose(&names::<Machine>(model))?;
            ModelCommand::RemoveMachines { machines: BTreeSet::from([machine]), force }
        }
        _ if world.random.below(4) == 0 => {
            ModelCommand::DestroyModel { destroy_storage: Some(destroy_storage), force }
        }
        _ => return None,
    })
}

fn unit(world: &mut World, model: &Model) -> Option<UnitName> {
    world.random.choose(&names::<Unit>(model)).cloned()
}

fn names<R: muster_model::record::ModelRecord>(model: &Model) -> Vec<R::Name> {
    model.table::<R>().iter().map(|(name, _)| name.clone()).collect()
}
