//! Shells through a whole controller: an operator and an agent, each over TLS.

use std::time::{Duration, Instant};

use bytes::Bytes;
use muster_api::shell::{
    Door, Ended, Frame, Incoming, Link, Outgoing, Start, Stream, Target, WINDOW,
};
use muster_model::Revision;
use muster_model::command::TargetRef;
use muster_model::name::ModelId;
use muster_model::record::{ControllerAccess, ModelAccess};
use muster_model::refusal::Code;
use tokio::task::JoinHandle;

use crate::common::{Fake, House, refused, until};

type End = (Outgoing, Incoming, JoinHandle<()>);

fn on(machine: &Fake) -> Target {
    Target::of(&TargetRef::Machine(machine.machine)).unwrap()
}

/// An agent that does as it should: polls, and takes what waits.
async fn taken(machine: &Fake) -> Link {
    let mut after = Revision::ZERO;
    loop {
        let polled = machine.agent.goal(after).await.unwrap();
        after = polled.goal.map_or(after, |goal| goal.revision);
        if polled.shells > 0
            && let Some(link) = machine.agent.shell().await.unwrap()
        {
            return link;
        }
    }
}

/// A shell with both of its ends.
async fn open(house: &House, token: &str, machine: &Fake) -> (End, End) {
    let client = house.client(token);
    let (target, model) = (on(machine), machine.model);
    let (operator, agent) =
        tokio::join!(async move { client.shell(model, &target).await.unwrap().begin() }, async {
            taken(machine).await.begin()
        },);
    (operator, agent)
}

