//! Models: made, taken down, listed, shared.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_model::command::{EstateCommand, ModelCommand};
use muster_model::constraints::Constraints;
use muster_model::life::Life;
use muster_model::name::ModelId;
use muster_model::record::ModelAccess;
use muster_model::refusal::Code;
use muster_model::reply::Outcome;
use muster_model::view::{Condition, ModelSummary, ViewRequest, Wait};
use tokio::time::Instant;

use super::remove::{confirm_name, listing, skips};
use super::session::{Controller, Focus, Session};
use super::{files, progress};
use crate::clock::Zone;
use crate::commands::models::{AddModel, DestroyModel, Grant, GrantController, Models, ShowModel};
use crate::context::store::SeenModel;
use crate::failure::Failure;
use crate::print;
use crate::shape::models as shapes;
use crate::shape::status::Info;

/// The longest that one wait on the server is asked to take.
const ONE_WAIT: Duration = Duration::from_secs(40);

pub(super) async fn add(session: &mut Session<'_>, act: &AddModel) -> Result<(), Failure> {
    let on = session.controller()?;
    let mut config = BTreeMap::new();
    for file in &act.files {
        config.extend(files::settings(session.desk, file)?);
    }
    config.extend(act.config.clone());
    let idle = super::config::idle(config.keys());
    let name = make(session, &on, act, config).await?;
    idle.iter().for_each(|warning| session.desk.warn(warning));
    let (user, cloud) = (&on.chosen.user, &on.chosen.controller.cloud);
    session.desk.say(&format!("Added '{}' model on {cloud} for user '{user}'", act.name));
    if !act.no_switch {
        let controller = on.chosen.name.clone();
        session.change(move |contents| {
            let models = contents.models.controllers.entry(controller.clone()).or_default();
            models.previous = models.current.replace(name);
            contents.controllers.current = Some(controller);
        })?;
    }
    Ok(())
}

/// Makes a model and remembers it; the answer is `user/model`.
pub(super) async fn make(
    session: &mut Session<'_>,
    on: &Controller,
    act: &AddModel,
    config: BTreeMap<String, String>,
) -> Result<String, Failure> {
    let id = ModelId(uuid::Uuid::new_v4());
    let command = EstateCommand::AddModel {
        id,
        name: act.name.clone(),
        owner: act.owner.clone(),
        cloud: act.cloud.clone(),
        region: act.region.clone(),
        config,
        constraints: Constraints::default(),
    };
    let what = format!("cannot add model \"{}\"", act.name);
    let reply = on.estate(command).await.map_err(|failure| failure.while_trying(what))?;
    let id = match reply.outcome {
        Outcome::Model(id) => id,
        _ => id,
    };
    let owner = act.owner.as_ref().map_or(on.chosen.user.clone(), ToString::to_string);
    let name = format!("{owner}/{}", act.name);
    let (controller, entry) = (on.chosen.name.clone(), name.clone());
    session.change(move |contents| {
        let models = contents.models.controllers.entry(controller).or_default();
        models.models.insert(entry, SeenModel::new(id.to_string()));
    })?;
    Ok(name)
}

pub(super) async fn destroy(session: &mut Session<'_>, act: &DestroyModel) -> Result<(), Failure> {
    let focus = session.focus_on(Some(&act.model)).await?;
    let short = focus.short().to_owned();
    let trying = format!("cannot destroy model \"{short}\"");
    let command =
        ModelCommand::DestroyModel { destroy_storage: act.destroy_storage, force: act.force };
    // Whatever stands against it is said before anybody is asked, and what is lost with it.
    let planned = focus.ask(command.clone(), true).await;
    let planned = planned.map_err(|failure| failure.while_trying(&trying))?;
    let what = ViewRequest { storage: true, ..ViewRequest::default() };
    let view = focus.view(&what).await?;
    let listed = listing(&format!("model {short}"), &planned.outcome);
    listed.lines().skip(1).for_each(|line| session.desk.say(line));
    if !act.no_prompt && !skips(session.desk) {
        let units: usize = view.applications.values().map(|a| a.units.len()).sum();
        let question = format!(
            "WARNING! This will destroy the model \"{short}\": {} machine(s), {} application(s), {units} unit(s), {} storage(s).\n\nTo continue, enter the name of the model: ",
            view.machines.len(),
            view.applications.len(),
            view.storage.len()
        );
        confirm_name(session.desk, &question, &short, "model destruction")?;
    }
    session.desk.say("Destroying model");
    focus.tell(command).await.map_err(|failure| failure.while_trying(&trying))?;
    until_gone(session, &focus, act.timeout).await?;
    let (controller, name) = (focus.on.chosen.name.clone(), focus.name.clone());
    session.change(move |contents| {
        if let Some(models) = contents.models.controllers.get_mut(&controller) {
            models.models.remove(&name);
            if models.current.as_deref() == Some(name.as_str()) {
                models.current = None;
            }
        }
    })?;
    session.desk.say("Model destroyed.");
    Ok(())
}

