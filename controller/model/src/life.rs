//! Life only moves forward.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Starts `Alive` and never goes back; the order of the variants is the order of life.
///
/// Removal is a record's absence, so there is no variant for it: what is `Dead` has nothing left to
/// do and waits only for upkeep to take its record away.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Life {
    /// Wanted.
    #[default]
    Alive,
    /// To be removed; what depends on it is being taken down.
    Dying,
    /// Nothing of it is left to take down.
    Dead,
}

impl Life {
    /// Moves forward to `later`, or stays.
    pub fn at_least(&mut self, later: Life) {
        *self = (*self).max(later);
    }

    /// Whether it is still wanted.
    #[must_use]
    pub fn is_alive(self) -> bool {
        self == Life::Alive
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Life::Alive => "alive",
            Life::Dying => "dying",
            Life::Dead => "dead",
        })
    }
}
