//! Units and applications: more, fewer, shown, helped on.

use std::collections::BTreeSet;

use muster_console::flags::{Flag, Line, Usage, UsageError};
use muster_model::command::ModelCommand;
use muster_model::name::{ApplicationName, EndpointName, MachineId, StorageId, UnitName};
use muster_model::record::Placement;

use super::Entry;
use super::common::{
    DRY_RUN, GLOBAL, MODEL, OUTPUT, REMOVAL, YAML, check_removal, each, listed, need, placements,
};
use crate::act::Act;

/// Something to take down, after a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Remove {
    /// What.
    pub what: Removed,
    /// Whether storage goes with it.
    pub destroy_storage: bool,
    /// Without waiting for hooks.
    pub force: bool,
    /// Without the question.
    pub no_prompt: bool,
    /// Only show what would go.
    pub dry_run: bool,
}

/// What is to be taken down.
#[derive(Clone, Debug, PartialEq)]
pub enum Removed {
    /// Applications.
    Applications(Vec<ApplicationName>),
    /// Units by name.
    Units(Vec<UnitName>),
    /// So many of an application's newest units, the leader last.
    Some(ApplicationName, u32),
    /// Machines.
    Machines(Vec<MachineId>),
}

impl Removed {
    /// What the question and its refusal call it.
    #[must_use]
    pub fn noun(&self) -> &'static str {
        match self {
            Removed::Applications(_) => "application",
            Removed::Units(_) | Removed::Some(..) => "unit",
            Removed::Machines(_) => "machine",
        }
    }
}

/// `show-unit`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShowUnit {
    /// Which.
    pub units: Vec<UnitName>,
    /// Only relations of this endpoint.
    pub endpoint: Option<EndpointName>,
    /// Only what this unit says.
    pub related: Option<UnitName>,
    /// Only what applications say.
    pub app_only: bool,
}

/// `scale-application`.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// The application.
    pub application: ApplicationName,
    /// How many units it shall have.
    pub units: u32,
}

/// `show-application`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShowApplication {
    /// Which.
    pub applications: Vec<ApplicationName>,
}

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::value(&["num-units", "n"], "N", "How many units to add."),
                    Flag::value(
                        &["to"],
                        "PLACE,…",
                        "Where each goes: a machine's number, or \"new\".",
                    ),
                    Flag::value(&["attach-storage"], "ID,…", "Kept storage for the one new unit."),
                ],
                MODEL,
                GLOBAL,
            ],
            examples: &[
                "add-unit wiki",
                "add-unit wiki -n 2 --to 3,4",
                "add-unit db --attach-storage data/0",
            ],
            ..Usage::of("add-unit", "<application>", "Give an application more units.")
        },
        aliases: &[],
        formats: &[],
        read: add_unit,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::value(
                        &["num-units"],
                        "N",
                        "Remove so many of the application's newest units.",
                    ),
                    Flag::switch(&["destroy-storage"], "Destroy the units' storage, too."),
                ],
                REMOVAL,
                DRY_RUN,
                MODEL,
                GLOBAL,
            ],
            examples: &["remove-unit wiki/2 wiki/3", "remove-unit wiki --num-units 2 --no-prompt"],
            ..Usage::of(
                "remove-unit",
                "<unit> ... | <application> --num-units N",
                "Take units down.",
            )
        },
        aliases: &[],
        formats: &[],
        read: remove_unit,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[Flag::switch(&["destroy-storage"], "Destroy the units' storage, too.")],
                REMOVAL,
                DRY_RUN,
                MODEL,
                GLOBAL,
            ],
            details: "Prints what goes and what is kept, then asks, unless the model's option \"mode\" is empty.",
            examples: &[
                "remove-application wiki",
                "remove-application wiki --no-prompt --destroy-storage",
            ],
            ..Usage::of(
                "remove-application",
                "<application> ...",
                "Take applications and their units down.",
            )
        },
        aliases: &[],
        formats: &[],
        read: remove_application,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::value(&["endpoint"], "NAME", "Only relations of this endpoint."),
                    Flag::value(&["related-unit"], "UNIT", "Only what this unit says."),
                    Flag::switch(&["app"], "Only what applications say."),
                ],
                OUTPUT,
                MODEL,
                GLOBAL,
            ],
            examples: &["show-unit wiki/0", "show-unit wiki/0 --endpoint db --format json"],
            ..Usage::of("show-unit", "<unit> ...", "Show a unit and what is said in its relations.")
        },
        aliases: &[],
        formats: YAML,
        read: show_unit,
    },
    Entry {
        usage: Usage {
            flags: &[OUTPUT, MODEL, GLOBAL],
            examples: &["show-application wiki"],
            ..Usage::of("show-application", "<application> ...", "Show applications.")
        },
        aliases: &[],
        formats: YAML,
        read: show_application,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::switch(&["all"], "Every unit in error."),
                    Flag::switch(&["no-retry"], "Count the failed hook as done."),
                ],
                MODEL,
                GLOBAL,
            ],
            examples: &["resolved wiki/0", "resolved wiki/0 --no-retry", "resolved --all"],
            ..Usage::of("resolved", "<unit> ...", "Let units whose hook failed go on.")
        },
        aliases: &["resolve"],
        formats: &[],
        read: resolved,
    },
    Entry {
        usage: Usage {
            flags: &[MODEL, GLOBAL],
            details: "What is missing is added, each on a machine of its own; what is too much goes, the newest first and the\nleader last. Storage of units that go is kept.",
            examples: &["scale-application wiki 3"],
            ..Usage::of(
                "scale-application",
                "<application> <units>",
                "Give an application so many units, no more and no fewer.",
            )
        },
        aliases: &[],
        formats: &[],
        read: scale_application,
    },
];

