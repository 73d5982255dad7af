//! What a charm does to the secrets that it manages.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_charms::secret::SecretId;

use crate::effects::{Effects, SecretChange};
use crate::hook::{SecretHook, SecretHookKind};
use crate::name::{Member, RelationId, UnitName};
use crate::record::{Relation, Secret, SecretOwner, SecretScope, Unit};
use crate::refusal::{Code, Refusal};

use super::super::report::leads;
use super::super::{Deciding, invalid};
use super::{describe, drop_revision, kept, let_go, make, relabel, revise, revoke, track};

/// How long after a hook that changed nothing its owner is told again (hook contract, section 4.12).
const AGAIN: Duration = Duration::from_secs(300);

/// Commits what a run did to secrets.
pub(in super::super) fn apply(
    d: &mut Deciding<'_>,
    unit: &UnitName,
    effects: &Effects,
) -> Result<(), Refusal> {
    for (id, change) in &effects.secrets {
        one(d, unit, id, change)?;
    }
    Ok(())
}

fn one(
    d: &mut Deciding<'_>,
    unit: &UnitName,
    id: &SecretId,
    change: &SecretChange,
) -> Result<(), Refusal> {
    let mut secret = match &change.add {
        Some(owner) => {
            manages(d, unit, owner)?;
            if change.content.is_none() {
                return Err(invalid("missing secret value or filename"));
            }
            make(d, id, owner.clone(), change.label.as_deref().unwrap_or_default())?
        }
        None => {
            let secret = kept(d, id)?;
            manages(d, unit, &secret.owner)?;
            secret
        }
    };
    if change.remove {
        let_go(d, secret);
        return Ok(());
    }
    let before = secret.clone();
    if let Some(label) = change.label.as_ref().filter(|label| **label != secret.label) {
        relabel(d, &mut secret, label)?;
    }
    if let Some(description) = &change.description {
        describe(&mut secret, description)?;
    }
    if let Some(policy) = change.rotate.filter(|policy| *policy != secret.rotate) {
        secret.rotate = policy;
        secret.rotate_at = policy.after(d.now);
    }
    for number in &change.remove_revisions {
        if !drop_revision(d, &mut secret, *number) {
            let what = format!("secret \"{id}\" revision {number} not found");
            return Err(Refusal::new(Code::NotFound, what));
        }
    }
    let made = match &change.content {
        Some(content) => revise(d, &mut secret, content, change.expires)?,
        None => false,
    };
    if let Some(expires) = change.expires.filter(|_| !made)
        && let Some(mut newest) = secret.revisions.last_entry()
    {
        newest.get_mut().expires = Some(expires);
        newest.get_mut().remind = None;
    }
    grants(d, unit, &mut secret, &change.grants)?;
    if change.track
        && let Some(newest) = secret.newest()
    {
        track(d, id, unit, newest)?;
    }
    if secret.revisions.is_empty() {
        let_go(d, secret);
    } else if secret != before {
        secret.updated = d.now;
        d.put(secret);
    }
    Ok(())
}

/// Refuses whoever does not manage an owner's secrets. The leadership that was read is a precondition
/// of the Txn (R10).
fn manages(d: &mut Deciding<'_>, unit: &UnitName, owner: &SecretOwner) -> Result<(), Refusal> {
    match owner {
        SecretOwner::Unit(name) if name == unit => Ok(()),
        SecretOwner::Application(name) if *name == unit.application => leads(d, unit),
        _ => Err(Refusal::new(Code::PermissionDenied, "permission denied")),
    }
}

fn grants(
    d: &mut Deciding<'_>,
    unit: &UnitName,
    secret: &mut Secret,
    changes: &BTreeMap<Member, Option<RelationId>>,
) -> Result<(), Refusal> {
    for (to, relation) in changes {
        let Some(relation) = relation else {
            revoke(secret, to);
            continue;
        };
        let found = d.get::<Relation>(*relation);
        let found = found.filter(|found| found.end_of(&unit.application).is_some());
        let Some(found) = found else { return Err(Refusal::not_found("relation", relation)) };
        let other = found.other_end(&unit.application).map(|end| &end.application);
        if other != Some(to.application()) {
            return Err(invalid(format!("\"{to}\" is not in relation {relation}")));
        }
        match to {
            Member::Unit(name) if d.get::<Unit>(name.clone()).is_none() => {
                return Err(Refusal::not_found("unit", name));
            }
            // The application's right holds for its units too.
            Member::Unit(name)
                if secret.grants.contains_key(&Member::Application(name.application.clone())) => {}
            Member::Application(name) if has_unit_grants(secret, name) => {
                return Err(has_units(&secret.id, name));
            }
            _ => {
                secret.grants.insert(to.clone(), SecretScope::Relation(*relation));
            }
        }
    }
    Ok(())
}

fn has_unit_grants(secret: &Secret, application: &crate::name::ApplicationName) -> bool {
    let mut all = secret.grants.keys();
    all.any(|to| matches!(to, Member::Unit(unit) if unit.application == *application))
}

fn has_units(id: &SecretId, application: &crate::name::ApplicationName) -> Refusal {
    let what = format!(
        "cannot grant secret \"{id}\" to application \"{application}\": it is granted to units of it; revoke the unit grants first"
    );
    Refusal::new(Code::InUse, what)
}

/// A hook about a secret was committed: the next one of its kind is due a period after a rotation,
/// and after a short while if the charm did nothing.
pub(in super::super) fn committed(d: &mut Deciding<'_>, unit: &UnitName, hook: &SecretHook) {
    let Some(mut secret) = d.get::<Secret>(hook.secret.clone()).filter(Secret::is_kept) else {
        return;
    };
    // One that was passed over because the lead is lost says nothing for who leads now.
    if manages(d, unit, &secret.owner).is_err() {
        return;
    }
    let now = d.now;
    match (hook.kind, hook.revision) {
        (SecretHookKind::Rotate, _) if secret.rotate_at == hook.due => {
            let was = d.beneath().and_then(|model| model.secret(&hook.secret));
            let made = was.is_none_or(|was| was.last < secret.last);
            secret.rotate_at = if made { secret.rotate.after(now) } else { Some(now + AGAIN) };
        }
        (SecretHookKind::Expired, Some(number)) => {
            let Some(revision) = secret.revisions.get_mut(&number) else { return };
            if revision.due() != hook.due {
                return;
            }
            revision.remind = Some(now + AGAIN);
        }
        _ => return,
    }
    d.put(secret);
}
