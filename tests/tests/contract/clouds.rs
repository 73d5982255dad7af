//! Clouds and credentials, of the client and of the controller.

use serde_json::{Value, json};

use crate::house::{House, Played};
use crate::schema::has_shape;

const MINE: &str = "clouds:\n  mine:\n    type: openstack\n    auth-types: [userpass]\n    \
    regions:\n      north: {endpoint: https://north.example.com}\n      south:\n    \
    config: {network: inside}\n";

const KEYS: &str = "credentials:\n  aws:\n    default-region: eu-1\n    cred1:\n      \
    auth-type: access-key\n      access-key: AKIA\n      secret-key: s3cret\n";

async fn house() -> House {
    let house = House::start().await;
    let bare = "type: lxd\nendpoint: https://one.example.com\nauth-types: [certificate]\n";
    house.files(&[("mine.yaml", MINE), ("bare.yaml", bare), ("keys.yaml", KEYS)]);
    house
}

#[track_caller]
fn says(played: &Played, text: &str) {
    assert!(played.err.contains(text), "{}: {}", played.line, played.err);
}

/// CLI contract trap_10, cmd_add-cloud, cmd_update-cloud, cmd_show-cloud, cmd_remove-cloud,
/// shape_4.10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_is_written_down_here_or_there() {
    let house = house().await;
    house.play("add-cloud mine --client --file mine.yaml").await.done();
    let shown = house.play("show-cloud --client mine").await.done().out;
    assert!(
        shown.contains("https://north.example.com") && shown.contains("defined: local"),
        "{shown}"
    );
    house.play("show-cloud --controller home mine").await.fails(1, "cloud mine not found");
    house.play("add-cloud mine -c home -f mine.yaml").await.done();
    let shown = house.play("show-cloud --controller home mine").await.done().out;
    assert!(shown.contains("https://north.example.com"), "{shown}");
    let all = house.json("clouds --format json").await;
    has_shape("clouds", &all);
    assert_eq!(
        (&all["mine"]["type"], &all["localhost"]["defined"]),
        (&json!("openstack"), &json!("built-in"))
    );
    assert_eq!(all["mine"]["regions"]["south"], json!({}));
    assert_eq!(all.get("aws"), None);
    assert_eq!(house.json("clouds --all --format json").await["aws"]["type"], "ec2");
    assert_eq!(
        house.json("regions mine --format json").await["north"]["endpoint"],
        "https://north.example.com"
    );
    // What it is called in the file, or the bare definition; by either name of the flag.
    house.play("update-cloud mine --client -f bare.yaml").await.done();
    house.play("update-cloud mine --controller home --file bare.yaml").await.done();
    for whose in ["--client", "--controller home"] {
        let shown = house.json(&format!("show-cloud {whose} mine --format json")).await;
        assert_eq!((&shown["type"], &shown["name"]), (&json!("lxd"), &json!("mine")));
        assert_eq!(shown["endpoint"], "https://one.example.com");
    }
    let text = std::fs::read_to_string(house.path("client/clouds.yaml")).unwrap();
    assert!(text.starts_with("clouds:\n  mine:\n    "), "{text}");
    for (line, code, said) in [
        ("add-cloud mine --client --file mine.yaml", 1, "already exists"),
        ("add-cloud mine --controller home --file mine.yaml", 1, "already exists"),
        ("add-cloud localhost --client --file bare.yaml", 1, "already exists"),
        ("add-cloud localhost -c home --file bare.yaml", 1, "already exists"),
        ("add-cloud other --client --file mine.yaml", 1, "cloud \"other\" not found in file"),
        ("add-cloud other --client --file nix.yaml", 1, "nix.yaml"),
        ("add-cloud other --client --file keys.yaml", 1, "no definition of a cloud"),
        ("add-cloud other --client", 1, "a file is needed"),
        ("add-cloud other x.yaml --file y.yaml", 2, "--file"),
        ("update-cloud other --client -f bare.yaml", 1, "not found"),
        ("update-cloud other -c home -f bare.yaml", 1, "not found"),
        ("remove-cloud other --client", 1, "not found"),
        ("remove-cloud localhost -c home", 1, "controller's own"),
        ("show-cloud nix", 1, "cloud nix not found"),
        ("add-model m mine", 1, "neither a cloud"),
    ] {
        house.play(line).await.fails(code, said);
    }
    says(
        &house.play("add-cloud mine --client --force --file mine.yaml").await.done(),
        "kept by this client",
    );
    house.play("remove-cloud --client mine").await.done();
    house.play("show-cloud --client mine").await.fails(1, "not found");
    house.play("remove-cloud --controller home mine").await.done();
    house.play("remove-cloud mine").await.fails(1, "not found");
    // With neither flag both are meant.
    house.play("add-cloud mine mine.yaml").await.done();
    house.play("show-cloud mine --client").await.done();
    house.play("show-cloud mine -c home").await.done();
    house.play("remove-cloud mine").await.done();
    let all = house.json("clouds --format json").await;
    assert_eq!(all.as_object().unwrap().keys().collect::<Vec<_>>(), ["localhost"]);
    let table = house.play("clouds").await.done().out;
    assert!(
        table.contains("Clouds available on controller \"home\":\nCloud      Regions"),
        "{table}"
    );
}

