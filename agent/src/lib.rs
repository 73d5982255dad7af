//! What a machine owns: journal, steps, hooks and mounts. The same binary is every hook tool.
//!
//! ```text
//! controller ──Goal──▶ machine ──watch──▶ unit (a task each): next ─▶ Step ─▶ journal ─▶ do ─▶ journal
//!      ▲                                       │                                │
//!      └────────────── Report ─────────────────┘        hook ◀── tools ── socket┘
//! ```
//!
//! * Only `muster_resolver::next` decides what a unit does; only [`step`](self) does it.
//! * The agent has no memory but its journals: it may be killed at any moment and starts as usual.
//! * A hook tool never speaks to the controller; the agent does, for the few things that are seen
//!   before a hook ends.
//! * What is missing from a goal is left alone; only an explicit `dying` takes anything away.

pub mod config;
pub mod controller;
pub mod daemon;
pub mod exec;
pub mod failpoint;
pub mod paths;
pub mod purge;
pub mod starter;
pub mod tool;
pub mod tools;
pub mod wire;

mod clock;
mod discard;
mod facts;
mod fetch;
mod hook;
mod identity;
mod journal;
mod links;
mod lock;
mod log_rate;
mod loop_device;
mod machine;
mod machine_task;
mod mount;
mod random;
mod reboot;
mod resources;
mod rest;
mod room;
mod shell;
mod spool;
mod step;
mod unit;
mod unit_log;
mod world;

pub use identity::IdentityError;
pub use machine::{RunEnd, RunError, run};
