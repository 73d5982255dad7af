use muster_console::format::Format;

use super::*;
use crate::shape::story::{NOW, Story};
use crate::shape::value;

const WIKI: &[(&str, &str)] = &[(
    "metadata.yaml",
    "name: wiki\nsummary: s\ndescription: d\nrequires:\n  db: {interface: sql}\npeers:\n  cluster: {interface: wiki}\nstorage:\n  data: {type: filesystem, location: /srv/data}\n",
)];
const DB: &[(&str, &str)] = &[(
    "metadata.yaml",
    "name: db\nsummary: s\ndescription: d\nprovides:\n  sql: {interface: sql}\n",
)];
const LOG: &[(&str, &str)] = &[(
    "metadata.yaml",
    "name: log\nsummary: s\ndescription: d\nsubordinate: true\nrequires:\n  host: {interface: juju-info, scope: container}\n",
)];

fn shape(story: &Story) -> Status {
    let zone = Zone::of(true);
    let beside = Beside { controller: "home", zone: &zone, now: NOW, version: "3.6.11" };
    Status::of(&story.view(), &beside)
}

/// A model that was just deployed, whole: what jubilant sees right after `deploy` (§10, trap 15).
#[test]
fn a_fresh_deployment_in_json() {
    let mut story = Story::begin();
    story.deploy(WIKI, 1);
    story.deploy(DB, 1);
    story.deploy(LOG, 0);
    story.line("integrate wiki db");
    story.line("integrate log wiki:juju-info");
    story.line("expose wiki");
    let status = value(&shape(&story));
    let at = |path: &str| status.pointer(path).cloned().unwrap_or_default();
    assert_eq!(at("/model/name"), "words");
    assert_eq!(at("/model/model-status/current"), "available");
    assert_eq!(at("/applications/wiki/charm"), "local:wiki-0");
    assert_eq!(at("/applications/wiki/charm-rev"), 0);
    assert_eq!(at("/applications/wiki/exposed"), true);
    assert_eq!(at("/applications/wiki/relations/db/0/related-application"), "db");
    assert_eq!(at("/applications/wiki/relations/db/0/scope"), "global");
    assert_eq!(at("/applications/wiki/relations/cluster/0/related-application"), "wiki");
    assert_eq!(at("/applications/db/relations/sql/0/related-application"), "wiki");
    assert_eq!(at("/applications/log/subordinate-to/0"), "wiki");
    assert!(status.pointer("/applications/log/units").is_none());
    assert_eq!(at("/applications/log/relations/host/0/scope"), "container");
    assert_eq!(at("/applications/wiki/units/wiki~10/workload-status/current"), "waiting");
    assert_eq!(at("/applications/wiki/units/wiki~10/juju-status/current"), "allocating");
    assert_eq!(at("/applications/wiki/units/wiki~10/juju-status/since"), "2026-01-31 10:20:30Z");
    assert_eq!(at("/applications/wiki/units/wiki~10/machine"), "0");
    // Trap 18: what has not been told its agents yet does not look settled.
    assert_eq!(at("/applications/wiki/settled/settled"), false);
    assert_eq!(at("/machines/0/instance-id"), "pending");
    assert_eq!(at("/machines/0/juju-status/current"), "pending");
    assert_eq!(at("/controller/timestamp"), "10:20:30Z");
    assert_eq!(at("/storage/storage/data~10/kind"), "filesystem");
    assert_eq!(at("/storage/storage/data~10/status/current"), "pending");
    let line = Format::Json.render(&status);
    assert_eq!(line.matches('\n').count(), 1);
}

/// A relation that is gone leaves no key behind, and neither does an application (§4.1, trap 15).
#[test]
fn what_is_removed_leaves_the_json() {
    let mut story = Story::begin();
    story.deploy(WIKI, 0);
    story.deploy(DB, 0);
    story.line("integrate wiki db");
    assert!(shape(&story).applications.get("db").unwrap().relations.contains_key("sql"));
    story.line("remove-relation wiki db --force");
    assert!(shape(&story).applications.get("db").unwrap().relations.is_empty());
}
