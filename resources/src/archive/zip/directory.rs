//! The directory at a zip's end, checked against the header before each entry.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::super::error::{ArchiveError, Rule};
use super::super::policy::Limits;

const END: usize = 22;
const CENTRAL: usize = 46;
const LOCAL: usize = 30;
/// Bytes of the longest remark behind the end record.
const REMARK: u64 = 0xffff;

const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
const DESCRIPTOR: u16 = 1 << 3;
const PATCHED: u16 = 1 << 5;
const UTF8: u16 = 1 << 11;

const ZIP64: u16 = 0x0001;
const UNICODE_PATH: u16 = 0x7075;
const UNICODE_REMARK: u16 = 0x6375;

/// An entry that both headers agree about.
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) kind: EntryKind,
    /// Where its packed bytes begin.
    pub(super) data: u64,
    pub(super) packed: u64,
    pub(super) size: u64,
    pub(super) crc: u32,
    pub(super) deflated: bool,
}

pub(super) enum EntryKind {
    Folder,
    File { mode: u32 },
    Link,
}

/// What the directory says of an entry.
struct Record {
    name: Vec<u8>,
    host: u8,
    flags: u16,
    method: u16,
    crc: u32,
    packed: u32,
    size: u32,
    attributes: u32,
    offset: u32,
}

impl Entry {
    pub(super) fn refused(&self, rule: Rule) -> ArchiveError {
        ArchiveError::refused(&self.name, rule)
    }
}

/// All entries in the order of their bytes.
pub(super) fn read(file: &File, size: u64, limits: &Limits) -> Result<Vec<Entry>, ArchiveError> {
    let (count, start, end) = find(file, size)?;
    if count > limits.entries {
        return Err(ArchiveError::whole(Rule::Entries(limits.entries)));
    }
    let bytes = read_at(file, start, end - start)?;
    let mut fields = Fields(&bytes);
    let mut records = Vec::new();
    for _ in 0..count {
        records.push(record(&mut fields)?);
    }
    if !fields.0.is_empty() {
        return Err(ArchiveError::whole(Rule::EndRecord));
    }
    records.sort_by_key(|record| record.offset);
    let mut entries = Vec::new();
    let mut offset = 0;
    for (at, record) in records.iter().enumerate() {
        let next = records.get(at + 1).map_or(start, |next| u64::from(next.offset));
        let refused = |rule| ArchiveError::refused(&record.name, rule);
        match u64::from(record.offset) {
            begins if begins < offset => return Err(refused(Rule::Overlap)),
            begins if begins > offset => return Err(refused(Rule::Gap)),
            _ => {}
        }
        entries.push(entry(file, record, next)?);
        offset = next;
    }
    if offset != start {
        return Err(ArchiveError::whole(Rule::Gap));
    }
    Ok(entries)
}

/// The number of entries, and where the directory begins and ends.
fn find(file: &File, size: u64) -> Result<(u64, u64, u64), ArchiveError> {
    let whole = |rule| Err(ArchiveError::whole(rule));
    let length = size.min(REMARK + END as u64);
    let tail = read_at(file, size - length, length)?;
    // An end record is one whose remark ends where the file does. Two that do: two archives.
    let mut found = None;
    for at in 0..(tail.len() + 1).saturating_sub(END) {
        let mut fields = Fields(tail.get(at..).unwrap_or_default());
        if fields.u32() != Some(0x0605_4b50) {
            continue;
        }
        let remark = tail.len() - at - END;
        let end = fields.end_record();
        if end.as_ref().is_some_and(|end| usize::from(end.remark) == remark)
            && found.replace((at, end)).is_some()
        {
            return whole(Rule::EndRecords);
        }
    }
    let Some((at, Some(end))) = found else { return whole(Rule::NoEndRecord) };
    if end.disk != 0 || end.start_disk != 0 || end.here != end.count {
        return whole(Rule::Disks);
    }
    let record = size - length + at as u64;
    let locator = tail.get(at.saturating_sub(20)..at).unwrap_or_default();
    if end.count == 0xffff
        || end.offset == u32::MAX
        || end.size == u32::MAX
        || locator.starts_with(b"PK\x06\x07")
    {
        return whole(Rule::Zip64);
    }
    let start = u64::from(end.offset);
    if start + u64::from(end.size) != record {
        return whole(Rule::EndRecord);
    }
    Ok((u64::from(end.count), start, record))
}

