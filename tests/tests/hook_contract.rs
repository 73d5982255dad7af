//! Lines of the hook contract that only the controller and several agents together can keep, played in
//! the world without hands: the product's own rules, upkeep, goals and resolvers.

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected ends there")]

#[path = "hook_contract/story.rs"]
mod story;

use std::collections::{BTreeMap, BTreeSet};

use muster_charms::Charm;
use muster_model::Life;
use muster_model::command::{AddCharm, ModelCommand, RelationRef, ResourceFile};
use muster_model::effects::{Effects, OpenPort};
use muster_model::name::{Member, RelationId, UnitName};
use muster_model::record::{Databag, Pair, Placement, Storage};
use muster_tests::fixture::digest;
use muster_tests::world::named;

use story::Story;

/// A write of one key to the unit's own databag.
fn unit_write(relation: RelationId, value: &str) -> Effects {
    let change = [("k".to_owned(), Some(value.to_owned()))].into();
    Effects { unit_settings: [(relation, change)].into(), ..Effects::default() }
}

/// A write of one key to the application's databag.
fn application_write(relation: RelationId, value: &str) -> Effects {
    let change = [("k".to_owned(), Some(value.to_owned()))].into();
    Effects { application_settings: [(relation, change)].into(), ..Effects::default() }
}

/// A wiki of two units on a database, at rest and with its hooks told; the relations of its peers and
/// of the database.
fn related() -> (Story, RelationId, RelationId) {
    let mut story = Story::new();
    story.deploy("db", 1);
    story.deploy("wiki", 2);
    let db = story.relate("wiki:db", "db:db");
    story.settle();
    let peers = story.model().relations_of(&named("wiki")).find(|r| r.is_peer()).unwrap().id;
    for unit in ["db/0", "wiki/0", "wiki/1"] {
        story.hooks(unit);
    }
    (story, peers, db)
}

/// Hook contract L08, L09, L15.
#[test]
fn l09_l15_a_write_is_heard_by_the_others_once_and_not_by_oneself() {
    let (mut story, peers, db) = related();
    for (relation, hears, silent) in [(db, "db/0", "wiki/1"), (peers, "wiki/1", "db/0")] {
        story.script("wiki/0", "config-changed", unit_write(relation, "1"));
        story.trigger("wiki");
        let own = if relation == db { "db" } else { "cluster" };
        let changed = format!("{own}-relation-changed[{relation}] wiki/0");
        let heard = story.hooks(hears);
        assert!(heard.ends_with(&changed) && heard.matches("relation").count() == 1, "{heard}");
        assert!(!story.hooks(silent).contains("relation"), "nobody else hears of it");
        assert_eq!(story.hooks("wiki/0"), "config-changed", "who wrote hears nothing");
        // The same once more is no change.
        story.trigger("wiki");
        for unit in [hears, silent, "wiki/0"] {
            assert!(!story.hooks(unit).contains("relation"), "{unit}");
        }
        let member = Member::Unit(named("wiki/0"));
        assert_eq!(story.model().databag(relation, &member).unwrap().settings["k"], "1");
        story.script("wiki/0", "config-changed", Effects::default());
    }
}

/// Hook contract L13, L14.
#[test]
fn l13_l14_the_leaders_write_is_heard_by_the_other_side_and_by_every_peer() {
    let (mut story, peers, db) = related();
    story.script("wiki/0", "config-changed", application_write(db, "1"));
    story.trigger("wiki");
    assert_eq!(story.hooks("db/0"), format!("db-relation-changed[{db}]"));
    assert_eq!(story.hooks("wiki/0"), "config-changed");
    assert_eq!(story.hooks("wiki/1"), "config-changed");
    story.script("wiki/0", "config-changed", application_write(peers, "1"));
    story.trigger("wiki");
    let changed = format!("config-changed, cluster-relation-changed[{peers}]");
    assert_eq!(story.hooks("wiki/0"), changed, "the leader itself, too");
    let other = story.hooks("wiki/1");
    assert!(other.contains(&format!("cluster-relation-changed[{peers}]")), "{other}");
    assert_eq!(story.hooks("db/0"), "");
}

/// Hook contract T33.
#[test]
fn t33_a_followers_write_for_its_application_fails_its_hook() {
    let (mut story, _, db) = related();
    story.without_retries();
    story.script("wiki/1", "config-changed", application_write(db, "1"));
    story.trigger("wiki");
    assert_eq!(story.failure("wiki/1").unwrap(), "cannot write relation settings: not the leader");
    assert_eq!(story.hooks("db/0"), "");
    let member = Member::Application(named("wiki"));
    assert!(story.model().databag(db, &member).is_none_or(|bag| bag.settings.is_empty()));
}

