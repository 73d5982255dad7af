//! Help, completion scripts and manual pages.

use muster_console::flags::{Line, Usage, UsageError};

use super::Entry;
use super::common::GLOBAL;
use crate::act::Act;

/// `help`.
#[derive(Clone, Debug, PartialEq)]
pub struct Help {
    /// Of which command; none is the overview.
    pub topic: Option<String>,
}

/// `completion` and `man`.
#[derive(Clone, Debug, PartialEq)]
pub enum Completion {
    /// A script for this shell.
    Shell(String),
    /// Manual pages, into this folder.
    Manual(String),
}

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        usage: Usage {
            flags: &[GLOBAL],
            examples: &["help deploy", "help commands"],
            ..Usage::of("help", "[<command>]", "Show help.")
        },
        aliases: &[],
        formats: &[],
        read: help,
    },
    Entry {
        usage: Usage {
            flags: &[GLOBAL],
            examples: &["completion bash"],
            ..Usage::of(
                "completion",
                "bash|elvish|fish|powershell|zsh",
                "Write a completion script.",
            )
        },
        aliases: &[],
        formats: &[],
        read: completion,
    },
    Entry {
        usage: Usage {
            flags: &[GLOBAL],
            examples: &["manual ./man"],
            ..Usage::of("manual", "<folder>", "Write manual pages.")
        },
        aliases: &[],
        formats: &[],
        read: manual,
    },
];

fn help(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    Ok(Act::Help(Help { topic: line.word(0).map(str::to_owned) }))
}

fn completion(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    Ok(Act::Completion(Completion::Shell(line.need(0, "shell")?.to_owned())))
}

fn manual(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    Ok(Act::Completion(Completion::Manual(line.need(0, "folder")?.to_owned())))
}
