//! The operator's hand: the `muster` command, called as a person would call it.

use std::path::PathBuf;

use serde_json::Value;

use super::DemoError;
use crate::call::Call;
use crate::voice::Work;

/// The `muster` command with a controller and a model chosen.
#[derive(Clone, Debug)]
pub struct Hand {
    program: PathBuf,
    controller: String,
    model: String,
    env: Vec<(String, PathBuf)>,
}

impl Hand {
    /// The command at `program`, speaking to `controller` of `model`.
    pub fn new(program: PathBuf, controller: &str, model: &str) -> Self {
        let (controller, model) = (controller.to_owned(), model.to_owned());
        Self { program, controller, model, env: Vec::new() }
    }

    /// The same hand with a variable set, such as a client store of its own.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<PathBuf>) -> Self {
        self.env.push((key.to_owned(), value.into()));
        self
    }

    /// The same hand for another model.
    #[must_use]
    pub fn on(&self, model: &str) -> Self {
        Self { model: model.to_owned(), ..self.clone() }
    }

    /// The controller's name.
    pub fn controller(&self) -> &str {
        &self.controller
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// A call that names neither controller nor model.
    pub fn bare(&self, args: &[&str]) -> Call {
        let mut call = Call::new(&self.program).args(args);
        for (key, value) in &self.env {
            call = call.env(key, value);
        }
        call
    }

    /// A call about the model: `--model` comes right after the command's word.
    pub fn call(&self, args: &[&str]) -> Call {
        let (word, rest) = args.split_first().unwrap_or((&"help", &[]));
        let model = format!("{}:{}", self.controller, self.model);
        self.bare(&[word, "--model", &model]).args(rest)
    }

    /// A call about the model that another program makes, such as `timeout 5`.
    pub fn under(&self, program: &str, own: &[&str], args: &[&str]) -> Call {
        let (word, rest) = args.split_first().unwrap_or((&"help", &[]));
        let model = format!("{}:{}", self.controller, self.model);
        let mut call = Call::new(program).args(own).arg(&self.program);
        call = call.args([word, "--model", &model]).args(rest);
        for (key, value) in &self.env {
            call = call.env(key, value);
        }
        call
    }

    /// What a person would type to do the same.
    pub fn line(&self, args: &[&str]) -> String {
        self.call(args).line().replacen(&*self.program.to_string_lossy(), "muster", 1)
    }

    /// Runs a call about the model and gives what it printed.
    pub fn run(&self, args: &[&str]) -> Result<String, DemoError> {
        self.call(args).run().map_err(|source| failed(args, source))
    }

    /// As [`Hand::run`], showing each line beside `work`'s bar.
    pub fn run_beside(&self, args: &[&str], work: &Work) -> Result<String, DemoError> {
        let call = self.call(args);
        call.run_with(|line| note(work, line)).map_err(|source| failed(args, source))
    }

    /// Runs a call about the model and reads the JSON that it prints.
    pub fn json(&self, args: &[&str]) -> Result<Value, DemoError> {
        let mut all = args.to_vec();
        all.extend(["--format", "json"]);
        let text = self.run(&all)?;
        serde_json::from_str(&text)
            .map_err(|error| DemoError::Shape { command: self.line(&all), what: error.to_string() })
    }

    /// The model's status.
    pub fn status(&self) -> Result<Value, DemoError> {
        self.json(&["status"])
    }
}

/// Shows the end of a line, which is where progress stands.
pub fn note(work: &Work, line: Option<&str>) {
    if let Some(line) = line {
        work.note(line.trim().chars().take(70).collect::<String>());
    }
}

/// Names a command that failed.
pub fn failed(args: &[&str], source: crate::call::CallError) -> DemoError {
    let words = args.iter().take_while(|word| !word.starts_with('-')).copied();
    DemoError::Call { what: format!("muster {}", words.collect::<Vec<_>>().join(" ")), source }
}

/// A text inside a document, or an error that says which is missing.
pub fn text<'a>(document: &'a Value, pointer: &str, command: &str) -> Result<&'a str, DemoError> {
    document.pointer(pointer).and_then(Value::as_str).ok_or_else(|| DemoError::Shape {
        command: command.to_owned(),
        what: format!("no text at {pointer}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_comes_right_after_the_word() {
        let hand = Hand::new("/opt/bin/muster".into(), "demo", "words");
        assert_eq!(
            hand.line(&["status", "--format", "json"]),
            "muster status --model demo:words --format json"
        );
        assert_eq!(hand.on("other").line(&["status"]), "muster status --model demo:other");
    }
}
