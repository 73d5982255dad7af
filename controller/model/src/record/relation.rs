//! Relations and what their members tell each other.

use muster_charms::Scope;
use serde::{Deserialize, Serialize};

use crate::effects::Settings;
use crate::life::Life;
use crate::name::{ApplicationName, EndpointName, InterfaceName, Member, RelationId, Role};
use crate::time::Timestamp;
use crate::version::Version;

/// A relation between two endpoints, or of one with itself (peers).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Relation {
    /// Its number.
    pub id: RelationId,
    /// Whether it is wanted.
    #[serde(default)]
    pub life: Life,
    /// What both ends speak.
    pub interface: InterfaceName,
    /// Whether members see all of the other end, or only those beside them: `container` if either
    /// end says so.
    pub scope: Scope,
    /// The ends: the provider's and then the requirer's, or the one of peers.
    pub ends: Vec<RelationEnd>,
    /// Once dying: whether it goes without waiting for its members.
    #[serde(default)]
    pub force: bool,
    /// When it was made.
    pub created: Timestamp,
}

/// One end of a relation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RelationEnd {
    /// Whose.
    pub application: ApplicationName,
    /// By which endpoint.
    pub endpoint: EndpointName,
    /// In which role.
    pub role: Role,
}

impl Relation {
    /// The end that belongs to `application`.
    #[must_use]
    pub fn end_of(&self, application: &ApplicationName) -> Option<&RelationEnd> {
        self.ends.iter().find(|end| end.application == *application)
    }

    /// The end that `application` looks at: the other one, or the own one among peers.
    #[must_use]
    pub fn other_end(&self, application: &ApplicationName) -> Option<&RelationEnd> {
        match self.ends.as_slice() {
            [peers] => Some(peers),
            [first, second] if first.application == *application => Some(second),
            [first, _] => Some(first),
            _ => None,
        }
    }

    /// Whether it is one of peers.
    #[must_use]
    pub fn is_peer(&self) -> bool {
        self.ends.len() == 1
    }
}

impl std::fmt::Display for Relation {
    /// The key as people write it: `wiki:db postgresql:server`, or `wiki:cluster` for peers.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, end) in self.ends.iter().enumerate() {
            let blank = if i == 0 { "" } else { " " };
            write!(f, "{blank}{}:{}", end.application, end.endpoint)?;
        }
        Ok(())
    }
}

/// How many units are in a relation. Concerns no agent; the last one out lets the relation go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Membership {
    /// The relation.
    pub relation: RelationId,
    /// Units in scope.
    pub units: u32,
}

/// What one member tells the others. A unit's bag exists from when the unit entered the relation
/// until the relation is gone, so that what a departed unit said can still be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Databag {
    /// The relation.
    pub relation: RelationId,
    /// Whose.
    pub member: Member,
    /// For units: whether it is in the relation still. Always true for applications.
    pub in_scope: bool,
    /// How often it changed; an application's that was never written does not exist.
    #[serde(default)]
    pub version: Version,
    /// The settings.
    #[serde(default)]
    pub settings: Settings,
}
