use super::*;

fn file() -> Kind {
    Kind::File { mode: 0o644, size: 0 }
}

fn admit(names: &[&str]) -> Result<(), Rule> {
    admit_with(Limits::charm(), names)
}

fn admit_with(limits: Limits, names: &[&str]) -> Result<(), Rule> {
    let mut policy = Policy::new(limits, 0);
    names.iter().try_for_each(|name| {
        let kind = if name.ends_with('/') { Kind::Folder } else { file() };
        policy.admit(name.as_bytes(), &kind).map(|_| ())
    })
}

#[test]
fn z12_names_that_meet_when_folded_are_refused() {
    for (one, other) in [
        ("a", "A"),
        ("straße", "STRASSE"),
        ("é", "e\u{301}"),
        ("ﬁn", "fin"),
        ("σ", "ς"),
        ("K", "\u{212a}"),
    ] {
        let strict = |names: &[&str]| admit_with(Limits::resource(), names);
        assert_eq!(strict(&[one]), Ok(()), "{one}");
        assert!(matches!(strict(&[one, other]), Err(Rule::FoldsLike(_))), "{one} {other}");
        let (below, beside) = (format!("{one}/x"), format!("{other}/y"));
        assert!(matches!(strict(&[&below, &beside]), Err(Rule::FoldsLike(_))), "{one} {other}");
        // A charm's names are as its author made them; the same one twice is no name of two files.
        assert_eq!(admit(&[one, other, &format!("x/{one}"), &format!("x/{other}")]), Ok(()));
        assert_eq!(admit(&[one, one]), Err(Rule::Duplicate), "{one}");
        assert_eq!(admit(&[one, &below]), Err(Rule::ParentNotFolder(one.to_owned())), "{one}");
    }
}

#[test]
fn z34_z35_a_charm_keeps_nine_bits_and_a_resource_one() {
    for (found, charm, resource) in [
        (0o644, 0o644, 0o644),
        (0o600, 0o600, 0o644),
        (0o700, 0o700, 0o755),
        (0o4755, 0o755, 0o755),
        (0o1666, 0o666, 0o644),
        (0, 0, 0o644),
        (0o777, 0o777, 0o755),
    ] {
        assert_eq!(Limits::charm().mode(found), charm, "{found:o}");
        assert_eq!(Limits::resource().mode(found), resource, "{found:o}");
    }
}

#[test]
fn stripping_drops_the_folders_above_and_loses_no_file() {
    let mut policy = Policy::new(Limits::resource(), 1);
    let admitted = policy.admit(b"spark/", &Kind::Folder).unwrap();
    assert_eq!(admitted, Admitted { implied: vec![], path: None });
    let admitted = policy.admit(b"spark/bin/run", &file()).unwrap();
    assert_eq!(admitted.implied, ["bin"]);
    assert_eq!(admitted.path.as_deref(), Some("bin/run"));
    assert_eq!(policy.admit(b"stray", &file()), Err(Rule::StrippedAway(1)));
    // A link counts its way out from where it will be, not from where it was packed.
    let link = Kind::Link { target: "../../x".into() };
    assert_eq!(policy.admit(b"spark/lib/link", &link), Err(Rule::LinkOut));
    assert_eq!(policy.admit(b"other/bin/run", &file()), Err(Rule::Duplicate));
}

#[test]
fn s20_each_limit_holds_at_its_last_value_and_not_beyond() {
    let limits = Limits { entries: 3, file: 10, unpacked: 15, links: 1, ..Limits::charm() };
    let sized = |size| Kind::File { mode: 0o644, size };
    let mut policy = Policy::new(limits.clone(), 0);
    assert!(policy.admit(b"a", &sized(10)).is_ok());
    assert_eq!(policy.admit(b"b", &sized(6)), Err(Rule::Unpacked(15)));
    assert_eq!(Policy::new(limits.clone(), 0).admit(b"a", &sized(11)), Err(Rule::FileSize(10)));
    let mut policy = Policy::new(limits.clone(), 0);
    assert!(policy.admit(b"a/b/c", &file()).is_ok());
    assert_eq!(policy.admit(b"d", &file()), Err(Rule::Entries(3)));
    let link = Kind::Link { target: "x".into() };
    let mut policy = Policy::new(limits, 0);
    assert!(policy.admit(b"a", &link).is_ok());
    assert_eq!(policy.admit(b"b", &link), Err(Rule::TooManyLinks(1)));

    let path = |length: usize| ["p"; 512].join("/").replace("/p", "pp")[..length].to_owned();
    assert_eq!(admit(&[&path(256)]), Err(Rule::LongPart(255)));
    assert_eq!(admit(&[&path(255)]), Ok(()));
    let long = ["x".repeat(255), "x".repeat(255), "x".repeat(255), "x".repeat(256)].join("/");
    assert_eq!(long.len(), 1024);
    assert_eq!(admit(&[&long]), Err(Rule::LongPart(255)));
    assert_eq!(admit(&[&vec!["x".repeat(200); 5].join("/")]), Ok(()));
    assert_eq!(admit(&[&format!("{long}x")]), Err(Rule::LongPath(1024)));
    assert_eq!(admit(&[&["d"; 32].join("/")]), Ok(()));
    assert_eq!(admit(&[&["d"; 33].join("/")]), Err(Rule::Deep(32)));
}

#[test]
fn links_are_followed_through_one_another() {
    let follow = |links: &[(&str, &str)]| {
        let mut policy = Policy::new(Limits::charm(), 0);
        for (path, target) in links {
            let kind = Kind::Link { target: (*target).to_owned() };
            policy.admit(path.as_bytes(), &kind).unwrap();
        }
        policy.finish().map_err(|(_, rule)| rule)
    };
    assert_eq!(follow(&[("a", "b"), ("b", "c"), ("d/e", "../a")]), Ok(()));
    assert_eq!(follow(&[("a", "b"), ("b", "a")]), Err(Rule::LinkLoop(HOPS)));
    assert_eq!(follow(&[("a", "a")]), Err(Rule::LinkLoop(HOPS)));
    // `d/up` is the top; from there `..` is out, though the text of `x/out` never leaves.
    assert_eq!(follow(&[("d/e/up", "../.."), ("x/out", "../d/e/up/..")]), Err(Rule::LinkOut));
}
