//! A whole controller, asked from outside over TLS. One binary, so that it is linked once.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests, not the product")]
#![expect(unreachable_pub, reason = "tests, not the product")]

mod agents;
mod common;
mod input;
mod life;
mod matrix;
mod power;
mod repeats;
mod secrets;
mod shell;
mod time;
mod tls;
