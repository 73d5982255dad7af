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
fn l32_an_install_that_waits_its_turn_is_skipped_with_whatever_was_mounted_for_it() {
    for queued in [false, true] {
        let mut story = Story::leader();
        story.storage("data/0");
        story.until("install");
        if queued {
            let inputs = Inputs::of(&story.goal, &story.seen);
            story.local.begin(muster_model::Hook::Install, inputs);
            story.local.terminated();
        }
        story.done.clear();
        story.goal.life = Life::Dying;
        assert_eq!(story.settle(), "[leave]", "queued: {queued}");
    }
}

#[test]
fn r14_storage_is_mounted_again_before_a_leaving_unit_lets_go_of_it() {
    let mut story = settled();
    story.goal.life = Life::Dying;
    story.seen = Seen { boot: "boot-2".into(), ..Seen::default() };
    story.fails.insert("mount".into());
    assert_eq!(story.settle(), "[mount data/0] | storage data/0: no loop device is free");
    story.now = story.now + std::time::Duration::from_secs(11);
    let done = story.settle();
    assert!(
        done.starts_with(
            "[mount data/0], [resign], data-storage-detaching data/0, [unmount data/0]"
        ),
        "{done}"
    );
    // Once it was let go of, nothing mounts it any more.
    let mut story = settled();
    story.goal.life = Life::Dying;
    story.until("stop");
    story.done.clear();
    recover(&mut story.local);
    story.seen = Seen { boot: "boot-2".into(), ..Seen::default() };
    assert_eq!(story.settle(), "stop, remove, [leave]");
}

#[test]
fn r14_storage_that_goes_alone_is_mounted_again_too() {
    let mut story = settled();
    story.goal.storage.values_mut().next().unwrap().life = Life::Dying;
    story.seen = Seen { boot: "boot-1".into(), leads: true, ..Seen::default() };
    assert_eq!(story.settle(), "[mount data/0], data-storage-detaching data/0, [unmount data/0]");
}

#[test]
fn r14_storage_that_was_given_back_and_cannot_be_mounted_can_be_taken_once_more() {
    let mut story = settled();
    let live = |story: &mut Story, life| {
        story.goal.storage.values_mut().for_each(|storage| storage.life = life);
    };
    live(&mut story, Life::Dying);
    assert_eq!(story.settle(), "data-storage-detaching data/0, [unmount data/0]");
    // Given back before the next report, when the journal still knows of the first time.
    live(&mut story, Life::Alive);
    story.fails.insert("mount".into());
    assert_eq!(story.settle(), "[mount data/0] | storage data/0: no loop device is free");
    live(&mut story, Life::Dying);
    story.now = story.now + std::time::Duration::from_secs(11);
    assert_eq!(story.settle(), "[unmount data/0]");
    // And what was mounted again, and never attached, is known to be there when the unit goes.
    live(&mut story, Life::Alive);
    story.until("data-storage-attached data/0");
    assert!(story.local.storage.values().all(|local| local.made && !local.released));
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
fn r7_who_is_listed_nowhere_only_tells_what_was_done_and_goes_on_leaving() {
    let mut story = settled();
    assert_eq!(parked(&story.local), None);
    let inputs = Inputs::of(&story.goal, &story.seen);
    story.local.pass_over(muster_model::Hook::UpdateStatus, inputs);
    assert!(matches!(parked(&story.local), Some(Next::Run(Step::Report(_)))));
    story.local.progress = Progress::Leaving;
    assert_eq!(parked(&story.local), Some(Next::Run(Step::Leave)));
    story.local.progress = Progress::Left;
    assert_eq!(parked(&story.local), Some(Next::Run(Step::Report(StepReport::Gone))));
    story.local.progress = Progress::Gone;
    assert_eq!(parked(&story.local), Some(Next::Gone));
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
