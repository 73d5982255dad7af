//! A shell: an operator's byte stream to a machine, through the controller.
//!
//! ```text
//! muster ssh ──upgrade──▶ controller ◀──upgrade── agent ──pipes or terminal──▶ the program
//!        ◀──────────────── frames, passed on as they are ────────────────▶
//! ```
//!
//! It is no record: it lives in memory, is in no log, waits for no hook, and ends with either end. The
//! controller says who may have one and which machine is meant; what is in it only the two ends read.
//!
//! * A frame is bounded, and so is what is under way: each stream of bytes has a window ([`WINDOW`]),
//!   and whoever reads says what it has taken. So neither end is ever stopped in the middle of a frame by
//!   a program that does not read, and each hears at once that the other has gone.
//! * Both ends say now and then that they are still there; who is not heard is gone ([`SILENCE`]).

mod codec;
mod link;

use bytes::Bytes;
use muster_model::command::TargetRef;
use muster_model::name::{ApplicationName, MachineId, UnitName};
use serde::{Deserialize, Serialize};

pub use codec::FrameError;
pub use link::{Gone, Incoming, Link, LinkError, Outgoing, SILENCE};

/// What the stream is called in the `Upgrade` header.
pub const PROTOCOL: &str = "muster-shell";

/// Bytes of one stream that may be under way: sent and not yet taken.
pub const WINDOW: u32 = 1 << 20;

/// Bytes of one piece of a stream.
pub const PIECE: usize = 32 << 10;

/// Which machine, by what is there; exactly one is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Target {
    /// That of a unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitName>,
    /// That of whoever leads an application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<ApplicationName>,
    /// This one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineId>,
}

impl Target {
    /// The machine that `place` names; none if it names several.
    #[must_use]
    pub fn of(place: &TargetRef) -> Option<Target> {
        Some(match place.clone() {
            TargetRef::Unit(unit) => Target { unit: Some(unit), ..Target::default() },
            TargetRef::Leader(name) => Target { leader: Some(name), ..Target::default() },
            TargetRef::Machine(id) => Target { machine: Some(id), ..Target::default() },
            TargetRef::Application(_) | TargetRef::AllMachines => return None,
        })
    }

    /// What is named.
    #[must_use]
    pub fn place(&self) -> Option<TargetRef> {
        match (self.unit.clone(), self.leader.clone(), self.machine) {
            (Some(unit), None, None) => Some(TargetRef::Unit(unit)),
            (None, Some(name), None) => Some(TargetRef::Leader(name)),
            (None, None, Some(id)) => Some(TargetRef::Machine(id)),
            _ => None,
        }
    }
}

/// What the two ends say to each other.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// The operator's first: what is wanted.
    Start(Start),
    /// Bytes of a stream.
    Bytes(Stream, Bytes),
    /// The operator's: there is no more input.
    InputEnds,
    /// So many bytes of the stream were taken by whoever reads it.
    Taken(Stream, u32),
    /// The operator's: the terminal is of this size now.
    Size(Size),
    /// The machine's last: how it ended.
    Ended(Ended),
    /// The end is still there.
    Still,
}

/// A stream of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// To the program.
    In,
    /// From it.
    Out,
    /// Its errors.
    Err,
}

/// What is wanted of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Start {
    /// What begins there.
    pub door: Door,
    /// The terminal that it has; none: pipes.
    #[serde(default)]
    pub terminal: Option<Terminal>,
}

/// What begins on the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Door {
    /// A user's shell, or a line that it runs.
    Shell {
        /// As whom; none: root.
        user: Option<String>,
        /// The line; none: a shell to type at.
        command: Option<String>,
    },
    /// The machine's SSH server, for this one connection; OpenSSH speaks to it.
    Server {
        /// The public key that is let in beside the model's, as a line of `authorized_keys`.
        key: String,
    },
    /// The public keys that the machine's SSH server is known by, a line each.
    HostKeys,
}

/// A terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Terminal {
    /// `TERM`.
    pub kind: String,
    /// Its size.
    pub size: Size,
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters of a line.
    pub columns: u16,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// By itself, with this exit code.
    Exit(u8),
    /// By this signal.
    Signal(i32),
    /// It did not begin, or was cut off; a sentence says why.
    Refused(String),
}
