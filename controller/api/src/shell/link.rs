//! One end of a shell's stream: frames in and out, and how many bytes may be under way.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::codec::{Encoder, FramedRead};

use super::codec::{Codec, FrameError};
use super::{Frame, PIECE, Stream, WINDOW};

/// How long an end may be silent before it counts as gone. It says four times as often that it is there.
pub const SILENCE: Duration = Duration::from_secs(60);

/// Frames that wait to be sent.
const QUEUE: usize = 16;

/// How long the last frames may take to leave.
const LEAVING: Duration = Duration::from_secs(30);

/// Why there is no further frame.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The other end is not heard any more.
    #[error("the other end is silent")]
    Silent,
    /// The connection broke, or holds nonsense.
    #[error("the connection of the shell broke")]
    Frame(#[source] FrameError),
    /// More came than was asked for.
    #[error("the other end sends more than it may")]
    TooMuch,
}

/// The other end has gone: nothing that is sent is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the other end of the shell has gone")]
pub struct Gone;

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// One end of a stream that has not begun to be read.
pub struct Link(Box<dyn Duplex>);

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

/// What was sent and not taken yet, of the streams that this end sends, and what came and was not taken
/// yet, of those that it reads.
#[derive(Debug)]
struct Windows {
    sending: [Semaphore; 3],
    pending: [AtomicU32; 3],
}

fn at(stream: Stream) -> usize {
    match stream {
        Stream::In => 0,
        Stream::Out => 1,
        Stream::Err => 2,
    }
}

/// The sending half. Cheap to clone; the stream closes for writing when all are dropped.
#[derive(Clone, Debug)]
pub struct Outgoing {
    frames: mpsc::Sender<Frame>,
    windows: Arc<Windows>,
}

/// The reading half.
pub struct Incoming {
    silence: Duration,
    frames: FramedRead<ReadHalf<Box<dyn Duplex>>, Codec>,
    windows: Arc<Windows>,
}

impl Link {
    /// An end over a connection.
    pub fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Link {
        Link(Box::new(stream))
    }

    /// Begins. The handle ends once everything that was sent has left, and all [`Outgoing`] are dropped.
    #[must_use]
    pub fn begin(self) -> (Outgoing, Incoming, tokio::task::JoinHandle<()>) {
        self.begin_with(SILENCE)
    }

    fn begin_with(self, silence: Duration) -> (Outgoing, Incoming, tokio::task::JoinHandle<()>) {
        let (read, write) = tokio::io::split(self.0);
        let (frames, queue) = mpsc::channel(QUEUE);
        let windows = Arc::new(Windows {
            sending: std::array::from_fn(|_| Semaphore::new(WINDOW as usize)),
            pending: Default::default(),
        });
        let sending = tokio::spawn(send(write, queue, silence / 4));
        let own = Arc::clone(&windows);
        let frames_in = FramedRead::new(read, Codec::new());
        let incoming = Incoming { silence, frames: frames_in, windows: own };
        (Outgoing { frames, windows }, incoming, sending)
    }
}

/// Sends what is queued until nobody has more, and now and then that this end is there. Ends at once if
/// the connection does; then the queue is closed and whoever sends hears of it.
async fn send(
    mut to: WriteHalf<Box<dyn Duplex>>,
    mut queue: mpsc::Receiver<Frame>,
    still: Duration,
) {
    let (mut codec, mut bytes) = (Codec::new(), BytesMut::new());
    loop {
        let frame = match tokio::time::timeout(still, queue.recv()).await {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(_) => Frame::Still,
        };
        let sent = match codec.encode(frame, &mut bytes) {
            Ok(()) => to.write_all_buf(&mut bytes).await,
            Err(error) => Err(std::io::Error::other(error)),
        };
        // What a connection holds back until there is more of it is not held back here.
        let sent = match sent {
            Ok(()) => to.flush().await,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "a shell's other end has gone");
            return;
        }
    }
    match tokio::time::timeout(LEAVING, to.shutdown()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a shell's stream is not closed"),
        Err(_) => tracing::debug!("the end of a shell is not taken"),
    }
}

