//! Sections 4.9, 4.14 and 4.18.

use std::time::Duration;

use super::*;

fn failed(hook: &str) -> Story {
    let mut story = Story::leader();
    story.fails.insert(hook.into());
    story.settle();
    story
}

/// Hook contract F03.
#[test]
fn f03_the_waits_double_up_to_five_minutes() {
    let waits: Vec<u64> =
        (1..=9).map(|n| u64::try_from(retry_delay(n, 500).as_millis()).unwrap()).collect();
    assert_eq!(waits[..5], [5000, 10_000, 20_000, 40_000, 80_000]);
    assert_eq!(waits[6..], [300_000, 300_000, 300_000]);
    assert_eq!(retry_delay(1, 0), Duration::from_millis(4850));
    assert_eq!(retry_delay(1, 1000), Duration::from_millis(5150));
    assert_eq!(retry_delay(u32::MAX, 1000), Duration::from_secs(309));
}

/// Hook contract F03.
#[test]
fn f03_a_failed_hook_runs_again_by_itself_and_counts() {
    let mut story = failed("install");
    let Next::Wait { until: Some(at), .. } = story.next() else { panic!() };
    assert_eq!(at, story.now + Duration::from_secs(5));
    story.now = at;
    story.fails.insert("install".into());
    assert_eq!(story.settle(), "install | hook `install` failed; it will run again");
    let Next::Wait { until: Some(at), .. } = story.next() else { panic!() };
    assert_eq!(at, story.now + Duration::from_secs(10));
    story.now = at;
    assert_eq!(story.settle(), "install, leader-elected, config-changed, start");
}

#[test]
fn r11_a_clock_that_was_set_back_does_not_hold_a_hook_for_years() {
    let mut story = failed("install");
    story.now = Timestamp(0);
    assert!(story.settle().starts_with("install, "));
}

/// Hook contract F04.
#[test]
fn f04_without_retries_it_waits_for_the_operator() {
    let mut story = Story::leader();
    story.settings.retry_hooks = false;
    story.fails.insert("install".into());
    assert!(story.settle().ends_with("install | hook `install` failed; waiting for `resolved`"));
    story.now = story.now + Duration::from_secs(100_000);
    assert_eq!(story.settle(), " | hook `install` failed; waiting for `resolved`");
}

/// Hook contract F05.
#[test]
fn f05_resolved_runs_it_again_at_once_about_the_same_unit() {
    let mut story = Story::started();
    story.settings.retry_hooks = false;
    story.relation(1, "db", Role::Requirer, &[("postgresql/0", 1)]);
    story.fails.insert("db-relation-joined".into());
    story.settle();
    story.resolve(true);
    story.fails.insert("db-relation-joined".into());
    assert_eq!(
        story.settle(),
        "[retry db-relation-joined], db-relation-joined postgresql/0 | hook `db-relation-joined` \
         failed; waiting for `resolved`"
    );
    // The old answer is not taken for one to the new failure.
    assert_eq!(story.settle(), " | hook `db-relation-joined` failed; waiting for `resolved`");
    story.resolve(true);
    assert!(story.settle().contains("db-relation-joined postgresql/0, db-relation-changed"));
}

/// Hook contract F06.
#[test]
fn f06_no_retry_counts_as_done_with_all_that_follows() {
    let mut story = failed("config-changed");
    story.resolve(false);
    assert_eq!(story.settle(), "[skip config-changed], start");
}

/// Hook contract F05, F06.
#[test]
fn f05_f06_an_answer_given_while_the_hook_runs_again_counts_when_it_fails_once_more() {
    for retry in [false, true] {
        let mut story = failed("config-changed");
        let Next::Wait { until: Some(at), .. } = story.next() else { panic!() };
        story.now = at;
        let inputs = Inputs::of(&story.goal, &story.seen);
        story.local.begin(muster_model::Hook::ConfigChanged, inputs);
        // The operator sees the first failure only, and the hook runs already.
        story.resolve(retry);
        story.local.failed("exit status 1");
        let expected = if retry {
            "[retry config-changed], config-changed, start"
        } else {
            "[skip config-changed], start"
        };
        assert_eq!(story.settle(), expected);
    }
}

