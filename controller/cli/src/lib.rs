//! The operator's hand: the muster command, which answers to juju too.

pub mod context;
pub mod desk;
pub mod failure;
pub mod print;
pub mod shape;
