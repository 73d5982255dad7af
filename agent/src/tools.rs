//! The hook tools, on the agent's side of the socket (hook contract, section 5).
//!
//! A name that stands here is a link in every unit's tools; one that does not is absent, because
//! libraries take "command not found" for "feature missing" (section 3.4).

mod action;
mod config;
mod goal;
mod leader;
mod log;
mod network;
mod port;
mod reboot;
mod relation;
mod resource;
mod secret;
mod settings_file;
mod state;
mod status;
mod storage;

use std::path::Path;

use muster_console::flags::{self, Line, Reading, Usage, UsageError};
use muster_console::format::Format;
use muster_console::outcome;
use serde_json::Value;

use crate::hook::context::Context;
use crate::wire::{Answer, Call};

pub(crate) use network::bag_keys;
pub(crate) use port::remove as remove_port;
pub(crate) use secret::Secrets;

/// One tool: how its line is read. What it does is in [`perform`].
const TABLE: &[&Usage] = &[
    &action::GET,
    &action::SET,
    &action::FAIL,
    &action::LOG,
    &config::GET,
    &goal::CREDENTIAL,
    &goal::STATE,
    &leader::GET,
    &leader::IS,
    &leader::SET,
    &log::LOG,
    &network::GET,
    &network::UNIT_GET,
    &port::CLOSE,
    &port::OPEN,
    &port::OPENED,
    &reboot::REBOOT,
    &relation::GET,
    &relation::IDS,
    &relation::LIST,
    &relation::MODEL_GET,
    &relation::SET,
    &resource::GET,
    &resource::UNPACK,
    &secret::ADD,
    &secret::GET,
    &secret::GRANT,
    &secret::IDS,
    &secret::INFO,
    &secret::REMOVE,
    &secret::REVOKE,
    &secret::SET,
    &state::DELETE,
    &state::GET,
    &state::SET,
    &status::GET,
    &status::SET,
    &status::VERSION,
    &storage::ADD,
    &storage::GET,
    &storage::LIST,
];

/// The tools' names.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|usage| usage.name)
}

/// Whether the binary is a tool under this name.
#[must_use]
pub fn is_tool(name: &str) -> bool {
    names().any(|tool| tool == name)
}

/// What a tool comes to.
enum Given {
    /// Nothing to print.
    Nothing,
    /// A value in the format that was asked for, or in this one.
    Data(Value, Format),
    /// Bytes as they are.
    Raw(Vec<u8>),
    /// Nothing to print, and a word on standard error.
    Notice(String),
}

/// Why a tool does not do it: its exit code and the words behind `ERROR`.
struct Stop {
    code: u8,
    text: String,
}

/// Fails while running: exit code 1.
fn fail1(text: impl Into<String>) -> Stop {
    Stop { code: outcome::FAILED, text: text.into() }
}

/// Refuses the words before anything runs: exit code 2.
fn fail2(text: impl Into<String>) -> Stop {
    Stop { code: outcome::USAGE, text: text.into() }
}

impl From<UsageError> for Stop {
    fn from(error: UsageError) -> Stop {
        fail2(error.to_string())
    }
}

type Result<T> = std::result::Result<T, Stop>;

fn smart(value: Value) -> Result<Given> {
    Ok(Given::Data(value, Format::Smart))
}

/// What a tool was called with, beside its flags and words.
struct Caller<'a> {
    cwd: &'a Path,
    stdin: Option<&'a [u8]>,
}

