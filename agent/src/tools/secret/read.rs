//! `secret-get`, `secret-info-get`, `secret-ids`.

use std::collections::BTreeMap;

use muster_console::flags::Line;
use muster_console::format::Format;
use muster_model::effects::SecretChange;
use muster_model::goal::OwnedSecrets;
use muster_model::name::{Member, RelationId};
use muster_model::record::{RotatePolicy, Secret, SecretOwner, SecretScope};
use muster_model::report::{SecretHow, SecretWant};
use muster_model::secret::{Content, Plain, SecretId};
use muster_model::{Timestamp, secret};
use serde_json::{Map, Value, json};

use super::super::{Given, Result, fail1, fail2};
use super::{failed, may_manage, missing, named, owned, smart};
use crate::hook::context::Context;

pub(in super::super) async fn get(context: &mut Context, line: &Line) -> Result<Given> {
    let (peek, refresh) = (line.on("peek"), line.on("refresh"));
    if peek && refresh {
        return Err(fail2("specify one of --peek or --refresh but not both"));
    }
    let label = line.last("label").filter(|label| !label.is_empty()).map(str::to_owned);
    // With a label alone the one word may be a key.
    let (id, key) = match (line.word(0), line.word(1), &label) {
        (None, _, None) => return Err(fail2("require either a secret URI or label")),
        (None, _, Some(_)) => (None, None),
        (Some(word), None, Some(_)) if word.parse::<secret::SecretUri>().is_err() => {
            (None, Some(word))
        }
        (Some(word), key, _) => (Some(named(context, word)?), key),
    };
    line.at_most(if id.is_some() { 2 } else { 1 })?;
    let how = match (peek, refresh) {
        (true, _) => SecretHow::Peek,
        (_, true) => SecretHow::Refresh,
        _ => SecretHow::Tracked,
    };
    if let Some(content) = pending(context, id.as_ref(), label.as_deref(), how).await? {
        return shown(&content, key);
    }
    let want = SecretWant { id, label, how };
    let world = context.world.clone();
    let content = world.controller.read_secret(&context.unit, &want).await;
    let content = content.map_err(|error| failed(&error))?;
    if want.id.is_some() && want.label.is_some() {
        // What it is called has changed; whoever asks next sees it.
        context.secrets.owned = None;
    }
    shown(&content, key)
}

/// What this run wrote, where that is what it reads: all of a secret that it made, and the new content
/// of another only as the newest (section 5.10).
async fn pending(
    context: &mut Context,
    id: Option<&SecretId>,
    label: Option<&str>,
    how: SecretHow,
) -> Result<Option<Content>> {
    let id = match (id, label) {
        (Some(id), _) => id.clone(),
        (None, Some(label)) => {
            let change = context.effects.secrets.iter();
            let found = change.clone().find(|(_, change)| change.label.as_deref() == Some(label));
            match found {
                Some((id, _)) => id.clone(),
                None => return Ok(None),
            }
        }
        (None, None) => return Ok(None),
    };
    if context.effects.secrets.get(&id).is_some_and(|change| change.remove) {
        return Err(missing(&id));
    }
    let Some(content) = context.secrets.written.get(&id).cloned() else { return Ok(None) };
    let Some(change) = context.effects.secrets.get_mut(&id) else { return Ok(None) };
    let made = change.add.is_some();
    if !made && how == SecretHow::Tracked {
        return Ok(None);
    }
    if let Some(label) = label {
        change.label = Some(label.to_owned());
    }
    change.track |= how == SecretHow::Refresh;
    Ok(Some(content))
}

/// A content or one value of it, as it is printed.
fn shown(content: &Content, key: Option<&str>) -> Result<Given> {
    let Some(key) = key else {
        let mut all = Map::new();
        for (key, value) in content.iter() {
            all.insert(key.to_string(), json!(text(key.as_str(), value)?));
        }
        return Ok(Given::Data(Value::Object(all), Format::Yaml));
    };
    let (name, encoded) = match key.strip_suffix("#base64") {
        Some(name) => (name, true),
        None => (key, false),
    };
    let value =
        content.get(name).ok_or_else(|| fail1(format!("secret key value {name:?} not found")))?;
    let value = if encoded { value.expose_base64() } else { text(name, value)?.to_owned() };
    smart(json!(value))
}

fn text<'v>(key: &str, value: &'v Plain) -> Result<&'v str> {
    value.expose_text().ok_or_else(|| {
        fail1(format!("secret key value {key:?} is not text; ask for \"{key}#base64\""))
    })
}

/// The secret of an owner that has this label, as this run would leave it.
pub(super) async fn labelled(
    context: &mut Context,
    owner: &SecretOwner,
    label: &str,
) -> Result<Option<SecretId>> {
    let mut labels: BTreeMap<SecretId, String> = owned(context)
        .await?
        .secrets
        .values()
        .filter(|secret| secret.owner == *owner)
        .map(|secret| (secret.id.clone(), secret.label.clone()))
        .collect();
    for (id, change) in &context.effects.secrets {
        if change.remove {
            labels.remove(id);
        } else if let Some(label) = &change.label
            && (change.add.as_ref() == Some(owner) || labels.contains_key(id))
        {
            labels.insert(id.clone(), label.clone());
        }
    }
    Ok(labels.into_iter().find(|(_, known)| known == label).map(|(id, _)| id))
}

