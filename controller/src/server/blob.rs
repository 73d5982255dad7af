//! Bytes: taken in as they come, given out as they are asked for, never held in memory.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use muster_api::body::BlobState;
use muster_api::route::Route;
use muster_model::record::{ControllerAccess, User};
use muster_model::refusal::Code;
use muster_model::{Caller, Estate, Refusal};
use muster_resources::{Digest, Hashing, Stage, Staged, StoreError};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::App;
use super::claim::may_send;
use super::problem::{Failure, json};
use super::session::Session;
use super::view::query;
use crate::clock;

/// Pieces that may wait between the network and the disk.
const WAITING: usize = 8;

/// How many bytes are read from the disk at a time.
const PIECE: usize = 256 << 10;

/// How many bytes are read of an upload that is refused already.
const DRAINED: usize = 8 << 20;

fn digest(parts: &[String]) -> Result<Digest, Failure> {
    let text = parts.first().map(String::as_str).unwrap_or_default();
    text.parse().map_err(|error| Failure::malformed(format!("{error}")))
}

/// Whose bytes these are to send, and whether the user may send any.
fn sender<'s>(app: &App, session: &'s Session) -> Result<&'s User, Failure> {
    let user = session.user()?;
    if may_send(&app.ledger.estate(), user) {
        return Ok(user);
    }
    let why = format!("permission denied: user \"{}\" may write to no model", user.name);
    let refusal = Refusal::new(Code::PermissionDenied, why);
    Err(Failure::refused(refusal.hint("ask a model's administrator for: muster grant")))
}

pub(super) fn state(
    app: &App,
    session: &Session,
    parts: &[String],
) -> Result<Response<Body>, Failure> {
    let user = sender(app, session)?;
    let digest = digest(parts)?;
    let state = match app.blobs.blob(&digest) {
        Ok(blob) if app.claims.may_name(&app.ledger.estate(), user, &digest, clock::now()) => {
            BlobState::Whole { size: blob.size() }
        }
        // Somebody else's: to this user they are not here, until it has sent them too.
        Ok(_) => BlobState::Partial { offset: 0 },
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
    session: &Session,
    row: &Route,
    parts: &[String],
    request: Request,
) -> Result<Response<Body>, Failure> {
    let user = sender(app, session)?.name.clone();
    let digest = digest(parts)?;
    let Append { offset, size } = query(request.uri())?;
    if size > row.body_limit {
        return Err(Failure::refused(Refusal::new(
            Code::Limit,
            format!("{size} bytes; at most {} are kept as one", row.body_limit),
        )));
    }
    let Some(_turn) = app.uploads.turn(&user) else {
        return Err(Failure::busy("this user sends as much as it may at a time already"));
    };
    let (pieces, waiting) = mpsc::channel::<Bytes>(WAITING);
    let blobs = app.blobs.clone();
    let known = app.claims.may_name(&app.ledger.estate(), session.user()?, &digest, clock::now());
    let writing = tokio::task::spawn_blocking(move || match blobs.stage(digest, size)? {
        Stage::Present if known => pass(size, waiting),
        Stage::Present => compare(digest, size, offset, waiting),
        Stage::Ready(staged) => write(staged, offset, waiting),
    });
    let mut body = request.into_body().into_data_stream();
    let mut checked = tokio::time::Instant::now();
    let broken = loop {
        let piece = match tokio::time::timeout(app.times.stall, body.next()).await {
            Ok(Some(Ok(piece))) => piece,
            Ok(None) => break None,
            Ok(Some(Err(_))) => break Some("the upload broke off; what came is kept"),
            Err(_) => break Some("the upload stood still; what came is kept"),
        };
        if checked.elapsed() >= app.times.revocation {
            session.stands(app)?;
            checked = tokio::time::Instant::now();
        }
        if pieces.send(piece).await.is_err() {
            // The writer has ended: its answer says why.
            drain(&mut body).await;
            break None;
        }
    };
    drop(pieces);
    let written = writing.await.map_err(|error| Failure::internal("keep the bytes", &error))?;
    if let Some(why) = broken {
        return Err(Failure::unavailable(why));
    }
    let length = written.map_err(refuse)?;
    if length < size {
        // Whoever sends a part is told how much of it is safe.
        return Ok(json(&BlobState::Partial { offset: length }));
    }
    app.claims.show(&user, digest, clock::now());
    Ok(json(&BlobState::Whole { size }))
}

/// Reads on for a little while, so that a client that is still sending comes to read the answer. One
/// with more to send asks again with nothing to send.
async fn drain(body: &mut axum::body::BodyDataStream) {
    let mut left = DRAINED;
    let reading = async {
        while let Some(Ok(piece)) = body.next().await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                return;
            }
        }
    };
    // Over in time or not, the answer is the same.
    drop(tokio::time::timeout(std::time::Duration::from_secs(2), reading).await);
}

