//! Tabular `status`, and the short forms (CLI contract §6).

use std::collections::BTreeMap;

use super::table::{Table, cut, sections};
use super::{naturally, ports, storage};
use crate::shape::status::{Application, Info, Machine, Status, Unit};

/// Longest message in a table.
const MESSAGE: usize = 120;
/// Longest workload version in a table.
const VERSION: usize = 15;

/// Which of the optional sections are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sections {
    /// `--relations`.
    pub relations: bool,
    /// `--storage`.
    pub storage: bool,
}

/// The tables of `status`.
#[must_use]
pub fn tabular(status: &Status, wanted: Sections) -> String {
    let mut tables = vec![model(status), remotes(status), applications(status), units(status)];
    tables.push(machines(&status.machines));
    tables.push(offers(status));
    if wanted.relations {
        tables.push(integrations(status));
    }
    if wanted.storage {
        tables.push(storage::in_status(&status.storage));
    }
    sections(&tables)
}

/// Whether the model has nothing to show.
#[must_use]
pub fn is_empty(status: &Status) -> bool {
    status.machines.is_empty()
        && status.applications.is_empty()
        && status.application_endpoints.is_empty()
        && status.offers.is_empty()
}

fn model(status: &Status) -> Table {
    let model = &status.model;
    let cloud = match &model.region {
        Some(region) => format!("{}/{region}", model.cloud),
        None => model.cloud.clone(),
    };
    let notes = if model.model_status.message.is_empty() {
        let upgrade = model.upgrade_available.as_ref();
        upgrade.map(|version| format!("upgrade available: {version}")).unwrap_or_default()
    } else {
        model.model_status.message.clone()
    };
    let time = status.controller.as_ref().map(|c| c.timestamp.clone()).unwrap_or_default();
    let mut headings = vec!["Model", "Controller", "Cloud/Region", "Version", "Timestamp"];
    let mut cells =
        vec![model.name.clone(), model.controller.clone(), cloud, model.version.clone(), time];
    if !notes.is_empty() {
        headings.push("Notes");
        cells.push(notes);
    }
    let mut table = Table::with(&headings);
    table.row(cells);
    table
}

fn remotes(status: &Status) -> Table {
    let mut table = Table::with(&["SAAS", "Status", "Store", "URL"]);
    for (alias, remote) in naturally(&status.application_endpoints) {
        let (store, url) = match remote.url.split_once(':') {
            Some((store, url)) => (store, url),
            None => (status.model.controller.as_str(), remote.url.as_str()),
        };
        table.row([alias.as_str(), &remote.application_status.current, store, url]);
    }
    table
}

fn applications(status: &Status) -> Table {
    let mut table = Table::with(&[
        "App", "Version", "Status", "Scale", "Charm", "Channel", "Rev", "Exposed", "Message",
    ])
    .right(&[3, 6]);
    for (name, application) in naturally(&status.applications) {
        let version = application.version.as_deref().unwrap_or_default();
        let version = version.lines().next().unwrap_or_default();
        table.row([
            name.clone(),
            cut(version, VERSION),
            application.application_status.current.clone(),
            scale(status, name, application),
            application.charm_name.clone(),
            application.charm_channel.clone().unwrap_or_default(),
            application.charm_rev.to_string(),
            if application.exposed { "yes" } else { "no" }.to_owned(),
            cut(&application.application_status.message, MESSAGE),
        ]);
    }
    table
}

/// `n`, or `up/total` while some are not up.
fn scale(status: &Status, name: &str, application: &Application) -> String {
    let mut total = 0;
    let mut up = 0;
    let mut count = |unit: &Unit| {
        total += 1;
        let agent = matches!(unit.juju_status.current.as_str(), "idle" | "executing");
        if agent && unit.workload_status.current != "terminated" {
            up += 1;
        }
    };
    application.units.values().for_each(&mut count);
    // Subordinates stand under the units of their principals.
    for principal in &application.subordinate_to {
        let Some(principal) = status.applications.get(principal) else { continue };
        for unit in principal.units.values() {
            let own = |(other, _): &(&String, &Unit)| {
                other.rsplit_once('/').is_some_and(|(application, _)| application == name)
            };
            unit.subordinates.iter().filter(own).for_each(|(_, unit)| count(unit));
        }
    }
    if up == total { total.to_string() } else { format!("{up}/{total}") }
}

