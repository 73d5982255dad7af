//! The resources of a charm (hook contract, section 1.9).

use serde::{Deserialize, Serialize};

use crate::is_default;
use crate::yaml::{Field, FieldError};

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

/// Reads one entry of `resources`.
pub(crate) fn read(field: &Field<'_>) -> Result<ResourceSpec, FieldError> {
    let kind = match field.get("type")? {
        None => ResourceKind::File,
        Some(kind) => match kind.text()? {
            "file" => ResourceKind::File,
            "oci-image" => ResourceKind::OciImage,
            other => {
                let problem = format!("unknown type {other:?}: expected `file` or `oci-image`");
                return Err(kind.error(problem));
            }
        },
    };
    let filename = field.text_of("filename")?;
    match kind {
        ResourceKind::File if filename.is_empty() => {
            return Err(field.error("a resource of type file needs a `filename`"));
        }
        ResourceKind::File if filename.contains('/') || filename == "." || filename == ".." => {
            return Err(
                field.error(format_args!("filename {filename:?} must be a name, not a path"))
            );
        }
        ResourceKind::File if filename.len() > 255 || filename.contains('\0') => {
            return Err(field.error("filename is longer than 255 bytes or holds a zero byte"));
        }
        ResourceKind::File | ResourceKind::OciImage => {}
    }
    Ok(ResourceSpec { kind, filename, description: field.text_of("description")? })
}
