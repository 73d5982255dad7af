//! (f) A changed option, and its effect inside Spark.

use muster_tests::demo::{Hand, stand as demo_stand};

use crate::stand::{MODEL, OrFail, bundle, exec, master_page, stand, units};

#[test]
fn f_executors_get_the_memory_that_was_configured() {
    let (hand, _) = bundle(MODEL);
    configure(&hand, "executor_memory=640m");
    hand.json(&["run", "spark/leader", "spark-pi", "partitions=2", "--wait", "10m"]).or_fail();
    let page = master_page(&hand);
    let done = page["completedapps"].as_array().expect("applications");
    // The master lists the newest first in one version and last in another: by time it is certain.
    let newest = done.iter().max_by_key(|app| app["starttime"].as_u64()).expect("an application");
    assert_eq!(
        newest["memoryperexecutor"].as_u64().or(newest["memoryperslave"].as_u64()),
        Some(640)
    );
    configure(&hand, "executor_memory=512m");
}

#[test]
fn f_a_change_restarts_only_what_it_touches() {
    let (hand, _) = bundle(MODEL);
    let spark = units(&hand, "spark");
    // The master's unit is the leader's, which need not be the first.
    let started = || -> Vec<(String, String)> {
        let show = |unit: &String| {
            let daemons = ["spark-master", "spark-worker", "spark-history"];
            let property = ["systemctl", "show", "--property", "ActiveEnterTimestampMonotonic"];
            (unit.clone(), exec(&hand, unit, &[&property[..], &daemons[..]].concat()))
        };
        spark.iter().map(show).collect()
    };
    let before = started();
    configure(&hand, "driver_memory=600m");
    assert_eq!(started(), before, "a driver's memory is no concern of a daemon");
    configure(&hand, "driver_memory=512m");
    assert_eq!(started(), before, "nor is going back");
    configure(&hand, "daemon-memory=520m");
    for ((unit, now), (_, then)) in started().iter().zip(&before) {
        assert_ne!(now, then, "the daemons of {unit} read their own memory when they start");
    }
    configure(&hand, "daemon-memory=512m");
}

#[test]
fn f_a_wrong_option_is_refused_and_changes_nothing() {
    let (hand, _) = bundle(MODEL);
    let before = hand.run(&["config", "spark", "--format", "json"]).or_fail();
    for (pair, named) in
        [("no-such-option=1", "no-such-option"), ("worker-cores=many", "worker-cores")]
    {
        let said = hand.call(&["config", "spark", pair]).run().expect_err("refused").to_string();
        assert!(said.contains(named), "{said}");
    }
    assert_eq!(hand.run(&["config", "spark", "--format", "json"]).or_fail(), before);
}

fn configure(hand: &Hand, pair: &str) {
    hand.run(&["config", "spark", pair]).or_fail();
    demo_stand::settled(hand, &stand().voice).or_fail();
}
