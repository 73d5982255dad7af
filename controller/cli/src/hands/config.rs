//! Options and constraints, read and set.

use std::collections::BTreeMap;

use muster_charms::{Charm, OptionValue};
use muster_model::command::ModelCommand;
use muster_model::constraints::ConstraintKey;
use muster_model::model_config::{self, ModelOption, ModelOptionKind, OPTIONS};
use muster_model::name::ApplicationName;
use muster_model::record::ModelInfo;
use muster_model::view::{ApplicationView, ModelView, ViewRequest};
use serde_json::{Map, Value, json};

use super::files;
use super::session::{Focus, Session};
use crate::commands::config::{Config, ModelConfig, ShowConstraints};
use crate::failure::Failure;
use crate::print::table::Table;
use crate::shape;
use crate::shape::config::{ApplicationConfig, Entry, ModelEntry};

/// The kind of cloud that machines are made on: what `type` says of a model.
pub(super) const PROVIDER: &str = "nspawn";

/// An application with its charm, or that it is not there.
pub(super) async fn application(
    focus: &Focus,
    name: &ApplicationName,
    mut what: ViewRequest,
) -> Result<(ModelView, ApplicationView, Charm), Failure> {
    what.applications = name.to_string();
    what.charms = true;
    let mut view = focus.view(&what).await?;
    let missing = || Failure::new(format!("application \"{name}\" not found"));
    let found = view.applications.remove(name).ok_or_else(missing)?;
    let charm = view.charms.remove(&found.application.charm).ok_or_else(|| {
        Failure::new(format!(
            "charm \"{}\" of application \"{name}\" not found",
            found.application.charm
        ))
    })?;
    view.applications.insert(name.clone(), found.clone());
    Ok((view, found, charm))
}

