use expect_test::expect;

use super::*;
use crate::shape::status::{
    Base, Controller, Endpoint, Integration, Model, Offer, Related, Remote,
};

fn info(current: &str, message: &str) -> Info {
    Info { current: current.to_owned(), message: message.to_owned(), ..Info::default() }
}

fn unit(workload: (&str, &str), agent: (&str, &str), machine: &str) -> Unit {
    Unit {
        workload_status: info(workload.0, workload.1),
        juju_status: info(agent.0, agent.1),
        machine: Some(machine.to_owned()),
        public_address: Some(format!("10.0.0.{machine}")),
        ..Unit::default()
    }
}

fn story() -> Status {
    let mut status = Status {
        model: Model {
            name: "words".to_owned(),
            kind: "iaas".to_owned(),
            controller: "home".to_owned(),
            cloud: "localhost".to_owned(),
            version: "3.6.11".to_owned(),
            model_status: info("available", ""),
            ..Model::default()
        },
        controller: Some(Controller { timestamp: "15:04:05+01:00".to_owned() }),
        ..Status::default()
    };
    let base = Some(Base { name: "debian".to_owned(), channel: "13".to_owned() });
    let mut spark = Application {
        charm: "local:spark-0".to_owned(),
        charm_name: "spark".to_owned(),
        charm_origin: "local".to_owned(),
        version: Some("3.5.6 with a long tail of words".to_owned()),
        base: base.clone(),
        application_status: info("blocked", &"x".repeat(130)),
        ..Application::default()
    };
    let related = Related {
        related_application: "ceph".to_owned(),
        interface: "s3".to_owned(),
        scope: "global".to_owned(),
    };
    spark.relations.insert("s3-credentials".to_owned(), vec![related]);
    let mut leader = unit(("active", "master"), ("idle", ""), "2");
    leader.leader = true;
    leader.open_ports = vec!["8080/tcp".to_owned(), "7077/tcp".to_owned()];
    let mut log = unit(("active", ""), ("idle", ""), "2");
    log.open_ports = vec!["514/udp".to_owned()];
    leader.subordinates.insert("log/0".to_owned(), log);
    spark.units.insert("spark/2".to_owned(), leader);
    spark.units.insert(
        "spark/10".to_owned(),
        unit(("maintenance", "unpacking"), ("executing", "running install hook"), "10"),
    );
    spark.units.insert(
        "spark/11".to_owned(),
        unit(("waiting", ""), ("allocating", "waiting for machine"), "11"),
    );
    status.applications.insert("spark".to_owned(), spark);
    let log = Application {
        charm_name: "log".to_owned(),
        charm_rev: 12,
        exposed: true,
        application_status: info("active", ""),
        subordinate_to: vec!["spark".to_owned()],
        ..Application::default()
    };
    status.applications.insert("log".to_owned(), log);
    for id in ["2", "10"] {
        let machine = Machine {
            juju_status: info("started", ""),
            machine_status: info("running", "Container started"),
            dns_name: Some(format!("10.0.0.{id}")),
            instance_id: Some(format!("muster-{id}")),
            base: base.clone(),
            hardware: Some("arch=amd64 cores=2 availability-zone=az1".to_owned()),
            ..Machine::default()
        };
        status.machines.insert(id.to_owned(), machine);
    }
    let pending = Machine {
        juju_status: info("pending", ""),
        instance_id: Some("pending".to_owned()),
        not_enforced: vec!["cores=4".to_owned()],
        ..Machine::default()
    };
    status.machines.insert("11".to_owned(), pending);
    status
}

