//! Everything that must pass, in the order in which it is cheap to fail.
//!
//! Each step is an ordinary command that a person can repeat; the first that fails ends the run.
//! Nothing is skipped in silence: a test that says it was ignored is a failure, and so is a run in
//! which no test ran.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use thiserror::Error;

use crate::call::{Call, CallError};
use crate::demo::Place;
use crate::setup::{self, Feature, SetupError};
use crate::voice::{Seconds, Voice};

/// What did not pass.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// What the steps need could not be installed.
    #[error("cannot set up")]
    Setup(#[source] SetupError),
    /// A command could not be run at all.
    #[error("cannot run {step}")]
    Run {
        /// The step.
        step: &'static str,
        /// Why.
        source: CallError,
    },
    /// A command ended badly.
    #[error("{step} failed; to repeat it:\n    {command}")]
    Failed {
        /// The step.
        step: &'static str,
        /// What to type.
        command: String,
    },
    /// Tests were left out.
    #[error(
        "{step}: {count} tests were skipped, and a skipped test proves nothing; to repeat it:\n    {command}"
    )]
    Skipped {
        /// The step.
        step: &'static str,
        /// How many.
        count: u64,
        /// What to type.
        command: String,
    },
    /// A step that should test ran no test.
    #[error("{step}: no test ran; to repeat it:\n    {command}")]
    Nothing {
        /// The step.
        step: &'static str,
        /// What to type.
        command: String,
    },
    /// The tree could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Which folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Where proptest takes its seed from.
const SEED: &str = "PROPTEST_RNG_SEED";

/// How many tests ran, and how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Ended well.
    pub passed: u64,
    /// Ended badly.
    pub failed: u64,
    /// Did not run.
    pub skipped: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// One command.
struct Step {
    name: &'static str,
    call: Call,
    /// What a person types; the call itself has settings in its environment as well.
    repeat: String,
    tests: bool,
}

/// Runs all steps for the project at `root`; `quick` leaves out what needs hosts.
pub fn run(root: &Path, quick: bool, voice: &Voice) -> Result<Tally, VerifyError> {
    let began = Instant::now();
    let features: &[Feature] = if quick {
        &[Feature::Charms]
    } else {
        &[Feature::Charms, Feature::Parts, Feature::Client, Feature::Machines]
    };
    setup::ready(features, voice).map_err(VerifyError::Setup)?;
    if !quick {
        setup::fit(Path::new("/var/lib/muster"), setup::ROOM_OF_TESTS)
            .map_err(VerifyError::Setup)?;
    }
    let steps = steps(root, quick)?;
    let count = steps.len();
    let mut all = Tally::default();
    for (at, step) in steps.into_iter().enumerate() {
        let place = format!("[{}/{count}] {}", at + 1, step.name);
        voice.say(format_args!("{place}: {}", step.repeat));
        let (begun, tests) = (Instant::now(), step.tests);
        let tally = step.run()?;
        let took = Seconds(begun.elapsed());
        if tests {
            voice.say(format_args!("{place} passed in {took}: {tally}"));
        } else {
            voice.say(format_args!("{place} passed in {took}"));
        }
        all.add(tally);
    }
    voice.say(format_args!("everything passed in {}", Seconds(began.elapsed())));
    Ok(all)
}

