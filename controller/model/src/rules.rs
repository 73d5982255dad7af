//! Deciding: what a command or a report makes of the estate, or why it does not.
//!
//! One file a verb. Every rule works on one [`Draft`] through `Deciding`, so that whatever it
//! read is a precondition of what it writes; nothing of a refused command is kept.

pub(crate) mod action;
mod application;
mod attach;
pub(crate) mod base;
pub mod charm;
mod cloud;
mod configure;
mod deploy;
mod estate;
mod integrate;
pub(crate) mod kept;
pub(crate) mod machine;
mod model;
mod refresh;
pub(crate) mod report;
mod resolve;
mod resource;
mod scale;
pub(crate) mod secret;
mod ssh_key;
pub(crate) mod storage;

use crate::access;
use crate::caller::Caller;
use crate::command::{Command, ModelCommand};
use crate::draft::{Draft, MAX_WRITES, Txn};
use crate::estate::Estate;
use crate::life::Life;
use crate::name::{ApplicationName, ModelId, UnitName, UserName};
use crate::record::{
    Application, CharmRecord, Counters, ModelInfo, ModelRecord, Only, Scale, Unit, UnitProgress,
};
use crate::refusal::{Code, Refusal};
use crate::reply::Outcome;
use crate::report::{Receipt, Report};
use crate::time::Timestamp;

/// What a command comes to.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What is to be committed; may be empty.
    pub txn: Txn,
    /// What is answered once it is.
    pub outcome: Outcome,
}

/// Decides a command: pure, so that the same call serves a dry run.
///
/// # Errors
/// The rule's "no", with the offending value and the way out.
pub fn decide(
    estate: &Estate,
    caller: &Caller,
    command: &Command,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let mut draft = Draft::new(estate);
    access::command(&mut draft, caller, command)?;
    let (draft, outcome) = match command {
        Command::Estate(command) => {
            let outcome = estate::decide(&mut draft, caller, command, now)?;
            (draft, outcome)
        }
        Command::Model { model, command } => {
            let by = match caller {
                Caller::User(name) => Some(name.clone()),
                _ => None,
            };
            let mut deciding = Deciding { draft, model: *model, by, now };
            let outcome = deciding.decide(command)?;
            (deciding.draft, outcome)
        }
    };
    bounded(draft.finish()).map(|txn| Decision { txn, outcome })
}

/// Takes a report: what it makes of the model, and the receipt.
///
/// # Errors
/// Why it is not taken; the unit's hook then counts as failed.
pub fn take(
    estate: &Estate,
    caller: &Caller,
    report: &Report,
    now: Timestamp,
) -> Result<(Txn, Receipt), Refusal> {
    let mut draft = Draft::new(estate);
    access::report(&mut draft, caller, report)?;
    let mut deciding = Deciding { draft, model: report.model, by: None, now };
    let receipt = report::take(&mut deciding, &report.body)?;
    bounded(deciding.draft.finish()).map(|txn| (txn, receipt))
}

fn bounded(txn: Txn) -> Result<Txn, Refusal> {
    if txn.writes.len() <= MAX_WRITES {
        return Ok(txn);
    }
    Err(Refusal::new(
        Code::Limit,
        format!(
            "this changes {} records at once; at most {MAX_WRITES} are possible",
            txn.writes.len()
        ),
    )
    .hint("name fewer things in one command"))
}

/// One model under a rule's hands.
pub(crate) struct Deciding<'e> {
    pub(crate) draft: Draft<'e>,
    pub(crate) model: ModelId,
    /// Who asks; none: the controller itself or an agent.
    pub(crate) by: Option<UserName>,
    pub(crate) now: Timestamp,
}

impl<'e> Deciding<'e> {
    fn decide(&mut self, command: &ModelCommand) -> Result<Outcome, Refusal> {
        match command {
            ModelCommand::DestroyModel { destroy_storage, force } => {
                model::destroy(self, *destroy_storage, *force)
            }
            ModelCommand::ConfigureModel { set, reset } => model::configure(self, set, reset),
            ModelCommand::ConstrainModel(constraints) => model::constrain(self, constraints),
            ModelCommand::GrantModel { user, access } => model::grant(self, user, *access),
            ModelCommand::AddSshKeys(keys) => ssh_key::add(self, keys),
            ModelCommand::RemoveSshKeys(names) => ssh_key::remove(self, names),
            ModelCommand::AddCharm(asked) => charm::add(self, asked),
            ModelCommand::Deploy(asked) => deploy::deploy(self, asked),
            ModelCommand::Refresh(asked) => refresh::refresh(self, asked),
            ModelCommand::AddUnits { application, placements, attach_storage } => {
                scale::add_units(self, application, placements, attach_storage)
            }
            ModelCommand::RemoveUnits { units, destroy_storage, force } => {
                scale::remove_units(self, units, *destroy_storage, *force)
            }
            ModelCommand::RemoveApplication { application, destroy_storage, force } => {
                application::remove(self, application, *destroy_storage, *force)
            }
            ModelCommand::Configure { application, set, reset, trust } => {
                configure::configure(self, application, set, reset, *trust)
            }
            ModelCommand::Constrain { application, constraints } => {
                configure::constrain(self, application, constraints)
            }
            ModelCommand::Expose { application, exposure } => {
                configure::expose(self, application, exposure.as_ref())
            }
            ModelCommand::Unexpose { application, endpoints } => {
                configure::unexpose(self, application, endpoints)
            }
            ModelCommand::Integrate { one, other } => integrate::integrate(self, one, other),
            ModelCommand::RemoveRelation { relation, force } => {
                integrate::remove(self, relation, *force)
            }
            ModelCommand::AttachResource { application, name, file } => {
                resource::attach(self, application, name, file)
            }
            ModelCommand::AddMachines { count, constraints, base, host } => {
                machine::add(self, *count, constraints, base.as_ref(), *host)
            }
            ModelCommand::RemoveMachines { machines, force } => {
                machine::remove(self, machines, *force)
            }
            ModelCommand::RetryProvisioning { machines } => machine::retry(self, machines),
            ModelCommand::AddStorage { unit, name, directive } => {
                storage::add(self, unit, name, directive)
            }
            ModelCommand::DetachStorage { storage, force } => {
                storage::detach(self, storage, *force)
            }
            ModelCommand::AttachStorage { unit, storage } => storage::attach(self, unit, storage),
            ModelCommand::RemoveStorage { storage, force, keep_data } => {
                storage::remove(self, storage, *force, *keep_data)
            }
            ModelCommand::CreateStoragePool { name, provider, attributes } => {
                storage::create_pool(self, name, *provider, attributes)
            }
            ModelCommand::RunAction { targets, action, parameters } => {
                action::run(self, targets, action, parameters)
            }
            ModelCommand::RunCommand {
                targets,
                command,
                timeout_ms,
                parallel,
                execution_group,
            } => action::exec(self, targets, command, *timeout_ms, *parallel, execution_group),
            ModelCommand::CancelTasks(tasks) => action::cancel(self, tasks),
            ModelCommand::Secret(command) => secret::decide(self, command),
            ModelCommand::Resolve { units, retry } => resolve::resolve(self, units, *retry),
        }
    }

