use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;

use super::*;

fn store() -> (TempDir, BlobStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = BlobStore::open(folder.path().join("store")).unwrap();
    (folder, store)
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

fn ready(stage: Stage) -> Staged {
    match stage {
        Stage::Ready(staged) => staged,
        Stage::Present => panic!("the blob is already there"),
    }
}

fn put(store: &BlobStore, blob: &[u8]) -> Digest {
    let digest = Digest::of(blob);
    store.put(digest, blob.len() as u64, &mut &*blob).unwrap();
    digest
}

/// Makes a kept blob writable, for whoever plays the failing disk.
fn tamper(store: &BlobStore, digest: &Digest) -> File {
    let path = store.path(digest);
    let mut mode = fs::metadata(&path).unwrap().permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "a test on a file of its own")]
    mode.set_readonly(false);
    fs::set_permissions(&path, mode).unwrap();
    File::options().write(true).open(path).unwrap()
}

#[test]
fn r21_a_blob_appears_when_it_is_whole_and_not_before() {
    let (_folder, store) = store();
    let blob = bytes(1000);
    let digest = Digest::of(&blob);
    let mut staged = ready(store.stage(digest, 1000).unwrap());
    staged.append(0, &blob[..400]).unwrap();
    assert!(!store.contains(&digest));
    assert!(matches!(store.blob(&digest), Err(StoreError::Missing(_))));
    staged.append(400, &blob[400..]).unwrap();
    assert!(!store.contains(&digest));
    staged.finish().unwrap();
    assert_eq!(store.list().unwrap(), [(digest, 1000)]);
    assert!(matches!(store.stage(digest, 1000).unwrap(), Stage::Present));
    assert_eq!(fs::read_dir(store.folder("partial")).unwrap().count(), 0);
}

#[test]
fn r21_an_upload_cut_at_every_byte_goes_on_where_it_ended() {
    let blob = bytes(97);
    let digest = Digest::of(&blob);
    for cut in 0..=blob.len() {
        let (_folder, store) = store();
        let mut staged = ready(store.stage(digest, 97).unwrap());
        staged.append(0, &blob[..cut]).unwrap();
        assert_eq!(staged.sync().unwrap(), cut as u64);
        drop(staged);
        assert_eq!(store.progress(&digest).unwrap(), cut as u64);
        let mut staged = ready(store.stage(digest, 97).unwrap());
        assert_eq!(staged.length(), cut as u64);
        staged.append(cut as u64, &blob[cut..]).unwrap();
        staged.finish().unwrap();
        let mut read = Vec::new();
        store.blob(&digest).unwrap().reader().read_to_end(&mut read).unwrap();
        assert_eq!(read, blob);
    }
}

#[test]
fn r21_a_bit_flipped_on_the_way_is_refused_and_leaves_nothing() {
    let (_folder, store) = store();
    let blob = bytes(300);
    let digest = Digest::of(&blob);
    for bit in 0..blob.len() * 8 {
        let mut wrong = blob.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        let mut staged = ready(store.stage(digest, 300).unwrap());
        assert_eq!(staged.length(), 0);
        staged.append(0, &wrong).unwrap();
        assert!(matches!(staged.finish(), Err(StoreError::Mismatch { .. })));
        assert!(!store.contains(&digest));
    }
}

#[test]
fn r21_a_bit_flipped_in_what_an_interrupted_upload_left_is_refused() {
    let (_folder, store) = store();
    let blob = bytes(300);
    let digest = Digest::of(&blob);
    let mut staged = ready(store.stage(digest, 300).unwrap());
    staged.append(0, &blob[..200]).unwrap();
    drop(staged);
    let partial = File::options().write(true).open(store.partial(&digest)).unwrap();
    partial.write_all_at(&[blob[77] ^ 4], 77).unwrap();
    let mut staged = ready(store.stage(digest, 300).unwrap());
    staged.append(200, &blob[200..]).unwrap();
    assert!(matches!(staged.finish(), Err(StoreError::Mismatch { .. })));
}

#[test]
fn r21_a_bit_flipped_at_rest_is_found_by_verify_and_breaks_off_the_reader() {
    let (_folder, store) = store();
    let blob = bytes(700_000);
    let digest = put(&store, &blob);
    store.blob(&digest).unwrap().verify().unwrap();
    tamper(&store, &digest).write_all_at(&[blob[350_000] ^ 1], 350_000).unwrap();
    let opened = store.blob_of_size(&digest, 700_000).unwrap();
    assert!(matches!(opened.verify(), Err(StoreError::Mismatch { .. })));
    let mut read = Vec::new();
    let error = opened.reader().read_to_end(&mut read).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(read.len() < blob.len(), "the last bytes are withheld");
}

#[test]
fn r21_a_blob_that_was_cut_short_is_not_served() {
    let (_folder, store) = store();
    let digest = put(&store, &bytes(5000));
    tamper(&store, &digest).set_len(4999).unwrap();
    let error = store.blob_of_size(&digest, 5000).unwrap_err();
    assert!(matches!(error, StoreError::Size { expected: 5000, actual: 4999, .. }));
}

