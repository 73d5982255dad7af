//! Charms that ask for too much, or for what is not theirs: a clear error, and nothing lost.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use muster_model::limits::SETTINGS;
use muster_model::name::{Member, RelationId, Role};
use muster_model::report::{ReportBody, StepReport};

use crate::support::{CharmText, Host, unit};

/// Hook contract E25.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_at_once_are_taken_one_after_the_other_and_none_is_lost() {
    let mut charm = CharmText::new();
    charm.hook(
        "install",
        "for n in $(seq 100); do for m in $(seq 99); do config-get name >> $out/answers & done; \
         state-set k$n=$n & done; wait",
    );
    let mut host = Host::new(&charm);
    host.unit(|goal| {
        goal.config.insert("name".parse().unwrap(), muster_charms::OptionValue::String("n".into()));
    });
    host.settings.processes = 20_000;
    host.patience *= 20;
    host.start();
    host.until("the commit", |state| (state.unit_state.1.len() == 100).then_some(())).await;
    assert_eq!(host.left("answers"), "n\n".repeat(9900));
    let state = host.fake.state.lock().unwrap();
    assert!(state.unit_state.1.iter().all(|(key, value)| key[1..] == *value));
}

/// Hook contract T32, T58.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relation_data_is_taken_to_the_last_byte_and_not_one_further() {
    let mut host = Host::new(&CharmText::new());
    host.relate(7, "db", Role::Requirer, &[]);
    host.start();
    host.rest().await;
    let own = (RelationId(7), Member::Unit(unit()));
    let there: usize = {
        let state = host.fake.state.lock().unwrap();
        state.bags[&own].1.iter().map(|(key, value)| key.len() + value.len()).sum()
    };
    let room = SETTINGS - there - "big".len();
    let set = |bytes: usize| {
        format!(
            "{{ printf '{{\"big\": \"'; head -c {bytes} /dev/zero | tr '\\0' x; printf '\"}}'; }} \
             | relation-set -r 7 --file -"
        )
    };
    let (code, _, text) = host.exec(1, &set(room + 1)).await;
    let over = SETTINGS + 1;
    assert_eq!(
        (code, text.as_str()),
        (
            1,
            format!(
                "ERROR cannot write relation settings: all keys and values would have {over} \
                 bytes; {SETTINGS} are allowed\n"
            )
            .as_str()
        )
    );
    let read = format!("{}; relation-get -r 7 big wiki/0 | wc -c", set(room));
    assert_eq!(host.exec(2, &read).await, (0, format!("{}\n", room + 1), String::new()));
    assert_eq!(host.fake.state.lock().unwrap().bags[&own].1["big"].len(), room);
    // What was committed is read from what the agent keeps; another key finds no room.
    let (code, _, text) = host.exec(3, "relation-set -r 7 a=b").await;
    assert!(code == 1 && text.contains("are allowed"), "{text}");
    let key = "k".repeat(257);
    let (code, _, text) = host.exec(4, &format!("state-set {key}=v")).await;
    assert_eq!(
        (code, text.as_str()),
        (1, "ERROR a key of the state has 257 bytes; 256 are allowed\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_megabytes_are_refused_and_a_pipe_is_not_waited_for() {
    let mut host = Host::new(&CharmText::new());
    host.relate(7, "db", Role::Requirer, &[]);
    host.start();
    host.rest().await;
    let most = 2 * SETTINGS;
    let run = async |id, script: &str| {
        let (code, out, text) = host.exec(id, script).await;
        assert_eq!((code, out.as_str()), (1, ""), "{script}: {text}");
        text
    };
    let text = run(1, "head -c 100000000 /dev/zero | relation-set -r 7 --file -").await;
    assert_eq!(text, format!("ERROR standard input is larger than {most} bytes\n"));
    let text = run(2, "truncate -s 100M big; relation-set -r 7 --file big").await;
    assert_eq!(text, format!("ERROR cannot read \"big\": it is larger than {most} bytes\n"));
    let text = run(3, "mkfifo pipe; state-set --file pipe").await;
    assert!(text.contains("\"pipe\": it is no ordinary file"), "{text}");
    let text = run(4, "state-set --file /dev/zero").await;
    assert!(text.contains("it is no ordinary file"), "{text}");
    let state = host.fake.state.lock().unwrap();
    assert!(state.unit_state.1.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_is_a_folder_has_failed() {
    for (name, hook) in [("hooks/config-changed", "config-changed"), ("dispatch", "leader-elected")]
    {
        let mut charm = CharmText::new();
        charm.hook("install", &format!("rm -rf {name}; mkdir {name}"));
        let mut host = Host::new(&charm);
        host.unit(|goal| goal.leader = true);
        host.start();
        assert_eq!(host.rest().await, format!("hook `{hook}` failed; waiting for `resolved`"));
        let reason = host.until("the reason", failure).await;
        assert!(reason.ends_with(&format!("{name}` cannot be run: it is not an executable file")));
    }
}

fn failure(state: &crate::support::State) -> Option<String> {
    state.reports.iter().rev().find_map(|report| match report {
        ReportBody::Step { step: StepReport::Failed { reason, .. }, .. } => Some(reason.clone()),
        _ => None,
    })
}

/// Hook contract E21.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charm_that_took_its_own_metadata_away_is_in_error() {
    let mut charm = CharmText::new();
    charm.hook("install", "rm metadata.yaml");
    let mut host = Host::new(&charm);
    host.unit(|goal| goal.leader = true);
    host.start();
    assert_eq!(host.rest().await, "hook `leader-elected` failed; waiting for `resolved`");
    let reason = host.until("the reason", failure).await;
    assert!(reason.starts_with("the charm is missing from disk: there is no `"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s12_nobody_but_root_and_no_other_unit_is_served() {
    let mut charm = CharmText::new();
    charm.hook(
        "install",
        "me=${JUJU_UNIT_NAME%/0}; printf '%s\\n%s\\n' $JUJU_CONTEXT_ID $JUJU_AGENT_SOCKET_ADDRESS > $out/new-$me; \
         mv $out/new-$me $out/token-$me\n\
         until [ -e $out/token-wiki ] && [ -e $out/token-other ]; do sleep 0.02; done\n\
         if [ $me = wiki ]; then { read id; read socket; } < $out/token-other\n\
         JUJU_CONTEXT_ID=$id unit-get private-address > $out/own-socket 2>&1 || echo $? >> $out/own-socket\n\
         JUJU_CONTEXT_ID=$id JUJU_AGENT_SOCKET_ADDRESS=$socket \
         unit-get private-address > $out/its-socket 2>&1 || echo $? >> $out/its-socket; fi\n\
         touch $out/tried-$me; until [ -e $out/go ]; do sleep 0.02; done; unit-get private-address > $out/last-$me",
    );
    let mut host = Host::new(&charm);
    host.fake.want(|goal| goal.settings.parallel_hooks = true);
    host.add_other();
    host.start();
    host.appears("tried-wiki").await;
    host.appears("tried-other").await;
    if rustix::process::geteuid().is_root() {
        // The doors are opened for this: what is left to refuse is by the kernel's word alone.
        let id = host.left("token-wiki").lines().next().unwrap().to_owned();
        let socket = host.paths.socket(&unit());
        for path in socket.ancestors().take_while(|path| path.starts_with(host.root())) {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
        }
        let output = Command::new(&host.settings.program)
            .arg0("unit-get")
            .arg("private-address")
            .env("JUJU_CONTEXT_ID", &id)
            .env("JUJU_AGENT_SOCKET_ADDRESS", &socket)
            .uid(65534)
            .output();
        // A build folder may be closed to others; then it does not even start.
        if let Ok(output) = output {
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(text, "ERROR bad request: permission denied\n");
            assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), b"".as_slice()));
        }
    }
    std::fs::write(host.root().join("go"), "").unwrap();
    host.rest().await;
    let grouped = std::fs::read_to_string("/proc/self/mountinfo").unwrap().contains(" - cgroup2 ");
    let refused = "ERROR bad request: wrong context ID; got \"other/0-install\"\n1\n";
    assert_eq!(host.left("own-socket"), refused);
    if grouped && rustix::process::geteuid().is_root() {
        assert_eq!(
            host.left("its-socket"),
            refused,
            "its token and its socket, but not its process"
        );
    }
    host.appears("last-other").await;
    assert_eq!(host.left("last-wiki"), "10.0.0.5\n", "whose own it is is served");
}