fn steps(root: &Path, quick: bool) -> Result<Vec<Step>, VerifyError> {
    let mut steps = vec![
        cargo(root, "format", &["fmt", "--all", "--check"]),
        cargo(root, "lints", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        cargo(
            root,
            "lints of the system tests",
            &[
                "clippy",
                "-p",
                "muster-tests",
                "--test",
                "system",
                "--test",
                "client",
                "--",
                "-D",
                "warnings",
            ],
        ),
        documents(root),
        tests(cargo(root, "tests", &["test", "--workspace"])),
    ];
    for folder in python_tests(root)? {
        steps.push(python(root, &folder));
    }
    if !quick {
        let call = ["test", "-p", "muster-controller", "--test", "substrate"];
        steps.push(tests(cargo(root, "machines", &call)));
        let call = ["test", "-p", "muster-tests", "--test", "client"];
        steps.push(tests(cargo(root, "published client", &call)));
        let call = ["test", "-p", "muster-tests", "--test", "system", "--", "--test-threads=1"];
        steps.push(tests(cargo(root, "system tests", &call)));
    }
    Ok(steps)
}

fn cargo(root: &Path, name: &'static str, args: &[&str]) -> Step {
    let mut call = Call::cargo().args(args).within(root);
    // The same cases each time, so that a red run says something about the change; whoever looks for
    // new ones names another seed, or runs a property test by itself.
    if std::env::var_os(SEED).is_none() {
        call = call.env(SEED, "20261121");
    }
    // The folder that this very program was built into, so that nothing is built twice.
    call = call.env("CARGO_TARGET_DIR", Place::of_this_program().target);
    if std::io::stderr().is_terminal() {
        call = call.env("CARGO_TERM_COLOR", "always");
    }
    Step { name, call, repeat: format!("cargo {}", args.join(" ")), tests: false }
}

fn tests(mut step: Step) -> Step {
    step.tests = true;
    step
}

fn documents(root: &Path) -> Step {
    let mut step = cargo(root, "documents", &["doc", "--workspace", "--no-deps"]);
    step.call = step.call.env("RUSTDOCFLAGS", "-D warnings");
    step.repeat = format!("RUSTDOCFLAGS='-D warnings' {}", step.repeat);
    step
}

/// The unit tests of one charm or layer, run as its `tests` folder expects: from the folder above.
fn python(root: &Path, folder: &Path) -> Step {
    let python = setup::python_with("unittest").unwrap_or("python3");
    let owner = folder.parent().unwrap_or(folder);
    let args = ["-B", "-m", "unittest", "discover", "--start-directory", "tests"];
    let call = Call::new(python).args(args).within(owner);
    let shown = owner.strip_prefix(root).unwrap_or(owner).display();
    let repeat = format!("(cd {shown} && {python} {})", args.join(" "));
    Step { name: "charm's Python", call, repeat, tests: true }
}

/// Every `tests` folder with Python tests below the shipped charms and layers.
fn python_tests(root: &Path) -> Result<BTreeSet<PathBuf>, VerifyError> {
    let mut found = BTreeSet::new();
    for top in ["charms", "layers"] {
        collect(&root.join(top), &mut found)?;
    }
    Ok(found)
}

fn collect(folder: &Path, found: &mut BTreeSet<PathBuf>) -> Result<(), VerifyError> {
    let failed = |source| VerifyError::Read { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() {
            collect(&path, found)?;
        } else if folder.ends_with("tests") && name.starts_with("test_") && name.ends_with(".py") {
            found.insert(folder.to_owned());
        }
    }
    Ok(())
}

impl Step {
    fn run(self) -> Result<Tally, VerifyError> {
        let Self { name: step, call, repeat: command, tests } = self;
        let mut tally = Tally::default();
        let spoken = call.speak(|line| {
            if let Some(line) = line {
                tally.read(line);
                // What a unit test of this file makes up must not be counted by the run around it.
                if !cfg!(test) {
                    show(line);
                }
            }
        });
        let spoken = spoken.map_err(|source| VerifyError::Run { step, source })?;
        if !spoken.status.success() {
            return Err(VerifyError::Failed { step, command });
        }
        if tests && tally.skipped > 0 {
            return Err(VerifyError::Skipped { step, count: tally.skipped, command });
        }
        if tests && tally.passed == 0 {
            return Err(VerifyError::Nothing { step, command });
        }
        Ok(tally)
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// Adds what a closing line of cargo's or Python's test runner says.
    fn read(&mut self, line: &str) {
        if let Some((_, counts)) = line.split_once("test result: ") {
            for part in counts.split([';', '.']) {
                let mut words = part.split_whitespace();
                let count = words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
                match words.next() {
                    Some("passed") => self.passed += count,
                    Some("failed") => self.failed += count,
                    Some("ignored") => self.skipped += count,
                    _ => {}
                }
            }
        } else if let Some(counts) = line.strip_prefix("Ran ") {
            let ran = counts.split(' ').next().and_then(|word| word.parse::<u64>().ok());
            self.passed += ran.unwrap_or(0);
        } else if let Some((_, counts)) = line.split_once("(skipped=") {
            let digits: String = counts.chars().take_while(char::is_ascii_digit).collect();
            self.skipped += digits.parse::<u64>().unwrap_or(0);
        }
    }
}

/// The steps' own words go to standard output, where whoever runs this looks for them.
fn show(line: &str) {
    // Nobody is left to tell when standard output is closed.
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &[&str], passed: u64, failed: u64, skipped: u64) {
        let mut tally = Tally::default();
        for line in lines {
            tally.read(line);
        }
        assert_eq!(tally, Tally { passed, failed, skipped });
    }

    #[test]
    fn closing_lines_are_counted() {
        let one = "test result: ok. 20 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 1.20s";
        let two = "test result: FAILED. 10 passed; 6 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.33s";
        check(&[one, "test a::b ... ok", two], 30, 6, 1);
        check(&["Ran 12 tests in 0.003s", "", "OK (skipped=2)"], 12, 0, 2);
        check(&["Ran 1 test in 0.001s", "OK"], 1, 0, 0);
    }

    fn shell(script: &str) -> Result<Tally, VerifyError> {
        let call = Call::new("sh").args(["-c", script]);
        Step { name: "tests", call, repeat: "sh".to_owned(), tests: true }.run()
    }

    #[test]
    fn nothing_run_and_anything_skipped_are_failures() {
        let line = |passed: u32, ignored: u32| {
            format!(
                "echo 'test result: ok. {passed} passed; 0 failed; {ignored} ignored; 0 measured'"
            )
        };
        assert_eq!(shell(&line(3, 0)).unwrap().passed, 3);
        assert!(matches!(shell(&line(3, 1)), Err(VerifyError::Skipped { count: 1, .. })));
        assert!(matches!(shell(&line(0, 0)), Err(VerifyError::Nothing { .. })));
        assert!(matches!(shell("exit 1"), Err(VerifyError::Failed { .. })));
    }

    #[test]
    fn python_tests_are_found_where_they_lie() {
        let home = tempfile::tempdir().unwrap();
        for folder in ["charms/a/tests", "charms/b/src", "layers/c/tests/unit"] {
            fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        fs::write(home.path().join("charms/a/tests/test_a.py"), "").unwrap();
        fs::write(home.path().join("charms/b/src/test_b.py"), "").unwrap();
        let found = python_tests(home.path()).unwrap();
        assert_eq!(found, BTreeSet::from([home.path().join("charms/a/tests")]));
    }
}
