//! Controllers: made, listed, forgotten, taken down; and what is asked of one as a whole.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use muster_console::duration::GoDuration;
use muster_console::flags::{Flag, Line, Usage, UsageError};
use muster_model::constraints::Constraints;
use muster_model::name::CloudName;

use super::Entry;
use super::common::{CONTROLLER, GLOBAL, OUTPUT, TABULAR, YAML, constraints, pair, parse, rule};
use crate::act::Act;

/// `bootstrap`.
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    /// On which cloud.
    pub cloud: CloudName,
    /// What the controller is called.
    pub name: CloudName,
    /// Its settings.
    pub config: BTreeMap<String, String>,
    /// Options of every new model.
    pub model_defaults: BTreeMap<String, String>,
    /// Constraints of every new model.
    pub constraints: Constraints,
    /// A model to make at once.
    pub add_model: Option<String>,
    /// Do not make it the current controller.
    pub no_switch: bool,
    /// Leave what was made when it goes wrong.
    pub keep_broken: bool,
    /// Where it keeps its data; none is the usual place.
    pub data: Option<PathBuf>,
}

/// `kill-controller` and `destroy-controller`.
#[derive(Clone, Debug, PartialEq)]
pub struct KillController {
    /// Which.
    pub name: String,
    /// Without the question.
    pub no_prompt: bool,
    /// Whether models may still be there.
    pub with_models: bool,
    /// How long to wait for machines.
    pub timeout: Option<Duration>,
}

/// `start-controller`.
#[derive(Clone, Debug, PartialEq)]
pub struct StartController {
    /// Which.
    pub name: String,
}

/// `controllers` and `show-controller`.
#[derive(Clone, Debug, PartialEq)]
pub struct Controllers {
    /// Which; empty is all.
    pub names: Vec<String>,
    /// Whether it is `show-controller`.
    pub show: bool,
}

/// `unregister`.
#[derive(Clone, Debug, PartialEq)]
pub struct Unregister {
    /// Which.
    pub name: String,
    /// Without the question.
    pub no_prompt: bool,
}

/// `version`.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// Everything that is known of it.
    pub all: bool,
}

