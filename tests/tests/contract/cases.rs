//! The rules of the contract's chapter 1 and the commands of its chapter 3, case by case.

use std::collections::BTreeMap;

use serde_json::json;

use crate::house::{Hand, House, until};

/// Lines that must fail: the line, the exit code, what stderr says.
async fn fail(house: &House, cases: &[(&str, u8, &str)]) {
    for (line, code, said) in cases {
        house.play(line).await.fails(*code, said);
    }
}

fn with(name: &str, value: &str) -> Hand {
    let env = BTreeMap::from([(name.to_owned(), value.to_owned())]);
    Hand { env, ..Hand::default() }
}

/// CLI contract trap_01, frag_usage: two for the line itself, one for what came of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exit_codes() {
    let house = House::start().await;
    let cases = [
        ("status --x", 2, "option provided but not defined: --x"),
        ("deploy ./x --to", 2, "option needs an argument: --to"),
        ("expose a b", 2, "unrecognized args: [\"b\"]"),
        ("status --format xml", 2, "invalid value \"xml\" for option --format"),
        ("run a/0 act --wait 60", 2, "invalid value \"60\" for option --wait"),
        ("frobnicate", 1, "is not a muster command"),
        ("deploy", 2, "no charm or bundle specified"),
        ("destroy-model nix --no-prompt", 1, "not found"),
        ("show-unit nix/0", 1, "not found"),
        ("config nix", 1, "application \"nix\" not found"),
        ("remove-relation a b", 1, "not found"),
    ];
    fail(&house, &cases).await;
}

/// CLI contract rule_1_3, trap_02: some JSON in any case, and data alone on stdout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams() {
    let house = House::start().await;
    house.charms();
    let played = house.play("config nix --format json").await.fails(1, "not found");
    assert_eq!(played.out, "{}\n");
    let played = house.play("deploy ./testapp").await.done();
    assert_eq!(played.out, "");
    assert!(played.err.contains("Located local charm \"testapp\", revision 0"), "{}", played.err);
    assert!(
        played.err.contains("Deploying \"testapp\" from local charm \"testapp\", revision 0 on ")
    );
    let played = house.play("--quiet deploy ./testapp other").await.done();
    let warned = |line: &str| line.starts_with("WARNING ");
    assert!(played.out.is_empty() && played.err.lines().all(warned), "{}", played.err);
    assert_eq!(house.json("operations --format json").await, json!({}));
    assert_eq!(house.json("storage --format json").await, json!({}));
    assert_eq!(house.json("machines --format json").await["model"], "words");
}

/// CLI contract rule_1_2: the flag, then the environment, then what `switch` chose; and a name that
/// this store has never seen is asked of the controller.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn which_model_is_meant() {
    let house = House::start().await;
    house.play("add-model second").await.done();
    house.play("add-model --no-switch third").await.done();
    let name = |hand: Hand, line: &'static str| {
        let house = &house;
        async move {
            let status = house.play_as(&hand, line).await.json();
            status["model"]["name"].as_str().unwrap().to_owned()
        }
    };
    assert_eq!(name(Hand::default(), "status --format json").await, "second");
    let env = || with("JUJU_MODEL", "words");
    assert_eq!(name(env(), "status --format json").await, "words");
    assert_eq!(name(env(), "status --format json -m third").await, "third");
    let hand = with("JUJU_MODEL", "home:admin/third");
    assert_eq!(name(hand, "status --format json").await, "third");
    let hand = with("JUJU_CONTROLLER", "home");
    assert_eq!(name(hand, "status --format json").await, "second");
    house
        .play_as(&with("JUJU_CONTROLLER", "away"), "status")
        .await
        .fails(1, "controller \"away\" not found");
    house.play("status -m home:nix").await.fails(1, "model \"home:nix\" not found");
    house.play("status -m bob/words").await.fails(1, "not found");
    // Another client has made it; this one has never heard of it.
    let other = house.other_store();
    house.play_as(&other, "status").await.fails(1, "No model in focus.");
    house.play_as(&other, "status -m words").await.done();
    // Destroyed and made again by another: the store's own idea of it is out of date.
    house.play_as(&other, "destroy-model words --no-prompt").await.done();
    house.play_as(&other, "add-model words").await.done();
    assert_eq!(name(Hand::default(), "status --format json -m words").await, "words");
}

