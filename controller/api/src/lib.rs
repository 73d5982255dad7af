//! The table of routes, the bodies on the wire, and the client.
//!
//! [`route::TABLE`] is the one list of what a controller answers. The router is built from it, so
//! that nothing is served that has no row; the client has one method a row; the authorisation
//! matrix test walks it (reliability document, S5).

pub mod body;
pub mod client;
pub mod route;
pub mod shell;
pub mod trust;

pub use client::{AgentClient, CallError, Client, LogQuery};
