//! The commands of secrets as they are typed, on a controller as it is (CLI contract §3.8, §4.5).

#![expect(clippy::unwrap_used, reason = "tests, not the product")]

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use muster::context::store::{Account, Controller, Store};
use muster::desk::Desk;
use muster_controller::config::{Limits, Settings, SubstrateChoice, Times};
use muster_controller::{Init, identity};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// A controller with a model, and a folder to type in.
struct Office {
    folder: tempfile::TempDir,
    stop: CancellationToken,
}

impl Office {
    async fn open() -> Office {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let token = identity::mint().unwrap();
        let asked = Init {
            name: "house".parse().unwrap(),
            cloud: "localhost".parse().unwrap(),
            admin: "admin".parse().unwrap(),
            token: token.hash(),
        };
        muster_controller::init(&data, &asked, muster_controller::now()).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let settings = Settings {
            data_dir: data.clone(),
            listen: address,
            substrate: SubstrateChoice::None,
            agent: PathBuf::from("/nonexistent"),
            reader: muster_resources::Reader::Here,
            log: String::new(),
            parallel_machines: 1,
            times: Times::default(),
            limits: Limits { reserve: 1 << 20, ..Limits::default() },
        };
        let stop = CancellationToken::new();
        tokio::spawn(muster_controller::run(settings, listener, stop.clone()));
        let authority = std::fs::read_to_string(data.join("ca.pem")).unwrap();
        let store = Store::at(folder.path().join("juju"));
        store
            .change(|contents| {
                let at = vec![address.to_string()];
                let house = Controller::new(String::new(), at, authority, "localhost".to_owned());
                contents.controllers.controllers.insert("house".to_owned(), house);
                contents.controllers.current = Some("house".to_owned());
                let admin =
                    Account::new("admin".to_owned(), token.expose().to_owned(), "superuser");
                contents.accounts.controllers.insert("house".to_owned(), admin);
            })
            .unwrap();
        let office = Office { folder, stop };
        office.done("add-model one").await;
        office
    }

    /// Types a line; answers its exit code, what it writes and what it says.
    async fn line(&self, line: &str) -> (u8, String, String) {
        let (out, err) = (Paper::default(), Paper::default());
        let mut desk = Desk::new(Box::new(out.clone()), Box::new(err.clone()));
        let store = self.folder.path().join("juju");
        desk.env.insert("JUJU_DATA".to_owned(), store.display().to_string());
        self.folder.path().clone_into(&mut desk.folder);
        let words = line.split(' ').map(str::to_owned).collect();
        let code = muster::run(&mut desk, words).await;
        (code, out.text(), err.text())
    }

    async fn done(&self, line: &str) -> String {
        let (code, out, err) = self.line(line).await;
        assert_eq!(code, 0, "{line}: {err}");
        out
    }

    async fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.done(line).await).unwrap()
    }

    /// What a line is refused with.
    async fn no(&self, line: &str) -> (u8, String) {
        let (code, out, err) = self.line(line).await;
        assert!(code != 0 && out.is_empty(), "{line}: {out}");
        (code, err.lines().next().unwrap_or_default().to_owned())
    }

    fn file(&self, name: &str, text: &[u8]) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Whole seconds in UTC: Python before 3.11 reads nothing finer.
fn is_time(value: &Value) -> bool {
    let text = value.as_str().unwrap();
    text.len() == 20 && text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok()
}

/// CLI contract trap_03, trap_04, shape_4_5, cmd_add-secret, cmd_update-secret, cmd_secrets,
/// cmd_show-secret, cmd_remove-secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_client_libraries_do_with_secrets_works() {
    let office = Office::open().await;
    assert_eq!(office.done("secrets --format json").await, "{}\n");
    office.file("values.yaml", b"username: admin\npassword: '01'\nbin#base64: AP8=\n");
    let printed = office.done("add-secret sec1 --info my-info --file values.yaml").await;
    let uri = printed.strip_suffix('\n').unwrap();
    let id = uri.strip_prefix("secret:").unwrap();
    assert_eq!(id.len(), 20);
    office.file("values.yaml", b"username: me\npassword: '01'\n");
    for named in [uri, id, "sec1"] {
        // The second and third time it is the same: no new revision.
        assert_eq!(
            office.done(&format!("update-secret {named} --info new --file values.yaml")).await,
            ""
        );
    }
    let all = office.json("secrets --owner <model> --format json").await;
    let entry = &all[id];
    assert_eq!(all.as_object().unwrap().len(), 1);
    assert_eq!(
        (&entry["revision"], &entry["owner"], &entry["name"], &entry["description"]),
        (&json!(2), &json!("<model>"), &json!("sec1"), &json!("new"))
    );
    assert!(is_time(&entry["created"]) && is_time(&entry["updated"]), "{entry}");
    let model = office.json("show-model one --format json").await;
    assert_eq!(model["one"]["secret-backends"]["internal"]["num-secrets"], json!(1));
    assert!(entry.get("content").is_none() && entry.get("revisions").is_none());
    assert_eq!(office.json("secrets --owner wiki --format json").await, json!({}));
    let shown = office.json(&format!("show-secret {uri} --format json --reveal")).await;
    assert_eq!(shown[id]["content"], json!({ "Data": { "username": "me", "password": "01" } }));
    let first = office.json("show-secret sec1 --format json --reveal --revision 1").await;
    assert_eq!(first[id]["revision"], json!(1));
    let data = json!({ "username": "admin", "password": "01", "bin#base64": "AP8=" });
    assert_eq!(first[id]["content"], json!({ "Data": data }));
    let yaml = office.done("show-secret sec1 --reveal").await;
    assert!(yaml.contains("  content:\n    password: \"01\"\n    username: me\n"), "{yaml}");
    let both = office.json("show-secret sec1 --format json --revisions").await;
    let revisions = both[id]["revisions"].as_array().unwrap();
    assert_eq!(
        revisions.iter().map(|r| &r["revision"]).collect::<Vec<_>>(),
        [&json!(1), &json!(2)]
    );
    assert!(revisions.iter().all(|one| is_time(&one["created"]) && is_time(&one["updated"])));
    let table = office.done("list-secrets").await;
    assert!(
        table
            .starts_with("ID                    Name  Owner    Rotation  Revision  Last updated\n")
    );
    assert!(table.contains(&format!("{id}  sec1  <model>  never            2  20")), "{table}");
    assert_eq!(office.done("update-secret sec1 --name sec2").await, "");
    assert_eq!(
        office.no("show-secret sec1").await,
        (1, "ERROR secret \"sec1\" not found".to_owned())
    );
    assert_eq!(office.done("remove-secret sec2 --revision 1").await, "");
    let left = office.json("show-secret sec2 --format json --revisions").await;
    assert_eq!(left[id]["revisions"].as_array().unwrap().len(), 1);
    assert_eq!(office.done("remove-secret sec2").await, "");
    assert_eq!(office.json("secrets --format json").await, json!({}));
    let gone = office.no("remove-secret sec2").await;
    assert_eq!(gone, (1, "ERROR secret \"sec2\" not found".to_owned()));
}

