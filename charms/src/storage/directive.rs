//! The storage directive: `[pool],[count],[size]` in any order (CLI contract, section 7.2).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most instances that one directive may ask for. A unit with more volumes than this has met
/// a typing mistake, not a need.
pub const MAX_COUNT: u32 = 1_000;

/// The largest size that can be asked for, in MiB: one EiB.
pub const MAX_SIZE: u64 = 1 << 40;

/// What an operator asks of a storage: from where, how many, how large.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StorageDirective {
    /// The pool; without it the model's default.
    pub pool: Option<PoolName>,
    /// How many instances, from 1 to [`MAX_COUNT`]; without it one (or the charm's least).
    pub count: Option<u32>,
    /// How large each is, in MiB; without it the charm's least, or 1 GiB.
    pub size: Option<u64>,
}

crate::name_type! {
    /// A pool that storage is taken from, such as `loop` or `rootfs`.
    PoolName, "storage pool", pool
}

/// `[a-zA-Z]`, then letters, digits, `-`, `?` (CLI contract, section 7.2); and no size by chance.
#[must_use]
pub(super) fn pool(text: &str) -> Option<&'static str> {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Some("it must start with a letter");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'?')) {
        return Some("it may hold letters, digits, `-` and `?` only");
    }
    None
}

/// Why a text is not a storage directive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDirective {
    /// There is nothing, or nothing between two commas.
    #[error("storage directive {0:?} has an empty part")]
    Empty(String),
    /// Two parts say the same thing.
    #[error("storage directive {text:?} has more than one {what}")]
    Twice {
        /// The text as it came.
        text: String,
        /// `pool`, `count` or `size`.
        what: &'static str,
    },
    /// A part is neither pool nor count nor size.
    #[error("storage directive {text:?}: {part:?} is no pool, no count and no size such as `10G`")]
    Part {
        /// The text as it came.
        text: String,
        /// The part that cannot be read.
        part: String,
    },
    /// The count is zero or too large.
    #[error("storage directive {text:?}: the count must lie between 1 and {MAX_COUNT}")]
    Count {
        /// The text as it came.
        text: String,
    },
    /// The size is zero or too large.
    #[error("storage directive {text:?}: the size must lie between 1M and 1E")]
    Size {
        /// The text as it came.
        text: String,
    },
}

impl FromStr for StorageDirective {
    type Err = BadDirective;

    fn from_str(text: &str) -> Result<Self, BadDirective> {
        let shown = || text.chars().take(128).collect::<String>();
        let mut directive = StorageDirective::default();
        for part in text.split(',').map(str::trim) {
            let twice = |what| BadDirective::Twice { text: shown(), what };
            if part.is_empty() {
                return Err(BadDirective::Empty(shown()));
            }
            if part.bytes().all(|b| b.is_ascii_digit()) {
                let count = part.parse().ok().filter(|count| (1..=MAX_COUNT).contains(count));
                let count = count.ok_or_else(|| BadDirective::Count { text: shown() })?;
                if directive.count.replace(count).is_some() {
                    return Err(twice("count"));
                }
            } else if let Ok(pool) = part.parse::<PoolName>() {
                if directive.pool.replace(pool).is_some() {
                    return Err(twice("pool"));
                }
            } else {
                let bad =
                    || BadDirective::Part { text: shown(), part: part.chars().take(64).collect() };
                let size = parse_size(part).ok_or_else(bad)?;
                if size == 0 || size > MAX_SIZE {
                    return Err(BadDirective::Size { text: shown() });
                }
                if directive.size.replace(size).is_some() {
                    return Err(twice("size"));
                }
            }
        }
        Ok(directive)
    }
}

impl fmt::Display for StorageDirective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        if let Some(pool) = &self.pool {
            write!(f, "{pool}")?;
            comma = ",";
        }
        if let Some(count) = self.count {
            write!(f, "{comma}{count}")?;
            comma = ",";
        }
        if let Some(size) = self.size {
            write!(f, "{comma}{size}M")?;
        }
        Ok(())
    }
}

impl TryFrom<String> for StorageDirective {
    type Error = BadDirective;

    fn try_from(text: String) -> Result<Self, BadDirective> {
        // A directive that says nothing prints as nothing, and is read back so; what a person
        // types goes through `parse`, which wants at least one part.
        if text.is_empty() { Ok(StorageDirective::default()) } else { text.parse() }
    }
}

impl From<StorageDirective> for String {
    fn from(directive: StorageDirective) -> String {
        directive.to_string()
    }
}

/// Reads a size such as `10G`, `1.5TiB` or `512MB` as MiB, rounded up.
///
/// The letters are powers of 1024, counted from M; `None` where the text is no size. A size
/// beyond what a number can hold reads as the largest number, which every limit refuses.
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    let text = text.strip_suffix("iB").or_else(|| text.strip_suffix('B')).unwrap_or(text);
    let unit = text.chars().last()?;
    let power = "MGTPEZY".find(unit)?;
    let number = text.get(..text.len() - unit.len_utf8())?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || number.len() > 20 {
        return None;
    }
    let number: f64 = number.parse().ok()?;
    let mib = (number * 1024_f64.powi(i32::try_from(power).ok()?)).ceil();
    // `as` holds at the largest number where the size is beyond it.
    Some(mib as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> StorageDirective {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn parts_come_in_any_order() {
        let all = read("ebs,2,50G");
        assert_eq!(all.pool.as_ref().map(PoolName::as_str), Some("ebs"));
        assert_eq!((all.count, all.size), (Some(2), Some(50 * 1024)));
        for text in ["2,50G,ebs", "50G,ebs,2", "50GiB , 2, ebs"] {
            assert_eq!(read(text), all, "{text}");
        }
        assert_eq!(read("10G").size, Some(10 * 1024));
        assert_eq!(read("tmpfs").pool.map(|p| p.to_string()).as_deref(), Some("tmpfs"));
        assert_eq!(read("3").count, Some(3));
    }

    #[test]
    fn unreadable_and_doubled_parts_are_refused() {
        for (text, want) in [
            ("", "empty part"),
            ("a,,b", "empty part"),
            ("a,b", "more than one pool"),
            ("1,2", "more than one count"),
            ("1G,2G", "more than one size"),
            ("0", "between 1 and"),
            ("1001", "between 1 and"),
            ("0G", "between 1M and 1E"),
            ("2E", "between 1M and 1E"),
            ("9Y", "between 1M and 1E"),
            ("-1", "no pool"),
            ("10K", "no pool"),
            ("1.G", "no pool"),
            (".5G", "no pool"),
            ("1e3G", "no pool"),
            ("a_b", "no pool"),
        ] {
            let error = text.parse::<StorageDirective>().unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_are_powers_of_1024_rounded_up() {
        for (text, mib) in [
            ("1M", 1),
            ("512MB", 512),
            ("1.5G", 1536),
            ("1G", 1024),
            ("2TiB", 2 << 20),
            ("1P", 1 << 30),
            ("1E", 1 << 40),
            ("0.1M", 1),
        ] {
            assert_eq!(parse_size(text), Some(mib), "{text}");
        }
        assert_eq!(parse_size("1000Y"), Some(u64::MAX));
    }

    #[test]
    fn directives_print_as_they_parse() {
        for text in ["loop,3,512M", "2", "loop", "64M"] {
            assert_eq!(read(text).to_string(), text);
            let json = serde_json::to_string(&read(text)).unwrap();
            assert_eq!(serde_json::from_str::<StorageDirective>(&json).unwrap(), read(text));
        }
    }
}
