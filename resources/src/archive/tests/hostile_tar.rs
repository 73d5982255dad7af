//! The list of hostile archives (reliability and security, section 6), as tar and tar.gz.

use super::super::*;
use super::kit::*;

/// Each line: a test, an archive, and the rule that refuses it, plain and in gzip.
macro_rules! refused {
    ($($name:ident: $entries:expr => $rule:expr;)*) => {
        $(#[test]
        fn $name() {
            assert_eq!(tar_rule(&tar(&$entries)), Some($rule));
        })*
    };
}

/// Each line: a test, and an archive that is taken.
macro_rules! taken {
    ($($name:ident: $entries:expr;)*) => {
        $(#[test]
        fn $name() {
            assert_eq!(tar_rule(&tar(&$entries)), None);
        })*
    };
}

fn pax_path(name: &[u8]) -> [Tar; 2] {
    [Tar::pax(b'x', &[("path", name)]), Tar::file("short")]
}

refused! {
    z01_tar_parent: [Tar::file("../x")] => Rule::ParentPart;
    z02_tar_parent_inside: [Tar::file("a/../../x")] => Rule::ParentPart;
    z02_tar_parent_that_stays: [Tar::file("a/../x")] => Rule::ParentPart;
    z03_tar_absolute: [Tar::file("/x")] => Rule::Absolute;
    z03_tar_absolute_by_pax: pax_path(b"/x") => Rule::Absolute;
    z03_tar_absolute_after_dot: [Tar::file(".//x")] => Rule::EmptyPart;
    z04_tar_backslash: [Tar::file("a\\x")] => Rule::Backslash;
    z04_tar_drive: [Tar::file("C:/x")] => Rule::Absolute;
    z05_tar_empty: [Tar::file("")] => Rule::EmptyName;
    z06_tar_dot_file: [Tar::file(".")] => Rule::EmptyPart;
    z06_tar_dot_slash_link: [Tar::link("./", "x")] => Rule::EmptyName;
    z07_tar_slash_on_a_file: [Tar::file("x/")] => Rule::FileWithSlash;
    z08_tar_nul_by_pax: pax_path(b"a\0b") => Rule::Control;
    z08_tar_nul_by_long_name: [Tar::new(b'L', b"l").content(b"a\0b\0"), Tar::file("x")] => Rule::Control;
    z08_tar_nul_in_the_field: [Tar::new(b'0', b"a\0b")] => Rule::Control;
    z09_tar_newline: [Tar::file("a\nb")] => Rule::Control;
    z09_tar_escape: [Tar::file("a\x1b[31mb")] => Rule::Control;
    z10_tar_not_utf8: [Tar::new(b'0', b"a\xffb")] => Rule::NotUtf8;
    z11_tar_overlong_utf8: [Tar::new(b'0', b"a\xc0\xafb")] => Rule::NotUtf8;
    z13_tar_long_path: pax_path(&[b'x'; 10_000]) => Rule::LongPath(1024);
    z14_tar_deep: pax_path(&b"d/".repeat(500)[..999]) => Rule::Deep(32);
    z17_tar_link_absolute: [Tar::link("x", "/etc/passwd")] => Rule::LinkAbsolute;
    z18_tar_link_out: [Tar::link("a/x", "../../y")] => Rule::LinkOut;
    z20_tar_file_through_a_link: [Tar::folder("d/"), Tar::link("l", "d"), Tar::file("l/x")]
        => Rule::ParentNotFolder("l".into());
    z21_tar_link_then_folder: [Tar::link("l", "d"), Tar::folder("l/").mode(0o777)] => Rule::Duplicate;
    z22_tar_two_hops_out: [Tar::link("d/e/up", "../.."), Tar::link("x/out", "../d/e/up/..")] => Rule::LinkOut;
    z23_tar_loop: [Tar::link("a", "b"), Tar::link("b", "a")] => Rule::LinkLoop(16);
    z24_tar_link_replaced_by_a_file: [Tar::link("a", "b"), Tar::file("a")] => Rule::Duplicate;
    z25_tar_hard_link_out: [Tar::new(b'1', b"x").set(157, b"/etc/passwd")] => Rule::HardLink;
    z26_tar_hard_link_in: [Tar::file("a"), Tar::new(b'1', b"x").set(157, b"a")] => Rule::HardLink;
    z27_tar_hard_link_to_a_link: [Tar::link("a", "b"), Tar::new(b'1', b"x").set(157, b"a")] => Rule::HardLink;
    z28_tar_metadata_is_a_link: [Tar::file("x"), Tar::link("metadata.yaml", "x")] => Rule::LinkedName;
    z28_tar_hooks_is_a_link: [Tar::folder("x"), Tar::link("hooks", "x")] => Rule::LinkedName;
    z30_tar_character_device: [Tar::new(b'3', b"x")] => Rule::Device;
    z31_tar_block_device: [Tar::new(b'4', b"x")] => Rule::Device;
    z32_tar_pipe: [Tar::new(b'6', b"x")] => Rule::Pipe;
    z37_tar_xattr: [Tar::pax(b'x', &[("SCHILY.xattr.user.a", b"b")]), Tar::file("x")]
        => Rule::Attributes("SCHILY.xattr.user.a".into());
    z37_tar_capability: [Tar::pax(b'x', &[("SCHILY.xattr.security.capability", b"\x01")]), Tar::file("x")]
        => Rule::Attributes("SCHILY.xattr.security.capability".into());
    z37_tar_acl: [Tar::pax(b'x', &[("SCHILY.acl.access", b"user::rwx")]), Tar::file("x")]
        => Rule::Attributes("SCHILY.acl.access".into());
    z38_tar_sparse: [Tar::new(b'S', b"x")] => Rule::Sparse;
    z38_tar_sparse_by_pax: [Tar::pax(b'x', &[("GNU.sparse.major", b"1")]), Tar::file("x")] => Rule::Sparse;
    z39_tar_unknown_type: [Tar::new(b'7', b"x")] => Rule::UnknownType(u32::from(b'7'));
    z40_tar_volume: [Tar::new(b'M', b"x")] => Rule::Volume;
    z40_tar_dump_folder: [Tar::new(b'D', b"x/")] => Rule::Volume;
    z41_tar_duplicate: [Tar::file("a/x"), Tar::file("a/x")] => Rule::Duplicate;
    z41_tar_duplicate_after_dot: [Tar::file("x"), Tar::file("./x")] => Rule::Duplicate;
    z42_tar_file_then_folder: [Tar::file("a"), Tar::folder("a/")] => Rule::Duplicate;
    z43_tar_parent_is_a_file: [Tar::file("a"), Tar::file("a/b")] => Rule::ParentNotFolder("a".into());
    z44_tar_pax_size_above: [Tar::pax(b'x', &[("size", b"1024")]), Tar::file("x")] => Rule::PaxSize;
    z44_tar_pax_size_below: [Tar::pax(b'x', &[("size", b"0")]), Tar::file("x")] => Rule::PaxSize;
    z44_tar_pax_size_signed: [Tar::pax(b'x', &[("size", b"+17")]), Tar::file("x")] => Rule::Number("pax size".into());
    z45_tar_pax_length_wrong: [Tar::new(b'x', b"p").content(b"99 path=x\n"), Tar::file("x")] => Rule::PaxMalformed;
    z45_tar_pax_without_newline: [Tar::new(b'x', b"p").content(b"9 path=xy"), Tar::file("x")] => Rule::PaxMalformed;
    z45_tar_pax_zero_length: [Tar::new(b'x', b"p").content(b"0 path=x\n"), Tar::file("x")] => Rule::PaxMalformed;
    z45_tar_pax_key_twice: [Tar::pax(b'x', &[("path", b"a"), ("path", b"b")]), Tar::file("x")] => Rule::NamedTwice;
    z45_tar_pax_unknown_key: [Tar::pax(b'x', &[("hdrcharset", b"BINARY")]), Tar::file("x")]
        => Rule::PaxKey("hdrcharset".into());
    z46_tar_global_path: [Tar::pax(b'g', &[("path", b"../x")]), Tar::file("x")] => Rule::PaxGlobal("path".into());
    z46_tar_global_size: [Tar::pax(b'g', &[("size", b"0")]), Tar::file("x")] => Rule::PaxGlobal("size".into());
    z47_tar_long_name_alone: [Tar::file("x"), Tar::new(b'L', b"l").content(b"long\0")] => Rule::HeaderAlone;
    z47_tar_pax_alone: [Tar::pax(b'x', &[("path", b"a")])] => Rule::HeaderAlone;
    z47_tar_two_long_names: [Tar::new(b'L', b"l").content(b"a\0"), Tar::new(b'L', b"l").content(b"b\0"), Tar::file("x")]
        => Rule::NamedTwice;
    z47_tar_long_name_and_pax: [Tar::new(b'L', b"l").content(b"a\0"), Tar::pax(b'x', &[("path", b"b")]), Tar::file("x")]
        => Rule::NamedTwice;
    z48_tar_checksum: [Tar::file("x").break_sum()] => Rule::Checksum;
    z60_tar_extended_header_too_large: [Tar::new(b'x', b"p").content(&vec![b' '; 70_000]), Tar::file("x")]
        => Rule::HeaderSize(65_536);
    z61_tar_claims_a_tebibyte: [Tar::file("x").set(124, b"\x80\0\0\0\0\0\x01\0\0\0\0\0")] => Rule::FileSize(512 << 20);
    z62_tar_size_2_63: [Tar::file("x").set(124, b"\x80\0\0\0\x80\0\0\0\0\0\0\0")] => Rule::Number("size".into());
    z62_tar_size_2_64_and_five: [Tar::file("x").set(124, b"\x80\0\0\x01\0\0\0\0\0\0\0\x05")] => Rule::Number("size".into());
    z62_tar_size_negative: [Tar::file("x").set(124, &[0xff; 12])] => Rule::Number("size".into());
    z62_tar_size_not_octal: [Tar::file("x").set(124, b"0000000008\0\0")] => Rule::Number("size".into());
    tar_folder_with_content: [Tar::folder("x/").content(b"hidden")] => Rule::Content;
    tar_link_with_content: [Tar::link("x", "y").content(b"hidden")] => Rule::Content;
    tar_link_without_target: [Tar::link("x", "")] => Rule::LinkEmpty;
    tar_link_target_too_long: [Tar::pax(b'x', &[("linkpath", &[b'x'; 1025])]), Tar::link("x", "y")] => Rule::LinkLong(1024);
    tar_without_magic: [Tar::file("a"), Tar::file("x").set(257, b"\0\0\0\0\0\0\0\0")] => Rule::UnknownFormat;
}