impl Outgoing {
    /// Sends a frame, once there is room.
    ///
    /// # Errors
    /// If the other end has gone.
    pub async fn send(&self, frame: Frame) -> Result<(), Gone> {
        self.frames.send(frame).await.map_err(|_| Gone)
    }

    /// Sends bytes of a stream, once the other end has taken enough of what went before.
    ///
    /// # Errors
    /// If the other end has gone.
    pub async fn bytes(&self, stream: Stream, mut bytes: Bytes) -> Result<(), Gone> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            let count = u32::try_from(piece.len()).unwrap_or(WINDOW);
            let window = self.windows.sending.get(at(stream)).ok_or(Gone)?;
            tokio::select! {
                room = window.acquire_many(count) => room.map_err(|_| Gone)?.forget(),
                () = self.frames.closed() => return Err(Gone),
            }
            self.send(Frame::Bytes(stream, piece)).await?;
        }
        Ok(())
    }

    /// Says that bytes of a stream, which came, were taken.
    ///
    /// # Errors
    /// If the other end has gone.
    pub async fn taken(&self, stream: Stream, count: usize) -> Result<(), Gone> {
        let count = u32::try_from(count).unwrap_or(WINDOW);
        if let Some(pending) = self.windows.pending.get(at(stream)) {
            pending.fetch_sub(count, Ordering::Relaxed);
        }
        self.send(Frame::Taken(stream, count)).await
    }

    /// Ends when the connection has.
    pub async fn closed(&self) {
        self.frames.closed().await;
    }
}

impl Incoming {
    /// The next frame that says something; none once the other end has closed. May be dropped while it
    /// waits, without losing anything. Whoever asks does not wait for room to send in between: that is
    /// made by what comes here.
    ///
    /// # Errors
    /// If the other end is silent for too long, sends more than it may, or nonsense.
    pub async fn next(&mut self) -> Result<Option<Frame>, LinkError> {
        loop {
            let next = tokio::time::timeout(self.silence, self.frames.next()).await;
            let frame = match next.map_err(|_| LinkError::Silent)? {
                None => return Ok(None),
                Some(frame) => frame.map_err(LinkError::Frame)?,
            };
            match &frame {
                Frame::Still => continue,
                Frame::Taken(stream, count) => self.taken(*stream, *count)?,
                Frame::Bytes(stream, bytes) => self.came(*stream, bytes.len())?,
                _ => return Ok(Some(frame)),
            }
            if matches!(frame, Frame::Bytes(..)) {
                return Ok(Some(frame));
            }
        }
    }

    /// The window of a stream that this end sends is open again by so much; never by more than was sent.
    fn taken(&self, stream: Stream, count: u32) -> Result<(), LinkError> {
        let window = self.windows.sending.get(at(stream)).ok_or(LinkError::TooMuch)?;
        if window.available_permits() + count as usize > WINDOW as usize {
            return Err(LinkError::TooMuch);
        }
        window.add_permits(count as usize);
        Ok(())
    }

