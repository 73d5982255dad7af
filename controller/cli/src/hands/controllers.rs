//! Controllers as the client store knows them, and what one says of itself.

use std::collections::BTreeMap;

use muster_console::format::Format;
use serde_json::{Value, json};

use super::remove::{confirm, skips};
use super::session::Session;
use super::status::DIALECT;
use crate::commands::controllers::{Controllers, Unregister, Version};
use crate::failure::Failure;
use crate::print::table::Table;
use crate::shape::controller as shapes;

pub(super) fn list(session: &mut Session<'_>, act: &Controllers) -> Result<(), Failure> {
    let contents = &session.contents;
    let mut all: BTreeMap<String, shapes::Listed> = contents
        .controllers
        .controllers
        .iter()
        .map(|(name, controller)| {
            let models = contents.models.controllers.get(name);
            let account = contents.accounts.controllers.get(name);
            let current = models.and_then(|models| models.current.clone());
            let listed = shapes::Listed {
                current_model: current,
                user: account.map(|account| account.user.clone()),
                access: account.and_then(|account| account.last_known_access.clone()),
                recent_server: controller.api_endpoints.first().cloned().unwrap_or_default(),
                uuid: controller.uuid.clone(),
                api_endpoints: controller.api_endpoints.clone(),
                ca_cert: controller.ca_cert.clone(),
                cloud: controller.cloud.clone(),
                agent_version: controller.agent_version.clone(),
            };
            (name.clone(), listed)
        })
        .collect();
    if act.show {
        let current = contents.controllers.current.clone();
        let wanted =
            if act.names.is_empty() { current.into_iter().collect() } else { act.names.clone() };
        if wanted.is_empty() {
            return Err(Failure::new("No selected controller."));
        }
        let mut shown = BTreeMap::new();
        for name in wanted {
            let Some(listed) = all.remove(&name) else {
                return Err(Failure::new(format!("controller \"{name}\" not found")));
            };
            shown.insert(name, detail(&listed, session.request.style == "yaml"));
        }
        return session.write(&shown, String::new);
    }
    let shape = shapes::Controllers {
        controllers: all,
        current_controller: contents.controllers.current.clone(),
    };
    if shape.controllers.is_empty() && session.request.style == "tabular" {
        return Err(Failure::new("No controllers registered.")
            .hint("Make one with \"muster bootstrap localhost\"."));
    }
    session.write(&shape, || {
        let mut table =
            Table::with(&["Controller", "Model", "User", "Access", "Cloud", "Server", "Version"]);
        for (name, one) in &shape.controllers {
            let mark = if shape.current_controller.as_ref() == Some(name) { "*" } else { "" };
            let model = one.current_model.as_deref().unwrap_or("-");
            table.row([
                format!("{name}{mark}"),
                model.rsplit('/').next().unwrap_or_default().to_owned(),
                one.user.clone().unwrap_or_else(|| "-".to_owned()),
                one.access.clone().unwrap_or_else(|| "-".to_owned()),
                one.cloud.clone(),
                one.recent_server.clone(),
                one.agent_version.clone().unwrap_or_default(),
            ]);
        }
        table.text()
    })
}

/// One controller of `show-controller`; its identity has another key in YAML (§4.10).
fn detail(listed: &shapes::Listed, yaml: bool) -> Value {
    let id = if yaml { "controller-uuid" } else { "uuid" };
    let mut details = json!({
        "api-endpoints": listed.api_endpoints,
        "cloud": listed.cloud,
        "agent-version": listed.agent_version.clone().unwrap_or_default(),
        "ca-cert": listed.ca_cert,
    });
    if let Some(details) = details.as_object_mut() {
        details.insert(id.to_owned(), Value::from(listed.uuid.clone()));
    }
    let mut one = json!({
        "details": details,
        "account": { "user": listed.user, "access": listed.access },
    });
    if let (Some(one), Some(model)) = (one.as_object_mut(), &listed.current_model) {
        one.insert("current-model".to_owned(), Value::from(model.clone()));
    }
    one
}

pub(super) fn unregister(session: &mut Session<'_>, act: &Unregister) -> Result<(), Failure> {
    let name = &act.name;
    if !session.contents.controllers.controllers.contains_key(name) {
        return Err(Failure::new(format!("controller \"{name}\" not found")));
    }
    if !act.no_prompt && !skips(session.desk) {
        let question = format!(
            "This will forget the controller \"{name}\" here. It is left as it is.\n\nContinue [y/N]? "
        );
        confirm(session.desk, &question, "unregistering controller")?;
    }
    session.change(|contents| contents.forget(name))
}

pub(super) fn whoami(session: &mut Session<'_>) -> Result<(), Failure> {
    let on = crate::context::controller(
        session.desk,
        &session.contents,
        session.request.controller.as_deref(),
    )?;
    let models = session.contents.models.controllers.get(&on.name);
    let model = models.and_then(|models| models.current.clone()).unwrap_or_default();
    let short = model.rsplit('/').next().unwrap_or_default().to_owned();
    let shape = json!({ "controller": on.name, "model": short, "user": on.user });
    session.write(&shape, || {
        format!("Controller:  {}\nModel:       {short}\nUser:        {}\n", on.name, on.user)
    })
}

pub(super) async fn doctor(session: &mut Session<'_>) -> Result<(), Failure> {
    let on = session.controller()?;
    let findings = on.client.findings().await.map_err(|error| on.failed(error))?;
    if findings.is_empty() {
        session
            .desk
            .say(&format!("controller \"{}\": everything is as it must be", on.chosen.name));
        return Ok(());
    }
    let mut table = Table::with(&["Invariant", "Finding"]);
    for finding in &findings {
        table.row([finding.invariant.as_str(), finding.what.as_str()]);
    }
    session.put(&table.text())?;
    Err(Failure::new(format!("{} things are not as they must be", findings.len())))
}

pub(super) fn version(session: &mut Session<'_>, act: &Version) -> Result<(), Failure> {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let number = format!("{DIALECT}-genericlinux-{arch}");
    if act.all {
        let shape = shapes::Version {
            version: number,
            git_commit: String::new(),
            git_tree_state: "clean".to_owned(),
            compiler: "rustc".to_owned(),
            product: "muster".to_owned(),
            product_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        return session.write(&shape, || Format::Yaml.render(&crate::shape::value(&shape)));
    }
    session.write(&number, || format!("{number}\n"))
}
