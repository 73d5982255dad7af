//! The tools and hooks of secrets (sections 4.12, 5.10 and 7.8), with a controller and its vault.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use muster_model::command::ModelCommand;
use muster_model::status::TaskState;

use crate::support::{CharmText, Whole};

fn wiki() -> CharmText {
    let mut charm = CharmText::new();
    for kind in ["changed", "remove", "rotate", "expired"] {
        charm.hook(&format!("secret-{kind}"), &format!("env -0 > $out/env-{kind}"));
    }
    charm.hook(
        "config-changed",
        "if [ -e $out/fail ]; then rm $out/fail; secret-add --label lost key=value; exit 1; fi",
    );
    charm.action("go", "secret-add --label lost key=value; exit 3");
    charm.action("beside", "secret-add --label kept key=value; action-fail no");
    charm
}

fn store() -> CharmText {
    let mut charm = wiki();
    let metadata = "name: store\nsummary: s\ndescription: d\nprovides: {db: {interface: db}}\n";
    charm.file("metadata.yaml", metadata, 0o644);
    charm
}

/// Two wikis and a store that they are related to.
async fn whole() -> Whole {
    let whole = Whole::start().await;
    whole.deploy("wiki", &wiki(), 2).await;
    whole.deploy("store", &store(), 1).await;
    whole.relate("wiki:db", "store:db").await;
    whole
}

const WIKI: &str = "wiki/0";
const STORE: &str = "store/0";

impl Whole {
    /// Runs a script that must end well, and answers what it prints.
    async fn says(&self, unit: &str, script: &str) -> String {
        let (code, out, err) = self.exec(unit, &format!("set -e; {script}")).await;
        assert_eq!((code, err.as_str()), (0, ""), "{script}: {out}");
        out
    }

    /// Lines of `script → code stdout|stderr`, each in a context of its own.
    async fn check(&self, unit: &str, lines: &[(&str, i64, &str, &str)]) {
        for (script, code, stdout, stderr) in lines {
            let (got, out, err) = self.exec(unit, script).await;
            assert_eq!((got, out.as_str()), (*code, *stdout), "{script}: {err}");
            if stderr.is_empty() {
                assert_eq!(err, "", "{script}");
            } else {
                assert!(err.starts_with("ERROR ") && err.contains(stderr), "{script}: {err}");
            }
        }
    }

    async fn value_of(&self, unit: &str, script: &str) -> String {
        self.says(unit, script).await.trim().to_owned()
    }
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split('\0').find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
}

/// Hook contract S01, S02, S19, F01.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_run_adds_is_read_at_once_and_kept_if_the_run_ends_well() {
    let whole = whole().await;
    let said = whole
        .says(
            WIKI,
            "id=$(secret-add --label login user=me password=hunter2); echo $id; \
             secret-get $id password; secret-get --label login user; secret-ids",
        )
        .await;
    let id = said.lines().next().unwrap().strip_prefix("secret:").unwrap().to_owned();
    assert_eq!(said, format!("secret:{id}\nhunter2\nme\n{id}\n"));
    assert_eq!(
        whole.says(WIKI, "secret-get --label login; secret-get --format=json --label login").await,
        "password: hunter2\nuser: me\n{\"password\":\"hunter2\",\"user\":\"me\"}\n"
    );
    // A sibling reads what is the application's, and changes nothing of it.
    let not = "this unit is not the leader";
    whole
        .check(
            "wiki/1",
            &[
                ("secret-get --label login password", 0, "hunter2\n", ""),
                (&format!("secret-get {id} user"), 0, "me\n", ""),
                ("secret-add key=value", 1, "", not),
                (&format!("secret-set {id} key=value"), 1, "", not),
                (&format!("secret-remove {id}"), 1, "", not),
                ("secret-ids --format json", 0, "[]\n", ""),
                ("secret-add --owner unit key=value | cut -c 1-7", 0, "secret:\n", ""),
                ("secret-ids | wc -l", 0, "1\n", ""),
            ],
        )
        .await;
    // An action that fails keeps nothing; one that only says so keeps all.
    let over = whole.action(WIKI, "go").await;
    assert_eq!(over.result.state, TaskState::Failed);
    let lost = "consumer label \"lost\" not found";
    whole.check(WIKI, &[("secret-get --label lost", 1, "", lost)]).await;
    assert_eq!(whole.action(WIKI, "beside").await.result.state, TaskState::Failed);
    whole.check(WIKI, &[("secret-get --label kept key", 0, "value\n", "")]).await;
    // And so is a hook that fails: it runs again, and what it wrote the first time is not there.
    std::fs::write(whole.root().join("fail"), "").unwrap();
    let application = "store".parse().unwrap();
    let set = [("size".parse().unwrap(), "7".to_owned())].into();
    let reset = Default::default();
    whole.ask(ModelCommand::Configure { application, set, reset, trust: None }).await;
    whole.settle().await;
    assert!(!whole.root().join("fail").exists());
    whole.check(STORE, &[("secret-get --label lost", 1, "", lost)]).await;
    assert_eq!(whole.says(STORE, "secret-ids --format json").await, "[]\n");
}

