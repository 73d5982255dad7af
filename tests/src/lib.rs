//! Harness, simulation, scenarios, contract, system and tidy tests; the demo, verify and measure commands.

pub mod call;
pub mod checklist;
pub mod corpus;
pub mod demo;
pub mod fixture;
pub mod floors;
pub mod measure;
pub mod parts;
pub mod setup;
pub mod sources;
pub mod verify;
pub mod voice;
pub mod world;
