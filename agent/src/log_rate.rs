//! How many lines a unit may log (reliability document, R13 and section 5).

use std::time::{Duration, Instant};

/// Lines of a unit that are logged in a second; the rest is counted.
const LINES: u32 = 1_000;

/// An allowance that fills up again with time, and what went beyond it.
#[derive(Debug)]
pub(crate) struct Rate {
    left: u32,
    /// When the allowance was counted last.
    at: Instant,
    dropped: u64,
}

impl Rate {
    /// A full allowance.
    pub(crate) fn new(now: Instant) -> Rate {
        Rate { left: LINES, at: now, dropped: 0 }
    }

    /// Whether one more line may be logged; if not, it is counted.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        let each = Duration::from_secs(1) / LINES;
        let passed = now.saturating_duration_since(self.at);
        let more = u32::try_from(passed.as_nanos() / each.as_nanos()).unwrap_or(LINES);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(LINES);
            self.at = if self.left == LINES { now } else { self.at + each * more };
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.dropped += 1;
                false
            }
        }
    }

    /// What is to be said of the lines that were left out since this was last asked.
    pub(crate) fn left_out(&mut self) -> Option<String> {
        let dropped = std::mem::take(&mut self.dropped);
        (dropped > 0)
            .then(|| format!("{dropped} lines were left out: a unit logs at most {LINES} a second"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r13_a_flood_is_cut_to_the_allowance_and_counted() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        let admitted = |rate: &mut Rate, now| (0..5_000).filter(|_| rate.admits(now)).count();
        assert_eq!(admitted(&mut rate, start), 1_000);
        assert_eq!(rate.left_out().unwrap().split(' ').next(), Some("4000"));
        assert_eq!(rate.left_out(), None, "it is said once");
        assert_eq!(admitted(&mut rate, start + Duration::from_millis(10)), 10);
        assert_eq!(admitted(&mut rate, start + Duration::from_secs(3600)), 1_000);
        // Exactly the allowance for an hour is never too much.
        let mut rate = Rate::new(start);
        for line in 0..10_000 {
            assert!(rate.admits(start + Duration::from_millis(line)));
        }
    }
}
