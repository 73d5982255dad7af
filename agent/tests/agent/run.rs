//! How a run is made and how it ends: its name, its variables, commands from the machine (sections 3,
//! 4.13 and 5.12).

use muster_model::goal::UnitGoal;
use muster_model::name::{RelationId, Role};
use muster_model::record::TaskKind;
use muster_model::report::{NowReport, ReportBody, StepReport};
use muster_model::status::TaskState;

use crate::support::{CharmText, Host, unit};

/// Hook contract E02.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_is_a_link_is_called_by_its_own_name() {
    let mut charm = CharmText::new();
    charm.file("hooks/all", "#!/bin/bash\necho \"$0 $#\" >> \"$CHARM_DIR/names\"\n", 0o755);
    for hook in ["install", "config-changed", "start"] {
        charm.link(&format!("hooks/{hook}"), "all");
    }
    let mut host = Host::new(&charm);
    host.start();
    assert_eq!(host.rest().await, "");
    let folder = host.paths.charm(&unit());
    let names = std::fs::read_to_string(folder.join("names")).unwrap();
    let hooks = folder.join("hooks");
    let hooks = hooks.display();
    assert_eq!(names, format!("{hooks}/install 0\n{hooks}/config-changed 0\n{hooks}/start 0\n"));
}

fn set_proxies(host: &Host, pairs: &[(&str, &str)]) {
    let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    host.fake.want(|goal| goal.settings.proxies = pairs.collect());
}

/// Hook contract E05, E06, E08, E28.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_say_the_principal_the_proxies_and_the_terminal() {
    let mut charm = CharmText::new();
    charm.hook("install", "env -0 > $out/env-install");
    charm.hook("config-changed", "env -0 > $out/env-config-changed");
    let mut host = Host::new(&charm);
    let principal = |goal: &mut UnitGoal| goal.principal = Some("hub/3".parse().unwrap());
    host.unit(principal);
    // This one has a default and says nothing alone.
    set_proxies(&host, &[("no-proxy", "localhost")]);
    host.start();
    host.rest().await;
    let value = |env: &str, key: &str| {
        env.split('\0')
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('=').map(str::to_owned))
    };
    let legacy = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy"];
    let env = host.left("env-install");
    assert_eq!(value(&env, "JUJU_PRINCIPAL_UNIT").as_deref(), Some("hub/3"));
    let charm_proxies = [
        ("JUJU_CHARM_HTTP_PROXY", "juju-http-proxy"),
        ("JUJU_CHARM_HTTPS_PROXY", "juju-https-proxy"),
        ("JUJU_CHARM_FTP_PROXY", "juju-ftp-proxy"),
        ("JUJU_CHARM_NO_PROXY", "juju-no-proxy"),
    ];
    for (variable, _) in charm_proxies {
        assert_eq!(value(&env, variable).as_deref(), Some(""), "{variable}");
    }
    for key in legacy {
        assert_eq!(value(&env, key), None, "{key}");
        assert_eq!(value(&env, &key.to_uppercase()), None, "{key}");
    }
    let terminal = value(&env, "TERM").unwrap();
    assert!(["tmux-256color", "screen-256color", "screen"].contains(&terminal.as_str()));
    let mut all: Vec<(&str, &str)> = charm_proxies.iter().map(|(_, key)| (*key, *key)).collect();
    all.extend([("http-proxy", "http://p:1"), ("https-proxy", "http://p:2")]);
    all.extend([("ftp-proxy", "http://p:3"), ("no-proxy", "localhost")]);
    set_proxies(&host, &all);
    host.unit(|goal| (goal.principal, goal.trust) = (None, true));
    host.rest().await;
    let env = host.left("env-config-changed");
    assert_eq!(value(&env, "JUJU_PRINCIPAL_UNIT").as_deref(), Some(""));
    for (variable, key) in charm_proxies {
        assert_eq!(value(&env, variable).as_deref(), Some(key), "{variable}");
    }
    for (key, wanted) in legacy.iter().zip(["http://p:1", "http://p:2", "http://p:3", "localhost"])
    {
        assert_eq!(value(&env, key).as_deref(), Some(wanted), "{key}");
        assert_eq!(value(&env, &key.to_uppercase()).as_deref(), Some(wanted), "{key}");
    }
}

