//! (e) One worker, three, one again; Spark's master is the witness.

use crate::stand::{MODEL, OrFail, bundle, count, master_page, stand, units};
use muster_tests::demo::{Hand, day};

#[test]
fn e_workers_come_and_go_as_the_masters_page_says() {
    let (hand, bucket) = bundle(MODEL);
    let voice = &stand().voice;
    for (wanted, workers) in [(2, 1), (4, 3), (2, 1)] {
        day::scale(wanted, &hand, voice).or_fail();
        assert_eq!(units(&hand, "spark").len(), wanted as usize);
        assert_eq!(alive(&hand), workers, "{:#}", master_page(&hand));
    }
    count(&hand, &bucket);
    day::scale(3, &hand, voice).or_fail();
    assert_eq!(alive(&hand), 2);
}

/// The workers that the master calls alive. One that just left is so called until it is missed.
fn alive(hand: &Hand) -> usize {
    let page = master_page(hand);
    let workers = page["workers"].as_array().expect("workers");
    workers.iter().filter(|worker| worker["state"] == "ALIVE").count()
}
