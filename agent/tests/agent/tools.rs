//! The tools, one by one (sections 7.6 and 7.7).

use muster_charms::OptionValue;
use muster_model::goal::ResourceGoal;
use muster_model::name::{Member, RelationId, Role};
use muster_model::report::{NowReport, ReportBody};
use muster_model::{Life, Version};
use muster_resources::Digest;

use crate::support::{CharmText, Host, unit};

/// A unit that has started, leads, and has a relation and a configuration.
pub(crate) async fn started(leader: bool) -> Host {
    let mut host = Host::new(&CharmText::new());
    host.unit(|goal| {
        goal.leader = leader;
        for (key, value) in [
            ("name", OptionValue::String("n".into())),
            ("size", OptionValue::Int(3)),
            ("on", OptionValue::Boolean(true)),
        ] {
            goal.config.insert(key.parse().unwrap(), value);
        }
    });
    host.relate(7, "db", Role::Requirer, &[("postgresql/0", "v"), ("postgresql/1", "w")]);
    host.relate(8, "ring", Role::Peer, &[]);
    host.start();
    assert_eq!(host.rest().await, "");
    host
}

/// Lines of `tool words → code stdout|stderr`, run one after the other in one context each.
pub(crate) async fn check(host: &Host, lines: &[(&str, i64, &str, &str)]) {
    for (number, (line, code, stdout, stderr)) in lines.iter().enumerate() {
        let id = 1000 + u32::try_from(number).unwrap();
        let _old = host.fake.state.lock().unwrap().reports.drain(..).count();
        let (got, out, err) = host.exec(id, line).await;
        assert_eq!((got, out.as_str()), (*code, *stdout), "{line}: {err}");
        if stderr.is_empty() {
            assert_eq!(err, "", "{line}");
        } else {
            assert!(err.starts_with("ERROR ") && err.contains(stderr), "{line}: {err}");
        }
    }
}

/// Hook contract T01, T02, T03, T04, T05, T06, T07, T08, T10, T12, T13, T20, T21.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t01_to_t13_manners() {
    let host = started(true).await;
    check(
        &host,
        &[
            ("is-leader", 0, "True\n", ""),
            ("is-leader --format=json", 0, "true\n", ""),
            ("config-get ratio --format json", 0, "null\n", ""),
            ("config-get ratio", 0, "", ""),
            ("relation-ids web", 0, "", ""),
            ("relation-ids web --format json", 0, "[]\n", ""),
            ("leader-get", 0, "{}\n", ""),
            ("relation-list -r 7", 0, "postgresql/0\npostgresql/1\n", ""),
            ("config-get name", 0, "n\n", ""),
            (
                "config-get name --format xml",
                2,
                "",
                "invalid value \"xml\" for option --format: unknown format \"xml\"",
            ),
            ("config-get --nope", 2, "", "option provided but not defined: --nope"),
            ("config-get name --format", 2, "", "option needs an argument: --format"),
            ("config-get a b", 2, "", "unrecognized args: [\"b\"]"),
            ("relation-set --help | grep -q -- --file && echo yes", 0, "yes\n", ""),
            ("config-get -o f name; cat f; rm f", 0, "n\n", ""),
            ("config-get --format json", 0, "{\"name\":\"n\",\"on\":true,\"size\":3}\n", ""),
            ("relation-get -r 7 --app=False k postgresql/0", 0, "v\n", ""),
            ("unset JUJU_CONTEXT_ID; config-get", 1, "", "JUJU_CONTEXT_ID not set"),
            ("state-set a=yes b=1 c=null; state-get", 0, "a: \"yes\"\nb: \"1\"\nc: \"null\"\n", ""),
        ],
    )
    .await;
}

