//! Running actions and commands, and waiting for what comes of them.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_console::format::Format;
use muster_model::command::{MAX_TARGETS, ModelCommand, TargetRef};
use muster_model::name::TaskId;
use muster_model::record::TaskTarget;
use muster_model::refusal::Code;
use muster_model::reply::Outcome;
use muster_model::view::{Condition, ModelView, TaskView, ViewRequest, Wait};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::files;
use super::session::{Focus, Session};
use crate::clock::Zone;
use crate::commands::actions::{Run, What, named};
use crate::commands::common::Patience;
use crate::failure::Failure;
use crate::print::task as print;
use crate::shape::action::{Task, Tasks};

/// The longest that one wait on the server is asked to take.
const ONE_WAIT: Duration = Duration::from_secs(40);

/// How long a command may run on once nobody waits for it any more.
const GRACE: Duration = Duration::from_secs(2);

/// An operation that was asked for.
pub(super) struct Asked {
    pub(super) tasks: Vec<(TaskId, TaskTarget)>,
    missing: Vec<String>,
    id: String,
}

/// Asks for an operation.
pub(super) async fn ask(focus: &Focus, command: ModelCommand) -> Result<Asked, Failure> {
    let reply = focus.tell(command).await?;
    match reply.outcome {
        Outcome::Operation { id, tasks, missing } => {
            Ok(Asked { tasks, missing, id: id.to_string() })
        }
        other => Err(Failure::new(format!("unexpected answer {other:?}"))),
    }
}

/// Asks for an operation, or for several where one cannot have so many targets.
async fn ask_all(focus: &Focus, command: &mut ModelCommand) -> Result<Asked, Failure> {
    let failure = match ask(focus, command.clone()).await {
        Err(failure) if failure.refused == Some(Code::Limit) => failure,
        result => return result,
    };
    let view = focus.view(&ViewRequest::default()).await?;
    let (ModelCommand::RunAction { targets, .. } | ModelCommand::RunCommand { targets, .. }) =
        command
    else {
        return Err(failure);
    };
    let each = expanded(&view, targets);
    if each.len() <= MAX_TARGETS {
        return Err(failure);
    }
    let mut all = Asked { tasks: Vec::new(), missing: Vec::new(), id: String::new() };
    for some in each.chunks(MAX_TARGETS) {
        let mut part = command.clone();
        if let ModelCommand::RunAction { targets, .. } | ModelCommand::RunCommand { targets, .. } =
            &mut part
        {
            *targets = some.to_vec();
        }
        let asked = ask(focus, part).await.map_err(|failure| match all.id.as_str() {
            "" => failure,
            // Those before it run already.
            ids => failure.hint(format!("\"muster show-operation {ids}\" shows what was begun.")),
        })?;
        all.tasks.extend(asked.tasks);
        all.missing.extend(asked.missing);
        let gap = if all.id.is_empty() { "" } else { " " };
        all.id.push_str(&format!("{gap}{}", asked.id));
    }
    Ok(all)
}

