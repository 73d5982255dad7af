//! Making a controller on this host, starting it again, and taking it down with all it made.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use muster_model::model_config::option;
use muster_model::record::TokenHash;
use muster_resources::Digest;
use tokio::time::Instant;

use super::models::make;
use super::process::{HOME, LOG, Place, Started, free_address};
use super::progress;
use super::remove::{confirm_name, skips};
use super::session::{Controller, Session, connect};
use crate::commands::controllers::{Bootstrap, KillController, StartController};
use crate::commands::models::AddModel;
use crate::context::Chosen;
use crate::context::store::{Account, Controller as Kept};
use crate::failure::Failure;

/// The first user of every controller.
const ADMIN: &str = "admin";
/// How long a controller may take until it answers.
const ANSWERS: Duration = Duration::from_secs(60);
/// How long it may take to end once everything that it made is gone.
const ENDS: Duration = Duration::from_secs(60);
/// Settings of the controller that `--config` may give; other keys are options of models.
const SETTINGS: &[&str] = &[
    "agent",
    "cache-dir",
    "listen",
    "log",
    "machine-mirror",
    "machine-prefix",
    "machine-suite",
    "parallel-machines",
    "substrate",
];

pub(super) async fn bootstrap(session: &mut Session<'_>, act: &Bootstrap) -> Result<(), Failure> {
    let name = act.name.as_str().to_owned();
    if session.contents.controllers.controllers.contains_key(&name) {
        return Err(Failure::new(format!("controller \"{name}\" already exists")).hint(format!(
            "Take it down with \"muster kill-controller {name}\", or choose another name."
        )));
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::new("cannot bootstrap on this host: machines are made as root")
            .hint("Run the same command as root."));
    }
    let (settings, model_options) = settings(act)?;
    let data = match &act.data {
        Some(folder) => session.desk.path(&folder.display().to_string()),
        None => Path::new(HOME).join("controllers").join(&name),
    };
    let place = Place::new(session.desk, data.clone())?;
    session.desk.say(&format!("Creating controller \"{name}\" on {}", act.cloud.as_str()));
    let token = mint()?;
    let hash = TokenHash(Digest::of(token.as_bytes())).to_string();
    place.init(&name, act.cloud.as_str(), &hash)?;
    let made = finish(session, act, &place, &name, token, &settings).await;
    let on = match made {
        Ok(on) => on,
        Err(failure) if act.keep_broken => return Err(failure),
        Err(failure) => {
            place.terminate()?;
            if place.ended(ENDS).await? {
                place.remove()?;
            }
            return Err(failure);
        }
    };
    root(session, &on).await?;
    if let Some(model) = &act.add_model {
        let model = AddModel {
            region: None,
            credential: None,
            name: model.parse().map_err(|error| Failure::tried("cannot add a model", &error))?,
            cloud: None,
            config: BTreeMap::new(),
            files: Vec::new(),
            owner: None,
            no_switch: true,
        };
        let full = make(session, &on, &model, model_options).await?;
        let controller = name.clone();
        session.change(move |contents| {
            contents.models.controllers.entry(controller).or_default().current = Some(full);
        })?;
    } else if !model_options.is_empty() {
        session
            .desk
            .warn("options for models were given and no model is made; give them to add-model");
    }
    session.desk.say(&format!("Bootstrap complete, controller \"{name}\" is now available."));
    session.desk.say("Now you can run\n\tmuster add-model <model-name>\nto create a new model to deploy workloads.");
    Ok(())
}

type Options = BTreeMap<String, String>;

/// What of `--config` and `--model-default` is the controller's and what is its models'.
fn settings(act: &Bootstrap) -> Result<(Options, Options), Failure> {
    let (mut own, mut models) = (BTreeMap::new(), act.model_defaults.clone());
    for (key, value) in &act.config {
        if SETTINGS.contains(&key.as_str()) {
            own.insert(key.clone(), value.clone());
        } else if option(key).is_some() {
            models.insert(key.clone(), value.clone());
        } else {
            return Err(Failure::new(format!("unknown option \"{key}\" of a controller"))
                .hint(format!("There are: {}.", SETTINGS.join(", "))));
        }
    }
    if !own.contains_key("listen") {
        own.insert("listen".to_owned(), free_address()?.to_string());
    }
    Ok((own, models))
}

/// 256 random bits with a mark that scanners recognise.
fn mint() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Failure::tried("cannot make a token", &error))?;
    Ok(format!("mst_{}", hex::encode(bytes)))
}

/// Starts the new controller, waits until it answers, and remembers it.
async fn finish(
    session: &mut Session<'_>,
    act: &Bootstrap,
    place: &Place,
    name: &str,
    token: String,
    settings: &BTreeMap<String, String>,
) -> Result<Controller, Failure> {
    place.keep(settings)?;
    let started = place.start()?;
    let listen = settings.get("listen").cloned().unwrap_or_default();
    let cloud = act.cloud.as_str().to_owned();
    let mut kept = Kept::new(String::new(), vec![listen], place.authority()?, cloud);
    kept.data_folder = Some(place.data.clone());
    let chosen = Chosen {
        name: name.to_owned(),
        controller: kept.clone(),
        user: ADMIN.to_owned(),
        token: token.clone(),
    };
    let on = connect(chosen)?;
    kept.uuid = answers(session, &on, place, started).await?;
    kept.agent_version = Some(super::status::DIALECT.to_owned());
    let (entry, no_switch) = (name.to_owned(), act.no_switch);
    session.change(move |contents| {
        contents.controllers.controllers.insert(entry.clone(), kept);
        let account = Account::new(ADMIN.to_owned(), token, "superuser");
        contents.accounts.controllers.insert(entry.clone(), account);
        contents.models.controllers.remove(&entry);
        if !no_switch {
            contents.controllers.current = Some(entry);
        }
    })?;
    Ok(on)
}

