//! Options and constraints, of applications and of models.

use std::collections::{BTreeMap, BTreeSet};

use muster_console::flags::{Flag, Line, Usage, UsageError};
use muster_model::command::ModelCommand;
use muster_model::name::{ApplicationName, OptionName};

use super::Entry;
use super::common::{GLOBAL, MODEL, OUTPUT, TABULAR, need, pair, parse, rule};
use crate::act::Act;

/// `config`.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The application.
    pub application: ApplicationName,
    /// Print this one's bare value.
    pub key: Option<OptionName>,
    /// Set these. A value of the form `@file` is read from there.
    pub set: BTreeMap<OptionName, String>,
    /// Set what this file says, under what is set by hand.
    pub file: Option<String>,
    /// Back to the default.
    pub reset: BTreeSet<OptionName>,
}

impl Config {
    /// Whether anything is to be changed.
    #[must_use]
    pub fn changes(&self) -> bool {
        !self.set.is_empty() || self.file.is_some() || !self.reset.is_empty()
    }
}

/// `model-config`.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    /// Print this one's bare value.
    pub key: Option<String>,
    /// Set these.
    pub set: BTreeMap<String, String>,
    /// Set what this file says, under what is set by hand.
    pub file: Option<String>,
    /// Back to the default.
    pub reset: BTreeSet<String>,
}

impl ModelConfig {
    /// Whether anything is to be changed.
    #[must_use]
    pub fn changes(&self) -> bool {
        !self.set.is_empty() || self.file.is_some() || !self.reset.is_empty()
    }
}

/// `model-constraints` and `constraints`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShowConstraints {
    /// Of which application; none is the model.
    pub application: Option<ApplicationName>,
}

const SETTING: &[Flag] = &[
    Flag::list(&["reset"], "KEY,…", "Set these back to their defaults."),
    Flag::value(&["file"], "FILE", "Set what this YAML file says."),
    Flag::switch(&["color"], "Accepted; nothing is coloured."),
    Flag::switch(&["no-color"], "Accepted; nothing is coloured."),
];

/// The formats of constraints.
const CONSTRAINTS: &[&str] = &["plain", "constraints", "yaml", "json"];

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        usage: Usage {
            flags: &[SETTING, OUTPUT, MODEL, GLOBAL],
            details: "Without a key everything is shown. A key alone prints its bare value. key=value sets it, and\nkey=@file takes the value from a file. Setting and resetting can be done in one step.",
            examples: &[
                "config wiki",
                "config wiki port",
                "config wiki port=80 name=@title.txt --reset theme",
            ],
            ..Usage::of(
                "config",
                "<application> [<key> | <key>=<value> ...]",
                "Show and set an application's options.",
            )
        },
        aliases: &[],
        formats: &["yaml", "json", "tabular"],
        read: config,
    },
    Entry {
        usage: Usage {
            flags: &[
                SETTING,
                &[Flag::switch(&["ignore-read-only-fields"], "Leave out what cannot be set.")],
                OUTPUT,
                MODEL,
                GLOBAL,
            ],
            examples: &[
                "model-config",
                "model-config mode=",
                "model-config --reset logging-config",
            ],
            ..Usage::of(
                "model-config",
                "[<key> | <key>=<value> ...]",
                "Show and set a model's options.",
            )
        },
        aliases: &[],
        formats: TABULAR,
        read: model_config,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::switch(&["remove"], "Take the trust back."),
                    Flag::value(
                        &["scope"],
                        "SCOPE",
                        "Accepted and ignored where machines are used.",
                    ),
                ],
                MODEL,
                GLOBAL,
            ],
            examples: &["trust wiki", "trust wiki --remove"],
            ..Usage::of("trust", "<application>", "Let an application use the cloud's credentials.")
        },
        aliases: &[],
        formats: &[],
        read: trust,
    },
    Entry {
        usage: Usage {
            flags: &[OUTPUT, MODEL, GLOBAL],
            examples: &["model-constraints --format json"],
            ..Usage::of("model-constraints", "", "Show what new machines of the model must have.")
        },
        aliases: &["get-model-constraints"],
        formats: CONSTRAINTS,
        read: model_constraints,
    },
    Entry {
        usage: Usage {
            flags: &[MODEL, GLOBAL],
            examples: &["set-model-constraints mem=4G cores=2"],
            ..Usage::of(
                "set-model-constraints",
                "<key>=<value> ...",
                "Say what new machines of the model must have.",
            )
        },
        aliases: &[],
        formats: &[],
        read: set_model_constraints,
    },
    Entry {
        usage: Usage {
            flags: &[OUTPUT, MODEL, GLOBAL],
            examples: &["constraints wiki"],
            ..Usage::of(
                "constraints",
                "<application>",
                "Show what an application's new machines must have.",
            )
        },
        aliases: &["get-constraints"],
        formats: CONSTRAINTS,
        read: constraints,
    },
    Entry {
        usage: Usage {
            flags: &[MODEL, GLOBAL],
            examples: &["set-constraints wiki mem=4G"],
            ..Usage::of(
                "set-constraints",
                "<application> <key>=<value> ...",
                "Say what an application's new machines must have.",
            )
        },
        aliases: &[],
        formats: &[],
        read: set_constraints,
    },
];

