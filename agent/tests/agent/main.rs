//! The agent as it is, on real processes and real folders, against a controller in memory. Tests are
//! named by the checklist of the hook contract (section 7).

mod actions;
mod environment;
mod failure;
mod lifecycle;
mod storage;
mod support;
mod tools;
