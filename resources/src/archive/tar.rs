//! Reads tar archives: POSIX ustar, pax, and GNU's long names.
//!
//! Headers are read here and not by a library, because what must be refused is what libraries make
//! the best of: two sizes that disagree, numbers that overflow, headers that change later ones.

mod pax;

use super::door::Door;
use super::error::{ArchiveError, Rule};
use super::policy::Kind;
use super::stream::Source;
use pax::Pax;

const BLOCK: usize = 512;

/// Reads every entry and hands it to the door, up to the two empty blocks that end the archive.
pub(super) fn walk(source: &mut Source, door: &mut Door<'_>) -> Result<(), ArchiveError> {
    let mut ahead = Ahead::default();
    loop {
        let mut block = [0; BLOCK];
        if !source.exactly(&mut block)? {
            return Err(ArchiveError::whole(Rule::Truncated));
        }
        if block == [0; BLOCK] {
            return end(source, &ahead);
        }
        let header = Header::parse(&block)?;
        match header.kind {
            b'x' | b'g' | b'L' | b'K' => ahead.read(source, &header, door.limits().header)?,
            _ => entry(source, door, &header, std::mem::take(&mut ahead))?,
        }
    }
}

/// Reads the second empty block.
fn end(source: &mut Source, ahead: &Ahead) -> Result<(), ArchiveError> {
    let mut block = [0; BLOCK];
    if !source.exactly(&mut block)? {
        return Err(ArchiveError::whole(Rule::Truncated));
    }
    if block != [0; BLOCK] {
        return Err(ArchiveError::whole(Rule::Trailing));
    }
    if *ahead != Ahead::default() {
        return Err(ArchiveError::whole(Rule::HeaderAlone));
    }
    Ok(())
}

fn entry(
    source: &mut Source,
    door: &mut Door<'_>,
    header: &Header,
    ahead: Ahead,
) -> Result<(), ArchiveError> {
    let mut path = ahead.path.unwrap_or_else(|| header.path.clone());
    // Tar writers differ in whether a folder's name ends in a slash; the type says all.
    if header.kind == b'5' && !path.ends_with(b"/") {
        path.push(b'/');
    }
    let refused = |rule| Err(ArchiveError::refused(&path, rule));
    if ahead.size.is_some_and(|size| size != header.size) {
        return refused(Rule::PaxSize);
    }
    let kind = match header.kind {
        b'0' | 0 => {
            // Only the low bits count, so nothing is lost.
            let mode = u32::try_from(header.mode & 0o7777).unwrap_or(0);
            Kind::File { mode, size: header.size }
        }
        b'5' => Kind::Folder,
        b'2' => match String::from_utf8(ahead.target.unwrap_or_else(|| header.target.clone())) {
            Ok(target) => Kind::Link { target },
            Err(_) => return refused(Rule::NotUtf8),
        },
        b'1' => return refused(Rule::HardLink),
        b'3' | b'4' => return refused(Rule::Device),
        b'6' => return refused(Rule::Pipe),
        b'S' => return refused(Rule::Sparse),
        b'M' | b'D' | b'V' | b'N' => return refused(Rule::Volume),
        kind => return refused(Rule::UnknownType(u32::from(kind))),
    };
    if !matches!(kind, Kind::File { .. }) {
        if header.size > 0 {
            return refused(Rule::Content);
        }
        return door.entry(&path, &kind);
    }
    door.entry(&path, &kind)?;
    let mut left = header.size;
    while left > 0 {
        let Some(piece) = source.piece(left)? else {
            return Err(ArchiveError::refused(&path, Rule::Truncated));
        };
        left -= piece.len() as u64;
        door.data(piece)?;
    }
    door.close()?;
    skip_padding(source, header.size, &path)
}

/// Content is filled up to whole blocks.
fn skip_padding(source: &mut Source, size: u64, path: &[u8]) -> Result<(), ArchiveError> {
    let mut rest = [0; BLOCK];
    let length = (BLOCK - (size % BLOCK as u64) as usize) % BLOCK;
    match source.exactly(rest.get_mut(..length).unwrap_or_default())? {
        true => Ok(()),
        false => Err(ArchiveError::refused(path, Rule::Truncated)),
    }
}

/// What extended headers say of the entry that follows them.
#[derive(Default, PartialEq)]
struct Ahead {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    /// Whether a pax header was there, which may say nothing we need.
    pax: bool,
}