/// Waits until a controller that was just started answers; the answer is its identity.
async fn answers(
    session: &Session<'_>,
    on: &Controller,
    place: &Place,
    mut started: Started,
) -> Result<String, Failure> {
    let wheel = progress::wheel(session.desk, "Waiting for the controller to answer");
    let deadline = Instant::now() + ANSWERS;
    let mut pause = Duration::from_millis(10);
    let result = loop {
        let error = match on.client.version().await {
            Ok(version) => break Ok(version.uuid),
            Err(error) => error,
        };
        match started.ended() {
            Ok(None) => {}
            Ok(Some(status)) => {
                break Err(Failure::new(format!(
                    "the controller did not start ({status}):\n{}",
                    place.tail()
                ))
                .hint(format!("Its whole log: {}", place.data.join(LOG).display())));
            }
            Err(failure) => break Err(failure),
        }
        if Instant::now() > deadline {
            break Err(on.failed(error).while_trying("the controller was started, but"));
        }
        // A port that is not open yet tells nobody when it is.
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(200));
    };
    wheel.finish_and_clear();
    result
}

/// Shows what the substrate does, such as making the root that machines stand on, until it rests.
async fn root(session: &mut Session<'_>, on: &Controller) -> Result<(), Failure> {
    let wheel = progress::wheel(session.desk, "Preparing this host");
    let mut said = String::new();
    loop {
        let body = on.client.controller().await.map_err(|error| on.failed(error))?;
        if body.substrate.is_empty() {
            wheel.finish_and_clear();
            return Ok(());
        }
        super::progress::show(&wheel, &body.substrate);
        if !session.desk.draws() && body.substrate != said {
            session.desk.say(&body.substrate);
            said = body.substrate;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

pub(super) async fn start(session: &mut Session<'_>, act: &StartController) -> Result<(), Failure> {
    let on = named(session, &act.name)?;
    let Some(data) = on.chosen.controller.data_folder.clone() else {
        return Err(Failure::new(format!("controller \"{}\" is not on this host", act.name)));
    };
    let place = Place::new(session.desk, data)?;
    if place.running().is_some() {
        session.desk.say(&format!("controller \"{}\" runs already", act.name));
        return Ok(());
    }
    let started = place.start()?;
    answers(session, &on, &place, started).await?;
    session.desk.say(&format!("controller \"{}\" answers", act.name));
    Ok(())
}

fn named(session: &Session<'_>, name: &str) -> Result<Controller, Failure> {
    connect(crate::context::controller(session.desk, &session.contents, Some(name))?)
}

pub(super) async fn kill(session: &mut Session<'_>, act: &KillController) -> Result<(), Failure> {
    let name = &act.name;
    let on = named(session, name)?;
    let place = match on.chosen.controller.data_folder.clone() {
        Some(data) => Some(Place::new(session.desk, data)?),
        None => None,
    };
    if let Some(place) = &place
        && place.running().is_none()
        && place.data.join("ca.pem").exists()
    {
        // Only the controller knows all that it made on this host.
        session.desk.say("The controller does not run; starting it to take down what it made");
        let started = place.start()?;
        answers(session, &on, place, started).await?;
    }
    let models = on.client.models().await.map_err(|error| on.failed(error))?;
    if !act.with_models && !models.is_empty() {
        let names: Vec<String> = models.iter().map(|m| m.info.name.to_string()).collect();
        return Err(Failure::new(format!(
            "cannot destroy controller \"{name}\": it has models: {}",
            names.join(", ")
        ))
        .hint("Destroy them first, or add --destroy-all-models."));
    }
    if !act.no_prompt && !skips(session.desk) {
        let machines: u32 = models.iter().map(|model| model.machines).sum();
        let question = format!(
            "WARNING! This will destroy the controller \"{name}\" with {} model(s) and {machines} machine(s), and all data in them.\n\nTo continue, enter the name of the controller: ",
            models.len()
        );
        confirm_name(session.desk, &question, name, "controller destruction")?;
    }
    session.desk.say(&format!("Destroying controller \"{name}\""));
    let wheel = progress::wheel(session.desk, "Taking down machines");
    let own = on.client.controller().await.map_err(|error| on.failed(error))?.controller.name;
    let torn = on.client.teardown(own.as_str()).await;
    wheel.finish_and_clear();
    let torn = torn.map_err(|error| {
        on.failed(error).while_trying(format!("cannot destroy controller \"{name}\""))
    })?;
    for path in torn.left {
        session.desk.say(&format!("The data of kept storage stays in {path}"));
    }
    if let Some(place) = &place {
        if !place.ended(act.timeout.unwrap_or(ENDS)).await? {
            return Err(Failure::new(format!(
                "timed out waiting for controller \"{name}\" to end"
            ))
            .hint(format!("Its log: {}", place.data.join(LOG).display())));
        }
        place.remove()?;
    }
    session.change(|contents| contents.forget(name))?;
    session.desk.say(&format!("Controller \"{name}\" is gone."));
    Ok(())
}
