//! A controller in this process, a client store that knows it, and lines that are typed.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use muster::context::store::{Account, Controller, Store};
use muster::desk::Desk;
use muster_api::Client;
use muster_api::client::Endpoint;
use muster_controller::config::{Limits, Settings, SubstrateChoice, Times};
use muster_controller::{Init, identity};
use muster_model::command::{Command, EstateCommand};
use muster_model::record::ControllerAccess;
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::puppet;

/// A controller called `home`, whose first user is `admin`, with a model `words` in focus.
pub(crate) struct House {
    pub(crate) folder: TempDir,
    pub(crate) door: Door,
    token: String,
    stop: CancellationToken,
}

/// Where the controller is, and whom it is known by.
#[derive(Clone)]
pub(crate) struct Door {
    address: SocketAddr,
    authority: String,
}

impl Door {
    /// The same with somebody's token in the hand.
    pub(crate) fn endpoint(&self, token: &str) -> Endpoint {
        Endpoint::new(&[self.address], &self.authority, Some(token.to_owned())).unwrap()
    }
}

/// What a line wrote, and its exit code.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) line: String,
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

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

/// Who types, and how: what differs from one line to the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hand {
    /// Of the environment, over what every line has.
    pub(crate) env: BTreeMap<String, String>,
    /// What is typed when something is asked.
    pub(crate) answer: String,
    /// Whether stdout is a person's terminal.
    pub(crate) terminal: bool,
}

impl House {
    /// The controller and its model.
    pub(crate) async fn start() -> House {
        let house = House::bare().await;
        house.play("add-model words").await.done();
        house
    }

    /// The controller, without any model.
    pub(crate) async fn bare() -> House {
        // Whoever came first in this process has chosen already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let secret = identity::mint().unwrap();
        let first = Init {
            name: "home".parse().unwrap(),
            cloud: "localhost".parse().unwrap(),
            admin: "admin".parse().unwrap(),
            token: secret.hash(),
        };
        muster_controller::init(&data, &first, muster_controller::now()).unwrap();
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
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(muster_controller::run(settings, listener, stop.clone()));
        let authority = std::fs::read_to_string(data.join("ca.pem")).unwrap();
        let token = secret.expose().to_owned();
        let house = House { folder, door: Door { address, authority }, token, stop };
        house.register("client", "admin", &house.token);
        house
    }

    /// Makes `user` known in a client store of its own.
    fn register(&self, store: &str, user: &str, token: &str) {
        let store = Store::at(self.folder.path().join(store));
        let controller = Controller::new(
            "57308364-4003-463d-a966-e17cddcd63b4".to_owned(),
            vec![self.door.address.to_string()],
            self.door.authority.clone(),
            "localhost".to_owned(),
        );
        store
            .change(|contents| {
                contents.controllers.controllers.insert("home".to_owned(), controller);
                contents.controllers.current = Some("home".to_owned());
                let account = Account::new(user.to_owned(), token.to_owned(), "superuser");
                contents.accounts.controllers.insert("home".to_owned(), account);
            })
            .unwrap();
    }

    /// A client store that knows the controller and nothing else; lines are typed with it by
    /// setting `JUJU_DATA`.
    pub(crate) fn other_store(&self) -> Hand {
        self.register("other", "admin", &self.token);
        let store = self.folder.path().join("other").display().to_string();
        Hand { env: BTreeMap::from([("JUJU_DATA".to_owned(), store)]), ..Hand::default() }
    }

    /// A user who may log in and no more, with a client store of its own.
    pub(crate) async fn user(&self, name: &str) -> Hand {
        let secret = identity::mint().unwrap();
        let command = Command::Estate(EstateCommand::AddUser {
            name: name.parse().unwrap(),
            display_name: String::new(),
            access: ControllerAccess::Login,
            token: secret.hash(),
        });
        let id = uuid::Uuid::new_v4().to_string().parse().unwrap();
        self.client().command(id, command, false).await.unwrap();
        self.register(name, name, secret.expose());
        let store = self.folder.path().join(name).display().to_string();
        Hand { env: BTreeMap::from([("JUJU_DATA".to_owned(), store)]), ..Hand::default() }
    }

