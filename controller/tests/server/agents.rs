//! Agents: who is woken, who is heard, who leads, and that a machine is only itself (S6).

use std::collections::BTreeMap;
use std::time::Duration;

use muster_api::body::{LogBatch, LogLine, PresenceBody};
use muster_model::command::{ModelCommand, TargetRef};
use muster_model::effects::Effects;
use muster_model::hook::Hook;
use muster_model::name::{MachineId, ModelId, TaskId, UnitName};
use muster_model::record::{ControllerAccess, Hardware, ModelAccess, TaskTarget};
use muster_model::reply::Outcome;
use muster_model::report::{FactsReport, NowReport, Report, ReportBody, StepReport, TaskOutcome};
use muster_model::status::TaskState;
use muster_model::{Refusal, Revision, Seq, Timestamp};
use muster_resources::Digest;

use crate::common::{Fake, House, refused, until};

/// What an agent says of a machine when it starts.
pub(crate) fn facts(machine: MachineId) -> ReportBody {
    let facts = FactsReport {
        hostname: format!("m{machine}"),
        addresses: Vec::new(),
        hardware: Hardware::default(),
        base: None,
        boot_id: "b".to_owned(),
        agent_version: "0".to_owned(),
        trouble: String::new(),
    };
    ReportBody::Facts { machine, facts: Box::new(facts) }
}

impl Fake {
    pub(crate) async fn tell(&self, body: ReportBody) {
        self.agent.report(&Report { model: self.model, body }).await.unwrap();
    }

    async fn lie(&self, model: ModelId, body: ReportBody) -> Refusal {
        refused(self.agent.report(&Report { model, body }).await)
    }
}

