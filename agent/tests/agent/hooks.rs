//! What a hook sees, in the cases that a plain one does not have (section 7.3).

use std::collections::BTreeMap;

use muster_charms::{JUJU_VERSION, Version};
use muster_model::Life;
use muster_model::name::{Member, RelationId, Role};
use muster_model::record::Resolve;
use muster_model::report::{ReportBody, StepReport};

use crate::support::{CharmText, Host, unit};

/// The environment that a hook left in a file, as `env -0` prints it.
fn environment(host: &Host, name: &str) -> BTreeMap<String, String> {
    let text = host.left(name);
    let pairs = text.split('\0').filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Hook contract E02.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e02_a_linked_hook_is_called_by_its_own_name() {
    let mut charm = CharmText::new();
    charm.hook("install", "echo \"$0\" >> $out/zero").link("hooks/config-changed", "install");
    let mut host = Host::new(&charm);
    host.start();
    assert_eq!(host.rest().await, "");
    assert_eq!(host.trace(), "install, leader-settings-changed, config-changed, start");
    let folder = host.paths.charm(&unit());
    let called = ["hooks/install", "hooks/config-changed"].map(|name| folder.join(name));
    let lines = called.map(|path| format!("{}\n", path.display())).concat();
    assert_eq!(host.left("zero"), lines);
}

/// Hook contract E05, L27.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e05_the_principal_is_named_to_a_subordinate_and_empty_to_a_principal() {
    for principal in [None, Some("hub/3")] {
        let mut charm = CharmText::new();
        charm.hook("install", "env -0 > $out/env");
        let mut host = Host::new(&charm);
        host.unit(|goal| goal.principal = principal.map(|name| name.parse().unwrap()));
        host.start();
        host.rest().await;
        let env = environment(&host, "env");
        let told = env.get("JUJU_PRINCIPAL_UNIT").map(String::as_str);
        assert_eq!(told, Some(principal.unwrap_or_default()));
    }
}

/// Hook contract E06, E28.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e06_e28_proxies_are_told_as_the_model_has_them() {
    const LEGACY: [&str; 4] = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy"];
    for (set, legacy) in [
        (&[][..], &[][..]),
        (&[("juju-http-proxy", "http://j:1"), ("juju-no-proxy", "j.local")], &[]),
        // Alone it says nothing: it has a default.
        (&[("no-proxy", "localhost")], &[]),
        (
            &[("http-proxy", "http://p:1"), ("no-proxy", "localhost")],
            &[("http_proxy", "http://p:1"), ("no_proxy", "localhost")],
        ),
    ] {
        let mut charm = CharmText::new();
        charm.hook("install", "env -0 > $out/env");
        let mut host = Host::new(&charm);
        host.fake.want(|goal| {
            let pairs = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            goal.settings.proxies = pairs.collect();
        });
        host.start();
        host.rest().await;
        let env = environment(&host, "env");
        for (variable, key) in [
            ("JUJU_CHARM_HTTP_PROXY", "juju-http-proxy"),
            ("JUJU_CHARM_HTTPS_PROXY", "juju-https-proxy"),
            ("JUJU_CHARM_FTP_PROXY", "juju-ftp-proxy"),
            ("JUJU_CHARM_NO_PROXY", "juju-no-proxy"),
        ] {
            let expected = set.iter().find(|(name, _)| *name == key).map_or("", |(_, value)| value);
            assert_eq!(env.get(variable).map(String::as_str), Some(expected), "{variable}");
        }
        for name in LEGACY {
            let expected = legacy.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
            assert_eq!(env.get(name).map(String::as_str), expected, "{set:?} {name}");
            let upper = env.get(&name.to_uppercase()).map(String::as_str);
            assert_eq!(upper, expected, "{set:?} {name}");
        }
    }
}

/// Hook contract E07, E26, T08.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e07_e26_every_tool_is_found_first_and_says_its_flags_and_no_other_is() {
    let names: Vec<&str> = muster_agent::tools::names().collect();
    let mut charm = CharmText::new();
    let all = names.join(" ");
    charm.hook(
        "install",
        &format!(
            "for tool in {all}; do command -v $tool >> $out/found; $tool --help > $out/help-$tool; done\n\
             for tool in function-get function-set k8s-spec-set k8s-raw-get pod-spec-set pod-spec-get; do\n\
             ! command -v $tool >> $out/absent || exit 1; done; echo none > $out/none"
        ),
    );
    let mut host = Host::new(&charm);
    host.start();
    assert_eq!(host.rest().await, "");
    let folder = host.paths.tools(&unit());
    let found = names.iter().map(|name| format!("{}\n", folder.join(name).display()));
    assert_eq!(host.left("found"), found.collect::<String>());
    assert_eq!(host.left("none"), "none\n");
    assert!(names.contains(&"juju-log") && names.len() > 30, "{names:?}");
    for name in &names {
        let help = host.left(&format!("help-{name}"));
        assert!(help.starts_with(&format!("Usage: {name}")), "{name}: {help}");
    }
    assert!(host.left("help-relation-set").contains("--file"));
}