fn units(status: &Status) -> Table {
    let mut table = Table::with(&[
        "Unit",
        "Workload",
        "Agent",
        "Machine",
        "Public address",
        "Ports",
        "Message",
    ]);
    let mut all: BTreeMap<String, &Unit> = BTreeMap::new();
    for application in status.applications.values() {
        all.extend(application.units.iter().map(|(name, unit)| (name.clone(), unit)));
    }
    for (name, unit) in naturally(&all) {
        unit_row(&mut table, name, unit, 0);
    }
    table
}

fn unit_row(table: &mut Table, name: &str, unit: &Unit, depth: usize) {
    let mark = if unit.leader { "*" } else { "" };
    table.row([
        format!("{}{name}{mark}", "  ".repeat(depth)),
        unit.workload_status.current.clone(),
        unit.juju_status.current.clone(),
        unit.machine.clone().unwrap_or_default(),
        unit.public_address.clone().unwrap_or_default(),
        ports::folded(&unit.open_ports),
        cut(&unit_message(&unit.juju_status, &unit.workload_status), MESSAGE),
    ]);
    for (name, subordinate) in naturally(&unit.subordinates) {
        unit_row(table, name, subordinate, depth + 1);
    }
}

fn unit_message(agent: &Info, workload: &Info) -> String {
    let doing = agent
        .message
        .strip_prefix("running ")
        .map(|doing| doing.strip_suffix(" hook").unwrap_or(doing))
        .map(|doing| doing.strip_prefix("action ").unwrap_or(doing));
    match (agent.current.as_str(), doing) {
        ("executing", Some(doing)) => format!("({doing}) {}", workload.message),
        ("allocating", _) if workload.message.is_empty() => agent.message.clone(),
        _ => workload.message.clone(),
    }
}

/// The table of machines, containers under their hosts.
pub(super) fn machines(machines: &BTreeMap<String, Machine>) -> Table {
    let mut table =
        Table::with(&["Machine", "State", "Address", "Inst id", "Base", "AZ", "Message"]);
    machine_rows(&mut table, machines);
    table
}

fn machine_rows(table: &mut Table, machines: &BTreeMap<String, Machine>) {
    for (id, machine) in naturally(machines) {
        let base = machine.base.as_ref();
        let base = base.map(|base| format!("{}@{}", base.name, base.channel)).unwrap_or_default();
        let zone = machine.hardware.as_deref().and_then(|hardware| {
            hardware.split(' ').find_map(|word| word.strip_prefix("availability-zone="))
        });
        let broken = machine.modification_status.current == "error";
        let (state, message) = if broken {
            ("error", &machine.modification_status.message)
        } else {
            (machine.juju_status.current.as_str(), &machine.machine_status.message)
        };
        let mut parts = vec![message.clone()];
        if !machine.holds_storage.is_empty() {
            parts.push(format!("holds storage {}", machine.holds_storage.join(", ")));
        }
        if !machine.not_enforced.is_empty() {
            parts.push(format!("not enforced: {}", machine.not_enforced.join(" ")));
        }
        parts.retain(|part| !part.is_empty());
        let message = parts.join("; ");
        table.row([
            id.clone(),
            state.to_owned(),
            machine.dns_name.clone().unwrap_or_default(),
            machine.instance_id.clone().unwrap_or_default(),
            base,
            zone.unwrap_or_default().to_owned(),
            cut(&message, MESSAGE),
        ]);
        machine_rows(table, &machine.containers);
    }
}

