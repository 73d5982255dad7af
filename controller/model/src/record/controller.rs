//! What the controllers keep of themselves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::RequestId;
use crate::name::{CloudName, ModelId};
use crate::time::Timestamp;

/// The installation itself; made once, at bootstrap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Controller {
    /// Its id for life; clients pin it together with the certificate authority.
    pub uuid: ModelId,
    /// The name that the operator gave it.
    pub name: CloudName,
    /// The cloud on which it makes machines.
    pub cloud: CloudName,
    /// Raised by each restore of a backup, so that nobody takes an older state for a newer one.
    #[serde(default)]
    pub epoch: u64,
    /// When it was made.
    pub created: Timestamp,
}

/// Whom one controller hears from, written by itself at most every fifteen seconds.
///
/// Only the exceptions are listed, so that the record does not grow with the number of machines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Presence {
    /// Which controller.
    pub controller: RequestId,
    /// When it wrote this.
    pub at: Timestamp,
    /// The machines (`MODEL/ID`) that it should hear from and does not, and since when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub silent: BTreeMap<String, Timestamp>,
}

/// An answered request, kept so that a retry gets the first answer (reliability document, R4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Request {
    /// The client's id for it.
    pub id: RequestId,
    /// When it was answered; dropped 24 hours later.
    pub at: Timestamp,
    /// The answer.
    pub reply: crate::reply::Reply,
}
