//! Each shape of the contract's chapter 4, on the answers of a controller with two applications.

use serde_json::{Value, json};

use crate::house::{Hand, House};
use crate::schema::has_shape;

/// CLI contract shape_4.1, st_5, jub_1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status() {
    let house = House::settled().await;
    let status = house.json("status --format json").await;
    has_shape("status", &status);
    let db = &status["applications"]["testdb"];
    assert_eq!(db["charm"], "local:testdb-0");
    assert_eq!(db["charm-version"], "v7");
    assert_eq!(
        db["relations"]["db"],
        json!([{ "related-application": "testapp", "interface": "dbi", "scope": "global" }])
    );
    assert_eq!(db["relations"]["replicas"][0]["related-application"], "testdb");
    assert_eq!(db["endpoint-bindings"][""], "alpha");
    assert_eq!(db["application-status"]["message"], "ready");
    let unit = &db["units"]["testdb/0"];
    assert_eq!(unit["workload-status"]["current"], "active");
    assert_eq!(unit["juju-status"]["current"], "idle");
    assert_eq!(unit["public-address"], unit["address"]);
    assert!(unit["address"].is_string());
    let leaders = db["units"].as_object().unwrap().values().filter(|u| u["leader"] == true);
    assert_eq!(leaders.count(), 1);
    assert_eq!(status["storage"]["storage"]["data/0"]["kind"], "filesystem");
    let machine = &status["machines"]["0"];
    assert_eq!(machine["juju-status"]["current"], "started");
    assert_eq!(machine["base"], json!({ "name": "debian", "channel": "12" }));
    assert_eq!(machine["network-interfaces"]["eth0"]["is-up"], true);
    // UTC has its own form, and nothing but the clock differs from one poll to the next.
    has_shape("status", &house.json("status --utc --format json").await);
    let mut again = house.json("status --format json").await;
    again["controller"] = status["controller"].clone();
    assert_eq!(again, status);
}

/// CLI contract shape_4.1, rule_1_4: empty maps are `{}`, in the file as on stdout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_of_an_empty_model() {
    let house = House::start().await;
    let status = house.json("status --format json").await;
    has_shape("status", &status);
    assert_eq!((&status["machines"], &status["applications"]), (&json!({}), &json!({})));
    assert!(status.get("storage").is_none_or(|storage| *storage == json!({})));
    let played = house.play("status").await.done();
    assert!(played.out.starts_with("Model  Controller"), "{}", played.out);
    assert!(played.err.contains("Model \"words\" is empty."), "{}", played.err);
    let played = house.play("status --format json -o here.json").await.done();
    assert_eq!(played.out, "");
    let text = std::fs::read_to_string(house.path("here.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["applications"], json!({}));
}

/// CLI contract shape_4.2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models() {
    let house = House::settled().await;
    let shown = house.json("show-model --format json").await;
    has_shape("show-model", &shown);
    let model = &shown["words"];
    assert_eq!((&model["name"], &model["cloud"]), (&json!("admin/words"), &json!("localhost")));
    assert_eq!(model["machines"]["0"], json!({ "cores": 2 }));
    assert_eq!(model["users"]["admin"]["access"], "admin");
    for named in ["words", "home:words", "admin/words", "home:admin/words"] {
        assert_eq!(house.json(&format!("show-model --format json {named}")).await, shown);
    }
    let uuid = model["model-uuid"].as_str().unwrap();
    assert_eq!(house.json(&format!("show-model --format json {uuid}")).await, shown);
    let listed = house.json("models --format json").await;
    has_shape("models", &listed);
    assert_eq!(listed["current-model"], "words");
    assert_eq!(listed["models"].as_array().unwrap().len(), 1);
    let table = house.play("models").await.done().out;
    assert!(table.starts_with("Controller: home\n\nModel   Cloud/Region"), "{table}");
    assert!(table.contains("words*"), "{table}");
}

/// CLI contract shape_4.3, cmd_config.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn config() {
    let house = House::start().await;
    house.charms();
    house.play("deploy ./testdb").await.done();
    let config = house.json("config --format json testdb").await;
    has_shape("config", &config);
    let settings = &config["settings"];
    assert_eq!(settings["testoption"]["value"], "");
    assert_eq!(settings["testoption"]["type"], "string");
    assert_eq!(settings["size"]["value"], 3);
    assert_eq!(settings["ratio"]["value"], 0.5);
    assert_eq!(settings["loud"]["value"], false);
    assert_eq!(
        (&settings["bare"]["source"], settings["bare"].get("value")),
        (&json!("unset"), None)
    );
    assert_eq!(config["application-config"]["trust"]["value"], false);
    house
        .files(&[("long.txt", "a\nlong text\n"), ("f.yaml", "testdb:\n  size: 9\n  loud: true\n")]);
    house.play("config testdb testoption=@long.txt size=4 --file f.yaml --reset bare").await.done();
    let settings = house.json("config --format json testdb").await["settings"].clone();
    assert_eq!(settings["testoption"]["value"], "a\nlong text\n");
    assert_eq!(
        (&settings["size"]["value"], &settings["size"]["source"]),
        (&json!(4), &json!("user"))
    );
    assert_eq!(settings["loud"]["value"], true);
    assert_eq!(house.play("config testdb size").await.done().out, "4\n");
    house.play("config testdb testoption= --reset size,loud").await.done();
    assert_eq!(house.play("config testdb testoption").await.done().out, "\n");
    assert_eq!(house.play("config testdb bare").await.done().out, "\n");
    let settings = house.json("config --format json testdb").await["settings"].clone();
    assert_eq!(
        (&settings["size"]["value"], &settings["testoption"]["source"]),
        (&json!(3), &json!("user"))
    );
    house.play("config testdb size=1 --reset size").await.fails(2, "cannot be both set and reset");
    house.play("config testdb size loud=true").await.fails(2, "cannot read a value");
    house.play("config testdb sice=1").await.fails(1, "did you mean \"size\"?");
    house.play("config testdb size=many").await.fails(1, "option \"size\"");
}

