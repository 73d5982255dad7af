//! What people are shown, and waiting for it to be so.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use muster_api::body::{CloudsBody, ControllerBody, Preparation, VersionBody, WhoamiBody};
use muster_api::route::Route;
use muster_model::access::access_of;
use muster_model::cloud::CloudDefinition;
use muster_model::name::ModelId;
use muster_model::record::{Cloud, CloudCredentials, ControllerAccess, Machine, Unit};
use muster_model::view::{Condition, Heard, ModelView, ViewRequest, Wait, WaitAnswer, holds};
use muster_model::{Estate, Refusal};
use serde::de::DeserializeOwned;

use super::App;
use super::command::body;
use super::problem::{Failure, json};
use super::session::Session;

/// The longest that one wait is held; the client calls again.
const LONGEST: Duration = Duration::from_secs(50);

/// The share of its time that a wait may spend on looking: a look at a large model is followed by
/// a pause of so many times its own length, however fast the model changes. A small one is looked at
/// with every change.
const PAUSE: u32 = 9;

/// Shorter pauses are not worth a timer.
const PERCEPTIBLE: Duration = Duration::from_millis(2);

/// Reads a request's query.
pub(super) fn query<T: DeserializeOwned>(address: &http::Uri) -> Result<T, Failure> {
    let query = axum::extract::Query::<T>::try_from_uri(address);
    query.map(|query| query.0).map_err(|error| Failure::malformed(error.body_text()))
}

pub(super) fn version(app: &App) -> Result<Response<Body>, Failure> {
    let estate = app.ledger.estate();
    let uuid = estate.controller().map(|controller| controller.uuid.to_string());
    Ok(json(&VersionBody { version: crate::VERSION.to_owned(), uuid: uuid.unwrap_or_default() }))
}

/// What a user may know of the whole: who it is, and counts of what the user may see.
pub(super) fn controller(app: &App, session: &Session) -> Result<Response<Body>, Failure> {
    let estate = app.ledger.estate();
    let user = session.user()?;
    let Some(controller) = estate.controller() else { return Err(Failure::not_found()) };
    let seen = || {
        let sees = |model: &&Arc<muster_model::Model>| {
            model.info().and_then(|info| access_of(user, info)).is_some()
        };
        estate.models().filter(sees)
    };
    let superuser = user.access == ControllerAccess::Superuser;
    Ok(json(&ControllerBody {
        controller: controller.clone(),
        version: crate::VERSION.to_owned(),
        revision: estate.revision(),
        models: seen().count(),
        machines: seen().map(|model| model.table::<Machine>().len()).sum(),
        units: seen().map(|model| model.table::<Unit>().len()).sum(),
        agent_addresses: app.agent_addresses.iter().map(ToString::to_string).collect(),
        substrate: if superuser { app.provisioner.says() } else { Preparation::Ready },
        commits: app.ledger.commits(),
    }))
}

pub(super) fn whoami(session: &Session) -> Result<Response<Body>, Failure> {
    let user = session.user()?;
    Ok(json(&WhoamiBody { user: user.name.clone(), access: user.access }))
}

pub(super) fn findings(app: &App) -> Result<Response<Body>, Failure> {
    Ok(json(&app.ledger.estate().findings()))
}

/// Every cloud that is written down, the own one first among them, and the caller's own credentials.
pub(super) fn clouds(app: &App, session: &Session) -> Result<Response<Body>, Failure> {
    let estate = app.ledger.estate();
    let user = session.user()?;
    let Some(controller) = estate.controller() else { return Err(Failure::not_found()) };
    let own = (controller.cloud.clone(), CloudDefinition::own(&controller.cloud));
    let written = estate.table::<Cloud>().iter();
    let kept = estate.table::<CloudCredentials>().iter();
    Ok(json(&CloudsBody {
        own: controller.cloud.to_string(),
        clouds: written
            .map(|(name, cloud)| (name.clone(), cloud.definition.clone()))
            .chain([own])
            .collect(),
        credentials: kept
            .filter(|(_, kept)| kept.owner == user.name)
            .map(|(_, kept)| (kept.cloud.clone(), kept.credentials.clone()))
            .collect(),
    }))
}

