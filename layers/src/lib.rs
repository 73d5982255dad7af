//! Composing one charm from layers.
//!
//! ```text
//!  top layer ──▶ order: includes, depth first ──▶ [base … top], [interfaces]
//!                    │
//!                    ▼ the fold, lowest layer first, one rule a path
//!   copies ◀──── compose ────▶ merged YAML, hooks from the template, interface copies
//!                    │
//!                    ▼
//!     Tree, origin of each file and key, warnings
//! ```
//!
//! Layers come in as trees through [`Library`]; nothing here reads a disk or runs a program, so
//! what would need one (Python tactics, wheels, `.pypi` files) is refused by name.
//!
//! YAML is merged here and not by a configuration library: lists unite, maps recurse, and
//! `metadata.yaml` has rules of its own, which no such library knows. Where each key came from is
//! kept beside it ([`origin`]), so that a wrong one is reported with its layer.

pub mod compose;
pub mod error;
pub mod layer;
pub mod order;
pub mod origin;
pub mod pattern;
pub mod rule;

mod hook;
mod interface;
mod layerfile;
mod merge;
mod metadata;

pub use compose::{Composed, Settings, compose};
pub use error::{ComposeError, Warning};
pub use layer::{Library, candidates};
