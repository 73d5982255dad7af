//! The list of hostile archives (reliability and security, section 6), as zip.

use super::super::*;
use super::kit::*;

macro_rules! refused {
    ($($name:ident: $entries:expr => $rule:expr;)*) => {
        $(#[test]
        fn $name() {
            assert_eq!(open(&zip(&$entries)).err(), Some($rule));
        })*
    };
}

macro_rules! taken {
    ($($name:ident: $entries:expr;)*) => {
        $(#[test]
        fn $name() {
            assert_eq!(open(&zip(&$entries)).err(), None);
        })*
    };
}

fn raw(name: &[u8]) -> Zip {
    Zip::new(name, 0o100_644, b"content of a file")
}

fn typed(mode: u32) -> Zip {
    Zip::new(b"x", mode, b"")
}

/// An extra field.
fn extra(id: u16, value: &[u8]) -> Vec<u8> {
    [&id.to_le_bytes()[..], &(value.len() as u16).to_le_bytes(), value].concat()
}

/// A data descriptor behind the data, and the header's fields zero as a streaming writer leaves them.
fn described(signed: bool, words: impl Fn(&Zip) -> [u32; 3]) -> Zip {
    Zip::file("x").deflated().with(|zip| {
        zip.flags |= 8;
        zip.local_flags |= 8;
        zip.local = Some([0; 3]);
        let words = words(zip);
        zip.behind = if signed { b"PK\x07\x08".to_vec() } else { Vec::new() };
        zip.behind.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    })
}

fn honest(zip: &Zip) -> [u32; 3] {
    [zip.crc, zip.packed, zip.size]
}

