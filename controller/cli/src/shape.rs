//! What scripts read: the JSON and YAML of every command, key by key as CLI contract §4 has it.
//!
//! These are the contract's shapes and live here and nowhere else. They are made from the model's
//! views, written by [`muster_console::format`], and read by the tabular printers, so that a table
//! never shows what the JSON does not say.

pub mod action;
pub mod cloud;
pub mod config;
pub mod controller;
pub mod models;
pub mod resources;
pub mod secret;
pub mod select;
pub mod status;
pub mod storage;
pub mod unit;

#[cfg(test)]
pub(crate) mod story;

use serde::Serialize;
use serde_json::Value;

/// A shape as a value to write. Shapes are made of strings, numbers, lists and maps with string
/// keys, and such a value always exists; should a shape ever be made otherwise, the text says so.
#[must_use]
pub fn value(shape: &impl Serialize) -> Value {
    serde_json::to_value(shape).unwrap_or_else(|error| Value::String(error.to_string()))
}

/// For `skip_serializing_if`.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
pub(crate) fn is_false(value: &bool) -> bool {
    !*value
}

/// For `skip_serializing_if`.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
pub(crate) fn is_zero(value: &u32) -> bool {
    *value == 0
}
