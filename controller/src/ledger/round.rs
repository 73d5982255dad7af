//! One round: decide what has come in, let upkeep follow, commit, publish, answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use muster_model::name::UserName;
use muster_model::record::{Key, Record, Request, RequestId};
use muster_model::reply::Reply;
use muster_model::report::Receipt;
use muster_model::touches::Touched;
use muster_model::upkeep::{self, Agenda};
use muster_model::view::Heard;
use muster_model::{Caller, Command, Estate, Refusal, Revision, Txn, rules};
use muster_resources::Digest;
use tokio::sync::{mpsc, oneshot, watch};

use super::wakers::Wakers;
use super::{Submission, SubmitError};
use crate::clock;
use crate::store::{Commit, Store, StoreError};

/// Submissions and upkeep Txns of one round, so that the first of a crowd is not kept waiting for
/// the last.
const MOST: usize = 256;

/// Txns of one pruning; what is left waits for the next.
const PRUNED: usize = 32;

enum Answer {
    Command(oneshot::Sender<Result<Reply, SubmitError>>, Result<Reply, SubmitError>),
    Report(oneshot::Sender<Result<Receipt, SubmitError>>, Result<Receipt, SubmitError>),
    Passed(oneshot::Sender<()>),
}

impl Answer {
    /// Whoever asked may have gone away meanwhile; then nobody is told.
    fn give(self) {
        match self {
            Answer::Command(to, answer) => drop(to.send(answer)),
            Answer::Report(to, answer) => drop(to.send(answer)),
            Answer::Passed(to) => drop(to.send(())),
        }
    }
}

pub(super) struct Round<S> {
    store: S,
    /// As of the last Txn that was decided; ahead of the published one within a round only.
    estate: Estate,
    agenda: Agenda,
    heard: watch::Receiver<Arc<Heard>>,
    publish: watch::Sender<Arc<Estate>>,
    wakers: Wakers,
    commits: Arc<AtomicU64>,
    txns: Vec<Txn>,
    touched: Vec<(Revision, Touched)>,
    /// Whether the store has room for more.
    room: bool,
}

impl<S: Store> Round<S> {
    pub(super) fn new(
        store: S,
        estate: Estate,
        agenda: Agenda,
        heard: watch::Receiver<Arc<Heard>>,
        publish: watch::Sender<Arc<Estate>>,
        (wakers, commits): (Wakers, Arc<AtomicU64>),
    ) -> Self {
        let (txns, touched) = (Vec::new(), Vec::new());
        Round { store, estate, agenda, heard, publish, wakers, commits, txns, touched, room: true }
    }

    pub(super) fn run(
        &mut self,
        waiting: &mut mpsc::Receiver<Submission>,
    ) -> Result<(), StoreError> {
        loop {
            // Without room nothing is begun that could not be kept; reads go on (R12).
            self.room = self.store.has_room()?;
            if self.room {
                self.upkeep();
                self.commit()?;
            }
            let first = if self.agenda.is_empty() || !self.room {
                match waiting.blocking_recv() {
                    Some(submission) => Some(submission),
                    None => return Ok(()),
                }
            } else {
                None
            };
            let rest = std::iter::from_fn(|| waiting.try_recv().ok());
            let batch: Vec<Submission> = first.into_iter().chain(rest.take(MOST)).collect();
            self.room = self.store.has_room()?;
            let answers: Vec<Answer> =
                batch.into_iter().filter_map(|submission| self.take(submission)).collect();
            if self.room {
                self.upkeep();
                self.commit()?;
            }
            for answer in answers {
                answer.give();
            }
        }
    }

    fn take(&mut self, submission: Submission) -> Option<Answer> {
        match submission {
            Submission::Command { answer, .. } if !self.room => {
                Some(Answer::Command(answer, Err(SubmitError::Full)))
            }
            Submission::Report { answer, .. } if !self.room => {
                Some(Answer::Report(answer, Err(SubmitError::Full)))
            }
            Submission::Command { caller, id, command, dry_run, answer } => {
                let reply = self.command(&caller, id, &command, dry_run);
                Some(Answer::Command(answer, reply))
            }
            Submission::Report { caller, report, answer } => {
                let (estate, now) = (&self.estate, clock::now());
                let taken = guarded(|| rules::take(estate, &caller, &report, now));
                let receipt = taken.map(|(txn, mut receipt)| {
                    receipt.revision = self.stage(txn);
                    receipt
                });
                Some(Answer::Report(answer, receipt))
            }
            Submission::Look(matters) => {
                self.agenda.open(matters);
                None
            }
            Submission::Pass(answer) => Some(Answer::Passed(answer)),
            Submission::Prune => {
                self.prune();
                None
            }
        }
    }

