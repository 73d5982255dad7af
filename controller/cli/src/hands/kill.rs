//! Taking a controller down, with all it made.
//!
//! As long as it answers it does so itself, since it knows what is under way. One that cannot be started
//! any more, or was never whole, has left records on this host, and these are enough.

use std::time::Duration;

use muster_api::CallError;
use muster_model::view::ModelSummary;

use super::bootstrap::answers;
use super::process::Place;
use super::progress;
use super::remove::{confirm_name, skips};
use super::session::{Controller, Session, connect};
use crate::commands::controllers::KillController;
use crate::context;
use crate::failure::Failure;

/// How long a controller may take to end once it was told to.
pub(super) const ENDS: Duration = Duration::from_secs(60);

/// What a controller that is to go says.
enum Reached {
    /// It answers, with the models that it has.
    Answers(Box<Controller>, Vec<ModelSummary>),
    /// It does not, and why.
    Silent(Failure),
}

pub(super) async fn kill(session: &mut Session<'_>, act: &KillController) -> Result<(), Failure> {
    let name = &act.name;
    let kept = context::kept(session.desk, &session.contents, name)?.clone();
    let place = match kept.data_folder.clone() {
        Some(data) => Some(Place::new(session.desk, data)?),
        None => None,
    };
    let reached = if kept.is_unfinished() {
        Reached::Silent(Failure::new("its bootstrap was cut off"))
    } else {
        reach(session, name, place.as_ref()).await?
    };
    let within = act.timeout.unwrap_or(ENDS);
    match (reached, place) {
        (Reached::Answers(on, models), place) => {
            by_itself(session, act, &on, &models).await?;
            match place {
                // Nothing is left to take down; only its process, its service and its folder go.
                Some(place) => {
                    place.end(within).await?;
                    place.remove()?;
                    session.change(|contents| contents.forget(name))?;
                }
                None => session.change(|contents| contents.forget(name))?,
            }
        }
        (Reached::Silent(failure), None) => return Err(failure),
        (Reached::Silent(failure), Some(_)) if !act.with_models && !kept.is_unfinished() => {
            let hint =
                format!("\"muster kill-controller {name}\" removes it with whatever it has.");
            return Err(failure.hint(hint));
        }
        (Reached::Silent(failure), Some(place)) => {
            session
                .desk
                .say(&format!("Controller \"{name}\" does not answer: {}", failure.message));
            confirm(session, act, "whatever it made on this host")?;
            session.desk.say("Taking down what its records on this host name");
            take_down(session, name, &place, within).await?;
        }
    }
    session.desk.say(&format!("Controller \"{name}\" is gone."));
    Ok(())
}

/// Asks a controller for its models, starting it where it does not run.
async fn reach(
    session: &mut Session<'_>,
    name: &str,
    place: Option<&Place>,
) -> Result<Reached, Failure> {
    let on = connect(context::controller(session.desk, &session.contents, Some(name))?)?;
    if let Some(place) = place
        && place.running()?.is_none()
    {
        if !place.made() {
            let data = place.data.display();
            return Ok(Reached::Silent(Failure::new(format!("`{data}` holds no controller"))));
        }
        session.desk.say("The controller does not run; starting it to take down what it made");
        let started = match place.start() {
            Ok(started) => started,
            Err(failure) => return Ok(Reached::Silent(failure)),
        };
        if let Err(failure) = answers(session, &on, place, started).await {
            return Ok(Reached::Silent(failure));
        }
    }
    match on.client.models().await {
        Ok(models) => Ok(Reached::Answers(Box::new(on), models)),
        // Nobody is there; a controller that says no is another matter.
        Err(error @ CallError::Unreachable { .. }) => Ok(Reached::Silent(on.failed(error))),
        Err(error) => Err(on.failed(error)),
    }
}

/// Lets a controller take down what it made.
async fn by_itself(
    session: &mut Session<'_>,
    act: &KillController,
    on: &Controller,
    models: &[ModelSummary],
) -> Result<(), Failure> {
    let name = &act.name;
    if !act.with_models && !models.is_empty() {
        let names: Vec<String> = models.iter().map(|m| m.info.name.to_string()).collect();
        return Err(Failure::new(format!(
            "cannot destroy controller \"{name}\": it has models: {}",
            names.join(", ")
        ))
        .hint("Destroy them first, or add --destroy-all-models."));
    }
    let machines: u32 = models.iter().map(|model| model.machines).sum();
    let what = format!("{} model(s) and {machines} machine(s), and all data in them", models.len());
    confirm(session, act, &what)?;
    session.desk.say(&format!("Destroying controller \"{name}\""));
    let wheel = progress::wheel(session.desk, "Taking down machines");
    let own = on.client.controller().await.map_err(|error| on.failed(error))?.controller.name;
    let torn = on.client.teardown(own.as_str()).await;
    wheel.finish_and_clear();
    let torn = torn.map_err(|error| {
        on.failed(error).while_trying(format!("cannot destroy controller \"{name}\""))
    })?;
    tell_kept(session, &torn.left);
    Ok(())
}

fn confirm(session: &mut Session<'_>, act: &KillController, what: &str) -> Result<(), Failure> {
    if act.no_prompt || skips(session.desk) {
        return Ok(());
    }
    let name = &act.name;
    let question = format!(
        "WARNING! This will destroy the controller \"{name}\" with {what}.\n\nTo continue, enter the name of the controller: "
    );
    confirm_name(session.desk, &question, name, "controller destruction")
}

fn tell_kept(session: &mut Session<'_>, left: &[String]) {
    for path in left {
        session.desk.say(&format!("The data of kept storage stays in {path}"));
    }
}

/// Ends a controller of this host, whatever state it is in, and removes what it made by its records,
/// then the records, then the entry in the store: cut off anywhere, the same is done again.
pub(super) async fn take_down(
    session: &mut Session<'_>,
    name: &str,
    place: &Place,
    within: Duration,
) -> Result<(), Failure> {
    place.end(within).await?;
    let left = place.teardown()?;
    tell_kept(session, &left);
    place.remove()?;
    session.change(|contents| contents.forget(name))
}