/// Hook contract L20.
#[test]
fn l20_another_resource_runs_upgrade_charm_and_config_changed() {
    let (mut story, _, _) = related();
    let command = ModelCommand::AttachResource {
        application: named("wiki"),
        name: named("theme"),
        file: ResourceFile { digest: digest("theme"), size: 7, origin_name: "t.tar".to_owned() },
    };
    story.tell(command).unwrap();
    story.settle();
    assert_eq!(story.hooks("wiki/0"), "upgrade-charm, config-changed");
    assert_eq!(story.hooks("wiki/1"), "upgrade-charm, config-changed");
}

/// Hook contract L27, L29.
#[test]
fn l27_l29_a_subordinate_has_its_own_principal_and_sees_no_other() {
    let mut story = Story::new();
    story.deploy("hub", 2);
    story.deploy_on("logger", Vec::new());
    let relation = story.relate("logger:host", "hub:juju-info");
    story.settle();
    let mut principals = BTreeSet::new();
    for own in ["logger/0", "logger/1"] {
        let unit = story.model().unit(&named(own)).unwrap();
        let machine = unit.machine;
        let principal = unit.principal.as_ref().unwrap().to_string();
        let beside = story.model().unit(&named(&principal)).unwrap();
        assert_eq!(beside.machine, machine, "it lives where its principal does");
        let goal = story.model().goal(machine, story.world.estate.revision()).unwrap();
        let goal = &goal.units[&named::<UnitName>(own)];
        assert_eq!(goal.principal, Some(named(&principal)), "what JUJU_PRINCIPAL_UNIT is made of");
        let members: Vec<String> =
            goal.relations[&relation].members.keys().map(ToString::to_string).collect();
        assert_eq!(members, std::slice::from_ref(&principal));
        let bags = story.snapshot(own).bags;
        let hubs: BTreeSet<String> = bags
            .iter()
            .map(|bag| bag.member.to_string())
            .filter(|member| member.starts_with("hub/"))
            .collect();
        assert_eq!(hubs, [principal.clone()].into());
        let hooks = story.hooks(own);
        assert!(
            hooks.contains(&format!("host-relation-joined[{relation}] {principal}")),
            "{hooks}"
        );
        principals.insert(principal);
    }
    assert_eq!(principals, ["hub/0".to_owned(), "hub/1".to_owned()].into());
    story
        .tell(ModelCommand::RemoveRelation { relation: RelationRef::Id(relation), force: false })
        .unwrap();
    story.settle();
    assert!(story.model().unit(&named("logger/0")).is_none(), "it goes with the relation");
}

/// Hook contract L28.
#[test]
fn l28_a_principal_waits_for_a_subordinate_that_does_not_come_to_its_end() {
    let mut story = Story::new();
    story.deploy("hub", 1);
    story.deploy_on("logger", Vec::new());
    story.relate("logger:host", "hub:juju-info");
    story.without_retries();
    story.settle();
    story.hooks("hub/0");
    story.world.scripts.of(story.model, &named("logger/0"), "stop").fails = 1;
    let remove = ModelCommand::RemoveUnits {
        units: [named("hub/0")].into(),
        destroy_storage: false,
        force: false,
    };
    story.tell(remove).unwrap();
    story.settle();
    assert_eq!(story.hooks("hub/0"), "stop, remove");
    let hub = story.model().unit(&named("hub/0")).unwrap();
    assert_eq!(hub.life, Life::Dying, "it is still there");
    assert_eq!(story.failure("logger/0").as_deref(), Some("exit status 1"));
    let units = [named("logger/0")].into();
    story.tell(ModelCommand::Resolve { units, retry: true }).unwrap();
    story.settle();
    assert!(story.model().unit(&named("logger/0")).is_none());
    assert!(story.model().unit(&named("hub/0")).is_none());
}

/// Hook contract L31.
#[test]
fn l31_what_a_departed_unit_said_is_read_until_the_relation_is_gone() {
    let (mut story, _, db) = related();
    story.script("wiki/1", "config-changed", unit_write(db, "last words"));
    story.trigger("wiki");
    let remove = ModelCommand::RemoveUnits {
        units: [named("wiki/1")].into(),
        destroy_storage: false,
        force: false,
    };
    story.tell(remove).unwrap();
    story.settle();
    assert!(story.hooks("db/0").ends_with(&format!("db-relation-departed[{db}] wiki/1")));
    let gone = Member::Unit(named("wiki/1"));
    let bags = story.snapshot("db/0").bags;
    let said = bags.iter().find(|bag| bag.relation == db && bag.member == gone).unwrap();
    assert_eq!(said.settings["k"], "last words");
    story
        .tell(ModelCommand::RemoveRelation { relation: RelationRef::Id(db), force: false })
        .unwrap();
    story.settle();
    assert!(story.model().databag(db, &gone).is_none());
    assert!(!story.snapshot("db/0").bags.iter().any(|bag| bag.relation == db));
}

