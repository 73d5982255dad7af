//! `ssh` and `scp`.

use muster_console::flags::{Flag, Line, Order, Usage, UsageError};
use muster_model::command::TargetRef;

use super::Entry;
use super::common::{GLOBAL, MODEL, parse};
use crate::act::Act;

/// Options of `ssh` that take a value (ssh(1)).
const SSH_VALUES: &str = "BbcDEeFIiJLlmOoPpQRSWw";
/// Options of `scp` that do (scp(1)).
const SCP_VALUES: &str = "cDFiJloPSX";

/// Where a shell is opened, and as whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// `user@`, if it stood there.
    pub user: Option<String>,
    /// The unit or machine.
    pub target: TargetRef,
}

/// `ssh`.
#[derive(Clone, Debug, PartialEq)]
pub struct Ssh {
    /// Where.
    pub place: Place,
    /// Options for OpenSSH; with any, it is OpenSSH that connects.
    pub options: Vec<String>,
    /// What to run; empty is a shell.
    pub command: Vec<String>,
    /// Whether there is a terminal; none: if standard input is one.
    pub pty: Option<bool>,
    /// Be a pipe to the machine's SSH server.
    pub stdio: bool,
}

/// `scp`.
#[derive(Clone, Debug, PartialEq)]
pub struct Scp {
    /// Options for OpenSSH's `scp`.
    pub options: Vec<String>,
    /// Sources, and where they go: the last.
    pub operands: Vec<Operand>,
}

/// A file or folder for `scp`.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// Here.
    Here(String),
    /// On a machine, at this path; empty is the home.
    There(Place, String),
}

const SHARED: &[Flag] = &[
    Flag::value(&["container"], "NAME", "On machines: \"charm\" is the unit itself."),
    Flag::switch(
        &["no-host-key-checks"],
        "Accepted; the machine's keys are known and never asked for.",
    ),
    Flag::switch(&["proxy"], "Accepted; everything goes through the controller."),
    Flag::switch(&["remote"], "Accepted."),
];

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        usage: Usage {
            flags: &[
                SHARED,
                &[
                    Flag::switch(&["pty"], "With a terminal there, or with =false without one; else if there is one here."),
                    Flag::switch(&["stdio"], "Be a pipe to the machine's SSH server, for a ProxyCommand of OpenSSH."),
                ],
                MODEL,
                GLOBAL,
            ],
            details: "\
A shell, or a command, on the machine of a unit, through the controller and the machine's agent: no port is
opened, no key is needed, and it waits for no hook. Input, output, errors and exit code are passed on as they
come. One is root there, or whoever stands before the @; \"ubuntu\" is an account with sudo.

With options of OpenSSH after the target, such as -i or -L, it is OpenSSH that connects, over the same way.",
            examples: &[
                "ssh wiki/0",
                "ssh wiki/0 uptime",
                "ssh ubuntu@0 sudo cat /etc/hostname",
                "ssh wiki/leader -- ls -l",
                "ssh wiki/0 -L 8080:localhost:80 -N",
            ],
            order: Order::FlagsFirst,
            ..Usage::of("ssh", "[<user>@]<unit or machine> [<ssh option> ...] [<command> ...]", "Open a shell on a machine, or run a command there.")
        },
        aliases: &[],
        formats: &[],
        read: ssh,
    },
    Entry {
        usage: Usage {
            flags: &[SHARED, MODEL, GLOBAL],
            details: "\
OpenSSH's scp, through the controller. Files on machines are written [<user>@]<unit or machine>:<path>; options
of scp, such as -r for folders and -p for times and modes, follow --.",
            examples: &["scp wiki/0:/etc/hosts .", "scp -- -r ./site ubuntu@wiki/0:site"],
            order: Order::FlagsFirst,
            ..Usage::of("scp", "[-- <scp option> ...] <source> ... <destination>", "Copy files and folders to and from machines.")
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
pub fn place(word: &str) -> Result<Place, UsageError> {
    let (user, place) = match word.split_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, word),
    };
    if let Some(user) = user
        && (user.is_empty() || user.starts_with('-') || user.contains([':', '/', ' ']))
    {
        return Err(UsageError::rule(format!("{user:?} is no user")));
    }
    let target = if let Some(application) = place.strip_suffix("/leader") {
        TargetRef::Leader(parse(application)?)
    } else if place.contains('/') {
        TargetRef::Unit(parse(place)?)
    } else if place.starts_with(|c: char| c.is_ascii_digit()) {
        TargetRef::Machine(parse(place)?)
    } else {
        return Err(UsageError::rule(format!(
            "{place:?} is no unit and no machine; write for example {place}/0 or 0"
        )));
    };
    Ok(Place { user: user.map(str::to_owned), target })
}

fn only_the_unit(line: &Line) -> Result<(), UsageError> {
    if line.last("container").is_some_and(|name| name != "charm") {
        return Err(line.bad("container", "units have no containers on machines"));
    }
    Ok(())
}

/// Takes options of OpenSSH off the front; `--` ends them.
fn options(words: &[String], values: &str) -> (Vec<String>, Vec<String>) {
    let mut options = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.as_slice().first()
        && let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty())
    {
        rest.next();
        if letters == "-" {
            break;
        }
        options.push(word.clone());
        // The first letter that takes a value has the rest of the word, or the next.
        let takes = letters.char_indices().find(|(_, letter)| values.contains(*letter));
        if takes.is_some_and(|(at, letter)| at + letter.len_utf8() == letters.len()) {
            options.extend(rest.next().cloned());
        }
    }
    (options, rest.as_slice().to_vec())
}

