//! Who may speak, and as whom.

use serde::{Deserialize, Serialize};

use super::TokenHash;
use crate::name::{MachineId, ModelId, UserName};
use crate::time::Timestamp;

/// A person or a program that gives commands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct User {
    /// The name.
    pub name: UserName,
    /// How it is shown; may be empty.
    #[serde(default)]
    pub display_name: String,
    /// What it may do to the controller.
    pub access: ControllerAccess,
    /// Whether it is shut out for now.
    #[serde(default)]
    pub disabled: bool,
    /// Who made it.
    pub created_by: UserName,
    /// When.
    pub created: Timestamp,
}

/// What a user may do to the controller; each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControllerAccess {
    /// See its own models.
    Login,
    /// Make models.
    AddModel,
    /// Everything.
    Superuser,
}

/// What a user may do to a model; each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelAccess {
    /// Look.
    Read,
    /// Change what is in it.
    Write,
    /// Destroy it, let others in.
    Admin,
}

/// A token by its hash. The token itself is shown once and never kept (S3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Token {
    /// SHA-256 of the token's text.
    pub hash: TokenHash,
    /// As whom it lets its bearer speak.
    pub subject: Subject,
    /// When it was given out.
    pub created: Timestamp,
    /// When it ends; none is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// As whom a bearer speaks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A user.
    User(UserName),
    /// The agent of a machine, and through it the units there.
    Machine {
        /// The machine's model.
        model: ModelId,
        /// The machine.
        machine: MachineId,
    },
    /// Whoever enrols a machine: good once, for an hour, and for nothing else (S4).
    Join {
        /// The machine's model.
        model: ModelId,
        /// The machine.
        machine: MachineId,
    },
}
