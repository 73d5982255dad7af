//! Secrets: made, changed, granted, listed and shown.
//!
//! What a secret holds goes to the controller's vault and comes back sealed; the command that is then
//! given, and what is kept of it, hold nothing in clear.

use std::collections::BTreeMap;

use muster_charms::secret::{self, Content, Given, MAX_BYTES, Plain, SecretId, SecretUri};
use muster_model::command::{ModelCommand, SecretCommand};
use muster_model::record::{self, SecretOwner};
use muster_model::refusal::Code;
use muster_model::view::{ModelView, ViewRequest};
use serde_json::{Map, Value, json};

use super::files;
use super::session::{Focus, Session};
use crate::commands::secrets::{self as asked, Secret};
use crate::failure::Failure;
use crate::print;
use crate::shape::secret as shapes;

/// How often a change is sealed again because somebody else changed the secret meanwhile.
const TRIES: u32 = 3;

pub(super) async fn secret(session: &mut Session<'_>, act: &Secret) -> Result<(), Failure> {
    match act {
        Secret::Add { name, info, content } => add(session, name, info, content).await,
        Secret::Update { secret, .. } => {
            let trying = format!("cannot update secret \"{secret}\"");
            update(session, act).await.map_err(|failure| failure.while_trying(trying))
        }
        Secret::Remove { secret, revision } => {
            let trying = format!("cannot remove secret \"{secret}\"");
            let focus = session.focus().await?;
            let id = find(&view(&focus).await?, secret)?;
            let command = SecretCommand::Remove { id, revision: *revision };
            tell(&focus, command).await.map_err(|failure| failure.while_trying(trying))
        }
        Secret::Grant { secret, applications, granted } => {
            let verb = if *granted { "grant" } else { "revoke" };
            let trying = format!("cannot {verb} secret \"{secret}\"");
            let focus = session.focus().await?;
            let id = find(&view(&focus).await?, secret)?;
            let applications = applications.clone();
            let command = SecretCommand::Grant { id, applications, granted: *granted };
            tell(&focus, command).await.map_err(|failure| failure.while_trying(trying))
        }
        Secret::List { owner } => list(session, owner.as_deref()).await,
        Secret::Show { .. } => show(session, act).await,
    }
}

async fn view(focus: &Focus) -> Result<ModelView, Failure> {
    focus.view(&ViewRequest { secrets: true, ..ViewRequest::default() }).await
}

async fn tell(focus: &Focus, command: SecretCommand) -> Result<(), Failure> {
    focus.tell(ModelCommand::Secret(command)).await.map(|_| ())
}

/// A secret by its id, its URI, or an operator's by its name.
fn find(view: &ModelView, text: &str) -> Result<SecretId, Failure> {
    let named =
        |secret: &record::Secret| secret.owner == SecretOwner::Model && secret.label == text;
    let by_name = view.secrets.values().find(|secret| named(secret)).map(|secret| &secret.id);
    let uri: Option<SecretUri> = text.parse().ok();
    let here = view.info.id.to_string();
    let uri = uri.filter(|uri| uri.model.as_ref().is_none_or(|model| *model == here));
    let by_id = uri.filter(|uri| view.secrets.contains_key(&uri.id)).map(|uri| uri.id);
    by_id.or_else(|| by_name.cloned()).ok_or_else(|| {
        Failure::new(format!("secret \"{text}\" not found"))
            .hint("\"muster secrets\" lists what there is.")
    })
}

/// What words or a file say that a secret holds.
fn content(session: &Session<'_>, given: &asked::Content) -> Result<Content, Failure> {
    let desk = &session.desk;
    let bad = |error: &dyn std::error::Error| Failure::new(error.to_string());
    let givens = match given {
        asked::Content::Words(givens) => givens.clone(),
        asked::Content::File(file) => {
            let bytes = Plain::new(files::read(&desk.path(file), 4 << 20)?);
            secret::from_file(bytes.expose()).map_err(|error| bad(&error))?
        }
    };
    let mut values = BTreeMap::new();
    for (key, given) in givens {
        let value = match given {
            Given::Value(value) => value,
            Given::File(path) => Plain::new(files::read(&desk.path(&path), MAX_BYTES)?),
        };
        values.insert(key, value);
    }
    Content::new(values).map_err(|error| bad(&error))
}

