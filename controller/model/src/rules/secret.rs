//! Secrets: whose they are, who may read them, which revision (hook contract, section 6.3).
//!
//! Contents come sealed and go sealed: no rule sees one.

mod charm;
mod read;
mod user;

pub(super) use charm::{apply, committed};
pub(super) use read::read;
pub(super) use user::decide;

use muster_charms::secret::{MAX_BYTES, MAX_KEYS, SecretId};

use crate::life::Life;
use crate::name::{Member, UnitName};
use crate::record::{
    Ciphertext, PART, PartNumber, Sealed, Secret, SecretOwner, SecretPart, SecretRevision,
    SecretShelf, SecretTrack,
};
use crate::refusal::{Code, Refusal};
use crate::time::Timestamp;

use super::Deciding;

/// Secrets that one owner has, and that one unit reads: its shelf is one record.
const MAX_OWNED: usize = 1_500;
/// Bytes of a label or a name.
const MAX_LABEL: usize = 256;
/// Bytes of a description.
const MAX_DESCRIPTION: usize = 4 << 10;
/// Revisions of a secret that are kept (reliability document, section 5).
const MAX_REVISIONS: usize = 100;
/// Bytes of a sealed content: the largest in clear, its frame, and what the vault adds.
const MAX_SEALED: usize = MAX_BYTES + MAX_KEYS * 72 + 1024;

fn missing(id: &SecretId) -> Refusal {
    Refusal::not_found("secret", id)
}

/// A secret that is there for everybody who may know of it.
fn kept(d: &mut Deciding<'_>, id: &SecretId) -> Result<Secret, Refusal> {
    d.get::<Secret>(id.clone()).filter(Secret::is_kept).ok_or_else(|| missing(id))
}

fn shelf(d: &mut Deciding<'_>, holder: &SecretOwner) -> SecretShelf {
    d.get::<SecretShelf>(holder.clone()).unwrap_or_else(|| SecretShelf::new(holder.clone()))
}

/// A new secret without a revision, on its owner's shelf.
fn make(
    d: &mut Deciding<'_>,
    id: &SecretId,
    owner: SecretOwner,
    label: &str,
) -> Result<Secret, Refusal> {
    if d.get::<Secret>(id.clone()).is_some() {
        return Err(Refusal::new(Code::AlreadyExists, format!("secret \"{id}\" already exists")));
    }
    let shelf = shelf(d, &owner);
    if shelf.owned.len() >= MAX_OWNED {
        let what = format!("an owner has at most {MAX_OWNED} secrets");
        return Err(Refusal::new(Code::Limit, what).hint("remove some that nobody needs"));
    }
    let now = d.now;
    let mut secret = Secret {
        id: id.clone(),
        owner,
        life: Life::Alive,
        label: String::new(),
        description: String::new(),
        rotate: Default::default(),
        rotate_at: None,
        auto_prune: false,
        last: 0,
        revisions: Default::default(),
        grants: Default::default(),
        created: now,
        updated: now,
    };
    relabel(d, &mut secret, label)?;
    Ok(secret)
}

/// Gives a secret the owner's label, which no other of the owner's has.
fn relabel(d: &mut Deciding<'_>, secret: &mut Secret, label: &str) -> Result<(), Refusal> {
    bounded("label", label, MAX_LABEL)?;
    let mut shelf = shelf(d, &secret.owner);
    if shelf.owned_as(label).is_some_and(|other| *other != secret.id) {
        let what = match secret.owner {
            SecretOwner::Model => format!("secret \"{label}\" already exists"),
            _ => format!("secret with label \"{label}\" already exists"),
        };
        return Err(Refusal::new(Code::AlreadyExists, what));
    }
    label.clone_into(&mut secret.label);
    shelf.owned.insert(secret.id.clone(), label.to_owned());
    d.put(shelf);
    Ok(())
}

fn describe(secret: &mut Secret, description: &str) -> Result<(), Refusal> {
    bounded("description", description, MAX_DESCRIPTION)?;
    description.clone_into(&mut secret.description);
    Ok(())
}

fn bounded(what: &str, text: &str, most: usize) -> Result<(), Refusal> {
    if text.len() <= most {
        return Ok(());
    }
    let what = format!("the {what} of a secret has at most {most} bytes, got {}", text.len());
    Err(Refusal::new(Code::Limit, what))
}

