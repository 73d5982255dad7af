//! What a person sees while the demo, the tests or a measurement run.
//!
//! All words go to standard error, so that what is printed on standard output can be piped. On a
//! terminal a running piece of work has a bar or a spinner; anywhere else it is one line when it
//! begins and one when it ends.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// How often a bar is drawn anew while nothing else moves it.
const REFRESH: Duration = Duration::from_millis(120);

/// Says on standard error what is going on.
#[derive(Clone, Debug)]
pub struct Voice {
    bars: MultiProgress,
    lively: bool,
}

impl Default for Voice {
    fn default() -> Self {
        Self::new()
    }
}

impl Voice {
    /// A voice with bars if standard error is a terminal, else with plain lines.
    pub fn new() -> Self {
        Self { bars: MultiProgress::new(), lively: std::io::stderr().is_terminal() }
    }

    /// Says one line.
    pub fn say(&self, line: impl Display) {
        if self.lively {
            self.bars.suspend(|| write_line(&line));
        } else {
            write_line(&line);
        }
    }

    /// Begins a piece of work whose size nobody knows.
    pub fn work(&self, what: impl Into<String>) -> Work {
        self.begin(what.into(), ProgressBar::new_spinner(), "{spinner} {prefix} {elapsed} {msg}")
    }

    /// Begins a piece of work of `total` bytes.
    pub fn bytes(&self, what: impl Into<String>, total: u64) -> Work {
        let style = "{spinner} {prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {msg}";
        self.begin(what.into(), ProgressBar::new(total), style)
    }

    fn begin(&self, what: String, bar: ProgressBar, style: &str) -> Work {
        if self.lively {
            let bar = self.bars.add(bar);
            // A style that does not parse only costs the looks.
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
            bar.set_prefix(what.clone());
            bar.enable_steady_tick(REFRESH);
            Work { voice: self.clone(), bar: Some(bar), what, started: Instant::now() }
        } else {
            write_line(&format!("… {what}"));
            Work { voice: self.clone(), bar: None, what, started: Instant::now() }
        }
    }
}

/// A piece of work under way; its bar goes when it is dropped.
#[derive(Debug)]
pub struct Work {
    voice: Voice,
    bar: Option<ProgressBar>,
    what: String,
    started: Instant,
}

impl Work {
    /// Shows a few words beside the bar.
    pub fn note(&self, words: impl Into<String>) {
        if let Some(bar) = &self.bar {
            bar.set_message(words.into());
        }
    }

    /// Sets how many bytes are done.
    pub fn at(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
        }
    }

    /// Ends the work well, and says how long it took.
    pub fn done(self, outcome: impl Display) -> Duration {
        let took = self.started.elapsed();
        let outcome = outcome.to_string();
        let gap = if outcome.is_empty() { "" } else { ": " };
        self.voice.say(format_args!("✓ {}{gap}{outcome} ({})", self.what, Seconds(took)));
        took
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A span of time in seconds with one digit, or in minutes and seconds from two minutes on.
#[derive(Clone, Copy, Debug)]
pub struct Seconds(pub Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = self.0.as_secs();
        if whole < 120 {
            write!(f, "{:.1} s", self.0.as_secs_f64())
        } else {
            write!(f, "{} min {} s", whole / 60, whole % 60)
        }
    }
}

/// A number of bytes in MB, as the package archives print them.
#[derive(Clone, Copy, Debug)]
pub struct Megabytes(pub u64);

impl Display for Megabytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tenths = self.0.saturating_add(50_000) / 100_000;
        write!(f, "{}.{} MB", tenths / 10, tenths % 10)
    }
}

fn write_line(line: &dyn Display) {
    // Nobody is left to tell when standard error is closed; the work goes on all the same.
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_read_well() {
        assert_eq!(Megabytes(317_858_593).to_string(), "317.9 MB");
        assert_eq!(Megabytes(0).to_string(), "0.0 MB");
        assert_eq!(Seconds(Duration::from_millis(8_449)).to_string(), "8.4 s");
        assert_eq!(Seconds(Duration::from_secs(125)).to_string(), "2 min 5 s");
    }
}
