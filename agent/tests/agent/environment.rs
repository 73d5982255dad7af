//! What a hook sees (section 7.3).

use muster_model::name::Role;
use muster_model::record::TaskKind;

use crate::support::{CharmText, Host, unit};

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split('\0').find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
}

/// Hook contract E01, E03, E04, E06, E08, E09, E10, E11, E12, E14.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e01_to_e14_the_environment_is_what_the_contract_lists() {
    let mut charm = CharmText::new();
    charm.hook(
        "install",
        "env -0 > $out/env; pwd -P > $out/cwd; echo \"$0\" > $out/zero; cat > $out/stdin",
    );
    charm.hook("db-relation-created", "env -0 > $out/env-created");
    charm.hook("db-relation-joined", "env -0 > $out/env-joined");
    charm.hook("db-relation-departed", "env -0 > $out/env-departed");
    charm.action("go", "env -0 > \"$(action-get who)/env-action\"");
    let mut host = Host::new(&charm);
    host.start();
    host.relate(7, "db", Role::Requirer, &[("postgresql/0", "v")]);
    host.rest().await;
    let folder = host.paths.charm(&unit());
    let env = host.left("env");
    let get = |key: &str| value(&env, key);
    assert_eq!(host.left("cwd").trim(), folder.to_str().unwrap(), "E01");
    assert_eq!(get("CHARM_DIR"), folder.to_str(), "E01");
    assert_eq!(get("JUJU_CHARM_DIR"), folder.to_str(), "E01");
    assert_eq!(host.left("zero").trim(), folder.join("hooks/install").to_str().unwrap(), "E02");
    for absent in ["HOME", "USER", "SHELL", "LOGNAME", "CARGO_MANIFEST_DIR", "http_proxy"] {
        assert_eq!(get(absent), None, "E03, E06: {absent}");
    }
    for (key, expected) in [
        ("JUJU_UNIT_NAME", "wiki/0"),
        ("JUJU_MODEL_NAME", "prod"),
        ("JUJU_MODEL_UUID", "f7b5b0a6-2f2c-4f0e-8a44-3c2a66a1c001"),
        ("JUJU_VERSION", &muster_charms::JUJU_VERSION.to_string()),
        ("JUJU_MACHINE_ID", "3"),
        ("JUJU_API_ADDRESSES", "10.0.0.1:17070"),
        ("JUJU_PRINCIPAL_UNIT", ""),
        ("JUJU_CHARM_HTTP_PROXY", ""),
        ("JUJU_CHARM_NO_PROXY", ""),
        ("DEBIAN_FRONTEND", "noninteractive"),
        ("APT_LISTCHANGES_FRONTEND", "none"),
        ("LANG", "C.UTF-8"),
        ("JUJU_HOOK_NAME", "install"),
        ("JUJU_DISPATCH_PATH", "hooks/install"),
        ("JUJU_AGENT_SOCKET_NETWORK", "unix"),
    ] {
        assert_eq!(get(key), Some(expected), "{key}");
    }
    assert!(get("TERM").is_some());
    assert!(get("PATH").unwrap().starts_with(host.paths.tools(&unit()).to_str().unwrap()), "E07");
    assert_eq!(host.left("stdin"), "", "E14");
    let created = host.left("env-created");
    assert_eq!(value(&created, "JUJU_REMOTE_UNIT"), Some(""), "E11");
    assert_eq!(value(&created, "JUJU_REMOTE_APP"), Some("postgresql"), "E11");
    assert_eq!(value(&created, "JUJU_RELATION_ID"), Some("db:7"));
    assert_eq!(value(&created, "JUJU_RELATION"), Some("db"));
    let joined = host.left("env-joined");
    assert_eq!(value(&joined, "JUJU_REMOTE_UNIT"), Some("postgresql/0"));
    assert_eq!(value(&joined, "JUJU_DEPARTING_UNIT"), None, "E12");
    host.unit(|goal| goal.relations.values_mut().next().unwrap().members.clear());
    host.rest().await;
    let departed = host.left("env-departed");
    assert_eq!(value(&departed, "JUJU_DEPARTING_UNIT"), Some("postgresql/0"), "E12");
    let root = host.root().to_str().unwrap().to_owned();
    let parameters = serde_json::json!({ "who": root });
    let kind = TaskKind::Action {
        name: "go".parse().unwrap(),
        parameters: parameters.as_object().unwrap().clone(),
    };
    host.task(12, kind).await;
    let action = host.left("env-action");
    for (key, expected) in [
        ("JUJU_HOOK_NAME", ""),
        ("JUJU_DISPATCH_PATH", "actions/go"),
        ("JUJU_ACTION_NAME", "go"),
        ("JUJU_ACTION_UUID", "12"),
        ("JUJU_ACTION_TAG", "action-12"),
    ] {
        assert_eq!(value(&action, key), Some(expected), "E09, E10, E13: {key}");
    }
    let (_, env, _) = host.exec(13, "env -0").await;
    assert_eq!(value(&env, "JUJU_DISPATCH_PATH"), None, "E10");
    assert_eq!(value(&env, "JUJU_HOOK_NAME"), Some(""), "E09");
}

