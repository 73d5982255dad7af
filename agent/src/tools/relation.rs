//! `relation-ids`, `relation-list`, `relation-get`, `relation-set`, `relation-model-get` (hook
//! contract, section 5.5).

use muster_console::flags::{Flag, Line, Usage};
use muster_console::format::OUTPUT;
use muster_model::effects::{SettingsChange, apply_change};
use muster_model::limits;
use muster_model::name::{ApplicationName, Member, RelationId, Role, UnitName};
use serde_json::{Value, json};

use super::settings_file;
use super::{Caller, Given, Result, fail1, fail2, smart};
use crate::hook::context::{Context, RelationView};

const RELATION: Flag =
    Flag::value(&["r", "relation"], "ID", "The relation; the hook's by default.");

pub(super) const IDS: Usage = Usage {
    flags: &[OUTPUT],
    ..Usage::of("relation-ids", "[<endpoint>]", "Print the ids of an endpoint's relations.")
};

pub(super) const LIST: Usage = Usage {
    flags: &[OUTPUT, &[RELATION, Flag::switch(&["app"], "Print the remote application's name.")]],
    ..Usage::of("relation-list", "", "Print the remote units of a relation.")
};

pub(super) const GET: Usage = Usage {
    flags: &[OUTPUT, &[RELATION, Flag::switch(&["app"], "Read the application's settings.")]],
    details: "The key `-` is all of them. Without a unit the hook's remote unit is read, or the\n\
              remote application in hooks that have none.",
    ..Usage::of("relation-get", "[<key> | -] [<unit or application>]", "Print a member's settings.")
};

pub(super) const SET: Usage = Usage {
    flags: &[&[
        RELATION,
        Flag::switch(&["app"], "Write the application's settings; for the leader."),
        Flag::value(
            &["file"],
            "FILE",
            "Read pairs from a file of YAML or JSON; `-` is standard input.",
        ),
        Flag::value(&["format"], "FORMAT", "Deprecated; does nothing."),
    ]],
    details: "Seen by others when the hook has ended well, and by this hook at once. An empty value\n\
              deletes the key. Pairs of the command line win over those of --file.",
    ..Usage::of("relation-set", "<key>=<value> [...]", "Write the own settings of a relation.")
};

pub(super) const MODEL_GET: Usage = Usage {
    flags: &[OUTPUT, &[RELATION]],
    ..Usage::of("relation-model-get", "", "Print the model of a relation's other side.")
};

/// The relation that the line names, or the hook's.
pub(super) fn which(context: &Context, line: &Line) -> Result<Option<RelationId>> {
    let Some(text) = line.last("r") else {
        return Ok(context.about.relation().map(|hook| hook.relation));
    };
    let number = text.rsplit(':').next().unwrap_or_default();
    let Ok(id) = number.parse::<u32>() else {
        return Err(line.bad("r", "invalid relation id").into());
    };
    let id = RelationId(id);
    if !context.relations.contains_key(&id) {
        return Err(line.bad("r", "relation not found").into());
    }
    Ok(Some(id))
}

fn needed<'a>(context: &'a Context, line: &Line) -> Result<(RelationId, &'a RelationView)> {
    let Some(id) = which(context, line)? else { return Err(fail2("no relation id specified")) };
    match context.relations.get(&id) {
        Some(view) => Ok((id, view)),
        None => Err(fail1(format!("relation {id} not found"))),
    }
}

pub(super) fn ids(context: &Context, line: &Line) -> Result<Given> {
    line.at_most(1)?;
    let own = context.about.relation().map(|hook| hook.endpoint.to_string());
    let Some(endpoint) = line.word(0).map(str::to_owned).or(own) else {
        return Err(fail2("no endpoint name specified"));
    };
    let mut ids: Vec<String> = context
        .relations
        .iter()
        .filter(|(_, view)| view.endpoint.as_str() == endpoint && view.listed)
        .map(|(id, view)| format!("{}:{id}", view.endpoint))
        .collect();
    ids.sort();
    smart(json!(ids))
}

pub(super) fn list(context: &Context, line: &Line) -> Result<Given> {
    line.at_most(0)?;
    let (_, view) = needed(context, line)?;
    if line.on("app") {
        return smart(json!(view.remote_application.as_str()));
    }
    let mut units: Vec<String> = view.members.iter().map(ToString::to_string).collect();
    units.sort();
    smart(json!(units))
}