    /// The superuser as a program.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.door.endpoint(&self.token))
    }

    /// Types a line as everybody does: not at a terminal, and nobody answers.
    pub(crate) async fn play(&self, line: &str) -> Played {
        self.play_as(&Hand::default(), line).await
    }

    /// Types a line; single quotes hold words together.
    pub(crate) async fn play_as(&self, hand: &Hand, line: &str) -> Played {
        let (out, err) = (Paper::default(), Paper::default());
        let mut desk = Desk::new(Box::new(out.clone()), Box::new(err.clone()));
        let store = self.folder.path().join("client").display().to_string();
        desk.env.insert("JUJU_DATA".to_owned(), store);
        desk.env.extend(hand.env.clone());
        desk.input = Box::new(Cursor::new(format!("{}\n", hand.answer).into_bytes()));
        desk.terminals.stdout = hand.terminal;
        self.folder.path().clone_into(&mut desk.folder);
        let code = muster::run(&mut desk, words(line)).await;
        drop(desk);
        Played { line: line.to_owned(), code, out: out.text(), err: err.text() }
    }

    /// The data of a line that must succeed.
    pub(crate) async fn json(&self, line: &str) -> Value {
        self.play(line).await.json()
    }

    /// Writes the files of a charm, or whatever else, below the house's folder.
    pub(crate) fn files(&self, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = self.folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    /// Lets puppets act for every machine of `words` that there is or will be.
    pub(crate) fn puppets(&self) {
        tokio::spawn(puppet::tend(self.client(), self.door.clone(), self.stop.clone()));
    }

    /// Two applications that are related, at rest: `testdb` with two units, one storage each and a
    /// file, and `testapp`.
    pub(crate) async fn settled() -> House {
        let house = House::start().await;
        house.puppets();
        house.charms();
        house.files(&[("words.txt", "some words\n")]);
        house
            .play("deploy ./testdb -n 2 --resource words=./words.txt --storage data=8M")
            .await
            .done();
        house.play("deploy ./testapp").await.done();
        house.play("integrate testdb testapp").await.done();
        house.settle().await;
        house
    }

    /// Waits until nothing is left to do.
    pub(crate) async fn settle(&self) {
        self.play("wait-for model words --timeout 60s --summary=false").await.done();
    }

    /// The two charms.
    pub(crate) fn charms(&self) {
        self.files(puppet::CHARMS);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Played {
    /// Asserts that it succeeded.
    #[track_caller]
    pub(crate) fn done(self) -> Played {
        assert_eq!(self.code, 0, "{}: {}{}", self.line, self.out, self.err);
        self
    }

    /// Asserts that it failed with this exit code, and that stderr has this text.
    #[track_caller]
    pub(crate) fn fails(self, code: u8, text: &str) -> Played {
        assert_eq!(self.code, code, "{}: {}{}", self.line, self.out, self.err);
        assert!(self.err.contains(text), "{}: {}", self.line, self.err);
        assert!(self.err.contains("ERROR "), "{}: {}", self.line, self.err);
        self
    }

    /// Its data, which must be one line of JSON.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        let played = self.done();
        assert_eq!(played.out.lines().count(), 1, "{}: {}", played.line, played.out);
        serde_json::from_str(&played.out).unwrap_or_else(|e| panic!("{}: {e}", played.line))
    }
}

/// The words of a line as a shell would give them: blanks part, single quotes hold together.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// How long is waited for what must come about.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until it is so.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(mut ask: impl FnMut() -> F) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "it did not come about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The folder of the shapes.
pub(crate) fn shapes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract/shapes")
}

#[test]
fn quotes_hold_words_together() {
    assert_eq!(words("exec -- 'a b' c='' "), ["exec", "--", "a b", "c="]);
    assert_eq!(words("x ''"), ["x", ""]);
}
