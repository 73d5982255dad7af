//! Help, completion scripts and manual pages.
//!
//! Completions and manual pages are clap's; it gets the same tables that lines are read by.

use clap_complete::Shell;
use muster_console::flags::Kind;

use crate::commands::help::{Completion, Help};
use crate::commands::{self, Entry, find};
use crate::desk::Desk;
use crate::failure::Failure;
use crate::request;

pub(super) fn help(desk: &mut Desk, act: &Help) -> Result<(), Failure> {
    match act.topic.as_deref() {
        None => desk.data(&request::overview()),
        Some("commands") => desk.data(&request::list()),
        Some(topic) => match find(topic) {
            Some(entry) => desk.data(&request::help(entry)),
            None => Err(Failure::new(format!("unknown command or topic for {topic}"))
                .hint("\"muster help commands\" lists all commands.")),
        },
    }
}

fn clap_of(entry: &Entry) -> clap::Command {
    let mut command = clap::Command::new(entry.usage.name)
        .about(entry.usage.purpose)
        .visible_aliases(entry.aliases.iter().copied())
        .override_usage(format!("muster {} [flags] {}", entry.usage.name, entry.usage.args));
    if !entry.usage.details.is_empty() {
        command = command.after_help(entry.usage.details);
    }
    for flag in entry.usage.all_flags() {
        let mut arg = clap::Arg::new(flag.key()).help(flag.help);
        for name in flag.names {
            let mut letters = name.chars();
            arg = match (letters.next(), letters.next()) {
                (Some(letter), None) => arg.short(letter),
                _ if arg.get_long().is_none() => arg.long(*name),
                _ => arg.visible_alias(*name),
            };
        }
        arg = match flag.kind {
            Kind::Switch => arg.action(clap::ArgAction::SetTrue),
            Kind::Value => arg.action(clap::ArgAction::Set).value_name(flag.value),
            Kind::List => arg.action(clap::ArgAction::Append).value_name(flag.value),
        };
        if flag.key() == "format" {
            arg = arg.value_parser(entry.formats.to_vec());
        }
        command = command.arg(arg);
    }
    command.arg(clap::Arg::new("words").num_args(0..).value_name("ARGS"))
}

fn whole() -> clap::Command {
    let mut all = clap::Command::new("muster")
        .about("Deploys, relates and runs applications")
        .disable_help_subcommand(true);
    for entry in commands::all() {
        all = all.subcommand(clap_of(entry));
    }
    all
}

pub(super) fn completion(desk: &mut Desk, act: &Completion) -> Result<(), Failure> {
    match act {
        Completion::Shell(name) => {
            let shell: Shell = name.parse().map_err(|_| {
                Failure::new(format!(
                    "unknown shell {name:?}; there are bash, elvish, fish, powershell, zsh"
                ))
            })?;
            let mut script = Vec::new();
            let program = desk.program.clone();
            clap_complete::generate(shell, &mut whole(), program, &mut script);
            desk.data(&String::from_utf8_lossy(&script))
        }
        Completion::Manual(folder) => {
            let folder = desk.path(folder);
            let what = || format!("cannot write manual pages to `{}`", folder.display());
            std::fs::create_dir_all(&folder).map_err(|error| Failure::tried(what(), &error))?;
            clap_mangen::generate_to(whole(), &folder)
                .map_err(|error| Failure::tried(what(), &error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_accepts_the_tables() {
        whole().debug_assert();
        let mut script = Vec::new();
        clap_complete::generate(Shell::Bash, &mut whole(), "muster", &mut script);
        let script = String::from_utf8(script).unwrap();
        assert!(script.contains("--attach-storage") && script.contains("remove-application"));
    }
}
