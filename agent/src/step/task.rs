//! Actions of the charm and commands of operators (hook contract, sections 4.16 and 5.12).

use std::time::Duration;

use base64::Engine as _;
use muster_model::Effects;
use muster_model::Report;
use muster_model::goal::TaskGoal;
use muster_model::hook::RelationHook;
use muster_model::name::TaskId;
use muster_model::record::TaskKind;
use muster_model::report::{NowReport, ReportBody, TaskOutcome};
use muster_model::status::TaskState;
use muster_resolver::{Next, Step, TaskProgress};
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};

use super::StepError;
use super::hook::{Over, Shell, execute, program};
use crate::controller::report_until_answered;
use crate::hook::context::{About, Reboot};
use crate::hook::output::{Piece, Sink};
use crate::hook::process::{Ended, Ran};
use crate::lock::Held;
use crate::unit::Unit;
use crate::wire::Answer;

/// A command that somebody on the machine gave by `juju-exec`.
#[derive(Debug)]
pub(crate) struct ExecRequest {
    pub(crate) command: String,
    pub(crate) relation: Option<RelationHook>,
    /// What it prints, as it prints it.
    pub(crate) output: mpsc::Sender<Piece>,
    /// Its exit code, once it is over.
    pub(crate) answer: oneshot::Sender<Answer>,
}

pub(super) async fn run(unit: &mut Unit, step: &Step, id: TaskId) -> Result<(), StepError> {
    let Some(task) = goal(unit, id) else { return Ok(()) };
    unit.fetch_settings().await?;
    let held = lock(unit, &task).await?;
    if unit.next() != Some(Next::Run(step.clone())) {
        return Ok(());
    }
    unit.fetch_settings().await?;
    let (about, shell) = match &task.kind {
        TaskKind::Action { name, parameters } => {
            (about_action(unit, id, name, parameters.clone()), None)
        }
        TaskKind::Command { command, timeout_ms } => {
            let timeout = timeout_ms.map(Duration::from_millis);
            let about = About::Command { task: Some(id), relation: None };
            (Ok(about), Some(Shell { command: command.clone(), timeout, sink: Sink::Kept }))
        }
    };
    let context = match about {
        Ok(about) => Ok(unit.context(about).map_err(StepError::Prepare)?),
        Err(message) => Err(message),
    };
    unit.local.task = Some(TaskProgress::Running(id));
    if let Err(error) = unit.save() {
        unit.local.task = None;
        return Err(error);
    }
    let started = Report {
        model: unit.world.model,
        body: ReportBody::Now { unit: unit.name.clone(), now: NowReport::TaskStarted(id) },
    };
    // A refusal changes nothing: the outcome is reported in any case.
    if report_until_answered(&unit.world.controller, &started, &unit.stop).await.is_none() {
        unit.local.task = None;
        unit.save()?;
        return Err(StepError::Stopping);
    }
    let is_action = shell.is_none();
    let (outcome, effects) = match context {
        Ok(context) => {
            let program = program(unit, &context.about);
            let over = execute(unit, context, program, shell).await;
            // Taken up when the outcome was told; what an action asks for was refused.
            unit.reboot = reboot(&over);
            if is_action { action_outcome(unit, over) } else { command_outcome(over) }
        }
        Err(message) => (failed(message), Effects::default()),
    };
    drop(held);
    unit.local.task = Some(TaskProgress::Ended { task: id, outcome, effects });
    unit.save()
}

pub(super) fn cancelled(unit: &mut Unit, id: TaskId) -> Result<(), StepError> {
    let outcome =
        TaskOutcome { state: TaskState::Cancelled, message: String::new(), results: Map::new() };
    unit.local.task = Some(TaskProgress::Ended { task: id, outcome, effects: Effects::default() });
    unit.save()
}

/// Runs a command for somebody on the machine. What it wrote is committed whatever its exit code,
/// as the outcome of no task; a commit that is refused makes the command fail.
pub(super) async fn exec(unit: &mut Unit, request: ExecRequest) -> Result<(), StepError> {
    unit.fetch_settings().await?;
    let held = unit.lock_machine().await?;
    unit.fetch_settings().await?;
    let ExecRequest { command, relation, output, answer } = request;
    let about = About::Command { task: None, relation };
    let context = unit.context(about).map_err(StepError::Prepare)?;
    let program = program(unit, &context.about);
    let shell = Some(Shell { command, timeout: None, sink: Sink::Sent(output) });
    let over = execute(unit, context, program, shell).await;
    drop(held);
    let reboot = reboot(&over);
    let mut reply = Answer { code: 1, ..Answer::default() };
    match over.ran {
        Ok(Some(ran)) => {
            reply.code = match ran.ended {
                Ended::Exit(code) => u8::try_from(code).unwrap_or(1),
                Ended::Signal(signal) => u8::try_from(128 + signal).unwrap_or(1),
                Ended::Overrun | Ended::Killed => 137,
            };
        }
        Ok(None) => {}
        Err(error) => {
            let text = muster_console::outcome::Chain(&error).to_string();
            reply.stderr = muster_console::outcome::error_line(text).into_bytes();
        }
    }
    if let Some(context) = over.context
        && reboot != Some(Reboot::Now)
        && !context.effects.is_empty()
        && let Err(problem) = unit.commit_outside(context.effects).await
    {
        reply.code = 1;
        reply.stderr.extend(muster_console::outcome::error_line(problem).into_bytes());
    }
    // Whoever asked may have gone.
    let _gone = answer.send(reply);
    // Nothing is queued again: whoever gave the command sees that the machine has restarted.
    unit.reboot_due = reboot.is_some();
    Ok(())
}

