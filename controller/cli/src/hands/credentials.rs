//! Credentials: whole in the client's own store, without what proves anything on a controller.

use std::collections::{BTreeMap, BTreeSet};

use muster_model::cloud::{Credential, is_shown};
use muster_model::command::EstateCommand;
use muster_model::name::CloudName;
use serde_json::Value;

use super::clouds::{known, meant};
use super::files;
use super::session::Session;
use crate::commands::credentials::{PutCredentials, RemoveCredential, ShowCredentials};
use crate::context::store::{OfCloud, Secret};
use crate::failure::Failure;
use crate::print::table::Table;
use crate::shape::cloud::{Contents, Credentials, Listed};

/// What a controller is told of a credential.
fn told(secret: &Secret) -> Credential {
    let shown = secret.attributes.iter().filter(|(key, _)| is_shown(key));
    let withheld = secret.attributes.keys().filter(|key| !is_shown(key));
    Credential {
        auth_type: secret.auth_type.clone(),
        attributes: shown.map(|(key, value)| (key.clone(), value.clone())).collect(),
        withheld: withheld.cloned().collect(),
    }
}

/// One of the client's credentials, as a controller is told of it.
pub(super) fn sent(
    session: &Session<'_>,
    cloud: &CloudName,
    name: &CloudName,
) -> Result<(CloudName, Option<Credential>), Failure> {
    let kept = session.contents.credentials.credentials.get(cloud.as_str());
    let secret = kept.and_then(|kept| kept.named.get(name.as_str())).ok_or_else(|| {
        Failure::new(format!("credential \"{name}\" for cloud \"{cloud}\" not found"))
            .hint("\"muster credentials --client\" lists what there is.")
    })?;
    Ok((name.clone(), Some(told(secret))))
}

pub(super) async fn show(session: &mut Session<'_>, act: &ShowCredentials) -> Result<(), Failure> {
    let known = known(session, act.whose).await?;
    let wanted = |cloud: &str| act.cloud.as_ref().is_none_or(|only| only.as_str() == cloud);
    let one = |name: &str| act.name.as_ref().is_none_or(|only| only.as_str() == name);
    let mut all = Credentials::default();
    if act.whose.client {
        let kept = session.contents.credentials.credentials.iter();
        let of = kept.filter(|(cloud, of)| wanted(cloud) && !of.named.is_empty());
        all.client = Some(
            of.map(|(cloud, of)| (cloud.clone(), Listed::of_client(of, act.secrets, &one)))
                .collect(),
        );
    }
    if let Some((_, body)) = &known {
        let of = body.credentials.iter().filter(|(cloud, _)| wanted(cloud.as_str()));
        all.controller = Some(
            of.map(|(cloud, of)| (cloud.to_string(), Listed::of_controller(of, &one))).collect(),
        );
    }
    if act.show {
        let contents = Contents::of(&all);
        if let (Some(cloud), Some(name), true) = (&act.cloud, &act.name, contents.is_empty()) {
            return Err(Failure::new(format!(
                "credential \"{name}\" for cloud \"{cloud}\" not found"
            )));
        }
        return session.write(&contents, String::new);
    }
    let mut text = String::new();
    let parts = [("Controller", &all.controller), ("Client", &all.client)];
    for (whose, part) in parts {
        let Some(part) = part else { continue };
        if !text.is_empty() {
            text.push('\n');
        }
        if part.is_empty() {
            let whose = whose.to_lowercase();
            text.push_str(&format!("No credentials from this {whose} to display.\n"));
            continue;
        }
        let mut table = Table::with(&["Cloud", "Credentials"]);
        for (cloud, listed) in part {
            table.row([cloud.clone(), listed.names().join(", ")]);
        }
        text.push_str(&format!("{whose} Credentials:\n{}", table.text()));
    }
    session.write(&all, || text)
}

