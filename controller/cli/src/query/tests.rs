use serde_json::json;

use super::*;

fn scope() -> Value {
    json!({
        "name": "wiki", "life": "alive", "status": "active", "exposed": false, "min-units": 2,
        "units": {
            "wiki/0": {"workload-status": "active", "workload-message": "ready"},
            "wiki/1": {"workload-status": "waiting", "workload-message": "for db"},
        },
        "machines": {},
    })
}

fn ask(text: &str) -> Result<(), String> {
    let query: Query = text.parse().map_err(|e: QueryError| e.to_string())?;
    query.holds(&scope()).map_err(|e| e.to_string())?
}

#[test]
fn what_is_so() {
    for text in [
        r#"life=="alive" && status=="active""#,
        r#"status == "blocked" || len(units) >= 2"#,
        "min-units < 3 && min-units <= 2 && min-units > 1 && 2 >= min-units",
        "exposed == false && exposed != true",
        r#"units["wiki/0"].workload-status == "active""#,
        r#"startsWith(name, "wi") && endsWith(name, "ki")"#,
        r#"forEach(units, unit => len(unit.workload-message) > 3)"#,
        r#"forEach(machines, m => m.status == "started")"#,
        "print(units) && len(machines) == 0",
        r#"(status == "x" || status == "active") && life == "alive""#,
        r#"name == 'wiki'"#,
    ] {
        assert_eq!(ask(text), Ok(()), "{text}");
    }
}

#[test]
fn what_is_not_so_is_told_part_by_part() {
    assert_eq!(
        ask(r#"life == "alive" && status == "blocked" && min-units == 3"#).unwrap_err(),
        r#"status == "blocked" is false: it is "active" and min-units == 3 is false: it is 2"#
    );
    assert_eq!(
        ask(r#"forEach(units, unit => unit.workload-status == "active")"#).unwrap_err(),
        r#"unit.workload-status == "active" is false for wiki/1"#
    );
}

#[test]
fn what_cannot_be_asked() {
    assert_eq!(
        ask("state == 1").unwrap_err(),
        "unknown name \"state\"; there are exposed, life, machines, min-units, name, status, units"
    );
    assert_eq!(
        ask("len(exposed) == 1").unwrap_err(),
        "len(exposed) is a boolean, not what this function takes"
    );
    assert_eq!(
        ask("name < 3").unwrap_err(),
        "name < 3 is a string, not comparable with its other side"
    );
    assert_eq!(ask("name").unwrap_err(), "name is a string, not true or false");
    for (text, said) in [
        ("", "expected a value at character 1"),
        ("a == ", "expected a value at character 6"),
        ("a == 1 b", "expected the end at character 8"),
        ("(a == 1", "expected `)` at character 8"),
        ("a = 1", "expected `==` at character 3"),
        ("\"a", "string without its end at character 1"),
        ("a # 1", "unexpected `#` at character 3"),
        ("forEach(a)", "expected `,` at character 10"),
    ] {
        assert_eq!(ask(text).unwrap_err(), said, "{text}");
    }
    assert_eq!(ask(&"(".repeat(100)).unwrap_err(), "nested more than 32 deep");
}

#[test]
fn a_string_is_printed_between_the_quotes_that_it_does_not_hold() {
    for text in ["'\"'", "\"'\"", "'a\\b'"] {
        let query: Query = text.parse().unwrap();
        assert_eq!(query.to_string().parse(), Ok(query), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[a-c()=<>!&|.,\"' 0-9\\[\\]-]{0,24}") {
        if let Ok(query) = text.parse::<Query>() {
            let again: Query = query.to_string().parse().unwrap();
            proptest::prop_assert_eq!(again, query);
        }
    }
}
