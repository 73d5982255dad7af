//! The restart matrix (section 4.18): an agent that is killed before and after each word of its journal,
//! for each kind of work, goes on from there; nothing is lost and nothing is applied twice.
//!
//! The first deploy of a charm and its `install` are in `failure.rs`, kills amid an unpack in `deploy.rs`.

use muster_model::Life;
use muster_model::name::TaskId;
use muster_model::record::{Resolve, TaskKind};
use muster_model::report::{ReportBody, StepReport};
use muster_model::status::TaskState;
use serde_json::json;

use crate::support::{CharmText, Host, unit};

/// A leader that has nothing to do, whose agent has stopped; what it did so far is forgotten.
async fn stopped(charm: &CharmText) -> Host {
    let mut host = Host::new(charm);
    // A follower would hear of the leader's settings anew after each start.
    host.unit(|goal| goal.leader = true);
    host.start();
    assert_eq!(host.rest().await, "");
    host.stop().await;
    host.trace();
    host.fake.state.lock().unwrap().reports.clear();
    host
}

/// Kills the agent at the point and starts it again. A hook that the journal calls running counts as
/// failed, and is run again when that is asked for; whether that was so.
async fn kill(host: &mut Host, point: &str) -> bool {
    host.crash_at(point, 1).await;
    host.start();
    let waits = host.rest().await;
    let interrupted = matches!(point, "after running" | "before committing");
    if interrupted {
        assert!(waits.ends_with("failed; waiting for `resolved`"), "{point}: {waits}");
        host.unit(|goal| goal.resolve = Some(Resolve { seq: goal.seq, retry: true, count: 1 }));
        assert_eq!(host.rest().await, "", "{point}");
    } else {
        assert_eq!(waits, "", "{point}");
    }
    interrupted
}

/// What was committed, in order.
fn committed(host: &Host) -> Vec<String> {
    host.commits().into_iter().map(|(hook, _)| hook.to_string()).collect()
}

/// Hook contract F10, F11.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f10_f11_a_hook_goes_on_from_each_word_of_the_journal() {
    for place in ["running", "committing", "idle"] {
        for moment in ["before", "after"] {
            let mut charm = CharmText::new();
            charm.hook("config-changed", "state-set n=\"$(state-get n)x\"");
            let mut host = stopped(&charm).await;
            host.fake.state.lock().unwrap().unit_state.1.clear();
            host.unit(|goal| goal.trust = true);
            let point = format!("{moment} {place}");
            let again = kill(&mut host, &point).await;
            assert_eq!(committed(&host), ["config-changed"], "{point}");
            assert_eq!(host.fake.state.lock().unwrap().unit_state.1["n"], "x", "{point}");
            // Where it was killed after the process had begun, it ran twice.
            let twice = again && point == "before committing";
            let ran = if twice { "config-changed, config-changed" } else { "config-changed" };
            assert_eq!(host.trace(), ran, "{point}");
        }
    }
}

/// Hook contract F10, F11.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f10_f11_an_upgrade_goes_on_from_each_word_of_the_journal() {
    for place in ["deploying", "deployed", "queued", "running", "committing"] {
        for moment in ["before", "after"] {
            let mut old = CharmText::new();
            old.file("both", "old", 0o644).file("gone", "x", 0o644);
            let mut host = stopped(&old).await;
            let mut next = CharmText::new();
            next.file("both", "new", 0o644);
            host.refresh(&next, false);
            let point = format!("{moment} {place}");
            kill(&mut host, &point).await;
            assert_eq!(committed(&host), ["upgrade-charm", "config-changed"], "{point}");
            let folder = host.paths.charm(&unit());
            assert_eq!(std::fs::read_to_string(folder.join("both")).unwrap(), "new", "{point}");
            assert!(!folder.join("gone").exists(), "{point}");
            assert!(!folder.join(".juju-deploying").exists(), "{point}");
        }
    }
}

/// Hook contract A08.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a08_an_action_is_over_or_has_not_begun_at_each_word_of_the_journal() {
    for (point, state, runs) in [
        ("before task-running", TaskState::Completed, 1),
        ("after task-running", TaskState::Failed, 0),
        ("before task-ended", TaskState::Failed, 1),
        ("after task-ended", TaskState::Completed, 1),
    ] {
        let mut charm = CharmText::new();
        charm
            .action("go", "echo ran >> \"$(action-get who)/ran\"; state-set n=\"$(state-get n)x\"");
        let mut host = stopped(&charm).await;
        let parameters = json!({ "who": host.root().to_str().unwrap() });
        host.ask(
            TaskId(1),
            TaskKind::Action {
                name: "go".parse().unwrap(),
                parameters: parameters.as_object().unwrap().clone(),
            },
        );
        host.crash_at(point, 1).await;
        host.start();
        let outcome = host.outcome(TaskId(1)).await;
        assert_eq!(outcome.state, state, "{point}");
        let terminated = outcome.message == "action terminated";
        assert_eq!(terminated, state == TaskState::Failed, "{point}: {}", outcome.message);
        assert_eq!(host.rest().await, "", "{point}: the unit is not in error");
        let ran = std::fs::read_to_string(host.root().join("ran")).unwrap_or_default();
        assert_eq!(ran.lines().count(), runs, "{point}: it never runs again by itself");
        let kept = host.fake.state.lock().unwrap().unit_state.1.get("n").cloned();
        let expected = (state == TaskState::Completed).then(|| "x".to_owned());
        assert_eq!(kept, expected, "{point}");
    }
}

/// Hook contract F10, F11.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f10_f11_the_lead_is_taken_once_from_each_word_of_the_journal() {
    for place in ["running", "committing"] {
        for moment in ["before", "after"] {
            let mut host = Host::new(&CharmText::new());
            host.start();
            host.rest().await;
            host.stop().await;
            host.trace();
            host.fake.state.lock().unwrap().reports.clear();
            host.unit(|goal| goal.leader = true);
            let point = format!("{moment} {place}");
            kill(&mut host, &point).await;
            assert_eq!(committed(&host), ["leader-elected"], "{point}");
        }
    }
}

/// R5, R7
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r5_a_unit_that_leaves_goes_on_leaving_from_each_word_of_the_journal() {
    for place in ["leaving", "left", "gone"] {
        for moment in ["before", "after"] {
            let mut host = stopped(&CharmText::new()).await;
            host.unit(|goal| goal.life = Life::Dying);
            let point = format!("{moment} {place}");
            host.crash_at(&point, 1).await;
            host.start();
            let gone = |report: &ReportBody| {
                matches!(report, ReportBody::Step { step: StepReport::Gone, .. })
            };
            host.until("the end", |state| state.reports.iter().any(gone).then_some(())).await;
            let private = host.paths.private(&unit());
            host.until_so("end of the journal", || !private.exists()).await;
            assert_eq!(host.trace(), "stop, remove", "{point}");
            assert!(!host.paths.unit(&unit()).exists(), "{point}");
        }
    }
}
