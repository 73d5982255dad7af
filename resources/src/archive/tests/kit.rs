//! Archives made byte by byte, so that each can be wrong in one place.

use std::fs;
use std::path::Path;

use super::super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

/// As charms are unpacked.
pub(in crate::archive) fn how() -> Unpack {
    Unpack { limits: Limits::charm(), strip: 0, expected: None, durable: true }
}

/// Unpacks and reads the archive with the limits, and demands that both take or both refuse it, and
/// that a refusal leaves nothing behind and names the rule.
#[track_caller]
pub(in crate::archive) fn open_with(bytes: &[u8], limits: &Limits) -> Result<Unpacked, Rule> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("archive"), bytes).unwrap();
    let path = folder.path().join("archive");
    let target = folder.path().join("target");
    let refused = |error: ArchiveError| match error {
        ArchiveError::Refused { rule, .. } => rule,
        other => panic!("{other:?}"),
    };
    let how = Unpack { limits: limits.clone(), ..how() };
    let unpacked =
        Archive::open(&path).and_then(|archive| archive.unpack(&target, &how)).map_err(refused);
    let read = read_files(&path, limits, |_| true).map_err(refused);
    assert_eq!(unpacked.as_ref().err(), read.as_ref().err());
    let left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    match &unpacked {
        Err(_) => assert_eq!(left, ["archive"], "nothing remains of a refused archive"),
        Ok(unpacked) => {
            assert_eq!(unpacked.tree, crate::tree_digest(&target).unwrap());
            assert_eq!(unpacked.digest, Digest::of(bytes));
        }
    }
    // The same through the child that daemons have read for them (S9).
    let beside = tempfile::tempdir().unwrap();
    let target = beside.path().join("target");
    let child = crate::archive::reader::tests::child();
    let there = Archive::open(&path).and_then(|archive| child.unpack(&archive, &target, &how));
    assert_eq!(there.map_err(refused), unpacked);
    let left = fs::read_dir(beside.path()).unwrap().count();
    assert_eq!(left, usize::from(unpacked.is_ok()), "nothing remains of it there either");
    unpacked
}

#[track_caller]
pub(in crate::archive) fn open(bytes: &[u8]) -> Result<Unpacked, Rule> {
    open_with(bytes, &Limits::charm())
}

pub(in crate::archive) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The rule by which a tar is refused, the same whether it is compressed or not.
#[track_caller]
pub(in crate::archive) fn tar_rule(bytes: &[u8]) -> Option<Rule> {
    let plain = open(bytes).err();
    let packed = open(&gzip(bytes)).err();
    assert_eq!(plain, packed);
    plain
}

/// A tar header block of this type; name, size and all else as the caller changes it.
#[derive(Clone)]
pub(in crate::archive) struct Tar {
    block: [u8; 512],
    content: Vec<u8>,
}

impl Tar {
    pub(in crate::archive) fn new(kind: u8, name: &[u8]) -> Tar {
        let mut tar = Tar { block: [0; 512], content: Vec::new() };
        tar.block[257..265].copy_from_slice(b"ustar\x0000");
        tar.block[156] = kind;
        tar = tar.set(0, name).set(100, b"0000644\0").set(108, b"0000000\0").set(116, b"0000000\0");
        tar.set(124, b"00000000000\0").set(136, b"00000000000\0")
    }

    pub(in crate::archive) fn file(name: &str) -> Tar {
        Tar::new(b'0', name.as_bytes()).content(b"content of a file")
    }

    pub(in crate::archive) fn folder(name: &str) -> Tar {
        Tar::new(b'5', name.as_bytes())
    }

    pub(in crate::archive) fn link(name: &str, target: &str) -> Tar {
        Tar::new(b'2', name.as_bytes()).set(157, target.as_bytes())
    }

    /// An extended header with these records.
    pub(in crate::archive) fn pax(kind: u8, records: &[(&str, &[u8])]) -> Tar {
        let mut body = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length =
                (rest + 1..).find(|length| length.to_string().len() + rest == *length).unwrap();
            body.extend_from_slice(format!("{length} {key}=").as_bytes());
            body.extend_from_slice(value);
            body.push(b'\n');
        }
        Tar::new(kind, b"pax").content(&body)
    }

    pub(in crate::archive) fn set(mut self, at: usize, bytes: &[u8]) -> Tar {
        self.block[at..at + bytes.len()].copy_from_slice(bytes);
        self.sum()
    }

    pub(in crate::archive) fn mode(self, mode: u32) -> Tar {
        self.set(100, format!("{mode:07o}\0").as_bytes())
    }

    pub(in crate::archive) fn content(self, bytes: &[u8]) -> Tar {
        let size = format!("{:011o}\0", bytes.len());
        let mut tar = self.set(124, size.as_bytes());
        tar.content = bytes.to_vec();
        tar
    }

    fn sum(mut self) -> Tar {
        self.block[148..156].fill(b' ');
        let sum: u32 = self.block.iter().map(|byte| u32::from(*byte)).sum();
        self.block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self
    }

    pub(in crate::archive) fn break_sum(mut self) -> Tar {
        self.block[0] ^= 1;
        self
    }
}

/// The archive of these entries, with its end.
pub(in crate::archive) fn tar(entries: &[Tar]) -> Vec<u8> {
    let mut bytes = tar_open(entries);
    bytes.extend_from_slice(&[0; 1024]);
    bytes
}

