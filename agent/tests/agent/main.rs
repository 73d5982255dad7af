//! The agent as it is, on real processes and real folders, against a controller in memory. Tests are
//! named by the checklist of the hook contract (section 7).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test that meets the unexpected ends there"
)]

mod actions;
mod answers;
mod background;
mod bad_input;
mod deploy;
mod environment;
mod exec;
mod failure;
mod hooks;
mod killed;
mod lifecycle;
mod matrix;
mod reads;
mod relations;
mod run;
mod secrets;
mod several;
mod shell;
mod side_by_side;
mod storage;
mod support;
mod tools;
mod upgrade;