/// Carries out one call.
pub(crate) async fn answer(context: &mut Context, call: Call) -> Answer {
    let bad = |text: String| error_answer(1, &format!("bad request: {text}"));
    if call.tool.is_empty() {
        return bad("command not specified".to_owned());
    }
    let Some(usage) = TABLE.iter().find(|usage| usage.name == call.tool) else {
        return bad(format!("unknown command {:?}", call.tool));
    };
    let cwd = Path::new(&call.cwd);
    if !cwd.is_absolute() {
        return bad("relative directory".to_owned());
    }
    let line = match flags::read(usage, call.args) {
        Ok(Reading::Line(line)) => line,
        Ok(Reading::Help) => {
            return Answer { stdout: usage.help("").into_bytes(), ..Answer::default() };
        }
        Err(error) => return error_answer(outcome::USAGE, &error.to_string()),
    };
    let format = if usage.all_flags().any(|flag| flag.key() == "output") {
        match Format::asked(&line, Format::Smart) {
            Ok(format) => line.has("format").then_some(format),
            Err(error) => return error_answer(outcome::USAGE, &error.to_string()),
        }
    } else {
        None
    };
    let caller = Caller { cwd, stdin: call.stdin.as_deref() };
    let given = match perform(context, usage.name, &line, &caller, format).await {
        Ok(given) => given,
        Err(Stop { code, text }) => return error_answer(code, &text),
    };
    let mut answer = Answer::default();
    match given {
        Given::Nothing => {}
        Given::Notice(text) => answer.stderr = format!("{text}\n").into_bytes(),
        Given::Raw(bytes) => answer.stdout = bytes,
        Given::Data(value, usual) => {
            answer.stdout = format.unwrap_or(usual).render(&value).into_bytes();
        }
    }
    if let Some(file) = line.last("output") {
        answer.output = cwd.join(file).to_string_lossy().into_owned();
    }
    answer
}

fn error_answer(code: u8, text: &str) -> Answer {
    Answer { code, stderr: outcome::error_line(text).into_bytes(), ..Answer::default() }
}

async fn perform(
    context: &mut Context,
    name: &str,
    line: &Line,
    caller: &Caller<'_>,
    format: Option<Format>,
) -> Result<Given> {
    match name {
        "action-get" => action::get(context, line),
        "action-set" => action::set(context, line),
        "action-fail" => action::fail(context, line),
        "action-log" => action::log(context, line).await,
        "config-get" => config::get(context, line),
        "credential-get" => goal::credential(context, format),
        "goal-state" => goal::state(context, line).await,
        "leader-get" => leader::get(context, line),
        "is-leader" => leader::is(context, line).await,
        "leader-set" => leader::set(context, line).await,
        "juju-log" => log::log(context, line),
        "network-get" => network::get(context, line, format),
        "unit-get" => network::unit_get(context, line),
        "close-port" => port::close(context, line),
        "open-port" => port::open(context, line),
        "opened-ports" => port::opened(context, line),
        "juju-reboot" => reboot::reboot(context, line),
        "relation-get" => relation::get(context, line).await,
        "relation-ids" => relation::ids(context, line),
        "relation-list" => relation::list(context, line),
        "relation-model-get" => relation::model_get(context, line),
        "relation-set" => relation::set(context, line, caller).await,
        "resource-get" => resource::get(context, line).await,
        "resource-unpack" => resource::unpack(context, line, caller).await,
        "secret-add" => secret::add(context, line, caller).await,
        "secret-get" => secret::get(context, line).await,
        "secret-grant" => secret::grant(context, line).await,
        "secret-ids" => secret::ids(context, line).await,
        "secret-info-get" => secret::info(context, line).await,
        "secret-remove" => secret::remove(context, line).await,
        "secret-revoke" => secret::revoke(context, line).await,
        "secret-set" => secret::set(context, line, caller).await,
        "state-delete" => state::delete(context, line),
        "state-get" => state::get(context, line),
        "state-set" => state::set(context, line, caller),
        "status-get" => status::get(context, line, format).await,
        "status-set" => status::set(context, line).await,
        "application-version-set" => status::version(context, line).await,
        "storage-add" => storage::add(context, line),
        "storage-get" => storage::get(context, line),
        "storage-list" => storage::list(context, line),
        other => Err(fail1(format!("bad request: unknown command {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e26_what_is_not_offered_is_absent() {
        assert!(is_tool("config-get"));
        for absent in ["function-get", "pod-spec-set", "k8s-raw-set", "add-metric"] {
            assert!(!is_tool(absent), "{absent}");
        }
    }

    /// Hook contract T08.
    #[test]
    fn t08_the_help_of_relation_set_names_the_file() {
        assert!(relation::SET.help("").contains("--file"));
    }
}
