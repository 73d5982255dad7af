//! The whole product with no hands: one estate, the machines that follow it, and every way in which
//! what lies between them may fail.
//!
//! ```text
//! World::command ─▶ rules::decide ─┐                    ┌─▶ Model::goal ─▶ Host (late, lost, silent)
//!                                  ├─▶ stage ─▶ Estate ─┤                    └─▶ muster_resolver::next
//! Host ─Report─▶ rules::take ──────┘      └─▶ upkeep    └─▶ findings, and what `watch` remembers
//! ```
//!
//! Everything that decides is the product's own code; what is simulated are the hands: disks, hooks,
//! the network, the substrate and the clock. All chance comes from one seed, so that a story which
//! went wrong goes wrong again. Whatever must never be is looked for after every change
//! (`World::stage`) and ends the story as [`Broken`].

mod carry_out;
mod host;
mod order;
mod random;
mod rest;
mod script;
mod secret;
mod storage;
mod substrate;
mod touch;
mod unit;
mod watch;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use muster_model::command::{EstateCommand, ModelCommand};
use muster_model::draft::MAX_WRITES;
use muster_model::estate::Batch;
use muster_model::name::{MachineId, ModelId, UnitName};
use muster_model::record::{Key, Record, TokenHash};
use muster_model::reply::Outcome;
use muster_model::report::{Receipt, ReportBody};
use muster_model::upkeep::{self, Agenda};
use muster_model::view::Heard;
use muster_model::{Caller, Command, Estate, Refusal, Report, Seq, Timestamp, Txn, rules};

pub use host::Host;
pub use random::Random;
pub use script::{Script, Scripts};

use watch::Watch;

/// A machine of a model.
pub type At = (ModelId, MachineId);

/// Something that must never be, is: a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(pub String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}

/// Ends the story.
fn broken<T>(what: impl Into<String>) -> Result<T, Broken> {
    Err(Broken(what.into()))
}

/// How often what may go wrong does, in a thousand times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// A write of a journal is the last that an agent does, half of the time before it is on disk.
    pub crash: u32,
    /// A report does not arrive.
    pub lose_report: u32,
    /// The answer to a report does not arrive.
    pub lose_answer: u32,
    /// A report arrives a second time, any time later.
    pub duplicate: u32,
    /// A goal is not asked for yet.
    pub lag: u32,
    /// A goal is one of some revisions ago, though never older than the last.
    pub old_goal: u32,
    /// A hook exits with an error.
    pub fail_hook: u32,
    /// A hook is ended by a signal from outside.
    pub kill_hook: u32,
    /// A storage cannot be made or taken away at the moment.
    pub trouble: u32,
    /// The substrate cannot make a machine at the moment.
    pub no_machine: u32,
    /// A machine is cut off for a while.
    pub silence: u32,
    /// The controller starts again from its store.
    pub restart: u32,
    /// Upkeep is left undone for a while, so that what lies between its changes is seen.
    pub late_upkeep: u32,
    /// The machine restarts.
    pub reboot: u32,
    /// `update-status` is due.
    pub tick: u32,
    /// The controller's wall clock jumps, by up to ten years, back and forth.
    pub jump: u32,
}

impl Faults {
    /// Everything, often.
    #[must_use]
    pub fn all() -> Faults {
        Faults {
            crash: 15,
            lose_report: 40,
            lose_answer: 40,
            duplicate: 40,
            lag: 300,
            old_goal: 150,
            fail_hook: 40,
            kill_hook: 10,
            trouble: 40,
            no_machine: 60,
            silence: 4,
            restart: 4,
            late_upkeep: 200,
            reboot: 3,
            tick: 5,
            jump: 4,
        }
    }

    /// What only the network does.
    #[must_use]
    pub fn network() -> Faults {
        Faults { lose_report: 60, lose_answer: 60, duplicate: 60, lag: 300, ..Faults::default() }
    }
}

/// The estate, its machines and the time.
#[derive(Debug)]
pub struct World {
    /// Virtual, and never jumps; begins at an hour that looks like one.
    pub now: Timestamp,
    /// How far the controller's wall clock is off, in milliseconds.
    skew: i64,
    /// As of the last Txn.
    pub estate: Estate,
    /// Whom the controller hears.
    pub heard: Heard,
    /// What goes wrong at present.
    pub faults: Faults,
    /// All chance.
    pub random: Random,
    /// What hooks do.
    pub scripts: Scripts,
    /// What happened, a line each; a story that is told twice has the same lines.
    pub log: Vec<String>,
    /// Machines that the substrate has made.
    pub hosts: BTreeMap<At, Host>,
    agenda: Agenda,
    /// Estates of some revisions ago, newest last.
    past: VecDeque<Estate>,
    /// Reports that arrive a second time, with whoever sent them.
    late: Vec<(Caller, Report)>,
    watch: Watch,
    /// Matters that upkeep could not tidy, with the reason.
    pub stuck: BTreeMap<upkeep::Matter, String>,
    /// Units whose goal was touched without being changed, and all that were: how exact `touches` is.
    pub precision: (u64, u64),
    /// Txns that were committed.
    pub txns: u64,
}

