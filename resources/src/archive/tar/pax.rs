//! The records of a pax extended header: `LENGTH KEY=VALUE\n`, again and again.

use std::collections::BTreeMap;

use super::super::error::Rule;

pub(super) struct Pax<'a> {
    records: BTreeMap<&'a str, &'a [u8]>,
}

impl<'a> Pax<'a> {
    /// Reads all records; one that is malformed or there twice spoils the whole.
    pub(super) fn parse(mut body: &'a [u8]) -> Result<Pax<'a>, Rule> {
        let mut records = BTreeMap::new();
        while !body.is_empty() {
            let (record, rest) = record(body).ok_or(Rule::PaxMalformed)?;
            body = rest;
            if records.insert(record.0, record.1).is_some() {
                return Err(Rule::NamedTwice);
            }
        }
        Ok(Pax { records })
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a [u8]> {
        self.records.get(key).copied()
    }

    pub(super) fn size(&self) -> Result<Option<u64>, Rule> {
        let Some(value) = self.get("size") else { return Ok(None) };
        let digits = value.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        match number {
            Some(number) if digits => Ok(Some(number)),
            _ => Err(Rule::Number("pax size".into())),
        }
    }

    /// A key we do not know might change what the entry is; those about owners and times do not.
    pub(super) fn check_local(&self) -> Result<(), Rule> {
        for key in self.records.keys() {
            match *key {
                "path" | "linkpath" | "size" => {}
                "uid" | "gid" | "uname" | "gname" | "atime" | "mtime" | "ctime" | "comment" => {}
                "LIBARCHIVE.creationtime" | "SCHILY.dev" | "SCHILY.ino" | "SCHILY.nlink" => {}
                _ if key.starts_with("GNU.sparse.") => return Err(Rule::Sparse),
                _ if key.starts_with("GNU.volume.") => return Err(Rule::Volume),
                _ if key.contains("xattr") || key.contains("acl") || key.starts_with("RHT.") => {
                    return Err(Rule::Attributes((*key).to_owned()));
                }
                _ => return Err(Rule::PaxKey((*key).to_owned())),
            }
        }
        Ok(())
    }

    /// A global header would change later entries; the remark that git leaves does not.
    pub(super) fn check_global(&self) -> Result<(), Rule> {
        match self.records.keys().find(|key| **key != "comment") {
            None => Ok(()),
            Some(key) => Err(Rule::PaxGlobal((*key).to_owned())),
        }
    }
}

type Record<'a> = ((&'a str, &'a [u8]), &'a [u8]);

/// The first record and what follows it.
fn record(body: &[u8]) -> Option<Record<'_>> {
    let blank = body.iter().position(|byte| *byte == b' ')?;
    let digits = body.get(..blank)?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let (whole, rest) = body.split_at_checked(length)?;
    let content = whole.get(blank + 1..)?.strip_suffix(b"\n")?;
    let equals = content.iter().position(|byte| *byte == b'=')?;
    let key = std::str::from_utf8(content.get(..equals)?).ok()?;
    if key.is_empty() {
        return None;
    }
    Some(((key, content.get(equals + 1..)?), rest))
}
