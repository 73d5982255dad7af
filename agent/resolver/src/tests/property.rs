//! Any goals, in any order, with hooks that fail and agents that are killed: the unit comes to rest,
//! and the guarantees of section 4.4 hold on the way.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Event {
    Steps(u8),
    Fail(&'static str),
    Crash,
    Boot(u8),
    Trust(bool),
    Leader(bool),
    LeaderSettings(u64),
    Charm(u32),
    Relate(u32, bool),
    Member(u32, u8, u64),
    Leave(u32, u8),
    Unrelate(u32),
    Storage(u8),
    Detach(u8, bool),
    Resolve(bool),
    Action(u32),
    Wait,
    Die,
}

fn event() -> impl Strategy<Value = Event> {
    let hooks = prop_oneof![
        Just("install"),
        Just("config-changed"),
        Just("start"),
        Just("db-relation-joined"),
        Just("db-relation-broken"),
        Just("data-storage-attached"),
        Just("data-storage-detaching"),
        Just("upgrade-charm"),
        Just("stop"),
        Just("deploy"),
        Just("mount"),
    ];
    prop_oneof![
        6 => (1u8..6).prop_map(Event::Steps),
        2 => hooks.prop_map(Event::Fail),
        1 => Just(Event::Crash),
        1 => (0u8..3).prop_map(Event::Boot),
        1 => any::<bool>().prop_map(Event::Trust),
        1 => any::<bool>().prop_map(Event::Leader),
        1 => (0u64..4).prop_map(Event::LeaderSettings),
        1 => (0u32..3).prop_map(Event::Charm),
        2 => (1u32..4, any::<bool>()).prop_map(|(id, peer)| Event::Relate(id, peer)),
        3 => (1u32..4, 0u8..3, 1u64..5).prop_map(|(id, n, v)| Event::Member(id, n, v)),
        1 => (1u32..4, 0u8..3).prop_map(|(id, n)| Event::Leave(id, n)),
        1 => (1u32..4).prop_map(Event::Unrelate),
        1 => (0u8..3).prop_map(Event::Storage),
        1 => (0u8..3, any::<bool>()).prop_map(|(number, force)| Event::Detach(number, force)),
        1 => any::<bool>().prop_map(Event::Resolve),
        1 => (1u32..9).prop_map(Event::Action),
        1 => Just(Event::Wait),
        1 => Just(Event::Die),
    ]
}

fn play(story: &mut Story, event: &Event, ran: &mut Vec<String>) {
    match *event {
        Event::Steps(count) => {
            for _ in 0..count {
                story.step();
            }
        }
        Event::Fail(hook) => {
            story.fails.insert(hook.into());
        }
        Event::Crash => {
            // Half of the time in the middle of a hook.
            if let Next::Run(Step::Hook(hook)) = story.next()
                && story.now.0 % 2 == 0
            {
                let inputs = Inputs::of(&story.goal, &story.seen);
                story.local.begin(hook, inputs);
            }
            recover(&mut story.local);
            story.seen =
                Seen { boot: story.seen.boot.clone(), leads: story.seen.leads, ..Seen::default() };
        }
        Event::Boot(number) => {
            recover(&mut story.local);
            story.seen =
                Seen { boot: format!("boot-{number}"), leads: story.seen.leads, ..Seen::default() };
        }
        Event::Trust(trust) => story.goal.trust = trust,
        Event::Leader(leader) => {
            story.goal.leader = leader;
            story.seen.leads = leader;
        }
        Event::LeaderSettings(version) => story.goal.leader_settings = Version(version),
        Event::Charm(revision) => story.goal.charm = charm(revision),
        Event::Relate(id, peer) => {
            if !story.goal.relations.contains_key(&RelationId(id)) {
                let role = if peer { Role::Peer } else { Role::Requirer };
                story.relation(id, if peer { "ring" } else { "db" }, role, &[]);
            }
        }
        Event::Member(id, number, version) => {
            if let Some(relation) = story.goal.relations.get_mut(&RelationId(id)) {
                let unit = format!("other/{number}").parse().unwrap();
                let known = relation.members.entry(unit).or_default();
                *known = (*known).max(Version(version));
            }
        }
        Event::Leave(id, number) => {
            if let Some(relation) = story.goal.relations.get_mut(&RelationId(id)) {
                relation.members.remove(&format!("other/{number}").parse::<UnitName>().unwrap());
            }
        }
        Event::Unrelate(id) => {
            if let Some(relation) = story.goal.relations.get_mut(&RelationId(id))
                && relation.role != Role::Peer
            {
                relation.life = Life::Dying;
            }
        }
        Event::Storage(number) => {
            let id = format!("data/{number}");
            if !story.goal.storage.contains_key(&id.parse().unwrap()) {
                story.storage(&id);
            }
        }
        Event::Detach(number, force) => {
            let id = format!("data/{number}").parse().unwrap();
            if let Some(storage) = story.goal.storage.get_mut(&id) {
                storage.life = Life::Dying;
                storage.force |= force;
            }
        }
        Event::Resolve(retry) => story.resolve(retry),
        Event::Action(id) => {
            let done = story.local.tasks_done.contains(&TaskId(id));
            if !done && story.goal.tasks.iter().all(|task| task.id != TaskId(id)) {
                story.task(id, true);
            }
        }
        Event::Wait => story.now = story.now + std::time::Duration::from_secs(400),
        Event::Die => story.goal.life = Life::Dying,
    }
    ran.append(&mut story.done);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_story_comes_to_rest_and_keeps_its_order(events in prop::collection::vec(event(), 0..60)) {
        let mut story = Story::leader();
        let mut ran = Vec::new();
        let passed_over = events.iter().any(|event| matches!(event, Event::Resolve(false)));
        for event in events {
            play(&mut story, &event, &mut ran);
        }
        // Trouble ends: nothing fails any more, the operator answers, time passes.
        story.fails.clear();
        for _ in 0..40 {
            for _ in 0..500 {
                if !story.step() {
                    break;
                }
            }
            ran.append(&mut story.done);
            match story.next() {
                Next::Idle { .. } | Next::Gone => break,
                Next::Wait { .. } => {
                    story.now = story.now + std::time::Duration::from_secs(400);
                    story.resolve(true);
                }
                Next::Run(step) => prop_assert!(false, "it never rests: {step}"),
            }
        }
        let end = story.next();
        prop_assert!(matches!(end, Next::Idle { .. } | Next::Gone), "{end:?}");
        prop_assert_eq!(end == Next::Gone, story.goal.life == Life::Dying);

        let first = |name: &str| ran.iter().position(|step| step == name);
        let last = |name: &str| ran.iter().rposition(|step| step == name);
        for (before, after) in
            [("install", "config-changed"), ("config-changed", "start"), ("stop", "remove")]
        {
            // A hook that was passed over counts as done and is not among those that ran.
            if passed_over {
                break;
            }
            if let (Some(before), Some(after)) = (first(before), first(after)) {
                prop_assert!(before < after);
            }
        }
        if let (Some(remove), Some(others)) = (first("remove"), last("install")) {
            prop_assert!(others < remove);
        }
        // No lone departed: every departed of a unit has a joined before it, if it was not that
        // which was passed over.
        for (at, step) in ran.iter().enumerate().filter(|_| !passed_over) {
            if let Some((hook, unit)) = step.split_once("-relation-departed ") {
                let joined = format!("{hook}-relation-joined {unit}");
                prop_assert!(ran[..at].contains(&joined), "{step} without {joined}");
            }
        }
    }
}
