//! Who may: one exhaustive match (reliability document, S5, S7).
//!
//! It is asked inside the draft, so that the right which was found is a precondition of the Txn. A
//! new command without a row here does not compile.

use crate::caller::Caller;
use crate::command::{Command, EstateCommand, ModelCommand};
use crate::draft::Draft;
use crate::name::{MachineId, ModelId, TaskId, UnitName, UserName};
use crate::record::{ControllerAccess, ModelAccess, ModelInfo, Only, Task, TaskTarget, Unit, User};
use crate::refusal::{Code, Refusal};
use crate::report::{NowReport, Report, ReportBody, StepReport};

/// Refuses a command that its caller may not give.
///
/// # Errors
/// `permission denied` with the grant that would allow it; to somebody without any right on a
/// model, the same "not found" as for a model that never was.
pub fn command(draft: &mut Draft<'_>, caller: &Caller, asked: &Command) -> Result<(), Refusal> {
    let user = match caller {
        Caller::Controller => return Ok(()),
        Caller::User(name) => name,
        Caller::Join { .. } => {
            return match asked {
                Command::Estate(EstateCommand::Enrol { .. }) => Ok(()),
                _ => Err(denied("a join token enrols a machine and does nothing else")),
            };
        }
        Caller::Machine { .. } => return Err(denied("an agent gives no commands")),
    };
    let account = account(draft, user)?;
    match asked {
        Command::Estate(asked) => {
            let needed = match asked {
                EstateCommand::AddModel { .. } => ControllerAccess::AddModel,
                EstateCommand::ChangeCredentials { .. } => ControllerAccess::Login,
                EstateCommand::Bootstrap { .. }
                | EstateCommand::AddUser { .. }
                | EstateCommand::PutCloud { .. }
                | EstateCommand::RemoveCloud(_)
                | EstateCommand::GrantController { .. }
                | EstateCommand::AddToken { .. }
                | EstateCommand::OfferBases(_)
                | EstateCommand::Enrol { .. } => ControllerAccess::Superuser,
            };
            if account.access >= needed {
                return Ok(());
            }
            let word = if needed == ControllerAccess::AddModel { "add-model" } else { "superuser" };
            Err(denied(format!("user \"{user}\" lacks \"{word}\" access to the controller"))
                .hint(format!("ask an administrator for: muster grant {user} {word}")))
        }
        Command::Model { model, command } => {
            let needed = match command {
                ModelCommand::DestroyModel { .. }
                | ModelCommand::ConfigureModel { .. }
                | ModelCommand::ConstrainModel(_)
                | ModelCommand::GrantModel { .. }
                // A key outlives the right of whoever added it.
                | ModelCommand::AddSshKeys(_)
                | ModelCommand::RemoveSshKeys(_) => ModelAccess::Admin,
                ModelCommand::AddCharm(_)
                | ModelCommand::Deploy(_)
                | ModelCommand::Refresh(_)
                | ModelCommand::AddUnits { .. }
                | ModelCommand::RemoveUnits { .. }
                | ModelCommand::RemoveApplication { .. }
                | ModelCommand::Configure { .. }
                | ModelCommand::Constrain { .. }
                | ModelCommand::Expose { .. }
                | ModelCommand::Unexpose { .. }
                | ModelCommand::Integrate { .. }
                | ModelCommand::RemoveRelation { .. }
                | ModelCommand::AttachResource { .. }
                | ModelCommand::AddMachines { .. }
                | ModelCommand::RemoveMachines { .. }
                | ModelCommand::RetryProvisioning { .. }
                | ModelCommand::AddStorage { .. }
                | ModelCommand::DetachStorage { .. }
                | ModelCommand::AttachStorage { .. }
                | ModelCommand::RemoveStorage { .. }
                | ModelCommand::CreateStoragePool { .. }
                | ModelCommand::RunAction { .. }
                | ModelCommand::RunCommand { .. }
                | ModelCommand::CancelTasks(_)
                | ModelCommand::Secret(_)
                | ModelCommand::Resolve { .. } => ModelAccess::Write,
            };
            model_access(draft, &account, *model, needed)
        }
    }
}

fn model_access(
    draft: &mut Draft<'_>,
    account: &User,
    model: ModelId,
    needed: ModelAccess,
) -> Result<(), Refusal> {
    let info = draft.get_in::<ModelInfo>(model, Only);
    let Some(info) = info else { return Err(Refusal::not_found("model", model)) };
    may(account, &info, needed)
}

