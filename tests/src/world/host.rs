//! A machine: its agent, its journals, its mounts, and the line to the controller.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster_model::goal::Goal;
use muster_model::life::Life;
use muster_model::name::{CharmUrl, StorageId, TaskId, UnitName};
use muster_model::record::{Address, Hardware};
use muster_model::report::{FactsReport, Receipt, ReportBody, TaskOutcome};
use muster_model::status::TaskState;
use muster_model::upkeep::LEASE;
use muster_model::{Caller, Estate, Refusal, Report, Revision, Seq, Timestamp};
use muster_resolver::Local;

use super::substrate::address;
use super::unit::Unit;
use super::{At, Broken, World};

/// A machine is not heard when it has been quiet for so long: a held poll and a margin.
const QUIET: Duration = Duration::from_secs(40);

/// Why something did not come to its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The agent was killed.
    Crash,
    /// The controller cannot be reached.
    CutOff,
    /// The story is over.
    Broken(Broken),
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Stop {
        Stop::Broken(broken)
    }
}

/// A machine with its agent.
#[derive(Debug)]
pub struct Host {
    /// The agent has its own token.
    enrolled: bool,
    /// The controller has its facts.
    told: bool,
    boot: u32,
    /// The revision of the newest goal that ever came: nothing older is believed, not even after a
    /// start (R7).
    floor: Revision,
    /// The last goal that came.
    pub(crate) goal: Option<Goal>,
    /// Until when its units may believe that they lead.
    pub(crate) lease: Option<Timestamp>,
    /// When the controller heard it last.
    pub(crate) heard_at: Timestamp,
    /// Cut off until then.
    pub(crate) silent_until: Option<Timestamp>,
    /// Units whose task runs.
    pub(crate) units: BTreeMap<UnitName, Unit>,
    /// What is on disk of each unit's journal.
    pub(crate) journals: BTreeMap<UnitName, Local>,
    /// Which charm lies on disk for each unit.
    pub(crate) charms: BTreeMap<UnitName, CharmUrl>,
    /// Who runs something.
    pub(crate) lock: Option<UnitName>,
    /// Data on disk.
    pub(crate) disk: BTreeSet<StorageId>,
    /// Data that was lost.
    pub(crate) lost: BTreeSet<StorageId>,
    /// What is mounted.
    pub(crate) mounts: BTreeSet<StorageId>,
    gone: BTreeSet<UnitName>,
    tasks: BTreeSet<TaskId>,
    /// Storage whose end was told.
    pub(crate) discarded: BTreeSet<StorageId>,
    done: bool,
}

impl Host {
    /// A machine that has just been made.
    pub(crate) fn new(now: Timestamp) -> Host {
        Host {
            enrolled: false,
            told: false,
            boot: 1,
            floor: Revision::ZERO,
            goal: None,
            lease: None,
            heard_at: now,
            silent_until: None,
            units: BTreeMap::new(),
            journals: BTreeMap::new(),
            charms: BTreeMap::new(),
            lock: None,
            disk: BTreeSet::new(),
            lost: BTreeSet::new(),
            mounts: BTreeSet::new(),
            gone: BTreeSet::new(),
            tasks: BTreeSet::new(),
            discarded: BTreeSet::new(),
            done: false,
        }
    }

    /// The kernel's id of the present boot.
    pub(crate) fn boot(&self) -> String {
        format!("boot-{}", self.boot)
    }

    /// The agent is killed: what was not on disk is lost.
    pub(crate) fn crash(&mut self) {
        self.units.clear();
        self.goal = None;
        self.lease = None;
        self.lock = None;
        self.gone.clear();
        self.discarded.clear();
        self.done = false;
    }

    /// Whether it is cut off.
    #[must_use]
    pub fn is_cut_off(&self, now: Timestamp) -> bool {
        self.silent_until.is_some_and(|until| until > now)
    }

    /// Whether somebody's process is running here, or a journal is kept.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.journals.is_empty() && self.mounts.is_empty()
    }

    /// Whether a unit here takes itself for the leader.
    pub(crate) fn believes_to_lead(&self, unit: &UnitName, now: Timestamp) -> bool {
        let wanted = self.goal.as_ref().and_then(|goal| goal.units.get(unit));
        wanted.is_some_and(|wanted| wanted.leader) && self.lease.is_some_and(|until| until > now)
    }

    /// The next moment at which time alone changes something here.
    pub(crate) fn wakes(&self) -> Option<Timestamp> {
        let units = self.units.values().filter_map(|unit| unit.wakes);
        units.chain(self.silent_until).min()
    }
}

