//! Bad input: each is refused with a sentence that names the value and the rule, and changes
//! nothing (S7).

use std::collections::{BTreeMap, BTreeSet};

use muster_api::CallError;
use muster_api::body::BlobState;
use muster_api::client::Upload;
use muster_api::route::{Admits, Method, Route, TABLE};
use muster_charms::StorageDirective;
use muster_model::command::{AddCharm, Deploy, EndpointRef, ModelCommand, ResourceFile};
use muster_model::name::{CharmUrl, ModelId};
use muster_model::record::{ControllerAccess, ModelAccess, Placement};
use muster_model::refusal::Code;
use muster_model::view::{Condition, Wait};
use muster_resources::Digest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{House, charm_of, deploy, refused};

const SAMPLE: &[(&str, &str)] = &[
    (
        "metadata.yaml",
        "name: sample\nsummary: A sample.\ndescription: A sample.\n\
         requires:\n  db:\n    interface: pgsql\n  copy:\n    interface: pgsql\n\
         provides:\n  store:\n    interface: pgsql\n\
         storage:\n  data:\n    type: filesystem\n    minimum-size: 1G\n\
         resources:\n  blob:\n    type: file\n    filename: blob.bin\n",
    ),
    ("config.yaml", "options:\n  port:\n    type: int\n    default: 80\n"),
    ("hooks/install", "#!/bin/sh\n"),
];

struct World {
    house: House,
    model: ModelId,
    charm: CharmUrl,
}

async fn world() -> World {
    let house = House::start().await;
    let model = house.model("one").await;
    let folder = charm_of(&house.folder.path().join("sample"), SAMPLE);
    let charm = house.charm(model, &folder).await;
    for application in ["sample", "other"] {
        let command = ModelCommand::Deploy(deploy(application, charm.clone()));
        house.do_in(model, command).await.unwrap();
    }
    World { house, model, charm }
}

impl World {
    /// The command is refused in these words, and nothing changes.
    #[track_caller]
    fn refuses<'w>(
        &'w self,
        command: ModelCommand,
        code: Code,
        words: &'w [&'w str],
    ) -> impl Future<Output = ()> + 'w {
        let at = std::panic::Location::caller();
        async move {
            let before = self.house.revision().await;
            let refusal = refused(self.house.do_in(self.model, command).await);
            let way_out = refusal.hint.unwrap_or_default();
            assert!(!way_out.is_empty(), "{at}: no way out of: {}", refusal.message);
            let said = format!("{} {way_out}", refusal.message);
            assert_eq!(refusal.code, code, "{at}: {said}");
            for word in words {
                assert!(said.contains(word), "{at}: {word:?} is not in: {said}");
            }
            assert_eq!(self.house.revision().await, before, "{at}: it changed something");
        }
    }

    fn configure(&self, key: &str, value: &str) -> ModelCommand {
        ModelCommand::Configure {
            application: "sample".parse().unwrap(),
            set: [(key.parse().unwrap(), value.to_owned())].into(),
            reset: BTreeSet::new(),
            trust: None,
        }
    }

    fn deploy(&self, tune: impl FnOnce(&mut Deploy)) -> ModelCommand {
        let mut asked = deploy("third", self.charm.clone());
        asked.placements = vec![Placement::Anywhere];
        tune(&mut asked);
        ModelCommand::Deploy(asked)
    }
}

