//! The bases that machines of this installation can have.

use muster_charms::Base;
use serde::{Deserialize, Serialize};

/// The bases that the substrate has images of, as the controller's settings say.
///
/// Written by the controller when it starts. There is none where machines are only joined by hand:
/// those have whatever base they have, and any may be asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Bases {
    /// Each of them, the one that is proposed first at the front.
    pub offered: Vec<OfferedBase>,
}

/// A base that machines can have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OfferedBase {
    /// The base, as charms name it.
    pub base: Base,
    /// What its machines are in truth, where their root only says that it is `base`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_on: Option<Base>,
}

impl Bases {
    /// What is offered of the release of this base.
    #[must_use]
    pub fn of(&self, base: &Base) -> Option<&OfferedBase> {
        self.offered.iter().find(|offered| offered.base.same_release(base))
    }
}

impl OfferedBase {
    /// What an operator is told when machines are not what they say.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        let (root, base) = (self.stands_on.as_ref()?.release(), self.base.release());
        Some(format!(
            "Machines of base {base} are {root} with the /etc/os-release and /etc/lsb-release of \
             {base}: the controller has no mirror for it"
        ))
    }
}
