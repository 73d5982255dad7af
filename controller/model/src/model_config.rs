//! The options of a model and what they mean.

use std::time::Duration;

use muster_charms::Base;

use crate::record::ModelInfo;

/// An option of every model.
#[derive(Clone, Copy, Debug)]
pub struct ModelOption {
    /// Its key.
    pub key: &'static str,
    /// Its value where nobody set one.
    pub default: &'static str,
    /// How its values are read.
    pub kind: ModelOptionKind,
    /// What it does, in a line.
    pub about: &'static str,
}

/// How an option's value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelOptionKind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A base, such as `debian@12`.
    Base,
    /// A span of time in Go's form, from one minute to an hour.
    Interval,
    /// A span of time in Go's form, of a second or more; empty for none.
    Deadline,
}

macro_rules! option {
    ($key:literal, $default:literal, $kind:ident, $about:literal) => {
        ModelOption { key: $key, default: $default, kind: ModelOptionKind::$kind, about: $about }
    };
}

/// Every option, in the order of keys.
pub const OPTIONS: &[ModelOption] = &[
    option!("apt-mirror", "", Text, "where machines take Debian packages from, if not the default"),
    option!(
        "automatically-retry-hooks",
        "true",
        Bool,
        "whether failed hooks run again by themselves"
    ),
    option!(
        "default-base",
        "debian@12/stable",
        Base,
        "the base of machines whose charm names none"
    ),
    option!("egress-subnets", "", Text, "from which networks the model's traffic comes"),
    option!("ftp-proxy", "", Text, "proxy for FTP, for hooks and their children"),
    option!(
        "hook-deadline",
        "",
        Deadline,
        "how long a hook may take before it is ended; empty: for ever"
    ),
    option!("http-proxy", "", Text, "proxy for HTTP, for hooks and their children"),
    option!("https-proxy", "", Text, "proxy for HTTPS, for hooks and their children"),
    option!("juju-ftp-proxy", "", Text, "proxy for FTP that charms are told of"),
    option!("juju-http-proxy", "", Text, "proxy for HTTP that charms are told of"),
    option!("juju-https-proxy", "", Text, "proxy for HTTPS that charms are told of"),
    option!("juju-no-proxy", "127.0.0.1,localhost,::1", Text, "for whom charms use no proxy"),
    option!("logging-config", "<root>=INFO", Text, "what is logged"),
    option!("mode", "requires-prompts", Text, "whether removals ask first"),
    option!("no-proxy", "127.0.0.1,localhost,::1", Text, "for whom no proxy is used"),
    option!("parallel-hooks", "false", Bool, "whether units of one machine run hooks side by side"),
    option!("update-status-hook-interval", "5m", Interval, "how often update-status runs"),
];

/// The option of this key.
#[must_use]
pub fn option(key: &str) -> Option<&'static ModelOption> {
    OPTIONS.iter().find(|option| option.key == key)
}

impl ModelInfo {
    /// The value of an option: what was set, else its default; empty for unknown keys.
    #[must_use]
    pub fn option(&self, key: &str) -> &str {
        match self.config.get(key) {
            Some(value) => value,
            None => option(key).map_or("", |option| option.default),
        }
    }

    /// Whether failed hooks run again by themselves.
    #[must_use]
    pub fn retries_hooks(&self) -> bool {
        self.option("automatically-retry-hooks") == "true"
    }

    /// Whether units of one machine may run hooks side by side.
    #[must_use]
    pub fn parallel_hooks(&self) -> bool {
        self.option("parallel-hooks") == "true"
    }

    /// How long a hook may take; none is for ever, as charms expect (hook contract, section 3.1).
    #[must_use]
    pub fn hook_deadline(&self) -> Option<Duration> {
        interval(self.option("hook-deadline"))
    }

    /// How often `update-status` runs.
    #[must_use]
    pub fn update_status_interval(&self) -> Duration {
        interval(self.option("update-status-hook-interval")).unwrap_or(Duration::from_secs(300))
    }
}

/// Checks a value against its option.
///
/// # Errors
/// The rule that it breaks, as a sentence part.
pub fn check(option: &ModelOption, value: &str) -> Result<(), &'static str> {
    match option.kind {
        ModelOptionKind::Text => Ok(()),
        ModelOptionKind::Bool if value == "true" || value == "false" => Ok(()),
        ModelOptionKind::Bool => Err("must be true or false"),
        ModelOptionKind::Base if value.parse::<Base>().is_ok() => Ok(()),
        ModelOptionKind::Base => Err("must be a base such as debian@12"),
        ModelOptionKind::Interval => match interval(value) {
            Some(span) if (60..=3600).contains(&span.as_secs()) => Ok(()),
            Some(_) => Err("must be between 1m and 60m"),
            None => Err("must be a span of time such as 5m"),
        },
        ModelOptionKind::Deadline if value.is_empty() => Ok(()),
        ModelOptionKind::Deadline => match interval(value) {
            Some(span) if span.as_secs() > 0 => Ok(()),
            Some(_) => Err("must be at least 1s"),
            None => Err("must be a span of time such as 30m, or empty"),
        },
    }
}

/// A span in minutes and seconds, such as `5m`, `1m30s`, `1h`.
fn interval(text: &str) -> Option<Duration> {
    let mut seconds = 0u64;
    let mut digits = String::new();
    for letter in text.chars() {
        let unit = match letter {
            '0'..='9' => {
                digits.push(letter);
                continue;
            }
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        let number: u64 = digits.parse().ok()?;
        digits.clear();
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
    }
    (digits.is_empty() && !text.is_empty()).then_some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_in_order_and_their_defaults_valid() {
        for pair in OPTIONS.windows(2) {
            assert!(pair[0].key < pair[1].key, "{}", pair[1].key);
        }
        for option in OPTIONS {
            assert_eq!(check(option, option.default), Ok(()), "{}", option.key);
        }
    }

    #[test]
    fn the_base_of_a_model_is_one() {
        let option = option("default-base").unwrap();
        assert_eq!(check(option, "ubuntu@22.04"), Ok(()));
        assert_eq!(check(option, "jammy"), Err("must be a base such as debian@12"));
    }

    #[test]
    fn the_interval_has_bounds() {
        let option = option("update-status-hook-interval").unwrap();
        assert_eq!(check(option, "59s"), Err("must be between 1m and 60m"));
        assert_eq!(check(option, "5"), Err("must be a span of time such as 5m"));
        assert_eq!(check(option, "60m"), Ok(()));
    }

    #[test]
    fn a_hook_has_no_deadline_unless_somebody_sets_one() {
        let option = option("hook-deadline").unwrap();
        assert_eq!((option.default, check(option, "")), ("", Ok(())));
        assert_eq!(check(option, "2h30m"), Ok(()));
        assert_eq!(check(option, "0s"), Err("must be at least 1s"));
        assert_eq!(check(option, "soon"), Err("must be a span of time such as 30m, or empty"));
        assert_eq!(interval(""), None);
    }
}
