//! `muster-controller`: makes an installation (`init`), serves it (`run`), or removes what it made on
//! this host (`teardown`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use muster_controller::{Chain, Init, config};
use muster_resources::archive::{Reader, reader};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A controller's memory follows its agents, up and down again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "Usage:
  muster-controller init --name NAME --token-hash HEX [--admin USER] [--cloud CLOUD] [--data-dir DIR]
  muster-controller run [--config FILE] [--KEY VALUE …]
  muster-controller rotate-vault [--data-dir DIR]
  muster-controller teardown [--data-dir DIR] [--agent FILE]

`init` makes a new installation; `run` serves it; `rotate-vault` gives the vault of secrets another
key while the controller does not run. `teardown` removes machines, networks and whatever else
the records below DIR name, for a controller that does not run and perhaps cannot; it prints where data
stays, and leaves DIR. Keys of `run` are those of controller.toml:
data-dir, listen, substrate, machine-prefix, machine-mirror, cache-dir, agent, log, parallel-machines. Each
can also come from the environment, as MUSTER_CONTROLLER_DATA_DIR and so on. In the file, a section
[image.\"BASE\"] says what the machines of a base are made from: suite, mirror, components, pockets, keyring,
packages, files.
";

fn main() -> ExitCode {
    let mut words = std::env::args();
    if words.next().is_some_and(|own| own == reader::NAME) {
        return reader::serve();
    }
    let verb = words.next().unwrap_or_default();
    let result = match (verb.as_str(), flags(words)) {
        ("init", Ok(flags)) => init(flags),
        ("run", Ok(flags)) => run(flags),
        ("teardown", Ok(flags)) => teardown(&flags),
        ("rotate-vault", Ok(flags)) => rotate_vault(&flags),
        ("--version", _) => say(muster_controller::VERSION),
        ("--help" | "-h" | "help", _) => say(USAGE.trim_end()),
        (_, Err(error)) => Err(error),
        (other, Ok(_)) => Err(format!("unknown verb {other:?}\n{USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "what was asked for goes to stdout")]
fn say(text: &str) -> Result<(), String> {
    println!("{text}");
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the log may not be open yet")]
fn complain(text: &str) {
    eprintln!("ERROR {text}");
}

/// `--key value` and `--key=value`.
fn flags(mut words: impl Iterator<Item = String>) -> Result<BTreeMap<String, String>, String> {
    let mut flags = BTreeMap::new();
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix("--") else {
            return Err(format!("unexpected word {word:?}\n{USAGE}"));
        };
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => {
                let value = words.next().ok_or_else(|| format!("--{name} needs a value"))?;
                (name.to_owned(), value)
            }
        };
        flags.insert(name, value);
    }
    Ok(flags)
}

fn init(mut flags: BTreeMap<String, String>) -> Result<(), String> {
    let mut take = |key: &str, default: &str| match flags.remove(key) {
        Some(value) => Ok(value),
        None if default.is_empty() => Err(format!("--{key} is needed\n{USAGE}")),
        None => Ok(default.to_owned()),
    };
    let show = |error: &dyn std::error::Error| error.to_string();
    let asked = Init {
        name: take("name", "")?.parse().map_err(|error| show(&error))?,
        cloud: take("cloud", "localhost")?.parse().map_err(|error| show(&error))?,
        admin: take("admin", "admin")?.parse().map_err(|error| show(&error))?,
        token: take("token-hash", "")?.parse().map_err(|error| show(&error))?,
    };
    let settings = config::load(None, &flags).map_err(|error| Chain(&error).to_string())?;
    muster_controller::init(&settings.data_dir, &asked, muster_controller::now())
        .map_err(|error| Chain(&error).to_string())
}

fn teardown(flags: &BTreeMap<String, String>) -> Result<(), String> {
    // Whatever is wrong with its file, flags and defaults say enough.
    let settings = match config::load(None, flags) {
        Ok(settings) => settings,
        Err(error) => {
            complain(&format!("{}; going on without it", Chain(&error)));
            config::load(Some("/dev/null".as_ref()), flags)
                .map_err(|error| Chain(&error).to_string())?
        }
    };
    let left = muster_controller::teardown(&settings.data_dir, &settings.agent)
        .map_err(|error| Chain(&error).to_string())?;
    left.iter().try_for_each(|path| say(path))
}

fn rotate_vault(flags: &BTreeMap<String, String>) -> Result<(), String> {
    let settings = config::load(None, flags).map_err(|error| Chain(&error).to_string())?;
    let wrapped = muster_controller::rotate_vault(&settings.data_dir)
        .map_err(|error| Chain(&error).to_string())?;
    say(&format!("{wrapped} contents of secrets are under the new key; the old one is forgotten"))
}

fn run(mut flags: BTreeMap<String, String>) -> Result<(), String> {
    let file = flags.remove("config").map(PathBuf::from);
    let mut settings =
        config::load(file.as_deref(), &flags).map_err(|error| Chain(&error).to_string())?;
    settings.reader = Reader::child();
    let filter = tracing_subscriber::EnvFilter::try_new(&settings.log)
        .map_err(|error| format!("cannot use `log = {}`: {error}", settings.log))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let result = runtime.block_on(async {
        let listener = std::net::TcpListener::bind(settings.listen)
            .map_err(|error| format!("cannot listen on {}: {error}", settings.listen))?;
        let shutdown = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
        let told = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            told.cancel();
        });
        muster_controller::run(settings, listener, shutdown)
            .await
            .map_err(|error| Chain(&error).to_string())
    });
    // What still runs on a thread of its own has been waited for, or must not be (R1).
    runtime.shutdown_background();
    result
}
