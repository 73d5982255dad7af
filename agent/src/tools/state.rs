//! `state-get`, `state-set`, `state-delete` (hook contract, section 5.9).

use muster_console::flags::{Flag, Line, Usage};
use muster_console::format::OUTPUT;
use muster_model::effects::{SettingsChange, apply_change};
use muster_model::limits;
use serde_json::{Value, json};

use super::settings_file;
use super::{Caller, Given, Result, fail1, fail2, smart};
use crate::hook::context::Context;

pub(super) const GET: Usage = Usage {
    flags: &[OUTPUT, &[Flag::switch(&["strict"], "Fail if the key is not there.")]],
    ..Usage::of("state-get", "[<key> | -]", "Print what the charm keeps with the controller.")
};

pub(super) const SET: Usage = Usage {
    flags: &[&[Flag::value(
        &["file"],
        "FILE",
        "Read pairs from a file of YAML or JSON; `-` is standard input.",
    )]],
    ..Usage::of("state-set", "<key>=<value> [...]", "Keep something with the controller.")
};

pub(super) const DELETE: Usage = Usage::of("state-delete", "<key>", "Forget a key.");

pub(super) fn get(context: &Context, line: &Line) -> Result<Given> {
    line.at_most(1)?;
    let state = context.state();
    match line.word(0) {
        Some(key) if key != "-" => match state.get(key) {
            Some(value) => smart(json!(value)),
            None if line.on("strict") => Err(fail1(format!("{key:?} not found"))),
            None => smart(Value::String(String::new())),
        },
        _ => smart(json!(state)),
    }
}

pub(super) fn set(context: &mut Context, line: &Line, caller: &Caller<'_>) -> Result<Given> {
    let pairs = settings_file::all(line, caller)?;
    let kept = context.state();
    let changed = pairs.into_iter().filter(|(key, value)| kept.get(key) != Some(value));
    let change: SettingsChange = changed.map(|(key, value)| (key, Some(value))).collect();
    let mut state = kept;
    apply_change(&mut state, &change);
    limits::state(&state).map_err(|why| fail1(why.to_string()))?;
    context.effects.state.extend(change);
    Ok(Given::Nothing)
}

pub(super) fn delete(context: &mut Context, line: &Line) -> Result<Given> {
    line.at_most(1)?;
    let Some(key) = line.word(0) else { return Ok(Given::Nothing) };
    if key.is_empty() {
        return Err(fail2("no key specified"));
    }
    context.effects.state.insert(key.to_owned(), None);
    Ok(Given::Nothing)
}
