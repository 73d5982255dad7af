//! Bytes between a program and the operator's end, each stream by a task of its own.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use muster_api::shell::{Outgoing, PIECE, Stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What a terminal takes for the end of input.
const END_OF_INPUT: u8 = 4;

/// The streams of one program. Dropped, they are read no more.
pub(super) struct Pumps {
    outputs: JoinSet<()>,
    _input: JoinSet<()>,
}

impl Pumps {
    /// Begins to pass on; input goes where the sender leads, and ends with it.
    pub(super) fn begin(
        child: &mut Child,
        terminal: Option<(pipe::Receiver, pipe::Sender)>,
        to: &Outgoing,
        over: &CancellationToken,
    ) -> (Pumps, mpsc::UnboundedSender<Bytes>) {
        let (input, bytes) = mpsc::unbounded_channel();
        let mut pumps = Pumps { outputs: JoinSet::new(), _input: JoinSet::new() };
        match terminal {
            Some((printed, typed)) => {
                pumps._input.spawn(write(typed, bytes, to.clone(), Some(END_OF_INPUT)));
                pumps.outputs.spawn(read(printed, Stream::Out, to.clone(), over.clone()));
            }
            None => {
                if let Some(stdin) = child.stdin.take() {
                    pumps._input.spawn(write(stdin, bytes, to.clone(), None));
                }
                if let Some(out) = child.stdout.take() {
                    pumps.outputs.spawn(read(out, Stream::Out, to.clone(), over.clone()));
                }
                if let Some(err) = child.stderr.take() {
                    pumps.outputs.spawn(read(err, Stream::Err, to.clone(), over.clone()));
                }
            }
        }
        (pumps, input)
    }

    /// Waits until everything that the program printed was sent, however long that takes. A child that it
    /// left may hold its output open; what such a one prints later is nobody's (see [`TRAIL`]).
    pub(super) async fn end(mut self) {
        while self.outputs.join_next().await.is_some() {}
    }
}

/// How long output may stay away after the program's end before it counts as over.
const TRAIL: Duration = Duration::from_millis(500);

async fn read(
    mut from: impl AsyncRead + Unpin,
    stream: Stream,
    to: Outgoing,
    over: CancellationToken,
) {
    let mut buffer = vec![0; PIECE];
    loop {
        let read = tokio::select! {
            biased;
            read = from.read(&mut buffer) => read,
            () = trailed(&over) => return,
        };
        let count = match read {
            Ok(0) => return,
            Ok(count) => count,
            // A terminal that nobody has open any more.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
                return;
            }
            Err(error) => {
                tracing::debug!(%error, "the output of a shell cannot be read");
                return;
            }
        };
        let bytes = Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default());
        if to.bytes(stream, bytes).await.is_err() {
            return;
        }
    }
}

/// Ends a moment after the program has.
async fn trailed(over: &CancellationToken) {
    over.cancelled().await;
    tokio::time::sleep(TRAIL).await;
}

async fn write(
    mut into: impl AsyncWrite + Unpin,
    mut bytes: mpsc::UnboundedReceiver<Bytes>,
    to: Outgoing,
    last: Option<u8>,
) {
    let mut broken = false;
    while let Some(piece) = bytes.recv().await {
        // What nobody reads is taken all the same, so that whoever sends it comes to its end.
        if !broken && let Err(error) = into.write_all(&piece).await {
            if error.kind() != io::ErrorKind::BrokenPipe {
                tracing::debug!(%error, "input of a shell cannot be written");
            }
            broken = true;
        }
        if to.taken(Stream::In, piece.len()).await.is_err() {
            return;
        }
    }
    if let Some(last) = last.filter(|_| !broken)
        && let Err(error) = into.write_all(&[last]).await
    {
        tracing::debug!(%error, "the end of a shell's input is not told");
    }
    if let Err(error) = into.shutdown().await {
        tracing::debug!(%error, "the input of a shell is not closed");
    }
}