pub(in super::super) async fn info(context: &mut Context, line: &Line) -> Result<Given> {
    line.at_most(1)?;
    let id = match (line.word(0), line.last("label").filter(|label| !label.is_empty())) {
        (None, None) => return Err(fail2("require either a secret URI or label")),
        (Some(_), Some(_)) => {
            return Err(fail2("specify either a secret URI or label but not both"));
        }
        (Some(text), None) => named(context, text)?,
        (None, Some(label)) => {
            let unit = SecretOwner::Unit(context.unit.clone());
            let application = SecretOwner::Application(context.unit.application.clone());
            let found = match labelled(context, &unit, label).await? {
                Some(id) => Some(id),
                None => labelled(context, &application, label).await?,
            };
            found.ok_or_else(|| fail1(format!("secret with label {label:?} not found")))?
        }
    };
    let change = context.effects.secrets.get(&id).cloned().unwrap_or_default();
    if change.remove {
        return Err(missing(&id));
    }
    let now = context.world.clock.now();
    let OwnedSecrets { mut secrets, relations } = owned(context).await?.clone();
    let known = secrets.remove(&id);
    let owner = match (&known, &change.add) {
        (Some(known), _) => known.owner.clone(),
        (None, Some(owner)) => owner.clone(),
        (None, None) => return Err(missing(&id)),
    };
    may_manage(context, &owner).await.map_err(|_| missing(&id))?;
    let told = describe(known.as_ref(), &change, &owner, (&relations, now));
    Ok(Given::Data(json!({ id.to_string(): told }), Format::Yaml))
}

/// The metadata of section 6.3, with what this run has changed.
fn describe(
    secret: Option<&Secret>,
    change: &SecretChange,
    owner: &SecretOwner,
    (relations, now): (&BTreeMap<RelationId, String>, Timestamp),
) -> Value {
    let newest = secret.and_then(|secret| {
        let left = secret.revisions.iter().rev();
        left.clone().find(|(number, _)| !change.remove_revisions.contains(number))
    });
    let same = newest.map(|(_, revision)| revision.checksum)
        == change.content.as_ref().map(|content| content.checksum);
    let written = change.content.as_ref().filter(|_| !same).map(|content| content.revision);
    let mut told = Map::new();
    let revision = written.or(newest.map(|(number, _)| *number)).unwrap_or(1);
    told.insert("revision".into(), json!(revision));
    let label = change.label.clone().or(secret.map(|secret| secret.label.clone()));
    told.insert("label".into(), json!(label.unwrap_or_default()));
    let whose = if matches!(owner, SecretOwner::Unit(_)) { "unit" } else { "application" };
    told.insert("owner".into(), json!(whose));
    let description = change.description.clone().or(secret.map(|s| s.description.clone()));
    if let Some(description) = description.filter(|text| !text.is_empty()) {
        told.insert("description".into(), json!(description));
    }
    let before = secret.map(|secret| secret.rotate).unwrap_or_default();
    let rotate = change.rotate.unwrap_or(before);
    told.insert("rotation".into(), json!(rotate.as_str()));
    let rotates = match secret.filter(|_| rotate == before) {
        Some(secret) => secret.rotate_at,
        None => rotate.after(now),
    };
    if let Some(at) = rotates.filter(|_| rotate != RotatePolicy::Never) {
        told.insert("rotates".into(), json!(at.to_string()));
    }
    // New content does not inherit the end of the old.
    let kept = newest.and_then(|(_, revision)| revision.expires).filter(|_| written.is_none());
    if let Some(at) = change.expires.or(kept) {
        told.insert("expiry".into(), json!(at.to_string()));
    }
    let access = access(secret, change, relations);
    if !access.is_empty() {
        told.insert("access".into(), Value::Array(access));
    }
    Value::Object(told)
}

fn access(
    secret: Option<&Secret>,
    change: &SecretChange,
    relations: &BTreeMap<RelationId, String>,
) -> Vec<Value> {
    let mut grants: BTreeMap<Member, Option<RelationId>> = BTreeMap::new();
    for (to, scope) in secret.iter().flat_map(|secret| &secret.grants) {
        if let SecretScope::Relation(id) = scope {
            grants.insert(to.clone(), Some(*id));
        }
    }
    grants.extend(change.grants.iter().map(|(to, relation)| (to.clone(), *relation)));
    let tag = |to: &Member| match to {
        Member::Application(name) => format!("application-{name}"),
        Member::Unit(unit) => unit.tag(),
    };
    let scope = |id: RelationId| {
        let key = relations.get(&id).cloned().unwrap_or_else(|| id.to_string());
        format!("relation-{}", key.replace(':', ".").replace(' ', "#"))
    };
    let shown = |(to, relation): (&Member, &Option<RelationId>)| {
        let scope = scope((*relation)?);
        Some(json!({ "target": tag(to), "scope": scope, "role": "view" }))
    };
    grants.iter().filter_map(shown).collect()
}

pub(in super::super) async fn ids(context: &mut Context, line: &Line) -> Result<Given> {
    line.at_most(0)?;
    let leads = context.leads().await.map_err(fail1)?;
    let may = |owner: &SecretOwner| leads || !matches!(owner, SecretOwner::Application(_));
    let mut ids: Vec<SecretId> = owned(context)
        .await?
        .secrets
        .values()
        .filter(|secret| may(&secret.owner))
        .map(|secret| secret.id.clone())
        .collect();
    ids.retain(|id| !context.effects.secrets.get(id).is_some_and(|change| change.remove));
    let made = context.effects.secrets.iter().filter(|(_, change)| change.add.is_some());
    ids.extend(made.map(|(id, _)| id.clone()));
    ids.sort();
    smart(json!(ids.iter().map(SecretId::as_str).collect::<Vec<_>>()))
}
