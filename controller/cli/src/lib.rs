//! The operator's hand: the muster command, which answers to juju too.
//!
//! ```text
//! words ──commands──▶ Request { act, model, format } ──hands──▶ model view ──shape──▶ json, yaml
//!                        │                               │                  └─print─▶ tables
//!                        └─ exit 2: nothing was done     └─ Command ─▶ controller
//! ```
//!
//! A line is read completely before anything is touched: [`parse`] is pure, so a story told in the
//! very lines that an operator types needs neither a controller nor a disk. What is then done is
//! in [`hands`], one file a family like [`commands`]; what scripts read is in [`shape`], what people
//! read in [`mod@print`], and which controller and model are meant in [`context`].

pub mod act;
pub mod commands;
pub mod query;

mod clock;
pub mod context;
pub mod desk;
pub mod failure;
pub mod neutral;

pub mod hands;
pub mod print;
pub mod shape;

pub use act::Act;
pub use request::{Request, Said, parse};

mod plugin;
mod request;

use desk::Desk;
use failure::Failure;
use muster_console::outcome::DONE;

/// Carries out a line (without the program's name) at a desk; the answer is the exit code.
pub async fn run(desk: &mut Desk, words: Vec<String>) -> u8 {
    let own =
        words.first().is_none_or(|word| word.starts_with('-') || commands::find(word).is_some());
    if !own && let Some(code) = plugin::run(desk, &words) {
        return code;
    }
    let request = match parse(&words) {
        Ok(Said::Request(request)) => *request,
        Ok(Said::Text(text)) => return end(desk, None, Ok(text)),
        Err(failure) => return end(desk, None, Err(failure)),
    };
    desk.talk = request.talk;
    request.warnings.iter().for_each(|warning| desk.warn(warning));
    let empty = request.formatted && matches!(request.style.as_str(), "json" | "yaml");
    let result = hands::carry_out(desk, &request).await;
    end(desk, empty.then_some("{}\n"), result.map(|()| String::new()))
}

/// Writes what is left to say. `instead` is what a caller who asked for data finds on stdout when
/// there is none (CLI contract §1.3).
fn end(desk: &mut Desk, instead: Option<&str>, result: Result<String, Failure>) -> u8 {
    let failure = match result.and_then(|text| desk.data(&text)) {
        Ok(()) => return DONE,
        Err(failure) => failure,
    };
    if let Some(text) = instead.filter(|_| !desk.has_written() && !failure.is_usage()) {
        // Whether or not this can be written, the failure is the answer.
        if let Err(second) = desk.data(text) {
            desk.detail(&second.message);
        }
    }
    if !failure.message.is_empty() {
        desk.error(&failure.to_string());
    }
    failure.code
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Paper {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    /// Exit code, stdout and stderr of a line at a desk whose store knows no controller.
    fn at_an_empty_desk(line: &str) -> (u8, String, String) {
        let folder = tempfile::tempdir().unwrap();
        let (out, err) = (Paper::default(), Paper::default());
        let mut desk = Desk::new(Box::new(out.clone()), Box::new(err.clone()));
        desk.env.insert("JUJU_DATA".to_owned(), folder.path().display().to_string());
        folder.path().clone_into(&mut desk.folder);
        let words = line.split_whitespace().map(str::to_owned).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let code = runtime.block_on(run(&mut desk, words));
        let mut text = out.text();
        if let Ok(written) = std::fs::read_to_string(folder.path().join("file")) {
            text.push_str(&format!("file: {written}"));
        }
        (code, text, err.text())
    }

    #[test]
    fn t07_a_failure_is_one_line_on_stderr_and_some_json_for_who_asked() {
        let (code, out, err) = at_an_empty_desk("status");
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(err.starts_with("ERROR No controllers registered.\nMake one with "), "{err}");
        let (code, out, _) = at_an_empty_desk("status --format json");
        assert_eq!((code, out.as_str()), (1, "{}\n"));
        let (code, out, err) = at_an_empty_desk("status --format json --x");
        assert_eq!((code, out.as_str()), (2, ""));
        assert_eq!(err, "ERROR option provided but not defined: --x\n");
        let (code, out, err) = at_an_empty_desk("add-branch x");
        assert_eq!((code, out.as_str()), (1, ""));
        assert_eq!(err, "ERROR \"add-branch\" is not supported by muster\n");
    }

    #[test]
    fn t10_output_goes_to_the_file_and_stdout_stays_empty() {
        let (code, out, err) = at_an_empty_desk("version -o file");
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(out.starts_with("file: 3.6.11-genericlinux-"), "{out}");
    }

    #[test]
    fn t08_help_is_on_stdout() {
        let (code, out, err) = at_an_empty_desk("deploy --help");
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(out.contains("--num-units"));
    }

    /// §1.8: both forms of the version agree, and a caller may branch on the major number.
    #[test]
    fn the_version_is_of_the_shape_that_jubilant_accepts() {
        let (_, plain, _) = at_an_empty_desk("version");
        let (_, json, _) = at_an_empty_desk("version --format json --all");
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["version"], plain.trim());
        let parts: Vec<&str> = plain.trim().split('-').collect();
        assert_eq!(parts.len(), 3, "{plain}");
        assert!(parts[0].starts_with("3."));
    }

    #[test]
    fn a_command_that_needs_no_controller_needs_no_store() {
        let (out, err) = (Paper::default(), Paper::default());
        let mut desk = Desk::new(Box::new(out.clone()), Box::new(err));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let code = runtime.block_on(run(&mut desk, vec!["help".to_owned()]));
        assert_eq!(code, 0);
        assert!(out.text().contains("bootstrap"));
    }
}