taken! {
    z19_tar_link_in: [Tar::file("a"), Tar::link("d/l", "../a")];
    z29_tar_dangling_link: [Tar::link("l", "not/there")];
    z34_tar_set_id: [Tar::file("x").mode(0o6755), Tar::file("y").mode(0o1644)];
    z35_tar_modes: [Tar::file("x").mode(0), Tar::file("y").mode(0o777), Tar::folder("d/").mode(0)];
    z36_tar_foreign_owner: [Tar::file("x").set(108, b"0001750\0").set(265, b"somebody")];
    z46_tar_global_remark_of_git: [Tar::pax(b'g', &[("comment", b"0123abcd")]), Tar::file("x")];
    z57_tar_archive_in_archive: [Tar::file("inner.tar").content(&tar(&[Tar::file("../x")]))];
    tar_empty: [];
    tar_leading_dot: [Tar::folder("./"), Tar::folder("./a/"), Tar::file("./a/x")];
    tar_folder_without_slash: [Tar::folder("a"), Tar::file("a/x")];
    tar_folder_after_what_lies_in_it: [Tar::file("a/x"), Tar::folder("a/")];
    tar_long_names: [Tar::new(b'L', b"././@LongLink").content(&[&[b'x'; 200][..], b"\0"].concat()), Tar::file("x")];
    tar_prefix: [Tar::file("x").set(345, b"a/b")];
    tar_pax_times: [Tar::pax(b'x', &[("mtime", b"1.5"), ("path", "é".as_bytes())]), Tar::file("x")];
}

