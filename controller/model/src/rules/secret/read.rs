//! Reading: which secret, whether the unit may, and which revision it sees.

use muster_charms::secret::SecretId;

use crate::name::UnitName;
use crate::record::{Leadership, Pair, Secret, SecretOwner, SecretShelf, SecretTrack};
use crate::refusal::{Code, Refusal};
use crate::report::{SecretFound, SecretHow, SecretWant};

use super::super::Deciding;
use super::{MAX_LABEL, bounded, kept, missing, relabel, shelf, track};

/// Finds what a unit may read, and remembers which revision it reads from now on (hook contract,
/// sections 4.15 and 5.10).
pub(in super::super) fn read(
    d: &mut Deciding<'_>,
    unit: &UnitName,
    want: &SecretWant,
) -> Result<SecretFound, Refusal> {
    let id = match (&want.id, &want.label) {
        (Some(id), _) => id.clone(),
        (None, Some(label)) => labelled(d, unit, label)?,
        (None, None) => {
            return Err(super::super::invalid("require either a secret URI or label"));
        }
    };
    let secret = kept(d, &id)?;
    if !secret.is_readable_by(unit) {
        return Err(Refusal::new(Code::PermissionDenied, "permission denied"));
    }
    let newest = secret.newest().ok_or_else(|| missing(&id))?;
    let tracked = d.get::<SecretTrack>(Pair(id.clone(), unit.clone())).map(|track| track.revision);
    let revision = match (want.how, tracked) {
        (SecretHow::Tracked, Some(tracked)) => tracked,
        _ => newest,
    };
    if !secret.revisions.contains_key(&revision) {
        let what = format!("secret \"{id}\" revision {revision} not found");
        return Err(Refusal::new(Code::NotFound, what)
            .hint("its owner has removed it; `secret-get --refresh` reads the newest"));
    }
    if want.how != SecretHow::Peek && tracked != Some(revision) {
        track(d, &id, unit, revision)?;
    }
    if let (Some(_), Some(label)) = (&want.id, &want.label) {
        name(d, unit, secret, label, newest)?;
    }
    Ok(SecretFound { id, revision })
}

/// The secret that a unit means by a label: its own, its application's, or one that it reads by that
/// label.
fn labelled(d: &mut Deciding<'_>, unit: &UnitName, label: &str) -> Result<SecretId, Refusal> {
    let own = SecretOwner::Unit(unit.clone());
    let application = SecretOwner::Application(unit.application.clone());
    let shelves = [own, application].map(|holder| d.get::<SecretShelf>(holder));
    let owned = shelves.iter().flatten().find_map(|shelf| shelf.owned_as(label));
    let [own, _] = &shelves;
    let read = || own.as_ref().and_then(|shelf| shelf.read_as(label));
    owned.or_else(read).cloned().ok_or_else(|| {
        Refusal::new(Code::NotFound, format!("consumer label \"{label}\" not found"))
    })
}

/// Gives a secret the label by which the unit calls it: the owner's, if it manages the secret.
fn name(
    d: &mut Deciding<'_>,
    unit: &UnitName,
    mut secret: Secret,
    label: &str,
    newest: u32,
) -> Result<(), Refusal> {
    let owns = match &secret.owner {
        SecretOwner::Model => false,
        SecretOwner::Unit(name) => name == unit,
        SecretOwner::Application(name) => {
            let leads = d.get::<Leadership>(name.clone()).and_then(|record| record.leader);
            *name == unit.application && leads.as_ref() == Some(unit)
        }
    };
    if owns {
        if secret.label != label {
            relabel(d, &mut secret, label)?;
            secret.updated = d.now;
            d.put(secret);
        }
        return Ok(());
    }
    bounded("label", label, MAX_LABEL)?;
    let holder = SecretOwner::Unit(unit.clone());
    if shelf(d, &holder).read.get(&secret.id).map(String::as_str) == Some(label) {
        return Ok(());
    }
    if shelf(d, &holder).read_as(label).is_some_and(|other| *other != secret.id) {
        let what = format!("secret with label \"{label}\" already exists");
        return Err(Refusal::new(Code::AlreadyExists, what));
    }
    // Who only peeks and names it has come to read it.
    let key = Pair(secret.id.clone(), unit.clone());
    if d.get::<SecretTrack>(key).is_none() {
        track(d, &secret.id, unit, newest)?;
    }
    let mut shelf = shelf(d, &holder);
    shelf.read.insert(secret.id, label.to_owned());
    d.put(shelf);
    Ok(())
}
