//! What secrets ask (hook contract, sections 4.12 and 7.8).

use muster_model::goal::{ChangedSecret, ManagedSecret};
use muster_model::secret::SecretId;

use super::*;

const ID: &str = "9m4e2mr0ui3e8a215n4g";

fn id() -> SecretId {
    ID.parse().unwrap()
}

impl Story {
    /// A secret that the unit reads has this revision, and it tracks an older one.
    fn newer(&mut self, newest: u32) {
        let changed = ChangedSecret { label: "theirs".into(), newest };
        self.goal.secrets.changed.insert(id(), changed);
    }

    /// A secret that the application owns; the unit leads it.
    fn managed(&mut self) -> &mut ManagedSecret {
        let managed = ManagedSecret {
            label: "ours".into(),
            leader: true,
            rotate_at: None,
            expire_at: Default::default(),
            obsolete: Default::default(),
        };
        self.goal.secrets.managed.entry(id()).or_insert(managed)
    }

    fn later(&mut self, seconds: u64) {
        self.now = self.now + std::time::Duration::from_secs(seconds);
    }
}

/// Hook contract S04.
#[test]
fn a_newer_revision_is_told_once() {
    let mut story = Story::started();
    story.newer(2);
    assert_eq!(story.settle(), format!("secret-changed secret:{ID}"));
    assert_eq!(story.settle(), "");
    story.newer(3);
    assert_eq!(story.settle(), format!("secret-changed secret:{ID}"));
    // The unit has taken the newest; the next is told again.
    story.goal.secrets.changed.clear();
    let goal = story.goal.clone();
    story.local.prune(&goal);
    assert!(story.local.secrets.is_empty());
    story.newer(4);
    assert_eq!(story.settle(), format!("secret-changed secret:{ID}"));
}

/// Hook contract S10.
#[test]
fn a_revision_without_readers_is_told_once_each() {
    let mut story = Story::started();
    story.managed().obsolete = [1, 2].into();
    assert_eq!(story.settle(), format!("secret-remove secret:{ID}/1, secret-remove secret:{ID}/2"));
    story.managed().obsolete = [2, 3].into();
    assert_eq!(story.settle(), format!("secret-remove secret:{ID}/3"));
    let goal = story.goal.clone();
    story.local.prune(&goal);
    assert_eq!(story.settle(), "");
}

/// Hook contract S11.
#[test]
fn a_rotation_is_due_at_its_time_and_again_when_there_is_another() {
    let mut story = Story::started();
    let due = story.now + std::time::Duration::from_secs(3600);
    story.managed().rotate_at = Some(due);
    assert_eq!(story.settle(), "");
    let Next::Idle { until } = story.next() else { panic!("it rests") };
    assert_eq!(until, Some(due), "it wakes when the rotation is due");
    story.later(3600);
    assert_eq!(story.settle(), format!("secret-rotate secret:{ID}"));
    // A goal from before the commit says the same: it was answered.
    assert_eq!(story.settle(), "");
    let again = story.now + std::time::Duration::from_secs(300);
    story.managed().rotate_at = Some(again);
    story.later(299);
    assert_eq!(story.settle(), "");
    story.later(1);
    assert_eq!(story.settle(), format!("secret-rotate secret:{ID}"));
}

/// Hook contract S12.
#[test]
fn a_revision_that_has_expired_is_told_until_it_is_gone() {
    let mut story = Story::started();
    let due = story.now;
    story.managed().expire_at = [(1, due)].into();
    assert_eq!(story.settle(), format!("secret-expired secret:{ID}/1"));
    assert_eq!(story.settle(), "");
    story.later(300);
    let again = story.now;
    story.managed().expire_at = [(1, again)].into();
    assert_eq!(story.settle(), format!("secret-expired secret:{ID}/1"));
    story.goal.secrets.managed.clear();
    assert_eq!(story.settle(), "");
}

#[test]
fn the_order_is_expired_rotate_changed_remove() {
    let mut story = Story::started();
    let now = story.now;
    story.newer(2);
    let managed = story.managed();
    managed.obsolete = [1].into();
    managed.rotate_at = Some(now);
    managed.expire_at = [(2, now)].into();
    assert_eq!(
        story.settle(),
        format!(
            "secret-expired secret:{ID}/2, secret-rotate secret:{ID}, \
             secret-changed secret:{ID}, secret-remove secret:{ID}/1"
        )
    );
}

#[test]
fn nothing_is_told_before_install_in_error_or_while_leaving() {
    let mut story = Story::leader();
    story.newer(2);
    assert!(story.settle().starts_with("[deploy local:wiki-0], install, leader-elected"));
    let mut story = Story::started();
    story.fails.insert("config-changed".into());
    story.goal.trust = true;
    story.newer(2);
    story.settings.retry_hooks = false;
    // What is due comes before the configuration; what comes due in error waits.
    assert_eq!(
        story.settle(),
        format!(
            "secret-changed secret:{ID}, config-changed | hook `config-changed` failed; waiting for `resolved`"
        )
    );
    story.newer(3);
    assert!(story.settle().starts_with(" | hook"));
    let mut story = Story::started();
    story.goal.life = Life::Dying;
    story.newer(2);
    assert!(!story.settle().contains("secret"));
}

#[test]
fn what_is_asked_of_the_leader_is_not_run_by_who_leads_no_more() {
    let mut story = Story::started();
    let now = story.now;
    story.managed().rotate_at = Some(now);
    // Without a lease nothing begins.
    story.seen.leads = false;
    assert_eq!(story.settle(), "");
    story.seen.leads = true;
    story.fails.insert("secret-rotate".into());
    story.settings.retry_hooks = false;
    assert!(story.settle().starts_with(&format!("secret-rotate secret:{ID} | hook")));
    // A failed one is dropped with the lead.
    story.goal.leader = false;
    story.seen.leads = false;
    story.goal.secrets.managed.clear();
    let played = story.settle();
    assert!(played.starts_with("[pass over secret-rotate]"), "{played}");
}
