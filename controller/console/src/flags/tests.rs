use super::*;

const RELATION_SET: Usage = Usage {
    flags: &[&[
        Flag::value(&["file"], "FILE", "Read settings from FILE."),
        Flag::value(&["relation", "r"], "ID", "The relation to write to."),
        Flag::switch(&["app", "a"], "Write the application's settings."),
        Flag::switch(&["application"], "Old name of --app."),
        Flag::switch(&["force", "f"], "No questions."),
        Flag::value(&["num-units", "n"], "N", "How many."),
        Flag::list(&["config"], "KEY=VALUE", "Options."),
        Flag::list(&["to"], "PLACE,…", "Where."),
    ]],
    examples: &["relation-set port=80"],
    ..Usage::of("relation-set", "key=value ...", "Set relation settings.")
};

fn line(words: &[&str]) -> Line {
    match read(&RELATION_SET, words.iter().map(|word| (*word).to_owned())) {
        Ok(Reading::Line(line)) => line,
        other => panic!("{words:?} gave {other:?}"),
    }
}

fn complaint(words: &[&str]) -> String {
    read(&RELATION_SET, words.iter().map(|word| (*word).to_owned()))
        .expect_err("should be refused")
        .to_string()
}

/// Hook contract T06.
#[test]
fn t06_an_unknown_flag_is_named_with_its_dashes() {
    assert_eq!(complaint(&["--x"]), "option provided but not defined: --x");
    assert_eq!(complaint(&["--x=3"]), "option provided but not defined: --x");
    assert_eq!(complaint(&["-x"]), "option provided but not defined: -x");
    assert_eq!(complaint(&["-fx"]), "option provided but not defined: -x");
    assert_eq!(complaint(&["--r", "1"]), "option provided but not defined: --r");
}

/// Hook contract T06.
#[test]
fn t06_a_flag_without_its_value_is_named() {
    assert_eq!(complaint(&["--file"]), "option needs an argument: --file");
    assert_eq!(complaint(&["a=b", "-r"]), "option needs an argument: -r");
}

#[test]
fn t08_help_is_asked_for_anywhere_and_names_every_flag() {
    for words in [&["--help"][..], &["a=b", "-h"], &["--file", "x", "--help"], &["-fh"]] {
        let words = words.iter().map(|word| (*word).to_owned());
        assert_eq!(read(&RELATION_SET, words), Ok(Reading::Help));
    }
    let help = RELATION_SET.help("");
    assert!(help.starts_with("Usage: relation-set [flags] key=value ...\n\nSet relation"));
    assert!(help.contains("  --file FILE\n        Read settings from FILE.\n"), "{help}");
    assert!(help.contains("  -r, --relation ID\n"), "{help}");
    assert!(help.contains("  --config KEY=VALUE ...\n"), "{help}");
    assert!(help.contains("  -h, --help\n"), "{help}");
    assert!(help.ends_with("Examples:\n    relation-set port=80\n"), "{help}");
    assert!(RELATION_SET.help("muster").contains("    muster relation-set port=80\n"));
}

/// Hook contract T09.
#[test]
fn t09_flags_stand_anywhere_and_dashes_end_them() {
    let read = line(&["a=b", "--file", "x", "c=d", "-r", "db:1", "-", "--", "--file", "-r"]);
    assert_eq!(read.words, ["a=b", "c=d", "-", "--file", "-r"]);
    assert_eq!(read.before_dashes, Some(3));
    assert_eq!(read.last("file"), Some("x"));
    assert_eq!(read.last("relation"), Some("db:1"));
}

/// Hook contract T09.
#[test]
fn t09_a_value_may_look_like_a_flag_or_be_empty() {
    let read = line(&["--file", "-", "--num-units", "-5", "--relation="]);
    assert_eq!(read.last("file"), Some("-"));
    assert_eq!(read.last("num-units"), Some("-5"));
    assert_eq!(read.last("relation"), Some(""));
    assert_eq!(line(&["--relation", ""]).last("relation"), Some(""));
}

/// Hook contract T13.
#[test]
fn t13_booleans_take_a_value_only_inline() {
    for text in ["1", "t", "T", "true", "True", "TRUE"] {
        assert!(line(&[&format!("--application={text}")]).on("application"));
    }
    for text in ["0", "f", "F", "false", "False", "FALSE"] {
        assert_eq!(line(&[&format!("--application={text}")]).switch("application"), Some(false));
    }
    let read = line(&["--application", "False"]);
    assert!(read.on("application"));
    assert_eq!(read.words, ["False"]);
    assert!(!line(&["--app", "--app=false"]).on("app"));
    assert_eq!(line(&[]).switch("app"), None);
    assert_eq!(
        complaint(&["--app=maybe"]),
        "invalid value \"maybe\" for option --app: not a boolean; write true or false"
    );
}

#[test]
fn letters_are_grouped_and_values_glued() {
    let read = line(&["-afn2"]);
    assert!(read.on("app") && read.on("force"));
    assert_eq!(read.parsed::<u32>("num-units"), Ok(Some(2)));
    assert_eq!(line(&["-n", "3"]).parsed::<u32>("num-units"), Ok(Some(3)));
    assert_eq!(
        line(&["-n=2"]).parsed::<u32>("num-units").unwrap_err().to_string(),
        "invalid value \"=2\" for option -n: invalid digit found in string"
    );
}

#[test]
fn the_last_value_wins_and_lists_keep_all() {
    let read = line(&["--file", "a", "--file=b", "--config", "k=v", "--config=l=w=x"]);
    assert_eq!(read.last("file"), Some("b"));
    assert_eq!(read.all("config").collect::<Vec<_>>(), ["k=v", "l=w=x"]);
    assert_eq!(line(&["--to", "0, 1,", "--to=2"]).parts("to"), ["0", "1", "2"]);
}

#[test]
fn surplus_words_are_quoted() {
    let read = line(&["a", "b c", "d\"e"]);
    assert_eq!(read.at_most(3), Ok(()));
    assert_eq!(read.at_most(9), Ok(()));
    assert_eq!(read.at_most(1).unwrap_err().to_string(), r#"unrecognized args: ["b c" "d\"e"]"#);
    assert_eq!(read.need(0, "unit"), Ok("a"));
    assert_eq!(read.need(3, "unit").unwrap_err().to_string(), "no unit specified");
}

#[test]
fn what_belongs_to_another_program_is_left_alone() {
    let ssh = Usage { order: Order::FlagsFirst, ..RELATION_SET };
    let words = ["-f", "wiki/0", "-o", "X=y", "--", "ls", "--help"];
    let Ok(Reading::Line(read)) = read(&ssh, words.map(str::to_owned)) else { panic!() };
    assert!(read.on("force"));
    assert_eq!(read.words, ["wiki/0", "-o", "X=y", "--", "ls", "--help"]);
}

proptest::proptest! {
    /// Whatever is typed, the answer is a line or a complaint, and no word is lost from positionals
    /// after `--`.
    #[test]
    fn any_words_are_read_or_refused(words in proptest::collection::vec("[-a-z=f ]{0,6}", 0..6)) {
        let mut all = vec!["--".to_owned()];
        all.extend(words.iter().cloned());
        let after = read(&RELATION_SET, all);
        proptest::prop_assert_eq!(
            after,
            Ok(Reading::Line(Line { given: vec![], words: words.clone(), before_dashes: Some(0) }))
        );
        let _either = read(&RELATION_SET, words);
    }
}
