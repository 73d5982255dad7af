//! Committing what a run wrote: all of it, or a refusal that fails the hook.

use std::collections::BTreeMap;

use muster_charms::StorageDirective;

use crate::effects::{Effects, OpenPort, Settings, SettingsChange, apply_change};
use crate::limits;
use crate::name::{Member, RelationId, StorageName, UnitName};
use crate::record::{Databag, Occupancy, Pair, UnitProgress, UnitState};
use crate::refusal::{Code, Refusal};
use crate::rules::{Deciding, deploy, secret, storage};
use crate::version::Version;

use super::{leads, scope, unit_of};

/// Applies what a run wrote; the caller writes `progress`.
pub(super) fn apply(
    d: &mut Deciding<'_>,
    name: &UnitName,
    effects: &Effects,
    progress: &mut UnitProgress,
) -> Result<(), Refusal> {
    for (relation, change) in &effects.unit_settings {
        let member = Member::Unit(name.clone());
        scope::enter(d, name, *relation)?;
        bag(d, *relation, member, change)?;
    }
    if !effects.application_settings.is_empty() {
        leads(d, name).map_err(|refusal| {
            Refusal::new(refusal.code, "cannot write relation settings: not the leader")
        })?;
        for (relation, change) in &effects.application_settings {
            let ends = d.get::<crate::record::Relation>(*relation);
            if ends.is_none_or(|relation| relation.end_of(&name.application).is_none()) {
                return Err(Refusal::not_found("relation", relation));
            }
            bag(d, *relation, Member::Application(name.application.clone()), change)?;
        }
    }
    ports(d, name, effects, progress)?;
    state(d, name, &effects.state)?;
    for (storage, count) in &effects.add_storage {
        add_storage(d, name, storage, *count)?;
    }
    secret::apply(d, name, effects)?;
    Ok(())
}

fn bag(
    d: &mut Deciding<'_>,
    relation: RelationId,
    member: Member,
    change: &SettingsChange,
) -> Result<(), Refusal> {
    let known = d.get::<Databag>(Pair(relation, member.clone()));
    let mut bag = match known {
        Some(bag) => bag,
        None if d.get::<crate::record::Relation>(relation).is_none() => {
            return Err(Refusal::not_found("relation", relation));
        }
        None => match &member {
            Member::Application(_) => Databag {
                relation,
                member,
                in_scope: true,
                version: Version::ZERO,
                settings: Settings::new(),
            },
            // The relation is on its way out and the unit never came in: nobody would read it.
            Member::Unit(_) => return Ok(()),
        },
    };
    if apply_change(&mut bag.settings, change) {
        bounded(&format!("relation {relation}"), &bag.settings)?;
        bag.version = bag.version.next();
        d.put(bag);
    }
    Ok(())
}

/// Refuses settings that are too large to keep.
pub(super) fn bounded(what: &str, settings: &Settings) -> Result<(), Refusal> {
    limits::bag(settings).map_err(|why| Refusal::new(Code::Limit, format!("{what}: {why}")))
}

fn state(d: &mut Deciding<'_>, name: &UnitName, change: &SettingsChange) -> Result<(), Refusal> {
    if change.is_empty() {
        return Ok(());
    }
    let record = d.get::<UnitState>(name.clone());
    let mut record = record.unwrap_or_else(|| UnitState {
        unit: name.clone(),
        version: Version::ZERO,
        state: BTreeMap::new(),
    });
    if !apply_change(&mut record.state, change) {
        return Ok(());
    }
    limits::state(&record.state)
        .map_err(|why| Refusal::new(Code::Limit, format!("unit {name}: {why}")))?;
    record.version = record.version.next();
    d.put(record);
    Ok(())
}

fn ports(
    d: &mut Deciding<'_>,
    name: &UnitName,
    effects: &Effects,
    progress: &mut UnitProgress,
) -> Result<(), Refusal> {
    if effects.open_ports.is_empty() && effects.close_ports.is_empty() {
        return Ok(());
    }
    let unit = unit_of(d, name)?;
    let application = d.application(&name.application)?;
    let charm = d.charm_of(&application)?.charm;
    // Closing without an endpoint closes the range for all of them.
    let closed = |port: &OpenPort| {
        let same = |close: &&OpenPort| {
            close.range == port.range
                && (close.endpoint.is_none() || close.endpoint == port.endpoint)
        };
        effects.close_ports.iter().find(same).is_some()
    };
    progress.ports.retain(|port| !closed(port));
    let occupancy = d.get::<Occupancy>(unit.machine);
    let neighbours = occupancy.map(|occupancy| occupancy.units).unwrap_or_default();
    for port in &effects.open_ports {
        if let Some(endpoint) = &port.endpoint
            && charm.endpoint(endpoint).is_none()
        {
            return Err(Refusal::not_found("endpoint", endpoint));
        }
        for other in neighbours.iter().filter(|other| *other != name) {
            let Some(theirs) = d.get::<UnitProgress>(other.clone()) else { continue };
            if let Some(taken) = theirs.ports.iter().find(|taken| taken.range.overlaps(&port.range))
            {
                return Err(conflict(port, name, taken, other));
            }
        }
        let clash = |own: &&OpenPort| own.range.overlaps(&port.range) && own.range != port.range;
        if let Some(own) = progress.ports.iter().find(clash) {
            return Err(conflict(port, name, own, name));
        }
        progress.ports.insert(port.clone());
    }
    Ok(())
}

fn conflict(port: &OpenPort, unit: &UnitName, taken: &OpenPort, by: &UnitName) -> Refusal {
    Refusal::new(
        Code::InUse,
        format!(
            "cannot open {} (unit \"{unit}\"): port range conflicts with {} (unit \"{by}\")",
            port.range, taken.range
        ),
    )
}

fn add_storage(
    d: &mut Deciding<'_>,
    name: &UnitName,
    storage: &StorageName,
    count: u32,
) -> Result<(), Refusal> {
    let mut unit = unit_of(d, name)?;
    let application = d.application(&name.application)?;
    let charm = d.charm_of(&application)?.charm;
    let Some(spec) = charm.metadata.storage.get(storage) else {
        return Err(Refusal::not_found("storage", storage));
    };
    let present = unit.storages.iter().filter(|id| id.name == *storage).count();
    let total = u32::try_from(present).unwrap_or(u32::MAX).saturating_add(count);
    if spec.count.max.is_some_and(|max| total > max) {
        return Err(Refusal::new(
            Code::Limit,
            format!("cannot add storage \"{storage}\": unit {name} would have {total}"),
        ));
    }
    let given = application.storage.get(storage);
    let asked = StorageDirective {
        pool: given.and_then(|given| given.pool.clone()),
        count: Some(count.max(spec.count.min)),
        size: given.and_then(|given| given.size),
    };
    let complete = deploy::complete(d, storage, spec, Some(&asked))?;
    let directive = StorageDirective { count: Some(count), ..complete };
    storage::make(d, &mut unit, storage, spec, &directive)?;
    d.put(unit);
    Ok(())
}
