//! What is bound to one run: what its tools read, and what they wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use muster_charms::Charm;
use muster_model::effects::{Settings, SettingsChange, apply_change};
use muster_model::goal::{Goal, UnitGoal};
use muster_model::hook::{RelationHook, RelationHookKind};
use muster_model::name::{
    ActionName, EndpointName, Member, RelationId, Role, StorageId, TaskId, UnitName,
};
use muster_model::report::{NowReport, Receipt, ReportBody};
use muster_model::{Effects, Hook, Life, Report};
use muster_resolver::Local;

use crate::controller::{ControllerError, report_until_answered};
use crate::hook::snapshot::Cache;
use crate::tools::Secrets;
use crate::unit_log::UnitLog;
use crate::world::World;

/// What runs.
#[derive(Clone, Debug)]
pub(crate) enum About {
    Hook(Hook),
    Action {
        task: TaskId,
        name: ActionName,
        parameters: serde_json::Map<String, serde_json::Value>,
    },
    Command {
        task: Option<TaskId>,
        relation: Option<RelationHook>,
    },
}

impl About {
    /// The relation that the run is about.
    pub(crate) fn relation(&self) -> Option<&RelationHook> {
        match self {
            About::Hook(Hook::Relation(hook)) => Some(hook),
            About::Command { relation, .. } => relation.as_ref(),
            _ => None,
        }
    }

    /// What status shows while it runs (hook contract, section 4.20).
    pub(crate) fn executing(&self) -> String {
        match self {
            About::Hook(hook @ Hook::Relation(relation)) => match &relation.remote_unit {
                Some(unit) => format!("running {hook} hook for {unit}"),
                None => format!("running {hook} hook"),
            },
            About::Hook(Hook::Secret(hook)) => {
                format!("running {hook} hook for {}", hook.subject())
            }
            About::Hook(hook) => format!("running {hook} hook"),
            About::Action { name, .. } => format!("running action {name}"),
            About::Command { .. } => "running commands".to_owned(),
        }
    }

    /// The word that names it in contexts and loggers.
    pub(crate) fn word(&self) -> String {
        match self {
            About::Hook(hook) => hook.to_string(),
            About::Action { name, .. } => name.to_string(),
            About::Command { .. } => "run-commands".to_owned(),
        }
    }
}

/// A relation as the run's tools see it.
#[derive(Clone, Debug)]
pub(crate) struct RelationView {
    pub(crate) endpoint: EndpointName,
    pub(crate) role: Role,
    pub(crate) remote_application: muster_model::name::ApplicationName,
    /// Units that have joined and not departed, as of this run.
    pub(crate) members: BTreeSet<UnitName>,
    /// Whether `relation-ids` names it (hook contract, section 5.5).
    pub(crate) listed: bool,
    pub(crate) in_scope: bool,
}

/// What an action said of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct ActionResult {
    pub(crate) results: serde_json::Map<String, serde_json::Value>,
    pub(crate) failed: Option<String>,
}

/// A reboot that the charm asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reboot {
    /// When the run has ended well.
    After,
    /// At once; nothing of the run is kept.
    Now,
}

/// What is bound to one run and dies with it.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) id: String,
    pub(crate) unit: UnitName,
    pub(crate) about: About,
    pub(crate) goal: Arc<Goal>,
    pub(crate) charm: Arc<Charm>,
    pub(crate) relations: BTreeMap<RelationId, RelationView>,
    pub(crate) cache: Cache,
    pub(crate) effects: Effects,
    pub(crate) secrets: Secrets,
    pub(crate) action: ActionResult,
    pub(crate) reboot: Option<Reboot>,
    /// Storages that are where the charm finds them.
    pub(crate) storage: BTreeMap<StorageId, PathBuf>,
    /// Once the lead was denied in this run it stays denied (section 4.7).
    pub(crate) denied: bool,
    /// The workload status set in this run.
    pub(crate) status: Option<(muster_model::status::Workload, String)>,
    pub(crate) log: UnitLog,
    pub(crate) world: World,
    /// Told when the run must end at once.
    pub(crate) kill: tokio_util::sync::CancellationToken,
}

/// How long the lead must still be certain when `is-leader` says so (section 4.7).
const GUARANTEE: Duration = Duration::from_secs(30);

