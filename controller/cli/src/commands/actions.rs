//! Running actions and commands.

use std::time::Duration;

use muster_console::flags::{Flag, Line, Usage, UsageError};
use muster_model::command::TargetRef;
use muster_model::name::{ActionName, ApplicationName, MachineId, UnitName};

use super::Entry;
use super::common::{GLOBAL, MODEL, OUTPUT, PLAIN, Patience, TABULAR, pair, parse, patience, rule};
use crate::act::Act;

/// `run` and `exec`.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What runs.
    pub what: What,
    /// Where.
    pub targets: Vec<TargetRef>,
    /// How long to wait for it.
    pub patience: Patience,
    /// Times in UTC.
    pub utc: bool,
}

/// What runs.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// An action of the charm.
    Action {
        /// Its name.
        name: ActionName,
        /// `key[.key]=value`, in order.
        parameters: Vec<(String, String)>,
        /// Values are strings, whatever they look like.
        string_args: bool,
        /// A YAML file under them.
        file: Option<String>,
    },
    /// A shell command.
    Command {
        /// The text for the shell.
        command: String,
        /// Whether it need not wait for the machine's lock.
        parallel: bool,
        /// The lock that it takes in place of the machine's.
        execution_group: String,
    },
}

/// `actions` and `show-action`.
#[derive(Clone, Debug, PartialEq)]
pub struct Actions {
    /// Whose.
    pub application: ApplicationName,
    /// Only this one, in full.
    pub action: Option<ActionName>,
    /// With the schema of parameters.
    pub schema: bool,
}

const WAITING: &[Flag] = &[
    Flag::value(&["wait"], "DURATION", "How long to wait; a negative time is for ever."),
    Flag::switch(&["background"], "Do not wait; print where to look."),
    Flag::switch(&["utc"], "Show times in UTC."),
];

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        usage: Usage {
            flags: &[
                WAITING,
                &[
                    Flag::value(&["params"], "FILE", "Take parameters from a YAML file."),
                    Flag::switch(&["string-args"], "Take every value as a string."),
                    Flag::switch(&["color"], "Accepted; nothing is coloured."),
                    Flag::switch(&["no-color"], "Accepted; nothing is coloured."),
                ],
                OUTPUT,
                MODEL,
                GLOBAL,
            ],
            details: "Waits 60 seconds unless told otherwise. Lines that the action logs appear on standard error as\nthey come, when it runs on one unit.",
            examples: &[
                "run wiki/0 backup",
                "run spark/leader submit app=word-count input=s3a://books/ --wait 10m",
                "run wiki/0 wiki/1 backup level=3 --format json",
            ],
            ..Usage::of(
                "run",
                "<unit> ... <action> [<key>=<value> ...]",
                "Run an action of a charm.",
            )
        },
        aliases: &[],
        formats: PLAIN,
        read: run,
    },
    Entry {
        usage: Usage {
            flags: &[
                WAITING,
                &[
                    Flag::switch(&["all"], "On every machine."),
                    Flag::list(&["machine"], "ID,…", "On these machines."),
                    Flag::list(
                        &["application", "app", "a"],
                        "NAME,…",
                        "On every unit of these applications.",
                    ),
                    Flag::list(&["unit", "u"], "UNIT,…", "On these units."),
                    Flag::switch(
                        &["parallel"],
                        "Do not wait for hooks of the same machine; so it is unless --parallel=false.",
                    ),
                    Flag::value(
                        &["execution-group"],
                        "NAME",
                        "Wait only for what runs in this group.",
                    ),
                    Flag::switch(&["operator"], "Accepted and ignored where machines are used."),
                ],
                OUTPUT,
                MODEL,
                GLOBAL,
            ],
            details: "One word is given to the shell as it is; several are quoted. Waits 5 minutes unless told otherwise.",
            examples: &[
                "exec --unit wiki/0 -- uptime",
                "exec --all -- findmnt -t ext4",
                "exec -a wiki 'ls'",
            ],
            ..Usage::of("exec", "-- <command> ...", "Run a command on units or machines.")
        },
        aliases: &[],
        formats: PLAIN,
        read: exec,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[Flag::switch(&["schema"], "Show the schema of parameters.")],
                OUTPUT,
                MODEL,
                GLOBAL,
            ],
            examples: &["actions wiki", "actions wiki --schema --format yaml"],
            ..Usage::of("actions", "<application>", "List a charm's actions.")
        },
        aliases: &["list-actions"],
        formats: TABULAR,
        read: actions,
    },
    Entry {
        usage: Usage {
            flags: &[MODEL, GLOBAL],
            examples: &["show-action wiki backup"],
            ..Usage::of(
                "show-action",
                "<application> <action>",
                "Show an action and its parameters.",
            )
        },
        aliases: &[],
        formats: &[],
        read: show_action,
    },
];

