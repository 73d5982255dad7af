//! A real installation to measure: a controller as users have it, with its own store on a real disk,
//! and agents that join it over TLS on loopback. No machines are made: agents live on this host,
//! each in folders of its own.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Stdio};
use std::time::{Duration, Instant};

use muster_api::client::Endpoint;
use muster_api::{CallError, Client};
use muster_model::Command;
use muster_model::command::{AddCharm, Deploy, EndpointRef, EstateCommand, ModelCommand};
use muster_model::constraints::Constraints;
use muster_model::name::{ApplicationName, CharmUrl, MachineId, ModelId};
use muster_model::record::{Placement, Subject, TokenHash};
use muster_model::reply::Outcome;
use muster_model::view::{Condition, Wait};
use muster_resources::Digest;
use muster_resources::archive::{Limits, pack};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::charms::{Kind, Stamp, Workshop, stamps};
use super::programs::Programs;
use super::{MeasureError, io_error, machine};

/// What the controller and its model are called.
const NAME: &str = "measure";
/// How long anything may be in coming before something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);
/// Machines that one command makes at most.
const AT_ONCE: u32 = 30;

/// A controller and its model; dropped, they are gone.
pub struct Installation {
    programs: Programs,
    workshop: Workshop,
    controller: Child,
    address: SocketAddr,
    authority: String,
    token: String,
    client: Client,
    model: ModelId,
    /// Runs the client's calls.
    pub runtime: Runtime,
    count: u64,
    agents: Vec<Child>,
    folder: TempDir,
}

/// Says what was wrong, whatever it was.
pub(super) fn wrong(error: &dyn std::error::Error) -> MeasureError {
    MeasureError::Unequal(muster_console::outcome::Chain(error).to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "handed to map_err")]
fn call(error: CallError) -> MeasureError {
    wrong(&error)
}

fn parse<T: std::str::FromStr<Err: std::error::Error>>(text: &str) -> Result<T, MeasureError> {
    text.parse().map_err(|error: T::Err| wrong(&error))
}

fn random() -> Result<String, MeasureError> {
    let mut bytes = Vec::new();
    for _ in 0..2 {
        bytes.extend_from_slice(uuid::Uuid::new_v4().as_bytes());
    }
    Ok(hex::encode(bytes))
}

impl Installation {
    /// Makes an installation on a real disk and starts its controller.
    pub fn start() -> Result<Self, MeasureError> {
        let programs = Programs::build()?;
        // Short: the path of a unit's socket has little room. Not /tmp, which may be memory.
        let folder = tempfile::Builder::new().prefix("mm").tempdir_in("/var/tmp");
        let folder = folder.map_err(io_error("make a folder"))?;
        let data = folder.path().join("c");
        let token = random()?;
        let hash = TokenHash(Digest::of(token.as_bytes()));
        let made = Program::new(programs.controller())
            .args(["init", "--name", NAME, "--token-hash", &hash.to_string(), "--data-dir"])
            .arg(&data)
            .status()
            .map_err(io_error("start the controller"))?;
        if !made.success() {
            return Err(MeasureError::Unequal(format!("the controller's init ended with {made}")));
        }
        let address = free_address()?;
        let controller = start_controller(&programs, &data, address)?;
        let authority = fs::read_to_string(data.join("ca.pem"));
        let authority = authority.map_err(io_error("read the authority's certificate"))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(io_error("start a runtime"))?;
        let endpoint = Endpoint::new(&[address], &authority, Some(token.clone())).map_err(call)?;
        let workshop = Workshop::open(folder.path())?;
        let mut installation = Self {
            programs,
            workshop,
            controller,
            address,
            authority,
            token,
            client: Client::new(endpoint),
            model: ModelId(uuid::Uuid::new_v4()),
            runtime,
            count: 0,
            agents: Vec::new(),
            folder,
        };
        installation.until_it_answers()?;
        let model = EstateCommand::AddModel {
            id: installation.model,
            name: parse(NAME)?,
            owner: None,
            cloud: None,
            region: None,
            config: Default::default(),
            constraints: Constraints::default(),
        };
        if let Outcome::Model(id) = installation.command(Command::Estate(model))? {
            installation.model = id;
        }
        Ok(installation)
    }

