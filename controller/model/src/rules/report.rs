//! What a report changes. A unit's numbered reports are taken once each, in order (R5, R9).

mod effects;
pub(crate) mod scope;
mod task;

use std::collections::BTreeMap;

use crate::hook::{Hook, RelationHookKind};
use crate::life::Life;
use crate::name::{MachineId, StorageId, UnitName};
use crate::record::{
    ApplicationStatus, InstanceRecord, LeaderSettings, Leadership, Machine, MachineFacts, Storage,
    StorageFacts, Unit, UnitFailure, UnitProgress,
};
use crate::refusal::{Code, Refusal};
use crate::report::{FactsReport, InstanceReport, NowReport, Receipt, ReportBody, StepReport};
use crate::status::{Agent, StorageState, Workload};
use crate::time::Timestamp;
use crate::version::{Revision, Seq, Version};

use super::{Deciding, invalid, kept, secret};

pub(super) fn take(d: &mut Deciding<'_>, body: &ReportBody) -> Result<Receipt, Refusal> {
    match body {
        ReportBody::Facts { machine, facts } => facts_of(d, *machine, facts),
        ReportBody::MachineDone { machine } => machine_done(d, *machine),
        ReportBody::Discarded { machine, storage, trouble } => {
            kept::discarded(d, *machine, storage, &cut(trouble))
        }
        ReportBody::Rest { revision, units, left, .. } => rest(d, *revision, units, left),
        ReportBody::Step { unit, seq, step } => self::step(d, unit, *seq, step),
        ReportBody::Now { unit, now } => self::now(d, unit, now),
        ReportBody::MachineTask { task, outcome, .. } => {
            task::outcome(d, *task, outcome)?;
            Ok(Receipt::default())
        }
        ReportBody::Provision { machine, instance } => provision(d, *machine, instance),
    }
}

fn facts_of(
    d: &mut Deciding<'_>,
    machine: MachineId,
    facts: &FactsReport,
) -> Result<Receipt, Refusal> {
    if d.get::<Machine>(machine).is_none() {
        return Err(Refusal::not_found("machine", machine));
    }
    d.put(MachineFacts {
        machine,
        hostname: facts.hostname.clone(),
        addresses: facts.addresses.clone(),
        hardware: facts.hardware.clone(),
        base: facts.base.clone(),
        boot_id: facts.boot_id.clone(),
        agent_version: facts.agent_version.clone(),
        trouble: facts.trouble.clone(),
    });
    Ok(Receipt::default())
}

fn machine_done(d: &mut Deciding<'_>, id: MachineId) -> Result<Receipt, Refusal> {
    let Some(mut machine) = d.get::<Machine>(id) else { return Ok(Receipt::default()) };
    if machine.life.is_alive() {
        return Err(invalid(format!("machine {id} is wanted")));
    }
    machine.life.at_least(Life::Dead);
    d.put(machine);
    Ok(Receipt::default())
}

fn rest(
    d: &mut Deciding<'_>,
    revision: Revision,
    units: &BTreeMap<UnitName, String>,
    left: &BTreeMap<UnitName, u32>,
) -> Result<Receipt, Refusal> {
    let now = d.now;
    for (name, waits_for) in units {
        // A unit that upkeep has taken away meanwhile has nothing to rest from.
        let Some(mut progress) = d.get::<UnitProgress>(name.clone()) else { continue };
        progress.seen = true;
        progress.rested = progress.rested.max(revision);
        progress.waits_for.clone_from(waits_for);
        progress.left = left.get(name).copied().unwrap_or_default();
        let word = if progress.failure.is_some() { Agent::Error } else { Agent::Idle };
        progress.agent.set(word, "", now);
        d.put(progress);
    }
    Ok(Receipt::default())
}