/// Hook contract N04, N05, S13, S16.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_of_a_secret_and_its_values_is_read() {
    let whole = whole().await;
    let add = "printf 'a\\000b\\377' > bin; printf 'x-y-z: \"01\"\\ncoded#base64: AAH/\\n' > map; \
               secret-add text=a=b== coded#base64=AAH/ bytes#file=bin";
    let id = whole.value_of(WIKI, add).await;
    let id = id.strip_prefix("secret:").unwrap();
    let model = whole.model;
    for form in [
        id.to_owned(),
        format!("secret:{id}"),
        format!("secret:/{id}"),
        format!("secret://{model}/{id}"),
        format!("{model}/{id}"),
    ] {
        whole.check(WIKI, &[(&format!("secret-get {form} text"), 0, "a=b==\n", "")]).await;
    }
    let other = "8419cd78-4993-4c3a-928e-c646226beeee";
    whole
        .check(
            WIKI,
            &[
                (&format!("secret-get {id} coded#base64"), 0, "AAH/\n", ""),
                (&format!("secret-get {id} bytes#base64"), 0, "YQBi/w==\n", ""),
                (&format!("secret-get {id} bytes"), 1, "", "is not text; ask for \"bytes#base64\""),
                (&format!("secret-get {id}"), 1, "", "is not text"),
                (&format!("secret-get secret://{other}/{id}"), 1, "", "not found"),
                ("secret-get nonsense", 2, "", "secret URI \"nonsense\" not valid"),
                ("secret-add ab=x", 1, "", "secret key \"ab\" not valid"),
                ("secret-add a--b=x", 1, "", "secret key \"a--b\" not valid"),
                ("secret-add abc=x a-b-c=y | cut -c 1-7", 0, "secret:\n", ""),
                (
                    "secret-get $(secret-add --file map) --format json",
                    1,
                    "",
                    "\"coded\" is not text",
                ),
                (
                    "id=$(printf '{\"x-y-z\": \"01\"}' | secret-add --file -); secret-get $id",
                    0,
                    "x-y-z: \"01\"\n",
                    "",
                ),
                (
                    "head -c 1000001 /dev/zero | tr '\\0' x > big; secret-add big-one#file=big",
                    1,
                    "",
                    "at most 1000000 bytes, got 1000001",
                ),
                (
                    "truncate -s -1 big; id=$(secret-add big-one#file=big); rm big; \
                     secret-get $id big-one | wc -c",
                    0,
                    "1000001\n",
                    "",
                ),
                ("secret-get $(secret-add plain=x) --peek > /dev/null && echo yes", 0, "yes\n", ""),
            ],
        )
        .await;
}

