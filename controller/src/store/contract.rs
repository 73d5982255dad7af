//! What any [`Store`] promises, as a function that every implementation is handed to.

use std::collections::BTreeMap;

use muster_model::record::{Key, Only, Record};
use muster_model::{Revision, Timestamp, Txn};

use super::{Commit, Store};

/// Goes through the promises of [`Store`], one by one, on an empty store. `open` opens the same
/// store again each time it is called, after the last one was dropped.
///
/// # Panics
/// If a promise is not kept; the message names it.
pub fn keeps<S: Store>(mut open: impl FnMut() -> S) {
    revisions_count_up_by_one(&mut open());
    a_txn_whose_reads_changed_writes_nothing(&mut open());
    a_removed_record_is_not_loaded(&mut open());
    one_commit_leaves_what_its_last_txn_left(&mut open());
    what_was_done_is_there_after_opening_again(&mut open);
}

fn record(name: &str) -> Record {
    let uuid = "00000000-0000-4000-8000-000000000000".parse();
    let (Ok(uuid), Ok(name)) = (uuid, name.parse()) else {
        panic!("the names of this test are valid")
    };
    Record::Controller(muster_model::record::Controller {
        uuid,
        name,
        cloud: match "localhost".parse() {
            Ok(cloud) => cloud,
            Err(error) => panic!("{error}"),
        },
        epoch: 0,
        created: Timestamp::ZERO,
    })
}

fn key() -> Key {
    Key::Controller(Only)
}

fn writing(reads: Option<Revision>, record: Option<Record>) -> Txn {
    Txn { reads: BTreeMap::from([(key(), reads)]), writes: BTreeMap::from([(key(), record)]) }
}

fn commit(store: &mut impl Store, txns: &[Txn]) -> Vec<Commit> {
    match store.commit(txns) {
        Ok(answers) => answers,
        Err(error) => panic!("a commit failed: {error}"),
    }
}

fn load(store: &mut impl Store) -> super::Loaded {
    match store.load() {
        Ok(loaded) => loaded,
        Err(error) => panic!("loading failed: {error}"),
    }
}

fn revisions_count_up_by_one(store: &mut impl Store) {
    let one = writing(None, Some(record("one")));
    let two = writing(Some(Revision(1)), Some(record("two")));
    let answers = commit(store, &[one, two]);
    assert_eq!(answers, [Commit::Done(Revision(1)), Commit::Done(Revision(2))]);
    let loaded = load(store);
    assert_eq!(loaded.revision, Revision(2));
    assert_eq!(loaded.records, [(key(), Revision(2), record("two"))]);
}

fn a_txn_whose_reads_changed_writes_nothing(store: &mut impl Store) {
    let stale = writing(Some(Revision(1)), Some(record("stale")));
    let absent = writing(None, Some(record("absent")));
    let answers = commit(store, &[stale, absent]);
    assert_eq!(answers, [Commit::Conflict, Commit::Conflict]);
    let loaded = load(store);
    assert_eq!(loaded.revision, Revision(2), "a conflict takes no revision");
    assert_eq!(loaded.records, [(key(), Revision(2), record("two"))]);
}

fn a_removed_record_is_not_loaded(store: &mut impl Store) {
    let answers = commit(store, &[writing(Some(Revision(2)), None)]);
    assert_eq!(answers, [Commit::Done(Revision(3))]);
    assert!(load(store).records.is_empty());
}

fn one_commit_leaves_what_its_last_txn_left(store: &mut impl Store) {
    let came = writing(None, Some(record("came")));
    let went = writing(Some(Revision(4)), None);
    let late = writing(Some(Revision(4)), Some(record("late")));
    let answers = commit(store, &[came, went, late]);
    let expected = [Commit::Done(Revision(4)), Commit::Done(Revision(5)), Commit::Conflict];
    assert_eq!(answers, expected);
    assert!(load(store).records.is_empty());
    let came = writing(None, Some(record("back")));
    let went = writing(Some(Revision(6)), None);
    let last = writing(None, Some(record("last")));
    commit(store, &[came, went, last]);
    assert_eq!(load(store).records, [(key(), Revision(8), record("last"))]);
    commit(store, &[writing(Some(Revision(8)), None)]);
}

fn what_was_done_is_there_after_opening_again<S: Store>(open: &mut impl FnMut() -> S) {
    let mut store = open();
    let answers = commit(&mut store, &[writing(None, Some(record("again")))]);
    assert_eq!(answers, [Commit::Done(Revision(10))]);
    drop(store);
    let loaded = load(&mut open());
    assert_eq!(loaded.revision, Revision(10));
    assert_eq!(loaded.records, [(key(), Revision(10), record("again"))]);
}
