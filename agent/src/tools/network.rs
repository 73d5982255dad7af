//! `network-get` and `unit-get` (hook contract, sections 5.4, 5.6 and 6.1).

use muster_console::flags::{Flag, Line, Usage};
use muster_console::format::{Format, OUTPUT};
use muster_model::goal::Goal;
use serde_json::{Map, Value, json};

use super::relation::which;
use super::{Given, Result, fail1, fail2, smart};
use crate::hook::context::Context;

pub(super) const GET: Usage = Usage {
    flags: &[
        OUTPUT,
        &[
            Flag::switch(&["bind-address"], "The address to listen on."),
            Flag::switch(&["ingress-address"], "The address that others should use."),
            Flag::switch(&["egress-subnets"], "The networks that this unit's traffic comes from."),
            Flag::switch(&["primary-address"], "The first address; deprecated."),
            Flag::value(&["r", "relation"], "ID", "As this relation's other side sees it."),
        ],
    ],
    ..Usage::of("network-get", "<binding>", "Print the addresses for a binding.")
};

pub(super) const UNIT_GET: Usage = Usage {
    flags: &[OUTPUT],
    ..Usage::of("unit-get", "<private-address | public-address>", "Print the unit's address.")
};

/// The three keys of a unit's databag (section 6.1, the last rows).
pub(crate) fn bag_keys(goal: &Goal) -> Vec<(&'static str, String)> {
    let Some(first) = goal.addresses.first() else { return Vec::new() };
    let address = first.value.to_string();
    vec![
        ("egress-subnets", subnets(goal, &first.value).join(",")),
        ("ingress-address", address.clone()),
        ("private-address", address),
    ]
}

fn subnet(address: &std::net::IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 })
}

/// Where the unit's traffic comes from: what the operator says of the model, or its first address.
fn subnets(goal: &Goal, first: &std::net::IpAddr) -> Vec<String> {
    let said: Vec<String> = goal
        .settings
        .egress_subnets
        .split(',')
        .map(str::trim)
        .filter(|subnet| !subnet.is_empty())
        .map(str::to_owned)
        .collect();
    if said.is_empty() { vec![subnet(first)] } else { said }
}

pub(super) fn unit_get(context: &Context, line: &Line) -> Result<Given> {
    line.at_most(1)?;
    match line.need(0, "setting")? {
        "private-address" | "public-address" => match context.goal.addresses.first() {
            Some(address) => smart(json!(address.value.to_string())),
            None => Err(fail1("no addresses are known for this unit")),
        },
        other => Err(fail2(format!("unknown setting {other:?}"))),
    }
}

pub(super) fn get(context: &Context, line: &Line, format: Option<Format>) -> Result<Given> {
    let Some(binding) = line.word(0) else { return Err(fail2("no arguments specified")) };
    line.at_most(1)?;
    if binding.is_empty() {
        return Err(fail2("no binding name specified"));
    }
    let selectors = ["bind-address", "ingress-address", "egress-subnets"];
    let chosen: Vec<&str> = selectors.into_iter().filter(|flag| line.on(flag)).collect();
    if line.on("primary-address") && !chosen.is_empty() {
        return Err(fail1("--primary-address must be the only flag specified"));
    }
    which(context, line)?;
    let metadata = &context.charm.metadata;
    let known = binding == "juju-info"
        || metadata.endpoints.keys().chain(&metadata.extra_bindings).any(|n| n.as_str() == binding);
    if !known {
        return Err(fail1(format!("no network config found for binding {binding:?}")));
    }
    let first = context.goal.addresses.first().map(|address| address.value);
    let none = || fail1(format!("no addresses attached to space for binding {binding:?}"));
    if line.on("primary-address") {
        return smart(json!(first.ok_or_else(none)?.to_string()));
    }
    let value = |selector: &str| -> Result<Value> {
        let first = first.ok_or_else(none)?;
        Ok(match selector {
            "egress-subnets" => json!(subnets(&context.goal, &first)),
            _ => json!(first.to_string()),
        })
    };
    match chosen.as_slice() {
        [] => smart(whole(&context.goal, format != Some(Format::Json))),
        [one] => smart(value(one)?),
        several => {
            let entries: Result<Map<String, Value>> =
                several.iter().map(|one| Ok(((*one).to_owned(), value(one)?))).collect();
            smart(Value::Object(entries?))
        }
    }
}

/// The whole structure. Formats other than JSON repeat some keys under older names.
fn whole(goal: &Goal, older: bool) -> Value {
    let mut interfaces: Vec<(&str, &str, Vec<Value>)> = Vec::new();
    for address in &goal.addresses {
        let value = address.value.to_string();
        let mut entry = json!({ "hostname": "", "value": value, "cidr": address.cidr });
        if older && let Value::Object(entry) = &mut entry {
            entry.insert("address".to_owned(), json!(value));
        }
        match interfaces.iter_mut().find(|(name, _, _)| *name == address.interface) {
            Some((_, _, addresses)) => addresses.push(entry),
            None => interfaces.push((&address.interface, &address.mac, vec![entry])),
        }
    }
    let mut all = Map::new();
    let bind: Vec<Value> = interfaces
        .into_iter()
        .map(|(name, mac, addresses)| {
            let mut entry =
                json!({ "mac-address": mac, "interface-name": name, "addresses": addresses });
            if older && let Value::Object(entry) = &mut entry {
                entry.insert("macaddress".to_owned(), json!(mac));
                entry.insert("interfacename".to_owned(), json!(name));
            }
            entry
        })
        .collect();
    if let Some(first) = goal.addresses.first() {
        all.insert("bind-addresses".to_owned(), Value::Array(bind));
        all.insert("egress-subnets".to_owned(), json!(subnets(goal, &first.value)));
        let ingress: Vec<String> =
            goal.addresses.iter().map(|address| address.value.to_string()).collect();
        all.insert("ingress-addresses".to_owned(), json!(ingress));
    }
    Value::Object(all)
}
