//! The controller as a value in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use muster_agent::controller::{Bytestream, Controller, ControllerError, Polled};
use muster_api::body::{LogBatch, LogLine, LogReceipt, PresenceBody};
use muster_model::effects::{Settings as Map, apply_change};
use muster_model::goal::{Bag, Goal, Snapshot, SnapshotRequest};
use muster_model::name::{Member, RelationId, UnitName};
use muster_model::refusal::Code;
use muster_model::report::{NowReport, Receipt, ReportBody, StepReport};
use muster_model::{Refusal, Report, Revision, Version};
use muster_resources::Digest;
use tokio::sync::watch;

/// The controller, as far as an agent can tell.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) state: Mutex<State>,
    pub(crate) changed: watch::Sender<u64>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) goal: Goal,
    pub(crate) reports: Vec<ReportBody>,
    pub(crate) bags: BTreeMap<(RelationId, Member), (Version, Map)>,
    pub(crate) leader_settings: (Version, Map),
    pub(crate) unit_state: (Version, Map),
    pub(crate) blobs: BTreeMap<Digest, Vec<u8>>,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) lease: Duration,
    /// Nobody answers.
    pub(crate) down: bool,
    /// The machine's facts were told once.
    pub(crate) known: bool,
    /// Its disk is full: it answers, and takes no report.
    pub(crate) full: bool,
    /// The next commit whose effects are not empty is refused with this.
    pub(crate) refuse: Option<String>,
    /// So many reports of the machine itself are refused, whatever they say.
    pub(crate) refuse_machine: u32,
    pub(crate) snapshots: u32,
    pub(crate) blob_reads: u32,
}

impl Fake {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let value = change(&mut self.state.lock().unwrap());
        self.changed.send_modify(|count| *count += 1);
        value
    }

    /// Changes what is wanted, as of a new revision.
    pub(crate) fn want(&self, change: impl FnOnce(&mut Goal)) {
        self.change(|state| {
            change(&mut state.goal);
            state.goal.revision = state.goal.revision.next();
        });
    }

    /// Whether its disk is full.
    pub(crate) fn fill(&self, full: bool) {
        self.change(|state| state.full = full);
    }

    fn answer(&self, report: &Report) -> Result<Receipt, ControllerError> {
        self.change(|state| {
            if state.down {
                return Err(ControllerError::Passing(Box::from("down")));
            }
            if state.full {
                return Err(ControllerError::Passing(Box::from("the disk is full")));
            }
            let mut receipt = Receipt { revision: state.goal.revision, ..Receipt::default() };
            match &report.body {
                ReportBody::Step { unit, seq, step } => {
                    let Some(wanted) = state.goal.units.get_mut(unit) else {
                        if *step == StepReport::Gone {
                            // Its records have gone; as the controller does, this is heard again.
                            state.reports.push(report.body.clone());
                            receipt.seq = *seq;
                            return Ok(receipt);
                        }
                        return Err(refused(Code::NotFound, "unit not found"));
                    };
                    if *seq <= wanted.seq {
                        receipt.seq = wanted.seq;
                        return Ok(receipt);
                    }
                    if *seq != wanted.seq.next() {
                        return Err(refused(Code::OutOfStep, "not the next one"));
                    }
                    let effects = match step {
                        StepReport::Committed { effects, .. }
                        | StepReport::Task { effects, .. }
                        | StepReport::Outside { effects } => Some(effects.clone()),
                        _ => None,
                    };
                    if let Some(effects) = effects.filter(|effects| !effects.is_empty()) {
                        if let Some(text) = state.refuse.take() {
                            return Err(refused(Code::Invalid, &text));
                        }
                        for (relation, change) in &effects.unit_settings {
                            let bag = state
                                .bags
                                .entry((*relation, Member::Unit(unit.clone())))
                                .or_default();
                            if apply_change(&mut bag.1, change) {
                                bag.0 = bag.0.next();
                            }
                        }
                        for (relation, change) in &effects.application_settings {
                            let member = Member::Application(unit.application.clone());
                            let bag = state.bags.entry((*relation, member)).or_default();
                            if apply_change(&mut bag.1, change) {
                                bag.0 = bag.0.next();
                            }
                        }
                        if apply_change(&mut state.unit_state.1, &effects.state) {
                            state.unit_state.0 = state.unit_state.0.next();
                        }
                        let wanted = state.goal.units.get_mut(unit).unwrap();
                        for port in &effects.close_ports {
                            wanted.ports.retain(|open| {
                                open.range != port.range
                                    || (port.endpoint.is_some() && open.endpoint != port.endpoint)
                            });
                        }
                        wanted.ports.extend(effects.open_ports.iter().cloned());
                    }
                    let wanted = state.goal.units.get_mut(unit).unwrap();
                    wanted.seq = *seq;
                    receipt.seq = *seq;
                    if let StepReport::Task { task, .. } = step {
                        wanted.tasks.retain(|goal| goal.id != *task);
                    }
                    if *step == StepReport::Gone {
                        state.goal.units.remove(unit);
                    }
                    state.goal.revision = state.goal.revision.next();
                }
                ReportBody::Rest { .. } | ReportBody::MachineDone { .. }
                    if state.refuse_machine > 0 =>
                {
                    state.refuse_machine -= 1;
                    return Err(refused(Code::Invalid, "not now"));
                }
                ReportBody::Now { now: NowReport::LeaderSettings(change), .. } => {
                    if apply_change(&mut state.leader_settings.1, change) {
                        state.leader_settings.0 = state.leader_settings.0.next();
                    }
                    receipt.leader_settings = state.leader_settings.0;
                }
                ReportBody::Facts { .. } => state.known = true,
                _ => {}
            }
            state.reports.push(report.body.clone());
            Ok(receipt)
        })
    }
}

