//! Where Debian packages come from, as the host itself is set up.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::SubstrateError;

/// The lines of a `sources.list` for the suite, taken from the host when it is a Debian.
///
/// # Errors
///
/// [`SubstrateError::NoMirror`] when the host's own sources do not name one.
pub(super) fn lines(suite: &str, mirror: Option<&str>) -> Result<Vec<String>, SubstrateError> {
    if let Some(mirror) = mirror {
        return Ok(vec![format!("deb {mirror} {suite} main")]);
    }
    let mut texts = Vec::new();
    for path in files(Path::new("/etc/apt")) {
        let deb822 = path.extension().is_some_and(|ext| ext == "sources");
        texts.push((deb822, fs::read_to_string(&path).unwrap_or_default()));
    }
    let lines = from_texts(suite, &texts);
    if lines.iter().any(|line| line.contains(&format!(" {suite} "))) {
        return Ok(lines);
    }
    Err(SubstrateError::NoMirror { suite: suite.to_owned() })
}

fn files(apt: &Path) -> Vec<PathBuf> {
    let mut found = vec![apt.join("sources.list")];
    let more = fs::read_dir(apt.join("sources.list.d")).into_iter().flatten().flatten();
    found.extend(
        more.map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|ext| ext == "sources" || ext == "list")),
    );
    found.sort();
    found
}

fn from_texts(suite: &str, texts: &[(bool, String)]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (deb822, text) in texts {
        let entries = if *deb822 { stanzas(text) } else { one_line(text) };
        for (uri, its_suite, components) in entries {
            let wanted = its_suite == suite
                || its_suite == format!("{suite}-updates")
                || its_suite == format!("{suite}-security");
            let plain = uri.starts_with("http://") || uri.starts_with("https://");
            if wanted && plain && components.iter().any(|component| component == "main") {
                let line = format!("deb {} {its_suite} main", uri.trim_end_matches('/'));
                if !found.contains(&line) {
                    found.push(line);
                }
            }
        }
    }
    found
}

type Entry = (String, String, Vec<String>);

fn one_line(text: &str) -> Vec<Entry> {
    let entry = |line: &str| {
        let rest = line.trim().strip_prefix("deb ")?.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => rest,
        };
        let mut words = rest.split_whitespace().map(str::to_owned);
        Some((words.next()?, words.next()?, words.collect()))
    };
    text.lines().filter_map(entry).collect()
}

fn stanzas(text: &str) -> Vec<Entry> {
    let mut found = Vec::new();
    let text: String = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    for stanza in text.split("\n\n") {
        let field = |name: &str| -> Vec<String> {
            let mut words = Vec::new();
            let mut inside = false;
            for line in stanza.lines() {
                if !line.starts_with([' ', '\t']) {
                    let (key, value) = line.split_once(':').unwrap_or((line, ""));
                    inside = key.eq_ignore_ascii_case(name);
                    if inside {
                        words.extend(value.split_whitespace().map(str::to_owned));
                    }
                } else if inside {
                    words.extend(line.split_whitespace().map(str::to_owned));
                }
            }
            words
        };
        let off = field("Enabled").first().is_some_and(|word| word == "no");
        if off || !field("Types").iter().any(|kind| kind == "deb") {
            continue;
        }
        for uri in field("URIs") {
            for suite in field("Suites") {
                found.push((uri.clone(), suite, field("Components")));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_others_are_left_out() {
        let deb822 = "Types: deb\n# a remark\nURIs: http://mirror.example/debian/\n\
            Suites: bookworm bookworm-updates\nComponents: main\n\nTypes: deb\n\
            URIs: https://other.example\nSuites: nodistro\nComponents: main\n";
        let list = "deb [arch=amd64 trusted=yes] http://mirror.example/security bookworm-security main contrib\n\
            deb-src http://mirror.example/debian bookworm main\n";
        let lines = from_texts("bookworm", &[(true, deb822.into()), (false, list.into())]);
        assert_eq!(
            lines,
            [
                "deb http://mirror.example/debian bookworm main",
                "deb http://mirror.example/debian bookworm-updates main",
                "deb http://mirror.example/security bookworm-security main",
            ]
        );
    }

    #[test]
    fn a_named_mirror_wins() {
        let lines = lines("trixie", Some("http://mirror.example/debian")).unwrap();
        assert_eq!(lines, ["deb http://mirror.example/debian trixie main"]);
    }
}