pub(super) async fn config(session: &mut Session<'_>, act: &Config) -> Result<(), Failure> {
    if act.changes() {
        let mut set = BTreeMap::new();
        if let Some(file) = &act.file {
            set.extend(files::options_of(session.desk, file, act.application.as_str())?);
        }
        for (key, typed) in &act.set {
            set.insert(key.clone(), files::value(session.desk, typed)?);
        }
        let focus = session.focus().await?;
        let command = ModelCommand::Configure {
            application: act.application.clone(),
            set,
            reset: act.reset.clone(),
            trust: None,
        };
        let what = format!("cannot configure \"{}\"", act.application);
        focus.tell(command).await.map_err(|failure| failure.while_trying(what))?;
        return Ok(());
    }
    let focus = session.focus().await?;
    let (_, view, charm) = application(&focus, &act.application, ViewRequest::default()).await?;
    let shape = of(&view, &charm);
    if let Some(key) = &act.key {
        let found = match shape.settings.get(key.as_str()) {
            Some(entry) => entry,
            None if key.as_str() == "trust" => match shape.application_config.get("trust") {
                Some(entry) => entry,
                None => return Err(unknown(&act.application, key.as_str(), &charm)),
            },
            None => return Err(unknown(&act.application, key.as_str(), &charm)),
        };
        let bare = match &found.value {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        return session.put(&format!("{bare}\n"));
    }
    session.write(&shape, || {
        let mut table = Table::with(&["Key", "Value", "Source", "Type"]);
        for (key, entry) in &shape.settings {
            let value = entry.value.as_ref().map(plain).unwrap_or_default();
            table.row([key.as_str(), &value, &entry.source, &entry.kind]);
        }
        table.text()
    })
}

fn unknown(application: &ApplicationName, key: &str, charm: &Charm) -> Failure {
    let known: Vec<&str> = charm.options.keys().map(|key| key.as_str()).collect();
    Failure::new(format!(
        "key \"{key}\" not found in \"{application}\" application config or charm settings"
    ))
    .hint(format!(
        "It has: {}.",
        if known.is_empty() { "none".to_owned() } else { known.join(", ") }
    ))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn typed(value: &OptionValue) -> Value {
    shape::value(value)
}

fn of(view: &ApplicationView, charm: &Charm) -> ApplicationConfig {
    let set = &view.application.config;
    let settings = charm.options.iter().map(|(key, declared)| {
        let default = declared.default.as_ref().map(typed);
        let (value, source) = match (set.get(key), &default) {
            (Some(value), _) => (Some(typed(value)), "user"),
            (None, Some(default)) => (Some(default.clone()), "default"),
            (None, None) => (None, "unset"),
        };
        let entry = Entry {
            default,
            description: declared.description.clone(),
            source: source.to_owned(),
            kind: declared.kind.as_str().to_owned(),
            value,
        };
        (key.to_string(), entry)
    });
    let trust = Entry {
        default: Some(Value::Bool(false)),
        description: "Does this application have access to trusted credentials".to_owned(),
        source: if view.application.trust { "user" } else { "default" }.to_owned(),
        kind: "bool".to_owned(),
        value: Some(Value::Bool(view.application.trust)),
    };
    ApplicationConfig {
        application: view.application.name.to_string(),
        charm: charm.metadata.name.to_string(),
        application_config: BTreeMap::from([("trust".to_owned(), trust)]),
        settings: settings.collect(),
    }
}

pub(super) async fn model_config(
    session: &mut Session<'_>,
    act: &ModelConfig,
) -> Result<(), Failure> {
    if act.changes() {
        let mut set = BTreeMap::new();
        if let Some(file) = &act.file {
            set.extend(files::settings(session.desk, file)?);
        }
        for (key, typed) in &act.set {
            set.insert(key.clone(), files::value(session.desk, typed)?);
        }
        let idle = idle(set.keys());
        let focus = session.focus().await?;
        let command = ModelCommand::ConfigureModel { set, reset: act.reset.clone() };
        focus.tell(command).await.map_err(|f| f.while_trying("cannot configure the model"))?;
        idle.iter().for_each(|warning| session.desk.warn(warning));
        return Ok(());
    }
    let focus = session.focus().await?;
    let view = focus.view(&ViewRequest::default()).await?;
    let mut all = model_entries(&view.info);
    if let Some(key) = &act.key {
        // One that does nothing here is not listed unless it was set, but whoever asks is answered.
        if let Some(option) = model_config::option(key) {
            all.entry(key.clone()).or_insert_with(|| model_entry(&view.info, option));
        }
        let Some(entry) = all.get(key) else {
            let known: Vec<&str> = all.keys().map(String::as_str).collect();
            return Err(Failure::new(format!(
                "key \"{key}\" not found in model \"{}\"",
                focus.name
            ))
            .hint(format!("There are: {}.", known.join(", "))));
        };
        return session.put(&format!("{}\n", plain(&entry.value)));
    }
    // JSON has the keys with capitals, YAML without (§4.3).
    if session.request.style == "yaml" {
        let lower: BTreeMap<&String, Value> = all
            .iter()
            .map(|(key, entry)| (key, json!({ "value": entry.value, "source": entry.source })))
            .collect();
        return session.write(&lower, String::new);
    }
    session.write(&all, || {
        let mut table = Table::with(&["Attribute", "From", "Value"]);
        for (key, entry) in &all {
            table.row([key.as_str(), &entry.source, &plain(&entry.value)]);
        }
        table.text()
    })
}

/// A warning for each option that is kept and given back and changes nothing here.
pub(super) fn idle<'k>(keys: impl Iterator<Item = &'k String>) -> Vec<String> {
    keys.filter(|key| model_config::option(key).is_some_and(ModelOption::is_idle))
        .map(|key| format!("option \"{key}\" of the model is kept, and changes nothing here"))
        .collect()
}

/// An option as it stands, booleans and whole numbers as such.
fn model_entry(info: &ModelInfo, option: &ModelOption) -> ModelEntry {
    let text = info.option(option.key);
    let value = match option.kind {
        ModelOptionKind::Bool => Value::Bool(text == "true"),
        ModelOptionKind::Int => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
        ModelOptionKind::Text
        | ModelOptionKind::Base
        | ModelOptionKind::Interval
        | ModelOptionKind::Deadline => Value::from(text),
    };
    let source = if info.config.contains_key(option.key) { "model" } else { "default" };
    ModelEntry { value, source: source.to_owned() }
}

fn model_entries(info: &ModelInfo) -> BTreeMap<String, ModelEntry> {
    let set = model_config::IDLE.iter().filter(|option| info.config.contains_key(option.key));
    let mut all: BTreeMap<String, ModelEntry> = OPTIONS
        .iter()
        .chain(set)
        .map(|option| (option.key.to_owned(), model_entry(info, option)))
        .collect();
    let own = [
        ("name", info.name.to_string()),
        ("uuid", info.id.to_string()),
        ("type", PROVIDER.to_owned()),
        ("agent-version", super::status::DIALECT.to_owned()),
    ];
    for (key, value) in own {
        let entry = ModelEntry { value: Value::String(value), source: "model".to_owned() };
        all.insert(key.to_owned(), entry);
    }
    all
}

pub(super) async fn constraints(
    session: &mut Session<'_>,
    act: &ShowConstraints,
) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let constraints = match &act.application {
        None => focus.view(&ViewRequest::default()).await?.info.constraints,
        Some(name) => {
            application(&focus, name, ViewRequest::default()).await?.1.application.constraints
        }
    };
    let map: Map<String, Value> = constraints
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.as_str().to_owned(), constraint(key, value)))
        .collect();
    session.write(&map, || format!("{constraints}\n"))
}

/// A constraint as JSON has it: numbers as numbers, sizes in MiB, lists as lists.
pub(super) fn constraint(key: ConstraintKey, value: &str) -> Value {
    use ConstraintKey as K;
    match key {
        K::Cores | K::CpuPower => value.parse::<u64>().map_or_else(|_| value.into(), Value::from),
        K::Mem | K::RootDisk => {
            value.trim_end_matches('M').parse::<u64>().map_or_else(|_| value.into(), Value::from)
        }
        K::Tags | K::Spaces | K::Zones => value.split(',').map(Value::from).collect(),
        K::AllocatePublicIp => Value::Bool(value == "true"),
        _ => Value::from(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_are_flat_and_typed() {
        let constraints: muster_model::constraints::Constraints =
            "mem=1G cores=4 tags=a,^b".parse().unwrap();
        let map: BTreeMap<&str, Value> =
            constraints.iter().map(|(key, value)| (key.as_str(), constraint(key, value))).collect();
        assert_eq!(json!(map), json!({ "mem": 1024, "cores": 4, "tags": ["a", "^b"] }));
    }
}
