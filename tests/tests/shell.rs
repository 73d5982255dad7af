//! `ssh` and keys as typed at a desk, on a whole controller over TLS. The machine's end is the test's own,
//! so that what it says and hears is known to the byte; `agent/tests` has the real one.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use muster::context::store::{Account, Controller, SeenModel, Store};
use muster::desk::Desk;
use muster_api::client::Endpoint;
use muster_api::shell::{Door, Ended, Frame, Start, Stream};
use muster_api::{AgentClient, Client};
use muster_controller::config::{Limits, Settings, SubstrateChoice, Times};
use muster_controller::{Init, identity};
use muster_model::command::{EstateCommand, ModelCommand};
use muster_model::name::{MachineId, ModelId};
use muster_model::record::Subject;
use muster_model::reply::{Outcome, Reply};
use muster_model::{Command, Revision};
use tokio_util::sync::CancellationToken;

/// A controller with a model and one machine, and a client store that knows them.
struct House {
    folder: tempfile::TempDir,
    client: Client,
    model: ModelId,
    agent: AgentClient,
    _stop: tokio_util::sync::DropGuard,
}

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("no writer panics").clone()
    }
}

/// What a line came to.
#[derive(Debug, PartialEq)]
struct Said {
    code: u8,
    out: Vec<u8>,
    err: String,
}

