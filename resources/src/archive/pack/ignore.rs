//! What a `.jujuignore` leaves out, in the manner of `.gitignore`.
//!
//! One pattern a line. `#` begins a remark, `!` takes back what an earlier line left out, a slash
//! at the end means folders only, a slash elsewhere binds the pattern to the top; `*` and `?` stay
//! within a part, `**` crosses parts.

/// The patterns of a folder, `.git` being the first of them.
pub(super) struct Ignore {
    patterns: Vec<Pattern>,
}

struct Pattern {
    leaves_out: bool,
    only_folders: bool,
    parts: Vec<String>,
}

impl Ignore {
    pub(super) fn parse(text: &str) -> Ignore {
        let lines = [".git"].into_iter().chain(text.lines());
        Ignore { patterns: lines.filter_map(Pattern::parse).collect() }
    }

    /// Whether the last pattern that fits leaves the path out. What is in a folder that is left
    /// out is not asked about.
    pub(super) fn matches(&self, path: &str, is_folder: bool) -> bool {
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |pattern: &&Pattern| {
            (is_folder || !pattern.only_folders) && match_parts(&pattern.parts, &parts)
        };
        self.patterns.iter().rev().find(fits).is_some_and(|pattern| pattern.leaves_out)
    }
}

impl Pattern {
    fn parse(line: &str) -> Option<Pattern> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (leaves_out, line) = match line.strip_prefix('!') {
            Some(rest) => (false, rest),
            None => (true, line),
        };
        let (only_folders, line) = match line.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let bound = line.contains('/');
        let mut parts: Vec<String> =
            line.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        if !bound {
            parts.insert(0, "**".to_owned());
        }
        parts.dedup_by(|one, other| one == "**" && other == "**");
        Some(Pattern { leaves_out, only_folders, parts })
    }
}

fn match_parts(pattern: &[String], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((first, rest)), None) => first == "**" && rest.is_empty(),
        (None, Some(_)) => false,
        (Some((first, rest)), Some((_, below))) if first == "**" => {
            match_parts(rest, path) || match_parts(pattern, below)
        }
        (Some((first, rest)), Some((part, below))) => {
            match_part(first, part) && match_parts(rest, below)
        }
    }
}

/// Matches `*` and `?` by going back to the last star only, so that no pattern takes long.
fn match_part(pattern: &str, part: &str) -> bool {
    let (pattern, part): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), part.chars().collect());
    let (mut at, mut seen, mut star) = (0, 0, None);
    while seen < part.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(want) if *want == '?' || part.get(seen) == Some(want) => {
                at += 1;
                seen += 1;
            }
            _ => match star {
                Some((back, taken)) => {
                    star = Some((back, taken + 1));
                    at = back + 1;
                    seen = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|left| *left == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_gitignore() {
        let ignore = Ignore::parse("# remark\n*.pyc\n/build/\ndocs/*.md\n!docs/keep.md\na/**/z\n");
        for (path, is_folder, expected) in [
            (".git", true, true),
            ("sub/.git", true, true),
            (".gitignore", false, false),
            ("x.pyc", false, true),
            ("deep/er/x.pyc", false, true),
            ("build", true, true),
            ("build", false, false),
            ("src/build", true, false),
            ("docs/one.md", false, true),
            ("docs/sub/one.md", false, false),
            ("docs/keep.md", false, false),
            ("a/z", false, true),
            ("a/b/c/z", false, true),
            ("a/b/c/y", false, false),
        ] {
            assert_eq!(ignore.matches(path, is_folder), expected, "{path}");
        }
        assert!(!match_part(&"*a".repeat(50), &"a".repeat(49)));
        assert!(match_part("a*b?d*", "aXXbcdYY"));
    }
}
