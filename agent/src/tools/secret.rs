//! The eight tools of secrets (hook contract, sections 5.10 and 6.3).
//!
//! What a charm writes is sealed by the controller at once and goes on sealed: journal, report and
//! store never see it. In clear it stays in this run's memory, for the run to read.

mod grant;
mod read;
mod write;

use std::collections::BTreeMap;

use muster_console::flags::{Flag, Line, Usage};
use muster_console::format::OUTPUT;
use muster_model::goal::OwnedSecrets;
use muster_model::record::SecretOwner;
use muster_model::secret::{Content, SecretId, SecretUri};

use super::{Result, fail1, fail2, smart};
use crate::controller::ControllerError;
use crate::hook::context::Context;

pub(super) use grant::{grant, revoke};
pub(super) use read::{get, ids, info};
pub(super) use write::{add, remove, set};

const CONTENT: &[Flag] = &[
    Flag::value(&["owner"], "OWNER", "Whose it is: application (the leader's) or unit."),
    Flag::value(&["label"], "LABEL", "What this charm calls it."),
    Flag::value(&["description"], "TEXT", "For people."),
    Flag::value(
        &["rotate"],
        "POLICY",
        "How often it wants a new revision: never, hourly, daily, weekly, monthly, quarterly, yearly.",
    ),
    Flag::value(
        &["expire"],
        "WHEN",
        "When the revision is too old: a duration or an RFC 3339 time.",
    ),
    Flag::value(
        &["file"],
        "FILE",
        "Read the content from a file of YAML or JSON; `-` is standard input.",
    ),
];

const FORMS: &str = "key=value is the value itself, key#base64=value is in base64, key#file=path is a file's bytes.";

pub(super) const ADD: Usage = Usage {
    flags: &[CONTENT],
    details: FORMS,
    ..Usage::of("secret-add", "[key[#base64|#file]=value ...]", "Make a secret and print its URI.")
};

pub(super) const SET: Usage = Usage {
    flags: &[CONTENT],
    details: FORMS,
    ..Usage::of("secret-set", "<ID> [key[#base64|#file]=value ...]", "Change a secret.")
};

pub(super) const GET: Usage = Usage {
    flags: &[
        OUTPUT,
        &[
            Flag::value(&["label"], "LABEL", "What this charm calls it; with an ID, from now on."),
            Flag::switch(&["peek"], "Read the newest revision without coming to track it."),
            Flag::switch(&["refresh"], "Read the newest revision and track it from now on."),
        ],
    ],
    ..Usage::of("secret-get", "[<ID>] [key[#base64]]", "Print what a secret holds.")
};

pub(super) const INFO: Usage = Usage {
    flags: &[OUTPUT, &[Flag::value(&["label"], "LABEL", "What this charm calls it.")]],
    ..Usage::of("secret-info-get", "<ID>", "Print what is known of a secret of one's own.")
};

pub(super) const IDS: Usage = Usage {
    flags: &[OUTPUT],
    ..Usage::of("secret-ids", "", "Print the ids of the secrets that this unit may change.")
};

const RELATION: Flag =
    Flag::value(&["r", "relation"], "ID", "The relation; the hook's by default.");
const UNIT: Flag = Flag::value(&["unit"], "UNIT", "One unit and not its whole application.");

pub(super) const GRANT: Usage = Usage {
    flags: &[&[RELATION, UNIT]],
    ..Usage::of("secret-grant", "<ID>", "Let the other side of a relation read a secret.")
};

pub(super) const REVOKE: Usage = Usage {
    flags: &[&[
        RELATION,
        Flag::value(&["app", "application"], "APP", "The application whose right ends."),
        UNIT,
    ]],
    ..Usage::of("secret-revoke", "<ID>", "Let somebody read a secret no more.")
};

pub(super) const REMOVE: Usage = Usage {
    flags: &[&[Flag::value(&["revision"], "N", "Only this revision.")]],
    ..Usage::of("secret-remove", "<ID>", "Remove a secret, or a revision of it.")
};

/// What a run knows of secrets, beside what its effects say.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    /// What it wrote, in clear, for itself to read.
    written: BTreeMap<SecretId, Content>,
    /// The secrets of the unit and of its application, once somebody asked.
    owned: Option<OwnedSecrets>,
}

/// The secret that a word names, in any of the five forms.
fn named(context: &Context, text: &str) -> Result<SecretId> {
    let uri: SecretUri =
        text.parse().map_err(|_| fail2(format!("secret URI {text:?} not valid")))?;
    let here = context.goal.model.to_string();
    if uri.model.is_some_and(|model| model != here) {
        return Err(missing(&uri.id));
    }
    Ok(uri.id)
}

fn needed(context: &Context, line: &Line) -> Result<SecretId> {
    match line.word(0) {
        Some(text) => named(context, text),
        None => Err(fail2("missing secret URI")),
    }
}

fn missing(id: &SecretId) -> super::Stop {
    fail1(format!("secret \"{id}\" not found"))
}

/// What the controller says, as a tool says it.
fn failed(error: &ControllerError) -> super::Stop {
    match error {
        ControllerError::Refused(refusal) => fail1(refusal.message.clone()),
        error => fail1(muster_console::outcome::Chain(error).to_string()),
    }
}

/// The secrets of the unit and of its application as they were when the run first asked.
async fn owned(context: &mut Context) -> Result<&OwnedSecrets> {
    if context.secrets.owned.is_none() {
        let world = context.world.clone();
        let all = world.controller.owned_secrets(&context.unit).await;
        context.secrets.owned = Some(all.map_err(|error| failed(&error))?);
    }
    Ok(context.secrets.owned.get_or_insert_default())
}

/// Whose a secret is that this run may change: made by it, or found among the unit's and its
/// application's. Refused for a follower where the application owns it.
async fn managed(context: &mut Context, id: &SecretId) -> Result<SecretOwner> {
    let change = context.effects.secrets.get(id);
    if change.is_some_and(|change| change.remove) {
        return Err(missing(id));
    }
    let owner = match change.and_then(|change| change.add.clone()) {
        Some(owner) => owner,
        None => match owned(context).await?.secrets.get(id) {
            Some(secret) => secret.owner.clone(),
            None => return Err(missing(id)),
        },
    };
    may_manage(context, &owner).await?;
    Ok(owner)
}

async fn may_manage(context: &mut Context, owner: &SecretOwner) -> Result<()> {
    let leaders = matches!(owner, SecretOwner::Application(_));
    if leaders && !context.leads().await.map_err(fail1)? {
        return Err(fail1("this unit is not the leader"));
    }
    Ok(())
}
