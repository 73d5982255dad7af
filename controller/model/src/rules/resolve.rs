//! Answering failed hooks, and charms that could not be put in place.

use std::collections::BTreeSet;

use crate::name::UnitName;
use crate::record::{Resolve, UnitProgress};
use crate::refusal::{Code, Refusal};
use crate::reply::Outcome;

use super::Deciding;

/// Units that one command answers at most; a Txn has its limit.
const MAX_AT_ONCE: usize = 50;

pub(super) fn resolve(
    d: &mut Deciding<'_>,
    units: &BTreeSet<UnitName>,
    retry: bool,
) -> Result<Outcome, Refusal> {
    let all: BTreeSet<UnitName> = if units.is_empty() {
        let progress = d.beneath().into_iter().flat_map(|m| m.table::<UnitProgress>().values());
        let failed = progress.filter(|progress| progress.failure.is_some());
        failed.take(MAX_AT_ONCE).map(|progress| progress.unit.clone()).collect()
    } else {
        units.clone()
    };
    for name in &all {
        let mut unit = d.unit(name)?;
        let Some(failure) = d.progress(name)?.failure else {
            return Err(Refusal::new(
                Code::Unsuitable,
                format!("unit \"{name}\" is not in an error state"),
            ));
        };
        let count = unit.resolve.map_or(1, |last| last.count.wrapping_add(1));
        unit.resolve = Some(Resolve { seq: failure.seq, retry, count });
        d.put(unit);
    }
    Ok(Outcome::Done)
}
