//! Giving an application a file.

use crate::command::ResourceFile;
use crate::name::{ApplicationName, ResourceName};
use crate::record::{Pair, Resource};
use crate::refusal::Refusal;
use crate::reply::Outcome;

use super::{Deciding, deploy};

/// The same bytes again change nothing; other bytes are an upgrade of the charm (section 4.9 of the
/// hook contract).
pub(super) fn attach(
    d: &mut Deciding<'_>,
    name: &ApplicationName,
    resource: &ResourceName,
    file: &ResourceFile,
) -> Result<Outcome, Refusal> {
    let mut application = d.live_application(name)?;
    let charm = d.charm_of(&application)?.charm;
    let present = d.get::<Resource>(Pair(name.clone(), resource.clone()));
    if present.is_some_and(|present| present.digest == file.digest) {
        return Ok(Outcome::Done);
    }
    deploy::give(d, &charm, name, resource, file)?;
    application.charm_modified += 1;
    d.put(application);
    Ok(Outcome::Done)
}
