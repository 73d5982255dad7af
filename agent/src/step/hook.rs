//! Running a hook (hook contract, sections 3 and 4.14).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use muster_model::Hook;
use muster_resolver::{Next, Step};

use super::StepError;
use crate::hook::context::{About, Context, Reboot};
use crate::hook::left::Heir;
use crate::hook::output::{Kept, Sink};
use crate::hook::process::{self, Ended, Plan, Ran, StartError};
use crate::tools;
use crate::unit::Unit;
use crate::unit_log::Level;

/// A run that is over: what became of its process, and what its tools left.
pub(super) struct Over {
    pub(super) ran: Result<Option<Ran>, StartError>,
    pub(super) context: Option<Context>,
}

pub(super) async fn run(unit: &mut Unit, step: &Step, hook: &Hook) -> Result<(), StepError> {
    unit.fetch_settings().await?;
    let held = unit.lock_machine().await?;
    // Others ran while this waited for its turn: is it still the thing to do?
    if unit.next() != Some(Next::Run(step.clone())) {
        return Ok(());
    }
    // A newer goal may have come since: the hook counts as having seen what that says.
    unit.fetch_settings().await?;
    let about = About::Hook(hook.clone());
    let program = program(unit, &about);
    let context = unit.context(about).map_err(StepError::Prepare)?;
    let inputs = unit.inputs();
    let before = unit.local.clone();
    unit.local.begin(hook.clone(), inputs);
    // A hook that the charm does not have starts nothing that a crash could interrupt.
    if !matches!(program, Ok(None))
        && let Err(error) = unit.save()
    {
        // It was not started, and does not count as if it had been.
        unit.local = before;
        return Err(error);
    }
    let over = execute(unit, context, program, None).await;
    drop(held);
    if *hook == Hook::UpdateStatus {
        unit.next_tick();
    }
    settle(unit, hook, over);
    unit.save()
}

/// What the end of the process means for the hook.
fn settle(unit: &mut Unit, hook: &Hook, over: Over) {
    let Over { ran, context } = over;
    let reboot = context.as_ref().and_then(|context| context.reboot);
    unit.reboot = reboot;
    let failed = |unit: &mut Unit, reason: &str| {
        unit.log.write(Level::Error, &hook.to_string(), &format!("hook failed: {reason}"));
        unit.local.failed(reason);
        unit.reboot = None;
    };
    let (ended, crowded) = match ran {
        Ok(Some(ran)) => (ran.ended, ran.crowded),
        Ok(None) => {
            let text = "skipped: the charm has no such hook";
            unit.log.write(Level::Debug, &hook.to_string(), text);
            (Ended::Exit(0), false)
        }
        Err(error) => {
            return failed(unit, &muster_console::outcome::Chain(&error).to_string());
        }
    };
    let failed = |unit: &mut Unit, reason: &str| match crowded {
        // What fails then is whatever wanted to start a process, in words of its own.
        true => {
            let most = unit.world.settings.processes;
            failed(unit, &format!("{reason}, after it wanted more than {most} processes at once"));
        }
        false => failed(unit, reason),
    };
    match ended {
        Ended::Exit(0) => match context {
            Some(context) => {
                let effects = with_network_keys(unit, hook, context);
                unit.local.ended(effects);
            }
            None => failed(unit, "the agent lost what the hook wrote"),
        },
        Ended::Exit(code) => failed(unit, &format!("exit status {code}")),
        // Ended by somebody outside, or to restart the machine: it runs again from scratch.
        Ended::Signal(9 | 15) => unit.local.terminated(),
        Ended::Killed => {
            unit.local.terminated();
            unit.reboot_due = reboot == Some(Reboot::Now);
        }
        Ended::Signal(signal) => failed(unit, &format!("killed by signal {signal}")),
        Ended::Overrun => {
            failed(unit, "it took longer than the model's `hook-deadline` and was ended");
        }
    }
}

/// On `config-changed` the keys of the network are written anew, before what the charm wrote itself
/// (section 4.15).
fn with_network_keys(unit: &Unit, hook: &Hook, context: Context) -> muster_model::Effects {
    let mut effects = context.effects;
    if *hook != Hook::ConfigChanged {
        return effects;
    }
    let own = muster_model::name::Member::Unit(unit.name.clone());
    for (id, _) in context.relations.iter().filter(|(_, view)| view.in_scope) {
        let kept = context.cache.bags.get(&(*id, own.clone()));
        for (key, value) in tools::bag_keys(&context.goal) {
            let same = kept.is_some_and(|(_, bag)| bag.get(key) == Some(&value));
            if !same {
                let change = effects.unit_settings.entry(*id).or_default();
                change.entry(key.to_owned()).or_insert(Some(value));
            }
        }
    }
    effects
}

