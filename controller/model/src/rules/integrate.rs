//! Relations: peers come with the application, the others when an operator asks.

use std::collections::BTreeSet;

use muster_charms::{Charm, Endpoint, Scope};

use crate::command::{EndpointRef, RelationRef};
use crate::life::Life;
use crate::name::{ApplicationName, EndpointName, InterfaceName, RelationId, Role};
use crate::record::{Membership, Relation, RelationEnd};
use crate::refusal::{Code, Refusal};
use crate::reply::Outcome;

use super::{Deciding, invalid};

/// Makes the peer relations that the charm has and the application has not.
pub(super) fn peers(
    d: &mut Deciding<'_>,
    name: &ApplicationName,
    charm: &Charm,
) -> Result<(), Refusal> {
    let mut present = BTreeSet::new();
    for id in d.scale(name)?.relations {
        if let Some(relation) = d.get::<Relation>(id).filter(Relation::is_peer) {
            present.extend(relation.ends.into_iter().map(|end| end.endpoint));
        }
    }
    for (endpoint, spec) in &charm.metadata.endpoints {
        if spec.role != Role::Peer || present.contains(endpoint) {
            continue;
        }
        let end =
            RelationEnd { application: name.clone(), endpoint: endpoint.clone(), role: Role::Peer };
        make(d, &spec.interface, spec.scope, vec![end])?;
    }
    Ok(())
}

fn make(
    d: &mut Deciding<'_>,
    interface: &InterfaceName,
    scope: Scope,
    ends: Vec<RelationEnd>,
) -> Result<Relation, Refusal> {
    let mut counters = d.counters();
    let id = RelationId(counters.relation);
    counters.relation += 1;
    d.put(counters);
    for end in &ends {
        let mut scale = d.scale(&end.application)?;
        scale.relations.insert(id);
        d.put(scale);
    }
    let relation = Relation {
        id,
        life: Life::Alive,
        interface: interface.clone(),
        scope,
        ends,
        force: false,
        created: d.now,
    };
    d.put(relation.clone());
    d.put(Membership { relation: id, units: 0 });
    Ok(relation)
}

/// One way of connecting two endpoints: the provider's end and the requirer's.
struct Fit {
    ends: [(ApplicationName, EndpointName, Endpoint); 2],
    implicit: bool,
}

pub(super) fn integrate(
    d: &mut Deciding<'_>,
    one: &EndpointRef,
    other: &EndpointRef,
) -> Result<Outcome, Refusal> {
    d.live_model()?;
    let fit = choose(d, one, other)?;
    let [(provider, _, _), (requirer, _, _)] = &fit.ends;
    for name in [provider, requirer] {
        d.live_application(name)?;
    }
    let present = existing(d, &fit)?;
    if let Some(relation) = present {
        return Err(match relation.life {
            Life::Alive => Refusal::new(
                Code::AlreadyExists,
                format!("cannot add relation \"{relation}\": relation already exists"),
            ),
            Life::Dying | Life::Dead => Refusal::new(
                Code::Dying,
                format!(
                    "cannot add relation \"{relation}\": it already exists and is being removed"
                ),
            )
            .hint("`muster status --relations` shows what it waits for"),
        });
    }
    limits(d, &fit)?;
    let scope = scope(&fit);
    if scope == Scope::Container {
        let mut subordinate = false;
        for (name, _, _) in &fit.ends {
            subordinate |= d.application(name)?.subordinate;
        }
        if !subordinate {
            return Err(invalid(format!(
                "cannot relate \"{provider}\" to \"{requirer}\": a container-scoped relation needs a subordinate"
            )));
        }
    }
    let interface = fit.ends[0].2.interface.clone();
    let ends = fit.ends.into_iter().map(|(application, endpoint, spec)| RelationEnd {
        application,
        endpoint,
        role: spec.role,
    });
    let relation = make(d, &interface, scope, ends.collect())?;
    Ok(Outcome::Relation { id: relation.id, key: relation.to_string() })
}

