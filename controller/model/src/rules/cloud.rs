//! Clouds and credentials, written down and taken back.

use crate::caller::Caller;
use crate::cloud::{self, CloudDefinition, Credential};
use crate::draft::Draft;
use crate::name::{CloudName, UserName};
use crate::record::{Cloud, CloudCredentials, Controller, Only, Pair};
use crate::refusal::{Code, Refusal};
use crate::reply::Outcome;
use crate::time::Timestamp;

use super::invalid;

pub(super) fn put(
    draft: &mut Draft<'_>,
    caller: &Caller,
    name: &CloudName,
    definition: &CloudDefinition,
    update: bool,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    not_own(draft, name)?;
    let present = draft.get::<Cloud>(name.clone());
    match (&present, update) {
        (Some(_), false) => {
            return Err(Refusal::new(
                Code::AlreadyExists,
                format!("cloud \"{name}\" already exists"),
            )
            .hint(format!("`muster update-cloud {name} -f FILE` changes it")));
        }
        (None, true) => return Err(Refusal::not_found("cloud", name)),
        _ => {}
    }
    definition.check().map_err(|why| invalid(format!("cloud \"{name}\": {why}")))?;
    let (by, at) = match present {
        Some(present) => (present.by, present.at),
        None => (user(caller)?, now),
    };
    draft.put(Cloud { name: name.clone(), definition: definition.clone(), by, at });
    Ok(Outcome::Done)
}

pub(super) fn remove(draft: &mut Draft<'_>, name: &CloudName) -> Result<Outcome, Refusal> {
    not_own(draft, name)?;
    if draft.get::<Cloud>(name.clone()).is_none() {
        return Err(Refusal::not_found("cloud", name));
    }
    draft.remove::<Cloud>(name.clone());
    Ok(Outcome::Done)
}

/// Everything that a user keeps for a cloud, over what was kept before; none takes one away.
pub(super) fn credentials(
    draft: &mut Draft<'_>,
    caller: &Caller,
    cloud: &CloudName,
    changes: &std::collections::BTreeMap<CloudName, Option<Credential>>,
) -> Result<Outcome, Refusal> {
    let owner = user(caller)?;
    let own = draft.get::<Controller>(Only).is_some_and(|controller| controller.cloud == *cloud);
    let known = draft.get::<Cloud>(cloud.clone()).is_some();
    let public = CloudDefinition::public(cloud.as_str()).is_some();
    if !own && !known && !public && changes.values().any(Option::is_some) {
        return Err(Refusal::not_found("cloud", cloud));
    }
    let key = Pair(owner.clone(), cloud.clone());
    let present = draft.get::<CloudCredentials>(key.clone());
    let mut all = present.map(|present| present.credentials).unwrap_or_default();
    for (name, credential) in changes {
        match credential {
            Some(credential) => drop(all.insert(name.clone(), credential.clone())),
            None if all.remove(name).is_none() => {
                return Err(Refusal::not_found("credential", name));
            }
            None => {}
        }
    }
    cloud::check(&all).map_err(invalid)?;
    if all.is_empty() {
        draft.remove::<CloudCredentials>(key);
    } else {
        draft.put(CloudCredentials { owner, cloud: cloud.clone(), credentials: all });
    }
    Ok(Outcome::Done)
}

fn user(caller: &Caller) -> Result<UserName, Refusal> {
    match caller {
        Caller::User(name) => Ok(name.clone()),
        _ => Err(invalid("only a user keeps clouds and credentials")),
    }
}

/// Refuses to change the cloud that the controller itself makes machines on.
fn not_own(draft: &mut Draft<'_>, name: &CloudName) -> Result<(), Refusal> {
    match draft.get::<Controller>(Only) {
        Some(controller) if controller.cloud == *name => Err(Refusal::new(
            Code::InUse,
            format!(
                "cloud \"{name}\" is the controller's own and stays as it is: it already exists"
            ),
        )),
        _ => Ok(()),
    }
}