/// The credentials of a file, by cloud.
fn read(session: &Session<'_>, file: &str) -> Result<BTreeMap<String, OfCloud>, Failure> {
    let value = files::yaml(session.desk, file)?.to_json();
    let Some(Value::Object(clouds)) = value.get("credentials") else {
        return Err(Failure::new(format!("{file}: no credentials"))
            .hint("Its top level should be \"credentials:\", with each cloud below it."));
    };
    let mut all = BTreeMap::new();
    for (cloud, of) in clouds {
        let Value::Object(of) = of else {
            return Err(Failure::new(format!("{file}: cloud \"{cloud}\" is not a map")));
        };
        let mut kept = OfCloud::default();
        for (name, value) in of {
            match (name.as_str(), value) {
                ("default-credential", Value::String(to)) => {
                    kept.default_credential = Some(to.clone());
                }
                ("default-region", Value::String(to)) => kept.default_region = Some(to.clone()),
                (_, Value::Object(map)) => {
                    kept.named.insert(name.clone(), secret(file, name, map)?);
                }
                _ => {
                    return Err(Failure::new(format!(
                        "{file}: credential \"{name}\" is not a map"
                    )));
                }
            }
        }
        all.insert(cloud.clone(), kept);
    }
    Ok(all)
}

fn secret(file: &str, name: &str, map: &serde_json::Map<String, Value>) -> Result<Secret, Failure> {
    name.parse::<CloudName>().map_err(|error| Failure::new(format!("{file}: {error}")))?;
    let mut attributes = BTreeMap::new();
    for (key, value) in map {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => {
                return Err(Failure::new(format!(
                    "{file}: credential \"{name}\": \"{key}\" is not a value"
                )));
            }
        };
        attributes.insert(key.clone(), text);
    }
    match attributes.remove("auth-type") {
        Some(auth_type) => Ok(Secret { auth_type, attributes }),
        None => Err(Failure::new(format!("{file}: credential \"{name}\" has no \"auth-type\""))),
    }
}

pub(super) async fn put(session: &mut Session<'_>, act: &PutCredentials) -> Result<(), Failure> {
    let on = meant(session, act.whose)?;
    let mut given = match &act.file {
        Some(file) => read(session, file)?,
        None => session.contents.credentials.credentials.clone(),
    };
    let from = act.file.as_deref().unwrap_or("this client");
    if let Some(cloud) = &act.cloud {
        given.retain(|name, _| name == cloud.as_str());
        if given.is_empty() {
            return Err(Failure::new(format!("credentials for cloud {cloud} not found in {from}")));
        }
        if act.file.is_some() {
            exists(session, act, cloud).await?;
        }
    }
    if let Some(wanted) = &act.name {
        given.values_mut().for_each(|of| of.named.retain(|name, _| name == wanted.as_str()));
        given.retain(|_, of| !of.named.is_empty());
        if given.is_empty() {
            return Err(Failure::new(format!("credential {wanted} not found in {from}")));
        }
    }
    if act.whose.client && act.file.is_some() && !act.update {
        for (cloud, of) in &given {
            let kept = session.contents.credentials.credentials.get(cloud);
            let twice =
                of.named.keys().find(|name| kept.is_some_and(|k| k.named.contains_key(*name)));
            if let Some(name) = twice {
                return Err(Failure::new(format!(
                    "credential \"{name}\" for cloud \"{cloud}\" already exists on this client"
                ))
                .hint(format!("muster update-credential {cloud} {name} --client --file FILE")));
            }
        }
    }
    for (cloud, of) in &given {
        let names: BTreeSet<&String> = of.named.keys().collect();
        if let Some(on) = &on {
            let name: CloudName = cloud
                .parse()
                .map_err(|error: muster_model::name::BadName| Failure::new(error.to_string()))?;
            let mut changes = BTreeMap::new();
            for (name, secret) in &of.named {
                let key = name.parse().map_err(|error: muster_model::name::BadName| {
                    Failure::new(error.to_string())
                })?;
                changes.insert(key, Some(told(secret)));
            }
            let withheld =
                changes.values().flatten().any(|told: &Credential| !told.withheld.is_empty());
            let command = EstateCommand::ChangeCredentials { cloud: name, changes };
            let trying = format!("cannot keep credentials for cloud \"{cloud}\"");
            on.estate(command).await.map_err(|failure| failure.while_trying(&trying))?;
            for name in &names {
                session
                    .desk
                    .say(&format!("Controller credential \"{name}\" for cloud \"{cloud}\" kept."));
            }
            if withheld {
                session
                    .desk
                    .say("Its secrets were not sent: this controller makes no machines there.");
            }
        }
        if act.whose.client && act.file.is_some() {
            for name in &names {
                session
                    .desk
                    .say(&format!("Credential \"{name}\" kept locally for cloud \"{cloud}\"."));
            }
        }
    }
    if act.whose.client && act.file.is_some() {
        let region = act.region.clone();
        session.change(move |contents| {
            for (cloud, of) in given {
                let kept = contents.credentials.credentials.entry(cloud).or_default();
                kept.named.extend(of.named);
                let usual = |new: Option<String>, old: Option<String>| new.or(old);
                kept.default_credential =
                    usual(of.default_credential, kept.default_credential.take());
                kept.default_region =
                    usual(region.clone().or(of.default_region), kept.default_region.take());
            }
        })?;
    }
    Ok(())
}

