//! `juju-exec` from the machine (sections 5.12 and 7.9).

use muster_model::name::Role;

use crate::support::{CharmText, Host, unit};

/// Calls the machine's program under this name; answers its exit code and what it printed.
fn call(host: &Host, name: &str, words: &[&str]) -> (i32, String, String) {
    let program = host.root().join(name);
    if !program.exists() {
        std::os::unix::fs::symlink(&host.settings.program, &program).unwrap();
    }
    let mut command = std::process::Command::new(&program);
    command.args(words).env("MUSTER_EXEC_SOCKET", host.paths.exec_socket());
    command.env_remove("JUJU_CONTEXT_ID");
    let output = tokio::task::block_in_place(|| command.output().unwrap());
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// Hook contract F07.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f07_a_unit_in_error_still_takes_commands_and_keeps_what_they_write() {
    let mut charm = CharmText::new();
    charm.hook("config-changed", "exit 1");
    let mut host = Host::new(&charm);
    host.start();
    let waits = "hook `config-changed` failed; waiting for `resolved`";
    assert_eq!(host.rest().await, waits);
    let before = host.trace();
    assert_eq!(before, "install, leader-settings-changed, config-changed");
    let (code, out, err) = call(&host, "juju-exec", &["wiki/0", "state-set a=1; echo here"]);
    assert_eq!((code, out.as_str()), (0, "here\n"), "{err}");
    assert_eq!(host.fake.state.lock().unwrap().unit_state.1["a"], "1");
    host.unit(|goal| goal.trust = true);
    assert_eq!(host.rest().await, waits, "another reason for a hook changes nothing");
    assert_eq!(host.trace(), "");
}

/// Hook contract A13.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a13_the_remote_unit_is_inferred_named_or_forced() {
    let mut host = Host::new(&CharmText::new());
    host.relate(7, "db", Role::Requirer, &[("postgresql/0", "v")]);
    host.relate(8, "db", Role::Requirer, &[("postgresql/0", "v"), ("postgresql/1", "w")]);
    host.relate(9, "db", Role::Requirer, &[]);
    host.start();
    host.rest().await;
    let remote = "echo \"$JUJU_RELATION_ID $JUJU_REMOTE_UNIT $JUJU_REMOTE_APP\"";
    for (words, code, said) in [
        (&["-r", "7", remote][..], 0, "db:7 postgresql/0 postgresql\n"),
        (
            &["-r", "db:8", "--remote-unit", "postgresql/1", remote],
            0,
            "db:8 postgresql/1 postgresql\n",
        ),
        (
            &["-r", "8", "--remote-unit", "postgresql/7", "--force-remote-unit", remote],
            0,
            "db:8 postgresql/7 postgresql\n",
        ),
        (&["-r", "9", "--remote-app", "postgresql", remote], 0, "db:9  postgresql\n"),
        (&["-r", "8", remote], 1, "ambiguous remote unit; possibilities are"),
        (
            &["-r", "8", "--remote-unit", "postgresql/7", remote],
            1,
            "unknown remote unit postgresql/7",
        ),
        (&["-r", "9", remote], 1, "cannot infer remote unit in empty relation 9"),
        (&["-r", "10", remote], 1, "unknown relation id: 10"),
    ] {
        let (got, out, err) = call(&host, "juju-exec", words);
        assert_eq!(got, code, "{words:?}: {err}");
        if code == 0 {
            assert_eq!(out, said, "{words:?}");
        } else {
            assert!(out.is_empty() && err.contains(said), "{words:?}: {err}");
        }
    }
}

/// Hook contract A14.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a14_the_old_name_does_the_same_and_two_units_want_a_name() {
    let mut host = Host::new(&CharmText::new());
    host.start();
    host.rest().await;
    for name in ["juju-exec", "juju-run"] {
        assert_eq!(call(&host, name, &["echo $JUJU_UNIT_NAME"]).1, "wiki/0\n", "{name}");
        assert_eq!(
            call(&host, name, &["unit-wiki-0", "pwd"]).1.trim(),
            host.paths.charm(&unit()).to_str().unwrap()
        );
        assert_eq!(call(&host, name, &["-u", "wiki/0", "echo", "a  b"]).1, "a  b\n", "{name}");
    }
    host.fake.want(|goal| {
        let other = goal.units[&unit()].clone();
        goal.units.insert("other/0".parse().unwrap(), other);
    });
    host.rest().await;
    let (code, _, text) = call(&host, "juju-run", &["true"]);
    assert_eq!(code, 2);
    assert!(text.contains("missing unit-name"), "{text}");
}
