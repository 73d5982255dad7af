//! Row 7: what secrets ask of a unit (hook contract, section 4.12).
//!
//! The goal says what is due and since when; the journal, what was answered. A hook whose charm did
//! nothing is due again because the controller sets another time, so nothing is counted here.

use std::collections::{BTreeMap, BTreeSet};

use muster_model::goal::SecretsGoal;
use muster_model::hook::{SecretHook, SecretHookKind};
use muster_model::secret::SecretId;
use muster_model::{Hook, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Case;
use crate::step::Next;

/// What a unit has been told of secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct SecretsLocal {
    /// The newest revision that `secret-changed` told of.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub changed: BTreeMap<SecretId, u32>,
    /// Since when the last rotation that was answered was due.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rotated: BTreeMap<SecretId, Timestamp>,
    /// The same for each revision that has expired.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub expired: BTreeMap<SecretId, BTreeMap<u32, Timestamp>>,
    /// Revisions that `secret-remove` told of.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub obsolete: BTreeMap<SecretId, BTreeSet<u32>>,
}

impl SecretsLocal {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == SecretsLocal::default()
    }

    /// A hook was committed.
    pub(crate) fn committed(&mut self, hook: SecretHook) {
        let id = hook.secret;
        match (hook.kind, hook.revision, hook.due) {
            (SecretHookKind::Changed, Some(revision), _) => {
                self.changed.insert(id, revision);
            }
            (SecretHookKind::Rotate, _, Some(due)) => {
                self.rotated.insert(id, due);
            }
            (SecretHookKind::Expired, Some(revision), Some(due)) => {
                self.expired.entry(id).or_default().insert(revision, due);
            }
            (SecretHookKind::Remove, Some(revision), _) => {
                self.obsolete.entry(id).or_default().insert(revision);
            }
            _ => {}
        }
    }

    /// Drops what the goal asks nothing of any more. What it asks later is something else.
    pub(crate) fn prune(&mut self, goal: &SecretsGoal) {
        self.changed.retain(|id, _| goal.changed.contains_key(id));
        let managed = &goal.managed;
        self.rotated.retain(|id, _| managed.get(id).is_some_and(|goal| goal.rotate_at.is_some()));
        self.expired.retain(|id, revisions| {
            let due = managed.get(id).map(|goal| &goal.expire_at);
            revisions.retain(|revision, _| due.is_some_and(|due| due.contains_key(revision)));
            !revisions.is_empty()
        });
        self.obsolete.retain(|id, revisions| {
            let told = managed.get(id).map(|goal| &goal.obsolete);
            revisions.retain(|revision| told.is_some_and(|told| told.contains(revision)));
            !revisions.is_empty()
        });
    }
}

/// Expired before rotate before changed before remove; none before `install`, while something is
/// under way, or while the unit leaves.
pub(crate) fn row(case: &Case<'_>) -> Option<Next> {
    if !case.is_idle() || !case.local.flags.installed || case.is_leaving() {
        return None;
    }
    let hook = expired(case)
        .or_else(|| rotate(case))
        .or_else(|| changed(case))
        .or_else(|| obsolete(case))?;
    Some(crate::leader::run(case, &Hook::Secret(hook)))
}

fn expired(case: &Case<'_>) -> Option<SecretHook> {
    let told = |id: &SecretId, revision: &u32| {
        case.local.secrets.expired.get(id).and_then(|told| told.get(revision)).copied()
    };
    managed(case).find_map(|(id, goal)| {
        let mut due = goal.expire_at.iter();
        let (revision, due) =
            due.find(|(n, due)| **due <= case.now && told(id, n) != Some(**due))?;
        let hook = hook(SecretHookKind::Expired, id, &goal.label, goal.leader);
        Some(SecretHook { revision: Some(*revision), due: Some(*due), ..hook })
    })
}

fn rotate(case: &Case<'_>) -> Option<SecretHook> {
    managed(case).find_map(|(id, goal)| {
        let due = goal.rotate_at.filter(|due| *due <= case.now)?;
        let told = case.local.secrets.rotated.get(id) == Some(&due);
        let hook = hook(SecretHookKind::Rotate, id, &goal.label, goal.leader);
        (!told).then_some(SecretHook { due: Some(due), ..hook })
    })
}

fn changed(case: &Case<'_>) -> Option<SecretHook> {
    case.goal.secrets.changed.iter().find_map(|(id, goal)| {
        let told = case.local.secrets.changed.get(id).is_some_and(|told| *told >= goal.newest);
        let hook = hook(SecretHookKind::Changed, id, &goal.label, false);
        (!told).then_some(SecretHook { revision: Some(goal.newest), ..hook })
    })
}

fn obsolete(case: &Case<'_>) -> Option<SecretHook> {
    managed(case).find_map(|(id, goal)| {
        let told = case.local.secrets.obsolete.get(id);
        let mut old = goal.obsolete.iter();
        let revision = old.find(|n| !told.is_some_and(|told| told.contains(n)))?;
        let hook = hook(SecretHookKind::Remove, id, &goal.label, goal.leader);
        Some(SecretHook { revision: Some(*revision), ..hook })
    })
}

/// The secrets that the unit acts for now: its own, and its application's while it certainly leads.
fn managed<'a>(
    case: &'a Case<'_>,
) -> impl Iterator<Item = (&'a SecretId, &'a muster_model::goal::ManagedSecret)> {
    case.goal.secrets.managed.iter().filter(|(_, goal)| case.seen.leads || !goal.leader)
}

fn hook(kind: SecretHookKind, id: &SecretId, label: &str, leader: bool) -> SecretHook {
    let label = label.to_owned();
    SecretHook { kind, secret: id.clone(), label, revision: None, due: None, leader }
}

/// The next moment at which time alone makes something due.
pub(crate) fn wakes(case: &Case<'_>) -> Option<Timestamp> {
    let all = case.goal.secrets.managed.values();
    let times = all.flat_map(|goal| goal.rotate_at.iter().chain(goal.expire_at.values()));
    times.filter(|due| **due > case.now).min().copied()
}
