//! Actions and commands: what they answer, and how they fail.

use serde_json::{Value, json};

use crate::house::{House, until};
use crate::schema::has_shape;

/// CLI contract shape_4.4, trap_05, cmd_run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_answers_with_its_results() {
    let house = House::settled().await;
    let answer = house.json("run --format json testdb/1 do-thing").await;
    has_shape("tasks", &answer);
    let task = &answer["testdb/1"];
    assert_eq!((&task["status"], &task["unit"]), (&json!("completed"), &json!("testdb/1")));
    assert_eq!(task["results"]["return-code"], 0);
    assert_eq!(task["results"]["config"], json!({ "deep": "value" }));
    assert_eq!(task["results"]["params"], "{\"param1\":1}");
    // The leader is answered for by its own name.
    let answer = house.json("run --format json testdb/leader do-thing param1=2 other=x").await;
    let (unit, task) = answer.as_object().unwrap().iter().next().unwrap();
    assert!(unit.starts_with("testdb/") && unit != "testdb/leader", "{unit}");
    let params: Value = serde_json::from_str(task["results"]["params"].as_str().unwrap()).unwrap();
    assert_eq!(params, json!({ "param1": 2, "other": "x" }));
    house.files(&[("p.yaml", "param1: 5\nlist: [1, two]\n")]);
    let line = "run --format json testdb/0 do-thing --params p.yaml --wait 30.0s param1=6";
    let answer = house.json(line).await;
    let params = answer["testdb/0"]["results"]["params"].as_str().unwrap();
    let params: Value = serde_json::from_str(params).unwrap();
    assert_eq!(params, json!({ "param1": 6, "list": [1, "two"] }));
    let played = house.play("run testdb/0 talk").await.done();
    assert!(played.err.contains("so far so good"), "{}", played.err);
    assert!(played.err.contains("Running operation") && played.err.contains("Waiting for task"));
    let log = house.json("run --format json testdb/0 talk").await["testdb/0"]["log"].clone();
    assert!(log[0].as_str().unwrap().ends_with(" so far so good"), "{log}");
}

/// CLI contract trap_06, frag_task-failed: a charm that says it failed has done its work; a crash has
/// not, and the whole answer is still there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_of_the_charm_and_a_crash_are_two_things() {
    let house = House::settled().await;
    let answer = house.json("run --format json testdb/0 give-up").await;
    has_shape("tasks", &answer);
    let task = &answer["testdb/0"];
    assert_eq!((&task["status"], &task["message"]), (&json!("failed"), &json!("no luck")));
    let played = house.play("run --format json testdb/0 crash").await.fails(1, "task failed");
    let answer: Value = serde_json::from_str(&played.out).unwrap();
    has_shape("tasks", &answer);
    assert_eq!(answer["testdb/0"]["results"]["return-code"], 1);
    assert!(answer["testdb/0"]["results"]["stderr"].as_str().unwrap().contains("Traceback"));
    assert!(played.err.contains("with return code 1"), "{}", played.err);
    let played = house.play("exec --format json --unit testdb/0 -- exit 3").await;
    let played = played.fails(1, "task failed");
    let answer: Value = serde_json::from_str(&played.out).unwrap();
    assert_eq!(answer["testdb/0"]["status"], "completed");
    assert_eq!(answer["testdb/0"]["results"]["return-code"], 3);
    let played = house.play("exec --format json --application testdb -- exit 4").await;
    let played = played.fails(1, "tasks failed");
    assert!(!played.err.contains("task failed"), "{}", played.err);
}

/// CLI contract trap_07, frag_not-found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_said_as_callers_expect_it() {
    let house = House::settled().await;
    let played = house.play("exec --format json --unit testdb/42 -- echo hi").await.done();
    assert_eq!(played.out, "");
    assert!(played.err.contains("Nothing was scheduled"), "{}", played.err);
    house.play("run --format json testdb/42 do-thing").await.fails(1, "(not found)");
    house.play("run --format json testdb/0 no-such").await.fails(1, "(not found)");
    house.play("run --format json nobody/0 do-thing").await.fails(1, "(not found)");
    house.play("show-task 999").await.fails(1, "not found");
    house.play("show-operation 999").await.fails(1, "not found");
    house.play("run testdb/0 do-thing param1=many").await.fails(1, "param1");
}

/// CLI contract frag_timed-out, trap_05: the wait ends and the task goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_that_runs_out_says_so() {
    let house = House::settled().await;
    let line = "run --format json testdb/0 slow --wait 0.001s";
    let played =
        house.play(line).await.fails(1, "timed out waiting for results from: unit testdb/0");
    assert!(["", "{}\n"].contains(&played.out.as_str()), "{}", played.out);
    let line = "exec --format json --unit testdb/1 --wait 0.05s -- sleep 100";
    house.play(line).await.fails(1, "timed out");
    house.play("show-operation 999 --wait 1ms").await.fails(1, "not found");
    house
        .play("wait-for application testapp --query 'status==\"blocked\"' --timeout 10ms")
        .await
        .fails(1, "timed out");
}

