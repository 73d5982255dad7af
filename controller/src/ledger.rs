//! The only caller of commit.
//!
//! One thread owns the store and the newest estate. It takes what has come in, decides each on the
//! estate as the one before left it, lets upkeep follow, and commits all of it with one sync; each
//! has its own Txn and its own answer. Readers hold snapshots: a `watch` of the estate, and one for
//! each machine that is polled, which says at which revision the machine was touched last.

mod round;
mod wakers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use muster_model::record::RequestId;
use muster_model::reply::Reply;
use muster_model::report::Receipt;
use muster_model::upkeep::{Agenda, Matter};
use muster_model::view::Heard;
use muster_model::{Caller, Command, Estate, Refusal, Report};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

pub use wakers::Wakers;

use crate::store::{Loaded, Store, StoreError};
use round::Round;

/// Submissions that may wait; more are turned away, so that overload is said early (R23).
const QUEUE: usize = 4096;

/// Why a submission has no answer.
#[derive(Debug, Error)]
pub enum SubmitError {
    /// A rule said no.
    #[error("{0}")]
    Refused(Refusal),
    /// The controller is ending; nothing is known of the submission.
    #[error("the controller is ending")]
    Closing,
    /// Too much waits already; nothing was done.
    #[error("too many requests wait already")]
    Busy,
    /// The store's disk is full; nothing was done.
    #[error(
        "the disk that holds the controller's store is full; nothing was changed; free some space there and try again"
    )]
    Full,
    /// A rule panicked; nothing was done.
    #[error("the controller made a mistake; nothing was changed")]
    Mistake,
}

/// What comes in.
enum Submission {
    Command {
        caller: Caller,
        id: Option<RequestId>,
        command: Box<Command>,
        dry_run: bool,
        answer: oneshot::Sender<Result<Reply, SubmitError>>,
    },
    Report {
        caller: Caller,
        report: Box<Report>,
        answer: oneshot::Sender<Result<Receipt, SubmitError>>,
    },
    /// Time has passed: look at these matters.
    Look(Vec<Matter>),
    /// Nothing but to be answered once everything before it is on disk.
    Pass(oneshot::Sender<()>),
    /// Time has passed: forget what has outlived its use.
    Prune,
}

/// A handle on the ledger. Cheap to clone; the ledger ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Ledger {
    inbox: mpsc::Sender<Submission>,
    estate: watch::Receiver<Arc<Estate>>,
    wakers: Wakers,
    commits: Arc<AtomicU64>,
}

/// What runs beside the ledger's handle.
#[derive(Debug)]
pub struct LedgerThread {
    thread: std::thread::JoinHandle<Result<(), StoreError>>,
}

impl LedgerThread {
    /// Waits until everything that was taken is committed and the store is closed.
    ///
    /// # Errors
    /// Why the store could not go on.
    pub fn join(self) -> Result<(), StoreError> {
        match self.thread.join() {
            Ok(result) => result,
            Err(_) => Err(StoreError::Damaged("the ledger's thread panicked".to_owned())),
        }
    }

    /// Whether it has ended, which it does on its own only when the store failed.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Builds the estate that a store holds.
#[must_use]
pub fn fold(loaded: &Loaded) -> Estate {
    let mut estate = Estate::default();
    for (key, revision, record) in &loaded.records {
        estate.load(key, *revision, record);
    }
    estate.loaded(loaded.revision);
    estate
}

impl Ledger {
    /// Opens the ledger on a store. `ended` is told when the store fails: whoever holds the
    /// controller must then end the process (R1).
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn start(
        mut store: impl Store,
        heard: watch::Receiver<Arc<Heard>>,
        ended: oneshot::Sender<()>,
    ) -> Result<(Self, LedgerThread), StoreError> {
        let estate = fold(&store.load()?);
        for finding in estate.findings() {
            tracing::error!(invariant = finding.invariant, what = finding.what, "finding");
        }
        let agenda = Agenda::everything(&estate);
        let (publish, estate_rx) = watch::channel(Arc::new(estate.clone()));
        let (inbox, mut waiting) = mpsc::channel(QUEUE);
        let wakers = Wakers::default();
        let their_wakers = wakers.clone();
        let commits = Arc::<AtomicU64>::default();
        let counter = Arc::clone(&commits);
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || {
                let mut round =
                    Round::new(store, estate, agenda, heard, publish, (their_wakers, counter));
                let result = round.run(&mut waiting);
                if let Err(error) = &result {
                    tracing::error!(error = %crate::Chain(error), "the store failed; ending");
                    if ended.send(()).is_err() {
                        tracing::debug!("nobody waits for the ledger's end");
                    }
                }
                result
            })
            .map_err(|source| StoreError::File {
                what: "start a thread for",
                path: "ledger".to_owned(),
                source,
            })?;
        Ok((Ledger { inbox, estate: estate_rx, wakers, commits }, LedgerThread { thread }))
    }

    /// The newest committed estate.
    #[must_use]
    pub fn estate(&self) -> Arc<Estate> {
        Arc::clone(&self.estate.borrow())
    }

    /// Commits since it was opened, each of many Txns or one.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Told of each commit.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Estate>> {
        self.estate.clone()
    }

    /// Who is told when a machine is touched.
    #[must_use]
    pub fn wakers(&self) -> &Wakers {
        &self.wakers
    }

    /// Gives a command; the answer comes once it is on disk.
    ///
    /// # Errors
    /// [`SubmitError::Refused`] with the rule's reason.
    pub async fn command(
        &self,
        caller: Caller,
        id: Option<RequestId>,
        command: Command,
        dry_run: bool,
    ) -> Result<Reply, SubmitError> {
        let (answer, answered) = oneshot::channel();
        let command = Box::new(command);
        self.submit(Submission::Command { caller, id, command, dry_run, answer })?;
        answered.await.map_err(|_| SubmitError::Closing)?
    }

    /// Hands in a report; the receipt comes once it is on disk.
    ///
    /// # Errors
    /// [`SubmitError::Refused`] with the rule's reason.
    pub async fn report(&self, caller: Caller, report: Report) -> Result<Receipt, SubmitError> {
        let (answer, answered) = oneshot::channel();
        self.submit(Submission::Report { caller, report: Box::new(report), answer })?;
        answered.await.map_err(|_| SubmitError::Closing)?
    }

    /// Has upkeep look at matters that time has opened.
    ///
    /// # Errors
    /// If the ledger is ending or too much waits; then it is asked again later.
    pub fn look(&self, matters: Vec<Matter>) -> Result<(), SubmitError> {
        self.submit(Submission::Look(matters))
    }

    /// Waits until everything that was begun is on disk and published; what is decided from then on
    /// is decided on what is heard now.
    ///
    /// # Errors
    /// If the ledger is ending or too much waits.
    pub async fn pass(&self) -> Result<(), SubmitError> {
        let (answer, answered) = oneshot::channel();
        self.submit(Submission::Pass(answer))?;
        answered.await.map_err(|_| SubmitError::Closing)
    }

    /// Has what has outlived its use forgotten: old answers, ended tokens, finished operations.
    ///
    /// # Errors
    /// If the ledger is ending or too much waits; then it is asked again later.
    pub fn prune(&self) -> Result<(), SubmitError> {
        self.submit(Submission::Prune)
    }

    fn submit(&self, submission: Submission) -> Result<(), SubmitError> {
        self.inbox.try_send(submission).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SubmitError::Busy,
            mpsc::error::TrySendError::Closed(_) => SubmitError::Closing,
        })
    }
}
