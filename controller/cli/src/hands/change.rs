//! Changes of a model that need no more than to be told, and what is said when they are done.

use std::collections::BTreeSet;

use muster_model::command::ModelCommand;
use muster_model::name::StorageId;
use muster_model::reply::{Outcome, Reply};

use super::session::{Focus, Session};
use muster_model::record::Placement;
use muster_model::view::ViewRequest;

use crate::commands::machines::{AddMachine, RetryProvisioning};
use crate::commands::relating::Integrate;
use crate::commands::storage::AddStorage;
use crate::commands::units::Scale;
use crate::failure::Failure;

pub(super) async fn change(
    session: &mut Session<'_>,
    commands: &[ModelCommand],
) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let mut failed = false;
    for command in commands {
        let told = focus.tell(command.clone()).await.map_err(|f| f.while_trying(tried(command)));
        let reply = match told {
            Ok(reply) => reply,
            Err(failure) if commands.len() < 2 => return Err(failure),
            // Of several, each that cannot be done says so, and the others are done.
            Err(failure) => {
                session.desk.error(&failure.to_string());
                failed = true;
                continue;
            }
        };
        if let Some(notice) = notice(command, &reply) {
            session.desk.say(&notice);
        }
        if let ModelCommand::AddUnits { application, placements, .. } = command {
            super::deploy::until_units(session, &focus, application, placements.len()).await?;
        }
    }
    if failed { Err(Failure::silent(1)) } else { Ok(()) }
}

/// What was tried, for the front of an error.
fn tried(command: &ModelCommand) -> String {
    match command {
        ModelCommand::AddUnits { application, .. } => {
            format!("cannot add units to \"{application}\"")
        }
        ModelCommand::RemoveRelation { .. } => "cannot remove relation".to_owned(),
        ModelCommand::Expose { application, exposure: Some(_) } => {
            format!("cannot expose \"{application}\"")
        }
        ModelCommand::Expose { application, exposure: None } => {
            format!("cannot unexpose \"{application}\"")
        }
        ModelCommand::Configure { application, .. } => {
            format!("cannot configure \"{application}\"")
        }
        ModelCommand::Constrain { application, .. } => {
            format!("cannot constrain \"{application}\"")
        }
        ModelCommand::ConstrainModel(_) => "cannot constrain the model".to_owned(),
        ModelCommand::Resolve { units, .. } => match units.first() {
            Some(unit) => format!("cannot resolve \"{unit}\""),
            None => "cannot resolve".to_owned(),
        },
        ModelCommand::AddSshKeys(_) => "cannot add the ssh key".to_owned(),
        ModelCommand::RemoveSshKeys(_) => "cannot remove the ssh key".to_owned(),
        ModelCommand::DetachStorage { storage, .. } => named("detach", storage),
        ModelCommand::AttachStorage { unit, .. } => format!("cannot attach storage to \"{unit}\""),
        ModelCommand::RemoveStorage { storage, .. } => named("remove", storage),
        ModelCommand::CreateStoragePool { name, .. } => {
            format!("cannot create storage pool \"{name}\"")
        }
        ModelCommand::Unexpose { application, .. } => format!("cannot unexpose \"{application}\""),
        ModelCommand::Refresh(asked) => format!("cannot bind \"{}\"", asked.application),
        _ => "cannot do this".to_owned(),
    }
}

fn named(verb: &str, storage: &BTreeSet<StorageId>) -> String {
    let names: Vec<String> = storage.iter().map(ToString::to_string).collect();
    format!("cannot {verb} storage \"{}\"", names.join(", "))
}

fn notice(command: &ModelCommand, reply: &Reply) -> Option<String> {
    let listed = |what: &str, ids: &mut dyn Iterator<Item = String>| {
        let lines: Vec<String> = ids.map(|id| format!("{what} {id}")).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    };
    match command {
        ModelCommand::DetachStorage { storage, .. } => {
            listed("detaching", &mut storage.iter().map(ToString::to_string))
        }
        ModelCommand::AttachStorage { storage, unit } => {
            listed("attaching", &mut storage.iter().map(|id| format!("{id} to {unit}")))
        }
        ModelCommand::RemoveStorage { storage, .. } => {
            listed("removing", &mut storage.iter().map(ToString::to_string))
        }
        _ if !reply.changed => Some("Nothing to do: it is so already.".to_owned()),
        _ => None,
    }
}