    pub(crate) fn get<R: ModelRecord>(&mut self, name: R::Name) -> Option<R> {
        self.draft.get_in(self.model, name)
    }

    pub(crate) fn put<R: ModelRecord>(&mut self, record: R) {
        self.draft.put_in(self.model, record);
    }

    pub(crate) fn remove<R: ModelRecord>(&mut self, name: R::Name) {
        self.draft.remove_in::<R>(self.model, name);
    }

    /// The model as it stands beneath the draft, for choosing what to read.
    pub(crate) fn beneath(&self) -> Option<&'e crate::Model> {
        self.draft.estate().model(self.model)
    }

    pub(crate) fn info(&mut self) -> Result<ModelInfo, Refusal> {
        let model = self.model;
        self.get::<ModelInfo>(Only).ok_or_else(|| Refusal::not_found("model", model))
    }

    /// The model, if nothing stands against adding to it.
    pub(crate) fn live_model(&mut self) -> Result<ModelInfo, Refusal> {
        let info = self.info()?;
        if info.life.is_alive() {
            return Ok(info);
        }
        Err(Refusal::new(Code::Dying, format!("model \"{}\" is being destroyed", info.name)))
    }

    pub(crate) fn counters(&mut self) -> Counters {
        self.get::<Counters>(Only).unwrap_or_default()
    }

    pub(crate) fn application(&mut self, name: &ApplicationName) -> Result<Application, Refusal> {
        self.get::<Application>(name.clone()).ok_or_else(|| {
            let refusal = Refusal::not_found("application", name);
            match self.beneath().and_then(|model| nearest(model, name)) {
                Some(near) => refusal.hint(format!("did you mean \"{near}\"?")),
                None => refusal,
            }
        })
    }

    pub(crate) fn live_application(
        &mut self,
        name: &ApplicationName,
    ) -> Result<Application, Refusal> {
        let application = self.application(name)?;
        if application.life.is_alive() {
            return Ok(application);
        }
        Err(Refusal::new(Code::Dying, format!("application \"{name}\" is being removed"))
            .hint(format!("`muster status {name}` shows what it waits for")))
    }

    pub(crate) fn scale(&mut self, name: &ApplicationName) -> Result<Scale, Refusal> {
        self.get::<Scale>(name.clone()).ok_or_else(|| Refusal::not_found("application", name))
    }

    pub(crate) fn charm_of(&mut self, application: &Application) -> Result<CharmRecord, Refusal> {
        let url = application.charm.clone();
        self.get::<CharmRecord>(url).ok_or_else(|| Refusal::not_found("charm", &application.charm))
    }

    pub(crate) fn unit(&mut self, name: &UnitName) -> Result<Unit, Refusal> {
        self.get::<Unit>(name.clone()).ok_or_else(|| Refusal::not_found("unit", name))
    }

    pub(crate) fn live_unit(&mut self, name: &UnitName) -> Result<Unit, Refusal> {
        let unit = self.unit(name)?;
        if unit.life == Life::Alive {
            return Ok(unit);
        }
        Err(Refusal::new(Code::Dying, format!("unit \"{name}\" is being removed")))
    }

    pub(crate) fn progress(&mut self, name: &UnitName) -> Result<UnitProgress, Refusal> {
        self.get::<UnitProgress>(name.clone()).ok_or_else(|| Refusal::not_found("unit", name))
    }

    pub(crate) fn asker(&self) -> UserName {
        // A model's own needs are met in the name of its owner.
        let owner = || self.beneath().and_then(crate::Model::info).map(|info| info.owner.clone());
        match self.by.clone().or_else(owner) {
            Some(name) => name,
            None => crate::name::system_user(),
        }
    }
}

fn nearest(model: &crate::Model, name: &ApplicationName) -> Option<ApplicationName> {
    let names = model.table::<Application>().iter().map(|(name, _)| name);
    names
        .map(|known| (strsim::damerau_levenshtein(known.as_str(), name.as_str()), known))
        .filter(|(distance, _)| *distance <= 2)
        .min()
        .map(|(_, known)| known.clone())
}

/// An invalid value: what was asked, the value and the rule.
pub(crate) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(Code::Invalid, message)
}
