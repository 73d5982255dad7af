//! Secrets on the estate, its agents and its rules, without hands: who may what, which revision,
//! which hook (hook contract, sections 4.12, 6.3 and 7.8).

#![expect(clippy::unwrap_used, reason = "a test that meets the unexpected ends there")]

#[path = "secrets/stand.rs"]
mod stand;

use muster_model::command::{ModelCommand, SecretCommand};
use muster_model::record::{Secret, SecretOwner, SecretPart, SecretShelf, SecretTrack};
use muster_model::refusal::Code;
use muster_model::report::SecretHow::{Peek, Refresh, Tracked};
use muster_model::secret::SecretId;
use muster_tests::world::named;

use stand::{Stand, grant, revoke};

const WIKI: &str = "wiki/0";
const DB: &str = "db/0";

/// Hook contract S02.
#[test]
fn a_follower_makes_no_secret_of_the_application_and_one_of_its_own() {
    let mut stand = Stand::new();
    let id = stand.id();
    let said = stand.hook("wiki/1", stand.added(&id, "wiki", "one")).unwrap_err();
    assert!(said.contains("not the leader"), "{said}");
    assert!(stand.secret(&id).is_none());
    stand.hook("wiki/1", stand.added(&id, "wiki/1", "one")).unwrap();
    assert_eq!(stand.secret(&id).unwrap().owner, SecretOwner::Unit(named("wiki/1")));
    let id = stand.id();
    stand.hook(WIKI, stand.added(&id, "wiki", "one")).unwrap();
    assert!(stand.secret(&id).is_some());
    // Nobody makes one for another.
    let id = stand.id();
    for other in ["db", "wiki/1", "-"] {
        let said = stand.hook(WIKI, stand.added(&id, other, "one")).unwrap_err();
        assert!(said.contains("permission denied"), "{other}: {said}");
    }
}

/// Hook contract S03, S04.
#[test]
fn a_reader_is_pinned_until_it_asks_for_the_newest_and_is_told_once_of_each() {
    let mut stand = Stand::new();
    let id = stand.shared("one");
    assert_eq!(stand.read(DB, &id, Tracked), Ok(1));
    assert_eq!(stand.secret_hooks(DB), "");
    stand.hook(WIKI, stand.content(&id, "two")).unwrap();
    assert_eq!(stand.secret_hooks(DB), format!("secret-changed secret:{id}"));
    assert_eq!(stand.read(DB, &id, Tracked), Ok(1));
    assert_eq!(stand.read(DB, &id, Peek), Ok(2));
    assert_eq!(stand.read(DB, &id, Tracked), Ok(1));
    assert_eq!(stand.read(DB, &id, Refresh), Ok(2));
    assert_eq!(stand.read(DB, &id, Tracked), Ok(2));
    assert_eq!(stand.secret_hooks(DB), "");
    // Two at once are told once, as the newest; whoever only peeks is not told at all.
    assert_eq!(stand.read("db/1", &id, Peek), Ok(2));
    stand.hook(WIKI, stand.content(&id, "three")).unwrap();
    assert_eq!(stand.secret_hooks("db/1"), "");
    assert_eq!(stand.secret_hooks(DB), format!("secret-changed secret:{id}"));
}

/// Hook contract S05.
#[test]
fn the_same_content_is_no_new_revision() {
    let mut stand = Stand::new();
    let id = stand.shared("one");
    assert_eq!(stand.read(DB, &id, Tracked), Ok(1));
    stand.hook(WIKI, stand.content(&id, "one")).unwrap();
    assert_eq!(stand.secret(&id).unwrap().newest(), Some(1));
    assert_eq!(stand.secret_hooks(DB), "");
    stand.hook(WIKI, stand.content(&id, "two")).unwrap();
    stand.hook(WIKI, stand.content(&id, "one")).unwrap();
    assert_eq!(
        stand.secret(&id).unwrap().newest(),
        Some(3),
        "the newest is compared, not the past"
    );
}

