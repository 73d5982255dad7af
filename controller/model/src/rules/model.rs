//! A model as a whole.

use std::collections::{BTreeMap, BTreeSet};

use crate::constraints::Constraints;
use crate::life::Life;
use crate::name::UserName;
use crate::record::{ModelAccess, ModelInfo, Provider, Storage, User};
use crate::refusal::{Code, Refusal};
use crate::reply::{Outcome, Removal};

use super::{Deciding, kept};

pub(super) fn destroy(
    d: &mut Deciding<'_>,
    destroy_storage: Option<bool>,
    force: bool,
) -> Result<Outcome, Refusal> {
    let mut info = d.info()?;
    let destroy = info.destroy_storage.or(destroy_storage);
    let removal = storage(d, &info, destroy)?;
    info.life.at_least(Life::Dying);
    info.destroy_storage = destroy.or(Some(false));
    info.force |= force;
    d.put(info);
    Ok(Outcome::Removal(removal))
}

/// Names what becomes of the model's storage. Nothing is lost that nobody asked to be destroyed
/// (R14): what lies on machines that go with the model cannot be let go of.
fn storage(
    d: &mut Deciding<'_>,
    info: &ModelInfo,
    destroy: Option<bool>,
) -> Result<Removal, Refusal> {
    let mut removal = Removal::default();
    // That there are no others is the count's to say.
    if d.counters().storages == 0 {
        return Ok(removal);
    }
    let model = d.beneath();
    let ids: Vec<_> =
        model.into_iter().flat_map(|m| m.table::<Storage>().iter()).map(|(id, _)| id).collect();
    let all = kept::wanted(d, ids);
    let (stays, goes): (Vec<Storage>, Vec<Storage>) =
        all.into_iter().partition(|storage| kept::outlives_its_machine(d, storage));
    let name = &info.name;
    let refuse =
        |why: String| Refusal::new(Code::InUse, format!("cannot destroy model \"{name}\": {why}"));
    if info.life.is_alive() {
        match destroy {
            None => {
                let all: Vec<Storage> = goes.iter().chain(&stays).cloned().collect();
                if !all.is_empty() {
                    let why = format!("it has storage {}", kept::named(&all));
                    return Err(refuse(why).hint(
                        "--destroy-storage destroys the data with the model; --release-storage lets \
                         go of what is on this host itself and leaves the data there",
                    ));
                }
            }
            Some(false) if goes.iter().any(|storage| storage.provider != Provider::Tmpfs) => {
                let why = format!(
                    "storage {} is on machines that go with the model, so it cannot be let go of",
                    kept::named(&goes)
                );
                return Err(refuse(why).hint("--destroy-storage destroys it with the model"));
            }
            Some(_) => {}
        }
    }
    for storage in stays {
        if destroy == Some(true) {
            removal.destroyed_storage.push(storage.id);
        } else {
            removal.left.push((storage.id.clone(), kept::place_after(d, &storage)));
            removal.detached_storage.push(storage.id);
        }
    }
    removal.destroyed_storage.extend(goes.into_iter().map(|storage| storage.id));
    Ok(removal)
}

pub(super) fn configure(
    d: &mut Deciding<'_>,
    set: &BTreeMap<String, String>,
    reset: &BTreeSet<String>,
) -> Result<Outcome, Refusal> {
    let mut info = d.live_model()?;
    if let Some(key) = set.keys().find(|key| reset.contains(*key)) {
        return Err(super::invalid(format!("key \"{key}\" cannot be both set and reset")));
    }
    for (key, value) in set {
        super::estate::check_option(key, value)?;
        info.config.insert(key.clone(), value.clone());
    }
    for key in reset {
        if crate::model_config::option(key).is_none() {
            return Err(super::invalid(format!("unknown option \"{key}\" of the model")));
        }
        info.config.remove(key);
    }
    d.put(info);
    Ok(Outcome::Done)
}

pub(super) fn constrain(
    d: &mut Deciding<'_>,
    constraints: &Constraints,
) -> Result<Outcome, Refusal> {
    let mut info = d.live_model()?;
    info.constraints = constraints.clone();
    d.put(info);
    Ok(Outcome::Done)
}

pub(super) fn grant(
    d: &mut Deciding<'_>,
    user: &UserName,
    access: Option<ModelAccess>,
) -> Result<Outcome, Refusal> {
    let mut info = d.info()?;
    if d.draft.get::<User>(user.clone()).is_none() {
        return Err(Refusal::not_found("user", user));
    }
    match access {
        Some(access) => info.access.insert(user.clone(), access),
        None if *user == info.owner => {
            return Err(super::invalid(format!("\"{user}\" owns the model and keeps its access")));
        }
        None => info.access.remove(user),
    };
    d.put(info);
    Ok(Outcome::Done)
}
