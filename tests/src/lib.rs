//! Harness, simulation, scenarios, contract, system and tidy tests; the demo, verify and measure commands.

pub mod call;
pub mod corpus;
pub mod demo;
pub mod fixture;
pub mod floors;
pub mod measure;
pub mod parts;
pub mod setup;
pub mod verify;
pub mod voice;
pub mod world;