#[test]
fn z12_tar_names_that_fold_alike_are_for_charms_only() {
    for (one, other) in [("Config", "config"), ("é", "e\u{301}")] {
        let bytes = tar(&[Tar::file(one), Tar::file(other)]);
        assert_eq!(open_with(&bytes, &Limits::resource()), Err(Rule::FoldsLike(one.into())));
        assert_eq!(open(&bytes).map(drop), Ok(()));
    }
}

#[test]
fn z34_z35_tar_modes_are_made_plain() {
    use std::os::unix::fs::MetadataExt;
    let entries = [
        Tar::folder("d/").mode(0o1777),
        Tar::file("d/set").mode(0o6755),
        Tar::file("d/none").mode(0),
        Tar::file("d/all").mode(0o777),
        Tar::file("d/plain").mode(0o4644),
    ];
    for limits in [Limits::charm(), Limits::resource()] {
        let kept = |charm, plain| if limits.keep_modes { charm } else { plain };
        let (_folder, archive, target) = place(&tar(&entries));
        archive.unpack(&target, &Unpack { limits: limits.clone(), ..how() }).unwrap();
        for (path, mode) in [
            ("", 0o755),
            ("d", 0o755),
            ("d/set", 0o755),
            ("d/none", kept(0, 0o644)),
            ("d/all", kept(0o777, 0o755)),
            ("d/plain", 0o644),
        ] {
            let metadata = std::fs::metadata(target.join(path)).unwrap();
            assert_eq!(metadata.mode() & 0o7777, mode, "{path}");
            assert_eq!(metadata.uid(), rustix::process::geteuid().as_raw());
        }
    }
}

