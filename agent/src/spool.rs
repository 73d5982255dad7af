//! Log lines on disk until the controller has taken them.
//!
//! Lines are appended to segments named by the number of their first line; a segment goes when the
//! controller wants a line behind its end. Nothing else is kept: after a start the oldest segment is
//! sent again, and the controller answers which line it wants next. When the disk or the spool's
//! share of it is full, the oldest lines go first (reliability document, R12), and are counted.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use muster_api::body::{LogBatch, LogLine};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::controller::{Backoff, Controller, ControllerError};

/// Bytes of one segment.
const SEGMENT: u64 = 1 << 20;
/// Bytes of all segments together: a day of an ordinary unit's log.
const MOST: u64 = 64 << 20;
/// Lines of one batch, and their bytes: below what one request may have.
const BATCH: usize = 1000;
const BATCH_BYTES: usize = 512 << 10;

/// How long lines wait for others, before a batch and after it: each is a request, and whatever wrote
/// one line has often more to say.
const PACE: Duration = Duration::from_millis(200);

/// The spool of one machine. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    inner: Arc<Mutex<Segments>>,
    news: Arc<Notify>,
}

#[derive(Debug)]
struct Segments {
    folder: PathBuf,
    /// First line number of each segment, and its bytes.
    sizes: BTreeMap<u64, u64>,
    /// The segment that is written.
    open: Option<(u64, File)>,
    /// The number of the next line.
    next: u64,
    /// Where the lines begin that were not handed out yet, so that no segment is read twice.
    read: Mark,
    /// Lines that were dropped.
    dropped: u64,
}

/// A line's place: its segment, its number, and its first byte within the segment.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    segment: u64,
    line: u64,
    at: u64,
}

impl Spool {
    /// Opens the spool in `folder`.
    pub(crate) fn open(folder: &Path) -> io::Result<Spool> {
        fs::create_dir_all(folder)?;
        let mut sizes = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if let Some(first) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                sizes.insert(first, entry.metadata()?.len());
            }
        }
        let mut segments = Segments {
            folder: folder.to_owned(),
            sizes,
            open: None,
            next: 0,
            read: Mark::default(),
            dropped: 0,
        };
        if let Some(last) = segments.sizes.keys().next_back().copied() {
            let start = Mark { segment: last, line: last, at: 0 };
            segments.next = last + segments.lines(start)?.len() as u64;
        }
        Ok(Spool { inner: Arc::new(Mutex::new(segments)), news: Arc::default() })
    }

    /// Appends a line. If that fails it is dropped and counted: a log never stops a hook.
    pub(crate) fn push(&self, line: &LogLine) {
        self.lock().push(line);
        self.news.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Segments> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands lines over until `stop`.
    pub(crate) async fn send(self, controller: Arc<dyn Controller>, stop: CancellationToken) {
        let mut wanted = 0;
        let mut backoff = Backoff::default();
        loop {
            let batch = self.lock().batch(wanted);
            let step = async {
                let Some(batch) = batch else {
                    self.news.notified().await;
                    tokio::time::sleep(PACE).await;
                    return;
                };
                match controller.logs(&batch).await {
                    Ok(receipt) => {
                        backoff = Backoff::default();
                        // A controller that wants lines that are gone gets the next there are; one
                        // that does not move would be asked for ever.
                        wanted = receipt.next.max(batch.first + 1);
                        self.lock().taken(wanted);
                        tokio::time::sleep(PACE).await;
                    }
                    Err(ControllerError::Refused(refusal)) => {
                        tracing::warn!(%refusal, "log lines were refused and are dropped");
                        wanted = batch.first + batch.lines.len() as u64;
                        self.lock().taken(wanted);
                    }
                    Err(_) => tokio::time::sleep(backoff.wait()).await,
                }
            };
            tokio::select! {
                () = step => {}
                () = stop.cancelled() => return,
            }
        }
    }
}

impl Segments {
    fn push(&mut self, line: &LogLine) {
        if let Err(error) = self.append(line) {
            self.dropped += 1;
            tracing::debug!(%error, dropped = self.dropped, "a log line was dropped");
        }
    }

