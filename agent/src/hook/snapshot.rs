//! What other members said, as far as this agent has fetched it.
//!
//! A goal carries versions; before a run the agent asks, in one request, for the settings whose
//! versions it has not. A run that lacks nothing asks nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use std::collections::BTreeSet;

use muster_model::effects::{OpenPort, Settings, apply_change};
use muster_model::goal::{Snapshot, SnapshotRequest, UnitGoal};
use muster_model::name::{Member, RelationId, UnitName};
use muster_model::{Effects, Seq, Version};

use crate::hook::view::Views;

/// A member's settings and their version.
pub(crate) type Versioned = (Version, Arc<Settings>);

/// What a unit's agent has fetched. Cheap to clone: settings are shared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cache {
    pub(crate) bags: BTreeMap<(RelationId, Member), Versioned>,
    pub(crate) leader: Option<Versioned>,
    pub(crate) state: Option<Versioned>,
    /// The ports that the unit itself has opened, its last commit included; none before the first
    /// goal. A goal may be older than that commit.
    pub(crate) ports: Option<BTreeSet<OpenPort>>,
    /// How the others stand.
    pub(crate) views: Views,
    /// Whether every bag of this relation was sent once, those of departed units included.
    whole: BTreeMap<RelationId, ()>,
}

impl Cache {
    /// What is known of a unit that has never reported: it has no state yet.
    pub(crate) fn of_a_new_unit() -> Cache {
        Cache { state: Some(Versioned::default()), ..Cache::default() }
    }

    /// Whether a run as of `goal` would miss something.
    pub(crate) fn lacks(&self, unit: &UnitName, goal: &UnitGoal) -> bool {
        let version = |id, member| self.bags.get(&(id, member)).map(|(version, _)| *version);
        let bags = goal.relations.iter().any(|(id, relation)| {
            let members = relation.members.iter().any(|(member, wanted)| {
                version(*id, Member::Unit(member.clone())) != Some(*wanted)
            });
            let remote = Member::Application(relation.remote_application.clone());
            let application = relation.remote_application_version;
            // What a leader before this one wrote. Own writes may be newer than the goal.
            let own = relation.own_application_version;
            let stale_own = goal.leader
                && version(*id, Member::Application(unit.application.clone())).unwrap_or_default()
                    < own;
            members
                || stale_own
                || (application > Version::ZERO && version(*id, remote) != Some(application))
                || (relation.in_scope && version(*id, Member::Unit(unit.clone())).is_none())
                || !self.whole.contains_key(id)
        });
        let leader = goal.leader_settings > Version::ZERO
            && self.leader.as_ref().map(|(version, _)| *version) != Some(goal.leader_settings);
        bags || leader || self.state.is_none()
    }

    /// What to ask for.
    pub(crate) fn request(&self) -> SnapshotRequest {
        SnapshotRequest {
            known: self
                .bags
                .iter()
                .map(|((relation, member), (version, _))| (*relation, member.clone(), *version))
                .collect(),
            leader_settings: self.leader.as_ref().map(|(version, _)| *version),
            state: self.state.as_ref().map(|(version, _)| *version),
            goal_state: self.views.is_wanted(),
        }
    }

    /// Takes over what came.
    pub(crate) fn take(&mut self, goal: &UnitGoal, snapshot: Snapshot) {
        self.views.take(&snapshot);
        for bag in snapshot.bags {
            self.bags.insert((bag.relation, bag.member), (bag.version, Arc::new(bag.settings)));
        }
        if let Some((version, settings)) = snapshot.leader_settings {
            self.leader = Some((version, Arc::new(settings)));
        }
        match snapshot.state {
            Some((version, state)) => self.state = Some((version, Arc::new(state))),
            None if self.state.is_none() => self.state = Some(Default::default()),
            None => {}
        }
        self.whole.extend(goal.relations.keys().map(|id| (*id, ())));
        self.forget(goal);
    }

    /// Takes over the ports as the goal has them, unless it does not know of report `seq` yet, which
    /// is the unit's last.
    pub(crate) fn set_ports(&mut self, goal: &UnitGoal, seq: Seq) {
        if goal.seq >= seq || self.ports.is_none() {
            self.ports = Some(goal.ports.clone());
        }
    }

    /// Drops what belongs to relations that are no more.
    fn forget(&mut self, goal: &UnitGoal) {
        self.bags.retain(|(relation, _), _| goal.relations.contains_key(relation));
        self.whole.retain(|relation, ()| goal.relations.contains_key(relation));
    }

    /// What the controller took of the unit's own writes. It counts each change once, and so does
    /// this; should the two ever differ, the next request brings the controller's.
    pub(crate) fn committed(&mut self, unit: &UnitName, effects: &Effects) {
        let own = Member::Unit(unit.clone());
        let app = Member::Application(unit.application.clone());
        let writes = [(&effects.unit_settings, &own), (&effects.application_settings, &app)];
        for (changes, member) in writes {
            for (relation, change) in changes {
                let bag = self.bags.entry((*relation, member.clone())).or_default();
                if apply_change(Arc::make_mut(&mut bag.1), change) {
                    bag.0 = bag.0.next();
                }
            }
        }
        if let Some(ports) = &mut self.ports {
            for port in &effects.close_ports {
                crate::tools::remove_port(ports, port);
            }
            ports.extend(effects.open_ports.iter().cloned());
        }
        let state = self.state.get_or_insert_default();
        if apply_change(Arc::make_mut(&mut state.1), &effects.state) {
            state.0 = state.0.next();
        }
    }
}
