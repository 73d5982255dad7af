//! One unit: ask what to do, do it, write it down, again; as the agent's own loop does.

use std::collections::BTreeMap;

use muster_model::goal::Goal;
use muster_model::name::{TaskId, UnitName};
use muster_model::report::ReportBody;
use muster_model::{Effects, Hook, Revision, Seq, Timestamp};
use muster_resolver::{Local, Next, Progress, Seen, next, parked, recover};

use super::host::{Host, Stop};
use super::{At, World};

/// A unit's task.
#[derive(Debug)]
pub(crate) struct Unit {
    /// What it has done; ahead of the journal only between two lines of code.
    pub(crate) local: Local,
    pub(crate) seen: Seen,
    /// What runs, and when it ends.
    pub(crate) busy: Option<Busy>,
    /// Not before then, because a step did not come to its end.
    pub(crate) again: Option<Timestamp>,
    /// The next moment at which time alone changes something.
    pub(crate) wakes: Option<Timestamp>,
    rested: Option<(Revision, String)>,
}

/// A process that runs.
#[derive(Debug)]
pub(crate) enum Busy {
    /// A hook.
    Hook { hook: Hook, effects: Effects, ends: Timestamp },
    /// An action or a command.
    Task { task: TaskId, ends: Timestamp },
}

impl Busy {
    pub(crate) fn ends(&self) -> Timestamp {
        match self {
            Busy::Hook { ends, .. } | Busy::Task { ends, .. } => *ends,
        }
    }
}

impl World {
    /// Takes a unit up where its journal says, or begins one.
    pub(crate) fn open_unit(
        &mut self,
        host: &mut Host,
        name: &UnitName,
        seq: Seq,
    ) -> Result<Unit, Stop> {
        let kept = host.journals.get(name).cloned();
        let mut local = kept.unwrap_or_else(|| Local::new(seq));
        recover(&mut local);
        let mut seen = Seen { boot: host.boot(), ..Seen::default() };
        seen.endpoints = host.charms.get(name).and_then(|url| self.endpoints(&host.goal, url));
        let unit = Unit { local, seen, busy: None, again: None, wakes: None, rested: None };
        self.save(host, name, &unit)?;
        Ok(unit)
    }

    /// The endpoints that a charm on disk declares.
    pub(crate) fn endpoints(
        &self,
        goal: &Option<Goal>,
        url: &muster_model::name::CharmUrl,
    ) -> Option<std::collections::BTreeSet<muster_model::name::EndpointName>> {
        let model = self.estate.model(goal.as_ref()?.model)?;
        let charm = model.charm(url)?;
        Some(charm.charm.metadata.endpoints.keys().cloned().collect())
    }

    /// Writes the journal. The agent may be killed before it is on disk, or right after.
    pub(crate) fn save(
        &mut self,
        host: &mut Host,
        name: &UnitName,
        unit: &Unit,
    ) -> Result<(), Stop> {
        if self.random.happens(self.faults.crash) {
            if self.random.below(2) == 0 {
                host.journals.insert(name.clone(), unit.local.clone());
            }
            return Err(Stop::Crash);
        }
        host.journals.insert(name.clone(), unit.local.clone());
        Ok(())
    }

    /// The unit does one thing; whether it had any.
    pub(crate) fn unit_turn(
        &mut self,
        at: At,
        host: &mut Host,
        name: &UnitName,
    ) -> Result<bool, Stop> {
        let Some(mut unit) = host.units.remove(name) else { return Ok(false) };
        let result = self.unit_does(at, host, name, &mut unit);
        if !matches!(unit.local.progress, Progress::Gone) || host.journals.contains_key(name) {
            host.units.insert(name.clone(), unit);
        }
        result
    }

    fn unit_does(
        &mut self,
        at: At,
        host: &mut Host,
        name: &UnitName,
        unit: &mut Unit,
    ) -> Result<bool, Stop> {
        unit.wakes = None;
        if let Some(busy) = &unit.busy {
            if busy.ends() > self.now {
                unit.wakes = Some(busy.ends());
                return Ok(false);
            }
            self.ends(at, host, name, unit)?;
            return Ok(true);
        }
        if let Some(again) = unit.again.filter(|again| *again > self.now) {
            unit.wakes = Some(again);
            return Ok(false);
        }
        unit.again = None;
        let Some(next) = self.asks(host, name, unit) else { return Ok(false) };
        match next {
            Next::Run(step) => self.carry_out(at, host, name, unit, &step),
            Next::Wait { reason, until } => {
                unit.wakes = until;
                self.rests(at, host, name, unit, reason.to_string())
            }
            Next::Idle { until } => {
                unit.wakes = until;
                self.rests(at, host, name, unit, String::new())
            }
            Next::Gone => {
                unit.local.progress = Progress::Gone;
                self.forget(host, name);
                Ok(true)
            }
        }
    }

    /// What the unit does now; none where no goal speaks of it.
    pub(crate) fn asks(&mut self, host: &Host, name: &UnitName, unit: &mut Unit) -> Option<Next> {
        let goal = host.goal.as_ref()?;
        unit.seen.addresses.clone_from(&goal.addresses);
        let wanted = goal.units.get(name);
        let Some(wanted) = wanted else { return parked(&unit.local) };
        unit.seen.leads = wanted.leader && host.lease.is_some_and(|until| until >= self.now);
        if self.random.happens(self.faults.tick) {
            unit.seen.tick = Some(self.now);
        }
        Some(next(name, &unit.local, &unit.seen, wanted, &goal.settings, self.now))
    }

    /// Says that it has nothing to do, once for each goal.
    fn rests(
        &mut self,
        at: At,
        host: &mut Host,
        name: &UnitName,
        unit: &mut Unit,
        waits: String,
    ) -> Result<bool, Stop> {
        let Some(goal) = &host.goal else { return Ok(false) };
        let rest = (goal.revision, waits.clone());
        if unit.rested.as_ref() == Some(&rest) {
            return Ok(false);
        }
        let units = BTreeMap::from([(name.clone(), waits)]);
        let left = BTreeMap::new();
        let body = ReportBody::Rest { machine: at.1, revision: rest.0, units, left };
        if let Err(refusal) = self.tell(at, host, body)? {
            return Err(super::Broken(format!("{name} may not rest: {refusal}")).into());
        }
        unit.rested = Some(rest);
        Ok(true)
    }
}
