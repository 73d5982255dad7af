//! What people read: tables made from the shapes.

pub mod machines;
pub mod models;
pub mod ports;
pub mod resources;
pub mod secrets;
pub mod status;
pub mod storage;
pub mod table;
pub mod task;

use muster_console::natural;

/// The keys of a map in natural order.
pub(crate) fn naturally<V>(map: &std::collections::BTreeMap<String, V>) -> Vec<(&String, &V)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by(|(left, _), (right, _)| natural::compare(left, right));
    entries
}