    fn until_it_answers(&self) -> Result<(), MeasureError> {
        let began = Instant::now();
        loop {
            match self.runtime.block_on(self.client.version()) {
                Ok(_) => return Ok(()),
                Err(error) if began.elapsed() > PATIENCE => return Err(call(error)),
                // It is starting; there is nothing else to be woken by.
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// The programs.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The controller's process.
    pub fn controller(&self) -> u32 {
        self.controller.id()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its authority's certificate, in PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The first user's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What it is called, as is its model.
    pub fn name(&self) -> &'static str {
        NAME
    }

    /// The ids of the installation and of its model.
    pub fn ids(&self) -> Result<(String, String), MeasureError> {
        let said = self.runtime.block_on(self.client.version()).map_err(call)?;
        Ok((said.uuid, self.model.to_string()))
    }

    /// The folder that everything lies in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The store's newest revision: one for each Txn.
    pub fn revision(&self) -> Result<u64, MeasureError> {
        Ok(self.runtime.block_on(self.client.controller()).map_err(call)?.revision.0)
    }

    /// The store's commits so far: a sync for each.
    pub fn commits(&self) -> Result<u64, MeasureError> {
        Ok(self.runtime.block_on(self.client.controller()).map_err(call)?.commits)
    }

    fn command(&self, command: Command) -> Result<Outcome, MeasureError> {
        let id = parse(&uuid::Uuid::new_v4().to_string())?;
        let reply = self.runtime.block_on(self.client.command(id, command, false));
        Ok(reply.map_err(call)?.outcome)
    }

    /// Gives the model a command.
    pub fn tell(&self, command: ModelCommand) -> Result<Outcome, MeasureError> {
        self.command(Command::Model { model: self.model, command })
    }

    /// Makes `count` machines that nothing starts, and a join token for each.
    pub fn machines(&self, count: usize) -> Result<Vec<(MachineId, String)>, MeasureError> {
        let mut all = Vec::with_capacity(count);
        while all.len() < count {
            let now = u32::try_from(count - all.len()).unwrap_or(AT_ONCE).min(AT_ONCE);
            let make = ModelCommand::AddMachines {
                count: now,
                constraints: Constraints::default(),
                base: None,
                host: false,
            };
            let Outcome::Machines(ids) = self.tell(make)? else {
                return Err(MeasureError::Unequal("no machines were made".to_owned()));
            };
            for id in ids {
                let token = random()?;
                let hash = TokenHash(Digest::of(token.as_bytes()));
                let subject = Subject::Join { model: self.model, machine: id };
                let seconds = Some(3600);
                let add = EstateCommand::AddToken { hash, subject, seconds };
                self.command(Command::Estate(add))?;
                all.push((id, token));
            }
        }
        Ok(all)
    }

    /// Hands over a charm.
    pub fn charm(&self, kind: Kind) -> Result<CharmUrl, MeasureError> {
        let folder = self.workshop.write(kind)?;
        let file = folder.with_extension("charm");
        let packed = pack(&folder, &file, &Limits::charm()).map_err(|error| wrong(&error))?;
        let sending = self.client.put_blob(&file, &packed.digest, packed.bytes, |_| {});
        self.runtime.block_on(sending).map_err(call)?;
        let add = AddCharm { digest: packed.digest, size: packed.bytes, charm: None };
        match self.tell(ModelCommand::AddCharm(add))? {
            Outcome::Charm(url) => Ok(url),
            other => Err(MeasureError::Unequal(format!("a charm came to {other:?}"))),
        }
    }

    /// Deploys an application of `charm` with a unit on each of `machines`.
    pub fn deploy(
        &self,
        application: &str,
        charm: &CharmUrl,
        placements: Vec<Placement>,
    ) -> Result<(), MeasureError> {
        let deploy = Deploy {
            application: parse(application)?,
            charm: charm.clone(),
            channel: None,
            placements,
            config: Default::default(),
            trust: false,
            constraints: Constraints::default(),
            base: None,
            storage: Default::default(),
            attach_storage: Vec::new(),
            resources: Default::default(),
            bindings: Default::default(),
            force: true,
        };
        self.tell(ModelCommand::Deploy(deploy)).map(drop)
    }

    /// Deploys a charm of ours to a machine of its own whose agent is a process, and waits.
    pub fn deploy_with_agent(&mut self, kind: Kind) -> Result<(), MeasureError> {
        let machines = self.machines(1)?;
        let (machine, token) =
            machines.first().ok_or_else(|| MeasureError::Unequal("no machine".to_owned()))?;
        self.start_agent(*machine, token)?;
        let charm = self.charm(kind)?;
        self.deploy(kind.name(), &charm, vec![Placement::Machine(*machine)])?;
        self.application_settled(kind.name())
    }

    /// Relates `setter` and `plain`, and waits.
    pub fn relate(&self) -> Result<(), MeasureError> {
        let end = |application: &str, endpoint: &str| -> Result<EndpointRef, MeasureError> {
            let endpoint = Some(parse(endpoint)?);
            Ok(EndpointRef { application: parse(application)?, endpoint })
        };
        let ends = (end("setter", "out")?, end("plain", "in")?);
        self.tell(ModelCommand::Integrate { one: ends.0, other: ends.1 })?;
        self.settled(&Condition::Settled)
    }

    /// Where an agent of ours keeps its things.
    pub fn agent_root(&self, machine: MachineId) -> PathBuf {
        self.folder.path().join(machine.to_string())
    }

    /// Starts the agent of a machine as a process, as a machine's systemd would.
    pub fn start_agent(&mut self, machine: MachineId, token: &str) -> Result<u32, MeasureError> {
        let root = self.agent_root(machine);
        fs::create_dir_all(&root).map_err(io_error("make an agent's folder"))?;
        let at = |name: &str| root.join(name).display().to_string();
        let config = format!(
            "controllers = [\"{}\"]\njoin-token = \"{token}\"\njuju = {:?}\nmuster = {:?}\n\
             logs = {:?}\nprograms = \"\"\nauthority-pem = '''\n{}'''\n",
            self.address,
            at("j"),
            at("m"),
            at("l"),
            self.authority
        );
        let path = root.join("agent.toml");
        fs::write(&path, config).map_err(io_error("write an agent's configuration"))?;
        let log = fs::File::create(root.join("log")).map_err(io_error("open an agent's log"))?;
        let agent = Program::new(self.programs.agent())
            .arg("--config")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(io_error("start an agent"))?;
        let id = agent.id();
        self.agents.push(agent);
        Ok(id)
    }

    /// Sets the option of an application to something new; the monotonic clock when it was sent.
    pub fn change(&mut self, application: &str) -> Result<u64, MeasureError> {
        let value = (self.count + 1).to_string();
        self.configure(application, value)
    }

    /// Sets the option of an application; the monotonic clock when it was sent.
    pub fn configure(&mut self, application: &str, value: String) -> Result<u64, MeasureError> {
        self.count += 1;
        let command = ModelCommand::Configure {
            application: parse(application)?,
            set: [(parse("x")?, value)].into(),
            reset: Default::default(),
            trust: None,
        };
        let sent = monotonic();
        self.tell(command)?;
        Ok(sent)
    }

    /// Waits on the server until something holds.
    pub fn settled(&self, condition: &Condition) -> Result<(), MeasureError> {
        let began = Instant::now();
        let mut missing = String::new();
        while began.elapsed() < PATIENCE * 5 {
            let wait = Wait { condition: condition.clone(), timeout_ms: 30_000 };
            let answer =
                self.runtime.block_on(self.client.wait(self.model, &wait)).map_err(call)?;
            if answer.holds {
                return Ok(());
            }
            missing = answer.missing;
        }
        Err(MeasureError::Unequal(format!("the model does not settle: {missing}")))
    }

    /// Waits until an application is settled.
    pub fn application_settled(&self, name: &str) -> Result<(), MeasureError> {
        let name: ApplicationName = parse(name)?;
        self.settled(&Condition::ApplicationSettled(name))
    }

    /// The first stamp of a unit's hook after `since`.
    pub fn stamp(&self, unit: &str, name: &str, since: u64) -> Result<Stamp, MeasureError> {
        let wanted = |s: &Stamp| s.unit == unit && s.name == name && s.at > since;
        until(&format!("{unit} never ran {name}"), || {
            let text = fs::read_to_string(self.workshop.stamps()).unwrap_or_default();
            stamps(&text).into_iter().rev().take_while(|s| s.at > since).find(wanted)
        })
    }

    /// Forgets all stamps, so that reading them stays quick.
    pub fn forget_stamps(&self) -> Result<(), MeasureError> {
        match fs::remove_file(self.workshop.stamps()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(io_error("remove the stamps")(error))
            }
            _ => Ok(()),
        }
    }

    /// Has `runner/0` start a program `count` times in its hook, and gives how long each took.
    pub fn race(&mut self, count: usize, program: &str) -> Result<Vec<Duration>, MeasureError> {
        let round = self.count + 1;
        self.configure("runner", format!("{round} {count} {program}"))?;
        let path = self.workshop.times(round);
        let text = until("the race was not run", || fs::read_to_string(&path).ok())?;
        let times: Vec<Duration> =
            text.lines().filter_map(|line| line.parse().ok()).map(Duration::from_nanos).collect();
        self.application_settled("runner")?;
        if times.len() == count {
            Ok(times)
        } else {
            Err(MeasureError::Unequal(format!("{} times of {count}", times.len())))
        }
    }

    /// Processor seconds that the controller has used so far.
    pub fn controller_cpu(&self) -> f64 {
        machine::used(self.controller.id())
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        for child in self.agents.iter_mut().chain([&mut self.controller]) {
            // It may have ended by itself; then there is nothing to end.
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }
}

fn free_address() -> Result<SocketAddr, MeasureError> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(io_error("find a free port"))?;
    listener.local_addr().map_err(io_error("find a free port"))
}

fn start_controller(
    programs: &Programs,
    data: &Path,
    address: SocketAddr,
) -> Result<Child, MeasureError> {
    let log = fs::File::create(data.join("log")).map_err(io_error("open the controller's log"))?;
    Program::new(programs.controller())
        .args(["run", "--substrate", "none", "--listen", &address.to_string(), "--data-dir"])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(io_error("start the controller"))
}

/// Looks until there is something to see.
fn until<T>(missing: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, MeasureError> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(seen) = look() {
            return Ok(seen);
        }
        // Only so that the looking takes no processor from what is looked at.
        std::thread::sleep(Duration::from_micros(300));
    }
    Err(MeasureError::Unequal(missing.to_owned()))
}

/// The monotonic clock, as the charms' programs read it, in nanoseconds.
pub fn monotonic() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}