/// Hook contract S06. Reliability S15.
#[test]
fn whoever_was_not_granted_is_denied_and_whoever_is_revoked_is_so_at_once() {
    let mut stand = Stand::new();
    let id = stand.owned("wiki", "one");
    let denied = Err("permission denied".to_owned());
    assert_eq!(stand.read(DB, &id, Tracked), denied);
    stand.hook(WIKI, grant(&id, "db", stand.relation)).unwrap();
    assert_eq!(stand.read(DB, &id, Tracked), Ok(1));
    assert_eq!(stand.read("hub/0", &id, Tracked), denied);
    stand.hook(WIKI, revoke(&id, "db")).unwrap();
    for how in [Tracked, Refresh, Peek] {
        assert_eq!(stand.read(DB, &id, how), denied);
    }
    // Who reads it no more is not told of it, and what it tracked is not held for it.
    stand.hook(WIKI, stand.content(&id, "two")).unwrap();
    assert_eq!(stand.secret_hooks(DB), "");
    assert_eq!(stand.secret_hooks(WIKI), format!("secret-remove secret:{id}/1"));
    // Twice is once.
    stand.hook(WIKI, revoke(&id, "db")).unwrap();
    let unknown: SecretId = "00000000000000000000".parse().unwrap();
    assert_eq!(stand.read(DB, &unknown, Tracked), Err(format!("secret \"{unknown}\" not found")));
    // A grant is about a relation of the owner's, and about who is in it.
    let said = stand.hook(WIKI, grant(&id, "hub", stand.relation)).unwrap_err();
    assert!(said.contains("not in relation"), "{said}");
    let said = stand.hook(WIKI, grant(&id, "db", muster_model::name::RelationId(99))).unwrap_err();
    assert!(said.contains("relation \"99\" not found"), "{said}");
}

/// Hook contract S07.
#[test]
fn a_grant_ends_with_its_relation() {
    let mut stand = Stand::new();
    let id = stand.shared("one");
    assert_eq!(stand.read(DB, &id, Tracked), Ok(1));
    stand.unrelate();
    assert!(stand.secret(&id).unwrap().grants.is_empty());
    assert_eq!(stand.read(DB, &id, Tracked), Err("permission denied".to_owned()));
    assert!(stand.table::<SecretTrack>().is_empty());
}

/// Hook contract S08.
#[test]
fn a_unit_s_grant_is_that_unit_s_alone() {
    let mut stand = Stand::new();
    let id = stand.owned("wiki", "one");
    stand.hook(WIKI, grant(&id, "db/1", stand.relation)).unwrap();
    assert_eq!(stand.read("db/1", &id, Tracked), Ok(1));
    assert_eq!(stand.read(DB, &id, Tracked), Err("permission denied".to_owned()));
    let said = stand.hook(WIKI, grant(&id, "db", stand.relation)).unwrap_err();
    assert!(said.contains("revoke the unit grants first"), "{said}");
    stand.hook(WIKI, revoke(&id, "db/1")).unwrap();
    stand.hook(WIKI, grant(&id, "db", stand.relation)).unwrap();
    // After the application's, a unit's says nothing.
    stand.hook(WIKI, grant(&id, "db/1", stand.relation)).unwrap();
    assert_eq!(stand.secret(&id).unwrap().grants.len(), 1);
    assert_eq!(stand.read(DB, &id, Tracked), Ok(1));
}

