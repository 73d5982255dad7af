//! The steps from the model as it is to the model that a bundle describes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use muster_charms::bundle::{ApplicationSpec, Bundle, ResourceRef, Target, check};
use muster_charms::name::{OptionName, ResourceName};
use muster_charms::{Base, Charm, OptionValue};
use muster_model::command::EndpointRef;
use muster_model::constraints::Constraints;
use muster_model::name::{ApplicationName, EndpointName};
use muster_model::record::Exposure;
use muster_model::view::{ApplicationView, ModelView};
use muster_resources::Digest;

use super::super::session::Session;
use super::super::upload::measure;
use super::Charms;
use super::place::{Machines, known, target};
use crate::failure::Failure;
use crate::shape;

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Machine(String),
    Deploy(ApplicationName, String),
    Refresh(ApplicationName, String),
    Configure(ApplicationName, BTreeMap<OptionName, String>, BTreeSet<OptionName>),
    Constrain(ApplicationName, Constraints),
    Trust(ApplicationName),
    Attach(ApplicationName, ResourceName, String),
    Expose(ApplicationName, Exposure),
    Units(ApplicationName, usize, usize),
    Relate(EndpointRef, EndpointRef),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Machine(number) => write!(f, "add new machine {number}"),
            Step::Deploy(name, charm) => {
                write!(f, "deploy application {name} from charm {}", tidy(charm))
            }
            Step::Refresh(name, charm) => write!(f, "upgrade {name} to charm {}", tidy(charm)),
            Step::Configure(name, set, reset) => {
                let keys: Vec<&str> = set.keys().chain(reset).map(OptionName::as_str).collect();
                write!(f, "set application options for {name}: {}", keys.join(", "))
            }
            Step::Constrain(name, constraints) => {
                write!(f, "set constraints for {name} to \"{constraints}\"")
            }
            Step::Trust(name) => write!(f, "trust {name}"),
            Step::Attach(name, resource, path) => {
                write!(f, "attach resource {resource} to {name} from {path}")
            }
            Step::Expose(name, _) => write!(f, "expose {name}"),
            Step::Units(name, from, to) => write!(f, "add {} unit(s) of {name}", to - from),
            Step::Relate(one, other) => write!(f, "add relation {} - {}", end(one), end(other)),
        }
    }
}

/// A path without detours, as people write it.
fn tidy(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." if !parts.is_empty() => {}
            ".." if parts.last().is_some_and(|last| !matches!(*last, ".." | "." | "")) => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn end(one: &EndpointRef) -> String {
    match &one.endpoint {
        Some(endpoint) => format!("{}:{endpoint}", one.application),
        None => one.application.to_string(),
    }
}

/// The steps, and what of the bundle is there.
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) machines: Machines,
    /// The bases of the applications that are there by now.
    pub(super) bases: BTreeMap<ApplicationName, Base>,
    /// Bases of which the operator was told that their machines are something else.
    pub(super) told: BTreeSet<String>,
}

