//! What holds for every input: nothing panics, and what is written is read back.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::bundle::Source;
use crate::yaml::{Limits, Map, Node, Value, parse, to_text};
use crate::{Base, Bundle, Charm, StorageDirective, Version};

/// Texts with the characters that mean something to YAML.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9 :#,\\[\\]{}&*!|>'\"%@`\\\\\n\t?~=<.+-]{0,24}",
        "\\PC{0,12}",
        any::<String>().prop_map(|text| text.chars().take(12).collect()),
        "(y|n|yes|no|on|off|true|null|[0-9]{1,4}|0x[0-9a-f]{1,3}|[0-9]+:[0-9]+|[0-9]+e[0-9]+)",
    ]
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(Value::Float),
        text().prop_map(Value::String),
    ];
    leaf.prop_map(Node::new).prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|l| Node::new(Value::List(l))),
            prop::collection::vec((text(), inner), 0..5).prop_map(|entries| {
                let mut map = Map::new();
                for (key, node) in entries {
                    map.insert(&key, node);
                }
                Node::new(Value::Map(map))
            }),
        ]
    })
}

fn files(metadata: Vec<u8>, config: Vec<u8>, actions: Vec<u8>) -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([
        ("metadata.yaml".to_owned(), metadata),
        ("config.yaml".to_owned(), config),
        ("actions.yaml".to_owned(), actions),
    ])
}

proptest! {
    #[test]
    fn every_tree_is_written_and_read_back(node in node()) {
        let written = to_text(&node);
        let read = parse("f", written.as_bytes(), &Limits::FILE);
        prop_assert_eq!(read.as_ref(), Ok(&node), "{}", written);
    }

    #[test]
    fn any_bytes_are_a_document_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(node) = parse("f", &bytes, &Limits::FILE) {
            prop_assert_eq!(parse("f", to_text(&node).as_bytes(), &Limits::FILE), Ok(node));
        }
    }

    #[test]
    fn any_tree_is_a_charm_that_is_kept_or_refused(a in node(), b in node(), c in node()) {
        let head = b"name: wiki\nsummary: s\ndescription: d\n".to_vec();
        let mut map = Map::new();
        map.insert("options", b);
        map.insert("storage", a.clone());
        map.insert("provides", c.clone());
        let rest = to_text(&Node::new(Value::Map(map))).into_bytes();
        let metadata = [head, rest.clone()].concat();
        if let Ok(charm) = Charm::read(&files(metadata, rest, to_text(&c).into_bytes())) {
            let json = serde_json::to_string(&charm).map_err(|e| TestCaseError::fail(e.to_string()))?;
            let read = serde_json::from_str::<Charm>(&json);
            prop_assert_eq!(read.map_err(|e| e.to_string()), Ok(charm));
        }
        let bundle = to_text(&a);
        let source = Source { file: "f", folder: "", bytes: bundle.as_bytes() };
        if let Err(bad) = Bundle::load(&source, &[], &|_| Err(String::new()), &|_| Ok(())) {
            prop_assert!(!bad.problems.is_empty());
        }
    }

    #[test]
    fn small_languages_print_what_they_parse(text in "[a-zA-Z0-9,.@/<>=?-]{0,16}") {
        if let Ok(directive) = text.parse::<StorageDirective>() {
            prop_assert_eq!(directive.to_string().parse(), Ok(directive));
        }
        if let Ok(base) = text.parse::<Base>() {
            prop_assert_eq!(base.to_string().parse(), Ok(base));
        }
        if let Ok(version) = text.parse::<Version>() {
            prop_assert_eq!(version.to_string().parse(), Ok(version));
        }
    }
}
