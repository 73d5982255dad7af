//! `switch` (CLI contract §1.2).

use super::session::{Session, connect};
use crate::commands::models::Switch;
use crate::context;
use crate::context::reference::Reference;
use crate::context::store::Contents;
use crate::failure::Failure;

/// `controller:user/model`, or the controller alone.
fn current(contents: &Contents) -> Option<String> {
    let controller = contents.controllers.current.as_ref()?;
    let models = contents.models.controllers.get(controller);
    Some(match models.and_then(|models| models.current.as_ref()) {
        Some(model) => format!("{controller}:{model}"),
        None => controller.clone(),
    })
}

pub(super) async fn switch(session: &mut Session<'_>, act: &Switch) -> Result<(), Failure> {
    let Some(to) = &act.to else {
        return match current(&session.contents) {
            Some(text) => session.put(&format!("{text}\n")),
            None => Err(Failure::new("No controllers registered.")
                .hint("Make one with \"muster bootstrap localhost\".")),
        };
    };
    for variable in ["JUJU_MODEL", "JUJU_CONTROLLER"] {
        if let Some(value) = session.desk.var(variable) {
            return Err(Failure::new(format!(
                "cannot switch when {variable} is overriding the model (set to {value:?})"
            )));
        }
    }
    let before = current(&session.contents).unwrap_or_default();
    let controllers = &session.contents.controllers.controllers;
    let only_controller = to.strip_suffix(':');
    let forced_model = to.strip_prefix(':');
    let (controller, model) = match (only_controller, forced_model) {
        (Some(name), _) => (Some(name.to_owned()), None),
        (None, Some(model)) => (None, Some(model.to_owned())),
        (None, None) if controllers.contains_key(to) => (Some(to.clone()), None),
        (None, None) => match to.split_once(':') {
            Some((controller, model)) => (Some(controller.to_owned()), Some(model.to_owned())),
            None => (None, Some(to.clone())),
        },
    };
    let chosen = context::controller(session.desk, &session.contents, controller.as_deref())?;
    let name = chosen.name.clone();
    let model = match model {
        None => None,
        Some(typed) => {
            let wanted =
                Reference::parse(&typed).map_err(|error| Failure::new(error.to_string()))?;
            // Asked of the controller even when it is known: it may be gone.
            let focus = session.look_up(connect(chosen)?, &wanted).await?;
            Some(focus.name)
        }
    };
    session.change(move |contents| {
        if let Some(model) = model {
            let models = contents.models.controllers.entry(name.clone()).or_default();
            if models.current.as_ref() != Some(&model) {
                models.previous = models.current.replace(model);
            }
        }
        contents.controllers.current = Some(name);
    })?;
    let after = current(&session.contents).unwrap_or_default();
    session.desk.say(&if before == after {
        format!("{after} (no change)")
    } else {
        format!("{before} -> {after}")
    });
    Ok(())
}