const PROMPT: &[Flag] = &[Flag::switch(&["no-prompt", "yes", "y"], "Do not ask.")];

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::switch(&["no-switch"], "Do not make it the current controller."),
                    Flag::value(&["bootstrap-base"], "BASE", "Accepted; the controller runs on this host."),
                    Flag::value(&["bootstrap-series"], "SERIES", "Accepted."),
                    Flag::list(&["bootstrap-constraints"], "KEY=VALUE", "Accepted; the controller runs on this host."),
                    Flag::value(&["bootstrap-image"], "ID", "Accepted."),
                    Flag::list(&["constraints"], "KEY=VALUE", "What machines of new models must have."),
                    Flag::list(&["config"], "KEY=VALUE", "Set an option of the controller."),
                    Flag::list(&["model-default"], "KEY=VALUE", "Set an option of new models."),
                    Flag::list(&["storage-pool"], "KEY=VALUE", "Accepted; loop, rootfs and tmpfs are always there."),
                    Flag::value(&["credential"], "NAME", "Accepted; this host needs none."),
                    Flag::value(&["to"], "PLACE", "Accepted; the controller runs on this host."),
                    Flag::value(&["metadata-source"], "FOLDER", "Accepted."),
                    Flag::value(&["agent-version"], "VERSION", "Accepted; agents have the controller's version."),
                    Flag::switch(&["auto-upgrade"], "Accepted."),
                    Flag::switch(&["build-agent"], "Accepted."),
                    Flag::switch(&["force"], "Accepted."),
                    Flag::switch(&["keep-broken"], "Leave what was made when it goes wrong."),
                    Flag::value(&["add-model"], "NAME", "Make this model, too."),
                    Flag::switch(&["clouds"], "List the clouds there are."),
                    Flag::value(&["regions"], "CLOUD", "List a cloud's regions."),
                    Flag::value(&["data-folder"], "FOLDER", "Where the controller keeps its data."),
                    Flag::value(&["controller-charm-path"], "PATH", "Accepted."),
                    Flag::value(&["controller-charm-channel"], "CHANNEL", "Accepted."),
                ],
                GLOBAL,
            ],
            details: "\
Makes a controller on this host: its data folder and its own certificate authority, a process that
outlives this command, and the root file system that machines are made from, once. Machines are system
containers on this host. Needs root.",
            examples: &["bootstrap localhost", "bootstrap localhost home --add-model words"],
            ..Usage::of("bootstrap", "[<cloud> [<name>]]", "Make a controller.")
        },
        aliases: &[],
        formats: &[],
        read: bootstrap,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[Flag::value(&["timeout", "t"], "DURATION", "How long to wait for machines to go.")],
                PROMPT,
                GLOBAL,
            ],
            details: "Every model, machine and file of the controller goes. Nothing is left on the host.",
            examples: &["kill-controller home --no-prompt"],
            ..Usage::of("kill-controller", "<controller>", "Take a controller down, with everything it made.")
        },
        aliases: &[],
        formats: &[],
        read: kill_controller,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::switch(&["destroy-all-models"], "Also when there are models."),
                    Flag::switch(&["destroy-storage"], "Accepted; storage goes with the machines."),
                    Flag::switch(&["release-storage"], "Refused: nothing of it would be left to find."),
                    Flag::switch(&["force"], "Accepted."),
                    Flag::switch(&["no-wait"], "Accepted."),
                    Flag::value(&["model-timeout"], "DURATION", "How long to wait for models to go."),
                ],
                PROMPT,
                GLOBAL,
            ],
            examples: &["destroy-controller home --destroy-all-models --no-prompt"],
            ..Usage::of("destroy-controller", "<controller>", "Take a controller down once its models are gone.")
        },
        aliases: &[],
        formats: &[],
        read: destroy_controller,
    },
    Entry {
        usage: Usage {
            flags: &[GLOBAL],
            details: "For a controller on this host whose process has ended, such as after the host restarted.",
            examples: &["start-controller home"],
            ..Usage::of("start-controller", "<controller>", "Start a controller of this host again.")
        },
        aliases: &[],
        formats: &[],
        read: start_controller,
    },
    Entry {
        usage: Usage {
            flags: &[&[Flag::switch(&["refresh"], "Accepted; what is stored is shown.")], OUTPUT, GLOBAL],
            examples: &["controllers", "controllers --format json"],
            ..Usage::of("controllers", "", "List the controllers that are known here.")
        },
        aliases: &["list-controllers"],
        formats: TABULAR,
        read: controllers,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[Flag::switch(&["show-password"], "Refused: tokens are never shown.")],
                OUTPUT,
                GLOBAL,
            ],
            examples: &["show-controller"],
            ..Usage::of("show-controller", "[<controller> ...]", "Show controllers.")
        },
        aliases: &[],
        formats: YAML,
        read: show_controller,
    },
    Entry {
        usage: Usage {
            flags: &[PROMPT, GLOBAL],
            examples: &["unregister home --no-prompt"],
            ..Usage::of("unregister", "<controller>", "Forget a controller; it is left as it is.")
        },
        aliases: &[],
        formats: &[],
        read: unregister,
    },
    Entry {
        usage: Usage {
            flags: &[OUTPUT, CONTROLLER, GLOBAL],
            examples: &["whoami"],
            ..Usage::of("whoami", "", "Say as whom one works, and where.")
        },
        aliases: &[],
        formats: TABULAR,
        read: whoami,
    },
    Entry {
        usage: Usage {
            flags: &[CONTROLLER, GLOBAL],
            examples: &["doctor"],
            ..Usage::of("doctor", "", "Ask a controller what is not as it must be.")
        },
        aliases: &[],
        formats: &[],
        read: doctor,
    },
    Entry {
        usage: Usage {
            flags: &[&[Flag::switch(&["all"], "Everything that is known of it.")], OUTPUT, GLOBAL],
            details: "\
The number is that of the dialect that is spoken, so that programs which branch on it find what they
expect; --all also shows Muster's own.",
            examples: &["version", "version --all --format json"],
            ..Usage::of("version", "", "Show the version.")
        },
        aliases: &[],
        formats: &["smart", "plain", "yaml", "json"],
        read: version,
    },
];

