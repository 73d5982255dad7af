//! The shape of a task, made from the model's view.

use muster_model::record::{self, TaskKind, TaskTarget};
use muster_model::status::TaskState;
use muster_model::view::TaskView;

use super::{Action, Operation, OperationTask, Task, Timing};
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
            error: if could_not(&view.result) {
                view.result.message.clone()
            } else {
                String::new()
            },
        }
    }
}

/// Whether what was to run never ran: then there is no exit code of it.
fn could_not(result: &record::TaskResult) -> bool {
    result.state == TaskState::Failed && !result.results.contains_key("return-code")
}

impl Action {
    /// What a task runs.
    #[must_use]
    pub fn of(kind: &TaskKind) -> Action {
        match kind {
            TaskKind::Action { name, parameters } => {
                Action { name: name.to_string(), parameters: parameters.clone() }
            }
            TaskKind::Command { command, timeout_ms } => {
                let mut parameters = serde_json::Map::new();
                parameters.insert("command".to_owned(), command.clone().into());
                if let Some(timeout) = timeout_ms {
                    // In nanoseconds, as Go counts.
                    let nanoseconds = timeout.saturating_mul(1_000_000);
                    parameters.insert("timeout".to_owned(), nanoseconds.into());
                }
                Action { name: "juju-exec".to_owned(), parameters }
            }
        }
    }
}

/// Of several tasks together: what is worst of what goes on, then of what is over.
fn together(tasks: &[Task]) -> String {
    const WORST: [&str; 6] = ["running", "pending", "aborted", "failed", "cancelled", "completed"];
    let has = |word: &str| {
        tasks.iter().any(|task| match word {
            "failed" => task.went_wrong() && task.status == "completed" || task.status == word,
            _ => task.status == word,
        })
    };
    WORST.into_iter().find(|word| has(word)).unwrap_or("pending").to_owned()
}

impl Operation {
    /// An operation with its tasks.
    #[must_use]
    pub fn of(operation: &record::Operation, tasks: &[&TaskView], zone: &Zone) -> Operation {
        let shapes: Vec<Task> = tasks.iter().map(|task| Task::of(task, zone)).collect();
        let over = tasks.iter().all(|task| task.result.state.is_over());
        let first = |of: fn(&Task) -> &String| {
            shapes.iter().map(of).find(|text| !text.is_empty()).cloned().unwrap_or_default()
        };
        let (fail, error) = (first(|task| &task.message), first(|task| &task.error));
        let status = together(&shapes);
        let action = tasks.first().map(|task| Action::of(&task.task.kind)).unwrap_or_default();
        let name = action.name.clone();
        let started = tasks.iter().filter_map(|task| task.result.started).min();
        let completed = tasks.iter().filter_map(|task| task.result.completed).max();
        let one = |task: Task| {
            let host = task.unit.or(task.machine).unwrap_or_default();
            let shape = OperationTask {
                name: name.clone(),
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
            status,
            fail,
            error,
            action,
            timing: Timing {
                enqueued: Some(zone.task(operation.enqueued)),
                started: started.map(|at| zone.task(at)),
                completed: completed.filter(|_| over).map(|at| zone.task(at)),
            },
            tasks: shapes.into_iter().map(one).collect(),
        }
    }
}