/// Hook contract S09, S19.
#[test]
fn labels_are_the_owner_s_and_each_reader_s_own() {
    let mut stand = Stand::new();
    let id = stand.owned("wiki", "one");
    stand.hook(WIKI, stand.labelled(&id, "login")).unwrap();
    // A sibling reads by the owner's label.
    assert_eq!(stand.read_as("wiki/1", None, Some("login")), Ok((id.clone(), 1)));
    assert_eq!(
        stand.read_as(DB, None, Some("login")),
        Err("consumer label \"login\" not found".to_owned())
    );
    stand.hook(WIKI, grant(&id, "db", stand.relation)).unwrap();
    assert_eq!(stand.read_as(DB, Some(&id), Some("theirs")), Ok((id.clone(), 1)));
    assert_eq!(stand.read_as(DB, None, Some("theirs")), Ok((id.clone(), 1)));
    assert!(stand.read_as("db/1", None, Some("theirs")).is_err(), "each unit has its own");
    // One label is one secret, for each of them.
    let other = stand.owned("wiki", "two");
    let said = stand.hook(WIKI, stand.labelled(&other, "login")).unwrap_err();
    assert_eq!(said, "secret with label \"login\" already exists");
    stand.hook(WIKI, grant(&other, "db", stand.relation)).unwrap();
    let taken = Err("secret with label \"theirs\" already exists".to_owned());
    assert_eq!(stand.read_as(DB, Some(&other), Some("theirs")), taken);
    // The leader that names its application's secret names it for all.
    assert_eq!(stand.read_as(WIKI, Some(&other), Some("second")), Ok((other.clone(), 1)));
    assert_eq!(stand.secret(&other).unwrap().label, "second");
    // What is gone frees its label.
    stand.hook(WIKI, stand.removed(&id)).unwrap();
    stand.hook(WIKI, stand.labelled(&other, "login")).unwrap();
    assert_eq!(stand.secret_hooks(DB), "");
}

/// Hook contract S10.
#[test]
fn an_old_revision_that_nobody_tracks_is_the_owner_s_to_remove() {
    let mut stand = Stand::new();
    let id = stand.shared("one");
    assert_eq!(stand.read(DB, &id, Tracked), Ok(1));
    stand.hook(WIKI, stand.content(&id, "two")).unwrap();
    assert_eq!(stand.secret_hooks(WIKI), "", "somebody tracks the first");
    assert_eq!(stand.read(DB, &id, Refresh), Ok(2));
    assert_eq!(stand.secret_hooks(WIKI), format!("secret-remove secret:{id}/1"));
    assert_eq!(stand.secret_hooks("wiki/1"), "", "only the leader is asked");
    stand.hook(WIKI, stand.without(&id, 1)).unwrap();
    assert_eq!(stand.secret_hooks(WIKI), "");
    assert_eq!(stand.table::<SecretPart>().len(), 1);
    let said = stand.hook(WIKI, stand.without(&id, 1)).unwrap_err();
    assert_eq!(said, format!("secret \"{id}\" revision 1 not found"));
    // Without any revision there is no secret.
    stand.hook(WIKI, stand.without(&id, 2)).unwrap();
    assert!(stand.secret(&id).is_none());
    assert_eq!(stand.read(DB, &id, Tracked), Err(format!("secret \"{id}\" not found")));
}

/// Hook contract S11.
#[test]
fn a_rotation_is_asked_for_each_period_and_soon_again_where_nothing_came_of_it() {
    let mut stand = Stand::new();
    let id = stand.owned("wiki", "one");
    stand.hook(WIKI, stand.rotated(&id, "hourly")).unwrap();
    stand.advance(3500);
    assert_eq!(stand.secret_hooks(WIKI), "");
    stand.advance(200);
    assert_eq!(stand.secret_hooks(WIKI), format!("secret-rotate secret:{id}"));
    stand.advance(200);
    assert_eq!(stand.secret_hooks(WIKI), "");
    // Nothing came of it: after five minutes again, and this time something does.
    stand.script(WIKI, "secret-rotate", stand.content(&id, "two"));
    // The first revision is nobody's then.
    stand.advance(150);
    let both = format!("secret-rotate secret:{id}, secret-remove secret:{id}/1");
    assert_eq!(stand.secret_hooks(WIKI), both);
    assert_eq!(stand.secret(&id).unwrap().newest(), Some(2));
    stand.script(WIKI, "secret-rotate", Default::default());
    // The next one is a whole period away.
    stand.advance(3400);
    assert_eq!(stand.secret_hooks(WIKI), "");
    stand.advance(400);
    assert_eq!(stand.secret_hooks(WIKI), format!("secret-rotate secret:{id}"));
    stand.hook(WIKI, stand.rotated(&id, "never")).unwrap();
    stand.advance(8000);
    assert_eq!(stand.secret_hooks(WIKI), "");
    assert_eq!(stand.secret_hooks("wiki/1"), "", "only the leader is asked");
}