pub(super) async fn integrate(session: &mut Session<'_>, act: &Integrate) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let command = ModelCommand::Integrate { one: act.one.clone(), other: act.other.clone() };
    let what =
        format!("cannot relate \"{}\" and \"{}\"", act.one.application, act.other.application);
    let reply = focus.tell(command).await.map_err(|failure| failure.while_trying(what))?;
    if let Outcome::Relation { key, .. } = &reply.outcome {
        let words = if reply.changed { "related" } else { "related already" };
        session.desk.detail(&format!("{words}: {key}"));
    }
    Ok(())
}

pub(super) async fn add_machine(
    session: &mut Session<'_>,
    act: &AddMachine,
) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let command = ModelCommand::AddMachines {
        count: act.count,
        constraints: act.constraints.clone(),
        base: act.base.clone(),
        host: act.host,
    };
    let reply = focus.tell(command).await.map_err(|f| f.while_trying("cannot add a machine"))?;
    if let Outcome::Machines(machines) = &reply.outcome {
        for machine in machines {
            session.desk.say(&format!("created machine {machine}"));
        }
    }
    Ok(())
}

pub(super) async fn add_storage(
    session: &mut Session<'_>,
    act: &AddStorage,
) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let mut failed = false;
    for (name, directive) in &act.storage {
        let command = ModelCommand::AddStorage {
            unit: act.unit.clone(),
            name: name.clone(),
            directive: directive.clone(),
        };
        let what = format!("cannot add storage \"{name}\" to \"{}\"", act.unit);
        match focus.tell(command).await {
            Ok(Reply { outcome: Outcome::Storage(ids), .. }) => {
                for id in ids {
                    session.desk.say(&format!("added storage {id} to {}", act.unit));
                }
            }
            Ok(_) => {}
            Err(failure) => {
                session.desk.error(&failure.while_trying(what).to_string());
                failed = true;
            }
        }
    }
    if failed { Err(Failure::silent(1)) } else { Ok(()) }
}

pub(super) async fn retry(
    session: &mut Session<'_>,
    act: &RetryProvisioning,
) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let machines = act.machines.iter().copied().collect();
    let command = ModelCommand::RetryProvisioning { machines };
    let trying = "cannot retry provisioning";
    let reply = focus.tell(command).await.map_err(|failure| failure.while_trying(trying))?;
    let again = match reply.outcome {
        Outcome::Machines(machines) => machines,
        _ => Vec::new(),
    };
    for machine in &again {
        session.desk.say(&format!("making machine {machine} is tried again"));
    }
    if again.is_empty() {
        session.desk.say("Nothing to do: none of them failed.");
    }
    Ok(())
}

pub(super) async fn scale(session: &mut Session<'_>, act: &Scale) -> Result<(), Failure> {
    let (application, units) = (&act.application, act.units as usize);
    let trying = format!("cannot scale \"{application}\"");
    let focus = session.focus().await?;
    let what = ViewRequest { applications: application.to_string(), ..ViewRequest::default() };
    let view = focus.view(&what).await?;
    let Some(found) = view.applications.get(application) else {
        return Err(Failure::new(format!("application \"{application}\" not found")));
    };
    if found.application.subordinate {
        return Err(Failure::new(format!(
            "{trying}: it has a unit beside each of its principals'"
        )));
    }
    let alive = found.units.values().filter(|unit| unit.unit.life.is_alive()).count();
    let have = alive + found.scale.pending.len();
    let command = if units > have {
        let placements = vec![Placement::Anywhere; units - have];
        let (application, attach_storage) = (application.clone(), Vec::new());
        ModelCommand::AddUnits { application, placements, attach_storage }
    } else if units < have {
        let count = u32::try_from(have - units).unwrap_or(u32::MAX);
        let names = super::remove::newest(&focus, application, count).await?;
        let units = names.into_iter().collect();
        ModelCommand::RemoveUnits { units, destroy_storage: false, force: false }
    } else {
        session.desk.say(&format!("{application} has {units} units already"));
        return Ok(());
    };
    focus.tell(command).await.map_err(|failure| failure.while_trying(&trying))?;
    session.desk.say(&format!("{application} scaled to {units} units"));
    if units > have {
        super::deploy::until_units(session, &focus, application, units).await?;
    }
    Ok(())
}

/// Whether the model asks before it takes something down (§1.7). When that cannot be read it does.
pub(super) async fn asks_first(focus: &Focus) -> bool {
    match focus.view(&ViewRequest::default()).await {
        Ok(view) => view.info.option("mode").contains("requires-prompts"),
        Err(_) => true,
    }
}
