//! Section 4.4 in its plain cases.

use super::*;

/// Hook contract L01.
#[test]
fn l01_a_leader_is_deployed_with_storage_a_peer_and_a_relation() {
    let mut story = Story::leader();
    story.storage("data/0");
    story.storage("data/1");
    story.relation(1, "ring", Role::Peer, &[]);
    story.relation(2, "db", Role::Requirer, &[("postgresql/0", 1)]);
    assert_eq!(
        story.settle(),
        "[deploy local:wiki-0], [mount data/0], [mount data/1], data-storage-attached data/0, \
         data-storage-attached data/1, install, ring-relation-created, db-relation-created, \
         leader-elected, config-changed, start, db-relation-joined postgresql/0, \
         db-relation-changed postgresql/0"
    );
}

/// Hook contract L02.
#[test]
fn l02_a_follower_hears_of_the_leaders_settings_instead() {
    let mut story = Story::new();
    assert_eq!(
        story.settle(),
        "[deploy local:wiki-0], install, leader-settings-changed, config-changed, start"
    );
}

/// Hook contract L03.
#[test]
fn l03_install_waits_for_storage() {
    let mut story = Story::leader();
    story.storage("data/0");
    story.fails.insert("mount".into());
    assert_eq!(
        story.settle(),
        "[deploy local:wiki-0], [mount data/0] | storage data/0: no loop device is free"
    );
    story.now = story.now + std::time::Duration::from_secs(11);
    assert!(story.settle().starts_with("[mount data/0], data-storage-attached data/0, install"));
}

/// Hook contract L05.
#[test]
fn l05_nothing_comes_between_the_first_config_changed_and_start_but_a_command() {
    let mut story = Story::leader();
    story.until("start");
    story.relation(1, "db", Role::Requirer, &[]);
    story.goal.trust = true;
    story.task(1, true);
    story.task(2, false);
    story.done.clear();
    // A command may come between; an action, a relation and another change may not.
    assert_eq!(story.settle(), "[task 2], start, db-relation-created, [task 1], config-changed");
}

/// Hook contract L16.
#[test]
fn l16_a_config_that_is_the_same_runs_nothing_and_many_changes_run_one_hook() {
    let mut story = Story::started();
    assert_eq!(story.settle(), "");
    let option = |text: &str| muster_charms::OptionValue::String(text.into());
    story.goal.config.insert("a".parse().unwrap(), option("1"));
    story.goal.config.insert("a".parse().unwrap(), option("2"));
    assert_eq!(story.settle(), "config-changed");
    story.goal.config.insert("a".parse().unwrap(), option("3"));
    story.goal.config.insert("a".parse().unwrap(), option("2"));
    assert_eq!(story.settle(), "");
    // A text is not the number that it looks like.
    story.goal.config.insert("a".parse().unwrap(), muster_charms::OptionValue::Int(2));
    assert_eq!(story.settle(), "config-changed");
}

/// Hook contract L17, L18.
#[test]
fn l17_trust_and_l18_addresses_and_bindings_change_the_configuration() {
    let mut story = Story::started();
    story.goal.trust = true;
    assert_eq!(story.settle(), "config-changed");
    story.goal.bindings.insert("db".parse().unwrap(), "alpha".into());
    assert_eq!(story.settle(), "config-changed");
    story.seen.addresses.push(muster_model::record::Address {
        value: "10.0.0.5".parse().unwrap(),
        cidr: "10.0.0.0/24".into(),
        interface: "eth0".into(),
        mac: String::new(),
    });
    assert_eq!(story.settle(), "config-changed");
}

/// Hook contract L19.
#[test]
fn l19_an_upgrade_runs_two_hooks_and_no_start() {
    let mut story = Story::started();
    story.goal.charm = charm(1);
    assert_eq!(story.settle(), "[deploy local:wiki-1], upgrade-charm, config-changed");
}

/// Hook contract L20.
#[test]
fn l20_a_new_resource_is_an_upgrade() {
    let mut story = Story::started();
    story.goal.charm.modified = 7;
    assert_eq!(story.settle(), "[deploy local:wiki-0], upgrade-charm, config-changed");
}

