//! Commands on their way in.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use muster_api::body::{Submission, TeardownBody, TornDown};
use muster_api::route::Route;
use muster_charms::Charm;
use muster_model::Refusal;
use muster_model::command::{AddCharm, Command, EstateCommand, ModelCommand};
use muster_model::name::ModelId;
use muster_model::record::{ModelAccess, User};
use muster_model::refusal::Code;
use muster_resources::archive::{self, Limits, Wanted};
use muster_resources::{Digest, Stage};
use serde::de::DeserializeOwned;

use super::App;
use super::problem::{Failure, json};
use super::session::Session;

/// Reads a request's body as JSON, as far as its row allows.
pub(super) async fn body<T: DeserializeOwned>(row: &Route, request: Request) -> Result<T, Failure> {
    let limit = usize::try_from(row.body_limit).unwrap_or(usize::MAX);
    let bytes = whole(request, limit).await?;
    shallow(&bytes)?;
    serde_json::from_slice(&bytes).map_err(|error| Failure::malformed(error.to_string()))
}

/// The bytes of a request's body, at most `limit`. Of a longer one as much again is read and dropped: who
/// still writes when the connection is closed sees that it broke, and never the answer.
pub(super) async fn whole(request: Request, limit: usize) -> Result<Bytes, Failure> {
    let mut pieces = request.into_body().into_data_stream();
    let reading = async {
        let (mut taken, mut length) = (BytesMut::new(), 0usize);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| Failure::malformed("the body broke off"))?;
            length += piece.len();
            if length <= limit {
                taken.extend_from_slice(&piece);
            } else if length > limit.saturating_mul(2) {
                break;
            }
        }
        Ok::<_, Failure>((taken, length))
    };
    let (taken, length) = tokio::time::timeout(Duration::from_secs(60), reading)
        .await
        .map_err(|_| Failure::malformed("the body did not come in a minute"))??;
    if length > limit {
        let what = format!("the body is longer than {limit} bytes");
        return Err(Failure::refused(Refusal::new(Code::Limit, what)));
    }
    Ok(taken.freeze())
}

/// How deep a body may nest (reliability document, section 5).
const MAX_DEPTH: u32 = 32;

/// Refuses a body that nests deeper than anything that is asked for needs.
fn shallow(bytes: &[u8]) -> Result<(), Failure> {
    let (mut depth, mut in_text, mut escaped) = (0u32, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(Failure::malformed(format!(
                        "the body nests deeper than {MAX_DEPTH}"
                    )));
                }
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

pub(super) async fn submit(
    app: &App,
    session: &Session,
    row: &Route,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let Submission { id, mut command, dry_run } = body(row, request).await?;
    internal_only(&command)?;
    match &mut command {
        Command::Estate(EstateCommand::AddModel { id, .. }) => *id = unused(app),
        Command::Estate(_) => {}
        // Whoever may not write is refused by the ledger; the disk is not touched for it.
        Command::Model { model, command } => {
            if session.access(app, *model) >= Some(ModelAccess::Write) {
                complete(app, session.user()?, command).await?;
            }
        }
    }
    let caller = session.caller()?;
    let reply = app.ledger.command(caller, Some(id), command, dry_run).await?;
    Ok(json(&reply))
}

/// Refuses what only the controller asks of itself, whoever the caller is.
fn internal_only(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Estate(
            EstateCommand::Bootstrap { .. }
            | EstateCommand::OfferBases(_)
            | EstateCommand::Enrol { .. },
        ) => Err(Failure::malformed("this command is not given from outside")),
        _ => Ok(()),
    }
}

/// A model's id. Chosen here and not by the client, since machines are named by its beginning.
fn unused(app: &App) -> ModelId {
    let estate = app.ledger.estate();
    loop {
        let id = ModelId(uuid::Uuid::new_v4());
        let begins = crate::provision::short(id);
        if estate.models().all(|model| crate::provision::short(model.id()) != begins) {
            return id;
        }
    }
}

