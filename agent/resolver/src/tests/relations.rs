//! Section 4.5.

use super::*;

fn related() -> Story {
    let mut story = Story::started();
    story.relation(1, "db", Role::Requirer, &[("postgresql/0", 1), ("postgresql/1", 1)]);
    story
}

/// Hook contract L06.
#[test]
fn l06_joined_is_followed_by_changed_for_the_same_unit() {
    assert_eq!(
        related().settle(),
        "db-relation-created, db-relation-joined postgresql/0, db-relation-changed postgresql/0, \
         db-relation-joined postgresql/1, db-relation-changed postgresql/1"
    );
}

/// Hook contract L07.
#[test]
fn l07_created_runs_once_with_nobody_there() {
    let mut story = Story::started();
    story.relation(1, "db", Role::Requirer, &[]);
    assert_eq!(story.settle(), "db-relation-created");
    assert_eq!(story.settle(), "");
}

/// Hook contract L08.
#[test]
fn l08_a_write_is_seen_once_and_l09_none_is_seen_for_no_change() {
    let mut story = related();
    story.settle();
    let member = "postgresql/0".parse().unwrap();
    story.rel(1).members.insert("postgresql/0".parse().unwrap(), Version(5));
    assert_eq!(story.settle(), "db-relation-changed postgresql/0");
    assert_eq!(story.local.relations[&RelationId(1)].members[&member], Version(5));
    assert_eq!(story.settle(), "");
}

/// Hook contract L10.
#[test]
fn l10_a_removed_relation_departs_from_each_and_breaks() {
    let mut story = related();
    story.settle();
    story.rel(1).life = Life::Dying;
    assert_eq!(
        story.settle(),
        "db-relation-departed postgresql/0, db-relation-departed postgresql/1, db-relation-broken"
    );
    assert_eq!(story.settle(), "");
    story.goal.relations.clear();
    story.local.prune(&story.goal.clone());
    assert!(story.local.relations.is_empty());
}

/// Hook contract L13.
#[test]
fn l13_the_applications_own_bag_has_a_hook_without_a_unit() {
    let mut story = Story::started();
    story.relation(1, "db", Role::Requirer, &[("postgresql/0", 1)]);
    story.rel(1).remote_application_version = Version(1);
    assert_eq!(
        story.settle(),
        "db-relation-created, db-relation-changed, db-relation-joined postgresql/0, \
         db-relation-changed postgresql/0"
    );
    story.rel(1).remote_application_version = Version(2);
    assert_eq!(story.settle(), "db-relation-changed");
}

/// Hook contract L14.
#[test]
fn l14_peers_hear_of_their_own_applications_bag_and_come_last() {
    let mut story = Story::started();
    story.relation(1, "ring", Role::Peer, &[("wiki/1", 1)]);
    story.relation(2, "db", Role::Requirer, &[("postgresql/0", 1)]);
    story.rel(1).remote_application_version = Version(1);
    assert_eq!(
        story.settle(),
        "ring-relation-created, db-relation-created, db-relation-joined postgresql/0, \
         db-relation-changed postgresql/0, ring-relation-changed, ring-relation-joined wiki/1, \
         ring-relation-changed wiki/1"
    );
}

/// Hook contract L37.
#[test]
fn l37_a_unit_that_came_and_went_leaves_no_lone_departed() {
    let mut story = related();
    story.until("db-relation-joined postgresql/0");
    story.done.clear();
    story.rel(1).members.clear();
    assert_eq!(story.settle(), "");
    let mut story = related();
    story.until("db-relation-changed postgresql/0");
    story.done.clear();
    story.rel(1).members.clear();
    assert_eq!(
        story.settle(),
        "db-relation-changed postgresql/0, db-relation-departed postgresql/0"
    );
}

/// Hook contract E12.
#[test]
fn e12_who_departs_is_the_remote_unit_or_oneself() {
    let departing = |story: &Story| match story.next() {
        Next::Run(Step::Hook(muster_model::Hook::Relation(hook))) => {
            hook.departing_unit.unwrap().to_string()
        }
        other => panic!("{other:?}"),
    };
    let mut story = related();
    story.settle();
    let mut other = related();
    other.settle();
    story.rel(1).members.remove(&"postgresql/1".parse().unwrap());
    assert_eq!(departing(&story), "postgresql/1");
    other.goal.life = Life::Dying;
    other.until("db-relation-departed postgresql/0");
    assert_eq!(departing(&other), "wiki/0");
}

#[test]
fn a_relation_that_ends_before_it_began_only_says_so() {
    let mut story = Story::started();
    story.relation(1, "db", Role::Requirer, &[("postgresql/0", 1)]);
    story.rel(1).life = Life::Dying;
    assert_eq!(story.settle(), "[pass over db-relation-broken]");
    assert_eq!(story.settle(), "");
}

#[test]
fn r7_a_relation_that_is_missing_is_not_thereby_broken() {
    let mut story = related();
    story.settle();
    let kept = std::mem::take(&mut story.goal.relations);
    assert_eq!(story.settle(), "");
    story.local.prune(&story.goal.clone());
    story.goal.relations = kept;
    assert_eq!(story.settle(), "");
}
