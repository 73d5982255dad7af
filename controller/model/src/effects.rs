//! What the tools of one run wrote, held back until the run ends well.

mod secret;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use secret::SecretChange;

use muster_charms::secret::SecretId;

use crate::name::{EndpointName, RelationId, StorageName};

/// Text keys and text values: a databag, a leader's settings, a unit's state.
pub type Settings = BTreeMap<String, String>;

/// A change of [`Settings`]: a value sets the key, `None` deletes it.
pub type SettingsChange = BTreeMap<String, Option<String>>;

/// What a run wrote and what becomes visible all at once when it has exited well, or not at all
/// (hook contract, section 4.15, the left column).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Effects {
    /// Writes to the unit's own databags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unit_settings: BTreeMap<RelationId, SettingsChange>,
    /// Writes to the application's databags; only a leader's are taken.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub application_settings: BTreeMap<RelationId, SettingsChange>,
    /// Ports to open, after those to close were closed.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub open_ports: BTreeSet<OpenPort>,
    /// Ports to close.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub close_ports: BTreeSet<OpenPort>,
    /// Writes to the unit's state (`state-set`, `state-delete`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub state: SettingsChange,
    /// Instances to add (`storage-add`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub add_storage: BTreeMap<StorageName, u32>,
    /// What was done to secrets.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<SecretId, SecretChange>,
}

impl Effects {
    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Effects::default()
    }
}

/// A port or a range that a unit opens, for all of its endpoints or for one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OpenPort {
    /// The range.
    pub range: PortRange,
    /// The endpoint that it is opened for; none is all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointName>,
}

/// The protocol of a port; the order is that of `opened-ports`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Has no ports.
    Icmp,
    /// The usual one.
    Tcp,
    /// Datagrams.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Icmp => "icmp",
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

/// `80/tcp`, `8080-8090/udp`, `icmp` (hook contract, section 5.6). Ordered by protocol, then port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortRange {
    /// The protocol.
    pub protocol: Protocol,
    /// The first port; zero for icmp.
    pub from: u16,
    /// The last port, not below the first; zero for icmp.
    pub to: u16,
}

impl PortRange {
    /// Whether the two share a port of the same protocol.
    #[must_use]
    pub fn overlaps(&self, other: &PortRange) -> bool {
        self.protocol == other.protocol && self.from <= other.to && other.from <= self.to
    }
}

/// Why a text is no port range; the words are those that charms match on (section 5.6).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPort {
    /// Not a number.
    #[error("invalid port {0:?}; expected <port>[/<protocol>] or <from>-<to>[/<protocol>] or icmp")]
    Port(String),
    /// The first port is above the last.
    #[error("invalid port range {0}-{1}; expected from <= to")]
    Range(u32, u32),
    /// Above 65535.
    #[error("port range bounds must be between 0 and 65535, got {0}-{1}")]
    Bounds(u32, u32),
    /// Neither tcp nor udp nor icmp.
    #[error("invalid protocol {0:?}, expected \"tcp\", \"udp\", or \"icmp\"")]
    Protocol(String),
    /// `icmp` with a port.
    #[error("invalid port {0:?}; icmp has no ports")]
    Icmp(String),
}

impl FromStr for PortRange {
    type Err = BadPort;

    fn from_str(text: &str) -> Result<Self, BadPort> {
        let lower = text.to_ascii_lowercase();
        if lower == "icmp" {
            return Ok(PortRange { protocol: Protocol::Icmp, from: 0, to: 0 });
        }
        let (ports, protocol) = match lower.split_once('/') {
            None => (lower.as_str(), Protocol::Tcp),
            Some((ports, "tcp")) => (ports, Protocol::Tcp),
            Some((ports, "udp")) => (ports, Protocol::Udp),
            Some((_, "icmp")) => return Err(BadPort::Icmp(text.to_owned())),
            Some((_, other)) => return Err(BadPort::Protocol(other.to_owned())),
        };
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            let value = if digits { part.parse::<u32>().ok() } else { None };
            value.ok_or_else(|| BadPort::Port(text.to_owned()))
        };
        let (from, to) = match ports.split_once('-') {
            None => (number(ports)?, number(ports)?),
            Some((from, to)) => (number(from)?, number(to)?),
        };
        if from > to {
            return Err(BadPort::Range(from, to));
        }
        match (u16::try_from(from), u16::try_from(to)) {
            (Ok(from), Ok(to)) => Ok(PortRange { protocol, from, to }),
            _ => Err(BadPort::Bounds(from, to)),
        }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            Protocol::Icmp => f.write_str("icmp"),
            protocol if self.from == self.to => write!(f, "{}/{protocol}", self.from),
            protocol => write!(f, "{}-{}/{protocol}", self.from, self.to),
        }
    }
}

impl TryFrom<String> for PortRange {
    type Error = BadPort;

    fn try_from(text: String) -> Result<Self, BadPort> {
        text.parse()
    }
}

impl From<PortRange> for String {
    fn from(range: PortRange) -> String {
        range.to_string()
    }
}

/// Applies a change to settings and says whether anything differs afterwards.
///
/// Writing the value that is already there is no change, so nobody is woken for it (hook contract,
/// section 4.5, *No-op writes*).
pub fn apply_change(settings: &mut Settings, change: &SettingsChange) -> bool {
    let mut changed = false;
    for (key, value) in change {
        match value {
            Some(value) if settings.get(key) != Some(value) => {
                settings.insert(key.clone(), value.clone());
                changed = true;
            }
            Some(_) => {}
            None => changed |= settings.remove(key).is_some(),
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hook contract T47.
    #[test]
    fn t47_port_ranges_parse() {
        for (text, printed) in [
            ("80", "80/tcp"),
            ("80/TCP", "80/tcp"),
            ("ICMP", "icmp"),
            ("100-200/udp", "100-200/udp"),
        ] {
            assert_eq!(text.parse::<PortRange>().unwrap().to_string(), printed);
        }
        for (text, start) in [
            ("x", "invalid port \"x\""),
            ("9-8", "invalid port range"),
            ("1-70000", "port range bounds must be between 0 and 65535"),
            ("80/sctp", "invalid protocol \"sctp\", expected \"tcp\", \"udp\", or \"icmp\""),
        ] {
            let error = text.parse::<PortRange>().unwrap_err().to_string();
            assert!(error.starts_with(start), "{text}: {error}");
        }
    }

    #[test]
    fn a_change_to_the_same_value_changes_nothing() {
        let mut settings = Settings::from([("a".to_owned(), "1".to_owned())]);
        let same = SettingsChange::from([("a".to_owned(), Some("1".to_owned()))]);
        assert!(!apply_change(&mut settings, &same));
        let gone = SettingsChange::from([("a".to_owned(), None), ("b".to_owned(), None)]);
        assert!(apply_change(&mut settings, &gone));
        assert!(settings.is_empty());
    }
}
