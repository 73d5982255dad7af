//! Contents of secrets on their way in and out: the only place besides the vault that has them in
//! clear, for as long as a request lasts.
//!
//! A content comes in before the change that it belongs to: it is sealed for its place, and what was
//! sealed goes on in the command or the report like anything else.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::HeaderValue;
use muster_api::route::Route;
use muster_charms::secret::{Content, SecretId};
use muster_model::name::{ModelId, UnitName};
use muster_model::record::{ModelAccess, Pair, PartNumber, Secret, SecretOwner, SecretPart};
use muster_model::refusal::Code;
use muster_model::report::{NowReport, ReportBody, SecretWant};
use muster_model::{Estate, Model, Refusal, Report};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::App;
use super::command::{body, whole};
use super::problem::{Failure, json};
use super::session::Session;
use super::view::query;
use crate::vault::Place;

#[derive(Deserialize)]
struct Sealing {
    id: SecretId,
    /// For a secret that is not there yet: whose it will be.
    #[serde(default)]
    owner: Option<SecretOwner>,
}

/// Seals a content for the next revision of an operator's secret.
pub(super) async fn seal(
    app: &App,
    session: &Session,
    row: &Route,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let model = session.model()?;
    if session.access(app, model) < Some(ModelAccess::Write) {
        return Err(denied("this needs write access to the model"));
    }
    // Read before anything else is refused: its sender hears why only when it is through.
    let (uri, bytes) = (request.uri().clone(), content(row, request).await?);
    let asked: Sealing = query(&uri)?;
    let estate = app.ledger.estate();
    let owner = match known(&estate, model, &asked.id) {
        Some(secret) if secret.owner != SecretOwner::Model => {
            return Err(denied("the charm that owns the secret changes it"));
        }
        _ => SecretOwner::Model,
    };
    sealed(app, &bytes, (&estate, model), &asked.id, owner)
}

/// Seals a content for the next revision of a secret that a unit manages.
pub(super) async fn agent_seal(
    app: &App,
    session: &Session,
    row: &Route,
    parts: &[String],
    request: Request,
) -> Result<Response<Body>, Failure> {
    let (model, unit) = own_unit(app, session, parts)?;
    let (uri, bytes) = (request.uri().clone(), content(row, request).await?);
    let asked: Sealing = query(&uri)?;
    let estate = app.ledger.estate();
    let owner = match known(&estate, model, &asked.id) {
        Some(secret) => secret.owner.clone(),
        None => asked.owner.ok_or_else(|| missing(&asked.id))?,
    };
    let may = match &owner {
        SecretOwner::Model => false,
        SecretOwner::Application(name) => *name == unit.application,
        SecretOwner::Unit(name) => *name == unit,
    };
    if !may {
        return Err(denied("the secret is another's"));
    }
    sealed(app, &bytes, (&estate, model), &asked.id, owner)
}

fn sealed(
    app: &App,
    bytes: &[u8],
    (estate, model): (&Estate, ModelId),
    id: &SecretId,
    owner: SecretOwner,
) -> Result<Response<Body>, Failure> {
    let content = Content::from_bytes(bytes)
        .map_err(|error| Failure::refused(Refusal::new(Code::Invalid, error.to_string())))?;
    let revision = known(estate, model, id).map_or(0, |secret| secret.last) + 1;
    let place = Place { model, secret: id.clone(), revision, owner };
    let sealed = app.vault.seal(&place, &content);
    Ok(json(&sealed.map_err(|error| Failure::internal("seal a secret", &error))?))
}

/// The content that a request brings, as [`Content::to_bytes`] writes it.
async fn content(row: &Route, request: Request) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let limit = usize::try_from(row.body_limit).unwrap_or(usize::MAX);
    Ok(Zeroizing::new(whole(request, limit).await?.into()))
}

/// Answers what a unit may read, and remembers which revision it reads.
pub(super) async fn agent_read(
    app: &App,
    session: &Session,
    row: &Route,
    parts: &[String],
    request: Request,
) -> Result<Response<Body>, Failure> {
    let (model, unit) = own_unit(app, session, parts)?;
    let want: SecretWant = body(row, request).await?;
    let now = NowReport::Secret(want);
    let report = Report { model, body: ReportBody::Now { unit, now } };
    let receipt = app.ledger.report(session.caller()?, report).await?;
    let found = receipt.secret.ok_or_else(|| Failure::unavailable("it found no secret"))?;
    opened(app, model, &found.id, found.revision)
}

