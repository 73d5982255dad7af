//! Models: made, listed, chosen, shared, taken down.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_console::duration::GoDuration;
use muster_console::flags::{Flag, Line, Usage, UsageError};
use muster_model::name::{CloudName, ModelName, UserName};
use muster_model::record::{ControllerAccess, ModelAccess};

use super::Entry;
use super::common::{
    CONTROLLER, GLOBAL, OUTPUT, TABULAR, YAML, check_removal, need, pair, parse, rule,
};
use crate::act::Act;

/// `add-model`.
#[derive(Clone, Debug, PartialEq)]
pub struct AddModel {
    /// Its name.
    pub name: ModelName,
    /// Its cloud, or the region of the controller's own, when named.
    pub cloud: Option<CloudName>,
    /// The region behind a cloud, when named.
    pub region: Option<CloudName>,
    /// The credential, when named.
    pub credential: Option<String>,
    /// Options that differ from the defaults.
    pub config: BTreeMap<String, String>,
    /// YAML files of options, under them.
    pub files: Vec<String>,
    /// Whose it is.
    pub owner: Option<UserName>,
    /// Do not make it the current one.
    pub no_switch: bool,
}

/// `destroy-model`.
#[derive(Clone, Debug, PartialEq)]
pub struct DestroyModel {
    /// Which, as typed.
    pub model: String,
    /// Without the question.
    pub no_prompt: bool,
    /// Whether storage is destroyed or let go of; none refuses if there is any.
    pub destroy_storage: Option<bool>,
    /// Without waiting for hooks.
    pub force: bool,
    /// How long to wait until it is gone.
    pub timeout: Option<Duration>,
}

/// `models`.
#[derive(Clone, Debug, PartialEq)]
pub struct Models {
    /// Show identities.
    pub uuids: bool,
    /// Only this user's.
    pub user: Option<UserName>,
}

/// `show-model`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShowModel {
    /// Which, as typed; none is the current one.
    pub model: Option<String>,
}

/// `switch`.
#[derive(Clone, Debug, PartialEq)]
pub struct Switch {
    /// To what, as typed; none says what is current.
    pub to: Option<String>,
}

/// `grant` and `revoke` on a controller.
#[derive(Clone, Debug, PartialEq)]
pub struct GrantController {
    /// Whom.
    pub user: UserName,
    /// What is left to the user then.
    pub access: ControllerAccess,
}

/// `grant` and `revoke` on models.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// Whom.
    pub user: UserName,
    /// What.
    pub access: ModelAccess,
    /// Where, as typed.
    pub models: Vec<String>,
    /// Whether it is taken away.
    pub revoke: bool,
}

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::list(
                        &["config"],
                        "KEY=VALUE|FILE",
                        "Set an option, or those of a YAML file.",
                    ),
                    Flag::value(&["credential"], "NAME", "Accepted; this cloud needs none."),
                    Flag::value(&["owner"], "USER", "Whose it is."),
                    Flag::switch(&["no-switch"], "Do not make it the current model."),
                ],
                CONTROLLER,
                GLOBAL,
            ],
            examples: &["add-model words", "add-model words --config mode= --no-switch"],
            ..Usage::of("add-model", "<name> [<cloud>|<region>|<cloud>/<region>]", "Make a model.")
        },
        aliases: &[],
        formats: &[],
        read: add_model,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::switch(&["destroy-storage"], "Destroy all its storage."),
                    Flag::switch(&["release-storage"], "Forget its storage, but leave the data."),
                    Flag::value(
                        &["timeout", "t"],
                        "DURATION",
                        "How long to wait until it is gone.",
                    ),
                ],
                super::common::REMOVAL,
                GLOBAL,
            ],
            details: "Returns when the model is gone.",
            examples: &["destroy-model words --no-prompt --destroy-storage"],
            ..Usage::of(
                "destroy-model",
                "[<controller>:]<model>",
                "Take a model down, with everything in it.",
            )
        },
        aliases: &[],
        formats: &[],
        read: destroy_model,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::switch(&["uuid"], "Show identities."),
                    Flag::switch(&["all"], "Accepted; all that may be seen are listed."),
                    Flag::value(&["user"], "USER", "Only this user's."),
                    Flag::switch(&["exact-time"], "Show dates and not how long ago."),
                ],
                OUTPUT,
                CONTROLLER,
                GLOBAL,
            ],
            examples: &["models", "models --format json"],
            ..Usage::of("models", "", "List models.")
        },
        aliases: &["list-models"],
        formats: TABULAR,
        read: models,
    },
    Entry {
        usage: Usage {
            flags: &[
                OUTPUT,
                &[Flag::value(&["model", "m"], "MODEL", "Older form of the positional.")],
                GLOBAL,
            ],
            examples: &["show-model", "show-model words --format json"],
            ..Usage::of("show-model", "[[<controller>:]<model>]", "Show a model.")
        },
        aliases: &[],
        formats: YAML,
        read: show_model,
    },
    Entry {
        usage: Usage {
            flags: &[GLOBAL],
            details: "Without an argument says what is current. A trailing colon means a controller, a leading one a model.",
            examples: &["switch", "switch words", "switch home:", "switch home:admin/words"],
            ..Usage::of(
                "switch",
                "[<controller>|<model>|<controller>:<model>]",
                "Choose the controller and model to work on.",
            )
        },
        aliases: &[],
        formats: &[],
        read: switch,
    },
    Entry {
        usage: Usage {
            flags: &[CONTROLLER, GLOBAL],
            examples: &["grant ann write words", "grant ann add-model"],
            ..Usage::of(
                "grant",
                "<user> read|write|admin <model> ... | <user> login|add-model|superuser",
                "Let a user use models, or the controller.",
            )
        },
        aliases: &[],
        formats: &[],
        read: grant,
    },
    Entry {
        usage: Usage {
            flags: &[CONTROLLER, GLOBAL],
            examples: &["revoke ann write words", "revoke ann superuser"],
            ..Usage::of(
                "revoke",
                "<user> read|write|admin <model> ... | <user> add-model|superuser",
                "Take that away.",
            )
        },
        aliases: &[],
        formats: &[],
        read: revoke,
    },
];

