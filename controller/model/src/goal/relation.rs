//! A relation as one unit sees it (hook contract, sections 4.5 and 4.6).

use std::collections::BTreeMap;

use muster_charms::{Charm, Scope};

use super::RelationGoal;
use crate::life::Life;
use crate::model::Model;
use crate::name::{Member, UnitName};
use crate::record::{Relation, Unit};
use crate::touches::beside;
use crate::version::Version;

/// What `unit` is told of `relation`; none, where it does not see it: its charm has no such
/// endpoint (the implicit `juju-info`, or one that an upgrade will bring), or the relation is one
/// of a container's scope with an application that it does not live beside.
#[must_use]
pub fn goal(
    model: &Model,
    unit: &Unit,
    charm: &Charm,
    relation: &Relation,
) -> Option<RelationGoal> {
    let own = relation.end_of(&unit.name.application)?;
    let other = relation.other_end(&unit.name.application)?;
    if !charm.metadata.endpoints.contains_key(&own.endpoint) || !sees(model, unit, relation) {
        return None;
    }
    let application = Member::Application(other.application.clone());
    Some(RelationGoal {
        life: relation.life,
        endpoint: own.endpoint.clone(),
        role: own.role,
        scope: relation.scope,
        remote_application: other.application.clone(),
        members: members(model, unit, relation),
        remote_application_version: model
            .databag(relation.id, &application)
            .map_or(Version::ZERO, |bag| bag.version),
        own_application_version: model
            .databag(relation.id, &Member::Application(unit.name.application.clone()))
            .map_or(Version::ZERO, |bag| bag.version),
        in_scope: model
            .databag(relation.id, &Member::Unit(unit.name.clone()))
            .is_some_and(|bag| bag.in_scope),
    })
}

/// Whether a unit takes part in a relation: always in a global one; in a container's scope a
/// subordinate only with its principal's application or with another subordinate.
#[must_use]
pub fn sees(model: &Model, unit: &Unit, relation: &Relation) -> bool {
    if relation.scope == Scope::Global || relation.is_peer() {
        return true;
    }
    let Some(other) = relation.other_end(&unit.name.application) else { return false };
    match &unit.principal {
        None => true,
        Some(principal) => {
            principal.application == other.application
                || model.application(&other.application).is_some_and(|app| app.subordinate)
        }
    }
}

/// The remote units that are in the relation and stay.
fn members(model: &Model, unit: &Unit, relation: &Relation) -> BTreeMap<UnitName, Version> {
    let Some(other) = relation.other_end(&unit.name.application) else { return BTreeMap::new() };
    let container = relation.scope == Scope::Container && !relation.is_peer();
    model
        .unit_bags(relation.id, &other.application)
        .filter(|(name, bag)| {
            bag.in_scope
                && **name != unit.name
                && model.unit(name).is_some_and(|remote| remote.life == Life::Alive)
                && (!container || beside(model, &unit.name, name))
        })
        .map(|(name, bag)| (name.clone(), bag.version))
        .collect()
}
