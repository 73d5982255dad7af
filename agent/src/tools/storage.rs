//! `storage-get`, `storage-list`, `storage-add` (hook contract, section 5.7).

use muster_console::flags::{Flag, Line, Usage};
use muster_console::format::OUTPUT;
use muster_model::Hook;
use muster_model::name::{StorageId, StorageName};
use serde_json::json;

use super::{Given, Result, fail1, fail2, smart};
use crate::hook::context::{About, Context};
use crate::hook::environment::kind_word;

pub(super) const GET: Usage = Usage {
    flags: &[OUTPUT, &[Flag::value(&["s"], "ID", "The storage; the hook's by default.")]],
    ..Usage::of("storage-get", "[kind | location]", "Print what a storage is and where.")
};

pub(super) const LIST: Usage = Usage {
    flags: &[OUTPUT],
    ..Usage::of("storage-list", "[<name>]", "Print the ids of the unit's storage.")
};

pub(super) const ADD: Usage = Usage {
    details: "Takes effect when the hook has ended well; a storage-attached hook follows.",
    ..Usage::of("storage-add", "<name>[=<count>] [...]", "Ask for more storage.")
};

pub(super) fn get(context: &Context, line: &Line) -> Result<Given> {
    line.at_most(1)?;
    let own = match &context.about {
        About::Hook(Hook::Storage(hook)) => Some(hook.storage.clone()),
        _ => None,
    };
    let id = match line.last("s") {
        Some(text) => {
            Some(text.parse::<StorageId>().map_err(|_| line.bad("s", "invalid storage id"))?)
        }
        None => own,
    };
    let Some(id) = id else { return Err(fail2("no storage instance specified")) };
    let goal = context.wanted().and_then(|goal| goal.storage.get(&id));
    let (Some(goal), Some(location)) = (goal, context.storage.get(&id)) else {
        return Err(line.bad("s", format!("storage {id} not found or not ready")).into());
    };
    let kind = kind_word(goal.kind);
    let location = location.to_string_lossy();
    match line.word(0) {
        None => smart(json!({ "kind": kind, "location": location })),
        Some("kind") => smart(json!(kind)),
        Some("location") => smart(json!(location)),
        Some(other) => Err(fail1(format!("invalid storage attribute {other:?}"))),
    }
}

pub(super) fn list(context: &Context, line: &Line) -> Result<Given> {
    line.at_most(1)?;
    let all = context.wanted().into_iter().flat_map(|goal| goal.storage.keys());
    let ids: Vec<String> = all
        .filter(|id| line.word(0).is_none_or(|name| id.name.as_str() == name))
        .map(ToString::to_string)
        .collect();
    smart(json!(ids))
}

pub(super) fn add(context: &mut Context, line: &Line) -> Result<Given> {
    if line.words.is_empty() {
        return Err(fail2("storage add requires a storage directive"));
    }
    for word in &line.words {
        let (name, count) = match word.split_once('=') {
            Some((name, count)) => (name, count),
            None => (word.as_str(), "1"),
        };
        let count = match count.parse::<u32>() {
            Ok(count) if count > 0 => count,
            _ => return Err(fail2(format!("only count can be specified for {name:?}"))),
        };
        let known = name
            .parse::<StorageName>()
            .ok()
            .filter(|name| context.charm.metadata.storage.contains_key(name));
        let Some(name) = known else {
            return Err(fail1(format!("charm storage {name:?} not found")));
        };
        let wanted = context.effects.add_storage.entry(name).or_default();
        *wanted = wanted.saturating_add(count);
    }
    Ok(Given::Nothing)
}
