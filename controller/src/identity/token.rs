//! Tokens: 256 random bits, shown once, kept as their hash (S3).

use muster_model::record::TokenHash;
use muster_resources::Digest;

/// What marks a token, so that scanners recognise one that leaked.
const PREFIX: &str = "mst_";

/// A token in clear. It is never printed by accident: it has no `Display` and a `Debug` that says
/// nothing.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The text, for whoever it is meant for.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        hash(&self.0)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A new token.
///
/// # Errors
/// If the system has no randomness to give.
pub fn mint() -> Result<Secret, getrandom::Error> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(Secret(format!("{PREFIX}{}", hex::encode(bytes))))
}

/// What is kept of a token. Tokens are random, so a plain hash is as good as a slow one, and
/// finding a token by its hash compares nothing that an attacker could time.
#[must_use]
pub fn hash(token: &str) -> TokenHash {
    TokenHash(Digest::of(token.as_bytes()))
}
