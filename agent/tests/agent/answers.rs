//! What the tools print and refuse, in the cases that the first table does not have (section 7.7).

use std::time::Duration;

use muster_model::effects::OpenPort;
use muster_model::name::{Role, TaskId};
use muster_model::record::{Provider, TaskKind};
use muster_model::report::{NowReport, ReportBody, StepReport};
use muster_model::status::TaskState;
use serde_json::json;

use crate::storage::storage;
use crate::support::{CharmText, Host, unit};
use crate::tools::{check, started};

/// Hook contract T37.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t37_a_status_without_a_message_clears_the_one_before() {
    let host = started(false).await;
    check(
        &host,
        &[
            ("status-set lost x", 2, "", "invalid status \"lost\", expected one of"),
            (
                "status-set waiting hm; status-set active; status-get --include-data --format json",
                0,
                "{\"message\":\"\",\"status\":\"active\",\"status-data\":{}}\n",
                "",
            ),
        ],
    )
    .await;
    let state = host.fake.state.lock().unwrap();
    let told: Vec<(String, String)> = state
        .reports
        .iter()
        .filter_map(|report| match report {
            ReportBody::Now { now: NowReport::Status { value, message }, .. } => {
                Some((value.as_str().to_owned(), message.clone()))
            }
            _ => None,
        })
        .collect();
    let pair = |status: &str, message: &str| (status.to_owned(), message.to_owned());
    assert_eq!(told, [pair("waiting", "hm"), pair("active", "")]);
}

/// Hook contract T39.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t39_the_leader_sees_its_applications_status_with_each_unit() {
    let host = started(true).await;
    check(
        &host,
        &[
            ("status-get --application", 0, "active\n", ""),
            (
                "status-get --application --format json",
                0,
                "{\"application-status\":{\"status\":\"active\",\"units\":{\"wiki/0\":{\"status\":\"active\"}}}}\n",
                "",
            ),
            (
                "status-get --application --include-data --format json",
                0,
                "{\"application-status\":{\"message\":\"\",\"status\":\"active\",\"status-data\":{},\"units\":{\"wiki/0\":{\"message\":\"\",\"status\":\"active\",\"status-data\":{}}}}}\n",
                "",
            ),
        ],
    )
    .await;
    host.unit(|goal| goal.leader = false);
    host.rest().await;
    let refused = "finding application status: this unit is not the leader";
    check(&host, &[("status-get --application --format json", 1, "", refused)]).await;
}

/// Hook contract T41.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t41_who_was_told_false_is_told_false_until_the_hook_ends() {
    let mut charm = CharmText::new();
    charm.hook(
        "install",
        "is-leader > $out/said; is-leader --format json >> $out/said; touch $out/asked; \
         until [ -e $out/go ]; do sleep 0.02; done; is-leader >> $out/said",
    );
    charm.hook("leader-elected", "is-leader >> $out/said; is-leader --format=yaml >> $out/said");
    let mut host = Host::new(&charm);
    host.start();
    host.appears("asked").await;
    // A call would see it at once: it fetches the goal anew.
    host.unit(|goal| goal.leader = true);
    std::fs::write(host.root().join("go"), "").unwrap();
    assert_eq!(host.rest().await, "");
    assert_eq!(host.left("said"), "False\nfalse\nFalse\nTrue\ntrue\n");
}

/// Hook contract L25, T41.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t41_true_is_never_said_where_nobody_confirms_it() {
    let mut charm = CharmText::new();
    charm.hook(
        "start",
        "is-leader > $out/before; touch $out/asked; until [ -e $out/go ]; do sleep 0.02; done; \
         is-leader > $out/after 2> $out/why || echo $? >> $out/after",
    );
    let mut host = Host::new(&charm);
    host.unit(|goal| goal.leader = true);
    // Shorter than what is promised: each call must ask.
    host.fake.state.lock().unwrap().lease = Duration::from_secs(20);
    host.start();
    host.appears("asked").await;
    host.fake.state.lock().unwrap().down = true;
    std::fs::write(host.root().join("go"), "").unwrap();
    host.appears("after").await;
    host.until_so("the answer", || !host.left("after").is_empty()).await;
    host.fake.state.lock().unwrap().down = false;
    assert_eq!((host.left("before").as_str(), host.left("after").as_str()), ("True\n", "1\n"));
    let why = host.left("why");
    assert!(why.starts_with("ERROR leadership status unknown: "), "{why}");
}

