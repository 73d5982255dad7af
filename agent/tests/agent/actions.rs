//! Actions and commands (section 7.9).

use muster_model::name::{RelationId, Role, TaskId};
use muster_model::record::TaskKind;
use muster_model::report::{NowReport, ReportBody};
use muster_model::status::TaskState;
use serde_json::json;

use crate::support::{CharmText, Host, unit};

fn action(name: &str, parameters: serde_json::Value) -> TaskKind {
    TaskKind::Action {
        name: name.parse().unwrap(),
        parameters: parameters.as_object().unwrap().clone(),
    }
}

/// Hook contract A01, A02, A03, A05, A16, C13, F15, T53, T54, T55.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a01_to_a05_and_a16_results_are_what_the_contract_says() {
    let mut charm = CharmText::new();
    charm.action(
        "go",
        "case \"$(action-get who)\" in\n\
         good) action-log half; action-set a.b=1 a.c=2; echo out; echo err >&2; relation-set -r 7 x=1;;\n\
         bad) relation-set -r 7 y=1; exit 3;;\n\
         fail) relation-set -r 7 z=1; action-fail 'no luck'; action-fail; echo after;;\n\
         bytes) printf '\\377';;\n\
         number) action-get count; action-get count --format json; action-get count --format yaml; \
         action-get none --format json; action-get --format json;;\n\
         upper) action-set A=1;; reserved) action-set stdout=1;; reboot) juju-reboot;; esac",
    );
    let mut host = Host::new(&charm);
    host.relate(7, "db", Role::Requirer, &[]);
    host.start();
    host.rest().await;
    let run = |id, who: &str| host.task(id, action("go", json!({ "who": who })));
    let good = run(1, "good").await;
    assert_eq!(good.state, TaskState::Completed);
    assert_eq!(
        serde_json::Value::Object(good.results),
        json!({"a": {"b": "1", "c": "2"}, "return-code": 0, "stdout": "out\n", "stderr": "err\n"})
    );
    let bad = run(2, "bad").await;
    assert_eq!((bad.state, bad.message.as_str()), (TaskState::Failed, "exit status 3"));
    assert_eq!(bad.results["return-code"], 3);
    let fail = run(3, "fail").await;
    assert_eq!(fail.state, TaskState::Failed);
    assert_eq!(
        fail.message, "action failed without reason given, check action for errors",
        "T55: the last call wins"
    );
    assert_eq!(fail.results["stdout"], "after\n");
    let bytes = run(4, "bytes").await;
    assert_eq!(
        (&bytes.results["stdout"], &bytes.results["stdout-encoding"]),
        (&json!("/w=="), &json!("base64"))
    );
    let number = run(5, "number").await;
    assert_eq!(number.results["stdout"], "3\n3\n3\nnull\n{\"count\":3,\"who\":\"number\"}\n");
    assert!(
        run(6, "upper").await.results["stderr"].as_str().unwrap().contains("must start and end")
    );
    assert_eq!(run(7, "reserved").await.results["return-code"], 2);
    let reboot = run(8, "reboot").await;
    assert_eq!(
        reboot.results["stderr"], "ERROR juju-reboot is not supported when running an action.\n",
        "F15"
    );
    let state = host.fake.state.lock().unwrap();
    let own = &state.bags[&(RelationId(7), muster_model::name::Member::Unit(unit()))].1;
    assert!(own.contains_key("x") && !own.contains_key("y") && own.contains_key("z"), "A02, A03");
    assert!(state.reports.iter().any(|report| matches!(
        report,
        ReportBody::Now { now: NowReport::TaskLog { line, .. }, .. } if line == "half"
    )));
}

