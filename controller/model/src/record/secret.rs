//! Secrets: whose they are, who may read them, and their content as the vault has sealed it.
//!
//! Nothing here is in clear. A revision's content is sealed before it reaches a rule
//! ([`Sealed`]), is kept in [`SecretPart`]s, and is opened by the controller's vault alone, for
//! whoever a rule has let read it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use muster_charms::secret::SecretId;
use muster_resources::Digest;
use serde::{Deserialize, Serialize};

use crate::life::Life;
use crate::name::{ApplicationName, BadName, Member, RelationId, UnitName};
use crate::time::Timestamp;

/// Whose a secret is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SecretOwner {
    /// The operators'; printed `-`.
    Model,
    /// An application's: its leader manages it, all of its units read it.
    Application(ApplicationName),
    /// One unit's.
    Unit(UnitName),
}

impl FromStr for SecretOwner {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if text == "-" {
            return Ok(SecretOwner::Model);
        }
        Ok(match text.parse()? {
            Member::Application(name) => SecretOwner::Application(name),
            Member::Unit(name) => SecretOwner::Unit(name),
        })
    }
}

impl fmt::Display for SecretOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretOwner::Model => f.write_str("-"),
            SecretOwner::Application(name) => name.fmt(f),
            SecretOwner::Unit(name) => name.fmt(f),
        }
    }
}

impl TryFrom<String> for SecretOwner {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<SecretOwner> for String {
    fn from(owner: SecretOwner) -> String {
        owner.to_string()
    }
}

/// How often a secret wants a new revision (hook contract, section 5.10).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum RotatePolicy {
    /// Not at all.
    #[default]
    Never,
    /// Each hour.
    Hourly,
    /// Each day.
    Daily,
    /// Each seven days.
    Weekly,
    /// Each month of the calendar.
    Monthly,
    /// Each three months of the calendar.
    Quarterly,
    /// Each year of the calendar.
    Yearly,
}

impl RotatePolicy {
    const ALL: [RotatePolicy; 7] = [
        RotatePolicy::Never,
        RotatePolicy::Hourly,
        RotatePolicy::Daily,
        RotatePolicy::Weekly,
        RotatePolicy::Monthly,
        RotatePolicy::Quarterly,
        RotatePolicy::Yearly,
    ];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RotatePolicy::Never => "never",
            RotatePolicy::Hourly => "hourly",
            RotatePolicy::Daily => "daily",
            RotatePolicy::Weekly => "weekly",
            RotatePolicy::Monthly => "monthly",
            RotatePolicy::Quarterly => "quarterly",
            RotatePolicy::Yearly => "yearly",
        }
    }

    /// The policy of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<RotatePolicy> {
        RotatePolicy::ALL.into_iter().find(|policy| policy.as_str() == word)
    }

    /// When the next rotation is due after one at `last`, months and years by the calendar (hook
    /// contract, section 6.3); never for [`RotatePolicy::Never`].
    #[must_use]
    pub fn after(self, last: Timestamp) -> Option<Timestamp> {
        use jiff::ToSpan as _;
        let span = match self {
            RotatePolicy::Never => return None,
            RotatePolicy::Hourly => 1.hour(),
            RotatePolicy::Daily => 1.day(),
            RotatePolicy::Weekly => 7.days(),
            RotatePolicy::Monthly => 1.month(),
            RotatePolicy::Quarterly => 3.months(),
            RotatePolicy::Yearly => 1.year(),
        };
        let due = last.calendar().to_zoned(jiff::tz::TimeZone::UTC).saturating_add(span);
        Some(Timestamp(due.timestamp().as_millisecond()))
    }
}

/// A secret, without its content.
///
/// Whoever manages it looks again when what its hooks are about changes, and whoever reads it when
/// there is a newer revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Secret {
    /// Its id.
    pub id: SecretId,
    /// Whose it is.
    pub owner: SecretOwner,
    /// Whether it is wanted. Dying: it is gone for everybody, and its content is being removed.
    #[serde(default)]
    pub life: Life,
    /// What its owner calls it: the label of a charm's, the name of a user's. Empty: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// How often it wants a new revision.
    #[serde(default)]
    pub rotate: RotatePolicy,
    /// When it wants the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_at: Option<Timestamp>,
    /// Whether revisions that nobody tracks any more are removed by themselves; for users' secrets.
    #[serde(default)]
    pub auto_prune: bool,
    /// The number of the last revision that was made; none is used again.
    pub last: u32,
    /// The revisions that are kept.
    pub revisions: BTreeMap<u32, SecretRevision>,
    /// Who else may read it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub grants: BTreeMap<Member, SecretScope>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last.
    pub updated: Timestamp,
}

impl Secret {
    /// The newest revision that is kept.
    #[must_use]
    pub fn newest(&self) -> Option<u32> {
        self.revisions.keys().next_back().copied()
    }

    /// Whether it is there for anybody.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.life.is_alive() && !self.revisions.is_empty()
    }

    /// Whether a unit may read it, as far as the secret itself says: the owner, the units of the
    /// application that owns it, and whoever it was granted to.
    #[must_use]
    pub fn is_readable_by(&self, unit: &UnitName) -> bool {
        let own = match &self.owner {
            SecretOwner::Model => false,
            SecretOwner::Application(name) => *name == unit.application,
            SecretOwner::Unit(name) => name == unit,
        };
        own || self.grants.contains_key(&Member::Unit(unit.clone()))
            || self.grants.contains_key(&Member::Application(unit.application.clone()))
    }
}

