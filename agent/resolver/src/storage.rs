//! Row 10: storage comes and goes (hook contract, section 4.11; reliability document, R14).
//!
//! ```text
//! Mount ─▶ -storage-attached ─▶ … ─▶ -storage-detaching ─▶ Unmount
//! ```
//!
//! Mounting is the host's and is done again after each boot; the hooks are the charm's and run once.

use muster_model::goal::StorageGoal;
use muster_model::hook::{StorageHook, StorageHookKind};
use muster_model::name::StorageId;
use muster_model::{Hook, Life, Timestamp};

use crate::Case;
use crate::local::StorageLocal;
use crate::progress::Progress;
use crate::step::{Next, Reason, Seen, Step, StorageSeen};

/// Makes ready what is wanted and not ready. A storage that the charm has seen and that is away
/// holds the unit up: a workload must not write beside its data. One that is new does not, except
/// before `install`. What goes is there until its `-storage-detaching` was committed (section 4.11),
/// also after a start of the agent or the machine in between; unless it goes by force and cannot be
/// made ready.
pub(crate) fn mounts(case: &Case<'_>) -> Option<Next> {
    case.local.deployed.as_ref()?;
    let runs = case.local.flags.installed || matches!(case.local.progress, Progress::Failed { .. });
    for (id, goal) in &case.goal.storage {
        let local = case.local.storage.get(id);
        // One that was taken away and is wanted again was given back to this unit: a goal that still
        // shows it going never shows it alive.
        let stays = goal.life == Life::Alive && !case.is_leaving();
        let shown = runs && local.is_some_and(|local| local.attached);
        if !stays && !shown {
            continue;
        }
        match case.seen.storage.get(id) {
            Some(StorageSeen::Ready) => {}
            Some(StorageSeen::Trouble(..)) if goal.force && !stays => {}
            Some(StorageSeen::Trouble(why, at)) if *at > case.now => {
                if local.is_some_and(|local| local.attached) {
                    let reason = Reason::Storage(id.clone(), why.clone());
                    return Some(Next::Wait { reason, until: Some(*at) });
                }
            }
            Some(StorageSeen::Trouble(..)) | None => {
                return Some(Next::Run(Step::Mount(id.clone())));
            }
        }
    }
    None
}

/// By force a storage is also taken from a unit that can run no hook: one in error, or with a charm
/// that cannot be put in place. A hook that failed about this very storage counts as done.
pub(crate) fn forced(case: &Case<'_>) -> Option<Next> {
    let failed = match &case.local.progress {
        Progress::Failed { failure, .. } => Some(&failure.hook),
        Progress::Conflicted { .. } => None,
        _ => return None,
    };
    let mut going = case.goal.storage.iter().filter(|(_, goal)| goes(case, goal) && goal.force);
    going.find_map(|(id, _)| match failed {
        Some(hook @ Hook::Storage(about)) if about.storage == *id => {
            Some(Next::Run(Step::PassOver(hook.clone())))
        }
        _ => unmount(case, id, case.local.storage.get(id)),
    })
}

/// Tells the charm, and takes away what it has let go of.
pub(crate) fn hooks(case: &Case<'_>) -> Option<Next> {
    if !case.is_idle() || case.local.deployed.is_none() {
        return None;
    }
    // A unit that never was installed runs nothing; what was mounted for it goes with it.
    if case.is_leaving() && !case.local.flags.installed {
        return None;
    }
    for (id, goal) in &case.goal.storage {
        if let Some(next) = going(case, id, goal).or_else(|| coming(case, id, goal)) {
            return Some(next);
        }
    }
    // Before `install` every storage must be there.
    if case.local.flags.installed {
        return None;
    }
    case.goal.storage.iter().find_map(|(id, goal)| {
        let attached = case.local.storage.get(id).is_some_and(|local| local.attached);
        if goal.life != Life::Alive || attached {
            return None;
        }
        let (why, until) = trouble(case.seen, id);
        Some(Next::Wait { reason: Reason::Storage(id.clone(), why), until })
    })
}

fn coming(case: &Case<'_>, id: &StorageId, goal: &StorageGoal) -> Option<Next> {
    let local = case.local.storage.get(id);
    let fresh = local.is_none_or(|local| !local.attached);
    let ready = case.seen.storage.get(id) == Some(&StorageSeen::Ready);
    (goal.life == Life::Alive && !case.is_leaving() && ready && fresh)
        .then(|| Next::Run(Step::Hook(hook(id, StorageHookKind::Attached))))
}

fn going(case: &Case<'_>, id: &StorageId, goal: &StorageGoal) -> Option<Next> {
    if !goes(case, goal) {
        return None;
    }
    let local = case.local.storage.get(id);
    let cannot = goal.force && matches!(case.seen.storage.get(id), Some(StorageSeen::Trouble(..)));
    if local.is_some_and(|local| local.attached && !local.released) && !cannot {
        return Some(Next::Run(Step::Hook(hook(id, StorageHookKind::Detaching))));
    }
    unmount(case, id, local)
}

fn goes(case: &Case<'_>, goal: &StorageGoal) -> bool {
    goal.life != Life::Alive || case.is_leaving()
}

fn unmount(case: &Case<'_>, id: &StorageId, local: Option<&StorageLocal>) -> Option<Next> {
    let Some(local) = local else {
        // Taken back before it was made: there is nothing to take away, but the controller waits to
        // hear so. What a leaving unit never had goes with its records.
        return (!case.is_leaving()).then(|| Next::Run(Step::Unmount(id.clone())));
    };
    if local.released {
        return None;
    }
    // Unmounted while the unit stays; a unit that leaves takes all of its mounts down at the end.
    match case.seen.storage.get(id) {
        Some(StorageSeen::Trouble(_, at)) if *at > case.now => None,
        _ => Some(Next::Run(Step::Unmount(id.clone()))),
    }
}

/// Whatever else is waited for: a storage in trouble is looked at again when its time has come.
pub(crate) fn again(case: &Case<'_>, next: Next) -> Next {
    let troubles = case.seen.storage.iter().filter_map(|(id, seen)| match seen {
        StorageSeen::Trouble(_, at) if *at > case.now && case.goal.storage.contains_key(id) => {
            Some(*at)
        }
        _ => None,
    });
    let Some(at) = troubles.min() else { return next };
    let sooner = |until: Option<Timestamp>| Some(until.map_or(at, |until| until.min(at)));
    match next {
        Next::Wait { reason, until } => Next::Wait { reason, until: sooner(until) },
        Next::Idle { until } => Next::Idle { until: sooner(until) },
        next => next,
    }
}

fn trouble(seen: &Seen, id: &StorageId) -> (String, Option<Timestamp>) {
    match seen.storage.get(id) {
        Some(StorageSeen::Trouble(why, at)) => (why.clone(), Some(*at)),
        _ => ("is being made".to_owned(), None),
    }
}

fn hook(id: &StorageId, kind: StorageHookKind) -> Hook {
    Hook::Storage(StorageHook { kind, storage: id.clone() })
}
