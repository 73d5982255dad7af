//! What a machine must have (CLI contract, section 7.1).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Constraints by key, in the one order in which they are printed. Sizes are in MiB.
///
/// A key that is present with an empty value means "explicitly none", and so hides the model's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Constraints(BTreeMap<ConstraintKey, String>);

macro_rules! keys {
    ($($variant:ident = $word:literal,)*) => {
        /// A key of the constraints; the order is the one of printing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the words are the documentation")]
        pub enum ConstraintKey {
            $($variant,)*
        }

        impl ConstraintKey {
            /// The word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(ConstraintKey::$variant => $word,)*
                }
            }

            fn parse(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(ConstraintKey::$variant),)*
                    "cpu-cores" => Some(ConstraintKey::Cores),
                    _ => None,
                }
            }
        }
    };
}

keys! {
    Arch = "arch",
    Container = "container",
    Cores = "cores",
    CpuPower = "cpu-power",
    InstanceRole = "instance-role",
    InstanceType = "instance-type",
    Mem = "mem",
    RootDisk = "root-disk",
    RootDiskSource = "root-disk-source",
    Tags = "tags",
    Spaces = "spaces",
    VirtType = "virt-type",
    Zones = "zones",
    AllocatePublicIp = "allocate-public-ip",
    ImageId = "image-id",
}

/// Why a text is no constraint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadConstraint {
    /// No `=`.
    #[error("malformed constraint {0:?}")]
    Malformed(String),
    /// No such key.
    #[error("unknown constraint {0:?}")]
    Unknown(String),
    /// The key twice.
    #[error("bad {0:?} constraint: already set")]
    Twice(String),
    /// The value is not one of the key's.
    #[error("bad {key:?} constraint: {rule}")]
    Value {
        /// The key.
        key: String,
        /// What the value must be.
        rule: &'static str,
    },
}

impl Constraints {
    /// The number of cores, if asked for.
    #[must_use]
    pub fn cores(&self) -> Option<u32> {
        self.0.get(&ConstraintKey::Cores).and_then(|value| value.parse().ok())
    }

    /// The memory in MiB, if asked for.
    #[must_use]
    pub fn mem_mib(&self) -> Option<u64> {
        self.0.get(&ConstraintKey::Mem).and_then(|value| value.trim_end_matches('M').parse().ok())
    }

    /// The root disk in MiB, if asked for.
    #[must_use]
    pub fn root_disk_mib(&self) -> Option<u64> {
        let value = self.0.get(&ConstraintKey::RootDisk)?;
        value.trim_end_matches('M').parse().ok()
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each key with its value as text.
    pub fn iter(&self) -> impl Iterator<Item = (ConstraintKey, &str)> {
        self.0.iter().map(|(key, value)| (*key, value.as_str()))
    }

    /// These, with `under` for what they do not name.
    #[must_use]
    pub fn over(&self, under: &Constraints) -> Constraints {
        let mut all = under.0.clone();
        all.extend(self.0.iter().map(|(key, value)| (*key, value.clone())));
        all.retain(|_, value| !value.is_empty());
        Constraints(all)
    }
}

/// Blank-separated `key=value`; a blank inside a value is escaped with a backslash.
impl FromStr for Constraints {
    type Err = BadConstraint;

    fn from_str(text: &str) -> Result<Self, BadConstraint> {
        let mut all = BTreeMap::new();
        for word in words(text) {
            let Some((name, value)) = word.split_once('=') else {
                return Err(BadConstraint::Malformed(word));
            };
            let key = ConstraintKey::parse(name)
                .ok_or_else(|| BadConstraint::Unknown(name.to_owned()))?;
            let value = check(key, value)?;
            if all.insert(key, value).is_some() {
                return Err(BadConstraint::Twice(name.to_owned()));
            }
        }
        Ok(Constraints(all))
    }
}

fn words(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut word = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => word.extend(letters.next()),
            c if c.is_whitespace() => {
                if !word.is_empty() {
                    all.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        all.push(word);
    }
    all
}

fn check(key: ConstraintKey, value: &str) -> Result<String, BadConstraint> {
    use ConstraintKey as K;
    let bad = |rule| Err(BadConstraint::Value { key: key.as_str().to_owned(), rule });
    if value.is_empty() {
        return Ok(String::new());
    }
    match key {
        K::Cores | K::CpuPower => match value.parse::<u32>() {
            Ok(number) => Ok(number.to_string()),
            Err(_) => bad("must be a non-negative integer"),
        },
        K::Mem | K::RootDisk => match mebibytes(value) {
            Some(size) => Ok(format!("{size}M")),
            None => bad("must be a non-negative float with optional M/G/T/P suffix"),
        },
        K::Arch if !["amd64", "arm64", "ppc64el", "s390x", "riscv64"].contains(&value) => {
            bad("must be one of amd64, arm64, ppc64el, s390x, riscv64")
        }
        K::AllocatePublicIp if !["true", "false"].contains(&value) => bad("must be true or false"),
        _ => Ok(value.to_owned()),
    }
}

/// A size in MiB, rounded up: a number with optional M, G, T, P (powers of 1024).
fn mebibytes(text: &str) -> Option<u64> {
    let (number, factor) = match text.char_indices().last()? {
        (at, 'M' | 'm') => (text.get(..at)?, 1u64),
        (at, 'G' | 'g') => (text.get(..at)?, 1 << 10),
        (at, 'T' | 't') => (text.get(..at)?, 1 << 20),
        (at, 'P' | 'p') => (text.get(..at)?, 1 << 30),
        _ => (text, 1),
    };
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let value: f64 = if plain { number.parse().ok()? } else { return None };
    let size = (value * factor as f64).ceil();
    (size <= 1e12).then_some(size as u64)
}

impl fmt::Display for Constraints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (key, value)) in self.0.iter().enumerate() {
            let blank = if i == 0 { "" } else { " " };
            let value = value.replace('\\', "\\\\").replace(' ', "\\ ");
            write!(f, "{blank}{}={value}", key.as_str())?;
        }
        Ok(())
    }
}

impl TryFrom<String> for Constraints {
    type Error = BadConstraint;

    fn try_from(text: String) -> Result<Self, BadConstraint> {
        text.parse()
    }
}

impl From<Constraints> for String {
    fn from(constraints: Constraints) -> String {
        constraints.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_mebibytes_rounded_up() {
        let constraints: Constraints = "cores=4 mem=1.5G root-disk=100".parse().unwrap();
        assert_eq!(constraints.cores(), Some(4));
        assert_eq!(constraints.mem_mib(), Some(1536));
        assert_eq!(constraints.to_string(), "cores=4 mem=1536M root-disk=100M");
        assert_eq!(constraints.to_string().parse::<Constraints>().unwrap(), constraints);
    }

    #[test]
    fn errors_name_the_key() {
        let error = |text: &str| text.parse::<Constraints>().unwrap_err().to_string();
        assert_eq!(error("mem"), "malformed constraint \"mem\"");
        assert_eq!(error("x=1"), "unknown constraint \"x\"");
        assert_eq!(
            error("mem=x"),
            "bad \"mem\" constraint: must be a non-negative float with optional M/G/T/P suffix"
        );
    }

    #[test]
    fn an_empty_value_hides_what_is_under_it() {
        let app: Constraints = "mem=".parse().unwrap();
        let model: Constraints = "mem=1G cores=2".parse().unwrap();
        assert_eq!(app.over(&model).to_string(), "cores=2");
    }
}
