//! The query language of `wait-for` (CLI contract §9).
//!
//! ```text
//! life == "alive" && (status == "active" || len(units) == 0)
//!   && forEach(units, unit => startsWith(unit.workload-message, "ready"))
//! ```
//!
//! A query is parsed when the line is read, so that a slip is found before anything waits, and is
//! asked of a plain [`Value`] each time the model has changed. `forEach` over nothing is true, as
//! "all of them" is in any logic. The answer "no" comes with the part that was false.

mod parse;

use std::fmt;
use std::str::FromStr;

use serde_json::Value;
use thiserror::Error;

/// A parsed query.
#[derive(Clone, Debug, PartialEq)]
pub struct Query(Expr);

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    Literal(Value),
    Name(String),
    Field(Box<Expr>, String),
    Index(Box<Expr>, Box<Expr>),
    Compare(Box<Expr>, Order, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Call(String, Vec<Expr>),
    ForEach(Box<Expr>, String, Box<Expr>),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

impl Order {
    fn as_str(self) -> &'static str {
        match self {
            Order::Equal => "==",
            Order::Unequal => "!=",
            Order::Less => "<",
            Order::LessOrEqual => "<=",
            Order::More => ">",
            Order::MoreOrEqual => ">=",
        }
    }
}

/// Why a query cannot be read or answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueryError {
    /// It does not follow the grammar.
    #[error("{what} at character {at}")]
    Syntax {
        /// What is wrong.
        what: String,
        /// Counted from 1.
        at: usize,
    },
    /// It is nested too deeply.
    #[error("nested more than {} deep", parse::DEEPEST)]
    Deep,
    /// It asks for a name that there is not.
    #[error("unknown name {name:?}; there are {}", valid.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// What there is.
        valid: Vec<String>,
    },
    /// It asks something of a value of the wrong kind.
    #[error("{what} is {kind}, not {wanted}")]
    Kind {
        /// The part of the query.
        what: String,
        /// What it came to.
        kind: &'static str,
        /// What it should have come to.
        wanted: &'static str,
    },
}

impl FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Query, QueryError> {
        parse::query(text).map(Query)
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Query {
    /// Whether it is so in `scope`, a map from names to values; if not, the parts that are false.
    ///
    /// # Errors
    /// When it asks for a name that there is not, or compares what cannot be compared.
    pub fn holds(&self, scope: &Value) -> Result<Result<(), String>, QueryError> {
        let scopes = Scopes { own: scope, bound: Vec::new() };
        if truth(&self.0, &scopes)? {
            return Ok(Ok(()));
        }
        let mut parts = Vec::new();
        falsehoods(&self.0, &scopes, &mut parts)?;
        Ok(Err(parts.join(" and ")))
    }
}

struct Scopes<'a> {
    own: &'a Value,
    bound: Vec<(&'a str, &'a Value)>,
}

impl<'a> Scopes<'a> {
    fn with(&self, name: &'a str, value: &'a Value) -> Scopes<'a> {
        let mut bound = self.bound.clone();
        bound.push((name, value));
        Scopes { own: self.own, bound }
    }
}

fn truth(expr: &Expr, scopes: &Scopes<'_>) -> Result<bool, QueryError> {
    match value(expr, scopes)? {
        Value::Bool(truth) => Ok(truth),
        other => Err(wrong(expr, &other, "true or false")),
    }
}

fn wrong(expr: &Expr, value: &Value, wanted: &'static str) -> QueryError {
    QueryError::Kind { what: expr.to_string(), kind: kind(value), wanted }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// The smallest parts that make the whole false, each with what it compares.
fn falsehoods(expr: &Expr, scopes: &Scopes<'_>, parts: &mut Vec<String>) -> Result<(), QueryError> {
    match expr {
        Expr::And(left, right) => {
            for side in [left, right] {
                if !truth(side, scopes)? {
                    falsehoods(side, scopes, parts)?;
                }
            }
        }
        Expr::Compare(left, _, _) => {
            parts.push(format!("{expr} is false: it is {}", value(left, scopes)?));
        }
        Expr::ForEach(of, name, each) => {
            let all = value(of, scopes)?;
            for (key, item) in members(&all) {
                let inner = scopes.with(name, item);
                if !truth(each, &inner)? {
                    parts.push(format!("{each} is false for {key}"));
                }
            }
        }
        _ => parts.push(format!("{expr} is false")),
    }
    Ok(())
}

fn members(value: &Value) -> Vec<(String, &Value)> {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect()
        }
        Value::Object(map) => map.iter().map(|(key, item)| (key.clone(), item)).collect(),
        _ => Vec::new(),
    }
}

