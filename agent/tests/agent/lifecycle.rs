//! Hooks in their order, on real processes (hook contract, section 7.4).

use muster_model::Life;
use muster_model::name::{Member, RelationId, Role};
use muster_model::report::{ReportBody, StepReport};

use crate::support::{CharmText, Host, unit};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l01_a_leader_is_deployed() {
    let mut host = Host::new(&CharmText::new());
    host.unit(|goal| goal.leader = true);
    host.start();
    assert_eq!(host.rest().await, "");
    assert_eq!(host.trace(), "install, leader-elected, config-changed, start");
    host.stop().await;
    host.start();
    host.unit(|goal| goal.trust = true);
    host.rest().await;
    assert_eq!(host.trace(), "config-changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l08_a_relation_is_joined_read_and_left() {
    let mut charm = CharmText::new();
    charm.hook("db-relation-joined", "relation-set mine=1 other=\"$(relation-get k)\"");
    charm.hook("db-relation-changed", "relation-get - > $out/seen; relation-list > $out/list");
    let mut host = Host::new(&charm);
    host.start();
    host.relate(7, "db", Role::Requirer, &[("postgresql/0", "v1")]);
    host.rest().await;
    assert_eq!(
        host.trace(),
        "install, db-relation-created, leader-settings-changed, config-changed, start, \
         db-relation-joined postgresql/0, db-relation-changed postgresql/0"
    );
    assert_eq!(host.left("seen"), "k: v1\n");
    assert_eq!(host.left("list"), "postgresql/0\n");
    {
        let state = host.fake.state.lock().unwrap();
        let own = &state.bags[&(RelationId(7), Member::Unit(unit()))].1;
        assert_eq!((own["mine"].as_str(), own["other"].as_str()), ("1", "v1"));
        // The network's keys were there from the beginning; config-changed adds what was missing.
        assert_eq!(own["ingress-address"], "10.0.0.5");
        assert_eq!(own["egress-subnets"], "10.0.0.5/32");
    }
    host.unit(|goal| goal.life = Life::Dying);
    host.until("the end", |state| state.goal.units.is_empty().then_some(())).await;
    assert_eq!(host.trace(), "db-relation-departed postgresql/0, db-relation-broken, stop, remove");
    host.stop().await;
    assert!(!host.paths.unit(&unit()).exists());
    assert!(!host.paths.tools(&unit()).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c17_an_upgrade_keeps_what_the_charm_made_and_drops_what_the_new_one_lacks() {
    let mut charm = CharmText::new();
    charm.file("old/gone", "x", 0o644).file("both", "1", 0o755);
    charm.hook("install", "touch made; mkdir -p ../.venv; touch ../.venv/x old/made");
    let mut host = Host::new(&charm);
    host.start();
    host.rest().await;
    host.trace();
    let mut next = CharmText::new();
    next.file("both", "2", 0o644);
    host.refresh(&next, false);
    host.rest().await;
    assert_eq!(host.trace(), "upgrade-charm, config-changed");
    let folder = host.paths.charm(&unit());
    assert_eq!(std::fs::read_to_string(folder.join("both")).unwrap(), "2");
    assert!(folder.join("made").exists() && folder.join("../.venv/x").exists());
    assert!(!folder.join("old").exists());
    assert_eq!(std::fs::read_to_string(folder.join("revision")).unwrap(), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c16_a_hook_without_its_bit_runs() {
    let mut charm = CharmText::new();
    charm.file("hooks/install", "#!/bin/bash\nstatus-set active\n", 0o644);
    let mut host = Host::new(&charm);
    host.start();
    assert_eq!(host.rest().await, "");
    assert_eq!(host.commits()[0].0.to_string(), "install");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rest_and_the_machines_end_are_told_until_they_are_taken() {
    let mut host = Host::new(&CharmText::new());
    host.fake.state.lock().unwrap().refuse_machine = 2;
    host.start();
    assert_eq!(host.rest().await, "");
    host.unit(|goal| goal.life = Life::Dying);
    host.until("the end", |state| state.goal.units.is_empty().then_some(())).await;
    host.fake.state.lock().unwrap().refuse_machine = 2;
    host.fake.want(|goal| goal.life = Life::Dying);
    let done = |report: &ReportBody| matches!(report, ReportBody::MachineDone { .. });
    host.until("the machine's end", |state| state.reports.iter().any(done).then_some(())).await;
}

/// R7
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_a_unit_that_was_leaving_goes_on_though_no_goal_lists_it_any_more() {
    for place in ["leaving", "left", "gone"] {
        let mut host = Host::new(&CharmText::new());
        host.start();
        host.rest().await;
        host.unit(|goal| goal.life = Life::Dying);
        host.stop().await;
        host.crash_at(&format!("after {place}"), 1).await;
        host.fake.want(|goal| goal.units.clear());
        host.start();
        let gone =
            |report: &ReportBody| matches!(report, ReportBody::Step { step: StepReport::Gone, .. });
        host.until("the end", |state| state.reports.iter().any(gone).then_some(())).await;
        let private = host.paths.private(&unit());
        host.until_so("end of the journal", || !private.exists()).await;
        assert!(!host.paths.unit(&unit()).exists(), "{place}");
        assert!(!host.paths.tools(&unit()).exists(), "{place}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_a_goal_without_the_unit_takes_nothing_away() {
    let mut host = Host::new(&CharmText::new());
    host.start();
    host.rest().await;
    host.trace();
    let mut kept = None;
    host.fake.want(|goal| kept = goal.units.remove(&unit()));
    host.fake.want(|goal| goal.settings.update_status_ms = 60_000);
    host.stop().await;
    host.start();
    let kept = kept.unwrap();
    host.fake.want(|goal| {
        goal.units.insert(unit(), kept);
    });
    host.rest().await;
    assert_eq!(host.trace(), "leader-settings-changed");
    assert!(host.paths.charm(&unit()).join("metadata.yaml").exists());
}

/// R12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_an_agent_that_starts_while_the_controllers_disk_is_full_hears_what_is_wanted() {
    let mut host = Host::new(&CharmText::new());
    host.start();
    host.rest().await;
    host.stop().await;
    host.trace();
    host.fake.fill(true);
    host.unit(|goal| goal.trust = true);
    host.start();
    host.until_so("hook", || host.root().join("trace").exists()).await;
    host.fake.fill(false);
    host.rest().await;
    assert_eq!(host.trace(), "leader-settings-changed, config-changed");
    host.stop().await;
}
