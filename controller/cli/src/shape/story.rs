//! A model in memory, told in the operator's own lines: what the shapes are tested on. Tests only.

use std::collections::BTreeMap;

use muster_charms::Charm;
use muster_model::caller::Caller;
use muster_model::command::{AddCharm, Deploy, EstateCommand, ModelCommand};
use muster_model::estate::{Batch, Estate};
use muster_model::name::ModelId;
use muster_model::record::{Placement, TokenHash};
use muster_model::reply::Outcome;
use muster_model::upkeep::{self, Agenda};
use muster_model::view::{Heard, ModelView, ViewRequest};
use muster_model::{Command, Timestamp, rules};
use muster_resources::Digest;

use crate::act::Act;
use crate::request::{Said, parse};

/// An estate with one model, `words`.
pub(crate) struct Story {
    estate: Estate,
    agenda: Agenda,
    model: ModelId,
}

/// The moment at which every story plays.
pub(crate) const NOW: Timestamp = Timestamp(1_769_854_830_000);

impl Story {
    pub(crate) fn begin() -> Story {
        let id = |text: &str| -> ModelId { text.parse().unwrap() };
        let model = id("191ef617-9ed9-4142-ab9f-dd655731e4b4");
        let mut story = Story { estate: Estate::default(), agenda: Agenda::default(), model };
        story.tell(
            &Caller::Controller,
            &Command::Estate(EstateCommand::Bootstrap {
                uuid: id("57308364-4003-463d-a966-e17cddcd63b4"),
                name: "home".parse().unwrap(),
                cloud: "localhost".parse().unwrap(),
                admin: "admin".parse().unwrap(),
                token: TokenHash(Digest::of(b"token")),
            }),
        );
        let add = EstateCommand::AddModel {
            id: model,
            name: "words".parse().unwrap(),
            owner: None,
            cloud: None,
            region: None,
            config: BTreeMap::new(),
            constraints: muster_model::constraints::Constraints::default(),
        };
        story.tell(&Caller::User("admin".parse().unwrap()), &Command::Estate(add));
        story
    }

    fn tell(&mut self, caller: &Caller, command: &Command) -> Outcome {
        let decision = rules::decide(&self.estate, caller, command, NOW).expect("taken");
        self.commit(decision.txn);
        decision.outcome
    }

    fn commit(&mut self, txn: muster_model::Txn) {
        let revision = self.estate.revision().next();
        let batch = Batch { revision, changes: txn.writes.into_iter().collect() };
        self.estate.apply(&batch);
        self.agenda.note(&batch);
    }

    fn tell_model(&mut self, command: ModelCommand) -> Outcome {
        let command = Command::Model { model: self.model, command };
        let outcome = self.tell(&Caller::User("admin".parse().unwrap()), &command);
        let heard = Heard::default();
        while let Some(next) =
            upkeep::next(&self.estate, &mut self.agenda, &heard, NOW, |_, why| panic!("{why}"))
        {
            self.commit(next.txn);
        }
        outcome
    }

    /// A line that is changes of the model and nothing else.
    pub(crate) fn line(&mut self, line: &str) {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let Ok(Said::Request(request)) = parse(&words) else { panic!("{line}") };
        match request.act {
            Act::Change(commands) => {
                for command in commands {
                    self.tell_model(command);
                }
            }
            Act::Integrate(act) => {
                self.tell_model(ModelCommand::Integrate { one: act.one, other: act.other });
            }
            other => panic!("{line} is {other:?}"),
        }
    }

    /// Deploys a charm that is nothing but these files.
    pub(crate) fn deploy(&mut self, files: &[(&str, &str)], units: usize) {
        let files: BTreeMap<String, Vec<u8>> = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
            .collect();
        let charm = Charm::read(&files).expect("a charm");
        let application = charm.metadata.name.clone();
        let digest = Digest::of(application.as_str().as_bytes());
        let add = AddCharm { digest, size: 1, charm: Some(Box::new(charm)) };
        let Outcome::Charm(charm) = self.tell_model(ModelCommand::AddCharm(add)) else { panic!() };
        self.tell_model(ModelCommand::Deploy(Deploy {
            application,
            charm,
            channel: None,
            placements: vec![Placement::Anywhere; units],
            config: BTreeMap::new(),
            trust: false,
            constraints: muster_model::constraints::Constraints::default(),
            base: None,
            storage: BTreeMap::new(),
            attach_storage: Vec::new(),
            resources: BTreeMap::new(),
            bindings: BTreeMap::new(),
            force: false,
        }));
    }

    pub(crate) fn view(&self) -> ModelView {
        let what = ViewRequest {
            storage: true,
            resources: true,
            settings: true,
            charms: true,
            operations: 100,
            ..ViewRequest::default()
        };
        let model = self.estate.model(self.model).unwrap();
        model.view(&what, &Heard::default(), self.estate.revision()).unwrap()
    }
}
