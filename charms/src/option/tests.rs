use super::*;
use crate::yaml::{Limits, parse};

fn config(text: &str) -> Result<BTreeMap<OptionName, CharmOption>, FieldError> {
    let node = parse("config.yaml", text.as_bytes(), &Limits::FILE).unwrap();
    read(&Field::root("config.yaml", &node))
}

fn default(kind: &str, text: &str) -> Result<Option<OptionValue>, String> {
    config(&format!("options: {{x: {{type: {kind}, default: {text}}}}}"))
        .map(|all| all["x"].default.clone())
        .map_err(|e| e.to_string())
}

/// Hook contract C08.
#[test]
fn c08_options_must_be_there_and_may_be_empty() {
    assert!(config("{}").unwrap_err().to_string().contains("empty configuration"));
    assert!(config("").unwrap_err().to_string().contains("empty configuration"));
    assert!(config("options:").is_err());
    assert!(config("options: []").is_err());
    assert!(config("options: {}").unwrap().is_empty());
}

/// Hook contract C09.
#[test]
fn c09_defaults_have_the_type_of_their_option() {
    let text = |t: &str| Some(OptionValue::String(t.to_owned()));
    let number = |n: f64| Some(OptionValue::Float(Finite::new(n).unwrap()));
    assert_eq!(default("string", "\"\""), Ok(text("")));
    assert_eq!(default("string", "a"), Ok(text("a")));
    assert_eq!(default("int", "3"), Ok(Some(OptionValue::Int(3))));
    assert_eq!(default("int", "\"3\""), Ok(Some(OptionValue::Int(3))));
    assert_eq!(default("int", "\"0x1f\""), Ok(Some(OptionValue::Int(31))));
    assert_eq!(default("int", "\"-0o17\""), Ok(Some(OptionValue::Int(-15))));
    assert_eq!(default("int", "0755"), Ok(Some(OptionValue::Int(493))));
    assert_eq!(default("float", "1"), Ok(number(1.0)));
    assert_eq!(default("float", "1.5"), Ok(number(1.5)));
    assert_eq!(default("boolean", "true"), Ok(Some(OptionValue::Boolean(true))));
    assert_eq!(default("boolean", "\"False\""), Ok(Some(OptionValue::Boolean(false))));
    assert_eq!(default("boolean", "yes"), Ok(Some(OptionValue::Boolean(true))));
    assert_eq!(default("boolean", "null"), Ok(None));
    for (kind, bad) in [
        ("string", "1"),
        ("string", "true"),
        ("string", "[a]"),
        ("int", "a"),
        ("int", "1.5"),
        ("int", "true"),
        ("int", "\"\""),
        ("float", "a"),
        ("float", ".inf"),
        ("boolean", "1"),
        ("boolean", "maybe"),
        ("number", "1"),
    ] {
        let error = default(kind, bad).unwrap_err();
        assert!(error.contains("`options.x."), "{kind} {bad}: {error}");
    }
}

/// Hook contract C10.
#[test]
fn c10_text_that_is_no_int_is_refused() {
    let error = OptionKind::Int.parse_text("abc").unwrap_err();
    assert_eq!(error.to_string(), "expected int, got \"abc\"");
    assert_eq!(OptionKind::Int.parse_text("-9223372036854775808"), Ok(OptionValue::Int(i64::MIN)));
    for bad in ["", " 1", "0x1", "1.0", "9223372036854775808"] {
        assert!(OptionKind::Int.parse_text(bad).is_err(), "{bad}");
    }
    for good in ["1", "t", "T", "TRUE", "true", "True"] {
        assert_eq!(OptionKind::Boolean.parse_text(good), Ok(OptionValue::Boolean(true)));
    }
    for bad in ["", "yes", "tRUE", "2"] {
        assert!(OptionKind::Boolean.parse_text(bad).is_err(), "{bad}");
    }
    for bad in ["inf", "nan", "", "x", "1e999"] {
        assert!(OptionKind::Float.parse_text(bad).is_err(), "{bad}");
    }
}

/// Hook contract C11.
#[test]
fn c11_a_secret_option_takes_nothing_but_secret_uris() {
    let id = "9m4e2mr0ui3e8a215n4g";
    let model = "8419cd78-4993-4c3a-928e-c646226beeee";
    for good in
        ["", &format!("secret:{id}"), &format!("secret:/{id}"), &format!("secret://{model}/{id}")]
    {
        assert!(OptionKind::Secret.parse_text(good).is_ok(), "{good}");
    }
    for bad in [
        "password",
        "secret:",
        "secret",
        "secret:x",
        "secret://a/b",
        id,
        &format!(" secret:{id}"),
        &format!("{model}/{id}"),
    ] {
        assert!(OptionKind::Secret.parse_text(bad).is_err(), "{bad}");
    }
    assert!(default("secret", "hunter2").is_err());
    assert!(default("secret", &format!("secret:{id}")).is_ok());
    assert!(default("secret", "\"\"").is_ok());
}

#[test]
fn values_keep_their_type_in_json() {
    let values = vec![
        OptionValue::Boolean(true),
        OptionValue::Int(3),
        OptionValue::Float(Finite::new(3.0).unwrap()),
        OptionValue::String("3".into()),
    ];
    let json = serde_json::to_string(&values).unwrap();
    assert_eq!(json, r#"[true,3,3.0,"3"]"#);
    assert_eq!(serde_json::from_str::<Vec<OptionValue>>(&json).unwrap(), values);
    for bad in ["null", "[]", "18446744073709551615"] {
        assert!(serde_json::from_str::<OptionValue>(bad).is_err(), "{bad}");
    }
}
