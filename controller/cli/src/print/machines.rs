//! Tabular `machines` and `show-machine`.

use super::status::machines;
use super::table::sections;
use crate::shape::status::Machines;

/// The table of `machines`.
#[must_use]
pub fn tabular(list: &Machines) -> String {
    sections(&[machines(&list.machines)])
}
