//! `juju-log` (hook contract, section 5.4).

use muster_console::flags::{Flag, Line, Usage};

use super::{Given, Result, fail2};
use crate::hook::context::Context;
use crate::unit_log::Level;

pub(super) const LOG: Usage = Usage {
    flags: &[&[
        Flag::switch(&["debug"], "Log at the level DEBUG."),
        Flag::value(&["log-level", "l"], "LEVEL", "Log at this level; INFO by default."),
        Flag::value(&["format"], "FORMAT", "Deprecated; does nothing."),
    ]],
    ..Usage::of("juju-log", "<message>", "Write into the unit's log.")
};

pub(super) fn log(context: &Context, line: &Line) -> Result<Given> {
    if line.words.is_empty() {
        return Err(fail2("no message specified"));
    }
    let part = "juju-log";
    let level = match line.last("log-level") {
        _ if line.on("debug") => Level::Debug,
        None => Level::Info,
        Some(word) => Level::parse(word).unwrap_or_else(|| {
            let warning = format!("invalid log level {word:?}; logged as INFO");
            context.log.write(Level::Warning, part, &warning);
            Level::Info
        }),
    };
    let prefix = match context.about.relation() {
        Some(hook) => format!("{}:{}: ", hook.endpoint, hook.relation),
        None => String::new(),
    };
    context.log.write(level, part, &format!("{prefix}{}", line.words.join(" ")));
    if line.has("format") {
        return Ok(Given::Notice("--format flag deprecated for command \"juju-log\"".to_owned()));
    }
    Ok(Given::Nothing)
}
