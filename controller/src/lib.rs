//! The controller: store, ledger, server, upkeep and substrates.
//!
//! [`init`] makes an installation, [`run`] serves it, [`teardown`] removes what it made without it.
//! The first two are given what they could open
//! themselves, so that a test starts as many controllers as it wants in one process and ends them
//! with a token.

pub mod config;
pub mod disk;
pub mod heard;
pub mod identity;
pub mod ledger;
pub mod log;
pub mod provision;
pub mod server;
pub mod store;
pub mod substrate;
pub mod vault;

mod clock;
mod teardown;
mod tick;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

pub use teardown::teardown;

/// How every error is told.
pub use muster_console::outcome::Chain;
use muster_model::command::{Command, EstateCommand};
use muster_model::name::{CloudName, ModelId, UserName};
use muster_model::record::{OfferedBase, TokenHash};
use muster_model::{Caller, Timestamp, rules};
use muster_resources::BlobStore;
use thiserror::Error as ThisError;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use config::{Settings, SubstrateChoice};
use heard::Hearing;
use identity::Authority;
use ledger::Ledger;
use log::Logs;
use provision::{Plan, Provisioner};
use server::{App, Claims, Lane, Turns};
use store::{Embedded, Store};
use substrate::Substrate;
use vault::{Keys, Vault, VaultError};

/// Muster's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The port on which agents inside machines reach the controller, on their network's gateway.
pub const AGENT_PORT: u16 = 17070;

/// How many threads read blobs for those who fetch them: enough to keep a disk busy.
const READERS: usize = 4;

