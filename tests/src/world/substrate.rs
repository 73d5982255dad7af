//! Where machines come from, as the provisioner has it.

use muster_model::command::EstateCommand;
use muster_model::life::Life;
use muster_model::record::{InstanceRecord, Subject, TokenHash};
use muster_model::report::{InstanceReport, ReportBody};
use muster_model::status::Instance;
use muster_model::{Caller, Command, Report};

use super::{At, Broken, Host, World, broken};

impl World {
    /// Makes or lets go of one machine that wants it.
    pub(crate) fn substrate(&mut self) -> Result<(), Broken> {
        let Some(at) = self.wanting().into_iter().next() else { return Ok(()) };
        self.tend(at)
    }

    /// Machines that need the substrate.
    pub(crate) fn wanting(&self) -> Vec<At> {
        let mut all = Vec::new();
        for model in self.estate.models() {
            for (id, instance) in model.table::<InstanceRecord>().iter() {
                let Some(machine) = model.machine(*id) else { continue };
                let wants = match machine.life {
                    Life::Dead => !instance.gone,
                    Life::Alive => instance.status.value != Instance::Running,
                    Life::Dying => false,
                };
                if wants {
                    all.push((model.id(), *id));
                }
            }
        }
        all
    }

    fn tend(&mut self, at: At) -> Result<(), Broken> {
        let Some(machine) = self.estate.model(at.0).and_then(|m| m.machine(at.1)) else {
            return Ok(());
        };
        let alive = machine.life.is_alive();
        let mut report = InstanceReport {
            instance: Some(format!("sim-{}", at.1)),
            state: Instance::Running,
            message: String::new(),
            address: Some(address(at)),
            limits: std::collections::BTreeMap::new(),
            gone: false,
        };
        if alive && self.random.happens(self.faults.no_machine) {
            report.instance = None;
            report.state = Instance::ProvisioningError;
            "no room".clone_into(&mut report.message);
        } else if alive {
            self.invite(at, 0)?;
            let now = self.now;
            self.hosts.entry(at).or_insert_with(|| Host::new(now));
        } else {
            report.state = Instance::Pending;
            report.gone = true;
            self.hosts.remove(&at);
        }
        let body = ReportBody::Provision { machine: at.1, instance: report };
        let taken = self.take(&Caller::Controller, &Report { model: at.0, body })?;
        match taken {
            Ok(_) => Ok(()),
            // It went meanwhile.
            Err(_) if self.estate.model(at.0).and_then(|m| m.machine(at.1)).is_none() => Ok(()),
            Err(refusal) => broken(format!("the provisioner is refused: {refusal}")),
        }
    }

    /// A join token for a machine.
    fn invite(&mut self, at: At, when: i64) -> Result<TokenHash, Broken> {
        let (hash, subject) = (join(at, when), Subject::Join { model: at.0, machine: at.1 });
        let token = EstateCommand::AddToken { hash, subject, seconds: Some(3600) };
        self.ordered(&Command::Estate(token))?;
        Ok(hash)
    }

    /// The agent exchanges its join token for its own.
    pub(crate) fn enrol(&mut self, at: At) -> Result<(), Broken> {
        let command = EstateCommand::Enrol { join: join(at, 0), token: own(at) };
        let caller = Caller::Join { model: at.0, machine: at.1 };
        let mut enrolled = self.command_as(&caller, &Command::Estate(command))?;
        let expired = |world: &World| {
            let token = world.estate.token(join(at, 0));
            token.is_none_or(|token| token.expires.is_some_and(|at| at <= world.wall()))
        };
        if enrolled.is_err() && expired(self) {
            // The wall clock went over the token's hour: somebody lets the machine join anew.
            let join = self.invite(at, self.now.0)?;
            let command = EstateCommand::Enrol { join, token: own(at) };
            enrolled = self.command_as(&caller, &Command::Estate(command))?;
        }
        match enrolled {
            Ok(_) => Ok(()),
            Err(refusal) => broken(format!("S4: machine {} cannot enrol: {refusal}", at.1)),
        }
    }

    fn ordered(&mut self, command: &Command) -> Result<(), Broken> {
        match self.command_as(&Caller::Controller, command)? {
            Ok(_) => Ok(()),
            Err(refusal) => broken(format!("the controller itself is refused: {refusal}")),
        }
    }
}

fn join(at: At, when: i64) -> TokenHash {
    TokenHash(crate::fixture::digest(&format!("join {} {} {when}", at.0, at.1)))
}

fn own(at: At) -> TokenHash {
    TokenHash(crate::fixture::digest(&format!("own {} {}", at.0, at.1)))
}

/// Every machine has one of its own.
pub(crate) fn address(at: At) -> std::net::IpAddr {
    let [.., low] = at.0.0.as_bytes();
    let [_, _, high, last] = at.1.0.to_be_bytes();
    std::net::IpAddr::from([10, *low, high, last])
}
