//! Contents of secrets, to and from the controller's vault.

use muster_model::goal::OwnedSecrets;
use muster_model::name::{ModelId, UnitName};
use muster_model::record::{Sealed, SecretOwner};
use muster_model::report::SecretWant;
use muster_model::secret::{Content, SecretId};
use reqwest::RequestBuilder;

use super::agent::AgentClient;
use super::call::{CallError, Endpoint};
use super::user::Client;
use crate::route::Name;

impl Client {
    /// Has a content sealed for the next revision of a secret, for a command that brings it.
    ///
    /// # Errors
    /// If the caller may not change the secret, or the controller cannot be reached.
    pub async fn seal(
        &self,
        model: ModelId,
        id: &SecretId,
        content: &Content,
    ) -> Result<Sealed, CallError> {
        let request = self.endpoint.request(Name::SecretSeal, &[&model.to_string()]);
        let request = request.query(&[("id", id.as_str())]).body(content.to_bytes().to_vec());
        self.endpoint.json(request).await
    }

    /// What a revision of a secret holds; none: the newest.
    ///
    /// # Errors
    /// If the caller does not administer the model, there is no such revision, or the controller
    /// cannot be reached.
    pub async fn reveal(
        &self,
        model: ModelId,
        id: &SecretId,
        revision: Option<u32>,
    ) -> Result<Content, CallError> {
        let parts = [model.to_string(), id.to_string()];
        let parts = [parts[0].as_str(), parts[1].as_str()];
        let mut request = self.endpoint.request(Name::SecretContent, &parts);
        if let Some(revision) = revision {
            request = request.query(&[("revision", revision)]);
        }
        content(&self.endpoint, request).await
    }
}

impl AgentClient {
    /// Has a content sealed for the next revision of a secret that a unit manages; `owner` is whose
    /// a new one will be.
    ///
    /// # Errors
    /// If the unit does not manage the secret, or the controller cannot be reached.
    pub async fn seal(
        &self,
        unit: &UnitName,
        id: &SecretId,
        owner: Option<&SecretOwner>,
        content: &Content,
    ) -> Result<Sealed, CallError> {
        let mut request = self.of_unit(Name::AgentSeal, unit).query(&[("id", id.as_str())]);
        if let Some(owner) = owner {
            request = request.query(&[("owner", owner.to_string())]);
        }
        self.endpoint.json(request.body(content.to_bytes().to_vec())).await
    }

    /// What a unit may read of a secret. The controller remembers which revision that is.
    ///
    /// # Errors
    /// If the unit may not read it, or the controller cannot be reached.
    pub async fn read_secret(
        &self,
        unit: &UnitName,
        want: &SecretWant,
    ) -> Result<Content, CallError> {
        content(&self.endpoint, self.of_unit(Name::AgentSecret, unit).json(want)).await
    }

    /// The secrets of a unit and of its application, without their contents.
    ///
    /// # Errors
    /// If the unit is not this machine's, or the controller cannot be reached.
    pub async fn owned_secrets(&self, unit: &UnitName) -> Result<OwnedSecrets, CallError> {
        self.endpoint.json(self.of_unit(Name::AgentSecrets, unit)).await
    }

    fn of_unit(&self, name: Name, unit: &UnitName) -> RequestBuilder {
        let number = unit.number.to_string();
        self.endpoint.request(name, &[unit.application.as_str(), &number])
    }
}

async fn content(endpoint: &Endpoint, request: RequestBuilder) -> Result<Content, CallError> {
    let response = endpoint.send(request).await?;
    let bytes = response.bytes().await.map_err(|source| endpoint.unreachable(source))?;
    Content::from_bytes(&bytes)
        .map_err(|error| CallError::Answer(<serde_json::Error as serde::de::Error>::custom(error)))
}
