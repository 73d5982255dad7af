//! What was run: listed, shown, ended.

use std::collections::BTreeMap;

use muster_console::format::Format;
use muster_model::command::ModelCommand;
use muster_model::name::TaskId;
use muster_model::record::{self, TaskTarget};
use muster_model::view::{TaskView, ViewRequest};
use tokio::time::Instant;

use super::run::{collect, look, over};
use super::session::Session;
use crate::clock::Zone;
use crate::commands::common::Patience;
use crate::commands::operations::{CancelTasks, Only, Operations, ShowTask};
use crate::failure::Failure;
use crate::print::table::Table;
use crate::print::task as print;
use crate::shape::action::{Action, Operation, Task};

pub(super) async fn show(session: &mut Session<'_>, act: &ShowTask) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let mut view = look(&focus, act.task).await?;
    if act.patience != Patience::None && !view.result.state.is_over() {
        let deadline = match act.patience {
            Patience::For(time) => Some(Instant::now() + time),
            Patience::Endless | Patience::None => None,
        };
        match over(session, &focus, act.task, act.watch, deadline).await? {
            Some(done) => view = done,
            None => return Err(Failure::new(format!("timed out waiting for task {}", act.task))),
        }
    }
    let task = Task::of(&view, &Zone::of(act.utc));
    let place = view.queue_position.map(|place| format!("{place} before it in the queue\n"));
    session.write(&task, || {
        let text = print::one(&task);
        if text.is_empty() || !view.result.state.is_over() {
            format!(
                "{}{}",
                Format::Yaml.render(&crate::shape::value(&task)),
                place.unwrap_or_default()
            )
        } else {
            text
        }
    })
}

pub(super) async fn operations(session: &mut Session<'_>, act: &Operations) -> Result<(), Failure> {
    let focus = session.focus().await?;
    // Which ones match is known only of those that are there.
    let narrow = act.only != Only::default() || act.id.is_some();
    let operations = match act.limit.filter(|_| !narrow) {
        None => u32::MAX,
        Some(limit) => u32::try_from(limit.saturating_add(act.offset)).unwrap_or(u32::MAX),
    };
    let what = ViewRequest { operations, ..ViewRequest::default() };
    let mut view = focus.view(&what).await?;
    if let Some(id) = act.id {
        view.operations.retain(|own, _| *own == id);
        let Some(operation) = view.operations.get(&id) else {
            return Err(Failure::new(format!("operation \"{id}\" not found"))
                .hint("\"muster operations\" lists them."));
        };
        if act.patience != Patience::None {
            let of = |id: &TaskId| Some((*id, view.tasks.get(id)?.task.target.clone()));
            let tasks: Vec<_> = operation.tasks.iter().filter_map(of).collect();
            let ended = collect(session, &focus, &tasks, act.patience).await?;
            view.tasks.extend(ended.into_iter().map(|task| (task.task.id, task)));
        }
    }
    let zone = Zone::of(act.utc);
    let mut all = BTreeMap::new();
    let mut table = Table::with(&["ID", "Status", "Started", "Finished", "Task IDs", "Summary"]);
    let tasks_of = |operation: &record::Operation| -> Vec<&TaskView> {
        operation.tasks.iter().filter_map(|id| view.tasks.get(id)).collect()
    };
    let newest = view.operations.iter().rev().filter_map(|(id, operation)| {
        let tasks = tasks_of(operation);
        let shape = Operation::of(operation, &tasks, &zone);
        matches(&act.only, &tasks, &shape.status).then_some((id, operation, shape))
    });
    let mut shown: Vec<_> = newest.skip(act.offset).take(act.limit.unwrap_or(usize::MAX)).collect();
    shown.reverse();
    for (id, operation, shape) in shown {
        let ids: Vec<String> = operation.tasks.iter().map(ToString::to_string).collect();
        let time = |at: &Option<String>| at.clone().unwrap_or_default();
        table.row([
            id.to_string(),
            shape.status.clone(),
            time(&shape.timing.started),
            time(&shape.timing.completed),
            ids.join(","),
            operation.summary.clone(),
        ]);
        all.insert(id.to_string(), shape);
    }
    session.write(&all, || table.text())
}

/// Whether an operation is one of those that were asked for.
fn matches(only: &Only, tasks: &[&TaskView], status: &str) -> bool {
    let some = |of: &dyn Fn(&record::Task) -> bool| tasks.iter().any(|task| of(&task.task));
    let unit = |task: &record::Task| match &task.target {
        TaskTarget::Unit(unit) => Some(unit.clone()),
        TaskTarget::Machine(_) => None,
    };
    let machine = |task: &record::Task| match task.target {
        TaskTarget::Machine(id) => Some(id),
        TaskTarget::Unit(_) => None,
    };
    let named = |task: &record::Task| Action::of(&task.kind).name;
    let places = only.units.len() + only.machines.len() + only.applications.len();
    let here = some(&|task| {
        unit(task).is_some_and(|unit| {
            only.units.contains(&unit) || only.applications.contains(&unit.application)
        }) || machine(task).is_some_and(|id| only.machines.contains(&id))
    });
    (places == 0 || here)
        && (only.actions.is_empty()
            || some(&|task| only.actions.iter().any(|name| *name.as_str() == *named(task))))
        && (only.statuses.is_empty() || only.statuses.iter().any(|word| word == status))
}

pub(super) async fn cancel(session: &mut Session<'_>, act: &CancelTasks) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let command = ModelCommand::CancelTasks(act.tasks.clone());
    focus.tell(command).await.map_err(|failure| failure.while_trying("cannot cancel"))?;
    let zone = Zone::of(false);
    let mut all = BTreeMap::new();
    for id in &act.tasks {
        all.insert(id.to_string(), Task::of(&look(&focus, *id).await?, &zone));
    }
    session.write(&all, String::new)
}