fn add_model(line: &Line) -> Result<Act, UsageError> {
    line.at_most(2)?;
    let name = need(line, 0, "model name")?;
    let (cloud, region) = match line.word(1).map(|text| text.split_once('/').unwrap_or((text, "")))
    {
        None => (None, None),
        Some((cloud, "")) => (Some(parse(cloud)?), None),
        Some((cloud, region)) => (Some(parse(cloud)?), Some(parse(region)?)),
    };
    let (mut config, mut files) = (BTreeMap::new(), Vec::new());
    for text in line.all("config") {
        if text.contains('=') {
            let (key, value) = pair(text)?;
            config.insert(key.to_owned(), value.to_owned());
        } else {
            files.push(text.to_owned());
        }
    }
    Ok(Act::AddModel(AddModel {
        name,
        cloud,
        region,
        credential: line.last("credential").map(str::to_owned),
        config,
        files,
        owner: line.parsed("owner")?,
        no_switch: line.on("no-switch"),
    }))
}

fn destroy_model(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    check_removal(line)?;
    let destroy_storage = match (line.on("destroy-storage"), line.on("release-storage")) {
        (true, true) => {
            return Err(rule("--destroy-storage and --release-storage cannot both be specified"));
        }
        (true, false) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    };
    Ok(Act::DestroyModel(DestroyModel {
        model: line.need(0, "model")?.to_owned(),
        no_prompt: line.on("no-prompt"),
        destroy_storage,
        force: line.on("force"),
        timeout: line.parsed::<GoDuration>("timeout")?.and_then(GoDuration::positive),
    }))
}

fn models(line: &Line) -> Result<Act, UsageError> {
    line.at_most(0)?;
    Ok(Act::Models(Models { uuids: line.on("uuid"), user: line.parsed("user")? }))
}

fn show_model(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    let model = line.word(0).or_else(|| line.last("model"));
    Ok(Act::ShowModel(ShowModel { model: model.map(str::to_owned) }))
}

fn switch(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    Ok(Act::Switch(Switch { to: line.word(0).map(str::to_owned) }))
}

/// The access to the controller that `level` names; taking one away leaves the one below it.
fn of_controller(level: &str, revoke: bool) -> Result<Option<ControllerAccess>, UsageError> {
    Ok(match (level, revoke) {
        ("login", false) | ("add-model", true) => Some(ControllerAccess::Login),
        ("add-model", false) | ("superuser", true) => Some(ControllerAccess::AddModel),
        ("superuser", false) => Some(ControllerAccess::Superuser),
        ("login", true) => {
            return Err(rule("taking \"login\" away would leave a user who can do nothing at all"));
        }
        _ => None,
    })
}

fn access(line: &Line, revoke: bool) -> Result<Act, UsageError> {
    let user = need(line, 0, "user")?;
    let level = line.need(1, "permission level")?;
    if let Some(access) = of_controller(level, revoke)? {
        line.at_most(2)?;
        return Ok(Act::GrantController(GrantController { user, access }));
    }
    let access = match level {
        "read" => ModelAccess::Read,
        "write" => ModelAccess::Write,
        "admin" => ModelAccess::Admin,
        other => {
            return Err(UsageError::rule(format!(
                "{other:?} is no access; a model has read, write and admin, a controller login, add-model and superuser"
            )));
        }
    };
    let models: Vec<String> = line.words.iter().skip(2).cloned().collect();
    if models.is_empty() {
        return Err(rule("no model specified"));
    }
    Ok(Act::Grant(Grant { user, access, models, revoke }))
}

fn grant(line: &Line) -> Result<Act, UsageError> {
    access(line, false)
}

fn revoke(line: &Line) -> Result<Act, UsageError> {
    access(line, true)
}
