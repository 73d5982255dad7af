//! Who asks.

use crate::name::{MachineId, ModelId, UserName};

/// As whom a command or a report comes in. Made by the server from what the connection proved,
/// never from what the body says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A person or a program.
    User(UserName),
    /// The agent of a machine.
    Machine {
        /// The machine's model.
        model: ModelId,
        /// The machine.
        machine: MachineId,
    },
    /// The bearer of a join token.
    Join {
        /// The machine's model.
        model: ModelId,
        /// The machine.
        machine: MachineId,
    },
    /// The controller itself: upkeep, provisioning, bootstrap.
    Controller,
}
