//! Storage that goes where its hook cannot run (R14).

use std::time::Duration;

use super::*;

fn with_storage() -> Story {
    let mut story = Story::leader();
    story.settings.retry_hooks = false;
    story.storage("data/0");
    story.settle();
    story
}

#[test]
fn r14_storage_whose_data_is_gone_goes_by_force_and_holds_nothing_up() {
    for leaving in [false, true] {
        let mut story = with_storage();
        story.detach(true);
        if leaving {
            story.goal.life = Life::Dying;
        }
        story.seen = Seen { boot: "boot-1".into(), leads: !leaving, ..Seen::default() };
        story.goal.leader = !leaving;
        story.fails.insert("mount".into());
        let tried = story.settle();
        assert!(tried.starts_with("[mount data/0]"), "{tried}");
        story.now = story.now + Duration::from_secs(11);
        let done = tried + &story.settle();
        assert!(!done.contains("detaching"), "{done}");
        // What a unit leaves with it takes down at the end.
        assert_eq!(done.contains("[unmount data/0]"), !leaving, "{done}");
        assert_eq!(done.contains("[leave]"), leaving, "{done}");
    }
}

#[test]
fn by_force_storage_goes_after_its_hook_where_that_can_run() {
    let mut story = with_storage();
    story.detach(true);
    assert_eq!(story.settle(), "data-storage-detaching data/0, [unmount data/0]");
}

#[test]
fn by_force_storage_goes_from_a_unit_in_error() {
    let mut story = with_storage();
    story.goal.trust = true;
    story.fails.insert("config-changed".into());
    story.settle();
    story.detach(true);
    let waits = "hook `config-changed` failed; waiting for `resolved`";
    assert_eq!(story.settle(), format!("[unmount data/0] | {waits}"));
    // Given back, it is attached as any.
    story.goal.storage.values_mut().for_each(|storage| storage.life = Life::Alive);
    story.resolve(true);
    assert!(story.settle().contains("data-storage-attached data/0"));
}

#[test]
fn by_force_a_hook_that_failed_about_the_storage_counts_as_done() {
    let mut story = with_storage();
    story.detach(false);
    story.fails.insert("data-storage-detaching".into());
    assert_eq!(
        story.settle(),
        "data-storage-detaching data/0 | hook `data-storage-detaching` failed; waiting for `resolved`"
    );
    story.detach(true);
    assert_eq!(story.settle(), "[pass over data-storage-detaching], [unmount data/0]");
}

#[test]
fn a_mount_that_is_busy_is_tried_again_whatever_else_is_waited_for() {
    let mut story = with_storage();
    story.goal.trust = true;
    story.fails.insert("config-changed".into());
    story.settle();
    story.detach(true);
    let at = story.now + Duration::from_secs(10);
    let busy = StorageSeen::Trouble("it is in use".into(), at);
    story.seen.storage.insert("data/0".parse().unwrap(), busy);
    let Next::Wait { until, .. } = story.next() else { panic!("{:?}", story.next()) };
    assert_eq!(until, Some(at));
    story.now = at;
    assert!(story.settle().starts_with("[unmount data/0]"));
}