/// Why a controller did not start, or did not go on.
#[derive(Debug, ThisError)]
pub enum RunError {
    /// The store.
    #[error("cannot use the store")]
    Store(#[source] store::StoreError),
    /// The certificates.
    #[error("cannot use the controller's identity")]
    Identity(#[source] identity::IdentityError),
    /// The blobs.
    #[error("cannot use the blob store")]
    Blobs(#[source] Box<muster_resources::StoreError>),
    /// A folder or socket.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What happened.
        #[source]
        source: std::io::Error,
    },
    /// The substrate.
    #[error("cannot use the substrate")]
    Substrate(#[source] Box<substrate::SubstrateError>),
    /// What was made could not be removed.
    #[error("cannot remove what was made on this host")]
    Teardown(#[source] Box<provision::ProvisionError>),
    /// The vault.
    #[error("cannot use the vault of secrets")]
    Vault(#[source] VaultError),
    /// The first command was refused.
    #[error("{0}")]
    Refused(muster_model::Refusal),
    /// There is an installation here already.
    #[error("`{0}` holds a controller already; `muster-controller run` starts it")]
    Present(String),
    /// There is none.
    #[error("`{0}` holds no controller; `muster-controller init` makes one")]
    Absent(String),
    /// There is a store and nothing that vouches for it (R22).
    #[error(
        "`{0}` holds a store without its authority (`ca.pem`, `ca-key.pem`); \
         restore these files from a backup"
    )]
    Damaged(String),
    /// Others can read it.
    #[error("`{0}` can be read by others; its mode must be {1}")]
    Open(String, &'static str),
}

/// Who and what a new installation is.
#[derive(Clone, Debug)]
pub struct Init {
    /// Its name.
    pub name: CloudName,
    /// Its cloud.
    pub cloud: CloudName,
    /// Its first user.
    pub admin: UserName,
    /// The hash of that user's token.
    pub token: TokenHash,
}

/// The file that says that an installation is being made: what is beside it was never served.
const BEGUN: &str = "init.begun";

/// Makes an installation in an empty data directory: authority, store, first user. One that was cut
/// off is made anew.
///
/// # Errors
/// If there is one already, or it cannot be written.
pub fn init(data_dir: &Path, asked: &Init, now: Timestamp) -> Result<(), RunError> {
    if data_dir.join("ca.pem").exists() {
        return Err(RunError::Present(data_dir.display().to_string()));
    }
    let make = |source| RunError::Io { what: "make the data directory", source };
    private_folder(data_dir).map_err(make)?;
    let begun = data_dir.join(BEGUN);
    if begun.exists() {
        for name in ["store.db", "store.db-wal", "store.db-shm", "ca-key.pem"] {
            match std::fs::remove_file(data_dir.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(make(error));
                }
                _ => {}
            }
        }
    } else if data_dir.join("store.db").exists() {
        return Err(RunError::Damaged(data_dir.display().to_string()));
    }
    disk::write(&begun, b"", 0o600).map_err(|(_, source)| make(source))?;
    let mut store = Embedded::create(data_dir).map_err(RunError::Store)?;
    let command = Command::Estate(EstateCommand::Bootstrap {
        uuid: ModelId(uuid::Uuid::new_v4()),
        name: asked.name.clone(),
        cloud: asked.cloud.clone(),
        admin: asked.admin.clone(),
        token: asked.token,
    });
    let estate = ledger::fold(&store.load().map_err(RunError::Store)?);
    let decision =
        rules::decide(&estate, &Caller::Controller, &command, now).map_err(RunError::Refused)?;
    store.commit(std::slice::from_ref(&decision.txn)).map_err(RunError::Store)?;
    // Last: its presence says that all of it is there.
    Keys::open(data_dir, true).map_err(RunError::Vault)?;
    let authority = Authority::make(asked.name.as_str()).map_err(RunError::Identity)?;
    authority.save(data_dir).map_err(RunError::Identity)?;
    std::fs::remove_file(&begun).map_err(make)
}

fn private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}

/// Refuses a data directory that holds no whole installation, or one that others can read.
fn present(folder: &Path) -> Result<(), RunError> {
    use std::os::unix::fs::PermissionsExt;
    let shown = folder.display().to_string();
    let (known, store) = (folder.join("ca.pem").exists(), folder.join("store.db").exists());
    match (known, store) {
        (true, true) => {}
        (false, true) if !folder.join(BEGUN).exists() => return Err(RunError::Damaged(shown)),
        // The store says what is wrong.
        (true, false) => {}
        (false, _) => return Err(RunError::Absent(shown)),
    }
    for (path, mode, said) in
        [(folder.to_owned(), 0o077, "0700"), (folder.join("ca-key.pem"), 0o077, "0600")]
    {
        let found = std::fs::metadata(&path)
            .map_err(|source| RunError::Io { what: "look at the data directory", source })?;
        if found.permissions().mode() & mode != 0 {
            return Err(RunError::Open(path.display().to_string(), said));
        }
    }
    Ok(())
}

/// Serves the installation in the settings' data directory until `shutdown`, on `listener` for
/// clients and on the machines' own network for agents.
///
/// # Errors
/// If something it needs cannot be opened, or the store fails while it runs.
pub async fn run(
    settings: Settings,
    listener: std::net::TcpListener,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let folder = settings.data_dir.clone();
    present(&folder)?;
    let (times, limits) = (settings.times, settings.limits);
    let authority = Authority::load(&folder).map_err(RunError::Identity)?;
    let store = Embedded::open(&folder).map_err(RunError::Store)?.reserving(limits.reserve);
    let blobs = BlobStore::open(folder.join("blobs"))
        .map_err(|source| RunError::Blobs(Box::new(source)))?;
    let io = |what| move |source| RunError::Io { what, source };
    let logs =
        Logs::open(&folder.join("logs"), settings.limits.log).map_err(io("open the logs"))?;
    let hearing = Hearing::new(times.quiet);
    let (ended, failed) = tokio::sync::oneshot::channel();
    let (ledger, thread) = Ledger::start(store, hearing.watch(), ended).map_err(RunError::Store)?;
    let vault = open_vault(&folder, &ledger)?;

    offer(&ledger, &settings).await;

    let local = listener.local_addr().map_err(io("read the listener's address"))?;
    let substrate = open_substrate(&settings).await?;
    let mut addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), local.ip()];
    let mut listeners = vec![listener];
    let mut agent_addresses = Vec::new();
    if let Some(substrate) = substrate.clone() {
        let gateway = IpAddr::V4(substrate.gateway());
        let opened = tokio::task::spawn_blocking(move || substrate.listen(AGENT_PORT))
            .await
            .map_err(|error| RunError::Io { what: "listen for agents", source: error.into() })?
            .map_err(|error| RunError::Substrate(Box::new(error)))?;
        listeners.push(opened);
        addresses.push(gateway);
        agent_addresses.push(SocketAddr::new(gateway, AGENT_PORT));
    }
    let tls = identity::server_config(&authority, &addresses).map_err(RunError::Identity)?;
    let provisioner = Provisioner::new(Plan {
        substrate,
        agent: settings.agent.clone(),
        authority: authority.certificate().to_owned(),
        addresses: agent_addresses.clone(),
        local_address: local,
        host_root: folder.join(config::THIS_HOST),
        parallel: settings.parallel_machines,
    });
    let app = App {
        ledger: ledger.clone(),
        blobs: blobs.clone(),
        reader: settings.reader.clone(),
        vault,
        logs: logs.clone(),
        hearing: hearing.clone(),
        provisioner: provisioner.clone(),
        agent_addresses: if agent_addresses.is_empty() { vec![local] } else { agent_addresses },
        claims: Claims::new(times.unnamed),
        uploads: Turns::new(limits.uploads),
        shells: server::Shells::default(),
        watches: Turns::new(limits.watches),
        logging: Lane::new(1),
        reading: Lane::new(READERS),
        times,
        shutdown: shutdown.clone(),
    };
    let router = server::router(app);
    let mut serving = Vec::new();
    for listener in listeners {
        listener.set_nonblocking(true).map_err(io("listen"))?;
        let listener = TcpListener::from_std(listener).map_err(io("listen"))?;
        let serve =
            server::serve(listener, tls.clone(), router.clone(), (times, limits), shutdown.clone());
        serving.push(tokio::spawn(serve));
    }
    drop(router);
    let provisioning = tokio::spawn(provisioner.run(ledger.clone(), shutdown.clone()));
    let ticking = tokio::spawn(tick::run(ledger.clone(), hearing, times.beat, shutdown.clone()));
    let tidying = tokio::spawn(tick::tidy(ledger.clone(), blobs, logs, times, shutdown.clone()));
    tracing::info!(address = %local, revision = %ledger.estate().revision(), "serving");
    drop(ledger);