/// Hook contract T43.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t43_each_level_is_logged_and_a_relation_is_named() {
    let mut charm = CharmText::new();
    charm.hook(
        "install",
        "juju-log plain words; juju-log -l debug low; juju-log --log-level=Warn mid; \
         juju-log -l WARNING mid2; juju-log -l ERROR high; juju-log -l CRITICAL top; juju-log -l TRACE least; \
         juju-log --debug flagged; juju-log -l loud odd; juju-log -- --led message; \
         juju-log \"$(printf 'one\\ntwo')\"",
    );
    charm.hook("db-relation-created", "juju-log -l ERROR related");
    let mut host = Host::new(&charm);
    host.relate(7, "db", Role::Requirer, &[]);
    host.start();
    assert_eq!(host.rest().await, "");
    host.stop().await;
    let log = std::fs::read_to_string(host.paths.log(&unit())).unwrap();
    for line in [
        "INFO unit.wiki/0.juju-log agent.rs:1 plain words",
        "DEBUG unit.wiki/0.juju-log agent.rs:1 low",
        "WARNING unit.wiki/0.juju-log agent.rs:1 mid",
        "WARNING unit.wiki/0.juju-log agent.rs:1 mid2",
        "ERROR unit.wiki/0.juju-log agent.rs:1 high",
        "CRITICAL unit.wiki/0.juju-log agent.rs:1 top",
        "TRACE unit.wiki/0.juju-log agent.rs:1 least",
        "DEBUG unit.wiki/0.juju-log agent.rs:1 flagged",
        "INFO unit.wiki/0.juju-log agent.rs:1 odd",
        "INFO unit.wiki/0.juju-log agent.rs:1 --led message",
        "ERROR unit.wiki/0.juju-log agent.rs:1 db:7: related",
    ] {
        assert!(log.lines().any(|logged| logged.get(20..) == Some(line)), "{line} in\n{log}");
    }
    assert!(log.contains("WARNING") && log.contains("loud"), "a level that is none is told of");
    assert!(log.contains("one") && log.contains("two"), "{log}");
}

/// Hook contract T47.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t47_a_port_of_another_unit_of_the_machine_is_not_opened() {
    let host = started(false).await;
    host.fake.want(|goal| {
        let mut other = goal.units[&unit()].clone();
        other.relations.clear();
        other.ports = ["80/tcp", "8000-8010/udp"]
            .map(|range| OpenPort { range: range.parse().unwrap(), endpoint: None })
            .into();
        goal.units.insert("other/3".parse().unwrap(), other);
    });
    host.rest().await;
    check(
        &host,
        &[
            (
                "open-port 80",
                1,
                "",
                "cannot open 80/tcp (unit \"wiki/0\"): port range conflicts with 80/tcp (unit \"other/3\")",
            ),
            (
                "open-port 8005/udp",
                1,
                "",
                "cannot open 8005/udp (unit \"wiki/0\"): port range conflicts with 8000-8010/udp (unit \"other/3\")",
            ),
            ("open-port 8005/tcp; open-port icmp; opened-ports", 0, "icmp\n8005/tcp\n", ""),
        ],
    )
    .await;
}

/// Hook contract T50.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t50_storage_is_told_in_its_hook_and_by_its_id() {
    let mut charm = CharmText::new();
    charm.hook("data-storage-attached", "storage-get > $out/all; storage-get kind > $out/kind; storage-get location > $out/location");
    let mut host = Host::new(&charm);
    storage(&host, 0, Provider::Rootfs);
    host.start();
    assert_eq!(host.rest().await, "");
    let place = host.paths.storage().join("data/0");
    let place = place.to_str().unwrap();
    assert_eq!(host.left("all"), format!("kind: filesystem\nlocation: {place}\n"));
    assert_eq!(host.left("kind"), "filesystem\n");
    assert_eq!(host.left("location"), format!("{place}\n"));
    let all = format!("{{\"kind\":\"filesystem\",\"location\":\"{place}\"}}\n");
    let line = format!("{place}\n");
    check(
        &host,
        &[
            ("storage-get -s data/0 --format json", 0, &all, ""),
            ("storage-get -s data/0 location", 0, &line, ""),
            ("storage-get -s data/0 size", 1, "", "invalid storage attribute \"size\""),
            ("storage-get -s data/1", 2, "", "invalid value \"data/1\" for option -s: "),
            ("storage-get -s nonsense", 2, "", "invalid value \"nonsense\" for option -s: "),
            ("storage-get", 2, "", "no storage instance specified"),
            ("storage-list", 0, "data/0\n", ""),
            ("storage-list data", 0, "data/0\n", ""),
            ("storage-list other --format json", 0, "[]\n", ""),
        ],
    )
    .await;
}

/// Hook contract T51.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t51_more_storage_is_asked_for_by_count_and_only_when_the_run_ends() {
    let host = started(false).await;
    check(
        &host,
        &[
            ("storage-add data=10G", 2, "", "only count can be specified for \"data\""),
            ("storage-add data=0", 2, "", "only count can be specified for \"data\""),
            ("storage-add data=tmpfs,1", 2, "", "only count can be specified for \"data\""),
        ],
    )
    .await;
    assert_eq!(host.exec(7, "storage-add data=2 data; storage-list").await.1, "");
    let state = host.fake.state.lock().unwrap();
    let added = state.reports.iter().find_map(|report| match report {
        ReportBody::Step { step: StepReport::Task { task: TaskId(7), effects, .. }, .. } => {
            Some(effects.add_storage.clone())
        }
        _ => None,
    });
    assert_eq!(added.unwrap(), [("data".parse().unwrap(), 3)].into());
}

