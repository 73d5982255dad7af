//! Secrets: the operators' own are made, changed and granted; all are listed (CLI contract §3.8).

use std::collections::BTreeSet;

use muster_charms::secret::{Givens, from_words};
use muster_console::flags::{Flag, Line, Usage, UsageError};
use muster_model::name::ApplicationName;

use super::Entry;
use super::common::{GLOBAL, MODEL, OUTPUT, TABULAR, YAML, parse, rule};
use crate::act::Act;

/// What may be done to secrets.
#[derive(Clone, Debug, PartialEq)]
pub enum Secret {
    /// `add-secret`.
    Add {
        /// Its name.
        name: String,
        /// For people.
        info: String,
        /// What it holds.
        content: Content,
    },
    /// `update-secret`.
    Update {
        /// Which, by id, URI or name.
        secret: String,
        /// Another name.
        name: Option<String>,
        /// Another description.
        info: Option<String>,
        /// Whether old revisions go by themselves.
        auto_prune: Option<bool>,
        /// What it holds from now on.
        content: Option<Content>,
    },
    /// `remove-secret`.
    Remove {
        /// Which.
        secret: String,
        /// Only this revision.
        revision: Option<u32>,
    },
    /// `grant-secret` and `revoke-secret`.
    Grant {
        /// Which.
        secret: String,
        /// Whom.
        applications: BTreeSet<ApplicationName>,
        /// Whether they may read it from now on.
        granted: bool,
    },
    /// `secrets`.
    List {
        /// Only those of this owner.
        owner: Option<String>,
    },
    /// `show-secret`.
    Show {
        /// Which.
        secret: String,
        /// With what it holds.
        reveal: bool,
        /// Of this revision.
        revision: Option<u32>,
        /// With all of its revisions.
        revisions: bool,
    },
}

/// Where a content comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Words of the line.
    Words(Givens),
    /// A file in YAML or JSON.
    File(String),
}

const FORMS: &str = "key=value is the value itself, key#base64=value is in base64, key#file=path is a file's bytes;\n--file is a map of such keys in YAML or JSON. Words can be seen by others on this host: for what must\nnot be, use a file.";
const INFO: Flag = Flag::value(&["info"], "TEXT", "What it is for, for people.");
const FILE: Flag = Flag::value(&["file"], "FILE", "Read what it holds from a file.");

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        usage: Usage {
            flags: &[&[INFO, FILE], MODEL, GLOBAL],
            details: FORMS,
            examples: &[
                "add-secret db-login password#file=./password",
                "add-secret tls --file tls.yaml",
            ],
            ..Usage::of("add-secret", "<name> [key[#base64|#file]=value ...]", "Make a secret.")
        },
        aliases: &[],
        formats: &[],
        read: add,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[
                    INFO,
                    FILE,
                    Flag::value(&["name"], "NAME", "Another name."),
                    Flag::switch(&["auto-prune"], "Remove revisions that nobody reads any more."),
                ],
                MODEL,
                GLOBAL,
            ],
            details: FORMS,
            examples: &[
                "update-secret db-login password#file=./new",
                "update-secret db-login --auto-prune",
            ],
            ..Usage::of(
                "update-secret",
                "<id or name> [key[#base64|#file]=value ...]",
                "Change a secret.",
            )
        },
        aliases: &[],
        formats: &[],
        read: update,
    },
    Entry {
        usage: Usage {
            flags: &[&[Flag::value(&["revision"], "N", "Only this revision.")], MODEL, GLOBAL],
            examples: &["remove-secret db-login", "remove-secret db-login --revision 1"],
            ..Usage::of("remove-secret", "<id or name>", "Remove a secret.")
        },
        aliases: &[],
        formats: &[],
        read: remove,
    },
    Entry {
        usage: Usage {
            flags: &[MODEL, GLOBAL],
            details: "Charms are told of it by an option: muster config <application> <option>=secret:<id>.",
            examples: &["grant-secret db-login wiki", "grant-secret db-login wiki,blog"],
            ..Usage::of(
                "grant-secret",
                "<id or name> <application>[,<application>...]",
                "Let applications read a secret.",
            )
        },
        aliases: &[],
        formats: &[],
        read: grant,
    },
    Entry {
        usage: Usage {
            flags: &[MODEL, GLOBAL],
            examples: &["revoke-secret db-login wiki"],
            ..Usage::of(
                "revoke-secret",
                "<id or name> <application>[,<application>...]",
                "Let applications read a secret no more.",
            )
        },
        aliases: &[],
        formats: &[],
        read: revoke,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[Flag::value(&["owner"], "OWNER", "Only those of an application or a unit.")],
                OUTPUT,
                MODEL,
                GLOBAL,
            ],
            examples: &["secrets", "secrets --owner wiki --format json"],
            ..Usage::of("secrets", "", "List secrets.")
        },
        aliases: &["list-secrets"],
        formats: TABULAR,
        read: list,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::switch(&["reveal"], "Show what it holds."),
                    Flag::value(&["revision", "r"], "N", "Show this revision."),
                    Flag::switch(&["revisions"], "List its revisions."),
                ],
                OUTPUT,
                MODEL,
                GLOBAL,
            ],
            examples: &["show-secret db-login", "show-secret db-login --reveal --revision 1"],
            ..Usage::of("show-secret", "<id or name>", "Show a secret.")
        },
        aliases: &["show-secrets"],
        formats: YAML,
        read: show,
    },
];

