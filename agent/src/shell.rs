//! Shells: what an operator runs on this machine, over the controller (`muster_api::shell`).
//!
//! ```text
//! poll: so many wait ─▶ take one ─▶ Start ─▶ door: what begins ─▶ child in a group of its own
//!                                               in, out, errors, size ◀─▶ frames ─▶ Ended
//! ```
//!
//! No hook is waited for and none waits, and nothing of it is in a log. A shell ends with its program, or
//! with the operator's end: then all that it started is ended. What a shell that ended by itself left
//! running stays, as it would with OpenSSH.

mod door;
mod keys;
mod pump;
mod terminal;

use std::sync::Arc;
use std::time::Duration;

use muster_api::shell::{Ended, Frame, Incoming, Link, Outgoing, Size, Start};
use muster_console::outcome::Chain;
use tokio::process::Child;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::hook::cgroup::Group;
use crate::hook::left::Heir;
use crate::hook::process;
use crate::hook::starting::Starters;
use crate::world::World;

use door::Begun;
use pump::Pumps;
use terminal::Master;

pub(crate) use keys::{forget, serve as serve_keys};

/// Shells at a time; more wait for one to end.
const AT_ONCE: usize = 64;

/// How long an operator's end may take to say what it wants.
const BEGINNING: Duration = Duration::from_secs(10);

/// Takes the shells that polls tell of, until `stop`; then those that are open are ended.
pub(crate) async fn serve(world: World, starters: Starters, stop: CancellationToken) {
    let mut asked = world.shells.subscribe();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut open = JoinSet::new();
    let mut taken = 0;
    loop {
        let wanted = *asked.borrow_and_update();
        while taken < wanted {
            taken += 1;
            let (world, starters, stop) = (world.clone(), starters.clone(), stop.clone());
            let places = Arc::clone(&places);
            open.spawn(async move {
                let _place = places.acquire().await;
                take(&world, &starters, &stop).await;
            });
        }
        tokio::select! {
            changed = asked.changed() => if changed.is_err() { break },
            Some(_) = open.join_next(), if !open.is_empty() => {}
            () = stop.cancelled() => break,
        }
    }
    while open.join_next().await.is_some() {}
}

async fn take(world: &World, starters: &Starters, stop: &CancellationToken) {
    let link = tokio::select! {
        link = world.controller.shell() => link,
        () = stop.cancelled() => return,
    };
    match link {
        Ok(Some(link)) => shell(world, starters, link, stop).await,
        Ok(None) => {}
        // Whoever waits is told of again with a poll.
        Err(error) => tracing::info!(error = %Chain(&error), "no shell is taken"),
    }
}

/// One shell, from its first frame to its last.
async fn shell(world: &World, starters: &Starters, link: Link, stop: &CancellationToken) {
    let (to, mut from, sent) = link.begin();
    let first = tokio::time::timeout(BEGINNING, from.next()).await;
    let ended = match first {
        Ok(Ok(Some(Frame::Start(start)))) => {
            Box::pin(run(world, starters, start, (to.clone(), &mut from), stop)).await
        }
        _ => Some(Ended::Refused("the shell began without saying what is wanted".to_owned())),
    };
    if let Some(ended) = ended
        && to.send(Frame::Ended(ended)).await.is_err()
    {
        tracing::debug!("nobody hears how a shell ended");
    }
    drop(to);
    // The last frames leave; whoever does not take them is not waited for longer than that allows.
    if let Err(error) = sent.await {
        tracing::warn!(%error, "the sender of a shell broke");
    }
}

/// What a frame of the operator asks of a running shell.
struct Inputs {
    bytes: Option<mpsc::UnboundedSender<bytes::Bytes>>,
    terminal: Option<Master>,
}