fn write(
    mut staged: Staged,
    offset: u64,
    mut waiting: mpsc::Receiver<Bytes>,
) -> Result<u64, StoreError> {
    let mut at = offset;
    while let Some(piece) = waiting.blocking_recv() {
        staged.append(at, &piece)?;
        at += piece.len() as u64;
    }
    if staged.length() < staged.size() {
        return staged.sync();
    }
    let size = staged.size();
    staged.finish()?;
    Ok(size)
}

/// Lets what is sent go by: the bytes came from elsewhere meanwhile.
fn pass(size: u64, mut waiting: mpsc::Receiver<Bytes>) -> Result<u64, StoreError> {
    while waiting.blocking_recv().is_some() {}
    Ok(size)
}

/// Reads what is sent although the bytes are here: from its first byte on, it shows that the sender
/// has them too. From the middle on it shows nothing, and the sender begins again.
fn compare(
    digest: Digest,
    size: u64,
    offset: u64,
    mut waiting: mpsc::Receiver<Bytes>,
) -> Result<u64, StoreError> {
    if offset != 0 {
        return Err(StoreError::Offset { digest, expected: 0, actual: offset });
    }
    let mut sent = Hashing::new(std::io::sink());
    while let Some(piece) = waiting.blocking_recv() {
        let all = sent.count().saturating_add(piece.len() as u64);
        if all > size {
            return Err(StoreError::Size { digest, expected: size, actual: all });
        }
        sent.write_all(&piece).map_err(|source| StoreError::Write { digest, source })?;
    }
    let length = sent.count();
    if length < size {
        // Nothing was kept; the next try begins at the first byte.
        return Ok(0);
    }
    let actual = sent.digest();
    if actual != digest {
        return Err(StoreError::Mismatch { expected: digest, actual });
    }
    Ok(length)
}

fn refuse(error: StoreError) -> Failure {
    let text = error.to_string();
    match error {
        StoreError::Busy { .. } => {
            Failure::unavailable("somebody else is sending the same bytes; try again")
        }
        StoreError::Offset { .. } | StoreError::Size { .. } | StoreError::Mismatch { .. } => {
            let refusal = Refusal::new(Code::Invalid, text);
            Failure::refused(refusal.hint("nothing wrong was kept; give the same command again"))
        }
        StoreError::Full { .. } => {
            Failure::unavailable(format!("{text}; free some there, and send again"))
        }
        error => Failure::internal("keep the bytes", &error),
    }
}

#[derive(Deserialize)]
struct Read {
    #[serde(default)]
    offset: u64,
}

/// Gives bytes out: to superusers, and to an agent whose units have a use for them (S6, S8).
pub(super) fn read(
    app: &App,
    session: Session,
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
    let end = blob.size();
    let pieces = pieces(app, Arc::new(blob.into_file()), offset, end);
    let stream = while_it_stands(app, session, pieces);
    let mut response = Response::new(Body::from_stream(stream));
    response.headers_mut().insert(http::header::CONTENT_LENGTH, length.into());
    Ok(response)
}

/// A file from `at` to `end`. A small one is one read, and none takes more memory than it has bytes.
fn pieces(
    app: &App,
    file: Arc<File>,
    at: u64,
    end: u64,
) -> impl Stream<Item = std::io::Result<Bytes>> + use<> {
    let lane = app.reading.clone();
    stream::try_unfold(at, move |at| {
        let (file, lane) = (Arc::clone(&file), lane.clone());
        async move {
            let length = usize::try_from(end.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
            if length == 0 {
                return Ok(None);
            }
            let read = lane.run("read the blob", move || {
                let mut piece = vec![0; length];
                file.read_exact_at(&mut piece, at).map(|()| Bytes::from(piece))
            });
            let piece = read.await.map_err(|_| std::io::Error::other("the reading broke"))??;
            Ok(Some((piece, at + length as u64)))
        }
    })
}

/// The stream, as long as its reader keeps the right to it (S33).
fn while_it_stands<S: Stream<Item = std::io::Result<Bytes>>>(
    app: &App,
    session: Session,
    stream: S,
) -> impl Stream<Item = std::io::Result<Bytes>> + use<S> {
    let app = app.clone();
    let mut checked = tokio::time::Instant::now();
    stream.map(move |piece| {
        if checked.elapsed() >= app.times.revocation {
            if session.stands(&app).is_err() {
                return Err(std::io::ErrorKind::PermissionDenied.into());
            }
            checked = tokio::time::Instant::now();
        }
        piece
    })
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