/// Hook contract S01, S03, S06, S09, S14.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tools_say_what_the_contract_says() {
    let whole = whole().await;
    let id = whole.value_of(WIKI, "secret-add --label login key=one").await;
    let bare = id.strip_prefix("secret:").unwrap();
    let relation = whole.value_of(WIKI, "relation-ids db").await;
    let on = |script: &str| script.replace("ID", &id).replace("REL", &relation);
    let none = "00000000000000000000";
    let gone = format!("secret \"{none}\" not found");
    let lines: &[(&str, i64, &str, &str)] = &[
        ("secret-add", 2, "", "missing secret value or filename"),
        ("secret-add --rotate often key=v", 2, "", "rotate policy \"often\" not valid"),
        ("secret-add --expire soon key=v", 2, "", "expire time or duration \"soon\" not valid"),
        ("secret-add --expire -1h key=v", 2, "", "expire time or duration \"-1h\" not valid"),
        ("secret-add --owner me key=v", 2, "", "secret owner \"me\" not valid"),
        ("secret-add --nope key=v", 2, "", "option provided but not defined: --nope"),
        ("secret-add hunter2", 1, "", "expected \"key=value\""),
        ("echo {} | secret-add --file -", 1, "", "empty secret content not valid"),
        ("secret-add --label login key=v", 1, "", "secret with label \"login\" already exists"),
        (
            "secret-add --label two key=v > /dev/null; secret-add --label two key=v",
            1,
            "",
            "secret with label \"two\" already exists",
        ),
        ("secret-set", 2, "", "missing secret URI"),
        ("secret-set 00000000000000000000 key=v", 1, "", &gone),
        ("secret-get", 2, "", "require either a secret URI or label"),
        (
            "secret-get --peek --refresh ID",
            2,
            "",
            "specify one of --peek or --refresh but not both",
        ),
        ("secret-get ID nokey", 1, "", "secret key value \"nokey\" not found"),
        ("secret-get 00000000000000000000", 1, "", &gone),
        ("secret-get --label nobody", 1, "", "consumer label \"nobody\" not found"),
        (
            "secret-info-get ID --label login",
            2,
            "",
            "specify either a secret URI or label but not both",
        ),
        ("secret-info-get 00000000000000000000", 1, "", &gone),
        ("secret-grant ID", 2, "", "no relation id specified"),
        ("secret-grant ID -r 99", 2, "", "relation not found"),
        ("secret-revoke ID", 2, "", "missing relation or application or unit"),
        ("secret-revoke ID --app a --unit a/0", 2, "", "specify only one of application or unit"),
        ("secret-revoke ID --relation REL --app a", 2, "", "do not specify both relation and app"),
        ("secret-remove ID --revision 9", 1, "", "revision 9 not found"),
        // What the run has written it reads as the newest, and by its own label.
        (
            "secret-get ID key; secret-set ID key=two; secret-get ID key; \
             secret-get ID --peek key; secret-get ID --refresh key",
            0,
            "one\none\ntwo\ntwo\n",
            "",
        ),
        ("secret-get ID key", 0, "two\n", ""),
        ("secret-set ID key=three; secret-get ID --peek key", 0, "three\n", ""),
        ("secret-get ID key; secret-get ID --peek key", 0, "two\nthree\n", ""),
        (
            "id=$(secret-add --label three key=v); secret-remove $id; secret-get $id",
            1,
            "",
            "not found",
        ),
    ];
    for (script, code, stdout, stderr) in lines {
        whole.check(WIKI, &[(&on(script), *code, stdout, stderr)]).await;
    }
    // The other side reads nothing that it was not granted, and calls what it reads by its own word.
    let denied = "permission denied";
    whole.check(STORE, &[(&on("secret-get ID"), 1, "", denied)]).await;
    let granted = on("secret-grant ID -r REL; secret-info-get ID --format=json");
    let info = whole.says(WIKI, &granted).await;
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    assert_eq!(
        info,
        serde_json::json!({ bare: {
            "revision": 3, "label": "login", "owner": "application", "rotation": "never",
            "access": [{ "target": "application-store", "scope": "relation-store.db#wiki.db", "role": "view" }],
        }})
    );
    let described = "secret-set ID --description text --rotate monthly --expire 2999-01-01T00:00:00Z \
                     --label other; secret-info-get ID";
    let pending = whole.says(WIKI, &on(described)).await;
    let kept = whole.says(WIKI, &on("secret-info-get --label other")).await;
    let without = |text: &str| {
        // The next rotation is counted from the commit.
        let lines = text.lines().filter(|line| !line.contains("rotates"));
        lines.map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(without(&pending), without(&kept));
    for line in [
        "description: text",
        "expiry: \"2999-01-01T00:00:00Z\"",
        "label: other",
        "owner: application",
        "revision: 3",
        "rotation: monthly",
        "scope: relation-store.db#wiki.db",
        "target: application-store",
    ] {
        let bare = line.replace('"', "");
        assert!(kept.contains(line) || kept.contains(&bare), "{line}: {kept}");
    }
    whole
        .check(
            STORE,
            &[
                (&on("secret-get ID --label theirs key"), 0, "three\n", ""),
                ("secret-get --label theirs", 0, "key: three\n", ""),
                ("secret-get --label login", 1, "", "consumer label \"login\" not found"),
                (&on("secret-info-get ID"), 1, "", "not found"),
                (&on("secret-set ID key=mine"), 1, "", "not found"),
                ("secret-ids --format json", 0, "[]\n", ""),
            ],
        )
        .await;
    whole.says(WIKI, &on("secret-revoke ID -r REL")).await;
    whole.says(WIKI, &on("secret-revoke ID --app store")).await;
    whole.check(STORE, &[(&on("secret-get ID"), 1, "", denied)]).await;
    whole.says(WIKI, &on("secret-remove ID")).await;
    whole.check(WIKI, &[(&on("secret-get ID"), 1, "", "not found")]).await;
}

