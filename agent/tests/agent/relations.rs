//! What the tools tell of relations, hook by hook (sections 4.5 and 5.5).

use muster_model::name::{Member, RelationId, Role};
use muster_model::{Life, Version};

use crate::support::{CharmText, Host, unit};
use crate::tools::{check, started};

/// Gives the remote application a bag of its own.
fn application_bag(host: &Host, version: u64) {
    let remote = Member::Application("postgresql".parse().unwrap());
    let settings = [("app".to_owned(), version.to_string())].into();
    let mut state = host.fake.state.lock().unwrap();
    state.bags.insert((RelationId(7), remote), (Version(version), settings));
    drop(state);
    host.unit(|goal| {
        let relation = goal.relations.get_mut(&RelationId(7)).unwrap();
        relation.remote_application_version = Version(version);
    });
}

/// Hook contract L04.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l04_relations_are_seen_from_the_first_created_on() {
    let mut charm = CharmText::new();
    for hook in ["install", "db-relation-created"] {
        charm.hook(hook, "relation-ids db > $out/ids-$JUJU_HOOK_NAME; relation-ids ring >> $out/ids-$JUJU_HOOK_NAME");
    }
    let mut host = Host::new(&charm);
    host.relate(7, "db", Role::Requirer, &[("postgresql/0", "v")]);
    host.relate(8, "ring", Role::Peer, &[]);
    host.start();
    assert_eq!(host.rest().await, "");
    assert_eq!(host.left("ids-install"), "");
    assert_eq!(host.left("ids-db-relation-created"), "db:7\nring:8\n");
}

/// Hook contract L31, T24.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l31_who_departed_is_read_and_t24_ones_own_going_hides_no_relation() {
    let mut charm = CharmText::new();
    for hook in ["db-relation-departed", "db-relation-broken"] {
        charm.hook(
            hook,
            "echo \"$JUJU_HOOK_NAME $(relation-ids db) $(relation-get k postgresql/0) \
             $(relation-list -r 7 --app)\" >> $out/seen",
        );
    }
    // The relation goes and the unit stays; then the other way round.
    for own in [false, true] {
        let mut host = Host::new(&charm);
        host.relate(7, "db", Role::Requirer, &[("postgresql/0", "v")]);
        host.start();
        host.rest().await;
        host.unit(|goal| {
            if own {
                goal.life = Life::Dying;
            } else {
                goal.relations.get_mut(&RelationId(7)).unwrap().life = Life::Dying;
            }
        });
        if own {
            host.until("the end", |state| state.goal.units.is_empty().then_some(())).await;
        } else {
            host.rest().await;
        }
        let listed = if own { "db:7" } else { "" };
        assert_eq!(
            host.left("seen"),
            format!(
                "db-relation-departed db:7 v postgresql\ndb-relation-broken {listed} v postgresql\n"
            ),
            "left out, it is still read where it is named"
        );
        if !own {
            host.unit(|goal| goal.relations.clear());
            host.rest().await;
            let gone = "relation-get -r 7 k postgresql/0";
            check(&host, &[(gone, 2, "", "relation not found")]).await;
        }
    }
}

/// Hook contract L31.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l31_a_unit_that_departed_alone_is_read_by_its_name() {
    let mut host = Host::new(&CharmText::new());
    host.relate(7, "db", Role::Requirer, &[("postgresql/0", "v"), ("postgresql/1", "w")]);
    host.start();
    host.rest().await;
    host.unit(|goal| {
        let relation = goal.relations.get_mut(&RelationId(7)).unwrap();
        relation.members.remove(&"postgresql/0".parse().unwrap());
    });
    host.rest().await;
    assert!(host.trace().ends_with("db-relation-departed postgresql/0"));
    check(
        &host,
        &[
            ("relation-list -r 7", 0, "postgresql/1\n", ""),
            ("relation-get -r 7 k postgresql/0", 0, "v\n", ""),
        ],
    )
    .await;
}

