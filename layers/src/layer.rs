//! A layer: a tree with a `layer.yaml`, or for interfaces an `interface.yaml`.

use muster_charms::Tree;
use muster_charms::charm::Files;
use muster_charms::yaml::{Field, Limits, Map, Node, Value, parse};

use crate::error::ComposeError;
use crate::pattern::Patterns;

/// Where included layers come from.
pub trait Library {
    /// The tree behind an include such as `layer:apt` or `interface:http`, without its `@REV`;
    /// `None` where there is none.
    fn layer(&self, include: &str) -> Option<Tree>;

    /// Which revision of its source that tree is, for the build manifest.
    fn revision(&self, _include: &str) -> Option<String> {
        None
    }
}

impl Library for std::collections::BTreeMap<String, Tree> {
    fn layer(&self, include: &str) -> Option<Tree> {
        self.get(include).cloned()
    }
}

/// The names of the folders in which an include is looked for, in order (layers document,
/// section 3.1).
#[must_use]
pub fn candidates(include: &str) -> Vec<String> {
    let include = without_revision(include);
    match include.split_once(':') {
        Some((kind @ ("layer" | "interface"), name)) => {
            vec![name.to_owned(), format!("{kind}-{name}")]
        }
        _ => vec![include.to_owned()],
    }
}

/// The include without `@REV`; only `layer:` and `interface:` includes have one for us.
pub(crate) fn without_revision(include: &str) -> &str {
    if include.starts_with("layer:") || include.starts_with("interface:") {
        include.split_once('@').map_or(include, |(before, _)| before)
    } else {
        include
    }
}

/// One layer, read.
#[derive(Clone, Debug)]
pub struct Layer {
    /// What keys its options, its ignore list and its copyright (section 3.3).
    pub name: String,
    /// The include as it is written; for the top layer the charm's name.
    pub url: String,
    /// Its files, with links replaced by what they lead to.
    pub tree: Tree,
    /// Its `layer.yaml` (`composer.yaml`, `interface.yaml`); nothing where it has none.
    pub config: Option<Map>,
    /// What it includes, as written.
    pub includes: Vec<String>,
    /// What it drops of the layer below.
    pub ignore: Patterns,
    /// What it drops of itself.
    pub exclude: Patterns,
    /// Both lists as they are written, for interfaces.
    pub(crate) hidden: Vec<String>,
    /// Which revision of its source it is; empty where that is not known.
    pub revision: String,
}

impl Layer {
    /// Reads the layer behind `url`.
    pub fn read(url: &str, tree: &Tree, revision: Option<String>) -> Result<Self, ComposeError> {
        let bare = without_revision(url);
        let default_name = match bare.split_once(':') {
            Some(("layer" | "interface", name)) => name,
            _ => bare.trim_end_matches('/').rsplit('/').next().unwrap_or(bare),
        };
        let fail = |source| ComposeError::Tree { layer: url.to_owned(), source };
        let tree = tree.without_links().map_err(fail)?;
        let file = config_file(url, &tree);
        let mut layer = Layer {
            name: default_name.to_owned(),
            url: url.to_owned(),
            config: None,
            includes: Vec::new(),
            ignore: Patterns::default(),
            exclude: Patterns::default(),
            hidden: Vec::new(),
            revision: revision
                .or_else(|| {
                    let bytes = tree.text(".pull-source-rev")?;
                    Some(String::from_utf8_lossy(bytes).trim().to_owned())
                })
                .unwrap_or_default(),
            tree,
        };
        if let Some(file) = file {
            layer.configure(file)?;
        }
        Ok(layer)
    }

    fn configure(&mut self, file: &str) -> Result<(), ComposeError> {
        let Some(node) = self.document(file)? else { return Ok(()) };
        let shown = self.shown(file);
        let root = Field::root(&shown, &node);
        if let Some(name) = root.get("name")? {
            name.text()?.clone_into(&mut self.name);
        }
        self.includes = list(&root, "includes")?;
        let ignore = list(&root, "ignore")?;
        let exclude = list(&root, "exclude")?;
        let patterns = |list: &[String]| {
            Patterns::new(list.iter().map(String::as_str))
                .map_err(|source| ComposeError::Pattern { layer: self.name.clone(), source })
        };
        self.ignore = patterns(&ignore)?;
        self.exclude = patterns(&exclude)?;
        self.hidden = ignore.into_iter().chain(exclude).collect();
        if let Some(tactics) = root.get("tactics")? {
            let named = tactics.items()?.first().and_then(|t| t.node().scalar_text());
            return Err(ComposeError::Unsupported {
                layer: self.name.clone(),
                what: format!("the Python tactic {}", named.unwrap_or_default()),
            });
        }
        self.config = Some(match node.value {
            Value::Map(map) => map,
            Value::Null => Map::new(),
            _ => return Err(root.error("expected a map").into()),
        });
        Ok(())
    }

    /// A YAML file of the layer; an empty one is an empty map.
    pub(crate) fn document(&self, path: &str) -> Result<Option<Node>, ComposeError> {
        let Some(bytes) = self.tree.text(path) else { return Ok(None) };
        let node = parse(&self.shown(path), bytes, &Limits::FILE)
            .map_err(|source| ComposeError::Yaml { file: path.to_owned(), source })?;
        Ok(Some(if node.is_null() { Node::new(Value::Map(Map::new())) } else { node }))
    }

    /// How an error calls a file of this layer.
    pub(crate) fn shown(&self, path: &str) -> String {
        format!("{}/{path}", self.name)
    }

    /// What `key` of its configuration file holds.
    pub(crate) fn setting(&self, key: &str) -> Option<&Node> {
        self.config.as_ref()?.get(key).filter(|node| !node.is_null())
    }
}

fn config_file(url: &str, tree: &Tree) -> Option<&'static str> {
    let names: &[&'static str] = if url.starts_with("interface:") {
        &["interface.yaml"]
    } else {
        &["layer.yaml", "composer.yaml"]
    };
    names.iter().find(|name| tree.get(name).is_some()).copied()
}

/// A list of texts; a bare text is a list of one.
fn list(root: &Field<'_>, key: &str) -> Result<Vec<String>, ComposeError> {
    match root.get(key)? {
        Some(field) if field.node().as_str().is_some() => Ok(vec![field.scalar()?]),
        _ => Ok(root.texts_of(key)?),
    }
}