/// Hook contract T43.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_charm_logs_keeps_its_lines_its_level_and_is_taken_with_any_byte() {
    let mut charm = CharmText::new();
    charm.hook(
        "db-relation-created",
        "juju-log -l debug plain words; juju-log --log-level=LOUD shouted\n\
         juju-log -l ERROR \"$(printf 'one\\ntwo')\"; juju-log -l CRITICAL \"$(printf 'caf\\351')\"\n\
         status-set maintenance \"$(printf 'caf\\351')\"; juju-log --format x -- --led",
    );
    charm.hook("start", "juju-log outside");
    let mut host = Host::new(&charm);
    host.relate(7, "db", Role::Requirer, &[]);
    host.start();
    assert_eq!(host.rest().await, "", "none of it failed");
    let said = |state: &crate::support::State| {
        let own = state.logs.iter().filter(|line| line.module == "unit.wiki/0.juju-log");
        let all: Vec<String> = own.map(|line| format!("{} {}", line.level, line.message)).collect();
        all.iter().any(|line| line.ends_with("outside")).then_some(all)
    };
    let lines = host.until("the log", said).await;
    for line in [
        "DEBUG db:7: plain words",
        "WARNING invalid log level \"LOUD\"; logged as INFO",
        "INFO db:7: shouted",
        "ERROR db:7: one\ntwo",
        "CRITICAL db:7: caf\u{fffd}",
        "INFO db:7: --led",
        "INFO outside",
    ] {
        assert!(lines.contains(&line.to_owned()), "{line:?} in {lines:#?}");
    }
    let told = |report: &ReportBody| matches!(report, ReportBody::Now { now: NowReport::Status { message, .. }, .. } if message == "caf\u{fffd}");
    assert!(host.fake.state.lock().unwrap().reports.iter().any(told));
}

/// Hook contract A13.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn juju_exec_takes_the_one_member_of_a_relation_and_no_guess() {
    let mut host = Host::new(&CharmText::new());
    host.relate(7, "db", Role::Requirer, &[("postgresql/0", "v"), ("postgresql/1", "w")]);
    host.relate(8, "ring", Role::Peer, &[]);
    host.start();
    host.rest().await;
    let run = |words: &[&str]| host.on_the_machine("juju-exec", words);
    let show = "echo $JUJU_RELATION_ID $JUJU_REMOTE_UNIT; relation-get k";
    let (code, out, text) = run(&["-r", "7", show]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(
        text,
        "ERROR ambiguous remote unit; possibilities are [\"postgresql/0\", \"postgresql/1\"]\n"
    );
    let named = run(&["-r", "db:7", "--remote-unit", "postgresql/1", show]);
    assert_eq!(named.1, "db:7 postgresql/1\nw\n", "{}", named.2);
    let (code, _, text) = run(&["-r", "7", "--remote-unit", "postgresql/9", show]);
    assert_eq!((code, text.as_str()), (1, "ERROR unknown remote unit postgresql/9\n"));
    let forced = run(&[
        "-r",
        "7",
        "--remote-unit",
        "postgresql/9",
        "--force-remote-unit",
        "echo $JUJU_REMOTE_UNIT",
    ]);
    assert_eq!(forced.1, "postgresql/9\n");
    let (code, _, text) = run(&["-r", "8", show]);
    assert_eq!((code, text.as_str()), (1, "ERROR cannot infer remote unit in empty relation 8\n"));
    host.unit(|goal| {
        let members = &mut goal.relations.get_mut(&RelationId(7)).unwrap().members;
        members.remove(&"postgresql/1".parse().unwrap());
    });
    host.rest().await;
    assert_eq!(run(&["-r", "7", show]).1, "db:7 postgresql/0\nv\n");
}

