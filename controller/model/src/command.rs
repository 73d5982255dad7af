//! What may be asked.
//!
//! A command is complete: everything that a decision needs from outside (a random id, the parsed
//! charm, a token's hash) comes with it, so that deciding is a pure function of the estate, the
//! caller, the command and the time.

mod deploy;
mod secret;

use std::collections::{BTreeMap, BTreeSet};

use muster_charms::{Base, StorageDirective};
use serde::{Deserialize, Serialize};

pub use deploy::{AddCharm, Deploy, Refresh, ResourceFile};

use crate::cloud::{CloudDefinition, Credential};
pub use secret::SecretCommand;

use crate::constraints::Constraints;
use crate::name::{
    ActionName, ApplicationName, CloudName, EndpointName, MachineId, ModelId, ModelName,
    OptionName, PoolName, RelationId, ResourceName, StorageId, StorageName, TaskId, UnitName,
    UserName,
};
use crate::record::{
    ControllerAccess, ModelAccess, OfferedBase, Placement, Provider, Subject, TokenHash,
};
use crate::ssh_key::SshKey;

/// What an operator, or the controller itself, asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Of the estate.
    Estate(EstateCommand),
    /// Of one model.
    Model {
        /// Which.
        model: ModelId,
        /// What.
        command: ModelCommand,
    },
}

/// What may be asked of the estate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EstateCommand {
    /// Make the installation: its record and its first user. Refused when there is one.
    Bootstrap {
        /// The installation's id, chosen at random.
        uuid: ModelId,
        /// Its name.
        name: CloudName,
        /// Its cloud.
        cloud: CloudName,
        /// The first user, a superuser.
        admin: UserName,
        /// The hash of that user's token.
        token: TokenHash,
    },
    /// Make a model.
    AddModel {
        /// The model's id, chosen at random by the server.
        id: ModelId,
        /// Its name.
        name: ModelName,
        /// Its owner; the caller if none.
        owner: Option<UserName>,
        /// The cloud, or the region of the controller's own, that the operator named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cloud: Option<CloudName>,
        /// The region that the operator named behind a cloud.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<CloudName>,
        /// Options that differ from the defaults.
        config: BTreeMap<String, String>,
        /// Constraints of its machines.
        constraints: Constraints,
    },
    /// Make a user.
    AddUser {
        /// The name.
        name: UserName,
        /// How it is shown.
        display_name: String,
        /// What it may do.
        access: ControllerAccess,
        /// The hash of its first token.
        token: TokenHash,
    },
    /// Write down a cloud, or what is known of one.
    PutCloud {
        /// Its name.
        name: CloudName,
        /// What is known of it.
        definition: CloudDefinition,
        /// Whether it is there already.
        update: bool,
    },
    /// Take back that a cloud was written down.
    RemoveCloud(CloudName),
    /// Keep, replace and forget credentials of the caller's for one cloud.
    ChangeCredentials {
        /// The cloud.
        cloud: CloudName,
        /// Each with what it is now; none forgets it.
        changes: BTreeMap<CloudName, Option<Credential>>,
    },
    /// Let a user do something with the whole controller, or less than before.
    GrantController {
        /// Whom.
        user: UserName,
        /// What.
        access: ControllerAccess,
    },
    /// Keep a token by its hash.
    AddToken {
        /// The hash.
        hash: TokenHash,
        /// As whom it lets its bearer speak.
        subject: Subject,
        /// How many seconds it is good for; none is for ever.
        seconds: Option<u64>,
    },
    /// Say of which bases there are images; none: machines are joined by hand, and have any.
    OfferBases(Vec<OfferedBase>),
    /// Exchange a join token for the machine's own, once (S4).
    Enrol {
        /// The join token that the caller came with.
        join: TokenHash,
        /// The hash of the token that the agent chose for itself.
        token: TokenHash,
    },
}

