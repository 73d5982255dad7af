//! What an agent fetches before a run: the settings that it lacks, in one answer.

use std::collections::{BTreeMap, BTreeSet};

use muster_charms::Scope;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::relation;
use crate::effects::Settings;
use crate::goal::Bag;
use crate::life::Life;
use crate::model::Model;
use crate::name::{Member, RelationId, UnitName};
use crate::record::{ApplicationStatus, LeaderSettings, Unit, UnitState};
use crate::status::{Status, Workload};
use crate::time::Timestamp;
use crate::touches::beside;
use crate::version::{Revision, Version};

/// What an agent has already, so that only the rest is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SnapshotRequest {
    /// Bags with the versions that it has. Those of its own relations that are not listed are sent.
    #[serde(default)]
    pub known: Vec<(RelationId, Member, Version)>,
    /// The version of the leader's settings that it has.
    #[serde(default)]
    pub leader_settings: Option<Version>,
    /// The version of the unit's state that it has.
    #[serde(default)]
    pub state: Option<Version>,
    /// Whether it wants `goal-state`.
    #[serde(default)]
    pub goal_state: bool,
}

/// What the agent lacked, as of one revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Snapshot {
    /// As of which revision.
    pub revision: Revision,
    /// The unit.
    pub unit: UnitName,
    /// Bags that are new or have another version: of every member that the unit may read, departed
    /// ones included, its own and its application's.
    pub bags: Vec<Bag>,
    /// The leader's settings, if they have another version.
    #[serde(default)]
    pub leader_settings: Option<(Version, Settings)>,
    /// The unit's state, if it has another version.
    #[serde(default)]
    pub state: Option<(Version, Settings)>,
    /// The workload status that the model has for the unit, and for its application.
    #[serde(default)]
    pub status: Option<serde_json::Value>,
    /// `goal-state`, in the shape of the hook contract, section 6.2.
    #[serde(default)]
    pub goal_state: Option<serde_json::Value>,
}

impl Model {
    /// What `unit` lacks: every bag that it may read and has not in this version.
    ///
    /// It may read the units' bags of the other end (its own application's among peers), in scope
    /// or departed; both applications' bags; and its own. Whether the charm may see its own
    /// application's bag is the tool's to say (hook contract, section 5.5).
    #[must_use]
    pub fn snapshot(
        &self,
        unit: &UnitName,
        request: &SnapshotRequest,
        revision: Revision,
    ) -> Option<Snapshot> {
        let record = self.unit(unit)?;
        let known: BTreeMap<(RelationId, &Member), Version> =
            request.known.iter().map(|(id, member, version)| ((*id, member), *version)).collect();
        let mut bags = Vec::new();
        for relation in self.relations_of(&unit.application) {
            if !relation::sees(self, record, relation) {
                continue;
            }
            let Some(other) = relation.other_end(&unit.application) else { continue };
            let own = Member::Unit(unit.clone());
            let applications = [&unit.application, &other.application];
            let singles = std::iter::once(own)
                .chain(applications.into_iter().map(|name| Member::Application(name.clone())));
            let container = relation.scope == Scope::Container && !relation.is_peer();
            let units = self
                .unit_bags(relation.id, &other.application)
                .filter(|(name, _)| !container || beside(self, unit, name))
                .map(|(name, _)| Member::Unit(name.clone()));
            let members: BTreeSet<Member> = singles.chain(units).collect();
            for member in members {
                let Some(bag) = self.databag(relation.id, &member) else { continue };
                if known.get(&(relation.id, &member)) != Some(&bag.version) {
                    bags.push(Bag {
                        relation: relation.id,
                        member,
                        version: bag.version,
                        settings: bag.settings.clone(),
                    });
                }
            }
        }
        let leader = self.table::<LeaderSettings>().get(&unit.application);
        let state = self.table::<UnitState>().get(unit);
        Some(Snapshot {
            revision,
            unit: unit.clone(),
            bags,
            leader_settings: leader
                .filter(|record| request.leader_settings != Some(record.version))
                .map(|record| (record.version, record.settings.clone())),
            state: state
                .filter(|record| request.state != Some(record.version))
                .map(|record| (record.version, record.state.clone())),
            status: request.goal_state.then(|| self.statuses(record)),
            goal_state: request.goal_state.then(|| self.goal_state(record)),
        })
    }

    /// What `status-get` prints from (hook contract, section 5.4): the unit as its charm has it, its
    /// application (the leader's word, else the most severe of its units), and each unit of it as
    /// others see it.
    fn statuses(&self, unit: &Unit) -> serde_json::Value {
        let shape = |status: &Status<Workload>| json!({ "status": status.value.as_str(), "message": status.message, "status-data": {} });
        let own = self.progress(&unit.name).map(|progress| &progress.workload);
        let all: Vec<(&UnitName, Status<Workload>)> = self
            .units_of(&unit.name.application)
            .filter_map(|unit| Some((&unit.name, self.progress(&unit.name)?.workload_shown())))
            .collect();
        let record = self.table::<ApplicationStatus>().get(&unit.name.application);
        let said = record.and_then(|record| record.status.as_ref());
        let worst = all.iter().map(|(_, status)| status).max_by_key(|status| status.value);
        let units: serde_json::Map<String, serde_json::Value> =
            all.iter().map(|(name, status)| (name.to_string(), shape(status))).collect();
        json!({
            "unit": own.map(shape),
            "application": said.or(worst).map(shape),
            "units": units,
        })
    }

    /// `goal-state` (hook contract, section 6.2).
    fn goal_state(&self, unit: &Unit) -> serde_json::Value {
        let since = |at: Timestamp| at.calendar().strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let entry = |name: &UnitName| {
            let life = self.unit(name)?.life;
            let status = self.progress(name)?.workload_shown();
            let word = match life {
                Life::Alive => status.value.as_str(),
                Life::Dying => "dying",
                Life::Dead => return None,
            };
            Some(json!({ "status": word, "since": since(status.since) }))
        };
        let beside_caller =
            |name: &UnitName| match self.unit(name).and_then(|u| u.principal.as_ref()) {
                Some(principal) => *principal == unit.name || *name == unit.name,
                None => true,
            };
        let mut units = serde_json::Map::new();
        for sibling in self.units_of(&unit.name.application).filter(|u| beside_caller(&u.name)) {
            if let Some(value) = entry(&sibling.name) {
                units.insert(sibling.name.to_string(), value);
            }
        }
        let mut relations = serde_json::Map::new();
        for relation in self.relations_of(&unit.name.application) {
            let (Some(own), Some(other)) = (
                relation.end_of(&unit.name.application),
                relation.other_end(&unit.name.application),
            ) else {
                continue;
            };
            if relation.is_peer() || !relation::sees(self, unit, relation) {
                continue;
            }
            let at_endpoint = relations
                .entry(own.endpoint.to_string())
                .or_insert_with(|| serde_json::Value::Object(serde_json::Map::new()));
            let Some(at_endpoint) = at_endpoint.as_object_mut() else { continue };
            let joined = if relation.life == Life::Alive { "joined" } else { "broken" };
            at_endpoint.insert(
                other.application.to_string(),
                json!({ "status": joined, "since": since(relation.created) }),
            );
            for remote in self.units_of(&other.application).filter(|u| beside_caller(&u.name)) {
                if let Some(value) = entry(&remote.name) {
                    at_endpoint.insert(remote.name.to_string(), value);
                }
            }
        }
        json!({ "units": units, "relations": relations })
    }
}
