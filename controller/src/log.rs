//! The units' logs: a file a model, bounded, with whoever follows told of each line.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use muster_api::LogQuery;
use muster_api::body::{LogBatch, LogLine};
use muster_model::name::{MachineId, ModelId};
use tokio::sync::broadcast;

/// Bytes of one line's message; longer ones are cut.
const MAX_LINE: usize = 16 << 10;

/// Bytes of a line's level, module and entity each.
const MAX_WORD: usize = 256;

/// Lines that a follower may be behind before it misses some.
const BEHIND: usize = 4096;

struct OneModel {
    file: File,
    bytes: u64,
    /// The next line that is wanted of each machine's spool.
    next: BTreeMap<MachineId, u64>,
    follow: broadcast::Sender<Arc<LogLine>>,
}

/// The logs of all models.
#[derive(Clone)]
pub struct Logs {
    folder: PathBuf,
    /// Bytes of a model's log; then the older half is dropped.
    most: u64,
    models: Arc<Mutex<BTreeMap<ModelId, OneModel>>>,
}

impl std::fmt::Debug for Logs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logs").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Logs {
    /// The logs under `folder`, each of at most so many bytes.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn open(folder: &Path, most: u64) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Logs { folder: folder.to_owned(), most, models: Arc::default() })
    }

    /// Takes an agent's lines; each number of its spool once. Answers the next number wanted.
    ///
    /// # Errors
    /// If they cannot be written; then they are asked for again.
    pub fn take(&self, model: ModelId, machine: MachineId, batch: &LogBatch) -> io::Result<u64> {
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        let one = self.one(&mut models, model)?;
        let next = one.next.get(&machine).copied().unwrap_or(batch.first);
        let skip = usize::try_from(next.saturating_sub(batch.first)).unwrap_or(usize::MAX);
        let mut text = Vec::new();
        let mut fresh = Vec::new();
        for line in batch.lines.iter().skip(skip) {
            let line = LogLine {
                at: line.at,
                entity: plain(&line.entity, MAX_WORD),
                level: known(&line.level).to_owned(),
                module: plain(&line.module, MAX_WORD),
                message: plain(&line.message, MAX_LINE),
            };
            serde_json::to_writer(&mut text, &line)?;
            text.push(b'\n');
            fresh.push(Arc::new(line));
        }
        if let Err(error) = one.file.write_all(&text) {
            // Half a line would swallow the beginning of the next.
            one.file.set_len(one.bytes)?;
            return Err(error);
        }
        one.bytes += text.len() as u64;
        let after = batch.first.saturating_add(batch.lines.len() as u64);
        let after = after.max(next);
        one.next.insert(machine, after);
        for line in fresh {
            // No receiver is no error: nobody follows.
            drop(one.follow.send(line));
        }
        if one.bytes > self.most {
            let path = self.path(model);
            halve(&path)?;
            let reopened = OpenOptions::new().append(true).open(&path)?;
            one.bytes = reopened.metadata()?.len();
            one.file = reopened;
        }
        Ok(after)
    }

    /// The lines that a query asks for, oldest first, and whoever wants to go on following.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn read(
        &self,
        model: ModelId,
        query: &LogQuery,
    ) -> io::Result<(Vec<LogLine>, broadcast::Receiver<Arc<LogLine>>)> {
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        // What is in the file now and what is followed from now on: no line twice, none left out.
        let one = self.one(&mut models, model)?;
        let (bytes, follow) = (one.bytes, one.follow.subscribe());
        let file = File::open(self.path(model))?;
        drop(models);
        let filter = Filter::new(query);
        let mut lines = std::collections::VecDeque::new();
        let most = query.last.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
        for line in BufReader::new(file.take(bytes)).lines() {
            let Ok(line) = serde_json::from_str::<LogLine>(&line?) else { continue };
            if filter.admits(&line) {
                lines.push_back(line);
                if lines.len() > most {
                    lines.pop_front();
                }
            }
        }
        Ok((lines.into(), follow))
    }

    /// Forgets the logs of models that are no more.
    ///
    /// # Errors
    /// If the folder cannot be read or a file not removed.
    pub fn retain(&self, known: &BTreeSet<ModelId>) -> io::Result<()> {
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        models.retain(|model, _| known.contains(model));
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let named = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
            let Some(Ok(model)) = named.map(str::parse::<ModelId>) else { continue };
            if !known.contains(&model) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn path(&self, model: ModelId) -> PathBuf {
        self.folder.join(format!("{model}.jsonl"))
    }

    fn one<'m>(
        &self,
        models: &'m mut BTreeMap<ModelId, OneModel>,
        model: ModelId,
    ) -> io::Result<&'m mut OneModel> {
        match models.entry(model) {
            std::collections::btree_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let file = OpenOptions::new().create(true).append(true).open(self.path(model))?;
                let bytes = file.metadata()?.len();
                let follow = broadcast::channel(BEHIND).0;
                Ok(entry.insert(OneModel { file, bytes, next: BTreeMap::new(), follow }))
            }
        }
    }
}