impl World {
    /// Takes note of who is not heard.
    pub(crate) fn listen(&mut self) {
        self.heard.silent.clear();
        self.heard.lapsed.clear();
        for (at, host) in &self.hosts {
            let known = self.estate.model(at.0).is_some_and(|model| model.facts(at.1).is_some());
            let quiet = self.now.since(host.heard_at);
            if host.is_cut_off(self.now) && known && quiet > QUIET {
                self.heard.silent.insert(*at, host.heard_at);
                if quiet > LEASE {
                    self.heard.lapsed.insert(*at);
                }
            }
        }
    }

    /// A machine does one thing; whether it had any.
    ///
    /// # Errors
    /// If an invariant breaks.
    pub fn host_turn(&mut self, at: At) -> Result<bool, Broken> {
        let Some(mut host) = self.hosts.remove(&at) else { return Ok(false) };
        let result = self.turn(at, &mut host);
        let result = match result {
            Ok(did) => Ok(did),
            Err(Stop::CutOff) => Ok(false),
            Err(Stop::Broken(broken)) => Err(broken),
            Err(Stop::Crash) => {
                self.say(|| format!("the agent of machine {} is killed", at.1));
                host.crash();
                Ok(true)
            }
        };
        self.hosts.insert(at, host);
        result
    }

