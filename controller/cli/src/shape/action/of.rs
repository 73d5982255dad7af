//! The shape of a task, made from the model's view.

use muster_model::record::{self, TaskTarget};
use muster_model::view::TaskView;

use super::{Operation, OperationTask, Task, Timing};
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

impl Operation {
    /// An operation with its tasks.
    #[must_use]
    pub fn of(operation: &record::Operation, tasks: &[&TaskView], zone: &Zone) -> Operation {
        let shapes: Vec<Task> = tasks.iter().map(|task| Task::of(task, zone)).collect();
        let over = tasks.iter().all(|task| task.result.state.is_over());
        let status = match (over, shapes.iter().any(Task::went_wrong)) {
            (false, _) => "running",
            (true, true) => "failed",
            (true, false) => "completed",
        };
        let started = tasks.iter().filter_map(|task| task.result.started).min();
        let completed = tasks.iter().filter_map(|task| task.result.completed).max();
        let one = |task: Task| {
            let host = task.unit.or(task.machine).unwrap_or_default();
            let shape = OperationTask {
                host,
                status: task.status,
                timing: task.timing,
                log: task.log,
                message: task.message,
                results: task.results,
            };
            (task.id, shape)
        };
        Operation {
            summary: operation.summary.clone(),
            status: status.to_owned(),
            timing: Timing {
                enqueued: Some(zone.task(operation.enqueued)),
                started: started.map(|at| zone.task(at)),
                completed: completed.filter(|_| over).map(|at| zone.task(at)),
            },
            tasks: shapes.into_iter().map(one).collect(),
        }
    }
}