fn scope(fit: &Fit) -> Scope {
    if fit.ends.iter().any(|(_, _, spec)| spec.scope == Scope::Container) {
        Scope::Container
    } else {
        Scope::Global
    }
}

/// The one way that fits; explicit endpoints before the implicit `juju-info`.
fn choose(d: &mut Deciding<'_>, one: &EndpointRef, other: &EndpointRef) -> Result<Fit, Refusal> {
    if one.application == other.application {
        return Err(Refusal::new(
            Code::Unsuitable,
            format!("cannot relate \"{}\" to itself", one.application),
        )
        .hint("units of one application are related by a peer relation of their charm"));
    }
    let left = candidates(d, one)?;
    let right = candidates(d, other)?;
    let mut fits = Vec::new();
    for (a_name, a, a_implicit) in &left {
        for (b_name, b, b_implicit) in &right {
            if a.interface != b.interface {
                continue;
            }
            let mine = (one.application.clone(), a_name.clone(), a.clone());
            let theirs = (other.application.clone(), b_name.clone(), b.clone());
            let ends = match (a.role, b.role) {
                (Role::Provider, Role::Requirer) => [mine, theirs],
                (Role::Requirer, Role::Provider) => [theirs, mine],
                _ => continue,
            };
            fits.push(Fit { ends, implicit: *a_implicit || *b_implicit });
        }
    }
    let explicit = fits.iter().any(|fit| !fit.implicit);
    fits.retain(|fit| !explicit || !fit.implicit);
    match fits.len() {
        1 => {}
        0 => {
            return Err(Refusal::new(
                Code::Unsuitable,
                format!("no relations found between \"{}\" and \"{}\"", show(one), show(other)),
            )
            .hint(format!(
                "{}; {}",
                offers(&one.application, &left),
                offers(&other.application, &right)
            )));
        }
        _ => {
            let ways = fits.iter().map(|fit| {
                let [(a, ae, _), (b, be, _)] = &fit.ends;
                format!("\"{a}:{ae} {b}:{be}\"")
            });
            let ways: Vec<String> = ways.collect();
            return Err(Refusal::new(
                Code::Ambiguous,
                format!(
                    "ambiguous relation: \"{} {}\" could refer to {}",
                    show(one),
                    show(other),
                    ways.join("; ")
                ),
            )
            .hint("name the endpoints, as in application:endpoint"));
        }
    }
    fits.pop().ok_or_else(|| invalid("no relation fits"))
}

type Candidate = (EndpointName, Endpoint, bool);

fn candidates(d: &mut Deciding<'_>, end: &EndpointRef) -> Result<Vec<Candidate>, Refusal> {
    let application = d.application(&end.application)?;
    let charm = d.charm_of(&application)?.charm;
    let declared = &charm.metadata.endpoints;
    match &end.endpoint {
        Some(name) => match charm.endpoint(name) {
            Some(spec) => Ok(vec![(name.clone(), spec, !declared.contains_key(name))]),
            None => Err(Refusal::new(
                Code::NotFound,
                format!(
                    "application \"{}\" has no \"{name}\" endpoint: not found",
                    end.application
                ),
            )
            .hint(offers(
                &end.application,
                &declared.iter().map(|(n, e)| (n.clone(), e.clone(), false)).collect::<Vec<_>>(),
            ))),
        },
        None => Ok(charm
            .all_endpoints()
            .into_iter()
            .map(|(name, spec)| {
                let implicit = !declared.contains_key(&name);
                (name, spec, implicit)
            })
            .collect()),
    }
}

fn offers(application: &ApplicationName, endpoints: &[Candidate]) -> String {
    let list: Vec<String> = endpoints
        .iter()
        .filter(|(_, spec, implicit)| spec.role != Role::Peer && !implicit)
        .map(|(name, spec, _)| {
            let verb = if spec.role == Role::Provider { "provides" } else { "requires" };
            format!("{verb} {name} ({})", spec.interface)
        })
        .collect();
    match list.as_slice() {
        [] => format!("\"{application}\" has no endpoints to relate"),
        list => format!("\"{application}\" {}", list.join(", ")),
    }
}

