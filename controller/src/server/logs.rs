//! Logs in and out.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use muster_api::LogQuery;
use muster_api::body::{LogBatch, LogLine, LogReceipt};
use muster_api::route::Route;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::App;
use super::command::body;
use super::problem::{Failure, json};
use super::session::Session;
use super::view::query;
use crate::log::Filter;

/// An agent's lines. They are kept under the agent's own model, and only as entities that live on
/// its machine (S17).
pub(super) async fn take(
    app: &App,
    session: &Session,
    row: &Route,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let (id, machine) = session.machine()?;
    let mut batch: LogBatch = body(row, request).await?;
    let estate = app.ledger.estate();
    let own = format!("machine-{machine}");
    if let Some(model) = estate.model(id) {
        let units: Vec<String> = model.units_on(machine).map(|unit| unit.name.tag()).collect();
        for line in &mut batch.lines {
            if line.entity != own && !units.contains(&line.entity) {
                // A unit that has just left, or a lie: either way the machine is who said it.
                line.module = format!("{}: {}", line.entity, line.module);
                line.entity.clone_from(&own);
            }
        }
    }
    let logs = app.logs.clone();
    let taking = app.logging.run("take the lines", move || logs.take(id, machine, &batch));
    let next = taking.await?.map_err(|error| Failure::internal("take the lines", &error))?;
    Ok(json(&LogReceipt { next }))
}

/// A model's lines, as one JSON value a line, followed for as long as the client wants and may.
pub(super) async fn read(
    app: &App,
    session: Session,
    address: &http::Uri,
) -> Result<Response<Body>, Failure> {
    let asked: LogQuery = query(address)?;
    let (logs, model, what) = (app.logs.clone(), session.model()?, asked.clone());
    let (first, follow) = tokio::task::spawn_blocking(move || {
        let (lines, follow) = logs.read(model, &what)?;
        let text: Vec<u8> = lines.iter().flat_map(encode).collect();
        Ok::<_, std::io::Error>((text, follow))
    })
    .await
    .map_err(|error| Failure::internal("read the log", &error))?
    .map_err(|error| Failure::internal("read the log", &error))?;
    if !asked.follow {
        return Ok(Response::new(Body::from(first)));
    }
    let turn = session.watch(app)?;
    let mut still = tokio::time::interval(app.times.revocation);
    still.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let following = Following {
        app: app.clone(),
        session,
        follow,
        filter: Filter::new(&asked),
        still,
        _turn: turn,
    };
    let rest = stream::unfold(following, |mut following| async move {
        let line = following.next().await?;
        Some((Bytes::from(encode(&line)), following))
    });
    let first = stream::once(async move { Bytes::from(first) });
    let all = futures_util::StreamExt::chain(first, rest);
    let all = futures_util::StreamExt::map(all, Ok::<Bytes, std::convert::Infallible>);
    Ok(Response::new(Body::from_stream(all)))
}

/// Somebody who follows a log.
struct Following {
    app: App,
    session: Session,
    follow: broadcast::Receiver<Arc<LogLine>>,
    filter: Filter,
    _turn: OwnedSemaphorePermit,
    /// When it is looked again whether the right to it stands (S33).
    still: tokio::time::Interval,
}

impl Following {
    /// The next line; none once the log is over for this reader.
    async fn next(&mut self) -> Option<Arc<LogLine>> {
        loop {
            let next = tokio::select! {
                next = self.follow.recv() => next,
                _ = self.still.tick() => {
                    self.session.stands(&self.app).ok()?;
                    continue;
                }
                () = self.app.shutdown.cancelled() => return None,
            };
            match next {
                Ok(line) if self.filter.admits(&line) => return Some(line),
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => return Some(Arc::new(missed_lines(missed))),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn missed_lines(count: u64) -> LogLine {
    LogLine {
        at: crate::clock::now(),
        entity: "controller".to_owned(),
        level: "WARNING".to_owned(),
        module: "muster.log".to_owned(),
        message: format!("{count} lines were left out: they came faster than they were read"),
    }
}

fn encode(line: &LogLine) -> Vec<u8> {
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text
}
