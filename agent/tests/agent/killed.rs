//! The rest of R5's table: an agent killed while a hook fails, and around each state of a task.

use muster_model::name::TaskId;
use muster_model::record::{Resolve, TaskKind};
use muster_model::status::TaskState;

use crate::support::{CharmText, Host};

/// Reliability R5. Hook contract F10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r5_a_failure_is_told_once_and_resolved_wherever_the_agent_was_killed() {
    for place in ["failing", "failed"] {
        for moment in ["before", "after"] {
            let point = format!("{moment} {place}");
            let mut charm = CharmText::new();
            charm.hook("install", "state-set n=\"$(state-get n)x\"; [ -e $out/mended ]");
            let mut host = Host::new(&charm);
            host.unit(|goal| goal.leader = true);
            host.crash_at(&point, 1).await;
            host.start();
            let waits = host.rest().await;
            assert_eq!(waits, "hook `install` failed; waiting for `resolved`", "{point}");
            std::fs::write(host.root().join("mended"), "").unwrap();
            host.unit(|goal| {
                goal.resolve = Some(Resolve { seq: goal.seq, retry: true, count: 1 });
            });
            assert_eq!(host.rest().await, "", "{point}");
            let state = host.fake.state.lock().unwrap();
            assert_eq!(state.unit_state.1["n"], "x", "{point}: a failure leaves nothing");
        }
    }
}

/// Reliability R5. Hook contract A08.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r5_a_task_is_never_run_twice_and_ends_wherever_the_agent_was_killed() {
    for (point, runs, ends) in [
        ("before task-running", 1, TaskState::Completed),
        // The journal says that it was started; whether it was, nobody knows.
        ("after task-running", 0, TaskState::Failed),
        ("before task-ended", 1, TaskState::Failed),
        ("after task-ended", 1, TaskState::Completed),
    ] {
        let mut charm = CharmText::new();
        charm.action("go", "echo run >> \"$(action-get who)/runs\"");
        let mut host = Host::new(&charm);
        host.start();
        host.rest().await;
        host.stop().await;
        let name = "go".parse().unwrap();
        let parameters = serde_json::json!({ "who": host.root().to_str().unwrap() });
        let parameters = parameters.as_object().unwrap().clone();
        host.ask(TaskId(7), TaskKind::Action { name, parameters });
        host.crash_at(point, 1).await;
        host.start();
        let outcome = host.outcome(TaskId(7)).await;
        assert_eq!(outcome.state, ends, "{point}: {}", outcome.message);
        let told = std::fs::read_to_string(host.root().join("runs")).unwrap_or_default();
        assert_eq!(told.lines().count(), runs, "{point}");
    }
}
