//! Checklists: the numbered lines of a document, and the tests that prove them.
//!
//! `tests/checklists/NAME.txt` has the lines: the document's title behind a `#`, then an id, a priority
//! and what is to be shown, one a line. A test claims ids in its doc comment, which begins with the
//! title: `/// Hook contract E01, E02.` An id is proven when every test that claims it has passed in
//! this run. What no test claims stands in `NAME.unproven.txt` with its reason; a tidy test sees to it
//! that each id is in one of the two places, and that the second only shrinks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::sources;

/// A document's checklist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checklist {
    /// What its files are called, such as `hook-contract`.
    pub name: String,
    /// The document's title, which claims begin with, such as `Hook contract`.
    pub title: String,
    /// Its lines, by id.
    pub lines: BTreeMap<String, Line>,
    /// Ids that no test proves, each with its reason.
    pub unproven: BTreeMap<String, String>,
}

/// One line of a checklist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How much it matters, from 1, which everything needs.
    pub priority: u8,
    /// What a test has to show.
    pub text: String,
}

/// A test that says which id it proves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The id.
    pub id: String,
    /// The test's own name, without its modules.
    pub test: String,
    /// The file and the line of the claim.
    pub place: String,
}

/// Why checklists cannot be counted.
#[derive(Debug, Error)]
pub enum ChecklistError {
    /// A file or folder cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is not what it must be.
    #[error("{place}: {what}: {text}")]
    Form {
        /// The file and the line.
        place: String,
        /// What is wrong.
        what: &'static str,
        /// The line.
        text: String,
    },
}

/// The checklists of the project at `root`, by name.
///
/// # Errors
///
/// A file that cannot be read, or a line that is not of the form above.
pub fn read(root: &Path) -> Result<Vec<Checklist>, ChecklistError> {
    let folder = root.join("tests/checklists");
    let failed = |source| ChecklistError::Read { path: folder.clone(), source };
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if let Some(name) = name.strip_suffix(".txt").filter(|name| !name.contains('.')) {
            names.insert(name.to_owned());
        }
    }
    let text = |name: String| {
        let path = folder.join(&name);
        fs::read_to_string(&path).map_err(|source| ChecklistError::Read { path, source })
    };
    let one = |name: String| {
        let (lines, unproven) = (format!("{name}.txt"), format!("{name}.unproven.txt"));
        Checklist::parse(&name, &text(lines)?, &text(unproven)?)
    };
    names.into_iter().map(one).collect()
}

/// What all tests of the project at `root` claim, a set for each of `lists`.
///
/// # Errors
///
/// A file that cannot be read, and a claim that is malformed or above something that is no test.
pub fn claims(root: &Path, lists: &[Checklist]) -> Result<Vec<BTreeSet<Claim>>, ChecklistError> {
    let failed = |source| ChecklistError::Read { path: root.to_owned(), source };
    let files = sources::rust(root).map_err(failed)?;
    lists.iter().map(|list| list.claims(&files)).collect()
}

impl Checklist {
    /// Reads a checklist and the list of what is unproven.
    ///
    /// # Errors
    ///
    /// A line that is not of the form above, or that is there twice.
    pub fn parse(name: &str, lines: &str, unproven: &str) -> Result<Checklist, ChecklistError> {
        let title = lines.lines().next().and_then(|line| line.strip_prefix("# "));
        let form = |place: String, what, text: &str| ChecklistError::Form {
            place,
            what,
            text: text.to_owned(),
        };
        let Some(title) = title else {
            return Err(form(format!("{name}.txt:1"), "no title", ""));
        };
        let mut list = Checklist {
            name: name.to_owned(),
            title: title.to_owned(),
            lines: BTreeMap::new(),
            unproven: BTreeMap::new(),
        };
        for (number, line) in written(lines) {
            let place = format!("{name}.txt:{number}");
            let wanted = "not an id, a priority and a text";
            let parts = line.split_once(' ').and_then(|(id, rest)| {
                let (priority, text) = rest.split_once(' ')?;
                Some((id, Line { priority: priority.parse().ok()?, text: text.to_owned() }))
            });
            let Some((id, line)) = parts.filter(|(id, _)| is_id(id)) else {
                return Err(form(place, wanted, line));
            };
            if list.lines.insert(id.to_owned(), line).is_some() {
                return Err(form(place, "an id that was there before", id));
            }
        }
        for (number, line) in written(unproven) {
            let place = format!("{name}.unproven.txt:{number}");
            let (id, reason) = line.split_once(' ').unwrap_or((line, ""));
            if !list.lines.contains_key(id) {
                return Err(form(place, "no id of the checklist", line));
            }
            if reason.trim().is_empty() {
                return Err(form(place, "no reason", line));
            }
            if list.unproven.insert(id.to_owned(), reason.to_owned()).is_some() {
                return Err(form(place, "an id that was there before", id));
            }
        }
        Ok(list)
    }