/// Refuses credentials for a cloud that neither this client nor the controller knows.
async fn exists(
    session: &Session<'_>,
    act: &PutCredentials,
    cloud: &CloudName,
) -> Result<(), Failure> {
    let public = muster_model::cloud::CloudDefinition::public(cloud.as_str()).is_some();
    let here = session.contents.clouds.clouds.contains_key(cloud.as_str());
    if public || here || cloud.as_str() == "localhost" {
        return Ok(());
    }
    let known = known(session, act.whose).await?;
    if known.is_some_and(|(_, body)| body.clouds.contains_key(cloud)) {
        return Ok(());
    }
    Err(Failure::new(format!("cloud {cloud} not found"))
        .hint(format!("\"muster add-cloud {cloud} --file FILE\" writes it down.")))
}

pub(super) async fn remove(
    session: &mut Session<'_>,
    act: &RemoveCredential,
) -> Result<(), Failure> {
    let (cloud, name) = (&act.cloud, &act.name);
    let known = known(session, act.whose).await?;
    let kept = session.contents.credentials.credentials.get(cloud.as_str());
    let here = act.whose.client && kept.is_some_and(|kept| kept.named.contains_key(name.as_str()));
    let has = |body: &muster_api::body::CloudsBody| {
        body.credentials.get(cloud).is_some_and(|of| of.contains_key(name))
    };
    let there = known.filter(|(_, body)| has(body));
    if !here && there.is_none() {
        return Err(Failure::new(format!("credential \"{name}\" for cloud \"{cloud}\" not found"))
            .hint("\"muster credentials\" lists what there is."));
    }
    if let Some((on, _)) = there {
        let changes = BTreeMap::from([(name.clone(), None)]);
        let command = EstateCommand::ChangeCredentials { cloud: cloud.clone(), changes };
        on.estate(command).await.map_err(|f| f.while_trying("cannot remove the credential"))?;
        session
            .desk
            .say(&format!("Controller credential \"{name}\" for cloud \"{cloud}\" removed."));
    }
    if here {
        let (cloud, name) = (cloud.to_string(), name.to_string());
        session.desk.say(&format!("Local credential \"{name}\" for cloud \"{cloud}\" removed."));
        session.change(move |contents| {
            let all = &mut contents.credentials.credentials;
            if let Some(kept) = all.get_mut(&cloud) {
                kept.named.remove(&name);
                kept.default_credential =
                    kept.default_credential.take().filter(|usual| *usual != name);
            }
            all.retain(|_, of| !of.is_empty());
        })?;
    }
    Ok(())
}