/// Refuses a user who may not do so much to a model.
///
/// # Errors
/// `permission denied` with the grant that would allow it; without any right, that there is no such model.
pub fn may(account: &User, info: &ModelInfo, needed: ModelAccess) -> Result<(), Refusal> {
    match access_of(account, info) {
        None => Err(Refusal::not_found("model", info.id)),
        Some(access) if access >= needed => Ok(()),
        Some(_) => {
            let word = if needed == ModelAccess::Write { "write" } else { "admin" };
            let (user, name) = (&account.name, &info.name);
            Err(denied(format!("user \"{user}\" lacks \"{word}\" access to model \"{name}\""))
                .hint(format!("ask its administrator for: muster grant {user} {word} {name}")))
        }
    }
}

/// What a user may do to a model; none: not even know of it.
#[must_use]
pub fn access_of(account: &User, info: &ModelInfo) -> Option<ModelAccess> {
    if account.access == ControllerAccess::Superuser {
        return Some(ModelAccess::Admin);
    }
    info.access.get(&account.name).copied()
}

fn account(draft: &mut Draft<'_>, user: &UserName) -> Result<User, Refusal> {
    match draft.get::<User>(user.clone()) {
        Some(account) if !account.disabled => Ok(account),
        _ => Err(denied(format!("user \"{user}\" may not log in"))),
    }
}

/// Refuses a report that its caller may not give: a machine speaks of itself and of the units that
/// live on it (S6); the provisioner is the controller.
///
/// # Errors
/// `permission denied`.
pub fn report(draft: &mut Draft<'_>, caller: &Caller, told: &Report) -> Result<(), Refusal> {
    let at = match caller {
        Caller::Controller => return Ok(()),
        Caller::Machine { model, machine } if *model == told.model => *machine,
        Caller::Machine { .. } | Caller::User(_) | Caller::Join { .. } => {
            return Err(denied("only the agents of a model report to it"));
        }
    };
    let own = |machine: MachineId| {
        if machine == at { Ok(()) } else { Err(denied("an agent speaks for its own machine only")) }
    };
    match &told.body {
        ReportBody::Facts { machine, .. }
        | ReportBody::MachineDone { machine }
        | ReportBody::Discarded { machine, .. } => own(*machine),
        ReportBody::Rest { machine, units, .. } => {
            own(*machine)?;
            for name in units.keys() {
                // One that is gone is passed over by the rule.
                let Some(unit) = draft.get_in::<Unit>(told.model, name.clone()) else { continue };
                own(unit.machine)?;
            }
            Ok(())
        }
        ReportBody::MachineTask { machine, task, .. } => {
            own(*machine)?;
            runs_on(draft, told.model, *task, &TaskTarget::Machine(*machine))
        }
        ReportBody::Step { unit, step, .. } => {
            match own_unit(draft, told.model, unit, own) {
                // The answer to its last report was lost, and its records are gone since: it is told
                // again what it was told then, or it would ask for ever.
                Err(refusal) if refusal.code == Code::NotFound && *step == StepReport::Gone => {}
                other => other?,
            }
            match step {
                StepReport::Task { task, .. } => {
                    runs_on(draft, told.model, *task, &TaskTarget::Unit(unit.clone()))
                }
                _ => Ok(()),
            }
        }
        ReportBody::Now { unit, now } => {
            own_unit(draft, told.model, unit, own)?;
            match now {
                NowReport::TaskStarted(task) | NowReport::TaskLog { task, .. } => {
                    runs_on(draft, told.model, *task, &TaskTarget::Unit(unit.clone()))
                }
                _ => Ok(()),
            }
        }
        ReportBody::Provision { .. } => Err(denied("only the controller provisions")),
    }
}

fn own_unit(
    draft: &mut Draft<'_>,
    model: ModelId,
    name: &UnitName,
    own: impl Fn(MachineId) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    match draft.get_in::<Unit>(model, name.clone()) {
        Some(unit) => own(unit.machine),
        None => Err(Refusal::not_found("unit", name)),
    }
}

/// Refuses to speak of a task that runs elsewhere: its outcome is its own target's to tell.
fn runs_on(
    draft: &mut Draft<'_>,
    model: ModelId,
    id: TaskId,
    target: &TaskTarget,
) -> Result<(), Refusal> {
    match draft.get_in::<Task>(model, id) {
        Some(task) if task.target != *target => Err(Refusal::not_found("task", id)),
        // Of one that is no more the rule knows what to say; the report may be a second one.
        _ => Ok(()),
    }
}

fn denied(why: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::PermissionDenied, format!("permission denied: {why}"))
}
