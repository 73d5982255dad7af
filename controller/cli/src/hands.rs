//! Carrying requests out, one file a family.
//!
//! Each act opens at most one `Session`, speaks to at most one controller, and
//! writes data only once it has all of it, so that a failure leaves nothing half-said on stdout.

mod bootstrap;
mod bundle;
mod change;
mod charm;
mod clouds;
mod config;
mod controllers;
mod credentials;
mod deploy;
mod files;
mod help;
mod kill;
mod list;
mod logs;
mod models;
mod openssh;
mod operations;
mod process;
mod progress;
mod remove;
mod resources;
mod run;
mod secrets;
mod service;
mod session;
mod shell;
mod show;
mod spaces;
mod ssh_keys;
mod status;
mod switch;
mod terminal;
mod tree;
mod upload;
mod wait;

use muster_model::refusal::Code;

use crate::act::Act;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::request::Request;
use session::Session;

/// Carries out a request.
///
/// # Errors
/// What was tried and why it was not done.
pub async fn carry_out(desk: &mut Desk, request: &Request) -> Result<(), Failure> {
    match once(desk, request).await {
        Err(failure) if forget_stale(desk, &failure)? => once(desk, request).await,
        result => result,
    }
}

/// A model that the store knows may have been destroyed, and made again, by another client. Then
/// nothing was done; it is forgotten, and looked up by its name. Answers whether that is so.
fn forget_stale(desk: &Desk, failure: &Failure) -> Result<bool, Failure> {
    if failure.refused != Some(Code::NotFound) {
        return Ok(false);
    }
    let store = crate::context::store(desk)?;
    let stale = |uuid: &str| failure.message.contains(uuid);
    let known = store.read()?;
    if !known.models.controllers.values().any(|of| of.models.values().any(|m| stale(&m.uuid))) {
        return Ok(false);
    }
    store.change(|contents| {
        for of in contents.models.controllers.values_mut() {
            of.models.retain(|_, model| !stale(&model.uuid));
        }
    })?;
    Ok(true)
}

async fn once(desk: &mut Desk, request: &Request) -> Result<(), Failure> {
    match &request.act {
        Act::Help(act) => return help::help(desk, act),
        Act::Completion(act) => return help::completion(desk, act),
        Act::Charm(act) => return charm::charm(desk, act),
        _ => {}
    }
    let mut session = Session::open(desk, request)?;
    let session = &mut session;
    match &request.act {
        Act::Help(_) | Act::Completion(_) | Act::Charm(_) => Ok(()),
        Act::Change(commands) => change::change(session, commands).await,
        Act::Integrate(act) => change::integrate(session, act).await,
        Act::AddMachine(act) => change::add_machine(session, act).await,
        Act::AddStorage(act) => change::add_storage(session, act).await,
        Act::Remove(act) => remove::remove(session, act).await,
        Act::Deploy(act) => deploy::deploy(session, act).await,
        Act::Refresh(act) => deploy::refresh(session, act).await,
        Act::Config(act) => config::config(session, act).await,
        Act::ModelConfig(act) => config::model_config(session, act).await,
        Act::Constraints(act) => config::constraints(session, act).await,
        Act::RetryProvisioning(act) => change::retry(session, act).await,
        Act::Scale(act) => change::scale(session, act).await,
        Act::Spaces(act) => spaces::spaces(session, act).await,
        Act::Machines(act) => list::machines(session, act).await,
        Act::Storage(act) => list::storage(session, act).await,
        Act::StoragePools(act) => list::pools(session, act).await,
        Act::CancelTasks(act) => operations::cancel(session, act).await,
        Act::Operations(act) => operations::operations(session, act).await,
        Act::ShowUnit(act) => show::unit(session, act).await,
        Act::ShowApplication(act) => show::application(session, act).await,
        Act::AttachResource(act) => resources::attach(session, act).await,
        Act::Resources(act) => resources::list(session, act).await,
        Act::Secret(act) => secrets::secret(session, act).await,
        Act::Run(act) => run::run(session, act).await,
        Act::ShowTask(act) => operations::show(session, act).await,
        Act::Actions(act) => show::actions(session, act).await,
        Act::Status(act) => status::status(session, act).await,
        Act::Wait(act) => wait::wait(session, act).await,
        Act::DebugLog(act) => logs::debug_log(session, act).await,
        Act::Ssh(act) => shell::ssh(session, act).await,
        Act::ShowClouds(act) => clouds::show(session, act).await,
        Act::PutCloud(act) => clouds::put(session, act).await,
        Act::RemoveCloud(act) => clouds::remove(session, act).await,
        Act::Usual(act) => clouds::usual(session, act),
        Act::ShowCredentials(act) => credentials::show(session, act).await,
        Act::PutCredentials(act) => credentials::put(session, act).await,
        Act::RemoveCredential(act) => credentials::remove(session, act).await,
        Act::Scp(act) => openssh::scp(session, act).await,
        Act::SshKeys(act) => ssh_keys::list(session, *act).await,
        Act::AddModel(act) => models::add(session, act).await,
        Act::DestroyModel(act) => models::destroy(session, act).await,
        Act::Models(act) => models::list(session, act).await,
        Act::ShowModel(act) => models::show(session, act).await,
        Act::GrantController(act) => models::grant_controller(session, act).await,
        Act::Grant(act) => models::grant(session, act).await,
        Act::Switch(act) => switch::switch(session, act).await,
        Act::Bootstrap(act) => bootstrap::bootstrap(session, act).await,
        Act::KillController(act) => kill::kill(session, act).await,
        Act::StartController(act) => bootstrap::start(session, act).await,
        Act::Controllers(act) => controllers::list(session, act),
        Act::Unregister(act) => controllers::unregister(session, act),
        Act::Doctor => controllers::doctor(session).await,
        Act::Whoami => controllers::whoami(session),
        Act::Version(act) => controllers::version(session, act),
    }
}
