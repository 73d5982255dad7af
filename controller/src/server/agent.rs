//! What agents ask: enrolment, goal, report, snapshot.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderValue, StatusCode};
use muster_api::body::{EnrolBody, EnrolledBody, PresenceBody};
use muster_api::client::LEASE_HEADER;
use muster_api::route::Route;
use muster_model::command::{Command, EstateCommand};
use muster_model::goal::SnapshotRequest;
use muster_model::name::UnitName;
use muster_model::record::Subject;
use muster_model::refusal::Code;
use muster_model::reply::Outcome;
use muster_model::report::ReportBody;
use muster_model::upkeep::LEASE;
use muster_model::{Refusal, Report, Revision};
use serde::Deserialize;

use super::App;
use super::command::body;
use super::problem::{Failure, json};
use super::session::Session;
use super::view::query;

pub(super) async fn enrol(
    app: &App,
    session: &Session,
    row: &Route,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let EnrolBody { token } = body(row, request).await?;
    let join = session.token.ok_or_else(Failure::unauthenticated)?;
    let Some(caller) = session.caller.clone() else {
        let estate = app.ledger.estate();
        return match estate.token(token).map(|token| &token.subject) {
            Some(Subject::Machine { model, machine }) => {
                Ok(json(&EnrolledBody { model: *model, machine: *machine }))
            }
            _ => Err(Failure::unauthenticated()),
        };
    };
    let command = Command::Estate(EstateCommand::Enrol { join, token });
    let reply = app.ledger.command(caller, None, command, false).await?;
    match reply.outcome {
        Outcome::Enrolled { model, machine } => Ok(json(&EnrolledBody { model, machine })),
        _ => Err(Failure::unavailable("it did not enrol the machine")),
    }
}

#[derive(Deserialize)]
struct After {
    after: Revision,
}

/// The revision that a poll's agent has seen.
pub(super) fn after(address: &http::Uri) -> Result<Revision, Failure> {
    let After { after } = query(address)?;
    Ok(after)
}

/// Holds the poll until the machine was touched after the revision that the agent has seen, and its
/// facts are known, or for a while. The machine is heard as long as it is held, and its lease is renewed by the answer.
pub(super) async fn goal(
    app: &App,
    session: &Session,
    after: Revision,
) -> Result<Response<Body>, Failure> {
    let (model, machine) = session.machine()?;
    let (held, had_lapsed) = app.hearing.hold(model, machine);
    if had_lapsed {
        // Its leads may be given away at this very moment: what it is told of them, and the lease
        // that it gets, is as of after that (R10).
        app.ledger.pass().await?;
        app.hearing.returned(model, machine);
    }
    let present = app.ledger.estate().revision();
    let mut touched = app.ledger.wakers().follow(model, machine, present);
    let until = tokio::time::Instant::now() + app.times.poll;
    loop {
        touched.borrow_and_update();
        session.stands(app)?;
        let estate = app.ledger.estate();
        let Some(there) = estate.model(model).filter(|model| model.machine(machine).is_some())
        else {
            return Err(Failure::refused(Refusal::not_found("machine", machine)));
        };
        if let Some(goal) = there.newer_goal(machine, after, estate.revision()) {
            drop(held);
            return Ok(leased(json(&goal)));
        }
        tokio::select! {
            changed = touched.changed() => if changed.is_err() {
                // The entry was tidied away between two polls; follow again.
                touched = app.ledger.wakers().follow(model, machine, estate.revision());
            },
            () = tokio::time::sleep_until(until) => {
                drop(held);
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                return Ok(leased(response));
            }
            () = app.shutdown.cancelled() => return Err(Failure::unavailable("it is ending")),
        }
    }
}

/// Until when the machine's units may believe that they lead, counted by the agent from when it
/// asked. The lead is not given away before it has been silent for so long (R10).
fn leased(mut response: Response<Body>) -> Response<Body> {
    let lease = u64::try_from(LEASE.as_millis()).unwrap_or(0);
    response.headers_mut().insert(LEASE_HEADER, HeaderValue::from(lease));
    response
}

pub(super) async fn report(
    app: &App,
    session: &Session,
    row: &Route,
    request: Request,
) -> Result<Response<Body>, Failure> {
    session.machine()?;
    let report: Report = body(row, request).await?;
    let over = match &report.body {
        ReportBody::Step { unit, .. } => Some((report.model, unit.clone())),
        _ => None,
    };
    let receipt = app.ledger.report(session.caller()?, report).await?;
    if let Some((model, unit)) = over {
        app.hearing.over(model, &unit);
    }
    Ok(json(&receipt))
}

pub(super) async fn snapshot(
    app: &App,
    session: &Session,
    row: &Route,
    parts: &[String],
    request: Request,
) -> Result<Response<Body>, Failure> {
    let (id, machine) = session.machine()?;
    let asked: SnapshotRequest = body(row, request).await?;
    let [application, number] = parts else { return Err(Failure::not_found()) };
    let unit: UnitName = format!("{application}/{number}")
        .parse()
        .map_err(|error| Failure::malformed(format!("{error}")))?;
    let estate = app.ledger.estate();
    let model = estate.model(id);
    let own = model.and_then(|model| model.unit(&unit)).is_some_and(|u| u.machine == machine);
    if !own {
        let refusal = Refusal::new(
            Code::PermissionDenied,
            format!("permission denied: unit \"{unit}\" does not live on this machine"),
        );
        return Err(Failure::refused(refusal));
    }
    let snapshot = model.and_then(|model| model.snapshot(&unit, &asked, estate.revision()));
    let Some(snapshot) = snapshot else {
        return Err(Failure::refused(Refusal::not_found("unit", unit)));
    };
    Ok(json(&snapshot))
}

pub(super) async fn presence(
    app: &App,
    session: &Session,
    row: &Route,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let (model, machine) = session.machine()?;
    let said: PresenceBody = body(row, request).await?;
    app.hearing.executing(model, machine, &app.ledger.estate(), &said);
    Ok(json(&()))
}
