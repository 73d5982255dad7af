//! Where the estate is kept: the trait, its promises, and the stores that keep them.
//!
//! What any [`Store`] promises ([`contract`] is the same as a function):
//!
//! 1. A Txn whose reads do not hold writes nothing and is answered [`Commit::Conflict`].
//! 2. A Txn that is answered [`Commit::Done`] is on disk: it survives the process and the power.
//! 3. Revisions count up by one for each Txn that was done, in the order in which they were given.
//! 4. A Txn is there completely or not at all, also after a crash in the middle of the call.
//! 5. What [`Store::load`] answers is what the Txns that were done have left, with the revision
//!    that wrote each record.
//! 6. After an error nothing more is taken: whoever holds the store must end and start again, since
//!    what a failed sync has left behind is not known.

pub mod contract;
mod embedded;

use muster_model::record::{Key, Record};
use muster_model::{Revision, Txn};
use thiserror::Error;

pub use embedded::Embedded;
pub(crate) use embedded::lock;

/// Why a store cannot go on.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Somebody else has it open.
    #[error("the data directory `{0}` is in use by another controller")]
    InUse(String),
    /// There should be a store and there is none, or the other way round.
    #[error("{0}")]
    Damaged(String),
    /// The database could not do it.
    #[error("cannot {what} the store")]
    Database {
        /// What was tried.
        what: &'static str,
        /// What happened.
        #[source]
        source: rusqlite::Error,
    },
    /// A record's bytes are not what its key says.
    #[error("cannot read the record `{key}`")]
    Record {
        /// Its key.
        key: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// A file could not be read or written.
    #[error("cannot {what} `{path}`")]
    File {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: String,
        /// What happened.
        #[source]
        source: std::io::Error,
    },
}

/// What became of a Txn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// It is on disk, as this revision.
    Done(Revision),
    /// Something that it read has changed; it wrote nothing.
    Conflict,
}

/// Everything that a store holds.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// The last revision.
    pub revision: Revision,
    /// Every record with its key and the revision that wrote it.
    pub records: Vec<(Key, Revision, Record)>,
}

/// Keeps records. Synchronous: its owner is a thread, and a commit is one call with one sync.
pub trait Store: Send + 'static {
    /// Everything that is kept.
    ///
    /// # Errors
    /// If it cannot be read, or a record is not what it must be.
    fn load(&mut self) -> Result<Loaded, StoreError>;

    /// Whether there is room for more: to be asked before anything is decided, because what a commit
    /// has left behind that failed for want of room is not known (R12).
    ///
    /// # Errors
    /// If nobody can say.
    fn has_room(&mut self) -> Result<bool, StoreError> {
        Ok(true)
    }

    /// Commits Txns, each for itself, in order, all with one sync.
    ///
    /// # Errors
    /// If nothing is known of what was written; see promise 6.
    fn commit(&mut self, txns: &[Txn]) -> Result<Vec<Commit>, StoreError>;
}
