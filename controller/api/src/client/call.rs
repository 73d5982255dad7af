//! One request: to whom, with which rights, and what can come of it.

use std::net::SocketAddr;
use std::time::Duration;

use muster_model::Refusal;
use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::body::Problem;
use crate::route::{self, Method, Name};
use crate::shell::PROTOCOL;
use crate::trust::{SERVER_NAME, TrustError, client_config};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);

/// How long a connection that nobody uses is kept: over what an agent says in one go, and not from
/// one poll to the next, so that an agent at rest holds one connection of the controller's.
const KEPT: Duration = Duration::from_secs(10);

/// Why a call has no answer.
#[derive(Debug, Error)]
pub enum CallError {
    /// A rule said no. This is an answer: the same request will be refused again.
    #[error("{0}")]
    Refused(Refusal),
    /// The credentials are none, wrong, or ended.
    #[error("the controller does not accept these credentials: {0}")]
    Unauthenticated(String),
    /// The controller did not understand the request.
    #[error("the controller does not understand this request: {0}")]
    Malformed(String),
    /// The controller cannot do it now; the same request may be sent again.
    #[error("the controller cannot do this at the moment: {0}")]
    Unavailable(String),
    /// Nobody answered; whether anything was done is not known.
    #[error("cannot reach the controller at {address}")]
    Unreachable {
        /// The addresses that were tried.
        address: String,
        /// What happened.
        #[source]
        source: reqwest::Error,
    },
    /// The answer is not one that this version understands.
    #[error("cannot read the controller's answer")]
    Answer(#[source] serde_json::Error),
    /// The trust cannot be set up.
    #[error("cannot trust the controller")]
    Trust(#[source] TrustError),
    /// Bytes to send could not be read.
    #[error("cannot read what is to be sent")]
    Body(#[source] std::io::Error),
}

impl CallError {
    /// Whether the same request may be sent again with hope.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, CallError::Unavailable(_) | CallError::Unreachable { .. })
    }
}

/// Where a controller is reached, whom it is trusted by, and as whom the caller speaks.
#[derive(Clone, Debug)]
pub struct Endpoint {
    http: reqwest::Client,
    base: String,
    addresses: String,
    token: Option<String>,
}

impl Endpoint {
    /// A controller behind `addresses` (tried in turn), known by its authority's certificate in
    /// PEM.
    ///
    /// # Errors
    /// If the certificate cannot be used.
    pub fn new(
        addresses: &[SocketAddr],
        authority: &str,
        token: Option<String>,
    ) -> Result<Self, CallError> {
        let port = addresses.first().map_or(443, SocketAddr::port);
        let shown: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
        let shown = shown.join(", ");
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(client_config(authority).map_err(CallError::Trust)?)
            .https_only(true)
            .no_proxy()
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .pool_idle_timeout(KEPT)
            .resolve_to_addrs(SERVER_NAME, addresses)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|source| CallError::Unreachable { address: shown.clone(), source })?;
        let base = format!("https://{SERVER_NAME}:{port}");
        Ok(Endpoint { http, base, addresses: shown, token })
    }

    /// A request to the route of this name, with the parts of its path that vary, in order.
    pub(crate) fn request(&self, name: Name, parts: &[&str]) -> RequestBuilder {
        let (method, path) = match route::route(name) {
            Some(row) => (row.method, row.path),
            None => (Method::Get, "/"),
        };
        let mut url = self.base.clone();
        let mut parts = parts.iter();
        for segment in path.split('/').skip(1) {
            url.push('/');
            if segment.starts_with('{') {
                url.push_str(parts.next().copied().unwrap_or_default());
            } else {
                url.push_str(segment);
            }
        }
        let request = match method {
            Method::Get => self.http.get(url),
            Method::Post => self.http.post(url),
            Method::Put => self.http.put(url),
        };
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request and answers the response if the controller served it.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, CallError> {
        let response = self.answered(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        Err(CallError::Unavailable(format!("it answered {status}")))
    }

    /// Sends a request and answers the response unless it is a problem.
    async fn answered(&self, request: RequestBuilder) -> Result<Response, CallError> {
        let response = request.send().await.map_err(|source| self.unreachable(source))?;
        let code = response.status();
        if code.is_success() || code.is_informational() {
            return Ok(response);
        }
        let status = response.status();
        let bytes = response.bytes().await.map_err(|source| self.unreachable(source))?;
        Err(match serde_json::from_slice(&bytes) {
            Ok(Problem::Refused(refusal)) => CallError::Refused(refusal),
            Ok(Problem::Unauthenticated(text)) => CallError::Unauthenticated(text),
            Ok(Problem::Malformed(text)) => CallError::Malformed(text),
            Ok(Problem::Unavailable(text)) => CallError::Unavailable(text),
            Err(_) => CallError::Unavailable(format!("it answered {status}")),
        })
    }

    /// Sends a request for a shell's stream. None: there is none (204).
    pub(crate) async fn upgrade(
        &self,
        request: RequestBuilder,
    ) -> Result<Option<reqwest::Upgraded>, CallError> {
        let request = request
            .header(http::header::CONNECTION, "upgrade")
            .header(http::header::UPGRADE, PROTOCOL);
        let response = self.answered(request).await?;
        if response.status() == http::StatusCode::NO_CONTENT {
            return Ok(None);
        }
        if response.status() != http::StatusCode::SWITCHING_PROTOCOLS {
            let why = format!("it answered {} to a request for a stream", response.status());
            return Err(CallError::Unavailable(why));
        }
        response.upgrade().await.map(Some).map_err(|source| self.unreachable(source))
    }

    /// Sends a request and reads the answer as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, CallError> {
        let response = self.send(request).await?;
        let bytes = response.bytes().await.map_err(|source| self.unreachable(source))?;
        serde_json::from_slice(&bytes).map_err(CallError::Answer)
    }

    pub(crate) fn unreachable(&self, source: reqwest::Error) -> CallError {
        CallError::Unreachable { address: self.addresses.clone(), source }
    }

    /// The addresses that it tries, as text.
    #[must_use]
    pub fn addresses(&self) -> &str {
        &self.addresses
    }
}
