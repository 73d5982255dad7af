//! What a charm assumes of the system that it runs on (hook contract, section 1.10).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::version::Version;
use crate::yaml::{Field, FieldError, Value};

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

/// Reads a list of assumptions.
pub(crate) fn read(field: &Field<'_>) -> Result<Vec<Assumption>, FieldError> {
    if !matches!(field.node().value, Value::List(_)) {
        return Err(field.error("expected a list"));
    }
    field.items()?.iter().map(read_one).collect()
}

fn read_one(field: &Field<'_>) -> Result<Assumption, FieldError> {
    if field.node().as_str().is_some() {
        return read_feature(field);
    }
    let entries = field.entries()?;
    match entries.as_slice() {
        [("any-of", list)] => Ok(Assumption::AnyOf(read(list)?)),
        [("all-of", list)] => Ok(Assumption::AllOf(read(list)?)),
        _ => Err(field.error("expected a feature, or a map of `any-of` or `all-of` to a list")),
    }
}

fn read_feature(field: &Field<'_>) -> Result<Assumption, FieldError> {
    let text = field.text()?;
    let (feature, comparison, version) = if let Some((feature, version)) = text.split_once(">=") {
        (feature, Comparison::AtLeast, version)
    } else if let Some((feature, version)) = text.split_once('<') {
        (feature, Comparison::Below, version)
    } else {
        return Ok(Assumption::Feature(feature_name(text).map_err(|e| field.error(e))?));
    };
    let version = version.trim().parse().map_err(|e| field.error(e))?;
    let feature = feature_name(feature).map_err(|e| field.error(e))?;
    Ok(Assumption::Version { feature, comparison, version })
}

/// `[a-z][a-z0-9-]*?[a-z0-9]+`: at least two characters, no hyphen at the end.
fn feature_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let starts = text.starts_with(|c: char| c.is_ascii_lowercase());
    if !plain || !starts || text.ends_with('-') || !(2..=63).contains(&text.len()) {
        return Err(format!(
            "{text:?} is no assumption: write a feature such as `juju`, or `juju >= 3.1`"
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Limits, parse};

    fn list(text: &str) -> Result<Vec<Assumption>, FieldError> {
        let node = parse("metadata.yaml", text.as_bytes(), &Limits::FILE).unwrap();
        read(&Field::root("metadata.yaml", &node))
    }

    fn machine() -> Features {
        Features::from([("juju".to_owned(), Some(Version::new(3, 6, 0)))])
    }

    /// Hook contract C14.
    #[test]
    fn c14_assumptions_hold_or_say_which_does_not() {
        let met = |text: &str| unmet(&list(text).unwrap(), &machine()).is_empty();
        assert!(met("[juju >= 3.1]"));
        assert!(met("[juju>=3.1, juju < 4.0]"));
        assert!(met("[juju]"));
        assert!(!met("[juju >= 99]"));
        assert!(!met("[k8s-api]"));
        assert!(met("[any-of: [k8s-api, juju >= 3]]"));
        assert!(!met("[all-of: [k8s-api, juju >= 3]]"));
        let list = list("[juju >= 3, any-of: [k8s-api, juju >= 4]]").unwrap();
        let unmet: Vec<_> = unmet(&list, &machine()).iter().map(ToString::to_string).collect();
        assert_eq!(unmet, ["any-of(k8s-api, juju >= 4.0.0)"]);
    }

    #[test]
    fn what_is_no_assumption_is_refused() {
        for bad in [
            "juju",
            "[J]",
            "[juju >= x]",
            "[juju == 3]",
            "[x: [juju]]",
            "[{any-of: [], all-of: []}]",
            "[1]",
            "[a-]",
        ] {
            assert!(list(bad).is_err(), "{bad}");
        }
    }
}
