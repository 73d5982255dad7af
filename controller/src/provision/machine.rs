//! One machine: made, or let go of.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use muster_api::body::Preparation;
use muster_model::command::{Command, EstateCommand};
use muster_model::name::{MachineId, ModelId};
use muster_model::record::{InstanceRecord, Limit, Machine, Subject};
use muster_model::report::{InstanceReport, ReportBody};
use muster_model::status::Instance;
use muster_model::{Caller, Report};

use super::{At, Need, ProvisionError, Provisioner, host, needs};
use crate::identity;
use crate::ledger::Ledger;
use crate::substrate::{
    Enforcement, Host, HostBind, HostFile, HostSpec, HostState, Progress, Substrate,
};

/// How long a join token is good for (S4).
const JOIN_SECONDS: u64 = 3600;

/// Where the agent's binary is seen inside a machine.
const AGENT: &str = "/usr/lib/muster/muster-agent";

/// Where the agent finds its configuration.
const CONFIG: &str = "/etc/muster/agent.toml";

/// What a machine's status says while it is made.
const MAKING: &str = "making the machine";

/// How often the status of a machine that is being made changes at most.
const SAID_EVERY: Duration = Duration::from_secs(1);

/// The service that runs the agent.
const SERVICE: &str = "[Unit]
Description=Muster agent
After=network.target
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/lib/muster/muster-agent --config /etc/muster/agent.toml
Restart=always
RestartSec=1
KillMode=process
Delegate=yes
TimeoutStopSec=infinity
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target
";

impl Provisioner {
    /// Does what a machine needs. Answers how often it has failed in a row, if it did.
    pub(super) async fn tend(&self, ledger: &Ledger, at: At) -> Option<u32> {
        let (model, id) = at;
        let estate = ledger.estate();
        let record = estate.model(model)?;
        let machine = record.machine(id)?.clone();
        let instance = InstanceRecord::clone(record.table::<InstanceRecord>().get(&id)?);
        let name = instance_name(model, id);
        let result = match needs(&machine, &instance) {
            Need::Nothing => return None,
            Need::Making => self.make(ledger, model, &machine, &name).await,
            Need::Removing => self.remove(ledger, model, &machine, &name).await,
        };
        let Err(error) = result else { return None };
        tracing::warn!(machine = name, error = %crate::Chain(&error), "a machine cannot be tended");
        let message = crate::Chain(&error).to_string();
        let said = report(ledger, model, id, |r| {
            r.state = Instance::ProvisioningError;
            r.message = message;
        });
        if let Err(error) = said.await {
            tracing::warn!(error = %crate::Chain(&error), "the failure could not be told");
        }
        Some(instance.failures)
    }

    async fn make(
        &self,
        ledger: &Ledger,
        model: ModelId,
        machine: &Machine,
        name: &str,
    ) -> Result<(), ProvisionError> {
        let id = machine.id;
        report(ledger, model, id, |r| {
            r.state = Instance::Allocating;
            r.message = MAKING.to_owned();
        })
        .await?;
        let token = identity::mint().map_err(ProvisionError::Token)?;
        let command = Command::Estate(EstateCommand::AddToken {
            hash: token.hash(),
            subject: Subject::Join { model, machine: id },
            seconds: Some(JOIN_SECONDS),
        });
        ledger
            .command(Caller::Controller, None, command, false)
            .await
            .map_err(ProvisionError::Submit)?;
        if machine.host {
            let address = self.plan.local_address;
            let config = self.agent_config(&[address], model, id, token.expose());
            let at = (model, id);
            host::start(&self.plan.host_root.join(name), &self.plan.agent, at, &config)?;
            return report(ledger, model, id, |r| {
                r.instance = Some("this host".to_owned());
                r.state = Instance::Running;
                r.address = Some(address.ip());
            })
            .await;
        }
        let substrate = self.plan.substrate.clone().ok_or(ProvisionError::NoSubstrate)?;
        let config = self.agent_config(&self.plan.addresses, model, id, token.expose());
        let spec = self.spec(name, model, machine, &config);
        let (tell, told) = tokio::sync::watch::channel(String::new());
        let mut making = tokio::task::spawn_blocking(move || {
            let mut say = |progress: Progress| {
                tell.send_replace(progress.to_string());
            };
            create(&substrate, &spec, &mut say)
        });
        let made = tokio::select! {
            made = &mut making => made,
            () = pass_on(ledger, model, id, told) => making.await,
        };
        let made = made
            .map_err(ProvisionError::Thread)?
            .map_err(|error| ProvisionError::Substrate(Box::new(error)))?;
        self.say(Preparation::Ready);
        report(ledger, model, id, |r| {
            r.instance = Some(made.name.clone());
            r.state = Instance::Running;
            r.address = Some(IpAddr::V4(made.address));
            r.limits = limits(&made);
        })
        .await
    }

    async fn remove(
        &self,
        ledger: &Ledger,
        model: ModelId,
        machine: &Machine,
        name: &str,
    ) -> Result<(), ProvisionError> {
        if machine.host {
            let (folder, agent) = (self.plan.host_root.join(name), self.plan.agent.clone());
            let kept = tokio::task::spawn_blocking(move || host::stop(&folder, &agent))
                .await
                .map_err(ProvisionError::Thread)??;
            for path in kept {
                tracing::info!(machine = name, path, "the data of kept storage stays");
            }
        } else if let Some(substrate) = self.plan.substrate.clone() {
            let name = name.to_owned();
            tokio::task::spawn_blocking(move || substrate.destroy(&name))
                .await
                .map_err(ProvisionError::Thread)?
                .map_err(|error| ProvisionError::Substrate(Box::new(error)))?;
        }
        report(ledger, model, machine.id, |r| {
            r.state = Instance::Unknown;
            r.gone = true;
        })
        .await
    }

