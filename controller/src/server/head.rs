//! A request's head comes within its time, also on a connection that may rest between requests
//! (S1): hyper's own limit is one for both.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use super::crowd::Seat;

/// What a connection is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No request.
    Resting,
    /// A part of a request's head is there.
    Arriving,
    /// A request is answered.
    Serving,
}

/// What a connection is about, shared by its bytes, its requests and its clock.
#[derive(Clone, Debug)]
pub(super) struct Heads(Arc<watch::Sender<Phase>>);

impl Heads {
    pub(super) fn new() -> Heads {
        Heads(Arc::new(watch::channel(Phase::Resting).0))
    }

    /// A head is whole: its request is answered until the answer is dropped.
    pub(super) fn whole(&self) -> Served {
        self.0.send_replace(Phase::Serving);
        Served(self.clone())
    }

    /// Ends when a head takes longer than `most`.
    pub(super) async fn overdue(&self, most: Duration) {
        let mut phase = self.0.subscribe();
        // The sender is `self`'s own, so neither wait can fail.
        while phase.wait_for(|phase| *phase == Phase::Arriving).await.is_ok() {
            let whole = phase.wait_for(|phase| *phase != Phase::Arriving);
            if tokio::time::timeout(most, whole).await.is_err() {
                return;
            }
        }
    }
}

/// A request that is answered.
#[derive(Debug)]
pub(super) struct Served(Heads);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.0.send_replace(Phase::Resting);
    }
}

/// A connection's bytes; the first that come while it rests begin a head. Its place in the crowd goes
/// with it, also when the connection becomes the stream of a shell.
#[derive(Debug)]
pub(super) struct Watched<S> {
    inner: S,
    heads: Heads,
    _seat: Seat,
}

impl<S> Watched<S> {
    pub(super) fn new(inner: S, heads: Heads, seat: Seat) -> Watched<S> {
        Watched { inner, heads, _seat: seat }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.heads.0.send_if_modified(|phase| {
                let begins = *phase == Phase::Resting;
                if begins {
                    *phase = Phase::Arriving;
                }
                begins
            });
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