/// Adds a revision, unless the newest holds the same; whether it did. Of too many the oldest that
/// nobody tracks goes.
fn revise(
    d: &mut Deciding<'_>,
    secret: &mut Secret,
    content: &Sealed,
    expires: Option<Timestamp>,
) -> Result<bool, Refusal> {
    if content.bytes.0.len() > MAX_SEALED {
        let what = format!("a secret holds at most {MAX_BYTES} bytes");
        return Err(Refusal::new(Code::Limit, what));
    }
    let newest = secret.revisions.values().next_back();
    if newest.is_some_and(|newest| newest.checksum == content.checksum) {
        return Ok(false);
    }
    let number = secret.last + 1;
    if content.revision != number {
        // What is sealed for one revision cannot be read as another.
        let what = format!("secret \"{}\" was changed by another at the same time", secret.id);
        return Err(Refusal::new(Code::InUse, what).hint("try again"));
    }
    if secret.revisions.len() >= MAX_REVISIONS {
        let tracked = tracked(d, &secret.id);
        let old = secret.revisions.keys().find(|number| !tracked.contains(number)).copied();
        let Some(old) = old else {
            let what = format!(
                "secret \"{}\" has {MAX_REVISIONS} revisions and each of them is read",
                secret.id
            );
            return Err(Refusal::new(Code::Limit, what).hint("remove old revisions first"));
        };
        drop_revision(d, secret, old);
    }
    let mut parts = 0;
    for bytes in content.bytes.0.chunks(PART) {
        d.put(SecretPart {
            secret: secret.id.clone(),
            number: PartNumber { revision: number, part: parts },
            bytes: Ciphertext(bytes.to_vec()),
        });
        parts += 1;
    }
    let checksum = content.checksum;
    let revision = SecretRevision { created: d.now, expires, remind: None, checksum, parts };
    secret.revisions.insert(number, revision);
    secret.last = number;
    Ok(true)
}

/// The revisions that somebody reads. To be read is to choose what to keep: a revision that is not
/// the newest gets no new readers.
fn tracked(d: &Deciding<'_>, id: &SecretId) -> std::collections::BTreeSet<u32> {
    let model = d.beneath().into_iter();
    model.flat_map(|model| model.trackers(id)).map(|track| track.revision).collect()
}

/// Removes a revision with its content; whether it was there. The caller writes the secret.
pub(crate) fn drop_revision(d: &mut Deciding<'_>, secret: &mut Secret, number: u32) -> bool {
    let Some(revision) = secret.revisions.remove(&number) else { return false };
    for part in 0..revision.parts {
        let number = PartNumber { revision: number, part };
        d.remove::<SecretPart>(crate::record::Pair(secret.id.clone(), number));
    }
    true
}

/// Lets a secret go: it is gone for everybody at once, and upkeep removes what it holds. Its label is
/// free again.
pub(crate) fn let_go(d: &mut Deciding<'_>, mut secret: Secret) {
    let mut shelf = shelf(d, &secret.owner);
    shelf.owned.remove(&secret.id);
    if shelf.owned.is_empty() && shelf.read.is_empty() {
        d.remove::<SecretShelf>(shelf.holder);
    } else {
        d.put(shelf);
    }
    secret.life.at_least(Life::Dying);
    secret.grants.clear();
    secret.updated = d.now;
    d.put(secret);
}

/// A unit reads this revision from now on, until it asks for the newest.
fn track(
    d: &mut Deciding<'_>,
    id: &SecretId,
    unit: &UnitName,
    revision: u32,
) -> Result<(), Refusal> {
    let holder = SecretOwner::Unit(unit.clone());
    let mut shelf = shelf(d, &holder);
    if !shelf.read.contains_key(id) {
        if shelf.read.len() >= MAX_OWNED {
            let what = format!("a unit reads at most {MAX_OWNED} secrets");
            return Err(Refusal::new(Code::Limit, what));
        }
        shelf.read.insert(id.clone(), String::new());
        d.put(shelf);
    }
    d.put(SecretTrack { secret: id.clone(), unit: unit.clone(), revision });
    Ok(())
}

/// A unit reads a secret no more.
pub(crate) fn untrack(d: &mut Deciding<'_>, id: &SecretId, unit: &UnitName) {
    let holder = SecretOwner::Unit(unit.clone());
    if let Some(mut shelf) = d.get::<SecretShelf>(holder.clone())
        && shelf.read.remove(id).is_some()
    {
        if shelf.owned.is_empty() && shelf.read.is_empty() {
            d.remove::<SecretShelf>(holder);
        } else {
            d.put(shelf);
        }
    }
    d.remove::<SecretTrack>(crate::record::Pair(id.clone(), unit.clone()));
}

/// Takes a right to read back: an application's with those of its units.
fn revoke(secret: &mut Secret, from: &Member) {
    secret.grants.remove(from);
    if let Member::Application(name) = from {
        secret.grants.retain(|to, _| to.application() != name);
    }
}
