//! Commands on the machine itself, outside of any unit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use muster_model::Report;
use muster_model::goal::{Goal, TaskGoal};
use muster_model::name::TaskId;
use muster_model::record::TaskKind;
use muster_model::report::{ReportBody, TaskOutcome};
use muster_model::status::TaskState;
use serde_json::Map;
use tokio_util::sync::CancellationToken;

use crate::controller::report_until_answered;
use crate::hook::left::Heir;
use crate::hook::output::Sink;
use crate::hook::process::{self, Ended, Plan};
use crate::hook::starting::Starters;
use crate::step;
use crate::world::World;

/// How long a task waits that could not be journalled.
const AGAIN: Duration = Duration::from_secs(5);

/// Runs the machine's tasks one after the other until `stop`. A task that was running when the agent
/// ended is not run again by itself: what is known of it is that it began.
pub(crate) async fn serve(world: World, starters: Starters, stop: CancellationToken) {
    let mut goals = world.goal.subscribe();
    let mut done: BTreeSet<TaskId> = BTreeSet::new();
    while !stop.is_cancelled() {
        let next = {
            let goal = goals.borrow_and_update();
            goal.as_ref().and_then(|goal| {
                done.retain(|id| goal.tasks.iter().any(|task| task.id == *id));
                goal.tasks.iter().find(|task| !done.contains(&task.id)).cloned()
            })
        };
        let Some(task) = next else {
            tokio::select! {
                changed = goals.changed() => if changed.is_err() { return },
                () = stop.cancelled() => return,
            }
            continue;
        };
        let started = world.settings.paths.muster.join(format!("task-{}", task.id));
        let outcome = if task.cancel {
            ended(TaskState::Cancelled, "")
        } else if started.exists() {
            ended(TaskState::Failed, "the agent was interrupted while the command ran")
        } else {
            if let Err(error) = std::fs::write(&started, "") {
                tracing::warn!(%error, "a task cannot be journalled");
                // A full disk, most likely: looked at again after a while, or when something changes.
                tokio::select! {
                    () = tokio::time::sleep(AGAIN) => {}
                    changed = goals.changed() => if changed.is_err() { return },
                    () = stop.cancelled() => return,
                }
                continue;
            }
            match run(&world, &starters, &task, &stop).await {
                Some(outcome) => outcome,
                None => {
                    // It did not begin; the next start of the agent runs it.
                    if let Err(error) = std::fs::remove_file(&started) {
                        tracing::warn!(%error, "a task's mark is not removed");
                    }
                    return;
                }
            }
        };
        let body = ReportBody::MachineTask { machine: world.machine, task: task.id, outcome };
        let report = Report { model: world.model, body };
        match report_until_answered(&world.controller, &report, &stop).await {
            None => return,
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                let chain = muster_console::outcome::Chain(&error);
                tracing::warn!(error = %chain, "a task's outcome was not taken");
            }
        }
        done.insert(task.id);
        if let Err(error) = std::fs::remove_file(&started) {
            tracing::debug!(%error, "a task's mark is not removed");
        }
    }
}

fn ended(state: TaskState, message: &str) -> TaskOutcome {
    TaskOutcome { state, message: message.to_owned(), results: Map::new() }
}

/// None: `stop` came before it began.
async fn run(
    world: &World,
    starters: &Starters,
    task: &TaskGoal,
    stop: &CancellationToken,
) -> Option<TaskOutcome> {
    let TaskKind::Command { command, timeout_ms } = &task.kind else {
        return Some(ended(TaskState::Failed, "a machine has no actions"));
    };
    let running = ended(TaskState::Running, "");
    let body = ReportBody::MachineTask { machine: world.machine, task: task.id, outcome: running };
    let report = Report { model: world.model, body };
    // A refusal changes nothing: the outcome is reported in any case.
    let _answer = report_until_answered(&world.controller, &report, stop).await?;
    let kill = CancellationToken::new();
    let started = match starters.take() {
        Ok(started) => started,
        Err(error) => {
            return Some(ended(TaskState::Failed, &format!("cannot start a process: {error}")));
        }
    };
    let plan = Plan {
        settings: &world.settings,
        program: std::path::Path::new("/bin/bash"),
        args: vec!["-c".into(), command.into()],
        cwd: "/".into(),
        variables: BTreeMap::from([
            ("PATH", world.settings.path.clone().into()),
            ("LANG", "C.UTF-8".into()),
            ("HOME", "/root".into()),
        ]),
        deadline: timeout_ms.map(Duration::from_millis),
        sink: Sink::Kept,
        log: None,
        heir: Heir { runs: starters.runs(), tag: format!("machine-{}", world.machine) },
    };
    let mut goals = world.goal.subscribe();
    let id = task.id;
    let cancelled = async {
        let wanted = |goal: &Option<Arc<Goal>>| {
            goal.as_ref()
                .is_some_and(|goal| goal.tasks.iter().any(|task| task.id == id && task.cancel))
        };
        if goals.wait_for(wanted).await.is_ok() {
            kill.cancel();
        }
        std::future::pending::<()>().await;
    };
    let ran = tokio::select! {
        ran = process::run(plan, started, &kill) => ran,
        () = cancelled => return Some(ended(TaskState::Aborted, "")),
    };
    Some(match ran {
        Ok(ran) => {
            let (state, message) = match ran.ended {
                Ended::Exit(_) | Ended::Signal(_) => (TaskState::Completed, ""),
                Ended::Overrun => (TaskState::Failed, "command timed out"),
                Ended::Killed => (TaskState::Aborted, ""),
            };
            let results = step::results(Map::new(), &ran);
            TaskOutcome { state, message: message.to_owned(), results }
        }
        Err(error) => ended(TaskState::Failed, &muster_console::outcome::Chain(&error).to_string()),
    })
}
