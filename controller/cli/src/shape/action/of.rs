//! The shape of a task, made from the model's view.

use muster_model::record::TaskTarget;
use muster_model::view::TaskView;

use super::{Task, Timing};
use crate::clock::Zone;

impl Task {
    /// A task and what came of it.
    #[must_use]
    pub fn of(view: &TaskView, zone: &Zone) -> Task {
        let (unit, machine) = match &view.task.target {
            TaskTarget::Unit(unit) => (Some(unit.to_string()), None),
            TaskTarget::Machine(machine) => (None, Some(machine.to_string())),
        };
        let lines = view.log.iter().flat_map(|log| &log.lines);
        Task {
            id: view.task.id.to_string(),
            status: view.result.state.to_string(),
            unit,
            machine,
            message: view.result.message.clone(),
            results: view.result.results.clone(),
            log: lines.map(|(at, text)| format!("{} {text}", zone.task(*at))).collect(),
            timing: Timing {
                enqueued: Some(zone.task(view.task.enqueued)),
                started: view.result.started.map(|at| zone.task(at)),
                completed: view.result.completed.map(|at| zone.task(at)),
            },
            error: String::new(),
        }
    }
}
