//! What a run writes on its two outputs: lines for the log, bytes for a result or for whoever waits for
//! them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Bytes of a line in the log; longer ones are split (hook contract, section 3.1).
const LINE: usize = 4096;
/// Bytes of an output that a result keeps, so that the report stays within its limit.
const KEPT: usize = 128 << 10;
/// Bytes of one run's output that are logged; the rest is counted (reliability document, section 5).
const MOST: u64 = 64 << 20;
/// How long output may trail behind the end of a run (hook contract, section 3.1).
const TRAIL: Duration = Duration::from_millis(100);
/// Bytes that may come after it: what a pipe holds at most, so that a child that goes on writing does
/// not hold the run up.
const TRAILING: usize = 1 << 20;

/// Which of a run's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What a run has written, for somebody who waits for it.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) stream: Stream,
    pub(crate) bytes: Vec<u8>,
}

/// What becomes of a run's output beside the log.
#[derive(Clone, Debug)]
pub(crate) enum Sink {
    /// Nothing.
    Nowhere,
    /// The beginning is kept, for a result.
    Kept,
    /// All of it is handed on as it comes; the run waits for whoever takes it.
    Sent(mpsc::Sender<Piece>),
}

/// The beginning of an output, and how many bytes came after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    bytes: Vec<u8>,
    left_out: u64,
}

impl Kept {
    fn add(&mut self, bytes: &[u8]) {
        let room = KEPT.saturating_sub(self.bytes.len()).min(bytes.len());
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or_default());
        self.left_out += (bytes.len() - room) as u64;
    }

    /// What is kept; and if that is not all, a line that says so.
    pub(crate) fn told(mut self) -> Vec<u8> {
        if self.left_out == 0 {
            return self.bytes;
        }
        // A letter that was cut in two would make the whole look as if it were no text.
        if let Err(error) = std::str::from_utf8(&self.bytes)
            && error.error_len().is_none()
        {
            self.left_out += (self.bytes.len() - error.valid_up_to()) as u64;
            self.bytes.truncate(error.valid_up_to());
        }
        self.bytes.extend(format!("\n[{} bytes were left out]\n", self.left_out).into_bytes());
        self.bytes
    }
}

/// One output that is being read.
pub(crate) struct Reading {
    pub(crate) stream: Stream,
    pub(crate) sink: Sink,
    pub(crate) kept: Arc<Mutex<Kept>>,
    /// Cancelled when the run's process has ended.
    pub(crate) over: CancellationToken,
}

/// Reads `from` until its end, or until the run is over and nothing more comes. Each line goes to
/// `line`. A child that went on keeps an output that it can write to.
pub(crate) async fn read(
    mut from: impl AsyncRead + Unpin + Send + 'static,
    mut reading: Reading,
    mut line: impl FnMut(&str),
) {
    let mut buffer = vec![0; 16 << 10];
    let mut rest: Vec<u8> = Vec::new();
    let mut total = 0u64;
    let mut after: Option<Trail> = None;
    let whole = loop {
        let read = match &mut after {
            Some(trail) => match trail.read(&mut from, &mut buffer).await {
                Some(read) => read,
                None => break false,
            },
            None => tokio::select! {
                biased;
                read = from.read(&mut buffer) => read,
                () = reading.over.cancelled() => {
                    after = Some(Trail { time: TRAIL, bytes: TRAILING });
                    continue;
                }
            },
        };
        let bytes = match read {
            Ok(0) | Err(_) => break true,
            Ok(count) => buffer.get(..count).unwrap_or_default(),
        };
        match &reading.sink {
            Sink::Nowhere => {}
            Sink::Kept => {
                reading.kept.lock().unwrap_or_else(PoisonError::into_inner).add(bytes);
            }
            Sink::Sent(to) => {
                let piece = Piece { stream: reading.stream, bytes: bytes.to_vec() };
                if to.send(piece).await.is_err() {
                    // Whoever waited has gone; the run goes on.
                    reading.sink = Sink::Nowhere;
                }
            }
        }
        total += bytes.len() as u64;
        if total > MOST {
            continue;
        }
        rest.extend_from_slice(bytes);
        lines(&mut rest, &mut line);
    };
    if !rest.is_empty() {
        say(&rest, &mut line);
    }
    if total > MOST {
        line(&format!("{} bytes of output were left out", total - MOST));
    }
    if !whole {
        tokio::spawn(drain(from));
    }
}

/// What is left to be waited for once the process has ended.
struct Trail {
    time: Duration,
    bytes: usize,
}