/// An option's value as an operator would type it.
pub(super) fn typed(value: &OptionValue) -> String {
    match shape::value(value) {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The files of resources that a bundle names.
pub(super) fn files(spec: &ApplicationSpec) -> BTreeMap<ResourceName, String> {
    let files = spec.resources.iter().filter_map(|(name, value)| match value {
        ResourceRef::Path(path) => Some((name.clone(), path.clone())),
        ResourceRef::Revision(_) => None,
    });
    files.collect()
}

fn units_wanted(spec: &ApplicationSpec, charm: &Charm) -> usize {
    if charm.metadata.subordinate { 0 } else { spec.num_units.unwrap_or(1) as usize }
}

fn exposure(spec: &ApplicationSpec) -> Result<Option<Exposure>, Failure> {
    if spec.expose {
        return Ok(Some(Exposure::default()));
    }
    if spec.exposed_endpoints.is_empty() {
        return Ok(None);
    }
    let mut exposure = Exposure::default();
    for (endpoint, to) in &spec.exposed_endpoints {
        if !endpoint.is_empty() {
            let name: EndpointName =
                endpoint.parse().map_err(|error| Failure::tried("cannot expose", &error))?;
            exposure.endpoints.insert(name);
        }
        exposure.cidrs.extend(to.cidrs.iter().copied());
    }
    Ok(Some(exposure))
}

pub(super) fn constraints(spec: &ApplicationSpec) -> Result<Constraints, Failure> {
    let text = spec.constraints.as_deref().unwrap_or_default();
    text.parse().map_err(|error| Failure::tried("cannot read constraints", &error))
}

impl Plan {
    pub(super) async fn new(
        session: &mut Session<'_>,
        bundle: &Bundle,
        charms: &Charms,
        view: &ModelView,
        mapped: Option<&str>,
    ) -> Result<Plan, Failure> {
        let machines = known(bundle, view, mapped)?;
        let there = view.applications.iter();
        let bases = there.filter_map(|(name, a)| Some((name.clone(), a.application.base.clone()?)));
        let bases = bases.collect();
        let mut plan = Plan { steps: Vec::new(), machines, bases, told: BTreeSet::new() };
        let mut new_machines = BTreeSet::new();
        for (name, local) in charms {
            let Some(spec) = bundle.applications.get(name) else { continue };
            let have = view.applications.get(name).map_or(0, |there| there.units.len());
            for index in have..units_wanted(spec, &local.charm) {
                if let Some(Target::Machine(number)) = target(bundle, name, index)
                    && !plan.machines.contains_key(&number)
                {
                    new_machines.insert(number);
                }
            }
        }
        for (name, local) in charms {
            let Some(spec) = bundle.applications.get(name) else { continue };
            match view.applications.get(name) {
                Some(there) => plan.differences(session, spec, local, there, view).await?,
                None => {
                    plan.steps.push(Step::Deploy(name.clone(), spec.charm.clone()));
                    if let Some(exposure) = exposure(spec)? {
                        plan.steps.push(Step::Expose(name.clone(), exposure));
                    }
                }
            }
        }
        // Of one that says no base itself, what goes there says it.
        plan.steps.extend(new_machines.into_iter().map(Step::Machine));
        for name in bundle.applications.keys() {
            let (Some(spec), Some(local)) = (bundle.applications.get(name), charms.get(name))
            else {
                continue;
            };
            let have = view.applications.get(name).map_or(0, |there| there.units.len());
            let want = units_wanted(spec, &local.charm);
            if want > have {
                plan.steps.push(Step::Units(name.clone(), have, want));
            }
        }
        plan.relations(bundle, charms, view)?;
        Ok(plan)
    }

    /// The base of what the bundle puts on its machine of this number.
    pub(super) fn base_on(&self, bundle: &Bundle, number: &str) -> Option<Base> {
        let here = |target: &Target| matches!(target, Target::Machine(on) if on == number);
        let mut applications = bundle.applications.iter();
        applications.find_map(|(name, spec)| {
            let base = self.bases.get(name)?;
            spec.to.iter().any(|placement| here(&placement.target)).then(|| base.clone())
        })
    }

    /// What differs between an application that is there and the bundle's.
    async fn differences(
        &mut self,
        session: &mut Session<'_>,
        spec: &ApplicationSpec,
        local: &super::Local,
        there: &ApplicationView,
        view: &ModelView,
    ) -> Result<(), Failure> {
        let own = &there.application;
        let name = &own.name;
        let present = view.charms.get(&own.charm);
        // The same bytes are the same revision, but only the controller knows the bytes it has; a
        // charm that says the same of itself is asked about when the step is carried out.
        if present != Some(&local.charm) {
            self.steps.push(Step::Refresh(name.clone(), spec.charm.clone()));
        }
        let wanted = check::options(spec, &local.charm).map_err(|problems| {
            Failure::new(format!("application {name}: {}", problems.join("; ")))
        })?;
        let (mut set, mut reset) = (BTreeMap::new(), BTreeSet::new());
        for (key, value) in wanted {
            match value {
                Some(value) => {
                    let default = local.charm.options.get(&key).and_then(|o| o.default.as_ref());
                    if own.config.get(&key).or(default) != Some(&value) {
                        set.insert(key, typed(&value));
                    }
                }
                None if own.config.contains_key(&key) => {
                    reset.insert(key);
                }
                None => {}
            }
        }
        if !set.is_empty() || !reset.is_empty() {
            self.steps.push(Step::Configure(name.clone(), set, reset));
        }
        if spec.constraints.is_some() {
            let wanted = constraints(spec)?;
            if wanted != own.constraints {
                self.steps.push(Step::Constrain(name.clone(), wanted));
            }
        }
        if spec.trust && !own.trust {
            self.steps.push(Step::Trust(name.clone()));
        }
        for (resource, path) in files(spec) {
            let digest: Digest = measure(session, &session.desk.path(&path)).await?.digest;
            let same = view
                .resources
                .iter()
                .any(|r| r.application == *name && r.name == resource && r.digest == digest);
            if !same {
                self.steps.push(Step::Attach(name.clone(), resource, path));
            }
        }
        if let Some(wanted) = exposure(spec)?
            && own.exposed.as_ref() != Some(&wanted)
        {
            self.steps.push(Step::Expose(name.clone(), wanted));
        }
        Ok(())
    }

    fn relations(
        &mut self,
        bundle: &Bundle,
        charms: &Charms,
        view: &ModelView,
    ) -> Result<(), Failure> {
        for (one, other) in &bundle.relations {
            let (Some(left), Some(right)) =
                (charms.get(&one.application), charms.get(&other.application))
            else {
                continue;
            };
            let pair = check::relate((one, &left.charm), (other, &right.charm));
            let (a, b) =
                pair.map_err(|problem| Failure::new(format!("relation {one} {other}: {problem}")))?;
            let ends = [(&one.application, &a), (&other.application, &b)];
            let there = view.relations.values().any(|relation| {
                let held = &relation.relation.ends;
                relation.relation.life.is_alive()
                    && ends.iter().all(|(application, endpoint)| {
                        held.iter().any(|end| {
                            end.application == **application && end.endpoint == **endpoint
                        })
                    })
            });
            if !there {
                let end = |application: &ApplicationName, endpoint: EndpointName| EndpointRef {
                    application: application.clone(),
                    endpoint: Some(endpoint),
                };
                self.steps.push(Step::Relate(end(&one.application, a), end(&other.application, b)));
            }
        }
        Ok(())
    }
}