fn record(fields: &mut Fields<'_>) -> Result<Record, ArchiveError> {
    let malformed = || ArchiveError::whole(Rule::EndRecord);
    let header = fields.take(CENTRAL).ok_or_else(malformed)?;
    let mut header = Fields(header);
    let (record, lengths) = header.central().ok_or_else(malformed)?;
    let name = fields.take(lengths.name).ok_or_else(malformed)?.to_vec();
    let refused = |rule| ArchiveError::refused(&name, rule);
    let extra = fields.take(lengths.extra).ok_or_else(|| refused(Rule::DirectoryRecord))?;
    fields.take(lengths.remark).ok_or_else(|| refused(Rule::DirectoryRecord))?;
    if record.flags & ENCRYPTED != 0 {
        return Err(refused(Rule::Encrypted));
    }
    if !matches!(record.method, 0 | 8) || record.flags & PATCHED != 0 {
        return Err(refused(Rule::Method(record.method)));
    }
    // Without the flag the name is in a code page that nobody knows.
    if !name.is_ascii() && record.flags & UTF8 == 0 {
        return Err(refused(Rule::NotUtf8));
    }
    if [record.size, record.packed, record.offset].contains(&u32::MAX) {
        return Err(refused(Rule::Zip64));
    }
    check_extra(extra, &name, false).map_err(refused)?;
    Ok(Record { name, ..record })
}

/// Refuses extra fields that say again, and perhaps otherwise, what a header says.
fn check_extra(extra: &[u8], name: &[u8], with_zip64: bool) -> Result<(), Rule> {
    let mut fields = Fields(extra);
    // Fewer than four bytes are filling, such as aligners leave.
    while fields.0.len() >= 4 {
        let (id, length) = (fields.u16().unwrap_or(0), fields.u16().unwrap_or(0));
        let value = fields.take(usize::from(length)).ok_or(Rule::DirectoryRecord)?;
        match id {
            ZIP64 if !with_zip64 => return Err(Rule::Zip64),
            UNICODE_PATH if value.get(5..) != Some(name) => return Err(Rule::UnicodePath),
            UNICODE_REMARK => {}
            _ => {}
        }
    }
    Ok(())
}

/// Compares the record with the header before the entry, and with the descriptor behind it.
fn entry(file: &File, record: &Record, next: u64) -> Result<Entry, ArchiveError> {
    let refused = |rule| ArchiveError::refused(&record.name, rule);
    let offset = u64::from(record.offset);
    if next.saturating_sub(offset) < LOCAL as u64 {
        return Err(refused(Rule::Overlap));
    }
    let bytes = read_at(file, offset, LOCAL as u64)?;
    let local =
        Fields(&bytes).local().ok_or_else(|| refused(Rule::HeadersDisagree("signature".into())))?;
    let behind = offset + LOCAL as u64;
    let data = behind + local.name as u64 + local.extra as u64;
    let end = data + u64::from(record.packed);
    if end > next {
        return Err(refused(Rule::Overlap));
    }
    let names = read_at(file, behind, local.name as u64 + local.extra as u64)?;
    let (name, extra) = names.split_at_checked(local.name).unwrap_or_default();
    let is_later = record.flags & DESCRIPTOR != 0;
    for (agrees, what) in [
        (name == record.name, "name"),
        (local.flags == record.flags, "flags"),
        (local.method == record.method, "compression"),
    ] {
        if !agrees {
            return Err(refused(Rule::HeadersDisagree(what.into())));
        }
    }
    let mut sizes = (u64::from(local.size), u64::from(local.packed));
    if local.size == u32::MAX || local.packed == u32::MAX {
        sizes = wide_sizes(extra, &local).ok_or_else(|| refused(Rule::Zip64))?;
    }
    check_extra(extra, &record.name, true).map_err(refused)?;
    let said = (sizes.0, sizes.1, local.crc);
    let known = (u64::from(record.size), u64::from(record.packed), record.crc);
    if said != known && !(is_later && said == (0, 0, 0)) {
        return Err(refused(Rule::HeadersDisagree("size or checksum".into())));
    }
    check_descriptor(file, record, end, next, is_later)?;
    let kind = kind(record).map_err(refused)?;
    if record.method == 0 && record.packed != record.size {
        return Err(refused(Rule::Crc));
    }
    if matches!(kind, EntryKind::Folder) && record.size != 0 {
        return Err(refused(Rule::Content));
    }
    Ok(Entry {
        name: record.name.clone(),
        kind,
        data,
        packed: u64::from(record.packed),
        size: u64::from(record.size),
        crc: record.crc,
        deflated: record.method == 8,
    })
}

/// The sizes of a writer that did not know them beforehand, and made room for large ones.
fn wide_sizes(extra: &[u8], local: &Local) -> Option<(u64, u64)> {
    let mut fields = Fields(extra);
    while fields.0.len() >= 4 {
        let (id, length) = (fields.u16()?, fields.u16()?);
        let mut value = Fields(fields.take(usize::from(length))?);
        if id == ZIP64 {
            let mut wide = |narrow: u32| {
                if narrow == u32::MAX { value.u64() } else { Some(u64::from(narrow)) }
            };
            return Some((wide(local.size)?, wide(local.packed)?));
        }
    }
    None
}

