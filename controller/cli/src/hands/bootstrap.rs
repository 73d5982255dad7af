//! Making a controller on this host, and starting it again.
//!
//! ```text
//! store: name, folder, token ─▶ init ─▶ settings ─▶ start ─▶ answers ─▶ machines can be made ─▶ store: uuid
//! ```
//!
//! It is on record before anything of it is made. One that is cut off at any of these steps is gone on
//! with by the next `bootstrap` of that name, or removed by `kill-controller`; one that fails is removed
//! at once, unless it shall stay to be looked at.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use muster_api::body::Preparation;
use muster_model::model_config::option;
use muster_model::record::TokenHash;
use muster_resources::Digest;
use tokio::time::Instant;

use super::kill::{ENDS, take_down};
use super::models::make;
use super::process::{HOME, IMAGES, LOG, Place, Started, free_address};
use super::progress;
use super::session::{Controller, Session, connect};
use crate::commands::controllers::{Bootstrap, StartController};
use crate::commands::models::AddModel;
use crate::context::store::{Account, Controller as Kept};
use crate::context::{self, Chosen};
use crate::desk::Desk;
use crate::failure::Failure;

/// The first user of every controller.
const ADMIN: &str = "admin";
/// How long a controller may take until it answers.
const ANSWERS: Duration = Duration::from_secs(60);
/// Settings of the controller that `--config` may give; other keys are options of models.
const SETTINGS: &[&str] = &[
    "agent",
    "cache-dir",
    IMAGES,
    "listen",
    "log",
    "machine-mirror",
    "machine-prefix",
    "parallel-machines",
    "substrate",
];

