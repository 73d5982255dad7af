use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn all(value: &Value) -> [String; 3] {
    [Format::Smart, Format::Yaml, Format::Json].map(|format| format.render(value))
}

/// Hook contract T01.
#[test]
fn t01_booleans() {
    assert_eq!(all(&json!(true)), ["True\n", "true\n", "true\n"]);
    assert_eq!(all(&json!(false)), ["False\n", "false\n", "false\n"]);
}

/// Hook contract T02.
#[test]
fn t02_nothing_is_no_bytes_but_in_json() {
    assert_eq!(all(&Value::Null), ["", "", "null\n"]);
}

/// Hook contract T03.
#[test]
fn t03_empty_lists_and_maps() {
    assert_eq!(all(&json!([])), ["", "[]\n", "[]\n"]);
    assert_eq!(all(&json!({})), ["{}\n", "{}\n", "{}\n"]);
}

/// Hook contract T04.
#[test]
fn t04_strings_and_lists_of_strings() {
    assert_eq!(all(&json!("abc")), ["abc\n", "abc\n", "\"abc\"\n"]);
    assert_eq!(all(&json!("")), ["", "\"\"\n", "\"\"\n"]);
    assert_eq!(all(&json!("a\nb")), ["a\nb\n", "|-\n  a\n  b\n", "\"a\\nb\"\n"]);
    assert_eq!(all(&json!("a\nb\n")), ["a\nb\n\n", "|\n  a\n  b\n", "\"a\\nb\\n\"\n"]);
    assert_eq!(all(&json!(["a", "b"])), ["a\nb\n", "- a\n- b\n", "[\"a\",\"b\"]\n"]);
    assert_eq!(all(&json!([1, "b"])), ["- 1\n- b\n", "- 1\n- b\n", "[1,\"b\"]\n"]);
}

/// Hook contract A16.
#[test]
fn numbers_are_plain_decimals_in_every_format() {
    assert_eq!(all(&json!(42)), ["42\n"; 3]);
    assert_eq!(all(&json!(-0.25)), ["-0.25\n"; 3]);
    assert_eq!(all(&json!(1e20)), ["100000000000000000000\n"; 3]);
    assert_eq!(all(&json!(2.0)), ["2\n"; 3]);
}

/// Hook contract T05.
#[test]
fn t05_formats_by_name() {
    assert_eq!("json".parse(), Ok(Format::Json));
    assert_eq!("yaml".parse(), Ok(Format::Yaml));
    assert_eq!("smart".parse(), Ok(Format::Smart));
    let usage = crate::flags::Usage { flags: &[OUTPUT], ..crate::flags::Usage::of("t", "", "") };
    for words in [&["--format=json"][..], &["--format", "json"]] {
        let read = crate::flags::read(&usage, words.iter().map(|word| (*word).to_owned()));
        let Ok(crate::flags::Reading::Line(line)) = read else { panic!("{read:?}") };
        assert_eq!(Format::asked(&line, Format::Smart), Ok(Format::Json));
    }
    let read = crate::flags::read(&usage, ["--format=xml".to_owned()]);
    let Ok(crate::flags::Reading::Line(line)) = read else { panic!("{read:?}") };
    assert_eq!(
        Format::asked(&line, Format::Smart).unwrap_err().to_string(),
        "invalid value \"xml\" for option --format: unknown format \"xml\""
    );
}

/// Hook contract T11.
#[test]
fn t11_json_is_one_line_with_sorted_keys() {
    let text = Format::Json.render(&json!({"b": {"z": 1, "a": "x\ny"}, "a": [{}, null]}));
    assert_eq!(text, "{\"a\":[{},null],\"b\":{\"a\":\"x\\ny\",\"z\":1}}\n");
}

/// Hook contract T12.
#[test]
fn t12_what_is_ambiguous_is_quoted_and_nothing_else() {
    for text in [
        "yes",
        "No",
        "ON",
        "y",
        "N",
        "true",
        "null",
        "~",
        "1",
        "-1",
        "+1",
        "0x1F",
        "0o17",
        "0b1",
        "1e3",
        "1.5",
        ".5",
        "1.",
        "1_000",
        "1:30",
        "190:20:30.15",
        ".inf",
        "-.INF",
        ".NaN",
        "2026-01-31",
        "2026-01-31T10:00:00Z",
        "",
        " a",
        "a ",
        "a: b",
        "a:",
        "a #b",
        "#a",
        "- a",
        "-",
        "? a",
        "[a",
        "{a",
        "&a",
        "*a",
        "!a",
        "|",
        ">",
        "'a",
        "\"a",
        "%a",
        "@a",
        "`a",
        "a\tb",
        "a\u{7}b",
        "<<",
        "=",
        "---",
        "...",
        "\u{feff}a",
    ] {
        assert!(!plain_is_safe(text), "{text:?} should be quoted");
        let yaml = Format::Yaml.render(&json!({ "k": text }));
        let back: Value = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(back, json!({ "k": text }), "{yaml}");
    }
    for text in [
        "abc",
        "10.0.0.5",
        "10.0.0.0/24",
        "db:1",
        "a#b",
        "-Xmx1g",
        "1.2.3",
        "wiki/0",
        "x y",
        "2026-1",
        "s3a://b/c",
        "e3",
        "0xzz",
        "a=b",
        "µ",
        "日本",
        "1h30m",
        "nobody",
        "8192M",
        "https://127.0.0.1:17070",
        ":8080",
    ] {
        assert!(plain_is_safe(text), "{text:?} needs no quotes");
    }
}

/// Hook contract T12.
#[test]
fn t12_nested_blocks() {
    let value = json!({
        "name": "wiki", "list": ["a", {"b": 1, "c": [1, 2]}, ["x", []]], "empty": {}, "none": null,
        "script": "#!/bin/sh\n\techo hi\n", "deep": {"er": {"est": "yes"}, "two": "a\n\nb"}, "1": "one",
    });
    let expected = "\
\"1\": one
deep:
  er:
    est: \"yes\"
  two: |-
    a

    b
empty: {}
list:
- a
- b: 1
  c:
  - 1
  - 2
- - x
  - []
name: wiki
none: null
script: |
  #!/bin/sh
  \techo hi
";
    let yaml = Format::Yaml.render(&value);
    assert_eq!(yaml, expected);
    assert_eq!(Format::Smart.render(&value), expected);
    let back: Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(back, value);
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,12}",
        "[-+.0-9eExobT:_ ]{0,8}",
        "[a-z\n\t #:'\"-]{0,12}",
        any::<String>().prop_map(|text| text.chars().take(20).collect()),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any_text(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Hook contract T12.
    #[test]
    fn t12_any_value_comes_back_from_yaml(value in any_value()) {
        let whole = json!({ "v": value });
        let text = Format::Yaml.render(&whole);
        let back: Value = serde_saphyr::from_str(&text).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        prop_assert_eq!(back, whole, "{}", text);
    }

    /// Hook contract T11.
    #[test]
    fn t11_any_value_comes_back_from_json(value in any_value()) {
        let text = Format::Json.render(&value);
        prop_assert_eq!(text.matches('\n').count(), 1);
        prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