#[test]
fn z49_tar_truncated_at_every_block_is_refused() {
    let whole = tar(&[
        Tar::file("a"),
        Tar::folder("d/"),
        Tar::file("d/b").content(&[7; 3000]),
        Tar::link("l", "a"),
    ]);
    assert_eq!(tar_rule(&whole), None);
    for length in (512..whole.len()).step_by(512) {
        let rule = tar_rule(&whole[..length]);
        assert_eq!(rule, Some(Rule::Truncated), "{length}");
    }
}

#[test]
fn z49_gzip_truncated_at_every_byte_is_refused() {
    let whole = gzip(&tar(&[Tar::file("a"), Tar::file("b").content(&[7; 3000])]));
    for length in 2..whole.len() {
        let rule = open(&whole[..length]).unwrap_err();
        assert!(matches!(rule, Rule::Truncated | Rule::Compression), "{length}: {rule}");
    }
}

#[test]
fn z50_tar_with_bytes_or_an_archive_behind_is_refused() {
    let whole = tar(&[Tar::file("a")]);
    let second = [whole.clone(), tar(&[Tar::file("b")])].concat();
    assert_eq!(tar_rule(&second), Some(Rule::Trailing));
    let hidden = [tar_open(&[Tar::file("a")]), vec![0; 512], tar(&[Tar::file("b")])].concat();
    assert_eq!(tar_rule(&hidden), Some(Rule::Trailing));
    // What fills up a block is not content.
    let filled = [whole.clone(), vec![0; 9216]].concat();
    assert_eq!(tar_rule(&filled), None);
    let endless = [whole, vec![0; 2 << 20]].concat();
    assert_eq!(tar_rule(&endless), Some(Rule::Trailing));
}

#[test]
fn z50_gzip_with_bytes_behind_is_refused() {
    let whole = [gzip(&tar(&[Tar::file("a")])), b"more".to_vec()].concat();
    assert_eq!(open(&whole), Err(Rule::Members));
}

