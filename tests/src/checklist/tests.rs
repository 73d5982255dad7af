use super::*;

const LINES: &str =
    "# Tea contract\n# Words about it.\n\nA01 1 it is hot\nA02 3 it is there\nB01 2 sugar\n";

fn list() -> Checklist {
    Checklist::parse("tea", LINES, "# Why.\nB01 there is none\n").unwrap()
}

fn claims(text: &str) -> Result<Vec<(String, String)>, String> {
    // The comments of what is parsed must not be claims of this file.
    let text = text.replace("//+", "///");
    let found = list().claims(&[("a.rs".to_owned(), text)]).map_err(|error| error.to_string())?;
    Ok(found.into_iter().map(|claim| (claim.id, claim.test)).collect())
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(id, test)| ((*id).to_owned(), (*test).to_owned())).collect()
}

#[test]
fn a_list_is_read_and_what_is_malformed_is_refused_with_its_place() {
    let list = list();
    assert_eq!((list.title.as_str(), list.lines.len()), ("Tea contract", 3));
    assert_eq!(list.lines["A02"], Line { priority: 3, text: "it is there".to_owned() });
    assert_eq!(list.unproven["B01"], "there is none");
    for (lines, unproven, said) in [
        ("A01 1 x\n", "", "tea.txt:1: no title"),
        ("# T\nA01 x\n", "", "tea.txt:2: not an id"),
        ("# T\na1 1 x\n", "", "tea.txt:2: not an id"),
        ("# T\nA01 1 x\nA01 1 y\n", "", "tea.txt:3: an id that was there before"),
        ("# T\nA01 1 x\n", "A02 why\n", "tea.unproven.txt:1: no id of the checklist"),
        ("# T\nA01 1 x\n", "A01\n", "tea.unproven.txt:1: no reason"),
        ("# T\nA01 1 x\n", "A01 a\nA01 b\n", "tea.unproven.txt:2: an id that was there before"),
    ] {
        let error = Checklist::parse("tea", lines, unproven).unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
    }
}

#[test]
fn a_claim_is_a_line_of_a_tests_doc_comment() {
    let text = "//+ Tea contract A01, A02.\n#[test]\nfn hot() {}\n\n//+ Words.\n//+ Tea contract B01.\n\
        #[tokio::test(flavor = \"multi_thread\")]\nasync fn sweet() {}\n#[test]\nfn other() {}\n\
        // Tea contract A01.\n";
    let expected = pairs(&[("A01", "hot"), ("A02", "hot"), ("B01", "sweet")]);
    assert_eq!(claims(text), Ok(expected));
}

#[test]
fn what_claims_and_is_no_test_is_refused() {
    for (text, said) in [
        ("//+ Tea contract A01.\nfn hot() {}\n", "a.rs:2: a claim above what is no test"),
        (
            "//+ Tea contract A01.\n\n#[test]\nfn hot() {}\n",
            "a.rs:2: a claim above what is no test",
        ),
        ("//+ Tea contract A01\n#[test]\nfn hot() {}\n", "a.rs:1: a claim without its end"),
        ("//+ Tea contract A1.\n#[test]\nfn hot() {}\n", "a.rs:1: no id of the checklist"),
        ("//+ Tea contract A01 and A02.\n#[test]\nfn hot() {}\n", "a.rs:1: no id of the checklist"),
        ("//+ Tea contract A01.\n", "a.rs:1: a claim above nothing"),
        ("#[test]\nfn hot() {}\n//+ Tea contract A01.\nfn cold() {}\n", "a.rs:4: a claim above"),
    ] {
        let error = claims(text).unwrap_err();
        assert!(error.starts_with(said), "{error}");
    }
}

#[test]
fn an_id_is_proven_when_all_that_claim_it_have_passed() {
    let claim = |id: &str, test: &str| Claim {
        id: id.to_owned(),
        test: test.to_owned(),
        place: String::new(),
    };
    let claims =
        BTreeSet::from([claim("A01", "hot"), claim("A01", "boiling"), claim("A02", "hot")]);
    let of = |passed: &[&str]| {
        let passed = passed.iter().map(|name| (*name).to_owned()).collect();
        Proof::of(&list(), &claims, &passed)
    };
    assert_eq!(of(&["hot", "boiling"]).to_string(), "tea contract: 2 of 3 proven");
    let half = of(&["hot"]);
    assert_eq!(half.proven, BTreeSet::from(["A02".to_owned()]));
    assert_eq!(half.outstanding, [claim("A01", "boiling")]);
    assert!(of(&[]).proven.is_empty());
}