/// Hook contract N03, T20, T21, T22, T25, T28, T29, T31, T32, T33, T35, T36, T42.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t20_to_t36_configuration_and_relations() {
    let host = started(false).await;
    host.fake.state.lock().unwrap().bags.insert(
        (RelationId(7), Member::Application("postgresql".parse().unwrap())),
        (Version(1), [("app".to_owned(), "yes".to_owned())].into()),
    );
    host.unit(|goal| {
        let relation = goal.relations.get_mut(&RelationId(7)).unwrap();
        relation.remote_application_version = Version(1);
    });
    host.rest().await;
    check(
        &host,
        &[
            ("config-get --all", 0, "name: \"n\"\n\"on\": true\nratio: null\nsize: 3\n", ""),
            ("config-get none", 0, "", ""),
            ("config-get size --format json", 0, "3\n", ""),
            ("config-get --all size", 2, "", "cannot use argument --all together with key \"size\""),
            ("relation-ids", 2, "", "no endpoint name specified"),
            ("relation-ids db", 0, "db:7\n", ""),
            ("relation-ids nowhere", 0, "", ""),
            ("relation-list -r db:7 --app", 0, "postgresql\n", ""),
            ("relation-list -r whatever:8 --app", 0, "wiki\n", ""),
            ("relation-list", 2, "", "no relation id specified"),
            ("relation-list -r x", 2, "", "invalid value \"x\" for option -r: invalid relation id"),
            ("relation-list -r 99", 2, "", "relation not found"),
            ("relation-get -r 7 none postgresql/0", 0, "", ""),
            ("relation-get -r 7", 2, "", "no unit or application specified"),
            ("relation-get -r 7 --app", 0, "app: \"yes\"\n", ""),
            ("relation-get -r 7 - postgresql", 2, "", "expected unit name, got application name \"postgresql\""),
            ("relation-get -r 7 - Bad", 2, "", "invalid unit name \"Bad\""),
            ("relation-get -r 7 - other/0", 1, "", "permission denied"),
            ("relation-get -r 7 - postgresql/9", 1, "", "settings not found"),
            ("relation-get -r 7 --app - wiki", 1, "", "permission denied"),
            ("relation-get -r 8 --app - wiki", 0, "{}\n", ""),
            ("relation-set -r 7 a=1 b==c; relation-get -r 7 b wiki/0; relation-set -r 7 a=; relation-get -r 7 a wiki/0", 0, "=c\n", ""),
            ("echo '{\"u\":\"\\ud83d\\ude00\",\"z\":\"01\"}' | relation-set -r 7 --file - z=02; relation-get -r 7 u wiki/0; relation-get -r 7 z wiki/0", 0, "😀\n02\n", ""),
            ("relation-set -r 7 --app a=1", 1, "", "cannot write relation settings"),
            ("relation-set -r 7 novalue", 2, "", "expected \"key=value\", got \"novalue\""),
            ("relation-set a=1", 2, "", "no relation id specified"),
            ("relation-model-get -r 7 --format json", 0, "{\"uuid\":\"f7b5b0a6-2f2c-4f0e-8a44-3c2a66a1c001\"}\n", ""),
            ("is-leader", 0, "False\n", ""),
            ("leader-set a=1", 1, "", "cannot write leadership settings: cannot write settings: not the leader"),
            ("leader-get a=b", 2, "", "invalid key \"a=b\""),
            ("status-get --application", 1, "", "finding application status: this unit is not the leader"),
            ("status-set --application active", 1, "", "this unit is not the leader"),
        ],
    )
    .await;
    let state = host.fake.state.lock().unwrap();
    let own = &state.bags[&(RelationId(7), Member::Unit(unit()))].1;
    assert_eq!(
        (own["b"].as_str(), own["z"].as_str()),
        ("=c", "02"),
        "T34: outside of relation hooks"
    );
    assert!(!own.contains_key("a"));
}