/// Hook contract S12.
#[test]
fn an_end_is_told_until_the_revision_is_gone() {
    let mut stand = Stand::new();
    let id = stand.owned("wiki/1", "one");
    stand.hook("wiki/1", stand.ending(&id, 600)).unwrap();
    stand.advance(500);
    assert_eq!(stand.secret_hooks("wiki/1"), "");
    let told = format!("secret-expired secret:{id}/1");
    stand.advance(200);
    assert_eq!(stand.secret_hooks("wiki/1"), told);
    stand.advance(310);
    assert_eq!(stand.secret_hooks("wiki/1"), told);
    stand.hook("wiki/1", stand.content(&id, "two")).unwrap();
    // The new one has no end, and the old one is still there.
    assert!(stand.secret(&id).unwrap().revisions[&2].expires.is_none());
    stand.advance(310);
    assert!(stand.secret_hooks("wiki/1").contains(&told));
    stand.hook("wiki/1", stand.without(&id, 1)).unwrap();
    stand.advance(700);
    assert_eq!(stand.secret_hooks("wiki/1"), "");
}

/// Hook contract S18.
#[test]
fn what_a_unit_owned_goes_with_it_and_what_its_application_owned_with_that() {
    let mut stand = Stand::new();
    let (own, shared) = (stand.owned("wiki/1", "one"), stand.owned("wiki", "two"));
    for id in [&own, &shared] {
        assert_eq!(stand.read("wiki/1", id, Tracked), Ok(1));
    }
    stand.hook(WIKI, grant(&shared, "db", stand.relation)).unwrap();
    assert_eq!(stand.read(DB, &shared, Tracked), Ok(1));
    stand.remove_unit("wiki/1");
    assert!(stand.secret(&own).is_none());
    assert!(stand.secret(&shared).is_some());
    assert_eq!(stand.table::<SecretTrack>().len(), 1);
    stand.remove_application("wiki");
    for left in [
        stand.table::<Secret>().len(),
        stand.table::<SecretPart>().len(),
        stand.table::<SecretTrack>().len(),
        stand.table::<SecretShelf>().len(),
    ] {
        assert_eq!(left, 0);
    }
}

/// Reliability S15.
#[test]
fn nobody_but_its_manager_changes_a_secret() {
    let mut stand = Stand::new();
    let id = stand.shared("one");
    for other in ["wiki/1", DB, "hub/0"] {
        for change in [
            stand.content(&id, "stolen"),
            stand.labelled(&id, "stolen"),
            stand.without(&id, 1),
            stand.removed(&id),
            grant(&id, "hub", stand.relation),
            revoke(&id, "db"),
        ] {
            let said = stand.hook(other, change).unwrap_err();
            let no = said.contains("permission denied") || said.contains("not the leader");
            assert!(no, "{other}: {said}");
        }
    }
    let secret = stand.secret(&id).unwrap();
    assert_eq!((secret.newest(), secret.label.as_str(), secret.grants.len()), (Some(1), "", 1));
    // An operator does not change what a charm manages.
    let refused = stand.user(SecretCommand::Remove { id, revision: None }).unwrap_err();
    assert_eq!(refused.code, Code::PermissionDenied);
}

