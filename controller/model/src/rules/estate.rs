//! The installation, models, users and tokens.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::caller::Caller;
use crate::command::EstateCommand;
use crate::draft::Draft;
use crate::life::Life;
use crate::model_config;
use crate::name::{CloudName, ModelId, ModelName, PoolName, UserName};
use crate::record::{
    Bases, Controller, ControllerAccess, Counters, ModelAccess, ModelIndex, ModelInfo, OfferedBase,
    Only, Pair, Provider, StoragePool, Subject, Token, TokenHash, User,
};
use crate::refusal::{Code, Refusal};
use crate::reply::Outcome;
use crate::time::Timestamp;

use super::{cloud, invalid};

pub(super) fn decide(
    draft: &mut Draft<'_>,
    caller: &Caller,
    command: &EstateCommand,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    match command {
        EstateCommand::Bootstrap { uuid, name, cloud, admin, token } => {
            if draft.get::<Controller>(Only).is_some() {
                return Err(Refusal::new(Code::AlreadyExists, "this controller already exists"));
            }
            draft.put(Controller {
                uuid: *uuid,
                name: name.clone(),
                cloud: cloud.clone(),
                epoch: 0,
                created: now,
            });
            let access = ControllerAccess::Superuser;
            put_user(draft, admin, "", access, admin.clone(), *token, now);
            Ok(Outcome::Done)
        }
        EstateCommand::AddModel { id, name, owner, cloud, region, config, constraints } => {
            let owner = match (owner, caller) {
                (Some(owner), _) => owner.clone(),
                (None, Caller::User(user)) => user.clone(),
                (None, _) => return Err(invalid("a model needs an owner")),
            };
            if let Caller::User(user) = caller
                && *user != owner
                && draft
                    .get::<User>(user.clone())
                    .is_none_or(|u| u.access < ControllerAccess::Superuser)
            {
                return Err(Refusal::new(
                    Code::PermissionDenied,
                    "permission denied: only a superuser makes models for others",
                ));
            }
            if draft.get::<User>(owner.clone()).is_none() {
                return Err(Refusal::not_found("user", &owner));
            }
            place(draft, cloud.as_ref(), region.as_ref())?;
            let record = model(draft, *id, name, owner, config, now)?;
            draft.put_in(*id, ModelInfo { constraints: constraints.clone(), ..record });
            Ok(Outcome::Model(*id))
        }
        EstateCommand::AddUser { name, display_name, access, token } => {
            if draft.get::<User>(name.clone()).is_some() {
                return Err(Refusal::new(
                    Code::AlreadyExists,
                    format!("user \"{name}\" already exists"),
                ));
            }
            if draft.get::<Token>(*token).is_some() {
                return Err(Refusal::new(Code::AlreadyExists, "this token already exists"));
            }
            let by = match caller {
                Caller::User(user) => user.clone(),
                _ => name.clone(),
            };
            put_user(draft, name, display_name, *access, by, *token, now);
            Ok(Outcome::Done)
        }
        EstateCommand::PutCloud { name, definition, update } => {
            cloud::put(draft, caller, name, definition, *update, now)
        }
        EstateCommand::RemoveCloud(name) => cloud::remove(draft, name),
        EstateCommand::ChangeCredentials { cloud, changes } => {
            cloud::credentials(draft, caller, cloud, changes)
        }
        EstateCommand::GrantController { user, access } => {
            let Some(mut record) = draft.get::<User>(user.clone()) else {
                return Err(Refusal::not_found("user", user));
            };
            if *caller == Caller::User(user.clone()) && *access < record.access {
                return Err(invalid("nobody takes his own access to the controller away"));
            }
            record.access = *access;
            draft.put(record);
            Ok(Outcome::Done)
        }
        EstateCommand::AddToken { hash, subject, seconds } => {
            if draft.get::<Token>(*hash).is_some() {
                return Err(Refusal::new(Code::AlreadyExists, "this token already exists"));
            }
            let expires = seconds.map(|seconds| now + Duration::from_secs(seconds));
            draft.put(Token { hash: *hash, subject: subject.clone(), created: now, expires });
            Ok(Outcome::Done)
        }
        EstateCommand::OfferBases(offered) => {
            offer(draft, offered);
            Ok(Outcome::Done)
        }
        EstateCommand::Enrol { join, token } => enrol(draft, *join, *token, now),
    }
}

/// Refuses a cloud or a region that this controller makes no machines in. What stands alone may be
/// either (CLI contract, section 3.2).
fn place(
    draft: &mut Draft<'_>,
    cloud: Option<&CloudName>,
    region: Option<&CloudName>,
) -> Result<(), Refusal> {
    let Some(controller) = draft.get::<Controller>(Only) else { return Ok(()) };
    // A cloud that is one host is its own one region.
    let own = &controller.cloud;
    if cloud.is_none_or(|cloud| cloud == own) && region.is_none_or(|region| region == own) {
        return Ok(());
    }
    let what = match (cloud, region) {
        (Some(cloud), None) if cloud != own => format!(
            "\"{cloud}\" is neither a cloud that this controller makes machines on, nor a region of \
             its cloud \"{own}\" (not found)"
        ),
        (Some(cloud), Some(region)) if cloud == own => {
            format!("region \"{region}\" of cloud \"{own}\" not found")
        }
        (cloud, _) => format!(
            "cloud \"{}\" not found: this controller makes machines on \"{own}\"",
            cloud.unwrap_or(own)
        ),
    };
    Err(Refusal::new(Code::NotFound, what)
        .hint(format!("leave it out, or name \"{own}\": `muster add-model NAME {own}`")))
}

