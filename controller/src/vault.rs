//! The vault: contents of secrets at rest (reliability document, S14).
//!
//! ```text
//! content ──key of the revision, random──▶ ciphertext ──▶ store, as parts of the secret
//!                    └──key of the vault, a file beside the store──▶ wrapped, before the ciphertext
//! ```
//!
//! Both are XChaCha20-Poly1305 with random nonces. What a content is sealed for (model, secret,
//! revision, owner) is data that both are bound to, so that moved to another row it cannot be read.
//! The key file is not in the store and not in what a store's backup holds: without it a disk tells
//! nothing of a secret.

mod keys;
mod rotate;

use std::fmt;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use muster_charms::secret::{BadContent, Content, SecretId};
use muster_model::name::ModelId;
use muster_model::record::{Ciphertext, Sealed, SecretOwner};
use muster_resources::Digest;
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

pub use keys::Keys;
pub use rotate::rotate;

/// The first byte of what this version seals.
const FORM: u8 = 1;
const NONCE: usize = 24;
const TAG: usize = 16;
const KEY: usize = 32;
/// Form, number of the vault's key, nonce and wrapped key; what follows is nonce and ciphertext.
const HEAD: usize = 1 + 4 + NONCE + KEY + TAG;

/// Why the vault could not do it. Never says anything of a content or a key.
#[derive(Debug, Error)]
pub enum VaultError {
    /// The key file could not be read or written.
    #[error("cannot {what} the vault's keys `{path}`")]
    File {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: String,
        /// What happened.
        #[source]
        source: std::io::Error,
    },
    /// The key file is not one.
    #[error("`{0}` does not hold the vault's keys; restore it from its own backup")]
    Damaged(String),
    /// The key file can be read by others.
    #[error("`{0}` can be read by others; its mode must be 0600")]
    Open(String),
    /// The store has secrets, and nothing opens them.
    #[error("the store has secrets and `{0}` is missing; restore it from its own backup")]
    Missing(String),
    /// The system has no randomness to give.
    #[error("the system gives no random bytes")]
    Random(#[source] getrandom::Error),
    /// It was sealed by a key that the vault has not, or for something else, or was changed.
    #[error("the content of a secret cannot be opened")]
    Sealed,
    /// It is no content.
    #[error("the content of a secret cannot be read")]
    Content(#[source] BadContent),
    /// The store, while keys are changed.
    #[error("cannot use the store")]
    Store(#[source] crate::store::StoreError),
}

/// What a content is sealed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The model.
    pub model: ModelId,
    /// The secret.
    pub secret: SecretId,
    /// The revision.
    pub revision: u32,
    /// Whose it is.
    pub owner: SecretOwner,
}

impl Place {
    /// No part of it holds a blank, so that no two places are the same text.
    fn bound(&self) -> Vec<u8> {
        let Place { model, secret, revision, owner } = self;
        format!("muster secret {model} {secret} {revision} {owner}").into_bytes()
    }
}

/// Seals and opens contents. Cheap to clone.
#[derive(Clone)]
pub struct Vault(Arc<Keys>);

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Vault {
    /// A vault with these keys.
    #[must_use]
    pub fn new(keys: Keys) -> Vault {
        Vault(Arc::new(keys))
    }

    /// Seals a content for its place.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub fn seal(&self, place: &Place, content: &Content) -> Result<Sealed, VaultError> {
        let clear = content.to_bytes();
        let bound = place.bound();
        let mut key = Zeroizing::new([0; KEY]);
        fill(&mut *key)?;
        let (number, own) = self.0.newest();
        let mut bytes = vec![FORM];
        bytes.extend_from_slice(&number.to_be_bytes());
        bytes.extend(encrypt(own, &*key, &bound)?);
        bytes.extend(encrypt(&key, &clear, &bound)?);
        let checksum = self.checksum(place, &clear);
        Ok(Sealed { revision: place.revision, checksum, bytes: Ciphertext(bytes) })
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// If it was sealed for another, by keys that are not here, or is damaged.
    pub fn open(&self, place: &Place, sealed: &[u8]) -> Result<Content, VaultError> {
        let bound = place.bound();
        let (_, key) = self.unwrap(sealed, &bound)?;
        let rest = sealed.get(HEAD..).ok_or(VaultError::Sealed)?;
        let clear = decrypt(&key, rest, &bound)?;
        Content::from_bytes(&clear).map_err(VaultError::Content)
    }

    /// The key of a revision, and the number of the vault's key that it is wrapped by.
    fn unwrap(
        &self,
        sealed: &[u8],
        bound: &[u8],
    ) -> Result<(u32, Zeroizing<[u8; KEY]>), VaultError> {
        let (form, rest) = sealed.split_first().ok_or(VaultError::Sealed)?;
        let (number, _) = rest.split_first_chunk::<4>().ok_or(VaultError::Sealed)?;
        let number = u32::from_be_bytes(*number);
        let own = self.0.get(number).filter(|_| *form == FORM).ok_or(VaultError::Sealed)?;
        let wrapped = sealed.get(5..HEAD).ok_or(VaultError::Sealed)?;
        let key = decrypt(own, wrapped, bound)?;
        let key = key.as_slice().try_into().map_err(|_| VaultError::Sealed)?;
        Ok((number, Zeroizing::new(key)))
    }

    /// The same content under the vault's newest key, if it is under an older one. The ciphertext
    /// itself stays as it is.
    ///
    /// # Errors
    /// As for [`Vault::open`], and if the system has no randomness to give.
    pub fn rewrap(&self, place: &Place, sealed: &[u8]) -> Result<Option<Vec<u8>>, VaultError> {
        let bound = place.bound();
        let (number, key) = self.unwrap(sealed, &bound)?;
        let (newest, own) = self.0.newest();
        if number == newest {
            return Ok(None);
        }
        let mut bytes = vec![FORM];
        bytes.extend_from_slice(&newest.to_be_bytes());
        bytes.extend(encrypt(own, &*key, &bound)?);
        bytes.extend_from_slice(sealed.get(HEAD..).ok_or(VaultError::Sealed)?);
        Ok(Some(bytes))
    }

    /// The same for the same content of the same secret: tells whether a new revision would be the
    /// old one again. Keyed, so that it is no way to try out what a content may be.
    fn checksum(&self, place: &Place, clear: &[u8]) -> Digest {
        let about = format!("{} {} ", place.model, place.secret);
        let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(self.0.checksum());
        let bytes = match mac {
            Ok(mut mac) => {
                mac.update(about.as_bytes());
                mac.update(clear);
                mac.finalize().into_bytes().to_vec()
            }
            // Any length is a key for this function.
            Err(_) => Vec::new(),
        };
        Digest::of(&bytes)
    }
}

fn fill(bytes: &mut [u8]) -> Result<(), VaultError> {
    getrandom::fill(bytes).map_err(VaultError::Random)
}

/// A random nonce, and the ciphertext with its tag behind it.
fn encrypt(key: &[u8; KEY], clear: &[u8], bound: &[u8]) -> Result<Vec<u8>, VaultError> {
    let mut nonce = [0; NONCE];
    fill(&mut nonce)?;
    let cipher = XChaCha20Poly1305::new(key.into());
    let payload = Payload { msg: clear, aad: bound };
    let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| VaultError::Sealed)?;
    Ok([&nonce[..], &sealed].concat())
}

fn decrypt(key: &[u8; KEY], sealed: &[u8], bound: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(VaultError::Sealed)?;
    let cipher = XChaCha20Poly1305::new(key.into());
    let payload = Payload { msg: sealed, aad: bound };
    let clear = cipher.decrypt(&XNonce::from(*nonce), payload);
    clear.map(Zeroizing::new).map_err(|_| VaultError::Sealed)
}

#[cfg(test)]
mod tests;