fn end(application: &str, endpoint: Option<&str>) -> EndpointRef {
    EndpointRef {
        application: application.parse().unwrap(),
        endpoint: endpoint.map(|name| name.parse().unwrap()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s07_bad_commands_are_refused_in_words_and_change_nothing() {
    let world = world().await;
    world.refuses(world.configure("prot", "80"), Code::Invalid, &["prot", "port"]).await;
    world
        .refuses(world.configure("port", "eighty"), Code::Invalid, &["port", "eighty", "int"])
        .await;
    let integrate = |one, other| ModelCommand::Integrate { one, other };
    let unknown = integrate(end("sample", Some("nothing")), end("other", None));
    world.refuses(unknown, Code::NotFound, &["nothing", "sample"]).await;
    let ambiguous = integrate(end("sample", None), end("other", Some("store")));
    world.refuses(ambiguous, Code::Ambiguous, &["sample:db", "sample:copy"]).await;
    let small = world.deploy(|asked| {
        let size = Some(64);
        let directive = StorageDirective { pool: None, count: Some(1), size };
        asked.storage = BTreeMap::from([("data".parse().unwrap(), directive)]);
    });
    world.refuses(small, Code::Invalid, &["data", "64", "1"]).await;
    let no_charm = world.deploy(|asked| asked.charm = "local:nothing-7".parse().unwrap());
    world.refuses(no_charm, Code::NotFound, &["nothing-7"]).await;
    let absent = Digest::of(b"nobody sent these");
    let file = |digest| ResourceFile { digest, size: 17, origin_name: "blob.bin".to_owned() };
    let no_bytes = world.deploy(|asked| {
        asked.resources = BTreeMap::from([("blob".parse().unwrap(), file(absent))]);
    });
    world.refuses(no_bytes, Code::Missing, &["blob.bin", &absent.to_string(), "upload"]).await;
    let attach = ModelCommand::AttachResource {
        application: "sample".parse().unwrap(),
        name: "blob".parse().unwrap(),
        file: file(absent),
    };
    world.refuses(attach, Code::Missing, &["blob.bin", "upload"]).await;
    let no_archive = AddCharm { digest: absent, size: 17, charm: None };
    world.refuses(ModelCommand::AddCharm(no_archive), Code::Missing, &[&absent.to_string()]).await;
    let again = ModelCommand::Deploy(deploy("sample", world.charm.clone()));
    world.refuses(again, Code::AlreadyExists, &["sample"]).await;
    let machine = world.deploy(|asked| {
        asked.placements = vec![Placement::Machine(muster_model::name::MachineId(77))];
    });
    world.refuses(machine, Code::NotFound, &["77"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s09_bytes_that_are_no_charm_are_refused_in_words() {
    let world = world().await;
    let path = world.house.folder.path().join("not-a-charm");
    for (bytes, words) in [
        (b"PK but no zip".to_vec(), "cannot read the charm"),
        (Vec::new(), "cannot read the charm"),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
        let root = world.house.root();
        root.put_blob(&path, &digest, size, |_: Upload| {}).await.unwrap();
        let asked = AddCharm { digest, size, charm: None };
        world.refuses(ModelCommand::AddCharm(asked), Code::Invalid, &[words]).await;
    }
    // A charm that the client claims to have read is read again.
    let bad = charm_of(
        &world.house.folder.path().join("bad"),
        &[("metadata.yaml", "name: Bad_Name\nsummary: x\ndescription: x\n"), ("hooks/install", "")],
    );
    let (path, digest, size) = world.house.packed(&bad);
    world.house.root().put_blob(&path, &digest, size, |_: Upload| {}).await.unwrap();
    let view = muster_model::view::ViewRequest { charms: true, ..Default::default() };
    let view = world.house.root().view(world.model, &view).await.unwrap();
    let claimed = view.charms.values().next().cloned().map(Box::new);
    assert!(claimed.is_some());
    let asked = AddCharm { digest, size, charm: claimed };
    world.refuses(ModelCommand::AddCharm(asked), Code::Invalid, &["Bad_Name"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r21_uploads_are_checked_and_go_on_where_they_broke_off() {
    let house = House::start().await;
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let digest = Digest::of(&bytes);
    let size = bytes.len() as u64;
    let (http, admin) = (house.raw(), house.admin.clone());
    let put = |offset: u64, body: Vec<u8>| {
        let url = house.url(&format!("/v1/blobs/{digest}?offset={offset}&size={size}"));
        http.put(url).bearer_auth(&admin).body(body).send()
    };
    // A part that ends cleanly is confirmed as far as it is on disk.
    let answer = put(0, bytes[..1_000_000].to_vec()).await.unwrap();
    assert_eq!(answer.json::<BlobState>().await.unwrap(), BlobState::Partial { offset: 1_000_000 });
    // One whose connection breaks keeps what came.
    let head = format!(
        "PUT /v1/blobs/{digest}?offset=1000000&size={size} HTTP/1.1\r\nHost: m\r\n\
         Authorization: Bearer {admin}\r\nContent-Length: 2000000\r\n\r\n"
    );
    let mut stream = crate::tls::connect(&house).await;
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&bytes[1_000_000..1_500_000]).await.unwrap();
    stream.flush().await.unwrap();
    drop(stream);
    let offset = crate::common::until(|| async {
        match house.root().blob_state(&digest).await.unwrap() {
            BlobState::Partial { offset } if offset > 1_000_000 => Some(offset),
            _ => None,
        }
    })
    .await;
    // A piece that does not begin where the last one ended is refused, and so are too many bytes.
    // The broken one is let go of a moment later.
    let answer = crate::common::until(|| async {
        let answer = put(7, bytes[7..].to_vec()).await.unwrap();
        (answer.status() != 503).then_some(answer)
    })
    .await;
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("goes on at byte"));
    let mut more = bytes[offset as usize..].to_vec();
    more.push(0);
    let answer = put(offset, more).await.unwrap();
    assert_eq!(answer.status(), 400);
    let BlobState::Partial { offset } = house.root().blob_state(&digest).await.unwrap() else {
        panic!("it is not whole")
    };
    // The client goes on from there.
    let path = house.folder.path().join("bytes");
    std::fs::write(&path, &bytes).unwrap();
    let least = std::sync::Arc::new(std::sync::Mutex::new(u64::MAX));
    let seen = std::sync::Arc::clone(&least);
    house
        .root()
        .put_blob(&path, &digest, size, move |upload| {
            if let Upload::Sent(at) = upload {
                let mut least = seen.lock().unwrap();
                *least = (*least).min(at);
            }
        })
        .await
        .unwrap();
    assert!(*least.lock().unwrap() > offset, "it began anew");
    assert_eq!(house.root().blob_state(&digest).await.unwrap(), BlobState::Whole { size });
    // Other bytes under this name.
    let wrong = Digest::of(b"something else");
    let url = house.url(&format!("/v1/blobs/{wrong}?offset=0&size=5"));
    let answer = http.put(url).bearer_auth(&admin).body("wrong").send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let said = answer.text().await.unwrap();
    assert!(
        said.contains("has the digest") && said.contains("give the same command again"),
        "{said}"
    );
    assert_eq!(
        house.root().blob_state(&wrong).await.unwrap(),
        BlobState::Partial { offset: 0 },
        "nothing of it is kept"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r21_the_same_bytes_sent_by_many_are_kept_once() {
    let house = std::sync::Arc::new(House::start().await);
    let bytes = vec![7u8; 2_000_000];
    let path = house.folder.path().join("bytes");
    std::fs::write(&path, &bytes).unwrap();
    let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
    let all = (0..32).map(|_| {
        let (house, path) = (std::sync::Arc::clone(&house), path.clone());
        tokio::spawn(async move {
            let client = house.root();
            loop {
                match client.put_blob(&path, &digest, size, |_: Upload| {}).await {
                    Ok(()) => return,
                    Err(error) if error.is_passing() => tokio::task::yield_now().await,
                    // Another was faster: the client asks again where to go on.
                    Err(CallError::Refused(refusal)) if refusal.message.contains("goes on at") => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        })
    });
    for task in all.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let kept = std::fs::read_dir(house.data().join("blobs/blobs")).unwrap().count();
    assert_eq!(kept, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s08_a_digest_is_no_right_to_the_bytes() {
    let house = House::start().await;
    let (one, two) = (house.model("one").await, house.model("two").await);
    let login = ControllerAccess::Login;
    let theirs = house.user("theirs", login).await;
    let mine = house.user("mine", login).await;
    house.grant(one, "theirs", Some(ModelAccess::Write)).await;
    house.grant(two, "mine", Some(ModelAccess::Write)).await;
    let folder = charm_of(&house.folder.path().join("sample"), SAMPLE);
    let (path, digest, size) = house.packed(&folder);
    house.client(&theirs).put_blob(&path, &digest, size, |_: Upload| {}).await.unwrap();
    let add = || ModelCommand::AddCharm(AddCharm { digest, size, charm: None });
    let command = |model, command| muster_model::Command::Model { model, command };
    let client = house.client(&mine);
    // To me they are not there: neither to see nor to name.
    assert_eq!(client.blob_state(&digest).await.unwrap(), BlobState::Partial { offset: 0 });
    let answer = crate::common::command_of(&client, command(two, add())).await;
    assert_eq!(refused(answer).code, Code::Missing);
    // Bytes of the right length that are not these show nothing.
    let url = house.url(&format!("/v1/blobs/{digest}?offset=0&size={size}"));
    let false_bytes = vec![0; usize::try_from(size).unwrap()];
    let answer = house.raw().put(&url).bearer_auth(&mine).body(false_bytes).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let answer = crate::common::command_of(&client, command(two, add())).await;
    assert_eq!(refused(answer).code, Code::Missing);
    // Who has them may name them.
    client.put_blob(&path, &digest, size, |_: Upload| {}).await.unwrap();
    crate::common::command_of(&client, command(two, add())).await.unwrap();
    assert_eq!(client.blob_state(&digest).await.unwrap(), BlobState::Whole { size });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s20_bodies_and_heads_beyond_their_limits_are_refused() {
    let house = House::start().await;
    let before = house.revision().await;
    let (http, admin) = (house.raw(), house.admin.clone());
    let post = |path: &str, body: Vec<u8>| {
        http.post(house.url(path)).bearer_auth(&admin).body(body).send()
    };
    let model = house.model("one").await;
    let before = house.revision().await.max(before);
    let of_users = |row: &&Route| {
        let users = [Admits::Users, Admits::Superusers, Admits::ModelReaders];
        row.method == Method::Post && users.contains(&row.admits)
    };
    let rows: Vec<&Route> = TABLE.iter().filter(of_users).collect();
    assert!(rows.len() >= 3, "commands, wait, teardown");
    for row in rows {
        let (path, limit) = (row.path.replace("{model}", &model.to_string()), row.body_limit);
        let limit = usize::try_from(limit).unwrap();
        for (length, status) in [(limit - 1, 400), (limit, 400), (limit + 1, 413)] {
            let answer = post(&path, vec![b' '; length]).await.unwrap();
            assert_eq!(answer.status(), status, "{length} bytes to {}", row.path);
            let said = answer.text().await.unwrap();
            assert!(status == 400 || said.contains(&limit.to_string()), "{said}");
        }
    }
    for (body, word) in [
        (&b"{"[..], "EOF"),
        (b"[]", "invalid length"),
        (b"{\"id\": \"a\", \"id\": \"b\", \"command\": 1}", "duplicate field"),
        (b"{\"id\": \"a b\", \"command\": {\"estate\": {}}}", "request id"),
        (b"\xff\xfe", "line 1"),
    ] {
        let answer = post("/v1/commands", body.to_vec()).await.unwrap();
        assert_eq!(answer.status(), 400);
        let said = answer.text().await.unwrap();
        assert!(said.contains(word), "{word} is not in {said}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let answer = post("/v1/commands", deep.into_bytes()).await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("deeper than 32"));
    let long = house.url(&format!("/v1/version?{}", "x".repeat(9_000)));
    assert_eq!(http.get(long).send().await.unwrap().status(), 400);
    let answer = http.get(house.url("/v1/version")).header("x-long", "y".repeat(33_000));
    assert_eq!(answer.send().await.unwrap().status(), 400);
    let answer = http.get(house.url("/v1/version")).header("x-long", "y".repeat(200_000));
    let longest = answer.send().await;
    assert!(longest.is_err() || longest.unwrap().status() == 431);
    for path in
        ["/", "/v1", "/v1/models/../version", "/v1/blobs/..%2f..%2fetc%2fpasswd", "/v1/nothing"]
    {
        let answer = http.get(house.url(path)).bearer_auth(&admin).send().await.unwrap();
        assert!(answer.status().is_client_error() || path.contains(".."), "{path}");
        let said = answer.text().await.unwrap();
        assert!(!said.contains("root:"), "{path}");
    }
    assert_eq!(http.delete(house.url("/v1/models")).send().await.unwrap().status(), 404);
    assert_eq!(house.revision().await, before);
    // The controller is as well as before.
    let mut stream = crate::tls::connect(&house).await;
    stream
        .write_all(b"GET /v1/version HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s20_a_session_watches_so_much_at_a_time_and_no_more() {
    let house = House::tuned(|settings| settings.limits.watches = 2).await;
    let model = house.model("one").await;
    let follow = muster_api::LogQuery { follow: true, ..Default::default() };
    let one = house.root().logs(model, &follow).await.unwrap();
    let other = house.root().logs(model, &follow).await.unwrap();
    let condition = Condition::Changed { after: muster_model::Revision(u64::MAX) };
    let wait = Wait { condition, timeout_ms: 1 };
    let said = house.root().wait(model, &wait).await.unwrap_err().to_string();
    assert!(said.contains("watches as much as it may"), "{said}");
    assert!(house.root().logs(model, &follow).await.is_err());
    // Who let go of one may have another.
    drop(one);
    crate::common::until(|| async { house.root().wait(model, &wait).await.ok() }).await;
    drop(other);
}