fn ssh(line: &Line) -> Result<Act, UsageError> {
    only_the_unit(line)?;
    let stdio = line.on("stdio");
    let word = line.need(0, "target")?;
    // As OpenSSH is told of machines: a bare number would be an address to it.
    let word = word.strip_prefix("machine-").filter(|_| stdio).unwrap_or(word);
    let place = place(word)?;
    let (options, command) = options(line.words.get(1..).unwrap_or_default(), SSH_VALUES);
    if stdio && !(options.is_empty() && command.is_empty()) {
        return Err(UsageError::rule("--stdio is a pipe and runs nothing"));
    }
    Ok(Act::Ssh(Ssh { place, options, command, pty: line.switch("pty"), stdio }))
}

fn scp(line: &Line) -> Result<Act, UsageError> {
    only_the_unit(line)?;
    let (options, words) = options(&line.words, SCP_VALUES);
    let operands = words.iter().map(|word| operand(word)).collect::<Result<Vec<_>, _>>()?;
    if operands.len() < 2 {
        return Err(UsageError::rule("at least two arguments required"));
    }
    if !operands.iter().any(|operand| matches!(operand, Operand::There(..))) {
        return Err(UsageError::rule("no file on a machine: write <unit or machine>:<path>"));
    }
    Ok(Act::Scp(Scp { options, operands }))
}

/// What stands before the first colon is a place, unless it is a path (scp(1)).
fn operand(word: &str) -> Result<Operand, UsageError> {
    let Some((host, path)) = word.split_once(':') else {
        return Ok(Operand::Here(word.to_owned()));
    };
    let is_path =
        host.is_empty() || host.starts_with(['.', '/', '~']) || host.matches('/').count() > 1;
    if is_path {
        return Ok(Operand::Here(word.to_owned()));
    }
    Ok(Operand::There(place(host)?, path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Said, parse};

    fn act(line: &str) -> Act {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        match parse(&words) {
            Ok(Said::Request(request)) => request.act,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn refused(line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let failure = parse(&words).expect_err(line);
        assert_eq!(failure.code, 2, "{line}");
        failure.message
    }

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// CLI contract cmd_ssh.
    #[test]
    fn what_follows_the_target_is_openssh_options_and_then_the_command() {
        for (line, user, options, command) in [
            ("ssh wiki/0", None, "", ""),
            ("ssh --model m wiki/0 ls -l", None, "", "ls -l"),
            ("ssh ubuntu@wiki/0 -i key echo hi", Some("ubuntu"), "-i key", "echo hi"),
            (
                "ssh wiki/0 -vi key -o A=b -L1:h:2 -N -- ls -i x",
                None,
                "-vi key -o A=b -L1:h:2 -N",
                "ls -i x",
            ),
            ("ssh wiki/0 -- -i x", None, "", "-i x"),
            ("ssh wiki/0 -tt top - -x", None, "-tt", "top - -x"),
        ] {
            let Act::Ssh(act) = act(line) else { panic!("{line}") };
            assert_eq!(act.place.user.as_deref(), user, "{line}");
            assert_eq!(act.place.target, TargetRef::Unit("wiki/0".parse().unwrap()));
            assert_eq!((act.options, act.command), (words(options), words(command)), "{line}");
        }
        let Act::Ssh(act) = act("ssh --pty=false 3") else { panic!() };
        assert_eq!(
            (act.pty, act.place.target),
            (Some(false), TargetRef::Machine("3".parse().unwrap()))
        );
        assert!(
            refused("ssh wiki ls").contains("is no unit and no machine; write for example wiki/0")
        );
        assert!(refused("ssh -x@wiki/0 ls").contains("not defined"));
        assert!(refused("ssh @wiki/0").contains("is no user"));
        assert!(refused("ssh --container web wiki/0").contains("no containers on machines"));
        assert_eq!(refused("ssh --stdio 0 ls"), "--stdio is a pipe and runs nothing");
    }

    /// CLI contract cmd_scp.
    #[test]
    fn an_operand_with_a_target_and_a_colon_is_on_a_machine() {
        let there = |user: Option<&str>, target: &str, path: &str| {
            let place = place(target).unwrap();
            Operand::There(Place { user: user.map(str::to_owned), ..place }, path.to_owned())
        };
        let here = |path: &str| Operand::Here(path.to_owned());
        for (line, options, operands) in [
            ("scp a:b wiki/0:", "", None),
            ("scp wiki/0:/x ./a:b", "", Some([there(None, "wiki/0", "/x"), here("./a:b")])),
            (
                "scp --model m -- -r -i key dir ubuntu@wiki/leader:~/d:e",
                "-r -i key",
                Some([here("dir"), there(Some("ubuntu"), "wiki/leader", "~/d:e")]),
            ),
            ("scp -- -C 0:/x /a/b:c", "-C", Some([there(None, "0", "/x"), here("/a/b:c")])),
        ] {
            let Some(operands) = operands else {
                assert!(refused(line).contains("is no unit and no machine"), "{line}");
                continue;
            };
            let Act::Scp(act) = act(line) else { panic!("{line}") };
            assert_eq!((act.options, act.operands), (words(options), operands.to_vec()), "{line}");
        }
        assert_eq!(refused("scp wiki/0:x"), "at least two arguments required");
        assert!(refused("scp a b").contains("no file on a machine"));
    }
}