/// Hook contract L38.
#[test]
fn l38_who_is_in_a_relation_has_said_where_it_is_before_any_hook_of_it() {
    let mut story = Story::new();
    story.deploy("db", 1);
    story.deploy("wiki", 2);
    let relation = story.relate("wiki:db", "db:db");
    let mut seen = BTreeSet::new();
    // One thing after the other, in whatever order chance has it.
    for _ in 0..20_000 {
        story.world.step().unwrap();
        for (Pair(id, member), bag) in story.model().table::<Databag>().iter() {
            let Member::Unit(unit) = member else { continue };
            let keys: Vec<&str> = bag.settings.keys().map(String::as_str).collect();
            let expected = ["egress-subnets", "ingress-address", "private-address"];
            assert_eq!(keys, expected, "{unit} in {id}");
            seen.insert((*id, unit.clone()));
        }
        for unit in ["db/0", "wiki/0", "wiki/1"] {
            let hooks = story.hooks(unit);
            if hooks.contains(&format!("db-relation-created[{relation}]")) {
                assert!(seen.contains(&(relation, named(unit))), "{unit}");
                seen.insert((RelationId(u32::MAX), named(unit)));
            }
        }
        if seen.iter().filter(|(id, _)| *id == RelationId(u32::MAX)).count() == 3 {
            return;
        }
    }
    panic!("the relation was not created everywhere: {seen:?}");
}

fn opens(range: &str, endpoint: Option<&str>) -> Effects {
    let port = OpenPort { range: range.parse().unwrap(), endpoint: endpoint.map(named) };
    Effects { open_ports: [port].into(), ..Effects::default() }
}

/// Hook contract F12.
#[test]
fn f12_a_port_for_an_endpoint_that_is_none_fails_the_hook_and_nothing_is_applied() {
    let (mut story, _, db) = related();
    story.without_retries();
    let mut effects = opens("80/tcp", Some("nowhere"));
    effects.unit_settings = unit_write(db, "lost").unit_settings;
    effects.state.insert("s".to_owned(), Some("lost".to_owned()));
    story.script("wiki/0", "config-changed", effects);
    story.trigger("wiki");
    assert_eq!(story.failure("wiki/0").unwrap(), "endpoint \"nowhere\" not found");
    assert_eq!((story.hooks("wiki/0").as_str(), story.hooks("db/0").as_str()), ("", ""));
    let snapshot = story.snapshot("wiki/0");
    assert!(snapshot.state.is_none());
    assert!(!snapshot.bags.iter().any(|bag| bag.settings.contains_key("k")));
    assert!(story.model().progress(&named("wiki/0")).unwrap().ports.is_empty());
}

/// Hook contract T47.
#[test]
fn t47_two_units_of_a_machine_do_not_open_the_same_port() {
    let mut story = Story::new();
    story.without_retries();
    story.deploy("wiki", 1);
    story.settle();
    let machine = story.model().unit(&named("wiki/0")).unwrap().machine;
    story.deploy_on("hub", vec![Placement::Machine(machine)]);
    story.settle();
    story.script("wiki/0", "config-changed", opens("80-90/tcp", None));
    story.trigger("wiki");
    assert_eq!(story.failure("wiki/0"), None);
    story.script("hub/0", "config-changed", opens("85/tcp", None));
    story.trigger("hub");
    assert_eq!(
        story.failure("hub/0").unwrap(),
        "cannot open 85/tcp (unit \"hub/0\"): port range conflicts with 80-90/tcp (unit \"wiki/0\")"
    );
}

/// Hook contract T51.
#[test]
fn t51_storage_that_a_charm_adds_is_attached_later_and_too_much_fails_its_hook() {
    let mut story = Story::new();
    story.without_retries();
    story.deploy("proxy", 1);
    story.settle();
    story.hooks("proxy/0");
    let add = |name: &str, count| Effects {
        add_storage: [(named(name), count)].into(),
        ..Effects::default()
    };
    story.script("proxy/0", "config-changed", add("cache", 2));
    story.trigger("proxy");
    assert_eq!(
        story.hooks("proxy/0"),
        "config-changed, cache-storage-attached cache/0, cache-storage-attached cache/1"
    );
    assert_eq!(story.model().table::<Storage>().len(), 2);
    // At most two of the other may be there.
    story.script("proxy/0", "config-changed", add("raw", 3));
    story.trigger("proxy");
    let failure = story.failure("proxy/0").unwrap();
    assert!(failure.contains("cannot add storage \"raw\""), "{failure}");
    assert_eq!(story.model().table::<Storage>().len(), 2, "nothing of it is made");
}