/// A key to read, keys to set, keys to reset.
type Settings<K> = (Option<K>, BTreeMap<K, String>, BTreeSet<K>);

/// The words after the subject: one key to read, or pairs to set.
fn settings<K: std::str::FromStr<Err: std::fmt::Display> + Ord>(
    line: &Line,
    words: &[String],
) -> Result<Settings<K>, UsageError> {
    let mut key = None;
    let mut set = BTreeMap::new();
    for word in words {
        if word.contains('=') {
            let (name, value) = pair(word)?;
            if set.insert(parse(name)?, value.to_owned()).is_some() {
                return Err(UsageError::rule(format!("key {name:?} specified more than once")));
            }
        } else if key.is_some() {
            return Err(rule("can only retrieve a single value, or all values"));
        } else {
            key = Some(parse(word)?);
        }
    }
    let mut reset = BTreeSet::new();
    for name in line.parts("reset") {
        let name_of = parse(name)?;
        if set.contains_key(&name_of) {
            return Err(UsageError::rule(format!("key {name:?} cannot be both set and reset")));
        }
        reset.insert(name_of);
    }
    if key.is_some() && (!set.is_empty() || !reset.is_empty() || line.has("file")) {
        return Err(rule("cannot read a value and set or reset others in one step"));
    }
    Ok((key, set, reset))
}

fn config(line: &Line) -> Result<Act, UsageError> {
    let application = need(line, 0, "application name")?;
    let words = line.words.get(1..).unwrap_or_default();
    let (key, set, reset) = settings(line, words)?;
    let file = line.last("file").map(str::to_owned);
    Ok(Act::Config(Config { application, key, set, file, reset }))
}

fn model_config(line: &Line) -> Result<Act, UsageError> {
    let (key, set, reset) = settings(line, &line.words)?;
    let file = line.last("file").map(str::to_owned);
    Ok(Act::ModelConfig(ModelConfig { key, set, file, reset }))
}

fn trust(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    Ok(Act::Change(vec![ModelCommand::Configure {
        application: need(line, 0, "application name")?,
        set: BTreeMap::new(),
        reset: BTreeSet::new(),
        trust: Some(!line.on("remove")),
    }]))
}

fn model_constraints(line: &Line) -> Result<Act, UsageError> {
    line.at_most(0)?;
    Ok(Act::Constraints(ShowConstraints { application: None }))
}

fn constraints(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    Ok(Act::Constraints(ShowConstraints { application: Some(need(line, 0, "application name")?) }))
}

fn set_model_constraints(line: &Line) -> Result<Act, UsageError> {
    let constraints = line.words.join(" ").parse().map_err(rule)?;
    Ok(Act::Change(vec![ModelCommand::ConstrainModel(constraints)]))
}

fn set_constraints(line: &Line) -> Result<Act, UsageError> {
    let application = need(line, 0, "application name")?;
    let rest = line.words.get(1..).unwrap_or_default();
    let constraints = rest.join(" ").parse().map_err(rule)?;
    Ok(Act::Change(vec![ModelCommand::Constrain { application, constraints }]))
}
