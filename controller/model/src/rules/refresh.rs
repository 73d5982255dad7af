//! Another charm, resources or settings for an application.

use muster_charms::{Base, Charm};

use crate::command::Refresh;
use crate::name::{EndpointName, StorageName};
use crate::record::{Application, CharmRecord, Pair, Resource};
use crate::refusal::{Code, Refusal};
use crate::reply::Outcome;
use crate::view;

use super::{Deciding, configure, deploy, integrate};

pub(super) fn refresh(d: &mut Deciding<'_>, asked: &Refresh) -> Result<Outcome, Refusal> {
    let name = &asked.application;
    let mut application = d.live_application(name)?;
    let old = d.charm_of(&application)?.charm;
    let new = match &asked.charm {
        None => old.clone(),
        Some(url) => match d.get::<CharmRecord>(url.clone()) {
            Some(record) => record.charm,
            None => return Err(Refusal::not_found("charm", url)),
        },
    };
    let mut modified = false;
    if let Some(base) = &asked.base {
        application.base = Some(based(&application, &new, base, asked.force_base)?);
    }
    for endpoint in asked.bindings.keys() {
        configure::bindable(&new, endpoint)?;
    }
    application.bindings.extend(asked.bindings.clone());
    if let Some(url) = asked.charm.as_ref().filter(|url| **url != application.charm) {
        fits(d, &application, &old, &new, asked.force_base)?;
        application.charm = url.clone();
        application.config.retain(|key, value| {
            new.options.get(key).is_some_and(|option| option.kind.admits(value))
        });
        modified = true;
    }
    if asked.channel.is_some() {
        application.channel.clone_from(&asked.channel);
    }
    configure::apply(&mut application, &new, &asked.config)?;
    let mut directives = application.storage.clone();
    directives.extend(asked.storage.clone());
    directives.retain(|name, _| {
        new.metadata.storage.contains_key(name) || asked.storage.contains_key(name)
    });
    application.storage = deploy::storage(d, &new, &directives)?;
    for (resource, file) in &asked.resources {
        let present = d.get::<Resource>(Pair(name.clone(), resource.clone()));
        if present.is_none_or(|present| present.digest != file.digest) {
            deploy::give(d, &new, name, resource, file)?;
            modified = true;
        }
    }
    if modified {
        application.charm_modified += 1;
        application.force_charm = asked.force_units;
    } else if asked.force_units && is_awaited(d, &application)? {
        // It was given before, and some unit that is in error has still to take it.
        application.force_charm = true;
    }
    d.put(application);
    if asked.charm.is_some() {
        integrate::peers(d, name, &new)?;
    }
    Ok(Outcome::Done)
}

/// The base of new machines. Those that stand keep theirs, so the charm must run on both.
fn based(
    application: &Application,
    charm: &Charm,
    base: &Base,
    force: bool,
) -> Result<Base, Refusal> {
    let name = &application.name;
    if application.subordinate {
        return Err(Refusal::new(
            Code::Invalid,
            format!("\"{name}\" is a subordinate: it runs on its principals' bases"),
        ));
    }
    let named = charm.bases.is_empty() || charm.bases.iter().any(|b| b.same_release(base));
    if named || force {
        return Ok(base.clone());
    }
    Err(Refusal::new(
        Code::Unsuitable,
        format!(
            "cannot refresh \"{name}\": charm \"{}\" does not name base {base}",
            charm.metadata.name
        ),
    )
    .hint("--force-base takes it all the same"))
}

/// Whether some unit has not taken what the application was last given.
fn is_awaited(d: &mut Deciding<'_>, application: &Application) -> Result<bool, Refusal> {
    let units = d.beneath().into_iter().flat_map(|model| model.units_of(&application.name));
    let names: Vec<_> = units.map(|unit| unit.name.clone()).collect();
    for name in names {
        if !view::has_taken(application, &d.progress(&name)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether units may go from one charm to the other.
fn fits(
    d: &mut Deciding<'_>,
    application: &Application,
    old: &Charm,
    new: &Charm,
    force_base: bool,
) -> Result<(), Refusal> {
    let name = &application.name;
    let refuse = |why: String| {
        Err(Refusal::new(Code::Unsuitable, format!("cannot refresh \"{name}\": {why}")))
    };
    if old.metadata.name != new.metadata.name {
        return refuse(format!(
            "charm \"{}\" is not charm \"{}\"",
            new.metadata.name, old.metadata.name
        ));
    }
    if old.metadata.subordinate != new.metadata.subordinate {
        return refuse("a charm cannot become a subordinate, or stop being one".to_owned());
    }
    let base = application.base.as_ref();
    let named = |base| new.bases.is_empty() || new.bases.iter().any(|b| b.same_release(base));
    if let Some(base) = base.filter(|base| !named(base))
        && !force_base
    {
        return refuse(format!("the new charm does not name base {base}"))
            .map_err(|refusal: Refusal| refusal.hint("--force-base refreshes it all the same"));
    }
    for (storage, spec) in &old.metadata.storage {
        let used = application.storage.contains_key(storage);
        match new.metadata.storage.get(storage) {
            None if used => return refuse(dropped_storage(storage)),
            Some(after) if after.kind != spec.kind => {
                return refuse(format!("storage \"{storage}\" changes its kind"));
            }
            _ => {}
        }
    }
    for (key, option) in &old.options {
        let set = application.config.contains_key(key);
        if let Some(after) = new.options.get(key).filter(|after| set && after.kind != option.kind) {
            return refuse(format!(
                "option \"{key}\" changes from {} to {}; reset it first",
                option.kind, after.kind
            ));
        }
    }
    let relations = d.scale(name)?.relations;
    for id in relations {
        let Some(relation) = d.get::<crate::record::Relation>(id) else { continue };
        let Some(own) = relation.end_of(name) else { continue };
        let keeps = |endpoint: &EndpointName| {
            new.endpoint(endpoint)
                .is_some_and(|e| e.interface == relation.interface && e.role == own.role)
        };
        if !keeps(&own.endpoint) && (relation.is_peer() || relation.life.is_alive()) {
            return refuse(format!("it would break relation \"{relation}\""));
        }
    }
    Ok(())
}

fn dropped_storage(name: &StorageName) -> String {
    format!("the new charm has no storage \"{name}\", which units have")
}