/// Hook contract L21.
#[test]
fn l21_a_boot_runs_start_first_and_nothing_else() {
    let mut story = Story::started();
    story.seen = Seen { boot: "boot-2".into(), leads: true, ..Seen::default() };
    assert_eq!(story.settle(), "start");
    story.seen.boot = "boot-3".into();
    story.goal.trust = true;
    story.goal.charm = charm(1);
    assert!(story.settle().starts_with("start, [deploy local:wiki-1]"));
}

#[test]
fn a_boot_mounts_before_it_starts() {
    let mut story = Story::leader();
    story.storage("data/0");
    story.settle();
    story.seen = Seen { boot: "boot-2".into(), leads: true, ..Seen::default() };
    story.fails.insert("mount".into());
    assert_eq!(story.settle(), "[mount data/0] | storage data/0: no loop device is free");
    story.now = story.now + std::time::Duration::from_secs(11);
    assert_eq!(story.settle(), "[mount data/0], start");
}

#[test]
fn a_boot_before_the_first_start_adds_nothing() {
    let mut story = Story::leader();
    story.until("start");
    story.done.clear();
    story.seen.boot = "boot-2".into();
    assert_eq!(story.settle(), "start");
}

/// Hook contract L22.
#[test]
fn l22_an_agent_that_starts_again_runs_nothing_but_a_followers_settings() {
    let mut leader = Story::started();
    recover(&mut leader.local);
    leader.seen = Seen { boot: "boot-1".into(), leads: true, ..Seen::default() };
    assert_eq!(leader.settle(), "");
    let mut follower = Story::new();
    follower.settle();
    recover(&mut follower.local);
    follower.seen = Seen { boot: "boot-1".into(), ..Seen::default() };
    assert_eq!(follower.settle(), "leader-settings-changed");
}

/// Hook contract L23.
#[test]
fn l23_the_interval_is_spread_by_a_fifth() {
    let minutes = |number: u64| std::time::Duration::from_secs(60 * number);
    assert_eq!(tick_delay(minutes(5), 0), minutes(4));
    assert_eq!(tick_delay(minutes(5), 500), minutes(5));
    assert_eq!(tick_delay(minutes(5), 1000), minutes(6));
    assert_eq!(tick_delay(minutes(60), u16::MAX), minutes(72));
    let waits: Vec<_> = (0..=1000).map(|jitter| tick_delay(minutes(5), jitter)).collect();
    assert!(waits.is_sorted() && waits.iter().all(|wait| (minutes(4)..=minutes(6)).contains(wait)));
}

/// Hook contract L23.
#[test]
fn l23_update_status_comes_last_and_never_before_start() {
    let mut story = Story::leader();
    story.seen.tick = Some(Timestamp(0));
    assert!(story.settle().ends_with("config-changed, start, update-status"));
    story.seen.tick = Some(story.now + std::time::Duration::from_secs(60));
    assert_eq!(story.next(), Next::Idle { until: story.seen.tick });
    story.seen.tick = Some(story.now);
    story.goal.trust = true;
    assert_eq!(story.settle(), "config-changed, update-status");
    story.seen.tick = Some(story.now);
    story.goal.trust = false;
    story.fails.insert("config-changed".into());
    assert!(story.settle().starts_with("config-changed | hook"));
}

/// Hook contract L26.
#[test]
fn l26_who_loses_the_lead_hears_of_the_settings_and_who_wins_it_is_elected() {
    let mut story = Story::started();
    story.goal.leader = false;
    story.seen.leads = false;
    assert_eq!(story.settle(), "[resign], leader-settings-changed");
    story.goal.leader_settings = Version(4);
    assert_eq!(story.settle(), "leader-settings-changed");
    story.goal.leader = true;
    assert_eq!(story.settle(), "", "the records say so, the lease does not");
    story.seen.leads = true;
    assert_eq!(story.settle(), "leader-elected");
    story.goal.leader_settings = Version(5);
    assert_eq!(story.settle(), "", "a leader never hears of its own settings");
}

