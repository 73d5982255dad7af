//! What operators may ask of their own secrets (CLI contract, section 3.8).

use std::collections::BTreeSet;

use muster_charms::secret::SecretId;
use serde::{Deserialize, Serialize};

use crate::name::ApplicationName;
use crate::record::Sealed;

/// What may be asked of users' secrets. Contents come sealed by the controller's vault, so that a
/// command is never secret itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretCommand {
    /// Make one.
    Add {
        /// Its id, chosen at random.
        id: SecretId,
        /// Its name, unique in the model.
        name: String,
        /// For people.
        description: String,
        /// What it holds.
        content: Sealed,
    },
    /// Change one.
    Update {
        /// Which.
        id: SecretId,
        /// Another name.
        name: Option<String>,
        /// Another description.
        description: Option<String>,
        /// Whether old revisions go by themselves from now on.
        auto_prune: Option<bool>,
        /// What it holds from now on.
        content: Option<Sealed>,
    },
    /// Remove one.
    Remove {
        /// Which.
        id: SecretId,
        /// Only this revision.
        revision: Option<u32>,
    },
    /// Let applications read it, or no more.
    Grant {
        /// Which.
        id: SecretId,
        /// Whom.
        applications: BTreeSet<ApplicationName>,
        /// Whether they may from now on.
        granted: bool,
    },
}