#[test]
fn z67_gzip_of_several_members_is_refused() {
    let whole = tar(&[Tar::file("a"), Tar::file("b")]);
    let (one, two) = whole.split_at(700);
    assert_eq!(open(&[gzip(one), gzip(two)].concat()), Err(Rule::Members));
    assert_eq!(open(&[gzip(&whole), gzip(&whole)].concat()), Err(Rule::Members));
}

#[test]
fn z58_gzip_bomb_is_refused_by_its_ratio() {
    let bomb = gzip(&tar(&[Tar::file("zeros").content(&vec![0; 40 << 20])]));
    assert!(bomb.len() < 400 << 10);
    assert_eq!(open(&bomb), Err(Rule::Ratio(200)));
    // Ten MiB may be as empty as they like.
    assert!(open(&gzip(&tar(&[Tar::file("zeros").content(&vec![0; 9 << 20])]))).is_ok());
}

#[test]
fn z60_gzip_of_gzip_is_no_archive() {
    // Noise, so that there is a whole block to look at.
    let noise: Vec<u8> =
        (0..2000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let inner = gzip(&tar(&[Tar::file("a").content(&noise)]));
    assert!(inner.len() > 512);
    assert_eq!(open(&gzip(&inner)), Err(Rule::UnknownFormat));
}

#[test]
fn z61_tar_that_claims_more_than_it_has_is_refused() {
    let short = tar_open(&[Tar::file("x").content(b"12345").set(124, b"00000100000\0")]);
    assert_eq!(tar_rule(&short), Some(Rule::Truncated));
}

#[test]
fn z63_z64_tar_with_too_many_entries_is_refused() {
    let limits = Limits { entries: 100, ..Limits::charm() };
    for make in [Tar::file as fn(&str) -> Tar, Tar::folder] {
        let entries: Vec<Tar> = (0..101).map(|at| make(&format!("e{at}"))).collect();
        assert!(open_with(&tar(&entries[..100]), &limits).is_ok());
        assert_eq!(open_with(&tar(&entries), &limits), Err(Rule::Entries(100)));
    }
}

#[test]
fn z65_tar_with_a_file_too_large_is_refused_by_its_claim() {
    let limits = Limits { file: 1000, unpacked: 1500, ..Limits::charm() };
    let sized = |name: &str, size| Tar::file(name).content(&vec![7; size]);
    assert!(open_with(&tar(&[sized("a", 1000)]), &limits).is_ok());
    assert_eq!(open_with(&tar(&[sized("a", 1001)]), &limits), Err(Rule::FileSize(1000)));
    assert_eq!(
        open_with(&tar(&[sized("a", 1000), sized("b", 501)]), &limits),
        Err(Rule::Unpacked(1500))
    );
    let whole = tar(&[sized("a", 1000)]);
    let limits = Limits { packed: whole.len() as u64 - 1, ..Limits::charm() };
    assert_eq!(open_with(&whole, &limits), Err(Rule::PackedSize(limits.packed)));
}

#[test]
fn a_flipped_bit_in_gzip_never_yields_another_tree() {
    let whole = gzip(&tar(&[Tar::file("a"), Tar::file("b").content(b"content")]));
    let expected = open(&whole).unwrap().tree;
    for bit in 16..whole.len() * 8 {
        let mut wrong = whole.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        if let Ok(unpacked) = open(&wrong) {
            assert_eq!(unpacked.tree, expected, "bit {bit} is in gzip's remarks");
        }
    }
}

#[test]
fn other_formats_are_refused() {
    for bytes in [&b""[..], b"x", b"\x28\xb5\x2f\xfd....", b"\xfd7zXZ\0", b"BZh9", &[7; 600]] {
        assert_eq!(open(bytes), Err(Rule::UnknownFormat));
    }
}

#[test]
fn every_refusal_names_the_entry_and_shows_no_control_characters() {
    let (_folder, archive, target) = place(&tar(&[Tar::file("fine"), Tar::file("a\x1b[31m\nb")]));
    let error = archive.unpack(&target, &how()).unwrap_err();
    let expected = "archive refused: entry `a\\u{1b}[31m\\nb` has a control character in its name";
    assert_eq!(error.to_string(), expected);
}
