//! Tabular `secrets` (CLI contract §4.5).

use std::collections::BTreeMap;

use super::table::Table;
use crate::shape::secret::Secret;

/// The table of `secrets`.
#[must_use]
pub fn tabular(secrets: &BTreeMap<String, Secret>) -> String {
    let mut table =
        Table::with(&["ID", "Name", "Owner", "Rotation", "Revision", "Last updated"]).right(&[4]);
    for (id, secret) in secrets {
        let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        table.row([
            id.clone(),
            or_dash(&secret.name),
            secret.owner.clone(),
            secret.rotation.clone().unwrap_or_else(|| "never".to_owned()),
            secret.revision.to_string(),
            secret.updated.clone(),
        ]);
    }
    table.text()
}
