//! The one place where the command line asks what time it is, and how times are written (CLI
//! contract §1.8).

use jiff::tz::TimeZone;
use jiff::{Timestamp as Moment, Zoned};
use muster_model::Timestamp;

/// Now.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the command line's one clock")]
pub(crate) fn now() -> Timestamp {
    Timestamp(Moment::now().as_millisecond())
}

/// Which clock people read.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// The time zone of this host, or UTC.
    #[must_use]
    pub fn of(utc: bool) -> Zone {
        Zone(if utc { TimeZone::UTC } else { TimeZone::system() })
    }

    fn zoned(&self, at: Timestamp) -> Zoned {
        at.calendar().to_zoned(self.0.clone())
    }

    fn is_utc(&self) -> bool {
        self.0 == TimeZone::UTC
    }

    /// Of status: `02 Jan 2006 15:04:05+01:00`, or `2006-01-02 15:04:05Z` in UTC.
    #[must_use]
    pub fn status(&self, at: Timestamp) -> String {
        let format = if self.is_utc() { "%Y-%m-%d %H:%M:%SZ" } else { "%d %b %Y %H:%M:%S%:z" };
        self.zoned(at).strftime(format).to_string()
    }

    /// When a status was so: `15:04:05+01:00`, or `15:04:05Z`.
    #[must_use]
    pub fn clock(&self, at: Timestamp) -> String {
        let format = if self.is_utc() { "%H:%M:%SZ" } else { "%H:%M:%S%:z" };
        self.zoned(at).strftime(format).to_string()
    }

    /// Of tasks: `2006-01-02 15:04:05 +0100 CET`.
    #[must_use]
    pub fn task(&self, at: Timestamp) -> String {
        self.zoned(at).strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string()
    }

    /// Of log lines: `15:04:05`, with the date and milliseconds if wanted.
    #[must_use]
    pub fn log(&self, at: Timestamp, date: bool, ms: bool) -> String {
        let format = match (date, ms) {
            (false, false) => "%H:%M:%S",
            (false, true) => "%H:%M:%S%.3f",
            (true, false) => "%Y-%m-%d %H:%M:%S",
            (true, true) => "%Y-%m-%d %H:%M:%S%.3f",
        };
        self.zoned(at).strftime(format).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_the_contract_writes_them() {
        let at = Timestamp(1_769_854_830_123);
        let utc = Zone::of(true);
        assert_eq!(utc.status(at), "2026-01-31 10:20:30Z");
        assert_eq!(utc.clock(at), "10:20:30Z");
        assert_eq!(utc.task(at), "2026-01-31 10:20:30 +0000 UTC");
        assert_eq!(utc.log(at, false, false), "10:20:30");
        assert_eq!(utc.log(at, true, true), "2026-01-31 10:20:30.123");
        let east = Zone(TimeZone::fixed(jiff::tz::offset(2)));
        assert_eq!(east.status(at), "31 Jan 2026 12:20:30+02:00");
        assert_eq!(east.clock(at), "12:20:30+02:00");
    }
}