#[test]
fn r21_thirty_two_senders_of_one_blob_store_it_once() {
    let (_folder, store) = store();
    let blob = bytes(300_000);
    let digest = Digest::of(&blob);
    thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| assert_eq!(put(&store, &blob), digest));
        }
    });
    assert_eq!(store.list().unwrap(), [(digest, 300_000)]);
    assert_eq!(fs::read_dir(store.folder("partial")).unwrap().count(), 0);
    store.blob(&digest).unwrap().verify().unwrap();
}

#[test]
fn a_second_sender_is_told_that_the_blob_is_arriving() {
    let (_folder, store) = store();
    let digest = Digest::of(b"abc");
    let staged = ready(store.stage(digest, 3).unwrap());
    assert!(matches!(store.stage(digest, 3), Err(StoreError::Busy(_))));
    drop(staged);
    assert!(matches!(store.stage(digest, 3), Ok(Stage::Ready(_))));
}

#[test]
fn a_piece_at_the_wrong_place_or_too_long_is_refused_and_harms_nothing() {
    let (_folder, store) = store();
    let digest = Digest::of(b"abcdef");
    let mut staged = ready(store.stage(digest, 6).unwrap());
    staged.append(0, b"abc").unwrap();
    let error = staged.append(2, b"cdef").unwrap_err();
    assert!(matches!(error, StoreError::Offset { expected: 3, actual: 2, .. }));
    let error = staged.append(3, b"defg").unwrap_err();
    assert!(matches!(error, StoreError::Size { expected: 6, actual: 7, .. }));
    staged.append(3, b"def").unwrap();
    staged.finish().unwrap();
}

#[test]
fn a_truncated_upload_is_not_finished() {
    let (_folder, store) = store();
    let digest = Digest::of(b"abcdef");
    let mut staged = ready(store.stage(digest, 6).unwrap());
    staged.append(0, b"abc").unwrap();
    let error = staged.finish().unwrap_err();
    assert_eq!(error.to_string(), format!("blob {digest} has 3 bytes instead of 6"));
    assert_eq!(store.progress(&digest).unwrap(), 3);
}

#[test]
fn r12_more_than_the_disk_holds_is_refused_before_it_is_sent() {
    let (_folder, store) = store();
    let error = store.stage(Digest::of(b""), u64::MAX).unwrap_err();
    assert!(error.to_string().starts_with("no space on disk for blob"));
}

#[test]
fn r21_collection_waits_for_the_grace_time_in_two_phases() {
    let (_folder, store) = store();
    let digest = put(&store, b"abc");
    let collect = |at, named: &[Digest]| {
        let named: BTreeSet<_> = named.iter().copied().collect();
        store
            .collect(&named, UNIX_EPOCH + Duration::from_secs(at), Duration::from_secs(10))
            .unwrap()
    };
    assert_eq!(collect(100, &[]), Collected { waiting: 1, ..Collected::default() });
    assert_eq!(collect(109, &[]).removed, []);
    // Named for a moment: the wait starts anew.
    assert_eq!(collect(110, &[digest]), Collected::default());
    assert_eq!(collect(111, &[]).waiting, 1);
    // Offered again: anew.
    assert!(matches!(store.stage(digest, 3).unwrap(), Stage::Present));
    assert_eq!(collect(125, &[]).waiting, 1);
    // A clock that jumped back: anew.
    assert_eq!(collect(50, &[]).waiting, 1);
    assert_eq!(collect(59, &[]).waiting, 1);
    let done = collect(60, &[]);
    assert_eq!((done.removed, done.bytes), (vec![digest], 3));
    assert!(!store.contains(&digest));
    assert_eq!(fs::read_dir(store.folder("unnamed")).unwrap().count(), 0);
}

#[test]
fn r21_a_partial_file_that_does_not_grow_is_collected_unless_it_is_held() {
    let (_folder, store) = store();
    let digest = Digest::of(b"abcdef");
    let collect = |at| {
        let now = UNIX_EPOCH + Duration::from_secs(at);
        store.collect(&BTreeSet::new(), now, Duration::from_secs(10)).unwrap()
    };
    let mut staged = ready(store.stage(digest, 6).unwrap());
    collect(0);
    staged.append(0, b"abc").unwrap();
    assert_eq!(collect(20).waiting, 1, "it grew");
    assert_eq!(collect(40).abandoned, [], "it is held");
    drop(staged);
    assert_eq!(collect(41).abandoned, [digest]);
    assert_eq!(store.progress(&digest).unwrap(), 0);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(32))]
    #[test]
    fn r21_collection_never_removes_a_named_blob(
        rounds in proptest::collection::vec((proptest::bits::u8::ANY, 0u64..30), 1..12)
    ) {
        let (_folder, store) = store();
        let blobs: Vec<Digest> = (0..8u8).map(|at| put(&store, &[at])).collect();
        let mut now = 0;
        for (names, passed) in rounds {
            now += passed;
            let there: BTreeSet<_> = store.list().unwrap().into_iter().map(|(digest, _)| digest).collect();
            let named: BTreeSet<_> = blobs
                .iter()
                .enumerate()
                .filter(|(at, digest)| names & (1 << at) != 0 && there.contains(digest))
                .map(|(_, digest)| *digest)
                .collect();
            store.collect(&named, UNIX_EPOCH + Duration::from_secs(now), Duration::from_secs(10)).unwrap();
            for digest in &named {
                proptest::prop_assert!(store.contains(digest));
            }
        }
    }
}