/// A revision of a secret, without its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SecretRevision {
    /// When it was made.
    pub created: Timestamp,
    /// When its owner wants to be told that it is too old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// When its owner is told the next time, once it was told and has not removed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remind: Option<Timestamp>,
    /// The vault's keyed checksum of the content: the same for the same content, and nothing to guess
    /// the content by for whoever has not the key.
    pub checksum: Digest,
    /// In how many parts the content is kept.
    pub parts: u32,
}

impl SecretRevision {
    /// When its owner is to be told, the first time or again.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        self.remind.or(self.expires)
    }
}

/// For how long a grant holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretScope {
    /// As long as this relation.
    Relation(RelationId),
    /// Until it is taken back: an operator's.
    Model,
}

/// Bytes that only the vault can read. Base64 in JSON.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ciphertext(pub Vec<u8>);

impl TryFrom<String> for Ciphertext {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        STANDARD.decode(text).map(Ciphertext)
    }
}

impl From<Ciphertext> for String {
    fn from(bytes: Ciphertext) -> String {
        STANDARD.encode(bytes.0)
    }
}

impl fmt::Debug for Ciphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sealed bytes", self.0.len())
    }
}

/// The content of one revision, sealed for it and for no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sealed {
    /// The revision that it is sealed as: the one after the last, as the vault knew it.
    pub revision: u32,
    /// See [`SecretRevision::checksum`].
    pub checksum: Digest,
    /// The content.
    pub bytes: Ciphertext,
}

/// A part of a revision's content. Concerns nobody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SecretPart {
    /// The secret.
    pub secret: SecretId,
    /// Which part of which revision.
    pub number: PartNumber,
    /// Its bytes.
    pub bytes: Ciphertext,
}

/// Bytes of one part: in base64 it must go into a record (reliability document, section 5: 1 MiB).
pub const PART: usize = 512 << 10;

/// A part of a revision: `3.0` is the first of the third.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PartNumber {
    /// The revision.
    pub revision: u32,
    /// The part, from 0.
    pub part: u32,
}

impl FromStr for PartNumber {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = || BadName::new("part of a secret", text, "it must be two numbers with a point");
        let (revision, part) = text.split_once('.').ok_or_else(bad)?;
        let number = |text: &str| text.parse::<u32>().ok().filter(|n| n.to_string() == text);
        match (number(revision), number(part)) {
            (Some(revision), Some(part)) => Ok(PartNumber { revision, part }),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for PartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.revision, self.part)
    }
}

impl TryFrom<String> for PartNumber {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<PartNumber> for String {
    fn from(number: PartNumber) -> String {
        number.to_string()
    }
}

/// Which revision a unit reads until it asks for the newest. The unit looks again when this changes,
/// and so does whoever manages the secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SecretTrack {
    /// The secret.
    pub secret: SecretId,
    /// Who reads it.
    pub unit: UnitName,
    /// The revision.
    pub revision: u32,
}

/// Which secrets somebody has and reads, so that nobody has to look through all. The unit looks again
/// when its own changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SecretShelf {
    /// Whose it is.
    pub holder: SecretOwner,
    /// The secrets that it owns, with what it calls each; labels that are not empty differ.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub owned: BTreeMap<SecretId, String>,
    /// For units: the secrets that it tracks, with what it calls each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub read: BTreeMap<SecretId, String>,
}

impl SecretShelf {
    /// An empty one.
    #[must_use]
    pub fn new(holder: SecretOwner) -> SecretShelf {
        SecretShelf { holder, owned: BTreeMap::new(), read: BTreeMap::new() }
    }

    /// The owned secret of this label.
    #[must_use]
    pub fn owned_as(&self, label: &str) -> Option<&SecretId> {
        find(&self.owned, label)
    }

    /// The secret that is read by this label.
    #[must_use]
    pub fn read_as(&self, label: &str) -> Option<&SecretId> {
        find(&self.read, label)
    }
}

fn find<'a>(labels: &'a BTreeMap<SecretId, String>, label: &str) -> Option<&'a SecretId> {
    labels.iter().find(|(_, known)| !label.is_empty() && *known == label).map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotations_are_due_by_the_calendar() {
        let at = |text: &str| Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        let last = at("2024-01-31T10:00:00Z");
        for (policy, due) in [
            (RotatePolicy::Hourly, "2024-01-31T11:00:00Z"),
            (RotatePolicy::Daily, "2024-02-01T10:00:00Z"),
            (RotatePolicy::Weekly, "2024-02-07T10:00:00Z"),
            (RotatePolicy::Monthly, "2024-02-29T10:00:00Z"),
            (RotatePolicy::Quarterly, "2024-04-30T10:00:00Z"),
            (RotatePolicy::Yearly, "2025-01-31T10:00:00Z"),
        ] {
            assert_eq!(policy.after(last), Some(at(due)), "{}", policy.as_str());
            assert_eq!(RotatePolicy::of(policy.as_str()), Some(policy));
        }
        assert_eq!(RotatePolicy::Never.after(last), None);
        assert_eq!(RotatePolicy::of("often"), None);
    }

    #[test]
    fn keys_are_read_as_they_were_printed() {
        for text in ["-", "wiki", "wiki/0"] {
            assert_eq!(text.parse::<SecretOwner>().unwrap().to_string(), text);
        }
        assert_eq!("3.0".parse(), Ok(PartNumber { revision: 3, part: 0 }));
        for wrong in ["3", "03.0", "3.", "a.b", "3.0.0"] {
            assert!(wrong.parse::<PartNumber>().is_err(), "{wrong}");
        }
    }
}
