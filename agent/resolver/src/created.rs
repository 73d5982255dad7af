//! Row 5: a relation that is seen for the first time.

use muster_model::goal::RelationGoal;
use muster_model::hook::RelationHookKind;
use muster_model::name::RelationId;

use crate::Case;
use crate::relation::{declared, hook};
use crate::step::{Next, Reason, Step};

/// `-relation-created`, once a relation, with or without remote units. The mark is journalled of its
/// own, so that no crash loses the hook.
pub(crate) fn row(case: &Case<'_>) -> Option<Next> {
    if !case.is_idle() || !case.local.flags.installed || case.is_leaving() {
        return None;
    }
    let (id, relation) = case.goal.relations.iter().find(|(id, goal)| is_new(case, **id, goal))?;
    if !relation.in_scope {
        // The controller takes the unit in and writes the network's keys, which must be there before
        // the hook; nothing else may come before the hook either.
        return Some(Next::Wait { reason: Reason::Scope(relation.endpoint.clone()), until: None });
    }
    Some(Next::Run(Step::Hook(hook(*id, relation, RelationHookKind::Created))))
}

fn is_new(case: &Case<'_>, id: RelationId, goal: &RelationGoal) -> bool {
    let known = case.local.relations.get(&id).is_some_and(|local| local.created || local.broken);
    goal.life.is_alive() && !known && declared(case, goal)
}