    fn turn(&mut self, at: At, host: &mut Host) -> Result<bool, Stop> {
        if self.random.happens(self.faults.silence) {
            let span = Duration::from_millis(self.random.below(200_000));
            host.silent_until = Some(self.now + span);
            self.say(|| format!("machine {} is cut off", at.1));
        }
        if self.random.happens(self.faults.reboot) {
            self.say(|| format!("machine {} restarts", at.1));
            host.crash();
            host.boot += 1;
            host.mounts.clear();
            host.told = false;
        }
        if !host.is_cut_off(self.now) {
            host.silent_until = None;
            host.heard_at = self.now;
            self.heard.silent.remove(&at);
            self.heard.lapsed.remove(&at);
            if self.speak(at, host)? {
                return Ok(true);
            }
        }
        self.spread(at, host)?;
        let names: Vec<UnitName> = host.units.keys().cloned().collect();
        let first = usize::try_from(self.random.below(names.len() as u64)).unwrap_or(0);
        for name in names.iter().cycle().skip(first).take(names.len()) {
            if self.unit_turn(at, host, name)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What the agent itself does with the controller.
    fn speak(&mut self, at: At, host: &mut Host) -> Result<bool, Stop> {
        if !host.enrolled {
            self.enrol(at)?;
            host.enrolled = true;
            return Ok(true);
        }
        // The two do not wait for one another (R12).
        if !self.random.happens(self.faults.lag) && self.poll(at, host) {
            return Ok(true);
        }
        if !host.told {
            let facts = Box::new(facts(at, &host.boot()));
            if let Err(refusal) = self.tell(at, host, ReportBody::Facts { machine: at.1, facts })? {
                return Err(Broken(format!("the facts of {} are refused: {refusal}", at.1)).into());
            }
            host.told = true;
            return Ok(true);
        }
        let Some(goal) = &host.goal else { return Ok(false) };
        let task = goal.tasks.iter().find(|task| !host.tasks.contains(&task.id));
        if let Some(task) = task.map(|task| task.id) {
            let outcome = TaskOutcome {
                state: TaskState::Completed,
                message: String::new(),
                results: serde_json::Map::new(),
            };
            let body = ReportBody::MachineTask { machine: at.1, task, outcome };
            // What a refused outcome was for is not there any more.
            let _refused = self.tell(at, host, body)?;
            host.tasks.insert(task);
            return Ok(true);
        }
        let doomed = goal.discard.iter().find(|id| !host.discarded.contains(id)).cloned();
        if let Some(id) = doomed {
            return self.discard(at, host, id).map(|()| true);
        }
        let empty = goal.units.is_empty() && goal.discard.is_empty();
        if goal.life != Life::Alive && empty && !host.done {
            let body = ReportBody::MachineDone { machine: at.1 };
            if let Err(refusal) = self.tell(at, host, body)? {
                return Err(Broken(format!("machine {} may not go: {refusal}", at.1)).into());
            }
            host.done = true;
            return Ok(true);
        }
        Ok(false)
    }

    /// Asks for a goal; one that is newer than the last is taken over. An answer that comes from an
    /// estate of some revisions ago says nothing of the lease.
    fn poll(&mut self, at: At, host: &mut Host) -> bool {
        let old = self.random.happens(self.faults.old_goal);
        let from = if old {
            let back = usize::try_from(self.random.below(self.past.len() as u64)).unwrap_or(0);
            self.past.get(back).unwrap_or(&self.estate)
        } else {
            host.lease = Some(self.now + LEASE);
            &self.estate
        };
        let after = host.goal.as_ref().map_or(Revision::ZERO, |goal| goal.revision);
        if from.revision() < host.floor {
            return false;
        }
        let Some(goal) = newer(from, at, after) else { return false };
        host.floor = goal.revision;
        if let Some(last) = &host.goal {
            self.precision.1 += 1;
            let same = Goal { revision: last.revision, ..goal.clone() } == *last;
            self.precision.0 += u64::from(same);
        }
        host.goal = Some(goal);
        true
    }

    /// Starts a task for each unit of the goal that has none, where its journal says; and for each that
    /// left a journal, whatever the goal says of it (R7).
    fn spread(&mut self, at: At, host: &mut Host) -> Result<(), Stop> {
        let Some(goal) = host.goal.clone() else { return Ok(()) };
        host.gone.retain(|unit| goal.units.contains_key(unit));
        let names: BTreeSet<&UnitName> = goal.units.keys().chain(host.journals.keys()).collect();
        for name in names.into_iter().cloned().collect::<Vec<_>>() {
            if host.units.contains_key(&name) || host.gone.contains(&name) {
                continue;
            }
            let seq = goal.units.get(&name).map_or(Seq::ZERO, |wanted| wanted.seq);
            let unit = self.open_unit(host, &name, seq)?;
            self.say(|| format!("{name} is taken up on machine {}", at.1));
            host.units.insert(name, unit);
        }
        Ok(())
    }

    /// The unit has left: the last that knew of it goes.
    pub(crate) fn forget(&mut self, host: &mut Host, name: &UnitName) {
        host.journals.remove(name);
        host.charms.remove(name);
        host.gone.insert(name.clone());
        self.say(|| format!("{name} has left"));
    }

    /// Reports until there is an answer; between tries everything may go wrong that can.
    pub(crate) fn tell(
        &mut self,
        at: At,
        host: &Host,
        body: ReportBody,
    ) -> Result<Result<Receipt, Refusal>, Stop> {
        let report = Report { model: at.0, body };
        let caller = Caller::Machine { model: at.0, machine: at.1 };
        loop {
            if host.is_cut_off(self.now) {
                return Err(Stop::CutOff);
            }
            if self.random.happens(self.faults.crash) {
                return Err(Stop::Crash);
            }
            if self.random.happens(self.faults.lose_report) {
                continue;
            }
            let answer = self.take(&caller, &report)?;
            if self.random.happens(self.faults.duplicate) {
                self.late.push((caller.clone(), report.clone()));
            }
            if !self.random.happens(self.faults.lose_answer) {
                return Ok(answer);
            }
        }
    }
}

/// The goal of a machine, if it was touched after that revision.
pub(crate) fn newer(from: &Estate, at: At, after: Revision) -> Option<Goal> {
    let model = from.model(at.0).filter(|_| from.revision() > after)?;
    model.newer_goal(at.1, after, from.revision())
}

fn facts(at: At, boot: &str) -> FactsReport {
    let value = address(at);
    FactsReport {
        hostname: format!("sim-{}", at.1),
        addresses: vec![Address {
            value,
            cidr: format!("{value}/8"),
            interface: "eth0".to_owned(),
            mac: "02:00:00:00:00:01".to_owned(),
        }],
        hardware: Hardware {
            arch: "amd64".to_owned(),
            cores: 2,
            mem_mib: 4096,
            root_disk_mib: 20_480,
        },
        base: None,
        boot_id: boot.to_owned(),
        agent_version: "1.0.0".to_owned(),
        trouble: String::new(),
    }
}