impl Context {
    /// The unit's part of the goal.
    pub(crate) fn wanted(&self) -> Option<&UnitGoal> {
        self.goal.units.get(&self.unit)
    }

    /// A member's settings: what was fetched, and for the own bags what this run wrote.
    pub(crate) fn settings(&self, relation: RelationId, member: &Member) -> Option<Settings> {
        let kept = self.cache.bags.get(&(relation, member.clone()));
        let written = self.written(relation, member);
        if kept.is_none() && written.is_none() {
            return None;
        }
        let mut settings = kept.map(|(_, settings)| Settings::clone(settings)).unwrap_or_default();
        if let Some(change) = written {
            apply_change(&mut settings, change);
        }
        Some(settings)
    }

    fn written(&self, relation: RelationId, member: &Member) -> Option<&SettingsChange> {
        match member {
            Member::Unit(unit) if *unit == self.unit => self.effects.unit_settings.get(&relation),
            Member::Application(name) if *name == self.unit.application => {
                self.effects.application_settings.get(&relation)
            }
            _ => None,
        }
    }

    /// The unit's state with what this run wrote.
    pub(crate) fn state(&self) -> Settings {
        let mut state =
            self.cache.state.as_ref().map(|(_, state)| Settings::clone(state)).unwrap_or_default();
        apply_change(&mut state, &self.effects.state);
        state
    }

    /// Whether the unit leads and will for the time that the contract promises. Blocks on the
    /// controller if the last lease is too short for that.
    pub(crate) async fn leads(&mut self) -> Result<bool, String> {
        if self.denied {
            return Ok(false);
        }
        if !self.world.leads(&self.unit, GUARANTEE) {
            self.world.renew_lease().await.map_err(|error| {
                format!("leadership status unknown: {}", muster_console::outcome::Chain(&error))
            })?;
        }
        // Just confirmed by the controller, or certain for long enough.
        let leads = self.world.leads(&self.unit, Duration::ZERO);
        self.denied = !leads;
        Ok(leads)
    }

    /// Tells the controller something that is seen before the run ends.
    pub(crate) async fn tell(&self, now: NowReport) -> Result<Receipt, String> {
        let report = Report {
            model: self.goal.model,
            body: ReportBody::Now { unit: self.unit.clone(), now },
        };
        match report_until_answered(&self.world.controller, &report, &self.kill).await {
            Some(Ok(receipt)) => Ok(receipt),
            Some(Err(ControllerError::Refused(refusal))) => Err(refusal.message),
            Some(Err(error)) => Err(muster_console::outcome::Chain(&error).to_string()),
            None => Err("the run was ended".to_owned()),
        }
    }
}

/// The relations as a run sees them.
pub(crate) fn relations(
    about: &About,
    unit: &UnitName,
    local: &Local,
    goal: &UnitGoal,
    charm: &Charm,
) -> BTreeMap<RelationId, RelationView> {
    // Nothing is seen of relations before `install` is done (section 4.5, "Visibility").
    if !local.flags.installed {
        return BTreeMap::new();
    }
    let view = |id: &RelationId, relation: &muster_model::goal::RelationGoal| {
        let known = local.relations.get(id);
        let mut members: BTreeSet<UnitName> =
            known.map(|known| known.members.keys().cloned().collect()).unwrap_or_default();
        let recorded = !members.is_empty();
        if let Some(RelationHook { kind, remote_unit: Some(unit), relation: about, .. }) =
            about.relation()
            && about == id
        {
            match kind {
                RelationHookKind::Joined | RelationHookKind::Changed => {
                    members.insert(unit.clone());
                }
                RelationHookKind::Departed => {
                    members.remove(unit);
                }
                _ => {}
            }
        }
        members.remove(unit);
        let listed = relation.role == Role::Peer || relation.life == Life::Alive || recorded;
        RelationView {
            endpoint: relation.endpoint.clone(),
            role: relation.role,
            remote_application: relation.remote_application.clone(),
            members,
            listed,
            in_scope: relation.in_scope,
        }
    };
    goal.relations
        .iter()
        .filter(|(_, relation)| charm.metadata.endpoints.contains_key(&relation.endpoint))
        .map(|(id, relation)| (*id, view(id, relation)))
        .collect()
}
