//! Durations as Go writes them: `5m`, `1h30m`, `0.5s`, `100ms` (CLI contract §1.1).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

/// A span of time in whole nanoseconds; may be negative, which some waits take for "for ever".
///
/// From about -292 to 292 years, as in Go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(pub i64);

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadDuration {
    /// Nothing, or no number where one should be.
    #[error("invalid duration {0:?}; write for example 90s, 5m or 1h30m")]
    Invalid(String),
    /// A number without its unit.
    #[error("missing unit in duration {0:?}; write for example {0}s or {0}m")]
    NoUnit(String),
    /// A unit that there is not.
    #[error("unknown unit {unit:?} in duration {text:?}; units are ns, us, ms, s, m and h")]
    UnknownUnit {
        /// The whole text.
        text: String,
        /// The unit.
        unit: String,
    },
    /// More than about 292 years.
    #[error("duration {0:?} is too long")]
    TooLong(String),
}

const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl FromStr for GoDuration {
    type Err = BadDuration;

    fn from_str(text: &str) -> Result<GoDuration, BadDuration> {
        let invalid = || BadDuration::Invalid(text.to_owned());
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(GoDuration(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total: i128 = 0;
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (number, tail) = rest.split_at(end);
            let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(end);
            if number.is_empty() || number == "." || number.matches('.').count() > 1 {
                return Err(invalid());
            }
            if unit.is_empty() {
                return Err(BadDuration::NoUnit(text.to_owned()));
            }
            let Some((_, size)) = UNITS.iter().find(|(name, _)| *name == unit) else {
                return Err(BadDuration::UnknownUnit {
                    text: text.to_owned(),
                    unit: unit.to_owned(),
                });
            };
            let part = nanoseconds(number, *size);
            total = part
                .and_then(|part| total.checked_add(part))
                .ok_or_else(|| BadDuration::TooLong(text.to_owned()))?;
            rest = tail;
        }
        let signed = if negative { -total } else { total };
        i64::try_from(signed).map(GoDuration).map_err(|_| BadDuration::TooLong(text.to_owned()))
    }
}

/// `number` (digits with at most one point) times `size`, cut to whole nanoseconds.
fn nanoseconds(number: &str, size: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut total = whole.checked_mul(size)?;
    let mut place = size;
    for digit in fraction.chars().filter_map(|digit| digit.to_digit(10)) {
        place /= 10;
        total = total.checked_add(i128::from(digit) * place)?;
    }
    Some(total)
}

impl GoDuration {
    /// The same as a standard duration; `None` when it is negative.
    #[must_use]
    pub fn positive(self) -> Option<Duration> {
        u64::try_from(self.0).ok().map(Duration::from_nanos)
    }
}

impl From<Duration> for GoDuration {
    fn from(duration: Duration) -> GoDuration {
        GoDuration(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// As Go prints them: `1h30m0s`, `1.5s`, `20ms`, `0s`.
impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let (size, unit) = match nanos {
            0 => return f.write_str("0s"),
            1..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            1_000_000..1_000_000_000 => (1_000_000, "ms"),
            _ => (1_000_000_000, "s"),
        };
        let (mut whole, fraction) = (nanos / size, nanos % size);
        if unit == "s" {
            if whole >= 3600 {
                write!(f, "{}h", whole / 3600)?;
            }
            if whole >= 60 {
                write!(f, "{}m", whole / 60 % 60)?;
            }
            whole %= 60;
        }
        write!(f, "{whole}")?;
        if fraction > 0 {
            let width = size.ilog10() as usize;
            let digits = format!("{fraction:0width$}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(text: &str) -> Result<i64, String> {
        text.parse::<GoDuration>().map(|d| d.0).map_err(|e| e.to_string())
    }

    #[test]
    fn go_style_durations() {
        const S: i64 = 1_000_000_000;
        for (text, expected) in [
            ("5m", 300 * S),
            ("1h30m", 5400 * S),
            ("10s", 10 * S),
            ("5.0s", 5 * S),
            ("0.001s", S / 1000),
            ("100ms", S / 10),
            (".5s", S / 2),
            ("1.5h", 5400 * S),
            ("-1s", -S),
            ("0", 0),
            ("3us", 3000),
            ("3µs", 3000),
            ("1h1m1s1ms1us1ns", 3661 * S + 1_001_001),
        ] {
            assert_eq!(nanos(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_bare_number_is_refused_with_advice() {
        assert_eq!(
            nanos("60").unwrap_err(),
            "missing unit in duration \"60\"; write for example 60s or 60m"
        );
        for text in ["", "-", "s", "1.2.3s", ".s", "5 m", "1h-1m", "99999999999999h", "5d"] {
            assert!(nanos(text).is_err(), "{text}");
        }
    }

    #[test]
    fn printed_as_go_prints() {
        for text in
            ["1h30m0s", "5m0s", "1.5s", "20ms", "0s", "1.001ms", "-2s", "2µs", "7ns", "60h0m1s"]
        {
            let duration: GoDuration = text.parse().unwrap();
            assert_eq!(duration.to_string(), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn printing_and_parsing_are_inverse(nanos: i64) {
            let duration = GoDuration(nanos.max(-i64::MAX));
            proptest::prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }
    }
}