pub(super) fn models(app: &App, session: &Session) -> Result<Response<Body>, Failure> {
    let estate = app.ledger.estate();
    let seen: Vec<_> = estate
        .models()
        .filter_map(|model| model.summary(session.access(app, model.id())?))
        .collect();
    Ok(json(&seen))
}

pub(super) fn model(
    app: &App,
    session: &Session,
    address: &http::Uri,
) -> Result<Response<Body>, Failure> {
    let what: ViewRequest = query(address)?;
    let heard = Arc::clone(&app.hearing.watch().borrow());
    let view = make(&app.ledger.estate(), session.model()?, &what, &heard)?;
    Ok(json(&view))
}

fn make(
    estate: &Estate,
    id: ModelId,
    what: &ViewRequest,
    heard: &Heard,
) -> Result<ModelView, Failure> {
    let model = estate.model(id);
    let view = model.and_then(|model| model.view(what, heard, estate.revision()));
    view.ok_or_else(|| Failure::refused(Refusal::not_found("model", id)))
}

/// Holds the request until the condition is so, the time is over, or the model is gone.
pub(super) async fn wait(
    app: &App,
    session: &Session,
    row: &Route,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let id = session.model()?;
    let wait: Wait = body(row, request).await?;
    let _turn = session.watch(app)?;
    let until = tokio::time::Instant::now() + Duration::from_millis(wait.timeout_ms).min(LONGEST);
    let what = needed(&wait.condition);
    let mut estates = app.ledger.watch();
    let mut heard = app.hearing.watch();
    loop {
        session.stands(app)?;
        let began = tokio::time::Instant::now();
        let estate = Arc::clone(&estates.borrow_and_update());
        let now_heard = Arc::clone(&heard.borrow_and_update());
        let view = match &wait.condition {
            // The cheap one: nothing but a number is looked at.
            Condition::Changed { after } => {
                let model = estate.model(id);
                let revision = model.map(muster_model::Model::revision);
                let Some(revision) = revision else { return Err(gone(id)) };
                let answer = revision > *after;
                if answer || tokio::time::Instant::now() >= until {
                    let missing = String::new();
                    return Ok(json(&WaitAnswer { holds: answer, revision, missing }));
                }
                None
            }
            _ => Some(make(&estate, id, &what, &now_heard)?),
        };
        let looked = began.elapsed();
        if let Some(view) = view {
            let state = holds(&wait.condition, &view);
            if state.is_ok() || tokio::time::Instant::now() >= until {
                return Ok(json(&WaitAnswer {
                    holds: state.is_ok(),
                    revision: view.revision,
                    missing: state.err().unwrap_or_default(),
                }));
            }
        }
        tokio::select! {
            changed = estates.changed() => if changed.is_err() {
                return Err(Failure::unavailable("it is ending"));
            },
            changed = heard.changed() => if changed.is_err() {
                return Err(Failure::unavailable("it is ending"));
            },
            () = tokio::time::sleep_until(until) => {}
            () = app.shutdown.cancelled() => return Err(Failure::unavailable("it is ending")),
        }
        if looked * PAUSE >= PERCEPTIBLE {
            tokio::time::sleep_until(began + looked * (PAUSE + 1)).await;
        }
    }
}

fn gone(id: ModelId) -> Failure {
    Failure::refused(Refusal::not_found("model", id))
}

/// What a view must hold for a condition to be judged.
fn needed(condition: &Condition) -> ViewRequest {
    let mut what = ViewRequest::default();
    match condition {
        Condition::TaskOver(task) | Condition::TaskMoved { task, .. } => what.task = Some(task.0),
        Condition::ApplicationSettled(name)
        | Condition::Application { name, .. }
        | Condition::ApplicationGone(name) => what.applications = name.to_string(),
        Condition::UnitSettled(name) | Condition::Unit { name, .. } | Condition::UnitGone(name) => {
            what.applications = name.application.to_string();
        }
        Condition::Changed { .. }
        | Condition::Settled
        | Condition::MachineStarted(_)
        | Condition::MachineGone(_) => {}
    }
    what
}
