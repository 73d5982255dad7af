use serde_json::{Value, json};

use super::*;

fn schema(value: Value) -> Map<String, Value> {
    let Value::Object(schema) = value else { panic!("no map") };
    check(&schema).unwrap_or_else(|e| panic!("{e}"));
    schema
}

fn keeps(wanted: &Value, value: &Value) -> bool {
    validate(&schema(wanted.clone()), value).is_empty()
}

#[test]
fn values_keep_or_break_each_keyword() {
    let cases = [
        (json!({"type": "integer"}), json!(1), json!(1.5)),
        (json!({"type": "number"}), json!(1), json!("1")),
        (json!({"type": ["string", "null"]}), json!(null), json!(1)),
        (json!({"enum": [1, "a"]}), json!("a"), json!("b")),
        (json!({"minimum": 2}), json!(2), json!(1)),
        (json!({"minimum": 2, "exclusiveMinimum": true}), json!(2.5), json!(2)),
        (json!({"maximum": 2.5}), json!(2), json!(3)),
        (json!({"maximum": 2, "exclusiveMaximum": true}), json!(1), json!(2)),
        (json!({"multipleOf": 5}), json!(10), json!(11)),
        (json!({"multipleOf": 0.5}), json!(1.5), json!(1.3)),
        (json!({"minLength": 2}), json!("ää"), json!("ä")),
        (json!({"maxLength": 1}), json!("ä"), json!("ab")),
        (json!({"pattern": "^a+$"}), json!("aaa"), json!("ab")),
        (json!({"items": {"type": "string"}}), json!(["a"]), json!(["a", 1])),
        (json!({"items": [{}, {"type": "string"}]}), json!([1, "a", 2]), json!([1, 2])),
        (json!({"items": [{}], "additionalItems": false}), json!([1]), json!([1, 2])),
        (json!({"minItems": 1}), json!([1]), json!([])),
        (json!({"maxItems": 1}), json!([1]), json!([1, 2])),
        (json!({"uniqueItems": true}), json!([1, "1"]), json!([1, 1])),
        (json!({"required": ["a"]}), json!({"a": null}), json!({"b": 1})),
        (
            json!({"additionalProperties": false, "properties": {"a": {}}}),
            json!({"a": 1}),
            json!({"b": 1}),
        ),
        (json!({"additionalProperties": {"type": "string"}}), json!({"a": "1"}), json!({"b": 1})),
        (
            json!({"patternProperties": {"^x": {"type": "string"}}}),
            json!({"xa": "1", "a": 1}),
            json!({"xa": 1}),
        ),
        (json!({"minProperties": 1}), json!({"a": 1}), json!({})),
        (json!({"dependencies": {"a": ["b"]}}), json!({"b": 1}), json!({"a": 1})),
        (
            json!({"dependencies": {"a": {"required": ["c"]}}}),
            json!({"a": 1, "c": 1}),
            json!({"a": 1}),
        ),
        (json!({"allOf": [{"type": "string"}, {"minLength": 2}]}), json!("ab"), json!("a")),
        (json!({"anyOf": [{"type": "string"}, {"minimum": 2}]}), json!("ab"), json!(1)),
        (json!({"oneOf": [{"minimum": 2}, {"maximum": 3}]}), json!(1), json!(3)),
        (json!({"not": {"type": "string"}}), json!(1), json!("a")),
        (
            json!({"properties": {"a": {"properties": {"b": {"type": "boolean"}}}}}),
            json!({"a": {"b": true}}),
            json!({"a": {"b": 1}}),
        ),
    ];
    for (wanted, good, bad) in cases {
        assert!(keeps(&wanted, &good), "{wanted} should take {good}");
        assert!(!keeps(&wanted, &bad), "{wanted} should refuse {bad}");
    }
}

#[test]
fn violations_say_where() {
    let wanted =
        schema(json!({"properties": {"a": {"items": {"type": "string"}}}, "required": ["b"]}));
    let told: Vec<_> =
        validate(&wanted, &json!({"a": ["x", 1]})).iter().map(ToString::to_string).collect();
    assert_eq!(told, ["\"b\" is required", "a.1: expected string, got integer"]);
}

/// Hook contract C12.
#[test]
fn c12_references_are_refused_anywhere() {
    for bad in [
        json!({"$ref": "#/definitions/a"}),
        json!({"properties": {"a": {"$ref": "x"}}}),
        json!({"items": [{"allOf": [{"$schema": "x"}]}]}),
        json!({"type": "text"}),
        json!({"type": []}),
        json!({"properties": []}),
        json!({"properties": {"a": "string"}}),
        json!({"required": []}),
        json!({"required": true}),
        json!({"enum": []}),
        json!({"minLength": -1}),
        json!({"multipleOf": 0}),
        json!({"exclusiveMinimum": 3}),
        json!({"pattern": "(?=a)"}),
        json!({"pattern": "(((((a{100}){100}){100}){100}){100})"}),
    ] {
        assert!(check(bad.as_object().unwrap()).is_err(), "{bad}");
    }
}

#[test]
fn v6_defaults_fill_in_where_the_object_is_present() {
    let wanted = schema(json!({"properties": {
        "a": {"default": 1},
        "nest": {"properties": {"b": {"default": "x"}}},
        "made": {"default": {}, "properties": {"c": {"default": true}}},
    }}));
    let mut value = json!({});
    fill(&wanted, &mut value);
    assert_eq!(value, json!({"a": 1, "made": {"c": true}}));
    let mut value = json!({"a": null, "nest": {}});
    fill(&wanted, &mut value);
    assert_eq!(value, json!({"a": null, "nest": {"b": "x"}, "made": {"c": true}}));
}
