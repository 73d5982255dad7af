//! Which controller, which model, as whom.
//!
//! The client store is a folder of YAML files, in the places and shapes that scripts look at (CLI
//! contract §1.6): `controllers.yaml`, `models.yaml`, `accounts.yaml`. [`mod@store`] keeps it,
//! [`mod@reference`] reads what a person writes for a model, and this file puts the two together by the
//! order of §1.2: the flag, the environment, what `switch` chose.

pub mod reference;
pub mod store;

use std::path::PathBuf;

use crate::desk::Desk;
use crate::failure::Failure;
use reference::Reference;
use store::{Contents, Controller, Store};

/// The store that this desk uses.
///
/// # Errors
/// When no folder can be named: neither `JUJU_DATA`, `MUSTER_DATA`, `XDG_DATA_HOME` nor `HOME` is
/// set.
pub fn store(desk: &Desk) -> Result<Store, Failure> {
    let folder = desk
        .var("JUJU_DATA")
        .or_else(|| desk.var("MUSTER_DATA"))
        .map(|folder| desk.path(folder))
        .or_else(|| desk.var("XDG_DATA_HOME").map(|data| PathBuf::from(data).join("juju")))
        .or_else(|| desk.var("HOME").map(|home| PathBuf::from(home).join(".local/share/juju")));
    folder.map(Store::at).ok_or_else(|| {
        Failure::new("cannot find the client store: neither JUJU_DATA nor HOME is set")
            .hint("Set JUJU_DATA to a folder of your own.")
    })
}

/// A controller that a command is meant for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its name in the store.
    pub name: String,
    /// How it is reached.
    pub controller: Controller,
    /// As whom.
    pub user: String,
    /// What proves it.
    pub token: String,
}

/// A controller and the model there, by the name that is still to be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenModel {
    /// The controller.
    pub on: Chosen,
    /// `user/model`, or a UUID as typed.
    pub wanted: Reference,
    /// What the store knows it by, when it has been seen before.
    pub known: Option<String>,
}

/// What the store has on a controller.
///
/// # Errors
/// When there is none of that name.
pub fn kept<'c>(
    desk: &Desk,
    contents: &'c Contents,
    name: &str,
) -> Result<&'c Controller, Failure> {
    contents.controllers.controllers.get(name).ok_or_else(|| {
        Failure::new(format!("controller \"{name}\" not found"))
            .hint(format!("\"{} controllers\" lists the ones that this store knows.", desk.program))
    })
}

/// The controller that `flag` names, or the environment, or the last `switch`.
///
/// # Errors
/// When there is none, or none of that name, or its bootstrap was cut off.
pub fn controller(desk: &Desk, contents: &Contents, flag: Option<&str>) -> Result<Chosen, Failure> {
    let from_model = desk
        .var("JUJU_MODEL")
        .and_then(|text| Reference::parse(text).ok())
        .and_then(|reference| reference.controller);
    let name = flag
        .map(str::to_owned)
        .or_else(|| desk.var("JUJU_CONTROLLER").map(str::to_owned))
        .or(from_model)
        .or_else(|| contents.controllers.current.clone());
    let Some(name) = name else {
        return Err(if contents.controllers.controllers.is_empty() {
            Failure::new("No controllers registered.")
                .hint(format!("Make one with \"{} bootstrap localhost\".", desk.program))
        } else {
            Failure::new("No selected controller.")
                .hint(format!("Choose one with \"{} switch <controller>\".", desk.program))
        });
    };
    let controller = kept(desk, contents, &name)?;
    if controller.is_unfinished() {
        let failure =
            Failure::new(format!("controller \"{name}\" is not whole: its bootstrap was cut off"));
        return Err(failure.hint(format!(
            "\"{0} bootstrap {1} {name}\" goes on with it, \"{0} kill-controller {name}\" removes it.",
            desk.program, controller.cloud
        )));
    }
    let account = contents.accounts.controllers.get(&name);
    let Some((user, token)) = account.and_then(|a| Some((a.user.clone(), a.token.clone()?))) else {
        return Err(Failure::new(format!("not logged in to controller \"{name}\""))
            .hint("The client store has no account for it (accounts.yaml); whoever made the controller has one."));
    };
    Ok(Chosen { name, controller: controller.clone(), user, token })
}

/// The model that `flag` names (as `-m` or as a positional), or the environment, or the last
/// `switch`. `controller_flag` is `-c`.
///
/// # Errors
/// When no model is in focus, or the reference cannot be read, or its controller is not there.
pub fn model(
    desk: &Desk,
    contents: &Contents,
    flag: Option<&str>,
    controller_flag: Option<&str>,
) -> Result<ChosenModel, Failure> {
    let typed = flag.or_else(|| desk.var("JUJU_MODEL"));
    let reference = match typed {
        Some(text) => {
            Some(Reference::parse(text).map_err(|error| Failure::new(error.to_string()))?)
        }
        None => None,
    };
    let wanted_controller = reference.as_ref().and_then(|r| r.controller.clone());
    let on = controller(desk, contents, wanted_controller.as_deref().or(controller_flag))?;
    let models = contents.models.controllers.get(&on.name);
    let wanted = match reference {
        Some(reference) if reference.model.is_some() => reference,
        _ => {
            let current = models.and_then(|models| models.current.as_deref());
            let current = current.and_then(|text| Reference::parse(text).ok());
            current.ok_or_else(|| {
                Failure::new("No model in focus.").hint(format!(
                    "Choose one with \"{0} switch <model>\", or make one with \"{0} add-model <name>\".",
                    desk.program
                ))
            })?
        }
    };
    let known = models.and_then(|models| {
        let full = wanted.qualified(&on.user);
        models.models.get(&full?).map(|model| model.uuid.clone())
    });
    Ok(ChosenModel { on, wanted, known })
}