fn unit(name: &str) -> UnitName {
    name.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_wakes_the_machine_that_it_concerns_and_no_other() {
    let house = House::tuned(|settings| settings.times.poll = Duration::from_millis(1500)).await;
    let model = house.model("one").await;
    let (one, two) = (house.machine(model).await, house.machine(model).await);
    house.hello(model, &[&one]).await;
    for machine in [&one, &two] {
        machine.tell(facts(machine.machine)).await;
    }
    let at = |goal: Option<muster_model::Goal>| goal.unwrap().revision;
    let (first, _) = one.agent.goal(Revision::ZERO).await.unwrap();
    let (second, _) = two.agent.goal(Revision::ZERO).await.unwrap();
    let (after_one, after_two) = (at(first), at(second));
    let polls = async { tokio::join!(one.agent.goal(after_one), two.agent.goal(after_two)) };
    let change = async {
        let command = ModelCommand::Configure {
            application: "hello".parse().unwrap(),
            set: [("greeting".parse().unwrap(), "Good day".to_owned())].into(),
            reset: Default::default(),
            trust: None,
        };
        house.do_in(model, command).await.unwrap()
    };
    let ((woken, slept), reply) = tokio::join!(polls, change);
    let (goal, lease) = woken.unwrap();
    assert!(goal.unwrap().revision >= reply.revision);
    assert!(lease.is_some(), "an answer renews the lease");
    let (nothing, lease) = slept.unwrap();
    assert!(nothing.is_none(), "the other machine was woken");
    assert!(lease.is_some(), "an empty answer renews it too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_is_given_a_goal_once_its_facts_are_known() {
    let house = House::tuned(|settings| settings.times.poll = Duration::from_millis(300)).await;
    let model = house.model("one").await;
    let one = house.machine(model).await;
    house.hello(model, &[&one]).await;
    let (goal, _) = one.agent.goal(Revision::ZERO).await.unwrap();
    assert!(goal.is_none(), "its unit may go without anybody asking it");
    let told = async { one.tell(facts(one.machine)).await };
    let (polled, ()) = tokio::join!(one.agent.goal(Revision::ZERO), told);
    let goal = match polled.unwrap().0 {
        Some(goal) => goal,
        None => one.agent.goal(Revision::ZERO).await.unwrap().0.unwrap(),
    };
    assert!(goal.units.contains_key(&unit("hello/0")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_is_not_heard_is_down_and_its_units_are_lost_until_it_is_heard() {
    let house = House::tuned(|settings| {
        settings.times.poll = Duration::from_millis(300);
        settings.times.quiet = Duration::from_millis(600);
        settings.times.beat = Duration::from_millis(50);
    })
    .await;
    let model = house.model("one").await;
    let one = house.machine(model).await;
    house.hello(model, &[&one]).await;
    one.tell(facts(one.machine)).await;
    let step = StepReport::Committed { hook: Hook::Install, effects: Effects::default() };
    one.tell(ReportBody::Step { unit: unit("hello/0"), seq: Seq(1), step }).await;
    let shown = || async {
        let view = house.view(model).await;
        let unit = &view.applications.values().next().unwrap().units[&unit("hello/0")];
        (view.machines[&one.machine].agent.value.to_string(), unit.agent.value.to_string())
    };
    one.agent.goal(Revision::ZERO).await.unwrap();
    let executing = BTreeMap::from([(unit("hello/0"), "running install hook".to_owned())]);
    one.agent.presence(&PresenceBody { executing, machine: None }).await.unwrap();
    assert_eq!(shown().await.1, "executing");
    // What is told to be over is not shown as going on.
    let step = StepReport::Committed { hook: Hook::ConfigChanged, effects: Effects::default() };
    one.tell(ReportBody::Step { unit: unit("hello/0"), seq: Seq(2), step }).await;
    assert_ne!(shown().await.1, "executing");
    let executing = BTreeMap::from([(unit("hello/0"), "running start hook".to_owned())]);
    one.agent.presence(&PresenceBody { executing, machine: None }).await.unwrap();
    assert_eq!(shown().await.1, "executing");
    until(|| async { (shown().await == ("down".to_owned(), "lost".to_owned())).then_some(()) })
        .await;
    // It is heard while its poll is held, and is up as soon as it polls.
    let polling = tokio::spawn({
        let agent = one.agent.clone();
        async move { agent.goal(Revision(u64::MAX)).await.map(|_| ()) }
    });
    until(|| async { (shown().await.0 == "started").then_some(()) }).await;
    assert_ne!(shown().await.1, "lost");
    polling.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s06_a_machine_speaks_for_itself_and_its_own_units() {
    let house = House::start().await;
    let (model, elsewhere) = (house.model("one").await, house.model("two").await);
    let (own, beside) = (house.machine(model).await, house.machine(model).await);
    let far = house.machine(elsewhere).await;
    house.hello(model, &[&own, &beside]).await;
    let run = |target| ModelCommand::RunCommand {
        targets: vec![target],
        command: "true".to_owned(),
        timeout_ms: None,
        parallel: false,
        execution_group: String::new(),
    };
    let mut tasks: Vec<(TaskId, TaskTarget)> = Vec::new();
    for target in [TargetRef::Unit(unit("hello/0")), TargetRef::Machine(own.machine)] {
        match house.do_in(model, run(target)).await.unwrap().outcome {
            Outcome::Operation { tasks: made, .. } => tasks.extend(made),
            other => panic!("{other:?}"),
        }
    }
    let (of_unit, of_machine) = (tasks[0].0, tasks[1].0);
    let over = || TaskOutcome {
        state: TaskState::Completed,
        message: String::new(),
        results: serde_json::Map::new(),
    };
    let before = house.revision().await;
    let now = |name: &str, now| ReportBody::Now { unit: unit(name), now };
    let step = |name: &str, step| ReportBody::Step { unit: unit(name), seq: Seq(1), step };
    let rest = |machine, name: &str| ReportBody::Rest {
        machine,
        revision: before,
        units: [(unit(name), String::new())].into(),
    };
    let task = |machine| ReportBody::MachineTask { machine, task: of_machine, outcome: over() };
    let line = || NowReport::TaskLog { task: of_unit, at: Timestamp::ZERO, line: "x".to_owned() };
    let lies = [
        facts(own.machine),
        ReportBody::MachineDone { machine: own.machine },
        ReportBody::Discarded {
            machine: own.machine,
            storage: "data/0".parse().unwrap(),
            trouble: String::new(),
        },
        rest(own.machine, "hello/0"),
        rest(beside.machine, "hello/0"),
        now("hello/0", NowReport::WorkloadVersion("6".to_owned())),
        now("hello/1", line()),
        now("hello/1", NowReport::TaskStarted(of_unit)),
        step("hello/0", StepReport::Gone),
        step(
            "hello/1",
            StepReport::Task { task: of_unit, outcome: over(), effects: Effects::default() },
        ),
        task(own.machine),
        task(beside.machine),
    ];
    for lie in lies {
        let shown = format!("{lie:?}");
        for (liar, told) in [(&beside, model), (&beside, elsewhere), (&far, model)] {
            let code = liar.lie(told, lie.clone()).await.code.as_str();
            assert!(matches!(code, "permission-denied" | "not-found"), "{shown}: {code}");
        }
    }
    assert_eq!(house.revision().await, before, "a lie changed something");
    // What is its own it may tell.
    own.tell(rest(own.machine, "hello/0")).await;
    own.tell(task(own.machine)).await;
    own.tell(now("hello/0", line())).await;
    let committed = StepReport::Committed { hook: Hook::Install, effects: Effects::default() };
    own.tell(step("hello/0", committed)).await;
    // Bytes of others' units are not there for it.
    let (_, digest, _) = house.packed(&crate::common::shipped("hello"));
    assert!(own.agent.blob(&digest, 0).await.is_ok());
    assert!(far.agent.blob(&digest, 0).await.is_err());
    assert!(own.agent.blob(&Digest::of(b"x"), 0).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s17_lines_are_kept_as_who_sent_them_and_drive_no_terminal() {
    use futures_util::StreamExt;
    let house = House::start().await;
    let model = house.model("one").await;
    let (own, beside) = (house.machine(model).await, house.machine(model).await);
    house.hello(model, &[&own]).await;
    let line = |entity: &str, message: &str| LogLine {
        at: Timestamp::ZERO,
        entity: entity.to_owned(),
        level: "INFO\u{1b}[2J".to_owned(),
        module: "m\n\u{1b}[1m".to_owned(),
        message: message.to_owned(),
    };
    let hostile = "a\n{\"entity\":\"unit-hello-0\"}\u{1b}]0;x\u{7}\u{202e}";
    let lines = vec![line("unit-hello-0", hostile), line("machine-0", "x"), line("../../x", "y")];
    beside.agent.logs(&LogBatch { first: 0, lines }).await.unwrap();
    // A number that cannot be is no way to stop the log.
    beside
        .agent
        .logs(&LogBatch { first: u64::MAX, lines: vec![line("machine-1", "z")] })
        .await
        .unwrap();
    own.agent
        .logs(&LogBatch { first: 0, lines: vec![line("unit-hello-0", "mine")] })
        .await
        .unwrap();
    let stream = house.root().logs(model, &Default::default()).await.unwrap();
    let parts: Vec<_> = stream.map(|part| part.unwrap()).collect().await;
    let text = String::from_utf8(parts.concat()).unwrap();
    assert!(!text.chars().any(|c| c != '\n' && c.is_control()), "{text:?}");
    assert!(!text.contains('\u{202e}'));
    let entities: Vec<String> =
        text.lines().map(|line| serde_json::from_str::<LogLine>(line).unwrap().entity).collect();
    assert_eq!(entities, ["machine-1", "machine-1", "machine-1", "machine-1", "unit-hello-0"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s33_what_goes_on_ends_soon_after_its_right() {
    use futures_util::StreamExt;
    let house = House::tuned(|settings| {
        settings.times.revocation = Duration::from_millis(100);
    })
    .await;
    let model = house.model("one").await;
    let reader = house.user("reader", ControllerAccess::Login).await;
    house.grant(model, "reader", Some(ModelAccess::Read)).await;
    let client = house.client(&reader);
    let query = muster_api::LogQuery { follow: true, ..Default::default() };
    let stream = client.logs(model, &query).await.unwrap();
    let following = tokio::spawn(async move { stream.map(|_| ()).collect::<Vec<()>>().await });
    let waiting = tokio::spawn({
        let client = client.clone();
        let condition = muster_model::view::Condition::ApplicationSettled("x".parse().unwrap());
        let wait = muster_model::view::Wait { condition, timeout_ms: 40_000 };
        async move { client.wait(model, &wait).await }
    });
    // Only once both are under way is the right taken away.
    until(|| async { (!following.is_finished() && !waiting.is_finished()).then_some(()) }).await;
    house.grant(model, "reader", None).await;
    let limit = Duration::from_secs(5);
    tokio::time::timeout(limit, following).await.unwrap().unwrap();
    let answer = tokio::time::timeout(limit, waiting).await.unwrap().unwrap();
    assert_eq!(refused(answer).code.as_str(), "not-found");
}