    tokio::select! {
        () = shutdown.cancelled() => {}
        _ = failed => {
            // What is known is not what is on disk: nothing more is answered or begun (R1).
            shutdown.cancel();
            for task in serving.into_iter().chain([provisioning, ticking, tidying]) {
                task.abort();
            }
            return close(thread).await;
        }
    }
    for task in serving.into_iter().chain([provisioning, ticking, tidying]) {
        finished(task.await);
    }
    close(thread).await
}

async fn close(thread: ledger::LedgerThread) -> Result<(), RunError> {
    tokio::task::spawn_blocking(move || thread.join())
        .await
        .map_err(|error| RunError::Io { what: "end the ledger", source: error.into() })?
        .map_err(RunError::Store)
}

fn finished(result: Result<(), tokio::task::JoinError>) {
    if let Err(error) = result {
        tracing::error!(%error, "a task of the controller failed");
    }
}

/// The vault, whose keys are made where an installation is from before there was one.
fn open_vault(folder: &Path, ledger: &Ledger) -> Result<Vault, RunError> {
    let mut models = ledger.estate().models().cloned().collect::<Vec<_>>().into_iter();
    let fresh = models.all(|model| model.table::<muster_model::record::Secret>().is_empty());
    Keys::open(folder, fresh).map(Vault::new).map_err(RunError::Vault)
}

/// Changes the key of the vault of an installation that does not run; answers how many contents of
/// secrets it wraps from now on.
///
/// # Errors
/// If the controller runs, or something cannot be read or written. It may be begun again.
pub fn rotate_vault(folder: &Path) -> Result<usize, RunError> {
    let mut store = Embedded::open(folder).map_err(RunError::Store)?;
    vault::rotate(folder, &mut store).map_err(RunError::Vault)
}

/// Tells the estate of which bases this controller has images.
async fn offer(ledger: &Ledger, settings: &Settings) {
    let offered = match &settings.substrate {
        SubstrateChoice::None => Vec::new(),
        SubstrateChoice::Nspawn { images, .. } => images
            .iter()
            .map(|image| OfferedBase {
                base: image.base.clone(),
                stands_on: image.stands_on.clone(),
            })
            .collect(),
    };
    let command = Command::Estate(EstateCommand::OfferBases(offered));
    // One whose disk is full still answers, and knows what it offered before.
    if let Err(error) = ledger.command(Caller::Controller, None, command, false).await {
        tracing::warn!(error = %Chain(&error), "the bases of machines were not written down");
    }
}

async fn open_substrate(settings: &Settings) -> Result<Option<Substrate>, RunError> {
    let SubstrateChoice::Nspawn { state_root, cache_root, prefix, images } =
        settings.substrate.clone()
    else {
        return Ok(None);
    };
    let rest = substrate::Settings::default();
    let wanted = substrate::Settings { state_root, cache_root, prefix, images, ..rest };
    let opened = tokio::task::spawn_blocking(move || Substrate::open(wanted))
        .await
        .map_err(|error| RunError::Io { what: "open the substrate", source: error.into() })?
        .map_err(|error| RunError::Substrate(Box::new(error)))?;
    Ok(Some(opened))
}

/// The wall clock, for whoever calls [`init`].
#[must_use]
pub fn now() -> Timestamp {
    clock::now()
}
