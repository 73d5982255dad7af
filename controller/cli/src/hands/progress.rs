//! Progress on stderr: bars for bytes, a turning wheel for waits; never on a pipe.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::desk::Desk;
use crate::neutral::neutral;

/// A bar for so many bytes; hidden where nothing is drawn.
pub(super) fn bytes(desk: &Desk, what: &str, total: u64) -> ProgressBar {
    let bar = bar(desk, ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden()));
    let template = "{prefix} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(neutral(what));
    bar
}

/// A wheel with a sentence; hidden where nothing is drawn.
pub(super) fn wheel(desk: &Desk, what: &str) -> ProgressBar {
    let bar = bar(desk, ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()));
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {msg}") {
        bar.set_style(style);
    }
    show(&bar, what);
    if desk.draws() {
        bar.enable_steady_tick(Duration::from_millis(120));
    }
    bar
}

/// Shows another sentence beside a wheel; some of its words may be the controller's.
pub(super) fn show(bar: &ProgressBar, what: &str) {
    bar.set_message(neutral(what));
}

fn bar(desk: &Desk, bar: ProgressBar) -> ProgressBar {
    if desk.draws() {
        bar.set_draw_target(ProgressDrawTarget::stderr());
    }
    bar
}