/// Hook contract E13, S04, S10, S15.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_are_told_which_secret_and_which_revision() {
    let whole = whole().await;
    let id = whole.value_of(WIKI, "secret-add --label ours key=one").await;
    let relation = whole.value_of(WIKI, "relation-ids db").await;
    whole.says(WIKI, &format!("secret-grant {id} -r {relation}")).await;
    whole.says(STORE, &format!("secret-get {id} --label theirs")).await;
    // Two changes of one run are one revision.
    whole.says(WIKI, &format!("secret-set {id} key=two; secret-set {id} key=three")).await;
    whole.settle().await;
    let changed = whole.left("env-changed");
    assert_eq!(value(&changed, "JUJU_SECRET_ID"), Some(id.as_str()));
    assert_eq!(value(&changed, "JUJU_SECRET_LABEL"), Some("theirs"));
    assert_eq!(value(&changed, "JUJU_SECRET_REVISION"), None);
    assert_eq!(value(&changed, "JUJU_HOOK_NAME"), Some("secret-changed"));
    assert_eq!(value(&changed, "JUJU_UNIT_NAME"), Some(STORE));
    assert_eq!(whole.trace().matches("secret-changed").count(), 1);
    assert!(!whole.root().join("env-remove").exists(), "the first is still read");
    let secret = whole.view().await.secrets.into_values().next().unwrap();
    assert_eq!(secret.revisions.keys().copied().collect::<Vec<_>>(), [1, 2]);
    let get = format!("secret-get {id} key; secret-get {id} --refresh key");
    assert_eq!(whole.says(STORE, &get).await, "one\nthree\n");
    whole.settle().await;
    let removed = whole.left("env-remove");
    assert_eq!(value(&removed, "JUJU_SECRET_ID"), Some(id.as_str()));
    assert_eq!(value(&removed, "JUJU_SECRET_LABEL"), Some("ours"));
    assert_eq!(value(&removed, "JUJU_SECRET_REVISION"), Some("1"));
    assert_eq!(value(&removed, "JUJU_UNIT_NAME"), Some(WIKI));
    // An end that has come, of a secret without a label.
    let own = whole.value_of("wiki/1", "secret-add --owner unit --expire 50ms key=v").await;
    whole.says("wiki/1", "true").await;
    let path = whole.root().join("env-expired");
    let waiting = async {
        while !path.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, waiting).await.unwrap();
    whole.settle().await;
    let expired = whole.left("env-expired");
    assert_eq!(value(&expired, "JUJU_SECRET_ID"), Some(own.as_str()));
    assert_eq!(value(&expired, "JUJU_SECRET_LABEL"), Some(""));
    assert_eq!(value(&expired, "JUJU_SECRET_REVISION"), Some("1"));
}

/// Every file below a folder that holds one of the needles.
fn found(folder: &Path, needles: &BTreeMap<&str, Vec<u8>>) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            all.extend(found(&path, needles));
        } else if kind.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|part| part == needle);
            let forms = needles.iter().filter(|(_, needle)| holds(needle));
            all.extend(forms.map(|(form, _)| format!("{} ({form})", path.display())));
        }
    }
    all
}

/// Hook contract S17.
///
/// Reliability S14, S16.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_content_is_in_no_file_of_ours() {
    let mut whole = whole().await;
    // The word is put together by the shell, so that no command of this test holds it.
    let word = "CANARY-$(printf q7Zt0)bXw";
    let id = whole.value_of(WIKI, &format!("secret-add --label login key={word}")).await;
    let relation = whole.value_of(WIKI, "relation-ids db").await;
    whole.says(WIKI, &format!("secret-grant {id} -r {relation}")).await;
    whole.says(STORE, &format!("[ $(secret-get {id} key) = {word} ]")).await;
    whole
        .says(WIKI, &format!("secret-set {id} key={word}x; secret-get {id} --peek > /dev/null"))
        .await;
    whole.settle().await;
    // What goes wrong tells no more than what goes well.
    for wrong in [
        format!("secret-add {word}"),
        format!("secret-add ab={word}"),
        format!("secret-add key#base64={word}="),
        format!("secret-set {id} key={word} key={word}"),
        format!("echo {word} | secret-add --file -"),
        format!("printf 'key: [%s' {word} | secret-add --file -"),
        format!("secret-add --label login key={word}"),
    ] {
        let (code, out, err) = whole.exec(WIKI, &wrong).await;
        assert_ne!(code, 0, "{wrong}: {out}");
        assert!(!err.contains("q7Zt0bXw"), "{wrong}: {err}");
    }
    whole.end().await;
    let text = "q7Zt0bXw";
    let base64 = |pad: usize| {
        let padded = format!("{}{text}", "x".repeat(pad));
        let coded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(padded);
        coded.get(pad + 1..coded.len() - 2).unwrap().to_owned().into_bytes()
    };
    let needles = [
        ("base64 (0)", base64(0)),
        ("base64 (1)", base64(1)),
        ("base64 (2)", base64(2)),
        ("clear", b"CANARY-q7Zt0bXw".to_vec()),
        ("hexadecimal", hex::encode(text).into_bytes()),
    ];
    let traces = found(&whole.root(), &needles.into());
    assert!(traces.is_empty(), "{traces:#?}");
}
