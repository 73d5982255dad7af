//! Tabular `models` (CLI contract §4.2).

use super::table::Table;
use crate::shape::models::Models;

/// The table of `models`; `uuids` adds their identities.
#[must_use]
pub fn tabular(models: &Models, controller: &str, uuids: bool) -> String {
    let mut headings = vec!["Model"];
    if uuids {
        headings.push("UUID");
    }
    headings.extend([
        "Cloud/Region",
        "Type",
        "Status",
        "Machines",
        "Cores",
        "Units",
        "Access",
        "Last connection",
    ]);
    let shift = usize::from(uuids);
    let mut table = Table::with(&headings).right(&[4 + shift, 5 + shift, 6 + shift]);
    for model in &models.models {
        let current = models.current_model.as_deref() == Some(model.short_name.as_str());
        let mark = if current { "*" } else { "" };
        let mut cells = vec![format!("{}{mark}", model.short_name)];
        if uuids {
            cells.push(model.model_uuid.clone());
        }
        cells.extend([
            model.cloud.clone(),
            model.kind.clone(),
            model.status.current.clone(),
            model.machines.to_string(),
            if model.cores == 0 { "-".to_owned() } else { model.cores.to_string() },
            model.units.to_string(),
            model.access.clone(),
            model.last_connection.clone(),
        ]);
        table.row(cells);
    }
    format!("Controller: {controller}\n\n{}", table.text())
}