impl Ahead {
    fn read(
        &mut self,
        source: &mut Source,
        header: &Header,
        limit: u64,
    ) -> Result<(), ArchiveError> {
        let refused = |rule| ArchiveError::refused(&header.path, rule);
        if header.size > limit {
            return Err(refused(Rule::HeaderSize(limit)));
        }
        let mut body = vec![0; usize::try_from(header.size).unwrap_or(0)];
        if !source.exactly(&mut body)? {
            return Err(refused(Rule::Truncated));
        }
        skip_padding(source, header.size, &header.path)?;
        match header.kind {
            b'L' => once(&mut self.path, long_name(body).map_err(refused)?).map_err(refused),
            b'K' => once(&mut self.target, long_name(body).map_err(refused)?).map_err(refused),
            b'g' => Pax::parse(&body).and_then(|pax| pax.check_global()).map_err(refused),
            _ => self.take(&body).map_err(refused),
        }
    }

    fn take(&mut self, body: &[u8]) -> Result<(), Rule> {
        let pax = Pax::parse(body)?;
        pax.check_local()?;
        if self.pax {
            return Err(Rule::NamedTwice);
        }
        self.pax = true;
        if let Some(path) = pax.get("path") {
            once(&mut self.path, path.to_vec())?;
        }
        if let Some(target) = pax.get("linkpath") {
            once(&mut self.target, target.to_vec())?;
        }
        self.size = pax.size()?;
        Ok(())
    }
}

fn once(place: &mut Option<Vec<u8>>, value: Vec<u8>) -> Result<(), Rule> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Rule::NamedTwice),
    }
}

/// GNU ends a long name with one NUL; a NUL elsewhere is left for the policy to see.
fn long_name(mut body: Vec<u8>) -> Result<Vec<u8>, Rule> {
    if body.pop() != Some(0) || body.is_empty() {
        return Err(Rule::PaxMalformed);
    }
    Ok(body)
}

/// The fields of a header block that matter here.
struct Header {
    path: Vec<u8>,
    target: Vec<u8>,
    kind: u8,
    mode: u64,
    size: u64,
}

impl Header {
    fn parse(block: &[u8; BLOCK]) -> Result<Header, ArchiveError> {
        let field = |from: usize, length: usize| block.get(from..from + length).unwrap_or_default();
        let name = text(field(0, 100));
        // Bytes behind the NUL are seen by some readers as a part of the name.
        let is_ended =
            |field: &[u8]| field.iter().skip_while(|byte| **byte != 0).all(|byte| *byte == 0);
        let refused = |rule| ArchiveError::refused(&name, rule);
        let (magic, version) = (field(257, 6), field(263, 2));
        let posix = magic == b"ustar\0" && version == b"00";
        let gnu = magic == b"ustar " && version == b" \0";
        if !posix && !gnu {
            return Err(refused(Rule::UnknownFormat));
        }
        let sum: u64 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) })
            .sum();
        if number(field(148, 8)) != Some(sum) {
            return Err(refused(Rule::Checksum));
        }
        if !is_ended(field(0, 100)) || !is_ended(field(157, 100)) {
            return Err(refused(Rule::Control));
        }
        let prefix = if posix { text(field(345, 155)) } else { Vec::new() };
        let path = match prefix.is_empty() {
            true => name.clone(),
            false => [prefix.as_slice(), &name].join(&b'/'),
        };
        Ok(Header {
            path,
            target: text(field(157, 100)),
            kind: block.get(156).copied().unwrap_or(0),
            mode: number(field(100, 8)).ok_or_else(|| refused(Rule::Number("mode".into())))?,
            size: number(field(124, 12)).ok_or_else(|| refused(Rule::Number("size".into())))?,
        })
    }
}

/// A field's bytes up to the first NUL. What lies behind it is filling.
fn text(field: &[u8]) -> Vec<u8> {
    field.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

/// A number in octal digits with blanks or NULs around, or in GNU's binary form.
///
/// Binary numbers that are negative or above `i64` are none: some readers cut them to 64 bits and
/// then see another size.
fn number(field: &[u8]) -> Option<u64> {
    if let Some((first @ 0x80.., rest)) = field.split_first().map(|(first, rest)| (*first, rest)) {
        let mut value = u64::from(first & 0x7f);
        if first & 0x40 != 0 {
            return None;
        }
        for byte in rest {
            value = value.checked_mul(256)?.checked_add(u64::from(*byte))?;
        }
        return i64::try_from(value).is_ok().then_some(value);
    }
    let is_filling = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| *byte != b' ').unwrap_or(field.len());
    let digits = field.get(start..).unwrap_or_default();
    let end = digits.iter().position(is_filling).unwrap_or(digits.len());
    let (digits, filling) = digits.split_at_checked(end)?;
    if !filling.iter().all(is_filling) {
        return None;
    }
    digits.iter().try_fold(0u64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}
