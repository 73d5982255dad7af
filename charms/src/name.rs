//! The lexical rules of names, and the names that a charm speaks of.
//!
//! A name is parsed once, where it comes in; past that point there are no strings that are
//! "really" names (hook contract, section 2). Each type prints itself as it was written and goes
//! through the same parser when it is read from JSON or YAML, so a bad name cannot come in by the
//! window.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most bytes that any name may have (reliability document, section 5).
pub const MAX_NAME: usize = 63;

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {text:?} is not valid: {rule}")]
pub struct BadName {
    /// What kind of name it should have been, for example `application name`.
    pub what: &'static str,
    /// The text as it came, cut to a length that can be shown.
    pub text: String,
    /// The rule that it breaks, as a sentence part.
    pub rule: &'static str,
}

impl BadName {
    /// A refusal of `text` as a `what`, because of `rule`.
    #[must_use]
    pub fn new(what: &'static str, text: &str, rule: &'static str) -> Self {
        let mut shown: String = text.chars().take(MAX_NAME + 1).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        BadName { what, text: shown, rule }
    }
}

/// Declares a name: a text that passed one lexical rule.
///
/// `$check` answers `None` where the text keeps the rule, else the rule in words.
#[macro_export]
macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The name as it is written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::name::BadName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if text.len() > $crate::name::MAX_NAME {
                    return Err($crate::name::BadName::new($what, text, "it is longer than 63 bytes"));
                }
                match $check(text) {
                    None => Ok($name(text.into())),
                    Some(rule) => Err($crate::name::BadName::new($what, text, rule)),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::name::BadName;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type! {
    /// An application's or a charm's name, such as `my-db2`.
    ApplicationName, "application name", application
}
name_type! {
    /// An endpoint of a charm, such as `db` or `db_admin`; also an extra binding.
    EndpointName, "endpoint name", endpoint
}
name_type! {
    /// What an endpoint speaks, such as `mysql`; both ends of a relation speak the same.
    InterfaceName, "interface name", endpoint
}
name_type! {
    /// A storage of a charm, such as `data`.
    StorageName, "storage name", application
}
name_type! {
    /// A resource of a charm, such as `spark-tarball`.
    ResourceName, "resource name", resource
}
name_type! {
    /// An option of a charm's configuration, such as `worker-memory`.
    OptionName, "option name", option
}
name_type! {
    /// An action of a charm, such as `spark-submit`.
    ActionName, "action name", action
}

/// `[a-z][a-z0-9]*(?:-[a-z0-9]*[a-z][a-z0-9]*)*` (hook contract, section 2).
#[must_use]
pub fn application(text: &str) -> Option<&'static str> {
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Some("it must start with a lower-case letter");
    }
    if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Some("it may hold lower-case letters, digits and hyphens only");
    }
    let bad_part = |part: &str| !part.bytes().any(|b| b.is_ascii_lowercase());
    if text.split('-').any(bad_part) {
        return Some("no part between hyphens may be empty or all digits");
    }
    None
}

/// `[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*` (hook contract, section 2).
#[must_use]
pub fn endpoint(text: &str) -> Option<&'static str> {
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Some("it must start with a lower-case letter");
    }
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    if !text.split(['-', '_']).all(word) {
        return Some("it must be words of lower-case letters and digits, joined by `-` or `_`");
    }
    None
}

/// Names of resources are metadata keys; what is refused is what no file or URL should carry.
#[must_use]
pub fn resource(text: &str) -> Option<&'static str> {
    printable_word(text)
}

/// Names of options are keys of `config.yaml`; charms write them freely.
#[must_use]
pub fn option(text: &str) -> Option<&'static str> {
    printable_word(text)
}

/// `[a-z0-9](?:[a-z0-9-]*[a-z0-9])?`, and not `juju` or `juju-…` (hook contract, section 1.6).
///
/// `juju-exec` alone is an action that the system itself makes, for `juju exec`.
#[must_use]
pub fn action(text: &str) -> Option<&'static str> {
    if text == "juju-exec" {
        return None;
    }
    if text == "juju" || text.starts_with("juju-") {
        return Some("`juju` and names that begin with `juju-` are reserved");
    }
    let ends = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !ends(text.as_bytes().first()) || !ends(text.as_bytes().last()) {
        return Some("it must start and end with a lower-case letter or a digit");
    }
    if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Some("it may hold lower-case letters, digits and hyphens only");
    }
    None
}

fn printable_word(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        return Some("it may hold letters, digits, `-`, `_` and `.` only");
    }
    if text.starts_with(['-', '.']) {
        return Some("it must not start with `-` or `.`");
    }
    None
}

/// The role that an endpoint plays in a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Listed under `provides`.
    Provider,
    /// Listed under `requires`.
    Requirer,
    /// Listed under `peers`.
    Peer,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Role::Provider => "provider",
            Role::Requirer => "requirer",
            Role::Peer => "peer",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hook contract N01.
    #[test]
    fn n01_application_names() {
        for good in ["a", "a1-b", "my-db2", "mysql"] {
            assert!(good.parse::<ApplicationName>().is_ok(), "{good}");
        }
        for bad in ["", "a-1", "A", "-a", "a-", "a--b", "1a", "a_b", "a/0"] {
            assert!(bad.parse::<ApplicationName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn endpoints_may_hold_underscores() {
        for good in ["db", "db-admin", "db_admin", "a-1"] {
            assert!(good.parse::<EndpointName>().is_ok(), "{good}");
        }
        for bad in ["", "Db", "db-", "db--x", "db:x"] {
            assert!(bad.parse::<EndpointName>().is_err(), "{bad}");
        }
    }

    /// Hook contract C12.
    #[test]
    fn c12_reserved_action_names_are_refused() {
        assert!("juju-x".parse::<ActionName>().is_err());
        assert!("juju".parse::<ActionName>().is_err());
        assert!("snapshot".parse::<ActionName>().is_ok());
    }
}
