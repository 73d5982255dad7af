//! Versions such as `3.6.0` or `3.6-beta2.1`, as `min-juju-version` and `assumes` write them.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The version that charms are told and that `assumes` is held against (hook contract, section 0):
/// libraries switch features on by it.
pub const JUJU_VERSION: Version = Version::new(3, 6, 11);

/// A version of the agent or the controller: `major.minor[.patch[.build]]` or
/// `major.minor-tagN[.build]`.
///
/// A tagged version (`3.6-beta2`) comes before the release that it leads to (`3.6.0`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    major: u32,
    minor: u32,
    tag: Option<Box<str>>,
    patch: u32,
    build: u32,
}

/// Why a text is not a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("version {0:?} is not valid: write it as `3.6` or `3.6.1`")]
pub struct BadVersion(String);

impl Version {
    /// The release `major.minor.patch`.
    #[must_use]
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Version { major, minor, tag: None, patch, build: 0 }
    }
}

impl FromStr for Version {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        parse(text).ok_or_else(|| BadVersion(text.chars().take(64).collect()))
    }
}

fn parse(text: &str) -> Option<Version> {
    let (major, rest) = text.split_once('.').unwrap_or((text, ""));
    let major = number(major)?;
    if rest.is_empty() {
        // `juju >= 3` is written in the wild; `3.` is not a version.
        return (!text.ends_with('.')).then(|| Version::new(major, 0, 0));
    }
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (minor, rest) = rest.split_at_checked(digits)?;
    let mut version = Version::new(major, number(minor)?, 0);
    let mut rest = rest;
    if let Some(tagged) = rest.strip_prefix('-') {
        let letters = tagged.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(tagged.len());
        let (tag, after) = tagged.split_at_checked(letters)?;
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (patch, after) = after.split_at_checked(digits)?;
        if tag.is_empty() {
            return None;
        }
        version.tag = Some(tag.into());
        version.patch = number(patch)?;
        rest = after;
    } else if let Some(after) = rest.strip_prefix('.') {
        let (patch, build) = after.split_once('.').map_or((after, None), |(p, b)| (p, Some(b)));
        version.patch = number(patch)?;
        version.build = build.map_or(Some(0), number)?;
        return Some(version);
    }
    if let Some(build) = rest.strip_prefix('.') {
        version.build = number(build)?;
    } else if !rest.is_empty() {
        return None;
    }
    Some(version)
}

fn number(text: &str) -> Option<u32> {
    if text.is_empty() || text.len() > 9 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let tag = |v: &Version| (v.tag.is_none(), v.tag.clone());
        (self.major, self.minor)
            .cmp(&(other.major, other.minor))
            .then_with(|| tag(self).cmp(&tag(other)))
            .then_with(|| (self.patch, self.build).cmp(&(other.patch, other.build)))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tag {
            Some(tag) => write!(f, "{}.{}-{tag}{}", self.major, self.minor, self.patch)?,
            None => write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?,
        }
        if self.build > 0 {
            write!(f, ".{}", self.build)?;
        }
        Ok(())
    }
}

impl TryFrom<String> for Version {
    type Error = BadVersion;

    fn try_from(text: String) -> Result<Self, BadVersion> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn versions_order_as_their_releases_did() {
        let order = ["2.9.52", "3.0-alpha1", "3.0-beta1", "3.0-beta2", "3.0.0", "3.0.0.1", "3.6.1"];
        for pair in order.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        assert_eq!(version("3"), version("3.0.0"));
        assert_eq!(version("3.6"), version("3.6.0"));
    }

    #[test]
    fn bad_versions_are_refused() {
        for bad in
            ["", "3.", "x", "3.a", "3.6-", "3.6-beta", "3.6.1.2.3", "-1", "3 .6", "9999999999"]
        {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }

    #[test]
    fn versions_print_as_they_parse() {
        for text in ["3.6.0", "3.6-beta2", "3.6.1.4", "3.6-rc1.2"] {
            assert_eq!(version(text).to_string(), text);
        }
    }
}
