//! One round: decide what has come in, let upkeep follow, commit, publish, answer.

use std::sync::Arc;

use muster_model::record::{Key, Record, Request, RequestId};
use muster_model::reply::{Outcome, Reply};
use muster_model::report::Receipt;
use muster_model::touches::Touched;
use muster_model::upkeep::{self, Agenda};
use muster_model::view::Heard;
use muster_model::{Caller, Command, Estate, Refusal, Revision, Txn, rules};
use tokio::sync::{mpsc, oneshot, watch};

use super::Submission;
use super::wakers::Wakers;
use crate::clock;
use crate::store::{Commit, Store, StoreError};

/// Submissions and upkeep Txns of one round, so that the first of a crowd is not kept waiting for
/// the last.
const MOST: usize = 256;

enum Answer {
    Command(oneshot::Sender<Result<Reply, Refusal>>, Result<Reply, Refusal>),
    Report(oneshot::Sender<Result<Receipt, Refusal>>, Result<Receipt, Refusal>),
}

impl Answer {
    /// Whoever asked may have gone away meanwhile; then nobody is told.
    fn give(self) {
        match self {
            Answer::Command(to, answer) => drop(to.send(answer)),
            Answer::Report(to, answer) => drop(to.send(answer)),
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
    txns: Vec<Txn>,
    touched: Vec<(Revision, Touched)>,
}

impl<S: Store> Round<S> {
    pub(super) fn new(
        store: S,
        estate: Estate,
        agenda: Agenda,
        heard: watch::Receiver<Arc<Heard>>,
        publish: watch::Sender<Arc<Estate>>,
        wakers: Wakers,
    ) -> Self {
        let (txns, touched) = (Vec::new(), Vec::new());
        Round { store, estate, agenda, heard, publish, wakers, txns, touched }
    }

    pub(super) fn run(
        &mut self,
        waiting: &mut mpsc::Receiver<Submission>,
    ) -> Result<(), StoreError> {
        loop {
            self.upkeep();
            self.commit()?;
            let first = if self.agenda.is_empty() {
                match waiting.blocking_recv() {
                    Some(submission) => Some(submission),
                    None => return Ok(()),
                }
            } else {
                None
            };
            let rest = std::iter::from_fn(|| waiting.try_recv().ok());
            let batch: Vec<Submission> = first.into_iter().chain(rest.take(MOST)).collect();
            let answers: Vec<Answer> =
                batch.into_iter().filter_map(|submission| self.take(submission)).collect();
            self.upkeep();
            self.commit()?;
            for answer in answers {
                answer.give();
            }
        }
    }

    fn take(&mut self, submission: Submission) -> Option<Answer> {
        match submission {
            Submission::Command { caller, id, command, dry_run, answer } => {
                let reply = self.command(&caller, id, &command, dry_run);
                Some(Answer::Command(answer, reply))
            }
            Submission::Report { caller, report, answer } => {
                let receipt = match rules::take(&self.estate, &caller, &report, clock::now()) {
                    Ok((txn, mut receipt)) => {
                        receipt.revision = self.stage(txn);
                        Ok(receipt)
                    }
                    Err(refusal) => Err(refusal),
                };
                Some(Answer::Report(answer, receipt))
            }
            Submission::Look(matters) => {
                self.agenda.open(matters);
                None
            }
        }
    }

    fn command(
        &mut self,
        caller: &Caller,
        id: Option<RequestId>,
        command: &Command,
        dry_run: bool,
    ) -> Result<Reply, Refusal> {
        if let Some(id) = &id
            && let Some(known) = self.estate.table::<Request>().get(id)
        {
            return Ok(known.reply.clone());
        }
        let decision = rules::decide(&self.estate, caller, command, clock::now())?;
        let changed = !decision.txn.is_empty();
        let revision = self.estate.revision();
        let mut reply = Reply { revision, changed, outcome: decision.outcome };
        if dry_run || !changed {
            return Ok(reply);
        }
        let mut txn = decision.txn;
        reply.revision = revision.next();
        if let Some(id) = id.filter(|_| kept(&reply.outcome)) {
            let request = Request { id: id.clone(), at: clock::now(), reply: reply.clone() };
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

/// Whether a second try of the command would do something else than the first. What only asks, or
/// comes to the same again, need not be remembered.
fn kept(outcome: &Outcome) -> bool {
    !matches!(
        outcome,
        Outcome::Done | Outcome::Charm(_) | Outcome::Removal(_) | Outcome::Enrolled { .. }
    )
}
