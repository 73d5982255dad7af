//! Stored forms: one golden file for each kind of record, so that none changes unnoticed; and texts
//! that are read as they were printed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use expect_test::expect_file;
use muster_model::Caller;
use muster_model::command::{Command, EstateCommand};
use muster_model::constraints::Constraints;
use muster_model::record::{Key, OfferedBase, Record};
use muster_tests::world::Faults;
use proptest::prelude::*;

use crate::story;

/// What the records of some stories are made of, by kind, with the keys of those of the last one.
fn forms() -> (BTreeMap<String, BTreeSet<String>>, Vec<Key>) {
    let mut forms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut keys = Vec::new();
    for seed in 0..60 {
        let mut faults = if seed % 2 == 0 { Faults::all() } else { Faults::default() };
        if seed == 1 {
            // What is said of a machine that cannot be had stands only until it is had.
            faults.no_machine = 1000;
        }
        let (mut world, _) = story::act_only(seed, faults, 40);
        if seed == 0 {
            let base = |text: &str| text.parse().expect("a base");
            let stands_on = Some(base("debian@12"));
            let offered = OfferedBase { base: base("ubuntu@22.04"), stands_on };
            let offer = Command::Estate(EstateCommand::OfferBases(vec![offered]));
            let told = world.command_as(&Caller::Controller, &offer).expect("sound");
            told.expect("the controller may");
        }
        world.estate.for_each(|key, _, record| {
            let kind = key.to_string().split('/').nth(1).expect("three parts").to_owned();
            let bytes = record.encode().expect("a record is written");
            let value: serde_json::Value = serde_json::from_slice(&bytes).expect("it is JSON");
            shape(&value, "", forms.entry(kind).or_default());
            let read = Record::decode(&key, &bytes).expect("it is read again");
            assert!(read == record, "{key} is read as another record");
            keys.push(key);
        });
    }
    (forms, keys)
}

/// The names of the fields of a record and the types of their values, at every depth: what a stored
/// form is made of, whatever the story was. A map whose keys are names counts as one field.
fn shape(value: &serde_json::Value, path: &str, found: &mut BTreeSet<String>) {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let plain = key.chars().all(|c| c.is_ascii_lowercase() || c == '-');
                let named = plain && !NAMES.contains(&key.trim_end_matches("-b"));
                let part = if named { key.as_str() } else { "*" };
                shape(value, &format!("{path}.{part}"), found);
            }
        }
        Value::Array(values) => values.iter().for_each(|v| shape(v, &format!("{path}[]"), found)),
        Value::Null => drop(found.insert(format!("{path}: none"))),
        Value::Bool(_) => drop(found.insert(format!("{path}: yes or no"))),
        Value::Number(_) => drop(found.insert(format!("{path}: number"))),
        Value::String(_) => drop(found.insert(format!("{path}: text"))),
    }
}

/// Keys that the stories' charms and operators chose.
const NAMES: &[&str] = &[
    "wiki",
    "db",
    "logger",
    "proxy",
    "hub",
    "web",
    "cluster",
    "replicas",
    "gossip",
    "host",
    "sink",
    "logs",
    "data",
    "cache",
    "raw",
    "spool",
    "title",
    "debug",
    "colour",
    "level",
    "port",
    "days",
    "theme",
    "backup",
    "dump",
    "vacuum",
    "rotate",
    "purge",
    "query",
    "admin",
    "shared",
    "ruled",
    "said",
    "kept",
    "private-address",
    "ingress-address",
    "egress-subnets",
    "http-proxy",
    "automatically-retry-hooks",
    "cache-mib",
];

/// Kinds that no story makes: their forms have tests of their own beside the records.
const UNTOLD: &[&str] = &["cloud", "credential", "presence", "request", "ssh-keys", "task-log"];

#[test]
fn the_stored_form_of_each_record_is_as_it_was() {
    let (forms, keys) = forms();
    for untold in UNTOLD {
        assert!(!forms.contains_key(*untold), "a story makes {untold} now: give it a golden file");
    }
    for (kind, found) in &forms {
        let lines: Vec<&str> = found.iter().map(String::as_str).collect();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("goldens/{kind}.txt"));
        expect_file![path].assert_eq(&format!("{}\n", lines.join("\n")));
    }
    for key in keys {
        let text = key.to_string();
        assert_eq!(text.parse::<Key>().as_ref(), Ok(&key), "{text}");
    }
}

#[test]
fn what_is_no_key_is_not_read_as_one() {
    for wrong in ["", "-", "-/user", "x/unit/wiki/0", "-/unit/wiki/0", "-/nothing/x", "-/user/A b"]
    {
        assert!(wrong.parse::<Key>().is_err(), "{wrong:?} is read as a key");
    }
}

proptest! {
    #[test]
    fn constraints_are_read_as_they_were_printed(
        cores in proptest::option::of(0u32..999),
        mem in proptest::option::of(0u64..99_999),
        arch in proptest::option::of("amd64|arm64"),
    ) {
        let mut words = Vec::new();
        words.extend(arch.map(|arch| format!("arch={arch}")));
        words.extend(cores.map(|cores| format!("cores={cores}")));
        words.extend(mem.map(|mem| format!("mem={mem}M")));
        let read: Constraints = words.join(" ").parse().expect("these are constraints");
        prop_assert_eq!(read.to_string().parse::<Constraints>(), Ok(read));
    }
}