/// Hook contract A04, A09, A10, F07.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a04_a_missing_action_a09_bad_parameters_and_a10_in_error() {
    let mut charm = CharmText::new();
    charm.hook("install", "exit 1");
    charm.action("go", "echo ran");
    let mut host = Host::new(&charm);
    host.start();
    host.rest().await;
    let missing = host.task(1, action("missing", json!({}))).await;
    assert_eq!(missing.message, "action not implemented on unit \"wiki/0\"");
    let unknown = host.task(2, action("unknown", json!({}))).await;
    assert!(unknown.message.ends_with("not defined"), "{}", unknown.message);
    let bad = host.task(3, action("go", json!({ "count": "x" }))).await;
    assert!(
        bad.message.contains("cannot run \"go\" action: validation failed:"),
        "{}",
        bad.message
    );
    assert!(bad.results.is_empty());
    let good = host.task(4, action("go", json!({}))).await;
    assert_eq!(good.results["stdout"], "ran\n");
}

/// Hook contract A07.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a07_a_cancelled_action_is_killed() {
    let mut charm = CharmText::new();
    charm.action("go", "touch \"$(action-get who)/begun\"; sleep 600");
    let mut host = Host::new(&charm);
    host.start();
    host.rest().await;
    let root = host.root();
    let kind = action("go", json!({ "who": root.to_str().unwrap() }));
    host.ask(TaskId(1), kind);
    host.appears("begun").await;
    host.unit(|goal| goal.tasks[0].cancel = true);
    assert_eq!(host.outcome(TaskId(1)).await.state, TaskState::Aborted);
}

/// Hook contract A11, A12, A13, A14, A15.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a11_to_a14_juju_exec_on_the_machine() {
    let mut host = Host::new(&CharmText::new());
    host.relate(7, "db", Role::Requirer, &[("postgresql/0", "v")]);
    host.start();
    host.rest().await;
    let program = host.root().join("juju-exec");
    std::os::unix::fs::symlink(&host.settings.program, &program).unwrap();
    let socket = host.paths.exec_socket();
    let exec = |words: &[&str], context: Option<&str>| {
        let mut command = std::process::Command::new(&program);
        command.args(words).env("MUSTER_EXEC_SOCKET", &socket);
        if let Some(context) = context {
            command.env("JUJU_CONTEXT_ID", context);
        }
        let output = tokio::task::block_in_place(|| command.output().unwrap());
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, out, _) = exec(&["wiki/0", "echo $JUJU_UNIT_NAME; state-set kept=1; exit 4"], None);
    assert_eq!((code, out.as_str()), (4, "wiki/0\n"));
    assert_eq!(host.fake.state.lock().unwrap().unit_state.1["kept"], "1", "A11");
    assert_eq!(exec(&["pwd"], None).1.trim(), host.paths.charm(&unit()).to_str().unwrap(), "A14");
    assert_eq!(exec(&["-u", "unit-wiki-0", "echo", "a b"], None).1, "a b\n", "A14");
    let (code, _, text) = exec(&["wiki/0", "true"], Some("wiki/0-install-00"));
    assert_eq!(code, 2, "A12");
    assert!(text.contains("cannot be called from within a hook"));
    let related = exec(&["-r", "7", "echo $JUJU_REMOTE_UNIT; relation-get k"], None);
    assert_eq!(related.1, "postgresql/0\nv\n", "A13");
    assert!(exec(&["-r", "9", "true"], None).2.contains("unknown relation id: 9"));
    assert!(
        exec(&["other/0", "true"], None).2.contains("unit \"other/0\" not found on this machine")
    );
    assert_eq!(exec(&["--no-context", "echo plain"], None).1, "plain\n", "A15");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_command_prints_is_its_result_and_no_line_of_the_log() {
    let mut host = Host::new(&CharmText::new());
    host.start();
    host.rest().await;
    let ran = host.exec(31, "echo on-out; echo on-err >&2; juju-log said").await;
    assert_eq!(ran, (0, "on-out\n".to_owned(), "on-err\n".to_owned()));
    host.stop().await;
    let log = std::fs::read_to_string(host.paths.log(&unit())).unwrap();
    assert!(log.contains("said"), "what it logs itself is a line: {log}");
    assert!(!log.contains("on-out") && !log.contains("on-err"), "{log}");
}
