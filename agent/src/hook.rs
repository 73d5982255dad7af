//! One run: what a hook, an action or a command sees, how it runs and how it ends.
//!
//! ```text
//! goal + cache ─snapshot─▶ Context ─server─▶ tools read it, and write Effects into it
//!                             │
//! environment, cgroup ─process▶ exit ─▶ Effects to commit, or nothing
//! ```

pub(crate) mod cgroup;
pub(crate) mod context;
pub(crate) mod crowd;
pub(crate) mod environment;
pub(crate) mod left;
pub(crate) mod output;
pub(crate) mod process;
pub(crate) mod runs;
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod snapshot;
pub(crate) mod starting;
pub(crate) mod view;