impl Inputs {
    /// Answers whether the frame is one that may come.
    fn take(&mut self, frame: Frame) -> bool {
        match frame {
            // As many as the window allows, and each is taken off it once it was written.
            Frame::Bytes(muster_api::shell::Stream::In, bytes) => {
                let sent = self.bytes.as_ref().map(|to| to.send(bytes));
                if !matches!(sent, Some(Ok(()))) {
                    tracing::trace!("input for a program that reads no more");
                }
                true
            }
            Frame::InputEnds => {
                self.bytes = None;
                true
            }
            Frame::Size(size) => {
                self.resize(size);
                true
            }
            _ => false,
        }
    }

    fn resize(&self, size: Size) {
        if let Some(Err(error)) = self.terminal.as_ref().map(|terminal| terminal.resize(size)) {
            tracing::debug!(%error, "a terminal keeps its size");
        }
    }
}

/// Runs what is wanted; none: there is nobody to tell how it ended.
async fn run(
    world: &World,
    starters: &Starters,
    start: Start,
    (to, from): (Outgoing, &mut Incoming),
    stop: &CancellationToken,
) -> Option<Ended> {
    let begun = match door::open(world, start, starters) {
        Ok(Begun::Running(running)) => running,
        Ok(Begun::Said(text)) => {
            let said = to.bytes(muster_api::shell::Stream::Out, text.into()).await;
            return said.is_ok().then_some(Ended::Exit(0));
        }
        Err(error) => return Some(Ended::Refused(Chain(&error).to_string())),
    };
    let door::Running { mut child, group, terminal, _temporary } = *begun;
    let over = CancellationToken::new();
    let (terminal, halves) = terminal.unzip();
    let (pumps, bytes) = Pumps::begin(&mut child, halves, &to, &over);
    let mut inputs = Inputs { bytes: Some(bytes), terminal };
    drop(to);
    let ended = tokio::select! {
        ended = until_its_end(&mut child, pumps, &over) => Some(ended),
        () = frames(from, &mut inputs) => None,
        () = stop.cancelled() => Some(Ended::Refused("the machine's agent is ending".to_owned())),
    };
    drop(inputs);
    finish(world, starters, (child, group), ended.as_ref()).await;
    ended
}

/// Takes the operator's frames until there are no more.
async fn frames(from: &mut Incoming, inputs: &mut Inputs) {
    loop {
        match from.next().await {
            Ok(Some(frame)) => {
                if !inputs.take(frame) {
                    tracing::debug!("a shell's other end says what it may not");
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(error = %Chain(&error), "a shell is cut off");
                return;
            }
        }
    }
}

/// The program's end, once all that it has printed was sent.
async fn until_its_end(child: &mut Child, pumps: Pumps, over: &CancellationToken) -> Ended {
    let status = child.wait().await;
    over.cancel();
    pumps.end().await;
    match status.map(process::how) {
        Ok(process::Ended::Exit(code)) => Ended::Exit(u8::try_from(code).unwrap_or(u8::MAX)),
        Ok(process::Ended::Signal(signal)) => Ended::Signal(signal),
        Ok(process::Ended::Overrun | process::Ended::Killed) => Ended::Exit(u8::MAX),
        Err(error) => Ended::Refused(format!("the end of the program is not known: {error}")),
    }
}

/// Looks after what the shell started: it goes on if the shell ended by itself, and else is ended.
async fn finish(
    world: &World,
    starters: &Starters,
    (mut child, group): (Child, Group),
    ended: Option<&Ended>,
) {
    let (linger, grace) = (world.settings.linger, world.settings.grace);
    if let Some(Ended::Exit(_) | Ended::Signal(_)) = ended {
        let tag = format!("machine-{}", world.machine);
        let heir = Heir { runs: starters.runs(), tag };
        // By whatever it ended: it did so itself.
        let ended = process::Ended::Exit(0);
        tokio::spawn(heir.settle(Arc::new(group), ended, (linger, grace)));
        return;
    }
    // As a terminal that is hung up does.
    group.signal(rustix::process::Signal::HUP);
    let reaped = async {
        if let Err(error) = child.wait().await {
            tracing::debug!(%error, "a shell's program is not reaped");
        }
    };
    tokio::join!(group.clear(Duration::ZERO, grace), reaped);
}