/// CLI contract cmd_exec: targets together, on machines, one word as it is and several quoted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_run_where_they_are_sent() {
    let house = House::settled().await;
    let answer = house.json("exec --format json --machine 0 -- echo hi there").await;
    has_shape("tasks", &answer);
    assert_eq!(answer["0"]["machine"], "0");
    assert_eq!(answer["0"]["results"]["stdout"], "hi there\n");
    let line = "exec --format json --unit testapp/0 -a testdb -- 'echo as it is'";
    let answer = house.json(line).await;
    assert_eq!(answer.as_object().unwrap().len(), 3);
    assert_eq!(answer["testapp/0"]["results"]["stdout"], "as it is\n");
    let answer = house.json("exec --format json --all -- echo 'two words' plain").await;
    assert_eq!(answer.as_object().unwrap().len(), 3);
    assert_eq!(answer["1"]["results"]["stdout"], "'two words' plain\n");
    let out = house.play("exec --application testdb -- echo hi").await.done().out;
    assert_eq!(out, "testdb/0:\nhi\n\ntestdb/1:\nhi\n\n");
    let played = house.play("exec --background --unit testdb/0 -- echo hi").await.done();
    assert_eq!(played.out, "");
    assert!(played.err.contains("muster show-task"), "{}", played.err);
}

/// CLI contract cmd_exec: more targets than one operation can have are several operations, and one
/// answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_targets_are_one_answer() {
    let house = House::start().await;
    house.puppets();
    house.play("add-machine -n 30").await.done();
    house.play("add-machine -n 5").await.done();
    let answer = house.json("exec --all --format json -- echo hi").await;
    assert_eq!(answer.as_object().unwrap().len(), 35);
    assert!(answer.as_object().unwrap().values().all(|task| task["results"]["stdout"] == "hi\n"));
    let operations = house.json("operations --format json").await;
    assert_eq!(operations.as_object().unwrap().len(), 2);
}

/// CLI contract shape_4.4, cmd_operations, cmd_show-operation, cmd_cancel-task, cmd_show-task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_run_is_listed_shown_and_ended() {
    let house = House::settled().await;
    house.play("run testdb/0 do-thing param1=7").await.done();
    house.play("exec --machine 1 -- echo hi").await.done();
    house.play("run testdb/0 crash").await.fails(1, "task failed");
    house.play("run testdb/1 slow --background").await.done();
    let all = house.json("operations --format json").await;
    has_shape("operations", &all);
    let ids = |value: &Value| -> Vec<String> {
        let mut ids: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        ids.sort_by_key(|id| id.parse::<u32>().unwrap());
        ids
    };
    let [done, exec, crashed, slow] = ids(&all).try_into().unwrap();
    assert_eq!(all[&done]["action"], json!({ "name": "do-thing", "parameters": { "param1": 7 } }));
    assert_eq!(all[&exec]["action"]["name"], "juju-exec");
    assert_eq!(all[&exec]["action"]["parameters"]["command"], "echo hi");
    assert_eq!(all[&crashed]["status"], "failed");
    assert_eq!(all[&crashed]["fail"], "exit status 1");
    for (filter, expected) in [
        ("--status failed", vec![&crashed]),
        ("--apps testdb", vec![&done, &crashed, &slow]),
        ("--units testdb/1,testapp/0", vec![&slow]),
        ("--machines 1", vec![&exec]),
        ("--actions juju-exec,crash", vec![&exec, &crashed]),
        ("--apps testdb --actions do-thing", vec![&done]),
        ("--limit 1", vec![&slow]),
        ("--limit 2 --offset 1", vec![&exec, &crashed]),
        ("--apps testapp", vec![]),
    ] {
        let found = house.json(&format!("operations --format json {filter}")).await;
        assert_eq!(ids(&found).iter().collect::<Vec<_>>(), expected, "{filter}");
    }
    house.play("operations --status odd").await.fails(2, "odd");
    let shown = house.json(&format!("show-operation --format json {done}")).await;
    has_shape("operations", &shown);
    let task = shown[&done]["tasks"].as_object().unwrap().keys().next().unwrap().clone();
    assert_eq!(shown[&done]["tasks"][&task]["name"], "do-thing");
    let shown = house.json(&format!("show-task --format json {task}")).await;
    has_shape("task", &shown);
    let table = house.play("operations").await.done().out;
    assert!(table.starts_with("ID  Status     Started"), "{table}");
    let slow_task = (slow.parse::<u32>().unwrap() + 1).to_string();
    let running = || async {
        let task = house.json(&format!("show-task --format json {slow_task}")).await;
        (task["status"] == "running").then_some(())
    };
    until(running).await;
    let ended = house.json(&format!("cancel-task --format json {slow_task}")).await;
    has_shape("tasks", &ended);
    let shown = house.play(&format!("show-operation --format json {slow} --wait 20s")).await.json();
    assert_eq!(shown[&slow]["status"], "aborted");
}

/// CLI contract cmd_actions, cmd_show-action.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn actions_are_listed() {
    let house = House::start().await;
    house.charms();
    house.play("deploy ./testdb").await.done();
    let actions = house.json("actions testdb --format json").await;
    has_shape("actions", &actions);
    assert_eq!(actions["do-thing"], "Does it.");
    let schemas = house.json("actions testdb --schema --format json").await;
    has_shape("actions-schema", &schemas);
    assert_eq!(schemas["do-thing"]["properties"]["param1"]["type"], "integer");
    let text = house.play("show-action testdb do-thing").await.done().out;
    assert!(text.starts_with("Does it.\n\nArguments\n"), "{text}");
    house.play("show-action testdb nix").await.fails(1, "(not found)");
    house.play("actions nix").await.fails(1, "application \"nix\" not found");
}
