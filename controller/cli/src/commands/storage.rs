//! Storage: listed, added, moved, destroyed.

use std::collections::BTreeSet;

use muster_charms::StorageDirective;
use muster_console::flags::{Flag, Line, Usage, UsageError};
use muster_model::command::ModelCommand;
use muster_model::name::{StorageId, StorageName, UnitName};
use muster_model::record::Provider;

use super::Entry;
use super::common::{GLOBAL, MODEL, OUTPUT, TABULAR, YAML, each, need, pair, parse, rule};
use crate::act::Act;

/// `storage` and `show-storage`.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    /// Which; empty is all.
    pub ids: Vec<StorageId>,
    /// Which table.
    pub kind: Listing,
    /// Whether it is `show-storage`: a map by id.
    pub show: bool,
}

/// Which table of storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// What charms asked for.
    Storage,
    /// What they got.
    Filesystems,
    /// What that stands on.
    Volumes,
}

/// `storage-pools`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pools {
    /// Only these names.
    pub names: Vec<String>,
    /// Only these providers.
    pub providers: Vec<String>,
}

/// `add-storage`.
#[derive(Clone, Debug, PartialEq)]
pub struct AddStorage {
    /// The unit.
    pub unit: UnitName,
    /// Which, and how each is made.
    pub storage: Vec<(StorageName, StorageDirective)>,
}

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::switch(&["filesystem"], "List file systems."),
                    Flag::switch(&["volume"], "List volumes."),
                ],
                OUTPUT,
                MODEL,
                GLOBAL,
            ],
            examples: &["storage", "storage --filesystem", "storage data/0 --format yaml"],
            ..Usage::of("storage", "[<storage> ...]", "List storage, attached and kept.")
        },
        aliases: &["list-storage"],
        formats: TABULAR,
        read: list,
    },
    Entry {
        usage: Usage {
            flags: &[OUTPUT, MODEL, GLOBAL],
            examples: &["show-storage data/0"],
            ..Usage::of("show-storage", "<storage> ...", "Show storage.")
        },
        aliases: &[],
        formats: YAML,
        read: show,
    },
    Entry {
        usage: Usage {
            flags: &[MODEL, GLOBAL],
            details: "The directive is any of a pool, a count and a size, joined by commas: loop,2,10G.",
            examples: &["add-storage wiki/0 data", "add-storage wiki/0 data=loop,10G cache=3"],
            ..Usage::of(
                "add-storage",
                "<unit> <name>[=<directive>] ...",
                "Give a unit more storage.",
            )
        },
        aliases: &[],
        formats: &[],
        read: add,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::switch(&["force"], "Also when a unit has it."),
                    Flag::switch(&["no-destroy"], "Forget it, but leave its data."),
                ],
                MODEL,
                GLOBAL,
            ],
            examples: &["remove-storage data/0"],
            ..Usage::of("remove-storage", "<storage> ...", "Destroy storage.")
        },
        aliases: &[],
        formats: &[],
        read: remove,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::switch(&["force"], "Also if its hook fails or cannot run."),
                    Flag::switch(&["no-wait"], "With --force: do not wait between steps."),
                ],
                MODEL,
                GLOBAL,
            ],
            examples: &["detach-storage data/0"],
            ..Usage::of(
                "detach-storage",
                "<storage> ...",
                "Take storage from its unit and keep it.",
            )
        },
        aliases: &[],
        formats: &[],
        read: detach,
    },
    Entry {
        usage: Usage {
            flags: &[MODEL, GLOBAL],
            examples: &["attach-storage wiki/1 data/0"],
            ..Usage::of("attach-storage", "<unit> <storage> ...", "Give kept storage to a unit.")
        },
        aliases: &[],
        formats: &[],
        read: attach,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[
                    Flag::list(&["name"], "NAME", "Only pools of this name."),
                    Flag::list(&["provider"], "PROVIDER", "Only pools of this provider."),
                ],
                OUTPUT,
                MODEL,
                GLOBAL,
            ],
            examples: &["storage-pools", "storage-pools --provider loop"],
            ..Usage::of("storage-pools", "", "List the pools that storage is made from.")
        },
        aliases: &["list-storage-pools"],
        formats: TABULAR,
        read: pools,
    },
    Entry {
        usage: Usage {
            flags: &[MODEL, GLOBAL],
            examples: &["create-storage-pool fast loop"],
            ..Usage::of(
                "create-storage-pool",
                "<name> <provider> [<key>=<value> ...]",
                "Make a pool.",
            )
        },
        aliases: &[],
        formats: &[],
        read: create_pool,
    },
];