fn unit_target(word: &str) -> Result<TargetRef, UsageError> {
    match word.strip_suffix("/leader") {
        Some(application) => parse(application).map(TargetRef::Leader),
        None => parse(word).map(TargetRef::Unit),
    }
}

fn run(line: &Line) -> Result<Act, UsageError> {
    let targets = line.words.iter().take_while(|word| word.contains('/') && !word.contains('='));
    let targets = targets.map(|word| unit_target(word)).collect::<Result<Vec<_>, _>>()?;
    if targets.is_empty() {
        return Err(match line.word(0) {
            None => rule("no unit specified"),
            Some(word) => rule(format!(
                "invalid unit name {word:?}; write for example {word}/0 or {word}/leader"
            )),
        });
    }
    let name: ActionName = super::common::need(line, targets.len(), "action")?;
    let mut parameters = Vec::new();
    for word in line.words.iter().skip(targets.len() + 1) {
        let (key, value) = pair(word)?;
        if key.split('.').any(str::is_empty) {
            return Err(UsageError::rule(format!("argument {word:?} has an empty key")));
        }
        parameters.push((key.to_owned(), value.to_owned()));
    }
    let what = What::Action {
        name,
        parameters,
        string_args: line.on("string-args"),
        file: line.last("params").map(str::to_owned),
    };
    let patience = patience(line, Duration::from_secs(60))?;
    Ok(Act::Run(Run { what, targets, patience, utc: line.on("utc") }))
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn exec(line: &Line) -> Result<Act, UsageError> {
    let command = match line.words.as_slice() {
        [] => return Err(rule("no commands specified")),
        [one] => one.clone(),
        many => many.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
    };
    let mut targets = Vec::new();
    let mut bad = Vec::new();
    let mut take = |target: Result<TargetRef, UsageError>| match target {
        Ok(target) => targets.push(target),
        Err(error) => bad.push(error.to_string()),
    };
    for word in line.parts("machine") {
        take(parse::<MachineId>(word).map(TargetRef::Machine));
    }
    for word in line.parts("application") {
        take(parse(word).map(TargetRef::Application));
    }
    for word in line.parts("unit") {
        take(unit_target(word));
    }
    if !bad.is_empty() {
        let list: Vec<String> = bad.iter().map(|text| format!("  {text}")).collect();
        return Err(UsageError::rule(format!(
            "The following exec targets are not valid:\n{}",
            list.join("\n")
        )));
    }
    if line.on("all") {
        if !targets.is_empty() {
            return Err(rule("You cannot specify --all and individual targets"));
        }
        targets.push(TargetRef::AllMachines);
    }
    if targets.is_empty() {
        return Err(rule(
            "You must specify a target, either through --all, --machine, --application or --unit",
        ));
    }
    let what = What::Command {
        command,
        parallel: line.switch("parallel").unwrap_or(true),
        execution_group: line.last("execution-group").unwrap_or_default().to_owned(),
    };
    let patience = patience(line, Duration::from_secs(300))?;
    Ok(Act::Run(Run { what, targets, patience, utc: line.on("utc") }))
}

fn actions(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    let schema = line.on("schema");
    if schema && line.last("format") == Some("tabular") {
        return Err(rule("full schema not compatible with tabular output"));
    }
    let application = super::common::need(line, 0, "application name")?;
    Ok(Act::Actions(Actions { application, action: None, schema }))
}

fn show_action(line: &Line) -> Result<Act, UsageError> {
    line.at_most(2)?;
    let application = super::common::need(line, 0, "application name")?;
    let action = Some(super::common::need(line, 1, "action name")?);
    Ok(Act::Actions(Actions { application, action, schema: true }))
}

/// The unit that a target names, for messages.
#[must_use]
pub fn named(target: &TargetRef) -> String {
    match target {
        TargetRef::Unit(unit) => unit_label(unit),
        TargetRef::Leader(application) => format!("{application}/leader"),
        TargetRef::Application(application) => application.to_string(),
        TargetRef::Machine(machine) => format!("machine {machine}"),
        TargetRef::AllMachines => "all machines".to_owned(),
    }
}

fn unit_label(unit: &UnitName) -> String {
    format!("unit {unit}")
}
