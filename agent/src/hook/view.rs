//! How the others stand, as `status-get` and `goal-state` print it: one picture a run.
//!
//! It changes with every word that a unit says and concerns nobody, so goals do not carry it. A charm
//! that asked for it lately gets it with the one read before its next runs; another one's first call
//! fetches it, and the calls after that find it. So no call of a tool is a call to the controller, but
//! for the first in a charm that has not asked for long.

use muster_model::Revision;
use muster_model::goal::{Snapshot, SnapshotRequest};
use muster_model::status::Workload;
use serde_json::{Value, json};

use crate::controller::ControllerError;
use crate::hook::context::Context;

/// Runs of a charm without a question after which it is not expected to ask.
const PATIENCE: u32 = 8;

/// The picture, as of a revision.
#[derive(Clone, Debug)]
pub(crate) struct View {
    revision: Revision,
    /// `{"unit": {status, message}, "application": {…}, "units": {name: {…}}}`.
    pub(crate) status: Value,
    /// In the shape of the hook contract, section 6.2.
    pub(crate) goal_state: Value,
}

/// The picture of the present run, and whether the next one will want one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Views {
    present: Option<View>,
    /// Runs for which one is fetched though nobody has asked yet.
    wanted: u32,
    used: bool,
}

impl Views {
    /// Whether one should be fetched before a run as of `revision`.
    pub(crate) fn lacks(&self, revision: Revision) -> bool {
        self.is_wanted() && self.present.as_ref().is_none_or(|view| view.revision < revision)
    }

    /// Whether to ask for one.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted > 0
    }

    /// Takes over what came, if it was asked for.
    pub(crate) fn take(&mut self, snapshot: &Snapshot) {
        if let Some(goal_state) = &snapshot.goal_state {
            self.present = Some(View {
                revision: snapshot.revision,
                status: snapshot.status.clone().unwrap_or_default(),
                goal_state: goal_state.clone(),
            });
        }
    }

    /// A run is over, which had these: the next one gets its own.
    pub(crate) fn over(&mut self, of_run: &Views) {
        self.present = None;
        self.wanted = if of_run.used { PATIENCE } else { self.wanted.saturating_sub(1) };
    }
}

impl Context {
    /// How the others stand, with what this run said of its own unit and application.
    pub(crate) async fn view(&mut self) -> Result<&mut View, ControllerError> {
        self.cache.views.used = true;
        if self.cache.views.present.is_none() {
            let request = SnapshotRequest { goal_state: true, ..self.cache.request() };
            let snapshot = self.world.controller.snapshot(&self.unit, &request).await?;
            let nothing = || json!({ "units": {}, "relations": {} });
            let goal_state = Some(snapshot.goal_state.clone().unwrap_or_else(nothing));
            self.cache.views.take(&Snapshot { goal_state, ..snapshot });
            if let Some((value, message)) = self.status.clone() {
                self.said(&["unit"], value, &message);
            }
        }
        let nobody =
            || View { revision: Revision::ZERO, status: Value::Null, goal_state: Value::Null };
        Ok(self.cache.views.present.get_or_insert_with(nobody))
    }

    /// Puts a status that was just told where the run reads it.
    pub(crate) fn said(&mut self, path: &[&str], value: Workload, message: &str) {
        let Some(view) = &mut self.cache.views.present else { return };
        let mut place = &mut view.status;
        for key in path {
            if !place.is_object() {
                *place = json!({});
            }
            place = &mut place[*key];
        }
        *place = json!({ "status": value.as_str(), "message": message, "status-data": {} });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(revision: u64) -> Snapshot {
        Snapshot {
            revision: Revision(revision),
            unit: "wiki/0".parse().unwrap(),
            bags: Vec::new(),
            leader_settings: None,
            state: None,
            status: None,
            goal_state: Some(json!({})),
        }
    }

    /// Hook contract T38, T59.
    #[test]
    fn whoever_asked_gets_it_with_the_read_before_its_next_runs() {
        let used = Views { used: true, ..Views::default() };
        let mut views = Views::default();
        assert!(!views.lacks(Revision(1)), "nobody has asked");
        views.over(&used);
        assert!(views.lacks(Revision(1)));
        views.take(&snapshot(3));
        assert!(!views.lacks(Revision(3)) && views.lacks(Revision(4)));
        let run = views.clone();
        for _ in 0..PATIENCE {
            assert!(views.is_wanted());
            views.over(&run);
            assert!(views.present.is_none(), "another run sees its own");
        }
        assert!(!views.lacks(Revision(9)), "it has not asked for long");
    }
}