impl House {
    async fn start() -> House {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let secret = identity::mint().expect("a token");
        let init = Init {
            name: "house".parse().expect("a name"),
            cloud: "localhost".parse().expect("a name"),
            admin: "admin".parse().expect("a name"),
            token: secret.hash(),
        };
        muster_controller::init(&data, &init, muster_controller::now()).expect("an installation");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let settings = Settings {
            data_dir: data.clone(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
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
        let authority = std::fs::read_to_string(data.join("ca.pem")).expect("its authority");
        let endpoint = |token: &str| Endpoint::new(&[address], &authority, Some(token.to_owned()));
        let client = Client::new(endpoint(secret.expose()).expect("an endpoint"));
        let uuid = client.version().await.expect("it answers").uuid;
        let add = EstateCommand::AddModel {
            id: ModelId(uuid::Uuid::nil()),
            name: "words".parse().expect("a name"),
            owner: None,
            config: BTreeMap::new(),
            constraints: Default::default(),
            cloud: None,
            region: None,
        };
        let Outcome::Model(model) = give(&client, Command::Estate(add)).await.outcome else {
            panic!("no model")
        };
        let command = ModelCommand::AddMachines {
            count: 1,
            constraints: Default::default(),
            base: None,
            host: false,
        };
        give(&client, Command::Model { model, command }).await;
        let (join, own) = (identity::mint().expect("one"), identity::mint().expect("another"));
        let subject = Subject::Join { model, machine: MachineId(0) };
        let hash = join.hash();
        let token = EstateCommand::AddToken { hash, subject, seconds: Some(60) };
        give(&client, Command::Estate(token)).await;
        let joining = AgentClient::new(endpoint(join.expose()).expect("an endpoint"));
        joining.enrol(own.hash()).await.expect("it enrols");
        let agent = AgentClient::new(endpoint(own.expose()).expect("an endpoint"));
        let (endpoints, token) = (vec![address.to_string()], secret.expose().to_owned());
        let store = Store::at(folder.path().join("store"));
        store
            .change(|all| {
                let known = Controller::new(uuid, endpoints, authority, "localhost".to_owned());
                all.controllers.controllers.insert("house".to_owned(), known);
                all.controllers.current = Some("house".to_owned());
                let account = Account::new("admin".to_owned(), token, "superuser");
                all.accounts.controllers.insert("house".to_owned(), account);
                let models = all.models.controllers.entry("house".to_owned()).or_default();
                let name = "admin/words".to_owned();
                models.models.insert(name.clone(), SeenModel::new(model.to_string()));
                models.current = Some(name);
            })
            .expect("a store");
        House { folder, client, model, agent, _stop: stop.drop_guard() }
    }

    /// Types a line, with this as standard input.
    async fn typed(&self, words: &[&str], input: &[u8]) -> Said {
        let (out, err) = (Paper::default(), Paper::default());
        let mut desk = Desk::new(Box::new(out.clone()), Box::new(err.clone()));
        let store = self.folder.path().join("store").display().to_string();
        desk.env.insert("JUJU_DATA".to_owned(), store);
        desk.input = Box::new(Cursor::new(input.to_vec()));
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let code = muster::run(&mut desk, words).await;
        let err = String::from_utf8(err.bytes()).expect("words");
        Said { code, out: out.bytes(), err }
    }

    /// The machine's end of one shell: what was wanted and came in until its end; then it says this.
    async fn machine(&self, says: Vec<Frame>) -> (Start, Vec<u8>) {
        let link = loop {
            let polled = self.agent.goal(Revision(u64::MAX)).await.expect("a poll");
            if polled.shells > 0
                && let Some(link) = self.agent.shell().await.expect("it answers")
            {
                break link;
            }
        };
        let (to, mut from, sent) = link.begin();
        let Ok(Some(Frame::Start(start))) = from.next().await else { panic!("no start") };
        let mut input = Vec::new();
        while let Ok(Some(Frame::Bytes(Stream::In, bytes))) = from.next().await {
            to.taken(Stream::In, bytes.len()).await.expect("the operator is there");
            input.extend(bytes);
        }
        for frame in says {
            to.send(frame).await.expect("the operator is there");
        }
        drop(to);
        sent.await.expect("the last word leaves");
        (start, input)
    }
}

async fn give(client: &Client, command: Command) -> Reply {
    let id = uuid::Uuid::new_v4().to_string().parse().expect("an id");
    client.command(id, command, false).await.expect("it is done")
}

fn bytes(stream: Stream, text: &'static [u8]) -> Frame {
    Frame::Bytes(stream, Bytes::from_static(text))
}

/// CLI contract cmd_ssh: exit code and all three streams pass through, and jubilant's `test_cli_input`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ssh_carries_its_streams_and_the_exit_code() {
    let house = House::start().await;
    let says = vec![
        bytes(Stream::Out, b"foo\xff\0"),
        bytes(Stream::Err, b"oh\n"),
        bytes(Stream::Out, b"bar"),
        Frame::Ended(Ended::Exit(7)),
    ];
    let line = ["ssh", "--container", "charm", "ubuntu@0", "cat", "-n"];
    let (said, (start, input)) = tokio::join!(house.typed(&line, b"foo\0"), house.machine(says));
    let door = Door::Shell { user: Some("ubuntu".into()), command: Some("cat -n".into()) };
    assert_eq!(start, Start { door, terminal: None });
    assert_eq!(input, b"foo\0");
    assert_eq!((said.code, said.out.as_slice()), (7, &b"foo\xff\0bar"[..]));
    assert_eq!(said.err, "oh\nERROR subprocess encountered error code 7\n");

    let says = vec![Frame::Ended(Ended::Exit(0))];
    let (said, (start, _)) = tokio::join!(house.typed(&["ssh", "0"], b""), house.machine(says));
    assert_eq!(said, Said { code: 0, out: Vec::new(), err: String::new() });
    assert_eq!(start.door, Door::Shell { user: None, command: None });
    assert_eq!(start.terminal, None, "standard input is no terminal");
}

/// CLI contract cmd_ssh: what OpenSSH answers with 255.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ssh_that_is_cut_off_or_not_begun_says_so() {
    let house = House::start().await;
    for (says, words) in [
        (vec![Frame::Ended(Ended::Signal(9))], "killed by signal 9"),
        (vec![Frame::Ended(Ended::Refused("because".into()))], "no shell: because"),
        (vec![bytes(Stream::Out, b"half")], "the connection to the machine is lost"),
    ] {
        let (said, _) = tokio::join!(house.typed(&["ssh", "0", "x"], b""), house.machine(says));
        assert_eq!(said.code, 255, "{words}");
        assert!(said.err.starts_with(&format!("ERROR {words}")), "{}", said.err);
    }
    for (target, words) in
        [("wiki/0", "unit \"wiki/0\" not found"), ("7", "machine \"7\" not found")]
    {
        let said = house.typed(&["ssh", target, "x"], b"").await;
        assert_eq!(said.code, 1);
        assert!(said.err.starts_with(&format!("ERROR {words}")), "{}", said.err);
    }
}

