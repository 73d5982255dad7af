//! Secrets: what ends with their owners, their relations and their readers.

use muster_charms::secret::SecretId;

use crate::model::Model;
use crate::name::{ApplicationName, Member, RelationId, UnitName};
use crate::record::{Application, Relation, Secret, SecretOwner, SecretScope, SecretShelf, Unit};
use crate::refusal::Refusal;
use crate::rules::secret::{drop_revision, let_go, untrack};

use super::{Matter, Tidying};

/// Revisions, readers or secrets that one Txn removes.
const AT_ONCE: usize = 15;

pub(super) fn tidy(t: &mut Tidying<'_, '_>, id: &SecretId) -> Result<(), Refusal> {
    let Some(secret) = t.d.get::<Secret>(id.clone()) else { return Ok(()) };
    if !secret.life.is_alive() {
        dismantle(t, secret);
        return Ok(());
    }
    let owned = match &secret.owner {
        SecretOwner::Model => true,
        SecretOwner::Application(name) => t.d.get::<Application>(name.clone()).is_some(),
        SecretOwner::Unit(name) => t.d.get::<Unit>(name.clone()).is_some(),
    };
    if !owned {
        let_go(&mut t.d, secret);
        return Ok(());
    }
    let mut kept = secret.clone();
    kept.grants.retain(|to, scope| {
        let there = match to {
            Member::Application(name) => t.d.get::<Application>(name.clone()).is_some(),
            Member::Unit(name) => t.d.get::<Unit>(name.clone()).is_some(),
        };
        let stands = match scope {
            SecretScope::Relation(relation) => t.d.get::<Relation>(*relation).is_some(),
            SecretScope::Model => true,
        };
        there && stands
    });
    let others = readers(t, id).into_iter().filter(|unit| !kept.is_readable_by(unit));
    let others: Vec<UnitName> = others.collect();
    for unit in others.iter().take(AT_ONCE) {
        untrack(&mut t.d, id, unit);
    }
    if others.len() > AT_ONCE {
        t.open.insert(Matter::Secret(t.d.model, id.clone()));
    }
    if kept.auto_prune && kept.owner == SecretOwner::Model {
        prune(t, &mut kept);
    }
    if kept != secret {
        t.d.put(kept);
    }
    Ok(())
}

/// Units that track a secret.
fn readers(t: &Tidying<'_, '_>, id: &SecretId) -> Vec<UnitName> {
    let model = t.d.beneath().into_iter();
    model.flat_map(|model| model.trackers(id)).map(|track| track.unit.clone()).collect()
}

/// Removes what nobody tracks and is not the newest.
fn prune(t: &mut Tidying<'_, '_>, secret: &mut Secret) {
    let tracked: Vec<u32> = {
        let model = t.d.beneath().into_iter();
        model.flat_map(|model| model.trackers(&secret.id)).map(|track| track.revision).collect()
    };
    let newest = secret.newest();
    let old = secret.revisions.keys().copied();
    let old = old.filter(|number| Some(*number) != newest && !tracked.contains(number));
    for number in old.take(AT_ONCE).collect::<Vec<_>>() {
        drop_revision(&mut t.d, secret, number);
    }
}

/// Removes a secret that is gone: its readers and revisions in turns, then itself.
fn dismantle(t: &mut Tidying<'_, '_>, mut secret: Secret) {
    let readers = readers(t, &secret.id);
    for unit in readers.iter().take(AT_ONCE) {
        untrack(&mut t.d, &secret.id, unit);
    }
    let some: Vec<u32> = secret.revisions.keys().copied().take(AT_ONCE).collect();
    for number in some {
        drop_revision(&mut t.d, &mut secret, number);
    }
    if secret.revisions.is_empty() && readers.len() <= AT_ONCE {
        t.d.remove::<Secret>(secret.id);
        return;
    }
    t.open.insert(Matter::Secret(t.d.model, secret.id.clone()));
    t.d.put(secret);
}

/// Lets everything go that somebody who leaves has and reads, in turns; whether nothing was left. What
/// it writes opens the matter of whoever leaves again.
pub(super) fn clear(t: &mut Tidying<'_, '_>, holder: &SecretOwner) -> bool {
    let Some(shelf) = t.d.get::<SecretShelf>(holder.clone()) else { return true };
    for id in shelf.owned.keys().take(AT_ONCE) {
        if let Some(secret) = t.d.get::<Secret>(id.clone()) {
            let_go(&mut t.d, secret);
        }
    }
    if let SecretOwner::Unit(unit) = holder {
        for id in shelf.read.keys().take(AT_ONCE) {
            untrack(&mut t.d, id, unit);
        }
    }
    false
}

/// Lets the operators' secrets of a model go that goes itself, in turns; whether none is left. Each
/// that is gone opens the matter of the model again.
pub(super) fn let_all_go(t: &mut Tidying<'_, '_>, model: &Model) -> bool {
    let all = model.table::<Secret>().values().filter(|secret| secret.life.is_alive());
    for secret in all.take(AT_ONCE) {
        if let Some(secret) = t.d.get::<Secret>(secret.id.clone()) {
            let_go(&mut t.d, secret);
        }
    }
    model.table::<Secret>().is_empty()
}

/// Looks again at the secrets that were granted for as long as a relation lasts.
pub(super) fn relation_gone(t: &mut Tidying<'_, '_>, model: &Model, id: RelationId) {
    granted(t, model, |_, scope| *scope == SecretScope::Relation(id));
}

/// Looks again at the secrets that were granted to an application that is gone.
pub(super) fn application_gone(t: &mut Tidying<'_, '_>, model: &Model, name: &ApplicationName) {
    granted(t, model, |to, _| to.application() == name);
}

fn granted(t: &mut Tidying<'_, '_>, model: &Model, about: impl Fn(&Member, &SecretScope) -> bool) {
    let all = model.table::<Secret>().values();
    let all = all.filter(|secret| secret.grants.iter().any(|(to, scope)| about(to, scope)));
    let of = t.d.model;
    t.open.extend(all.map(|secret| Matter::Secret(of, secret.id.clone())));
}
