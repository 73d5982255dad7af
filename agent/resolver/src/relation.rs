//! Row 18: what members of relations do (hook contract, section 4.5).
//!
//! ```text
//! created -> { joined -> changed -> changed* -> departed } for each member -> broken
//! ```
//!
//! `created` has a row of its own ([`crate::created`]); the rest is the table of section 4.5, in its
//! order. Relations of peers come after the others and never break.

use muster_model::goal::RelationGoal;
use muster_model::hook::{RelationHook, RelationHookKind};
use muster_model::name::{RelationId, Role, UnitName};
use muster_model::{Hook, Version};

use crate::Case;
use crate::local::RelationLocal;
use crate::step::{Next, Step};

pub(crate) fn row(case: &Case<'_>) -> Option<Next> {
    if !case.is_idle() || !case.local.flags.started {
        return None;
    }
    in_order(case).find_map(|(id, goal)| one(case, *id, goal))
}

/// Row 14, its part about relations: all that were created are taken down.
pub(crate) fn leaving(case: &Case<'_>) -> Option<Next> {
    if !case.is_idle() || !case.local.flags.installed {
        return None;
    }
    in_order(case).find_map(|(id, goal)| one(case, *id, goal))
}

/// Whether the charm on disk knows the endpoint; one that it lacks waits for an upgrade.
pub(crate) fn declared(case: &Case<'_>, goal: &RelationGoal) -> bool {
    case.seen.endpoints.as_ref().is_none_or(|endpoints| endpoints.contains(&goal.endpoint))
}

/// The others first, peers last.
fn in_order<'a>(
    case: &'a Case<'_>,
) -> impl Iterator<Item = (&'a RelationId, &'a RelationGoal)> + 'a {
    let of = |peers: bool| {
        case.goal.relations.iter().filter(move |(_, goal)| (goal.role == Role::Peer) == peers)
    };
    of(false).chain(of(true))
}

fn one(case: &Case<'_>, id: RelationId, goal: &RelationGoal) -> Option<Next> {
    let ends = case.is_leaving() || !goal.life.is_alive();
    let Some(local) = case.local.relations.get(&id).filter(|local| local.created) else {
        return never_created(case, id, goal, ends);
    };
    if local.broken {
        return None;
    }
    let run = |hook| Some(Next::Run(Step::Hook(hook)));
    if let Some(unit) = &local.changed_pending {
        let version = goal.members.get(unit).or_else(|| local.members.get(unit)).copied();
        return run(about(id, goal, RelationHookKind::Changed, unit, version.unwrap_or_default()));
    }
    if let Some(unit) = gone(local, goal, ends) {
        let departing = if case.is_leaving() { case.unit } else { unit };
        let mut departed = about(id, goal, RelationHookKind::Departed, unit, Version::ZERO);
        if let Hook::Relation(hook) = &mut departed {
            hook.departing_unit = Some(departing.clone());
        }
        return run(departed);
    }
    if ends {
        let breaks = goal.role != Role::Peer;
        return breaks.then(|| Next::Run(Step::Hook(hook(id, goal, RelationHookKind::Broken))));
    }
    if goal.remote_application_version != local.application {
        let mut changed = hook(id, goal, RelationHookKind::Changed);
        if let Hook::Relation(hook) = &mut changed {
            hook.version = goal.remote_application_version;
        }
        return run(changed);
    }
    if let Some((unit, version)) = goal.members.iter().find(|(u, _)| !local.members.contains_key(u))
    {
        return run(about(id, goal, RelationHookKind::Joined, unit, *version));
    }
    let (unit, version) =
        goal.members.iter().find(|(unit, version)| local.members.get(unit) != Some(version))?;
    run(about(id, goal, RelationHookKind::Changed, unit, *version))
}

/// A relation that ends before its `-created` ran: no hook runs for it, but the controller must
/// hear that the unit is out, or the relation would never go.
fn never_created(case: &Case<'_>, id: RelationId, goal: &RelationGoal, ends: bool) -> Option<Next> {
    let known = case.local.relations.get(&id).is_some_and(|local| local.broken);
    (ends && !known && goal.in_scope && goal.role != Role::Peer)
        .then(|| Next::Run(Step::PassOver(hook(id, goal, RelationHookKind::Broken))))
}

/// The lowest unit that is known and no longer there.
fn gone<'a>(local: &'a RelationLocal, goal: &RelationGoal, ends: bool) -> Option<&'a UnitName> {
    local.members.keys().find(|unit| ends || !goal.members.contains_key(unit))
}

/// A hook about the relation as a whole.
pub(crate) fn hook(id: RelationId, goal: &RelationGoal, kind: RelationHookKind) -> Hook {
    Hook::Relation(RelationHook {
        kind,
        relation: id,
        endpoint: goal.endpoint.clone(),
        remote_application: goal.remote_application.clone(),
        remote_unit: None,
        version: Version::ZERO,
        departing_unit: None,
    })
}

fn about(
    id: RelationId,
    goal: &RelationGoal,
    kind: RelationHookKind,
    unit: &UnitName,
    version: Version,
) -> Hook {
    let Hook::Relation(hook) = hook(id, goal, kind) else { return Hook::UpdateStatus };
    Hook::Relation(RelationHook { remote_unit: Some(unit.clone()), version, ..hook })
}