/// Hook contract F09.
#[test]
fn f09_a_retry_that_is_terminated_keeps_its_place_in_the_row() {
    let mut story = failed("config-changed");
    let Next::Wait { until: Some(at), .. } = story.next() else { panic!() };
    story.now = at;
    let inputs = Inputs::of(&story.goal, &story.seen);
    story.local.begin(muster_model::Hook::ConfigChanged, inputs);
    story.resolve(false);
    story.local.terminated();
    assert_eq!(story.settle(), "[skip config-changed], start");
}

#[test]
fn an_answer_to_a_row_that_is_over_is_none_to_the_next() {
    let mut story = failed("config-changed");
    story.settings.retry_hooks = false;
    story.resolve(true);
    let answer = story.goal.resolve;
    story.settle();
    story.local.resolved = None;
    story.goal.trust = true;
    story.fails.insert("config-changed".into());
    story.settle();
    assert_eq!(story.goal.resolve, answer);
    assert_eq!(story.settle(), " | hook `config-changed` failed; waiting for `resolved`");
}

/// Hook contract F07.
#[test]
fn f07_in_error_other_hooks_wait_and_tasks_run() {
    let mut story = failed("config-changed");
    story.goal.trust = true;
    story.relation(1, "db", Role::Requirer, &[]);
    story.task(1, true);
    story.task(2, false);
    assert_eq!(
        story.settle(),
        "[task 1], [task 2] | hook `config-changed` failed; it will run again"
    );
}

/// Hook contract F08.
#[test]
fn f08_an_upgrade_waits_in_error_unless_it_is_forced() {
    let mut story = failed("config-changed");
    story.goal.charm = charm(1);
    assert!(story.settle().starts_with(" | hook"));
    story.goal.charm.forced = true;
    let done = story.settle();
    assert!(done.starts_with("[deploy local:wiki-1], config-changed, start"), "{done}");
    assert!(!done.contains("upgrade-charm"));
}

/// Hook contract F09.
#[test]
fn f09_a_hook_that_was_terminated_runs_again_and_nobody_is_told() {
    let mut story = Story::leader();
    story.until("install");
    let inputs = Inputs::of(&story.goal, &story.seen);
    story.local.begin(muster_model::Hook::Install, inputs);
    story.local.terminated();
    story.done.clear();
    assert_eq!(story.local.outstanding(), None);
    assert!(story.settle().starts_with("install, "));
}

/// Hook contract F10.
#[test]
fn f10_an_agent_killed_in_a_hook_finds_it_failed() {
    let mut story = Story::leader();
    story.until("install");
    let inputs = Inputs::of(&story.goal, &story.seen);
    story.local.begin(muster_model::Hook::Install, inputs);
    recover(&mut story.local);
    assert!(matches!(story.local.outstanding(), Some(StepReport::Failed { attempts: 1, .. })));
    story.done.clear();
    assert!(story.settle().ends_with("hook `install` failed; it will run again"));
}

/// Hook contract F11.
#[test]
fn f11_what_has_ended_is_reported_and_not_run_again() {
    let mut story = Story::leader();
    story.until("install");
    let inputs = Inputs::of(&story.goal, &story.seen);
    story.local.begin(muster_model::Hook::Install, inputs);
    story.local.ended(Effects::default());
    recover(&mut story.local);
    story.done.clear();
    assert!(!story.settle().contains("install"));
    assert!(story.local.flags.installed);
}

/// Hook contract F12.
#[test]
fn f12_a_refused_commit_fails_the_hook() {
    let mut story = Story::leader();
    story.until("install");
    let inputs = Inputs::of(&story.goal, &story.seen);
    story.local.begin(muster_model::Hook::Install, inputs);
    story.local.ended(Effects::default());
    story.local.refused("endpoint \"x\" not found");
    assert!(!story.local.flags.installed);
    let Some(StepReport::Failed { reason, .. }) = story.local.outstanding() else { panic!() };
    assert_eq!(reason, "endpoint \"x\" not found");
}

/// Hook contract F16.
#[test]
fn f16_a_failed_relation_hook_whose_relation_went_can_be_passed_over() {
    let mut story = Story::started();
    story.settings.retry_hooks = false;
    story.relation(1, "db", Role::Requirer, &[("postgresql/0", 1)]);
    story.fails.insert("db-relation-changed".into());
    story.settle();
    story.rel(1).life = Life::Dying;
    story.rel(1).members.clear();
    assert!(story.settle().starts_with(" | hook"));
    story.resolve(false);
    assert_eq!(
        story.settle(),
        "[skip db-relation-changed], db-relation-departed postgresql/0, db-relation-broken"
    );
}

