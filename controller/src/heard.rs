//! Whom this controller hears from, and what they do at the moment. In memory only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use muster_api::body::PresenceBody;
use muster_model::name::{MachineId, ModelId, UnitName};
use muster_model::record::MachineFacts;
use muster_model::upkeep::LEASE;
use muster_model::view::Heard;
use muster_model::{Estate, Timestamp};
use tokio::sync::watch;

use crate::clock;

type At = (ModelId, MachineId);

#[derive(Debug)]
struct State {
    /// When each machine was heard last, on the monotonic clock.
    last: BTreeMap<At, Instant>,
    /// Polls that are held at the moment.
    held: BTreeMap<At, u32>,
    /// Who has come back after its leads may have been given away, and was given no lease since.
    returning: BTreeSet<At>,
    /// Since when this controller listens: nobody is silent for longer than that.
    began: Instant,
    /// How long a machine may be quiet before it counts as silent.
    quiet: Duration,
}

/// Whom this controller hears from.
#[derive(Clone, Debug)]
pub struct Hearing {
    state: Arc<Mutex<State>>,
    publish: Arc<watch::Sender<Arc<Heard>>>,
}

/// A poll that is held; while it is, its machine is heard.
#[derive(Debug)]
pub struct Held {
    hearing: Hearing,
    at: At,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.hearing.state();
        state.last.insert(self.at, now());
        if let Some(count) = state.held.get_mut(&self.at) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                state.held.remove(&self.at);
            }
        }
    }
}

fn now() -> Instant {
    Instant::now()
}

impl Hearing {
    /// Begins to listen; nobody has been heard yet and nobody counts as silent. Whoever is quiet for
    /// longer than `quiet` is.
    #[must_use]
    pub fn new(quiet: Duration) -> Self {
        let (last, held, returning) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let state = State { last, held, returning, began: now(), quiet };
        let publish = watch::channel(Arc::new(Heard::default())).0;
        Hearing { state: Arc::new(Mutex::new(state)), publish: Arc::new(publish) }
    }

