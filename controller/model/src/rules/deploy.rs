//! Making an application.

use std::collections::{BTreeMap, BTreeSet};

use muster_charms::{Charm, StorageDirective, StorageKind, StorageSpec};

use crate::command::{Deploy, ResourceFile};
use crate::life::Life;
use crate::name::{ApplicationName, PoolName, ResourceName, StorageName};
use crate::record::{
    Application, CharmRecord, Leadership, PendingUnit, Placement, Resource, Scale, StoragePool,
};
use crate::refusal::{Code, Refusal};
use crate::reply::Outcome;

use super::attach::attachable;
use super::{Deciding, base, configure, integrate, invalid};

/// Size of a storage of which neither the operator nor the charm says any, in MiB.
pub(super) const DEFAULT_SIZE: u64 = 1024;

pub(super) fn deploy(d: &mut Deciding<'_>, asked: &Deploy) -> Result<Outcome, Refusal> {
    let info = d.live_model()?;
    let name = &asked.application;
    if let Some(present) = d.get::<Application>(name.clone()) {
        return Err(match present.life {
            Life::Alive => Refusal::new(
                Code::AlreadyExists,
                format!("cannot deploy \"{name}\": application already exists"),
            )
            .hint("give it another name, or use `muster refresh` for another charm"),
            Life::Dying | Life::Dead => Refusal::new(
                Code::Dying,
                format!(
                    "cannot deploy \"{name}\": its predecessor already exists and is being removed"
                ),
            )
            .hint(format!(
                "`muster wait-for application {name} --query 'life==\"dead\"'`, then deploy again"
            )),
        });
    }
    let Some(record) = d.get::<CharmRecord>(asked.charm.clone()) else {
        return Err(Refusal::not_found("charm", &asked.charm));
    };
    let charm = record.charm;
    let subordinate = charm.metadata.subordinate;
    check_units(d, asked, &charm)?;
    let base = base::choose(d, &info, &charm, asked)?;
    let mut application = Application {
        name: name.clone(),
        life: Life::Alive,
        charm: asked.charm.clone(),
        charm_modified: 0,
        force_charm: false,
        channel: asked.channel.clone(),
        base: base.as_ref().map(|offered| offered.base.clone()),
        subordinate,
        config: BTreeMap::new(),
        trust: asked.trust,
        constraints: asked.constraints.clone(),
        storage: BTreeMap::new(),
        bindings: asked.bindings.clone(),
        exposed: None,
        created: d.now,
    };
    configure::apply(&mut application, &charm, &asked.config)?;
    for endpoint in asked.bindings.keys() {
        configure::bindable(&charm, endpoint)?;
    }
    application.storage = storage(d, &charm, &asked.storage)?;
    for (resource, file) in &asked.resources {
        give(d, &charm, name, resource, file)?;
    }
    let pending = asked.placements.iter().map(|placement| PendingUnit {
        placement: placement.clone(),
        attach_storage: asked.attach_storage.clone(),
    });
    let pending: Vec<PendingUnit> = pending.collect();
    let units = u32::try_from(pending.len()).unwrap_or(u32::MAX);
    let mut counters = d.counters();
    counters.applications += 1;
    d.put(counters);
    d.put(Leadership { application: name.clone(), leader: None, since: d.now });
    d.put(Scale {
        application: name.clone(),
        units: 0,
        pending,
        relations: BTreeSet::new(),
        destroy_storage: false,
        force: false,
    });
    d.put(application);
    integrate::peers(d, name, &charm)?;
    Ok(Outcome::Application { name: name.clone(), units, base })
}

/// The most units of one model (reliability document, section 5).
pub(super) const MAX_UNITS: usize = 10_000;

fn check_units(d: &mut Deciding<'_>, asked: &Deploy, charm: &Charm) -> Result<(), Refusal> {
    let name = &asked.application;
    if charm.metadata.subordinate {
        if asked.placements.len() > 1 || asked.placements.iter().any(|p| *p != Placement::Anywhere)
        {
            return Err(invalid(format!(
                "\"{name}\" is a subordinate: its units come with those that it is related to"
            )));
        }
        if !asked.placements.is_empty() || !asked.constraints.is_empty() {
            return Err(invalid(format!(
                "\"{name}\" is a subordinate: it takes neither units nor constraints of its own"
            )));
        }
    }
    placements(d, &asked.placements)?;
    attachable(d, charm, &asked.attach_storage, &asked.placements)
}

