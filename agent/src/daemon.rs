//! The agent as a service: configuration, log, signals; then [`crate::run`].

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use muster_console::outcome::{Chain, error_line};
use muster_model::name::{MachineId, ModelId};
use muster_resources::Reader;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::config;
use crate::identity;
use crate::purge::purge;

const HELP: &str = "Usage: muster-agent [--config FILE]

Makes true on this machine what its controller wants, and runs the units that live here.

  --config FILE   The configuration; /etc/muster/agent.toml by default.
  --purge MODEL/MACHINE
                  Take away what the agent of that machine left here, print where the data of kept
                  storage is, which stays, and leave.
  --version       Print the version and leave.
  --help          Print this text and leave.
";

/// Runs the agent until it is told to end.
#[must_use]
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut file = PathBuf::from("/etc/muster/agent.toml");
    let mut purged = None;
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--config") => match words.next() {
                Some(path) => file = path.into(),
                None => return refuse("option needs an argument: --config"),
            },
            Some("--purge") => match words.next().as_deref().and_then(machine) {
                Some(machine) => purged = Some(machine),
                None => return refuse("--purge needs a machine: MODEL/MACHINE"),
            },
            Some("--help" | "-h") => return print(HELP),
            Some("--version") => return print(&format!("{}\n", env!("CARGO_PKG_VERSION"))),
            _ => return refuse(&format!("unrecognized args: [{word:?}]")),
        }
    }
    let filter = EnvFilter::try_from_env("MUSTER_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,hyper=warn,reqwest=warn,rustls=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    // Two threads: hooks and calls wait far more than they work, and an agent at rest is small.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(async {
            match purged {
                None => serve(file).await,
                Some(machine) => take_away(file, machine).await,
            }
        }),
        Err(error) => Err(Box::from(error)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&Chain(&*error).to_string()),
    }
}

/// `MODEL/MACHINE`, by their ids.
fn machine(word: &OsStr) -> Option<(ModelId, MachineId)> {
    let (model, machine) = word.to_str()?.split_once('/')?;
    Some((model.parse().ok()?, machine.parse().ok()?))
}

async fn take_away(
    file: PathBuf,
    machine: (ModelId, MachineId),
) -> Result<(), Box<dyn std::error::Error>> {
    let (settings, _) = config::load(&file, std::env::current_exe()?)?;
    let kept = purge(&settings, machine).await?;
    let mut out = std::io::stdout().lock();
    for path in kept {
        writeln!(out, "{}", path.display())?;
    }
    Ok(())
}

async fn serve(file: PathBuf) -> Result<(), Box<dyn std::error::Error>> {
    let program = std::env::current_exe()?;
    let (mut settings, connection) = config::load(&file, program)?;
    settings.reader = Reader::child();
    let stop = CancellationToken::new();
    let signals = stop.clone();
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        tracing::info!("the agent ends when what runs has ended");
        signals.cancel();
    });
    let (remote, identity) = match identity::establish(&settings, &connection, &stop).await {
        Err(identity::IdentityError::Stopped) => return Ok(()),
        established => established?,
    };
    tracing::info!(model = %identity.0, machine = %identity.1, "the agent has begun");
    crate::run(settings, Arc::new(remote), identity, stop).await?;
    Ok(())
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn refuse(text: &str) -> ExitCode {
    // Without standard error there is nobody to tell; the exit code remains.
    let _nobody = std::io::stderr().lock().write_all(error_line(text).as_bytes());
    ExitCode::FAILURE
}