refused! {
    z01_zip_parent: [raw(b"../x")] => Rule::ParentPart;
    z02_zip_parent_inside: [raw(b"a/../../x")] => Rule::ParentPart;
    z03_zip_absolute: [raw(b"/x")] => Rule::Absolute;
    z04_zip_backslash: [raw(b"a\\x")] => Rule::Backslash;
    z04_zip_drive: [raw(b"C:x")] => Rule::Absolute;
    z05_zip_empty: [raw(b"")] => Rule::EmptyName;
    z06_zip_dot: [raw(b".")] => Rule::EmptyPart;
    z07_zip_slash_on_a_file: [raw(b"x/")] => Rule::FileWithSlash;
    z07_zip_folder_without_slash: [Zip::folder("x")] => Rule::FolderWithoutSlash;
    z08_zip_nul: [raw(b"a\0b")] => Rule::Control;
    z09_zip_escape: [raw(b"a\x1bb")] => Rule::Control;
    z10_zip_not_utf8: [raw(b"a\xff")] => Rule::NotUtf8;
    z10_zip_code_page: [Zip::file("é").with(|zip| (zip.flags, zip.local_flags) = (0, 0))] => Rule::NotUtf8;
    z11_zip_overlong: [raw(b"a\xc0\xaf")] => Rule::NotUtf8;
    z13_zip_long_path: [raw(&[b'x'; 10_000])] => Rule::LongPath(1024);
    z14_zip_deep: [raw(&b"d/".repeat(500)[..999])] => Rule::Deep(32);
    z15_zip_local_name_differs: [Zip::file("x").with(|zip| zip.local_name = b"y".to_vec())]
        => Rule::HeadersDisagree("name".into());
    z16_zip_unicode_path_differs: [Zip::file("x").with(|zip| zip.extra = extra(0x7075, b"\x01\0\0\0\0y"))]
        => Rule::UnicodePath;
    z16_zip_unicode_path_differs_in_the_local_header:
        [Zip::file("x").with(|zip| zip.local_extra = extra(0x7075, b"\x01\0\0\0\0y"))] => Rule::UnicodePath;
    z17_zip_link_absolute: [Zip::link("x", "/etc/passwd")] => Rule::LinkAbsolute;
    z18_zip_link_out: [Zip::link("a/x", "../../y")] => Rule::LinkOut;
    z20_zip_file_through_a_link: [Zip::link("l", "d"), Zip::file("l/x")] => Rule::ParentNotFolder("l".into());
    z21_zip_link_then_folder: [Zip::link("l", "d"), Zip::folder("l/")] => Rule::Duplicate;
    z22_zip_two_hops_out: [Zip::link("d/e/up", "../.."), Zip::link("x/out", "../d/e/up/..")] => Rule::LinkOut;
    z23_zip_loop: [Zip::link("a", "b"), Zip::link("b", "a")] => Rule::LinkLoop(16);
    z24_zip_link_replaced_by_a_file: [Zip::link("a", "b"), Zip::file("a")] => Rule::Duplicate;
    z28_zip_config_is_a_link: [Zip::file("x"), Zip::link("config.yaml", "x")] => Rule::LinkedName;
    z30_zip_character_device: [typed(0o020_644)] => Rule::Device;
    z31_zip_block_device: [typed(0o060_644)] => Rule::Device;
    z32_zip_pipe: [typed(0o010_644)] => Rule::Pipe;
    z33_zip_socket: [typed(0o140_644)] => Rule::Socket;
    z39_zip_unknown_type: [typed(0o150_644)] => Rule::UnknownType(0o150_000);
    z41_zip_duplicate: [Zip::file("x"), Zip::file("x")] => Rule::Duplicate;
    z42_zip_file_then_folder: [Zip::file("a"), Zip::folder("a/")] => Rule::Duplicate;
    z43_zip_parent_is_a_file: [Zip::file("a"), Zip::file("a/b")] => Rule::ParentNotFolder("a".into());
    z48_zip_checksum: [Zip::file("x").with(|zip| zip.crc ^= 1)] => Rule::Crc;
    z48_zip_checksum_deflated: [Zip::file("x").deflated().with(|zip| zip.crc ^= 1)] => Rule::Crc;
    z52_zip_overlap: [Zip::file("x"), Zip::file("y").with(|zip| zip.offset = Some(0))] => Rule::Overlap;
    z52_zip_gap: [Zip::file("x").with(|zip| zip.behind = b"hidden".to_vec()), Zip::file("y")] => Rule::Gap;
    z53_zip64_in_the_directory: [Zip::file("x").with(|zip| zip.extra = extra(1, &[0; 16]))] => Rule::Zip64;
    z53_zip64_contradicts: [Zip::file("x").with(|zip| {
        zip.local = Some([zip.crc, u32::MAX, u32::MAX]);
        zip.local_extra = extra(1, &[9, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
    })] => Rule::HeadersDisagree("size or checksum".into());
    z53_zip64_missing: [Zip::file("x").with(|zip| zip.local = Some([zip.crc, u32::MAX, u32::MAX]))] => Rule::Zip64;
    z54_zip_encrypted: [Zip::file("x").with(|zip| (zip.flags, zip.local_flags) = (1, 1))] => Rule::Encrypted;
    z55_zip_method: [Zip::file("x").with(|zip| zip.method = 12)] => Rule::Method(12);
    z56_zip_descriptor_wrong: [described(true, |zip| [zip.crc, zip.packed, zip.size + 1])] => Rule::Descriptor;
    z56_zip_descriptor_unsigned_wrong: [described(false, |zip| [zip.crc ^ 1, zip.packed, zip.size])] => Rule::Descriptor;
    z56_zip_descriptor_missing: [described(true, honest).with(|zip| zip.behind.clear())] => Rule::Descriptor;
    z56_zip_descriptor_padded: [described(true, honest).with(|zip| zip.behind.push(0))] => Rule::Descriptor;
    z56_zip_descriptor_not_announced: [Zip::file("x").with(|zip| zip.behind = vec![0; 12])] => Rule::Gap;
    z56_zip_flags_differ: [Zip::file("x").with(|zip| zip.local_flags |= 8)] => Rule::HeadersDisagree("flags".into());
    z44_zip_sizes_differ: [Zip::file("x").with(|zip| zip.local = Some([zip.crc, zip.packed, 5]))]
        => Rule::HeadersDisagree("size or checksum".into());
    z61_zip_claims_more: [Zip::file("x").deflated().with(|zip| zip.size = 1000)] => Rule::Crc;
    z61_zip_claims_less: [Zip::file("x").deflated().with(|zip| zip.size = 5)] => Rule::Crc;
    z61_zip_claims_four_gibibytes: [Zip::file("x").deflated().with(|zip| zip.size = u32::MAX - 1)]
        => Rule::FileSize(512 << 20);
    z62_zip_size_saturated: [Zip::file("x").with(|zip| zip.size = u32::MAX)] => Rule::Zip64;
    zip_stored_sizes_differ: [Zip::file("x").with(|zip| zip.size += 1)] => Rule::Crc;
    zip_folder_with_content: [Zip::new(b"x/", 0o040_755, b"hidden")] => Rule::Content;
    zip_deflate_broken: [Zip::file("x").deflated().with(|zip| zip.data[0] = 0xff)] => Rule::Compression;
    zip_bytes_behind_the_deflate_stream: [Zip::file("x").deflated().with(|zip| {
        zip.data.extend_from_slice(b"hidden");
        zip.packed += 6;
    })] => Rule::Crc;
}

taken! {
    z16_zip_unicode_path_agrees: [Zip::file("x").with(|zip| zip.extra = extra(0x7075, b"\x01\0\0\0\0x"))];
    z19_zip_link_in: [Zip::file("a"), Zip::link("d/l", "../a")];
    z29_zip_dangling_link: [Zip::link("l", "not/there")];
    z34_z35_zip_modes: [Zip::new(b"x", 0o104_755, b""), Zip::new(b"y", 0o100_000, b"")];
    z37_zip_owner_and_times_are_ignored: [Zip::file("x").with(|zip| zip.local_extra = extra(0x7875, b"\x01\x04\0\0\0\0\x04\0\0\0\0"))];
    z56_zip_descriptor: [described(true, honest)];
    z56_zip_descriptor_unsigned: [described(false, honest)];
    z57_zip_archive_in_archive: [Zip::new(b"inner.zip", 0o100_644, &zip(&[Zip::file("../x")]))];
    zip_of_dos: [Zip::file("x").with(|zip| (zip.host, zip.mode) = (0, 0)), Zip::folder("d/").with(|zip| (zip.host, zip.mode) = (0, 0))];
    zip_deflated: [Zip::file("x").deflated(), Zip::new(b"empty", 0o100_644, b"").deflated()];
    zip_sizes_in_wide_fields: [Zip::file("x").with(|zip| {
        zip.local = Some([zip.crc, u32::MAX, u32::MAX]);
        zip.local_extra = extra(1, &[17, 0, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0]);
    })];
    zip_empty: [];
}

#[test]
fn z12_zip_names_that_fold_alike_are_for_charms_only() {
    let bytes = zip(&[raw(b"A"), raw(b"a")]);
    assert_eq!(open_with(&bytes, &Limits::resource()), Err(Rule::FoldsLike("A".into())));
    assert_eq!(open(&bytes).map(drop), Ok(()));
}

/// Hook contract C15.
#[test]
fn c15_a_charm_with_an_absolute_link_is_refused_and_one_inside_is_kept() {
    use std::os::unix::fs::PermissionsExt;

    let script = Zip::new(b"hooks/install", 0o100_750, b"#!/bin/sh");
    for target in ["/etc/passwd", "/", "/var/lib/juju/x"] {
        let bytes = zip(&[script.clone(), Zip::link("hooks/start", target)]);
        assert_eq!(open(&bytes).err(), Some(Rule::LinkAbsolute), "{target}");
    }
    let bytes = zip(&[script, Zip::link("hooks/start", "install")]);
    let (_folder, archive, target) = place(&bytes);
    archive.unpack(&target, &how()).unwrap();
    let mode = std::fs::metadata(target.join("hooks/install")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o750);
    let link = std::fs::read_link(target.join("hooks/start")).unwrap();
    assert_eq!(link, std::path::Path::new("install"));
}

#[test]
fn z50_zip_with_bytes_before_or_behind_is_refused() {
    let whole = zip(&[Zip::file("x")]);
    assert_eq!(open(&[&whole[..], b"more"].concat()), Err(Rule::NoEndRecord));
    // Two archives one after the other: the second's end record is found, its offsets do not fit.
    assert_eq!(open(&[&whole[..], &zip(&[Zip::file("y")])].concat()), Err(Rule::EndRecord));
}

#[test]
fn z50_zip_with_two_end_records_is_refused() {
    let whole = zip(&[Zip::file("x")]);
    let second = zip(&[]);
    // The first record's remark is the whole of the second.
    let mut both = [whole.clone(), second.clone()].concat();
    let at = whole.len() - 2;
    both[at..at + 2].copy_from_slice(&(second.len() as u16).to_le_bytes());
    assert_eq!(open(&both), Err(Rule::EndRecords));
}

#[test]
fn z51_zip_with_a_wrong_count_is_refused() {
    let entries = [Zip::file("x"), Zip::file("y")];
    let count = |count| zip_with(&entries, |end| (end.0, end.1, count, count, end.4, end.5));
    for wrong in [0, 1, 3] {
        assert_eq!(open(&count(wrong)), Err(Rule::EndRecord), "{wrong}");
    }
    assert!(open(&count(2)).is_ok());
    let here = zip_with(&entries, |end| (end.0, end.1, 1, end.3, end.4, end.5));
    assert_eq!(open(&here), Err(Rule::Disks));
    let disk = zip_with(&entries, |end| (1, end.1, end.2, end.3, end.4, end.5));
    assert_eq!(open(&disk), Err(Rule::Disks));
    let wide = zip_with(&entries, |end| (end.0, end.1, 0xffff, 0xffff, end.4, end.5));
    assert_eq!(open(&wide), Err(Rule::Zip64));
}

#[test]
fn z51_zip_directory_that_hides_an_entry_is_refused() {
    // The last entry is there in full, but the directory speaks only of the first.
    let both = zip(&[Zip::file("x"), Zip::file("y")]);
    let one = zip(&[Zip::file("x")]);
    let first = 30 + 1 + 17;
    let mut hidden = both[..2 * first].to_vec();
    hidden.extend_from_slice(&one[first..]);
    let at = hidden.len() - 6;
    hidden[at..at + 4].copy_from_slice(&(2 * first as u32).to_le_bytes());
    assert_eq!(open(&hidden), Err(Rule::Gap));
}

#[test]
fn z49_zip_truncated_at_every_byte_is_refused() {
    let whole = zip(&[Zip::file("x"), Zip::file("d/y").deflated()]);
    for length in 4..whole.len() {
        assert_eq!(open(&whole[..length]), Err(Rule::NoEndRecord), "{length}");
    }
}

#[test]
fn z58_zip_bomb_is_refused_by_its_ratio() {
    let zeros = |length: usize| [Zip::new(b"zeros", 0o100_644, &vec![0; length]).deflated()];
    assert_eq!(open(&zip(&zeros(40 << 20))), Err(Rule::Ratio(200)));
    assert!(open(&zip(&zeros(9 << 20))).is_ok());
}

#[test]
fn z63_z65_zip_limits_hold() {
    let limits = Limits { entries: 10, file: 100, ..Limits::charm() };
    let many: Vec<Zip> = (0..11).map(|at| Zip::file(&format!("f{at}"))).collect();
    assert!(open_with(&zip(&many[..10]), &limits).is_ok());
    assert_eq!(open_with(&zip(&many), &limits), Err(Rule::Entries(10)));
    let sized = |size| zip(&[Zip::new(b"x", 0o100_644, &vec![7; size])]);
    assert!(open_with(&sized(100), &limits).is_ok());
    assert_eq!(open_with(&sized(101), &limits), Err(Rule::FileSize(100)));
}

#[test]
fn a_flipped_bit_in_a_zip_never_yields_other_content() {
    let whole = zip(&[Zip::file("x").deflated(), Zip::file("y")]);
    let (_folder, archive, _) = place(&whole);
    assert_eq!(archive.read_files(&Limits::charm(), |_| true).unwrap().len(), 2);
    for bit in 32..whole.len() * 8 {
        let mut wrong = whole.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        let (_folder, archive, _) = place(&wrong);
        if let Ok(files) = archive.read_files(&Limits::charm(), |_| true) {
            // A bit of a mode may make a file a link; what is still a file is still the same.
            let same = files.values().all(|content| content == b"content of a file");
            assert!(same, "bit {bit}");
        }
    }
}

#[test]
fn another_reader_sees_the_same_zip() {
    use std::io::Read;
    let whole = zip(&[
        Zip::folder("d/"),
        Zip::file("d/x").deflated(),
        described(true, honest),
        Zip::file("é"),
    ]);
    let (_folder, archive, _) = place(&whole);
    let ours = archive.read_files(&Limits::charm(), |_| true).unwrap();
    let mut other = ::zip::ZipArchive::new(std::io::Cursor::new(whole)).unwrap();
    let mut theirs = BTreeMap::new();
    for at in 0..other.len() {
        let mut entry = other.by_index(at).unwrap();
        if entry.is_file() {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            theirs.insert(entry.name().unwrap().into_owned(), content);
        }
    }
    assert_eq!(ours, theirs);
}
