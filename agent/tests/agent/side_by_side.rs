//! Two units on one machine: the lock, and what goes past it (sections 4.16 and 4.19).

use muster_model::goal::TaskGoal;
use muster_model::name::TaskId;
use muster_model::record::TaskKind;
use muster_model::report::{NowReport, ReportBody};
use muster_model::status::TaskState;

use crate::support::{CharmText, Host};

/// Hook contract L30.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_units_never_run_hooks_at_the_same_time() {
    let mut charm = CharmText::new();
    for hook in ["install", "config-changed", "start"] {
        charm.hook(
            hook,
            "mkdir $out/alone || touch $out/together; sleep 0.1; rmdir $out/alone || true; \
             echo $JUJU_UNIT_NAME >> $out/units",
        );
    }
    let mut host = Host::new(&charm);
    host.add_other();
    host.start();
    assert_eq!(host.rest().await, "");
    assert_eq!(host.rest_of("other/0").await, "");
    assert!(!host.root().join("together").exists());
    let units = host.left("units");
    let of = |name: &str| units.lines().filter(|line| *line == name).count();
    assert_eq!((of("wiki/0"), of("other/0")), (3, 3));
}

/// Hook contract L30.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_may_let_units_run_hooks_side_by_side() {
    let mut charm = CharmText::new();
    charm.hook(
        "install",
        "touch $out/in-${JUJU_UNIT_NAME%/0}; \
         until [ -e $out/in-wiki ] && [ -e $out/in-other ]; do sleep 0.02; done",
    );
    let mut host = Host::new(&charm);
    host.fake.want(|goal| goal.settings.parallel_hooks = true);
    host.add_other();
    host.start();
    assert_eq!(host.rest().await, "");
    assert_eq!(host.rest_of("other/0").await, "");
}

/// Hook contract A06.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parallel_action_runs_while_another_unit_holds_the_lock() {
    let mut charm = CharmText::new();
    charm.hook(
        "install",
        "[ $JUJU_UNIT_NAME = wiki/0 ] || { touch $out/held; until [ -e $out/let ]; do sleep 0.02; done; }",
    );
    charm.action("beside", "echo beside");
    charm.action("go", "echo went");
    let mut host = Host::new(&charm);
    host.start();
    host.rest().await;
    host.add_other();
    host.appears("held").await;
    let task = |id, name: &str, parallel, group: &str| TaskGoal {
        id: TaskId(id),
        kind: TaskKind::Action { name: name.parse().unwrap(), parameters: Default::default() },
        parallel,
        execution_group: group.to_owned(),
        cancel: false,
    };
    host.unit(|goal| {
        goal.tasks.push(task(1, "beside", true, ""));
        goal.tasks.push(task(2, "go", false, "backups"));
        goal.tasks.push(task(3, "go", false, ""));
    });
    for id in [1, 2] {
        assert_eq!(host.outcome(TaskId(id)).await.state, TaskState::Completed, "{id}");
    }
    let started = |id| {
        let state = host.fake.state.lock().unwrap();
        state.reports.iter().any(|report| {
            matches!(report, ReportBody::Now { now: NowReport::TaskStarted(task), .. } if *task == TaskId(id))
        })
    };
    assert!(started(1) && started(2) && !started(3), "an ordinary action waits for the lock");
    std::fs::write(host.root().join("let"), "").unwrap();
    assert_eq!(host.outcome(TaskId(3)).await.results["stdout"], "went\n");
}