/// Hook contract E15.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e15_output_is_logged_line_by_line() {
    let mut charm = CharmText::new();
    charm.hook("install", "echo one; echo two >&2; juju-log -l WARNING three four");
    let mut host = Host::new(&charm);
    host.start();
    host.rest().await;
    let lines = host
        .until("the log", |state| {
            let lines: Vec<String> = state
                .logs
                .iter()
                .map(|line| format!("{} {} {}", line.level, line.module, line.message))
                .collect();
            (lines.len() >= 3).then_some(lines)
        })
        .await;
    for line in [
        "DEBUG unit.wiki/0.install one",
        "WARNING unit.wiki/0.install two",
        "WARNING unit.wiki/0.juju-log three four",
    ] {
        assert!(lines.contains(&line.to_owned()), "{line} in {lines:?}");
    }
    let file = std::fs::read_to_string(host.paths.log(&unit())).unwrap();
    let line = file.lines().find(|line| line.contains("unit.wiki/0.install")).unwrap();
    let (stamp, rest) = line.split_at(19);
    assert!(stamp.chars().enumerate().all(|(at, c)| match at {
        4 | 7 => c == '-',
        10 => c == ' ',
        13 | 16 => c == ':',
        _ => c.is_ascii_digit(),
    }));
    assert!(rest.starts_with(" DEBUG ") || rest.starts_with(" WARNING "), "{rest}");
}

/// Hook contract E18.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e18_dispatch_answers_every_hook_and_e19_a_missing_hook_is_none() {
    let mut charm = CharmText::new();
    charm.file(
        "dispatch",
        "#!/bin/bash\necho \"$JUJU_DISPATCH_PATH\" >> \"$CHARM_DIR/seen\"\n",
        0o755,
    );
    let mut host = Host::new(&charm);
    host.start();
    assert_eq!(host.rest().await, "");
    let seen = std::fs::read_to_string(host.paths.charm(&unit()).join("seen")).unwrap();
    assert_eq!(
        seen,
        "hooks/install\nhooks/leader-settings-changed\nhooks/config-changed\nhooks/start\n"
    );
    assert_eq!(host.trace(), "");
}

/// Hook contract E20.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e20_a_hook_that_cannot_run_has_failed() {
    let mut charm = CharmText::new();
    charm.hook("install", "chmod 0644 hooks/start");
    let mut host = Host::new(&charm);
    host.start();
    assert_eq!(host.rest().await, "hook `start` failed; waiting for `resolved`");
}

/// Hook contract E22, E23.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e22_a_loop_over_lines_keeps_them_and_e25_tools_run_side_by_side() {
    let mut charm = CharmText::new();
    charm.hook(
        "install",
        "printf 'a\\nb\\nc\\n' > $out/in; while read line; do config-get name >/dev/null; \
         echo $line >> $out/lines; done < $out/in\n\
         config-get name > $out/one & config-get name > $out/two & wait\n\
         mkdir sub; cd sub; echo 'a: 1' > f; state-set --file f; state-get a > $out/state",
    );
    let mut host = Host::new(&charm);
    host.unit(|goal| {
        goal.config.insert("name".parse().unwrap(), muster_charms::OptionValue::String("n".into()));
    });
    host.start();
    assert_eq!(host.rest().await, "");
    assert_eq!(host.left("lines"), "a\nb\nc\n");
    assert_eq!((host.left("one").as_str(), host.left("two").as_str()), ("n\n", "n\n"));
    assert_eq!(host.left("state"), "1\n", "E23");
}

/// Hook contract E24.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e24_jujud_tells_its_version() {
    let mut host = Host::new(&CharmText::new());
    host.start();
    host.rest().await;
    let output = std::process::Command::new(host.paths.juju.join("tools/machine-3/jujud"))
        .arg("version")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut parts = text.trim().splitn(2, '-');
    let numbers: Vec<u32> = parts.next().unwrap().split('.').map(|n| n.parse().unwrap()).collect();
    assert!(numbers.len() == 3 && (numbers[0], numbers[1]) >= (3, 6), "E27");
    assert_eq!(parts.next().unwrap().split('-').count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s12_only_the_hooks_own_processes_are_served() {
    let mut charm = CharmText::new();
    charm.hook(
        "install",
        "echo \"$JUJU_CONTEXT_ID\" > $out/id.new; mv $out/id.new $out/id; \
         while [ ! -e $out/go ]; do sleep 0.02; done",
    );
    let mut host = Host::new(&charm);
    host.start();
    host.appears("id").await;
    let id = host.left("id").trim().to_owned();
    let tool = host.paths.tools(&unit()).join("config-get");
    let socket = host.paths.socket(&unit());
    let call = |id: &str| {
        let output = std::process::Command::new(&tool)
            .env("JUJU_CONTEXT_ID", id)
            .env("JUJU_AGENT_SOCKET_ADDRESS", &socket)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    // One letter off, and (where there are control groups) even the right one from outside.
    let mut wrong = id.clone();
    let last = wrong.pop().unwrap();
    wrong.push(if last == '0' { '1' } else { '0' });
    let (code, text) = call(&wrong);
    assert_eq!(code, Some(1));
    let secret = id.rsplit('-').next().unwrap();
    assert!(text.contains("wrong context ID") && !text.contains(&secret[..16]), "{text}");
    let (code, _) = call(&id);
    assert_eq!(code, Some(1), "a process outside of the hook's group");
    std::fs::write(host.root().join("go"), "").unwrap();
    host.rest().await;
}
