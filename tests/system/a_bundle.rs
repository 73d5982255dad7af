//! (a) The demo's bundle, end to end.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::canary;
use crate::stand::{MODEL, OrFail, bundle, count, exec, units};

#[test]
fn a_the_row_in_mariadb_is_the_count_made_without_spark() {
    let (hand, bucket) = bundle(MODEL);
    let task = count(&hand, &bucket);
    for key in ["count", "application-id", "duration"] {
        assert!(task["results"][key].is_string(), "results of the action: {:#}", task["results"]);
    }
}

#[test]
fn a_deploying_the_same_bundle_again_changes_nothing() {
    let (hand, _) = bundle(MODEL);
    let stand = crate::stand::stand();
    let (one, two) =
        (&stand.built.bundle.to_string_lossy(), &stand.built.overlay.to_string_lossy());
    let said = hand.call(&["deploy", one, "--overlay", two]).speak(|_| {}).or_fail();
    let words = said.tail.join("\n");
    assert!(said.status.success() && words.contains("No changes to apply."), "{words}");
}

#[test]
fn a_every_storage_is_a_mounted_file_system_of_its_own_inside_its_machine() {
    let (hand, _) = bundle(MODEL);
    let storage = hand.json(&["storage"]).or_fail();
    let filesystems = storage["filesystems"].as_object().expect("filesystems");
    assert!(filesystems.len() >= 11, "three workspaces, six caches, two more: {storage:#}");
    let mut sources = BTreeSet::new();
    for (id, filesystem) in filesystems {
        let attached = filesystem["attachments"]["units"].as_object().expect("attachments");
        let (unit, attachment) = attached.iter().next().expect("attached to a unit");
        let place = attachment["location"].as_str().expect("a mount point");
        let found = exec(
            &hand,
            unit,
            &["findmnt", "--noheadings", "--output", "FSTYPE,SOURCE,SIZE", place],
        );
        let mut words = found.split_whitespace();
        assert_eq!(words.next(), Some("ext4"), "filesystem {id} of {unit} at {place}: {found}");
        let source = words.next().expect("a source").to_owned();
        assert!(source.starts_with("/dev/loop"), "{unit} {place}: {found}");
        assert!(sources.insert(source), "two places share a device: {found}");
    }
}

#[test]
fn a_every_node_has_the_same_files_in_the_same_places() {
    let (hand, _) = bundle(MODEL);
    let mut seen = BTreeSet::new();
    for unit in units(&hand, "spark") {
        let task = hand.json(&["run", &unit, "show-alignment"]).or_fail();
        let results = &task[&unit]["results"];
        let mut results: Value = results.clone();
        if let Some(results) = results.as_object_mut() {
            results.retain(|key, _| key != "stdout" && key != "stderr");
        }
        seen.insert(results.to_string());
    }
    assert_eq!(seen.len(), 1, "{seen:#?}");
    let only = seen.into_iter().next().expect("one");
    assert!(only.contains("3.3.4"), "Hadoop's version is read from the jars: {only}");
}

#[test]
fn a_status_carries_the_fields_of_the_contract() {
    let (hand, _) = bundle(MODEL);
    let status = hand.status().or_fail();
    for pointer in [
        "/model/name",
        "/model/controller",
        "/model/cloud",
        "/model/version",
        "/model/type",
        "/model/model-status/current",
        "/machines/0/juju-status/current",
        "/machines/0/machine-status/current",
        "/machines/0/instance-id",
        "/machines/0/ip-addresses/0",
        "/machines/0/base/name",
        "/applications/spark/charm",
        "/applications/spark/charm-name",
        "/applications/spark/charm-origin",
        "/applications/spark/charm-rev",
        "/applications/spark/exposed",
        "/applications/spark/base/channel",
        "/applications/spark/version",
        "/applications/spark/application-status/current",
        "/applications/spark/application-status/since",
        "/applications/spark/relations/cluster/0/related-application",
        "/applications/spark/relations/s3-credentials/0/interface",
        "/applications/spark/relations/database/0/scope",
        "/applications/spark/units/spark~10/workload-status/current",
        "/applications/spark/units/spark~10/workload-status/message",
        "/applications/spark/units/spark~10/juju-status/current",
        "/applications/spark/units/spark~10/juju-status/since",
        "/applications/spark/units/spark~10/machine",
        "/applications/spark/units/spark~10/public-address",
        "/applications/spark/units/spark~10/open-ports/0",
    ] {
        assert!(status.pointer(pointer).is_some(), "no {pointer} in {status:#}");
    }
}

#[test]
fn a_the_credentials_are_in_no_process_list_log_or_readable_file() {
    let (hand, bucket) = bundle(MODEL);
    // Read from outside: what a command prints is kept as its task's result.
    let account = canary::read("etc/spark/database.json").expect("a machine with the account");
    let account: Value = serde_json::from_str(&account).expect("the account is JSON");
    let password = account["password"].as_str().expect("a password").to_owned();
    let words = [bucket.secret_key.clone(), password];
    let watch = canary::Watch::begin(&words);
    count(&hand, &bucket);
    let rounds = watch.rounds();
    let shown = watch.end();
    assert!(rounds > 10, "the processes were looked at {rounds} times while the job ran");
    assert_eq!(shown, BTreeSet::new(), "programs that had a secret among their arguments");
    let found = canary::files(&words);
    let holds = |name: &str| found.iter().any(|found| found.path.ends_with(name));
    assert!(holds("spark-defaults.conf") && holds("database.json"), "the search works: {found:#?}");
    for found in &found {
        assert!(!found.open, "everybody may read a secret in {found:?}");
        let path = found.path.to_string_lossy();
        assert!(!path.contains("/log"), "a log holds a secret: {found:?}");
    }
    let log = hand.run(&["debug-log", "--replay", "--no-tail", "--limit", "1000000"]).or_fail();
    assert!(!words.iter().any(|word| log.contains(word)), "the model's log holds a secret");
}
