//! The controller: store, ledger, server, upkeep and substrates.

pub mod substrate;
