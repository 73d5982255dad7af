//! Clouds: those that this client wrote down, and those that the controller knows.

use std::collections::BTreeMap;

use muster_api::body::CloudsBody;
use muster_model::cloud::{CloudDefinition, PUBLIC};
use muster_model::command::EstateCommand;
use muster_model::name::CloudName;
use serde_json::{Map, Value, json};

use super::files;
use super::session::{Controller, Session};
use crate::commands::clouds::{PutCloud, RemoveCloud, ShowClouds, Shown, Usual, Whose};
use crate::failure::Failure;
use crate::print::table::Table;
use crate::shape::cloud::{Defined, shown};

/// The controller that is meant, if one is: where nobody named one, and there is none, the client is
/// meant alone.
pub(super) fn meant(session: &Session<'_>, whose: Whose) -> Result<Option<Controller>, Failure> {
    if !whose.controller {
        return Ok(None);
    }
    match session.controller() {
        Ok(controller) => Ok(Some(controller)),
        Err(_) if whose.client && session.contents.controllers.current.is_none() => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// What the controller knows, if one is meant.
pub(super) async fn known(
    session: &Session<'_>,
    whose: Whose,
) -> Result<Option<(Controller, CloudsBody)>, Failure> {
    let Some(on) = meant(session, whose)? else { return Ok(None) };
    let body = on.client.clouds().await.map_err(|error| on.failed(error))?;
    Ok(Some((on, body)))
}

/// The clouds that the client knows: what it wrote down over what everybody knows.
fn of_client(session: &Session<'_>, all: bool) -> BTreeMap<String, (Defined, CloudDefinition)> {
    let kept = &session.contents.credentials.credentials;
    let public = PUBLIC.iter().filter(|(name, ..)| all || kept.contains_key(*name));
    let mut clouds: BTreeMap<String, (Defined, CloudDefinition)> = public
        .filter_map(|(name, ..)| {
            Some(((*name).to_owned(), (Defined::Public, CloudDefinition::public(name)?)))
        })
        .collect();
    if let Ok(name) = "localhost".parse::<CloudName>() {
        clouds.insert(name.to_string(), (Defined::BuiltIn, CloudDefinition::own(&name)));
    }
    let own = session.contents.clouds.clouds.iter();
    clouds.extend(own.map(|(name, cloud)| (name.clone(), (Defined::Local, cloud.clone()))));
    clouds
}

fn of_controller(body: &CloudsBody) -> BTreeMap<String, (Defined, CloudDefinition)> {
    let one = |(name, cloud): (&CloudName, &CloudDefinition)| {
        let own = name.as_str() == body.own;
        let defined = if own { Defined::BuiltIn } else { Defined::Local };
        (name.to_string(), (defined, cloud.clone()))
    };
    body.clouds.iter().map(one).collect()
}

pub(super) async fn show(session: &mut Session<'_>, act: &ShowClouds) -> Result<(), Failure> {
    let known = known(session, act.whose).await?;
    let client = if act.whose.client { of_client(session, act.all) } else { BTreeMap::new() };
    let controller = known.as_ref().map(|(_, body)| of_controller(body)).unwrap_or_default();
    let mut both = client.clone();
    both.extend(controller.clone());
    match &act.what {
        Shown::Clouds => {
            let all: BTreeMap<&String, Value> =
                both.iter().map(|(name, (from, cloud))| (name, shown(*from, cloud))).collect();
            let mut text = String::new();
            if let Some((on, _)) = &known {
                let name = &on.chosen.name;
                text.push_str(&format!("Clouds available on controller \"{name}\":\n"));
                text.push_str(&table(session, &controller));
            }
            if act.whose.client {
                let gap = if text.is_empty() { "" } else { "\n" };
                text.push_str(&format!("{gap}Clouds available on the client:\n"));
                text.push_str(&table(session, &client));
            }
            session.write(&all, || text)
        }
        Shown::Cloud(name) => {
            let (from, cloud) = find(&both, name)?;
            let mut value = shown(*from, cloud);
            if let Some(map) = value.as_object_mut() {
                map.insert("name".to_owned(), json!(name));
                if !act.with_config {
                    map.remove("config");
                }
            }
            session.write(&value, String::new)
        }
        Shown::Regions(name) => {
            let (_, cloud) = find(&both, name)?;
            let mut table = Table::with(&["Region", "Endpoint"]);
            for (region, of) in &cloud.regions {
                table.row([region, &of.endpoint]);
            }
            session.write(&cloud.regions, || table.text())
        }
    }
}

fn find<'c>(
    clouds: &'c BTreeMap<String, (Defined, CloudDefinition)>,
    name: &CloudName,
) -> Result<&'c (Defined, CloudDefinition), Failure> {
    clouds.get(name.as_str()).ok_or_else(|| {
        Failure::new(format!("cloud {name} not found"))
            .hint("\"muster clouds --all\" lists what is known.")
    })
}

