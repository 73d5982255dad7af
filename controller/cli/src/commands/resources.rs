//! Resources: files that charms ask for.

use muster_console::flags::{Flag, Line, Usage, UsageError};
use muster_model::name::{ApplicationName, ResourceName, UnitName};

use super::Entry;
use super::common::{GLOBAL, MODEL, OUTPUT, TABULAR, need, pair, parse};
use crate::act::Act;

/// `attach-resource`.
#[derive(Clone, Debug, PartialEq)]
pub struct Attach {
    /// The application.
    pub application: ApplicationName,
    /// The resource.
    pub name: ResourceName,
    /// The path of the file.
    pub value: String,
}

/// `resources`.
#[derive(Clone, Debug, PartialEq)]
pub struct Resources {
    /// Whose.
    pub application: ApplicationName,
    /// As which unit has them.
    pub unit: Option<UnitName>,
    /// As every unit has them.
    pub details: bool,
}

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        usage: Usage {
            flags: &[MODEL, GLOBAL],
            details: "The file is sent once: an upload that was cut short goes on where it stopped, and a file that\nthe controller has already is not sent again.",
            examples: &["attach-resource spark spark-tarball=./spark.tgz"],
            ..Usage::of(
                "attach-resource",
                "<application> <name>=<file>",
                "Give an application a file.",
            )
        },
        aliases: &["attach"],
        formats: &[],
        read: attach,
    },
    Entry {
        usage: Usage {
            flags: &[
                &[Flag::switch(&["details"], "Show what each unit has.")],
                OUTPUT,
                MODEL,
                GLOBAL,
            ],
            examples: &["resources spark", "resources spark/0", "resources spark --details"],
            ..Usage::of("resources", "<application> | <unit>", "List resources.")
        },
        aliases: &["list-resources"],
        formats: TABULAR,
        read: resources,
    },
];

fn attach(line: &Line) -> Result<Act, UsageError> {
    line.at_most(2)?;
    let application = need(line, 0, "application name")?;
    let (name, value) = pair(line.need(1, "resource")?)?;
    if value.is_empty() {
        return Err(UsageError::rule(format!("resource {name:?} needs a file: {name}=<file>")));
    }
    Ok(Act::AttachResource(Attach { application, name: parse(name)?, value: value.to_owned() }))
}

fn resources(line: &Line) -> Result<Act, UsageError> {
    line.at_most(1)?;
    let subject = line.need(0, "application name")?;
    let unit: Option<UnitName> = if subject.contains('/') { Some(parse(subject)?) } else { None };
    let application = match &unit {
        Some(unit) => unit.application.clone(),
        None => parse(subject)?,
    };
    Ok(Act::Resources(Resources { application, unit, details: line.on("details") }))
}