/// CLI contract cmd_add-credential, cmd_credentials, cmd_show-credential, shape_4.10; reliability
/// document, S37: what proves who somebody is stays with the client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_kept_and_their_secrets_are_not_told() {
    let house = house().await;
    assert_eq!(
        house.json("credentials --client --format json").await,
        json!({ "client-credentials": {} })
    );
    house.play("add-credential aws --client --file keys.yaml").await.done();
    let all = house.json("credentials --format json").await;
    has_shape("credentials", &all);
    let details = &all["client-credentials"]["aws"]["cloud-credentials"]["cred1"]["details"];
    assert_eq!(*details, json!({ "access-key": "AKIA" }));
    assert_eq!(all["client-credentials"]["aws"]["default-region"], "eu-1");
    assert_eq!(all["controller-credentials"], json!({}));
    let secret = house.json("credentials --show-secrets --client --format json").await;
    let details = &secret["client-credentials"]["aws"]["cloud-credentials"]["cred1"]["details"];
    assert_eq!(details["secret-key"], "s3cret");
    let played = house.play("add-credential aws --controller home -f keys.yaml").await.done();
    says(&played, "secrets were not sent");
    let all = house.json("credentials --controller home --show-secrets --format json").await;
    assert_eq!(all.get("client-credentials"), None);
    let one = &all["controller-credentials"]["aws"]["cloud-credentials"]["cred1"];
    assert_eq!(*one, json!({ "auth-type": "access-key", "details": { "access-key": "AKIA" } }));
    let shown = house.json("show-credential aws cred1 --format json").await;
    let content = json!({ "content": { "auth-type": "access-key", "access-key": "AKIA" } });
    assert_eq!(shown["client-credentials"]["aws"]["cred1"], content);
    assert_eq!(shown["controller-credentials"]["aws"]["cred1"], content);
    // Not in the controller's data, nor readable by others here.
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(house.path("client/credentials.yaml")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    assert!(!holds(&house.path("data"), b"s3cret"), "a secret lies in the controller's data");
    // Somebody else sees nothing of it.
    let ann = house.user("ann").await;
    let other: Value = house.play_as(&ann, "credentials -c home --format json").await.json();
    assert_eq!(other["controller-credentials"], json!({}));
    for (line, code, said) in [
        ("add-credential aws --client --file keys.yaml", 1, "already exists"),
        ("add-credential azure --client --file keys.yaml", 1, "not found in keys.yaml"),
        ("add-credential aws --client", 2, "--file"),
        ("add-credential aws --client --file mine.yaml", 1, "no credentials"),
        ("remove-credential aws nix", 1, "not found"),
        ("show-credential aws nix", 1, "not found"),
        ("show-credential aws", 2, "credential name"),
        ("default-credential aws nix", 1, "not found"),
        ("default-region nix one", 1, "not found"),
    ] {
        house.play(line).await.fails(code, said);
    }
    house.files(&[("unknown.yaml", &KEYS.replace("aws:", "nix:"))]);
    house
        .play("add-credential nix --client --file unknown.yaml")
        .await
        .fails(1, "cloud nix not found");
    house
        .play("add-credential nix -c home --file unknown.yaml")
        .await
        .fails(1, "cloud nix not found");
    house.play("update-credential aws cred1 --client --file keys.yaml").await.done();
    house.play("default-credential aws cred1").await.done();
    assert_eq!(house.play("default-credential aws").await.done().out, "cred1\n");
    let table = house.play("credentials --client").await.done().out;
    assert_eq!(table, "Client Credentials:\nCloud  Credentials\naws    cred1*\n");
    assert_eq!(house.play("default-region aws").await.done().out, "eu-1\n");
    house.play("default-region aws --reset").await.done();
    house.play("default-region aws").await.fails(1, "not found");
    house.play("remove-credential aws cred1").await.done();
    let all = house.json("credentials --format json").await;
    assert_eq!(all, json!({ "client-credentials": {}, "controller-credentials": {} }));
}

/// Whether some file below a folder holds these bytes.
fn holds(folder: &std::path::Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, bytes);
        }
        let text = std::fs::read(&path).unwrap();
        text.windows(bytes.len()).any(|window| window == bytes)
    })
}