/// Hook contract T39, T59.
#[test]
fn t59_goal_state_tells_who_is_there_who_goes_and_what_is_related() {
    let mut story = Story::new();
    story.without_retries();
    story.deploy("db", 2);
    story.deploy("wiki", 2);
    story.deploy("hub", 1);
    story.deploy_on("logger", Vec::new());
    story.relate("wiki:db", "db:db");
    story.relate("logger:host", "wiki:juju-info");
    story.relate("logger:sink", "hub:logs");
    story.settle();
    story.world.scripts.of(story.model, &named("db/1"), "stop").fails = 1;
    let remove = ModelCommand::RemoveUnits {
        units: [named("db/1")].into(),
        destroy_storage: true,
        force: false,
    };
    story.tell(remove).unwrap();
    story.settle();
    let state = story.snapshot("wiki/0").goal_state.unwrap();
    let shape = |value: &serde_json::Value| -> String {
        let mut lines = Vec::new();
        for (name, entry) in value.as_object().unwrap() {
            let since = entry["since"].as_str().unwrap();
            let digits = since.replace(|c: char| c.is_ascii_digit(), "0");
            assert_eq!(digits, "0000-00-00 00:00:00Z", "{since}");
            lines.push(format!("{name} {}", entry["status"].as_str().unwrap()));
        }
        lines.join(", ")
    };
    assert_eq!(shape(&state["units"]), "wiki/0 unknown, wiki/1 unknown");
    let relations = state["relations"].as_object().unwrap();
    assert_eq!(shape(&relations["db"]), "db joined, db/0 unknown, db/1 dying");
    assert!(!relations.contains_key("cluster"), "peers are not listed: {relations:?}");
    // A principal sees its own subordinate and no other.
    assert_eq!(shape(&relations["juju-info"]), "logger joined, logger/0 unknown");
    // Who is no principal of theirs sees that they are related, and none of them.
    let hub = story.snapshot("hub/0").goal_state.unwrap();
    assert_eq!(shape(&hub["units"]), "hub/0 unknown");
    assert_eq!(shape(&hub["relations"]["logs"]), "logger joined");
    let alone = {
        let mut story = Story::new();
        story.deploy("hub", 1);
        story.settle();
        story.snapshot("hub/0").goal_state.unwrap()
    };
    assert_eq!(alone["relations"], serde_json::json!({}));
    // What `status-get` prints from, for the leader and the unit.
    let status = story.snapshot("db/0").status.unwrap();
    assert_eq!(status["unit"]["status"], "unknown");
    assert_eq!(status["application"]["status"], "error", "the worst of its units: {status}");
    assert_eq!(status["units"]["db/0"]["status"], "unknown");
    assert_eq!(status["units"].as_object().unwrap().len(), 2);
}

/// Hook contract C14.
#[test]
fn c14_a_charm_that_assumes_what_is_not_here_is_refused() {
    let mut story = Story::new();
    let mut add = |rest: &str| {
        let metadata = format!("name: wiki\nsummary: s\ndescription: d\n{rest}\n");
        let manifest = "bases: [{name: debian, channel: '12'}]".to_owned();
        let mut files = BTreeMap::from([("metadata.yaml".to_owned(), metadata.into_bytes())]);
        if rest.starts_with("assumes") {
            files.insert("manifest.yaml".to_owned(), manifest.into_bytes());
        }
        let charm = Charm::read(&files).unwrap();
        let asked = AddCharm { digest: digest(rest), size: 1, charm: Some(Box::new(charm)) };
        story.tell(ModelCommand::AddCharm(asked)).map_err(|refusal| refusal.to_string())
    };
    for (rest, said) in [
        ("assumes: [juju >= 99]", "juju >= 99"),
        ("assumes: [k8s-api]", "k8s-api"),
        ("assumes: [{all-of: [juju >= 3, k8s-api]}]", "k8s-api"),
        ("assumes: [juju < 3.6]", "juju < 3.6"),
        ("min-juju-version: 3.7.0", "3.7.0"),
    ] {
        let refused = add(rest).unwrap_err();
        assert!(refused.contains("charm \"wiki\"") && refused.contains(said), "{rest}: {refused}");
    }
    for fine in [
        "assumes: [juju >= 3.6]",
        "assumes: [{any-of: [k8s-api, juju >= 3.1]}]",
        "min-juju-version: 3.6.0",
    ] {
        add(fine).unwrap();
    }
}