/// Hook contract E11.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e11_created_and_broken_name_the_application_and_no_unit() {
    let mut charm = CharmText::new();
    for hook in ["db-relation-created", "db-relation-broken"] {
        charm.hook(hook, "env -0 > $out/env-$JUJU_HOOK_NAME");
    }
    let mut host = Host::new(&charm);
    host.relate(7, "db", Role::Requirer, &[("postgresql/0", "v")]);
    host.start();
    host.rest().await;
    host.unit(|goal| goal.relations.get_mut(&RelationId(7)).unwrap().life = Life::Dying);
    host.rest().await;
    for hook in ["created", "broken"] {
        let env = environment(&host, &format!("env-db-relation-{hook}"));
        let get = |key: &str| env.get(key).map(String::as_str);
        assert_eq!(get("JUJU_REMOTE_UNIT"), Some(""), "{hook}");
        assert_eq!(get("JUJU_REMOTE_APP"), Some("postgresql"), "{hook}");
        assert_eq!(get("JUJU_RELATION_ID"), Some("db:7"), "{hook}");
        assert_eq!(get("JUJU_DEPARTING_UNIT"), None, "{hook}");
    }
}

/// Hook contract E19.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e19_hooks_without_a_file_count_as_done_and_start_is_reached() {
    let mut charm = CharmText::new();
    charm.hook("install", "rm hooks/leader-settings-changed hooks/config-changed");
    // A link that leads nowhere is no file either.
    charm.link("hooks/stop", "nowhere");
    let mut host = Host::new(&charm);
    host.start();
    assert_eq!(host.rest().await, "");
    assert_eq!(host.trace(), "install, start");
    let hooks: Vec<String> = host.commits().iter().map(|(hook, _)| hook.to_string()).collect();
    assert_eq!(hooks, ["install", "leader-settings-changed", "config-changed", "start"]);
    host.unit(|goal| goal.life = Life::Dying);
    host.until("the end", |state| state.goal.units.is_empty().then_some(())).await;
    assert_eq!(host.trace(), "remove");
}

/// Hook contract E21.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e21_a_charm_that_lost_its_metadata_is_in_error_until_it_has_it_again() {
    let mut charm = CharmText::new();
    charm.hook("install", "mv metadata.yaml $out/");
    let mut host = Host::new(&charm);
    host.start();
    let waits = "hook `leader-settings-changed` failed; waiting for `resolved`";
    assert_eq!(host.rest().await, waits);
    let reason = host.fake.state.lock().unwrap().reports.iter().find_map(|report| match report {
        ReportBody::Step { step: StepReport::Failed { reason, .. }, .. } => Some(reason.clone()),
        _ => None,
    });
    let reason = reason.unwrap();
    assert!(reason.contains("missing from disk"), "{reason}");
    let folder = host.paths.charm(&unit());
    std::fs::rename(host.root().join("metadata.yaml"), folder.join("metadata.yaml")).unwrap();
    host.unit(|goal| goal.resolve = Some(Resolve { seq: goal.seq, retry: true, count: 1 }));
    assert_eq!(host.rest().await, "");
    assert_eq!(host.trace(), "install, leader-settings-changed, config-changed, start");
}

/// Hook contract E25.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e25_tools_that_are_called_at_once_are_answered_one_by_one_and_none_is_lost() {
    let mut charm = CharmText::new();
    // Each adds to one state and one bag, whole: two at the same time would lose what one wrote.
    charm.hook(
        "start",
        "for i in $(seq 64); do\n\
         (relation-set -r 7 k$i=$i && state-set s$i=$i && relation-get -r 7 k$i wiki/0 > $out/got-$i) &\n\
         done; wait; cat $out/got-* | sort -n > $out/got",
    );
    let mut host = Host::new(&charm);
    host.relate(7, "db", Role::Requirer, &[]);
    host.start();
    assert_eq!(host.rest().await, "");
    let numbers: String = (1..=64).map(|number| format!("{number}\n")).collect();
    assert_eq!(host.left("got"), numbers);
    let state = host.fake.state.lock().unwrap();
    let own = &state.bags[&(RelationId(7), Member::Unit(unit()))].1;
    for number in 1..=64 {
        assert_eq!(own.get(&format!("k{number}")), Some(&number.to_string()));
        assert_eq!(state.unit_state.1.get(&format!("s{number}")), Some(&number.to_string()));
    }
}

/// Hook contract E27.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e27_there_is_one_version_and_libraries_can_compare_it() {
    let mut charm = CharmText::new();
    charm.hook("install", "echo $JUJU_VERSION > $out/version");
    let mut host = Host::new(&charm);
    host.start();
    host.rest().await;
    let told = host.left("version");
    let parsed: Version = told.trim().parse().unwrap();
    assert!(parsed >= Version::new(3, 6, 0) && parsed < Version::new(4, 0, 0), "{told}");
    assert_eq!(parsed, JUJU_VERSION, "what `assumes` is held against");
    let jujud = host.paths.juju.join("tools/machine-3/jujud");
    let output = std::process::Command::new(jujud).arg("version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(&format!("{}-", told.trim())), "{text}");
}