/// Drops the older half of a file, at a line's end.
fn halve(path: &Path) -> io::Result<()> {
    let text = std::fs::read(path)?;
    let middle = text.len() / 2;
    let rest = text.get(middle..).unwrap_or_default();
    let start = rest.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let kept = rest.get(start..).unwrap_or_default();
    crate::disk::write(path, kept, 0o600).map_err(|(_, source)| source)
}

/// A text with nothing in it that could forge another line, drive a terminal or turn the reading
/// direction (S17).
fn plain(text: &str, most: usize) -> String {
    let mut kept = String::with_capacity(text.len().min(most));
    for letter in text.chars() {
        if kept.len() >= most {
            kept.push('…');
            break;
        }
        match letter {
            '\t' => kept.push(letter),
            c if c.is_control() || turns(c) => kept.extend(c.escape_default()),
            c => kept.push(c),
        }
    }
    kept
}

/// Letters that change the direction of what follows, or end a line in some readers.
fn turns(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// The level of this word; what is none is `INFO`.
fn known(word: &str) -> &'static str {
    let word = word.to_ascii_uppercase();
    let word = if word == "WARN" { "WARNING" } else { &word };
    LEVELS.iter().copied().find(|level| *level == word).unwrap_or("INFO")
}

/// Which lines a query admits.
pub struct Filter {
    level: usize,
    include: Vec<String>,
    exclude: Vec<String>,
    include_module: Vec<String>,
    exclude_module: Vec<String>,
}