fn ids(words: &[String]) -> Result<Vec<StorageId>, UsageError> {
    each(words, "storage id")
}

fn list(line: &Line) -> Result<Act, UsageError> {
    let kind = match (line.on("filesystem"), line.on("volume")) {
        (true, true) => return Err(rule("--filesystem and --volume can not be used together")),
        (true, false) => Listing::Filesystems,
        (false, true) => Listing::Volumes,
        (false, false) => Listing::Storage,
    };
    let ids = if line.words.is_empty() { Vec::new() } else { ids(&line.words)? };
    Ok(Act::Storage(Storage { ids, kind, show: false }))
}

fn show(line: &Line) -> Result<Act, UsageError> {
    Ok(Act::Storage(Storage { ids: ids(&line.words)?, kind: Listing::Storage, show: true }))
}

fn add(line: &Line) -> Result<Act, UsageError> {
    let unit = need(line, 0, "unit")?;
    let words = line.words.get(1..).unwrap_or_default();
    if words.is_empty() {
        return Err(rule("add-storage requires a storage directive"));
    }
    let mut storage = Vec::new();
    for word in words {
        storage.push(match word.split_once('=') {
            Some((name, directive)) => (parse(name)?, parse(directive)?),
            None => (parse(word)?, StorageDirective::default()),
        });
    }
    Ok(Act::AddStorage(AddStorage { unit, storage }))
}

fn set(line: &Line, from: usize) -> Result<BTreeSet<StorageId>, UsageError> {
    Ok(ids(line.words.get(from..).unwrap_or_default())?.into_iter().collect())
}

fn remove(line: &Line) -> Result<Act, UsageError> {
    Ok(Act::Change(vec![ModelCommand::RemoveStorage {
        storage: set(line, 0)?,
        force: line.on("force"),
        keep_data: line.on("no-destroy"),
    }]))
}

fn detach(line: &Line) -> Result<Act, UsageError> {
    super::common::check_removal(line)?;
    Ok(Act::Change(vec![ModelCommand::DetachStorage {
        storage: set(line, 0)?,
        force: line.on("force"),
    }]))
}

fn attach(line: &Line) -> Result<Act, UsageError> {
    let unit = need(line, 0, "unit")?;
    Ok(Act::Change(vec![ModelCommand::AttachStorage { unit, storage: set(line, 1)? }]))
}

fn pools(line: &Line) -> Result<Act, UsageError> {
    line.at_most(0)?;
    let owned = |key| line.all(key).map(str::to_owned).collect();
    Ok(Act::StoragePools(Pools { names: owned("name"), providers: owned("provider") }))
}

fn create_pool(line: &Line) -> Result<Act, UsageError> {
    let name = need(line, 0, "pool name")?;
    let provider = match line.need(1, "provider")? {
        "rootfs" => Provider::Rootfs,
        "tmpfs" => Provider::Tmpfs,
        "loop" => Provider::Loop,
        other => {
            return Err(UsageError::rule(format!(
                "storage provider {other:?} not found; there are rootfs, tmpfs and loop"
            )));
        }
    };
    let mut attributes = std::collections::BTreeMap::new();
    for word in line.words.iter().skip(2) {
        let (key, value) = pair(word)?;
        attributes.insert(key.to_owned(), value.to_owned());
    }
    Ok(Act::Change(vec![ModelCommand::CreateStoragePool { name, provider, attributes }]))
}