/// The same without the end.
pub(in crate::archive) fn tar_open(entries: &[Tar]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(&entry.block);
        bytes.extend_from_slice(&entry.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes
}

/// A zip entry, every field of both headers open to change.
#[derive(Clone)]
pub(in crate::archive) struct Zip {
    pub(in crate::archive) name: Vec<u8>,
    pub(in crate::archive) local_name: Vec<u8>,
    pub(in crate::archive) host: u8,
    pub(in crate::archive) mode: u32,
    pub(in crate::archive) flags: u16,
    pub(in crate::archive) local_flags: u16,
    pub(in crate::archive) method: u16,
    pub(in crate::archive) crc: u32,
    pub(in crate::archive) size: u32,
    pub(in crate::archive) packed: u32,
    /// Crc, packed and size of the local header, if it says something else.
    pub(in crate::archive) local: Option<[u32; 3]>,
    pub(in crate::archive) extra: Vec<u8>,
    pub(in crate::archive) local_extra: Vec<u8>,
    pub(in crate::archive) data: Vec<u8>,
    pub(in crate::archive) behind: Vec<u8>,
    /// The offset the directory claims.
    pub(in crate::archive) offset: Option<u32>,
}

impl Zip {
    pub(in crate::archive) fn new(name: &[u8], mode: u32, content: &[u8]) -> Zip {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        Zip {
            name: name.to_vec(),
            local_name: name.to_vec(),
            host: 3,
            mode,
            flags: 1 << 11,
            local_flags: 1 << 11,
            method: 0,
            crc: crc.sum(),
            size: content.len() as u32,
            packed: content.len() as u32,
            local: None,
            extra: Vec::new(),
            local_extra: Vec::new(),
            data: content.to_vec(),
            behind: Vec::new(),
            offset: None,
        }
    }

    pub(in crate::archive) fn file(name: &str) -> Zip {
        Zip::new(name.as_bytes(), 0o100_644, b"content of a file")
    }

    pub(in crate::archive) fn folder(name: &str) -> Zip {
        Zip::new(name.as_bytes(), 0o040_755, b"")
    }

    pub(in crate::archive) fn link(name: &str, target: &str) -> Zip {
        Zip::new(name.as_bytes(), 0o120_777, target.as_bytes())
    }

    pub(in crate::archive) fn deflated(mut self) -> Zip {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&self.data).unwrap();
        self.data = encoder.finish().unwrap();
        self.packed = self.data.len() as u32;
        self.method = 8;
        self
    }

    pub(in crate::archive) fn with(mut self, change: impl FnOnce(&mut Zip)) -> Zip {
        change(&mut self);
        self
    }
}

/// The end record's fields: disk, disk of the directory, entries here, entries, size, offset.
pub(in crate::archive) type End = (u16, u16, u16, u16, u32, u32);

pub(in crate::archive) fn zip(entries: &[Zip]) -> Vec<u8> {
    zip_with(entries, |end| end)
}

pub(in crate::archive) fn zip_with(entries: &[Zip], change: impl FnOnce(End) -> End) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let offset = entry.offset.unwrap_or(bytes.len() as u32);
        let fields = |flags: u16, said: [u32; 3], name: &[u8], extra: &[u8]| {
            let mut fields = Vec::new();
            for half in [20, flags, entry.method, 0, 0x21] {
                fields.extend_from_slice(&half.to_le_bytes());
            }
            for word in said {
                fields.extend_from_slice(&word.to_le_bytes());
            }
            for length in [name.len(), extra.len()] {
                fields.extend_from_slice(&(length as u16).to_le_bytes());
            }
            fields
        };
        let said = [entry.crc, entry.packed, entry.size];
        bytes.extend_from_slice(b"PK\x03\x04");
        let local = entry.local.unwrap_or(said);
        bytes.extend(fields(entry.local_flags, local, &entry.local_name, &entry.local_extra));
        for part in [&entry.local_name, &entry.local_extra, &entry.data, &entry.behind] {
            bytes.extend_from_slice(part);
        }
        directory.extend_from_slice(b"PK\x01\x02");
        directory.extend_from_slice(&[20, entry.host]);
        directory.extend(fields(entry.flags, said, &entry.name, &entry.extra));
        directory.extend_from_slice(&[0; 6]);
        directory.extend_from_slice(&(entry.mode << 16).to_le_bytes());
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(&entry.name);
        directory.extend_from_slice(&entry.extra);
    }
    let count = entries.len() as u16;
    let end = change((0, 0, count, count, directory.len() as u32, bytes.len() as u32));
    bytes.extend(directory);
    bytes.extend_from_slice(b"PK\x05\x06");
    for half in [end.0, end.1, end.2, end.3] {
        bytes.extend_from_slice(&half.to_le_bytes());
    }
    for word in [end.4, end.5] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(&[0; 2]);
    bytes
}

/// Writes an archive beside a target that does not exist.
pub(in crate::archive) fn place(bytes: &[u8]) -> (tempfile::TempDir, Archive, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive");
    fs::write(&path, bytes).unwrap();
    let archive = Archive::open(Path::new(&path)).unwrap();
    let target = folder.path().join("target");
    (folder, archive, target)
}
