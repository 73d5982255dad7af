//! The charm format: a charm told from its files, and nothing else.
//!
//! ```text
//!  folder or archive ──▶ Tree ──▶ Charm::read(&tree) ──▶ Charm (kept in the store as JSON)
//!                         │            │
//!                         │            └─ metadata, config, actions, manifest: one file a chapter
//!                         └─ split (charmcraft.yaml), lint, upgrade (which old files go)
//! ```
//!
//! Every text from outside goes through [`yaml`], which has the budgets; every name through
//! [`name`], which has the lexical rules. Nothing here reads a disk or a clock.

pub mod name;

pub mod action;
pub mod assumes;
pub mod bundle;
pub mod charm;
pub mod cidr;
pub mod endpoint;
pub mod hook;
pub mod lint;
pub mod manifest;
pub mod metadata;
pub mod option;
pub mod resource;
pub mod schema;
pub mod secret;
pub mod split;
pub mod storage;
pub mod tree;
pub mod upgrade;
pub mod version;
pub mod yaml;

pub use action::Action;
pub use bundle::Bundle;
pub use charm::{Charm, Format};
pub use cidr::Cidr;
pub use endpoint::{Endpoint, Scope};
pub use hook::HookKind;
pub use manifest::Base;
pub use metadata::Metadata;
pub use option::{CharmOption, OptionKind, OptionValue};
pub use resource::{ResourceKind, ResourceSpec};
pub use storage::{StorageDirective, StorageKind, StorageSpec};
pub use tree::Tree;
pub use version::{JUJU_VERSION, Version};

/// Whether a value is its type's default; such fields are left out of what is kept.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod properties;
