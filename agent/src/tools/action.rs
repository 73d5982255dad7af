//! `action-get`, `action-set`, `action-fail`, `action-log` (hook contract, section 5.8).

use muster_console::flags::{Line, Usage};
use muster_console::format::OUTPUT;
use muster_model::report::NowReport;
use serde_json::{Map, Value};

use super::{Given, Result, fail1, fail2, smart};
use crate::hook::context::{About, Context};

pub(super) const GET: Usage = Usage {
    flags: &[OUTPUT],
    ..Usage::of("action-get", "[<key>[.<key>...]]", "Print the action's parameters.")
};

pub(super) const SET: Usage =
    Usage::of("action-set", "<key>[.<key>...]=<value> [...]", "Set results of the action.");

pub(super) const FAIL: Usage = Usage {
    details: "Does not end the script.",
    ..Usage::of("action-fail", "[<message>]", "Mark the action as failed.")
};

pub(super) const LOG: Usage =
    Usage::of("action-log", "<message>", "Tell how far the action is; seen at once.");

fn parameters(context: &Context) -> Result<&Map<String, Value>> {
    match &context.about {
        About::Action { parameters, .. } => Ok(parameters),
        _ => Err(fail1("not running an action")),
    }
}

pub(super) fn get(context: &Context, line: &Line) -> Result<Given> {
    line.at_most(1)?;
    let parameters = parameters(context)?;
    let Some(path) = line.word(0) else { return smart(Value::Object(parameters.clone())) };
    let mut keys = path.split('.');
    let mut found = keys.next().and_then(|key| parameters.get(key));
    for key in keys {
        found = found.and_then(|value| value.get(key));
    }
    smart(found.cloned().unwrap_or(Value::Null))
}

/// Parts of a key, so that every reader can follow it down.
const MAX_DEPTH: usize = 8;
/// Bytes of all results as JSON.
const MAX_RESULTS: usize = 256 << 10;

const RESERVED: [&str; 4] = ["stdout", "stdout-encoding", "stderr", "stderr-encoding"];

pub(super) fn set(context: &mut Context, line: &Line) -> Result<Given> {
    parameters(context)?;
    let mut writes = Vec::new();
    for word in &line.words {
        let Some((path, value)) = word.split_once('=') else {
            return Err(fail2(format!("argument {word:?} must be of the form key...=value")));
        };
        let keys: Vec<&str> = path.split('.').collect();
        for key in &keys {
            if RESERVED.contains(key) {
                return Err(fail2(format!("cannot set reserved action key {key:?}")));
            }
            if muster_charms::name::action(key).is_some() && !plain(key) {
                return Err(fail2(format!(
                    "key {key:?} must start and end with lowercase alphanumeric, and contain only \
                     lowercase alphanumeric and hyphens"
                )));
            }
        }
        if keys.len() > MAX_DEPTH {
            return Err(fail1(format!("key has more than {MAX_DEPTH} parts")));
        }
        writes.push((keys, value));
    }
    let mut results = context.action.results.clone();
    for (keys, value) in writes {
        insert(&mut results, &keys, value);
    }
    if serde_json::to_vec(&results).map_or(true, |bytes| bytes.len() > MAX_RESULTS) {
        return Err(fail1("the results are larger than 256 KiB"));
    }
    context.action.results = results;
    Ok(Given::Nothing)
}

/// `[a-z0-9]([a-z0-9-]*[a-z0-9])?`, also for what no action may be called.
fn plain(key: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = key.as_bytes();
    bytes.first().copied().is_some_and(good)
        && bytes.last().copied().is_some_and(good)
        && bytes.iter().all(|byte| good(*byte) || *byte == b'-')
}

/// Later writes replace whatever is in their way.
fn insert(map: &mut Map<String, Value>, keys: &[&str], value: &str) {
    let Some((first, rest)) = keys.split_first() else { return };
    if rest.is_empty() {
        map.insert((*first).to_owned(), Value::String(value.to_owned()));
        return;
    }
    let next = map.entry((*first).to_owned()).or_insert_with(|| Value::Object(Map::new()));
    if !next.is_object() {
        *next = Value::Object(Map::new());
    }
    if let Value::Object(next) = next {
        insert(next, rest, value);
    }
}

pub(super) fn fail(context: &mut Context, line: &Line) -> Result<Given> {
    line.at_most(1)?;
    parameters(context)?;
    let usual = "action failed without reason given, check action for errors";
    let message = line.word(0).filter(|text| !text.is_empty()).unwrap_or(usual);
    context.action.failed = Some(message.to_owned());
    Ok(Given::Nothing)
}

pub(super) async fn log(context: &Context, line: &Line) -> Result<Given> {
    parameters(context)?;
    let About::Action { task, .. } = &context.about else { return Ok(Given::Nothing) };
    if line.words.is_empty() {
        return Err(fail2("no message specified"));
    }
    let now = NowReport::TaskLog {
        task: *task,
        at: context.world.clock.now(),
        line: line.words.join(" "),
    };
    context.tell(now).await.map_err(fail1)?;
    Ok(Given::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Hook contract T54.
    #[test]
    fn t54_results_nest_and_later_writes_win() {
        let mut map = Map::new();
        insert(&mut map, &["a", "b"], "1");
        insert(&mut map, &["a", "c"], "2");
        assert_eq!(Value::Object(map.clone()), json!({"a": {"b": "1", "c": "2"}}));
        insert(&mut map, &["a", "b", "d"], "3");
        assert_eq!(Value::Object(map.clone()), json!({"a": {"b": {"d": "3"}, "c": "2"}}));
        insert(&mut map, &["a"], "4");
        assert_eq!(Value::Object(map), json!({"a": "4"}));
        assert!(plain("a-1") && plain("0") && !plain("A") && !plain("a-") && !plain(""));
    }
}