/// CLI contract cmd_grant-secret, cmd_revoke-secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_are_shown_and_an_option_takes_the_uri() {
    let office = Office::open().await;
    let charm = office.folder.path().join("wiki");
    std::fs::create_dir_all(&charm).unwrap();
    std::fs::write(charm.join("metadata.yaml"), "name: wiki\nsummary: s\ndescription: d\n")
        .unwrap();
    let config = "options:\n  login: {type: secret}\n";
    std::fs::write(charm.join("config.yaml"), config).unwrap();
    office.done("deploy ./wiki --force").await;
    let uri = office.done("add-secret login password=hunter2").await.trim().to_owned();
    let id = uri.strip_prefix("secret:").unwrap();
    office.done(&format!("grant-secret {uri} wiki")).await;
    let shown = office.json("show-secret login --format json").await;
    let access = shown[id]["access"].as_array().unwrap();
    assert_eq!(
        (access.len(), &access[0]["target"], &access[0]["role"]),
        (1, &json!("application-wiki"), &json!("view"))
    );
    assert!(access[0]["scope"].as_str().unwrap().starts_with("model-"), "{shown}");
    office.done(&format!("config wiki login={uri}")).await;
    assert_eq!(office.done("config wiki login").await.trim(), uri);
    let (code, said) = office.no("config wiki login=hunter2").await;
    assert!(code == 1 && said.contains("the URI of a secret"), "{said}");
    office.done("revoke-secret login wiki").await;
    assert!(office.json("show-secret login --format json").await[id].get("access").is_none());
    let (code, said) = office.no("grant-secret login wiki,blog").await;
    assert!(code == 1 && said.contains("application \"blog\" not found"), "{said}");
    let after = office.json("show-secret login --format json").await;
    assert!(after[id].get("access").is_none(), "one of two was granted");
}

/// CLI contract §3.8: what excludes what, and which names and values are none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_said_without_the_value() {
    let office = Office::open().await;
    for (line, said) in [
        ("add-secret", "no secret name specified"),
        ("add-secret one", "missing secret value or filename"),
        ("add-secret one hunter2", "expected \"key=value\""),
        ("add-secret one ab=hunter2", "secret key \"ab\" not valid"),
        ("add-secret one key#base64=hunter2!", "is not base64"),
        ("update-secret one", "missing secret value or filename"),
        (
            "show-secret one --reveal --revisions",
            "specify either --revisions or --reveal but not both",
        ),
        (
            "show-secret one --revision 1 --revisions",
            "specify either --revisions or --revision but not both",
        ),
        ("grant-secret one", "no application name specified"),
    ] {
        let (code, got) = office.no(line).await;
        assert_eq!(code, 2, "{line}: {got}");
        assert!(got.contains(said) && !got.contains("hunter2"), "{line}: {got}");
    }
    office.file("big", &vec![b'x'; 1_000_001]);
    office.file("list.yaml", b"- hunter2\n");
    office.done("add-secret one key=hunter2").await;
    for (line, said) in [
        ("add-secret one key=hunter2", "secret \"one\" already exists"),
        ("add-secret secret:x key=hunter2", "reads as a secret's id"),
        ("add-secret two --file list.yaml", "must be a YAML or JSON map"),
        ("add-secret two key#file=big", "longer than 1000000 bytes"),
        ("add-secret two key#file=none", "cannot read"),
        ("show-secret one --revision 7", "revision 7 not found"),
        ("remove-secret two", "secret \"two\" not found"),
    ] {
        let (code, got) = office.no(line).await;
        assert_eq!(code, 1, "{line}: {got}");
        assert!(got.contains(said) && !got.contains("hunter2"), "{line}: {got}");
    }
}
