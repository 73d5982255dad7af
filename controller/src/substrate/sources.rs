//! Where Debian packages come from, as the host itself is set up.
//!
//! A cloud's image may name a list of mirrors in a file (`mirror+file:`, see apt-transport-mirror(1));
//! the first of them is taken, before others one that needs no TLS.
//!
//! Machines ask for packages by plain HTTP, so that those of `https` mirrors, too, come through the
//! package cache, which speaks TLS for them. What a package is worth is said by its signature.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::Image;
use super::error::SubstrateError;

/// The lines of a `sources.list` for an image: those of its mirror, else those of the host when it
/// is a Debian, of whatever release: a mirror has all of them.
///
/// # Errors
///
/// [`SubstrateError::NoMirror`] when the host's own sources do not name one.
pub(super) fn lines(image: &Image) -> Result<Vec<String>, SubstrateError> {
    let (suite, components) = (&image.suite, image.components.join(" "));
    if let Some(mirror) = &image.mirror {
        let keys = image.keyring.as_ref().map(|keys| format!("[signed-by={}] ", keys.display()));
        let keys = keys.unwrap_or_default();
        let pockets = image.pockets.iter().map(|pocket| format!("{suite}-{pocket}"));
        return Ok(std::iter::once(suite.clone())
            .chain(pockets)
            .map(|suite| format!("deb {keys}{mirror} {suite} {components}"))
            .collect());
    }
    let mut texts = Vec::new();
    for path in files(Path::new("/etc/apt")) {
        let deb822 = path.extension().is_some_and(|ext| ext == "sources");
        texts.push((deb822, fs::read_to_string(&path).unwrap_or_default()));
    }
    let own = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    for from in [Some(suite.as_str()), own].into_iter().flatten() {
        let read = |path: &str| fs::read_to_string(path).ok();
        let lines = from_texts((from, suite), &components, &texts, &read);
        if lines.iter().any(|line| line.contains(&format!(" {suite} "))) {
            return Ok(lines);
        }
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

/// What machines have as their sources instead of these: the same, by plain HTTP.
pub(super) fn plain(lines: &str) -> String {
    lines.replace("https://", "http://")
}

/// The hosts, with their ports, that these sources name by `https`.
pub(super) fn secure(lines: &[String]) -> BTreeSet<String> {
    let host = |line: &String| {
        let (_, rest) = line.split_once("https://")?;
        rest.split(['/', ' ']).next().map(str::to_ascii_lowercase)
    };
    lines.iter().filter_map(host).collect()
}

/// What there is of the first suite, said of the second. `read` gives the file of a list of mirrors.
fn from_texts(
    (own, suite): (&str, &str),
    wanted: &str,
    texts: &[(bool, String)],
    read: &dyn Fn(&str) -> Option<String>,
) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (deb822, text) in texts {
        let entries = if *deb822 { stanzas(text) } else { one_line(text) };
        for (uri, its_suite, components) in entries {
            let pocket = its_suite.strip_prefix(own);
            let pocket = pocket.filter(|pocket| ["", "-updates", "-security"].contains(pocket));
            let (Some(uri), Some(pocket)) = (mirror(&uri, read), pocket) else { continue };
            if components.iter().any(|component| component == "main") {
                let line = format!("deb {} {suite}{pocket} {wanted}", uri.trim_end_matches('/'));
                if !found.contains(&line) {
                    found.push(line);
                }
            }
        }
    }
    found
}

/// The mirror that a URI stands for, when it is one that machines can reach, too.
fn mirror(uri: &str, read: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let web = |uri: &str| uri.starts_with("http://") || uri.starts_with("https://");
    if web(uri) {
        return Some(uri.to_owned());
    }
    let path = uri.strip_prefix("mirror+file:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    let text = read(path)?;
    // Behind each there may be what it is for.
    let named = text.lines().filter_map(|line| line.split_whitespace().next());
    let named: Vec<&str> = named.filter(|uri| web(uri)).collect();
    let without = named.iter().find(|uri| uri.starts_with("http://"));
    without.or_else(|| named.first()).map(|uri| (*uri).to_owned())
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
    use super::super::Wanted;
    use super::*;

    #[test]
    fn both_forms_are_read_and_others_are_left_out() {
        let deb822 = "Types: deb\n# a remark\nURIs: http://mirror.example/debian/\n\
            Suites: bookworm bookworm-updates\nComponents: main\n\nTypes: deb\n\
            URIs: https://other.example\nSuites: nodistro\nComponents: main\n";
        let list = "deb [arch=amd64 trusted=yes] http://mirror.example/security bookworm-security main contrib\n\
            deb-src http://mirror.example/debian bookworm main\n";
        let texts = [(true, deb822.into()), (false, list.into())];
        let twelve = ("bookworm", "bookworm");
        let lines = from_texts(twelve, "main", &texts, &|_| None);
        assert_eq!(
            lines,
            [
                "deb http://mirror.example/debian bookworm main",
                "deb http://mirror.example/debian bookworm-updates main",
                "deb http://mirror.example/security bookworm-security main",
            ]
        );
        // The next release is on the same mirrors.
        let lines = from_texts(("bookworm", "trixie"), "main contrib", &texts, &|_| None);
        assert_eq!(
            lines,
            [
                "deb http://mirror.example/debian trixie main contrib",
                "deb http://mirror.example/debian trixie-updates main contrib",
                "deb http://mirror.example/security trixie-security main contrib",
            ]
        );
        assert!(from_texts(("trixie", "trixie"), "main", &texts, &|_| None).is_empty());
    }

    /// As Debian's own images for clouds are set up.
    #[test]
    fn lists_of_mirrors_are_looked_into() {
        let deb822 = "Types: deb deb-src\nURIs: mirror+file:///etc/apt/mirrors/debian.list\n\
            Suites: bookworm bookworm-updates bookworm-backports\nComponents: main\n\n\
            Types: deb deb-src\nURIs: mirror+file:/etc/apt/mirrors/security.list\n\
            Suites: bookworm-security\nComponents: main\n\n\
            Types: deb\nURIs: mirror+file:///gone.list\nSuites: bookworm\nComponents: main\n";
        let read = |path: &str| match path {
            "/etc/apt/mirrors/debian.list" => Some("https://mirror.example/debian\n".to_owned()),
            "/etc/apt/mirrors/security.list" => Some(
                "# two\nftp://no.example/\nhttps://one.example/s priority:1\n\
                 http://two.example/s/ priority:2\n"
                    .to_owned(),
            ),
            _ => None,
        };
        let lines = from_texts(("bookworm", "bookworm"), "main", &[(true, deb822.into())], &read);
        assert_eq!(
            lines,
            [
                "deb https://mirror.example/debian bookworm main",
                "deb https://mirror.example/debian bookworm-updates main",
                "deb http://two.example/s bookworm-security main",
            ]
        );
        assert_eq!(secure(&lines), BTreeSet::from(["mirror.example".to_owned()]));
        let all = plain(&lines.join("\n"));
        assert!(all.starts_with("deb http://mirror.example/debian bookworm main\n"), "{all}");
    }

    #[test]
    fn a_mirror_by_tls_keeps_its_port() {
        let lines = ["deb https://Mirror.example:8443/debian bookworm main".to_owned()];
        assert_eq!(secure(&lines), BTreeSet::from(["mirror.example:8443".to_owned()]));
    }

    #[test]
    fn a_named_mirror_wins() {
        let (thirteen, mirror) = ("debian@13".parse().unwrap(), "http://mirror.example/debian");
        let of = |base, wanted| lines(&Image::new(base, Some(mirror), &wanted).unwrap()).unwrap();
        let usual = of(&thirteen, Wanted::default());
        assert_eq!(usual, ["deb http://mirror.example/debian trixie main"]);
        let wanted = Wanted {
            mirror: Some("https://mirror.example/ubuntu".into()),
            pockets: Some(vec!["updates".into()]),
            keyring: Some("/keys.gpg".into()),
            ..Wanted::default()
        };
        let ubuntu = "deb [signed-by=/keys.gpg] https://mirror.example/ubuntu";
        let lines = of(&"ubuntu@22.04".parse().unwrap(), wanted);
        assert_eq!(
            lines,
            [
                format!("{ubuntu} jammy main universe"),
                format!("{ubuntu} jammy-updates main universe")
            ]
        );
        assert_eq!(secure(&lines), BTreeSet::from(["mirror.example".to_owned()]));
    }
}
