//! What is asked twice is done once (R4), and what is good once is good once (S4).

use std::collections::BTreeSet;
use std::sync::Arc;

use muster_api::CallError;
use muster_controller::identity;
use muster_model::Command;
use muster_model::command::{EstateCommand, ModelCommand};
use muster_model::name::MachineId;
use muster_model::record::{ControllerAccess, ModelAccess, Placement, Subject};
use muster_model::refusal::Code;

use crate::common::{House, command_of, id, refused};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r04_sixty_four_copies_of_one_command_have_one_effect() {
    let house = Arc::new(House::start().await);
    let model = house.model("one").await;
    house.hello(model, &[]).await;
    let command = Command::Model {
        model,
        command: ModelCommand::AddUnits {
            application: "hello".parse().unwrap(),
            placements: vec![Placement::NewMachine],
            attach_storage: Vec::new(),
        },
    };
    let id = id();
    let copies = (0..64).map(|_| {
        let (house, command, id) = (Arc::clone(&house), command.clone(), id.clone());
        tokio::spawn(async move { house.root().command(id, command, false).await.unwrap() })
    });
    let mut answers = Vec::new();
    for copy in copies.collect::<Vec<_>>() {
        answers.push(copy.await.unwrap());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    let view = house.view(model).await;
    assert_eq!(view.applications.values().next().unwrap().units.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r04_a_retry_does_not_undo_what_another_did_meanwhile() {
    let mut house = House::start().await;
    let model = house.model("one").await;
    house.hello(model, &[]).await;
    let set = |value: &str| Command::Model {
        model,
        command: ModelCommand::Configure {
            application: "hello".parse().unwrap(),
            set: [("greeting".parse().unwrap(), value.to_owned())].into(),
            reset: BTreeSet::new(),
            trust: None,
        },
    };
    let first = id();
    let answer = house.root().command(first.clone(), set("mine"), false).await.unwrap();
    command_of(&house.root(), set("yours")).await.unwrap();
    // Also when the controller has started again meanwhile.
    house.end().await.unwrap();
    house.run();
    assert_eq!(house.root().command(first, set("mine"), false).await.unwrap(), answer);
    let view = house.view(model).await;
    let application = &view.applications.values().next().unwrap().application;
    let config = serde_json::to_string(&application.config).unwrap();
    assert!(config.contains("yours"), "{config}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r04_a_retried_removal_is_answered_as_the_first() {
    let house = House::start().await;
    let model = house.model("one").await;
    house.hello(model, &[]).await;
    let remove = Command::Model {
        model,
        command: ModelCommand::RemoveApplication {
            application: "hello".parse().unwrap(),
            destroy_storage: false,
            force: false,
        },
    };
    let id = id();
    let first = house.root().command(id.clone(), remove.clone(), false).await.unwrap();
    assert!(house.view(model).await.applications.is_empty());
    assert_eq!(house.root().command(id, remove, false).await.unwrap(), first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r04_s05_another_users_request_id_is_another_request() {
    let house = House::start().await;
    let model = house.model("one").await;
    let other = house.user("other", ControllerAccess::Login).await;
    let add = ModelCommand::AddMachines {
        count: 1,
        constraints: Default::default(),
        base: None,
        host: false,
    };
    let command = Command::Model { model, command: add };
    let id = id();
    house.root().command(id.clone(), command.clone(), false).await.unwrap();
    let answer = house.client(&other).command(id.clone(), command.clone(), false).await;
    assert_eq!(refused(answer).code, Code::NotFound, "it learns nothing by the id");
    house.grant(model, "other", Some(ModelAccess::Write)).await;
    house.client(&other).command(id, command, false).await.unwrap();
    assert_eq!(house.view(model).await.machines.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s04_a_join_token_is_good_once_among_a_hundred() {
    let house = Arc::new(House::start().await);
    let model = house.model("one").await;
    house.machine(model).await;
    for _ in 0..3 {
        let subject = Subject::Join { model, machine: MachineId(0) };
        let join = house.token(subject, Some(3600)).await;
        let racers = (0..100).map(|_| {
            let (house, join) = (Arc::clone(&house), join.clone());
            tokio::spawn(async move {
                let own = identity::mint().unwrap();
                let answer = house.agent(&join).enrol(own.hash()).await;
                (own, answer)
            })
        });
        let mut winners = Vec::new();
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.unwrap() {
                (own, Ok(_)) => winners.push(own),
                (_, Err(CallError::Refused(_) | CallError::Unauthenticated(_))) => {}
                (_, Err(other)) => panic!("{other:?}"),
            }
        }
        assert_eq!(winners.len(), 1);
        // Whose answer was lost gets it again; and its own token is good, which others' are not.
        let winner = &winners[0];
        let again = house.agent(&join).enrol(winner.hash()).await.unwrap();
        assert_eq!(again.machine, MachineId(0));
        let own = house.agent(winner.expose());
        let body = crate::agents::facts(again.machine);
        own.report(&muster_model::Report { model: again.model, body }).await.unwrap();
        let (goal, _) = own.goal(muster_model::Revision::ZERO).await.unwrap();
        assert_eq!(goal.unwrap().machine, MachineId(0));
        let late = house.agent(&join).enrol(identity::mint().unwrap().hash()).await;
        assert!(matches!(late, Err(CallError::Unauthenticated(_))), "{late:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s04_a_join_token_ends_and_cannot_take_anothers_token() {
    let house = House::start().await;
    let model = house.model("one").await;
    let fake = house.machine(model).await;
    let subject = Subject::Join { model, machine: fake.machine };
    let ended = house.token(subject.clone(), Some(0)).await;
    let own = identity::mint().unwrap();
    assert!(house.agent(&ended).enrol(own.hash()).await.is_err());
    // The hash of a user's token, or of the join token itself, is not the agent's to choose.
    let join = house.token(subject, Some(60)).await;
    for taken in [identity::hash(&house.admin), identity::hash(&join)] {
        let refusal = refused(house.agent(&join).enrol(taken).await);
        assert_eq!(refusal.code, Code::PermissionDenied);
    }
    house.root().whoami().await.unwrap();
    let add = |hash| EstateCommand::AddToken {
        hash,
        subject: Subject::User("admin".parse().unwrap()),
        seconds: None,
    };
    let twice = command_of(&house.root(), Command::Estate(add(identity::hash(&house.admin)))).await;
    assert_eq!(refused(twice).code, Code::AlreadyExists);
    house.agent(&join).enrol(own.hash()).await.unwrap();
}