fn value(expr: &Expr, scopes: &Scopes<'_>) -> Result<Value, QueryError> {
    Ok(match expr {
        Expr::Literal(value) => value.clone(),
        Expr::Name(name) => match scopes.bound.iter().rev().find(|(bound, _)| bound == name) {
            Some((_, value)) => (*value).clone(),
            None => field(scopes.own, name)?,
        },
        Expr::Field(of, name) => field(&value(of, scopes)?, name)?,
        Expr::Index(of, by) => index(expr, &value(of, scopes)?, &value(by, scopes)?)?,
        Expr::Compare(left, order, right) => {
            Value::Bool(compare(expr, &value(left, scopes)?, *order, &value(right, scopes)?)?)
        }
        Expr::And(left, right) => Value::Bool(truth(left, scopes)? && truth(right, scopes)?),
        Expr::Or(left, right) => Value::Bool(truth(left, scopes)? || truth(right, scopes)?),
        Expr::Call(name, arguments) => {
            let values: Vec<Value> =
                arguments.iter().map(|one| value(one, scopes)).collect::<Result<_, _>>()?;
            call(expr, name, &values)?
        }
        Expr::ForEach(of, name, each) => {
            let all = value(of, scopes)?;
            if !matches!(all, Value::Array(_) | Value::Object(_)) {
                return Err(wrong(of, &all, "a list or a map"));
            }
            let mut so = true;
            for (_, item) in members(&all) {
                so &= truth(each, &scopes.with(name, item))?;
            }
            Value::Bool(so)
        }
    })
}

fn field(of: &Value, name: &str) -> Result<Value, QueryError> {
    match of {
        Value::Object(map) => map.get(name).cloned().ok_or_else(|| QueryError::Unknown {
            name: name.to_owned(),
            valid: map.keys().cloned().collect(),
        }),
        _ => Err(QueryError::Unknown { name: name.to_owned(), valid: vec!["none".to_owned()] }),
    }
}

fn index(expr: &Expr, of: &Value, by: &Value) -> Result<Value, QueryError> {
    match (of, by) {
        (Value::Object(_), Value::String(key)) => field(of, key),
        (Value::Array(items), Value::Number(number)) => {
            let item = number.as_u64().and_then(|at| items.get(usize::try_from(at).ok()?));
            Ok(item.cloned().unwrap_or(Value::Null))
        }
        _ => Err(wrong(expr, of, "a map with a string, or a list with a number")),
    }
}

fn compare(expr: &Expr, left: &Value, order: Order, right: &Value) -> Result<bool, QueryError> {
    use std::cmp::Ordering;
    let ordering = match (left, right) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (a, b) if a == b => Some(Ordering::Equal),
        _ => None,
    };
    Ok(match (order, ordering) {
        (Order::Equal, ordering) => ordering == Some(Ordering::Equal),
        (Order::Unequal, ordering) => ordering != Some(Ordering::Equal),
        (_, None) => return Err(wrong(expr, left, "comparable with its other side")),
        (Order::Less, Some(ordering)) => ordering.is_lt(),
        (Order::LessOrEqual, Some(ordering)) => ordering.is_le(),
        (Order::More, Some(ordering)) => ordering.is_gt(),
        (Order::MoreOrEqual, Some(ordering)) => ordering.is_ge(),
    })
}

fn call(expr: &Expr, name: &str, values: &[Value]) -> Result<Value, QueryError> {
    match (name, values) {
        ("len", [Value::String(text)]) => Ok(Value::from(text.chars().count())),
        ("len", [Value::Array(items)]) => Ok(Value::from(items.len())),
        ("len", [Value::Object(map)]) => Ok(Value::from(map.len())),
        ("startsWith", [Value::String(text), Value::String(part)]) => {
            Ok(Value::Bool(text.starts_with(part.as_str())))
        }
        ("endsWith", [Value::String(text), Value::String(part)]) => {
            Ok(Value::Bool(text.ends_with(part.as_str())))
        }
        // For looking at what a query sees: true, whatever it is given.
        ("print", _) => Ok(Value::Bool(true)),
        (_, values) => {
            let first = values.first().unwrap_or(&Value::Null);
            Err(wrong(expr, first, "what this function takes"))
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // There are no escapes: a string stands between the quotes that it does not hold.
            Expr::Literal(Value::String(text)) if text.contains('"') => write!(f, "'{text}'"),
            Expr::Literal(Value::String(text)) => write!(f, "\"{text}\""),
            Expr::Literal(value) => write!(f, "{value}"),
            Expr::Name(name) => f.write_str(name),
            Expr::Field(of, name) => write!(f, "{of}.{name}"),
            Expr::Index(of, by) => write!(f, "{of}[{by}]"),
            Expr::Compare(left, order, right) => write!(f, "{left} {} {right}", order.as_str()),
            Expr::And(left, right) => write!(f, "({left} && {right})"),
            Expr::Or(left, right) => write!(f, "({left} || {right})"),
            Expr::ForEach(of, name, each) => write!(f, "forEach({of}, {name} => {each})"),
            Expr::Call(name, arguments) => {
                write!(f, "{name}(")?;
                for (index, argument) in arguments.iter().enumerate() {
                    let comma = if index > 0 { ", " } else { "" };
                    write!(f, "{comma}{argument}")?;
                }
                f.write_str(")")
            }
        }
    }
}

#[cfg(test)]
mod tests;