pub(super) fn model_get(context: &Context, line: &Line) -> Result<Given> {
    line.at_most(0)?;
    needed(context, line)?;
    smart(json!({ "uuid": context.goal.model.to_string() }))
}

pub(super) async fn get(context: &mut Context, line: &Line) -> Result<Given> {
    line.at_most(2)?;
    let (id, view) = needed(context, line)?;
    let view = view.clone();
    let member = target(context, line, &view)?;
    allow(context, id, &view, &member).await?;
    let settings = context.settings(id, &member);
    let settings = match (settings, &member) {
        (Some(settings), _) => settings,
        // An application's settings that nobody wrote are none; a unit's that are not there were
        // never opened.
        (None, Member::Application(_)) => Default::default(),
        (None, Member::Unit(unit)) => {
            return Err(fail1(format!(
                "cannot read settings for unit \"{unit}\" in relation {id}: settings not found"
            )));
        }
    };
    match line.word(0) {
        Some(key) if key != "-" => {
            smart(settings.get(key).cloned().map_or(Value::Null, Value::String))
        }
        _ => smart(json!(settings)),
    }
}

/// Whose settings are asked for.
fn target(context: &Context, line: &Line, view: &RelationView) -> Result<Member> {
    let app = line.on("app");
    let Some(text) = line.word(1) else {
        let own = line.last("r").is_none() || same_relation(context, line)?;
        let remote = context.about.relation().filter(|_| own);
        return match remote {
            Some(hook) if !app => Ok(match &hook.remote_unit {
                Some(unit) => Member::Unit(unit.clone()),
                None => Member::Application(hook.remote_application.clone()),
            }),
            Some(_) => Ok(Member::Application(view.remote_application.clone())),
            None if app => Ok(Member::Application(view.remote_application.clone())),
            None => Err(fail2("no unit or application specified")),
        };
    };
    if let Ok(unit) = text.parse::<UnitName>() {
        return Ok(if app { Member::Application(unit.application) } else { Member::Unit(unit) });
    }
    match text.parse::<ApplicationName>() {
        Ok(name) if app => Ok(Member::Application(name)),
        Ok(_) => Err(fail2(format!("expected unit name, got application name {text:?}"))),
        Err(_) => Err(fail2(format!("invalid unit name {text:?}"))),
    }
}

fn same_relation(context: &Context, line: &Line) -> Result<bool> {
    Ok(which(context, line)? == context.about.relation().map(|hook| hook.relation))
}

/// Who may read what (section 5.5, "Allowed for").
async fn allow(
    context: &mut Context,
    id: RelationId,
    view: &RelationView,
    member: &Member,
) -> Result<()> {
    let denied = || {
        fail1(format!("cannot read settings of \"{member}\" in relation {id}: permission denied"))
    };
    let own = context.unit.application.clone();
    let application = member.application();
    if *application != own && *application != view.remote_application {
        return Err(denied());
    }
    let own_bag = matches!(member, Member::Application(name) if *name == own);
    if own_bag && view.role != Role::Peer && !context.leads().await.map_err(fail1)? {
        return Err(denied());
    }
    Ok(())
}

pub(super) async fn set(context: &mut Context, line: &Line, caller: &Caller<'_>) -> Result<Given> {
    let (id, _) = needed(context, line)?;
    let pairs = settings_file::all(line, caller)?;
    let app = line.on("app");
    if app && !context.leads().await.map_err(fail1)? {
        return Err(fail1("cannot write relation settings"));
    }
    let member = if app {
        Member::Application(context.unit.application.clone())
    } else {
        Member::Unit(context.unit.clone())
    };
    let written: SettingsChange =
        pairs.into_iter().map(|(key, value)| (key, (!value.is_empty()).then_some(value))).collect();
    let mut bag = context.settings(id, &member).unwrap_or_default();
    apply_change(&mut bag, &written);
    limits::bag(&bag).map_err(|why| fail1(format!("cannot write relation settings: {why}")))?;
    let effects = &mut context.effects;
    let bags = if app { &mut effects.application_settings } else { &mut effects.unit_settings };
    let change = bags.entry(id).or_default();
    change.extend(written);
    if change.is_empty() {
        bags.remove(&id);
    }
    if line.has("format") {
        return Ok(Given::Notice("--format flag deprecated for command \"relation-set\"".into()));
    }
    Ok(Given::Nothing)
}