/// Reliability S14.
#[test]
fn a_content_that_is_sealed_for_another_revision_is_not_taken() {
    let mut stand = Stand::new();
    let id = stand.owned("wiki", "one");
    let late = stand.content(&id, "late");
    stand.hook(WIKI, stand.content(&id, "two")).unwrap();
    let said = stand.hook(WIKI, late).unwrap_err();
    assert!(said.contains("changed by another at the same time"), "{said}");
    assert_eq!(stand.secret(&id).unwrap().newest(), Some(2));
}

#[test]
fn of_too_many_revisions_the_oldest_that_nobody_reads_goes() {
    let mut stand = Stand::new();
    let id = stand.shared("0");
    assert_eq!(stand.read(DB, &id, Tracked), Ok(1));
    for number in 1..=100 {
        stand.hook(WIKI, stand.content(&id, &number.to_string())).unwrap();
    }
    let secret = stand.secret(&id).unwrap();
    assert_eq!(secret.revisions.len(), 100);
    assert!(secret.revisions.contains_key(&1), "it is read");
    assert!(!secret.revisions.contains_key(&2));
    assert_eq!(stand.table::<SecretPart>().len(), 100);
}

/// Users' secrets (hook contract, section 6.3, last rows; CLI contract §3.8).
#[test]
fn a_user_s_secret_is_granted_read_changed_pruned_and_removed() {
    let mut stand = Stand::new();
    let id = stand.id();
    let add = |stand: &Stand, id: &SecretId, name: &str| SecretCommand::Add {
        id: id.clone(),
        name: name.to_owned(),
        description: String::new(),
        content: stand.seal(id, "one"),
    };
    stand.user(add(&stand, &id, "login")).unwrap();
    let second = stand.id();
    let taken = stand.user(add(&stand, &second, "login")).unwrap_err();
    assert_eq!(taken.to_string(), "secret \"login\" already exists");
    for name in ["", "secret:x", id.as_str()] {
        assert_eq!(
            stand.user(add(&stand, &second, name)).unwrap_err().code,
            Code::Invalid,
            "{name}"
        );
    }
    assert_eq!(stand.read(DB, &id, Tracked), Err("permission denied".to_owned()));
    let grants = |granted| SecretCommand::Grant {
        id: id.clone(),
        applications: [named("db")].into(),
        granted,
    };
    stand.user(grants(true)).unwrap();
    assert_eq!(stand.read(DB, &id, Tracked), Ok(1));
    let update = |content, auto_prune| SecretCommand::Update {
        id: id.clone(),
        name: None,
        description: None,
        auto_prune,
        content,
    };
    let revision = stand.world.estate.revision();
    let same = stand.seal(&id, "one");
    stand.user(update(Some(same), None)).unwrap();
    assert_eq!(stand.world.estate.revision(), revision, "the same content changes nothing");
    let two = stand.seal(&id, "two");
    stand.user(update(Some(two), Some(true))).unwrap();
    stand.settle();
    assert_eq!(stand.secret_hooks(DB), format!("secret-changed secret:{id}"));
    assert_eq!(stand.secret(&id).unwrap().revisions.len(), 2, "somebody tracks the first");
    assert_eq!(stand.read(DB, &id, Refresh), Ok(2));
    stand.settle();
    assert_eq!(stand.secret(&id).unwrap().revisions.len(), 1);
    stand.user(grants(false)).unwrap();
    assert_eq!(stand.read(DB, &id, Tracked), Err("permission denied".to_owned()));
    stand.user(SecretCommand::Remove { id: id.clone(), revision: None }).unwrap();
    stand.settle();
    assert!(stand.secret(&id).is_none());
    assert!(stand.table::<SecretPart>().is_empty() && stand.table::<SecretShelf>().is_empty());
    let again = stand.user(SecretCommand::Remove { id: id.clone(), revision: None }).unwrap_err();
    assert_eq!(again.to_string(), format!("secret \"{id}\" not found"));
    let gone = ModelCommand::Secret(grants(true));
    assert!(stand.world.command(stand.model, gone).unwrap().is_err());
}
