//! What an agent says to its controller: goal, report, blob, and the logs beside them.

use std::time::{Duration, Instant};

use futures_util::{Stream, TryStreamExt};
use muster_model::goal::{Goal, Snapshot, SnapshotRequest};
use muster_model::name::UnitName;
use muster_model::record::TokenHash;
use muster_model::report::Receipt;
use muster_model::{Report, Revision};
use muster_resources::Digest;

use super::call::{CallError, Endpoint};
use crate::body::{EnrolBody, EnrolledBody, LogBatch, LogReceipt, PresenceBody};
use crate::route::Name;
use crate::shell::Link;

/// Until when a machine's units may believe that they lead.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// On the monotonic clock, counted from when the request was *sent* (R10).
    pub until: Instant,
}

/// The response header that carries the lease, in milliseconds.
pub const LEASE_HEADER: &str = "muster-lease-ms";

/// The header of a poll's answer that says how many shells wait to be taken; absent: none.
pub const SHELLS_HEADER: &str = "muster-shells";

/// What a poll came to.
#[derive(Clone, Debug)]
pub struct Polled {
    /// The goal, if it is newer.
    pub goal: Option<Goal>,
    /// Until when units may believe that they lead, if the controller says so.
    pub lease: Option<Lease>,
    /// Shells that wait to be taken.
    pub shells: u32,
}

/// How long the controller holds a poll with nothing new; the client waits somewhat longer.
pub const POLL: Duration = Duration::from_secs(25);

/// A machine's agent as a client.
#[derive(Clone, Debug)]
pub struct AgentClient {
    pub(super) endpoint: Endpoint,
}

impl AgentClient {
    /// An agent that speaks through `endpoint`, whose token is the machine's (or, to enrol, the
    /// join token).
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        AgentClient { endpoint }
    }

    /// Exchanges the join token for one that the agent chose itself, given by its hash.
    ///
    /// # Errors
    /// If the token was used already by another, or the controller cannot be reached.
    pub async fn enrol(&self, token: TokenHash) -> Result<EnrolledBody, CallError> {
        let request = self.endpoint.request(Name::Enrol, &[]).json(&EnrolBody { token });
        self.endpoint.json(request).await
    }

    /// Waits for a goal that is newer than `after`, for as long as the controller holds a poll.
    /// No goal: nothing new. In both cases the lease is renewed, if the controller says so.
    ///
    /// # Errors
    /// If the controller cannot be reached or does not know the machine any more.
    pub async fn goal(&self, after: Revision) -> Result<Polled, CallError> {
        let sent = Instant::now();
        let request = self
            .endpoint
            .request(Name::Goal, &[])
            .query(&[("after", after.to_string())])
            .timeout(POLL + Duration::from_secs(10));
        let response = self.endpoint.send(request).await?;
        let number = |header| {
            let value = response.headers().get(header)?.to_str().ok()?;
            value.parse::<u64>().ok()
        };
        let lease = number(LEASE_HEADER);
        let lease = lease.map(|ms| Lease { until: sent + Duration::from_millis(ms) });
        let shells = number(SHELLS_HEADER).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        if response.status() == http::StatusCode::NO_CONTENT {
            return Ok(Polled { goal: None, lease, shells });
        }
        let bytes = response.bytes().await.map_err(|source| self.endpoint.unreachable(source))?;
        let goal = serde_json::from_slice(&bytes).map_err(CallError::Answer)?;
        Ok(Polled { goal: Some(goal), lease, shells })
    }

    /// Tells the controller something.
    ///
    /// # Errors
    /// [`CallError::Refused`] if it was not taken; else the same report may be sent again.
    pub async fn report(&self, report: &Report) -> Result<Receipt, CallError> {
        self.endpoint.json(self.endpoint.request(Name::Reports, &[]).json(report)).await
    }

    /// What a unit lacks before a run.
    ///
    /// # Errors
    /// If the unit is not this machine's, or the controller cannot be reached.
    pub async fn snapshot(
        &self,
        unit: &UnitName,
        request: &SnapshotRequest,
    ) -> Result<Snapshot, CallError> {
        let number = unit.number.to_string();
        let parts = [unit.application.as_str(), &number];
        self.endpoint.json(self.endpoint.request(Name::Snapshot, &parts).json(request)).await
    }

    /// The bytes of a blob from `offset` on, as they come.
    ///
    /// # Errors
    /// If the machine has no use for the blob, or the controller cannot be reached.
    pub async fn blob(
        &self,
        digest: &Digest,
        offset: u64,
    ) -> Result<impl Stream<Item = Result<bytes::Bytes, CallError>> + use<>, CallError> {
        let request = self
            .endpoint
            .request(Name::BlobRead, &[&digest.to_string()])
            .query(&[("offset", offset.to_string())]);
        let response = self.endpoint.send(request).await?;
        let endpoint = self.endpoint.clone();
        Ok(response.bytes_stream().map_err(move |source| endpoint.unreachable(source)))
    }

    /// Hands over log lines.
    ///
    /// # Errors
    /// If the controller cannot be reached; then they are kept and sent again.
    pub async fn logs(&self, batch: &LogBatch) -> Result<LogReceipt, CallError> {
        self.endpoint.json(self.endpoint.request(Name::AgentLogs, &[]).json(batch)).await
    }

    /// Says what the machine's units do at the moment.
    ///
    /// # Errors
    /// If the controller cannot be reached; nothing is lost by that.
    pub async fn presence(&self, body: &PresenceBody) -> Result<(), CallError> {
        self.endpoint.send(self.endpoint.request(Name::AgentPresence, &[]).json(body)).await?;
        Ok(())
    }

    /// Takes the next shell that waits for this machine: the machine's end of its stream. None: none
    /// waits any more.
    ///
    /// # Errors
    /// If the controller cannot be reached.
    pub async fn shell(&self) -> Result<Option<Link>, CallError> {
        let request = self.endpoint.request(Name::AgentShell, &[]);
        Ok(self.endpoint.upgrade(request).await?.map(Link::over))
    }
}
