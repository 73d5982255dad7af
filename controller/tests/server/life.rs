//! How a controller starts, ends and is ended.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::time::Duration;

use muster_api::Client;
use muster_api::client::Endpoint;
use muster_controller::{RunError, identity};
use muster_model::command::{Command, EstateCommand};
use muster_model::name::ModelId;
use muster_model::reply::Outcome;
use muster_model::view::{Condition, Wait};

use crate::common::{House, command_of, first, id, until};

fn add_model(name: &str) -> Command {
    Command::Estate(EstateCommand::AddModel {
        id: ModelId(uuid::Uuid::nil()),
        name: name.parse().unwrap(),
        owner: None,
        cloud: None,
        region: None,
        config: Default::default(),
        constraints: Default::default(),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_start_on_the_same_data_is_refused_in_words() {
    let mut house = House::start().await;
    house.root().version().await.unwrap();
    let output = Process::new(env!("CARGO_BIN_EXE_muster-controller"))
        .args(["run", "--substrate", "none", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(house.data())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("in use by another controller"), "{said}");
    house.root().version().await.unwrap();
    house.end().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r22_what_is_missing_is_damage_and_never_a_fresh_start() {
    for lost in ["store.db", "ca.pem", "ca-key.pem"] {
        let mut house = House::start().await;
        house.end().await.unwrap();
        std::fs::remove_file(house.data().join(lost)).unwrap();
        house.run();
        house.ended().await.unwrap_err();
        let hash = identity::mint().unwrap().hash();
        let made = muster_controller::init(&house.data(), &first(hash), muster_controller::now());
        assert!(made.is_err(), "a new controller was made over one that lost {lost}");
    }
}

#[test]
fn an_init_that_was_cut_off_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let asked = first(identity::mint().unwrap().hash());
    std::fs::write(folder.path().join("init.begun"), "").unwrap();
    std::fs::write(folder.path().join("store.db"), "half").unwrap();
    muster_controller::init(folder.path(), &asked, muster_controller::now()).unwrap();
    assert!(!folder.path().join("init.begun").exists());
    let again = muster_controller::init(folder.path(), &asked, muster_controller::now());
    assert!(matches!(again, Err(RunError::Present(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s31_state_that_others_can_read_is_not_served() {
    use std::os::unix::fs::PermissionsExt;
    let mut house = House::start().await;
    house.end().await.unwrap();
    let key = house.data().join("ca-key.pem");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    house.run();
    assert!(matches!(house.ended().await, Err(RunError::Open(..))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r05b_what_has_begun_is_answered_when_it_ends() {
    let mut house = House::start().await;
    let model = house.model("one").await;
    let root = house.root();
    let waiting = tokio::spawn({
        let root = root.clone();
        let condition = Condition::Changed { after: muster_model::Revision(u64::MAX) };
        async move { root.wait(model, &Wait { condition, timeout_ms: 40_000 }).await }
    });
    let mut begun = Vec::new();
    for n in 0..20 {
        let root = root.clone();
        begun.push(tokio::spawn(
            async move { command_of(&root, add_model(&format!("m{n}"))).await },
        ));
    }
    // The last one is answered before the end, so all have begun or are done.
    begun.pop().unwrap().await.unwrap().unwrap();
    tokio::time::timeout(Duration::from_secs(20), house.end()).await.unwrap().unwrap();
    assert!(waiting.await.unwrap().unwrap_err().is_passing());
    let mut acked = 1;
    for one in begun {
        acked += usize::from(one.await.unwrap().is_ok());
    }
    house.run();
    // What was answered is there; what was not may be.
    assert!(house.root().models().await.unwrap().len() > acked);
}

/// The real binary on a data directory.
struct Real {
    child: Child,
    address: SocketAddr,
}

impl Real {
    fn start(data: &Path) -> Real {
        let mut child = Process::new(env!("CARGO_BIN_EXE_muster-controller"))
            .args(["run", "--substrate", "none", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = loop {
            let line = lines.next().expect("the controller ended").unwrap();
            if line.contains("serving") {
                break line;
            }
        };
        // Whatever else it says is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let digits = line.rsplit_once("127.0.0.1:").unwrap().1;
        let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
        Real { child, address: SocketAddr::from(([127, 0, 0, 1], digits.parse().unwrap())) }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r01_what_was_answered_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let token = identity::mint().unwrap();
    muster_controller::init(&data, &first(token.hash()), muster_controller::now()).unwrap();
    let authority = std::fs::read_to_string(data.join("ca.pem")).unwrap();
    let mut acked: Vec<ModelId> = Vec::new();
    for trial in 0..12u64 {
        let real = Real::start(&data);
        let endpoint = Endpoint::new(&[real.address], &authority, Some(token.expose().to_owned()));
        let client = Client::new(endpoint.unwrap());
        let there: Vec<ModelId> =
            client.models().await.unwrap().into_iter().map(|model| model.info.id).collect();
        for id in &acked {
            assert!(there.contains(id), "trial {trial}: {id} was answered and is lost");
        }
        let writers = (0..4).map(|writer| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut done = Vec::new();
                for n in 0.. {
                    let command = add_model(&format!("t{trial}w{writer}n{n}"));
                    match client.command(id(), command, false).await {
                        Ok(reply) => match reply.outcome {
                            Outcome::Model(id) => done.push(id),
                            other => panic!("{other:?}"),
                        },
                        Err(_) => break,
                    }
                }
                done
            })
        });
        let writers: Vec<_> = writers.collect();
        let least = there.len() + 3 + usize::try_from(trial).unwrap();
        until(|| async { (client.models().await.unwrap().len() >= least).then_some(()) }).await;
        real.kill();
        for writer in writers {
            acked.extend(writer.await.unwrap());
        }
    }
    assert!(acked.len() > 12);
}

/// A small file system of its own, gone when the test is.
struct Small(tempfile::TempDir);

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: a controller of a test that failed has files open there still.
        drop(Process::new("umount").arg("-l").arg(self.0.path()).status());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_a_full_disk_refuses_writes_in_words_and_goes_on_when_there_is_room() {
    let small = Small(tempfile::tempdir().unwrap());
    let mounted = Process::new("mount")
        .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
        .arg(small.0.path())
        .status()
        .unwrap();
    assert!(mounted.success(), "this test needs root");
    let inner = tempfile::tempdir_in(small.0.path()).unwrap();
    let mut house = House::at(inner, |settings| settings.limits.reserve = 8 << 20).await;
    let model = house.model("one").await;
    // An upload that cannot fit is refused before its bytes are kept.
    let bytes = vec![1u8; 30 << 20];
    let source = tempfile::tempdir().unwrap();
    let path = source.path().join("large");
    std::fs::write(&path, &bytes).unwrap();
    let digest = muster_resources::Digest::of(&bytes);
    let answer = house.root().put_blob(&path, &digest, bytes.len() as u64, |_| {}).await;
    let said = answer.unwrap_err().to_string();
    assert!(said.contains("no space on disk") && said.contains("free some"), "{said}");
    // Somebody fills the disk.
    let filler = small.0.path().join("filler");
    std::fs::write(&filler, vec![0u8; 18 << 20]).unwrap();
    let before = house.revision().await;
    let refused = command_of(&house.root(), add_model("two")).await.unwrap_err().to_string();
    assert!(refused.contains("full") && refused.contains("free some space"), "{refused}");
    assert_eq!(house.revision().await, before);
    house.view(model).await;
    std::fs::remove_file(&filler).unwrap();
    command_of(&house.root(), add_model("two")).await.unwrap();
    house.end().await.unwrap();
}