/// A reader that ends early ends the shell: `muster ssh … | head`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ssh_ends_what_nobody_reads() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let house = House::start().await;
    let mut desk = Desk::new(Box::new(Closed), Box::new(std::io::sink()));
    let store = house.folder.path().join("store").display().to_string();
    desk.env.insert("JUJU_DATA".to_owned(), store);
    desk.input = Box::new(std::io::empty());
    let words = ["ssh", "0", "yes"].map(str::to_owned).to_vec();
    let endless = async {
        while house.agent.goal(Revision(u64::MAX)).await.expect("a poll").shells == 0 {}
        let link = house.agent.shell().await.expect("it answers").expect("it waits");
        let (to, mut from, _) = link.begin();
        let printing =
            async move { while to.bytes(Stream::Out, Bytes::from_static(b"y\n")).await.is_ok() {} };
        let hearing = async { while let Ok(Some(_)) = from.next().await {} };
        tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(printing, hearing) })
            .await
            .expect("the operator's end closes");
    };
    let (code, ()) = tokio::join!(muster::run(&mut desk, words), endless);
    assert_eq!(code, 1);
}

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPAxaOCGQkPsDZPXTZVRpIoQYKb/SOxzqWFQUTWLRr7S ann@desk";

/// CLI contract cmd_ssh-keys, cmd_add-ssh-key, cmd_remove-ssh-key, shape_4.10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_listed_and_reach_the_machine() {
    let house = House::start().await;
    let said = house.typed(&["ssh-keys"], b"").await;
    assert_eq!((said.code, said.out.as_slice()), (0, &b""[..]));
    assert_eq!(house.typed(&["add-ssh-key", KEY], b"").await.code, 0);
    let again = house.typed(&["add-ssh-key", KEY], b"").await;
    assert_eq!(again.code, 0, "{}", again.err);
    let text = |said: Said| String::from_utf8(said.out).expect("text");
    let listed = text(house.typed(&["ssh-keys"], b"").await);
    let key: muster_model::ssh_key::SshKey = KEY.parse().expect("a key");
    let line = format!("{} (ann@desk)", key.fingerprint());
    assert_eq!(listed, format!("Keys used in model: admin/words\n{line}\n"));
    let full = text(house.typed(&["list-ssh-keys", "--full"], b"").await);
    assert!(full.contains(KEY), "{full}");
    let what = muster_model::view::ViewRequest::default();
    let view = house.client.view(house.model, &what).await.expect("a view");
    assert!(view.ssh_keys.is_empty(), "only who asks for keys is shown them");
}

/// CLI contract trap_13: `remove-ssh-key` takes a full key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_13_a_key_is_removed_by_the_whole_of_it() {
    let house = House::start().await;
    for name in [KEY, "ann@desk"] {
        assert_eq!(house.typed(&["add-ssh-key", KEY], b"").await.code, 0);
        let said = house.typed(&["remove-ssh-key", name], b"").await;
        assert_eq!(said.code, 0, "{}", said.err);
        assert_eq!(house.typed(&["ssh-keys"], b"").await.out, b"");
        let gone = house.typed(&["remove-ssh-key", name], b"").await;
        assert_eq!(gone.code, 1);
        assert!(gone.err.contains("not found"), "{}", gone.err);
    }
}
