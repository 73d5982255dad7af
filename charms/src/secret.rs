//! Secrets: how they and their parts are called (hook contract, section 2), what they hold and how
//! that is written.

mod given;
mod plain;

use std::fmt;
use std::str::FromStr;

pub use given::{BadGiven, Given, Givens, from_file, from_words};
pub use plain::{BadContent, Content, MAX_BYTES, MAX_KEYS, Plain};

use crate::name::BadName;

crate::name_type! {
    /// A key of a secret's content, such as `tls-key`.
    SecretKey, "secret key", key
}

crate::name_type! {
    /// A secret's id: twenty digits and lower-case letters.
    SecretId, "secret id", id
}

impl SecretId {
    /// The id that 100 of these random bits make, in the letters `0-9a-v` that Juju's ids have.
    #[must_use]
    pub fn from_random(mut bits: u128) -> SecretId {
        const LETTERS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
        let mut text = String::with_capacity(20);
        for _ in 0..20 {
            let letter = usize::try_from(bits % 32).unwrap_or(0);
            text.push(LETTERS.get(letter).copied().map_or('0', char::from));
            bits /= 32;
        }
        SecretId(text.into())
    }
}

/// `[a-z](?:-?[a-z0-9]){2,}`: three characters at least, no double or trailing hyphen.
fn key(text: &str) -> Option<&'static str> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.bytes().all(plain) {
        return Some("it must start with a lower-case letter and hold letters, digits and hyphens");
    }
    if text.contains("--") || text.ends_with('-') {
        return Some("it must not have a double hyphen or end with one");
    }
    let letters = text.bytes().filter(|b| *b != b'-').count();
    if letters < 3 { Some("it must have at least three letters or digits") } else { None }
}

/// `[0-9a-z]{20}`.
fn id(text: &str) -> Option<&'static str> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (text.len() != 20 || !text.bytes().all(plain))
        .then_some("it must be twenty digits or lower-case letters")
}

/// A secret's URI, in any of the five forms that charms write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretUri {
    /// The model that it lives in, where the URI says so.
    pub model: Option<String>,
    /// The secret.
    pub id: SecretId,
}

impl FromStr for SecretUri {
    type Err = BadName;

    /// Reads `<id>`, `secret:<id>`, `secret:/<id>`, `secret://<model>/<id>` and `<model>/<id>`.
    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = || BadName::new("secret URI", text, "it must be `secret:` and the secret's id");
        let path = text.strip_prefix("secret:").unwrap_or(text);
        let path = match path.strip_prefix("//") {
            Some(path) if path.contains('/') => path,
            Some(_) => return Err(bad()),
            None if text.starts_with("secret:") => match path.strip_prefix('/') {
                Some(id) if !id.contains('/') => id,
                Some(_) => return Err(bad()),
                None if path.contains('/') => return Err(bad()),
                None => path,
            },
            None => path,
        };
        let (model, id) = match path.split_once('/') {
            Some((model, id)) if is_uuid(model) => (Some(model.to_owned()), id),
            Some(_) => return Err(bad()),
            None => (None, path),
        };
        Ok(SecretUri { model, id: id.parse().map_err(|_| bad())? })
    }
}

impl fmt::Display for SecretUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.model {
            Some(model) => write!(f, "secret://{model}/{}", self.id),
            None => write!(f, "secret:{}", self.id),
        }
    }
}

/// 8-4-4-4-12 digits, in lower-case hexadecimal.
fn is_uuid(text: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b == b'-' || hex(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_id_is_one() {
        for bits in [0, u128::MAX, 0x1234_5678_9abc_def0_1234_5678_9abc_def0] {
            let id = SecretId::from_random(bits);
            assert_eq!(id.as_str().parse(), Ok(id));
        }
        assert_ne!(SecretId::from_random(31), SecretId::from_random(32));
    }

    /// Hook contract N04.
    #[test]
    fn n04_all_five_forms_of_a_secret_uri_are_read() {
        let id = "9m4e2mr0ui3e8a215n4g";
        let model = "8419cd78-4993-4c3a-928e-c646226beeee";
        for text in [id.to_owned(), format!("secret:{id}"), format!("secret:/{id}")] {
            let uri: SecretUri = text.parse().unwrap();
            assert_eq!((uri.model.as_deref(), uri.id.as_str()), (None, id), "{text}");
        }
        for text in [format!("secret://{model}/{id}"), format!("{model}/{id}")] {
            let uri: SecretUri = text.parse().unwrap();
            assert_eq!((uri.model.as_deref(), uri.id.as_str()), (Some(model), id), "{text}");
            assert_eq!(uri.to_string(), format!("secret://{model}/{id}"));
        }
        for bad in [
            "",
            "secret:",
            "secret:x",
            "x/y",
            &format!("secret:/{model}/{id}"),
            &format!("secret://{id}"),
            &format!("nomodel/{id}"),
            &id.to_uppercase(),
        ] {
            assert!(bad.parse::<SecretUri>().is_err(), "{bad}");
        }
    }

    /// Hook contract N05.
    #[test]
    fn n05_secret_keys() {
        for good in ["abc", "a-b-c", "tls-key", "a12"] {
            assert!(good.parse::<SecretKey>().is_ok(), "{good}");
        }
        for bad in ["ab", "a--b", "a-b", "abc-", "-abc", "1bc", "Abc", "a_bc", ""] {
            assert!(bad.parse::<SecretKey>().is_err(), "{bad}");
        }
    }
}
