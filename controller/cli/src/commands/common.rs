//! Flags and readings that many commands share.

use std::fmt;
use std::str::FromStr;

use muster_charms::Base;
use muster_console::duration::GoDuration;
use muster_console::flags::{Flag, Line, UsageError};
use muster_model::constraints::Constraints;
use muster_model::name::MachineId;
use muster_model::record::Placement;

/// What every command accepts (CLI contract §1.1).
pub const GLOBAL: &[Flag] = &[
    Flag::switch(&["debug"], "Show what is done in every detail."),
    Flag::switch(&["verbose", "v"], "Say more."),
    Flag::switch(&["quiet", "q"], "Say nothing but errors."),
    Flag::switch(&["show-log"], "Show the program's own log on standard error."),
    Flag::value(&["logging-config"], "SPEC", "What the program's own log contains."),
    Flag::value(&["log-file"], "FILE", "Where the program's own log goes."),
    Flag::switch(&["no-browser-login", "B"], "Accepted and ignored."),
];

/// Of commands on a model.
pub const MODEL: &[Flag] =
    &[Flag::value(&["model", "m"], "[CONTROLLER:]MODEL", "The model to work on.")];

/// Of commands on a controller.
pub const CONTROLLER: &[Flag] =
    &[Flag::value(&["controller", "c"], "NAME", "The controller to work on.")];

/// Of commands that write data.
pub const OUTPUT: &[Flag] = &[
    Flag::value(&["format"], "FORMAT", "How to write: the formats are listed below."),
    Flag::value(&["output", "o"], "FILE", "Write to FILE instead of standard output."),
];

/// Of commands that take something down.
pub const REMOVAL: &[Flag] = &[
    Flag::switch(&["force"], "Do not wait for hooks."),
    Flag::switch(&["no-wait"], "With --force: do not wait between steps."),
    Flag::switch(&["no-prompt", "yes", "y"], "Do not ask."),
];

/// `--dry-run`.
pub const DRY_RUN: &[Flag] =
    &[Flag::switch(&["dry-run"], "Show what would be done and change nothing.")];

/// Tables first, for most lists.
pub const TABULAR: &[&str] = &["tabular", "yaml", "json"];
/// YAML first, for single things.
pub const YAML: &[&str] = &["yaml", "json"];
/// Plain first, for what ran.
pub const PLAIN: &[&str] = &["plain", "smart", "yaml", "json"];

/// A complaint in the parser's own words.
pub fn rule(error: impl fmt::Display) -> UsageError {
    UsageError::rule(error.to_string())
}

/// Parses a word as a name or value.
///
/// # Errors
/// In the words of the parser.
pub fn parse<T: FromStr>(word: &str) -> Result<T, UsageError>
where
    T::Err: fmt::Display,
{
    word.parse().map_err(rule)
}

/// The positional at `index`, parsed.
///
/// # Errors
/// That it is missing, or in the words of the parser.
pub fn need<T: FromStr>(line: &Line, index: usize, what: &str) -> Result<T, UsageError>
where
    T::Err: fmt::Display,
{
    parse(line.need(index, what)?)
}

/// Every positional, parsed; each bad one is listed.
///
/// # Errors
/// That there is none, or the words that are not good.
pub fn each<T: FromStr>(words: &[String], what: &str) -> Result<Vec<T>, UsageError>
where
    T::Err: fmt::Display,
{
    if words.is_empty() {
        return Err(UsageError::rule(format!("no {what} specified")));
    }
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for word in words {
        match word.parse::<T>() {
            Ok(value) => good.push(value),
            Err(error) => bad.push(error.to_string()),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(UsageError::rule(bad.join("\n"))) }
}

/// The parts of a comma list, parsed.
///
/// # Errors
/// The first part that is not good, as the value of its flag.
pub fn listed<T: FromStr>(line: &Line, key: &'static str) -> Result<Vec<T>, UsageError>
where
    T::Err: fmt::Display,
{
    let parts = line.parts(key).into_iter();
    parts.map(|part| part.parse().map_err(|error| line.bad(key, error))).collect()
}

/// `key=value`.
///
/// # Errors
/// When there is no `=` or nothing before it.
pub fn pair(word: &str) -> Result<(&str, &str), UsageError> {
    match word.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key, value)),
        _ => Err(UsageError::rule(format!("expected \"key=value\", got {word:?}"))),
    }
}

/// Every use of `--constraints` together.
///
/// # Errors
/// In the words of the grammar (§7.1).
pub fn constraints(line: &Line, key: &'static str) -> Result<Constraints, UsageError> {
    let all: Vec<&str> = line.all(key).collect();
    all.join(" ").parse().map_err(rule)
}

/// `--base`, or the older `--series` with its name mapped.
///
/// # Errors
/// When it is no base, or a series that nobody knows.
pub fn base(line: &Line) -> Result<Option<Base>, UsageError> {
    if let Some(base) = line.parsed("base")? {
        return Ok(Some(base));
    }
    let Some(series) = line.last("series") else { return Ok(None) };
    let base = match series {
        "bookworm" => "debian@12",
        "trixie" => "debian@13",
        "focal" => "ubuntu@20.04",
        "jammy" => "ubuntu@22.04",
        "noble" => "ubuntu@24.04",
        _ => return Err(line.bad("series", "unknown series; name a base, as in --base debian@12")),
    };
    parse(base).map(Some)
}

/// `--to`: one entry a unit.
///
/// # Errors
/// When an entry names something that machines of this controller cannot be.
pub fn placements(line: &Line) -> Result<Vec<Placement>, UsageError> {
    line.parts("to")
        .into_iter()
        .map(|part| placement(part).map_err(|e| line.bad("to", e)))
        .collect()
}

/// One placement (§7.3).
///
/// # Errors
/// Why it is none.
pub fn placement(text: &str) -> Result<Placement, String> {
    if text == "new" {
        return Ok(Placement::NewMachine);
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return text.parse::<MachineId>().map(Placement::Machine).map_err(|e| e.to_string());
    }
    let kind = text.split([':', '=']).next().unwrap_or_default();
    Err(match kind {
        "lxd" | "kvm" => {
            "containers on machines are not offered; name a machine, or \"new\"".to_owned()
        }
        "zone" => "this cloud has no zones; name a machine, or \"new\"".to_owned(),
        _ => "no such place; name a machine such as 0, or \"new\"".to_owned(),
    })
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    None,
    /// For so long.
    For(std::time::Duration),
    /// For ever.
    Endless,
}

/// `--wait` and `--background`: zero means the usual time, a negative one means for ever (§3.7).
///
/// # Errors
/// When both are given, or the time is none.
pub fn patience(line: &Line, usual: std::time::Duration) -> Result<Patience, UsageError> {
    let wait: Option<GoDuration> = line.parsed("wait")?;
    if line.on("background") {
        if wait.is_some() {
            return Err(UsageError::rule("cannot specify both --wait and --background"));
        }
        return Ok(Patience::None);
    }
    Ok(match wait {
        None | Some(GoDuration(0)) => Patience::For(usual),
        Some(wait) => wait.positive().map_or(Patience::Endless, Patience::For),
    })
}

/// Refuses `--no-wait` without `--force`.
///
/// # Errors
/// In the contract's words.
pub fn check_removal(line: &Line) -> Result<(), UsageError> {
    if line.on("no-wait") && !line.on("force") {
        return Err(UsageError::rule("--no-wait without --force not valid"));
    }
    Ok(())
}