/// Each target by itself, once.
fn expanded(view: &ModelView, targets: &[TargetRef]) -> Vec<TargetRef> {
    let mut all = Vec::new();
    for target in targets {
        match target {
            TargetRef::Application(name) => {
                let units = view.applications.get(name).into_iter().flat_map(|a| a.units.keys());
                all.extend(units.cloned().map(TargetRef::Unit));
            }
            TargetRef::AllMachines => {
                all.extend(view.machines.keys().copied().map(TargetRef::Machine));
            }
            one => all.push(one.clone()),
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|target| seen.insert(target.clone()));
    all
}

pub(super) async fn run(session: &mut Session<'_>, act: &Run) -> Result<(), Failure> {
    let targets = act.targets.clone();
    let is_action = matches!(act.what, What::Action { .. });
    let mut command = match &act.what {
        What::Action { name, parameters, string_args, file } => ModelCommand::RunAction {
            targets,
            action: name.clone(),
            parameters: gather(session, parameters, *string_args, file.as_deref())?,
        },
        What::Command { command, parallel, execution_group } => ModelCommand::RunCommand {
            targets,
            command: command.clone(),
            timeout_ms: match act.patience {
                // Somewhat later than the wait, so that whoever waits is told of the time and not
                // of a command that was killed.
                Patience::For(wait) => u64::try_from((wait + GRACE).as_millis()).ok(),
                Patience::None | Patience::Endless => None,
            },
            parallel: *parallel,
            execution_group: execution_group.clone(),
        },
    };
    let focus = session.focus().await?;
    let asked = match ask_all(&focus, &mut command).await {
        Ok(asked) => asked,
        Err(mut failure) => {
            if failure.refused == Some(Code::NotFound) && !failure.message.contains("(not found)") {
                failure.message.push_str(" (not found)");
            }
            if !is_action && failure.refused == Some(Code::NotFound) {
                return nothing_scheduled(session, &failure.message);
            }
            return Err(failure);
        }
    };
    if !asked.missing.is_empty() {
        let list = asked.missing.join(", ");
        let text = format!("{list} (not found)");
        if is_action {
            return Err(Failure::new(format!("cannot run on {text}")));
        }
        if asked.tasks.is_empty() {
            return nothing_scheduled(session, &text);
        }
        session.desk.warn(&text);
    }
    if asked.tasks.is_empty() {
        let places: Vec<String> = act.targets.iter().map(named).collect();
        return nothing_scheduled(session, &format!("{} has no units", places.join(", ")));
    }
    if act.patience == Patience::None {
        return in_background(session, &asked);
    }
    announce(session, &asked);
    let zone = Zone::of(act.utc);
    let views = collect(session, &focus, &asked.tasks, act.patience).await?;
    let tasks: Tasks =
        views.iter().map(|view| (view.task.target.to_string(), Task::of(view, &zone))).collect();
    session.write(&tasks, || if is_action { print::run(&tasks) } else { print::exec(&tasks) })?;
    let plain = !matches!(session.request.style.as_str(), "json" | "yaml");
    for (target, task) in tasks.iter().filter(|(_, task)| plain && !task.message.is_empty()) {
        session.desk.say(&format!("{target}: {} {}", task.status, task.message));
    }
    match print::complaint(&tasks, "muster") {
        Some(text) => Err(Failure::new(text.trim_end())),
        None => Ok(()),
    }
}

/// For a target that is not there: told on stderr, nothing on stdout, exit code 0 (§10, trap 7).
fn nothing_scheduled(session: &mut Session<'_>, why: &str) -> Result<(), Failure> {
    session.desk.mutter(&format!("Nothing was scheduled: {why}\n"));
    Ok(())
}

fn announce(session: &mut Session<'_>, asked: &Asked) {
    let noun = if asked.tasks.len() == 1 { "task" } else { "tasks" };
    session.desk.say(&format!("Running operation {} with {} {noun}", asked.id, asked.tasks.len()));
    for (id, target) in &asked.tasks {
        session.desk.say(&format!("  - task {id} on {}", tag(target)));
    }
    session.desk.say("");
}

fn tag(target: &TaskTarget) -> String {
    match target {
        TaskTarget::Unit(unit) => unit.tag(),
        TaskTarget::Machine(machine) => format!("machine-{machine}"),
    }
}

fn in_background(session: &mut Session<'_>, asked: &Asked) -> Result<(), Failure> {
    announce(session, asked);
    if let [(id, _)] = asked.tasks.as_slice() {
        session
            .desk
            .say(&format!("Check operation status with 'muster show-operation {}'", asked.id));
        session.desk.say(&format!("Check task status with 'muster show-task {id}'"));
        return Ok(());
    }
    let map: BTreeMap<String, Value> = asked
        .tasks
        .iter()
        .map(|(id, target)| (target.to_string(), json!({ "id": id.to_string() })))
        .collect();
    session.write(&map, || Format::Yaml.render(&json!(map)))
}

/// Waits until all tasks are over; log lines of a single one are shown as they come.
pub(super) async fn collect(
    session: &mut Session<'_>,
    focus: &Focus,
    tasks: &[(TaskId, TaskTarget)],
    patience: Patience,
) -> Result<Vec<TaskView>, Failure> {
    let deadline = match patience {
        Patience::For(time) => Some(Instant::now() + time),
        Patience::Endless | Patience::None => None,
    };
    let mut views = Vec::new();
    let mut late = Vec::new();
    for (id, target) in tasks {
        session.desk.say(&format!("Waiting for task {id}..."));
        let stream = tasks.len() == 1;
        match over(session, focus, *id, stream, deadline).await? {
            Some(view) => views.push(view),
            None => late.push(match target {
                TaskTarget::Unit(unit) => format!("unit {unit}"),
                TaskTarget::Machine(machine) => format!("machine {machine}"),
            }),
        }
    }
    if late.is_empty() {
        return Ok(views);
    }
    let ids: Vec<String> = tasks.iter().map(|(id, _)| id.to_string()).collect();
    Err(Failure::new(format!("timed out waiting for results from: {}", late.join(", "))).hint(
        format!(
            "\"muster show-task {}\" shows what comes of it.",
            ids.first().cloned().unwrap_or_default()
        ),
    ))
}

/// Waits until a task is over; `None` when the time is.
pub(super) async fn over(
    session: &mut Session<'_>,
    focus: &Focus,
    id: TaskId,
    stream: bool,
    deadline: Option<Instant>,
) -> Result<Option<TaskView>, Failure> {
    let mut seen: u32 = 0;
    loop {
        let view = look(focus, id).await?;
        let lines = view.log.as_ref().map(|log| log.lines.as_slice()).unwrap_or_default();
        if stream {
            for (at, text) in lines.iter().skip(seen as usize) {
                session
                    .desk
                    .mutter(&format!("{} {text}\n", Zone::of(false).log(*at, false, false)));
            }
        }
        seen = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        if view.result.state.is_over() {
            return Ok(Some(view));
        }
        let left = match deadline {
            Some(deadline) => deadline.saturating_duration_since(Instant::now()),
            None => ONE_WAIT,
        };
        if left.is_zero() {
            return Ok(None);
        }
        let condition =
            if stream { Condition::TaskMoved { task: id, seen } } else { Condition::TaskOver(id) };
        let timeout_ms = u64::try_from(left.min(ONE_WAIT).as_millis()).unwrap_or(0).max(1);
        focus.wait(&Wait { condition, timeout_ms }).await?;
    }
}

pub(super) async fn look(focus: &Focus, id: TaskId) -> Result<TaskView, Failure> {
    let what = ViewRequest { task: Some(id.0), ..ViewRequest::default() };
    let mut view = focus.view(&what).await?;
    view.tasks.remove(&id).ok_or_else(|| Failure::new(format!("task \"{id}\" not found")))
}

/// The parameters of an action: the file's, and over them what is on the line (§3.7).
fn gather(
    session: &Session<'_>,
    pairs: &[(String, String)],
    string_args: bool,
    file: Option<&str>,
) -> Result<Map<String, Value>, Failure> {
    let mut all = match file {
        None => Map::new(),
        Some(file) => match files::yaml(session.desk, file)?.to_json() {
            Value::Object(map) => map,
            Value::Null => Map::new(),
            _ => return Err(Failure::new(format!("{file}: expected a map of parameters"))),
        },
    };
    for (key, text) in pairs {
        let value = if string_args { Value::String(text.clone()) } else { scalar(key, text)? };
        place(&mut all, key, value)?;
    }
    Ok(all)
}

/// A value as YAML reads it.
fn scalar(key: &str, text: &str) -> Result<Value, Failure> {
    if text.is_empty() {
        return Ok(Value::String(String::new()));
    }
    let limits = muster_charms::yaml::Limits::FILE;
    match muster_charms::yaml::parse(key, text.as_bytes(), &limits) {
        Ok(node) => Ok(node.to_json()),
        Err(error) => Err(Failure::new(format!("parameter {key}: {}", error.problem))
            .hint("With --string-args every value is taken as it is.")),
    }
}

/// Puts a value where a dotted key says.
fn place(map: &mut Map<String, Value>, key: &str, value: Value) -> Result<(), Failure> {
    match key.split_once('.') {
        None => {
            map.insert(key.to_owned(), value);
            Ok(())
        }
        Some((first, rest)) => {
            let inner = map.entry(first).or_insert_with(|| Value::Object(Map::new()));
            match inner {
                Value::Object(inner) => place(inner, rest, value),
                _ => Err(Failure::new(format!(
                    "parameter {first:?} is a value and cannot hold {rest:?}"
                ))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_keys_nest_and_values_are_yaml() {
        let mut map = Map::new();
        for (key, text) in
            [("a.b", "3"), ("a.c", "yes please"), ("d", "true"), ("e", ""), ("f", "[1, x]")]
        {
            place(&mut map, key, scalar(key, text).unwrap()).unwrap();
        }
        assert_eq!(
            Value::Object(map.clone()),
            json!({ "a": { "b": 3, "c": "yes please" }, "d": true, "e": "", "f": [1, "x"] })
        );
        assert!(place(&mut map, "d.x", Value::Null).is_err());
        assert!(scalar("k", "{").is_err());
    }
}
