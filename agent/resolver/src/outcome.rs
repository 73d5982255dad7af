//! What is told of a task when the controller does not take what it wrote, or not even how it ended
//! (hook contract, section 4.16, "commit refused").

use muster_model::report::TaskOutcome;

/// What is told of a task whose own outcome the controller does not take.
pub(crate) fn bare_outcome(reason: &str) -> TaskOutcome {
    let mut outcome = TaskOutcome {
        state: muster_model::status::TaskState::Failed,
        message: String::new(),
        results: serde_json::Map::new(),
    };
    refuse_outcome(&mut outcome, &reason.chars().take(1024).collect::<String>());
    outcome
}

/// Whether an outcome is one of [`bare_outcome`].
pub(crate) fn is_bare(outcome: &TaskOutcome) -> bool {
    outcome.message == REFUSED
        && outcome.results.keys().all(|key| key == "stderr" || key == "return-code")
}

/// What a task's outcome says when it was not taken.
const REFUSED: &str = "committing requested changes failed";

/// Makes an outcome say that the commit was refused.
pub(crate) fn refuse_outcome(outcome: &mut TaskOutcome, reason: &str) {
    use muster_model::status::TaskState;
    use serde_json::{Value, json};

    outcome.state = TaskState::Failed;
    if outcome.message.is_empty() {
        outcome.message = REFUSED.to_owned();
    }
    let stderr = match outcome.results.get("stderr") {
        Some(Value::String(text)) => format!("{text}{reason}"),
        _ => reason.to_owned(),
    };
    outcome.results.insert("stderr".to_owned(), json!(stderr));
    let code = outcome.results.get("return-code").and_then(Value::as_i64).unwrap_or(0);
    if code == 0 {
        outcome.results.insert("return-code".to_owned(), json!(1));
    }
}
