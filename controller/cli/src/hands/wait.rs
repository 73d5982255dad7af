//! `wait-for`: blocks on the server; nothing is polled.
//!
//! The usual conditions are the server's own. A query is asked of the model's view here, again each
//! time the server says that something has changed.

use std::time::Duration;

use muster_model::status::Workload;
use muster_model::view::{Condition, ModelView, ViewRequest, Wait, holds};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::progress;
use super::session::{Focus, Session};
use crate::clock::{Zone, now};
use crate::commands::wait::{Kind, WaitFor};
use crate::failure::Failure;
use crate::query::Query;
use crate::shape::{self, status as shapes};

/// The longest that one wait on the server is asked to take.
const ONE_WAIT: Duration = Duration::from_secs(40);

pub(super) async fn wait(session: &mut Session<'_>, act: &WaitFor) -> Result<(), Failure> {
    let named = (act.kind == Kind::Model && !act.name.is_empty()).then(|| act.name.clone());
    let focus = match &named {
        Some(name) => session.focus_on(Some(name)).await?,
        None => session.focus().await?,
    };
    let what = if act.name.is_empty() { focus.short().to_owned() } else { act.name.clone() };
    let what = format!("{} \"{what}\"", act.kind.as_str());
    let deadline = act.timeout.map(|time| Instant::now() + time);
    let wheel = progress::wheel(session.desk, &format!("waiting for {what}"));
    let see = |missing: &str| progress::show(&wheel, &format!("waiting for {what}: {missing}"));
    let result = match &act.query {
        Some(query) => until_query(&focus, act, query, deadline, &see).await,
        None => until(&focus, &conditions(act)?, deadline, &see).await,
    };
    wheel.finish_and_clear();
    match result? {
        Ok(()) => {
            if act.summary {
                session.desk.say(&format!("{what}: it is so"));
            }
            Ok(())
        }
        Err(missing) => Err(Failure::new(format!("timed out waiting for {what}: {missing}"))
            .hint("\"muster status\" shows how things are.")),
    }
}

/// What must be so without a query (§9). What is asked for has also settled, or a passing "active"
/// from before a change would do.
fn conditions(act: &WaitFor) -> Result<Vec<Condition>, Failure> {
    let bad = |error: muster_model::name::BadName| Failure::new(error.to_string());
    let name = act.name.as_str();
    let status = Workload::Active;
    Ok(match act.kind {
        Kind::Model => vec![Condition::Settled],
        Kind::Machine => vec![Condition::MachineStarted(name.parse().map_err(bad)?)],
        Kind::Application => {
            let name: muster_model::name::ApplicationName = name.parse().map_err(bad)?;
            let settled = Condition::ApplicationSettled(name.clone());
            if act.settled {
                vec![settled]
            } else {
                vec![Condition::Application { name, status }, settled]
            }
        }
        Kind::Unit => {
            let name: muster_model::name::UnitName = name.parse().map_err(bad)?;
            let settled = Condition::UnitSettled(name.clone());
            if act.settled {
                vec![settled]
            } else {
                vec![Condition::Unit { name, status }, settled]
            }
        }
    })
}