fn offers(status: &Status) -> Table {
    let mut table = Table::with(&[
        "Offer",
        "Application",
        "Charm",
        "Rev",
        "Connected",
        "Endpoint",
        "Interface",
        "Role",
    ])
    .right(&[3]);
    for (name, offer) in naturally(&status.offers) {
        let application = status.applications.get(&offer.application);
        let rev = application.map(|application| application.charm_rev.to_string());
        let connected = format!("{}/{}", offer.active_connected_count, offer.total_connected_count);
        let mut lead = [
            name.clone(),
            offer.application.clone(),
            offer.charm.clone().unwrap_or_default(),
            rev.unwrap_or_default(),
            connected,
        ];
        for (endpoint, spoken) in naturally(&offer.endpoints) {
            let rest = [endpoint.clone(), spoken.interface.clone(), spoken.role.clone()];
            table.row(lead.iter().cloned().chain(rest));
            lead = Default::default();
        }
    }
    table
}

fn integrations(status: &Status) -> Table {
    let mut table =
        Table::with(&["Integration provider", "Requirer", "Interface", "Type", "Message"]);
    let mut all: Vec<_> = status.integrations.iter().collect();
    all.sort_by_key(|one| (&one.provider, &one.requirer));
    for one in all {
        table.row([&one.provider, &one.requirer, &one.interface, &one.kind, &one.message]);
    }
    table
}

/// `line`, `short` and `oneline`: one line a unit.
#[must_use]
pub fn lines(status: &Status) -> String {
    let mut text = String::new();
    for (_, application) in naturally(&status.applications) {
        for (name, unit) in naturally(&application.units) {
            unit_line(&mut text, name, unit, 0);
        }
    }
    text
}

fn unit_line(text: &mut String, name: &str, unit: &Unit, depth: usize) {
    let address = unit.public_address.as_deref().unwrap_or("-");
    let line = format!(
        "{}- {name}: {address} (agent:{}, workload:{}) {}",
        "  ".repeat(depth),
        unit.juju_status.current,
        unit.workload_status.current,
        ports::folded(&unit.open_ports),
    );
    text.push_str(line.trim_end());
    text.push('\n');
    for (name, subordinate) in naturally(&unit.subordinates) {
        unit_line(text, name, subordinate, depth + 1);
    }
}

/// `summary`: counts.
#[must_use]
pub fn summary(status: &Status) -> String {
    let mut machine_states: BTreeMap<&str, usize> = BTreeMap::new();
    for machine in status.machines.values() {
        *machine_states.entry(&machine.juju_status.current).or_default() += 1;
    }
    let mut unit_states: BTreeMap<&str, usize> = BTreeMap::new();
    let mut open: Vec<String> = Vec::new();
    let mut count = 0;
    for unit in status.applications.values().flat_map(|application| application.units.values()) {
        count += 1;
        *unit_states.entry(&unit.workload_status.current).or_default() += 1;
        open.extend(unit.open_ports.iter().cloned());
    }
    let exposed = status.applications.values().filter(|application| application.exposed).count();
    let mut text = format!("Open ports: {}\n\n", ports::folded(&open));
    let mut block = |title: &str, total: usize, states: &BTreeMap<&str, usize>| {
        text.push_str(&format!("# {title}: ({total})\n"));
        for (state, count) in states {
            text.push_str(&format!("  {state}: {count}\n"));
        }
        text.push('\n');
    };
    block("Machines", status.machines.len(), &machine_states);
    block("Units", count, &unit_states);
    text.push_str(&format!("# Applications: ({})\n", status.applications.len()));
    for (name, application) in naturally(&status.applications) {
        let exposed = if application.exposed { "exposed" } else { "not exposed" };
        let scale = scale(status, name, application);
        text.push_str(&format!("  {name}: {scale} units, {exposed}\n"));
    }
    text.push_str(&format!("  exposed: {exposed}/{}\n", status.applications.len()));
    text.push_str(&format!("\n# Remote: ({})\n", status.application_endpoints.len()));
    text
}

#[cfg(test)]
mod tests;