fn step(
    d: &mut Deciding<'_>,
    name: &UnitName,
    seq: Seq,
    step: &StepReport,
) -> Result<Receipt, Refusal> {
    let Some(mut progress) = d.get::<UnitProgress>(name.clone()) else {
        // Its records went with the first of these reports.
        return match step {
            StepReport::Gone => Ok(Receipt { seq, ..Receipt::default() }),
            _ => Err(Refusal::not_found("unit", name)),
        };
    };
    if seq <= progress.seq {
        return Ok(Receipt { seq: progress.seq, ..Receipt::default() });
    }
    if seq != progress.seq.next() {
        let expected = progress.seq.next();
        let mut refusal = Refusal::new(
            Code::OutOfStep,
            format!("unit {name} sent report {seq}; {expected} is expected"),
        );
        refusal.expected = Some(expected);
        return Err(refusal);
    }
    progress.seq = seq;
    progress.seen = true;
    let now = d.now;
    match step {
        StepReport::Deployed { charm, charm_modified } => {
            progress.charm = Some(charm.clone());
            progress.charm_modified = *charm_modified;
            if !progress.installed && !progress.status_set {
                progress.workload.set(Workload::Maintenance, "installing charm software", now);
            }
            // A hook that had failed before a forced upgrade runs again, and is told of anew.
            progress.failure = progress.failure.filter(|failure| failure.hook.is_some());
        }
        StepReport::NotDeployed { attempts, reason, .. } => {
            failed(&mut progress, None, *attempts, reason, now);
        }
        StepReport::Committed { hook, effects } => {
            effects::apply(d, name, effects, &mut progress)?;
            committed(d, name, hook, &mut progress)?;
            progress.failure = None;
        }
        StepReport::Failed { hook, attempts, reason } => {
            failed(&mut progress, Some(hook), *attempts, reason, now);
        }
        StepReport::Task { task, outcome, effects } => {
            effects::apply(d, name, effects, &mut progress)?;
            task::outcome(d, *task, outcome)?;
        }
        StepReport::Outside { effects } => effects::apply(d, name, effects, &mut progress)?,
        StepReport::Gone => {
            let mut unit = d.unit(name)?;
            if unit.life.is_alive() {
                return Err(invalid(format!("unit {name} is wanted")));
            }
            unit.life.at_least(Life::Dead);
            d.put(unit);
        }
    }
    d.put(progress);
    Ok(Receipt { seq, ..Receipt::default() })
}

/// Something failed, as the report just counted says.
fn failed(
    progress: &mut UnitProgress,
    hook: Option<&Hook>,
    attempts: u32,
    reason: &str,
    at: Timestamp,
) {
    let reason: String = reason.chars().take(1024).collect();
    let seq = progress.seq;
    progress.failure = Some(UnitFailure { hook: hook.cloned(), seq, attempts, reason, at });
    let told = progress.failure_told().unwrap_or_default();
    progress.agent.set(Agent::Error, told, at);
}

fn committed(
    d: &mut Deciding<'_>,
    name: &UnitName,
    hook: &Hook,
    progress: &mut UnitProgress,
) -> Result<(), Refusal> {
    let now = d.now;
    match hook {
        Hook::Install => {
            progress.installed = true;
            scope::enter_all(d, name)?;
        }
        Hook::Start => {
            progress.started = true;
            if !progress.status_set {
                progress.workload.set(Workload::Unknown, "", now);
            }
        }
        Hook::Stop => {
            progress.workload.set(
                Workload::Maintenance,
                "cleaning up prior to charm deletion",
                now,
            );
        }
        Hook::Remove => {
            progress.workload.set(Workload::Terminated, "", now);
        }
        Hook::Relation(hook) if hook.kind == RelationHookKind::Broken => {
            scope::leave(d, name, hook.relation);
        }
        Hook::Secret(hook) => secret::committed(d, name, hook),
        Hook::ConfigChanged
        | Hook::UpgradeCharm
        | Hook::LeaderElected
        | Hook::LeaderSettingsChanged
        | Hook::UpdateStatus
        | Hook::Relation(_)
        | Hook::Storage(_) => {}
    }
    Ok(())
}

/// What a charm may say of its workload; the rest is the system's.
fn may_say(value: Workload) -> Result<(), Refusal> {
    match value {
        Workload::Maintenance | Workload::Blocked | Workload::Waiting | Workload::Active => Ok(()),
        Workload::Unknown | Workload::Terminated | Workload::Error => Err(invalid(format!(
            "invalid status \"{value}\", expected one of [maintenance blocked waiting active]"
        ))),
    }
}

/// The most bytes of a status message; longer ones are cut.
const MAX_MESSAGE: usize = 4096;