/// The secrets that a unit's charm may manage, without their contents.
pub(super) fn agent_owned(
    app: &App,
    session: &Session,
    parts: &[String],
) -> Result<Response<Body>, Failure> {
    let (model, unit) = own_unit(app, session, parts)?;
    let estate = app.ledger.estate();
    Ok(json(&estate.model(model).map(|model| model.owned_secrets(&unit)).unwrap_or_default()))
}

#[derive(Deserialize)]
struct Revealing {
    #[serde(default)]
    revision: Option<u32>,
}

/// Shows a content to an administrator of the model.
pub(super) fn reveal(
    app: &App,
    session: &Session,
    parts: &[String],
    address: &http::Uri,
) -> Result<Response<Body>, Failure> {
    let model = session.model()?;
    if session.access(app, model) < Some(ModelAccess::Admin) {
        return Err(denied("this needs admin access to the model"));
    }
    let Revealing { revision } = query(address)?;
    let text = parts.get(1).map(String::as_str).unwrap_or_default();
    let id: SecretId = text.parse().map_err(|_| Failure::malformed("this is no secret's id"))?;
    let estate = app.ledger.estate();
    let secret = known(&estate, model, &id).filter(|secret| secret.is_kept());
    let newest = secret.and_then(Secret::newest).ok_or_else(|| missing(&id))?;
    opened(app, model, &id, revision.unwrap_or(newest))
}

/// The content of a revision, as [`Content::to_bytes`] writes it.
fn opened(
    app: &App,
    model: ModelId,
    id: &SecretId,
    revision: u32,
) -> Result<Response<Body>, Failure> {
    let estate = app.ledger.estate();
    let (place, bytes) = estate
        .model(model)
        .and_then(|model| kept(model, id, revision))
        .ok_or_else(|| missing(id))?;
    let content = app.vault.open(&place, &bytes);
    let content = content.map_err(|error| Failure::internal("open a secret", &error))?;
    let mut response = Response::new(Body::from(content.to_bytes().to_vec()));
    let kind = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    let never = HeaderValue::from_static("no-store");
    response.headers_mut().insert(http::header::CACHE_CONTROL, never);
    Ok(response)
}

/// The sealed content of a revision, with the place that it was sealed for.
fn kept(model: &Model, id: &SecretId, revision: u32) -> Option<(Place, Zeroizing<Vec<u8>>)> {
    let secret = model.secret(id).filter(|secret| secret.is_kept())?;
    let parts = secret.revisions.get(&revision)?.parts;
    let mut bytes = Zeroizing::new(Vec::new());
    for part in 0..parts {
        let name = Pair(id.clone(), PartNumber { revision, part });
        bytes.extend_from_slice(&model.table::<SecretPart>().get(&name)?.bytes.0);
    }
    let owner = secret.owner.clone();
    Some((Place { model: model.id(), secret: id.clone(), revision, owner }, bytes))
}

fn known<'e>(estate: &'e Estate, model: ModelId, id: &SecretId) -> Option<&'e Secret> {
    estate.model(model)?.secret(id)
}

/// The unit that the path names, if it lives on the machine whose agent asks.
fn own_unit(
    app: &App,
    session: &Session,
    parts: &[String],
) -> Result<(ModelId, UnitName), Failure> {
    let (model, machine) = session.machine()?;
    let [application, number] = parts else { return Err(Failure::not_found()) };
    let unit: UnitName = format!("{application}/{number}")
        .parse()
        .map_err(|error| Failure::malformed(format!("{error}")))?;
    let estate = app.ledger.estate();
    let lives = estate.model(model).and_then(|model| model.unit(&unit)).map(|unit| unit.machine);
    if lives != Some(machine) {
        return Err(denied(&format!("unit \"{unit}\" does not live on this machine")));
    }
    Ok((model, unit))
}

fn denied(why: &str) -> Failure {
    Failure::refused(Refusal::new(Code::PermissionDenied, format!("permission denied: {why}")))
}

fn missing(id: &SecretId) -> Failure {
    Failure::refused(Refusal::not_found("secret", id))
}