    /// Told of each change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Heard>> {
        self.publish.subscribe()
    }

    /// A machine's poll has come; it is heard until the answer is dropped, and a while after. Answers
    /// whether it had been silent for so long that its leads may have been given away, and has not
    /// [`returned`](Self::returned) since.
    #[must_use]
    pub fn hold(&self, model: ModelId, machine: MachineId) -> (Held, bool) {
        let at = (model, machine);
        let mut state = self.state();
        state.last.insert(at, now());
        *state.held.entry(at).or_insert(0) += 1;
        if self.publish.borrow().silent.contains_key(&at) {
            self.change(|heard| {
                if heard.lapsed.remove(&at) {
                    state.returning.insert(at);
                }
                heard.silent.remove(&at).is_some()
            });
        }
        let had_lapsed = state.returning.contains(&at);
        drop(state);
        (Held { hearing: self.clone(), at }, had_lapsed)
    }

    /// Whatever was decided while the machine was not heard is known by now: what it is told of its
    /// leads from here on holds.
    pub fn returned(&self, model: ModelId, machine: MachineId) {
        self.state().returning.remove(&(model, machine));
    }

    /// A machine has said what its units do.
    pub fn executing(
        &self,
        model: ModelId,
        machine: MachineId,
        estate: &Estate,
        body: &PresenceBody,
    ) {
        let Some(record) = estate.model(model) else { return };
        let own: Vec<_> = record.units_on(machine).map(|unit| unit.name.clone()).collect();
        let at = clock::now();
        self.change(|heard| {
            let mut changed = false;
            for unit in own {
                let key = (model, unit.clone());
                let present = heard.executing.get(&key).map(|(what, _)| what);
                let said = body.executing.get(&unit);
                if present != said {
                    changed = true;
                    match said {
                        Some(what) => {
                            let what = what.chars().take(256).collect();
                            heard.executing.insert(key, (what, at));
                        }
                        None => {
                            heard.executing.remove(&key);
                        }
                    }
                }
            }
            changed
        });
    }

    /// A step of the unit is over and told: what it was said to do, it does no more. The machine says
    /// so as well, a moment later; nobody who asks in between is to be told what is not true.
    pub fn over(&self, model: ModelId, unit: &UnitName) {
        let key = (model, unit.clone());
        if self.publish.borrow().executing.contains_key(&key) {
            self.change(|heard| heard.executing.remove(&key).is_some());
        }
    }

    /// Finds out who has fallen silent: machines with an agent that was heard once, here or by a
    /// controller before this one.
    pub fn listen(&self, estate: &Estate) {
        self.listen_at(estate, now(), clock::now());
    }

    /// The same as of a moment. Only what is shown follows the wall clock (R11).
    fn listen_at(&self, estate: &Estate, mono: Instant, wall: Timestamp) {
        let mut state = self.state();
        let known = |(model, machine): &At| {
            let model = estate.model(*model);
            model.is_some_and(|model| model.table::<MachineFacts>().get(machine).is_some())
        };
        state.last.retain(|at, _| known(at));
        state.returning.retain(known);
        let (mut silent, mut lapsed) = (BTreeMap::new(), BTreeSet::new());
        for model in estate.models() {
            for (id, _) in model.table::<MachineFacts>().iter() {
                let at = (model.id(), *id);
                if state.held.contains_key(&at) {
                    continue;
                }
                let last = state.last.get(&at).copied().unwrap_or(state.began);
                let quiet = mono.saturating_duration_since(last);
                if quiet > state.quiet {
                    silent.insert(at, wall - quiet);
                    // Counted from its last answer, which it asked for earlier still; where this
                    // controller never heard it, from when that began to listen, which is later than
                    // the last answer of any before it (R10).
                    if quiet > LEASE {
                        lapsed.insert(at);
                    }
                }
            }
        }
        // Under the same lock: whoever polls meanwhile is not to be called silent after it was heard.
        self.change(|heard| {
            let before = heard.executing.len();
            heard.executing.retain(|(model, unit), _| {
                let machine = estate.model(*model).and_then(|m| m.unit(unit)).map(|u| u.machine);
                machine.is_some_and(|machine| !silent.contains_key(&(*model, machine)))
            });
            let keys = |map: &BTreeMap<At, _>| map.keys().copied().collect::<Vec<At>>();
            if keys(&heard.silent) == keys(&silent) && heard.lapsed == lapsed {
                return heard.executing.len() != before;
            }
            // A silence that goes on keeps the moment at which it was first seen to begin.
            heard.lapsed = lapsed;
            let begun = std::mem::take(&mut heard.silent);
            heard.silent = silent
                .into_iter()
                .map(|(at, since)| (at, *begun.get(&at).unwrap_or(&since)))
                .collect();
            true
        });
        drop(state);
    }

    fn change(&self, how: impl FnOnce(&mut Heard) -> bool) {
        self.publish.send_if_modified(|heard| {
            let mut copy = Heard::clone(heard);
            let changed = how(&mut copy);
            if changed {
                *heard = Arc::new(copy);
            }
            changed
        });
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use muster_model::record::{Key, Record};

    use super::*;

    const MODEL: &str = "00000000-0000-4000-8000-000000000001";

    /// An estate with one machine whose agent was heard once.
    fn estate(at: At) -> Estate {
        let mut estate = Estate::default();
        let facts = MachineFacts {
            machine: at.1,
            hostname: "one".to_owned(),
            addresses: Vec::new(),
            hardware: Default::default(),
            base: None,
            boot_id: "boot".to_owned(),
            agent_version: "1".to_owned(),
            trouble: String::new(),
        };
        let key = Key::MachineFacts(at.0, at.1);
        estate.load(&key, muster_model::Revision(1), &Record::MachineFacts(facts));
        estate
    }

    #[test]
    fn r10_r11_a_jump_of_the_wall_clock_takes_no_lead_away() {
        let at = (MODEL.parse().unwrap(), MachineId(0));
        let estate = estate(at);
        let second = Duration::from_secs(1);
        let hearing = Hearing::new(20 * second);
        drop(hearing.hold(at.0, at.1));
        let heard = now();
        let ages = 315_576_000_000;
        let walls = [0, 600_000, -600_000, ages, -ages, 0].map(|skew| clock::now().0 + skew);
        // Quiet for less than the lease, whatever the wall says: silent, and keeps its leads.
        for (passed, wall) in (30..).zip(walls) {
            hearing.listen_at(&estate, heard + passed * second, Timestamp(wall));
            let says = hearing.watch().borrow().clone();
            assert!(says.silent.contains_key(&at), "after {passed} s");
            assert!(says.lapsed.is_empty(), "after {passed} s, at {wall}");
        }
        // Quiet for longer: it has lapsed, whatever the wall says.
        for (passed, wall) in (62..).zip(walls) {
            hearing.listen_at(&estate, heard + passed * second, Timestamp(wall));
            assert!(hearing.watch().borrow().lapsed.contains(&at), "after {passed} s, at {wall}");
        }
        // Heard again, it is told that its leads may be gone, until it was answered as of after that.
        for _ in 0..2 {
            let (held, had_lapsed) = hearing.hold(at.0, at.1);
            assert!(had_lapsed && hearing.watch().borrow().lapsed.is_empty());
            drop(held);
        }
        hearing.returned(at.0, at.1);
        assert!(!hearing.hold(at.0, at.1).1);
    }

    #[test]
    fn r10_a_controller_that_starts_gives_no_lead_away_before_the_longest_lease_has_ended() {
        let at = (MODEL.parse().unwrap(), MachineId(0));
        let estate = estate(at);
        let hearing = Hearing::new(Duration::from_secs(20));
        let began = now();
        hearing.listen_at(&estate, began + LEASE - Duration::from_secs(1), clock::now());
        assert!(hearing.watch().borrow().lapsed.is_empty());
        hearing.listen_at(&estate, began + LEASE + Duration::from_secs(1), clock::now());
        assert!(hearing.watch().borrow().lapsed.contains(&at));
    }
}
