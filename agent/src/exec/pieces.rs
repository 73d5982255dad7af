//! What a command of `juju-exec` prints, on its way to whoever gave it: as it comes, and all of it.
//!
//! ```text
//! command ─▶ pipe ─▶ pieces ─▶ socket ─▶ juju-exec ─▶ its own standard output
//! ```
//!
//! Each piece is a message, and the last one says how it ended. The command waits for whoever reads, as
//! it would in a pipe of the shell; but not for one that reads nothing for minutes, because others wait
//! for the machine's lock.

use std::io::{self, Write};
use std::os::unix::net::UnixStream as Plain;
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use crate::hook::output::{Piece, Stream};
use crate::tool;
use crate::wire::{self, Answer, Call};

/// How long whoever gave a command may take nothing of its output.
const STALLED: Duration = Duration::from_secs(300);

const OUT: &[u8] = b"out";
const ERR: &[u8] = b"err";
const END: &[u8] = b"end";

/// Sends `pieces` over `stream` while `answer` is awaited, and that at last. A client that has left, or
/// takes nothing, does not end the command.
pub(super) async fn send(
    mut stream: UnixStream,
    pieces: mpsc::Receiver<Piece>,
    answer: impl Future<Output = Answer>,
) -> io::Result<()> {
    let mut answer = std::pin::pin!(answer);
    let (sent, answer) = {
        let mut sending = std::pin::pin!(all(&mut stream, pieces));
        tokio::select! {
            sent = &mut sending => (sent, answer.await),
            answer = &mut answer => (sending.await, answer),
        }
    };
    sent?;
    let code = [answer.code];
    let mut fields = vec![END];
    fields.extend(answer.fields(&code));
    write(&mut stream, &fields).await
}

/// Sends until nobody has more to say. What holds the pieces is dropped with an error, so that the
/// command hears that nobody listens.
async fn all(stream: &mut UnixStream, mut pieces: mpsc::Receiver<Piece>) -> io::Result<()> {
    while let Some(Piece { stream: which, bytes }) = pieces.recv().await {
        let which = match which {
            Stream::Out => OUT,
            Stream::Err => ERR,
        };
        write(stream, &[which, &bytes]).await?;
    }
    Ok(())
}

async fn write(stream: &mut UnixStream, fields: &[&[u8]]) -> io::Result<()> {
    let message = wire::encode(fields)?;
    tokio::time::timeout(STALLED, stream.write_all(&message)).await?
}

/// Gives the command over `socket`, passes on what it prints, and answers its exit code.
pub(super) fn receive(socket: &Path, call: &Call) -> io::Result<u8> {
    let mut stream = Plain::connect(socket)?;
    wire::write(&mut stream, &call.fields())?;
    let mut from = io::BufReader::new(stream);
    loop {
        let mut fields = wire::read(&mut from)?;
        if fields.is_empty() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let rest = fields.split_off(1);
        match (fields.first().map(Vec::as_slice), rest.as_slice()) {
            (Some(OUT), [bytes]) => io::stdout().lock().write_all(bytes)?,
            (Some(ERR), [bytes]) => io::stderr().lock().write_all(bytes)?,
            (Some(END), _) => return tool::give(&Answer::from_fields(rest)?),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        io::stdout().lock().flush()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_goes_on_when_nobody_reads_what_it_prints_any_more() {
        let (own, client) = UnixStream::pair().unwrap();
        let (to, pieces) = mpsc::channel(1);
        drop(client);
        let command = async move {
            let piece = || Piece { stream: Stream::Out, bytes: vec![b'x'; 1000] };
            while to.send(piece()).await.is_ok() {}
            Answer::default()
        };
        assert!(send(own, pieces, command).await.is_err());
    }
}