/// What may be asked of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelCommand {
    /// Take the model down.
    DestroyModel {
        /// What becomes of storage: destroyed or let go. None: refuse if there is any.
        destroy_storage: Option<bool>,
        /// Without waiting for hooks.
        force: bool,
    },
    /// Set and reset options of the model.
    ConfigureModel {
        /// New values.
        set: BTreeMap<String, String>,
        /// Back to the default.
        reset: BTreeSet<String>,
    },
    /// Set the constraints of the model's new machines.
    ConstrainModel(Constraints),
    /// Let a user do something, or take that away.
    GrantModel {
        /// Whom.
        user: UserName,
        /// What; none takes everything away.
        access: Option<ModelAccess>,
    },
    /// Let the bearers of these keys in on the model's machines.
    AddSshKeys(Vec<SshKey>),
    /// Do so no more; each is named by its fingerprint, its comment, or the whole line.
    RemoveSshKeys(Vec<String>),
    /// Make a charm known. The server reads the archive and fills in what it says.
    AddCharm(AddCharm),
    /// Make an application.
    Deploy(Deploy),
    /// Give an application's units another charm, resources or settings.
    Refresh(Refresh),
    /// More units.
    AddUnits {
        /// The application.
        application: ApplicationName,
        /// Where each goes, one for each unit.
        placements: Vec<Placement>,
        /// Kept storage for the one new unit.
        attach_storage: Vec<StorageId>,
    },
    /// Take units down.
    RemoveUnits {
        /// Which.
        units: BTreeSet<UnitName>,
        /// Whether their storage goes with them.
        destroy_storage: bool,
        /// Without waiting for hooks.
        force: bool,
    },
    /// Take an application down.
    RemoveApplication {
        /// Which.
        application: ApplicationName,
        /// Whether its units' storage goes with them.
        destroy_storage: bool,
        /// Without waiting for hooks.
        force: bool,
    },
    /// Set and reset options of an application.
    Configure {
        /// Which.
        application: ApplicationName,
        /// New values, as text; read by the option's type.
        set: BTreeMap<OptionName, String>,
        /// Back to the charm's default.
        reset: BTreeSet<OptionName>,
        /// Whether it may have the cloud's credentials; none leaves it.
        trust: Option<bool>,
    },
    /// Set the constraints of an application's new machines.
    Constrain {
        /// Which.
        application: ApplicationName,
        /// What they must have.
        constraints: Constraints,
    },
    /// Let an application's ports be reached from outside, or not.
    Expose {
        /// Which.
        application: ApplicationName,
        /// From where; none takes it back.
        exposure: Option<crate::record::Exposure>,
    },
    /// Take back that some endpoints of an application are reached from outside.
    Unexpose {
        /// Which application.
        application: ApplicationName,
        /// Which endpoints; those that were exposed beside them stay so.
        endpoints: BTreeSet<EndpointName>,
    },
    /// Relate two endpoints.
    Integrate {
        /// One end.
        one: EndpointRef,
        /// The other.
        other: EndpointRef,
    },
    /// End a relation.
    RemoveRelation {
        /// Which.
        relation: RelationRef,
        /// Without waiting for hooks.
        force: bool,
    },
    /// Give an application a file.
    AttachResource {
        /// The application.
        application: ApplicationName,
        /// The resource.
        name: ResourceName,
        /// The file, as one of the bytes kept.
        file: ResourceFile,
    },
    /// Make machines.
    AddMachines {
        /// How many.
        count: u32,
        /// What they must have.
        constraints: Constraints,
        /// Their base.
        base: Option<Base>,
        /// Whether it is this host itself (then `count` is 1).
        host: bool,
    },
    /// Take machines down.
    RemoveMachines {
        /// Which.
        machines: BTreeSet<MachineId>,
        /// Also if units live there, and without waiting for hooks.
        force: bool,
    },
    /// Try again at once to make machines that could not be made.
    RetryProvisioning {
        /// Which; empty is every one that failed.
        machines: BTreeSet<MachineId>,
    },
    /// Give a unit more storage.
    AddStorage {
        /// The unit.
        unit: UnitName,
        /// The storage of the charm.
        name: StorageName,
        /// How it is made; where it says nothing, as for the application.
        directive: StorageDirective,
    },
    /// Take storage from its unit and keep it.
    DetachStorage {
        /// Which.
        storage: BTreeSet<StorageId>,
        /// Without waiting for hooks.
        force: bool,
    },
    /// Give kept storage to a unit.
    AttachStorage {
        /// The unit.
        unit: UnitName,
        /// Which.
        storage: BTreeSet<StorageId>,
    },
    /// Destroy storage.
    RemoveStorage {
        /// Which.
        storage: BTreeSet<StorageId>,
        /// Also if a unit has it, and without waiting for hooks.
        force: bool,
        /// Let go of the data without destroying it.
        keep_data: bool,
    },
    /// Make a way of making storage.
    CreateStoragePool {
        /// Its name.
        name: PoolName,
        /// What makes it.
        provider: Provider,
        /// Settings for the provider.
        attributes: BTreeMap<String, String>,
    },
    /// Run an action on units.
    RunAction {
        /// Where.
        targets: Vec<TargetRef>,
        /// Which.
        action: ActionName,
        /// With which parameters.
        parameters: serde_json::Map<String, serde_json::Value>,
    },
    /// Run a shell command on units and machines.
    RunCommand {
        /// Where.
        targets: Vec<TargetRef>,
        /// What.
        command: String,
        /// After how many milliseconds it is killed.
        timeout_ms: Option<u64>,
        /// Whether it need not wait for the machine's lock.
        parallel: bool,
        /// The lock that it takes in place of the machine's.
        execution_group: String,
    },
    /// End tasks.
    CancelTasks(BTreeSet<TaskId>),
    /// Of users' secrets.
    Secret(SecretCommand),
    /// Answer failed hooks.
    Resolve {
        /// Whose; empty is every unit in error.
        units: BTreeSet<UnitName>,
        /// Whether the hook runs again, or counts as done.
        retry: bool,
    },
}

/// Targets of one [`ModelCommand::RunAction`] or [`ModelCommand::RunCommand`]: each is three records,
/// and a Txn has its limit. Whoever has more gives several commands.
pub const MAX_TARGETS: usize = 30;

/// An application, and its endpoint if the operator named it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct EndpointRef {
    /// The application.
    pub application: ApplicationName,
    /// The endpoint; none: the one that fits.
    #[serde(default)]
    pub endpoint: Option<EndpointName>,
}

/// A relation, by its number or by what it connects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelationRef {
    /// By number.
    Id(RelationId),
    /// By what it connects.
    Ends(EndpointRef, EndpointRef),
}

/// Where something should run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetRef {
    /// A unit.
    Unit(UnitName),
    /// Whoever leads an application.
    Leader(ApplicationName),
    /// Every unit of an application.
    Application(ApplicationName),
    /// A machine, without a unit.
    Machine(MachineId),
    /// Every machine.
    AllMachines,
}
