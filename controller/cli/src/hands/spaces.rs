//! The one space and the networks of a model's machines.

use std::collections::{BTreeMap, BTreeSet};

use muster_model::view::{ModelView, ViewRequest};
use serde::Serialize;

use super::session::Session;
use crate::commands::spaces::{SPACE, Spaces};
use crate::failure::Failure;
use crate::print::table::Table;

/// One network, as `subnets` and `spaces` have it (CLI contract §4.10).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Subnet {
    #[serde(rename = "type")]
    family: &'static str,
    status: &'static str,
    space: &'static str,
    zones: Vec<String>,
}

#[derive(Serialize)]
struct Space {
    id: &'static str,
    name: &'static str,
    subnets: BTreeMap<String, Subnet>,
}

#[derive(Serialize)]
struct List {
    spaces: Vec<Space>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Shown {
    space: Space,
    applications: Vec<String>,
    machine_count: usize,
}

fn subnets(view: &ModelView) -> BTreeMap<String, Subnet> {
    let facts = view.machines.values().filter_map(|machine| machine.facts.as_ref());
    let addresses = facts.flat_map(|facts| &facts.addresses);
    let networks: BTreeSet<(&str, bool)> =
        addresses.map(|address| (address.cidr.as_str(), address.value.is_ipv4())).collect();
    let one = |(cidr, is_ipv4): (&str, bool)| {
        let family = if is_ipv4 { "ipv4" } else { "ipv6" };
        let zones = Vec::new();
        (cidr.to_owned(), Subnet { family, status: "in-use", space: SPACE, zones })
    };
    networks.into_iter().map(one).collect()
}

pub(super) async fn spaces(session: &mut Session<'_>, act: &Spaces) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let view = focus.view(&ViewRequest::default()).await?;
    let space = Space { id: "0", name: SPACE, subnets: subnets(&view) };
    match act {
        Spaces::List { short: true } => {
            session.write(&serde_json::json!({ "spaces": [SPACE] }), || format!("{SPACE}\n"))
        }
        Spaces::List { short: false } => {
            let mut table = Table::with(&["Name", "Space ID", "Subnets"]);
            let networks: Vec<&str> = space.subnets.keys().map(String::as_str).collect();
            table.row([space.name, space.id, &networks.join(", ")]);
            session.write(&List { spaces: vec![space] }, || table.text())
        }
        Spaces::Show => {
            let applications = view.applications.keys().map(ToString::to_string).collect();
            let machine_count = view.machines.len();
            session.write(&Shown { space, applications, machine_count }, String::new)
        }
        Spaces::Subnets => {
            session.write(&serde_json::json!({ "subnets": space.subnets }), String::new)
        }
        Spaces::Reload => {
            session.desk.say("Nothing to do: machines say themselves what networks they are in.");
            Ok(())
        }
    }
}
