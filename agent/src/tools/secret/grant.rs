//! `secret-grant`, `secret-revoke`.

use muster_console::flags::Line;
use muster_model::name::{ApplicationName, Member, UnitName};

use super::super::relation::which;
use super::super::{Given, Result, fail1, fail2};
use super::{managed, needed, owned};
use crate::hook::context::Context;

pub(in super::super) async fn grant(context: &mut Context, line: &Line) -> Result<Given> {
    let id = needed(context, line)?;
    line.at_most(1)?;
    let Some(relation) = which(context, line)? else {
        return Err(fail2("no relation id specified"));
    };
    let unit = unit(line)?;
    managed(context, &id).await?;
    let remote = context.relations.get(&relation).map(|view| view.remote_application.clone());
    let Some(remote) = remote else { return Err(fail1(format!("relation {relation} not found"))) };
    let to = match unit {
        Some(unit) if unit.application != remote => {
            return Err(fail1(format!("unit \"{unit}\" is not in relation {relation}")));
        }
        Some(unit) => Member::Unit(unit),
        None => Member::Application(remote.clone()),
    };
    let kept = owned(context).await?.secrets.get(&id).map(|secret| secret.grants.clone());
    let mut readers: Vec<Member> = kept.unwrap_or_default().into_keys().collect();
    let change = context.effects.secrets.entry(id.clone()).or_default();
    readers.retain(|reader| change.grants.get(reader) != Some(&None));
    readers.extend(change.grants.iter().filter(|(_, to)| to.is_some()).map(|(to, _)| to.clone()));
    let whole = readers.contains(&Member::Application(remote.clone()));
    let units =
        readers.iter().any(|to| matches!(to, Member::Unit(unit) if unit.application == remote));
    match &to {
        // The application's right holds for its units too.
        Member::Unit(_) if whole => return Ok(Given::Nothing),
        Member::Application(_) if units => {
            return Err(fail1(format!(
                "cannot grant secret \"{id}\" to application \"{remote}\": it is granted to units of it; revoke the unit grants first"
            )));
        }
        _ => {}
    }
    change.grants.insert(to, Some(relation));
    Ok(Given::Nothing)
}

pub(in super::super) async fn revoke(context: &mut Context, line: &Line) -> Result<Given> {
    let id = needed(context, line)?;
    line.at_most(1)?;
    let unit = unit(line)?;
    let application = match line.last("app") {
        None => None,
        Some(text) => Some(text.parse::<ApplicationName>().map_err(|bad| fail2(bad.to_string()))?),
    };
    if application.is_some() && unit.is_some() {
        return Err(fail2("specify only one of application or unit"));
    }
    if application.is_some() && line.last("r").is_some() {
        return Err(fail2("do not specify both relation and app"));
    }
    let relation = which(context, line)?;
    let from = match (unit, application, relation) {
        (Some(unit), _, _) => Member::Unit(unit),
        (_, Some(application), _) => Member::Application(application),
        (_, _, Some(relation)) => match context.relations.get(&relation) {
            Some(view) => Member::Application(view.remote_application.clone()),
            None => return Err(fail1(format!("relation {relation} not found"))),
        },
        (None, None, None) => return Err(fail2("missing relation or application or unit")),
    };
    managed(context, &id).await?;
    let change = context.effects.secrets.entry(id).or_default();
    if let Member::Application(name) = &from {
        // With the application's right go those of its units that this run gave.
        change.grants.retain(|to, _| to.application() != name);
    }
    change.grants.insert(from, None);
    Ok(Given::Nothing)
}

fn unit(line: &Line) -> Result<Option<UnitName>> {
    match line.last("unit") {
        None => Ok(None),
        Some(text) => {
            text.parse().map(Some).map_err(|_| fail2(format!("invalid unit name {text:?}")))
        }
    }
}