/// CLI contract shape_4.3, trap_03, cmd_model-config: what test suites set is taken and given back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn model_config() {
    let house = House::start().await;
    let config = house.json("model-config --format json").await;
    has_shape("model-config", &config);
    assert_eq!(
        config["update-status-hook-interval"],
        json!({ "Value": "5m", "Source": "default" })
    );
    assert_eq!(config["automatically-retry-hooks"]["Value"], true);
    assert!(config["mode"]["Value"].as_str().unwrap().contains("requires-prompts"));
    assert_eq!(
        (&config["name"]["Value"], &config["type"]["Value"]),
        (&json!("words"), &json!("nspawn"))
    );
    for interval in ["10s", "5m"] {
        house.play(&format!("model-config update-status-hook-interval={interval}")).await.done();
        let config = house.json("model-config --format json").await;
        let entry = json!({ "Value": interval, "Source": "model" });
        assert_eq!(config["update-status-hook-interval"], entry);
    }
    let played = house.play("model-config image-stream=daily num-provision-workers=3").await.done();
    assert!(played.err.contains("WARNING option \"image-stream\""), "{}", played.err);
    let config = house.json("model-config --format json").await;
    assert_eq!(config["image-stream"], json!({ "Value": "daily", "Source": "model" }));
    assert_eq!(config["num-provision-workers"]["Value"], 3);
    assert_eq!(house.play("model-config test-mode").await.done().out, "false\n");
    house.play("model-config --reset image-stream,update-status-hook-interval").await.done();
    let config = house.json("model-config --format json").await;
    assert_eq!(config.get("image-stream"), None);
    assert_eq!(config["update-status-hook-interval"]["Source"], "default");
    house.play("model-config update-status-hook-interval=9s").await.fails(1, "between 10s and 60m");
    house.play("model-config image-straem=x").await.fails(1, "did you mean \"image-stream\"?");
    let yaml = house.play("model-config --format yaml").await.done().out;
    assert!(yaml.contains("mode:\n  source: default\n  value: requires-prompts\n"), "{yaml}");
}

/// CLI contract shape_4.3, cmd_model-constraints, cmd_constraints.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn constraints() {
    let house = House::start().await;
    house.charms();
    assert_eq!(house.json("model-constraints --format json").await, json!({}));
    house.play("set-model-constraints mem=1G cores=4").await.done();
    let expected = json!({ "mem": 1024, "cores": 4 });
    assert_eq!(house.json("model-constraints --format json").await, expected);
    has_shape("constraints", &expected);
    house.play("deploy ./testapp --constraints 'mem=512M tags=a,^b'").await.done();
    let expected = json!({ "mem": 512, "tags": ["a", "^b"] });
    assert_eq!(house.json("constraints testapp --format json").await, expected);
    house.play("set-constraints testapp cores=1").await.done();
    assert_eq!(house.json("constraints testapp --format json").await, json!({ "cores": 1 }));
    house.play("set-model-constraints speed=3").await.fails(2, "unknown constraint \"speed\"");
}

/// CLI contract shape_4.6.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storage() {
    let house = House::settled().await;
    let storage = house.json("storage --format json").await;
    has_shape("storage", &storage);
    let one = &storage["storage"]["data/0"];
    assert_eq!(one["attachments"]["units"]["testdb/0"]["location"], "/srv/data/data/0");
    has_shape("show-storage", &house.json("show-storage data/0 --format json").await);
    has_shape("storage-pools", &house.json("storage-pools --format json").await);
    let empty = House::start().await;
    assert_eq!(empty.json("storage --format json").await, json!({}));
    let played = empty.play("storage").await.done();
    assert_eq!((played.out.as_str(), played.err.as_str()), ("", "No storage to display.\n"));
    empty.play("show-storage data/7 --format json").await.fails(1, "not found");
}

