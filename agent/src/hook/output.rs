//! What a hook writes on its two outputs: lines for the log, bytes for an action's result.

use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of a line in the log; longer ones are split (hook contract, section 3.1).
const LINE: usize = 4096;
/// Bytes of an output that an action's result keeps, so that the report stays within its limit.
const KEPT: usize = 128 << 10;
/// Bytes of one run's output that are logged; the rest is counted (reliability document, section 5).
const MOST: u64 = 64 << 20;

/// Reads `from` to its end. Each line goes to `line`; the answer is the beginning of it all, if
/// `keep` says so.
pub(crate) async fn read(
    mut from: impl AsyncRead + Unpin,
    keep: bool,
    kept: &std::sync::Mutex<Vec<u8>>,
    mut line: impl FnMut(&str),
) {
    let mut buffer = vec![0; 16 << 10];
    let mut rest: Vec<u8> = Vec::new();
    let mut total = 0u64;
    loop {
        let count = match from.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        if keep {
            let mut kept = kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let room = KEPT.saturating_sub(kept.len()).min(bytes.len());
            kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
        }
        total += count as u64;
        if total > MOST {
            continue;
        }
        rest.extend_from_slice(bytes);
        loop {
            // A line that just fits has its end one byte behind the limit.
            let end = rest.iter().take(LINE + 1).position(|byte| *byte == b'\n');
            let length = match end {
                Some(end) => end + 1,
                None if rest.len() > LINE => LINE,
                None => break,
            };
            let piece: Vec<u8> = rest.drain(..length).collect();
            say(piece.strip_suffix(b"\n").unwrap_or(&piece), &mut line);
        }
    }
    if !rest.is_empty() {
        say(&rest, &mut line);
    }
    if total > MOST {
        line(&format!("{} bytes of output were left out", total - MOST));
    }
}

fn say(bytes: &[u8], line: &mut impl FnMut(&str)) {
    line(&String::from_utf8_lossy(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(text: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        let kept = std::sync::Mutex::default();
        read(text, true, &kept, |line| lines.push(line.to_owned())).await;
        let expected = text.get(..KEPT.min(text.len())).unwrap();
        assert_eq!(*kept.lock().unwrap(), expected);
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
}