fn now(d: &mut Deciding<'_>, name: &UnitName, report: &NowReport) -> Result<Receipt, Refusal> {
    let at = d.now;
    let mut receipt = Receipt::default();
    match report {
        NowReport::Status { value, message } => {
            may_say(*value)?;
            let mut progress = d.progress(name)?;
            progress.status_set = true;
            progress.workload.set(*value, cut(message), at);
            d.put(progress);
        }
        NowReport::ApplicationStatus { value, message } => {
            may_say(*value)?;
            leads(d, name)?;
            let mut record = stated(d, name);
            record.status = Some(crate::status::Status::new(*value, cut(message), at));
            d.put(record);
        }
        NowReport::WorkloadVersion(version) => {
            let mut record = stated(d, name);
            record.workload_version = version.chars().take(256).collect();
            d.put(record);
        }
        NowReport::LeaderSettings(change) => {
            leads(d, name)?;
            let application = name.application.clone();
            let record = d.get::<LeaderSettings>(application.clone());
            let mut record = record.unwrap_or_else(|| LeaderSettings {
                application,
                version: Version::ZERO,
                settings: BTreeMap::new(),
            });
            if crate::effects::apply_change(&mut record.settings, change) {
                effects::bounded("leader settings", &record.settings)?;
                record.version = record.version.next();
            }
            receipt.leader_settings = record.version;
            d.put(record);
        }
        NowReport::TaskStarted(task) => task::started(d, *task)?,
        NowReport::TaskLog { task, at, line } => task::log(d, *task, *at, line)?,
        NowReport::Storage { storage, state, message, location, provider_id } => {
            self::storage(d, name, storage, *state, (message, location, provider_id))?;
        }
        NowReport::Secret(want) => receipt.secret = Some(secret::read(d, name, want)?),
        NowReport::Rebooting => {
            let mut progress = d.progress(name)?;
            progress.agent.set(Agent::Rebooting, "", at);
            d.put(progress);
        }
    }
    Ok(receipt)
}

fn cut(message: &str) -> String {
    message.chars().take(MAX_MESSAGE).collect()
}

fn stated(d: &mut Deciding<'_>, name: &UnitName) -> ApplicationStatus {
    let application = name.application.clone();
    d.get::<ApplicationStatus>(application.clone()).unwrap_or(ApplicationStatus {
        application,
        status: None,
        workload_version: String::new(),
    })
}

/// Refuses what only the leader may do. The leadership that was read is a precondition of the Txn,
/// and so the fence (R10).
pub(in crate::rules) fn leads(d: &mut Deciding<'_>, name: &UnitName) -> Result<(), Refusal> {
    let record = d.get::<Leadership>(name.application.clone());
    if record.and_then(|record| record.leader).as_ref() == Some(name) {
        return Ok(());
    }
    Err(Refusal::new(Code::NotLeader, format!("unit {name} is not the leader")))
}

fn storage(
    d: &mut Deciding<'_>,
    name: &UnitName,
    id: &StorageId,
    state: StorageState,
    (message, location, provider_id): (&str, &str, &str),
) -> Result<(), Refusal> {
    let Some(storage) = d.get::<Storage>(id.clone()) else { return Ok(()) };
    let owns = storage.attachment.as_ref().is_some_and(|attachment| attachment.unit == *name);
    if !owns {
        return Err(Refusal::new(
            Code::PermissionDenied,
            format!("permission denied: storage \"{id}\" is not {name}'s"),
        ));
    }
    if state == StorageState::Detached {
        let mut unit = d.unit(name)?;
        unit.storages.remove(id);
        d.put(unit);
        kept::let_go(d, storage);
        return Ok(());
    }
    let now = d.now;
    let facts = d.get::<StorageFacts>(id.clone());
    let mut facts = facts.unwrap_or_else(|| StorageFacts {
        storage: id.clone(),
        status: crate::status::Status::new(StorageState::Pending, "", now),
        location: String::new(),
        provider_id: String::new(),
    });
    facts.status.set(state, cut(message), now);
    facts.location = location.to_owned();
    if !provider_id.is_empty() {
        facts.provider_id = provider_id.to_owned();
    }
    d.put(facts);
    Ok(())
}

fn provision(
    d: &mut Deciding<'_>,
    id: MachineId,
    report: &InstanceReport,
) -> Result<Receipt, Refusal> {
    let Some(mut record) = d.get::<InstanceRecord>(id) else {
        return Err(Refusal::not_found("machine", id));
    };
    let now = d.now;
    let failing = report.state == crate::status::Instance::ProvisioningError;
    record.failures = if failing { record.failures.saturating_add(1) } else { 0 };
    record.status.set(report.state, cut(&report.message), now);
    if report.instance.is_some() {
        record.instance.clone_from(&report.instance);
    }
    record.address = report.address.or(record.address);
    record.limits.clone_from(&report.limits);
    record.gone |= report.gone;
    d.put(record);
    Ok(Receipt::default())
}

/// The unit's record, for the parts of this rule.
fn unit_of(d: &mut Deciding<'_>, name: &UnitName) -> Result<Unit, Refusal> {
    d.unit(name)
}
