//! A terminal for a shell: the end that the agent holds.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use muster_api::shell::Size;
use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::net::unix::pipe;

/// The end that the agent has. Once this and both halves are dropped the terminal hangs up.
#[derive(Debug)]
pub(super) struct Master(OwnedFd);

impl Master {
    /// A terminal of this size, and the end that a program has, for each of its streams.
    pub(super) fn open(size: Size) -> io::Result<(Master, [File; 3])> {
        let own = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&own)?;
        unlockpt(&own)?;
        let name = ptsname(&own, Vec::new())?;
        let name = Path::new(name.to_str().map_err(io::Error::other)?);
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = File::from(rustix::fs::open(name, flags, Mode::empty())?);
        fcntl_setfl(&own, fcntl_getfl(&own)? | OFlags::NONBLOCK)?;
        let master = Master(own);
        master.resize(size)?;
        Ok((master, [theirs.try_clone()?, theirs.try_clone()?, theirs]))
    }

    /// What is printed comes from the one, what is typed goes into the other. A terminal is read and
    /// written as a pipe is.
    pub(super) fn halves(&self) -> io::Result<(pipe::Receiver, pipe::Sender)> {
        let printed = pipe::Receiver::from_owned_fd_unchecked(self.0.try_clone()?)?;
        Ok((printed, pipe::Sender::from_owned_fd_unchecked(self.0.try_clone()?)?))
    }

    /// Makes it of another size; whoever works in it is told by the kernel.
    pub(super) fn resize(&self, size: Size) -> io::Result<()> {
        let (rows, columns) = (size.rows, size.columns);
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(&self.0, size)?)
    }
}
