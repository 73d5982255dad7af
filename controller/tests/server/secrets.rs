//! Contents of secrets on a whole controller: sealed at the door, kept sealed, shown to whom they
//! are for (reliability document, S14 to S16 and S37).

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use muster_controller::store::{Commit, Embedded, Loaded, Store, StoreError};
use muster_controller::vault::{self, VaultError};
use muster_model::Txn;
use muster_model::command::{ModelCommand, SecretCommand};
use muster_model::name::ModelId;
use muster_model::record::{ControllerAccess, ModelAccess};
use muster_model::refusal::Code;
use muster_model::report::{SecretHow, SecretWant};
use muster_model::secret::{Content, Plain, SecretId};
use muster_model::view::ViewRequest;

use crate::common::{House, refused};

/// A content whose one value is found again wherever it should not be.
fn content(canary: &str) -> Content {
    Content::new([("password".parse().unwrap(), Plain::new(canary))].into()).unwrap()
}

fn canary(number: u32) -> String {
    format!("CANARY-{number:04}-q7Zt0bXw")
}

pub fn id(number: u32) -> SecretId {
    SecretId::from_random(u128::from(number) + (1 << 90))
}

/// A secret of an operator, granted to `hello` if that is there.
pub async fn make(house: &House, model: ModelId, number: u32) -> SecretId {
    let id = id(number);
    let sealed = house.root().seal(model, &id, &content(&canary(number))).await.unwrap();
    let (name, description) = (format!("s{number}"), String::new());
    let add = SecretCommand::Add { id: id.clone(), name, description, content: sealed };
    house.do_in(model, ModelCommand::Secret(add)).await.unwrap();
    id
}

async fn reveal(house: &House, model: ModelId, number: u32) -> String {
    let content = house.root().reveal(model, &id(number), None).await.unwrap();
    content.get("password").unwrap().expose_text().unwrap().to_owned()
}

/// Every file below a folder with the forms of a canary that it holds.
fn found(folder: &Path, needles: &BTreeMap<&str, Vec<u8>>) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(found(&path, needles));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        for (form, needle) in needles {
            if bytes.windows(needle.len()).any(|window| window == needle) {
                all.push(format!("{} holds the canary in {form}", path.display()));
            }
        }
    }
    all
}

/// The beginning that all canaries have, in the forms in which it could be written. Base64 depends on
/// where a text begins, so each of its three beginnings is looked for.
fn needles() -> BTreeMap<&'static str, Vec<u8>> {
    let text = "CANARY-";
    let base64 = |pad: usize| {
        let padded = format!("{}{text}", "x".repeat(pad));
        let coded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(padded);
        // What depends on the neighbours is left out.
        coded.get(pad + 1..coded.len() - 2).unwrap().to_owned().into_bytes()
    };
    [
        ("clear", text.as_bytes().to_vec()),
        ("base64 (0)", base64(0)),
        ("base64 (1)", base64(1)),
        ("base64 (2)", base64(2)),
        ("hexadecimal", hex::encode(text).into_bytes()),
        ("capital hexadecimal", hex::encode_upper(text).into_bytes()),
    ]
    .into()
}

/// A store that breaks at one of its commits, before or after it was done.
struct Dying {
    inner: Embedded,
    left: usize,
}

impl Store for Dying {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        self.inner.load()
    }

    fn commit(&mut self, txns: &[Txn]) -> Result<Vec<Commit>, StoreError> {
        if self.left == 0 {
            return Err(StoreError::Damaged("killed".to_owned()));
        }
        self.left -= 1;
        self.inner.commit(txns)
    }
}