pub(super) fn placements(d: &mut Deciding<'_>, wanted: &[Placement]) -> Result<(), Refusal> {
    if wanted.len() > MAX_UNITS {
        return Err(Refusal::new(Code::Limit, format!("a model holds at most {MAX_UNITS} units")));
    }
    for placement in wanted {
        let Placement::Machine(id) = placement else { continue };
        match d.get::<crate::record::Machine>(*id) {
            None => return Err(Refusal::not_found("machine", id)),
            Some(machine) if !machine.life.is_alive() => {
                return Err(Refusal::new(
                    Code::Dying,
                    format!("machine \"{id}\" is being removed"),
                ));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// How each storage of the charm is made: the operator's directives over the charm's needs.
pub(super) fn storage(
    d: &mut Deciding<'_>,
    charm: &Charm,
    asked: &BTreeMap<StorageName, StorageDirective>,
) -> Result<BTreeMap<StorageName, StorageDirective>, Refusal> {
    for name in asked.keys() {
        if !charm.metadata.storage.contains_key(name) {
            let names: Vec<&str> = charm.metadata.storage.keys().map(StorageName::as_str).collect();
            return Err(Refusal::not_found("storage", name).hint(format!(
                "charm \"{}\" has: {}",
                charm.metadata.name,
                names.join(", ")
            )));
        }
    }
    let mut all = BTreeMap::new();
    for (name, spec) in &charm.metadata.storage {
        let directive = complete(d, name, spec, asked.get(name))?;
        if directive.count.unwrap_or(0) > 0 {
            all.insert(name.clone(), directive);
        }
    }
    Ok(all)
}

/// A directive with nothing left open: pool, count and size.
pub(super) fn complete(
    d: &mut Deciding<'_>,
    name: &StorageName,
    spec: &StorageSpec,
    asked: Option<&StorageDirective>,
) -> Result<StorageDirective, Refusal> {
    let count = match asked {
        Some(directive) => directive.count.unwrap_or(1),
        None => spec.count.min,
    };
    if !spec.count.admits(count) {
        let most = spec.count.max.map_or("any number".to_owned(), |max| max.to_string());
        return Err(invalid(format!(
            "storage \"{name}\": {count} instances asked for; it takes {} to {most}",
            spec.count.min
        ))
        .hint(format!("say how many: `--storage {name}={}`", spec.count.min.max(1))));
    }
    let size = asked.and_then(|directive| directive.size);
    let least = spec.minimum_size;
    if let Some(size) = size.filter(|size| *size < least) {
        return Err(invalid(format!(
            "storage \"{name}\": {size}M asked for; charm needs at least {least}M"
        ))
        .hint(format!("ask for more: `--storage {name}={least}M`")));
    }
    let pool = match asked.and_then(|directive| directive.pool.clone()) {
        Some(pool) => pool,
        None => default_pool(spec.kind)?,
    };
    let Some(record) = d.get::<StoragePool>(pool.clone()) else {
        return Err(Refusal::not_found("pool", &pool).hint("`muster storage-pools` lists them"));
    };
    if spec.kind == StorageKind::Block && record.provider != crate::record::Provider::Loop {
        return Err(invalid(format!(
            "storage \"{name}\" is a block device; pool \"{pool}\" makes file systems only"
        ))
        .hint("use a pool of the loop provider"));
    }
    let size = size.unwrap_or(if least > 0 { least } else { DEFAULT_SIZE });
    Ok(StorageDirective { pool: Some(pool), count: Some(count), size: Some(size) })
}

fn default_pool(kind: StorageKind) -> Result<PoolName, Refusal> {
    let name = if kind == StorageKind::Block { "loop" } else { "rootfs" };
    name.parse().map_err(|error| invalid(format!("{error}")))
}

/// Makes `file` what the application's resource is.
pub(super) fn give(
    d: &mut Deciding<'_>,
    charm: &Charm,
    application: &ApplicationName,
    name: &ResourceName,
    file: &ResourceFile,
) -> Result<(), Refusal> {
    let Some(spec) = charm.metadata.resources.get(name) else {
        let names: Vec<&str> = charm.metadata.resources.keys().map(ResourceName::as_str).collect();
        return Err(Refusal::not_found("resource", name).hint(format!(
            "charm \"{}\" has: {}",
            charm.metadata.name,
            names.join(", ")
        )));
    };
    if spec.kind == muster_charms::ResourceKind::OciImage {
        return Err(Refusal::new(
            Code::Unsupported,
            format!("resource \"{name}\" is a container image, which machines do not run"),
        ));
    }
    let key = crate::record::Pair(application.clone(), name.clone());
    let revision = d.get::<Resource>(key).map_or(1, |present| present.revision + 1);
    let uploaded_by = d.asker();
    let uploaded = d.now;
    d.put(Resource {
        application: application.clone(),
        name: name.clone(),
        digest: file.digest,
        size: file.size,
        origin_name: file.origin_name.clone(),
        revision,
        uploaded_by,
        uploaded,
    });
    Ok(())
}