fn table(session: &Session<'_>, clouds: &BTreeMap<String, (Defined, CloudDefinition)>) -> String {
    let kept = &session.contents.credentials.credentials;
    let mut table = Table::with(&[
        "Cloud",
        "Regions",
        "Default",
        "Type",
        "Credentials",
        "Source",
        "Description",
    ])
    .right(&[1, 4]);
    for (name, (from, cloud)) in clouds {
        let of = kept.get(name);
        let region = of.and_then(|of| of.default_region.clone());
        let region = region.or_else(|| cloud.regions.keys().next().cloned());
        let count = of.map_or(0, |of| of.named.len());
        table.row([
            name.clone(),
            cloud.regions.len().to_string(),
            region.unwrap_or_default(),
            cloud.kind.clone(),
            count.to_string(),
            from.as_str().to_owned(),
            cloud.description.clone(),
        ]);
    }
    table.text()
}

/// The definition in a file: itself, or under `clouds:` and its name.
fn definition(
    session: &Session<'_>,
    file: &str,
    name: &CloudName,
) -> Result<CloudDefinition, Failure> {
    let value = files::yaml(session.desk, file)?.to_json();
    let found = match value.get("clouds") {
        Some(clouds) => clouds.get(name.as_str()).cloned().ok_or_else(|| {
            Failure::new(format!("cloud \"{name}\" not found in file \"{file}\""))
        })?,
        None => value,
    };
    // A region may stand there with nothing said of it.
    let found = match found {
        Value::Object(mut map) => {
            if let Some(Value::Object(regions)) = map.get_mut("regions") {
                let bare = regions.values_mut().filter(|region| region.is_null());
                bare.for_each(|region| *region = Value::Object(Map::new()));
            }
            Value::Object(map)
        }
        other => other,
    };
    let cloud: CloudDefinition = serde_json::from_value(found)
        .map_err(|error| Failure::new(format!("{file}: no definition of a cloud: {error}")))?;
    cloud.check().map_err(|why| Failure::new(format!("{file}: cloud \"{name}\": {why}")))?;
    Ok(cloud)
}

