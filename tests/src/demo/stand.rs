//! From nothing to a bundle that stands: controller, model, deploy, and waiting with open eyes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::hand::{failed, note, text};
use super::{Built, DemoError, Hand};
use crate::corpus::gateway::Target;
use crate::voice::{Voice, Work};

/// How long the bundle may take; a machine that fetches every package for the first time needs minutes.
const PATIENCE: Duration = Duration::from_secs(25 * 60);
/// How long one wait on the server lasts, so that the picture shown is never older.
const LOOK: &str = "2s";
/// How long a unit may stay in error; the first retries come within seconds.
const GRACE: Duration = Duration::from_secs(90);

/// Makes the controller and the model, unless they answer.
pub fn controller(hand: &Hand, voice: &Voice) -> Result<(), DemoError> {
    let name = hand.controller();
    let work = voice.work(format!("controller {name}"));
    let answers = hand.bare(&["models", "--controller", name, "--format", "json"]).run().is_ok();
    let (outcome, args) = if answers {
        ("already there", None)
    } else if whole(hand)? {
        // This host was started again, or somebody ended it.
        ("started again", Some(vec!["start-controller", name]))
    } else {
        // Or gone on with, if it was cut off.
        ("bootstrapped on this host", Some(vec!["bootstrap", "localhost", name]))
    };
    if let Some(args) = args {
        let done = hand.bare(&args).run_with(|line| note(&work, line));
        done.map_err(|source| failed(&args, source))?;
    }
    work.done(outcome);
    let args = ["models", "--controller", name, "--format", "json"];
    let printed = hand.bare(&args).run().map_err(|source| failed(&args, source))?;
    let models: Value = serde_json::from_str(&printed)
        .map_err(|error| DemoError::Shape { command: args.join(" "), what: error.to_string() })?;
    let names = models.get("models").and_then(Value::as_array).into_iter().flatten();
    let known = names.filter_map(|model| model.get("short-name").and_then(Value::as_str));
    if known.collect::<BTreeSet<_>>().contains(hand.model()) {
        return Ok(());
    }
    let args = ["add-model", hand.model(), "--controller", name];
    hand.bare(&args).run().map_err(|source| failed(&args, source))?;
    Ok(())
}

/// Whether the controller was bootstrapped to the end; one that was cut off has no identity yet.
fn whole(hand: &Hand) -> Result<bool, DemoError> {
    let args = ["controllers", "--format", "json"];
    let printed = hand.bare(&args).run().map_err(|source| failed(&args, source))?;
    let known: Value = serde_json::from_str(&printed)
        .map_err(|error| DemoError::Shape { command: args.join(" "), what: error.to_string() })?;
    let uuid = known.pointer(&format!("/controllers/{}/uuid", hand.controller()));
    Ok(uuid.and_then(Value::as_str).is_some_and(|uuid| !uuid.is_empty()))
}

/// Deploys the bundle, or brings what stands up to it.
pub fn deploy(hand: &Hand, built: &Built, voice: &Voice) -> Result<(), DemoError> {
    let work = voice.work("deploying the bundle");
    let (bundle, overlay) = (built.bundle.to_string_lossy(), built.overlay.to_string_lossy());
    let said = hand.run_beside(&["deploy", &bundle, "--overlay", &overlay], &work)?;
    let changes = said.lines().filter(|line| line.trim_start().starts_with("- ")).count();
    if changes == 0 {
        work.done("nothing to change");
    } else {
        work.done(format_args!("{changes} changes accepted"));
    }
    Ok(())
}

/// Waits until the gateway has given Spark a bucket, and says how to reach it.
pub fn gateway(hand: &Hand, voice: &Voice) -> Result<Target, DemoError> {
    let work = voice.work("waiting for the object gateway's bucket");
    let found = until(hand, &work, bucket)?;
    work.done(&found.endpoint);
    Ok(found)
}

/// Waits until every unit is active and has done all that was asked of it.
pub fn settled(hand: &Hand, voice: &Voice) -> Result<(), DemoError> {
    let work = voice.work("waiting for every unit");
    until(hand, &work, |hand| Ok(waits(&hand.status()?).is_empty().then_some(())))?;
    work.done("every unit is active");
    Ok(())
}

/// Waits until an application has exactly so many units and every unit is active.
pub fn counted(hand: &Hand, application: &str, count: u32, voice: &Voice) -> Result<(), DemoError> {
    let work = voice.work(format!("waiting for {count} units of {application}"));
    until(hand, &work, |hand| {
        let status = hand.status()?;
        let own = |(name, _): &(&String, &Value)| name.split('/').next() == Some(application);
        let now = units(&status).filter(own).count();
        Ok((now == count as usize && waits(&status).is_empty()).then_some(()))
    })?;
    work.done("every unit is active");
    Ok(())
}

/// Looks for something, and between looks waits on the server for what is not so yet.
fn until<T>(
    hand: &Hand,
    work: &Work,
    mut look: impl FnMut(&Hand) -> Result<Option<T>, DemoError>,
) -> Result<T, DemoError> {
    let began = Instant::now();
    let mut failing: Option<Instant> = None;
    loop {
        if let Some(found) = look(hand)? {
            return Ok(found);
        }
        let status = hand.status()?;
        let waits = waits(&status);
        work.note(waits.first().map_or_else(String::new, |wait| wait.chars().take(70).collect()));
        match in_error(&status) {
            None => failing = None,
            Some((unit, message)) => {
                let since = *failing.get_or_insert_with(Instant::now);
                if since.elapsed() > GRACE {
                    let see = hand.line(&["debug-log", "--include", &unit]);
                    return Err(DemoError::Unit { unit, message, see });
                }
            }
        }
        if began.elapsed() > PATIENCE {
            let minutes = PATIENCE.as_secs() / 60;
            return Err(DemoError::Late { minutes, waits: waits.join("\n") });
        }
        let model = ["wait-for", "model", hand.model(), "--timeout", LOOK];
        // All is well and yet not what was looked for: look again later, by waiting for what
        // will not be so.
        let never = [&model[..], &["--query", "life==\"dead\""]].concat();
        let wait = match inactive(&status) {
            Some(application) => vec!["wait-for", "application", application, "--timeout", LOOK],
            None if waits.is_empty() => never,
            None => model.to_vec(),
        };
        // The server answers as soon as it is so; that it is not so in time is no failure here.
        hand.call(&wait).speak(|_| {}).map_err(|source| failed(&wait, source))?;
    }
}

