//! Keys that let their bearers in over SSH.

use muster_console::flags::{Flag, Line, Usage, UsageError};
use muster_model::command::ModelCommand;
use muster_model::ssh_key::SshKey;

use super::Entry;
use super::common::{GLOBAL, MODEL, each};
use crate::act::Act;

/// `ssh-keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SshKeys {
    /// Whole keys, not fingerprints.
    pub full: bool,
}

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        usage: Usage {
            flags: &[MODEL, GLOBAL],
            details: "\
Each key is one word, as it stands in a file that ends with .pub. Its bearer may log in on every machine of the
model, as root and as \"ubuntu\"; \"muster ssh\" itself needs none.",
            examples: &["add-ssh-key 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPAxaOCGQkPsDZPXTZVRpIoQYKb/SOxzqWFQUTWLRr7S ann'"],
            ..Usage::of("add-ssh-key", "<key> ...", "Let the bearers of keys in on a model's machines.")
        },
        aliases: &[],
        formats: &[],
        read: add,
    },
    Entry {
        usage: Usage {
            flags: &[MODEL, GLOBAL],
            details: "Each key is named by its fingerprint, its comment, or the whole of it.",
            examples: &["remove-ssh-key ann@desk", "remove-ssh-key SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"],
            ..Usage::of("remove-ssh-key", "<fingerprint, comment or key> ...", "Let the bearers of keys in no more.")
        },
        aliases: &[],
        formats: &[],
        read: remove,
    },
    Entry {
        usage: Usage {
            flags: &[&[Flag::switch(&["full"], "Whole keys, not fingerprints.")], MODEL, GLOBAL],
            examples: &["ssh-keys", "ssh-keys --full"],
            ..Usage::of("ssh-keys", "", "List the keys that are let in.")
        },
        aliases: &["list-ssh-keys"],
        formats: &[],
        read: list,
    },
];

fn add(line: &Line) -> Result<Act, UsageError> {
    // Where a shell has parted a key at its blanks it is one word again.
    let whole = line.words.join(" ");
    let keys = match whole.parse::<SshKey>() {
        Ok(key) if line.words.iter().skip(1).all(|word| word.parse::<SshKey>().is_err()) => {
            vec![key]
        }
        _ => each::<SshKey>(&line.words, "ssh key")?,
    };
    Ok(Act::Change(vec![ModelCommand::AddSshKeys(keys)]))
}

fn remove(line: &Line) -> Result<Act, UsageError> {
    if line.words.is_empty() {
        return Err(UsageError::rule("no ssh key specified"));
    }
    Ok(Act::Change(vec![ModelCommand::RemoveSshKeys(line.words.clone())]))
}

fn list(line: &Line) -> Result<Act, UsageError> {
    line.at_most(0)?;
    Ok(Act::SshKeys(SshKeys { full: line.on("full") }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Said, parse};

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPAxaOCGQkPsDZPXTZVRpIoQYKb/SOxzqWFQUTWLRr7S ann@desk";

    fn command(words: &[&str]) -> ModelCommand {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        match parse(&words) {
            Ok(Said::Request(request)) => match request.act {
                Act::Change(mut commands) => commands.remove(0),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    /// CLI contract cmd_add-ssh-key.
    #[test]
    fn keys_are_read_before_anything_is_done() {
        let ModelCommand::AddSshKeys(keys) = command(&["add-ssh-key", KEY]) else { panic!() };
        assert_eq!(keys.iter().map(ToString::to_string).collect::<Vec<_>>(), [KEY]);
        let other = KEY.replace("ann", "bob");
        let ModelCommand::AddSshKeys(keys) = command(&["add-ssh-key", KEY, &other]) else {
            panic!()
        };
        assert_eq!(keys.len(), 2);
        let bare: Vec<&str> = ["add-ssh-key"].into_iter().chain(KEY.split(' ')).collect();
        let ModelCommand::AddSshKeys(keys) = command(&bare) else { panic!() };
        assert_eq!(keys[0].comment(), "ann@desk");
        let wrong = parse(&["add-ssh-key", "ssh-rsa x"].map(str::to_owned)).unwrap_err();
        assert_eq!(wrong.code, 2);
        assert!(wrong.message.contains("invalid ssh key"), "{}", wrong.message);
        assert_eq!(parse(&["add-ssh-key".to_owned()]).unwrap_err().message, "no ssh key specified");
    }

    /// CLI contract trap_13: `remove-ssh-key` takes a whole key; and cmd_remove-ssh-key.
    #[test]
    fn trap_13_a_key_is_taken_away_by_the_whole_of_it() {
        let ModelCommand::RemoveSshKeys(names) = command(&["remove-ssh-key", KEY]) else {
            panic!()
        };
        let key: SshKey = KEY.parse().unwrap();
        assert!(names.len() == 1 && key.is_called(&names[0]));
    }
}
