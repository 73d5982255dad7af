//! As whom a request comes, and whether its route admits such callers at all.

use http::HeaderMap;
use muster_api::route::{Admits, Route};
use muster_model::access::{access_of, may};
use muster_model::name::{MachineId, ModelId};
use muster_model::record::{ControllerAccess, ModelAccess, Subject, TokenHash, User};
use muster_model::{Caller, Refusal};
use tokio::sync::OwnedSemaphorePermit;

use super::App;
use super::problem::Failure;
use crate::{clock, identity};

/// A caller whom the route admits.
#[derive(Clone, Debug)]
pub(super) struct Session {
    row: &'static Route,
    /// Who it is; none, where anybody may come, and for a join token that was used up.
    pub(super) caller: Option<Caller>,
    /// The user's record, if it is one.
    pub(super) user: Option<User>,
    /// The token that it came with.
    pub(super) token: Option<TokenHash>,
    /// The model that the path names, if the route is one of a model.
    pub(super) model: Option<ModelId>,
}

impl Session {
    /// The user.
    pub(super) fn user(&self) -> Result<&User, Failure> {
        self.user.as_ref().ok_or_else(Failure::unauthenticated)
    }

    /// The machine whose agent it is.
    pub(super) fn machine(&self) -> Result<(ModelId, MachineId), Failure> {
        match &self.caller {
            Some(Caller::Machine { model, machine }) => Ok((*model, *machine)),
            _ => Err(Failure::unauthenticated()),
        }
    }

    /// A turn to watch something for a while.
    pub(super) fn watch(&self, app: &App) -> Result<OwnedSemaphorePermit, Failure> {
        let token = self.token.ok_or_else(Failure::unauthenticated)?;
        let turn = app.watches.turn(&token);
        turn.ok_or_else(|| {
            Failure::busy("this session watches as much as it may at a time already")
        })
    }

    /// The model that the path names.
    pub(super) fn model(&self) -> Result<ModelId, Failure> {
        self.model.ok_or_else(Failure::not_found)
    }

    /// The caller.
    pub(super) fn caller(&self) -> Result<Caller, Failure> {
        self.caller.clone().ok_or_else(Failure::unauthenticated)
    }

    /// Whether the caller would be admitted now as it was: for what goes on for a while (S33).
    pub(super) fn stands(&self, app: &App) -> Result<(), Failure> {
        let Some(hash) = self.token else { return Ok(()) };
        let now = identify(app, self.row, hash)?;
        match self.model {
            Some(model) => now.admitted_to(app, model),
            None => Ok(()),
        }
    }

    /// Refuses whom the row does not admit to a model.
    fn admitted_to(&self, app: &App, model: ModelId) -> Result<(), Failure> {
        let needed = match self.row.admits {
            Admits::ModelWriters => ModelAccess::Write,
            _ => ModelAccess::Read,
        };
        let estate = app.ledger.estate();
        let info = estate.model(model).and_then(muster_model::Model::info);
        let hidden = || Failure::refused(Refusal::not_found("model", model));
        may(self.user()?, info.ok_or_else(hidden)?, needed).map_err(Failure::refused)
    }

    /// What the user may do to a model; none: not even know of it.
    pub(super) fn access(&self, app: &App, model: ModelId) -> Option<ModelAccess> {
        let estate = app.ledger.estate();
        let info = estate.model(model)?.info()?;
        access_of(self.user.as_ref()?, info)
    }
}

/// Finds out who calls and refuses whom the row does not admit. What the caller may do to which
/// object is decided with the object.
pub(super) fn admit(
    app: &App,
    row: &'static Route,
    parts: &[String],
    headers: &HeaderMap,
) -> Result<Session, Failure> {
    if row.admits == Admits::Anyone {
        return Ok(Session { row, caller: None, user: None, token: None, model: None });
    }
    let token = bearer(headers).ok_or_else(Failure::unauthenticated)?;
    let mut session = identify(app, row, identity::hash(token))?;
    if matches!(row.admits, Admits::ModelReaders | Admits::ModelWriters) {
        let text = parts.first().map(String::as_str).unwrap_or_default();
        let hidden = || Failure::refused(Refusal::not_found("model", text));
        let model: ModelId = text.parse().map_err(|_| hidden())?;
        session.admitted_to(app, model)?;
        session.model = Some(model);
    }
    Ok(session)
}

fn identify(app: &App, row: &'static Route, hash: TokenHash) -> Result<Session, Failure> {
    let mut session = Session { row, caller: None, user: None, token: Some(hash), model: None };
    let estate = app.ledger.estate();
    let Some(record) = estate.token(hash) else {
        // A join token goes with its first use. Whose answer was lost comes again with it (S4) and
        // is known by its own token, which the handler asks for.
        let again = row.admits == Admits::Joiners;
        return if again { Ok(session) } else { Err(Failure::unauthenticated()) };
    };
    if record.expires.is_some_and(|at| at <= clock::now()) {
        return Err(Failure::unauthenticated());
    }
    session.caller = Some(match &record.subject {
        Subject::User(name) => {
            let user = estate.user(name).filter(|user| !user.disabled);
            session.user = Some(user.cloned().ok_or_else(Failure::unauthenticated)?);
            Caller::User(name.clone())
        }
        Subject::Machine { model, machine } => Caller::Machine { model: *model, machine: *machine },
        Subject::Join { model, machine } => Caller::Join { model: *model, machine: *machine },
    });
    let superuser =
        session.user.as_ref().is_some_and(|user| user.access == ControllerAccess::Superuser);
    let admitted = match (row.admits, &session.caller) {
        (Admits::Anyone, _)
        | (Admits::Users | Admits::ModelReaders | Admits::ModelWriters, Some(Caller::User(_)))
        | (Admits::Joiners, Some(Caller::Join { .. }))
        | (Admits::Machines, Some(Caller::Machine { .. }))
        | (Admits::UsersAndMachines, Some(Caller::User(_) | Caller::Machine { .. })) => true,
        (Admits::Superusers, Some(Caller::User(_))) => superuser,
        _ => false,
    };
    if !admitted {
        return Err(Failure::refused(Refusal::new(
            muster_model::refusal::Code::PermissionDenied,
            "permission denied: this address is not for such callers",
        )));
    }
    Ok(session)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let token = value.strip_prefix("Bearer ")?;
    (token.len() <= 256).then_some(token)
}
