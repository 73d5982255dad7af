//! What has outlived its use: answers to requests, tokens that ended, operations that are over.
//!
//! Everything that grows with use has an age and a number here (reliability document, R29).

use std::time::Duration;

use crate::draft::{Draft, MAX_WRITES, Txn};
use crate::estate::Estate;
use crate::model::Model;
use crate::name::OperationId;
use crate::record::{Operation, Request, Task, TaskLog, TaskResult, Token};
use crate::time::Timestamp;

/// How long the answer to a request is kept for a retry (reliability document, section 5).
pub const ANSWERS: Duration = Duration::from_secs(24 * 3600);

/// Operations of a model that are kept however old they are.
pub const OPERATIONS: usize = 1_000;

/// How long operations that are over are kept, if there are not too many.
pub const OPERATION_AGE: Duration = Duration::from_secs(14 * 24 * 3600);

/// Records that go with a task.
const OF_A_TASK: usize = 3;

/// The next bounded Txn that forgets some of what has outlived its use; empty if there is nothing.
#[must_use]
pub fn stale(estate: &Estate, now: Timestamp) -> Txn {
    let mut draft = Draft::new(estate);
    let answers = estate.table::<Request>().values();
    for old in answers.filter(|request| now.since(request.at) >= ANSWERS).take(MAX_WRITES) {
        // Read, so that it is the old one that goes.
        if draft.get::<Request>(old.id.clone()).is_some() {
            draft.remove::<Request>(old.id.clone());
        }
    }
    let room = MAX_WRITES.saturating_sub(draft.writes());
    let tokens = estate.table::<Token>().values();
    for old in tokens.filter(|token| token.expires.is_some_and(|at| at <= now)).take(room) {
        if draft.get::<Token>(old.hash).is_some() {
            draft.remove::<Token>(old.hash);
        }
    }
    for model in estate.models() {
        for id in finished(model, now) {
            if draft.writes() + OF_A_TASK >= MAX_WRITES {
                return draft.finish();
            }
            forget(&mut draft, model, id);
        }
    }
    draft.finish()
}

/// Operations of a model that are over and too old or too many, oldest first.
fn finished(model: &Model, now: Timestamp) -> impl Iterator<Item = OperationId> {
    let beyond = model.table::<Operation>().len().saturating_sub(OPERATIONS);
    let over = |operation: &Operation| {
        operation.tasks.iter().all(|task| {
            let result = model.table::<TaskResult>().get(task);
            result.is_none_or(|result| result.state.is_over())
        })
    };
    let all = model.table::<Operation>().iter().enumerate();
    all.filter(move |(place, (_, operation))| {
        (*place < beyond || now.since(operation.enqueued) >= OPERATION_AGE) && over(operation)
    })
    .map(|(_, (id, _))| *id)
}

/// Forgets an operation with its tasks, or as many of them as still go into the draft.
fn forget(draft: &mut Draft<'_>, model: &Model, id: OperationId) {
    let Some(mut operation) = draft.get_in::<Operation>(model.id(), id) else { return };
    let room = MAX_WRITES.saturating_sub(draft.writes() + 1) / OF_A_TASK;
    let some = operation.tasks.len().min(room);
    for task in operation.tasks.drain(..some) {
        if draft.get_in::<Task>(model.id(), task).is_some() {
            draft.remove_in::<Task>(model.id(), task);
        }
        if draft.get_in::<TaskResult>(model.id(), task).is_some() {
            draft.remove_in::<TaskResult>(model.id(), task);
        }
        if draft.get_in::<TaskLog>(model.id(), task).is_some() {
            draft.remove_in::<TaskLog>(model.id(), task);
        }
    }
    if operation.tasks.is_empty() {
        draft.remove_in::<Operation>(model.id(), id);
    } else {
        draft.put_in(model.id(), operation);
    }
}
