//! Settings of an application.

use std::collections::{BTreeMap, BTreeSet};

use muster_charms::{Charm, OptionValue};

use crate::constraints::Constraints;
use crate::name::{ApplicationName, EndpointName, OptionName};
use crate::record::{Application, Exposure};
use crate::refusal::Refusal;
use crate::reply::Outcome;

use super::{Deciding, invalid};

/// The most bytes of an application's configuration (reliability document, section 5).
const MAX_CONFIG: usize = 256 << 10;

pub(super) fn configure(
    d: &mut Deciding<'_>,
    name: &ApplicationName,
    set: &BTreeMap<OptionName, String>,
    reset: &BTreeSet<OptionName>,
    trust: Option<bool>,
) -> Result<Outcome, Refusal> {
    let mut application = d.live_application(name)?;
    let charm = d.charm_of(&application)?.charm;
    if let Some(key) = set.keys().find(|key| reset.contains(*key)) {
        return Err(invalid(format!("cannot set and reset key \"{key}\" simultaneously")));
    }
    for key in reset {
        known(&charm, name, key)?;
        application.config.remove(key);
    }
    apply(&mut application, &charm, set)?;
    if let Some(trust) = trust {
        application.trust = trust;
    }
    d.put(application);
    Ok(Outcome::Done)
}

/// Sets options from text, each by its type.
pub(super) fn apply(
    application: &mut Application,
    charm: &Charm,
    set: &BTreeMap<OptionName, String>,
) -> Result<(), Refusal> {
    let name = application.name.clone();
    for (key, text) in set {
        let option = known(charm, &name, key)?;
        let value = option
            .kind
            .parse_text(text)
            .map_err(|error| invalid(format!("option \"{key}\" of \"{name}\": {error}")))
            .map_err(|refusal| {
                let kind = option.kind;
                refusal.hint(format!(
                    "`muster config {name} {key}=VALUE` takes a value of type {kind}"
                ))
            })?;
        application.config.insert(key.clone(), value);
    }
    let size: usize = application
        .config
        .iter()
        .map(|(key, value)| {
            let text = if let OptionValue::String(text) = value { text.len() } else { 8 };
            key.as_str().len() + text
        })
        .sum();
    if size > MAX_CONFIG {
        return Err(Refusal::new(
            crate::refusal::Code::Limit,
            format!("the configuration of \"{name}\" would be {size} bytes; at most 256 KiB"),
        ));
    }
    Ok(())
}

fn known<'c>(
    charm: &'c Charm,
    application: &ApplicationName,
    key: &OptionName,
) -> Result<&'c muster_charms::CharmOption, Refusal> {
    if let Some(option) = charm.options.get(key) {
        return Ok(option);
    }
    let near = charm
        .options
        .keys()
        .map(|known| (strsim::damerau_levenshtein(known.as_str(), key.as_str()), known))
        .filter(|(distance, _)| *distance <= 3)
        .min();
    let refusal = invalid(format!("unknown option \"{key}\" of application \"{application}\""));
    Err(match near {
        Some((_, near)) => refusal.hint(format!("did you mean \"{near}\"?")),
        None => refusal.hint(format!("`muster config {application}` lists its options")),
    })
}

pub(super) fn constrain(
    d: &mut Deciding<'_>,
    name: &ApplicationName,
    constraints: &Constraints,
) -> Result<Outcome, Refusal> {
    let mut application = d.live_application(name)?;
    if application.subordinate {
        return Err(invalid(format!(
            "\"{name}\" is a subordinate: its units live on their principals' machines"
        )));
    }
    application.constraints = constraints.clone();
    d.put(application);
    Ok(Outcome::Done)
}

pub(super) fn expose(
    d: &mut Deciding<'_>,
    name: &ApplicationName,
    exposure: Option<&Exposure>,
) -> Result<Outcome, Refusal> {
    let mut application = d.live_application(name)?;
    let charm = d.charm_of(&application)?.charm;
    for endpoint in exposure.iter().flat_map(|exposure| &exposure.endpoints) {
        bindable(&charm, endpoint)?;
    }
    application.exposed = exposure.cloned();
    d.put(application);
    Ok(Outcome::Done)
}

/// Takes endpoints out of an exposure. One of all endpoints names none, so it becomes one of the
/// others.
pub(super) fn unexpose(
    d: &mut Deciding<'_>,
    name: &ApplicationName,
    endpoints: &BTreeSet<EndpointName>,
) -> Result<Outcome, Refusal> {
    let mut application = d.live_application(name)?;
    let charm = d.charm_of(&application)?.charm;
    for endpoint in endpoints {
        bindable(&charm, endpoint)?;
    }
    if let Some(exposure) = &mut application.exposed {
        if exposure.endpoints.is_empty() {
            exposure.endpoints = charm.metadata.endpoints.keys().cloned().collect();
            exposure.endpoints.extend(charm.metadata.extra_bindings.iter().cloned());
        }
        exposure.endpoints.retain(|endpoint| !endpoints.contains(endpoint));
        if exposure.endpoints.is_empty() {
            application.exposed = None;
        }
    }
    d.put(application);
    Ok(Outcome::Done)
}

/// Refuses an endpoint that a charm does not have.
pub(super) fn bindable(charm: &Charm, endpoint: &EndpointName) -> Result<(), Refusal> {
    if charm.endpoint(endpoint).is_some() || charm.metadata.extra_bindings.contains(endpoint) {
        return Ok(());
    }
    Err(Refusal::not_found("endpoint", endpoint)
        .hint(format!("charm \"{}\" does not have it", charm.metadata.name)))
}
