//! The controller as the agent needs it: a narrow trait, so that tests put a fake in its place.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt};
use muster_api::body::{LogBatch, LogReceipt, PresenceBody};
use muster_api::client::Endpoint;
use muster_api::shell::Link;
use muster_api::{AgentClient, CallError};
use muster_model::goal::{Goal, OwnedSecrets, Snapshot, SnapshotRequest};
use muster_model::name::UnitName;
use muster_model::record::{Sealed, SecretOwner};
use muster_model::report::{Receipt, SecretWant};
use muster_model::secret::{Content, SecretId};
use muster_model::{Refusal, Report, Revision};
use muster_resources::Digest;
use thiserror::Error;

/// Why a call has no answer, as far as the agent acts upon it.
#[derive(Debug, Error)]
pub enum ControllerError {
    /// A rule said no; the same call will be refused again.
    #[error("{0}")]
    Refused(Refusal),
    /// The same call may be made again.
    #[error("the controller does not answer")]
    Passing(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Neither: something is wrong between the two, and a person must look.
    #[error("the controller does not understand the agent")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<CallError> for ControllerError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(refusal) => ControllerError::Refused(refusal),
            error if error.is_passing() => ControllerError::Passing(Box::new(error)),
            error => ControllerError::Broken(Box::new(error)),
        }
    }
}

/// What a poll for the goal came to.
#[derive(Clone, Debug)]
pub struct Polled {
    /// The goal, if it is a newer one.
    pub goal: Option<Goal>,
    /// Until when units may believe that they lead, if the controller said so.
    pub lease: Option<Instant>,
    /// Shells that wait to be taken.
    pub shells: u32,
}

/// Bytes as they come.
pub type Bytestream = BoxStream<'static, Result<Bytes, ControllerError>>;

/// The calls that an agent makes.
pub trait Controller: Debug + Send + Sync + 'static {
    /// Waits for a goal newer than `after`.
    fn goal(&self, after: Revision) -> BoxFuture<'_, Result<Polled, ControllerError>>;

    /// Tells what was done. Safe to repeat.
    fn report<'a>(&'a self, report: &'a Report) -> BoxFuture<'a, Result<Receipt, ControllerError>>;

    /// Fetches what a unit lacks before a run.
    fn snapshot<'a>(
        &'a self,
        unit: &'a UnitName,
        request: &'a SnapshotRequest,
    ) -> BoxFuture<'a, Result<Snapshot, ControllerError>>;

    /// Has a content sealed for the next revision of a secret that a unit manages; `owner` is whose a
    /// new one will be.
    fn seal<'a>(
        &'a self,
        unit: &'a UnitName,
        id: &'a SecretId,
        owner: Option<&'a SecretOwner>,
        content: &'a Content,
    ) -> BoxFuture<'a, Result<Sealed, ControllerError>>;

    /// What a unit may read of a secret, which the controller remembers. Safe to repeat.
    fn read_secret<'a>(
        &'a self,
        unit: &'a UnitName,
        want: &'a SecretWant,
    ) -> BoxFuture<'a, Result<Content, ControllerError>>;

    /// The secrets of a unit and of its application, without their contents.
    fn owned_secrets<'a>(
        &'a self,
        unit: &'a UnitName,
    ) -> BoxFuture<'a, Result<OwnedSecrets, ControllerError>>;

    /// Fetches bytes from `offset` on.
    fn blob<'a>(
        &'a self,
        digest: &'a Digest,
        offset: u64,
    ) -> BoxFuture<'a, Result<Bytestream, ControllerError>>;

    /// Hands over log lines.
    fn logs<'a>(
        &'a self,
        batch: &'a LogBatch,
    ) -> BoxFuture<'a, Result<LogReceipt, ControllerError>>;

    /// Says what runs at the moment.
    fn presence<'a>(&'a self, body: &'a PresenceBody)
    -> BoxFuture<'a, Result<(), ControllerError>>;

    /// Takes the next shell that waits for this machine; none: none waits any more.
    fn shell(&self) -> BoxFuture<'_, Result<Option<Link>, ControllerError>>;

    /// `host:port` of each controller, as charms are told.
    fn addresses(&self) -> String;
}

/// The controller over the network.
#[derive(Clone, Debug)]
pub struct Remote {
    client: AgentClient,
    addresses: String,
}

