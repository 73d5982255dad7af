//! `manifest.yaml`: the systems that a charm runs on (hook contract, section 1.4).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::yaml::{Field, FieldError};

/// The operating systems that a base may name.
pub const SYSTEMS: [&str; 7] =
    ["ubuntu", "centos", "windows", "osx", "opensuse", "genericlinux", "debian"];

/// The risks of a channel, the safest first.
pub const RISKS: [&str; 4] = ["stable", "candidate", "beta", "edge"];

/// A system and its release, such as `ubuntu@22.04/stable`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Base {
    /// One of [`SYSTEMS`].
    pub name: String,
    /// `track/risk`, such as `22.04/stable`.
    pub channel: String,
    /// The processors it was built for; empty means any. Not part of the textual form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<String>,
}

/// Why a text is not a base.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBase {
    /// There is no `@` between system and channel, or nothing after it.
    #[error("base {0:?} has no channel: write it as `ubuntu@22.04`")]
    NoChannel(String),
    /// The system is none that is known.
    #[error("base {base:?} names the unknown system {system:?}; known are {}", SYSTEMS.join(", "))]
    UnknownSystem {
        /// The text as it came.
        base: String,
        /// Its part before the `@`.
        system: String,
    },
    /// The channel is not `track` or `track/risk`.
    #[error("base {base:?} has the bad channel {channel:?}: write `track` or `track/risk`")]
    Channel {
        /// The text as it came.
        base: String,
        /// Its part after the `@`.
        channel: String,
    },
}

impl Base {
    /// A base of its two parts, the channel with or without a risk (`stable` if there is none).
    pub fn new(name: &str, channel: &str) -> Result<Self, BadBase> {
        let whole = || format!("{name}@{channel}");
        if channel.is_empty() {
            return Err(BadBase::NoChannel(name.to_owned()));
        }
        if !SYSTEMS.contains(&name) {
            return Err(BadBase::UnknownSystem { base: whole(), system: name.to_owned() });
        }
        let (track, risk) = channel.split_once('/').unwrap_or((channel, "stable"));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let bad_track = track.is_empty() || track.len() > 64 || !track.chars().all(plain);
        if bad_track || !RISKS.contains(&risk) {
            return Err(BadBase::Channel { base: whole(), channel: channel.to_owned() });
        }
        let channel = format!("{track}/{risk}");
        Ok(Base { name: name.to_owned(), channel, architectures: Vec::new() })
    }

    /// The channel without its risk, such as `22.04`.
    #[must_use]
    pub fn track(&self) -> &str {
        self.channel.split_once('/').map_or(&self.channel, |(track, _)| track)
    }

    /// System and release without the risk, as people write it: `ubuntu@22.04`.
    #[must_use]
    pub fn release(&self) -> String {
        format!("{}@{}", self.name, self.track())
    }

    /// Whether both name the same system and release, whatever risk and processors they say.
    #[must_use]
    pub fn same_release(&self, other: &Base) -> bool {
        self.name == other.name && self.track() == other.track()
    }
}

impl FromStr for Base {
    type Err = BadBase;

    fn from_str(text: &str) -> Result<Self, BadBase> {
        let text: String = text.chars().take(256).collect();
        let Some((name, channel)) = text.split_once('@') else {
            return Err(BadBase::NoChannel(text));
        };
        Base::new(name, channel)
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.channel)
    }
}

/// Reads the `bases` of a manifest; other keys are the packer's.
pub(crate) fn read(root: &Field<'_>) -> Result<Vec<Base>, FieldError> {
    let Some(bases) = root.get("bases")? else { return Ok(Vec::new()) };
    bases
        .items()?
        .iter()
        .map(|item| {
            // An unquoted `22.04` is a number to YAML, and still the channel that is meant.
            let channel = item.need("channel")?;
            let mut base = Base::new(item.need("name")?.text()?, &channel.scalar()?)
                .map_err(|problem| item.error(problem))?;
            base.architectures = item.texts_of("architectures")?;
            Ok(base)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_print_with_their_risk() {
        let base: Base = "ubuntu@22.04".parse().unwrap();
        assert_eq!(base.to_string(), "ubuntu@22.04/stable");
        assert_eq!(base.to_string().parse::<Base>().unwrap(), base);
        assert_eq!("centos@9/edge".parse::<Base>().unwrap().track(), "9");
        assert_eq!("centos@9/edge".parse::<Base>().unwrap().release(), "centos@9");
    }

    #[test]
    fn unknown_systems_and_missing_channels_are_refused() {
        assert!(matches!("ubuntu".parse::<Base>(), Err(BadBase::NoChannel(_))));
        assert!(matches!("ubuntu@".parse::<Base>(), Err(BadBase::NoChannel(_))));
        assert!(matches!("beos@5".parse::<Base>(), Err(BadBase::UnknownSystem { .. })));
        assert!(matches!("ubuntu@22.04/loud".parse::<Base>(), Err(BadBase::Channel { .. })));
        assert!(matches!("ubuntu@/stable".parse::<Base>(), Err(BadBase::Channel { .. })));
    }
}