const LEVELS: &[&str] = &["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

fn level(word: &str) -> usize {
    let word = word.to_ascii_uppercase();
    let word = if word == "WARN" { "WARNING" } else { &word };
    LEVELS.iter().position(|level| *level == word).unwrap_or(0)
}

impl Filter {
    /// The filter of a query.
    #[must_use]
    pub fn new(query: &LogQuery) -> Self {
        let list = |text: &str| {
            text.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        Filter {
            level: query.level.as_deref().map_or(0, level),
            include: list(&query.include),
            exclude: list(&query.exclude),
            include_module: list(&query.include_module),
            exclude_module: list(&query.exclude_module),
        }
    }

    /// Whether it admits this line.
    #[must_use]
    pub fn admits(&self, line: &LogLine) -> bool {
        let entity = |pattern: &String| matches(pattern, &line.entity);
        let module = |prefix: &String| line.module.starts_with(prefix.as_str());
        level(&line.level) >= self.level
            && (self.include.is_empty() || self.include.iter().any(entity))
            && !self.exclude.iter().any(entity)
            && (self.include_module.is_empty() || self.include_module.iter().any(module))
            && !self.exclude_module.iter().any(module)
    }
}

/// `unit-x-0`, `x/0`, `machine-0`, `0`, an application, or a pattern with `*`.
fn matches(pattern: &str, entity: &str) -> bool {
    let tag = match pattern.split_once('/') {
        Some((application, number)) => format!("unit-{application}-{number}"),
        None if pattern.bytes().all(|b| b.is_ascii_digit()) => format!("machine-{pattern}"),
        None => pattern.to_owned(),
    };
    if let Some((before, after)) = tag.split_once('*') {
        let long = entity.len() >= before.len() + after.len();
        return long && entity.starts_with(before) && entity.ends_with(after);
    }
    let unit_of = |application: &str| {
        entity
            .strip_prefix("unit-")
            .and_then(|rest| rest.rsplit_once('-'))
            .is_some_and(|(name, _)| name == application)
    };
    tag == entity || unit_of(&tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_named_in_every_way_that_people_name_them() {
        for pattern in ["unit-my-db-0", "my-db/0", "my-db", "unit-my-*", "*-0"] {
            assert!(matches(pattern, "unit-my-db-0"), "{pattern}");
        }
        for pattern in ["my", "db", "unit-my-db-1", "0", "machine-0"] {
            assert!(!matches(pattern, "unit-my-db-0"), "{pattern}");
        }
        assert!(matches("0", "machine-0"));
    }

    #[test]
    fn s17_a_line_cannot_forge_another_or_drive_a_terminal() {
        assert_eq!(plain("a\nb\u{1b}[31m", 64), "a\\nb\\u{1b}[31m");
        assert_eq!(plain("abc\u{202e}fdp.exe", 64), "abc\\u{202e}fdp.exe");
        assert_eq!(plain(&"x".repeat(99), 8), "xxxxxxxx…");
        assert_eq!([known("warn"), known("\u{1b}[2J")], ["WARNING", "INFO"]);
    }

    #[test]
    fn a_spool_that_is_sent_twice_is_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::open(folder.path(), 20 << 20).unwrap();
        let model = "00000000-0000-4000-8000-000000000000".parse().unwrap();
        let line = |message: &str| LogLine {
            at: muster_model::Timestamp::ZERO,
            entity: "unit-a-0".to_owned(),
            level: "INFO".to_owned(),
            module: "m".to_owned(),
            message: message.to_owned(),
        };
        let batch = LogBatch { first: 5, lines: vec![line("one"), line("two")] };
        assert_eq!(logs.take(model, MachineId(0), &batch).unwrap(), 7);
        let again = LogBatch { first: 6, lines: vec![line("two"), line("three")] };
        assert_eq!(logs.take(model, MachineId(0), &again).unwrap(), 8);
        let (lines, _) = logs.read(model, &LogQuery::default()).unwrap();
        let messages: Vec<_> = lines.iter().map(|line| line.message.as_str()).collect();
        assert_eq!(messages, ["one", "two", "three"]);
    }

    #[test]
    fn r29_a_log_stays_within_its_bound_and_keeps_the_newest() {
        const MOST: u64 = 256 << 10;
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::open(folder.path(), MOST).unwrap();
        let model = "00000000-0000-4000-8000-000000000000".parse().unwrap();
        let path = logs.path(model);
        let (mut number, mut written) = (0, 0);
        while written < 10 * MOST {
            let lines = (number..number + 100).map(|number| LogLine {
                at: muster_model::Timestamp(number),
                entity: "unit-a-0".to_owned(),
                level: "INFO".to_owned(),
                module: "m".to_owned(),
                message: "x".repeat(200),
            });
            let batch = LogBatch { first: number.unsigned_abs(), lines: lines.collect() };
            logs.take(model, MachineId(0), &batch).unwrap();
            number += 100;
            written += 100 * 200;
            let size = std::fs::metadata(&path).unwrap().len();
            assert!(size <= MOST * 6 / 5, "{size} bytes");
        }
        let (lines, _) = logs.read(model, &LogQuery::default()).unwrap();
        let kept: Vec<i64> = lines.iter().map(|line| line.at.0).collect();
        let expected: Vec<i64> = (number - kept.len() as i64..number).collect();
        assert_eq!(kept, expected, "the newest are there, in order, and none is missing");
        assert!(kept.len() > 300);
    }
}
