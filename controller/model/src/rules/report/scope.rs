//! Coming into a relation and leaving it (hook contract, section 4.5).

use std::collections::BTreeMap;

use crate::effects::Settings;
use crate::goal::relation::sees;
use crate::name::{MachineId, Member, RelationId, UnitName};
use crate::record::{Databag, MachineFacts, Membership, Pair, Relation};
use crate::refusal::Refusal;
use crate::rules::Deciding;
use crate::version::Version;

/// Takes a unit into every relation of its application that it takes part in.
pub(crate) fn enter_all(d: &mut Deciding<'_>, name: &UnitName) -> Result<(), Refusal> {
    for id in d.scale(&name.application)?.relations {
        enter(d, name, id)?;
    }
    Ok(())
}

/// Takes a unit into a relation, unless it was there before or has no part in it. Its databag then
/// holds the network keys, for others to read before its own first hook.
pub(crate) fn enter(
    d: &mut Deciding<'_>,
    name: &UnitName,
    id: RelationId,
) -> Result<bool, Refusal> {
    let key = Pair(id, Member::Unit(name.clone()));
    if d.get::<Databag>(key.clone()).is_some() {
        return Ok(false);
    }
    let unit = d.unit(name)?;
    let Some(relation) = d.get::<Relation>(id) else { return Ok(false) };
    let part = d.beneath().is_some_and(|model| sees(model, &unit, &relation));
    if !relation.life.is_alive() || !unit.life.is_alive() || !part {
        return Ok(false);
    }
    let settings = network_keys(d, unit.machine);
    d.put(Databag {
        relation: id,
        member: key.1,
        in_scope: true,
        version: Version::ZERO.next(),
        settings,
    });
    let membership = d.get::<Membership>(id);
    let units = membership.map_or(0, |membership| membership.units);
    d.put(Membership { relation: id, units: units + 1 });
    Ok(true)
}

/// Lets a unit out of a relation. What it said stays readable until the relation is gone.
pub(crate) fn leave(d: &mut Deciding<'_>, name: &UnitName, id: RelationId) {
    let key = Pair(id, Member::Unit(name.clone()));
    let Some(mut bag) = d.get::<Databag>(key).filter(|bag| bag.in_scope) else { return };
    bag.in_scope = false;
    d.put(bag);
    if let Some(mut membership) = d.get::<Membership>(id) {
        membership.units = membership.units.saturating_sub(1);
        d.put(membership);
    }
}

/// `private-address`, `ingress-address` and `egress-subnets` of a machine.
pub(crate) fn network_keys(d: &mut Deciding<'_>, machine: MachineId) -> Settings {
    let facts = d.get::<MachineFacts>(machine);
    let Some(first) = facts.and_then(|facts| facts.addresses.first().cloned()) else {
        return BTreeMap::new();
    };
    let own = format!("{}/{}", first.value, if first.value.is_ipv4() { 32 } else { 128 });
    let model = d.info().map(|info| info.option("egress-subnets").to_owned()).unwrap_or_default();
    let egress = if model.is_empty() { own } else { model };
    BTreeMap::from([
        ("private-address".to_owned(), first.value.to_string()),
        ("ingress-address".to_owned(), first.value.to_string()),
        ("egress-subnets".to_owned(), egress),
    ])
}
