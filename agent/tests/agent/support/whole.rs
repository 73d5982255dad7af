//! An agent as it is against a controller as it is: for what neither can show alone. The machine is a
//! folder; nothing is made of it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use muster_agent::config::Settings;
use muster_agent::controller::{Controller, Remote};
use muster_agent::paths::Paths;
use muster_api::client::{Endpoint, Upload};
use muster_api::{AgentClient, Client};
use muster_controller::config::{Limits, SubstrateChoice, Times};
use muster_controller::{Init, identity};
use muster_model::Command;
use muster_model::command::{
    AddCharm, Deploy, EndpointRef, EstateCommand, ModelCommand, TargetRef,
};
use muster_model::name::{MachineId, ModelId, TaskId, UnitName};
use muster_model::record::{Placement, Subject};
use muster_model::reply::Outcome;
use muster_model::view::{Condition, ModelView, TaskView, ViewRequest, Wait};
use muster_resources::Digest;
use tokio_util::sync::CancellationToken;

use super::{CharmText, PATIENCE};

/// One controller, one model, one machine.
pub(crate) struct Whole {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) paths: Paths,
    pub(crate) client: Client,
    pub(crate) model: ModelId,
    machine: MachineId,
    stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Whole {
    pub(crate) async fn start() -> Whole {
        let folder = tempfile::Builder::new().prefix("mw").tempdir().unwrap();
        let root = std::fs::canonicalize(folder.path()).unwrap();
        let data = root.join("data");
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
        let settings = muster_controller::config::Settings {
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
        let authority = std::fs::read_to_string(data.join("ca.pem")).unwrap();
        let stop = CancellationToken::new();
        let serving = muster_controller::run(settings, listener, stop.clone());
        let serving = tokio::spawn(async move { serving.await.unwrap() });
        let endpoint = |token: &str| Endpoint::new(&[address], &authority, Some(token.to_owned()));
        let client = Client::new(endpoint(token.expose()).unwrap());
        let paths = Paths {
            juju: root.join("j"),
            muster: root.join("m"),
            logs: root.join("l"),
            programs: None,
        };
        let mut whole = Whole {
            folder,
            paths,
            client,
            model: ModelId(uuid::Uuid::nil()),
            machine: MachineId(0),
            stop,
            tasks: vec![serving],
        };
        let add = EstateCommand::AddModel {
            id: whole.model,
            name: "prod".parse().unwrap(),
            owner: None,
            config: Default::default(),
            constraints: Default::default(),
            cloud: None,
            region: None,
        };
        match whole.command(Command::Estate(add)).await {
            Outcome::Model(id) => whole.model = id,
            other => panic!("{other:?}"),
        }
        let join = identity::mint().unwrap();
        let add = ModelCommand::AddMachines {
            count: 1,
            constraints: Default::default(),
            base: None,
            host: false,
        };
        match whole.ask(add).await {
            Outcome::Machines(ids) => whole.machine = ids[0],
            other => panic!("{other:?}"),
        }
        let subject = Subject::Join { model: whole.model, machine: whole.machine };
        let token = EstateCommand::AddToken { hash: join.hash(), subject, seconds: Some(3600) };
        whole.command(Command::Estate(token)).await;
        let own = identity::mint().unwrap();
        let enrolling = AgentClient::new(endpoint(join.expose()).unwrap());
        enrolling.enrol(own.hash()).await.unwrap();
        whole.run_agent(address, &authority, own.expose());
        whole
    }

    fn run_agent(&mut self, address: SocketAddr, authority: &str, token: &str) {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_muster-agent"));
        let mut settings = Settings::new(self.paths.clone(), program);
        settings.may_reboot = false;
        settings.boot = Some("boot-1".to_owned());
        settings.linger = Duration::from_millis(300);
        settings.grace = Duration::from_secs(2);
        let remote = Remote::new(&[address], authority, token.to_owned()).unwrap();
        let identity = (self.model, self.machine);
        let controller = Arc::new(remote) as Arc<dyn Controller>;
        let run = muster_agent::run(settings, controller, identity, self.stop.clone());
        self.tasks.push(tokio::spawn(async move {
            run.await.unwrap();
        }));
    }

    pub(crate) fn root(&self) -> PathBuf {
        std::fs::canonicalize(self.folder.path()).unwrap()
    }

    async fn command(&self, command: Command) -> Outcome {
        let id = uuid::Uuid::new_v4().to_string().parse().unwrap();
        self.client.command(id, command, false).await.unwrap().outcome
    }

    pub(crate) async fn ask(&self, command: ModelCommand) -> Outcome {
        self.command(Command::Model { model: self.model, command }).await
    }

    /// An application of this charm, with so many units, all on the one machine.
    pub(crate) async fn deploy(&self, name: &str, charm: &CharmText, units: usize) {
        let (digest, bytes) = charm.pack(&self.root());
        let path = self.root().join(format!("{name}.charm"));
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(Digest::of(&bytes), digest);
        let size = bytes.len() as u64;
        self.client.put_blob(&path, &digest, size, |_: Upload| {}).await.unwrap();
        let known = ModelCommand::AddCharm(AddCharm { digest, size, charm: None });
        let Outcome::Charm(charm) = self.ask(known).await else { panic!("it is made known") };
        let deploy = Deploy {
            application: name.parse().unwrap(),
            charm,
            channel: None,
            placements: vec![Placement::Machine(self.machine); units],
            config: Default::default(),
            trust: false,
            constraints: Default::default(),
            base: None,
            storage: Default::default(),
            attach_storage: Vec::new(),
            resources: Default::default(),
            bindings: Default::default(),
            force: true,
        };
        self.ask(ModelCommand::Deploy(deploy)).await;
        self.settle().await;
    }

    pub(crate) async fn relate(&self, one: &str, other: &str) {
        let end = |text: &str| {
            let (application, endpoint) = text.split_once(':').unwrap();
            EndpointRef {
                application: application.parse().unwrap(),
                endpoint: Some(endpoint.parse().unwrap()),
            }
        };
        self.ask(ModelCommand::Integrate { one: end(one), other: end(other) }).await;
        self.settle().await;
    }

    /// Waits until nobody has anything to do.
    pub(crate) async fn settle(&self) {
        let wait = Wait { condition: Condition::Settled, timeout_ms: 40_000 };
        let answer = self.client.wait(self.model, &wait).await.unwrap();
        assert!(answer.holds, "{}; ran:\n{}", answer.missing, self.trace());
    }

    pub(crate) async fn view(&self) -> ModelView {
        let what = ViewRequest { secrets: true, ..ViewRequest::default() };
        self.client.view(self.model, &what).await.unwrap()
    }

    async fn over(&self, task: TaskId) -> TaskView {
        let wait = Wait { condition: Condition::TaskOver(task), timeout_ms: 40_000 };
        let answer = tokio::time::timeout(PATIENCE * 2, self.client.wait(self.model, &wait)).await;
        assert!(answer.unwrap().unwrap().holds, "task {task}; ran:\n{}", self.trace());
        let what = ViewRequest { task: Some(task.0), ..ViewRequest::default() };
        let mut view = self.client.view(self.model, &what).await.unwrap();
        view.tasks.remove(&task).unwrap()
    }

    async fn run(&self, command: ModelCommand) -> TaskView {
        let Outcome::Operation { tasks, .. } = self.ask(command).await else { panic!("it runs") };
        self.over(tasks[0].0).await
    }

    /// Runs `script` in the context of a unit; answers its code, output and complaints.
    pub(crate) async fn exec(&self, unit: &str, script: &str) -> (i64, String, String) {
        let unit: UnitName = unit.parse().unwrap();
        let command = ModelCommand::RunCommand {
            targets: vec![TargetRef::Unit(unit)],
            command: script.to_owned(),
            timeout_ms: None,
            parallel: false,
            execution_group: String::new(),
        };
        let results = self.run(command).await.result.results;
        let text = |key: &str| {
            results.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
        };
        let code = results.get("return-code").and_then(serde_json::Value::as_i64).unwrap_or(-1);
        (code, text("stdout"), text("stderr"))
    }

    /// Runs the charm's action; answers how it ended.
    pub(crate) async fn action(&self, unit: &str, name: &str) -> TaskView {
        let targets = vec![TargetRef::Unit(unit.parse().unwrap())];
        let (action, parameters) = (name.parse().unwrap(), Default::default());
        self.run(ModelCommand::RunAction { targets, action, parameters }).await
    }

    /// The hooks that ran, one a line.
    pub(crate) fn trace(&self) -> String {
        std::fs::read_to_string(self.root().join("trace")).unwrap_or_default()
    }

    /// What a hook left in a file of this name.
    pub(crate) fn left(&self, name: &str) -> String {
        std::fs::read_to_string(self.root().join(name))
            .unwrap_or_else(|error| panic!("{name}: {error}; ran: {}", self.trace()))
    }

    /// Ends everything, so that what is on disk is all there will be.
    pub(crate) async fn end(&mut self) {
        self.stop.cancel();
        for task in self.tasks.drain(..) {
            tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
        }
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