fn left(deadline: Option<Instant>) -> Option<Duration> {
    let left = match deadline {
        None => ONE_WAIT,
        Some(deadline) => deadline.saturating_duration_since(Instant::now()).min(ONE_WAIT),
    };
    (!left.is_zero()).then_some(left)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// Waits until all of `conditions` are so at once; the inner error is what is still missing when
/// the time is over.
pub(super) async fn until(
    focus: &Focus,
    conditions: &[Condition],
    deadline: Option<Instant>,
    see: &dyn Fn(&str),
) -> Result<Result<(), String>, Failure> {
    let mut missing = "the first answer".to_owned();
    loop {
        for condition in conditions {
            loop {
                let Some(left) = left(deadline) else { return Ok(Err(missing)) };
                let wait = Wait { condition: condition.clone(), timeout_ms: millis(left) };
                let answer = focus.wait(&wait).await?;
                if answer.holds {
                    break;
                }
                see(&answer.missing);
                missing = answer.missing;
            }
        }
        if conditions.len() < 2 {
            return Ok(Ok(()));
        }
        let view = focus.view(&ViewRequest::default()).await?;
        match conditions.iter().try_for_each(|condition| holds(condition, &view)) {
            Ok(()) => return Ok(Ok(())),
            Err(reason) => missing = reason,
        }
    }
}

async fn until_query(
    focus: &Focus,
    act: &WaitFor,
    query: &Query,
    deadline: Option<Instant>,
    see: &dyn Fn(&str),
) -> Result<Result<(), String>, Failure> {
    loop {
        let view = focus.view(&ViewRequest::default()).await?;
        let missing = match scope(act, focus, &view) {
            None => format!("{} \"{}\" not found", act.kind.as_str(), act.name),
            Some(scope) => match query.holds(&scope) {
                Ok(Ok(())) => return Ok(Ok(())),
                Ok(Err(parts)) => parts,
                Err(error) => return Err(Failure::new(format!("cannot ask {query}: {error}"))),
            },
        };
        see(&missing);
        let Some(left) = left(deadline) else { return Ok(Err(missing)) };
        let condition = Condition::Changed { after: view.revision };
        focus.wait(&Wait { condition, timeout_ms: millis(left) }).await?;
    }
}

/// The names that a query may ask for (§9).
fn scope(act: &WaitFor, focus: &Focus, view: &ModelView) -> Option<Value> {
    let zone = Zone::of(true);
    let beside = shapes::Beside {
        controller: &focus.on.chosen.name,
        zone: &zone,
        now: now(),
        version: super::status::DIALECT,
    };
    let status = shapes::Status::of(view, &beside);
    Some(match act.kind {
        Kind::Model => {
            let config: Map<String, Value> = muster_model::model_config::OPTIONS
                .iter()
                .map(|option| (option.key.to_owned(), view.info.option(option.key).into()))
                .collect();
            json!({
                "name": status.model.name,
                "life": view.info.life.to_string(),
                "is-controller": false,
                "status": status.model.model_status.current,
                "settled": view.settled,
                "config": config,
                "applications": each(view.applications.keys(), |name| application(view, name)),
                "machines": each(view.machines.keys(), |id| machine(view, id)),
                "units": each(view.applications.values().flat_map(|a| a.units.keys()), |name| unit(view, name)),
            })
        }
        Kind::Application => application(view, &act.name.parse().ok()?)?,
        Kind::Machine => machine(view, &act.name.parse().ok()?)?,
        Kind::Unit => unit(view, &act.name.parse().ok()?)?,
    })
}

fn each<'k, K: ToString + 'k>(
    keys: impl Iterator<Item = &'k K>,
    of: impl Fn(&K) -> Option<Value>,
) -> Map<String, Value> {
    keys.filter_map(|key| Some((key.to_string(), of(key)?))).collect()
}

fn application(view: &ModelView, name: &muster_model::name::ApplicationName) -> Option<Value> {
    let found = view.applications.get(name)?;
    let stated = found.stated.as_ref();
    Some(json!({
        "name": name.to_string(),
        "life": found.application.life.to_string(),
        "exposed": found.application.exposed.is_some(),
        "charm-url": found.application.charm.to_string(),
        "subordinate": found.application.subordinate,
        "status": found.status.value.to_string(),
        "status-message": found.status.message,
        "workload-version": stated.map(|stated| stated.workload_version.clone()).unwrap_or_default(),
        "min-units": 0,
        "settled": found.settled,
        "units": each(found.units.keys(), |name| unit(view, name)),
    }))
}

fn unit(view: &ModelView, name: &muster_model::name::UnitName) -> Option<Value> {
    let application = view.applications.get(&name.application)?;
    let found = application.units.get(name)?;
    let address = found.address.map(|address| address.to_string()).unwrap_or_default();
    let principal = found.unit.principal.as_ref().map(ToString::to_string);
    Some(json!({
        "name": name.to_string(),
        "application": name.application.to_string(),
        "base": application.application.base.as_ref().map(ToString::to_string).unwrap_or_default(),
        "charm-url": found.progress.charm.as_ref().map(ToString::to_string).unwrap_or_default(),
        "life": found.unit.life.to_string(),
        "public-address": address,
        "private-address": address,
        "machine-id": found.unit.machine.to_string(),
        "subordinate": principal.is_some(),
        "principal": principal.unwrap_or_default(),
        "leader": found.leader,
        "workload-status": found.workload.value.to_string(),
        "workload-message": found.workload.message,
        "agent-status": found.agent.value.to_string(),
        "settled": found.settled,
    }))
}

fn machine(view: &ModelView, id: &muster_model::name::MachineId) -> Option<Value> {
    let found = view.machines.get(id)?;
    let instance = found.instance.as_ref();
    let base = found.facts.as_ref().and_then(|facts| facts.base.as_ref());
    Some(json!({
        "id": id.to_string(),
        "life": found.machine.life.to_string(),
        "status": found.agent.value.to_string(),
        "agent-status": found.agent.value.to_string(),
        "instance-status": instance.map(|i| i.status.value.to_string()).unwrap_or_default(),
        "base": shape::value(&base.map(ToString::to_string).unwrap_or_default()),
        "container-type": "",
    }))
}
