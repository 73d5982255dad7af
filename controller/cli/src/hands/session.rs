//! A request at work: the desk it was typed at, the client store, and the controller it speaks to.

use std::net::{SocketAddr, ToSocketAddrs};

use muster_api::client::Endpoint;
use muster_api::{CallError, Client};
use muster_console::format::Format;
use muster_model::command::{EstateCommand, ModelCommand};
use muster_model::name::ModelId;
use muster_model::record::RequestId;
use muster_model::refusal::Code;
use muster_model::reply::Reply;
use muster_model::view::{ModelSummary, ModelView, ViewRequest, Wait, WaitAnswer};
use muster_model::{Command, Refusal};
use serde::Serialize;

use crate::context::reference::Reference;
use crate::context::store::{Contents, SeenModel, Store};
use crate::context::{self, Chosen};
use crate::desk::Desk;
use crate::failure::Failure;
use crate::request::Request;
use crate::shape;

/// A request at work.
pub(crate) struct Session<'a> {
    pub(crate) desk: &'a mut Desk,
    pub(crate) request: &'a Request,
    pub(crate) store: Store,
    pub(crate) contents: Contents,
}

/// A controller that answers to the name it was chosen by.
#[derive(Clone)]
pub(crate) struct Controller {
    pub(crate) chosen: Chosen,
    pub(crate) client: Client,
}

/// A model on it.
#[derive(Clone)]
pub(crate) struct Focus {
    pub(crate) on: Controller,
    pub(crate) id: ModelId,
    /// `user/model`.
    pub(crate) name: String,
}

impl Focus {
    /// The model's short name.
    pub(crate) fn short(&self) -> &str {
        self.name.split_once('/').map_or(self.name.as_str(), |(_, short)| short)
    }
}

/// A random id, so that an answer which was lost on the way can be asked for again.
pub(crate) fn request_id() -> Result<RequestId, Failure> {
    let id = uuid::Uuid::new_v4().to_string();
    id.parse().map_err(|error| Failure::tried("cannot number the request", &error))
}

impl<'a> Session<'a> {
    pub(crate) fn open(desk: &'a mut Desk, request: &'a Request) -> Result<Session<'a>, Failure> {
        let store = context::store(desk)?;
        let contents = store.read()?;
        Ok(Session { desk, request, store, contents })
    }

    /// The controller that the request is meant for.
    pub(crate) fn controller(&self) -> Result<Controller, Failure> {
        let flag = self.request.controller.as_deref();
        connect(context::controller(self.desk, &self.contents, flag)?)
    }

    /// The model that the request is meant for, by `-m` and what stands in for it.
    pub(crate) async fn focus(&mut self) -> Result<Focus, Failure> {
        let flag = self.request.model.clone();
        self.focus_on(flag.as_deref()).await
    }

    /// The model that `named` refers to; none is the current one.
    pub(crate) async fn focus_on(&mut self, named: Option<&str>) -> Result<Focus, Failure> {
        let flag = self.request.controller.as_deref();
        let wanted = context::model(self.desk, &self.contents, named, flag)?;
        let on = connect(wanted.on)?;
        if let Some(known) = wanted.known
            && let Ok(id) = known.parse()
            && let Some(name) = wanted.wanted.qualified(&on.chosen.user)
        {
            return Ok(Focus { on, id, name });
        }
        self.look_up(on, &wanted.wanted).await
    }

    /// Asks the controller for a model that the store does not know, and remembers it.
    pub(crate) async fn look_up(
        &mut self,
        on: Controller,
        wanted: &Reference,
    ) -> Result<Focus, Failure> {
        let models = on.client.models().await.map_err(|error| on.failed(error))?;
        let summary = select(&models, wanted, &on.chosen.user)?;
        let name = format!("{}/{}", summary.info.owner, summary.info.name);
        let id = summary.info.id;
        let controller = on.chosen.name.clone();
        let entry = name.clone();
        self.change(move |contents| {
            let models = contents.models.controllers.entry(controller).or_default();
            models.models.insert(entry, SeenModel::new(id.to_string()));
        })?;
        Ok(Focus { on, id, name })
    }

    /// Changes the store and what this request knows of it.
    pub(crate) fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Contents) -> T,
    ) -> Result<T, Failure> {
        let (answer, contents) = self.store.change(|contents| {
            let answer = change(contents);
            (answer, contents.clone())
        })?;
        self.contents = contents;
        Ok(answer)
    }

    /// Writes data in the format that was asked for; `plain` makes the text of every other format.
    pub(crate) fn write(
        &mut self,
        shape: &impl Serialize,
        plain: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        let text = match self.request.style.as_str() {
            "json" => Format::Json.render(&shape::value(shape)),
            "yaml" => Format::Yaml.render(&shape::value(shape)),
            "smart" => Format::Smart.render(&shape::value(shape)),
            _ => plain(),
        };
        self.put(&text)
    }

    /// Writes data where it should go.
    pub(crate) fn put(&mut self, text: &str) -> Result<(), Failure> {
        match &self.request.output {
            None => self.desk.data(text),
            Some(file) => {
                let path = self.desk.path(file);
                std::fs::write(&path, text)
                    .map_err(|error| Failure::tried(format!("cannot write {file:?}"), &error))
            }
        }
    }
}

