//! Taking applications, units and machines down: the list of what goes, the question, the command.

use std::collections::BTreeSet;

use muster_model::command::ModelCommand;
use muster_model::name::{ApplicationName, UnitName};
use muster_model::reply::{Outcome, Removal};
use muster_model::view::ViewRequest;

use super::change::asks_first;
use super::session::{Focus, Session};
use crate::commands::units::{Remove, Removed};
use crate::desk::Desk;
use crate::failure::Failure;

pub(super) async fn remove(session: &mut Session<'_>, act: &Remove) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let (destroy_storage, force) = (act.destroy_storage, act.force);
    let unit = |unit: &UnitName| ModelCommand::RemoveUnits {
        units: BTreeSet::from([unit.clone()]),
        destroy_storage,
        force,
    };
    let commands: Vec<(String, ModelCommand)> = match &act.what {
        Removed::Applications(names) => names
            .iter()
            .map(|name| {
                let application = name.clone();
                let command =
                    ModelCommand::RemoveApplication { application, destroy_storage, force };
                (format!("application {name}"), command)
            })
            .collect(),
        Removed::Units(names) => {
            names.iter().map(|name| (format!("unit {name}"), unit(name))).collect()
        }
        Removed::Some(application, count) => {
            let names = newest(&focus, application, *count).await?;
            names.iter().map(|name| (format!("unit {name}"), unit(name))).collect()
        }
        Removed::Machines(ids) => ids
            .iter()
            .map(|id| {
                let machines = BTreeSet::from([*id]);
                (format!("machine {id}"), ModelCommand::RemoveMachines { machines, force })
            })
            .collect(),
    };
    let mut failed = false;
    let mut good = Vec::new();
    for (what, command) in commands {
        match focus.ask(command.clone(), true).await {
            Ok(reply) => {
                let text = listing(&what, &reply.outcome);
                session.desk.data(&text)?;
                good.push((what, command));
            }
            Err(failure) => {
                session
                    .desk
                    .error(&failure.while_trying(format!("removing {what} failed")).to_string());
                failed = true;
            }
        }
    }
    if act.dry_run || good.is_empty() {
        return if failed { Err(Failure::silent(1)) } else { Ok(()) };
    }
    if !act.no_prompt && !skips(session.desk) && asks_first(&focus).await {
        confirm(session.desk, "\nContinue [y/N]? ", &format!("{} removal", act.what.noun()))?;
    }
    for (what, command) in good {
        if let Err(failure) = focus.tell(command).await {
            session
                .desk
                .error(&failure.while_trying(format!("removing {what} failed")).to_string());
            failed = true;
        } else {
            session.desk.say(&format!("removing {what}"));
        }
    }
    if failed { Err(Failure::silent(1)) } else { Ok(()) }
}

/// The newest units of an application, the leader last of all.
pub(super) async fn newest(
    focus: &Focus,
    application: &ApplicationName,
    count: u32,
) -> Result<Vec<UnitName>, Failure> {
    let view = focus
        .view(&ViewRequest { applications: application.to_string(), ..ViewRequest::default() })
        .await?;
    let Some(found) = view.applications.get(application) else {
        return Err(Failure::new(format!("application \"{application}\" not found")));
    };
    let mut units: Vec<_> =
        found.units.iter().filter(|(_, unit)| unit.unit.life.is_alive()).collect();
    units.sort_by_key(|(name, unit)| (unit.leader, std::cmp::Reverse(name.number)));
    if units.len() < count as usize {
        return Err(Failure::new(format!(
            "cannot remove {count} units of \"{application}\": it has {}",
            units.len()
        )));
    }
    Ok(units.into_iter().take(count as usize).map(|(name, _)| name.clone()).collect())
}

/// What a removal takes down, as scripts and people read it (§3.3).
pub(super) fn listing(what: &str, outcome: &Outcome) -> String {
    let mut text = format!("will remove {what}\n");
    if let Outcome::Removal(Removal {
        applications,
        units,
        machines,
        relations,
        destroyed_storage,
        detached_storage,
        left,
    }) = outcome
    {
        let mut line = |verb: &str, kind: &str, name: String| {
            if format!("{kind} {name}") != what {
                text.push_str(&format!("- will {verb} {kind} {name}\n"));
            }
        };
        applications.iter().for_each(|name| line("remove", "application", name.to_string()));
        units.iter().for_each(|name| line("remove", "unit", name.to_string()));
        machines.iter().for_each(|id| line("remove", "machine", id.to_string()));
        relations.iter().for_each(|key| line("remove", "relation", key.clone()));
        destroyed_storage.iter().for_each(|id| line("remove", "storage", id.to_string()));
        detached_storage.iter().for_each(|id| line("detach", "storage", id.to_string()));
        for (id, place) in left.iter().filter(|(_, place)| !place.is_empty()) {
            text.push_str(&format!("- will leave the data of storage {id} in {place}\n"));
        }
    }
    text
}

/// Whether the environment answers every question with yes.
pub(super) fn skips(desk: &Desk) -> bool {
    desk.var("JUJU_SKIP_CONFIRMATION").and_then(muster_console::flags::truth).unwrap_or(false)
}

/// Asks, and goes on only with a yes.
pub(super) fn confirm(desk: &mut Desk, question: &str, what: &str) -> Result<(), Failure> {
    let answer = ask(desk, question);
    if matches!(answer.to_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Failure::new(format!("{what}: aborted")))
}

/// Asks for a name to be typed back.
pub(super) fn confirm_name(
    desk: &mut Desk,
    question: &str,
    name: &str,
    what: &str,
) -> Result<(), Failure> {
    let answer = ask(desk, question);
    if answer == name || matches!(answer.to_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Failure::new(format!("{what}: aborted")))
}

/// One line from whoever sits there; nothing when nobody does.
fn ask(desk: &mut Desk, question: &str) -> String {
    desk.mutter(question);
    let mut line = String::new();
    // A stream that cannot be read has nobody at it who could say yes.
    match desk.input.read_line(&mut line) {
        Ok(_) => line.trim().to_owned(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_what_goes_and_what_is_kept() {
        let removal = Removal {
            applications: vec!["wiki".parse().unwrap()],
            units: vec!["wiki/0".parse().unwrap(), "wiki/1".parse().unwrap()],
            destroyed_storage: vec!["tmp/1".parse().unwrap()],
            detached_storage: vec!["data/0".parse().unwrap()],
            left: vec![("data/0".parse().unwrap(), "/srv/data-0".to_owned())],
            ..Removal::default()
        };
        assert_eq!(
            listing("application wiki", &Outcome::Removal(removal)),
            "will remove application wiki\n- will remove unit wiki/0\n- will remove unit wiki/1\n- will remove storage tmp/1\n- will detach storage data/0\n- will leave the data of storage data/0 in /srv/data-0\n"
        );
    }
}
