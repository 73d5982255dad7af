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
    /// What it does, in a line; empty for one of Juju's that is kept, given back and does nothing here.
    pub about: &'static str,
}

impl ModelOption {
    /// Whether it is one of Juju's that changes nothing here.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.about.is_empty()
    }
}

/// How an option's value is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelOptionKind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A base, such as `debian@12`.
    Base,
    /// A span of time in Go's form, from ten seconds to an hour.
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

macro_rules! idle {
    ($($key:literal $default:literal $kind:ident,)*) => {
        &[$(option!($key, $default, $kind, ""),)*]
    };
}

/// Options of Juju's that mean nothing here. Scripts set them on every model, so they are taken with
/// a warning and given back.
pub const IDLE: &[ModelOption] = idle! {
    "agent-metadata-url" "" Text,
    "agent-stream" "released" Text,
    "apt-ftp-proxy" "" Text,
    "apt-http-proxy" "" Text,
    "apt-https-proxy" "" Text,
    "apt-no-proxy" "" Text,
    "backup-dir" "" Text,
    "charmhub-url" "" Text,
    "cloudinit-userdata" "" Text,
    "container-image-metadata-defaults-disabled" "false" Bool,
    "container-image-metadata-url" "" Text,
    "container-image-stream" "released" Text,
    "container-inherit-properties" "" Text,
    "container-networking-method" "" Text,
    "default-series" "" Text,
    "default-space" "alpha" Text,
    "development" "false" Bool,
    "disable-network-management" "false" Bool,
    "disable-telemetry" "false" Bool,
    "enable-os-refresh-update" "true" Bool,
    "enable-os-upgrade" "true" Bool,
    "extra-info" "" Text,
    "fan-config" "" Text,
    "firewall-mode" "instance" Text,
    "ignore-machine-addresses" "false" Bool,
    "image-metadata-defaults-disabled" "false" Bool,
    "image-metadata-url" "" Text,
    "image-stream" "released" Text,
    "logforward-enabled" "false" Bool,
    "logging-output" "" Text,
    "lxd-snap-channel" "" Text,
    "max-action-results-age" "336h" Text,
    "max-action-results-size" "5G" Text,
    "max-status-history-age" "336h" Text,
    "max-status-history-size" "5G" Text,
    "net-bond-reconfigure-delay" "17" Int,
    "num-container-provision-workers" "4" Int,
    "num-provision-workers" "16" Int,
    "provisioner-harvest-mode" "destroyed" Text,
    "proxy-ssh" "false" Bool,
    "resource-tags" "" Text,
    "saas-ingress-allow" "0.0.0.0/0,::/0" Text,
    "secret-backend" "auto" Text,
    "snap-http-proxy" "" Text,
    "snap-https-proxy" "" Text,
    "snap-store-assertions" "" Text,
    "snap-store-proxy" "" Text,
    "snap-store-proxy-url" "" Text,
    "ssh-allow" "0.0.0.0/0,::/0" Text,
    "ssl-hostname-verification" "true" Bool,
    "storage-default-block-source" "" Text,
    "storage-default-filesystem-source" "" Text,
    "syslog-ca-cert" "" Text,
    "syslog-client-cert" "" Text,
    "syslog-client-key" "" Text,
    "syslog-host" "" Text,
    "syslog-server-cert" "" Text,
    "test-mode" "false" Bool,
    "transmit-vendor-metrics" "true" Bool,
};

/// Every option that may be set, those that do nothing here among them.
pub fn all() -> impl Iterator<Item = &'static ModelOption> {
    OPTIONS.iter().chain(IDLE)
}

/// The option of this key.
#[must_use]
pub fn option(key: &str) -> Option<&'static ModelOption> {
    all().find(|option| option.key == key)
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
        ModelOptionKind::Int if value.parse::<i64>().is_ok() => Ok(()),
        ModelOptionKind::Int => Err("must be a whole number"),
        ModelOptionKind::Base if value.parse::<Base>().is_ok() => Ok(()),
        ModelOptionKind::Base => Err("must be a base such as debian@12"),
        ModelOptionKind::Interval => match interval(value) {
            Some(span) if (SHORTEST..=LONGEST).contains(&span) => Ok(()),
            Some(_) => Err("must be between 10s and 60m"),
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

/// The shortest span between two runs of `update-status`: test suites use it to see soon what it does.
const SHORTEST: Duration = Duration::from_secs(10);
/// The longest.
const LONGEST: Duration = Duration::from_secs(3600);

/// A span in hours, minutes, seconds and milliseconds, such as `5m`, `1m30s`, `0.5h`, `10.0s`.
fn interval(text: &str) -> Option<Duration> {
    let mut span = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        let number: f64 = number.parse().ok()?;
        span = span.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_in_order_and_their_defaults_valid() {
        for table in [OPTIONS, IDLE] {
            for pair in table.windows(2) {
                assert!(pair[0].key < pair[1].key, "{}", pair[1].key);
            }
        }
        for option in all() {
            assert_eq!(check(option, option.default), Ok(()), "{}", option.key);
            let same = all().filter(|other| other.key == option.key).count();
            assert_eq!(same, 1, "{}", option.key);
        }
        assert!(OPTIONS.iter().all(|option| !option.is_idle()));
    }

    #[test]
    fn the_base_of_a_model_is_one() {
        let option = option("default-base").unwrap();
        assert_eq!(check(option, "ubuntu@22.04"), Ok(()));
        assert_eq!(check(option, "jammy"), Err("must be a base such as debian@12"));
    }

    /// Test suites make `update-status` come every ten seconds to see soon what it does.
    #[test]
    fn the_interval_has_bounds() {
        let option = option("update-status-hook-interval").unwrap();
        for good in ["10s", "10.0s", "60m", "1m30s", "0.5h", "10000ms"] {
            assert_eq!(check(option, good), Ok(()), "{good}");
        }
        for bad in ["9s", "9.99s", "61m", "0s"] {
            assert_eq!(check(option, bad), Err("must be between 10s and 60m"), "{bad}");
        }
        for bad in ["5", "", "m", "5x", "-5m", "1.2.3s", "s5"] {
            assert_eq!(check(option, bad), Err("must be a span of time such as 5m"), "{bad}");
        }
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