/// CLI contract frag_no-context.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_chosen() {
    let house = House::bare().await;
    house.play("status").await.fails(1, "No model in focus.");
    let nowhere = with("JUJU_DATA", &house.path("empty").display().to_string());
    house.play_as(&nowhere, "status").await.fails(1, "No controllers registered.");
    house.play("unregister home --no-prompt").await.done();
    house.play("status").await.fails(1, "No controllers registered.");
    house.play("switch").await.fails(1, "No controllers registered.");
}

/// CLI contract cmd_switch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switch() {
    let house = House::start().await;
    house.play("add-model second --no-switch").await.done();
    assert_eq!(house.play("switch").await.done().out, "home:admin/words\n");
    let played = house.play("switch second").await.done();
    assert_eq!(
        (played.out.as_str(), played.err.as_str()),
        ("", "home:admin/words -> home:admin/second\n")
    );
    let played = house.play("switch home:").await.done();
    assert_eq!(played.err, "home:admin/second (no change)\n");
    for (to, after) in [(":words", "words"), ("home:second", "second"), ("admin/words", "words")] {
        let err = house.play(&format!("switch {to}")).await.done().err;
        assert!(err.ends_with(&format!("-> home:admin/{after}\n")), "{to}: {err}");
    }
    house.play("switch nix").await.fails(1, "not found");
    for name in ["JUJU_MODEL", "JUJU_CONTROLLER"] {
        house.play_as(&with(name, "home"), "switch second").await.fails(1, name);
    }
}

/// CLI contract cmd_add-model, frag_already-exists.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn add_model() {
    let house = House::start().await;
    let cases = [
        ("add-model words", 1, "already exists"),
        ("add-model new aws", 1, "\"aws\" is neither a cloud"),
        ("add-model new localhost/eu-1", 1, "region \"eu-1\" of cloud \"localhost\" not found"),
        ("add-model new aws/eu-1", 1, "cloud \"aws\" not found"),
        ("add-model new --config speed=3", 1, "unknown option \"speed\""),
        ("add-model Big", 2, "model name"),
    ];
    fail(&house, &cases).await;
    house.play("add-model new localhost --no-switch --config test-mode=true").await.done();
    house
        .play("add-model newer localhost/localhost --config update-status-hook-interval=10s")
        .await
        .done();
    assert_eq!(house.play("switch").await.done().out, "home:admin/newer\n");
    assert_eq!(house.play("model-config update-status-hook-interval").await.done().out, "10s\n");
}