#[test]
fn the_tables_of_a_model_on_its_way() {
    expect![[r#"
        Model  Controller  Cloud/Region  Version  Timestamp
        words  home        localhost     3.6.11   15:04:05+01:00

        App    Version          Status   Scale  Charm  Channel  Rev  Exposed  Message
        log                     active       1  log              12  yes
        spark  3.5.6 with a...  blocked    2/3  spark             0  no       xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...

        Unit      Workload     Agent       Machine  Public address  Ports          Message
        spark/2*  active       idle        2        10.0.0.2        7077,8080/tcp  master
          log/0   active       idle        2        10.0.0.2        514/udp
        spark/10  maintenance  executing   10       10.0.0.10                      (install) unpacking
        spark/11  waiting      allocating  11       10.0.0.11                      waiting for machine

        Machine  State    Address    Inst id    Base       AZ   Message
        2        started  10.0.0.2   muster-2   debian@13  az1  Container started
        10       started  10.0.0.10  muster-10  debian@13  az1  Container started
        11       pending             pending                    not enforced: cores=4
    "#]]
    .assert_eq(&tabular(&story(), Sections::default()));
}

#[test]
fn remotes_offers_and_relations_have_sections_of_their_own() {
    let mut status = story();
    status.machines.clear();
    let endpoint = |interface: &str, role: &str| Endpoint {
        interface: interface.to_owned(),
        role: role.to_owned(),
    };
    let mut offer = Offer {
        application: "spark".to_owned(),
        charm: Some("local:spark-0".to_owned()),
        active_connected_count: 1,
        total_connected_count: 2,
        ..Offer::default()
    };
    offer.endpoints.insert("jobs".to_owned(), endpoint("spark", "provider"));
    offer.endpoints.insert("master".to_owned(), endpoint("spark-master", "provider"));
    status.offers.insert("spark".to_owned(), offer);
    let remote = Remote {
        url: "far:ann/db.mariadb".to_owned(),
        application_status: info("active", ""),
        ..Remote::default()
    };
    status.application_endpoints.insert("db".to_owned(), remote);
    status.integrations.push(Integration {
        id: 3,
        provider: "ceph:s3".to_owned(),
        requirer: "spark:s3-credentials".to_owned(),
        interface: "s3".to_owned(),
        kind: "regular".to_owned(),
        message: "joining".to_owned(),
    });
    let text = tabular(&status, Sections { relations: true, storage: true });
    let kept: Vec<&str> = text
        .split("\n\n")
        .filter(|part| !part.starts_with("App") && !part.starts_with("Unit"))
        .collect();
    expect![[r#"
        Model  Controller  Cloud/Region  Version  Timestamp
        words  home        localhost     3.6.11   15:04:05+01:00

        SAAS  Status  Store  URL
        db    active  far    ann/db.mariadb

        Offer  Application  Charm          Rev  Connected  Endpoint  Interface     Role
        spark  spark        local:spark-0    0  1/2        jobs      spark         provider
                                                           master    spark-master  provider

        Integration provider  Requirer              Interface  Type     Message
        ceph:s3               spark:s3-credentials  s3         regular  joining
    "#]]
    .assert_eq(&kept.join("\n\n"));
}

#[test]
fn one_line_a_unit() {
    expect![[r#"
        - spark/2: 10.0.0.2 (agent:idle, workload:active) 7077,8080/tcp
          - log/0: 10.0.0.2 (agent:idle, workload:active) 514/udp
        - spark/10: 10.0.0.10 (agent:executing, workload:maintenance)
        - spark/11: 10.0.0.11 (agent:allocating, workload:waiting)
    "#]]
    .assert_eq(&lines(&story()));
    assert!(summary(&story()).contains("# Machines: (3)\n  pending: 1\n  started: 2\n"));
    assert!(!is_empty(&story()) && is_empty(&Status::default()));
}

/// Keys that jubilant reads without asking whether they are there (§4.1, `R` and `j`).
#[test]
fn the_json_has_every_key_that_callers_index() {
    let value = crate::shape::value(&story());
    for path in [
        "/model/name",
        "/model/type",
        "/model/controller",
        "/model/cloud",
        "/model/version",
        "/model/model-status",
        "/machines/2/juju-status",
        "/machines/2/machine-status",
        "/machines/2/modification-status",
        "/machines/2/base/channel",
        "/applications/spark/charm",
        "/applications/spark/charm-origin",
        "/applications/spark/charm-name",
        "/applications/spark/charm-rev",
        "/applications/spark/exposed",
        "/applications/spark/application-status/current",
        "/applications/spark/relations/s3-credentials/0/related-application",
        "/applications/spark/units/spark~12/workload-status/current",
        "/applications/spark/units/spark~12/leader",
        "/applications/spark/units/spark~12/open-ports/0",
        "/applications/spark/units/spark~12/subordinates/log~10",
        "/applications/log/subordinate-to/0",
        "/controller/timestamp",
    ] {
        assert!(value.pointer(path).is_some(), "{path} is missing in {value}");
    }
    for path in [
        "/storage",
        "/offers",
        "/application-endpoints",
        "/applications/log/units",
        "/applications/spark/life",
        "/applications/spark/units/spark~110/leader",
    ] {
        assert!(value.pointer(path).is_none(), "{path} should be left out");
    }
    let empty = crate::shape::value(&Status::default());
    assert_eq!(empty.pointer("/machines"), Some(&serde_json::json!({})));
    assert_eq!(empty.pointer("/applications"), Some(&serde_json::json!({})));
}
