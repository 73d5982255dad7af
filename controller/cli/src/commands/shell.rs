//! `ssh` and `scp`.

use muster_console::flags::{Flag, Line, Order, Usage, UsageError};
use muster_model::command::TargetRef;

use super::Entry;
use super::common::{GLOBAL, MODEL, parse};
use crate::act::Act;

/// `ssh`.
#[derive(Clone, Debug, PartialEq)]
pub struct Ssh {
    /// Where.
    pub target: TargetRef,
    /// What to run; empty is a shell.
    pub command: Vec<String>,
}

/// `scp`.
#[derive(Clone, Debug, PartialEq)]
pub struct Scp {
    /// Options and operands as typed.
    pub words: Vec<String>,
}

const SSH: &[Flag] = &[
    Flag::value(&["container"], "NAME", "On machines: \"charm\" is the unit itself."),
    Flag::switch(&["no-host-key-checks"], "Accepted; the agent's own connection needs no keys."),
    Flag::switch(&["proxy"], "Accepted."),
    Flag::switch(&["remote"], "Accepted."),
];

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        usage: Usage {
            flags: &[SSH, &[Flag::switch(&["pty"], "Use a terminal there.")], MODEL, GLOBAL],
            details: "\
The command runs on the unit's machine through the agent's own connection: no port is opened and no key
is needed. Its exit code and its streams are passed on.",
            examples: &["ssh wiki/0 uptime", "ssh 0 cat /etc/hostname", "ssh wiki/leader -- ls -l"],
            order: Order::FlagsFirst,
            ..Usage::of("ssh", "[<user>@]<unit or machine> [<command> ...]", "Run a command on a unit's machine.")
        },
        aliases: &[],
        formats: &[],
        read: ssh,
    },
    Entry {
        usage: Usage {
            flags: &[SSH, MODEL, GLOBAL],
            examples: &["scp wiki/0:/etc/hosts ."],
            order: Order::FlagsFirst,
            ..Usage::of("scp", "[-- <options>] <source> ... <destination>", "Copy files to and from machines.")
        },
        aliases: &[],
        formats: &[],
        read: scp,
    },
];

/// A unit, `application/leader`, or a machine, with an optional `user@` before it.
///
/// # Errors
/// When it is none of these.
pub fn target(word: &str) -> Result<TargetRef, UsageError> {
    let place = word.split_once('@').map_or(word, |(_, place)| place);
    if let Some(application) = place.strip_suffix("/leader") {
        return parse(application).map(TargetRef::Leader);
    }
    if place.contains('/') {
        return parse(place).map(TargetRef::Unit);
    }
    if place.starts_with(|c: char| c.is_ascii_digit()) {
        return parse(place).map(TargetRef::Machine);
    }
    Err(UsageError::rule(format!(
        "{place:?} is no unit and no machine; write for example {place}/0 or 0"
    )))
}

fn ssh(line: &Line) -> Result<Act, UsageError> {
    if line.last("container").is_some_and(|name| name != "charm") {
        return Err(line.bad("container", "units have no containers on machines"));
    }
    let place = target(line.need(0, "target")?)?;
    let rest = line.words.get(1..).unwrap_or_default();
    // Options for OpenSSH mean nothing on the agent's own connection; the command begins after
    // them, or after `--`.
    let command: Vec<String> = rest.iter().skip_while(|word| *word == "--").cloned().collect();
    if let Some(option) = command.first().filter(|word| word.starts_with('-')) {
        return Err(UsageError::rule(format!(
            "option {option} is OpenSSH's; the agent's own connection takes none"
        )));
    }
    Ok(Act::Ssh(Ssh { target: place, command }))
}

fn scp(line: &Line) -> Result<Act, UsageError> {
    let words: Vec<String> = line.words.iter().filter(|word| *word != "--").cloned().collect();
    if words.iter().filter(|word| !word.starts_with('-')).count() < 2 {
        return Err(UsageError::rule("at least two arguments required"));
    }
    Ok(Act::Scp(Scp { words }))
}