pub(super) async fn bootstrap(session: &mut Session<'_>, act: &Bootstrap) -> Result<(), Failure> {
    let name = act.name.as_str().to_owned();
    let known = session.contents.controllers.controllers.get(&name).cloned();
    if known.as_ref().is_some_and(|kept| !kept.is_unfinished()) {
        return Err(Failure::new(format!("controller \"{name}\" already exists")).hint(format!(
            "Take it down with \"muster kill-controller {name}\", or choose another name."
        )));
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::new("cannot bootstrap on this host: machines are made as root")
            .hint("Run the same command as root."));
    }
    let (settings, model_options) = settings(session.desk, act)?;
    let asked = act.data.as_ref().map(|folder| session.desk.path(&folder.display().to_string()));
    let data = match known.as_ref().and_then(|kept| kept.data_folder.clone()) {
        Some(begun) if asked.as_ref().is_some_and(|asked| *asked != begun) => {
            let begun = begun.display();
            return Err(Failure::new(format!("controller \"{name}\" was begun in `{begun}`"))
                .hint(format!("Remove that first: \"muster kill-controller {name}\".")));
        }
        Some(begun) => begun,
        None => asked.unwrap_or_else(|| Path::new(HOME).join("controllers").join(&name)),
    };
    let place = Place::new(session.desk, data.clone())?;
    if known.is_none() && place.made() {
        // What is removed when this fails must be ours.
        let data = data.display();
        return Err(Failure::new(format!("`{data}` holds a controller already")));
    }
    let begins = if known.is_some() { "Going on with" } else { "Creating" };
    session.desk.say(&format!("{begins} controller \"{name}\" on {}", act.cloud.as_str()));
    let on = match made(session, act, &place, settings).await {
        Ok(on) => on,
        Err(failure) if act.keep_broken => return Err(failure),
        Err(failure) => {
            return Err(match take_down(session, &name, &place, ENDS).await {
                Ok(()) => failure,
                Err(second) => failure.hint(format!(
                    "What was made of it is still there ({second}); \
                     \"muster kill-controller {name}\" tries again to remove it."
                )),
            });
        }
    };
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
fn settings(desk: &Desk, act: &Bootstrap) -> Result<(Options, Options), Failure> {
    let (mut own, mut models) = (BTreeMap::new(), act.model_defaults.clone());
    for (key, value) in &act.config {
        if key == IMAGES {
            own.insert(key.clone(), desk.path(value).display().to_string());
        } else if SETTINGS.contains(&key.as_str()) {
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

/// Makes what of the controller is not there yet, waits until it can make machines, and remembers it as
/// whole.
async fn made(
    session: &mut Session<'_>,
    act: &Bootstrap,
    place: &Place,
    settings: Options,
) -> Result<Controller, Failure> {
    let name = act.name.as_str().to_owned();
    // Settings that were given now count; one that runs with others is started again.
    if !act.config.is_empty() {
        place.end(ENDS).await?;
    }
    let running = place.running()?;
    let listen = settings.get("listen").filter(|_| running.is_none()).cloned();
    let (mut kept, token) = remember(session, act, place, listen)?;
    if !place.made() {
        let hash = TokenHash(Digest::of(token.as_bytes())).to_string();
        place.init(&name, act.cloud.as_str(), &hash)?;
    }
    let started = match running {
        Some(process) => Started::Found(process),
        None => {
            place.keep(&settings)?;
            place.start()?
        }
    };
    kept.ca_cert = place.authority()?;
    let chosen = Chosen {
        name: name.clone(),
        controller: kept.clone(),
        user: ADMIN.to_owned(),
        token: token.clone(),
    };
    let on = connect(chosen)?;
    let uuid = answers(session, &on, place, started).await?;
    root(session, &on).await?;
    kept.uuid = uuid;
    kept.agent_version = Some(super::status::DIALECT.to_owned());
    let no_switch = act.no_switch;
    session.change(move |contents| {
        contents.controllers.controllers.insert(name.clone(), kept);
        contents.models.controllers.remove(&name);
        if !no_switch {
            contents.controllers.current = Some(name);
        }
    })?;
    Ok(on)
}

/// Writes down what there will be, before any of it is: where it is, where it listens unless that stands
/// already, and the token of its first user.
fn remember(
    session: &mut Session<'_>,
    act: &Bootstrap,
    place: &Place,
    listen: Option<String>,
) -> Result<(Kept, String), Failure> {
    let (name, cloud) = (act.name.as_str().to_owned(), act.cloud.as_str().to_owned());
    let (data, fresh) = (place.data.clone(), mint()?);
    session.change(move |contents| {
        let new = || Kept::new(String::new(), Vec::new(), String::new(), cloud);
        let kept = contents.controllers.controllers.entry(name.clone()).or_insert_with(new);
        kept.data_folder = Some(data);
        if let Some(listen) = listen {
            kept.api_endpoints = vec![listen];
        }
        let new = || Account::new(ADMIN.to_owned(), fresh.clone(), "superuser");
        let account = contents.accounts.controllers.entry(name).or_insert_with(new);
        (kept.clone(), account.token.get_or_insert(fresh).clone())
    })
}

/// Waits until a controller that was just started answers; the answer is its identity.
pub(super) async fn answers(
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

/// Shows what the substrate does, such as making the root that machines stand on, until machines
/// can be made.
async fn root(session: &mut Session<'_>, on: &Controller) -> Result<(), Failure> {
    let wheel = progress::wheel(session.desk, "Preparing this host");
    let mut said = String::new();
    let result = loop {
        let doing = match on.client.controller().await.map(|body| body.substrate) {
            Ok(Preparation::Ready) => break Ok(()),
            Ok(Preparation::Busy(doing)) => doing,
            Ok(Preparation::Failed(why)) => {
                break Err(Failure::new(format!("this host cannot make machines: {why}"))
                    .hint("Mend it, and run the same command again."));
            }
            Err(error) => break Err(on.failed(error)),
        };
        super::progress::show(&wheel, &doing);
        if !session.desk.draws() && doing != said {
            session.desk.say(&doing);
            said = doing;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    };
    wheel.finish_and_clear();
    result
}

pub(super) async fn start(session: &mut Session<'_>, act: &StartController) -> Result<(), Failure> {
    let chosen = context::controller(session.desk, &session.contents, Some(&act.name))?;
    let on = connect(chosen)?;
    let Some(data) = on.chosen.controller.data_folder.clone() else {
        return Err(Failure::new(format!("controller \"{}\" is not on this host", act.name)));
    };
    let place = Place::new(session.desk, data)?;
    if place.running()?.is_some() {
        session.desk.say(&format!("controller \"{}\" runs already", act.name));
        return Ok(());
    }
    let started = place.start()?;
    answers(session, &on, &place, started).await?;
    session.desk.say(&format!("controller \"{}\" answers", act.name));
    Ok(())
}