/// Hook contract A14.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_unit_need_not_be_named_and_the_old_name_does_the_same() {
    let mut host = Host::new(&CharmText::new());
    host.start();
    host.rest().await;
    for name in ["juju-exec", "juju-run"] {
        let run = |words: &[&str]| host.on_the_machine(name, words);
        let wanted = (0, "wiki/0\n".to_owned(), String::new());
        assert_eq!(run(&["echo $JUJU_UNIT_NAME"]), wanted, "{name}");
        assert_eq!(run(&["unit-wiki-0", "echo $JUJU_UNIT_NAME"]), wanted, "{name}");
        assert_eq!(run(&["-u", "wiki/0", "echo $JUJU_UNIT_NAME"]), wanted, "{name}");
        assert_eq!(run(&["exit 7"]).0, 7, "{name}");
    }
    host.add_other();
    host.rest_of("other/0").await;
    let (code, _, text) = host.on_the_machine("juju-exec", &["true"]);
    assert_eq!((code, text.as_str()), (2, "ERROR missing unit-name\n"));
    assert_eq!(host.on_the_machine("juju-run", &["other/0", "true"]).0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_command_prints_comes_whole_and_what_a_result_leaves_out_is_said() {
    let mut host = Host::new(&CharmText::new());
    host.start();
    host.rest().await;
    let much = "seq 400000; seq 200000 >&2; exit 3";
    let lines = |last: u32| (1..=last).map(|n| format!("{n}\n")).collect::<String>();
    for words in [&["wiki/0", much][..], &["--no-context", much]] {
        let (code, out, text) = host.on_the_machine("juju-exec", words);
        assert_eq!(code, 3);
        assert!(out == lines(400_000), "{} bytes of output", out.len());
        assert!(text == lines(200_000), "{} bytes of errors", text.len());
    }
    let (code, out, text) = host.exec(1, much).await;
    assert_eq!(code, 3);
    for (told, whole) in [(out, lines(400_000)), (text, lines(200_000))] {
        let left_out = whole.len() - (128 << 10);
        assert_eq!(told, format!("{}\n[{left_out} bytes were left out]\n", &whole[..128 << 10]));
    }
}

fn rebooting(report: &ReportBody) -> bool {
    matches!(report, ReportBody::Now { now: NowReport::Rebooting, .. })
}

/// Hook contract F13.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reboot_that_a_command_asks_for_comes_after_its_commit() {
    for by_operator in [false, true] {
        let mut host = Host::new(&CharmText::new());
        host.start();
        host.rest().await;
        let script = "state-set a=1; juju-reboot; echo still here; exit 4";
        if by_operator {
            let ran = host.exec(1, script).await;
            assert_eq!(ran, (4, "still here\n".into(), String::new()));
        } else {
            let ran = host.on_the_machine("juju-exec", &[script]);
            assert_eq!(ran, (4, "still here\n".into(), String::new()));
        }
        host.until("reboot", |state| state.reports.iter().any(rebooting).then_some(())).await;
        host.stop().await;
        let state = host.fake.state.lock().unwrap();
        assert_eq!(state.unit_state.1["a"], "1");
        let commit = |report: &ReportBody| {
            matches!(
                report,
                ReportBody::Step { step: StepReport::Outside { .. } | StepReport::Task { .. }, .. }
            )
        };
        let at = |which: &dyn Fn(&ReportBody) -> bool| state.reports.iter().position(which);
        assert!(at(&commit).unwrap() < at(&rebooting).unwrap());
    }
}

/// Hook contract F14.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reboot_at_once_ends_the_command_keeps_nothing_and_queues_nothing() {
    for by_operator in [false, true] {
        let mut host = Host::new(&CharmText::new());
        host.start();
        host.rest().await;
        host.trace();
        let script = "state-set a=1; juju-reboot --now; sleep 600";
        if by_operator {
            let kind = TaskKind::Command { command: script.to_owned(), timeout_ms: None };
            let outcome = host.task(1, kind).await;
            assert_eq!(outcome.state, TaskState::Completed);
            assert_eq!(outcome.results["return-code"], 137);
        } else {
            assert_eq!(host.on_the_machine("juju-exec", &[script]).0, 137);
        }
        host.until("reboot", |state| state.reports.iter().any(rebooting).then_some(())).await;
        host.stop().await;
        assert!(host.fake.state.lock().unwrap().unit_state.1.is_empty());
        host.fake.state.lock().unwrap().reports.clear();
        host.settings.boot = Some("boot-2".to_owned());
        host.start();
        assert_eq!(host.rest().await, "");
        assert_eq!(host.trace(), "start, leader-settings-changed");
    }
}