/// Hook contract T38, T42, T44, T45, T46, T47, T48, T49.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t37_to_t49_status_network_and_ports() {
    let host = started(true).await;
    check(
        &host,
        &[
            ("status-set", 2, "", "invalid args, require <status> [message]"),
            ("status-set great", 2, "", "invalid status \"great\", expected one of [maintenance blocked waiting active]"),
            ("status-set waiting hm; status-get; status-get --include-data --format json", 0, "waiting\n{\"message\":\"hm\",\"status\":\"waiting\",\"status-data\":{}}\n", ""),
            ("status-get --format json", 0, "{\"status\":\"maintenance\"}\n", ""),
            ("status-get --application", 0, "active\n", ""),
            ("application-version-set", 2, "", "no version specified"),
            ("leader-set a=1 b=2; leader-set b=; leader-get --format json", 0, "{\"a\":\"1\"}\n", ""),
            ("juju-log", 2, "", "no message specified"),
            ("juju-log -- --led", 0, "", ""),
            ("unit-get private-address; unit-get public-address", 0, "10.0.0.5\n10.0.0.5\n", ""),
            ("unit-get other", 2, "", "unknown setting \"other\""),
            ("unit-get", 2, "", "no setting specified"),
            ("network-get db --format json", 0, "{\"bind-addresses\":[{\"addresses\":[{\"cidr\":\"10.0.0.0/24\",\"hostname\":\"\",\"value\":\"10.0.0.5\"}],\"interface-name\":\"eth0\",\"mac-address\":\"fa:16:3e:00:00:01\"}],\"egress-subnets\":[\"10.0.0.5/32\"],\"ingress-addresses\":[\"10.0.0.5\"]}\n", ""),
            ("network-get side | grep -c 'interfacename\\|macaddress\\| address:'", 0, "3\n", ""),
            ("network-get db --ingress-address", 0, "10.0.0.5\n", ""),
            ("network-get db --bind-address --egress-subnets", 0, "bind-address: 10.0.0.5\negress-subnets:\n- 10.0.0.5/32\n", ""),
            ("network-get db --primary-address --bind-address", 1, "", "--primary-address must be the only flag specified"),
            ("network-get nope", 1, "", "no network config found for binding \"nope\""),
            ("network-get", 2, "", "no arguments specified"),
            ("open-port 80/TCP; open-port 80; open-port ICMP; open-port 100-200/udp; opened-ports", 0, "icmp\n80/tcp\n100-200/udp\n", ""),
            ("open-port 79-81", 1, "", "cannot open 79-81/tcp (unit \"wiki/0\"): port range conflicts with 80/tcp (unit \"wiki/0\")"),
            ("open-port x", 2, "", "invalid port \"x\""),
            ("open-port 9-8", 2, "", "invalid port range"),
            ("open-port 1/sctp", 2, "", "invalid protocol \"sctp\", expected \"tcp\", \"udp\", or \"icmp\""),
            ("open-port", 2, "", "no port or range specified"),
            ("open-port 90; close-port 90; close-port 80; opened-ports --format json", 0, "[\"icmp\",\"100-200/udp\"]\n", ""),
            ("open-port --endpoints db,web 91; opened-ports --endpoints", 0, "icmp (*)\n91/tcp (db, web)\n100-200/udp (*)\n", ""),
        ],
    )
    .await;
}

/// Hook contract T40, T42.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t42_leader_settings_are_seen_before_the_hook_ends_and_t40_versions_too() {
    let mut charm = CharmText::new();
    charm.hook("install", "leader-set a=1; application-version-set 1.2; status-set active; exit 1");
    let mut host = Host::new(&charm);
    host.unit(|goal| goal.leader = true);
    host.start();
    host.rest().await;
    let state = host.fake.state.lock().unwrap();
    assert_eq!(state.leader_settings.1["a"], "1");
    assert!(state.reports.iter().any(|report| matches!(
        report,
        ReportBody::Now { now: NowReport::WorkloadVersion(version), .. } if version == "1.2"
    )));
}

/// Hook contract T24, T25.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t24_a_removed_relation_is_listed_until_its_last_departed() {
    let mut charm = CharmText::new();
    for hook in ["db-relation-departed", "db-relation-broken"] {
        charm.hook(hook, "echo \"$(relation-ids db | tr '\\n' ' ')/ $(relation-list | tr '\\n' ' ')\" >> $out/ids");
    }
    let mut host = Host::new(&charm);
    host.relate(7, "db", Role::Requirer, &[("postgresql/0", "v"), ("postgresql/1", "w")]);
    host.start();
    host.rest().await;
    host.unit(|goal| goal.relations.get_mut(&RelationId(7)).unwrap().life = Life::Dying);
    host.rest().await;
    assert_eq!(host.left("ids"), "db:7 / postgresql/1 \ndb:7 / \n/ \n", "T24, T25");
}

