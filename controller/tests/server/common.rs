//! A whole controller in this process, and everybody who speaks to it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use muster_api::client::{Endpoint, Upload};
use muster_api::trust::{SERVER_NAME, client_config};
use muster_api::{AgentClient, CallError, Client};
use muster_controller::config::{Limits, Settings, SubstrateChoice, Times};
use muster_controller::store::{Embedded, Store};
use muster_controller::{Init, RunError, identity, ledger};
use muster_model::command::{AddCharm, Command, Deploy, EstateCommand, ModelCommand};
use muster_model::name::{MachineId, ModelId, UserName};
use muster_model::record::{
    ControllerAccess, Key, ModelAccess, Placement, Record, RequestId, Subject, Token, TokenHash,
    User,
};
use muster_model::reply::{Outcome, Reply};
use muster_model::view::{ModelView, ViewRequest};
use muster_model::{Refusal, Revision, Timestamp, Txn};
use muster_resources::Digest;
use muster_resources::archive::{Limits as ArchiveLimits, pack};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A controller that runs in this process.
pub struct House {
    pub folder: TempDir,
    pub address: SocketAddr,
    pub authority: String,
    /// The superuser's token.
    pub admin: String,
    /// The token of a user who is shut out.
    pub disabled: String,
    settings: Settings,
    stop: CancellationToken,
    running: Option<JoinHandle<Result<(), RunError>>>,
}

/// A machine with an agent.
pub struct Fake {
    pub model: ModelId,
    pub machine: MachineId,
    pub token: String,
    pub agent: AgentClient,
}

impl House {
    pub async fn start() -> House {
        House::tuned(|_| {}).await
    }

    /// One whose settings differ from what a test usually wants.
    pub async fn tuned(tune: impl FnOnce(&mut Settings)) -> House {
        House::at(tempfile::tempdir().unwrap(), tune).await
    }

    pub async fn at(folder: TempDir, tune: impl FnOnce(&mut Settings)) -> House {
        let data = folder.path().join("data");
        let secret = identity::mint().unwrap();
        muster_controller::init(&data, &first(secret.hash()), muster_controller::now()).unwrap();
        let disabled = shut_out(&data);
        let mut settings = Settings {
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
        tune(&mut settings);
        let authority = std::fs::read_to_string(data.join("ca.pem")).unwrap();
        let mut house = House {
            folder,
            address: settings.listen,
            authority,
            admin: secret.expose().to_owned(),
            disabled,
            settings,
            stop: CancellationToken::new(),
            running: None,
        };
        house.run();
        house
    }

    /// Runs it, on the data that are there.
    pub fn run(&mut self) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        self.address = listener.local_addr().unwrap();
        self.stop = CancellationToken::new();
        let (settings, stop) = (self.settings.clone(), self.stop.clone());
        self.running = Some(tokio::spawn(muster_controller::run(settings, listener, stop)));
    }

    /// Ends it as a signal would, and says how it ended.
    pub async fn end(&mut self) -> Result<(), RunError> {
        self.stop.cancel();
        self.ended().await
    }

    /// How it ended, once it has.
    pub async fn ended(&mut self) -> Result<(), RunError> {
        self.running.take().unwrap().await.unwrap()
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn endpoint(&self, token: &str) -> Endpoint {
        Endpoint::new(&[self.address], &self.authority, Some(token.to_owned())).unwrap()
    }

    pub fn client(&self, token: &str) -> Client {
        Client::new(self.endpoint(token))
    }

    pub fn root(&self) -> Client {
        self.client(&self.admin)
    }

    pub fn agent(&self, token: &str) -> AgentClient {
        AgentClient::new(self.endpoint(token))
    }

    /// For requests that no client would send.
    pub fn raw(&self) -> reqwest::Client {
        raw(&self.authority, self.address)
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://{SERVER_NAME}:{}{path}", self.address.port())
    }

    pub async fn revision(&self) -> Revision {
        self.root().controller().await.unwrap().revision
    }

    pub async fn estate(&self, command: EstateCommand) -> Reply {
        command_of(&self.root(), Command::Estate(command)).await.unwrap()
    }

    pub async fn model(&self, name: &str) -> ModelId {
        let command = EstateCommand::AddModel {
            id: ModelId(uuid::Uuid::nil()),
            name: name.parse().unwrap(),
            owner: None,
            cloud: None,
            region: None,
            config: Default::default(),
            constraints: Default::default(),
        };
        match self.estate(command).await.outcome {
            Outcome::Model(id) => id,
            other => panic!("{other:?}"),
        }
    }

    /// A user with a token.
    pub async fn user(&self, name: &str, access: ControllerAccess) -> String {
        let secret = identity::mint().unwrap();
        self.estate(EstateCommand::AddUser {
            name: name.parse().unwrap(),
            display_name: String::new(),
            access,
            token: secret.hash(),
        })
        .await;
        secret.expose().to_owned()
    }

    pub async fn grant(&self, model: ModelId, user: &str, access: Option<ModelAccess>) {
        let user = user.parse().unwrap();
        self.do_in(model, ModelCommand::GrantModel { user, access }).await.unwrap();
    }

    /// A token that speaks for `subject`.
    pub async fn token(&self, subject: Subject, seconds: Option<u64>) -> String {
        let secret = identity::mint().unwrap();
        let hash = secret.hash();
        self.estate(EstateCommand::AddToken { hash, subject, seconds }).await;
        secret.expose().to_owned()
    }

    pub async fn do_in(&self, model: ModelId, command: ModelCommand) -> Result<Reply, CallError> {
        command_of(&self.root(), Command::Model { model, command }).await
    }

    /// A machine of the model, and an agent that has enrolled there.
    pub async fn machine(&self, model: ModelId) -> Fake {
        let add = ModelCommand::AddMachines {
            count: 1,
            constraints: Default::default(),
            base: None,
            host: false,
        };
        let machine = match self.do_in(model, add).await.unwrap().outcome {
            Outcome::Machines(ids) => ids[0],
            other => panic!("{other:?}"),
        };
        let join = self.token(Subject::Join { model, machine }, Some(3600)).await;
        let own = identity::mint().unwrap();
        let enrolled = self.agent(&join).enrol(own.hash()).await.unwrap();
        assert_eq!((enrolled.model, enrolled.machine), (model, machine));
        let token = own.expose().to_owned();
        Fake { model, machine, agent: self.agent(&token), token }
    }

    /// Sends a charm's bytes and makes it known.
    pub async fn charm(&self, model: ModelId, folder: &Path) -> muster_model::name::CharmUrl {
        let (path, digest, size) = self.packed(folder);
        self.root().put_blob(&path, &digest, size, |_: Upload| {}).await.unwrap();
        let asked = AddCharm { digest, size, charm: None };
        match self.do_in(model, ModelCommand::AddCharm(asked)).await.unwrap().outcome {
            Outcome::Charm(url) => url,
            other => panic!("{other:?}"),
        }
    }

    pub fn packed(&self, folder: &Path) -> (PathBuf, Digest, u64) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let to = self.folder.path().join(format!("packed-{number}.charm"));
        let packed = pack(folder, &to, &ArchiveLimits::charm()).unwrap();
        (to, packed.digest, packed.bytes)
    }