fn pairs(line: &Line, key: &'static str) -> Result<BTreeMap<String, String>, UsageError> {
    let mut all = BTreeMap::new();
    for text in line.all(key) {
        let (name, value) = pair(text)?;
        all.insert(name.to_owned(), value.to_owned());
    }
    Ok(all)
}

fn bootstrap(line: &Line) -> Result<Act, UsageError> {
    line.at_most(2)?;
    let typed = line.word(0).unwrap_or("localhost");
    let cloud: CloudName = parse(typed.split('/').next().unwrap_or_default())?;
    if cloud.as_str() != "localhost" {
        return Err(UsageError::rule(format!(
            "unknown cloud {:?}; there is one, \"localhost\": system containers on this host",
            cloud.as_str()
        )));
    }
    let name = parse(line.word(1).unwrap_or("localhost-localhost"))?;
    Ok(Act::Bootstrap(Box::new(Bootstrap {
        cloud,
        name,
        config: pairs(line, "config")?,
        model_defaults: pairs(line, "model-default")?,
        constraints: constraints(line, "constraints")?,
        add_model: line.last("add-model").map(str::to_owned),
        no_switch: line.on("no-switch"),
        keep_broken: line.on("keep-broken"),
        data: line.last("data-folder").map(PathBuf::from),
    })))
}

fn one_name(line: &Line) -> Result<String, UsageError> {
    line.at_most(1)?;
    Ok(line.need(0, "controller")?.to_owned())
}

fn kill_controller(line: &Line) -> Result<Act, UsageError> {
    Ok(Act::KillController(KillController {
        name: one_name(line)?,
        no_prompt: line.on("no-prompt"),
        with_models: true,
        timeout: line.parsed::<GoDuration>("timeout")?.and_then(GoDuration::positive),
    }))
}

fn start_controller(line: &Line) -> Result<Act, UsageError> {
    Ok(Act::StartController(StartController { name: one_name(line)? }))
}

fn destroy_controller(line: &Line) -> Result<Act, UsageError> {
    if line.on("release-storage") {
        return Err(rule(
            "--release-storage is for models: nothing here would be left to find it by",
        ));
    }
    Ok(Act::KillController(KillController {
        name: one_name(line)?,
        no_prompt: line.on("no-prompt"),
        with_models: line.on("destroy-all-models"),
        timeout: line.parsed::<GoDuration>("model-timeout")?.and_then(GoDuration::positive),
    }))
}

fn controllers(line: &Line) -> Result<Act, UsageError> {
    line.at_most(0)?;
    Ok(Act::Controllers(Controllers { names: Vec::new(), show: false }))
}

fn show_controller(line: &Line) -> Result<Act, UsageError> {
    if line.on("show-password") {
        return Err(rule("tokens are never shown; log in again to get a new one"));
    }
    Ok(Act::Controllers(Controllers { names: line.words.clone(), show: true }))
}

fn unregister(line: &Line) -> Result<Act, UsageError> {
    Ok(Act::Unregister(Unregister { name: one_name(line)?, no_prompt: line.on("no-prompt") }))
}

fn whoami(line: &Line) -> Result<Act, UsageError> {
    line.at_most(0)?;
    Ok(Act::Whoami)
}

fn doctor(line: &Line) -> Result<Act, UsageError> {
    line.at_most(0)?;
    Ok(Act::Doctor)
}

fn version(line: &Line) -> Result<Act, UsageError> {
    line.at_most(0)?;
    Ok(Act::Version(Version { all: line.on("all") }))
}
