//! `ssh`: a shell on a machine, through the controller and the machine's agent.
//!
//! ```text
//! standard input ─thread─▶ frames ─▶ controller ─▶ agent ─▶ program
//! standard output, error ◀─thread─ frames ◀───────────────────┘
//! ```
//!
//! The streams of a terminal have threads of their own, since reading and writing there may take for
//! ever; what has not been written yet is bounded by the shell's window.

use std::io::{Read, Write};
use std::sync::mpsc as std_mpsc;
use std::thread;

use bytes::Bytes;
use muster_api::shell::{
    Door, Ended, Frame, Incoming, Outgoing, PIECE, Start, Stream, Target, Terminal,
};
use muster_model::command::TargetRef;
use tokio::sync::mpsc;

use super::openssh;
use super::session::{Focus, Session};
use super::terminal::{self, Raw};
use crate::commands::shell::Ssh;
use crate::desk::{Desk, Streams};
use crate::failure::Failure;

/// What OpenSSH exits with when it is itself that failed, and when a signal ended the command.
const BROKEN: u8 = 255;

pub(super) async fn ssh(session: &mut Session<'_>, act: &Ssh) -> Result<(), Failure> {
    let focus = session.focus().await?;
    if !act.options.is_empty() {
        return openssh::ssh(session, &focus, act).await;
    }
    let is_terminal = session.desk.terminals.stdin;
    let wanted = !act.stdio && act.pty.unwrap_or(is_terminal);
    let door = if act.stdio {
        Door::Server { key: openssh::own_key(session)?.1 }
    } else {
        // As OpenSSH does: the words are joined and the shell there reads them.
        let command = (!act.command.is_empty()).then(|| act.command.join(" "));
        Door::Shell { user: act.place.user.clone(), command }
    };
    let terminal = wanted.then(|| Terminal {
        kind: session.desk.var("TERM").unwrap_or("dumb").to_owned(),
        size: terminal::size(),
    });
    let (to, from) = open(&focus, &act.place.target, Start { door, terminal }).await?;
    let raw = if wanted && is_terminal { Some(Raw::begin()?) } else { None };
    let ended = attach(session.desk, (to, from), wanted).await;
    drop(raw);
    told(ended?)
}

/// Opens a shell and says what is wanted.
pub(super) async fn open(
    focus: &Focus,
    place: &TargetRef,
    start: Start,
) -> Result<(Outgoing, Incoming), Failure> {
    let target = Target::of(place).ok_or_else(|| Failure::new("several places at once"))?;
    let link = focus.on.client.shell(focus.id, &target).await;
    let (to, from, _) = link.map_err(|error| focus.on.failed(error))?.begin();
    to.send(Frame::Start(start)).await.map_err(|gone| lost(&gone))?;
    Ok((to, from))
}

fn lost(why: &dyn std::error::Error) -> Failure {
    let failure = Failure::tried("the connection to the machine is lost", why);
    Failure { code: BROKEN, ..failure }
}

/// The exit code of what ran, and a word if it is not zero (CLI contract §1.4).
fn told(ended: Ended) -> Result<(), Failure> {
    match ended {
        Ended::Exit(0) => Ok(()),
        Ended::Exit(code) => Err(Failure { code, ..Failure::new(openssh::error_code(code)) }),
        Ended::Signal(signal) => {
            Err(Failure { code: BROKEN, ..Failure::new(format!("killed by signal {signal}")) })
        }
        Ended::Refused(why) => {
            Err(Failure { code: BROKEN, ..Failure::new(format!("no shell: {why}")) })
        }
    }
}

/// Output that was written, or why it was not.
type Written = Result<(Stream, usize), std::io::Error>;

/// Joins the desk's streams to a shell, until it has ended and all that it printed is written.
async fn attach(
    desk: &mut Desk,
    (to, mut from): (Outgoing, Incoming),
    on_terminal: bool,
) -> Result<Ended, Failure> {
    let Streams { input, out, err } = desk.lend();
    let (pieces, to_write) = std_mpsc::channel();
    let (done, mut written) = mpsc::unbounded_channel();
    let writer = thread::spawn(move || write(out, err, &to_write, &done));
    let (read, input_pieces) = mpsc::channel(4);
    // It may read for ever; whoever ends the program ends it.
    thread::spawn(move || read_all(input, &read));
    let inputs = tokio::spawn(send_input(input_pieces, to.clone()));
    let mut resized = terminal::resizes(on_terminal)?;
    let mut failed = None;
    let ended = loop {
        tokio::select! {
            frame = from.next() => match frame {
                Ok(Some(Frame::Bytes(stream, bytes))) => {
                    if pieces.send((stream, bytes)).is_err() {
                        break Ok(Ended::Exit(BROKEN));
                    }
                }
                Ok(Some(Frame::Ended(ended))) => break Ok(ended),
                Ok(Some(_)) => {}
                Ok(None) => {
                    let closed = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                    break Err(lost(&closed));
                }
                Err(error) => break Err(lost(&error)),
            },
            Some(done) = written.recv() => match done {
                // Whoever has gone says so in a frame, or is missed by the next one.
                Ok((stream, count)) => if to.taken(stream, count).await.is_err() { continue },
                Err(error) => {
                    failed = Some(Failure::stream("standard output", &error));
                    break Ok(Ended::Exit(BROKEN));
                }
            },
            () = terminal::resized(&mut resized) => {
                if to.send(Frame::Size(terminal::size())).await.is_err() { continue }
            }
        }
    };
    inputs.abort();
    drop(pieces);
    let (out, err) =
        writer.join().map_err(|_| Failure::new("cannot write what the shell prints"))?;
    desk.give_back(out, err);
    while let Ok(done) = written.try_recv() {
        if let Err(error) = done {
            failed.get_or_insert(Failure::stream("standard output", &error));
        }
    }
    match failed {
        Some(failure) => Err(failure),
        None => ended,
    }
}

type Sink = Box<dyn Write + Send>;

/// Writes what comes until nothing more does, and says of each piece that it was written.
fn write(
    mut out: Sink,
    mut err: Sink,
    pieces: &std_mpsc::Receiver<(Stream, Bytes)>,
    done: &mpsc::UnboundedSender<Written>,
) -> (Sink, Sink) {
    for (stream, bytes) in pieces {
        let to = if stream == Stream::Err { &mut err } else { &mut out };
        let wrote = to.write_all(&bytes).and_then(|()| to.flush());
        let broken = wrote.is_err();
        if done.send(wrote.map(|()| (stream, bytes.len()))).is_err() || broken {
            break;
        }
    }
    (out, err)
}

fn read_all(mut input: Box<dyn Read + Send>, to: &mpsc::Sender<Bytes>) {
    let mut buffer = vec![0; PIECE];
    loop {
        let count = match input.read(&mut buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            // What cannot be read has come to its end.
            Ok(0) | Err(_) => return,
            Ok(count) => count,
        };
        let bytes = Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default());
        if to.blocking_send(bytes).is_err() {
            return;
        }
    }
}

async fn send_input(mut pieces: mpsc::Receiver<Bytes>, to: Outgoing) {
    while let Some(piece) = pieces.recv().await {
        if to.bytes(Stream::In, piece).await.is_err() {
            return;
        }
    }
    if to.send(Frame::InputEnds).await.is_err() {
        tracing::debug!("the shell has ended before its input did");
    }
}