/// Hook contract F17.
#[test]
fn f17_a_unit_in_error_stays_until_it_is_resolved() {
    let mut story = failed("config-changed");
    story.settings.retry_hooks = false;
    story.goal.life = Life::Dying;
    assert!(story.settle().starts_with(" | hook"));
    story.resolve(false);
    assert!(story.settle().contains("stop, remove, [leave]"));
}

/// Hook contract F18.
#[test]
fn f18_an_upgrade_that_cannot_be_written_waits_for_resolved() {
    let mut story = Story::started();
    story.goal.charm = charm(1);
    story.fails.insert("deploy".into());
    assert_eq!(story.settle(), "[deploy local:wiki-1] | upgrade failed: the disk is full");
    story.resolve(true);
    assert_eq!(story.settle(), "[deploy local:wiki-1], upgrade-charm, config-changed");
}

#[test]
fn f18_a_conflict_is_told_and_answered_each_time_that_it_comes_back() {
    let mut story = Story::started();
    story.goal.charm = charm(1);
    let mut told = 0;
    for _ in 0..3 {
        story.fails.insert("deploy".into());
        while story.step() {
            let outstanding = story.local.outstanding();
            told += u32::from(matches!(outstanding, Some(StepReport::NotDeployed { .. })));
        }
        assert!(matches!(story.next(), Next::Wait { reason: Reason::Conflict(_), until: None }));
        story.resolve(true);
    }
    assert_eq!(told, 3);
    story.done.clear();
    assert_eq!(story.settle(), "[deploy local:wiki-1], upgrade-charm, config-changed");
}

#[test]
fn f18_an_answer_to_an_earlier_failure_is_none_to_a_conflict() {
    let mut story = failed("config-changed");
    story.resolve(true);
    story.settle();
    story.local.resolved = None;
    story.done.clear();
    story.goal.charm = charm(1);
    story.fails.insert("deploy".into());
    assert_eq!(story.settle(), "[deploy local:wiki-1] | upgrade failed: the disk is full");
}

#[test]
fn f18_a_unit_that_leaves_in_a_conflict_waits_for_its_answer_and_goes_by_force() {
    let conflict = || {
        let mut story = Story::started();
        story.goal.charm = charm(1);
        story.fails.insert("deploy".into());
        story.settle();
        story.goal.life = Life::Dying;
        assert_eq!(story.settle(), " | upgrade failed: the disk is full");
        story
    };
    let mut story = conflict();
    story.resolve(true);
    assert!(story.settle().ends_with("stop, remove, [leave]"));
    let mut story = conflict();
    story.goal.force = true;
    assert_eq!(story.settle(), "[leave]");
}

#[test]
fn in_a_conflict_commands_run_and_a_failed_hook_is_kept_for_the_new_code() {
    let mut story = failed("config-changed");
    story.goal.charm = charm(1);
    story.goal.charm.forced = true;
    story.fails.insert("deploy".into());
    story.task(1, true);
    story.task(2, false);
    story.settle();
    story.goal.tasks.remove(0);
    assert_eq!(story.settle(), " | upgrade failed: the disk is full");
    story.task(3, false);
    assert_eq!(story.settle(), "[task 3] | upgrade failed: the disk is full");
    story.resolve(true);
    assert_eq!(story.settle(), "[deploy local:wiki-1], config-changed, start");
}

#[test]
fn a_first_charm_that_cannot_be_written_is_tried_again_and_gives_way_to_another() {
    let mut story = Story::leader();
    story.fails.insert("deploy".into());
    let waits = "cannot put the charm in place: the disk is full; it will be tried again";
    assert_eq!(story.settle(), format!("[deploy local:wiki-0] | {waits}"));
    story.now = story.now + Duration::from_secs(6);
    story.fails.insert("deploy".into());
    assert_eq!(story.settle(), format!("[deploy local:wiki-0] | {waits}"));
    story.resolve(true);
    story.fails.insert("deploy".into());
    assert_eq!(story.settle(), format!("[deploy local:wiki-0] | {waits}"));
    story.goal.charm = charm(1);
    assert!(story.settle().starts_with("[deploy local:wiki-1], install, "));
}