    fn came(&self, stream: Stream, count: usize) -> Result<(), LinkError> {
        let count = u32::try_from(count).map_err(|_| LinkError::TooMuch)?;
        let pending = self.windows.pending.get(at(stream)).ok_or(LinkError::TooMuch)?;
        if pending.fetch_add(count, Ordering::Relaxed) + count > WINDOW {
            return Err(LinkError::TooMuch);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type End = (Outgoing, Incoming);

    fn ends(silence: Duration) -> (End, End) {
        let (one, other) = tokio::io::duplex(1 << 16);
        let (to, from, _) = Link::over(one).begin_with(silence);
        let (other_to, other_from, _) = Link::over(other).begin_with(silence);
        ((to, from), (other_to, other_from))
    }

    #[tokio::test]
    async fn whoever_sends_waits_until_enough_was_taken() {
        let ((to, mut from), (other_to, mut other_from)) = ends(SILENCE);
        let whole = Bytes::from(vec![1; WINDOW as usize + 1]);
        let sending = tokio::spawn(async move { to.bytes(Stream::Out, whole).await });
        // This end must hear what was taken.
        tokio::spawn(async move { while let Ok(Some(_)) = from.next().await {} });
        let mut came = 0;
        while came < WINDOW as usize {
            let Ok(Some(Frame::Bytes(Stream::Out, piece))) = other_from.next().await else {
                panic!("no bytes")
            };
            came += piece.len();
        }
        // What was to come has come but for one byte, and that waits.
        assert_eq!(came, WINDOW as usize);
        let more = tokio::time::timeout(Duration::from_millis(100), other_from.next()).await;
        assert!(more.is_err(), "more came than may be under way");
        assert!(!sending.is_finished());
        other_to.taken(Stream::Out, PIECE).await.unwrap();
        let Ok(Some(Frame::Bytes(_, last))) = other_from.next().await else { panic!("no bytes") };
        assert_eq!(last.len(), 1);
        sending.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn who_waits_for_room_hears_that_the_other_end_has_gone() {
        let ((to, _from), other) = ends(Duration::from_millis(200));
        let whole = Bytes::from(vec![1; 3 * WINDOW as usize]);
        let sending = tokio::spawn(async move { to.bytes(Stream::Out, whole).await });
        drop(other);
        assert_eq!(sending.await.unwrap(), Err(Gone));
    }

    #[tokio::test]
    async fn s12_nobody_is_sent_more_than_the_window() {
        let ((to, mut from), (other_to, mut other_from)) = ends(SILENCE);
        // An end that does not wait.
        let sending = tokio::spawn(async move {
            let piece = Frame::Bytes(Stream::In, Bytes::from(vec![1; PIECE]));
            while to.send(piece.clone()).await.is_ok() {}
        });
        let mut came = 0;
        let error = loop {
            match other_from.next().await {
                Ok(Some(Frame::Bytes(_, piece))) => came += piece.len(),
                other => break other,
            }
        };
        assert!(matches!(error, Err(LinkError::TooMuch)) && came == WINDOW as usize);
        // Nor does it take what was never sent.
        other_to.send(Frame::Taken(Stream::In, WINDOW + 1)).await.unwrap();
        assert!(matches!(from.next().await, Err(LinkError::TooMuch)));
        sending.abort();
    }

    #[tokio::test]
    async fn the_last_word_arrives_and_then_there_is_none() {
        let (one, other) = tokio::io::duplex(1 << 16);
        let (to, _from, sent) = Link::over(one).begin();
        let (_other_to, mut other_from, _) = Link::over(other).begin();
        to.send(Frame::Ended(super::super::Ended::Exit(7))).await.unwrap();
        drop(to);
        sent.await.unwrap();
        let last = Frame::Ended(super::super::Ended::Exit(7));
        assert_eq!(other_from.next().await.unwrap(), Some(last));
        assert_eq!(other_from.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn who_is_silent_counts_as_gone_and_who_is_there_says_so() {
        let silence = Duration::from_millis(400);
        let (one, other) = tokio::io::duplex(1 << 16);
        let (_to, mut from, _) = Link::over(one).begin_with(silence);
        // Nobody reads or writes there.
        let _mute = other;
        assert!(matches!(from.next().await, Err(LinkError::Silent)));
        let ((to, mut from), (other_to, _other_from)) = ends(silence);
        let waited = tokio::time::timeout(4 * silence, from.next()).await;
        assert!(waited.is_err(), "an end that has nothing to say is taken for gone: {waited:?}");
        drop((to, other_to));
    }
}