/// Behind the data comes the descriptor that was announced and nothing else, up to the next entry.
fn check_descriptor(
    file: &File,
    record: &Record,
    end: u64,
    next: u64,
    announced: bool,
) -> Result<(), ArchiveError> {
    let refused = |rule| Err(ArchiveError::refused(&record.name, rule));
    let length = next - end;
    if !announced {
        return if length == 0 { Ok(()) } else { refused(Rule::Gap) };
    }
    if length > 24 {
        return refused(Rule::Descriptor);
    }
    let bytes = read_at(file, end, length)?;
    let mut fields = Fields(&bytes);
    if matches!(length, 16 | 24) && fields.u32() != Some(0x0807_4b50) {
        return refused(Rule::Descriptor);
    }
    let crc = fields.u32();
    let (packed, size) = match length {
        12 | 16 => (fields.u32().map(u64::from), fields.u32().map(u64::from)),
        20 | 24 => (fields.u64(), fields.u64()),
        _ => return refused(Rule::Descriptor),
    };
    let known = (Some(record.crc), Some(u64::from(record.packed)), Some(u64::from(record.size)));
    if (crc, packed, size) != known {
        return refused(Rule::Descriptor);
    }
    Ok(())
}

/// What the entry is, by the mode that Unix tools leave, or else by its name.
fn kind(record: &Record) -> Result<EntryKind, Rule> {
    let slash = record.name.ends_with(b"/");
    let mode = if matches!(record.host, 3 | 19) { record.attributes >> 16 } else { 0 };
    let kind = match mode & 0o170_000 {
        0 if slash => EntryKind::Folder,
        // Where no mode was told, it is the plain one.
        0 if mode == 0 => EntryKind::File { mode: 0o644 },
        0 | 0o100_000 => EntryKind::File { mode: mode & 0o777 },
        0o040_000 => EntryKind::Folder,
        0o120_000 => EntryKind::Link,
        0o020_000 | 0o060_000 => return Err(Rule::Device),
        0o010_000 => return Err(Rule::Pipe),
        0o140_000 => return Err(Rule::Socket),
        other => return Err(Rule::UnknownType(other)),
    };
    match (&kind, slash) {
        (EntryKind::Folder, true) | (EntryKind::File { .. } | EntryKind::Link, false) => Ok(kind),
        (EntryKind::Folder, false) => Err(Rule::FolderWithoutSlash),
        (EntryKind::File { .. } | EntryKind::Link, true) => Err(Rule::FileWithSlash),
    }
}

fn read_at(file: &File, at: u64, length: u64) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut bytes, at).map_err(|source| match source.kind() {
        std::io::ErrorKind::UnexpectedEof => ArchiveError::whole(Rule::Truncated),
        _ => ArchiveError::Read { source },
    })?;
    Ok(bytes)
}

/// Little-endian numbers, one after the other.
struct Fields<'a>(&'a [u8]);

struct End {
    disk: u16,
    start_disk: u16,
    here: u16,
    count: u16,
    size: u32,
    offset: u32,
    remark: u16,
}

struct Lengths {
    name: usize,
    extra: usize,
    remark: usize,
}

struct Local {
    flags: u16,
    method: u16,
    crc: u32,
    packed: u32,
    size: u32,
    name: usize,
    extra: usize,
}

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    /// The end record behind its signature.
    fn end_record(&mut self) -> Option<End> {
        Some(End {
            disk: self.u16()?,
            start_disk: self.u16()?,
            here: self.u16()?,
            count: self.u16()?,
            size: self.u32()?,
            offset: self.u32()?,
            remark: self.u16()?,
        })
    }

    /// A directory record up to its name, which the caller fills in.
    fn central(&mut self) -> Option<(Record, Lengths)> {
        if self.u32()? != 0x0201_4b50 {
            return None;
        }
        let host = (self.u16()? >> 8) as u8;
        let (_needs, flags, method, _time) = (self.u16()?, self.u16()?, self.u16()?, self.u32()?);
        let (crc, packed, size) = (self.u32()?, self.u32()?, self.u32()?);
        let (name, extra, remark) = (self.u16()?.into(), self.u16()?.into(), self.u16()?.into());
        let (disk, _internal) = (self.u16()?, self.u16()?);
        let (attributes, offset) = (self.u32()?, self.u32()?);
        let name_later = Vec::new();
        let record =
            Record { name: name_later, host, flags, method, crc, packed, size, attributes, offset };
        (disk == 0).then_some((record, Lengths { name, extra, remark }))
    }

    fn local(&mut self) -> Option<Local> {
        if self.u32()? != 0x0403_4b50 {
            return None;
        }
        let (_needs, flags, method, _time) = (self.u16()?, self.u16()?, self.u16()?, self.u32()?);
        let (crc, packed, size) = (self.u32()?, self.u32()?, self.u32()?);
        let (name, extra) = (self.u16()?.into(), self.u16()?.into());
        Some(Local { flags, method, crc, packed, size, name, extra })
    }
}
