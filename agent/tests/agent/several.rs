//! Several units on one machine: who waits for whom (section 4.19).

use muster_model::name::{TaskId, UnitName};
use muster_model::record::TaskKind;
use muster_model::report::{NowReport, ReportBody};
use muster_model::status::TaskState;
use serde_json::json;

use crate::support::{CharmText, Host, PATIENCE, unit};

/// Puts a second unit, with a charm of its own, onto the machine.
fn beside(host: &Host, name: &str, charm: &CharmText) -> UnitName {
    let name: UnitName = name.parse().unwrap();
    let (digest, bytes) = charm.pack(&host.root());
    host.fake.state.lock().unwrap().blobs.insert(digest, bytes);
    host.fake.want(|goal| {
        let mut other = goal.units[&unit()].clone();
        other.charm.digest = digest;
        other.seq = muster_model::Seq::ZERO;
        goal.units.insert(name.clone(), other);
    });
    name
}

/// Waits until both units of the machine have nothing to do.
async fn both_rest(host: &Host, other: &UnitName) {
    host.until("rest of both", |state| {
        let revision = state.goal.revision;
        let rests = |name: &UnitName| {
            state.reports.iter().any(|report| {
                matches!(
                    report,
                    ReportBody::Rest { revision: at, units, .. }
                        if *at >= revision && units.get(name).is_some_and(String::is_empty)
                )
            })
        };
        (rests(&unit()) && rests(other)).then_some(())
    })
    .await;
}

/// Hook contract L30.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l30_hooks_of_two_units_of_a_machine_never_run_at_the_same_time() {
    let mut charm = CharmText::new();
    // Whoever finds the other inside says so.
    let alone = "mkdir $out/inside || echo \"$JUJU_UNIT_NAME $JUJU_HOOK_NAME\" >> $out/met\n\
                 sleep 0.05; rmdir $out/inside; echo \"$JUJU_UNIT_NAME\" >> $out/who";
    for hook in ["install", "leader-settings-changed", "config-changed", "start", "update-status"] {
        charm.hook(hook, alone);
    }
    let mut host = Host::new(&charm);
    let other = beside(&host, "other/0", &charm);
    host.start();
    both_rest(&host, &other).await;
    let met = std::fs::read_to_string(host.root().join("met")).unwrap_or_default();
    assert_eq!(met, "");
    let who = host.left("who");
    for name in ["wiki/0", "other/0"] {
        assert_eq!(who.lines().filter(|line| *line == name).count(), 4, "{name}: {who}");
    }
}

/// As the model may have it: each waits inside for the other, which one lock would never allow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_run_side_by_side_where_the_model_lets_them() {
    let mut charm = CharmText::new();
    charm.hook(
        "install",
        "touch $out/in-${JUJU_UNIT_NAME%/*}; until [ -e $out/in-wiki -a -e $out/in-other ]; do sleep 0.02; done",
    );
    let mut host = Host::new(&charm);
    host.fake.want(|goal| goal.settings.parallel_hooks = true);
    let other = beside(&host, "other/0", &charm);
    host.start();
    both_rest(&host, &other).await;
}

fn go(who: &Host) -> TaskKind {
    let parameters = json!({ "who": who.root().to_str().unwrap() });
    TaskKind::Action {
        name: "go".parse().unwrap(),
        parameters: parameters.as_object().unwrap().clone(),
    }
}

/// Hook contract A06.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a06_only_what_says_so_runs_while_another_unit_holds_the_lock() {
    let mut charm = CharmText::new();
    charm.action("go", "[ -e \"$(action-get who)/released\" ] && echo after || echo before");
    let mut host = Host::new(&charm);
    host.start();
    host.rest().await;
    let mut holder = CharmText::new();
    holder.hook("install", "touch $out/held; until [ -e $out/go ]; do sleep 0.02; done");
    let other = beside(&host, "other/0", &holder);
    host.appears("held").await;
    let ask = |id: u32, parallel: bool, group: &str| {
        let kind = go(&host);
        host.unit(|goal| {
            goal.tasks.push(muster_model::goal::TaskGoal {
                id: TaskId(id),
                kind,
                parallel,
                execution_group: group.to_owned(),
                cancel: false,
            });
        });
    };
    // Beside everything, and behind the lock of its own group only: both end while the hook runs.
    for (id, parallel, group) in [(1, true, ""), (2, false, "backups")] {
        ask(id, parallel, group);
        let outcome = host.outcome(TaskId(id)).await;
        assert_eq!(
            (outcome.state, &outcome.results["stdout"]),
            (TaskState::Completed, &json!("before\n"))
        );
    }
    assert!(!host.root().join("go").exists());
    ask(3, false, "");
    let waits = host.until("the third", |state| {
        let started = |report: &ReportBody| {
            matches!(report, ReportBody::Now { now: NowReport::TaskStarted(TaskId(3)), .. })
        };
        let listed = state.goal.units[&unit()].tasks.iter().any(|task| task.id == TaskId(3));
        listed.then(|| !state.reports.iter().any(started))
    });
    assert!(waits.await, "it is asked for and has not begun");
    std::fs::write(host.root().join("released"), "").unwrap();
    std::fs::write(host.root().join("go"), "").unwrap();
    let outcome = tokio::time::timeout(PATIENCE, host.outcome(TaskId(3))).await.unwrap();
    assert_eq!(outcome.results["stdout"], "after\n");
    both_rest(&host, &other).await;
}
