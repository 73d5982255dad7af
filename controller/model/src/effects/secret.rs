//! What the tools of one run did to secrets.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::name::{Member, RelationId};
use crate::record::{RotatePolicy, Sealed, SecretOwner};
use crate::time::Timestamp;

/// What one run did to one secret: all calls of its tools taken together, so that several of them
/// make one revision (hook contract, section 5.10).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct SecretChange {
    /// Made by this run, for this owner: the unit or its application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add: Option<SecretOwner>,
    /// What its owner calls it from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Its description from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How often it wants a new revision from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate: Option<RotatePolicy>,
    /// When the newest revision is too old; with new content, that revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// New content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Sealed>,
    /// The run has read its own new content by `--refresh`: the unit tracks it from now on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub track: bool,
    /// Who may read it as long as this relation is there; none: no more.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub grants: BTreeMap<Member, Option<RelationId>>,
    /// Remove it with everything.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub remove: bool,
    /// Revisions to remove.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub remove_revisions: BTreeSet<u32>,
}