/// Waits until a model is no longer there, and says what it waits for.
pub(super) async fn until_gone(
    session: &mut Session<'_>,
    focus: &Focus,
    timeout: Option<Duration>,
) -> Result<(), Failure> {
    let deadline = timeout.map(|time| Instant::now() + time);
    let wheel = progress::wheel(session.desk, "Waiting for model to be removed");
    let mut said = String::new();
    loop {
        let view = match focus.view(&ViewRequest::default()).await {
            Ok(view) => view,
            Err(failure) if failure.refused == Some(Code::NotFound) => break,
            Err(failure) => return Err(failure),
        };
        let units: usize = view.applications.values().map(|a| a.units.len()).sum();
        let mut rest = Vec::new();
        for (count, noun) in [
            (view.machines.len(), "machine"),
            (view.applications.len(), "application"),
            (units, "unit"),
        ] {
            if count > 0 {
                rest.push(format!("{count} {noun}(s)"));
            }
        }
        let text = format!("Waiting for model to be removed, {}...", rest.join(", "));
        let text = text.replace(", ...", "...");
        progress::show(&wheel, &text);
        if text != said && !session.desk.draws() {
            session.desk.say(&text);
        }
        said = text;
        let left = match deadline {
            None => ONE_WAIT,
            Some(deadline) => deadline.saturating_duration_since(Instant::now()).min(ONE_WAIT),
        };
        if left.is_zero() {
            wheel.finish_and_clear();
            let waiting = blockers(&view);
            return Err(Failure::new(format!(
                "timed out waiting for model \"{}\" to be removed{waiting}",
                focus.short()
            ))
            .hint("It goes on being removed. With --force it does not wait for hooks."));
        }
        let timeout_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let condition = Condition::Changed { after: view.revision };
        match focus.wait(&Wait { condition, timeout_ms }).await {
            Ok(_) => {}
            Err(failure) if failure.refused == Some(Code::NotFound) => break,
            Err(failure) => return Err(failure),
        }
    }
    wheel.finish_and_clear();
    Ok(())
}

/// The first unit that holds a removal up, with its reason.
fn blockers(view: &muster_model::view::ModelView) -> String {
    let mut units = view.applications.values().flat_map(|application| &application.units);
    match units.find(|(_, unit)| !unit.settled) {
        Some((name, unit)) => format!(": {name} {}", unit.waits_for),
        None => String::new(),
    }
}

fn access(access: ModelAccess) -> &'static str {
    match access {
        ModelAccess::Read => "read",
        ModelAccess::Write => "write",
        ModelAccess::Admin => "admin",
    }
}

fn state(summary: &ModelSummary) -> Info {
    let word = match summary.info.life {
        Life::Alive => "available",
        Life::Dying | Life::Dead => "destroying",
    };
    Info {
        current: word.to_owned(),
        since: Some(Zone::of(false).status(summary.info.created)),
        ..Info::default()
    }
}

fn listed(summary: &ModelSummary, on: &Controller) -> shapes::Listed {
    let info = &summary.info;
    shapes::Listed {
        name: format!("{}/{}", info.owner, info.name),
        short_name: info.name.to_string(),
        model_uuid: info.id.to_string(),
        model_type: "iaas".to_owned(),
        controller_uuid: on.chosen.controller.uuid.clone(),
        controller_name: on.chosen.name.clone(),
        is_controller: false,
        owner: info.owner.to_string(),
        cloud: info.cloud.to_string(),
        kind: super::config::PROVIDER.to_owned(),
        life: info.life.to_string(),
        status: state(summary),
        access: access(summary.access).to_owned(),
        last_connection: "just now".to_owned(),
        agent_version: super::status::DIALECT.to_owned(),
        machines: summary.machines as usize,
        cores: summary.cores as usize,
        units: summary.units as usize,
    }
}