fn show(end: &EndpointRef) -> String {
    match &end.endpoint {
        Some(endpoint) => format!("{}:{endpoint}", end.application),
        None => end.application.to_string(),
    }
}

fn existing(d: &mut Deciding<'_>, fit: &Fit) -> Result<Option<Relation>, Refusal> {
    let [(name, _, _), _] = &fit.ends;
    for id in d.scale(name)?.relations {
        let Some(relation) = d.get::<Relation>(id) else { continue };
        let same = relation.ends.len() == 2
            && relation.ends.iter().zip(&fit.ends).all(|(have, (application, endpoint, _))| {
                have.application == *application && have.endpoint == *endpoint
            });
        if same {
            return Ok(Some(relation));
        }
    }
    Ok(None)
}

/// A requirer's endpoint takes so many relations and no more (hook contract, section 1.3).
fn limits(d: &mut Deciding<'_>, fit: &Fit) -> Result<(), Refusal> {
    for (application, endpoint, spec) in &fit.ends {
        let Some(limit) = spec.limit.filter(|_| spec.role == Role::Requirer) else { continue };
        let mut count = 0;
        for id in d.scale(application)?.relations {
            let relation = d.get::<Relation>(id);
            let own = relation.as_ref().and_then(|r| r.end_of(application));
            count += u32::from(own.is_some_and(|end| end.endpoint == *endpoint));
        }
        if count >= limit {
            return Err(Refusal::new(
                Code::Limit,
                format!(
                    "\"{application}:{endpoint}\" takes at most {limit} relation(s) and has {count}"
                ),
            )
            .hint("remove the present one first"));
        }
    }
    Ok(())
}

pub(super) fn remove(
    d: &mut Deciding<'_>,
    which: &RelationRef,
    force: bool,
) -> Result<Outcome, Refusal> {
    let mut relation = match which {
        RelationRef::Id(id) => {
            d.get::<Relation>(*id).ok_or_else(|| Refusal::not_found("relation", id))?
        }
        RelationRef::Ends(one, other) => find(d, one, other)?,
    };
    if relation.is_peer() {
        return Err(invalid(format!(
            "relation \"{relation}\" is a peer relation: it goes with its application"
        )));
    }
    relation.life.at_least(Life::Dying);
    relation.force |= force;
    let outcome = Outcome::Relation { id: relation.id, key: relation.to_string() };
    d.put(relation);
    Ok(outcome)
}

fn find(d: &mut Deciding<'_>, one: &EndpointRef, other: &EndpointRef) -> Result<Relation, Refusal> {
    d.application(&other.application)?;
    d.application(&one.application)?;
    let mut found = Vec::new();
    for id in d.scale(&one.application)?.relations {
        let Some(relation) = d.get::<Relation>(id).filter(|r| !r.is_peer()) else { continue };
        let matches = |end: &EndpointRef| {
            relation.ends.iter().any(|have| {
                have.application == end.application
                    && end.endpoint.as_ref().is_none_or(|name| *name == have.endpoint)
            })
        };
        if matches(one) && matches(other) {
            found.push(relation);
        }
    }
    match found.len() {
        0 => Err(Refusal::not_found("relation", format!("{} {}", show(one), show(other)))),
        1 => found.pop().ok_or_else(|| invalid("no relation fits")),
        _ => {
            let ways: Vec<String> = found.iter().map(|r| format!("\"{r}\"")).collect();
            Err(Refusal::new(
                Code::Ambiguous,
                format!("\"{} {}\" could be {}", show(one), show(other), ways.join(" or ")),
            )
            .hint("name the endpoints, as in application:endpoint"))
        }
    }
}