impl Trail {
    /// None: enough was waited. What is there already costs no time.
    async fn read(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        buffer: &mut [u8],
    ) -> Option<std::io::Result<usize>> {
        if self.bytes == 0 {
            return None;
        }
        let began = Instant::now();
        let read = tokio::time::timeout(self.time, from.read(buffer)).await.ok()?;
        self.time = self.time.saturating_sub(began.elapsed());
        self.bytes = self.bytes.saturating_sub(*read.as_ref().unwrap_or(&0));
        Some(read)
    }
}

/// Reads to nowhere, so that what writes does not die of it.
async fn drain(mut from: impl AsyncRead + Unpin) {
    let mut buffer = [0; 4096];
    while matches!(from.read(&mut buffer).await, Ok(1..)) {}
}

/// Takes whole lines, and long ones in pieces, from the beginning of `rest`.
fn lines(rest: &mut Vec<u8>, line: &mut impl FnMut(&str)) {
    let mut taken = 0;
    loop {
        let left = rest.get(taken..).unwrap_or_default();
        // A line that just fits has its end one byte behind the limit.
        let end = left.iter().take(LINE + 1).position(|byte| *byte == b'\n');
        let length = match end {
            Some(end) => end + 1,
            None if left.len() > LINE => LINE,
            None => break,
        };
        let piece = left.get(..length).unwrap_or_default();
        say(piece.strip_suffix(b"\n").unwrap_or(piece), line);
        taken += length;
    }
    rest.drain(..taken);
}

fn say(bytes: &[u8], line: &mut impl FnMut(&str)) {
    line(&String::from_utf8_lossy(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(text: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        let kept = Arc::new(Mutex::new(Kept::default()));
        let reading = Reading {
            stream: Stream::Out,
            sink: Sink::Kept,
            kept: Arc::clone(&kept),
            over: CancellationToken::new(),
        };
        read(std::io::Cursor::new(text.to_vec()), reading, |line| lines.push(line.to_owned()))
            .await;
        assert_eq!(kept.lock().unwrap().clone().told(), text);
        lines
    }

    /// Hook contract E15.
    #[tokio::test]
    async fn e15_one_record_a_line_and_long_ones_are_split() {
        assert_eq!(lines(b"a\nb\n\nc").await, ["a", "b", "", "c"]);
        let long = [vec![b'x'; LINE + 10], b"\nend\n".to_vec()].concat();
        let split = lines(&long).await;
        assert_eq!(split.iter().map(String::len).collect::<Vec<_>>(), [LINE, 10, 3]);
        let fits = [vec![b'x'; LINE], b"\nend".to_vec()].concat();
        let whole = lines(&fits).await;
        assert_eq!(whole.iter().map(String::len).collect::<Vec<_>>(), [LINE, 3]);
    }

    #[test]
    fn what_a_result_does_not_keep_is_counted() {
        let mut kept = Kept::default();
        kept.add(&vec![b'x'; KEPT]);
        assert_eq!(kept.clone().told().len(), KEPT);
        kept.add(b"more");
        assert!(kept.told().ends_with(b"xx\n[4 bytes were left out]\n"));
        // A letter of three bytes, of which one fits.
        let mut kept = Kept::default();
        kept.add(&[vec![b'x'; KEPT - 1], "\u{20ac}".as_bytes().to_vec()].concat());
        let told = String::from_utf8(kept.told()).unwrap();
        assert!(told.ends_with("x\n[3 bytes were left out]\n"));
    }

    #[tokio::test]
    async fn all_is_handed_on_however_slowly_it_is_taken_and_however_long_it_trails() {
        let (to, mut pieces) = mpsc::channel(1);
        let (mut writer, from) = tokio::io::duplex(8 << 10);
        let over = CancellationToken::new();
        let reading = Reading {
            stream: Stream::Err,
            sink: Sink::Sent(to),
            kept: Arc::default(),
            over: over.clone(),
        };
        let reader = tokio::spawn(read(from, reading, |_| ()));
        let text: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
        tokio::io::AsyncWriteExt::write_all(&mut writer, &text[..8 << 10]).await.unwrap();
        // The process has ended while the pipe is full, and somebody holds it open.
        over.cancel();
        let mut got = Vec::new();
        while let Some(piece) = pieces.recv().await {
            assert_eq!(piece.stream, Stream::Err);
            tokio::time::sleep(2 * TRAIL).await;
            got.extend(piece.bytes);
        }
        assert_eq!(got, &text[..8 << 10]);
        reader.await.unwrap();
        // Whoever holds it may go on writing.
        tokio::io::AsyncWriteExt::write_all(&mut writer, &text[8 << 10..]).await.unwrap();
    }
}