pub(super) async fn list(session: &mut Session<'_>, act: &Models) -> Result<(), Failure> {
    let on = session.controller()?;
    let mut models = on.client.models().await.map_err(|error| on.failed(error))?;
    models.retain(|m| act.user.as_ref().is_none_or(|user| m.info.owner == *user));
    models.sort_by(|a, b| (&a.info.owner, &a.info.name).cmp(&(&b.info.owner, &b.info.name)));
    let known = session.contents.models.controllers.get(&on.chosen.name);
    let current = known.and_then(|known| known.current.clone());
    let shape = shapes::Models {
        current_model: current
            .filter(|name| {
                models.iter().any(|m| format!("{}/{}", m.info.owner, m.info.name) == *name)
            })
            .map(|name| name.rsplit('/').next().unwrap_or_default().to_owned()),
        models: models.iter().map(|summary| listed(summary, &on)).collect(),
    };
    session.write(&shape, || print::models::tabular(&shape, &on.chosen.name, act.uuids))
}

pub(super) async fn show(session: &mut Session<'_>, act: &ShowModel) -> Result<(), Failure> {
    let focus = session.focus_on(act.model.as_deref()).await?;
    let on = focus.on.clone();
    let view = focus.view(&ViewRequest { secrets: true, ..ViewRequest::default() }).await?;
    let models = on.client.models().await.map_err(|error| on.failed(error))?;
    let Some(summary) = models.iter().find(|summary| summary.info.id == focus.id) else {
        return Err(Failure::new(format!("model \"{}\" not found", focus.name)));
    };
    let own = listed(summary, &on);
    let user = |access: &str| shapes::User {
        access: access.to_owned(),
        last_connection: "not recorded".to_owned(),
    };
    let mut users: BTreeMap<String, shapes::User> = summary
        .info
        .access
        .iter()
        .map(|(name, level)| (name.to_string(), user(access(*level))))
        .collect();
    let me = users.entry(on.chosen.user.clone()).or_insert_with(|| user(&own.access));
    me.last_connection = "just now".to_owned();
    let cores = |machine: &muster_model::view::MachineView| {
        machine.facts.as_ref().map_or(0, |facts| u64::from(facts.hardware.cores))
    };
    let machines = view.machines.iter();
    let model = shapes::Model {
        name: own.name,
        short_name: own.short_name.clone(),
        model_uuid: own.model_uuid,
        model_type: own.model_type,
        controller_uuid: own.controller_uuid,
        controller_name: own.controller_name,
        is_controller: false,
        owner: own.owner,
        cloud: own.cloud,
        kind: own.kind,
        life: own.life,
        status: own.status,
        users,
        machines: machines
            .map(|(id, m)| (id.to_string(), shapes::Machine { cores: cores(m) }))
            .collect(),
        secret_backends: BTreeMap::from([(
            "internal".to_owned(),
            shapes::SecretBackend {
                num_secrets: view.secrets.len() as u64,
                status: "active".to_owned(),
            },
        )]),
        agent_version: own.agent_version,
    };
    let shown: shapes::Shown = BTreeMap::from([(own.short_name, model)]);
    session.write(&shown, String::new)
}

pub(super) async fn grant_controller(
    session: &mut Session<'_>,
    act: &GrantController,
) -> Result<(), Failure> {
    let on = session.controller()?;
    let command = EstateCommand::GrantController { user: act.user.clone(), access: act.access };
    let trying = format!("cannot change the access of \"{}\" to the controller", act.user);
    let reply = on.estate(command).await.map_err(|failure| failure.while_trying(trying))?;
    if !reply.changed {
        session.desk.say("Nothing to do: it is so already.");
    }
    Ok(())
}

pub(super) async fn grant(session: &mut Session<'_>, act: &Grant) -> Result<(), Failure> {
    for named in &act.models {
        let focus = session.focus_on(Some(named)).await?;
        let verb = if act.revoke { "revoke" } else { "grant" };
        let trying = format!("cannot {verb} \"{}\" on model \"{named}\"", access(act.access));
        // Taking a level away leaves the one below it.
        let level = match (act.revoke, act.access) {
            (false, level) => Some(level),
            (true, ModelAccess::Read) => None,
            (true, ModelAccess::Write) => Some(ModelAccess::Read),
            (true, ModelAccess::Admin) => Some(ModelAccess::Write),
        };
        let command = ModelCommand::GrantModel { user: act.user.clone(), access: level };
        let reply = focus.tell(command).await.map_err(|failure| failure.while_trying(trying))?;
        if !reply.changed {
            session.desk.say("Nothing to do: it is so already.");
        }
    }
    Ok(())
}
