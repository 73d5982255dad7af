//! What a hook reads of others, and what that costs (sections 4.5, 5.4 and 7.7).

use muster_model::Life;
use muster_model::name::{RelationId, Role};

use crate::support::{CharmText, Host, unit};

/// Hook contract T38, T39, T59.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_others_stand_costs_one_read_a_hook_however_often_it_is_asked() {
    let mut charm = CharmText::new();
    charm.hook(
        "config-changed",
        "for n in $(seq 10); do status-get --include-data --format json; goal-state --format json; \
         status-get --application --format json; done > $out/seen",
    );
    let mut host = Host::new(&charm);
    host.unit(|goal| goal.leader = true);
    host.start();
    assert_eq!(host.rest().await, "");
    let reads = |host: &Host| std::mem::take(&mut host.fake.state.lock().unwrap().snapshots);
    assert_eq!(reads(&host), 2, "in the first hook that asked, and before the one after it");
    let seen = host.left("seen");
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines.len(), 30);
    assert_eq!(lines[0], r#"{"message":"m","status":"maintenance","status-data":{}}"#);
    assert_eq!(
        lines[1],
        r#"{"relations":{},"units":{"wiki/0":{"since":"2024-01-31 10:20:30Z","status":"active"}}}"#
    );
    assert_eq!(
        lines[2],
        r#"{"application-status":{"status":"active","units":{"wiki/0":{"status":"active"}}}}"#
    );
    assert_eq!(&lines[3..], &lines.repeat(9)[..27]);
    // Now that it is known to ask, the read comes before the hook; there is no other.
    host.unit(|goal| goal.trust = true);
    host.rest().await;
    assert_eq!(reads(&host), 1);
    // And a hook that only might ask is not held up by it.
    host.trace();
    host.fake.state.lock().unwrap().no_snapshots = true;
    host.unit(|goal| goal.trust = false);
    assert_eq!(host.rest().await, "hook `config-changed` failed; waiting for `resolved`");
    assert_eq!(host.trace(), "config-changed");
}

/// Hook contract T38, T39.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_was_set_is_the_one_that_is_read() {
    let mut charm = CharmText::new();
    charm.hook(
        "install",
        "status-get > $out/seen; status-get --application >> $out/seen\n\
         status-set blocked why; status-set --application waiting 'for all'\n\
         status-get --include-data --format json >> $out/seen\n\
         status-get --application --include-data --format json >> $out/seen\n\
         status-set active; status-get --include-data --format json >> $out/seen",
    );
    let mut host = Host::new(&charm);
    host.unit(|goal| goal.leader = true);
    host.start();
    assert_eq!(host.rest().await, "");
    assert_eq!(
        host.left("seen"),
        "maintenance\nactive\n\
         {\"message\":\"why\",\"status\":\"blocked\",\"status-data\":{}}\n\
         {\"application-status\":{\"message\":\"for all\",\"status\":\"waiting\",\"status-data\":{},\
         \"units\":{\"wiki/0\":{\"message\":\"why\",\"status\":\"blocked\",\"status-data\":{}}}}}\n\
         {\"message\":\"\",\"status\":\"active\",\"status-data\":{}}\n"
    );
}

/// Hook contract L04.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_relation_is_seen_in_install_and_all_are_in_the_first_created() {
    let mut charm = CharmText::new();
    for hook in ["install", "db-relation-created", "ring-relation-created"] {
        let line = "echo \"$JUJU_HOOK_NAME $(relation-ids db) $(relation-ids ring)\" >> $out/ids";
        charm.hook(hook, line);
    }
    let mut host = Host::new(&charm);
    host.relate(7, "db", Role::Requirer, &[("postgresql/0", "v")]);
    host.relate(8, "ring", Role::Peer, &[]);
    host.start();
    assert_eq!(host.rest().await, "");
    assert_eq!(
        host.left("ids"),
        "install  \ndb-relation-created db:7 ring:8\nring-relation-created db:7 ring:8\n"
    );
}

/// Hook contract L31, E11.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_departed_unit_said_is_read_until_the_relation_is_gone() {
    let mut charm = CharmText::new();
    charm.hook("db-relation-departed", "relation-get k postgresql/0 >> $out/departed");
    charm.hook(
        "db-relation-broken",
        "relation-get k postgresql/0 > $out/broken; relation-list >> $out/broken; env -0 > $out/env",
    );
    let mut host = Host::new(&charm);
    host.relate(7, "db", Role::Requirer, &[("postgresql/0", "v"), ("postgresql/1", "w")]);
    host.start();
    host.rest().await;
    host.unit(|goal| {
        let members = &mut goal.relations.get_mut(&RelationId(7)).unwrap().members;
        members.remove(&"postgresql/0".parse().unwrap());
    });
    host.rest().await;
    assert_eq!(host.left("departed"), "v\n");
    assert_eq!(host.exec(1, "relation-get -r 7 k postgresql/0").await.1, "v\n");
    host.unit(|goal| goal.relations.get_mut(&RelationId(7)).unwrap().life = Life::Dying);
    host.rest().await;
    assert_eq!(host.left("broken"), "v\n");
    let env = host.left("env");
    let value =
        |key: &str| env.split('\0').find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    assert_eq!(value("JUJU_REMOTE_UNIT"), Some(""));
    assert_eq!(value("JUJU_REMOTE_APP"), Some("postgresql"));
    host.unit(|goal| goal.relations.clear());
    host.rest().await;
    let (code, _, text) = host.exec(2, "relation-get -r 7 k postgresql/0").await;
    assert!(code == 2 && text.contains("relation not found"), "{text}");
    assert!(host.paths.charm(&unit()).exists());
}