fn content(line: &Line, words: &[String]) -> Result<Option<Content>, UsageError> {
    match line.last("file") {
        Some(_) if !words.is_empty() => {
            Err(UsageError::rule("cannot specify both --file and secret values"))
        }
        Some(file) => Ok(Some(Content::File(file.to_owned()))),
        None if words.is_empty() => Ok(None),
        None => from_words(words).map(|givens| Some(Content::Words(givens))).map_err(rule),
    }
}

fn add(line: &Line) -> Result<Act, UsageError> {
    let name = line.need(0, "secret name")?.to_owned();
    let content = content(line, line.words.get(1..).unwrap_or_default())?;
    let Some(content) = content else {
        return Err(UsageError::rule("missing secret value or filename"));
    };
    let info = line.last("info").unwrap_or_default().to_owned();
    Ok(Act::Secret(Secret::Add { name, info, content }))
}

fn update(line: &Line) -> Result<Act, UsageError> {
    let secret = which(line)?;
    let content = content(line, line.words.get(1..).unwrap_or_default())?;
    let text = |key| line.last(key).map(str::to_owned);
    let (name, info, auto_prune) = (text("name"), text("info"), line.switch("auto-prune"));
    if name.is_none() && info.is_none() && auto_prune.is_none() && content.is_none() {
        return Err(UsageError::rule("missing secret value or filename"));
    }
    Ok(Act::Secret(Secret::Update { secret, name, info, auto_prune, content }))
}

fn remove(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    Ok(Act::Secret(Secret::Remove { secret: which(line)?, revision: line.parsed("revision")? }))
}

fn grant(line: &Line) -> Result<Act, UsageError> {
    granting(line, true)
}

fn revoke(line: &Line) -> Result<Act, UsageError> {
    granting(line, false)
}

fn granting(line: &Line, granted: bool) -> Result<Act, UsageError> {
    line.at_most(2)?;
    let secret = which(line)?;
    let names = line.need(1, "application name")?.split(',');
    let applications: Result<_, _> = names.map(|name| parse(name.trim())).collect();
    Ok(Act::Secret(Secret::Grant { secret, applications: applications?, granted }))
}

fn list(line: &Line) -> Result<Act, UsageError> {
    line.at_most(0)?;
    Ok(Act::Secret(Secret::List { owner: line.last("owner").map(str::to_owned) }))
}

fn show(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    let (reveal, revisions) = (line.on("reveal"), line.on("revisions"));
    let revision: Option<u32> = line.parsed("revision")?;
    if reveal && revisions {
        return Err(UsageError::rule("specify either --revisions or --reveal but not both"));
    }
    if revision.is_some() && revisions {
        return Err(UsageError::rule("specify either --revisions or --revision but not both"));
    }
    Ok(Act::Secret(Secret::Show { secret: which(line)?, reveal, revision, revisions }))
}

fn which(line: &Line) -> Result<String, UsageError> {
    line.need(0, "secret id or name").map(str::to_owned)
}