    fn spec(&self, name: &str, model: ModelId, machine: &Machine, config: &str) -> HostSpec {
        let file = |path: &str, mode, text: &str| HostFile {
            path: path.to_owned(),
            mode,
            bytes: text.as_bytes().to_vec(),
        };
        HostSpec {
            name: name.to_owned(),
            group: model.to_string(),
            base: machine.base.clone(),
            cores: machine.constraints.cores().filter(|cores| *cores > 0),
            mem_mib: machine.constraints.mem_mib().filter(|mem| *mem > 0),
            files: vec![
                file(CONFIG, 0o600, config),
                file("/etc/systemd/system/muster-agent.service", 0o644, SERVICE),
            ],
            binds: vec![HostBind {
                from: self.plan.agent.clone(),
                to: AGENT.to_owned(),
                read_only: true,
            }],
            authorized_keys: Vec::new(),
        }
    }

    /// What an agent needs to find its controller, and to trust it.
    fn agent_config(
        &self,
        addresses: &[std::net::SocketAddr],
        model: ModelId,
        machine: MachineId,
        token: &str,
    ) -> String {
        let list: Vec<String> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
        format!(
            "# Machine {machine} of model {model}.\ncontrollers = [{}]\njoin-token = \"{token}\"\n\
             authority-pem = '''\n{}'''\n",
            list.join(", "),
            self.plan.authority
        )
    }
}

/// Says in a machine's status what is being done for it, until there is nothing more to say: a root
/// that nobody wanted before takes a minute.
async fn pass_on(
    ledger: &Ledger,
    model: ModelId,
    machine: MachineId,
    mut told: tokio::sync::watch::Receiver<String>,
) {
    while told.changed().await.is_ok() {
        let message = told.borrow_and_update().clone();
        let said = report(ledger, model, machine, |r| {
            r.state = Instance::Allocating;
            r.message = message;
        });
        if let Err(error) = said.await {
            tracing::debug!(error = %crate::Chain(&error), "progress could not be told");
        }
        // Each is a record; what changes faster than people read is left out.
        tokio::time::sleep(SAID_EVERY).await;
    }
}

/// Makes a machine, or finds the one that was made before the controller ended.
fn create(
    substrate: &Substrate,
    spec: &HostSpec,
    say: &mut dyn FnMut(Progress),
) -> Result<Host, crate::substrate::SubstrateError> {
    let mut said = false;
    substrate.ensure_root(spec.base.as_ref(), &mut |progress| {
        said = true;
        say(progress);
    })?;
    if said {
        say(Progress::Step(MAKING.to_owned()));
    }
    substrate.ensure_network()?;
    if let Ok(host) = substrate.get(&spec.name) {
        match host.state {
            HostState::Running { .. } => return begin(substrate, host),
            HostState::Stopped | HostState::Ended(_) | HostState::Incomplete => {
                // Its join token may be used up; a machine without an agent holds nothing yet.
                substrate.destroy(&spec.name)?;
            }
        }
    }
    begin(substrate, substrate.create(spec)?)
}

/// Starts the agent inside, now and at each boot.
fn begin(substrate: &Substrate, host: Host) -> Result<Host, crate::substrate::SubstrateError> {
    let argv = ["systemctl", "enable", "--now", "muster-agent.service"];
    let output = substrate.exec(&host.name, &argv)?;
    if output.status == 0 {
        return Ok(host);
    }
    Err(crate::substrate::SubstrateError::Tool {
        line: argv.join(" "),
        status: format!("exit status {}", output.status),
        said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// What the substrate calls a machine: short, since it is also its host name.
pub(super) fn instance_name(model: ModelId, machine: MachineId) -> String {
    format!("muster-{}-{machine}", short(model))
}

/// The beginning of a model's id, by which its machines are named; the server sees to it that no
/// two models have the same.
pub(crate) fn short(model: ModelId) -> String {
    model.to_string().chars().take(6).collect()
}

/// Whether each limit that was asked for holds.
pub(super) fn limits(host: &Host) -> BTreeMap<String, Limit> {
    let mut all = BTreeMap::new();
    for (key, enforcement) in [("cores", &host.limits.cores), ("mem", &host.limits.mem)] {
        match enforcement {
            Enforcement::Unlimited => {}
            Enforcement::Enforced => {
                all.insert(key.to_owned(), Limit::Enforced);
            }
            Enforcement::NotEnforced(why) => {
                all.insert(key.to_owned(), Limit::NotEnforced(why.clone()));
            }
        }
    }
    all
}

/// Tells the model of a machine; what `fill` leaves as it is stays unknown.
pub(super) async fn report(
    ledger: &Ledger,
    model: ModelId,
    machine: MachineId,
    fill: impl FnOnce(&mut InstanceReport),
) -> Result<(), ProvisionError> {
    let mut instance = InstanceReport {
        instance: None,
        state: Instance::Unknown,
        message: String::new(),
        address: None,
        limits: BTreeMap::new(),
        gone: false,
    };
    fill(&mut instance);
    let body = ReportBody::Provision { machine, instance };
    let report = Report { model, body };
    ledger.report(Caller::Controller, report).await.map_err(ProvisionError::Submit)?;
    Ok(())
}