    fn append(&mut self, line: &LogLine) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        let full = |first: &u64| self.sizes.get(first).is_some_and(|size| *size >= SEGMENT);
        if self.open.as_ref().is_none_or(|(first, _)| full(first)) {
            let path = self.folder.join(self.next.to_string());
            let file = File::options().append(true).create(true).open(path)?;
            self.sizes.insert(self.next, 0);
            self.open = Some((self.next, file));
        }
        while self.sizes.values().sum::<u64>() > MOST && self.sizes.len() > 1 {
            let Some((oldest, _)) = self.sizes.pop_first() else { break };
            let start = Mark { segment: oldest, line: oldest, at: 0 };
            self.dropped += self.lines(start).map_or(0, |lines| lines.len() as u64);
            fs::remove_file(self.folder.join(oldest.to_string()))?;
        }
        let Some((first, file)) = &mut self.open else { return Ok(()) };
        file.write_all(&bytes)?;
        *self.sizes.entry(*first).or_default() += bytes.len() as u64;
        self.next += 1;
        Ok(())
    }

    /// The lines of a segment from a mark on, each with the bytes that it takes there.
    fn lines(&self, from: Mark) -> io::Result<Vec<(LogLine, u64)>> {
        let mut file = File::open(self.folder.join(from.segment.to_string()))?;
        file.seek(SeekFrom::Start(from.at))?;
        let mut reader = BufReader::new(file);
        let mut lines = Vec::new();
        let mut text = String::new();
        loop {
            text.clear();
            let bytes = reader.read_line(&mut text)? as u64;
            // The last line may be torn by a power cut; what follows it has its own segment.
            match serde_json::from_str(&text) {
                Ok(line) => lines.push((line, bytes)),
                Err(_) => return Ok(lines),
            }
        }
    }

    /// Lines from `wanted` on, or from the oldest there is.
    fn batch(&mut self, wanted: u64) -> Option<LogBatch> {
        let wanted = wanted.max(self.sizes.keys().next().copied()?);
        if wanted >= self.next {
            return None;
        }
        let (first, _) = self.sizes.range(..=wanted).next_back()?;
        let first = *first;
        let from = if self.read.segment == first && self.read.line <= wanted {
            self.read
        } else {
            Mark { segment: first, line: first, at: 0 }
        };
        let lines = match self.lines(from) {
            Ok(lines) => lines,
            Err(error) => {
                tracing::warn!(%error, "a segment of the log spool cannot be read");
                self.forget(first);
                return None;
            }
        };
        let skip = usize::try_from(wanted - from.line).unwrap_or(usize::MAX);
        let passed: u64 = lines.iter().take(skip).map(|(_, bytes)| bytes).sum();
        self.read = Mark { segment: first, line: wanted, at: from.at + passed };
        let mut bytes = 0;
        let lines: Vec<LogLine> = lines
            .into_iter()
            .map(|(line, _)| line)
            .skip(skip)
            .take(BATCH)
            .take_while(|line| {
                let fits = bytes < BATCH_BYTES;
                bytes += line.message.len() + line.module.len() + 64;
                fits
            })
            .collect();
        if lines.is_empty() {
            // A torn end: the rest of the segment is not there.
            self.forget(first);
            return None;
        }
        Some(LogBatch { first: wanted, lines })
    }

    fn forget(&mut self, first: u64) {
        if self.open.as_ref().is_some_and(|(open, _)| *open == first) {
            self.open = None;
        }
        self.sizes.remove(&first);
        if let Err(error) = fs::remove_file(self.folder.join(first.to_string())) {
            tracing::debug!(%error, "a segment of the log spool is not removed");
        }
    }

    /// Lines before `wanted` are the controller's now.
    fn taken(&mut self, wanted: u64) {
        loop {
            let mut firsts = self.sizes.keys().copied();
            let (Some(first), second) = (firsts.next(), firsts.next()) else { return };
            let end = second.unwrap_or(self.next);
            if end > wanted {
                return;
            }
            // The numbering survives in the name of a segment: the last one stays until it is
            // worth a new one.
            let small = self.sizes.get(&first).is_some_and(|size| *size < SEGMENT / 4);
            if second.is_none() && small {
                return;
            }
            self.forget(first);
            if second.is_none() {
                let path = self.folder.join(self.next.to_string());
                match File::options().append(true).create(true).open(path) {
                    Ok(file) => {
                        self.sizes.insert(self.next, 0);
                        self.open = Some((self.next, file));
                    }
                    Err(error) => tracing::warn!(%error, "no new segment of the log spool"),
                }
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_model::Timestamp;

    fn line(number: u64) -> LogLine {
        LogLine {
            at: Timestamp(0),
            entity: "unit-a-0".into(),
            level: "INFO".into(),
            module: "unit.a/0.x".into(),
            message: format!("line {number}"),
        }
    }

    #[test]
    fn lines_are_kept_until_they_are_taken_and_numbered_across_starts() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path()).unwrap();
        for number in 0..10 {
            spool.push(&line(number));
        }
        let batch = spool.lock().batch(0).unwrap();
        assert_eq!((batch.first, batch.lines.len()), (0, 10));
        spool.lock().taken(4);
        drop(spool);
        let spool = Spool::open(folder.path()).unwrap();
        spool.push(&line(10));
        let batch = spool.lock().batch(4).unwrap();
        assert_eq!((batch.first, batch.lines.len()), (4, 6));
        assert_eq!(batch.lines[0].message, "line 4");
        let batch = spool.lock().batch(10).unwrap();
        assert_eq!((batch.first, batch.lines.len()), (10, 1));
        assert_eq!(batch.lines[0].message, "line 10");
        spool.lock().taken(11);
        assert!(spool.lock().batch(11).is_none());
    }

    #[test]
    fn r12_the_oldest_lines_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path()).unwrap();
        let big = LogLine { message: "x".repeat(60_000), ..line(0) };
        for _ in 0..1400 {
            spool.push(&big);
        }
        let segments = spool.lock();
        assert!(segments.sizes.values().sum::<u64>() <= MOST + SEGMENT + 70_000);
        assert!(segments.dropped > 0);
        assert!(*segments.sizes.keys().next().unwrap() > 0);
    }
}