/// Hook contract L38.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l38_the_own_network_keys_are_read_in_created() {
    let mut charm = CharmText::new();
    charm.hook("db-relation-created", "relation-get - wiki/0 > $out/own");
    let mut host = Host::new(&charm);
    host.relate(7, "db", Role::Requirer, &[]);
    {
        let mut state = host.fake.state.lock().unwrap();
        let own = state.bags.get_mut(&(RelationId(7), Member::Unit(unit()))).unwrap();
        for (key, value) in [("ingress-address", "10.0.0.5"), ("egress-subnets", "10.0.0.5/32")] {
            own.1.insert(key.to_owned(), value.to_owned());
        }
    }
    host.start();
    host.rest().await;
    assert_eq!(
        host.left("own"),
        "egress-subnets: 10.0.0.5/32\ningress-address: 10.0.0.5\nprivate-address: 10.0.0.5\n"
    );
}

/// Hook contract T23, T25, T27, T30.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t23_t25_t27_t30_what_is_listed_and_what_is_missing() {
    let host = started(false).await;
    host.relate(10, "db", Role::Requirer, &[]);
    host.relate(9, "db", Role::Requirer, &[]);
    host.relate(11, "ring", Role::Peer, &[("wiki/1", "p"), ("wiki/10", "q"), ("wiki/2", "r")]);
    host.rest().await;
    check(
        &host,
        &[
            ("relation-ids db", 0, "db:10\ndb:7\ndb:9\n", ""),
            ("relation-ids nowhere --format json", 0, "[]\n", ""),
            ("relation-ids", 2, "", "no endpoint name specified"),
            ("relation-list -r 11", 0, "wiki/1\nwiki/10\nwiki/2\n", ""),
            ("relation-list -r 9", 0, "", ""),
            ("relation-list -r 9 --app", 0, "postgresql\n", ""),
            ("relation-list -r 11 --app --format json", 0, "\"wiki\"\n", ""),
            ("relation-get -r 7 none postgresql/0", 0, "", ""),
            ("relation-get -r 7 none postgresql/0 --format json", 0, "null\n", ""),
            ("relation-get -r 99 - postgresql/0", 2, "", "relation not found"),
            ("relation-get -r db:99 k postgresql/0", 2, "", "relation not found"),
            ("relation-get -r db - postgresql/0", 2, "", "invalid relation id"),
        ],
    )
    .await;
}

/// Hook contract T26.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t26_who_is_read_where_nobody_is_named_depends_on_the_hook() {
    let mut charm = CharmText::new();
    for hook in ["created", "joined", "changed", "departed", "broken"] {
        let hook = format!("db-relation-{hook}");
        charm.hook(
            &hook,
            "echo \"$JUJU_HOOK_NAME ${JUJU_REMOTE_UNIT:-none}: $(relation-get --format json) \
             $(relation-get --app --format json)\" >> $out/read",
        );
    }
    let mut host = Host::new(&charm);
    host.relate(7, "db", Role::Requirer, &[("postgresql/0", "v")]);
    application_bag(&host, 1);
    host.start();
    host.rest().await;
    host.unit(|goal| goal.relations.get_mut(&RelationId(7)).unwrap().life = Life::Dying);
    host.rest().await;
    let (unit, app) = ("{\"k\":\"v\"}", "{\"app\":\"1\"}");
    let lines = [
        format!("db-relation-created none: {app} {app}"),
        format!("db-relation-changed none: {app} {app}"),
        format!("db-relation-joined postgresql/0: {unit} {app}"),
        format!("db-relation-changed postgresql/0: {unit} {app}"),
        format!("db-relation-departed postgresql/0: {unit} {app}"),
        format!("db-relation-broken none: {app} {app}"),
    ];
    assert_eq!(host.left("read"), lines.map(|line| line + "\n").concat());
}

/// Hook contract T34.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t34_a_relation_is_written_from_config_changed() {
    let mut charm = CharmText::new();
    charm.hook("config-changed", "relation-set -r db:7 from=config");
    let mut host = Host::new(&charm);
    host.relate(7, "db", Role::Requirer, &[]);
    host.start();
    assert_eq!(host.rest().await, "");
    let state = host.fake.state.lock().unwrap();
    let own = &state.bags[&(RelationId(7), Member::Unit(unit()))].1;
    assert_eq!(own["from"], "config");
}
