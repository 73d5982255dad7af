//! Running something on units and machines.

use std::collections::BTreeSet;

use crate::command::{MAX_TARGETS, TargetRef};
use crate::name::{ActionName, OperationId, TaskId};
use crate::record::{
    Leadership, Machine, Operation, Task, TaskKind, TaskQueue, TaskResult, TaskTarget, Unit,
};
use crate::refusal::{Code, Refusal};
use crate::reply::Outcome;
use crate::status::TaskState;

use super::{Deciding, invalid};

/// Tasks that may wait for one target (reliability document, section 5: pending events).
const MAX_QUEUE: usize = 1_000;

pub(super) fn run(
    d: &mut Deciding<'_>,
    targets: &[TargetRef],
    action: &ActionName,
    parameters: &serde_json::Map<String, serde_json::Value>,
) -> Result<Outcome, Refusal> {
    let (found, missing) = resolve(d, targets)?;
    let mut work = Vec::new();
    for target in found {
        let TaskTarget::Unit(unit) = &target else {
            return Err(invalid("actions run on units, not on machines"));
        };
        let application = d.application(&unit.application)?;
        let charm = d.charm_of(&application)?.charm;
        let Some(spec) = charm.actions.get(action) else {
            let names: Vec<&str> = charm.actions.keys().map(ActionName::as_str).collect();
            return Err(Refusal::new(
                Code::NotFound,
                format!("action \"{action}\" of \"{}\" (not found)", unit.application),
            )
            .hint(match names.as_slice() {
                [] => format!("charm \"{}\" has no actions", charm.metadata.name),
                names => format!("it has: {}", names.join(", ")),
            }));
        };
        let parameters = spec
            .params(parameters.clone())
            .map_err(|error| invalid(format!("cannot run \"{action}\" action: {error}")))?;
        let kind = TaskKind::Action { name: action.clone(), parameters };
        work.push((target, kind, spec.parallel, spec.execution_group.clone()));
    }
    let summary = format!("{action} run on {}", shown(&work));
    enqueue(d, summary, work, missing)
}

pub(super) fn exec(
    d: &mut Deciding<'_>,
    targets: &[TargetRef],
    command: &str,
    timeout_ms: Option<u64>,
    parallel: bool,
    execution_group: &str,
) -> Result<Outcome, Refusal> {
    if command.trim().is_empty() {
        return Err(invalid("no command to run"));
    }
    if command.len() > 64 << 10 {
        return Err(Refusal::new(Code::Limit, "the command is longer than 64 KiB"));
    }
    let (found, missing) = resolve(d, targets)?;
    let work: Vec<Work> = found
        .into_iter()
        .map(|target| {
            let kind = TaskKind::Command { command: command.to_owned(), timeout_ms };
            (target, kind, parallel, execution_group.to_owned())
        })
        .collect();
    let summary = format!("juju-exec run on {}", shown(&work));
    enqueue(d, summary, work, missing)
}

type Work = (TaskTarget, TaskKind, bool, String);

fn shown(work: &[Work]) -> String {
    work.iter().map(|(target, ..)| target.to_string()).collect::<Vec<_>>().join(",")
}

