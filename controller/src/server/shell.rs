//! Shells: who asks for one, whose agent takes it, and the bytes between the two
//! (`muster_api::shell`).
//!
//! ```text
//! operator asks ─▶ waits ─▶ the machine's poll is answered ─▶ its agent takes it ─▶ bytes, both ways
//! ```
//!
//! Nothing of it is kept or read here. An agent at rest holds no connection for it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use muster_api::shell::{PROTOCOL, Target};
use muster_model::Refusal;
use muster_model::command::TargetRef;
use muster_model::name::{MachineId, ModelId};
use muster_model::refusal::Code;
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::App;
use super::problem::Failure;
use super::session::Session;
use super::view::query;

/// Shells that may wait for one machine.
const WAITING: usize = 64;

/// How long an agent that was told of a shell may take to take it, before it is told again.
const TOLD: Duration = Duration::from_secs(2);

/// How long the two ends may take to change over to the stream.
const CHANGING: Duration = Duration::from_secs(10);

/// The machine's end of a shell, and whose it is.
#[derive(Debug)]
struct Taken {
    upgrade: OnUpgrade,
    session: Session,
}

#[derive(Debug)]
struct Waiting {
    answer: oneshot::Sender<Taken>,
    told: Option<Instant>,
}

/// A machine of a model.
type Place = (ModelId, MachineId);

/// Who waits for each machine.
type Queues = BTreeMap<Place, VecDeque<Waiting>>;

/// Shells that nobody has taken yet, by machine. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Shells(Arc<Mutex<Queues>>);

/// What the poll of a machine is to say of shells.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Due {
    /// So many wait, and nobody was told lately.
    pub(super) count: u32,
    /// When it is to be looked again.
    pub(super) again: Option<Instant>,
}

impl Shells {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the machine's agent; none if too many do.
    fn ask(&self, at: Place) -> Option<oneshot::Receiver<Taken>> {
        let (answer, taken) = oneshot::channel();
        let mut all = self.lock();
        let queue = all.entry(at).or_default();
        queue.retain(|waiting| !waiting.answer.is_closed());
        if queue.len() >= WAITING {
            return None;
        }
        queue.push_back(Waiting { answer, told: None });
        Some(taken)
    }

    /// How many wait for the machine that its agent is to be told of now; it counts as told then.
    pub(super) fn due(&self, at: Place) -> Due {
        let mut due = Due::default();
        let mut all = self.lock();
        let Some(queue) = all.get_mut(&at) else { return due };
        queue.retain(|waiting| !waiting.answer.is_closed());
        let now = Instant::now();
        for waiting in queue.iter_mut() {
            match waiting.told.map(|told| told + TOLD).filter(|again| *again > now) {
                None => {
                    waiting.told = Some(now);
                    due.count += 1;
                }
                Some(again) => due.again = Some(due.again.map_or(again, |due| due.min(again))),
            }
        }
        if queue.is_empty() {
            all.remove(&at);
        }
        due
    }

    /// The one that waits longest.
    fn take(&self, at: Place) -> Option<oneshot::Sender<Taken>> {
        let mut all = self.lock();
        let queue = all.get_mut(&at)?;
        let next = std::iter::from_fn(|| queue.pop_front()).find(|one| !one.answer.is_closed());
        if queue.is_empty() {
            all.remove(&at);
        }
        next.map(|waiting| waiting.answer)
    }
}

/// A shell for an operator: answered once the machine's agent has taken it.
pub(super) async fn open(
    app: &App,
    session: Session,
    address: &http::Uri,
    mut request: Request,
) -> Result<Response<Body>, Failure> {
    let model = session.model()?;
    let own = stream(&mut request)?;
    let target: Target = query(address)?;
    let machine = machine(app, model, &target)?;
    let turn = session.watch(app)?;
    let busy = || Failure::busy("too many shells wait for this machine already");
    let taken = app.shells.ask((model, machine)).ok_or_else(busy)?;
    app.ledger.wakers().look_again(model, machine);
    let taken = tokio::select! {
        taken = taken => taken.map_err(|_| Failure::unavailable("it is ending"))?,
        () = tokio::time::sleep(app.times.shell) => return Err(silent(machine)),
        () = app.shutdown.cancelled() => return Err(Failure::unavailable("it is ending")),
    };
    let user = session.user()?.name.clone();
    tracing::info!(%user, %model, %machine, "a shell is opened");
    let app = app.clone();
    tokio::spawn(async move {
        between(&app, (own, session), taken).await;
        tracing::info!(%user, %model, %machine, "a shell has ended");
        drop(turn);
    });
    Ok(switched())
}

/// The next shell for an agent; 204 if none waits any more.
pub(super) fn take(
    app: &App,
    session: Session,
    mut request: Request,
) -> Result<Response<Body>, Failure> {
    let at = session.machine()?;
    let upgrade = stream(&mut request)?;
    let taken = Taken { upgrade, session };
    // One that has left just now leaves its place to nobody: the agent is told again of any other.
    let gone = app.shells.take(at).is_none_or(|answer| answer.send(taken).is_err());
    if gone {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        return Ok(response);
    }
    Ok(switched())
}

