//! Who this agent is: its machine, and the token by which the controller knows it.
//!
//! A join token is good once. The agent makes up its own token first and keeps it; then it hands the
//! token's hash over together with the join token. So a crash at any moment is followed by the same
//! request, which the controller answers as before.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use muster_api::client::Endpoint;
use muster_api::{AgentClient, CallError};
use muster_model::name::{MachineId, ModelId};
use muster_model::record::TokenHash;
use muster_resources::Digest;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::config::{Connection, Settings};
use crate::controller::{Backoff, Remote};
use crate::random;

/// Why an agent does not know who it is.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The file cannot be read, written or understood.
    #[error("cannot keep the agent's identity in `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The machine is not enrolled and there is no join token.
    #[error("this machine is not enrolled and the configuration has no join token")]
    NoToken,
    /// The controller refused.
    #[error("cannot enrol this machine")]
    Enrol(#[source] CallError),
    /// The agent was stopped before it was enrolled.
    #[error("stopped before the machine was enrolled")]
    Stopped,
}

/// What is kept; readable by root alone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Identity {
    token: String,
    #[serde(default)]
    machine: Option<(ModelId, MachineId)>,
}

/// The controller and who speaks to it, after enrolling if that is still to be done.
pub(crate) async fn establish(
    settings: &Settings,
    connection: &Connection,
    stop: &CancellationToken,
) -> Result<(Remote, (ModelId, MachineId)), IdentityError> {
    let path = settings.paths.identity();
    let wrong = |source| IdentityError::File { path: path.clone(), source };
    let mut identity = match read(&path).map_err(wrong)? {
        Some(identity) => identity,
        None => {
            let token = random::hexadecimal(32).map_err(wrong)?;
            let identity = Identity { token, machine: None };
            write(&path, &identity).map_err(wrong)?;
            identity
        }
    };
    if identity.machine.is_none() {
        identity.machine = Some(enrol(&identity, connection, stop).await?);
        write(&path, &identity).map_err(wrong)?;
    }
    let Some(machine) = identity.machine else { return Err(IdentityError::NoToken) };
    if let Some(used) = connection.join_token_file.as_ref().filter(|path| path.exists()) {
        fs::remove_file(used)
            .map_err(|source| IdentityError::File { path: used.clone(), source })?;
    }
    let remote = Remote::new(&connection.controllers, &connection.authority, identity.token)
        .map_err(IdentityError::Enrol)?;
    Ok((remote, machine))
}

async fn enrol(
    identity: &Identity,
    connection: &Connection,
    stop: &CancellationToken,
) -> Result<(ModelId, MachineId), IdentityError> {
    let Some(join) = &connection.join_token else { return Err(IdentityError::NoToken) };
    let endpoint =
        Endpoint::new(&connection.controllers, &connection.authority, Some(join.clone()))
            .map_err(IdentityError::Enrol)?;
    let client = AgentClient::new(endpoint);
    let hash = TokenHash(Digest::of(identity.token.as_bytes()));
    let mut backoff = Backoff::default();
    loop {
        match client.enrol(hash).await {
            Ok(enrolled) => return Ok((enrolled.model, enrolled.machine)),
            Err(error) if error.is_passing() => {
                tracing::info!(error = %muster_console::outcome::Chain(&error), "not enrolled yet");
            }
            Err(error) => return Err(IdentityError::Enrol(error)),
        }
        tokio::select! {
            () = tokio::time::sleep(backoff.wait()) => {}
            () = stop.cancelled() => return Err(IdentityError::Stopped),
        }
    }
}

/// Whose agent keeps its things beside this file; none, if there is no such agent.
pub(crate) fn owner(path: &Path) -> io::Result<Option<(ModelId, MachineId)>> {
    Ok(read(path)?.and_then(|identity| identity.machine))
}

fn read(path: &Path) -> io::Result<Option<Identity>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write(path: &Path, identity: &Identity) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    crate::paths::private_folder(folder)?;
    let fresh = path.with_extension("new");
    let mut file =
        fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(&serde_json::to_vec(identity)?)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    fs::File::open(folder)?.sync_all()
}
