//! Ordered records with their revisions, shared between snapshots.

use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use crate::version::Revision;

/// A record and the revision that wrote it.
#[derive(Debug)]
pub struct Entry<V> {
    /// The revision of the Txn that wrote it last.
    pub revision: Revision,
    /// The record.
    pub value: Arc<V>,
}

impl<V> Clone for Entry<V> {
    fn clone(&self) -> Self {
        Entry { revision: self.revision, value: Arc::clone(&self.value) }
    }
}

/// An ordered map of records whose clones share what they have in common: a snapshot costs
/// nothing, a change O(log n). Nobody but this file knows which structure does that.
pub struct Table<K: Ord, V> {
    entries: rpds::RedBlackTreeMapSync<K, Entry<V>>,
    written: Revision,
}

impl<K: Ord, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        Table { entries: self.entries.clone(), written: self.written }
    }
}

impl<K: Ord, V> Default for Table<K, V> {
    fn default() -> Self {
        Table { entries: rpds::RedBlackTreeMapSync::new_sync(), written: Revision::ZERO }
    }
}

impl<K: Ord + fmt::Debug, V: fmt::Debug> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries.iter().map(|(key, e)| (key, &e.value))).finish()
    }
}

impl<K: Ord, V> Table<K, V> {
    /// The record of this name.
    #[must_use]
    pub fn get(&self, name: &K) -> Option<&Arc<V>> {
        self.entries.get(name).map(|entry| &entry.value)
    }

    /// The record of this name with its revision.
    #[must_use]
    pub fn entry(&self, name: &K) -> Option<&Entry<V>> {
        self.entries.get(name)
    }

    /// Every record, in the order of names.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &Arc<V>)> {
        self.entries.iter().map(|(name, entry)| (name, &entry.value))
    }

    /// Every record, in the order of names, without the names.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Arc<V>> {
        self.entries.values().map(|entry| &entry.value)
    }

    /// Every record with its revision, in the order of names.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = (&K, &Entry<V>)> {
        self.entries.iter()
    }

    /// The records whose names lie in `range`, in order.
    pub fn range(
        &self,
        range: impl RangeBounds<K>,
    ) -> impl DoubleEndedIterator<Item = (&K, &Arc<V>)> {
        self.entries.range(range).map(|(name, entry)| (name, &entry.value))
    }

    /// The records from `from` on for as long as `belongs` says so, in order.
    pub fn from_while<'a>(
        &'a self,
        from: K,
        belongs: impl Fn(&K) -> bool + 'a,
    ) -> impl Iterator<Item = (&'a K, &'a Arc<V>)> {
        self.entries
            .range((Bound::Included(from), Bound::Unbounded))
            .map(|(name, entry)| (name, &entry.value))
            .take_while(move |(name, _)| belongs(name))
    }

    /// The last revision that put or took away any of them: whoever has seen the table as of it or
    /// later need not look again.
    #[must_use]
    pub fn written(&self) -> Revision {
        self.written
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.size()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Puts a record at `name`, or takes it away.
    pub(crate) fn set(&mut self, name: K, value: Option<V>, revision: Revision) {
        self.written = self.written.max(revision);
        match value {
            Some(value) => {
                self.entries.insert_mut(name, Entry { revision, value: Arc::new(value) });
            }
            None => {
                self.entries.remove_mut(&name);
            }
        }
    }
}
