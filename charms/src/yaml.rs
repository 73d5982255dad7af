//! The one door for YAML: budgets, no duplicate keys, no unknown tags, one document unless
//! several are asked for (reliability document, S21 and section 5).
//!
//! What comes out is a tree of [`Node`]s that know their line, so that whoever finds a value wrong
//! can say where it stands. Scalars are resolved as YAML 1.2 has it: `yes` is a string. Mappings
//! keep their order.

mod field;
mod raw;
mod write;

use std::fmt;

pub use field::{Field, FieldError};
pub use write::to_text;

/// What is refused before it costs anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest text, in bytes.
    pub bytes: usize,
    /// The deepest nesting of lists and maps.
    pub depth: usize,
    /// The most nodes, after aliases are expanded.
    pub nodes: usize,
    /// The most aliases.
    pub aliases: usize,
    /// The most merge keys (`<<`).
    pub merge_keys: usize,
    /// The longest single string, in bytes.
    pub string: usize,
    /// The most documents, where several are asked for.
    pub documents: usize,
}

impl Limits {
    /// For the files of a charm or a layer, and for what an operator hands over.
    pub const FILE: Limits = Limits {
        bytes: 1 << 20,
        depth: 32,
        nodes: 50_000,
        aliases: 1_000,
        merge_keys: 1_000,
        string: 64 << 10,
        documents: 1,
    };

    /// For bundles, which are longer and may hold their overlays in the same file.
    pub const BUNDLE: Limits = Limits { bytes: 4 << 20, documents: 100, ..Limits::FILE };
}

/// A value with the line that it stands on.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// The line in its file, from 1; 0 where it came from no file.
    pub line: u32,
    /// How a number was written, where that is not how it prints (`0755`, `1_000`, `0x1F`).
    written: Option<Box<str>>,
}

/// What a [`Node`] is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, `~`, or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A finite number that is not whole, or is written with a point.
    Float(f64),
    /// A text.
    String(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Map),
}

/// Equal values, wherever they stand and however their numbers were written.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// A mapping that keeps the order of its keys; no key is there twice.
#[derive(Clone, Debug, Default)]
pub struct Map {
    entries: Vec<Entry>,
}

/// One key of a [`Map`] with its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key as text, whatever it was.
    pub key: String,
    /// Whether the key was a text, and not a number or a boolean.
    pub textual: bool,
    /// What it maps to.
    pub node: Node,
}

/// Maps are equal when they hold the same, in whatever order.
impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.entries.iter().all(|e| other.get(&e.key).is_some_and(|n| *n == e.node))
    }
}

impl Map {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Map::default()
    }

    /// What `key` maps to.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|e| e.key == key).map(|e| &e.node)
    }

    /// What `key` maps to, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|e| e.key == key).map(|e| &mut e.node)
    }

    /// Maps `key` to `node`: in the old place where it was mapped before, else at the end.
    pub fn insert(&mut self, key: &str, node: Node) {
        match self.get_mut(key) {
            Some(old) => *old = node,
            None => self.entries.push(Entry { key: key.to_owned(), textual: true, node }),
        }
    }

    /// Takes `key` out.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        let index = self.entries.iter().position(|e| e.key == key)?;
        Some(self.entries.remove(index).node)
    }

    /// The entries in order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The entries in order, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.iter_mut()
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Node {
    /// A value that came from no file.
    #[must_use]
    pub fn new(value: Value) -> Self {
        Node { value, line: 0, written: None }
    }

    /// How a number was written, where that is not how it prints.
    #[must_use]
    pub fn written(&self) -> Option<&str> {
        self.written.as_deref()
    }

    /// What it is, for an error message: `a list`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "an integer",
            Value::Float(_) => "a float",
            Value::String(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// The map, if it is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        if let Value::Map(map) = &self.value { Some(map) } else { None }
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = &self.value { Some(text) } else { None }
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// A scalar as text, as it was written; `None` for lists, maps and nothing.
    #[must_use]
    pub fn scalar_text(&self) -> Option<String> {
        if let Some(written) = &self.written {
            return Some(written.to_string());
        }
        match &self.value {
            Value::Bool(value) => Some(value.to_string()),
            Value::Int(value) => Some(value.to_string()),
            Value::Float(value) => Some(value.to_string()),
            Value::String(value) => Some(value.clone()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The same as a value that came from no file. Numbers that no node can hold are texts.
    #[must_use]
    pub fn from_json(json: &serde_json::Value) -> Self {
        Node::new(match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => Value::Bool(*value),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(value), _) => Value::Int(value),
                (None, Some(value)) if number.is_f64() => Value::Float(value),
                _ => Value::String(number.to_string()),
            },
            serde_json::Value::String(value) => Value::String(value.clone()),
            serde_json::Value::Array(list) => {
                Value::List(list.iter().map(Node::from_json).collect())
            }
            serde_json::Value::Object(object) => {
                let mut map = Map::new();
                for (key, value) in object {
                    map.insert(key, Node::from_json(value));
                }
                Value::Map(map)
            }
        })
    }

    /// The same as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::Float(value) => (*value).into(),
            Value::String(value) => value.as_str().into(),
            Value::List(list) => list.iter().map(Node::to_json).collect(),
            Value::Map(map) => serde_json::Value::Object(
                map.iter().map(|e| (e.key.clone(), e.node.to_json())).collect(),
            ),
        }
    }
}

/// Why a text is not the YAML that it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    /// The file, as its reader called it.
    pub file: String,
    /// The line, from 1, where it is known.
    pub line: Option<u32>,
    /// What is wrong, on one line.
    pub problem: String,
}

impl fmt::Display for YamlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.problem)
    }
}

impl std::error::Error for YamlError {}

/// Reads one document; an empty text is [`Value::Null`].
///
/// `file` is what errors call it.
pub fn parse(file: &str, bytes: &[u8], limits: &Limits) -> Result<Node, YamlError> {
    let mut all = raw::read(file, bytes, &Limits { documents: 1, ..*limits })?;
    match (all.pop(), all.is_empty()) {
        (Some(node), true) => Ok(node),
        (None, _) => Ok(Node::new(Value::Null)),
        (Some(node), false) => Err(YamlError {
            file: file.to_owned(),
            line: Some(node.line).filter(|line| *line > 0),
            problem: "there is more than one document".to_owned(),
        }),
    }
}

/// Reads all documents of a text, at most [`Limits::documents`]; empty ones are left out.
pub fn parse_many(file: &str, bytes: &[u8], limits: &Limits) -> Result<Vec<Node>, YamlError> {
    let mut all = raw::read(file, bytes, limits)?;
    all.retain(|node| !node.is_null());
    Ok(all)
}