fn add_unit(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    let application = need(line, 0, "application name")?;
    let attach_storage: Vec<StorageId> = listed(line, "attach-storage")?;
    let count = count(line, 1)?;
    if !attach_storage.is_empty() && count != 1 {
        return Err(UsageError::rule("--attach-storage cannot be used with -n"));
    }
    let mut placements = placements(line)?;
    placements.resize(count as usize, Placement::Anywhere);
    Ok(Act::Change(vec![ModelCommand::AddUnits { application, placements, attach_storage }]))
}

/// `-n`, at least 1 and at most what a model may hold.
pub(super) fn count(line: &Line, usual: u32) -> Result<u32, UsageError> {
    match line.parsed::<u32>("num-units")? {
        None => Ok(usual),
        Some(0) => Err(UsageError::rule("--num-units must be a positive integer")),
        Some(count) if count > 10_000 => {
            Err(line.bad("num-units", "a model holds at most 10000 units"))
        }
        Some(count) => Ok(count),
    }
}

fn removal(line: &Line, what: Removed) -> Result<Act, UsageError> {
    check_removal(line)?;
    Ok(Act::Remove(Remove {
        what,
        destroy_storage: line.on("destroy-storage"),
        force: line.on("force"),
        no_prompt: line.on("no-prompt"),
        dry_run: line.on("dry-run"),
    }))
}

fn remove_unit(line: &Line) -> Result<Act, UsageError> {
    if line.has("num-units") {
        line.at_most(1)?;
        let application = need(line, 0, "application name")?;
        return removal(line, Removed::Some(application, count(line, 1)?));
    }
    removal(line, Removed::Units(each(&line.words, "unit name")?))
}

fn remove_application(line: &Line) -> Result<Act, UsageError> {
    removal(line, Removed::Applications(each(&line.words, "application")?))
}

fn show_unit(line: &Line) -> Result<Act, UsageError> {
    Ok(Act::ShowUnit(ShowUnit {
        units: each(&line.words, "unit name")?,
        endpoint: line.parsed("endpoint")?,
        related: line.parsed("related-unit")?,
        app_only: line.on("app"),
    }))
}

fn show_application(line: &Line) -> Result<Act, UsageError> {
    Ok(Act::ShowApplication(ShowApplication {
        applications: each(&line.words, "application name")?,
    }))
}

fn resolved(line: &Line) -> Result<Act, UsageError> {
    let retry = !line.on("no-retry");
    let units = match (line.on("all"), line.words.is_empty()) {
        (true, false) => {
            return Err(UsageError::rule("specifying unit names is not allowed with --all"));
        }
        (true, true) => Vec::new(),
        (false, _) => each(&line.words, "unit")?,
    };
    let one = |units: BTreeSet<UnitName>| ModelCommand::Resolve { units, retry };
    if units.is_empty() {
        return Ok(Act::Change(vec![one(BTreeSet::new())]));
    }
    let units: BTreeSet<UnitName> = units.into_iter().collect();
    Ok(Act::Change(units.into_iter().map(|unit| one(BTreeSet::from([unit]))).collect()))
}

fn scale_application(line: &Line) -> Result<Act, UsageError> {
    line.at_most(2)?;
    let application = need(line, 0, "application name")?;
    let units: u32 = match line.need(1, "scale")?.parse() {
        Ok(units) if units <= 10_000 => units,
        _ => return Err(UsageError::rule("the scale must be a number from 0 to 10000")),
    };
    Ok(Act::Scale(Scale { application, units }))
}
