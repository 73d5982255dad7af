//! What a line asks for, complete and in the model's own types.
//!
//! An act that is one change of a model is a [`ModelCommand`] and nothing else, so that a story of
//! the simulation can be told in the very lines that an operator types. The others need hands (a
//! file to upload, a question to ask, a table to print) and have a type of their own.

use muster_model::command::ModelCommand;

use crate::commands::{
    actions, charm, clouds, config, controllers, credentials, deploy, help, logs, machines, models,
    operations, relating, resources, secrets, shell, spaces, ssh_keys, status, storage, units,
    wait,
};

/// What a line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Changes of one model, one after the other.
    Change(Vec<ModelCommand>),
    /// Taking something down, with a question first.
    Remove(units::Remove),
    /// An application or a bundle.
    Deploy(Box<deploy::Deploy>),
    /// Another charm, or other resources and settings.
    Refresh(Box<deploy::Refresh>),
    /// Relating two endpoints, and saying what came of it.
    Integrate(relating::Integrate),
    /// Reading or setting an application's options.
    Config(config::Config),
    /// Reading or setting a model's options.
    ModelConfig(config::ModelConfig),
    /// Reading constraints.
    Constraints(config::ShowConstraints),
    /// Making machines.
    AddMachine(machines::AddMachine),
    /// Listing machines.
    Machines(machines::Machines),
    /// Showing units.
    ShowUnit(units::ShowUnit),
    /// Showing applications.
    ShowApplication(units::ShowApplication),
    /// Giving units more storage.
    AddStorage(storage::AddStorage),
    /// Listing storage.
    Storage(storage::Storage),
    /// Listing storage pools.
    StoragePools(storage::Pools),
    /// Giving an application a file.
    AttachResource(resources::Attach),
    /// Listing resources.
    Resources(resources::Resources),
    /// Secrets.
    Secret(secrets::Secret),
    /// Running an action or a command.
    Run(actions::Run),
    /// Showing a task.
    ShowTask(operations::ShowTask),
    /// Listing a charm's actions.
    Actions(actions::Actions),
    /// Ending tasks.
    CancelTasks(operations::CancelTasks),
    /// Trying again to make machines.
    RetryProvisioning(machines::RetryProvisioning),
    /// So many units, no more and no fewer.
    Scale(units::Scale),
    /// The spaces and networks there are.
    Spaces(spaces::Spaces),
    /// Listing operations.
    Operations(operations::Operations),
    /// The model's status.
    Status(status::Status),
    /// Waiting for something to be so.
    Wait(wait::WaitFor),
    /// The model's log.
    DebugLog(logs::DebugLog),
    /// A shell, or a command, on a machine.
    Ssh(shell::Ssh),
    /// Copying files.
    Scp(shell::Scp),
    /// Showing clouds.
    ShowClouds(clouds::ShowClouds),
    /// Writing down a cloud.
    PutCloud(clouds::PutCloud),
    /// Forgetting a cloud.
    RemoveCloud(clouds::RemoveCloud),
    /// The region or credential that is meant where none is named.
    Usual(clouds::Usual),
    /// Showing credentials.
    ShowCredentials(credentials::ShowCredentials),
    /// Keeping credentials.
    PutCredentials(credentials::PutCredentials),
    /// Forgetting a credential.
    RemoveCredential(credentials::RemoveCredential),
    /// Listing keys of SSH.
    SshKeys(ssh_keys::SshKeys),
    /// Making a model.
    AddModel(models::AddModel),
    /// Taking a model down.
    DestroyModel(models::DestroyModel),
    /// Listing models.
    Models(models::Models),
    /// Showing a model.
    ShowModel(models::ShowModel),
    /// Choosing a controller or a model.
    Switch(models::Switch),
    /// Letting a user use models, or not.
    Grant(models::Grant),
    /// Letting a user use the controller, or less of it.
    GrantController(models::GrantController),
    /// Making a controller.
    Bootstrap(Box<controllers::Bootstrap>),
    /// Taking a controller down.
    KillController(controllers::KillController),
    /// Starting a controller again.
    StartController(controllers::StartController),
    /// Listing controllers.
    Controllers(controllers::Controllers),
    /// Forgetting a controller.
    Unregister(controllers::Unregister),
    /// What the controller finds wrong with itself.
    Doctor,
    /// As whom one works.
    Whoami,
    /// The version.
    Version(controllers::Version),
    /// Packing, composing and checking charms.
    Charm(charm::Charm),
    /// Help.
    Help(help::Help),
    /// Completion scripts and manual pages.
    Completion(help::Completion),
}
