//! The estate: its records, the rules that change them, and what each machine should make of them.
//!
//! The *estate* is every model and what is above them (users, tokens, the controller's own
//! settings); a *model* is one of them. Both are plain values as of one [`Revision`]: no handle to
//! a store, a clock or a network. Everything that happens goes round one circle:
//!
//! ```text
//! Command ─▶ decide ─▶ Txn ─▶ (store) ─▶ Batch ─▶ Estate::apply ─▶ touched units
//!    ▲                                                                  │
//!    │                                                                  ▼
//! Report ◀── Effects ◀── hook ◀── Step ◀── next(Local, UnitGoal) ◀── Model::goal(machine)
//! ```
//!
//! Invariants that hold at every revision are in [`findings`]. Two rules of the layout:
//!
//! * A record holds what changes together *and concerns the same readers*. What an agent must see
//!   (an application's configuration) and what it must not be woken for (how many units there are)
//!   are different records, so that the work after a change is in the number of units it concerns.
//! * What a rule counts sits in the owner's record ([`record::Scale`], [`record::Membership`]),
//!   because a [`Draft`] offers no scan: each fact that a rule used is a precondition of its [`Txn`].

pub mod life;
pub mod name;
pub mod time;
pub mod version;

pub mod constraints;
pub mod effects;
pub mod hook;
pub mod limits;
pub mod model_config;
pub mod ssh_key;
pub mod status;

pub mod draft;
pub mod estate;
pub mod model;
pub mod record;
pub mod table;
pub mod touches;

pub mod access;
pub mod caller;
pub mod cloud;
pub mod command;
pub mod refusal;
pub mod reply;
pub mod report;
pub mod rules;

pub mod findings;
pub mod goal;
pub mod settled;
pub mod upkeep;
pub mod view;

pub use caller::Caller;
pub use command::Command;
pub use draft::{Draft, Txn};
pub use effects::Effects;
pub use estate::{Batch, Estate};
pub use goal::{Goal, UnitGoal};
pub use hook::Hook;
pub use life::Life;
pub use model::Model;
/// How secrets are called and what they hold in clear; what is kept of them is in [`record`].
pub use muster_charms::secret;
pub use refusal::Refusal;
pub use report::Report;
pub use time::Timestamp;
pub use version::{Revision, Seq, Version};
