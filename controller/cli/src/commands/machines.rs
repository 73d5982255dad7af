//! Machines: made, listed, taken down.

use muster_charms::Base;
use muster_console::flags::{Flag, Line, Usage, UsageError};
use muster_model::constraints::Constraints;
use muster_model::name::MachineId;

use super::Entry;
use super::common::{
    DRY_RUN, GLOBAL, MODEL, OUTPUT, REMOVAL, TABULAR, base, check_removal, constraints, each,
};
use super::units::{Remove, Removed};
use crate::act::Act;

/// `add-machine`.
#[derive(Clone, Debug, PartialEq)]
pub struct AddMachine {
    /// How many.
    pub count: u32,
    /// What they must have.
    pub constraints: Constraints,
    /// Their base.
    pub base: Option<Base>,
    /// Whether it is the host that the controller runs on.
    pub host: bool,
}

/// `retry-provisioning`.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryProvisioning {
    /// Which; empty is every one that failed.
    pub machines: Vec<MachineId>,
}

/// `machines` and `show-machine`.
#[derive(Clone, Debug, PartialEq)]
pub struct Machines {
    /// Which; empty is all.
    pub machines: Vec<MachineId>,
    /// Times in UTC.
    pub utc: bool,
}

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::value(&["n"], "N", "How many."),
                    Flag::list(&["constraints"], "KEY=VALUE", "What they must have."),
                    Flag::value(&["base"], "NAME@CHANNEL", "Their operating system."),
                    Flag::value(&["series"], "NAME", "Older name of a base."),
                    Flag::value(
                        &["disks"],
                        "DIRECTIVE",
                        "Refused: this cloud has no disks to add.",
                    ),
                    Flag::value(&["private-key"], "FILE", "Refused: for machines over ssh."),
                    Flag::value(&["public-key"], "FILE", "Refused: for machines over ssh."),
                ],
                MODEL,
                GLOBAL,
            ],
            details: "With \"host\" the controller's own host becomes a machine; it must be asked for by name.",
            examples: &["add-machine", "add-machine -n 2 --constraints mem=2G", "add-machine host"],
            ..Usage::of("add-machine", "[host]", "Make machines.")
        },
        aliases: &[],
        formats: &[],
        read: add_machine,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[Flag::switch(&["keep-instance"], "Refused: what Muster made it takes down.")],
                REMOVAL,
                DRY_RUN,
                MODEL,
                GLOBAL,
            ],
            examples: &["remove-machine 3", "remove-machine 3 4 --force --no-prompt"],
            ..Usage::of("remove-machine", "<machine> ...", "Take machines down.")
        },
        aliases: &[],
        formats: &[],
        read: remove_machine,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[Flag::switch(&["all"], "Every machine that could not be made.")],
                MODEL,
                GLOBAL,
            ],
            details: "Machines that could not be made are tried again by themselves, with growing pauses; this ends the pause.",
            examples: &["retry-provisioning 3 4", "retry-provisioning --all"],
            ..Usage::of(
                "retry-provisioning",
                "<machine> ... | --all",
                "Try at once to make machines that could not be made.",
            )
        },
        aliases: &[],
        formats: &[],
        read: retry_provisioning,
    },
    Entry {
        usage: Usage {
            flags: &[LISTING, OUTPUT, MODEL, GLOBAL],
            examples: &["machines", "machines --format json"],
            ..Usage::of("machines", "[<machine> ...]", "List machines.")
        },
        aliases: &["list-machines"],
        formats: TABULAR,
        read: machines,
    },
    Entry {
        usage: Usage {
            flags: &[LISTING, OUTPUT, MODEL, GLOBAL],
            examples: &["show-machine 0"],
            ..Usage::of("show-machine", "<machine> ...", "Show machines.")
        },
        aliases: &[],
        formats: &["yaml", "tabular", "json"],
        read: machines,
    },
];

const LISTING: &[Flag] = &[
    Flag::switch(&["utc"], "Show times in UTC."),
    Flag::switch(&["color"], "Accepted; nothing is coloured."),
];

fn add_machine(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    let host = match line.word(0) {
        None => false,
        Some("host") => true,
        Some(place) => {
            return Err(UsageError::rule(format!(
                "cannot make a machine at {place:?}: this cloud makes machines by itself; \"host\" takes the controller's own host"
            )));
        }
    };
    for flag in ["disks", "private-key", "public-key"] {
        if line.has(flag) {
            return Err(line.bad(flag, "not offered by this cloud"));
        }
    }
    let count = match line.parsed::<u32>("n")? {
        Some(0) => return Err(line.bad("n", "must be a positive integer")),
        Some(count) if count > 1000 => return Err(line.bad("n", "at most 1000 at once")),
        count => count.unwrap_or(1),
    };
    if host && count != 1 {
        return Err(UsageError::rule("there is one host; leave out -n"));
    }
    Ok(Act::AddMachine(AddMachine {
        count,
        constraints: constraints(line, "constraints")?,
        base: base(line)?,
        host,
    }))
}

fn remove_machine(line: &Line) -> Result<Act, UsageError> {
    check_removal(line)?;
    if line.on("keep-instance") {
        return Err(line.bad("keep-instance", "what Muster made it takes down"));
    }
    Ok(Act::Remove(Remove {
        what: Removed::Machines(each(&line.words, "machine")?),
        destroy_storage: false,
        force: line.on("force"),
        no_prompt: line.on("no-prompt"),
        dry_run: line.on("dry-run"),
    }))
}

fn retry_provisioning(line: &Line) -> Result<Act, UsageError> {
    let machines = match (line.on("all"), line.words.is_empty()) {
        (true, false) => {
            return Err(UsageError::rule("specify machines or --all, but not both"));
        }
        (true, true) => Vec::new(),
        (false, _) => each(&line.words, "machine")?,
    };
    Ok(Act::RetryProvisioning(RetryProvisioning { machines }))
}

fn machines(line: &Line) -> Result<Act, UsageError> {
    let machines = if line.words.is_empty() { Vec::new() } else { each(&line.words, "machine")? };
    Ok(Act::Machines(Machines { machines, utc: line.on("utc") }))
}