/// CLI contract cmd_deploy, trap_08, trap_15, frag_already-exists: units are there when it returns,
/// everything is checked before anything is made, and revisions count from 0 for each charm.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deploy() {
    let house = House::start().await;
    house.charms();
    house.play("deploy ./testdb -n 2 --config size=5 --config testoption=").await.done();
    let app = house.json("status --format json").await["applications"]["testdb"].clone();
    assert_eq!(app["units"].as_object().unwrap().len(), 2);
    assert_eq!((&app["charm-rev"], &app["charm-origin"]), (&json!(0), &json!("local")));
    let cases = [
        ("deploy ./testdb", 1, "already exists"),
        ("deploy ./testdb b --config sice=3", 1, "unknown option \"sice\""),
        ("deploy ./testdb b --config size=many", 1, "option \"size\""),
        ("deploy ./testdb b --resource nix=./x", 1, "unknown resource \"nix\""),
        ("deploy ./testdb b --resource words=./absent", 1, "not found"),
        ("deploy ./testdb b --bind nix=alpha", 1, "endpoint"),
        ("deploy ./testdb b --bind beta", 2, "space \"beta\" not found"),
        ("deploy ./testdb b --to 77", 1, "77"),
        ("deploy ./testdb b --storage nix=1G", 1, "nix"),
        ("deploy ./absent", 1, "cannot read charm"),
        ("deploy postgresql", 1, "cannot deploy \"postgresql\""),
        ("deploy ./testdb --overlay ./o.yaml", 2, "--overlay"),
        ("deploy ./sidecar side -n 2", 2, "subordinate"),
        ("deploy ./testdb a-1", 2, "application name"),
    ];
    fail(&house, &cases).await;
    let apps = house.json("status --format json").await["applications"].clone();
    assert_eq!(apps.as_object().unwrap().len(), 1, "{apps}");
    let dry = house.play("deploy ./testapp --dry-run").await.done();
    assert!(dry.out.contains("deploy application testapp"), "{}", dry.out);
    house.play("deploy ./testapp").await.done();
    house.files(&[("testdb/version", "v8\n")]);
    house.play("deploy ./testdb second").await.done();
    let apps = house.json("status --format json").await["applications"].clone();
    assert_eq!(
        (&apps["second"]["charm-rev"], &apps["testapp"]["charm-rev"]),
        (&json!(1), &json!(0))
    );
}

/// CLI contract cmd_refresh.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refresh() {
    let house = House::settled().await;
    let played = house.play("refresh testdb --path ./testdb").await.done();
    assert!(played.err.contains("already up-to-date"), "{}", played.err);
    house.play("refresh testdb").await.fails(1, "--path");
    house.play("refresh testdb --path ./testapp").await.fails(1, "is not charm");
    house.play("refresh nix --path ./testdb").await.fails(1, "not found");
    house.files(&[("testdb/version", "v9\n"), ("other.txt", "others\n")]);
    house.play("refresh testdb --path ./testdb --config size=8 --trust").await.done();
    house.settle().await;
    let app = house.json("status --format json").await["applications"]["testdb"].clone();
    assert_eq!((&app["charm-rev"], &app["charm-version"]), (&json!(1), &json!("v9")));
    assert_eq!(house.play("config testdb size").await.done().out, "8\n");
    assert_eq!(house.play("config testdb trust").await.done().out, "true\n");
    let digest = house.json("resources testdb --format json").await["resources"][0].clone();
    house.play("refresh testdb --resource words=./other.txt").await.done();
    let after = house.json("resources testdb --format json").await["resources"][0].clone();
    assert_ne!(digest["fingerprint"], after["fingerprint"]);
    house.play("refresh testdb --bind 'db=alpha alpha'").await.done();
    house.play("refresh testdb --bind nix=alpha").await.fails(1, "endpoint");
    // The base of new machines; charms that name none run on any.
    house.play("refresh testdb --base debian@13").await.done();
    let app = house.json("status --format json").await["applications"]["testdb"].clone();
    assert_eq!(app["base"], json!({ "name": "debian", "channel": "13" }));
    house.play("refresh testdb --base nonsense").await.fails(2, "nonsense");
    let played = house.play("refresh testdb --series noble --force-base").await.done();
    assert!(played.err.contains("WARNING series"), "{}", played.err);
}

