//! Keys of a model.

use crate::record::{Only, SshKeys};
use crate::refusal::{Code, Refusal};
use crate::reply::Outcome;
use crate::ssh_key::SshKey;

use super::{Deciding, invalid};

/// Keys of one model.
const MOST: usize = 100;

pub(super) fn add(d: &mut Deciding<'_>, keys: &[SshKey]) -> Result<Outcome, Refusal> {
    d.live_model()?;
    if keys.is_empty() {
        return Err(invalid("no ssh key specified"));
    }
    let mut all = d.get::<SshKeys>(Only).unwrap_or_default();
    for key in keys {
        // One that is there already is there.
        if !all.keys.iter().any(|known| known.is_same(key)) {
            all.keys.push(key.clone());
        }
    }
    if all.keys.len() > MOST {
        return Err(Refusal::new(Code::Limit, format!("a model has at most {MOST} ssh keys"))
            .hint("`muster remove-ssh-key` takes those away that nobody uses"));
    }
    d.put(all);
    Ok(Outcome::Done)
}

pub(super) fn remove(d: &mut Deciding<'_>, names: &[String]) -> Result<Outcome, Refusal> {
    d.live_model()?;
    if names.is_empty() {
        return Err(invalid("no ssh key specified"));
    }
    let mut all = d.get::<SshKeys>(Only).unwrap_or_default();
    for name in names {
        let before = all.keys.len();
        all.keys.retain(|key| !key.is_called(name));
        if all.keys.len() == before {
            let shown: String = name.trim().chars().take(80).collect();
            return Err(Refusal::not_found("ssh key", shown));
        }
    }
    if all.keys.is_empty() {
        d.remove::<SshKeys>(Only);
    } else {
        d.put(all);
    }
    Ok(Outcome::Done)
}
