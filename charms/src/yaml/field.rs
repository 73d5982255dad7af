//! Reading typed values out of a tree, with errors that say file, line and key.

use std::fmt;

use super::{Map, Node, Value};

/// One place in a file: a node and how it was reached.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    file: &'a str,
    path: String,
    node: &'a Node,
}

/// Why a value is not what it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The file, as its reader called it.
    pub file: String,
    /// The line, from 1; 0 where it is not known.
    pub line: u32,
    /// The keys that lead to the value, joined by dots; empty for the whole document.
    pub path: String,
    /// What is wrong with it, on one line.
    pub problem: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        if !self.path.is_empty() {
            write!(f, " `{}`:", self.path)?;
        }
        write!(f, " {}", self.problem)
    }
}

impl std::error::Error for FieldError {}

impl<'a> Field<'a> {
    /// The whole document of `file`.
    #[must_use]
    pub fn root(file: &'a str, node: &'a Node) -> Self {
        Field { file, path: String::new(), node }
    }

    /// The value here.
    #[must_use]
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// The keys that lead here, joined by dots.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The last key that leads here.
    #[must_use]
    pub fn key(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// A complaint about the value here.
    pub fn error(&self, problem: impl fmt::Display) -> FieldError {
        FieldError {
            file: self.file.to_owned(),
            line: self.node.line,
            path: self.path.clone(),
            problem: problem.to_string(),
        }
    }

    fn expected(&self, what: &str) -> FieldError {
        self.error(format_args!("expected {what}, got {}", self.node.kind()))
    }

    fn below(&self, key: &str, node: &'a Node) -> Field<'a> {
        let path =
            if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Field { file: self.file, path, node }
    }

    /// The map here.
    pub fn map(&self) -> Result<&'a Map, FieldError> {
        self.node.as_map().ok_or_else(|| self.expected("a map"))
    }

    /// The entries of the map here, in the order of the file; none where there is nothing.
    pub fn entries(&self) -> Result<Vec<(&'a str, Field<'a>)>, FieldError> {
        if self.node.is_null() {
            return Ok(Vec::new());
        }
        Ok(self.map()?.iter().map(|e| (e.key.as_str(), self.below(&e.key, &e.node))).collect())
    }

    /// What `key` of the map here holds; nothing where it is missing or null.
    pub fn get(&self, key: &str) -> Result<Option<Field<'a>>, FieldError> {
        if self.node.is_null() {
            return Ok(None);
        }
        let node = self.map()?.get(key).filter(|node| !node.is_null());
        Ok(node.map(|node| self.below(key, node)))
    }

    /// What `key` of the map here holds, which must be there.
    pub fn need(&self, key: &str) -> Result<Field<'a>, FieldError> {
        self.get(key)?.ok_or_else(|| self.error(format_args!("`{key}` is missing")))
    }

    /// The items of the list here; none where there is nothing.
    pub fn items(&self) -> Result<Vec<Field<'a>>, FieldError> {
        match &self.node.value {
            Value::Null => Ok(Vec::new()),
            Value::List(list) => Ok(list
                .iter()
                .enumerate()
                .map(|(index, node)| self.below(&index.to_string(), node))
                .collect()),
            _ => Err(self.expected("a list")),
        }
    }

    /// The text here.
    pub fn text(&self) -> Result<&'a str, FieldError> {
        self.node.as_str().ok_or_else(|| self.expected("a string"))
    }

    /// The text here, be it written as a text, a number or a boolean.
    pub fn scalar(&self) -> Result<String, FieldError> {
        self.node.scalar_text().ok_or_else(|| self.expected("a string"))
    }

    /// The boolean here.
    pub fn boolean(&self) -> Result<bool, FieldError> {
        match &self.node.value {
            Value::Bool(value) => Ok(*value),
            // Readers of YAML 1.1 take these words for booleans, and charms are written for them.
            Value::String(text) => match text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "true" => Ok(true),
                "no" | "off" | "false" => Ok(false),
                _ => Err(self.expected("a boolean")),
            },
            _ => Err(self.expected("a boolean")),
        }
    }

    /// The whole number here.
    pub fn integer(&self) -> Result<i64, FieldError> {
        match self.node.value {
            Value::Int(value) => Ok(value),
            _ => Err(self.expected("an integer")),
        }
    }

    /// The whole number here, which is neither negative nor beyond 32 bits.
    pub fn count(&self) -> Result<u32, FieldError> {
        let value = self.integer()?;
        u32::try_from(value).map_err(|_| self.error(format_args!("{value} is out of range")))
    }

    /// The text here, read as a `T`.
    pub fn parse<T: std::str::FromStr<Err: fmt::Display>>(&self) -> Result<T, FieldError> {
        self.text()?.parse().map_err(|e| self.error(e))
    }

    /// The key here, read as a `T`.
    pub fn parse_key<T: std::str::FromStr<Err: fmt::Display>>(
        &self,
        key: &str,
    ) -> Result<T, FieldError> {
        key.parse().map_err(|e| self.error(e))
    }

    /// The text of `key`, or an empty one.
    pub fn text_of(&self, key: &str) -> Result<String, FieldError> {
        self.get(key)?.map_or_else(|| Ok(String::new()), |f| f.text().map(str::to_owned))
    }

    /// The boolean of `key`, or false.
    pub fn boolean_of(&self, key: &str) -> Result<bool, FieldError> {
        self.get(key)?.map_or(Ok(false), |f| f.boolean())
    }

    /// The list of texts of `key`, or an empty one.
    pub fn texts_of(&self, key: &str) -> Result<Vec<String>, FieldError> {
        let Some(field) = self.get(key)? else { return Ok(Vec::new()) };
        field.items()?.iter().map(|item| item.text().map(str::to_owned)).collect()
    }
}