/// Estates of so many revisions ago may still be seen (reliability document, R17: 1 to 50).
const PAST: usize = 50;

/// Upkeep that goes on for so many Txns without anything else happening will never end.
const ENDLESS: usize = 5_000;

impl World {
    /// A world with a controller, its first user `admin`, and no model.
    ///
    /// # Errors
    /// If that cannot be made.
    pub fn new(seed: u64) -> Result<World, Broken> {
        let mut world = World {
            now: Timestamp(1_700_000_000_000),
            skew: 0,
            estate: Estate::default(),
            heard: Heard::default(),
            faults: Faults::default(),
            random: Random::new(seed),
            scripts: Scripts::default(),
            log: Vec::new(),
            hosts: BTreeMap::new(),
            agenda: Agenda::default(),
            past: VecDeque::new(),
            late: Vec::new(),
            watch: Watch::default(),
            stuck: BTreeMap::new(),
            precision: (0, 0),
            txns: 0,
        };
        let bootstrap = EstateCommand::Bootstrap {
            uuid: uuid(0),
            name: named("sim"),
            cloud: named("localhost"),
            admin: named("admin"),
            token: TokenHash(crate::fixture::digest("admin")),
        };
        match world.command_as(&Caller::Controller, &Command::Estate(bootstrap))? {
            Ok(_) => Ok(world),
            Err(refusal) => broken(format!("bootstrap is refused: {refusal}")),
        }
    }

    /// Makes a model of this name; its id follows from its number.
    ///
    /// # Errors
    /// If an invariant breaks.
    pub fn add_model(
        &mut self,
        number: u128,
        name: &str,
    ) -> Result<Result<ModelId, Refusal>, Broken> {
        let id = uuid(number);
        let command = EstateCommand::AddModel {
            id,
            name: named(name),
            owner: None,
            cloud: None,
            region: None,
            config: BTreeMap::new(),
            constraints: muster_model::constraints::Constraints::default(),
        };
        let admin = Caller::User(named("admin"));
        Ok(self.command_as(&admin, &Command::Estate(command))?.map(|_| id))
    }

    /// Gives a command as the first user.
    ///
    /// # Errors
    /// If an invariant breaks.
    pub fn command(
        &mut self,
        model: ModelId,
        command: ModelCommand,
    ) -> Result<Result<Outcome, Refusal>, Broken> {
        self.command_as(&Caller::User(named("admin")), &Command::Model { model, command })
    }

    /// Gives a command.
    ///
    /// # Errors
    /// If an invariant breaks.
    pub fn command_as(
        &mut self,
        caller: &Caller,
        command: &Command,
    ) -> Result<Result<Outcome, Refusal>, Broken> {
        let decided = rules::decide(&self.estate, caller, command, self.wall());
        match decided {
            Ok(decision) => {
                self.say(|| format!("{command:?}"));
                self.stage(decision.txn)?;
                self.upkeep()?;
                Ok(Ok(decision.outcome))
            }
            Err(refusal) => {
                self.say(|| format!("refused: {refusal}"));
                Ok(Err(refusal))
            }
        }
    }

    /// Takes a report, as the controller's ledger does.
    ///
    /// # Errors
    /// If an invariant breaks.
    pub(crate) fn take(
        &mut self,
        caller: &Caller,
        report: &Report,
    ) -> Result<Result<Receipt, Refusal>, Broken> {
        let taken = rules::take(&self.estate, caller, report, self.wall());
        let (txn, mut receipt) = match taken {
            Ok(taken) => taken,
            Err(refusal) => {
                self.say(|| format!("report refused: {refusal}"));
                return Ok(Err(refusal));
            }
        };
        if let ReportBody::Step { unit, seq, step } = &report.body {
            let model = self.estate.model(report.model);
            // Nothing is taken of a unit that is no more; it is only answered again.
            let known = model.and_then(|m| m.progress(unit)).map_or(Seq(u64::MAX), |p| p.seq);
            if *seq <= known {
                if !txn.is_empty() {
                    return broken(format!("R5: report {seq} of {unit} is taken twice"));
                }
            } else {
                let forced = model.and_then(|m| m.unit(unit)).is_some_and(|unit| unit.force);
                self.watch.took((report.model, unit.clone()), step, model, forced)?;
                let told = muster_resolver::Step::Report(step.clone());
                self.say(|| format!("{unit} {told}"));
            }
        }
        receipt.revision = self.stage(txn)?;
        self.upkeep()?;
        Ok(Ok(receipt))
    }

