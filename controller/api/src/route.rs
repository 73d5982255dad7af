//! What a controller answers: one row a route.

use std::fmt;

/// How a route is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Reads.
    Get,
    /// Asks for something to be done.
    Post,
    /// Sends bytes.
    Put,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
        })
    }
}

/// Who may come in at all. What a caller may do to which object is decided with the object, inside
/// the Txn (`muster_model::access`), or by the filter of the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Admits {
    /// Anybody.
    Anyone,
    /// A user.
    Users,
    /// A user who may read the model that the path names.
    ModelReaders,
    /// A user who may write to the model that the path names.
    ModelWriters,
    /// A superuser.
    Superusers,
    /// The bearer of a join token.
    Joiners,
    /// The agent of a machine.
    Machines,
    /// A user who may write to some model, or the agent of a machine.
    UsersAndMachines,
}

/// A route's name; the table, the router and the client speak of it by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is told by its row")]
pub enum Name {
    Version,
    Controller,
    Whoami,
    Teardown,
    Findings,
    Commands,
    Clouds,
    Models,
    ModelView,
    ModelWait,
    ModelLogs,
    SecretSeal,
    SecretContent,
    Shell,
    BlobState,
    BlobAppend,
    BlobRead,
    Enrol,
    Goal,
    Reports,
    Snapshot,
    AgentSeal,
    AgentSecret,
    AgentSecrets,
    AgentLogs,
    AgentPresence,
    AgentShell,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Its name.
    pub name: Name,
    /// How it is asked.
    pub method: Method,
    /// Where, with `{…}` for what varies.
    pub path: &'static str,
    /// Who may come in.
    pub admits: Admits,
    /// The most bytes of its body; zero: it has none. Streams are counted as they come.
    pub body_limit: u64,
    /// Whether it can change the model.
    pub changes: bool,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// The most bytes of a resource (reliability document, section 5).
pub const MAX_BLOB: u64 = 10 << 30;

macro_rules! row {
    ($name:ident, $method:ident, $path:literal, $admits:ident, $limit:expr, $changes:literal) => {
        Route {
            name: Name::$name,
            method: Method::$method,
            path: $path,
            admits: Admits::$admits,
            body_limit: $limit,
            changes: $changes,
        }
    };
}

/// Every route.
pub const TABLE: &[Route] = &[
    row!(Version, Get, "/v1/version", Anyone, 0, false),
    row!(Controller, Get, "/v1/controller", Users, 0, false),
    row!(Whoami, Get, "/v1/whoami", Users, 0, false),
    row!(Teardown, Post, "/v1/controller/teardown", Superusers, KIB, true),
    row!(Findings, Get, "/v1/controller/findings", Superusers, 0, false),
    row!(Commands, Post, "/v1/commands", Users, 4 * MIB, true),
    row!(Clouds, Get, "/v1/clouds", Users, 0, false),
    row!(Models, Get, "/v1/models", Users, 0, false),
    row!(ModelView, Get, "/v1/models/{model}/view", ModelReaders, 0, false),
    row!(ModelWait, Post, "/v1/models/{model}/wait", ModelReaders, 64 * KIB, false),
    row!(ModelLogs, Get, "/v1/models/{model}/logs", ModelReaders, 0, false),
    row!(SecretSeal, Post, "/v1/models/{model}/secrets/seal", ModelReaders, 2 * MIB, false),
    row!(SecretContent, Get, "/v1/models/{model}/secrets/{secret}/content", ModelReaders, 0, false),
    row!(Shell, Get, "/v1/models/{model}/shell", ModelWriters, 0, false),
    row!(BlobState, Get, "/v1/blobs/{digest}/state", Users, 0, false),
    row!(BlobAppend, Put, "/v1/blobs/{digest}", Users, MAX_BLOB, true),
    row!(BlobRead, Get, "/v1/blobs/{digest}", UsersAndMachines, 0, false),
    row!(Enrol, Post, "/v1/agent/enrol", Joiners, KIB, true),
    row!(Goal, Get, "/v1/agent/goal", Machines, 0, false),
    row!(Reports, Post, "/v1/agent/reports", Machines, 4 * MIB, true),
    row!(
        Snapshot,
        Post,
        "/v1/agent/units/{application}/{number}/snapshot",
        Machines,
        4 * MIB,
        false
    ),
    row!(
        AgentSeal,
        Post,
        "/v1/agent/units/{application}/{number}/secrets/seal",
        Machines,
        2 * MIB,
        false
    ),
    row!(
        AgentSecret,
        Post,
        "/v1/agent/units/{application}/{number}/secrets/read",
        Machines,
        64 * KIB,
        true
    ),
    row!(AgentSecrets, Get, "/v1/agent/units/{application}/{number}/secrets", Machines, 0, false),
    row!(AgentLogs, Post, "/v1/agent/logs", Machines, MIB, false),
    row!(AgentPresence, Post, "/v1/agent/presence", Machines, 64 * KIB, false),
    row!(AgentShell, Get, "/v1/agent/shell", Machines, 0, false),
];

/// The row of this name.
#[must_use]
pub fn route(name: Name) -> Option<&'static Route> {
    TABLE.iter().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_and_each_address_stands_once() {
        for (i, row) in TABLE.iter().enumerate() {
            for other in &TABLE[i + 1..] {
                assert_ne!(row.name, other.name);
                assert!((row.method, row.path) != (other.method, other.path), "{}", row.path);
            }
        }
    }
}
