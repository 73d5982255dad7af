//! What a charm assumes of the system that it runs on (hook contract, section 1.10).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::version::Version;

/// How a feature's version is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// At least.
    #[serde(rename = ">=")]
    AtLeast,
    /// Less than.
    #[serde(rename = "<")]
    Below,
}

/// One assumption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assumption {
    /// The feature is there, in whatever version.
    Feature(String),
    /// The feature is there in a version that compares so.
    Version {
        /// The feature's name, such as `juju`.
        feature: String,
        /// How to compare.
        comparison: Comparison,
        /// What to compare with.
        version: Version,
    },
    /// At least one holds.
    AnyOf(Vec<Assumption>),
    /// All hold.
    AllOf(Vec<Assumption>),
}

/// What the system has: features, with a version where they have one.
pub type Features = BTreeMap<String, Option<Version>>;

impl Assumption {
    /// Whether it holds where there are these features.
    #[must_use]
    pub fn holds(&self, features: &Features) -> bool {
        match self {
            Assumption::Feature(feature) => features.contains_key(feature),
            Assumption::Version { feature, comparison, version } => {
                match (features.get(feature), comparison) {
                    (Some(Some(have)), Comparison::AtLeast) => have >= version,
                    (Some(Some(have)), Comparison::Below) => have < version,
                    _ => false,
                }
            }
            Assumption::AnyOf(list) => list.iter().any(|a| a.holds(features)),
            Assumption::AllOf(list) => list.iter().all(|a| a.holds(features)),
        }
    }
}

/// The assumptions of `list` that do not hold, as the charm wrote them.
#[must_use]
pub fn unmet<'a>(list: &'a [Assumption], features: &Features) -> Vec<&'a Assumption> {
    list.iter().filter(|a| !a.holds(features)).collect()
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Comparison::AtLeast => ">=",
            Comparison::Below => "<",
        })
    }
}

impl fmt::Display for Assumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, word: &str, list: &[Assumption]| {
            write!(f, "{word}(")?;
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    f.write_str(", ")?;
                }
                write!(f, "{item}")?;
            }
            f.write_str(")")
        };
        match self {
            Assumption::Feature(feature) => f.write_str(feature),
            Assumption::Version { feature, comparison, version } => {
                write!(f, "{feature} {comparison} {version}")
            }
            Assumption::AnyOf(items) => list(f, "any-of", items),
            Assumption::AllOf(items) => list(f, "all-of", items),
        }
    }
}