#[test]
fn l26_a_leader_elected_that_waits_or_failed_is_dropped_with_the_lead() {
    let inputs = |story: &Story| Inputs::of(&story.goal, &story.seen);
    let mut terminated = Story::leader();
    terminated.until("leader-elected");
    terminated.local.begin(muster_model::Hook::LeaderElected, inputs(&terminated));
    terminated.local.terminated();
    let mut failed = Story::leader();
    failed.fails.insert("leader-elected".into());
    failed.settle();
    for mut story in [terminated, failed] {
        story.done.clear();
        story.seen.leads = false;
        story.now = story.now + std::time::Duration::from_secs(6);
        assert_eq!(story.settle(), " | the controller to confirm that it leads");
        story.goal.leader = false;
        assert_eq!(
            story.settle(),
            "[pass over leader-elected], [resign], leader-settings-changed, config-changed, start"
        );
    }
}

#[test]
fn a_leader_elected_that_failed_is_dropped_when_the_unit_is_to_leave() {
    let mut story = Story::leader();
    story.fails.insert("leader-elected".into());
    story.settle();
    story.goal.life = Life::Dying;
    assert_eq!(story.settle(), "[pass over leader-elected], [resign], remove, [leave]");
}

/// Hook contract L34.
#[test]
fn l34_storage_comes_and_goes_later_without_holding_anything_up() {
    let mut story = Story::started();
    story.storage("data/0");
    story.goal.trust = true;
    story.fails.insert("mount".into());
    assert_eq!(
        story.settle(),
        "[mount data/0], config-changed | storage data/0: no loop device is free"
    );
    story.now = story.now + std::time::Duration::from_secs(11);
    assert_eq!(story.settle(), "[mount data/0], data-storage-attached data/0");
    story.goal.storage.values_mut().next().unwrap().life = Life::Dying;
    assert_eq!(story.settle(), "data-storage-detaching data/0, [unmount data/0]");
    story.goal.storage.clear();
    assert_eq!(story.settle(), "");
}

#[test]
fn storage_that_never_was_attached_goes_without_a_hook() {
    let mut story = Story::started();
    story.storage("data/0");
    story.step();
    story.done.clear();
    story.goal.storage.values_mut().next().unwrap().life = Life::Dying;
    assert_eq!(story.settle(), "[unmount data/0]");
}

/// Hook contract L36.
#[test]
fn l36_a_peer_that_an_upgrade_brings_is_created_after_its_hooks() {
    let mut story = Story::started();
    story.seen.endpoints = Some(BTreeSet::new());
    story.relation(1, "ring", Role::Peer, &[]);
    assert_eq!(story.settle(), "", "the charm on disk does not know the endpoint");
    story.goal.charm = charm(1);
    story.until("upgrade-charm");
    story.seen.endpoints = Some(["ring".parse().unwrap()].into());
    story.done.clear();
    assert_eq!(story.settle(), "upgrade-charm, config-changed, ring-relation-created");
}

/// Hook contract L38.
#[test]
fn l38_created_waits_until_the_controller_has_taken_the_unit_in() {
    let mut story = Story::started();
    story.relation(1, "db", Role::Requirer, &[]);
    story.rel(1).in_scope = false;
    assert_eq!(story.settle(), " | entering the relation of db");
    story.rel(1).in_scope = true;
    assert_eq!(story.settle(), "db-relation-created");
}

#[test]
fn a_task_is_run_once_in_its_order_and_a_cancelled_one_not_at_all() {
    let mut story = Story::started();
    story.task(4, true);
    story.task(3, false);
    story.task(5, true);
    story.goal.tasks[2].cancel = true;
    assert_eq!(story.settle(), "[task 4], [task 3], [cancel task 5]");
    assert_eq!(story.settle(), "", "the goal may list them for a while");
    story.goal.tasks.clear();
    story.local.prune(&story.goal.clone());
    assert!(story.local.tasks_done.is_empty());
}
