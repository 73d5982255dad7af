//! The four hooks about secrets.

use std::fmt;

use muster_charms::secret::SecretId;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// One of the four hooks about a secret (hook contract, section 4.12).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SecretHook {
    /// Which of the four.
    pub kind: SecretHookKind,
    /// The secret.
    pub secret: SecretId,
    /// What the unit calls it: the reader's label for `changed`, the owner's for the others. May be
    /// empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// The revision that it is about; none for `rotate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// For `rotate` and `expired`: since when it is due. The next of its kind has another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Whether only the leader runs it, because the application owns the secret.
    #[serde(default)]
    pub leader: bool,
}

/// Which of the four hooks about a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretHookKind {
    /// A secret that the unit reads has a newer revision.
    Changed,
    /// It is time for a new revision.
    Rotate,
    /// A revision is too old.
    Expired,
    /// A revision has no readers any more.
    Remove,
}

impl fmt::Display for SecretHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            SecretHookKind::Changed => "secret-changed",
            SecretHookKind::Rotate => "secret-rotate",
            SecretHookKind::Expired => "secret-expired",
            SecretHookKind::Remove => "secret-remove",
        })
    }
}

impl SecretHook {
    /// The secret as status names it: its URI, and the revision where the hook is about one that goes.
    #[must_use]
    pub fn subject(&self) -> String {
        match (self.kind, self.revision) {
            (SecretHookKind::Expired | SecretHookKind::Remove, Some(revision)) => {
                format!("secret:{}/{revision}", self.secret)
            }
            _ => format!("secret:{}", self.secret),
        }
    }
}
