//! Bytes: taken in as they come, given out as they are asked for, never held in memory.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use muster_api::body::BlobState;
use muster_api::route::Route;
use muster_model::record::ControllerAccess;
use muster_model::refusal::Code;
use muster_model::{Caller, Estate, Refusal};
use muster_resources::{Digest, Stage, Staged, StoreError};
use serde::Deserialize;
use tokio::io::AsyncSeekExt;
use tokio::sync::mpsc;
use tokio_util::io::ReaderStream;

use super::App;
use super::problem::{Failure, json};
use super::session::Session;
use super::view::query;

/// Pieces that may wait between the network and the disk.
const WAITING: usize = 8;

/// How many bytes are read from the disk at a time.
const PIECE: usize = 256 << 10;

fn digest(parts: &[String]) -> Result<Digest, Failure> {
    let text = parts.first().map(String::as_str).unwrap_or_default();
    text.parse().map_err(|error| Failure::malformed(format!("{error}")))
}

pub(super) fn state(app: &App, parts: &[String]) -> Result<Response<Body>, Failure> {
    let digest = digest(parts)?;
    let state = match app.blobs.blob(&digest) {
        Ok(blob) => BlobState::Whole { size: blob.size() },
        Err(_) => {
            let offset = app.blobs.progress(&digest);
            BlobState::Partial {
                offset: offset.map_err(|e| Failure::internal("look for the blob", &e))?,
            }
        }
    };
    Ok(json(&state))
}

#[derive(Deserialize)]
struct Append {
    offset: u64,
    size: u64,
}

/// Takes bytes in from `offset` on. What arrived is kept if the connection breaks, and the next try
/// goes on from there; the blob is there once its digest was checked and it was renamed into place.
pub(super) async fn append(
    app: &App,
    row: &Route,
    parts: &[String],
    request: Request,
) -> Result<Response<Body>, Failure> {
    let digest = digest(parts)?;
    let Append { offset, size } = query(request.uri())?;
    if size > row.body_limit {
        return Err(Failure::refused(Refusal::new(
            Code::Limit,
            format!("{size} bytes; at most {} are kept as one", row.body_limit),
        )));
    }
    let (pieces, waiting) = mpsc::channel::<Bytes>(WAITING);
    let blobs = app.blobs.clone();
    let writing = tokio::task::spawn_blocking(move || match blobs.stage(digest, size)? {
        Stage::Present => Ok(()),
        Stage::Ready(staged) => write(staged, offset, waiting),
    });
    let mut body = request.into_body().into_data_stream();
    let mut whole = true;
    while let Some(piece) = body.next().await {
        let Ok(piece) = piece else {
            whole = false;
            break;
        };
        if pieces.send(piece).await.is_err() {
            // The writer has ended: its answer says why.
            break;
        }
    }
    drop(pieces);
    let written = writing.await.map_err(|error| Failure::internal("keep the bytes", &error))?;
    if !whole {
        return Err(Failure::unavailable("the upload broke off; what came is kept"));
    }
    written.map_err(refuse)?;
    Ok(json(&BlobState::Whole { size }))
}

fn write(
    mut staged: Staged,
    offset: u64,
    mut waiting: mpsc::Receiver<Bytes>,
) -> Result<(), StoreError> {
    let mut at = offset;
    while let Some(piece) = waiting.blocking_recv() {
        staged.append(at, &piece)?;
        at += piece.len() as u64;
    }
    if staged.length() < staged.size() {
        staged.sync()?;
        return Ok(());
    }
    staged.finish()
}

fn refuse(error: StoreError) -> Failure {
    let text = error.to_string();
    match error {
        StoreError::Busy { .. } => {
            Failure::unavailable("somebody else is sending the same bytes; try again")
        }
        StoreError::Offset { .. } | StoreError::Size { .. } | StoreError::Mismatch { .. } => {
            Failure::refused(Refusal::new(Code::Invalid, text))
        }
        StoreError::Full { .. } => Failure::unavailable(text),
        error => Failure::internal("keep the bytes", &error),
    }
}

#[derive(Deserialize)]
struct Read {
    #[serde(default)]
    offset: u64,
}

/// Gives bytes out: to superusers, and to an agent whose units have a use for them (S6, S8).
pub(super) async fn read(
    app: &App,
    session: &Session,
    parts: &[String],
    address: &http::Uri,
) -> Result<Response<Body>, Failure> {
    let digest = digest(parts)?;
    let Read { offset } = query(address)?;
    let hidden = || Failure::refused(Refusal::not_found("blob", digest));
    let estate = app.ledger.estate();
    let allowed = match &session.caller {
        Some(Caller::Machine { model, machine }) => uses(&estate, *model, *machine, &digest),
        Some(Caller::User(_)) => session.user()?.access == ControllerAccess::Superuser,
        _ => false,
    };
    if !allowed {
        return Err(hidden());
    }
    let blob = app.blobs.blob(&digest).map_err(|_| hidden())?;
    let length = blob.size().saturating_sub(offset);
    let mut file = tokio::fs::File::from_std(blob.into_file());
    file.seek(std::io::SeekFrom::Start(offset))
        .await
        .map_err(|error| Failure::internal("read the blob", &error))?;
    let stream = ReaderStream::with_capacity(file, PIECE);
    let mut response = Response::new(Body::from_stream(stream));
    response.headers_mut().insert(http::header::CONTENT_LENGTH, length.into());
    Ok(response)
}

/// Whether a unit on the machine has a use for the bytes: its charm's, or a resource's.
fn uses(
    estate: &Estate,
    model: muster_model::name::ModelId,
    machine: muster_model::name::MachineId,
    digest: &Digest,
) -> bool {
    let goal = estate.model(model).and_then(|model| model.goal(machine, estate.revision()));
    goal.is_some_and(|goal| {
        goal.units.values().any(|unit| {
            unit.charm.digest == *digest
                || unit.resources.values().any(|resource| resource.digest == *digest)
        })
    })
}