/// Hook contract T52.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t52_resources_are_fetched_once_and_unpacked() {
    let host = started(false).await;
    let give = |name: &str, bytes: &[u8], revision| {
        let digest = Digest::of(bytes);
        host.fake.state.lock().unwrap().blobs.insert(digest, bytes.to_vec());
        let goal = ResourceGoal {
            digest,
            size: bytes.len() as u64,
            filename: "blob.bin".into(),
            revision,
        };
        host.unit(|unit| {
            unit.resources.insert(name.parse().unwrap(), goal);
        });
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("top/bin")).unwrap();
    std::fs::write(folder.path().join("top/bin/run"), "hi").unwrap();
    let tarball = host.root().join("x.tar.gz");
    let limits = muster_resources::Limits::resource();
    muster_resources::archive::pack_tar_gz(folder.path(), &tarball, &limits).unwrap();
    give("blob", &std::fs::read(&tarball).unwrap(), 1);
    host.rest().await;
    check(
        &host,
        &[
            ("p=$(resource-get blob; echo end); case $p in */resources/blob/blob.binend) tar tzf \"${p%end}\" | grep -c run;; esac", 0, "1\n", ""),
            ("resource-unpack blob tree --strip-components 1; cat tree/bin/run; resource-unpack blob again; cat again/top/bin/run", 0, "hihi", ""),
            ("resource-unpack blob tree --strip-components 1", 1, "", "cannot unpack"),
            ("resource-unpack blob tree --strip-components 1 --check | wc -c", 0, "65\n", ""),
            ("resource-unpack blob tree --strip-components 2 --check", 1, "", "never unpacked"),
            ("printf ho > tree/bin/run; resource-unpack blob tree --strip-components 1 --check", 1, "", "not what was unpacked"),
            ("resource-get nothing", 1, "", "could not download resource"),
            ("resource-get", 2, "", "missing required resource name"),
        ],
    )
    .await;
    let reads = host.fake.state.lock().unwrap().blob_reads;
    assert_eq!(reads, 2, "the charm and the resource, once each");
    give("blob", b"second", 2);
    host.rest().await;
    check(&host, &[("cat \"$(resource-get blob)\"", 0, "second", "")]).await;
}

/// Hook contract T53, T57.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t50_t51_t53_and_t57_to_t60_the_rest() {
    let host = started(false).await;
    let big = "printf 'k: %s\\n' $(head -c 70000 /dev/zero | tr '\\0' x) | state-set --file -";
    check(
        &host,
        &[
            ("storage-list", 0, "", ""),
            ("storage-get", 2, "", "no storage instance specified"),
            ("storage-get -s data/9", 2, "", "invalid value \"data/9\" for option -s"),
            ("storage-add", 2, "", "storage add requires a storage directive"),
            ("storage-add data=10G", 2, "", "only count can be specified for \"data\""),
            ("storage-add nope", 1, "", "nope"),
            ("storage-add data=2", 0, "", ""),
            ("action-get", 1, "", "not running an action"),
            ("action-set a=1", 1, "", "not running an action"),
            ("action-fail x", 1, "", "not running an action"),
            ("printf 'a: |\\n  one\\n  two\\n' | state-set --file -; state-get a", 0, "one\ntwo\n\n", ""),
            ("state-get none; state-get none --format json", 0, "\"\"\n", ""),
            ("state-get --strict none", 1, "", "\"none\" not found"),
            ("state-delete a; state-delete a; state-delete; state-get --format json", 0, "{}\n", ""),
            (big, 1, "", "65536 are allowed"),
            ("goal-state | head -1; goal-state --format json", 0, "relations: {}\n{\"relations\":{},\"units\":{\"wiki/0\":{\"since\":\"2024-01-31 10:20:30Z\",\"status\":\"active\"}}}\n", ""),
            ("credential-get", 1, "", "permission denied"),
            ("juju-reboot extra", 2, "", "unrecognized args"),
        ],
    )
    .await;
    host.unit(|goal| goal.trust = true);
    host.rest().await;
    check(
        &host,
        &[("credential-get --format json | grep -c '\"attrs\":{}'; credential-get | grep -c attributes", 0, "1\n1\n", "")],
    )
    .await;
}