/// The one model of `models` that `wanted` names: by UUID, the user's own, or a unique one.
fn select<'m>(
    models: &'m [ModelSummary],
    wanted: &Reference,
    me: &str,
) -> Result<&'m ModelSummary, Failure> {
    let named = wanted.model.as_deref().unwrap_or_default();
    let missing = || {
        Failure::new(format!("model \"{wanted}\" not found"))
            .hint("\"muster models\" lists the ones that you may see.")
    };
    if wanted.is_uuid() {
        return models.iter().find(|m| m.info.id.to_string() == named).ok_or_else(missing);
    }
    let owned = |m: &&ModelSummary, owner: &str| {
        m.info.owner.as_str() == owner && m.info.name.as_str() == named
    };
    if let Some(owner) = &wanted.user {
        return models.iter().find(|m| owned(m, owner)).ok_or_else(missing);
    }
    if let Some(mine) = models.iter().find(|m| owned(m, me)) {
        return Ok(mine);
    }
    let mut others = models.iter().filter(|m| m.info.name.as_str() == named);
    match (others.next(), others.next()) {
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => {
            Err(Failure::new(format!("model \"{named}\" is ambiguous: several users have one"))
                .hint("Say whose: <user>/<model>."))
        }
        (None, _) => Err(missing()),
    }
}

/// A client of the controller, without asking it anything yet.
pub(crate) fn connect(chosen: Chosen) -> Result<Controller, Failure> {
    let what = || format!("cannot reach controller \"{}\"", chosen.name);
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for endpoint in &chosen.controller.api_endpoints {
        let found = endpoint.to_socket_addrs().map_err(|error| {
            Failure::tried(format!("{}: {endpoint:?} is no address", what()), &error)
        })?;
        addresses.extend(found);
    }
    if addresses.is_empty() {
        return Err(Failure::new(format!("{}: the client store has no address for it", what())));
    }
    let token = Some(chosen.token.clone());
    let endpoint = Endpoint::new(&addresses, &chosen.controller.ca_cert, token)
        .map_err(|error| Failure::tried(what(), &error))?;
    Ok(Controller { client: Client::new(endpoint), chosen })
}

impl Controller {
    /// A call that has no answer, as a person is told of it.
    pub(crate) fn failed(&self, error: CallError) -> Failure {
        let name = &self.chosen.name;
        match error {
            CallError::Refused(refusal) => refused(refusal),
            CallError::Unauthenticated(reason) => {
                Failure::new(format!("controller \"{name}\" does not know you: {reason}"))
                    .hint("The token in the client store (accounts.yaml) is not, or no longer, good; ask its administrator for another.")
            }
            CallError::Unreachable { .. } => {
                let hint = match &self.chosen.controller.data_folder {
                    Some(folder) => format!(
                        "Is it running? \"muster start-controller {name}\" starts it; its log is \"{}\".",
                        folder.join(super::process::LOG).display()
                    ),
                    None => "Is it running, and is the network between you up?".to_owned(),
                };
                let where_to = self.chosen.controller.api_endpoints.join(", ");
                Failure::new(format!(
                    "cannot reach controller \"{name}\" at {where_to}: {}",
                    last_cause(&error)
                ))
                .hint(hint)
            }
            other => Failure::tried(format!("controller \"{name}\""), &other),
        }
    }

    /// Gives a command.
    pub(crate) async fn tell(&self, command: Command, dry_run: bool) -> Result<Reply, Failure> {
        let id = request_id()?;
        self.client.command(id, command, dry_run).await.map_err(|error| self.failed(error))
    }

    /// Gives a command of the estate.
    pub(crate) async fn estate(&self, command: EstateCommand) -> Result<Reply, Failure> {
        self.tell(Command::Estate(command), false).await
    }
}

/// The innermost cause: what the system itself said.
fn last_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// A rule's "no", as a person is told of it.
pub(crate) fn refused(refusal: Refusal) -> Failure {
    let code = refusal.code;
    let mut message = refusal.message;
    if code == Code::PermissionDenied && !message.contains("permission denied") {
        message.push_str(" (permission denied)");
    }
    let mut failure = Failure::new(message);
    failure.hint = refusal.hint;
    failure.refused = Some(code);
    failure
}

impl Focus {
    /// Gives a command of this model.
    pub(crate) async fn tell(&self, command: ModelCommand) -> Result<Reply, Failure> {
        self.ask(command, false).await
    }

    /// Gives a command of this model, or only asks what would come of it.
    pub(crate) async fn ask(&self, command: ModelCommand, dry_run: bool) -> Result<Reply, Failure> {
        self.on.tell(Command::Model { model: self.id, command }, dry_run).await
    }

    /// The model, as far as it is asked for.
    pub(crate) async fn view(&self, what: &ViewRequest) -> Result<ModelView, Failure> {
        self.on.client.view(self.id, what).await.map_err(|error| self.on.failed(error))
    }

    /// Waits on the server.
    pub(crate) async fn wait(&self, what: &Wait) -> Result<WaitAnswer, Failure> {
        self.on.client.wait(self.id, what).await.map_err(|error| self.on.failed(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_its_way_out_and_says_permission_denied() {
        let refusal = Refusal::new(Code::PermissionDenied, "ann may not deploy").hint("ask bob");
        let failure = refused(refusal);
        assert_eq!(failure.to_string(), "ann may not deploy (permission denied)\nask bob");
        assert_eq!(failure.code, 1);
    }
}
