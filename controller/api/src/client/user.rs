//! What an operator's program says to a controller.

use std::time::Duration;

use futures_util::{Stream, TryStreamExt};
use muster_model::Command;
use muster_model::name::ModelId;
use muster_model::record::RequestId;
use muster_model::reply::Reply;
use muster_model::view::{Finding, ModelSummary, ModelView, ViewRequest, Wait, WaitAnswer};

use super::call::{CallError, Endpoint};
use crate::body::{
    CloudsBody, ControllerBody, Submission, TeardownBody, TornDown, VersionBody, WhoamiBody,
};
use crate::route::Name;
use crate::shell::{Link, Target};

/// How often a command whose answer was lost is sent again; its id makes that safe.
const TRIES: u32 = 3;

/// An operator's program as a client.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) endpoint: Endpoint,
}

/// Which lines of a model's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct LogQuery {
    /// How many of the last lines to begin with; none is all.
    pub last: Option<u64>,
    /// Whether to go on with lines as they come.
    pub follow: bool,
    /// The mildest level, such as `INFO`; none is all.
    pub level: Option<String>,
    /// Only these entities (`unit-wiki-0`, `machine-0`, `wiki` for all of its units; `*` stands for
    /// anything), comma-separated; empty is all.
    pub include: String,
    /// None of these.
    pub exclude: String,
    /// Only modules that begin with one of these.
    pub include_module: String,
    /// No modules that begin with one of these.
    pub exclude_module: String,
}

impl Client {
    /// A program that speaks through `endpoint`.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Client { endpoint }
    }

    /// Who the controller is.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub async fn version(&self) -> Result<VersionBody, CallError> {
        self.endpoint.json(self.endpoint.request(Name::Version, &[])).await
    }

    /// What the controller says of itself.
    ///
    /// # Errors
    /// If it cannot be reached or the caller is no user.
    pub async fn controller(&self) -> Result<ControllerBody, CallError> {
        self.endpoint.json(self.endpoint.request(Name::Controller, &[])).await
    }

    /// As whom the caller speaks.
    ///
    /// # Errors
    /// If it cannot be reached or the caller is no user.
    pub async fn whoami(&self) -> Result<WhoamiBody, CallError> {
        self.endpoint.json(self.endpoint.request(Name::Whoami, &[])).await
    }

    /// Takes the installation down: every machine that it made, then the controller itself.
    ///
    /// # Errors
    /// If it is refused or the controller cannot be reached.
    pub async fn teardown(&self, name: &str) -> Result<TornDown, CallError> {
        let body = TeardownBody { name: name.to_owned() };
        let request = self.endpoint.request(Name::Teardown, &[]).json(&body);
        self.endpoint.json(request.timeout(Duration::from_secs(600))).await
    }

    /// What is not as it must be; empty if all is well.
    ///
    /// # Errors
    /// If it is refused or the controller cannot be reached.
    pub async fn findings(&self) -> Result<Vec<Finding>, CallError> {
        self.endpoint.json(self.endpoint.request(Name::Findings, &[])).await
    }

    /// Gives a command. An answer that is lost on the way is asked for again under the same id.
    ///
    /// # Errors
    /// [`CallError::Refused`] with the rule's reason, or that the controller cannot be reached.
    pub async fn command(
        &self,
        id: RequestId,
        command: Command,
        dry_run: bool,
    ) -> Result<Reply, CallError> {
        let submission = Submission { id, command, dry_run };
        let mut tries = 1;
        loop {
            let request = self.endpoint.request(Name::Commands, &[]).json(&submission);
            match self.endpoint.json(request.timeout(Duration::from_secs(120))).await {
                Err(error) if error.is_passing() && tries < TRIES => tries += 1,
                answer => return answer,
            }
        }
    }

    /// The clouds that the controller knows, and the caller's credentials.
    ///
    /// # Errors
    /// If the controller cannot be reached.
    pub async fn clouds(&self) -> Result<CloudsBody, CallError> {
        self.endpoint.json(self.endpoint.request(Name::Clouds, &[])).await
    }

    /// The models that the caller may see.
    ///
    /// # Errors
    /// If the controller cannot be reached.
    pub async fn models(&self) -> Result<Vec<ModelSummary>, CallError> {
        self.endpoint.json(self.endpoint.request(Name::Models, &[])).await
    }

    /// A model, as far as it was asked for.
    ///
    /// # Errors
    /// If there is no such model for the caller, or the controller cannot be reached.
    pub async fn view(&self, model: ModelId, what: &ViewRequest) -> Result<ModelView, CallError> {
        let request = self.endpoint.request(Name::ModelView, &[&model.to_string()]).query(what);
        self.endpoint.json(request).await
    }

    /// Waits, on the server, until something is so or the time is over; at most about 50 seconds a
    /// call, so that a caller can show progress and goes on by calling again.
    ///
    /// # Errors
    /// If there is no such model for the caller, or the controller cannot be reached.
    pub async fn wait(&self, model: ModelId, what: &Wait) -> Result<WaitAnswer, CallError> {
        let request = self.endpoint.request(Name::ModelWait, &[&model.to_string()]).json(what);
        self.endpoint.json(request.timeout(Duration::from_secs(70))).await
    }

    /// Lines of a model's log, each as one line of JSON ([`LogLine`](crate::body::LogLine)).
    ///
    /// # Errors
    /// If there is no such model for the caller, or the controller cannot be reached.
    pub async fn logs(
        &self,
        model: ModelId,
        query: &LogQuery,
    ) -> Result<impl Stream<Item = Result<bytes::Bytes, CallError>> + use<>, CallError> {
        let request = self.endpoint.request(Name::ModelLogs, &[&model.to_string()]).query(query);
        let response = self.endpoint.send(request).await?;
        let endpoint = self.endpoint.clone();
        Ok(response.bytes_stream().map_err(move |source| endpoint.unreachable(source)))
    }

    /// A shell on a machine: the operator's end of its stream.
    ///
    /// # Errors
    /// If the caller may not write to the model, there is no such unit or machine, or nobody takes the
    /// shell there.
    pub async fn shell(&self, model: ModelId, target: &Target) -> Result<Link, CallError> {
        let request = self.endpoint.request(Name::Shell, &[&model.to_string()]).query(target);
        match self.endpoint.upgrade(request).await? {
            Some(stream) => Ok(Link::over(stream)),
            None => Err(CallError::Unavailable("it gave no stream".to_owned())),
        }
    }
}
