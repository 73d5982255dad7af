//! What a secret holds, in clear: kept in memory only, wiped when it is let go of.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use zeroize::Zeroizing;

use super::SecretKey;

/// The most bytes of one value, and of all values of a revision together (hook contract, section
/// 5.10).
pub const MAX_BYTES: usize = 1_000_000;

/// The most keys of a revision.
pub const MAX_KEYS: usize = 1_000;

/// A value that nobody may see by accident: it has no `Display`, cannot be serialised, and its
/// `Debug` says nothing (reliability document, S16). Its bytes are wiped at the end.
#[derive(Clone, PartialEq, Eq)]
pub struct Plain(Zeroizing<Vec<u8>>);

impl Plain {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Plain {
        Plain(Zeroizing::new(bytes.into()))
    }

    /// Reads base64, with its padding or without.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Plain> {
        let text = text.trim();
        STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok().map(Plain::new)
    }

    /// The bytes, for whoever they are meant for.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The value as text, for whoever it is meant for; none if it is not UTF-8.
    #[must_use]
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The value in base64, for whoever it is meant for.
    #[must_use]
    pub fn expose_base64(&self) -> String {
        STANDARD.encode(&*self.0)
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plain(…)")
    }
}

/// Why something cannot be what a secret holds. Never says anything of the values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadContent {
    /// There is no key at all.
    #[error("empty secret content not valid")]
    Empty,
    /// Too many keys.
    #[error("a secret holds at most {MAX_KEYS} keys, got {0}")]
    Keys(usize),
    /// One value or all of them are too long.
    #[error("a secret holds at most {MAX_BYTES} bytes, got {0}")]
    Bytes(usize),
    /// The bytes are not those of [`Content::to_bytes`].
    #[error("the bytes are no secret content")]
    Frame,
}

/// What one revision of a secret holds: at least one key, at most [`MAX_BYTES`] of values.
#[derive(Clone, PartialEq, Eq)]
pub struct Content(BTreeMap<SecretKey, Plain>);

impl Content {
    /// The content, if it is one.
    ///
    /// # Errors
    /// If there is nothing, or too much.
    pub fn new(values: BTreeMap<SecretKey, Plain>) -> Result<Content, BadContent> {
        if values.is_empty() {
            return Err(BadContent::Empty);
        }
        if values.len() > MAX_KEYS {
            return Err(BadContent::Keys(values.len()));
        }
        let bytes = values.values().map(|value| value.expose().len()).sum();
        if bytes > MAX_BYTES {
            return Err(BadContent::Bytes(bytes));
        }
        Ok(Content(values))
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Plain> {
        self.iter().find(|(known, _)| known.as_str() == key).map(|(_, value)| value)
    }

    /// Every value, in the order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (&SecretKey, &Plain)> {
        self.0.iter()
    }

    /// As bytes, the same for the same content: each key behind its length in one byte, each value
    /// behind its length in four.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let size = self.iter().map(|(key, value)| 5 + key.as_str().len() + value.expose().len());
        let mut bytes = Zeroizing::new(Vec::with_capacity(size.sum()));
        for (key, value) in self.iter() {
            bytes.push(u8::try_from(key.as_str().len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(key.as_str().as_bytes());
            let length = u32::try_from(value.expose().len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(value.expose());
        }
        bytes
    }

    /// From the bytes of [`Content::to_bytes`].
    ///
    /// # Errors
    /// If they are not that, or hold what is no content.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Content, BadContent> {
        let mut values = BTreeMap::new();
        while let Some((length, rest)) = bytes.split_first() {
            let (key, rest) =
                rest.split_at_checked(usize::from(*length)).ok_or(BadContent::Frame)?;
            let key = std::str::from_utf8(key).ok().and_then(|key| key.parse().ok());
            let (length, rest) = rest.split_first_chunk::<4>().ok_or(BadContent::Frame)?;
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            let (value, rest) = rest.split_at_checked(length).ok_or(BadContent::Frame)?;
            let before = values.insert(key.ok_or(BadContent::Frame)?, Plain::new(value));
            if before.is_some() {
                return Err(BadContent::Frame);
            }
            bytes = rest;
        }
        Content::new(values)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Content(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(pairs: &[(&str, &[u8])]) -> Result<Content, BadContent> {
        let pairs = pairs.iter().map(|(key, value)| (key.parse().unwrap(), Plain::new(*value)));
        Content::new(pairs.collect())
    }

    #[test]
    fn bytes_lead_back_to_the_content_and_nothing_else_does() {
        let whole = content(&[("key", b"\x00\xff="), ("tls-key", b""), ("abc", b"x")]).unwrap();
        let bytes = whole.to_bytes();
        assert_eq!(Content::from_bytes(&bytes).unwrap(), whole);
        for cut in 1..bytes.len() {
            let cut = Content::from_bytes(&bytes[..cut]);
            assert_ne!(cut.as_ref(), Ok(&whole));
        }
        assert_eq!(Content::from_bytes(b""), Err(BadContent::Empty));
        assert_eq!(Content::from_bytes(b"\x02ab\0\0\0\0"), Err(BadContent::Frame));
        let twice = [&bytes[..], &bytes[..]].concat();
        assert_eq!(Content::from_bytes(&twice), Err(BadContent::Frame));
    }

    /// Hook contract S16.
    #[test]
    fn a_secret_holds_a_million_bytes_and_not_one_more() {
        let full = vec![b'x'; MAX_BYTES];
        assert!(content(&[("key", &full)]).is_ok());
        assert_eq!(content(&[("key", &full), ("other", b"y")]), Err(BadContent::Bytes(1_000_001)));
        assert_eq!(content(&[]), Err(BadContent::Empty));
    }

    /// Reliability S16.
    #[test]
    fn nothing_is_said_of_what_is_secret() {
        let whole = content(&[("key", b"hunter2")]).unwrap();
        assert_eq!(format!("{whole:?} {:?}", whole.get("key")), "Content(…) Some(Plain(…))");
    }
}