impl Remote {
    /// A controller behind `addresses`, known by its authority, spoken to with `token`.
    ///
    /// # Errors
    /// If the certificate cannot be used.
    pub fn new(
        addresses: &[SocketAddr],
        authority: &str,
        token: String,
    ) -> Result<Remote, CallError> {
        let shown: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
        let endpoint = Endpoint::new(addresses, authority, Some(token))?;
        Ok(Remote { client: AgentClient::new(endpoint), addresses: shown.join(" ") })
    }
}

impl Controller for Remote {
    fn goal(&self, after: Revision) -> BoxFuture<'_, Result<Polled, ControllerError>> {
        Box::pin(async move {
            let polled = self.client.goal(after).await?;
            let lease = polled.lease.map(|lease| lease.until);
            Ok(Polled { goal: polled.goal, lease, shells: polled.shells })
        })
    }

    fn report<'a>(&'a self, report: &'a Report) -> BoxFuture<'a, Result<Receipt, ControllerError>> {
        Box::pin(async move { Ok(self.client.report(report).await?) })
    }

    fn snapshot<'a>(
        &'a self,
        unit: &'a UnitName,
        request: &'a SnapshotRequest,
    ) -> BoxFuture<'a, Result<Snapshot, ControllerError>> {
        Box::pin(async move { Ok(self.client.snapshot(unit, request).await?) })
    }

    fn seal<'a>(
        &'a self,
        unit: &'a UnitName,
        id: &'a SecretId,
        owner: Option<&'a SecretOwner>,
        content: &'a Content,
    ) -> BoxFuture<'a, Result<Sealed, ControllerError>> {
        Box::pin(async move { Ok(self.client.seal(unit, id, owner, content).await?) })
    }

    fn read_secret<'a>(
        &'a self,
        unit: &'a UnitName,
        want: &'a SecretWant,
    ) -> BoxFuture<'a, Result<Content, ControllerError>> {
        Box::pin(async move { Ok(self.client.read_secret(unit, want).await?) })
    }

    fn owned_secrets<'a>(
        &'a self,
        unit: &'a UnitName,
    ) -> BoxFuture<'a, Result<OwnedSecrets, ControllerError>> {
        Box::pin(async move { Ok(self.client.owned_secrets(unit).await?) })
    }

    fn blob<'a>(
        &'a self,
        digest: &'a Digest,
        offset: u64,
    ) -> BoxFuture<'a, Result<Bytestream, ControllerError>> {
        Box::pin(async move {
            let stream = self.client.blob(digest, offset).await?;
            Ok(stream.map(|piece| piece.map_err(ControllerError::from)).boxed())
        })
    }

    fn logs<'a>(
        &'a self,
        batch: &'a LogBatch,
    ) -> BoxFuture<'a, Result<LogReceipt, ControllerError>> {
        Box::pin(async move { Ok(self.client.logs(batch).await?) })
    }

    fn presence<'a>(
        &'a self,
        body: &'a PresenceBody,
    ) -> BoxFuture<'a, Result<(), ControllerError>> {
        Box::pin(async move { Ok(self.client.presence(body).await?) })
    }

    fn shell(&self) -> BoxFuture<'_, Result<Option<Link>, ControllerError>> {
        Box::pin(async move { Ok(self.client.shell().await?) })
    }

    fn addresses(&self) -> String {
        self.addresses.clone()
    }
}

/// Waits between tries: doubled each time up to a minute, with full jitter, so that a thousand
/// agents do not come back as one (reliability document, R8).
#[derive(Clone, Debug)]
pub struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { next: Duration::from_millis(200) }
    }
}

impl Backoff {
    /// The next wait.
    pub fn wait(&mut self) -> Duration {
        let most = self.next;
        self.next = (self.next * 2).min(Duration::from_secs(60));
        let part = u32::from(crate::random::thousandth());
        most / 4 + most * 3 / 4 * part / 1000
    }
}

/// Reports until the controller has answered. None: `stop` came first.
pub async fn report_until_answered(
    controller: &Arc<dyn Controller>,
    report: &Report,
    stop: &tokio_util::sync::CancellationToken,
) -> Option<Result<Receipt, ControllerError>> {
    let mut backoff = Backoff::default();
    loop {
        let answer = tokio::select! {
            answer = controller.report(report) => answer,
            () = stop.cancelled() => return None,
        };
        let Err(ControllerError::Passing(source)) = answer else { return Some(answer) };
        let wait = backoff.wait();
        tracing::debug!(error = %muster_console::outcome::Chain(&*source), "report is sent again");
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return None,
        }
    }
}
