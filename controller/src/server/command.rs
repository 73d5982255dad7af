//! Commands on their way in.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use muster_api::body::{Submission, TeardownBody};
use muster_api::route::Route;
use muster_charms::Charm;
use muster_model::Refusal;
use muster_model::command::{AddCharm, Command, EstateCommand, ModelCommand};
use muster_model::refusal::Code;
use muster_resources::archive::{self, Limits};
use serde::de::DeserializeOwned;

use super::App;
use super::problem::{Failure, json};
use super::session::Session;

/// Reads a request's body as JSON, as far as its row allows.
pub(super) async fn body<T: DeserializeOwned>(row: &Route, request: Request) -> Result<T, Failure> {
    let limit = usize::try_from(row.body_limit).unwrap_or(usize::MAX);
    let reading = to_bytes(request.into_body(), limit);
    let bytes = tokio::time::timeout(Duration::from_secs(60), reading)
        .await
        .map_err(|_| Failure::malformed("the body did not come in a minute"))?
        .map_err(|_| {
            Failure::refused(Refusal::new(
                Code::Limit,
                format!("the body is longer than {limit} bytes, or broke off"),
            ))
        })?;
    serde_json::from_slice(&bytes).map_err(|error| Failure::malformed(error.to_string()))
}

pub(super) async fn submit(
    app: &App,
    session: &Session,
    row: &Route,
    request: Request,
) -> Result<Response<Body>, Failure> {
    let Submission { id, mut command, dry_run } = body(row, request).await?;
    internal_only(&command)?;
    complete(app, &mut command).await?;
    let caller = session.caller()?;
    let reply = app.ledger.command(caller, Some(id), command, dry_run).await?;
    Ok(json(&reply))
}

/// Refuses what only the controller asks of itself, whoever the caller is.
fn internal_only(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Estate(EstateCommand::Bootstrap { .. } | EstateCommand::Enrol { .. }) => {
            Err(Failure::malformed("this command is not given from outside"))
        }
        _ => Ok(()),
    }
}

/// Fills in what a command needs from the disk: what a charm's archive says, read from the verified
/// bytes (S10), and whether the bytes that it names are here.
async fn complete(app: &App, command: &mut Command) -> Result<(), Failure> {
    let Command::Model { command, .. } = command else { return Ok(()) };
    let files: Vec<_> = match command {
        ModelCommand::AddCharm(asked) => return read_charm(app, asked).await,
        ModelCommand::Deploy(asked) => asked.resources.values().collect(),
        ModelCommand::Refresh(asked) => asked.resources.values().collect(),
        ModelCommand::AttachResource { file, .. } => vec![file],
        _ => return Ok(()),
    };
    for file in files {
        let known = app.blobs.blob_of_size(&file.digest, file.size);
        if known.is_err() {
            return Err(Failure::refused(
                Refusal::new(
                    Code::Missing,
                    format!("the bytes {} of \"{}\" are not here", file.digest, file.origin_name),
                )
                .hint("upload them first"),
            ));
        }
    }
    Ok(())
}

/// Small files of a charm that the model needs; everything else stays in the archive.
fn is_read(name: &str) -> bool {
    matches!(
        name,
        "metadata.yaml"
            | "config.yaml"
            | "actions.yaml"
            | "manifest.yaml"
            | "metrics.yaml"
            | "lxd-profile.yaml"
            | "charmcraft.yaml"
            | "revision"
            | "version"
    )
}

async fn read_charm(app: &App, asked: &mut AddCharm) -> Result<(), Failure> {
    let blobs = app.blobs.clone();
    let digest = asked.digest;
    let size = asked.size;
    let reading = tokio::task::spawn_blocking(move || {
        let refuse = |error: &dyn std::error::Error| {
            Refusal::new(Code::Invalid, format!("cannot read the charm: {}", crate::Chain(error)))
        };
        let blob = blobs.blob_of_size(&digest, size).map_err(|_| {
            Refusal::new(Code::Missing, format!("the bytes {digest} are not here"))
                .hint("upload them first")
        })?;
        let archive = archive::Archive::from_file(blob.into_file()).map_err(|e| refuse(&e))?;
        let files = archive.read_files(&Limits::charm(), is_read).map_err(|e| refuse(&e))?;
        Charm::read(&files).map_err(|error| refuse(&error))
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
    app.provisioner
        .remove_everything()
        .await
        .map_err(|error| Failure::internal("remove its machines", &error))?;
    app.shutdown.cancel();
    Ok(json(&()))
}