    /// Lets a Txn hold, and looks at everything that must hold after it.
    pub(crate) fn stage(&mut self, txn: Txn) -> Result<muster_model::Revision, Broken> {
        if txn.is_empty() {
            return Ok(self.estate.revision());
        }
        if txn.writes.len() > MAX_WRITES {
            return broken(format!("a Txn of {} writes", txn.writes.len()));
        }
        if !txn.holds(&self.estate) {
            return broken("a Txn that was decided on this estate does not hold in it");
        }
        let revision = self.estate.revision().next();
        let batch = txn.into_batch(revision);
        let before = self.estate.clone();
        let touched = self.estate.apply(&batch);
        self.txns += 1;
        self.agenda.note(&batch);
        self.watch.saw(&batch, &before, &self.estate)?;
        self.nobody_leads_twice(&batch, &before)?;
        let findings = self.estate.findings();
        if let Some(first) = findings.first() {
            return broken(format!("{}: {} (revision {revision})", first.invariant, first.what));
        }
        if self.random.happens(80) {
            self.check_touched(&batch, &before, &touched)?;
        }
        self.past.push_back(before);
        if self.past.len() > PAST {
            self.past.pop_front();
        }
        Ok(revision)
    }

    /// Upkeep until nothing is left to do; or not quite, if that goes wrong at present.
    ///
    /// # Errors
    /// If an invariant breaks, or upkeep does not come to an end.
    pub fn upkeep(&mut self) -> Result<(), Broken> {
        let now = self.wall();
        for _ in 0..ENDLESS {
            if self.random.happens(self.faults.late_upkeep) {
                return Ok(());
            }
            let mut stuck = Vec::new();
            let next =
                upkeep::next(&self.estate, &mut self.agenda, &self.heard, now, |matter, why| {
                    stuck.push((matter, why.to_string()));
                });
            for (matter, why) in stuck {
                self.say(|| format!("stuck: {matter:?}: {why}"));
                self.stuck.insert(matter, why);
            }
            let Some(upkeep) = next else { return Ok(()) };
            for matter in &upkeep.matters {
                self.stuck.remove(matter);
            }
            self.stage(upkeep.txn)?;
        }
        broken("upkeep does not come to an end")
    }

    /// The controller starts again: every record is read back from what was kept of it.
    ///
    /// # Errors
    /// If what is read differs from what was there.
    pub fn restart(&mut self) -> Result<(), Broken> {
        self.say(|| "the controller starts again".to_owned());
        let reloaded = self.reloaded()?;
        self.estate = reloaded;
        self.past.clear();
        self.heard = Heard::default();
        for host in self.hosts.values_mut() {
            host.heard_at = self.now;
        }
        self.agenda = Agenda::everything(&self.estate);
        self.upkeep()
    }

    /// The estate as it is read back from JSON, the same record by record.
    ///
    /// # Errors
    /// If it is another one.
    pub fn reloaded(&self) -> Result<Estate, Broken> {
        let mut loaded = Estate::default();
        let mut wrong = None;
        self.estate.for_each(|key, revision, record| {
            let text = key.to_string();
            let again = text.parse();
            if again.as_ref() != Ok(&key) {
                wrong = Some(format!("key {text} is read as {again:?}"));
            }
            let read = record.encode().map(|bytes| Record::decode(&key, &bytes));
            match read {
                Ok(Ok(read)) if read == record => loaded.load(&key, revision, &read),
                other => wrong = Some(format!("record {text} is read as {other:?}")),
            }
        });
        loaded.loaded(self.estate.revision());
        if let Some(wrong) = wrong {
            return broken(wrong);
        }
        let (mut one, mut other) = (Vec::new(), Vec::new());
        self.estate.for_each(|key, revision, record| one.push((key, revision, record)));
        loaded.for_each(|key, revision, record| other.push((key, revision, record)));
        if one != other || loaded.revision() != self.estate.revision() {
            return broken("the estate that was loaded is not the one that was kept");
        }
        Ok(loaded)
    }

