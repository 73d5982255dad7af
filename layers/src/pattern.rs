//! `ignore` and `exclude`: lists of gitignore patterns (layers document, section 7).

use regex::Regex;

/// What is never part of a charm, whatever a layer says.
pub const ALWAYS: [&str; 10] = [
    ".bzr",
    ".git",
    "**/.ropeproject",
    "*.pyc",
    "*~",
    ".tox",
    "*.swp",
    ".pull-source-rev",
    "*.charm",
    "build.lock",
];

/// Patterns, of which the last one that matches decides.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    rules: Vec<(bool, Regex)>,
}

/// A pattern that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no pattern of the kind that gitignore has")]
pub struct BadPattern(pub String);

impl Patterns {
    /// The patterns of a list; empty ones and comments match nothing.
    pub fn new<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, BadPattern> {
        let mut rules = Vec::new();
        for pattern in list {
            let (hides, body) = match pattern.strip_prefix('!') {
                Some(rest) => (false, rest),
                None => (true, pattern),
            };
            if body.is_empty() || body.starts_with('#') {
                continue;
            }
            let regex = translate(body).and_then(|text| Regex::new(&text).ok());
            rules.push((hides, regex.ok_or_else(|| BadPattern(pattern.to_owned()))?));
        }
        Ok(Patterns { rules })
    }

    /// What is always in force.
    pub fn always() -> Result<Self, BadPattern> {
        Patterns::new(ALWAYS)
    }

    /// Whether a file of this path, relative to its layer, is meant.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.rules
            .iter()
            .rev()
            .find(|(_, rule)| rule.is_match(path))
            .is_some_and(|(hides, _)| *hides)
    }
}

/// A regular expression for one pattern; it matches the thing meant and all that is below it.
fn translate(pattern: &str) -> Option<String> {
    let (body, only_below) = match pattern.strip_suffix('/') {
        Some(body) => (body, true),
        None => (pattern, false),
    };
    let anchored = body.contains('/');
    let body = body.strip_prefix('/').unwrap_or(body);
    let mut regex = String::from(if anchored { "^" } else { "^(?:.+/)?" });
    let mut rest = body;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("**/") {
            regex.push_str("(?:.+/)?");
            rest = after;
            continue;
        }
        if rest == "**" {
            regex.push_str(".+");
            break;
        }
        rest = rest.get(c.len_utf8()..)?;
        match c {
            '*' => {
                regex.push_str("[^/]*");
                rest = rest.trim_start_matches('*');
            }
            '?' => regex.push_str("[^/]"),
            '[' => {
                let (class, after) = rest.split_once(']')?;
                let class = class.replacen('!', "^", usize::from(class.starts_with('!')));
                regex.push_str(&format!("[{}]", class.replace('\\', "\\\\").replace('[', "\\[")));
                rest = after;
            }
            '\\' => {
                let escaped = rest.chars().next()?;
                regex.push_str(&regex::escape(&escaped.to_string()));
                rest = rest.get(escaped.len_utf8()..)?;
            }
            c => regex.push_str(&regex::escape(&c.to_string())),
        }
    }
    regex.push_str(if only_below { "/.*$" } else { "(?:/.*)?$" });
    Some(regex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Patterns::new([pattern]).unwrap().matches(path)
    }

    #[test]
    fn a_name_matches_at_any_depth_with_all_below() {
        for path in ["tests", "a/tests", "tests/x", "a/b/tests/c/d"] {
            assert!(matches("tests", path), "{path}");
        }
        assert!(!matches("tests", "mytests") && !matches("tests", "tests2/x"));
        assert!(matches("tests/", "tests/x") && !matches("tests/", "tests"));
        assert!(matches("*.pyc", "lib/a.pyc") && !matches("*.pyc", "lib/a.py"));
    }

    #[test]
    fn a_slash_anchors() {
        assert!(matches("/docs", "docs/a") && !matches("/docs", "a/docs"));
        assert!(matches("x/*.tmp", "x/a.tmp") && !matches("x/*.tmp", "y/x/a.tmp"));
        assert!(!matches("x/*.tmp", "x/y/a.tmp"));
        assert!(matches("x/f.txt", "x/f.txt"));
        assert!(matches("**/z", "a/b/z") && matches("**/z", "z"));
        assert!(matches("a/**/z", "a/z") && matches("a/**/z", "a/b/c/z"));
        assert!(matches("a/**", "a/b/c") && !matches("a/**", "a"));
    }

    #[test]
    fn the_last_match_decides() {
        let patterns = Patterns::new(["*.md", "!README.md", "", "# x"]).unwrap();
        assert!(patterns.matches("a.md") && !patterns.matches("README.md"));
        assert!(!patterns.matches("x"));
    }

    #[test]
    fn classes_and_escapes_are_understood() {
        assert!(
            matches("[ab].x", "a.x") && !matches("[!ab].x", "a.x") && matches("[!ab].x", "c.x")
        );
        assert!(matches("a\\*", "a*") && !matches("a\\*", "ab"));
        assert!(matches("a.b", "a.b") && !matches("a.b", "axb"));
        assert!(Patterns::new(["[a"]).is_err());
        assert!(Patterns::always().unwrap().matches("hooks/x.swp"));
    }
}