/// What the command asked for. Asked for at once, it ended the command; otherwise it counts whatever the
/// command's exit code is, as all that a command writes does (hook contract, sections 4.13 and 4.15).
fn reboot(over: &Over) -> Option<Reboot> {
    over.context.as_ref().and_then(|context| context.reboot)
}

fn goal(unit: &Unit, id: TaskId) -> Option<TaskGoal> {
    let goal = unit.goal()?;
    goal.units.get(&unit.name)?.tasks.iter().find(|task| task.id == id).cloned()
}

async fn lock(unit: &Unit, task: &TaskGoal) -> Result<Held, StepError> {
    if task.parallel {
        Ok(unit.world.locks.none())
    } else if task.execution_group.is_empty() {
        unit.lock_machine().await
    } else {
        let group = format!("action {}", task.execution_group);
        unit.unless_stopped(unit.world.locks.group(&group)).await
    }
}

fn about_action(
    unit: &Unit,
    task: TaskId,
    name: &muster_model::name::ActionName,
    parameters: Map<String, Value>,
) -> Result<About, String> {
    let charm = unit.charm.as_ref().ok_or("the charm is missing from disk")?;
    let Some(action) = charm.actions.get(name) else {
        return Err(format!("cannot run \"{name}\" action: \"{name}\" not defined"));
    };
    match action.params(parameters) {
        Ok(parameters) => Ok(About::Action { task, name: name.clone(), parameters }),
        Err(bad) => Err(format!("cannot run \"{name}\" action: validation failed: {bad}")),
    }
}

fn failed(message: impl Into<String>) -> TaskOutcome {
    TaskOutcome { state: TaskState::Failed, message: message.into(), results: Map::new() }
}

fn action_outcome(unit: &Unit, over: Over) -> (TaskOutcome, Effects) {
    let Over { ran, context } = over;
    let (action, effects) = match context {
        Some(context) => (context.action, context.effects),
        None => Default::default(),
    };
    let ran = match ran {
        Ok(Some(ran)) => ran,
        Ok(None) => {
            let message = format!("action not implemented on unit \"{}\"", unit.name);
            return (failed(message), Effects::default());
        }
        Err(error) => {
            let message = muster_console::outcome::Chain(&error).to_string();
            return (failed(message), Effects::default());
        }
    };
    let results = results(action.results, &ran);
    let outcome = |state, message: String| TaskOutcome { state, message, results: results.clone() };
    match (ran.ended, action.failed) {
        // Ended well, or failed by its own word: what it wrote is kept.
        (Ended::Exit(0), None) => (outcome(TaskState::Completed, String::new()), effects),
        (Ended::Exit(0), Some(message)) => (outcome(TaskState::Failed, message), effects),
        (Ended::Exit(_), Some(message)) => {
            (outcome(TaskState::Failed, message), Effects::default())
        }
        (Ended::Exit(code), None) => {
            (outcome(TaskState::Failed, format!("exit status {code}")), Effects::default())
        }
        (Ended::Killed, _) => (outcome(TaskState::Aborted, String::new()), Effects::default()),
        (Ended::Signal(_) | Ended::Overrun, _) => {
            (outcome(TaskState::Failed, "action terminated".to_owned()), Effects::default())
        }
    }
}

/// A command is over whatever its exit code, and what it wrote is kept.
fn command_outcome(over: Over) -> (TaskOutcome, Effects) {
    let at_once = reboot(&over) == Some(Reboot::Now);
    let Over { ran, context } = over;
    let effects = context.map(|context| context.effects).filter(|_| !at_once).unwrap_or_default();
    match ran {
        Ok(Some(ran)) => {
            let (state, message) = match ran.ended {
                Ended::Killed if at_once => (TaskState::Completed, ""),
                Ended::Exit(_) | Ended::Signal(_) => (TaskState::Completed, ""),
                Ended::Overrun => (TaskState::Failed, "command timed out"),
                Ended::Killed => (TaskState::Aborted, ""),
            };
            let results = results(Map::new(), &ran);
            (TaskOutcome { state, message: message.to_owned(), results }, effects)
        }
        Ok(None) => (failed("there is no shell"), Effects::default()),
        Err(error) => {
            (failed(muster_console::outcome::Chain(&error).to_string()), Effects::default())
        }
    }
}

/// `return-code`, and the outputs if there are any (section 4.16, "Results").
pub(crate) fn results(mut results: Map<String, Value>, ran: &Ran) -> Map<String, Value> {
    let code = match ran.ended {
        Ended::Exit(code) => code,
        Ended::Signal(signal) => 128 + signal,
        Ended::Overrun | Ended::Killed => 137,
    };
    results.insert("return-code".to_owned(), json!(code));
    for (key, kept) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
        let bytes = kept.clone().told();
        if bytes.is_empty() {
            continue;
        }
        match std::str::from_utf8(&bytes) {
            Ok(text) => {
                results.insert(key.to_owned(), json!(text));
            }
            Err(_) => {
                let text = base64::engine::general_purpose::STANDARD.encode(bytes);
                results.insert(key.to_owned(), json!(text));
                results.insert(format!("{key}-encoding"), json!("base64"));
            }
        }
    }
    results
}
