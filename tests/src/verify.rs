//! Everything that must pass, in the order in which it is cheap to fail.
//!
//! Each step is an ordinary command that a person can repeat; the first that fails ends the run.
//! Nothing is skipped in silence: a test that says it was ignored is a failure, and so is a run in
//! which no test ran. What the tests that passed prove of the checklists is said at the end; a claim
//! whose test did not run fails a whole run.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use thiserror::Error;

use crate::call::{Call, CallError};
use crate::checklist::{self, ChecklistError, Claim, Proof};
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
    /// The checklists or what tests claim of them could not be read.
    #[error("cannot count what is proven")]
    Checklist(#[source] ChecklistError),
    /// A test that claims an id of a checklist did not run.
    #[error("{}: `{}` claims {} and did not run", .0.place, .0.test, .0.id)]
    Outstanding(Claim),
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

/// What ran, and what it proves.
#[derive(Clone, Debug)]
pub struct Verified {
    /// How many tests ran.
    pub tally: Tally,
    /// What they prove of each checklist.
    pub proofs: Vec<Proof>,
}

/// What a step's own words say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Heard {
    tally: Tally,
    /// Rust tests that passed, without their modules.
    passed: BTreeSet<String>,
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
pub fn run(root: &Path, quick: bool, voice: &Voice) -> Result<Verified, VerifyError> {
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
    // Before anything runs: a claim that cannot be read should not cost an hour.
    let lists = checklist::read(root).map_err(VerifyError::Checklist)?;
    let claims = checklist::claims(root, &lists).map_err(VerifyError::Checklist)?;
    let steps = steps(root, quick)?;
    let count = steps.len();
    let mut all = Heard::default();
    for (at, step) in steps.into_iter().enumerate() {
        let place = format!("[{}/{count}] {}", at + 1, step.name);
        voice.say(format_args!("{place}: {}", step.repeat));
        let (begun, tests) = (Instant::now(), step.tests);
        let heard = step.run()?;
        let took = Seconds(begun.elapsed());
        if tests {
            voice.say(format_args!("{place} passed in {took}: {}", heard.tally));
        } else {
            voice.say(format_args!("{place} passed in {took}"));
        }
        all.add(heard);
    }
    voice.say(format_args!("everything passed in {}", Seconds(began.elapsed())));
    let proofs: Vec<Proof> = lists
        .iter()
        .zip(&claims)
        .map(|(list, claims)| Proof::of(list, claims, &all.passed))
        .collect();
    // A quick run leaves tests out; a whole one must have heard from each that claims something.
    let outstanding = proofs.iter().find_map(|proof| proof.outstanding.first());
    if let Some(claim) = outstanding.filter(|_| !quick) {
        return Err(VerifyError::Outstanding(claim.clone()));
    }
    Ok(Verified { tally: all.tally, proofs })
}

/// Each line of the checklists with the tests that claim it, or the reason why none does.
///
/// # Errors
///
/// A checklist or a claim that cannot be read.
pub fn account(root: &Path) -> Result<String, VerifyError> {
    let lists = checklist::read(root).map_err(VerifyError::Checklist)?;
    let claims = checklist::claims(root, &lists).map_err(VerifyError::Checklist)?;
    Ok(lists.iter().zip(&claims).map(|(list, claims)| checklist::account(list, claims)).collect())
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
    fn run(self) -> Result<Heard, VerifyError> {
        let Self { name: step, call, repeat: command, tests } = self;
        let mut heard = Heard::default();
        let spoken = call.speak(|line| {
            if let Some(line) = line {
                heard.read(line);
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
        let Tally { passed, skipped, .. } = heard.tally;
        if tests && skipped > 0 {
            return Err(VerifyError::Skipped { step, count: skipped, command });
        }
        if tests && passed == 0 {
            return Err(VerifyError::Nothing { step, command });
        }
        Ok(heard)
    }
}

impl Heard {
    fn add(&mut self, other: Self) {
        self.tally.add(other.tally);
        self.passed.extend(other.passed);
    }

    fn read(&mut self, line: &str) {
        self.tally.read(line);
        // `test modules::name ... ok`. Where tests run one by one, what they print may stand between
        // the name and its end, so only a bad end counts: a step that has one fails in any case.
        let named = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ..."));
        if let Some((name, end)) = named
            && !end.contains("FAILED")
            && !end.contains("ignored")
        {
            let name = name.split(' ').next().unwrap_or(name);
            let own = name.rsplit_once("::").map_or(name, |(_, own)| own);
            self.passed.insert(own.to_owned());
        }
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
        assert_eq!(heard(lines).tally, Tally { passed, failed, skipped });
    }

    fn heard(lines: &[&str]) -> Heard {
        let mut heard = Heard::default();
        for line in lines {
            heard.read(line);
        }
        heard
    }

    #[test]
    fn names_of_tests_are_kept_without_their_modules_and_only_of_those_that_passed() {
        let lines = [
            "test tools::t01_manners ... ok",
            "test bad ... FAILED",
            "test left_out ... ignored, why",
            "test thrown - should panic ... ok",
            "test alone ... a word of its own",
            "testing ... ok",
            "test result: ok. 4 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
        ];
        let expected = ["alone", "t01_manners", "thrown"].map(str::to_owned);
        assert_eq!(heard(&lines).passed, BTreeSet::from(expected));
    }

    #[test]
    fn closing_lines_are_counted() {
        let one = "test result: ok. 20 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 1.20s";
        let two = "test result: FAILED. 10 passed; 6 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.33s";
        check(&[one, "test a::b ... ok", two], 30, 6, 1);
        check(&["Ran 12 tests in 0.003s", "", "OK (skipped=2)"], 12, 0, 2);
        check(&["Ran 1 test in 0.001s", "OK"], 1, 0, 0);
    }

    fn shell(script: &str) -> Result<Heard, VerifyError> {
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
        assert_eq!(shell(&line(3, 0)).unwrap().tally.passed, 3);
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
