//! What time brings about: leads that lapse, and records and bytes that have outlived their use.

use std::sync::Arc;
use std::time::Duration;

use muster_api::client::Upload;
use muster_controller::ledger::Ledger;
use muster_controller::store::{Embedded, Store};
use muster_controller::{identity, ledger, now};
use muster_model::record::{Key, Record, Request, Subject};
use muster_model::reply::{Outcome, Reply};
use muster_model::upkeep::{ANSWERS, lapsed};
use muster_model::view::Heard;
use muster_model::{Estate, Revision, Timestamp, Txn};
use muster_resources::Digest;

use crate::common::{House, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r10_the_lead_is_given_away_after_the_lease_and_not_before() {
    let mut house = House::start().await;
    let model = house.model("one").await;
    let (one, two) = (house.machine(model).await, house.machine(model).await);
    house.hello(model, &[&one, &two]).await;
    house.end().await.unwrap();
    let store = Embedded::open(&house.data()).unwrap();
    let (say, heard) = tokio::sync::watch::channel(Arc::new(Heard::default()));
    let (ended, _failed) = tokio::sync::oneshot::channel();
    let (ledger, thread) = Ledger::start(store, heard, ended).unwrap();
    let application = "hello".parse().unwrap();
    let leader = |estate: &Estate| estate.model(model).unwrap().leader(&application).cloned();
    let first = leader(&ledger.estate()).unwrap();
    let machine = ledger.estate().model(model).unwrap().unit(&first).unwrap().machine;
    let silent = |lapsed: bool| {
        let mut heard = Heard::default();
        heard.silent.insert((model, machine), now());
        heard.lapsed.extend(lapsed.then_some((model, machine)));
        Arc::new(heard)
    };
    assert!(lapsed(&ledger.estate(), &silent(false)).is_empty());
    say.send_replace(silent(false));
    // Asked to look although nothing has lapsed, it leaves the lead where it is.
    let matters = lapsed(&ledger.estate(), &silent(true));
    assert!(!matters.is_empty());
    ledger.look(matters.clone()).unwrap();
    ledger.pass().await.unwrap();
    assert_eq!(leader(&ledger.estate()), Some(first.clone()));
    say.send_replace(silent(true));
    ledger.look(matters).unwrap();
    ledger.pass().await.unwrap();
    assert_ne!(leader(&ledger.estate()), Some(first));
    drop(ledger);
    tokio::task::spawn_blocking(move || thread.join()).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r29_old_answers_and_ended_tokens_are_forgotten_and_new_ones_kept() {
    let mut house = House::start().await;
    let ended = house.token(Subject::User("admin".parse().unwrap()), Some(0)).await;
    house.end().await.unwrap();
    let mut store = Embedded::open(&house.data()).unwrap();
    let old = now() - ANSWERS;
    for part in 0..5 {
        let mut txn = Txn::default();
        for n in 0..60 {
            let (key, request) = answer(&format!("old-{part}-{n}"), old);
            txn.writes.insert(key, Some(request));
        }
        let (key, request) = answer(&format!("new-{part}"), now());
        txn.writes.insert(key, Some(request));
        store.commit(&[txn]).unwrap();
    }
    drop(store);
    house.run();
    until(|| async { (house.root().controller().await.unwrap().revision.0 >= 10).then_some(()) })
        .await;
    house.end().await.unwrap();
    let estate = ledger::fold(&Embedded::open(&house.data()).unwrap().load().unwrap());
    let left: Vec<String> =
        estate.table::<Request>().iter().map(|(id, _)| id.to_string()).collect();
    assert!(!left.iter().any(|id| id.starts_with("old-")), "{left:?}");
    assert_eq!(left.iter().filter(|id| id.starts_with("new-")).count(), 5);
    assert!(estate.token(identity::hash(&ended)).is_none());
    assert!(estate.token(identity::hash(&house.admin)).is_some());
}

fn answer(id: &str, at: Timestamp) -> (Key, Record) {
    let id: muster_model::record::RequestId = id.parse().unwrap();
    let reply = Reply { revision: Revision(1), changed: true, outcome: Outcome::Done };
    (Key::Request(id.clone()), Record::Request(Request { id, at, reply }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r21_bytes_that_nothing_names_go_and_named_ones_stay() {
    let house = House::tuned(|settings| {
        settings.times.tidying = Duration::from_millis(50);
        settings.times.unnamed = Duration::from_secs(1);
    })
    .await;
    let model = house.model("one").await;
    house.hello(model, &[]).await;
    let path = house.folder.path().join("stray");
    std::fs::write(&path, b"nobody will name these").unwrap();
    let stray = Digest::of(b"nobody will name these");
    house.root().put_blob(&path, &stray, 22, |_: Upload| {}).await.unwrap();
    let (_, named, _) = house.packed(&crate::common::shipped("hello"));
    let kept = |digest: &Digest| house.data().join("blobs/blobs").join(digest.to_string()).exists();
    assert!(kept(&stray) && kept(&named));
    until(|| async { (!kept(&stray)).then_some(()) }).await;
    assert!(kept(&named));
}