pub(super) async fn put(session: &mut Session<'_>, act: &PutCloud) -> Result<(), Failure> {
    let (name, verb) = (&act.name, if act.update { "update" } else { "add" });
    let trying = format!("cannot {verb} cloud \"{name}\"");
    let on = meant(session, act.whose)?;
    let present = session.contents.clouds.clouds.get(name.as_str()).cloned();
    let cloud = match (&act.file, &present) {
        (Some(file), _) => definition(session, file, name)?,
        (None, Some(present)) if on.is_some() => present.clone(),
        (None, _) => {
            return Err(Failure::new(format!("{trying}: a file is needed"))
                .hint(format!("muster {verb}-cloud {name} --file FILE")));
        }
    };
    let credential = match &act.credential {
        None => None,
        Some(named) => Some(super::credentials::sent(session, name, named)?),
    };
    let here = act.whose.client && act.file.is_some();
    if here {
        if name.as_str() == "localhost" {
            return Err(Failure::new(format!(
                "{trying}: \"localhost\" already exists: it is this host itself"
            )));
        }
        if present.is_some() && !act.update && !act.force {
            return Err(Failure::new(format!("{trying}: it already exists on this client"))
                .hint(format!("muster update-cloud {name} --client -f FILE")));
        }
        if present.is_none() && act.update && on.is_none() {
            return Err(Failure::new(format!("{trying}: cloud \"{name}\" not found")));
        }
    }
    if let Some(on) = on {
        // What is given with --force replaces what is there.
        let there = on.client.clouds().await.map_err(|error| on.failed(error))?;
        let update = act.update || act.force && there.clouds.contains_key(name);
        let definition = cloud.clone();
        let command = EstateCommand::PutCloud { name: name.clone(), definition, update };
        on.estate(command).await.map_err(|failure| failure.while_trying(&trying))?;
        if let Some(credential) = credential {
            let changes = BTreeMap::from([credential]);
            let command = EstateCommand::ChangeCredentials { cloud: name.clone(), changes };
            on.estate(command).await.map_err(|failure| failure.while_trying(&trying))?;
        }
        session.desk.say(&format!("Cloud \"{name}\" kept by controller \"{}\".", on.chosen.name));
    }
    if here {
        let key = name.to_string();
        session.change(move |contents| contents.clouds.clouds.insert(key, cloud))?;
        session.desk.say(&format!("Cloud \"{name}\" kept by this client."));
    }
    Ok(())
}

pub(super) async fn remove(session: &mut Session<'_>, act: &RemoveCloud) -> Result<(), Failure> {
    let name = &act.name;
    let trying = format!("cannot remove cloud \"{name}\"");
    let known = known(session, act.whose).await?;
    let here = act.whose.client && session.contents.clouds.clouds.contains_key(name.as_str());
    let there = known.filter(|(_, body)| !act.whose.client || body.clouds.contains_key(name));
    if !here && there.is_none() {
        return Err(Failure::new(format!("{trying}: cloud \"{name}\" not found"))
            .hint("\"muster clouds --all\" lists what is known."));
    }
    if let Some((on, _)) = there {
        let command = EstateCommand::RemoveCloud(name.clone());
        on.estate(command).await.map_err(|failure| failure.while_trying(&trying))?;
        session
            .desk
            .say(&format!("Cloud \"{name}\" removed from controller \"{}\".", on.chosen.name));
    }
    if here {
        let key = name.to_string();
        session.change(move |contents| contents.clouds.clouds.remove(&key))?;
        session.desk.say(&format!("Cloud \"{name}\" removed from this client."));
    }
    Ok(())
}

pub(super) fn usual(session: &mut Session<'_>, act: &Usual) -> Result<(), Failure> {
    let cloud = &act.cloud;
    let all = of_client(session, true);
    let (_, definition) = find(&all, cloud)?;
    let kept = session.contents.credentials.credentials.get(cloud.as_str());
    let what = if act.credential { "credential" } else { "region" };
    let Some(to) = &act.to else {
        if !act.reset {
            let present = kept.and_then(|kept| {
                if act.credential {
                    kept.default_credential.clone()
                } else {
                    kept.default_region.clone()
                }
            });
            return match present {
                Some(present) => session.put(&format!("{present}\n")),
                None => {
                    Err(Failure::new(format!("default {what} for cloud \"{cloud}\" not found")))
                }
            };
        }
        return keep(session, act, None);
    };
    let there = if act.credential {
        kept.is_some_and(|kept| kept.named.contains_key(to))
    } else {
        definition.regions.is_empty() || definition.regions.contains_key(to)
    };
    if !there {
        return Err(Failure::new(format!("{what} \"{to}\" for cloud \"{cloud}\" not found")));
    }
    keep(session, act, Some(to.clone()))
}

fn keep(session: &mut Session<'_>, act: &Usual, to: Option<String>) -> Result<(), Failure> {
    let (cloud, credential) = (act.cloud.to_string(), act.credential);
    session.change(move |contents| {
        let of = contents.credentials.credentials.entry(cloud.clone()).or_default();
        if credential {
            of.default_credential = to;
        } else {
            of.default_region = to;
        }
        if of.is_empty() {
            contents.credentials.credentials.remove(&cloud);
        }
    })
}