    /// Lets time pass: whom the controller has not heard for long counts as silent.
    ///
    /// # Errors
    /// If an invariant breaks.
    pub fn advance(&mut self, span: Duration) -> Result<(), Broken> {
        self.now = self.now + span;
        self.listen();
        let matters = upkeep::lapsed(&self.estate, &self.heard);
        if !matters.is_empty() {
            self.agenda.open(matters);
            self.upkeep()?;
        }
        Ok(())
    }

    /// What the controller takes the time for.
    pub(crate) fn wall(&self) -> Timestamp {
        Timestamp(self.now.0 + self.skew)
    }

    /// The controller's wall clock jumps (R11). Nobody who counts on it for anything but what is
    /// shown may notice.
    fn jump(&mut self) {
        const JUMPS: [i64; 4] = [1_000, 600_000, 3_600_000, 315_576_000_000];
        let far = self.random.choose(&JUMPS).copied().unwrap_or(0);
        self.skew = if self.random.below(2) == 0 { far } else { -far };
        let skew = self.skew;
        self.say(|| format!("the wall clock is off by {skew} ms"));
    }

    /// A lead is given to another only when whoever had it does not believe so any more (R10).
    fn nobody_leads_twice(&self, batch: &Batch, before: &Estate) -> Result<(), Broken> {
        for (key, record) in &batch.changes {
            let (Key::Leadership(id, name), Some(Record::Leadership(is))) = (key, record) else {
                continue;
            };
            let (Some(was), Some(model)) = (before.model(*id), self.estate.model(*id)) else {
                continue;
            };
            let Some(old) = was.leader(name).filter(|old| is.leader.as_ref() != Some(*old)) else {
                continue;
            };
            // Who is on its way out resigns when it hears of it.
            let Some(unit) = model.unit(old).filter(|unit| unit.life.is_alive()) else { continue };
            let Some(host) = self.hosts.get(&(*id, unit.machine)) else { continue };
            if host.believes_to_lead(old, self.now) {
                return broken(format!("R10: {old} still leads, and {:?} is to", is.leader));
            }
        }
        Ok(())
    }

    /// What a unit's hooks did since this was last asked, in order.
    pub fn committed(&mut self, model: ModelId, unit: &UnitName) -> Vec<String> {
        self.watch.told(model, unit)
    }

    /// The agent of a machine is killed; it starts again by itself.
    pub fn kill(&mut self, at: At) {
        if let Some(host) = self.hosts.get_mut(&at) {
            host.crash();
        }
    }

    /// A machine is cut off for so long.
    pub fn cut_off(&mut self, at: At, span: Duration) {
        let until = self.now + span;
        if let Some(host) = self.hosts.get_mut(&at) {
            host.silent_until = Some(until);
        }
    }

    /// Adds a line to what happened.
    pub(crate) fn say(&mut self, line: impl FnOnce() -> String) {
        let mut line = line();
        line.truncate(line.floor_char_boundary(400));
        let since = self.now.0 - 1_700_000_000_000;
        let revision = self.estate.revision();
        self.log.push(format!("{since:>8} r{revision} {line}"));
    }

    /// One thing that may happen next happens.
    ///
    /// # Errors
    /// If an invariant breaks.
    pub fn step(&mut self) -> Result<(), Broken> {
        if self.random.happens(self.faults.restart) {
            return self.restart();
        }
        if self.random.happens(self.faults.jump) {
            self.jump();
        }
        match self.random.below(10) {
            0 => {
                let span = Duration::from_millis(self.random.below(9_000) + 1);
                self.advance(span)
            }
            1 => self.substrate(),
            2 => self.upkeep(),
            3 if !self.late.is_empty() => self.deliver_late(),
            _ => {
                let hosts: Vec<At> = self.hosts.keys().copied().collect();
                match self.random.choose(&hosts).copied() {
                    Some(at) => self.host_turn(at).map(|_| ()),
                    None => self.substrate(),
                }
            }
        }
    }

    /// A report arrives a second time.
    fn deliver_late(&mut self) -> Result<(), Broken> {
        let at = usize::try_from(self.random.below(self.late.len() as u64)).unwrap_or(0);
        let (caller, report) = self.late.swap_remove(at);
        // Whether it is taken or refused is nobody's concern any more.
        self.take(&caller, &report).map(|_| ())
    }
}

/// An id of a model or an installation that is the same in every run.
#[must_use]
pub fn uuid(number: u128) -> ModelId {
    let text = format!("00000000-0000-4000-8000-{number:012x}");
    named(&text)
}

/// A name that is written in a test.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn named<T: std::str::FromStr>(text: &str) -> T {
    match text.parse() {
        Ok(name) => name,
        Err(_) => panic!("{text:?} is no {}", std::any::type_name::<T>()),
    }
}
