//! The table of commands: what each is called, takes and does.
//!
//! Each family is a file here. It holds the declarations ([`Entry`]) and, for each, a function from
//! a read [`Line`] to an [`Act`]; an act says completely what is to be done, in the model's own
//! types, and has not yet touched a disk or a network. Names, directives, constraints and durations
//! are parsed here, once, so that a mistake is found before anything is done (exit code 2).

pub mod absent;
pub mod actions;
pub mod charm;
pub mod clouds;
pub mod common;
pub mod config;
pub mod controllers;
pub mod credentials;
pub mod deploy;
pub mod help;
pub mod logs;
pub mod machines;
pub mod models;
pub mod operations;
pub mod relating;
pub mod resources;
pub mod secrets;
pub mod shell;
pub mod spaces;
pub mod ssh_keys;
pub mod status;
pub mod storage;
pub mod units;
pub mod wait;

use muster_console::flags::{Line, Usage, UsageError};

use crate::act::Act;

/// One command.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its tables.
    pub usage: Usage,
    /// Other words that call it.
    pub aliases: &'static [&'static str],
    /// The formats it writes, the usual one first; empty when it writes no data.
    pub formats: &'static [&'static str],
    /// What its line asks for.
    pub read: fn(&Line) -> Result<Act, UsageError>,
}

/// Every family, in the order of the help.
const FAMILIES: &[&[Entry]] = &[
    controllers::ENTRIES,
    clouds::ENTRIES,
    credentials::ENTRIES,
    models::ENTRIES,
    deploy::ENTRIES,
    relating::ENTRIES,
    config::ENTRIES,
    units::ENTRIES,
    machines::ENTRIES,
    storage::ENTRIES,
    resources::ENTRIES,
    secrets::ENTRIES,
    actions::ENTRIES,
    operations::ENTRIES,
    status::ENTRIES,
    spaces::ENTRIES,
    wait::ENTRIES,
    logs::ENTRIES,
    shell::ENTRIES,
    ssh_keys::ENTRIES,
    charm::ENTRIES,
    help::ENTRIES,
];

/// Every command.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

/// The command that `word` calls.
#[must_use]
pub fn find(word: &str) -> Option<&'static Entry> {
    all().find(|entry| entry.usage.name == word || entry.aliases.contains(&word))
}

/// The command whose name is nearest to `word`, if one is near.
#[must_use]
pub fn nearest(word: &str) -> Option<&'static str> {
    all()
        .flat_map(|entry| entry.aliases.iter().copied().chain([entry.usage.name]))
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).clamp(1, 3))
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_word_calls_one_command_and_each_flag_stands_once() {
        let mut words = BTreeSet::new();
        for entry in all() {
            for word in entry.aliases.iter().chain([&entry.usage.name]) {
                assert!(words.insert(*word), "{word} calls two commands");
            }
            let mut names = BTreeSet::new();
            for flag in entry.usage.all_flags() {
                for name in flag.names {
                    assert!(names.insert(*name), "{}: --{name} twice", entry.usage.name);
                }
            }
            let has_format = names.contains("format");
            assert_eq!(has_format, !entry.formats.is_empty(), "{}: formats", entry.usage.name);
        }
        assert!(words.contains("deploy") && words.contains("relate"));
    }

    #[test]
    fn every_example_is_understood() {
        for entry in all() {
            for example in entry.usage.examples {
                let words = example.split_whitespace().skip(1).map(|word| word.replace('\'', ""));
                let line = muster_console::flags::read(&entry.usage, words);
                let Ok(muster_console::flags::Reading::Line(line)) = line else {
                    panic!("{example}: {line:?}")
                };
                assert!(example.starts_with(entry.usage.name), "{example}");
                if let Err(error) = (entry.read)(&line) {
                    panic!("{example}: {error}");
                }
            }
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_guessed() {
        assert_eq!(nearest("stauts"), Some("status"));
        assert_eq!(nearest("delpoy"), Some("deploy"));
        assert_eq!(nearest("frobnicate"), None);
    }
}
