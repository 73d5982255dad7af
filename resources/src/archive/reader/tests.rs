//! Archives through a child, which is this test binary once more.

use std::fs;

use super::super::tests::kit;
use super::*;
use crate::archive::Rule;

/// Has [`is_the_child`] of this binary read.
pub(crate) fn child() -> Reader {
    let arguments = ["--exact", "archive::reader::tests::is_the_child", "--nocapture"];
    Reader::Child(Program {
        path: std::env::current_exe().unwrap(),
        arguments: arguments.map(OsString::from).to_vec(),
    })
}

/// Alone it has nothing to do.
#[test]
fn is_the_child() {
    if std::env::var_os(REQUEST).is_some() {
        let status = respond();
        // What the harness would still say is not part of the answer.
        std::process::exit(i32::from(status.is_err()));
    }
}

#[test]
fn a_child_unpacks_and_lists_as_the_process_itself_does() {
    let bytes = kit::tar(&[
        kit::Tar::folder("d/"),
        kit::Tar::file("d/x").mode(0o755),
        kit::Tar::file("metadata.yaml"),
        kit::Tar::link("d/l", "x"),
    ]);
    for bytes in [bytes.clone(), kit::gzip(&bytes)] {
        let (folder, archive, target) = kit::place(&bytes);
        let here = Reader::Here.unpack(&archive, &target, &kit::how()).unwrap();
        let beside = folder.path().join("beside");
        let there = child().unpack(&archive, &beside, &kit::how()).unwrap();
        assert_eq!(here, there);
        assert_eq!(crate::tree_digest(&beside).unwrap(), there.tree);
        let wanted = Wanted { extensions: ["yaml".to_owned()].into(), ..Wanted::default() };
        let look = |reader: &Reader| {
            reader.inspect(&archive, &Limits::charm(), Some(&here.digest), &wanted).unwrap()
        };
        assert_eq!(look(&Reader::Here), look(&child()));
        assert_eq!(look(&child()).files.len(), 1);
        for (name, reader) in [("both-here", Reader::Here), ("both-there", child())] {
            let target = folder.path().join(name);
            let both = reader.unpack_and_inspect(&archive, &target, &kit::how(), &wanted);
            assert_eq!(both.unwrap(), (here, look(&reader)), "one reading tells what two do");
            assert_eq!(crate::tree_digest(&target).unwrap(), here.tree);
        }
    }
}

#[test]
fn a_refusal_comes_back_as_the_rule_that_was_broken() {
    let bytes = kit::tar(&[kit::Tar::file("../x")]);
    let (folder, archive, target) = kit::place(&bytes);
    let error = child().unpack(&archive, &target, &kit::how()).unwrap_err();
    assert_eq!(error.rule(), Some(&Rule::ParentPart));
    let other = Digest::of(b"other");
    let wanted = Wanted::default();
    let error = child().inspect(&archive, &Limits::charm(), Some(&other), &wanted).unwrap_err();
    assert!(matches!(error, ArchiveError::Mismatch { .. }), "{error:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing remains");
}

/// A file above the limit on files, which the policy would refuse by itself: the kernel does too.
#[test]
fn a_child_that_meets_a_limit_ends_and_nothing_remains() {
    let bytes = kit::tar(&[kit::Tar::file("x").content(&[7; 5000])]);
    let (folder, archive, target) = kit::place(&bytes);
    // As if the policy did not look: only the limits of the process are as low.
    let fresh = Fresh::create(&target).unwrap();
    let request = Request::Unpack { called: target, how: kit::how() };
    let Reader::Child(mut program) = child() else { unreachable!() };
    program.path = "/bin/sh".into();
    program.arguments = vec!["-c".into(), "ulimit -f 1; exec \"$0\" \"$@\"".into()];
    program.arguments.push(std::env::current_exe().unwrap().into());
    let Reader::Child(own) = child() else { unreachable!() };
    program.arguments.extend(own.arguments);
    let error = program.ask::<Unpacked>(&archive, Some(fresh.below().top()), &request).unwrap_err();
    assert!(matches!(&error, ArchiveError::ReaderEnded { .. }), "{error:?}");
    drop(fresh);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing remains");
}

#[test]
fn what_cannot_be_started_is_told() {
    let (_folder, archive, target) = kit::place(&kit::tar(&[kit::Tar::file("x")]));
    let error = Reader::of("/nowhere".into()).unpack(&archive, &target, &kit::how());
    assert!(error.unwrap_err().to_string().contains("cannot start the process"));
    // Another program than ours answers nothing that could be taken for an answer.
    let error = Reader::of("/bin/true".into()).unpack(&archive, &target, &kit::how());
    assert!(matches!(error, Err(ArchiveError::Reader { .. })), "{error:?}");
    assert!(!target.exists());
}
