//! Tabular `resources` (CLI contract §4.8).

use super::table::Table;
use crate::shape::resources::{Detail, Resources};

/// The table of `resources APP`.
#[must_use]
pub fn tabular(resources: &Resources) -> String {
    let mut table =
        Table::with(&["Resource", "Supplied by", "Revision", "Size", "Digest"]).right(&[3]);
    for resource in &resources.resources {
        let by = match resource.origin.as_str() {
            "upload" if !resource.username.is_empty() => resource.username.as_str(),
            "upload" => "-",
            _ => "charmhub",
        };
        let revision = if resource.revision.is_empty() { "-" } else { &resource.revision };
        let size =
            if resource.fingerprint.is_empty() { String::new() } else { resource.size.to_string() };
        let digest: String = resource.fingerprint.chars().take(12).collect();
        table.row([resource.name.as_str(), by, revision, &size, &digest]);
    }
    table.text()
}

/// The table of `resources --details`.
#[must_use]
pub fn details(details: &[Detail]) -> String {
    let mut table = Table::with(&["Unit", "Resource", "Revision", "Expected"]);
    for detail in details {
        let has = if detail.unit.fingerprint.is_empty() { "-" } else { &detail.unit.revision };
        let should =
            if detail.expected.fingerprint.is_empty() { "-" } else { &detail.expected.revision };
        table.row([detail.unit_id.as_str(), &detail.expected.name, has, should]);
    }
    table.text()
}