/// Reliability S14.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_shows_no_secret_and_a_change_of_the_key_loses_none() {
    const MANY: u32 = 300;
    let mut house = House::start().await;
    let model = house.model("one").await;
    for number in 0..MANY {
        make(&house, model, number).await;
    }
    assert_eq!(reveal(&house, model, 7).await, canary(7));
    house.end().await.unwrap();
    let data = house.data();
    let traces = found(&data, &needles());
    assert!(traces.is_empty(), "{}", traces.join("\n"));
    // Cut off at any commit it goes on, and at no moment is anything lost.
    for left in [0, 1, 4] {
        let mut store = Dying { inner: Embedded::open(&data).unwrap(), left };
        let cut = vault::rotate(&data, &mut store).unwrap_err();
        assert!(matches!(cut, VaultError::Store(_)), "{cut}");
        drop(store);
        house.run();
        for number in [0, MANY / 2, MANY - 1] {
            assert_eq!(reveal(&house, model, number).await, canary(number), "cut at {left}");
        }
        house.end().await.unwrap();
    }
    let old = std::fs::read_to_string(data.join("vault-keys")).unwrap();
    assert_eq!(old.lines().count(), 3, "both keys are needed until the end");
    let wrapped = muster_controller::rotate_vault(&data).unwrap();
    assert_eq!(wrapped, MANY as usize - 5 * 50, "what was done before is not done again");
    let new = std::fs::read_to_string(data.join("vault-keys")).unwrap();
    assert_eq!(new.lines().count(), 2);
    assert!(old.lines().filter(|line| new.contains(line)).count() == 2, "one key went");
    house.run();
    for number in 0..MANY {
        assert_eq!(reveal(&house, model, number).await, canary(number));
    }
    house.end().await.unwrap();
    // Without the keys it does not start as if there were none.
    std::fs::remove_file(data.join("vault-keys")).unwrap();
    house.run();
    let refused = house.ended().await.unwrap_err();
    assert!(muster_controller::Chain(&refused).to_string().contains("is missing"), "{refused}");
}

/// Reliability S15, S16, S37.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_content_is_shown_to_administrators_and_granted_units_and_in_no_view() {
    let house = House::start().await;
    let model = house.model("one").await;
    let (own, beside) = (house.machine(model).await, house.machine(model).await);
    house.hello(model, &[&own]).await;
    let secret = make(&house, model, 1).await;
    let writer = house.user("writer", ControllerAccess::Login).await;
    house.grant(model, "writer", Some(ModelAccess::Write)).await;
    let denied = refused(house.client(&writer).reveal(model, &secret, None).await);
    assert_eq!(denied.code, Code::PermissionDenied);
    let what = ViewRequest {
        storage: true,
        resources: true,
        secrets: true,
        settings: true,
        operations: 10,
        charms: true,
        ..ViewRequest::default()
    };
    let view = house.root().view(model, &what).await.unwrap();
    assert_eq!(view.secrets.len(), 1);
    let text = serde_json::to_string(&view).unwrap();
    assert!(!text.contains("CANARY") && !text.contains("bytes"), "{text}");
    // A unit reads what it was granted, and nobody in its name.
    let unit = "hello/0".parse().unwrap();
    let want = SecretWant { id: Some(secret.clone()), label: None, how: SecretHow::Tracked };
    let read = own.agent.read_secret(&unit, &want).await;
    assert_eq!(refused(read).message, "permission denied");
    let grant = |granted| SecretCommand::Grant {
        id: secret.clone(),
        applications: ["hello".parse().unwrap()].into(),
        granted,
    };
    house.do_in(model, ModelCommand::Secret(grant(true))).await.unwrap();
    let read = own.agent.read_secret(&unit, &want).await.unwrap();
    assert_eq!(read.get("password").unwrap().expose_text(), Some(canary(1).as_str()));
    let lie = refused(beside.agent.read_secret(&unit, &want).await);
    assert!(lie.message.contains("does not live on this machine"), "{lie}");
    house.do_in(model, ModelCommand::Secret(grant(false))).await.unwrap();
    assert_eq!(refused(own.agent.read_secret(&unit, &want).await).message, "permission denied");
    // What is removed cannot be had any more by anybody.
    let remove = SecretCommand::Remove { id: secret.clone(), revision: None };
    house.do_in(model, ModelCommand::Secret(remove)).await.unwrap();
    assert_eq!(refused(house.root().reveal(model, &secret, None).await).code, Code::NotFound);
    assert_eq!(refused(own.agent.read_secret(&unit, &want).await).code, Code::NotFound);
}

/// Reliability S14.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_changes_at_once_are_two_revisions_or_one_that_is_refused() {
    let house = House::start().await;
    let model = house.model("one").await;
    let secret = make(&house, model, 1).await;
    let (one, two) = (content("one"), content("two"));
    let first = house.root().seal(model, &secret, &one).await.unwrap();
    let second = house.root().seal(model, &secret, &two).await.unwrap();
    assert_eq!((first.revision, second.revision), (2, 2));
    let update = |content| {
        let id = secret.clone();
        let (name, description, auto_prune) = (None, None, None);
        ModelCommand::Secret(SecretCommand::Update { id, name, description, auto_prune, content })
    };
    house.do_in(model, update(Some(first))).await.unwrap();
    let late = refused(house.do_in(model, update(Some(second))).await);
    assert_eq!(late.code, Code::InUse);
    let kept = house.root().reveal(model, &secret, Some(2)).await.unwrap();
    assert_eq!(kept, one);
}