async fn add(
    session: &mut Session<'_>,
    name: &str,
    info: &str,
    given: &asked::Content,
) -> Result<(), Failure> {
    let trying = |failure: Failure| failure.while_trying(format!("cannot add secret \"{name}\""));
    let content = content(session, given).map_err(trying)?;
    let focus = session.focus().await?;
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)
        .map_err(|error| Failure::tried("cannot number the secret", &error))?;
    let id = SecretId::from_random(u128::from_be_bytes(bits));
    let client = &focus.on.client;
    let sealed = client.seal(focus.id, &id, &content).await;
    let content = sealed.map_err(|error| trying(focus.on.failed(error)))?;
    let command = SecretCommand::Add {
        id: id.clone(),
        name: name.to_owned(),
        description: info.to_owned(),
        content,
    };
    tell(&focus, command).await.map_err(trying)?;
    session.put(&format!("secret:{id}\n"))
}

async fn update(session: &mut Session<'_>, act: &Secret) -> Result<(), Failure> {
    let Secret::Update { secret, name, info, auto_prune, content: given } = act else {
        return Ok(());
    };
    let clear = given.as_ref().map(|given| content(session, given)).transpose()?;
    let focus = session.focus().await?;
    let id = find(&view(&focus).await?, secret)?;
    let mut tries = 1;
    loop {
        let content = match &clear {
            Some(clear) => {
                let sealed = focus.on.client.seal(focus.id, &id, clear).await;
                Some(sealed.map_err(|error| focus.on.failed(error))?)
            }
            None => None,
        };
        let command = SecretCommand::Update {
            id: id.clone(),
            name: name.clone(),
            description: info.clone(),
            auto_prune: *auto_prune,
            content,
        };
        match tell(&focus, command).await {
            Err(failure) if failure.refused == Some(Code::InUse) && tries < TRIES => tries += 1,
            result => return result,
        }
    }
}

async fn list(session: &mut Session<'_>, owner: Option<&str>) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let view = view(&focus).await?;
    let mut all: BTreeMap<String, shapes::Secret> = BTreeMap::new();
    for (id, secret) in &view.secrets {
        let shape = shapes::Secret::of(secret, &view, None);
        if owner.is_none_or(|owner| is_owner(&shape.owner, owner)) {
            all.insert(id.to_string(), shape);
        }
    }
    if all.is_empty() && session.request.style == "tabular" {
        session.desk.say("No secrets to display.");
        return Ok(());
    }
    session.write(&all, || print::secrets::tabular(&all))
}

/// Owners may be named plainly, or by the tags that Juju has for them.
fn is_owner(shown: &str, wanted: &str) -> bool {
    let model = matches!(wanted, "model" | "<model>") || wanted.starts_with("model-");
    let wanted = wanted.strip_prefix("application-").unwrap_or(wanted);
    shown == wanted || (model && shown == shapes::MODEL)
}

async fn show(session: &mut Session<'_>, act: &Secret) -> Result<(), Failure> {
    let Secret::Show { secret: text, reveal, revision, revisions } = act else { return Ok(()) };
    let focus = session.focus().await?;
    let view = view(&focus).await?;
    let id = find(&view, text)?;
    let Some(secret) = view.secrets.get(&id) else { return Ok(()) };
    if let Some(number) = revision
        && !secret.revisions.contains_key(number)
    {
        return Err(Failure::new(format!("secret \"{text}\" revision {number} not found"))
            .hint(format!("\"muster show-secret {text} --revisions\" lists them.")));
    }
    let mut shape = shapes::Secret::of(secret, &view, *revision);
    if *revisions {
        shape.revisions = shapes::revisions(secret);
    }
    if *reveal {
        let content = focus.on.client.reveal(focus.id, &id, *revision).await;
        let content = content.map_err(|error| focus.on.failed(error))?;
        shape.content = Some(shown(&content, session.request.style == "json"));
    }
    let one = BTreeMap::from([(id.to_string(), shape)]);
    session.write(&one, String::new)
}

/// What a secret holds, as the contract has it: in JSON one level deeper than in YAML. What is not
/// text stands in base64 under the key that such a value is given by.
fn shown(content: &Content, json: bool) -> Value {
    let mut pairs = Map::new();
    for (key, value) in content.iter() {
        match value.expose_text() {
            Some(text) => pairs.insert(key.to_string(), json!(text)),
            None => pairs.insert(format!("{key}#base64"), json!(value.expose_base64())),
        };
    }
    if json { json!({ "Data": pairs }) } else { Value::Object(pairs) }
}
