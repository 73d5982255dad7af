//! What is answered when a request is not served.

use axum::body::Body;
use axum::response::Response;
use http::StatusCode;
use muster_api::body::Problem;
use muster_model::Refusal;
use muster_model::refusal::Code;
use serde::Serialize;

use crate::ledger::SubmitError;

/// A request that was not served: what the client is told, and nothing about the inside (S39).
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    problem: Problem,
}

impl Failure {
    /// A rule said no.
    #[must_use]
    pub fn refused(refusal: Refusal) -> Self {
        let status = match refusal.code {
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::PermissionDenied | Code::NotLeader => StatusCode::FORBIDDEN,
            Code::Invalid | Code::Unsupported => StatusCode::BAD_REQUEST,
            Code::Limit => StatusCode::PAYLOAD_TOO_LARGE,
            Code::AlreadyExists
            | Code::Dying
            | Code::InUse
            | Code::Ambiguous
            | Code::Unsuitable
            | Code::Missing
            | Code::OutOfStep
            | Code::NotReady => StatusCode::CONFLICT,
        };
        Failure { status, problem: Problem::Refused(refusal) }
    }

    /// The credentials are none, wrong, or ended.
    #[must_use]
    pub fn unauthenticated() -> Self {
        let why = "this needs a token that the controller knows".to_owned();
        Failure { status: StatusCode::UNAUTHORIZED, problem: Problem::Unauthenticated(why) }
    }

    /// The request is not one that this controller understands.
    #[must_use]
    pub fn malformed(why: impl Into<String>) -> Self {
        Failure { status: StatusCode::BAD_REQUEST, problem: Problem::Malformed(why.into()) }
    }

    /// It cannot be done now; the cause goes to the log, not to the client.
    #[must_use]
    pub fn unavailable(why: impl Into<String>) -> Self {
        Failure {
            status: StatusCode::SERVICE_UNAVAILABLE,
            problem: Problem::Unavailable(why.into()),
        }
    }

    /// Too much is asked at a time; the same request may be sent again a little later.
    #[must_use]
    pub fn busy(why: impl Into<String>) -> Self {
        Failure { status: StatusCode::TOO_MANY_REQUESTS, problem: Problem::Unavailable(why.into()) }
    }

    /// Something failed here. The error goes to the log, not to the client.
    #[must_use]
    pub fn internal(what: &str, error: &dyn std::error::Error) -> Self {
        tracing::error!(what, error = %crate::Chain(error), "a request failed");
        Failure::unavailable(format!("it could not {what}; its log says why"))
    }

    /// There is no such route.
    #[must_use]
    pub fn not_found() -> Self {
        Failure::refused(Refusal::new(Code::NotFound, "there is no such address: not found"))
    }

    /// The response.
    #[must_use]
    pub fn respond(self) -> Response<Body> {
        let mut response = json_with(self.status, &self.problem);
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            let wait = http::HeaderValue::from_static("1");
            response.headers_mut().insert(http::header::RETRY_AFTER, wait);
        }
        response
    }
}

impl From<SubmitError> for Failure {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Refused(refusal) => Failure::refused(refusal),
            SubmitError::Closing => Failure::unavailable("it is ending"),
            SubmitError::Busy => Failure::busy("too much waits already"),
            SubmitError::Full => Failure::unavailable(error.to_string()),
            SubmitError::Mistake => Failure::unavailable("it made a mistake; its log has it"),
        }
    }
}

/// A value as the response's JSON.
pub(super) fn json(value: &impl Serialize) -> Response<Body> {
    json_with(StatusCode::OK, value)
}

fn json_with(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let (status, bytes) = match serde_json::to_vec(value) {
        Ok(bytes) => (status, bytes),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            (StatusCode::INTERNAL_SERVER_ERROR, b"{}".to_vec())
        }
    };
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let kind = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}
