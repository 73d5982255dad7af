//! The operators' own secrets.

use std::collections::BTreeSet;

use muster_charms::secret::{SecretId, SecretUri};

use crate::command::SecretCommand;
use crate::name::{ApplicationName, Member};
use crate::record::{Secret, SecretOwner, SecretScope};
use crate::refusal::{Code, Refusal};
use crate::reply::Outcome;

use super::super::{Deciding, invalid};
use super::{describe, drop_revision, kept, let_go, make, relabel, revise, revoke};

pub(in super::super) fn decide(
    d: &mut Deciding<'_>,
    command: &SecretCommand,
) -> Result<Outcome, Refusal> {
    match command {
        SecretCommand::Add { id, name, description, content } => {
            d.live_model()?;
            valid(name)?;
            let mut secret = make(d, id, SecretOwner::Model, name)?;
            describe(&mut secret, description)?;
            revise(d, &mut secret, content, None)?;
            d.put(secret);
        }
        SecretCommand::Update { id, name, description, auto_prune, content } => {
            let mut secret = own(d, id)?;
            let before = secret.clone();
            if let Some(name) = name {
                valid(name)?;
                relabel(d, &mut secret, name)?;
            }
            if let Some(description) = description {
                describe(&mut secret, description)?;
            }
            secret.auto_prune = auto_prune.unwrap_or(secret.auto_prune);
            if let Some(content) = content {
                revise(d, &mut secret, content, None)?;
            }
            put_changed(d, &before, secret);
        }
        SecretCommand::Remove { id, revision: None } => {
            let secret = own(d, id)?;
            let_go(d, secret);
        }
        SecretCommand::Remove { id, revision: Some(number) } => {
            let mut secret = own(d, id)?;
            if !drop_revision(d, &mut secret, *number) {
                let what = format!("secret \"{id}\" revision {number} not found");
                return Err(Refusal::new(Code::NotFound, what));
            }
            if secret.revisions.is_empty() {
                let_go(d, secret);
            } else {
                secret.updated = d.now;
                d.put(secret);
            }
        }
        SecretCommand::Grant { id, applications, granted } => {
            grant(d, id, applications, *granted)?;
        }
    }
    Ok(Outcome::Done)
}

/// A secret of the operators; a charm's own is not theirs to change.
fn own(d: &mut Deciding<'_>, id: &SecretId) -> Result<Secret, Refusal> {
    let secret = kept(d, id)?;
    match &secret.owner {
        SecretOwner::Model => Ok(secret),
        owner => Err(Refusal::new(
            Code::PermissionDenied,
            format!("permission denied: secret \"{id}\" is managed by the charm of \"{owner}\""),
        )),
    }
}

/// A name is told from an id and a URI, since each of them may stand in its place.
fn valid(name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(invalid("a secret needs a name"));
    }
    if name.starts_with("secret:") || name.parse::<SecretUri>().is_ok() {
        return Err(invalid(format!(
            "secret name \"{name}\" not valid: it reads as a secret's id"
        )));
    }
    if name.chars().any(char::is_control) {
        return Err(invalid("a secret's name has no control characters"));
    }
    Ok(())
}

fn grant(
    d: &mut Deciding<'_>,
    id: &SecretId,
    applications: &BTreeSet<ApplicationName>,
    granted: bool,
) -> Result<(), Refusal> {
    let mut secret = own(d, id)?;
    let before = secret.clone();
    for name in applications {
        let to = Member::Application(name.clone());
        if granted {
            d.live_application(name)?;
            secret.grants.insert(to, SecretScope::Model);
        } else {
            d.application(name)?;
            revoke(&mut secret, &to);
        }
    }
    put_changed(d, &before, secret);
    Ok(())
}

fn put_changed(d: &mut Deciding<'_>, before: &Secret, mut secret: Secret) {
    if secret != *before {
        secret.updated = d.now;
        d.put(secret);
    }
}
