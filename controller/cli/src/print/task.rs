//! Plain output of `run`, `exec` and `show-task` (CLI contract §4.4).

use muster_console::format::Format;
use serde_json::{Map, Value, json};

use super::naturally;
use crate::shape::action::{Task, Tasks};

/// What `run` prints: one target's results as YAML, then what its script wrote; several as a map.
#[must_use]
pub fn run(tasks: &Tasks) -> String {
    if let (1, Some(task)) = (tasks.len(), tasks.values().next()) {
        return one(task);
    }
    let map: Map<String, Value> = tasks
        .iter()
        .map(|(target, task)| (target.clone(), json!({ "id": task.id, "output": one(task) })))
        .collect();
    Format::Yaml.render(&Value::Object(map))
}

/// One task's results without the return code and streams, then stdout, then stderr.
#[must_use]
pub fn one(task: &Task) -> String {
    let mut own = task.results.clone();
    for key in ["return-code", "stdout", "stderr", "stdout-encoding", "stderr-encoding"] {
        own.remove(key);
    }
    let mut text =
        if own.is_empty() { String::new() } else { Format::Yaml.render(&Value::Object(own)) };
    for stream in [task.stream("stdout"), task.stream("stderr")] {
        push_lines(&mut text, stream);
    }
    text
}

/// What `exec` prints: stdout then stderr of each target, headed when there are several.
#[must_use]
pub fn exec(tasks: &Tasks) -> String {
    let mut text = String::new();
    for (target, task) in naturally(tasks) {
        if tasks.len() > 1 {
            text.push_str(&format!("{target}:\n"));
        }
        for stream in [task.stream("stdout"), task.stream("stderr")] {
            push_lines(&mut text, stream);
        }
        if tasks.len() > 1 {
            text.push('\n');
        }
    }
    text
}

fn push_lines(text: &mut String, lines: &str) {
    text.push_str(lines);
    if !lines.is_empty() && !lines.ends_with('\n') {
        text.push('\n');
    }
}

/// The error line for tasks that went wrong, or nothing. `program` is what to type for more.
#[must_use]
pub fn complaint(tasks: &Tasks, program: &str) -> Option<String> {
    let wrong: Vec<&Task> = tasks.values().filter(|task| task.went_wrong()).collect();
    let first = wrong.first()?;
    let noun = if wrong.len() == 1 { "task" } else { "tasks" };
    let mut text = format!("the following {noun} failed:\n");
    for task in &wrong {
        match task.return_code() {
            Some(code) => {
                text.push_str(&format!(" - id \"{}\" with return code {code}\n", task.id));
            }
            None if task.message.is_empty() => {
                text.push_str(&format!(" - id \"{}\" {}\n", task.id, task.status));
            }
            None => text.push_str(&format!(" - id \"{}\": {}\n", task.id, task.message)),
        }
    }
    text.push_str(&format!("\nuse '{program} show-task {}' to inspect the failure\n", first.id));
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str, status: &str, results: &Value) -> Task {
        let results = results.as_object().cloned().unwrap_or_default();
        Task { id: id.to_owned(), status: status.to_owned(), results, ..Task::default() }
    }

    #[test]
    fn one_target_is_plain_and_several_are_a_map() {
        let mut tasks = Tasks::new();
        let results = json!({"return-code": 0, "stdout": "hi\n", "stderr": "oh", "count": "3", "deep": {"a": "b"}});
        tasks.insert("a/0".to_owned(), task("1", "completed", &results));
        assert_eq!(run(&tasks), "count: \"3\"\ndeep:\n  a: b\nhi\noh\n");
        assert_eq!(exec(&tasks), "hi\noh\n");
        tasks.insert(
            "a/1".to_owned(),
            task("2", "completed", &json!({"return-code": 0, "stdout": "ho"})),
        );
        assert_eq!(exec(&tasks), "a/0:\nhi\noh\n\na/1:\nho\n\n");
        assert!(
            run(&tasks).starts_with("a/0:\n  id: \"1\"\n  output: |\n    count:"),
            "{}",
            run(&tasks)
        );
        assert_eq!(complaint(&tasks, "muster"), None);
    }

    #[test]
    fn a_crash_is_told_and_a_reported_failure_is_not() {
        let mut tasks = Tasks::new();
        tasks.insert("a/0".to_owned(), task("7", "failed", &json!({"return-code": 0})));
        assert_eq!(complaint(&tasks, "juju"), None);
        tasks.insert("a/1".to_owned(), task("8", "completed", &json!({"return-code": 3})));
        let said = complaint(&tasks, "juju").unwrap();
        assert_eq!(
            said,
            "the following task failed:\n - id \"8\" with return code 3\n\nuse 'juju show-task 8' to inspect the failure\n"
        );
        tasks.insert("a/2".to_owned(), task("9", "aborted", &json!({})));
        let said = complaint(&tasks, "juju").unwrap();
        assert!(said.contains("tasks failed") && !said.contains("task failed"), "{said}");
    }
}
