//! `config-get`.

use muster_console::flags::{Flag, Line, Usage};
use muster_console::format::OUTPUT;
use serde_json::{Map, Value};

use super::{Given, Result, fail2, smart};
use crate::hook::context::Context;

pub(super) const GET: Usage = Usage {
    flags: &[OUTPUT, &[Flag::switch(&["all", "a"], "Print options without a value, too.")]],
    details: "Prints one option, or all that have a value. A value keeps its type.",
    ..Usage::of("config-get", "[<key>]", "Print the application's configuration.")
};

pub(super) fn get(context: &Context, line: &Line) -> Result<Given> {
    line.at_most(1)?;
    let config = context.wanted().map(|goal| &goal.config);
    let values = config
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.to_string(), serde_json::to_value(value).unwrap_or(Value::Null)));
    let mut values: Map<String, Value> = values.collect();
    if let Some(key) = line.word(0) {
        if line.on("all") {
            return Err(fail2(format!("cannot use argument --all together with key {key:?}")));
        }
        return smart(values.remove(key).unwrap_or(Value::Null));
    }
    if line.on("all") {
        for option in context.charm.options.keys() {
            values.entry(option.to_string()).or_insert(Value::Null);
        }
    }
    smart(Value::Object(values))
}
