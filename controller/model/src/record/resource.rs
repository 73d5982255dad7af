//! Files that operators give to applications.

use muster_resources::Digest;
use serde::{Deserialize, Serialize};

use crate::name::{ApplicationName, ResourceName, UserName};
use crate::time::Timestamp;

/// What an application's resource is at present. None of this name: nothing was given yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Resource {
    /// The application.
    pub application: ApplicationName,
    /// The resource, as the charm declares it.
    pub name: ResourceName,
    /// The bytes.
    pub digest: Digest,
    /// How many.
    pub size: u64,
    /// What the file was called where it came from.
    pub origin_name: String,
    /// Counts the files given, from 1.
    pub revision: u32,
    /// Who gave it.
    pub uploaded_by: UserName,
    /// When.
    pub uploaded: Timestamp,
}
