//! The hooks that are made from `hooks/hook.template` (layers document, section 8).

use muster_charms::yaml::Map;

use crate::error::ComposeError;
use crate::metadata::{names, relations};

pub(crate) const TEMPLATE: &str = "hooks/hook.template";

/// Every charm has these.
const STANDARD: [&str; 10] = [
    "install",
    "config-changed",
    "leader-elected",
    "leader-settings-changed",
    "start",
    "stop",
    "update-status",
    "upgrade-charm",
    "pre-series-upgrade",
    "post-series-upgrade",
];

const RELATION: [&str; 5] = ["created", "joined", "changed", "broken", "departed"];

const STORAGE: [&str; 2] = ["attached", "detaching"];

/// A hook that the template stands for.
pub(crate) struct Wanted {
    /// Its file, such as `hooks/install`.
    pub(crate) path: String,
    /// What is put for `{}` in the template.
    pub(crate) name: String,
    /// The storage that it is for, whose declaring layer owns it.
    pub(crate) storage: Option<String>,
}

/// All hooks for this metadata.
pub(crate) fn wanted(metadata: &Map) -> Vec<Wanted> {
    let mut all = Vec::new();
    for hook in STANDARD {
        all.push(Wanted { path: format!("hooks/{hook}"), name: "hook".into(), storage: None });
    }
    for (_, name, _) in relations(metadata) {
        for event in RELATION {
            let path = format!("hooks/{name}-relation-{event}");
            all.push(Wanted { path, name: name.clone(), storage: None });
        }
    }
    for name in names(metadata, "storage") {
        for event in STORAGE {
            let path = format!("hooks/{name}-storage-{event}");
            all.push(Wanted { path, name: name.clone(), storage: Some(name.clone()) });
        }
    }
    all
}

/// Puts `name` for `{}`, and single braces for double ones.
pub(crate) fn fill(template: &str, name: &str, layer: &str) -> Result<String, ComposeError> {
    let stray = || ComposeError::Template { layer: layer.to_owned() };
    let mut out = String::with_capacity(template.len());
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('{', Some('}')) => out.push_str(name),
            ('{', Some('{')) | ('}', Some('}')) => out.push(c),
            ('{' | '}', _) => return Err(stray()),
            (c, _) => {
                out.push(c);
                continue;
            }
        }
        chars.next();
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_those_of_the_template_language() {
        assert_eq!(fill("run('{}') {{x}}", "db", "base").unwrap(), "run('db') {x}");
        for bad in ["{0}", "{x}", "{", "}", "a } b"] {
            assert!(fill(bad, "db", "base").is_err(), "{bad}");
        }
    }
}
