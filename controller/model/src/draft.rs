//! A change in the making: it remembers what was read and collects what is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::estate::{Batch, Estate};
use crate::name::ModelId;
use crate::record::{EstateRecord, Key, ModelRecord, Record};
use crate::version::Revision;

/// Records that one Txn may write.
///
/// etcd refuses a transaction of more than 128 operations unless it was started otherwise, and
/// both stores keep the smaller limit (reliability document, section 5: 100). A cascade that needs
/// more is done in turns by upkeep, so that one operator's removal does not hold up everybody
/// else's commands.
pub const MAX_WRITES: usize = 100;

/// What a rule made of a command: the facts it read, which must still hold, and what it writes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Txn {
    /// Each key that was read, with the revision that had written it; none: there was no record.
    pub reads: BTreeMap<Key, Option<Revision>>,
    /// Each key that is written; none removes the record.
    pub writes: BTreeMap<Key, Option<Record>>,
}

impl Txn {
    /// Whether it changes nothing; then nothing is committed and the revision stays.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Whether everything it read still holds in `estate`.
    #[must_use]
    pub fn holds(&self, estate: &Estate) -> bool {
        self.reads.iter().all(|(key, revision)| estate.revision_of(key) == *revision)
    }

    /// The change that committing it at `revision` makes.
    #[must_use]
    pub fn into_batch(self, revision: Revision) -> Batch {
        Batch { revision, changes: self.writes.into_iter().collect() }
    }
}

/// A view of the estate that remembers what was read of it and collects what is written.
///
/// It offers no scan: a record that a rule did not name cannot become a precondition, and what is
/// added meanwhile would be missed. What a rule counts it reads from the owner's record.
#[derive(Clone, Debug)]
pub struct Draft<'e> {
    estate: &'e Estate,
    txn: Txn,
    /// How often something was written.
    put: usize,
}

impl<'e> Draft<'e> {
    /// An empty draft on `estate`.
    #[must_use]
    pub fn new(estate: &'e Estate) -> Self {
        Draft { estate, txn: Txn::default(), put: 0 }
    }

    /// The estate beneath, for choosing *what* to read. A fact that the outcome depends on must be
    /// read through the draft.
    #[must_use]
    pub fn estate(&self) -> &'e Estate {
        self.estate
    }

    /// The estate's record of this name: as written by this draft, else as it stands.
    pub fn get<R: EstateRecord>(&mut self, name: R::Name) -> Option<R> {
        let found = R::table(self.estate).entry(&name);
        let (revision, value) = (found.map(|e| e.revision), found.map(|e| Arc::clone(&e.value)));
        self.read(R::key(name), revision, value, R::of)
    }

    /// The record of this name in a model: as written by this draft, else as it stands.
    pub fn get_in<R: ModelRecord>(&mut self, model: ModelId, name: R::Name) -> Option<R> {
        let found = self.estate.model(model).and_then(|m| R::table(m).entry(&name));
        let (revision, value) = (found.map(|e| e.revision), found.map(|e| Arc::clone(&e.value)));
        self.read(R::key(model, name), revision, value, R::of)
    }

    fn read<R: Clone>(
        &mut self,
        key: Key,
        revision: Option<Revision>,
        value: Option<Arc<R>>,
        of: fn(&Record) -> Option<&R>,
    ) -> Option<R> {
        if let Some(written) = self.txn.writes.get(&key) {
            return written.as_ref().and_then(of).cloned();
        }
        self.txn.reads.insert(key, revision);
        value.map(Arc::unwrap_or_clone)
    }

    /// Writes a record of the estate.
    pub fn put<R: EstateRecord>(&mut self, record: R) {
        let key = R::key(record.name());
        self.write(key, Some(record.into()));
    }

    /// Writes a record of a model.
    pub fn put_in<R: ModelRecord>(&mut self, model: ModelId, record: R) {
        let key = R::key(model, record.name());
        self.write(key, Some(record.into()));
    }

    /// Removes a record of the estate.
    pub fn remove<R: EstateRecord>(&mut self, name: R::Name) {
        self.write(R::key(name), None);
    }

    /// Removes a record of a model.
    pub fn remove_in<R: ModelRecord>(&mut self, model: ModelId, name: R::Name) {
        self.write(R::key(model, name), None);
    }

    /// Removes whatever record stands at `key`.
    pub(crate) fn remove_key(&mut self, key: Key) {
        self.write(key, None);
    }

    fn write(&mut self, key: Key, record: Option<Record>) {
        self.put += 1;
        self.txn.writes.insert(key, record);
    }

    /// Whether nothing was written since it was `before`: then what was read since bears on nothing.
    #[must_use]
    pub fn wrote_nothing_since(&self, before: &Self) -> bool {
        self.put == before.put
    }

    /// How many records it writes so far.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.txn.writes.len()
    }

    /// The Txn. Writes that change nothing are left out, so that a command which asks for what is
    /// so already commits nothing.
    #[must_use]
    pub fn finish(self) -> Txn {
        let Draft { estate, mut txn, .. } = self;
        txn.writes.retain(|key, record| {
            let stands = estate.get(key).map(|(_, record)| record);
            stands != *record
        });
        txn
    }
}
