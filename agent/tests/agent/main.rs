//! The agent as it is, on real processes and real folders, against a controller in memory. Tests are
//! named by the checklist of the hook contract (section 7).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test that meets the unexpected ends there"
)]

mod actions;
mod background;
mod bad_input;
mod environment;
mod failure;
mod killed;
mod lifecycle;
mod reads;
mod run;
mod shell;
mod side_by_side;
mod storage;
mod support;
mod tools;
mod upgrade;
