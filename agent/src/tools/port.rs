//! `open-port`, `close-port`, `opened-ports` (hook contract, section 5.6).

use std::collections::{BTreeMap, BTreeSet};

use muster_console::flags::{Flag, Line, Usage};
use muster_console::format::OUTPUT;
use muster_model::effects::{OpenPort, PortRange};
use muster_model::name::{EndpointName, UnitName};
use serde_json::json;

use super::{Given, Result, fail1, fail2, smart};
use crate::hook::context::Context;

const FLAGS: &[Flag] = &[
    Flag::list(&["endpoints"], "NAME[,NAME]", "Only for these endpoints."),
    Flag::value(&["format"], "FORMAT", "Deprecated; does nothing."),
];

pub(super) const OPEN: Usage = Usage {
    flags: &[FLAGS],
    details: "Takes effect when the hook has ended well; reachable from outside once exposed.",
    ..Usage::of("open-port", "<port>[/<protocol>] | <from>-<to>[/<protocol>] | icmp", "Open ports.")
};

pub(super) const CLOSE: Usage = Usage {
    flags: &[FLAGS],
    ..Usage::of(
        "close-port",
        "<port>[/<protocol>] | <from>-<to>[/<protocol>] | icmp",
        "Close ports.",
    )
};

pub(super) const OPENED: Usage = Usage {
    flags: &[OUTPUT, &[Flag::switch(&["endpoints"], "Print for which endpoints, too.")]],
    ..Usage::of("opened-ports", "", "Print the ports that this unit has opened.")
};

fn wanted(line: &Line) -> Result<BTreeSet<OpenPort>> {
    let range: PortRange = line
        .need(0, "port or range")?
        .parse()
        .map_err(|error: muster_model::effects::BadPort| fail2(error.to_string()))?;
    line.at_most(1)?;
    let names = line.parts("endpoints");
    if names.is_empty() {
        return Ok([OpenPort { range, endpoint: None }].into());
    }
    names
        .into_iter()
        .map(|name| {
            let endpoint: EndpointName =
                name.parse().map_err(|error: muster_model::name::BadName| {
                    fail2(format!("invalid value {name:?} for option --endpoints: {error}"))
                })?;
            Ok(OpenPort { range, endpoint: Some(endpoint) })
        })
        .collect()
}

fn notice(line: &Line) -> Result<Given> {
    Ok(if line.has("format") {
        Given::Notice("--format flag deprecated for this command".to_owned())
    } else {
        Given::Nothing
    })
}

/// What is open now: what the model has, without what this run closed, with what it opened.
fn current(context: &Context) -> BTreeSet<OpenPort> {
    let mut ports = context.cache.ports.clone().unwrap_or_default();
    for port in &context.effects.close_ports {
        remove(&mut ports, port);
    }
    ports.extend(context.effects.open_ports.iter().cloned());
    ports
}

/// Closing for all endpoints closes for each.
pub(crate) fn remove(ports: &mut BTreeSet<OpenPort>, closed: &OpenPort) {
    ports.retain(|port| {
        port.range != closed.range
            || (closed.endpoint.is_some() && port.endpoint != closed.endpoint)
    });
}

pub(super) fn open(context: &mut Context, line: &Line) -> Result<Given> {
    for port in wanted(line)? {
        if let Some((unit, other)) = conflict(context, &port) {
            return Err(fail1(format!(
                "cannot open {} (unit {:?}): port range conflicts with {other} (unit {:?})",
                port.range,
                context.unit.to_string(),
                unit.to_string()
            )));
        }
        // What was closed before in this run stays closed for the endpoints that are not named here.
        if !current(context).contains(&port) {
            context.effects.open_ports.insert(port);
        }
    }
    notice(line)
}

/// A range of another unit of the machine that overlaps, or one of the own that overlaps and is not
/// the same.
fn conflict(context: &Context, wanted: &OpenPort) -> Option<(UnitName, PortRange)> {
    if let Some(own) = current(context)
        .iter()
        .find(|port| port.range.overlaps(&wanted.range) && port.range != wanted.range)
    {
        return Some((context.unit.clone(), own.range));
    }
    if wanted.range.protocol == muster_model::effects::Protocol::Icmp {
        return None;
    }
    context.goal.units.iter().filter(|(unit, _)| **unit != context.unit).find_map(|(unit, goal)| {
        let port = goal.ports.iter().find(|port| port.range.overlaps(&wanted.range))?;
        Some((unit.clone(), port.range))
    })
}

pub(super) fn close(context: &mut Context, line: &Line) -> Result<Given> {
    for port in wanted(line)? {
        remove(&mut context.effects.open_ports, &port);
        // As it was asked: the controller knows what is open, which a goal may not say yet.
        context.effects.close_ports.insert(port);
    }
    notice(line)
}

pub(super) fn opened(context: &Context, line: &Line) -> Result<Given> {
    line.at_most(0)?;
    let mut ranges: BTreeMap<PortRange, BTreeSet<Option<EndpointName>>> = BTreeMap::new();
    for port in current(context) {
        ranges.entry(port.range).or_default().insert(port.endpoint);
    }
    let text = |(range, endpoints): (&PortRange, &BTreeSet<Option<EndpointName>>)| {
        if !line.on("endpoints") {
            return range.to_string();
        }
        if endpoints.contains(&None) {
            return format!("{range} (*)");
        }
        let names: Vec<String> = endpoints.iter().flatten().map(ToString::to_string).collect();
        format!("{range} ({})", names.join(", "))
    };
    smart(json!(ranges.iter().map(text).collect::<Vec<_>>()))
}
