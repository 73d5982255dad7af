//! A rule's "no", meant for a person.

use serde::{Deserialize, Serialize};

/// Why a command or a report was not taken. The rule has worked; nothing was changed.
///
/// A refusal travels to the client as it is: a stable code for programs, a sentence for people and,
/// where there is one, the way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
#[serde(rename_all = "kebab-case")]
pub struct Refusal {
    /// Which rule.
    pub code: Code,
    /// What was asked and why it is not done, with the offending value.
    pub message: String,
    /// What to type next, or what to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// For a report that is not the next one: the number that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<crate::version::Seq>,
}

impl Refusal {
    /// A refusal without a way out.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Refusal { code, message: message.into(), hint: None, expected: None }
    }

    /// The same with a way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What was looked for does not exist: `application "x" not found`.
    #[must_use]
    pub fn not_found(what: &str, name: impl std::fmt::Display) -> Self {
        let refusal = Refusal::new(Code::NotFound, format!("{what} \"{name}\" not found"));
        match what {
            "application" | "unit" => refusal.hint("`muster status` shows what there is"),
            "machine" => refusal.hint("`muster machines` lists them"),
            "storage" => refusal.hint("`muster storage` lists it"),
            "pool" => refusal.hint("`muster storage-pools` lists them"),
            "model" => refusal.hint("`muster models` lists those that you may see"),
            "cloud" => refusal.hint("`muster clouds` lists them"),
            "credential" => refusal.hint("`muster credentials` lists them"),
            "ssh key" => refusal.hint("`muster ssh-keys` lists them"),
            "charm" => refusal.hint("`muster deploy ./FOLDER` brings the charm with it"),
            "relation" => refusal.hint("`muster status --relations` lists them"),
            "task" | "operation" => refusal.hint("`muster operations` lists them"),
            _ => refusal,
        }
    }
}

/// The stable code of a refusal; programs match on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// What was named does not exist, or the caller may not know that it does.
    NotFound,
    /// The name is taken.
    AlreadyExists,
    /// The caller may not do this.
    PermissionDenied,
    /// A value breaks a rule.
    Invalid,
    /// It is on its way out.
    Dying,
    /// Something else uses it.
    InUse,
    /// More than one thing fits.
    Ambiguous,
    /// Nothing fits.
    Unsuitable,
    /// A limit is reached.
    Limit,
    /// Something that is needed is not there.
    Missing,
    /// A report that is not the next one.
    OutOfStep,
    /// Only the leader may.
    NotLeader,
    /// The installation is there already, or not yet.
    NotReady,
    /// Muster does not do this.
    Unsupported,
}

impl Code {
    /// The code as it is printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Code::NotFound => "not-found",
            Code::AlreadyExists => "already-exists",
            Code::PermissionDenied => "permission-denied",
            Code::Invalid => "invalid",
            Code::Dying => "dying",
            Code::InUse => "in-use",
            Code::Ambiguous => "ambiguous",
            Code::Unsuitable => "unsuitable",
            Code::Limit => "limit",
            Code::Missing => "missing",
            Code::OutOfStep => "out-of-step",
            Code::NotLeader => "not-leader",
            Code::NotReady => "not-ready",
            Code::Unsupported => "unsupported",
        }
    }
}
