//! The resources of a charm (hook contract, section 1.9).

use serde::{Deserialize, Serialize};

use crate::is_default;

/// What a resource is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceKind {
    /// A file that `resource-get` lays on the unit's disk.
    #[default]
    File,
    /// An image of a container; no machine asks for one.
    OciImage,
}

impl ResourceKind {
    /// The word of metadata for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ResourceKind::File => "file",
            ResourceKind::OciImage => "oci-image",
        }
    }
}

/// A resource as a charm declares it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ResourceSpec {
    /// File or image.
    #[serde(default, rename = "type")]
    pub kind: ResourceKind,
    /// What the file is called on the unit; never holds a `/`, empty only for images.
    #[serde(default, skip_serializing_if = "is_default")]
    pub filename: String,
    /// For people.
    #[serde(default, skip_serializing_if = "is_default")]
    pub description: String,
}