    /// The claims of this list in Rust files, which are given with their paths.
    ///
    /// # Errors
    ///
    /// A claim that is malformed, of an id that the list has not, or above something that is no test.
    pub fn claims(&self, files: &[(String, String)]) -> Result<BTreeSet<Claim>, ChecklistError> {
        let mut claims = BTreeSet::new();
        for (path, text) in files {
            self.claims_in(path, text, &mut claims)?;
        }
        Ok(claims)
    }

    fn claims_in(
        &self,
        path: &str,
        text: &str,
        claims: &mut BTreeSet<Claim>,
    ) -> Result<(), ChecklistError> {
        // What stands above the next item: the ids claimed, with their places, and whether it is a test.
        let mut above: Vec<(String, String)> = Vec::new();
        let mut is_test = false;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            let place = format!("{path}:{}", number + 1);
            let form =
                |what| ChecklistError::Form { place: place.clone(), what, text: line.to_owned() };
            if let Some(ids) = line
                .strip_prefix("/// ")
                .and_then(|words| words.strip_prefix(&self.title))
                .and_then(|words| words.strip_prefix(' '))
            {
                let ids = ids.strip_suffix('.').ok_or_else(|| form("a claim without its end"))?;
                for id in ids.split(", ") {
                    if !self.lines.contains_key(id) {
                        return Err(form("no id of the checklist"));
                    }
                    above.push((id.to_owned(), place.clone()));
                }
            } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(name) = function(line) {
                if !above.is_empty() && !is_test {
                    return Err(form("a claim above what is no test"));
                }
                claims.extend(above.drain(..).map(|(id, place)| Claim {
                    id,
                    test: name.to_owned(),
                    place,
                }));
                is_test = false;
            } else if !line.starts_with("///") && !line.starts_with('#') && !above.is_empty() {
                return Err(form("a claim above what is no test"));
            }
        }
        match above.into_iter().next() {
            Some((text, place)) => {
                Err(ChecklistError::Form { place, what: "a claim above nothing", text })
            }
            None => Ok(()),
        }
    }
}

/// How much of a checklist is proven by the tests that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The document's title.
    pub title: String,
    /// Lines of the checklist.
    pub lines: usize,
    /// Ids of which every claim is by a test that passed.
    pub proven: BTreeSet<String>,
    /// Claims by tests that did not run.
    pub outstanding: Vec<Claim>,
}

impl Proof {
    /// Sets what is claimed beside the names of the tests that passed, without their modules.
    #[must_use]
    pub fn of(list: &Checklist, claims: &BTreeSet<Claim>, passed: &BTreeSet<String>) -> Proof {
        let outstanding: Vec<Claim> =
            claims.iter().filter(|claim| !passed.contains(&claim.test)).cloned().collect();
        let mut proven: BTreeSet<String> = claims.iter().map(|claim| claim.id.clone()).collect();
        proven.retain(|id| outstanding.iter().all(|claim| claim.id != *id));
        Proof { title: list.title.clone(), lines: list.lines.len(), proven, outstanding }
    }
}

impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let title = self.title.to_lowercase();
        write!(f, "{title}: {} of {} proven", self.proven.len(), self.lines)
    }
}

/// Each line of a checklist with what stands for it: the tests that claim it, or why there is none.
#[must_use]
pub fn account(list: &Checklist, claims: &BTreeSet<Claim>) -> String {
    let mut text = String::new();
    for (id, line) in &list.lines {
        text.push_str(&format!("{id} ({}) {}\n", line.priority, line.text));
        for claim in claims.iter().filter(|claim| claim.id == *id) {
            text.push_str(&format!("    {} {}\n", claim.place, claim.test));
        }
        if let Some(reason) = list.unproven.get(id) {
            text.push_str(&format!("    not proven: {reason}\n"));
        }
    }
    text
}

/// The lines that say something, numbered from 1.
fn written(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim_end()));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// Capitals, then digits.
fn is_id(text: &str) -> bool {
    let digits = text.trim_start_matches(|c: char| c.is_ascii_uppercase());
    digits.len() < text.len() && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// The name of the function that begins on this line.
fn function(line: &str) -> Option<&str> {
    let after = ["pub(crate) ", "pub ", "async "]
        .iter()
        .fold(line, |line, word| line.strip_prefix(word).unwrap_or(line));
    let name = after.strip_prefix("fn ")?;
    name.split(['(', '<']).next()
}

#[cfg(test)]
mod tests;
