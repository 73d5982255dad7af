//! A model as a whole.

use std::collections::{BTreeMap, BTreeSet};

use crate::constraints::Constraints;
use crate::life::Life;
use crate::name::UserName;
use crate::record::{ModelAccess, User};
use crate::refusal::{Code, Refusal};
use crate::reply::Outcome;

use super::Deciding;

pub(super) fn destroy(
    d: &mut Deciding<'_>,
    destroy_storage: Option<bool>,
    force: bool,
) -> Result<Outcome, Refusal> {
    let mut info = d.info()?;
    let storages = d.counters().storages;
    if storages > 0 && destroy_storage.is_none() && info.life.is_alive() {
        return Err(Refusal::new(
            Code::InUse,
            format!(
                "cannot destroy model \"{}\": it has {storages} storage instance(s)",
                info.name
            ),
        )
        .hint(
            "--destroy-storage destroys their data with the model; --release-storage lets go of \
             them and keeps the data where it is",
        ));
    }
    info.life.at_least(Life::Dying);
    info.destroy_storage = info.destroy_storage.or(destroy_storage).or(Some(false));
    info.force |= force;
    d.put(info);
    Ok(Outcome::Done)
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
