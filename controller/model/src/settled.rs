//! Settled is a number.

use crate::model::Model;
use crate::name::UnitName;
use crate::status::Agent;

/// Why a unit is not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsettled {
    /// Its agent has not yet said that it has nothing to do as of the last change.
    Behind,
    /// A hook failed, or the charm could not be put in place.
    Failed(String),
    /// It waits for something that its agent named.
    Waits(String),
}

/// Whether a unit has nothing to do as of the last change that concerns it.
///
/// # Errors
/// Why not.
pub fn unit(model: &Model, name: &UnitName) -> Result<(), Unsettled> {
    let Some(progress) = model.progress(name) else { return Err(Unsettled::Behind) };
    if let Some(told) = progress.failure_told() {
        return Err(Unsettled::Failed(told));
    }
    if progress.rested < model.touched(name) || progress.agent.value == Agent::Allocating {
        return Err(Unsettled::Behind);
    }
    if !progress.waits_for.is_empty() {
        return Err(Unsettled::Waits(progress.waits_for.clone()));
    }
    Ok(())
}
