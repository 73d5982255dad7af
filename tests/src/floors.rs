//! The least that a machine needs for what Muster does: programs of ours, a page each, with nothing of
//! the product in them.

pub mod circle;
pub mod fanout;
pub mod handshake;
pub mod idle;
pub mod load;
pub mod spawn;
pub mod status;