fn refused(code: Code, text: &str) -> ControllerError {
    ControllerError::Refused(Refusal::new(code, text))
}

impl Controller for Fake {
    fn goal(&self, after: Revision) -> BoxFuture<'_, Result<Polled, ControllerError>> {
        Box::pin(async move {
            let sent = Instant::now();
            let mut changed = self.changed.subscribe();
            loop {
                {
                    let state = self.state.lock().unwrap();
                    if state.down {
                        return Err(ControllerError::Passing(Box::from("down")));
                    }
                    // Who is not known to be there is given nothing to do.
                    if state.goal.revision > after && state.known {
                        return Ok(Polled {
                            goal: Some(state.goal.clone()),
                            lease: Some(sent + state.lease),
                        });
                    }
                }
                if changed.changed().await.is_err() {
                    return Err(ControllerError::Passing(Box::from("over")));
                }
            }
        })
    }

    fn report<'a>(&'a self, report: &'a Report) -> BoxFuture<'a, Result<Receipt, ControllerError>> {
        Box::pin(async move { self.answer(report) })
    }

    fn snapshot<'a>(
        &'a self,
        unit: &'a UnitName,
        request: &'a SnapshotRequest,
    ) -> BoxFuture<'a, Result<Snapshot, ControllerError>> {
        Box::pin(async move {
            let mut state = self.state.lock().unwrap();
            state.snapshots += 1;
            let bags = state
                .bags
                .iter()
                .filter(|((relation, member), (version, _))| {
                    !request.known.contains(&(*relation, member.clone(), *version))
                })
                .map(|((relation, member), (version, settings))| Bag {
                    relation: *relation,
                    member: member.clone(),
                    version: *version,
                    settings: settings.clone(),
                })
                .collect();
            let goal_state = serde_json::json!({
                "units": { "wiki/0": { "status": "active", "since": "2024-01-31 10:20:30Z" } },
                "relations": {},
            });
            Ok(Snapshot {
                revision: state.goal.revision,
                unit: unit.clone(),
                bags,
                leader_settings: (request.leader_settings != Some(state.leader_settings.0))
                    .then(|| state.leader_settings.clone()),
                state: (request.state != Some(state.unit_state.0))
                    .then(|| state.unit_state.clone()),
                status: Some(serde_json::json!({
                    "unit": { "status": "maintenance", "message": "m", "status-data": {} },
                    "application": { "status": "active", "message": "", "status-data": {} },
                    "units": { "wiki/0": { "status": "active", "message": "" } },
                })),
                goal_state: request.goal_state.then_some(goal_state),
            })
        })
    }

    fn blob<'a>(
        &'a self,
        digest: &'a Digest,
        offset: u64,
    ) -> BoxFuture<'a, Result<Bytestream, ControllerError>> {
        Box::pin(async move {
            let mut state = self.state.lock().unwrap();
            state.blob_reads += 1;
            let Some(bytes) = state.blobs.get(digest) else {
                return Err(refused(Code::NotFound, "no such blob"));
            };
            let rest = bytes[usize::try_from(offset).unwrap()..].to_vec();
            let pieces: Vec<_> =
                rest.chunks(1000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            Ok(stream::iter(pieces).boxed())
        })
    }

    fn logs<'a>(
        &'a self,
        batch: &'a LogBatch,
    ) -> BoxFuture<'a, Result<LogReceipt, ControllerError>> {
        Box::pin(async move {
            let mut state = self.state.lock().unwrap();
            let have = state.logs.len() as u64;
            let skip = usize::try_from(have.saturating_sub(batch.first)).unwrap();
            state.logs.extend(batch.lines.iter().skip(skip).cloned());
            let next = state.logs.len() as u64;
            drop(state);
            self.changed.send_modify(|count| *count += 1);
            Ok(LogReceipt { next })
        })
    }

    fn presence<'a>(&'a self, _: &'a PresenceBody) -> BoxFuture<'a, Result<(), ControllerError>> {
        Box::pin(async { Ok(()) })
    }

    fn addresses(&self) -> String {
        "10.0.0.1:17070".to_owned()
    }
}
