//! The client: one method a row of the table.

mod agent;
mod blob;
mod call;
mod secret;
mod user;

pub use agent::{AgentClient, LEASE_HEADER, Lease, POLL, Polled, SHELLS_HEADER};
pub use blob::Upload;
pub use call::{CallError, Endpoint};
pub use user::{Client, LogQuery};
