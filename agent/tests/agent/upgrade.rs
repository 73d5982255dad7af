//! Charms that cannot be put in place (sections 1.11, 4.9 and 7.5).

use std::path::Path;

use muster_model::Life;
use muster_model::record::Resolve;
use muster_model::report::{ReportBody, StepReport};

use crate::support::{CharmText, Host, State, unit};

/// A charm that is none: no try can put it in place.
fn broken() -> CharmText {
    let mut charm = CharmText::new();
    charm.file("metadata.yaml", "name: [", 0o644);
    charm
}

/// How often the controller was told that a charm could not be put in place.
fn told(state: &State) -> usize {
    let is = |report: &&ReportBody| {
        matches!(report, ReportBody::Step { step: StepReport::NotDeployed { .. }, .. })
    };
    state.reports.iter().filter(is).count()
}

fn resolve(host: &Host, count: u32) {
    host.unit(|goal| goal.resolve = Some(Resolve { seq: goal.seq, retry: true, count }));
}

/// Hook contract F18.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f18_a_conflict_is_told_and_tried_again_when_it_is_resolved() {
    let mut host = Host::new(&CharmText::new());
    host.start();
    host.rest().await;
    host.trace();
    host.refresh(&broken(), false);
    assert!(host.rest().await.starts_with("upgrade failed: the archive is not a charm"));
    assert_eq!(told(&host.fake.state.lock().unwrap()), 1);
    // A start of the agent neither tries it nor tells of it again.
    host.stop().await;
    host.start();
    host.unit(|goal| goal.trust = true);
    assert!(host.rest().await.starts_with("upgrade failed: "));
    assert_eq!(told(&host.fake.state.lock().unwrap()), 1);
    resolve(&host, 1);
    host.until("another try", |state| (told(state) == 2).then_some(())).await;
    assert!(host.rest().await.starts_with("upgrade failed: "));
    host.refresh(&CharmText::new(), true);
    assert_eq!(host.rest().await, "");
    assert_eq!(host.trace(), "upgrade-charm, config-changed, leader-settings-changed");
}

/// Hook contract F18.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f18_a_charm_that_is_forced_in_a_conflict_leaves_nothing_of_the_other() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut old = CharmText::new();
    old.file("both", "old", 0o644);
    let mut host = Host::new(&old);
    host.start();
    host.rest().await;
    let folder = host.paths.charm(&unit());
    // What is mounted there can be neither removed nor replaced.
    let held = folder.join("taken/held");
    std::fs::create_dir_all(&held).unwrap();
    let none: Option<&str> = None;
    nix::mount::mount(Some("none"), &held, Some("tmpfs"), nix::mount::MsFlags::empty(), none)
        .unwrap();
    let mut next = CharmText::new();
    next.file("a-new", "new", 0o644).file("both", "new", 0o644).file("taken", "x", 0o644);
    host.refresh(&next, false);
    assert!(host.rest().await.starts_with("upgrade failed: cannot write "));
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    assert_eq!((read("a-new"), read("both")), ("new".into(), "new".into()), "half of it is there");
    host.trace();
    host.refresh(&old, true);
    assert_eq!(host.rest().await, "");
    assert_eq!((read("a-new"), read("both")), (String::new(), "old".into()));
    assert_eq!(host.trace(), "upgrade-charm, config-changed");
    nix::mount::umount(&held).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_charm_that_cannot_be_put_in_place_gives_way_to_another() {
    let mut host = Host::new(&broken());
    host.start();
    assert!(host.rest().await.starts_with("cannot put the charm in place: "));
    assert_eq!(told(&host.fake.state.lock().unwrap()), 1);
    host.refresh(&CharmText::new(), false);
    assert_eq!(host.rest().await, "");
    assert_eq!(host.trace(), "install, leader-settings-changed, config-changed, start");
}

/// Hook contract L32.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_whose_first_charm_cannot_be_put_in_place_leaves() {
    for force in [false, true] {
        let mut host = Host::new(&broken());
        host.start();
        host.rest().await;
        host.unit(|goal| {
            goal.life = Life::Dying;
            goal.force = force;
        });
        host.until("the end", |state| state.goal.units.is_empty().then_some(())).await;
        host.stop().await;
        assert!(!host.paths.unit(&unit()).exists());
        assert_eq!(host.trace(), "");
    }
}

/// Hook contract F08.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f08_an_upgrade_waits_in_error_and_a_forced_one_retries_the_hook_with_the_new_code() {
    let mut old = CharmText::new();
    old.hook("config-changed", "exit 1");
    let mut host = Host::new(&old);
    host.start();
    let waits = "hook `config-changed` failed; waiting for `resolved`";
    assert_eq!(host.rest().await, waits);
    host.trace();
    host.refresh(&CharmText::new(), false);
    assert_eq!(host.rest().await, waits);
    assert_eq!(host.trace(), "");
    host.unit(|goal| goal.charm.forced = true);
    assert_eq!(host.rest().await, "");
    assert_eq!(host.trace(), "config-changed, start");
    assert!(Path::new(&host.paths.charm(&unit())).join(".juju-charm").exists());
}
