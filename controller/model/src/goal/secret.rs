//! What a unit is told of secrets: only what a hook of it may be about.

use std::collections::{BTreeMap, BTreeSet};

use muster_charms::secret::SecretId;
use serde::{Deserialize, Serialize};

use crate::model::Model;
use crate::name::{RelationId, UnitName};
use crate::record::{Pair, Secret, SecretOwner, SecretShelf, SecretTrack};
use crate::time::Timestamp;

/// What a unit is told of secrets; those of which there is nothing to tell are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct SecretsGoal {
    /// Secrets that it reads and that have a newer revision than the one that it tracks.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub changed: BTreeMap<SecretId, ChangedSecret>,
    /// Secrets that it manages and that ask for something, now or later.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub managed: BTreeMap<SecretId, ManagedSecret>,
}

/// A secret with a revision that the unit does not track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ChangedSecret {
    /// What the unit calls it; may be empty.
    #[serde(default)]
    pub label: String,
    /// The newest revision.
    pub newest: u32,
}

/// A secret that asks its owner for something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ManagedSecret {
    /// What its owner calls it; may be empty.
    #[serde(default)]
    pub label: String,
    /// Whether the application owns it, so that only the leader acts for it.
    #[serde(default)]
    pub leader: bool,
    /// When it wants a new revision.
    #[serde(default)]
    pub rotate_at: Option<Timestamp>,
    /// When each revision that has an end is too old.
    #[serde(default)]
    pub expire_at: BTreeMap<u32, Timestamp>,
    /// Revisions that are not the newest and that nobody tracks.
    #[serde(default)]
    pub obsolete: BTreeSet<u32>,
}

/// The secrets of a unit and of its application, as their charm is told of them (`secret-info-get`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct OwnedSecrets {
    /// The secrets.
    pub secrets: BTreeMap<SecretId, Secret>,
    /// The relations of the application, as people write them: grants last as long as one of these.
    pub relations: BTreeMap<RelationId, String>,
}

impl Model {
    /// A secret by id, also one that is going.
    #[must_use]
    pub fn secret(&self, id: &SecretId) -> Option<&Secret> {
        self.table::<Secret>().get(id).map(std::sync::Arc::as_ref)
    }

    /// Who tracks a secret.
    pub fn trackers<'a>(&'a self, id: &'a SecretId) -> impl Iterator<Item = &'a SecretTrack> + 'a {
        // No application's name comes before this one.
        let first: Option<UnitName> = "a/0".parse().ok();
        let tracks = self.table::<SecretTrack>();
        let from = move |first| tracks.from_while(Pair(id.clone(), first), move |key| key.0 == *id);
        first.into_iter().flat_map(from).map(|(_, track)| track.as_ref())
    }

    /// The secrets that a unit's shelves hold: its own, and its application's.
    #[must_use]
    pub fn owned_secrets(&self, unit: &UnitName) -> OwnedSecrets {
        let holders =
            [SecretOwner::Unit(unit.clone()), SecretOwner::Application(unit.application.clone())];
        let shelves = holders.iter().filter_map(|holder| self.table::<SecretShelf>().get(holder));
        let ids = shelves.flat_map(|shelf| shelf.owned.keys());
        let secrets = ids.filter_map(|id| self.secret(id)).filter(|secret| secret.is_kept());
        let relations = self.relations_of(&unit.application);
        OwnedSecrets {
            secrets: secrets.map(|secret| (secret.id.clone(), secret.clone())).collect(),
            relations: relations.map(|one| (one.id, one.to_string())).collect(),
        }
    }

    /// What a unit is told of secrets.
    pub(super) fn secrets_goal(&self, unit: &UnitName) -> SecretsGoal {
        let mut goal = SecretsGoal::default();
        let own = SecretOwner::Unit(unit.clone());
        let shelves = self.table::<SecretShelf>();
        if let Some(shelf) = shelves.get(&own) {
            for (id, label) in &shelf.read {
                let track = self.table::<SecretTrack>().get(&Pair(id.clone(), unit.clone()));
                let newest =
                    self.secret(id).filter(|secret| secret.is_kept()).and_then(Secret::newest);
                if let (Some(track), Some(newest)) = (track, newest)
                    && newest > track.revision
                {
                    let changed = ChangedSecret { label: label.clone(), newest };
                    goal.changed.insert(id.clone(), changed);
                }
            }
        }
        let leads = self.leader(&unit.application) == Some(unit);
        let application = SecretOwner::Application(unit.application.clone());
        let held = [(own, false), (application, true)];
        for (holder, leader) in held.into_iter().filter(|(_, leader)| leads || !leader) {
            let ids = shelves.get(&holder).into_iter().flat_map(|shelf| shelf.owned.keys());
            for secret in ids.filter_map(|id| self.secret(id)).filter(|secret| secret.is_kept()) {
                let managed = self.managed(secret, leader);
                let idle = managed.rotate_at.is_none()
                    && managed.expire_at.is_empty()
                    && managed.obsolete.is_empty();
                if !idle {
                    goal.managed.insert(secret.id.clone(), managed);
                }
            }
        }
        goal
    }

    fn managed(&self, secret: &Secret, leader: bool) -> ManagedSecret {
        let tracked: BTreeSet<u32> =
            self.trackers(&secret.id).map(|track| track.revision).collect();
        let newest = secret.newest();
        let old = secret.revisions.keys().copied();
        ManagedSecret {
            label: secret.label.clone(),
            leader,
            rotate_at: secret.rotate_at,
            expire_at: secret
                .revisions
                .iter()
                .filter_map(|(number, revision)| Some((*number, revision.due()?)))
                .collect(),
            obsolete: old
                .filter(|number| Some(*number) != newest && !tracked.contains(number))
                .collect(),
        }
    }
}
