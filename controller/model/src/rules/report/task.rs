//! What comes of a task.

use crate::name::TaskId;
use crate::record::{Task, TaskLog, TaskResult};
use crate::refusal::Refusal;
use crate::report::TaskOutcome;
use crate::rules::{Deciding, action};
use crate::status::TaskState;
use crate::time::Timestamp;

/// Lines of a task's log that are kept.
const MAX_LINES: usize = 1_000;
/// Bytes of one line.
const MAX_LINE: usize = 16 << 10;
/// Bytes of a task's log that are kept.
const MAX_LOG: usize = 64 << 10;
/// Bytes of a task's results; beyond it the streams are cut.
const MAX_RESULTS: usize = 512 << 10;

pub(super) fn started(d: &mut Deciding<'_>, id: TaskId) -> Result<(), Refusal> {
    let mut result = result(d, id)?;
    if result.state == TaskState::Pending {
        result.state = TaskState::Running;
        result.started = Some(d.now);
        d.put(result);
    }
    Ok(())
}

pub(super) fn log(
    d: &mut Deciding<'_>,
    id: TaskId,
    at: Timestamp,
    line: &str,
) -> Result<(), Refusal> {
    result(d, id)?;
    let log = d.get::<TaskLog>(id);
    let mut log = log.unwrap_or(TaskLog { task: id, lines: Vec::new() });
    let entry = (at, line.chars().take(MAX_LINE).collect::<String>());
    if log.lines.last() == Some(&entry) {
        // The same line again, at the same moment: the report was sent twice.
        return Ok(());
    }
    log.lines.push(entry);
    let size = |log: &TaskLog| log.lines.iter().map(|(_, line)| line.len()).sum::<usize>();
    while log.lines.len() > MAX_LINES || (size(&log) > MAX_LOG && log.lines.len() > 1) {
        log.lines.remove(0);
    }
    d.put(log);
    Ok(())
}

pub(super) fn outcome(
    d: &mut Deciding<'_>,
    id: TaskId,
    outcome: &TaskOutcome,
) -> Result<(), Refusal> {
    let mut record = result(d, id)?;
    if record.state.is_over() {
        return Ok(());
    }
    record.state = outcome.state;
    record.message = outcome.message.chars().take(4096).collect();
    record.results = bounded(&outcome.results);
    record.started = record.started.or(Some(d.now));
    if outcome.state.is_over() {
        record.completed = Some(d.now);
        if let Some(task) = d.get::<Task>(id) {
            action::finish(d, &task);
        }
    }
    d.put(record);
    Ok(())
}

fn result(d: &mut Deciding<'_>, id: TaskId) -> Result<TaskResult, Refusal> {
    d.get::<TaskResult>(id).ok_or_else(|| Refusal::not_found("task", id))
}

/// The results with long streams cut from their beginning, so that a record stays one that both
/// stores keep; what was cut is said.
fn bounded(
    results: &serde_json::Map<String, serde_json::Value>,
) -> serde_json::Map<String, serde_json::Value> {
    let size = |value: &serde_json::Value| value.to_string().len();
    let total: usize = results.values().map(size).sum();
    if total <= MAX_RESULTS {
        return results.clone();
    }
    let mut kept = serde_json::Map::new();
    for (key, value) in results {
        let value = match value {
            serde_json::Value::String(text) if text.len() > MAX_RESULTS / 4 => {
                let from = text.len() - MAX_RESULTS / 4;
                let from = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(from);
                let tail = text.get(from..).unwrap_or_default();
                format!("[{from} bytes were cut]\n{tail}").into()
            }
            other if size(other) > MAX_RESULTS / 4 => "[too large to be kept]".into(),
            other => other.clone(),
        };
        kept.insert(key.clone(), value);
    }
    kept
}