    /// Forgets what has outlived its use, a bounded part at a time.
    fn prune(&mut self) {
        if !self.room {
            return;
        }
        for _ in 0..PRUNED {
            let txn = upkeep::stale(&self.estate, clock::now());
            if txn.is_empty() {
                return;
            }
            self.stage(txn);
        }
    }

    fn command(
        &mut self,
        caller: &Caller,
        id: Option<RequestId>,
        command: &Command,
        dry_run: bool,
    ) -> Result<Reply, SubmitError> {
        let id = match (id, caller) {
            (Some(id), Caller::User(user)) => Some(own(user, &id)?),
            _ => None,
        };
        let (estate, now) = (&self.estate, clock::now());
        if let Some(id) = &id
            && let Some(known) = estate.table::<Request>().get(id)
        {
            return Ok(known.reply.clone());
        }
        let decision = guarded(|| rules::decide(estate, caller, command, now))?;
        let changed = !decision.txn.is_empty();
        let revision = self.estate.revision();
        let mut reply = Reply { revision, changed, outcome: decision.outcome };
        if dry_run || !changed {
            return Ok(reply);
        }
        let mut txn = decision.txn;
        reply.revision = revision.next();
        if let Some(id) = id {
            // In the same Txn as the effect, whatever the effect is: what was done once is answered
            // and not done again, even if it was undone by another meanwhile (R4).
            let request = Request { id: id.clone(), at: now, reply: reply.clone() };
            txn.reads.insert(Key::Request(id.clone()), None);
            txn.writes.insert(Key::Request(id), Some(Record::Request(request)));
        }
        self.stage(txn);
        Ok(reply)
    }

    /// Lets a Txn hold in the estate of this round; it is on disk at the round's end.
    fn stage(&mut self, txn: Txn) -> Revision {
        if txn.is_empty() {
            return self.estate.revision();
        }
        let revision = self.estate.revision().next();
        let batch = txn.clone().into_batch(revision);
        let touched = self.estate.apply(&batch);
        self.agenda.note(&batch);
        self.txns.push(txn);
        self.touched.push((revision, touched));
        revision
    }

    fn upkeep(&mut self) {
        for _ in 0..MOST {
            let heard = Arc::clone(&self.heard.borrow());
            let stuck = |matter, refusal: Refusal| {
                tracing::warn!(?matter, %refusal, "a matter cannot be tidied");
            };
            let next = upkeep::next(&self.estate, &mut self.agenda, &heard, clock::now(), stuck);
            match next {
                Some(upkeep) => self.stage(upkeep.txn),
                None => return,
            };
        }
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        if self.txns.is_empty() {
            return Ok(());
        }
        let txns = std::mem::take(&mut self.txns);
        let touched = std::mem::take(&mut self.touched);
        let answers = self.store.commit(&txns)?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        // This controller is alone on its store and decides on the newest estate, so a conflict
        // means that the two differ: going on would build on a lie.
        let expected = touched.iter().map(|(revision, _)| Commit::Done(*revision));
        if !expected.eq(answers.iter().copied()) {
            return Err(StoreError::Damaged(
                "the store's revisions are not the ledger's".to_owned(),
            ));
        }
        self.publish.send_replace(Arc::new(self.estate.clone()));
        for (revision, touched) in &touched {
            self.wakers.wake(touched, *revision);
        }
        Ok(())
    }
}

/// A user's id for a request as it is kept: two users that choose the same id do not meet.
fn own(user: &UserName, id: &RequestId) -> Result<RequestId, SubmitError> {
    let text = Digest::of(format!("{user} {id}").as_bytes()).to_string();
    text.parse().map_err(|error| {
        tracing::error!(%error, "a digest is no request id");
        SubmitError::Mistake
    })
}

/// A rule's answer. One that panics has done nothing: it is pure, and its Draft is gone (S30).
fn guarded<T>(rule: impl FnOnce() -> Result<T, Refusal>) -> Result<T, SubmitError> {
    match catch_unwind(AssertUnwindSafe(rule)) {
        Ok(answer) => answer.map_err(SubmitError::Refused),
        Err(_) => {
            tracing::error!("a rule panicked; nothing was changed");
            Err(SubmitError::Mistake)
        }
    }
}
