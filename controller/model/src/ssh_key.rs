//! Public keys of SSH, as `authorized_keys` and `ssh-keygen` write them: kind, bytes, comment.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use muster_resources::Digest;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Bytes of one line: an RSA key of 16 Kibit has 4 KiB.
const LONGEST: usize = 16 << 10;

/// Kinds that OpenSSH takes (`ssh -Q key-sig`), without certificates and what it has given up.
const KINDS: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Why a text is no key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadKey {
    /// Longer than any.
    #[error("invalid ssh key: it is longer than {LONGEST} bytes")]
    Long,
    /// Several lines, or what does not print.
    #[error("invalid ssh key: it is not one line of plain text")]
    Line,
    /// No kind at the beginning: also where options come first, which would be the key's own rules.
    #[error("invalid ssh key: it does not begin with its kind, such as \"ssh-ed25519\"")]
    Kind,
    /// What follows the kind is not its bytes.
    #[error("invalid ssh key: its second word is not a key of that kind in base64")]
    Bytes,
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SshKey {
    kind: String,
    bytes: String,
    comment: String,
}

impl SshKey {
    /// What is behind the key: mostly whose it is. May be empty.
    #[must_use]
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let bytes = STANDARD.decode(&self.bytes).unwrap_or_default();
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Digest::of(&bytes).as_bytes()))
    }

    /// Whether they are one key, whatever is said of them.
    #[must_use]
    pub fn is_same(&self, other: &SshKey) -> bool {
        (&self.kind, &self.bytes) == (&other.kind, &other.bytes)
    }

    /// Whether `text` means this key: its fingerprint, its comment, or the whole of it (CLI contract
    /// §2).
    #[must_use]
    pub fn is_called(&self, text: &str) -> bool {
        let text = text.trim();
        if let Ok(key) = text.parse::<SshKey>() {
            return self.is_same(&key);
        }
        let fingerprint = self.fingerprint();
        text == fingerprint
            || fingerprint.strip_prefix("SHA256:") == Some(text)
            || (!self.comment.is_empty() && self.comment == text)
    }
}

impl fmt::Display for SshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.bytes)?;
        if self.comment.is_empty() { Ok(()) } else { write!(f, " {}", self.comment) }
    }
}

impl FromStr for SshKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<SshKey, BadKey> {
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(BadKey::Long);
        }
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err(BadKey::Line);
        }
        let mut words = text.split([' ', '\t']).filter(|word| !word.is_empty());
        let kind = words.next().filter(|word| KINDS.contains(word)).ok_or(BadKey::Kind)?;
        let bytes = words.next().ok_or(BadKey::Bytes)?;
        let key = STANDARD.decode(bytes).map_err(|_| BadKey::Bytes)?;
        // The bytes say their kind themselves, behind its length.
        let (length, rest) = key.split_first_chunk::<4>().ok_or(BadKey::Bytes)?;
        let named = rest.get(..u32::from_be_bytes(*length) as usize);
        if named != Some(kind.as_bytes()) || rest.len() == kind.len() {
            return Err(BadKey::Bytes);
        }
        let comment = words.collect::<Vec<_>>().join(" ");
        Ok(SshKey { kind: kind.to_owned(), bytes: bytes.to_owned(), comment })
    }
}

impl TryFrom<String> for SshKey {
    type Error = BadKey;

    fn try_from(text: String) -> Result<SshKey, BadKey> {
        text.parse()
    }
}

impl From<SshKey> for String {
    fn from(key: SshKey) -> String {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPAxaOCGQkPsDZPXTZVRpIoQYKb/SOxzqWFQUTWLRr7S ann@desk";

    #[test]
    fn a_key_is_read_as_it_is_printed_and_called_by_any_of_its_names() {
        let key: SshKey = format!("  {LINE}\n").parse().unwrap();
        assert_eq!(key.to_string(), LINE);
        assert_eq!(key.comment(), "ann@desk");
        let fingerprint = key.fingerprint();
        assert!(fingerprint.starts_with("SHA256:") && fingerprint.len() == 50, "{fingerprint}");
        let bare = LINE.rsplit_once(' ').unwrap().0;
        for name in [LINE, bare, &fingerprint, &fingerprint[7..], "ann@desk"] {
            assert!(key.is_called(name), "{name}");
        }
        for name in ["", "ann", "SHA256:", "ssh-ed25519"] {
            assert!(!key.is_called(name), "{name:?}");
        }
        let nameless: SshKey = bare.parse().unwrap();
        assert!(nameless.is_same(&key) && !nameless.is_called(""));
    }

    #[test]
    fn what_could_be_a_rule_or_a_second_line_is_no_key() {
        let [kind, bytes, _] = LINE.split(' ').collect::<Vec<_>>()[..] else { panic!() };
        for (text, why) in [
            (format!("command=\"sh\" {LINE}"), BadKey::Kind),
            (format!("ssh-dss {bytes} x"), BadKey::Kind),
            (format!("ssh-rsa {bytes} x"), BadKey::Bytes),
            (format!("{kind} {}", &bytes[..20]), BadKey::Bytes),
            (format!("{kind} {bytes} x\n{LINE}"), BadKey::Line),
            (kind.to_owned(), BadKey::Bytes),
            (format!("{kind} {bytes} {}", "x".repeat(LONGEST)), BadKey::Long),
            (String::new(), BadKey::Kind),
        ] {
            assert_eq!(text.parse::<SshKey>(), Err(why), "{text:.60}");
        }
    }
}
