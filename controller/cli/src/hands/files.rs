//! Files that an operator names: YAML of options, values taken from files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use muster_charms::name::OptionName;
use muster_charms::yaml::{self, Limits, Node};

use crate::commands::deploy::Setting;
use crate::desk::Desk;
use crate::failure::Failure;

/// Reads a file of at most `most` bytes.
pub(super) fn read(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    let what = || format!("cannot read `{}`", path.display());
    let file = File::open(path).map_err(|error| Failure::tried(what(), &error))?;
    let mut bytes = Vec::new();
    let read = file.take(most as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::tried(what(), &error))?;
    if bytes.len() > most {
        return Err(Failure::new(format!("{}: longer than {most} bytes", what())));
    }
    Ok(bytes)
}

/// Reads a YAML file that an operator names.
pub(super) fn yaml(desk: &Desk, typed: &str) -> Result<Node, Failure> {
    let bytes = read(&desk.path(typed), Limits::FILE.bytes)?;
    yaml::parse(typed, &bytes, &Limits::FILE).map_err(|error| Failure::new(error.to_string()))
}

/// The scalars of a YAML file's top level as text.
pub(super) fn settings(desk: &Desk, typed: &str) -> Result<BTreeMap<String, String>, Failure> {
    scalars(typed, &yaml(desk, typed)?)
}

fn scalars(file: &str, node: &Node) -> Result<BTreeMap<String, String>, Failure> {
    let Some(map) = node.as_map() else {
        let kind = node.kind();
        return Err(Failure::new(format!("{file}: expected a map of options, found {kind}")));
    };
    let mut all = BTreeMap::new();
    for entry in map.iter() {
        let Some(text) = entry.node.scalar_text() else {
            let kind = entry.node.kind();
            let (key, line) = (&entry.key, entry.node.line);
            return Err(Failure::new(format!(
                "{file}:{line}: option {key:?} is {kind}, not a value"
            )));
        };
        all.insert(entry.key.clone(), text);
    }
    Ok(all)
}

/// The options of one application out of a YAML file whose top level is the application.
pub(super) fn options_of(
    desk: &Desk,
    typed: &str,
    application: &str,
) -> Result<BTreeMap<OptionName, String>, Failure> {
    let node = yaml(desk, typed)?;
    let Some(own) = node.as_map().and_then(|map| map.get(application)) else {
        return Err(Failure::new(format!("{typed}: no options for application {application:?}"))
            .hint(format!(
                "Its top level should be \"{application}:\", with the options below it."
            )));
    };
    named(typed, scalars(typed, own)?)
}

fn named(
    file: &str,
    options: BTreeMap<String, String>,
) -> Result<BTreeMap<OptionName, String>, Failure> {
    let parsed = options.into_iter().map(|(key, value)| {
        let name = key.parse().map_err(|error| Failure::new(format!("{file}: {error}")))?;
        Ok((name, value))
    });
    parsed.collect()
}

/// A value as typed, or what is in the file that `@file` names.
pub(super) fn value(desk: &Desk, typed: &str) -> Result<String, Failure> {
    let Some(path) = typed.strip_prefix('@') else { return Ok(typed.to_owned()) };
    let bytes = read(&desk.path(path), Limits::FILE.string)?;
    String::from_utf8(bytes)
        .map_err(|_| Failure::new(format!("cannot use `{path}`: it is not text in UTF-8")))
}

/// The options that `--config` asks for: values over files, later ones over earlier ones.
pub(super) fn config(
    desk: &Desk,
    settings: &[Setting],
    application: &str,
) -> Result<BTreeMap<OptionName, String>, Failure> {
    let mut all = BTreeMap::new();
    for setting in settings {
        if let Setting::File(file) = setting {
            all.extend(options_of(desk, file, application)?);
        }
    }
    for setting in settings {
        if let Setting::Value(name, typed) = setting {
            all.insert(name.clone(), value(desk, typed)?);
        }
    }
    Ok(all)
}