fn action(name: &str, parameters: &serde_json::Value) -> TaskKind {
    let parameters = parameters.as_object().unwrap().clone();
    TaskKind::Action { name: name.parse().unwrap(), parameters }
}

/// Hook contract T53.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t53_parameters_are_read_to_any_depth_and_none_are_an_empty_map() {
    let mut charm = CharmText::new();
    charm.action(
        "go",
        "action-get a.b.c; action-get a --format json; action-get a.b.none --format json; \
         action-get a.none; action-get count.x --format json",
    );
    charm.action("beside", "action-get; action-get --format json");
    let mut host = Host::new(&charm);
    host.start();
    host.rest().await;
    let nested = host.task(1, action("go", &json!({ "a": { "b": { "c": "deep" } } }))).await;
    assert_eq!(nested.results["stdout"], "deep\n{\"b\":{\"c\":\"deep\"}}\nnull\nnull\n");
    let none = host.task(2, action("beside", &json!({}))).await;
    assert_eq!(none.results["stdout"], "{}\n{}\n");
}

/// Hook contract T56.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t56_what_an_action_logs_is_there_before_it_ends() {
    let mut charm = CharmText::new();
    charm.action(
        "go",
        "action-log half way; until [ -e \"$(action-get who)/go\" ]; do sleep 0.02; done",
    );
    let mut host = Host::new(&charm);
    host.start();
    host.rest().await;
    host.ask(TaskId(1), action("go", &json!({ "who": host.root().to_str().unwrap() })));
    let is_half = |report: &ReportBody| matches!(report, ReportBody::Now { now: NowReport::TaskLog { task: TaskId(1), line, .. }, .. } if line == "half way");
    let over = |report: &ReportBody| {
        matches!(report, ReportBody::Step { step: StepReport::Task { .. }, .. })
    };
    let ended = host
        .until("the line", |state| {
            let told = state.reports.iter().any(is_half);
            told.then(|| state.reports.iter().any(over))
        })
        .await;
    assert!(!ended, "the action waits for this test");
    std::fs::write(host.root().join("go"), "").unwrap();
    assert_eq!(host.outcome(TaskId(1)).await.state, TaskState::Completed);
}

/// Hook contract T58.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t58_keys_values_and_the_whole_state_are_bounded() {
    let host = started(false).await;
    let write = |key: usize, value: usize| {
        format!(
            "key=$(head -c {key} /dev/zero | tr '\\0' k); printf '%s: %s\\n' $key $(head -c {value} /dev/zero | tr '\\0' v) | state-set --file -"
        )
    };
    let (key, long_key) = (write(256, 1), write(257, 1));
    let (value, long_value) = (write(3, 65_536), write(3, 65_537));
    // Fifteen are kept; the sixteenth would be more than a record has room for (`muster_model::limits`).
    let many = "head -c 65536 /dev/zero | tr '\\0' v > v; for i in $(seq 10 25); do \
                { printf 'k%s: ' $i; cat v; } | state-set --file - || break; done; state-get --format json | tr -cd k | wc -c";
    check(
        &host,
        &[
            (&key, 0, "", ""),
            (&long_key, 1, "", "257 bytes; 256 are allowed"),
            (&value, 0, "", ""),
            (&long_value, 1, "", "65537 bytes; 65536 are allowed"),
        ],
    )
    .await;
    host.exec(1, "state-delete kkk; state-delete \"$(head -c 256 /dev/zero | tr '\\0' k)\"").await;
    check(&host, &[(many, 0, "15\n", "1032192 are allowed")]).await;
}

/// Hook contract T60.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t60_credentials_are_spelt_by_format_and_for_the_trusted_only() {
    let host = started(false).await;
    let denied = "cannot access cloud credentials: permission denied";
    check(
        &host,
        &[("credential-get", 1, "", denied), ("credential-get --format json", 1, "", denied)],
    )
    .await;
    host.unit(|goal| goal.trust = true);
    host.rest().await;
    let plain = "cacertificates: []\ncredential:\n  attributes: {}\n  authtype: empty\n  redacted: false\n\
                 endpoint: \"\"\nidentityendpoint: \"\"\niscontrollercloud: true\nname: localhost\nregion: \"\"\n\
                 skiptlsverify: false\nstorageendpoint: \"\"\ntype: muster\n";
    let json = "{\"credential\":{\"attrs\":{},\"auth-type\":\"empty\"},\"is-controller-cloud\":true,\"name\":\"localhost\",\"type\":\"muster\"}\n";
    check(
        &host,
        &[
            ("credential-get", 0, plain, ""),
            ("credential-get --format yaml", 0, plain, ""),
            ("credential-get --format json", 0, json, ""),
        ],
    )
    .await;
}