fn stream(request: &mut Request) -> Result<OnUpgrade, Failure> {
    let named = request.headers().get(header::UPGRADE).map(HeaderValue::as_bytes);
    let named = named == Some(PROTOCOL.as_bytes());
    match request.extensions_mut().remove::<OnUpgrade>() {
        Some(upgrade) if named => Ok(upgrade),
        _ => Err(Failure::malformed(format!("this address is for a stream: Upgrade: {PROTOCOL}"))),
    }
}

fn switched() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static(PROTOCOL));
    response
}

/// The machine that is meant.
fn machine(app: &App, model: ModelId, target: &Target) -> Result<MachineId, Failure> {
    let missing =
        |what: &str, name: &dyn std::fmt::Display| Failure::refused(Refusal::not_found(what, name));
    let estate = app.ledger.estate();
    let there = estate.model(model).ok_or_else(|| missing("model", &model))?;
    let place = target.place();
    let place = place.ok_or_else(|| Failure::malformed("one unit or machine must be named"))?;
    match &place {
        TargetRef::Machine(id) => {
            there.machine(*id).map(|machine| machine.id).ok_or_else(|| missing("machine", id))
        }
        TargetRef::Unit(name) => {
            there.unit(name).map(|unit| unit.machine).ok_or_else(|| missing("unit", name))
        }
        TargetRef::Leader(name) => {
            if there.application(name).is_none() {
                return Err(missing("application", name));
            }
            let leader = there.leader(name).and_then(|unit| there.unit(unit));
            leader
                .map(|unit| unit.machine)
                .ok_or_else(|| missing("unit", &format!("{name}/leader")))
        }
        TargetRef::Application(_) | TargetRef::AllMachines => {
            Err(Failure::malformed("one unit or machine must be named"))
        }
    }
}

fn silent(machine: MachineId) -> Failure {
    let what = format!("cannot open a shell on machine {machine}: its agent does not answer");
    let refusal = Refusal::new(Code::NotReady, what);
    Failure::refused(refusal.hint("`muster machines` shows whether it is up"))
}

/// Passes bytes on until one end closes, may not any more (S33), or the controller ends.
async fn between(app: &App, (own, operator): (OnUpgrade, Session), taken: Taken) {
    let Taken { upgrade, session: agent } = taken;
    let changing = tokio::time::timeout(CHANGING, futures_util::future::try_join(own, upgrade));
    let (own, theirs) = match changing.await {
        Ok(Ok(ends)) => ends,
        Ok(Err(error)) => {
            tracing::debug!(%error, "an end of a shell has gone before it began");
            return;
        }
        Err(_) => {
            tracing::debug!("an end of a shell does not change over to it");
            return;
        }
    };
    let (mut from_operator, mut to_operator) = tokio::io::split(TokioIo::new(own));
    let (mut from_agent, mut to_agent) = tokio::io::split(TokioIo::new(theirs));
    let passed = tokio::select! {
        passed = tokio::io::copy(&mut from_operator, &mut to_agent) => passed,
        passed = tokio::io::copy(&mut from_agent, &mut to_operator) => passed,
        () = forbidden(app, [&operator, &agent]) => {
            tracing::info!("a shell is ended: the right to it has gone");
            Ok(0)
        }
        () = app.shutdown.cancelled() => Ok(0),
    };
    if let Err(error) = passed {
        tracing::debug!(%error, "a shell broke off");
    }
    for end in [&mut to_operator, &mut to_agent] {
        close(end).await;
    }
}

async fn close(end: &mut WriteHalf<TokioIo<Upgraded>>) {
    match tokio::time::timeout(CHANGING, end.shutdown()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an end of a shell is not closed"),
        Err(_) => tracing::debug!("an end of a shell does not take its end"),
    }
}

/// Ends when one of the sessions does not stand any more (S33).
async fn forbidden(app: &App, sessions: [&Session; 2]) {
    let mut still = tokio::time::interval(app.times.revocation);
    still.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        still.tick().await;
        if sessions.iter().any(|session| session.stands(app).is_err()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(machine: u32) -> Place {
        (ModelId(uuid::Uuid::nil()), MachineId(machine))
    }

    #[tokio::test]
    async fn an_agent_is_told_once_of_each_and_not_of_who_has_left() {
        let shells = Shells::default();
        let first = shells.ask(place(0)).unwrap();
        let _second = shells.ask(place(0)).unwrap();
        assert_eq!(shells.due(place(1)).count, 0, "another machine's");
        drop(first);
        assert_eq!(shells.due(place(0)).count, 1);
        let due = shells.due(place(0));
        assert_eq!(due.count, 0, "told of twice at once");
        assert!(due.again.is_some(), "an agent that did not hear is told again");
        assert!(shells.take(place(0)).is_some());
        assert!(shells.take(place(0)).is_none());
        assert!(shells.lock().is_empty(), "what is taken costs nothing");
    }

    #[tokio::test]
    async fn only_so_many_wait_for_one_machine() {
        let shells = Shells::default();
        let mut waiting: Vec<_> = (0..WAITING).map(|_| shells.ask(place(0)).unwrap()).collect();
        assert!(shells.ask(place(0)).is_none());
        assert!(shells.ask(place(1)).is_some());
        waiting.pop();
        assert!(shells.ask(place(0)).is_some());
    }
}