/// A command in place of the charm's own program.
pub(super) struct Shell {
    pub(super) command: String,
    pub(super) timeout: Option<Duration>,
    pub(super) sink: Sink,
}

/// What is to be started; none: the charm has nothing of that name.
pub(super) type Program = Result<Option<PathBuf>, StartError>;

/// The program that answers what a run is about.
pub(super) fn program(unit: &Unit, about: &About) -> Program {
    let what = match about {
        About::Hook(hook) => format!("hooks/{hook}"),
        About::Action { name, .. } => format!("actions/{name}"),
        About::Command { .. } => return Ok(Some("/bin/bash".into())),
    };
    process::program(&unit.world.settings.paths.charm(&unit.name), &what)
}

/// Runs whatever `context` is about, with tools served, to its end.
pub(super) async fn execute(
    unit: &mut Unit,
    context: Context,
    program: Program,
    shell: Option<Shell>,
) -> Over {
    let about = context.about.clone();
    let settings = Arc::clone(&unit.world.settings);
    let charm_folder = settings.paths.charm(&unit.name);
    let program = match program {
        Ok(Some(program)) => program,
        Ok(None) => return Over { ran: Ok(None), context: Some(context) },
        Err(error) => return Over { ran: Err(error), context: None },
    };
    let (deadline, sink) = match (&about, &shell) {
        (About::Hook(_), _) => {
            let most = context.goal.settings.hook_deadline_ms;
            (most.map(Duration::from_millis), Sink::Nowhere)
        }
        (_, Some(shell)) => (shell.timeout, shell.sink.clone()),
        (_, None) => (None, Sink::Kept),
    };
    let part = about.word();
    let executing = about.executing();
    let ticks = matches!(about, About::Hook(Hook::UpdateStatus));
    let cancel = task_of(&about).map(|task| unit.watch_cancel(task));
    let kill = context.kill.clone();
    let variables = crate::hook::environment::variables(&context);
    let started = match unit.starters.take() {
        Ok(started) => started,
        Err(source) => {
            let path = settings.program.clone();
            return Over { ran: Err(StartError::Start { path, source }), context: None };
        }
    };
    if !ticks {
        unit.world.set_executing(&unit.name, Some(executing));
    }
    let serving = unit.server.open(context, Arc::clone(&started.group));
    let args = shell.map_or_else(Vec::new, |shell| vec!["-c".into(), shell.command.into()]);
    let plan = Plan {
        settings: &settings,
        program: &program,
        args,
        cwd: charm_folder,
        variables,
        deadline,
        sink,
        // What an operator's command prints is its result, and nobody else's to read.
        log: (!matches!(about, About::Command { .. })).then_some((&unit.log, part.clone())),
        heir: Heir { runs: unit.starters.runs(), tag: unit.name.tag() },
    };
    let watch = async {
        match cancel {
            Some(cancel) => cancel.await,
            None => std::future::pending().await,
        }
        kill.cancel();
        std::future::pending::<()>().await;
    };
    let ran = tokio::select! {
        ran = process::run(plan, started, &kill) => ran,
        () = watch => unreachable_run(),
    };
    // The tools' last word: what they wrote until now counts, what comes later is refused.
    let context = serving.close().await;
    if let Some(context) = &context {
        unit.cache.views.over(&context.cache.views);
    }
    unit.log.close(&part);
    unit.starters.prepare();
    unit.world.set_executing(&unit.name, None);
    Over { ran: ran.map(Some), context }
}

/// `watch` never ends, so the run always does.
fn unreachable_run() -> Result<Ran, StartError> {
    let (stdout, stderr) = (Kept::default(), Kept::default());
    Ok(Ran { ended: Ended::Killed, stdout, stderr, crowded: false })
}

fn task_of(about: &About) -> Option<muster_model::name::TaskId> {
    match about {
        About::Action { task, .. } => Some(*task),
        About::Command { task, .. } => *task,
        About::Hook(_) => None,
    }
}
