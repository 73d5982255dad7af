//! The few bodies that are not types of the model.

use std::collections::BTreeMap;

use muster_model::cloud::{CloudDefinition, Credential};
use muster_model::name::{CloudName, MachineId, UnitName};
use muster_model::record::RequestId;
use muster_model::{Command, Refusal, Revision, Timestamp};
use serde::{Deserialize, Serialize};

/// A command on its way in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Submission {
    /// The client's id for it: a retry with the same id gets the first answer (R4).
    pub id: RequestId,
    /// What is asked.
    pub command: Command,
    /// Decide and answer, but change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// Why a request was not served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Problem {
    /// A rule said no.
    Refused(Refusal),
    /// The credentials are none, wrong, or ended.
    Unauthenticated(String),
    /// The request is not one that this controller understands.
    Malformed(String),
    /// The controller cannot do it now; the same request may be sent again.
    Unavailable(String),
}

/// What a controller says of itself to anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct VersionBody {
    /// Muster's version.
    pub version: String,
    /// The installation's id.
    pub uuid: String,
}

/// The clouds that a controller knows, and what the caller keeps to log in to them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CloudsBody {
    /// The one that it makes machines on.
    pub own: String,
    /// By name, that one among them.
    pub clouds: BTreeMap<CloudName, CloudDefinition>,
    /// The caller's, by cloud and name.
    pub credentials: BTreeMap<CloudName, BTreeMap<CloudName, Credential>>,
}

/// What a controller says of itself to users.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ControllerBody {
    /// Its record.
    pub controller: muster_model::record::Controller,
    /// Muster's version.
    pub version: String,
    /// The store's revision.
    pub revision: Revision,
    /// Models, machines and units in it.
    pub models: usize,
    /// See `models`.
    pub machines: usize,
    /// See `models`.
    pub units: usize,
    /// Where agents reach it.
    pub agent_addresses: Vec<String>,
    /// Whether machines can be made; for who may not know, they can.
    #[serde(default)]
    pub substrate: Preparation,
    /// Commits since it started, each synced once, whatever the number of their Txns.
    #[serde(default)]
    pub commits: u64,
}

/// How far the substrate is with what every machine stands on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preparation {
    /// Machines can be made, or this controller makes none.
    #[default]
    Ready,
    /// It is at this.
    Busy(String),
    /// It cannot be done, and why. It is tried again with each machine.
    Failed(String),
}

/// As whom the caller speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WhoamiBody {
    /// The user.
    pub user: muster_model::name::UserName,
    /// What the user may do to the controller.
    pub access: muster_model::record::ControllerAccess,
}

/// Takes the whole installation down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TeardownBody {
    /// The controller's name again, so that a slip does nothing.
    pub name: String,
}

/// What is left of an installation that was taken down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct TornDown {
    /// Where the data of storage on the host itself is: it is nobody's to destroy unasked (R14).
    pub left: Vec<String>,
}

/// How much of a blob the controller has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlobState {
    /// All of it, checked.
    Whole {
        /// Its size.
        size: u64,
    },
    /// So many bytes are on disk; go on from there.
    Partial {
        /// The next byte to send.
        offset: u64,
    },
}

/// Lines that an agent hands over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LogBatch {
    /// The number of the first line in the agent's spool; lines that were taken are not kept twice.
    pub first: u64,
    /// The lines.
    pub lines: Vec<LogLine>,
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// Of whom: a unit's or a machine's tag, `unit-wiki-0` or `machine-0`.
    pub entity: String,
    /// `DEBUG`, `INFO`, `WARNING`, `ERROR`, …
    pub level: String,
    /// Which part: `unit.wiki/0.install`, `unit.wiki/0.juju-log`, …
    pub module: String,
    /// What.
    pub message: String,
}

/// How far the controller has taken an agent's spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LogReceipt {
    /// The number of the next line that it wants.
    pub next: u64,
}

/// What a machine's units do at the moment. Kept in memory only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PresenceBody {
    /// What each unit runs, such as `running install hook`; units that run nothing are absent.
    pub executing: BTreeMap<UnitName, String>,
    /// The machine's own task, if it runs one.
    #[serde(default)]
    pub machine: Option<String>,
}

/// A machine has enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EnrolBody {
    /// The hash of the token that the agent chose for itself, as 64 hexadecimal digits.
    pub token: muster_model::record::TokenHash,
}

/// Who an agent is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EnrolledBody {
    /// The machine's model.
    pub model: muster_model::name::ModelId,
    /// The machine.
    pub machine: MachineId,
}
