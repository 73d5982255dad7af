//! A relation: who should be in it, its end.

use crate::life::Life;
use crate::model::Model;
use crate::name::{Member, RelationId, UnitName};
use crate::record::{Databag, Membership, Pair, Relation, RelationEnd, Scale, UnitProgress};
use crate::refusal::Refusal;
use crate::rules::report::scope;

use super::{Matter, Tidying, secret};

/// Units that one Txn takes in, or lets out.
const AT_ONCE: usize = 20;

/// Databags that one Txn removes.
const BAGS: usize = 40;

pub(super) fn tidy(t: &mut Tidying<'_, '_>, id: RelationId) -> Result<(), Refusal> {
    let Some(relation) = t.d.get::<Relation>(id) else { return Ok(()) };
    match relation.life {
        Life::Alive => take_in(t, &relation),
        Life::Dying | Life::Dead => take_down(t, &relation),
    }
}

/// Takes in the installed units that are not in yet.
fn take_in(t: &mut Tidying<'_, '_>, relation: &Relation) -> Result<(), Refusal> {
    let Some(model) = t.d.beneath() else { return Ok(()) };
    let mut outside: Vec<UnitName> = Vec::new();
    for end in &relation.ends {
        for unit in model.units_of(&end.application) {
            let member = Member::Unit(unit.name.clone());
            let installed = model.progress(&unit.name).is_some_and(|progress| progress.installed);
            if unit.life.is_alive() && installed && model.databag(relation.id, &member).is_none() {
                outside.push(unit.name.clone());
            }
            if outside.len() > AT_ONCE {
                break;
            }
        }
    }
    let mut entered = 0;
    for name in outside.iter().take(AT_ONCE) {
        if t.d.get::<UnitProgress>(name.clone()).is_some_and(|progress| progress.installed)
            && scope::enter(&mut t.d, name, relation.id)?
        {
            entered += 1;
        }
    }
    if entered > 0 && outside.len() > AT_ONCE {
        t.open.insert(Matter::Relation(t.d.model, relation.id));
    }
    Ok(())
}

/// Ends a dying relation once nobody is in it: its databags in turns, then itself. Those who can
/// not leave by themselves are let out if it goes by force.
fn take_down(t: &mut Tidying<'_, '_>, relation: &Relation) -> Result<(), Refusal> {
    let id = relation.id;
    let Some(model) = t.d.beneath() else { return Ok(()) };
    let ends = &relation.ends;
    // On an implicit endpoint no hooks run (section 4.5), so nobody would ever say that it left; the
    // same is true of an endpoint that the charm has no more.
    let unseen = ends.iter().filter(|end| relation.force || !declared(model, end));
    let inside: Vec<UnitName> = unseen
        .flat_map(|end| model.unit_bags(id, &end.application))
        .filter(|(_, bag)| bag.in_scope)
        .take(AT_ONCE)
        .map(|(name, _)| name.clone())
        .collect();
    for name in &inside {
        scope::leave(&mut t.d, name, id);
    }
    if inside.len() == AT_ONCE {
        t.open.insert(Matter::Relation(t.d.model, id));
    }
    if t.d.get::<Membership>(id).is_some_and(|membership| membership.units > 0) {
        return Ok(());
    }
    let bags: Vec<Member> = ends
        .iter()
        .flat_map(|end| {
            let units = model.unit_bags(id, &end.application);
            let units = units.map(|(name, _)| Member::Unit(name.clone()));
            let application = Member::Application(end.application.clone());
            units.chain(model.databag(id, &application).map(|_| application))
        })
        .take(BAGS)
        .collect();
    let all = bags.len() < BAGS;
    for member in bags {
        t.d.remove::<Databag>(Pair(id, member));
    }
    if !all {
        t.open.insert(Matter::Relation(t.d.model, id));
        return Ok(());
    }
    for end in ends {
        if let Some(mut scale) = t.d.get::<Scale>(end.application.clone()) {
            scale.relations.remove(&id);
            t.d.put(scale);
        }
        // Whoever was held by it alone has to look: a subordinate's units go with it.
        let units = model.units_of(&end.application).map(|unit| unit.name.clone());
        let model = t.d.model;
        t.open.extend(units.map(|name| Matter::Unit(model, name)));
    }
    secret::relation_gone(t, model, id);
    t.d.remove::<Relation>(id);
    t.d.remove::<Membership>(id);
    Ok(())
}

/// Whether the units of an end are told of the relation: their charm declares the endpoint.
fn declared(model: &Model, end: &RelationEnd) -> bool {
    let charm = model.charm_of(&end.application);
    charm.is_some_and(|record| record.charm.metadata.endpoints.contains_key(&end.endpoint))
}
