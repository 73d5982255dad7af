//! From text to nodes, through serde-saphyr and its budgets.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Location, Spanned};

use super::{Entry, Limits, Map, Node, Value, YamlError};

pub(super) fn read(file: &str, bytes: &[u8], limits: &Limits) -> Result<Vec<Node>, YamlError> {
    let fail =
        |line: Option<u32>, problem: String| YamlError { file: file.to_owned(), line, problem };
    if bytes.len() > limits.bytes {
        let most = limits.bytes;
        return Err(fail(None, format!("is {} bytes long; the limit is {most}", bytes.len())));
    }
    let source = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|b| **b == b'\n').count() + 1;
            return Err(fail(u32::try_from(line).ok(), "is not UTF-8".to_owned()));
        }
    };
    let raws: Vec<Raw> = serde_saphyr::from_multiple_with_options(source, options(limits))
        .map_err(|error| {
            let line = error.location().and_then(|l| u32::try_from(l.line()).ok());
            fail(line.filter(|line| *line > 0), one_line(error.without_snippet()))
        })?;
    if raws.len() > limits.documents {
        let problem = match limits.documents {
            1 => "there is more than one document".to_owned(),
            most => format!("there are more than {most} documents"),
        };
        return Err(fail(raws.get(limits.documents).map(Raw::line), problem));
    }
    let mut left = limits.nodes;
    let mut finish = Finish { source, limits, left: &mut left };
    raws.into_iter()
        .map(|raw| finish.node(raw).map_err(|(line, problem)| fail(Some(line), problem)))
        .collect()
}

fn options(limits: &Limits) -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: limits.depth,
            flow_nesting_limit: limits.depth,
            max_nodes: limits.nodes,
            max_events: limits.nodes * 3,
            max_aliases: limits.aliases,
            max_anchors: limits.aliases,
            max_merge_keys: limits.merge_keys,
            // One more than allowed, so that the refusal is ours and says the limit.
            max_documents: limits.documents + 1,
            max_total_scalar_bytes: limits.bytes,
            max_recorded_anchor_events: limits.nodes * 3,
            max_recorded_anchor_bytes: limits.bytes * 2,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: limits.nodes * 3,
            max_replay_stack_depth: limits.depth,
        },
        emit_comments: false,
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Merge,
        strict_booleans: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    }
}

