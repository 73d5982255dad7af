//! This person's terminal, while a shell elsewhere has it.

use std::io;

use muster_api::shell::Size;
use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// The size of the terminal; the usual one where there is none.
pub(super) fn size() -> Size {
    let found = tcgetwinsize(stdout()).or_else(|_| tcgetwinsize(stdin())).ok();
    let found = found.filter(|size| size.ws_row > 0 && size.ws_col > 0);
    found.map_or(Size { rows: 24, columns: 80 }, |size| Size {
        rows: size.ws_row,
        columns: size.ws_col,
    })
}

/// Keys go where the shell is, each as it is pressed. Dropped, the terminal is as it was.
pub(super) struct Raw(Termios);

impl Raw {
    pub(super) fn begin() -> Result<Raw, Failure> {
        let wrong = |error: rustix::io::Errno| {
            Failure::tried("cannot hand the terminal over", &io::Error::from(error))
                .hint("Without one: --pty=false")
        };
        let before = tcgetattr(stdin()).map_err(wrong)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Drain, &raw).map_err(wrong)?;
        Ok(Raw(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(stdin(), OptionalActions::Drain, &self.0) {
            tracing::warn!(%error, "the terminal is not as it was; `reset` helps");
        }
    }
}

/// Changes of the terminal's size, if there is one.
pub(super) fn resizes(on_terminal: bool) -> Result<Option<Signal>, Failure> {
    if !on_terminal {
        return Ok(None);
    }
    let signals = signal(SignalKind::window_change());
    signals.map(Some).map_err(|error| Failure::tried("cannot follow the terminal's size", &error))
}

/// Ends when the size has changed; never without a terminal.
pub(super) async fn resized(signals: &mut Option<Signal>) {
    let changed = match signals {
        Some(signals) => signals.recv().await,
        None => None,
    };
    if changed.is_none() {
        std::future::pending::<()>().await;
    }
}