#[test]
fn a_unit_without_a_charm_leaves_whatever_its_first_deploy_came_to() {
    for begun in [false, true] {
        for force in [false, true] {
            let mut story = Story::leader();
            if begun {
                story.local.begin_deploy(charm(0), None);
            } else {
                story.fails.insert("deploy".into());
                story.settle();
            }
            story.goal.life = Life::Dying;
            story.goal.force = force;
            assert_eq!(story.settle(), "[leave]", "begun: {begun}, by force: {force}");
            assert_eq!(story.next(), Next::Gone);
        }
    }
}

#[test]
fn a_first_deploy_that_was_interrupted_takes_the_charm_that_is_wanted_by_now() {
    let mut story = Story::leader();
    story.local.begin_deploy(charm(0), None);
    story.goal.charm = charm(1);
    assert!(story.settle().starts_with("[deploy local:wiki-1], install, "));
}

#[test]
fn r12_no_hook_starts_on_a_full_disk_but_commands_run_and_who_has_to_go_goes() {
    let mut story = Story::started();
    story.seen.full = Some("1 MiB is free".into());
    story.goal.trust = true;
    story.goal.charm = charm(1);
    story.task(1, false);
    assert_eq!(story.settle(), "[task 1] | the disk is full: 1 MiB is free");
    let Next::Wait { until: Some(at), .. } = story.next() else { panic!() };
    assert!(at > story.now);
    story.seen.full = None;
    assert_eq!(story.settle(), "[deploy local:wiki-1], upgrade-charm, config-changed");
    story.seen.full = Some("1 MiB is free".into());
    story.goal.life = Life::Dying;
    assert_eq!(story.settle(), "[resign] | the disk is full: 1 MiB is free");
    story.goal.force = true;
    assert_eq!(story.settle(), "[leave]");
}

#[test]
fn a_journal_from_before_conflicts_were_told_tries_again() {
    let mut story = Story::started();
    let text = serde_json::to_string(&charm(1)).unwrap();
    let old = format!("{{\"deploying\":{{\"charm\":{text},\"conflict\":\"full\"}}}}");
    story.local.progress = serde_json::from_str(&old).unwrap();
    story.goal.charm = charm(1);
    assert_eq!(story.settle(), "[deploy local:wiki-1], upgrade-charm, config-changed");
}

#[test]
fn f18_a_conflict_also_gives_way_to_another_charm_that_is_forced() {
    let mut story = Story::started();
    story.goal.charm = charm(1);
    story.fails.insert("deploy".into());
    story.settle();
    story.goal.charm = charm(0);
    assert_eq!(story.settle(), " | upgrade failed: the disk is full");
    story.goal.charm.forced = true;
    assert_eq!(story.settle(), "[deploy local:wiki-0], upgrade-charm, config-changed");
}

/// Hook contract A08.
#[test]
fn a08_an_action_that_was_interrupted_has_failed_and_the_hook_state_goes_on() {
    let mut story = failed("config-changed");
    story.task(1, true);
    story.local.task = Some(TaskProgress::Running(TaskId(1)));
    recover(&mut story.local);
    let Some(StepReport::Task { outcome, .. }) = story.local.outstanding() else { panic!() };
    assert_eq!((outcome.state, outcome.message.as_str()), (TaskState::Failed, "action terminated"));
    assert_eq!(story.settle(), " | hook `config-changed` failed; it will run again");
}

#[test]
fn a_refused_commit_of_an_action_says_so_in_its_result() {
    let mut story = Story::started();
    story.task(1, true);
    story.step();
    story.local.refused("limit");
    let Some(StepReport::Task { outcome, effects, .. }) = story.local.outstanding() else {
        panic!()
    };
    assert!(effects.is_empty());
    assert_eq!(outcome.state, TaskState::Failed);
    assert_eq!(outcome.message, "committing requested changes failed");
    assert_eq!(outcome.results["stderr"], "limit");
    assert_eq!(outcome.results["return-code"], 1);
}

#[test]
fn an_outcome_that_is_refused_again_and_again_is_dropped() {
    let mut story = Story::started();
    story.task(1, true);
    story.step();
    story.done.clear();
    story.local.refused("limit");
    assert!(story.local.outstanding().is_some(), "told once more, as a failure");
    story.local.refused("limit");
    assert_eq!(story.local.outstanding(), None);
    assert!(story.local.tasks_done.contains(&TaskId(1)));
    assert_eq!(story.settle(), "");
}
