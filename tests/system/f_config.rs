//! (f) A changed option, and its effect inside Spark.

use muster_tests::demo::{Hand, stand as demo_stand};
use serde_json::Value;

use crate::stand::{MODEL, OrFail, bundle, exec, get, master, master_page, stand, units};

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
    let started = |unit: &str| {
        let show =
            ["systemctl", "show", "--property", "ActiveEnterTimestampMonotonic", "spark-worker"];
        exec(&hand, unit, &show)
    };
    let workers: Vec<String> = units(&hand, "spark").into_iter().skip(1).collect();
    let before: Vec<String> = workers.iter().map(|unit| started(unit)).collect();
    let master_before = uptime(&hand);
    configure(&hand, "driver_memory=600m");
    let after: Vec<String> = workers.iter().map(|unit| started(unit)).collect();
    assert_eq!(before, after, "a driver's memory is no concern of a worker");
    configure(&hand, "driver_memory=512m");
    assert_eq!(uptime(&hand), master_before, "nor of the master");
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

/// The process of the master, by when its page says it began.
fn uptime(hand: &Hand) -> Value {
    let url = format!("http://{}:8080/json/", master(hand));
    get(&url).unwrap_or_else(|error| panic!("{url}: {error}"))["url"].clone()
}
