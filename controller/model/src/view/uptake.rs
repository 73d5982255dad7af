//! Whether a unit runs what its application was last given, or what that waits for.

use super::{ApplicationView, UnitView};
use crate::record::{Application, UnitProgress};
use crate::status::Agent;

/// Whether the unit has the charm, and the resources, that its application was last given.
#[must_use]
pub fn has_taken(application: &Application, progress: &UnitProgress) -> bool {
    progress.charm.as_ref() == Some(&application.charm)
        && progress.charm_modified == application.charm_modified
}

/// What becomes of a refresh on one unit: it has it, takes it, or waits and for what (hook contract,
/// section 4.9).
#[must_use]
pub fn uptake(application: &ApplicationView, unit: &UnitView) -> String {
    let name = &unit.unit.name;
    let (record, progress) = (&application.application, &unit.progress);
    if has_taken(record, progress) {
        return format!("{name} has it");
    }
    if !unit.unit.life.is_alive() {
        return format!("{name} is being removed and does not take it");
    }
    if unit.agent.value == Agent::Lost {
        return format!("{name} waits: its agent is not heard");
    }
    if progress.charm.is_none() {
        return format!("{name} is installed with it");
    }
    let Some(failure) = &progress.failure else {
        return format!("{name} takes it when it has nothing else to do");
    };
    let Some(hook) = &failure.hook else {
        return format!(
            "{name} could not put a charm's files in place: {}; `muster resolved {name}` tries again",
            failure.reason
        );
    };
    let hook = hook.told();
    if record.force_charm {
        return format!("{name} takes it now, and runs its failed hook \"{hook}\" with it");
    }
    format!(
        "{name} waits: its hook \"{hook}\" failed; `muster resolved {name}`, or `muster refresh {} \
         --force-units`",
        record.name
    )
}