/// Writes which bases there are images of, if that is news.
fn offer(draft: &mut Draft<'_>, offered: &[OfferedBase]) {
    let known = draft.get::<Bases>(Only);
    if offered.is_empty() {
        if known.is_some() {
            draft.remove::<Bases>(Only);
        }
    } else if known.is_none_or(|known| known.offered != offered) {
        draft.put(Bases { offered: offered.to_vec() });
    }
}

fn put_user(
    draft: &mut Draft<'_>,
    name: &UserName,
    display_name: &str,
    access: ControllerAccess,
    created_by: UserName,
    token: TokenHash,
    now: Timestamp,
) {
    draft.put(User {
        name: name.clone(),
        display_name: display_name.to_owned(),
        access,
        disabled: false,
        created_by,
        created: now,
    });
    let subject = Subject::User(name.clone());
    draft.put(Token { hash: token, subject, created: now, expires: None });
}

fn model(
    draft: &mut Draft<'_>,
    id: ModelId,
    name: &ModelName,
    owner: UserName,
    config: &BTreeMap<String, String>,
    now: Timestamp,
) -> Result<ModelInfo, Refusal> {
    let Some(controller) = draft.get::<Controller>(Only) else {
        return Err(Refusal::new(Code::NotReady, "this controller is not bootstrapped yet"));
    };
    let index = Pair(owner.clone(), name.clone());
    if draft.get::<ModelIndex>(index).is_some() {
        return Err(Refusal::new(
            Code::AlreadyExists,
            format!("model \"{name}\" for {owner} already exists"),
        ));
    }
    if draft.get_in::<ModelInfo>(id, Only).is_some() {
        return Err(Refusal::new(Code::AlreadyExists, format!("a model \"{id}\" already exists")));
    }
    for (key, value) in config {
        check_option(key, value)?;
    }
    draft.put(ModelIndex { owner: owner.clone(), name: name.clone(), model: id });
    // Tasks and operations count from 1, as scripts expect.
    draft.put_in(id, Counters { task: 1, ..Counters::default() });
    for (pool, provider) in
        [("rootfs", Provider::Rootfs), ("tmpfs", Provider::Tmpfs), ("loop", Provider::Loop)]
    {
        let name: PoolName = pool.parse().map_err(|error| invalid(format!("{error}")))?;
        draft.put_in(id, StoragePool { name, provider, attributes: BTreeMap::new() });
    }
    Ok(ModelInfo {
        id,
        name: name.clone(),
        owner: owner.clone(),
        life: Life::Alive,
        cloud: controller.cloud,
        created: now,
        config: config.clone(),
        constraints: crate::constraints::Constraints::default(),
        access: BTreeMap::from([(owner, ModelAccess::Admin)]),
        destroy_storage: None,
        force: false,
    })
}

/// Refuses a value that its model option does not take.
pub(super) fn check_option(key: &str, value: &str) -> Result<(), Refusal> {
    let Some(option) = model_config::option(key) else {
        let near = model_config::all()
            .map(|known| (strsim::damerau_levenshtein(known.key, key), known.key))
            .filter(|(distance, _)| *distance <= 3)
            .min();
        let refusal = invalid(format!("unknown option \"{key}\" of the model"));
        return Err(match near {
            Some((_, near)) => refusal.hint(format!("did you mean \"{near}\"?")),
            None => refusal.hint("`muster model-config` lists the options"),
        });
    };
    if value.len() > 64 << 10 {
        return Err(invalid(format!("option \"{key}\" of the model is longer than 64 KiB")));
    }
    model_config::check(option, value)
        .map_err(|rule| invalid(format!("option \"{key}\" of the model: \"{value}\" {rule}")))
}

/// A join token is taken away by the Txn that gives the machine its own; a retry with the same own
/// token is answered again (S4).
fn enrol(
    draft: &mut Draft<'_>,
    join: TokenHash,
    token: TokenHash,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    let known = draft.get::<Token>(token);
    if let Some(Token { subject: Subject::Machine { model, machine }, .. }) = known {
        return Ok(Outcome::Enrolled { model, machine });
    }
    let used =
        || Refusal::new(Code::PermissionDenied, "permission denied: this join token is not valid");
    if known.is_some() {
        // A token that is another's, or the join token itself, would change hands.
        return Err(used().hint("the agent must choose a token of its own"));
    }
    let Some(record) = draft.get::<Token>(join) else { return Err(used()) };
    let Subject::Join { model, machine } = record.subject else { return Err(used()) };
    if record.expires.is_some_and(|at| at <= now) {
        return Err(used().hint("join tokens end after an hour; ask for a new one"));
    }
    draft.remove::<Token>(join);
    let subject = Subject::Machine { model, machine };
    draft.put(Token { hash: token, subject, created: now, expires: None });
    Ok(Outcome::Enrolled { model, machine })
}
