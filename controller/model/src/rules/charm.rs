//! Making a charm known to a model.

use std::collections::BTreeMap;

use muster_charms::{Charm, JUJU_VERSION, assumes};

use crate::command::AddCharm;
use crate::name::CharmUrl;
use crate::record::CharmRecord;
use crate::refusal::{Code, Refusal};
use crate::reply::Outcome;

use super::Deciding;

pub(super) fn add(d: &mut Deciding<'_>, asked: &AddCharm) -> Result<Outcome, Refusal> {
    d.live_model()?;
    let Some(charm) = &asked.charm else {
        return Err(Refusal::new(Code::Missing, "the charm's archive has not been read"));
    };
    check_assumptions(charm)?;
    let mut counters = d.counters();
    let name = &charm.metadata.name;
    let next = counters.charm.entry(name.clone()).or_insert(0);
    // The same bytes again are the same revision.
    if let Some(last) = next.checked_sub(1) {
        let url = CharmUrl { local: true, name: name.clone(), revision: last };
        if d.get::<CharmRecord>(url.clone()).is_some_and(|known| known.digest == asked.digest) {
            return Ok(Outcome::Charm(url));
        }
    }
    let url = CharmUrl { local: true, name: name.clone(), revision: *next };
    *next += 1;
    d.put(counters);
    let created = d.now;
    d.put(CharmRecord {
        url: url.clone(),
        digest: asked.digest,
        size: asked.size,
        charm: Charm::clone(charm),
        created,
    });
    Ok(Outcome::Charm(url))
}

fn check_assumptions(charm: &Charm) -> Result<(), Refusal> {
    let features = BTreeMap::from([("juju".to_owned(), Some(JUJU_VERSION))]);
    let unmet = assumes::unmet(&charm.metadata.assumes, &features);
    if let Some(first) = unmet.first() {
        return Err(Refusal::new(
            Code::Unsuitable,
            format!("charm \"{}\" assumes what is not so here: {first}", charm.metadata.name),
        ));
    }
    let minimum = charm.metadata.min_juju_version.as_ref();
    if let Some(minimum) = minimum
        && *minimum > JUJU_VERSION
    {
        return Err(Refusal::new(
            Code::Unsuitable,
            format!("charm \"{}\" needs version {minimum} or later", charm.metadata.name),
        ));
    }
    Ok(())
}