/// CLI contract shape_4.7, jub_1: a unit with its peers and whom it is related to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn show_unit() {
    let house = House::settled().await;
    let shown = house.json("show-unit testdb/0 --format json").await;
    has_shape("show-unit", &shown);
    let unit = &shown["testdb/0"];
    assert_eq!((&unit["charm"], &unit["life"]), (&json!("local:testdb-0"), &json!("alive")));
    let of = |endpoint: &str| {
        let all = unit["relation-info"].as_array().unwrap();
        all.iter().find(|one| one["endpoint"] == endpoint).unwrap().clone()
    };
    let db = of("db");
    assert_eq!(db["related-endpoint"], "db");
    assert_eq!(db["related-units"]["testapp/0"]["data"]["from"], "testapp/0");
    assert_eq!(db["local-unit"]["data"]["from"], "testdb/0");
    assert!(db["local-unit"]["data"]["ingress-address"].is_string());
    let peers = of("replicas");
    assert_eq!(peers["related-endpoint"], "replicas");
    assert_eq!(peers["related-units"]["testdb/1"]["data"]["from"], "testdb/1");
    assert_eq!(peers["related-units"].get("testdb/0"), None);
    let only = house.json("show-unit testdb/0 --endpoint db --format json").await;
    assert_eq!(only["testdb/0"]["relation-info"].as_array().unwrap().len(), 1);
    let app = house.json("show-unit testdb/0 --app --endpoint db --format json").await;
    assert_eq!(app["testdb/0"]["relation-info"][0].get("related-units"), None);
    let played = house.play("show-unit testdb/7 nobody/1 --format json").await;
    let played = played.fails(1, "unit \"testdb/7\" not found\nunit \"nobody/1\" not found");
    assert_eq!(played.out, "{}\n");
    has_shape(
        "show-application",
        &house.json("show-application testdb testapp --format json").await,
    );
    house.play("show-application testdb nix").await.fails(1, "application \"nix\" not found");
}

/// CLI contract shape_4.8.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources() {
    let house = House::settled().await;
    let resources = house.json("resources testdb --format json").await;
    has_shape("resources", &resources);
    assert_eq!(resources["resources"][0]["resourceid"], "testdb/words");
    has_shape("resource-details", &house.json("resources testdb --details --format json").await);
    house.play("resources nix --format json").await.fails(1, "application \"nix\" not found");
}

/// CLI contract shape_4.10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rest() {
    let house = House::settled().await;
    let machines = house.json("machines --format json").await;
    has_shape("machines", &machines);
    assert_eq!(machines["machines"].as_object().unwrap().len(), 3);
    let one = house.json("show-machine 1 --format json").await;
    has_shape("machines", &one);
    assert_eq!(one["machines"].as_object().unwrap().len(), 1);
    has_shape("controllers", &house.json("controllers --format json").await);
    has_shape("show-controller", &house.json("show-controller --format json").await);
    let whoami = house.json("whoami --format json").await;
    has_shape("whoami", &whoami);
    assert_eq!(whoami, json!({ "controller": "home", "model": "words", "user": "admin" }));
    let version = house.json("version --format json --all").await;
    has_shape("version", &version);
    assert_eq!(house.play("version").await.done().out.trim(), version["version"]);
    has_shape("spaces", &house.json("spaces --format json").await);
    let subnets = house.json("subnets --format json").await;
    has_shape("subnets", &subnets);
    assert_eq!(subnets["subnets"]["10.0.0.0/24"]["space"], "alpha");
    house.play("show-space beta").await.fails(2, "space \"beta\" not found");
}

/// Reliability document, S36: whatever the controller was told by somebody, nothing of it steers the
/// terminal of whoever looks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s36_text_from_elsewhere_does_not_steer_the_terminal() {
    let house = House::start().await;
    house.charms();
    house.play("deploy ./testdb").await.done();
    let evil = "\u{1b}]0;mine\u{7}\u{9b}2J\u{202e}over\rwritten";
    house.play(&format!("config testdb 'testoption={evil}'")).await.done();
    let hand = Hand { terminal: true, ..Hand::default() };
    let lines = [
        "config testdb testoption",
        "config testdb --format json",
        "config testdb --format yaml",
        "config testdb --format tabular",
    ];
    for line in lines {
        let played = house.play_as(&hand, line).await.done();
        let steers = |c: char| (c.is_control() && !"\n\t".contains(c)) || c == '\u{202e}';
        let text = format!("{}{}", played.out, played.err);
        assert!(!text.chars().any(steers), "{line}: {text:?}");
        assert!(text.contains("mine"), "{line}: {text:?}");
    }
    let played = house.play_as(&hand, &format!("show-unit 'a{evil}/0'")).await;
    assert_eq!(played.code, 2);
    assert!(!played.err.contains('\u{1b}'), "{:?}", played.err);
    // A program gets the bytes as they are.
    let out = house.play("config testdb testoption").await.done().out;
    assert_eq!(out, format!("{evil}\n"));
    // A table has one line a row and no cell that steers, wherever it goes.
    let table = house.play("config testdb --format tabular").await.done().out;
    assert!(!table.contains('\u{1b}') && !table.contains('\r'), "{table:?}");
}