    /// `hello` on these machines, one unit on each.
    pub async fn hello(&self, model: ModelId, machines: &[&Fake]) {
        let charm = self.charm(model, &shipped("hello")).await;
        let placements = machines.iter().map(|fake| Placement::Machine(fake.machine)).collect();
        let deploy = Deploy { placements, ..deploy("hello", charm) };
        self.do_in(model, ModelCommand::Deploy(deploy)).await.unwrap();
    }

    pub async fn view(&self, model: ModelId) -> ModelView {
        let what = ViewRequest { storage: true, resources: true, ..ViewRequest::default() };
        self.root().view(model, &what).await.unwrap()
    }
}

/// A user who may not log in, written by the hand of nobody: no command makes one yet.
fn shut_out(data: &Path) -> String {
    let secret = identity::mint().unwrap();
    let mut store = Embedded::open(data).unwrap();
    let estate = ledger::fold(&store.load().unwrap());
    let name: UserName = "gone".parse().unwrap();
    let created = Timestamp::ZERO;
    let user = User {
        name: name.clone(),
        display_name: String::new(),
        access: ControllerAccess::Superuser,
        disabled: true,
        created_by: "admin".parse().unwrap(),
        created,
    };
    let token =
        Token { hash: secret.hash(), subject: Subject::User(name.clone()), created, expires: None };
    let mut txn = Txn::default();
    txn.writes.insert(Key::User(name), Some(Record::User(user)));
    txn.writes.insert(Key::Token(token.hash), Some(Record::Token(token)));
    assert!(txn.holds(&estate));
    store.commit(&[txn]).unwrap();
    secret.expose().to_owned()
}

pub fn first(token: TokenHash) -> Init {
    Init {
        name: "house".parse().unwrap(),
        cloud: "localhost".parse().unwrap(),
        admin: "admin".parse().unwrap(),
        token,
    }
}

pub fn raw(authority: &str, address: SocketAddr) -> reqwest::Client {
    reqwest::Client::builder()
        .tls_backend_preconfigured(client_config(authority).unwrap())
        .no_proxy()
        .resolve(SERVER_NAME, address)
        .build()
        .unwrap()
}

/// A request id that nobody else has.
pub fn id() -> RequestId {
    uuid::Uuid::new_v4().to_string().parse().unwrap()
}

pub async fn command_of(client: &Client, command: Command) -> Result<Reply, CallError> {
    client.command(id(), command, false).await
}

/// The refusal of a call that must have been refused.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(answer: Result<T, CallError>) -> Refusal {
    match answer {
        Err(CallError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

pub fn deploy(application: &str, charm: muster_model::name::CharmUrl) -> Deploy {
    Deploy {
        application: application.parse().unwrap(),
        charm,
        channel: None,
        placements: Vec::new(),
        config: Default::default(),
        trust: false,
        constraints: Default::default(),
        base: None,
        storage: Default::default(),
        attach_storage: Vec::new(),
        resources: Default::default(),
        bindings: Default::default(),
        force: true,
    }
}

/// A charm that is shipped.
pub fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../charms").join(name)
}

/// A charm of these files.
pub fn charm_of(folder: &Path, files: &[(&str, &str)]) -> PathBuf {
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder.to_owned()
}

/// Asks again and again until it is so; a test that waits for what never comes is ended by its
/// runner.
pub async fn until<T, F: std::future::Future<Output = Option<T>>>(mut ask: impl FnMut() -> F) -> T {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "it did not come about in 20 seconds");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