async fn over(from: &mut Incoming) -> Duration {
    let began = Instant::now();
    while let Ok(Some(_)) = from.next().await {}
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_carries_what_both_ends_say_as_it_is() {
    let house = House::start().await;
    let model = house.model("one").await;
    let machine = house.machine(model).await;
    let ((to, mut from, _), (agents, mut came, sent)) = open(&house, &house.admin, &machine).await;
    let start = Start { door: Door::HostKeys, terminal: None };
    to.send(Frame::Start(start.clone())).await.unwrap();
    assert_eq!(came.next().await.unwrap(), Some(Frame::Start(start)));
    // The agent echoes sixteen windows; nobody is ahead by more than one.
    let whole: Vec<u8> = (0..16 * WINDOW).map(|n| (n % 251) as u8).collect();
    let (hand, mut over) = tokio::sync::mpsc::unbounded_channel();
    let echo = tokio::spawn(async move {
        while let Some(bytes) = over.recv().await {
            let bytes: Bytes = bytes;
            agents.taken(Stream::In, bytes.len()).await.unwrap();
            agents.bytes(Stream::Out, bytes).await.unwrap();
        }
        agents.send(Frame::Ended(Ended::Exit(9))).await.unwrap();
    });
    // Whoever reads frames does nothing else: what was taken comes by here as well.
    tokio::spawn(async move {
        let mut hand = Some(hand);
        while let Ok(Some(frame)) = came.next().await {
            match (frame, &hand) {
                (Frame::Bytes(Stream::In, bytes), Some(hand)) => hand.send(bytes).unwrap(),
                _ => hand = None,
            }
        }
    });
    let (sending, bytes) = (to.clone(), Bytes::from(whole.clone()));
    tokio::spawn(async move {
        sending.bytes(Stream::In, bytes).await.unwrap();
        sending.send(Frame::InputEnds).await.unwrap();
    });
    let mut back = Vec::new();
    let ended = loop {
        match from.next().await.unwrap() {
            Some(Frame::Bytes(Stream::Out, bytes)) => {
                back.extend_from_slice(&bytes);
                // The agent may have said its last.
                let _gone = to.taken(Stream::Out, bytes.len()).await;
            }
            Some(Frame::Ended(ended)) => break ended,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ended, Ended::Exit(9));
    assert!(back == whole, "{} of {} bytes came back", back.len(), whole.len());
    echo.await.unwrap();
    sent.await.unwrap();
    assert!(matches!(from.next().await, Ok(None)), "the end of one end is the other's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_ends_with_either_end() {
    let house = House::start().await;
    let model = house.model("one").await;
    let machine = house.machine(model).await;
    let (operator, (_to, mut from, _)) = open(&house, &house.admin, &machine).await;
    drop(operator);
    assert!(over(&mut from).await < Duration::from_secs(5));
    let ((_to, mut from, _), agent) = open(&house, &house.admin, &machine).await;
    drop(agent);
    assert!(over(&mut from).await < Duration::from_secs(5));
}

/// S33: whoever may not any more is cut off in five seconds, and so is the machine's end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s33_a_shell_ends_when_the_right_to_it_goes() {
    let house = House::start().await;
    let model = house.model("one").await;
    let machine = house.machine(model).await;
    let token = house.user("ann", ControllerAccess::Login).await;
    for left in [Some(ModelAccess::Read), None] {
        house.grant(model, "ann", Some(ModelAccess::Write)).await;
        let ((_one, mut operator, _), (_other, mut agent, _)) =
            open(&house, &token, &machine).await;
        house.grant(model, "ann", left).await;
        let (operator, agent) = tokio::join!(over(&mut operator), over(&mut agent));
        assert!(operator < Duration::from_secs(5), "{left:?}: {operator:?}");
        assert!(agent < Duration::from_secs(5), "{left:?}: {agent:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_is_refused_with_the_reason() {
    let house = House::tuned(|settings| settings.times.shell = Duration::from_millis(300)).await;
    let model = house.model("one").await;
    let machine = house.machine(model).await;
    let ask = async |token: &str, model: ModelId, target: Target| {
        refused(house.client(token).shell(model, &target).await)
    };
    let silent = ask(&house.admin, model, on(&machine)).await;
    assert_eq!(silent.code, Code::NotReady);
    assert!(silent.message.contains("its agent does not answer"), "{}", silent.message);
    // Whoever has left is not served to an agent that comes late.
    assert!(machine.agent.shell().await.unwrap().is_none());
    for (target, said) in [
        (
            Target { unit: Some("wiki/7".parse().unwrap()), ..Target::default() },
            "unit \"wiki/7\" not found",
        ),
        (
            Target { leader: Some("wiki".parse().unwrap()), ..Target::default() },
            "application \"wiki\" not found",
        ),
        (
            Target { machine: Some("9".parse().unwrap()), ..Target::default() },
            "machine \"9\" not found",
        ),
    ] {
        assert_eq!(ask(&house.admin, model, target).await.message, said);
    }
    let reader = house.user("bob", ControllerAccess::Login).await;
    house.grant(model, "bob", Some(ModelAccess::Read)).await;
    let denied = ask(&reader, model, on(&machine)).await;
    assert_eq!(denied.code, Code::PermissionDenied);
    assert_eq!(
        denied.hint.as_deref(),
        Some("ask its administrator for: muster grant bob write one")
    );
}

/// A poll that is held already is answered at once, and an agent that comes later is told too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_hears_of_a_shell_in_the_poll_that_it_holds() {
    let house = House::start().await;
    let model = house.model("one").await;
    let machine = house.machine(model).await;
    machine.tell(crate::agents::facts(machine.machine)).await;
    let seen = machine.agent.goal(Revision::ZERO).await.unwrap().goal.unwrap().revision;
    let polling = machine.agent.clone();
    let held = tokio::spawn(async move { polling.goal(seen).await.unwrap() });
    let heard = || async {
        let view = house.view(model).await;
        let status = view.machines[&machine.machine].agent.value;
        (status == muster_model::status::MachineAgent::Started).then_some(())
    };
    until(heard).await;
    let (client, target) = (house.root(), on(&machine));
    let asked = tokio::spawn(async move { client.shell(model, &target).await });
    let polled = tokio::time::timeout(Duration::from_secs(5), held).await.unwrap().unwrap();
    assert_eq!((polled.shells, polled.goal.is_none()), (1, true));
    assert!(polled.lease.is_some(), "a lease comes with it as ever");
    // The answer got lost: the next poll says it again.
    let again = machine.agent.goal(seen).await.unwrap();
    assert_eq!(again.shells, 1);
    let link = machine.agent.shell().await.unwrap().expect("it waits");
    asked.await.unwrap().unwrap();
    drop(link);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_that_ends_ends_its_shells() {
    let mut house = House::start().await;
    let model = house.model("one").await;
    let machine = house.machine(model).await;
    let ((_one, mut operator, _), (_other, mut agent, _)) =
        open(&house, &house.admin.clone(), &machine).await;
    let began = Instant::now();
    house.end().await.unwrap();
    let (operator, agent) = tokio::join!(over(&mut operator), over(&mut agent));
    assert!(operator.max(agent) < Duration::from_secs(5));
    assert!(began.elapsed() < Duration::from_secs(15), "it waits for shells");
}