/// An application that is not active, if there is one.
fn inactive(status: &Value) -> Option<&str> {
    let applications = status.get("applications").and_then(Value::as_object)?;
    let active = |application: &Value| {
        application.pointer("/application-status/current").and_then(Value::as_str) == Some("active")
    };
    applications.iter().find(|(_, one)| !active(one)).map(|(name, _)| name.as_str())
}

/// Each unit of a status, with its name.
pub fn units(status: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let applications = status.get("applications").and_then(Value::as_object);
    applications
        .into_iter()
        .flatten()
        .filter_map(|(_, application)| application.get("units").and_then(Value::as_object))
        .flatten()
}

/// A line for each unit that is not active, for each application without units, and for whatever
/// has not settled.
fn waits(status: &Value) -> Vec<String> {
    let mut waits = Vec::new();
    for (name, unit) in units(status) {
        let workload = |key: &str| {
            unit.pointer(&format!("/workload-status/{key}")).and_then(Value::as_str).unwrap_or("")
        };
        if workload("current") != "active" {
            waits.push(format!("{name}: {} {}", workload("current"), workload("message")));
        }
    }
    let applications = status.get("applications").and_then(Value::as_object);
    for (name, application) in applications.into_iter().flatten() {
        if application.get("units").and_then(Value::as_object).is_none_or(|units| units.is_empty())
        {
            waits.push(format!("{name}: has no unit yet"));
        }
    }
    if status.pointer("/model/settled/settled") == Some(&Value::Bool(false)) {
        let on = status.pointer("/model/settled/waiting-on").and_then(Value::as_array);
        let on = on.into_iter().flatten().filter_map(Value::as_str);
        waits.extend(on.map(str::to_owned));
        if waits.is_empty() {
            waits.push("the model has not settled".to_owned());
        }
    }
    waits
}

fn in_error(status: &Value) -> Option<(String, String)> {
    let current = |unit: &Value| unit.pointer("/workload-status/current").cloned();
    let (name, unit) = units(status).find(|(_, unit)| current(unit) == Some("error".into()))?;
    let message = unit.pointer("/workload-status/message").and_then(Value::as_str);
    Some((name.clone(), message.unwrap_or_default().to_owned()))
}

/// What the gateway has written into its relation with Spark, if it is all there.
fn bucket(hand: &Hand) -> Result<Option<Target>, DemoError> {
    let status = hand.status()?;
    let Some((unit, _)) = units(&status).find(|(name, _)| name.starts_with("spark/")) else {
        return Ok(None);
    };
    let command = ["show-unit", unit, "--endpoint", "s3-credentials"];
    let shown = hand.json(&command)?;
    let entry = shown.get(unit).and_then(|unit| unit.get("relation-info"));
    let relation = entry.and_then(Value::as_array).and_then(|relations| relations.first());
    let Some(data) = relation.and_then(|relation| relation.get("application-data")) else {
        return Ok(None);
    };
    if data.get("secret-key").is_none() {
        return Ok(None);
    }
    let command = command.join(" ");
    let field = |key: &str| Ok(text(data, &format!("/{key}"), &command)?.to_owned());
    Ok(Some(Target {
        endpoint: field("endpoint")?,
        ca: ca_chain(data.get("tls-ca-chain").and_then(Value::as_str)),
        bucket: field("bucket")?,
        access_key: field("access-key")?,
        secret_key: field("secret-key")?,
    }))
}

/// The certificates of a JSON list of PEM texts as one text.
fn ca_chain(text: Option<&str>) -> Option<String> {
    let certificates: Vec<String> = serde_json::from_str(text?).ok()?;
    (!certificates.is_empty()).then(|| certificates.join("\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(current: &str) -> Value {
        json!({"applications": {
            "spark": {"units": {
                "spark/0": {"workload-status": {"current": "active", "message": "ready"}},
                "spark/1": {"workload-status": {"current": current, "message": "hook failed"}},
            }},
            "mariadb": {},
        }})
    }

    #[test]
    fn what_is_waited_for_is_named() {
        assert_eq!(
            waits(&status("waiting")),
            ["spark/1: waiting hook failed", "mariadb: has no unit yet"]
        );
        assert_eq!(waits(&json!({"applications": {}})), Vec::<String>::new());
        let model =
            json!({"settled": {"settled": false, "waiting-on": ["spark/0: config-changed"]}});
        assert_eq!(waits(&json!({"model": model})), ["spark/0: config-changed"]);
        assert_eq!(inactive(&status("active")), Some("mariadb"));
        assert_eq!(in_error(&status("active")), None);
        assert_eq!(in_error(&status("error")), Some(("spark/1".into(), "hook failed".into())));
    }

    #[test]
    fn the_chain_is_a_json_list_of_certificates() {
        assert_eq!(ca_chain(Some(r#"["A", "B"]"#)).as_deref(), Some("A\nB"));
        assert_eq!(ca_chain(Some("[]")), None);
        assert_eq!(ca_chain(None), None);
    }
}