/// The targets that exist, each once, and the others as they were written.
fn resolve(
    d: &mut Deciding<'_>,
    targets: &[TargetRef],
) -> Result<(Vec<TaskTarget>, Vec<String>), Refusal> {
    d.live_model()?;
    let mut found = Vec::new();
    let mut missing = Vec::new();
    let beneath = d.beneath();
    for target in targets {
        match target {
            TargetRef::Unit(name) => match d.get::<Unit>(name.clone()) {
                Some(_) => found.push(TaskTarget::Unit(name.clone())),
                None => missing.push(name.to_string()),
            },
            TargetRef::Leader(name) => {
                let record = d.get::<Leadership>(name.clone());
                match record.and_then(|record| record.leader) {
                    Some(unit) => found.push(TaskTarget::Unit(unit)),
                    None => missing.push(format!("{name}/leader")),
                }
            }
            TargetRef::Application(name) => {
                d.application(name)?;
                let units = beneath.into_iter().flat_map(|model| model.units_of(name));
                found.extend(units.map(|unit| TaskTarget::Unit(unit.name.clone())));
            }
            TargetRef::Machine(id) => match d.get::<Machine>(*id) {
                Some(_) => found.push(TaskTarget::Machine(*id)),
                None => missing.push(id.to_string()),
            },
            TargetRef::AllMachines => {
                let machines =
                    beneath.into_iter().flat_map(|model| model.table::<Machine>().iter());
                found.extend(machines.map(|(id, _)| TaskTarget::Machine(*id)));
            }
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|target| seen.insert(target.clone()));
    if found.len() > MAX_TARGETS {
        return Err(Refusal::new(
            Code::Limit,
            format!("{} targets at once; at most {MAX_TARGETS} are possible", found.len()),
        )
        .hint("name fewer units in one command"));
    }
    Ok((found, missing))
}

fn enqueue(
    d: &mut Deciding<'_>,
    summary: String,
    work: Vec<Work>,
    missing: Vec<String>,
) -> Result<Outcome, Refusal> {
    let by = d.asker();
    let now = d.now;
    let mut counters = d.counters();
    let mut mint = || {
        let number = counters.task.max(1);
        counters.task = number + 1;
        number
    };
    let operation = OperationId(mint());
    let numbered: Vec<(TaskId, Work)> = work.into_iter().map(|w| (TaskId(mint()), w)).collect();
    if numbered.is_empty() {
        return Ok(Outcome::Operation { id: operation, tasks: Vec::new(), missing });
    }
    d.put(counters);
    let mut tasks = Vec::new();
    for (id, (target, kind, parallel, execution_group)) in numbered {
        let queue = d.get::<TaskQueue>(target.clone());
        let mut queue =
            queue.unwrap_or_else(|| TaskQueue { target: target.clone(), tasks: Vec::new() });
        if queue.tasks.len() >= MAX_QUEUE {
            return Err(Refusal::new(
                Code::Limit,
                format!("{MAX_QUEUE} tasks wait for {target} already"),
            ));
        }
        queue.tasks.push(id);
        d.put(queue);
        d.put(Task {
            id,
            operation,
            target: target.clone(),
            kind,
            parallel,
            execution_group,
            cancel: false,
            enqueued: now,
        });
        d.put(TaskResult {
            task: id,
            state: TaskState::Pending,
            message: String::new(),
            results: serde_json::Map::new(),
            started: None,
            completed: None,
        });
        tasks.push((id, target));
    }
    let ids = tasks.iter().map(|(id, _)| *id).collect();
    d.put(Operation { id: operation, summary, tasks: ids, by, enqueued: now });
    Ok(Outcome::Operation { id: operation, tasks, missing })
}

pub(super) fn cancel(d: &mut Deciding<'_>, tasks: &BTreeSet<TaskId>) -> Result<Outcome, Refusal> {
    for id in tasks {
        let (Some(mut task), Some(mut result)) = (d.get::<Task>(*id), d.get::<TaskResult>(*id))
        else {
            return Err(Refusal::not_found("task", id));
        };
        if result.state.is_over() {
            continue;
        }
        task.cancel = true;
        if result.state == TaskState::Pending {
            // Nobody has begun it: it never will, since its agent sees it cancelled or not at all.
            result.state = TaskState::Cancelled;
            result.completed = Some(d.now);
            d.put(result);
            finish(d, &task);
        }
        d.put(task);
    }
    Ok(Outcome::Done)
}

/// Takes a task that is over from its target's queue.
pub(crate) fn finish(d: &mut Deciding<'_>, task: &Task) {
    let Some(mut queue) = d.get::<TaskQueue>(task.target.clone()) else { return };
    queue.tasks.retain(|id| *id != task.id);
    if queue.tasks.is_empty() {
        d.remove::<TaskQueue>(task.target.clone());
    } else {
        d.put(queue);
    }
}
