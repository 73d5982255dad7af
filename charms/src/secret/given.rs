//! How people and charms write what a secret holds: words of a command line, and files of them
//! (hook contract, section 5.10; CLI contract, section 3.8).
//!
//! No error here repeats a value, or a word that may be one.

use std::collections::BTreeMap;

use super::{Plain, SecretKey};
use crate::yaml;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// It was written there.
    Value(Plain),
    /// The bytes of this file, for whoever has a disk to read it from.
    File(String),
}

/// Why words or a file say nothing that a secret could hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadGiven {
    /// A word has no `=`, or nothing before it.
    #[error("expected \"key=value\"; a word of the secret's content is not of this form")]
    Word,
    /// A key breaks the rule.
    #[error(
        "secret key {0:?} not valid: it must have at least three lower-case letters, digits or single hyphens and start with a letter"
    )]
    Key(String),
    /// What should be base64 is not.
    #[error("secret value of key \"{0}\" is not base64")]
    Base64(SecretKey),
    /// A key came twice.
    #[error("secret key \"{0}\" specified more than once")]
    Twice(SecretKey),
    /// A file is not a map of texts.
    #[error("a file of secret values must be a YAML or JSON map of keys and texts{}", line(.0))]
    File(Option<u32>),
}

fn line(number: &Option<u32>) -> String {
    number.map(|number| format!(" (line {number})")).unwrap_or_default()
}

/// Keys with where their values come from.
pub type Givens = BTreeMap<SecretKey, Given>;

/// Reads words of the forms `key=value`, `key#base64=value` and `key#file=path`. The key ends at the
/// first `=`, so that the padding of base64 is the value's.
///
/// # Errors
/// The first word that is none of these.
pub fn from_words(words: &[String]) -> Result<Givens, BadGiven> {
    let mut givens = BTreeMap::new();
    for word in words {
        match word.split_once('=') {
            Some((key, value)) if !key.is_empty() => add(&mut givens, key, value)?,
            _ => return Err(BadGiven::Word),
        }
    }
    Ok(givens)
}

/// Reads a map in YAML or JSON; its keys may end in `#base64` and `#file` as those of words do.
///
/// # Errors
/// If it is not such a map.
pub fn from_file(bytes: &[u8]) -> Result<Givens, BadGiven> {
    let limits = yaml::Limits { bytes: 4 << 20, string: 2 << 20, ..yaml::Limits::FILE };
    // What the reader says of the text could repeat a part of it.
    let node = yaml::parse("", bytes, &limits).map_err(|error| BadGiven::File(error.line))?;
    let mut givens = BTreeMap::new();
    let whole = Some(node.line).filter(|line| *line > 0);
    for entry in node.as_map().ok_or(BadGiven::File(whole))?.iter() {
        let at = Some(entry.node.line).filter(|line| *line > 0);
        let text = entry.node.scalar_text().ok_or(BadGiven::File(at))?;
        add(&mut givens, &entry.key, &text)?;
    }
    Ok(givens)
}

fn add(givens: &mut Givens, key: &str, value: &str) -> Result<(), BadGiven> {
    let (name, form) = match key.rsplit_once('#') {
        Some((name, form @ ("base64" | "file"))) => (name, form),
        _ => (key, ""),
    };
    let name: SecretKey = name.parse().map_err(|_| BadGiven::Key(shown(name)))?;
    let given = match form {
        "base64" => match Plain::from_base64(value) {
            Some(value) => Given::Value(value),
            None => return Err(BadGiven::Base64(name)),
        },
        "file" => Given::File(value.to_owned()),
        _ => Given::Value(Plain::new(value)),
    };
    match givens.insert(name.clone(), given) {
        None => Ok(()),
        Some(_) => Err(BadGiven::Twice(name)),
    }
}

/// A wrong key, if it looks like one; whoever forgot the key has written the value in its place.
fn shown(key: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c == '-' || c == '_';
    if key.len() <= 20 && key.chars().all(plain) { key.to_owned() } else { "…".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Vec<(String, Given)>, BadGiven> {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let givens = from_words(&words)?;
        Ok(givens.into_iter().map(|(key, given)| (key.to_string(), given)).collect())
    }

    /// Hook contract S13.
    #[test]
    fn each_form_of_a_value_is_read() {
        let given = words("abc=a=b== key#base64=AAH/ tls-key#file=./k#file").unwrap();
        let value = |bytes: &[u8]| Given::Value(Plain::new(bytes));
        assert_eq!(
            given,
            [
                ("abc".to_owned(), value(b"a=b==")),
                ("key".to_owned(), value(&[0, 1, 255])),
                ("tls-key".to_owned(), Given::File("./k#file".to_owned())),
            ]
        );
        assert_eq!(words("key#base64=YQ==").unwrap(), words("key#base64=YQ").unwrap());
        assert_eq!(
            words("key#base64=*").unwrap_err().to_string(),
            "secret value of key \"key\" is not base64"
        );
        assert_eq!(
            words("key=1 key#file=2").unwrap_err().to_string(),
            "secret key \"key\" specified more than once"
        );
    }

    #[test]
    fn a_file_is_a_map_of_texts() {
        let yaml = from_file(b"abc: 01\nkey#base64: 'AAH/'\nlong: |\n  one\n  two\n").unwrap();
        let json =
            from_file(br#"{"abc": "01", "key#base64": "AAH/", "long": "one\ntwo\n"}"#).unwrap();
        assert_eq!(yaml, json);
        for wrong in ["- abc", "abc: [hunter2]", "hunter2", "abc: *hunter2", "abc: null"] {
            let said = from_file(wrong.as_bytes()).unwrap_err().to_string();
            assert!(
                said.starts_with("a file of secret values must be") && !said.contains("hunter2"),
                "{said}"
            );
        }
    }

    /// Hook contract N05.
    #[test]
    fn a_wrong_key_is_named_and_a_forgotten_one_is_not_taken_for_it() {
        for (word, shown) in [("ab=x", "\"ab\""), ("a--b=x", "\"a--b\""), ("aHVudGVyMg==", "\"…\"")]
        {
            let said = words(word).unwrap_err().to_string();
            assert!(said.contains(shown), "{word}: {said}");
        }
        let said = words("hunter2").unwrap_err().to_string();
        assert!(said.starts_with("expected \"key=value\"") && !said.contains("hunter2"));
        assert!(words("abc=x a-b-c=x").is_ok());
    }
}
