//! Showing units, applications and a charm's actions.

use std::collections::{BTreeMap, BTreeSet};

use muster_console::format::Format;
use muster_model::name::{Member, UnitName};
use muster_model::record::Databag;
use muster_model::view::{ModelView, RelationView, ViewRequest};
use serde_json::{Map, Value, json};

use super::config::{application as found, constraint};
use super::session::Session;
use crate::commands::actions::Actions;
use crate::commands::units::{ShowApplication, ShowUnit};
use crate::failure::Failure;
use crate::print::table::Table;
use crate::shape::unit as shapes;

pub(super) async fn unit(session: &mut Session<'_>, act: &ShowUnit) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let applications: BTreeSet<&str> =
        act.units.iter().map(|name| name.application.as_str()).collect();
    let applications = applications.into_iter().collect::<Vec<_>>().join(",");
    let what = ViewRequest { settings: true, applications, ..ViewRequest::default() };
    let view = focus.view(&what).await?;
    let mut all = BTreeMap::new();
    let mut missing = Vec::new();
    for name in &act.units {
        let application = view.applications.get(&name.application);
        let Some((application, unit)) = application.and_then(|a| Some((a, a.units.get(name)?)))
        else {
            missing.push(format!("unit \"{name}\" not found"));
            continue;
        };
        let charm = &application.application.charm;
        let version = application.stated.as_ref().map(|stated| stated.workload_version.clone());
        let shape = shapes::Unit {
            workload_version: version.filter(|text| !text.is_empty()),
            machine: Some(unit.unit.machine.to_string()),
            background_processes: Some(unit.progress.left).filter(|left| *left > 0),
            opened_ports: unit.progress.ports.iter().map(|port| port.range.to_string()).collect(),
            public_address: unit.address.map(|address| address.to_string()),
            address: unit.address.map(|address| address.to_string()),
            charm: if charm.local { charm.to_string() } else { charm.name.to_string() },
            leader: unit.leader,
            life: Some(unit.unit.life.to_string()),
            relation_info: relations(act, name, &view),
        };
        all.insert(name.to_string(), shape);
    }
    absent(&missing)?;
    session.write(&all, String::new)
}

/// Everything that was named and is not there, each on a line of its own.
fn absent(missing: &[String]) -> Result<(), Failure> {
    if missing.is_empty() { Ok(()) } else { Err(Failure::new(missing.join("\n"))) }
}

fn relations(act: &ShowUnit, name: &UnitName, view: &ModelView) -> Vec<shapes::RelationInfo> {
    let own = &name.application;
    view.relations
        .values()
        .filter_map(|relation| {
            let end = relation.relation.end_of(own)?;
            let other = relation.relation.other_end(own)?;
            if act.endpoint.as_ref().is_some_and(|wanted| *wanted != end.endpoint) {
                return None;
            }
            let members = relation.bags.iter().filter_map(|bag| match &bag.member {
                Member::Unit(unit) if unit.application == other.application && unit != name => {
                    let wanted = act.related.as_ref().is_none_or(|wanted| wanted == unit);
                    wanted.then(|| (unit.to_string(), data(bag)))
                }
                _ => None,
            });
            let related_units: BTreeMap<_, _> =
                if act.app_only { BTreeMap::new() } else { members.collect() };
            if act.related.is_some() && related_units.is_empty() {
                return None;
            }
            let local = bag(relation, &Member::Unit(name.clone())).map(data);
            let app = bag(relation, &Member::Application(other.application.clone()));
            Some(shapes::RelationInfo {
                relation_id: relation.relation.id.0,
                endpoint: end.endpoint.to_string(),
                cross_model: None,
                related_endpoint: other.endpoint.to_string(),
                application_data: app.map(|bag| bag.settings.clone()).unwrap_or_default(),
                local_unit: local.filter(|_| !act.app_only),
                related_units,
            })
        })
        .collect()
}

fn bag<'r>(relation: &'r RelationView, member: &Member) -> Option<&'r Databag> {
    relation.bags.iter().find(|bag| bag.member == *member)
}

fn data(bag: &Databag) -> shapes::UnitData {
    shapes::UnitData { in_scope: bag.in_scope, data: bag.settings.clone() }
}

pub(super) async fn application(
    session: &mut Session<'_>,
    act: &ShowApplication,
) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let mut all = BTreeMap::new();
    let mut missing = Vec::new();
    for name in &act.applications {
        let (_, view, charm) = match found(&focus, name, ViewRequest::default()).await {
            Ok(found) => found,
            Err(failure) if failure.message.ends_with("not found") => {
                missing.push(failure.message);
                continue;
            }
            Err(failure) => return Err(failure),
        };
        let own = &view.application;
        let shape = shapes::Application {
            charm: charm.metadata.name.to_string(),
            base: own.base.as_ref().map(ToString::to_string),
            channel: own.channel.clone(),
            constraints: own
                .constraints
                .iter()
                .map(|(key, value)| (key.as_str().to_owned(), constraint(key, value)))
                .collect(),
            principal: !own.subordinate,
            exposed: own.exposed.is_some(),
            remote: false,
            life: own.life.to_string(),
            endpoint_bindings: std::iter::once((String::new(), "alpha".to_owned()))
                .chain(own.bindings.iter().map(|(e, s)| (e.to_string(), s.clone())))
                .collect(),
        };
        all.insert(name.to_string(), shape);
    }
    absent(&missing)?;
    session.write(&all, String::new)
}

pub(super) async fn actions(session: &mut Session<'_>, act: &Actions) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let (_, _, charm) = found(&focus, &act.application, ViewRequest::default()).await?;
    if let Some(name) = &act.action {
        let Some(action) = charm.actions.get(name) else {
            return Err(Failure::new(format!("unknown action \"{name}\" (not found)"))
                .hint(format!("\"muster actions {}\" lists what there is.", act.application)));
        };
        let mut text = format!("{}\n", action.description);
        let properties = action.properties();
        if !properties.is_empty() {
            text.push_str("\nArguments\n");
            text.push_str(&Format::Yaml.render(&Value::Object(properties)));
        }
        return session.put(&text);
    }
    if act.schema {
        let all: Map<String, Value> = charm
            .actions
            .iter()
            .map(|(name, action)| {
                let mut schema = action.schema.clone();
                schema.entry("title").or_insert_with(|| Value::from(name.to_string()));
                schema.insert("description".to_owned(), json!(action.description));
                (name.to_string(), Value::Object(schema))
            })
            .collect();
        return session.write(&all, || Format::Yaml.render(&Value::Object(all.clone())));
    }
    let all: BTreeMap<String, String> = charm
        .actions
        .iter()
        .map(|(name, action)| (name.to_string(), action.description.clone()))
        .collect();
    if all.is_empty() && session.request.style == "tabular" {
        session.desk.say(&format!("No actions defined for {}.", act.application));
        return Ok(());
    }
    session.write(&all, || {
        let mut table = Table::with(&["Action", "Description"]);
        for (name, description) in &all {
            table.row([name.as_str(), description.lines().next().unwrap_or_default()]);
        }
        table.text()
    })
}
