//! Section 4.17.

use super::*;

fn settled() -> Story {
    let mut story = Story::leader();
    story.storage("data/0");
    story.relation(1, "ring", Role::Peer, &[("wiki/1", 1)]);
    story.relation(2, "db", Role::Requirer, &[("postgresql/0", 1)]);
    story.settle();
    story
}

#[test]
fn l11_a_unit_leaves_in_order() {
    let mut story = settled();
    story.goal.life = Life::Dying;
    assert_eq!(
        story.settle(),
        "[resign], data-storage-detaching data/0, [unmount data/0], \
         db-relation-departed postgresql/0, db-relation-broken, ring-relation-departed wiki/1, \
         stop, remove, [leave]"
    );
    assert_eq!(story.next(), Next::Gone);
}

#[test]
fn l12_peers_depart_last_and_never_break() {
    let mut story = settled();
    story.goal.life = Life::Dying;
    let done = story.settle();
    assert!(!done.contains("ring-relation-broken"));
    assert!(done.find("db-relation-broken") < done.find("ring-relation-departed"));
}

#[test]
fn l28_a_unit_waits_for_its_subordinates() {
    let mut story = settled();
    story.goal.life = Life::Dying;
    story.goal.subordinates.insert("logger/0".parse().unwrap());
    assert!(story.settle().ends_with("stop, remove | logger/0 is still there"));
    story.goal.subordinates.clear();
    assert_eq!(story.settle(), "[leave]");
}

#[test]
fn l32_a_unit_that_was_never_installed_runs_nothing() {
    let mut story = Story::leader();
    story.until("install");
    story.done.clear();
    story.goal.life = Life::Dying;
    assert_eq!(story.settle(), "[leave]");
}

#[test]
fn installed_but_not_started_there_is_no_stop() {
    let mut story = Story::leader();
    story.until("config-changed");
    story.done.clear();
    story.goal.life = Life::Dying;
    assert_eq!(story.settle(), "[resign], remove, [leave]");
}

#[test]
fn while_leaving_there_is_no_config_no_upgrade_no_relation_and_no_tick() {
    let mut story = settled();
    story.goal.life = Life::Dying;
    story.goal.trust = true;
    story.goal.charm = charm(3);
    story.goal.leader_settings = Version(9);
    story.relation(3, "db", Role::Requirer, &[("postgresql/0", 1)]);
    story.rel(3).in_scope = false;
    story.seen.tick = Some(Timestamp(0));
    story.task(1, true);
    let done = story.settle();
    assert!(done.contains("[task 1]"), "{done}");
    for never in ["config-changed", "upgrade-charm", "created", "update-status", "leader-"] {
        assert!(!done.contains(never), "{never} in {done}");
    }
}

#[test]
fn by_force_no_hook_runs_and_everything_goes() {
    let mut story = settled();
    story.fails.insert("config-changed".into());
    story.goal.trust = true;
    story.settle();
    story.goal.life = Life::Dying;
    story.goal.force = true;
    assert_eq!(story.settle(), "[leave]");
}