/// CLI contract cmd_expose, cmd_unexpose: networks are parsed at the door.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expose() {
    let house = House::start().await;
    house.charms();
    house.play("deploy ./testdb").await.done();
    let cases = [
        ("expose testdb --to-cidrs 10.0.0.0", 2, "it has no length"),
        ("expose testdb --to-cidrs 10.0.0.0/33", 2, "from 0 to 32"),
        ("expose testdb --to-cidrs all", 2, "invalid value"),
        ("expose testdb --to-spaces beta", 2, "beta"),
        ("expose testdb --endpoints nix", 1, "endpoint \"nix\" not found"),
        ("expose nix", 1, "application \"nix\" not found"),
        ("unexpose testdb --endpoints nix", 1, "endpoint \"nix\" not found"),
    ];
    fail(&house, &cases).await;
    let exposed = || async {
        let view = house.client().view(words(&house).await, &Default::default()).await.unwrap();
        let application = &view.applications.values().next().unwrap().application;
        application.exposed.as_ref().map(|e| json!([e.endpoints, e.cidrs]))
    };
    assert_eq!(exposed().await, None);
    house
        .play("expose testdb --endpoints db,replicas --to-cidrs 10.1.2.3/8,2001:db8::/32")
        .await
        .done();
    assert_eq!(exposed().await, Some(json!([["db", "replicas"], ["10.0.0.0/8", "2001:db8::/32"]])));
    house.play("unexpose testdb --endpoints db").await.done();
    assert_eq!(exposed().await, Some(json!([["replicas"], ["10.0.0.0/8", "2001:db8::/32"]])));
    house.play("expose testdb").await.done();
    assert_eq!(exposed().await, Some(json!([[], []])));
    house.play("unexpose testdb --endpoints db").await.done();
    assert_eq!(exposed().await, Some(json!([["replicas"], []])));
    house.play("unexpose testdb").await.done();
    assert_eq!(exposed().await, None);
}

async fn words(house: &House) -> muster_model::name::ModelId {
    let shown = house.json("show-model words --format json").await;
    shown["words"]["model-uuid"].as_str().unwrap().parse().unwrap()
}

/// CLI contract cmd_integrate, cmd_remove-relation: an endpoint without a relation is not listed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relations() {
    let house = House::settled().await;
    house.play("integrate testdb:db testapp:db").await.fails(1, "already exists");
    house.play("integrate testdb nix").await.fails(1, "\"nix\" not found");
    house.play("integrate testdb:nix testapp").await.fails(1, "nix");
    house.play("integrate testdb").await.fails(2, "two applications");
    house.play("remove-relation testapp testdb").await.done();
    let ask = || async {
        let apps = house.json("status --format json").await["applications"].clone();
        let none = |name: &str, endpoint: &str| apps[name]["relations"].get(endpoint).is_none();
        (none("testapp", "db") && none("testdb", "db")).then_some(())
    };
    until(ask).await;
    house.play("remove-relation testapp testdb").await.fails(1, "not found");
}

/// CLI contract trap_11, trap_12, trap_14: other names of flags, flags anywhere, scope of trust.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_ways_to_say_the_same() {
    let house = House::settled().await;
    for line in [
        "trust testdb --scope cluster",
        "trust --scope=cluster testdb --remove",
        "exec --app testdb -- echo hi",
        "exec --application testdb -- echo hi",
        "exec -a testdb -- echo hi",
        "exec -u testdb/0 -- echo hi",
        "add-unit testapp -n1",
        "add-unit testapp --num-units=1",
        "relate testdb:db testapp:db --help",
        "list-models",
        "list-machines",
        "status --integrations",
        "status --relations=true testdb --utc",
        "debug-log --limit 5",
        "debug-log --replay --no-tail --level ERROR",
        "bind testdb db=alpha",
        "retry-provisioning --all",
        "reload-spaces",
    ] {
        house.play(line).await.done();
    }
    house.play("retry-provisioning 77").await.fails(1, "machine \"77\" not found");
    house.play("retry-provisioning").await.fails(2, "machine");
    house.play("bind testdb beta").await.fails(2, "space \"beta\" not found");
}

/// CLI contract trap_09: it ends by itself where nobody looks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_ends_on_a_pipe() {
    let house = House::start().await;
    let ended = tokio::time::timeout(crate::house::PATIENCE, house.play("debug-log --limit 0"));
    ended.await.expect("debug-log follows a pipe").done();
    house.play("debug-log --tail --no-tail").await.fails(2, "--tail and --no-tail");
}