/// Fills in what a command needs from the disk: what a charm's archive says, read from the verified
/// bytes (S10), and whether the bytes that it names are here.
async fn complete(app: &App, user: &User, command: &mut ModelCommand) -> Result<(), Failure> {
    let files: Vec<_> = match command {
        ModelCommand::AddCharm(asked) => return read_charm(app, user, asked).await,
        ModelCommand::Deploy(asked) => asked.resources.values().collect(),
        ModelCommand::Refresh(asked) => asked.resources.values().collect(),
        ModelCommand::AttachResource { file, .. } => vec![file],
        _ => return Ok(()),
    };
    for file in files {
        if !known(app, user, &file.digest, file.size) {
            let what =
                format!("the bytes {} of \"{}\" are not here", file.digest, file.origin_name);
            let refusal = Refusal::new(Code::Missing, what).hint("upload them first");
            return Err(Failure::refused(refusal));
        }
    }
    Ok(())
}

/// Whether bytes are here, as far as the user may know. Asking starts their grace time anew, so that
/// they are not collected before the record that names them is committed.
fn known(app: &App, user: &User, digest: &Digest, size: u64) -> bool {
    app.claims.may_name(&app.ledger.estate(), user, digest, crate::clock::now())
        && app.blobs.blob_of_size(digest, size).is_ok()
        && matches!(app.blobs.stage(*digest, size), Ok(Stage::Present))
}

/// Small files of a charm that the model needs; everything else stays in the archive.
const READ: [&str; 9] = [
    "metadata.yaml",
    "config.yaml",
    "actions.yaml",
    "manifest.yaml",
    "metrics.yaml",
    "lxd-profile.yaml",
    "charmcraft.yaml",
    "revision",
    "version",
];

async fn read_charm(app: &App, user: &User, asked: &mut AddCharm) -> Result<(), Failure> {
    if !known(app, user, &asked.digest, asked.size) {
        let what = format!("the charm's bytes {} are not here", asked.digest);
        let refusal = Refusal::new(Code::Missing, what).hint("upload them first");
        return Err(Failure::refused(refusal));
    }
    let (blobs, reader) = (app.blobs.clone(), app.reader.clone());
    let digest = asked.digest;
    let size = asked.size;
    let reading = tokio::task::spawn_blocking(move || {
        let refuse = |error: &dyn std::error::Error| {
            Refusal::new(Code::Invalid, format!("cannot read the charm: {}", crate::Chain(error)))
                .hint("`muster charm lint FOLDER` says what a charm must be")
        };
        let blob = blobs.blob_of_size(&digest, size).map_err(|_| {
            Refusal::new(Code::Missing, format!("the bytes {digest} are not here"))
                .hint("upload them first")
        })?;
        let archive = archive::Archive::from_file(blob.into_file()).map_err(|e| refuse(&e))?;
        let wanted = Wanted { names: READ.map(str::to_owned).into(), ..Wanted::default() };
        let read = reader.inspect(&archive, &Limits::charm(), Some(&digest), &wanted);
        Charm::read(&read.map_err(|e| refuse(&e))?.files).map_err(|error| refuse(&error))
    });
    let charm = reading
        .await
        .map_err(|error| Failure::internal("read the charm", &error))?
        .map_err(Failure::refused)?;
    asked.charm = Some(Box::new(charm));
    Ok(())
}

/// Takes everything down that was made, and then the controller itself.
pub(super) async fn teardown(
    app: &App,
    row: &Route,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let asked: TeardownBody = body(row, request).await?;
    let estate = app.ledger.estate();
    let name = estate.controller().map(|controller| controller.name.to_string());
    if name.as_deref() != Some(asked.name.as_str()) {
        return Err(Failure::refused(Refusal::new(
            Code::Invalid,
            format!("this controller is not \"{}\"", asked.name),
        )));
    }
    let left = app
        .provisioner
        .remove_everything()
        .await
        .map_err(|error| Failure::internal("remove its machines", &error))?;
    app.shutdown.cancel();
    Ok(json(&TornDown { left }))
}