fn one_line(error: &serde_saphyr::Error) -> String {
    let text = error.render();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// A node as it comes from the parser, before its source text is looked at again.
struct Raw {
    value: RawValue,
    at: Location,
}

enum RawValue {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
    List(Vec<Raw>),
    Map(Vec<(Raw, Raw)>),
}

impl Raw {
    fn line(&self) -> u32 {
        u32::try_from(self.at.line()).unwrap_or(0)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<RawValue>::deserialize(deserializer)?;
        Ok(Raw { value: spanned.value, at: spanned.defined })
    }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = RawValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_none<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawValue, E> {
        Ok(RawValue::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawValue, E> {
        Ok(RawValue::Int(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<RawValue, E> {
        i64::try_from(value)
            .map(RawValue::Int)
            .map_err(|_| E::custom(format!("the number {value} does not fit 64 bits with a sign")))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawValue, E> {
        Ok(RawValue::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawValue, E> {
        Ok(RawValue::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<RawValue, E> {
        Ok(RawValue::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawValue, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = seq.next_element()? {
            list.push(item);
        }
        Ok(RawValue::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawValue, A::Error> {
        let mut entries: Vec<(Raw, Raw)> = Vec::new();
        while let Some(key) = map.next_key::<Raw>()? {
            if matches!(key.value, RawValue::List(_) | RawValue::Map(_) | RawValue::Null) {
                return Err(A::Error::custom("a key must be a string, a number or a boolean"));
            }
            entries.push((key, map.next_value()?));
        }
        Ok(RawValue::Map(entries))
    }
}

/// Turns raw nodes into nodes: counts them, and asks the source how numbers were written.
struct Finish<'a> {
    source: &'a str,
    limits: &'a Limits,
    left: &'a mut usize,
}

type Refused = (u32, String);

impl Finish<'_> {
    fn node(&mut self, raw: Raw) -> Result<Node, Refused> {
        let line = raw.line();
        if *self.left == 0 {
            let most = self.limits.nodes;
            return Err((line, format!("there are more than {most} nodes")));
        }
        *self.left -= 1;
        let written = self.written(raw.at);
        Ok(match raw.value {
            RawValue::Null => Node { value: Value::Null, line, written: None },
            RawValue::Bool(value) => Node { value: Value::Bool(value), line, written: None },
            RawValue::Int(value) => {
                let written = written.filter(|text| *text != value.to_string()).map(Into::into);
                Node { value: Value::Int(value), line, written }
            }
            RawValue::Float(value) => {
                // YAML 1.1 reads `0755` as octal, and so do all who read charms; only the
                // stricter readers of 1.2 make it a number of another value.
                let octal = written.and_then(octal);
                let value = octal.map_or(Value::Float(value), Value::Int);
                Node { value, line, written: written.map(Into::into) }
            }
            RawValue::String(value) => {
                if value.len() > self.limits.string {
                    let (length, most) = (value.len(), self.limits.string);
                    return Err((line, format!("a string of {length} bytes; the limit is {most}")));
                }
                Node { value: Value::String(value), line, written: None }
            }
            RawValue::List(list) => {
                let list = list.into_iter().map(|raw| self.node(raw)).collect::<Result<_, _>>()?;
                Node { value: Value::List(list), line, written: None }
            }
            RawValue::Map(entries) => {
                let mut map = Map::default();
                let mut seen = std::collections::BTreeSet::new();
                for (key, value) in entries {
                    let key = self.node(key)?;
                    let textual = key.as_str().is_some();
                    let Some(text) = key.scalar_text() else {
                        return Err((key.line, "a key must be a scalar".to_owned()));
                    };
                    if !seen.insert(text.clone()) {
                        return Err((key.line, format!("duplicate key {text:?}")));
                    }
                    let node = self.node(value)?;
                    map.entries.push(Entry { key: text, textual, node });
                }
                Node { value: Value::Map(map), line, written: None }
            }
        })
    }

    /// The source text of a scalar, where the parser knows which bytes they are.
    fn written(&self, at: Location) -> Option<&str> {
        let start = usize::try_from(at.span().byte_offset()?).ok()?;
        let length = usize::try_from(at.span().byte_len()?).ok()?;
        self.source.get(start..start.checked_add(length)?).map(str::trim)
    }
}

/// `0755` as its readers understand it.
fn octal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let rest = digits.strip_prefix('0')?;
    if rest.is_empty() || !rest.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
        return None;
    }
    let value = i64::from_str_radix(rest, 8).ok()?;
    Some(if text.starts_with('-') { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::super::{parse, parse_many};
    use super::*;

    fn one(text: &str) -> Node {
        parse("f.yaml", text.as_bytes(), &Limits::FILE).unwrap_or_else(|e| panic!("{e}"))
    }

    fn refused(text: &str) -> String {
        parse("f.yaml", text.as_bytes(), &Limits::FILE).unwrap_err().to_string()
    }

    #[test]
    fn scalars_have_the_types_of_yaml_1_2() {
        let node = one(
            "a: yes\nb: true\nc: 0755\nd: 1_000\ne: 0x1F\nf: ~\ng: 2020-01-01\nh: 1.50\ni: '1'\nj:\nk: True\nl: 7",
        );
        let map = node.as_map().unwrap();
        let get = |key: &str| map.get(key).unwrap();
        assert_eq!(get("a").value, Value::String("yes".into()));
        assert_eq!(get("b").value, Value::Bool(true));
        assert_eq!((&get("c").value, get("c").written()), (&Value::Int(493), Some("0755")));
        assert_eq!((&get("d").value, get("d").written()), (&Value::Int(1000), Some("1_000")));
        assert_eq!((&get("e").value, get("e").written()), (&Value::Int(31), Some("0x1F")));
        assert_eq!(get("f").value, Value::Null);
        assert_eq!(get("g").value, Value::String("2020-01-01".into()));
        assert_eq!((&get("h").value, get("h").written()), (&Value::Float(1.5), Some("1.50")));
        assert_eq!(get("i").value, Value::String("1".into()));
        assert_eq!(get("j").value, Value::Null);
        assert_eq!(get("k").value, Value::Bool(true));
        assert_eq!((&get("l").value, get("l").written()), (&Value::Int(7), None));
    }

    #[test]
    fn nodes_know_their_line_and_maps_their_order() {
        let node = one("z: 1\na:\n  - x\n  - y: 2\n");
        let map = node.as_map().unwrap();
        assert_eq!(map.iter().map(|e| e.key.as_str()).collect::<Vec<_>>(), ["z", "a"]);
        let Value::List(list) = &map.get("a").unwrap().value else { panic!() };
        assert_eq!(list[1].as_map().unwrap().get("y").unwrap().line, 4);
    }

    #[test]
    fn keys_may_be_numbers_and_say_so() {
        let node = one("0: {a: b}\n1: null\n");
        let entry = node.as_map().unwrap().iter().next().unwrap();
        assert_eq!((entry.key.as_str(), entry.textual), ("0", false));
    }

    #[test]
    fn duplicate_keys_are_refused_with_their_line() {
        let error = refused("a: 1\nb: 2\na: 3\n");
        assert!(error.starts_with("f.yaml:3:"), "{error}");
        assert!(refused("0: 1\n'0': 2\n").contains("uplicate"));
    }

    #[test]
    fn bombs_and_depths_are_refused() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for i in 1..9 {
            let list = vec![format!("*a{}", i - 1); 9].join(",");
            bomb.push_str(&format!("a{i}: &a{i} [{list}]\n"));
        }
        refused(&bomb);
        refused(&"[".repeat(10_000));
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        one(&deep(32));
        refused(&deep(33));
        one(&format!("[{}]", "x,".repeat(49_998)));
        refused(&format!("[{}]", "x,".repeat(50_000)));
        refused(&format!("a: &a x\nb: [{}]", "*a,".repeat(1_001)));
        one(&format!("a: &a x\nb: [{}]", "*a,".repeat(1_000)));
        refused(&format!("a: {}", "x".repeat((64 << 10) + 1)));
        refused(&" ".repeat((1 << 20) + 1));
    }

    #[test]
    fn aliases_and_merge_keys_expand_within_the_budget() {
        let node = one("base: &b {x: 1, y: 2}\nuse: {<<: *b, y: 3}\n");
        assert_eq!(node.as_map().unwrap().get("use"), Some(&one("{x: 1, y: 3}")));
        // 900 aliases of 100 nodes: few to write, too many to hold.
        let list = "x,".repeat(99);
        refused(&format!("a: &a [{list}]\nb: [{}]", "*a,".repeat(900)));
    }

    #[test]
    fn odd_texts_are_refused() {
        refused("a: !!python/object:os.system ls\n");
        refused("a: !custom x\n");
        refused("a: 99999999999999999999\n: x");
        refused("? [a, b]\n: x\n");
        refused("a: b: c\n");
        let error = parse("f.yaml", b"a: 1\nb: \xff\n", &Limits::FILE).unwrap_err();
        assert_eq!(error.to_string(), "f.yaml:2: is not UTF-8");
        assert_eq!(one("\u{feff}a: 1\n"), one("a: 1\n"));
        assert_eq!(one("a: .nan").as_map().unwrap().get("a").unwrap().as_str(), Some(".nan"));
    }

    #[test]
    fn one_document_unless_several_are_asked_for() {
        assert!(refused("a: 1\n---\nb: 2\n").contains("more than one document"));
        let limits = Limits { documents: 2, ..Limits::FILE };
        let many = |text: &str| parse_many("f.yaml", text.as_bytes(), &limits);
        assert_eq!(many("a: 1\n---\nb: 2\n").unwrap().len(), 2);
        assert!(many("a: 1\n---\nb: 2\n---\nc: 3\n").is_err());
        assert_eq!(one("").value, Value::Null);
        assert_eq!(one("# nothing\n").value, Value::Null);
    }
}