/// CLI contract rule_3_11: every word of Juju's that is not offered is refused by its name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_that_are_not_offered() {
    let house = House::start().await;
    for word in [
        "add-branch",
        "track",
        "commit",
        "commits",
        "show-commit",
        "abort",
        "diff",
        "branches",
        "agree",
        "agreements",
        "list-agreements",
        "metrics",
        "collect-metrics",
        "set-meter-status",
        "payloads",
        "list-payloads",
        "create-image-metadata",
        "add-image",
        "generate-agents",
        "validate-images",
        "secret-backends",
        "list-secret-backends",
        "add-secret-backend",
        "remove-secret-backend",
        "show-secret-backend",
        "update-secret-backend",
        "model-secret-backend",
        "set-annotations",
        "get-annotations",
        "add-space",
        "rename-space",
        "remove-space",
        "move-to-space",
        "import-filesystem",
        "import-storage",
        "add-k8s",
        "remove-k8s",
        "update-k8s",
        "grant-cloud",
        "revoke-cloud",
        "set-firewall-rule",
        "firewall-rules",
        "list-firewall-rules",
        "enable-destroy-controller",
        "migrate",
        "dashboard",
        "dump-db",
        "dump-model",
        "upgrade-machine",
        "upgrade-model",
        "sync-agent-binary",
        "enable-ha",
        "create-backup",
        "download-backup",
    ] {
        let said = format!("\"{word}\" is not supported by muster");
        house.play(word).await.fails(1, &said);
    }
    let played = house.play("stauts").await.fails(1, "is not a muster command");
    assert!(played.err.contains("Did you mean \"status\"?"), "{}", played.err);
}

/// CLI contract cmd_wait-for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wait_for() {
    let house = House::settled().await;
    for line in [
        "wait-for application testdb",
        "wait-for unit testdb/0",
        "wait-for machine 0",
        "wait-for model words",
        "wait-for application testdb --query 'len(units)==2 && status==\"active\"'",
        "wait-for model words --query 'forEach(applications, app => app.life==\"alive\")'",
        "wait-for unit testdb/0 --query 'startsWith(workload-message, \"rea\")'",
    ] {
        house.play(&format!("{line} --timeout 20s")).await.done();
    }
    let cases = [
        ("wait-for unit testdb/0 --query 'nix==1' --timeout 1s", 1, "workload-status"),
        ("wait-for unit testdb/0 --query 'life==' --timeout 1s", 2, "query"),
        ("wait-for application nix --timeout 20ms", 1, "timed out"),
        ("wait-for planet x", 2, "cannot wait for \"planet\""),
    ];
    fail(&house, &cases).await;
}

/// CLI contract frag_permission-denied: the denied act and the grant to ask for, which can be typed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants() {
    let house = House::start().await;
    let ann = house.user("ann").await;
    let show = |line: &'static str| house.play_as(&ann, line);
    show("status -m admin/words").await.fails(1, "not found");
    show("add-model mine").await.fails(1, "permission denied");
    let played = show("add-model mine").await;
    assert!(played.err.contains("muster grant ann add-model"), "{}", played.err);
    house.play("grant ann add-model").await.done();
    show("add-model mine").await.done();
    house.play("grant ann read words").await.done();
    show("status -m admin/words").await.done();
    let played = show("expose -m admin/words x").await.fails(1, "permission denied");
    assert!(played.err.contains("muster grant ann write words"), "{}", played.err);
    house.play("grant ann write words").await.done();
    show("expose -m admin/words x").await.fails(1, "application \"x\" not found");
    house.play("revoke ann read words").await.done();
    show("status -m admin/words").await.fails(1, "not found");
    house.play("revoke ann add-model").await.done();
    show("add-model more").await.fails(1, "permission denied");
    let said = house.play("revoke ann add-model").await.done().err;
    assert!(said.contains("Nothing to do"), "{said}");
    house.play("grant nobody read words").await.fails(1, "\"nobody\"");
    house.play("grant ann rule words").await.fails(2, "is no access");
}
