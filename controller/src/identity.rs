//! Who somebody is: certificates for the wire, tokens for the caller.

mod certificate;
mod token;

pub use certificate::{Authority, IdentityError, server_config};
pub use token::{Secret, hash, mint};
