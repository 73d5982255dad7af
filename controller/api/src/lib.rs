//! The table of routes, the bodies on the wire, and the client.
