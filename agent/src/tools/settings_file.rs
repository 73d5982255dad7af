//! `key=value` words, and files of them, as `relation-set`, `leader-set` and `state-set` take them.

use std::collections::BTreeMap;

use muster_charms::yaml;
use muster_console::flags::Line;
use muster_model::limits::SETTINGS;

use super::{Caller, Result, fail1, fail2};
use crate::wire::MAX_STDIN;

/// Words of the form `key=value`. The value may hold further `=`.
pub(super) fn pairs(words: &[String]) -> Result<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for word in words {
        let (key, value) = match word.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => (key.trim(), value),
            _ => return Err(fail2(format!("expected \"key=value\", got {word:?}"))),
        };
        if pairs.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(fail2(format!("key {key:?} specified more than once")));
        }
    }
    Ok(pairs)
}

/// What the words and `--file` say together; the words win. A value of the file is its source text,
/// and `null` is an empty one.
pub(super) fn all(line: &Line, caller: &Caller<'_>) -> Result<BTreeMap<String, String>> {
    let mut all = match line.last("file") {
        Some(file) => from_file(file, caller)?,
        None => BTreeMap::new(),
    };
    all.extend(pairs(&line.words)?);
    Ok(all)
}

fn from_file(file: &str, caller: &Caller<'_>) -> Result<BTreeMap<String, String>> {
    let read;
    let bytes = if file == "-" {
        caller.stdin.unwrap_or_default()
    } else {
        read = read_file(&caller.cwd.join(file))
            .map_err(|error| fail1(format!("cannot read {file:?}: {error}")))?;
        &read
    };
    let joined;
    let bytes = match join_surrogates(bytes) {
        Some(text) => {
            joined = text;
            joined.as_bytes()
        }
        None => bytes,
    };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(BTreeMap::new());
    }
    let limits = yaml::Limits { bytes: MAX_STDIN, string: SETTINGS, ..yaml::Limits::FILE };
    let node = yaml::parse(file, bytes, &limits)
        .map_err(|error| fail1(format!("cannot parse {file:?}: {error}")))?;
    if node.is_null() {
        return Ok(BTreeMap::new());
    }
    let Some(map) = node.as_map() else {
        return Err(fail1(format!("cannot parse {file:?}: expected a map of keys to values")));
    };
    let mut all = BTreeMap::new();
    for entry in map.iter() {
        let value = if entry.node.is_null() {
            Some(String::new())
        } else {
            entry.node.written().map(str::to_owned).or_else(|| entry.node.scalar_text())
        };
        let Some(value) = value else {
            let key = &entry.key;
            return Err(fail1(format!("cannot parse {file:?}: the value of {key:?} is nested")));
        };
        all.insert(entry.key.trim().to_owned(), value);
    }
    Ok(all)
}

/// Reads a file, which a pipe or a device is not: the agent would wait for whoever writes it.
fn read_file(path: &std::path::Path) -> std::io::Result<Vec<u8>> {
    use std::io::{Error, Read};
    use std::os::unix::fs::OpenOptionsExt;

    let waits_not = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = std::fs::File::options().read(true).custom_flags(waits_not).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Error::other("it is no ordinary file; `-` is standard input"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_STDIN as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_STDIN {
        return Err(Error::other(format!("it is larger than {MAX_STDIN} bytes")));
    }
    Ok(bytes)
}

/// JSON writes what lies beyond the first plane as two escapes (`\ud83d\ude00`), which YAML does not
/// know: such pairs are replaced by the character. None: there are none.
fn join_surrogates(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    if !text.trim_start().starts_with('{') || !text.contains("\\u") {
        return None;
    }
    // Only what is really JSON is taken for it: a block of YAML may hold the same letters.
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\u") {
        let (before, escape) = rest.split_at(at);
        plain.extend_from_slice(before.as_bytes());
        let slashes = before.bytes().rev().take_while(|byte| *byte == b'\\').count();
        let pair = (slashes % 2 == 0).then(|| pair(escape)).flatten();
        match pair {
            Some((letter, length)) => {
                let mut buffer = [0; 4];
                plain.extend_from_slice(letter.encode_utf8(&mut buffer).as_bytes());
                rest = escape.get(length..).unwrap_or_default();
            }
            None => {
                plain.extend_from_slice(b"\\u");
                rest = escape.get(2..).unwrap_or_default();
            }
        }
    }
    plain.extend_from_slice(rest.as_bytes());
    drop(value);
    String::from_utf8(plain).ok()
}

/// Two escapes at the beginning of `text` that are one character, with their length.
fn pair(text: &str) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let escape = text.get(at..at + 6)?;
        u16::from_str_radix(escape.strip_prefix("\\u")?, 16).ok()
    };
    let units = [unit(0)?, unit(6)?];
    let mut letters = char::decode_utf16(units);
    let letter = letters.next()?.ok()?;
    letters.next().is_none().then_some((letter, 12))
}

#[cfg(test)]
mod tests {
    use super::*;
    use muster_console::flags::{Flag, Reading, Usage, read};

    const USAGE: Usage =
        Usage { flags: &[&[Flag::value(&["file"], "FILE", "")]], ..Usage::of("x", "", "") };

    fn set(
        words: &[&str],
        stdin: &str,
    ) -> std::result::Result<BTreeMap<String, String>, (u8, String)> {
        let Ok(Reading::Line(line)) = read(&USAGE, words.iter().map(|w| (*w).to_owned())) else {
            panic!("the words do not parse")
        };
        let caller = Caller { cwd: std::path::Path::new("/"), stdin: Some(stdin.as_bytes()) };
        all(&line, &caller).map_err(|stop| (stop.code, stop.text))
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    /// Hook contract T31.
    #[test]
    fn t31_words_are_pairs() {
        assert_eq!(set(&["k=a=b", "e="], "").unwrap(), map(&[("e", ""), ("k", "a=b")]));
        assert_eq!(set(&[" k =v"], "").unwrap(), map(&[("k", "v")]));
        assert_eq!(set(&["k"], "").unwrap_err(), (2, "expected \"key=value\", got \"k\"".into()));
        assert_eq!(set(&["k=1", "k=2"], "").unwrap_err().0, 2);
    }

    /// Hook contract T32.
    #[test]
    fn t32_files_keep_their_source_text() {
        let file = &["--file", "-"];
        assert_eq!(
            set(file, "a: 01\nb: yes\nc: 1.10\nd: null\ne: ''\nf: true\n").unwrap(),
            map(&[("a", "01"), ("b", "yes"), ("c", "1.10"), ("d", ""), ("e", ""), ("f", "true")]),
        );
        assert_eq!(
            set(file, r#"{"a": "1", "s": "\ud83d\ude00 \u00fc", "n": null, "x": "\\ud83d"}"#)
                .unwrap(),
            map(&[("a", "1"), ("n", ""), ("s", "😀 ü"), ("x", "\\ud83d")]),
        );
        assert_eq!(set(file, "").unwrap(), map(&[]));
        assert_eq!(set(file, "a: [1]").unwrap_err().0, 1);
        assert_eq!(set(file, "- a").unwrap_err().0, 1);
        assert_eq!(set(file, "a: |\n  one\n  two\n").unwrap(), map(&[("a", "one\ntwo\n")]));
    }

    /// Hook contract T35.
    #[test]
    fn t35_words_win_over_the_file() {
        assert_eq!(
            set(&["--file", "-", "a=2"], "a: 1\nb: 3\n").unwrap(),
            map(&[("a", "2"), ("b", "3")])
        );
    }
}
