//! What may be in an archive. Pure: it sees names, kinds and numbers, and touches no disk.
//!
//! An archive writes only inside its own fresh folder, or is refused whole (S9). Nothing is
//! skipped and nothing repaired, with three exceptions that every tool makes: one leading `./` is
//! dropped, a tar entry that is only `./` is the folder itself, and of a mode at most the low nine
//! bits are kept.

use std::borrow::Cow;
use std::collections::BTreeMap;

use icu_normalizer::ComposingNormalizerBorrowed;
use serde::{Deserialize, Serialize};

use super::error::Rule;

/// Links a link may lead through: what no honest archive needs more of.
const HOPS: usize = 16;

/// What we read ourselves of a charm.
const PLAIN: [&str; 12] = [
    "metadata.yaml",
    "charmcraft.yaml",
    "config.yaml",
    "actions.yaml",
    "manifest.yaml",
    "lxd-profile.yaml",
    "bundle.yaml",
    "layer.yaml",
    "version",
    "revision",
    "icon.svg",
    "hooks",
];

/// How much an archive may hold (reliability and security, section 5).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of the archive itself.
    pub packed: u64,
    /// Bytes of all files together.
    pub unpacked: u64,
    /// Bytes of one file.
    pub file: u64,
    /// Entries, with the folders that are only implied.
    pub entries: u64,
    /// Symbolic links.
    pub links: u64,
    /// Bytes of a name.
    pub path: usize,
    /// Bytes of one part of a name.
    pub part: usize,
    /// Parts of a name.
    pub depth: usize,
    /// Bytes of a link's target.
    pub target: usize,
    /// Bytes of a tar entry's extended header.
    pub header: u64,
    /// Bytes that may come out for one that goes in, after the first `unmeasured` bytes.
    pub ratio: u64,
    /// Bytes of output for which the ratio does not matter.
    pub unmeasured: u64,
    /// Names at the top that must not be links, because we read them ourselves (S10).
    pub plain: Cow<'static, [Cow<'static, str>]>,
    /// Whether files keep the low nine bits of their modes; else they become 0755 or 0644.
    pub keep_modes: bool,
    /// Whether names may meet on a file system that is blind to case and to Unicode forms.
    pub fold_alike: bool,
}

impl Limits {
    /// For charms: their modes are their own, and so are their names (hook contract, section 1.12).
    #[must_use]
    pub fn charm() -> Limits {
        Limits {
            packed: 256 << 20,
            unpacked: 1 << 30,
            file: 512 << 20,
            entries: 20_000,
            links: 20_000,
            path: 1024,
            part: 255,
            depth: 32,
            target: 1024,
            header: 64 << 10,
            ratio: 200,
            unmeasured: 10 << 20,
            plain: PLAIN.iter().copied().map(Cow::Borrowed).collect(),
            keep_modes: true,
            fold_alike: true,
        }
    }

    /// For resources: tarballs of whole products. Ten GiB is a model's quota for what is packed.
    #[must_use]
    pub fn resource() -> Limits {
        Limits {
            packed: 10 << 30,
            unpacked: 40 << 30,
            file: 16 << 30,
            entries: 200_000,
            plain: Cow::Borrowed(&[]),
            keep_modes: false,
            fold_alike: false,
            ..Limits::charm()
        }
    }

    /// The mode that a file gets whose archive, or whose folder, says this one.
    pub(super) fn mode(&self, found: u32) -> u32 {
        match found & 0o777 {
            kept if self.keep_modes => kept,
            executable if executable & 0o100 != 0 => 0o755,
            _ => 0o644,
        }
    }
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder; its mode becomes 0755.
    Folder,
    /// A file.
    File {
        /// Its mode, before the limits have their say.
        mode: u32,
        /// Bytes.
        size: u64,
    },
    /// A symbolic link that stays inside.
    Link {
        /// Where to, relative to the link's folder.
        target: String,
    },
}

/// What must be made for an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    /// Folders that no entry has mentioned, outermost first.
    pub(super) implied: Vec<String>,
    /// The entry's own path; none if it is a folder that is there already, or was stripped away.
    pub(super) path: Option<String>,
}

/// What is known of the entries so far.
pub(super) struct Policy {
    limits: Limits,
    strip: usize,
    /// By name, folded where names may not meet.
    names: BTreeMap<String, Known>,
    entries: u64,
    links: u64,
    unpacked: u64,
}

struct Known {
    /// How it is spelt, if that is not what it is kept under.
    spelt: Option<Box<str>>,
    what: What,
}

enum What {
    Implied,
    Folder,
    File,
    Link(Box<str>),
}

impl Policy {
    pub(super) fn new(limits: Limits, strip: usize) -> Policy {
        Policy { limits, strip, names: BTreeMap::new(), entries: 0, links: 0, unpacked: 0 }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Admits an entry, which has this name in the archive, or says which rule it breaks.
    pub(super) fn admit(&mut self, raw: &[u8], kind: &Kind) -> Result<Admitted, Rule> {
        self.count_entry()?;
        let nothing = Admitted { implied: Vec::new(), path: None };
        if *kind == Kind::Folder && matches!(raw, b"." | b"./") {
            return Ok(nothing);
        }
        let name = self.name(raw, *kind == Kind::Folder)?;
        match kind {
            Kind::File { size, .. } => self.count_bytes(*size)?,
            Kind::Link { target } => self.check_target(target)?,
            Kind::Folder => {}
        }
        let mut path = name;
        for _ in 0..self.strip {
            match path.split_once('/') {
                Some((_, rest)) => path = rest,
                None if *kind == Kind::Folder => return Ok(nothing),
                None => return Err(Rule::StrippedAway(self.strip)),
            }
        }
        if let Kind::Link { target } = kind {
            self.links += 1;
            if self.links > self.limits.links {
                return Err(Rule::TooManyLinks(self.limits.links));
            }
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            stays_inside(folder, target)?;
            if self.limits.plain.iter().any(|name| name == path) {
                return Err(Rule::LinkedName);
            }
        }
        let implied = self.enter_parents(path)?;
        let is_new = self.enter(path, kind)?;
        Ok(Admitted { implied, path: is_new.then(|| path.to_owned()) })
    }

    /// Follows every link through the whole of the names, once they are all known: a link that is
    /// harmless by itself may lead out through another (Z22).
    pub(super) fn finish(&self) -> Result<(), (String, Rule)> {
        for (key, known) in &self.names {
            if matches!(known.what, What::Link(_)) {
                let path = known.spelling(key);
                self.follow(path).map_err(|rule| (path.to_owned(), rule))?;
            }
        }
        Ok(())
    }

    fn count_entry(&mut self) -> Result<(), Rule> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(Rule::Entries(self.limits.entries));
        }
        Ok(())
    }

    /// Sizes are refused by what is claimed, before a byte is written; the readers see to it that
    /// no more comes than was claimed.
    fn count_bytes(&mut self, size: u64) -> Result<(), Rule> {
        if size > self.limits.file {
            return Err(Rule::FileSize(self.limits.file));
        }
        self.unpacked += size;
        if self.unpacked > self.limits.unpacked {
            return Err(Rule::Unpacked(self.limits.unpacked));
        }
        Ok(())
    }

    /// The name as parts joined by single slashes.
    fn name<'a>(&self, raw: &'a [u8], folder: bool) -> Result<&'a str, Rule> {
        if raw.len() > self.limits.path {
            return Err(Rule::LongPath(self.limits.path));
        }
        let name = std::str::from_utf8(raw).map_err(|_| Rule::NotUtf8)?;
        check_characters(name)?;
        if name.starts_with('/') {
            return Err(Rule::Absolute);
        }
        let name = name.strip_prefix("./").unwrap_or(name);
        let name = match name.strip_suffix('/') {
            Some(_) if !folder => return Err(Rule::FileWithSlash),
            Some(name) => name,
            None => name,
        };
        if name.is_empty() {
            return Err(Rule::EmptyName);
        }
        let mut depth = 0;
        for part in name.split('/') {
            depth += 1;
            match part {
                ".." => return Err(Rule::ParentPart),
                "" | "." => return Err(Rule::EmptyPart),
                _ if part.len() > self.limits.part => return Err(Rule::LongPart(self.limits.part)),
                // `C:` means a drive to others; alone or in front it has no business here.
                _ if depth == 1 && is_drive(part) => return Err(Rule::Absolute),
                _ => {}
            }
        }
        if depth > self.limits.depth {
            return Err(Rule::Deep(self.limits.depth));
        }
        Ok(name)
    }

    fn check_target(&self, target: &str) -> Result<(), Rule> {
        if target.is_empty() {
            return Err(Rule::LinkEmpty);
        }
        if target.len() > self.limits.target {
            return Err(Rule::LinkLong(self.limits.target));
        }
        check_characters(target)?;
        if target.starts_with('/') || target.split('/').next().is_some_and(is_drive) {
            return Err(Rule::LinkAbsolute);
        }
        Ok(())
    }

    /// Enters the folders above `path`, and returns those that are new.
    fn enter_parents(&mut self, path: &str) -> Result<Vec<String>, Rule> {
        let mut implied = Vec::new();
        let mut parent = path;
        while let Some((above, _)) = parent.rsplit_once('/') {
            parent = above;
            let key = self.key(parent);
            match self.names.get(&key) {
                // What is above a known folder was entered with it.
                Some(known) if known.spelling(&key) == parent && known.is_folder() => break,
                Some(known) if known.spelling(&key) == parent => {
                    return Err(Rule::ParentNotFolder(parent.to_owned()));
                }
                Some(known) => return Err(Rule::FoldsLike(known.spelling(&key).to_owned())),
                None => implied.push(parent.to_owned()),
            }
        }
        implied.reverse();
        for folder in &implied {
            self.count_entry()?;
            self.insert(folder, What::Implied);
        }
        Ok(implied)
    }

    /// Enters `path` itself; false if it is a folder that was made for what lies below it.
    fn enter(&mut self, path: &str, kind: &Kind) -> Result<bool, Rule> {
        let key = self.key(path);
        if let Some(known) = self.names.get_mut(&key) {
            if known.spelling(&key) != path {
                return Err(Rule::FoldsLike(known.spelling(&key).to_owned()));
            }
            if *kind != Kind::Folder || !matches!(known.what, What::Implied) {
                return Err(Rule::Duplicate);
            }
            known.what = What::Folder;
            return Ok(false);
        }
        let what = match kind {
            Kind::Folder => What::Folder,
            Kind::File { .. } => What::File,
            Kind::Link { target } => What::Link(target.as_str().into()),
        };
        self.insert(path, what);
        Ok(true)
    }

    fn insert(&mut self, path: &str, what: What) {
        let key = self.key(path);
        let spelt = (key != path).then(|| path.into());
        self.names.insert(key, Known { spelt, what });
    }

    /// What a name is kept under.
    fn key(&self, name: &str) -> String {
        if self.limits.fold_alike { name.to_owned() } else { folded(name) }
    }

    /// Resolves the link at `path` as the kernel would, with the archive's top as the root that
    /// may not be left. What is not there cannot be a link, and counts as a folder.
    fn follow(&self, path: &str) -> Result<(), Rule> {
        let mut place: Vec<&str> = Vec::new();
        let mut ahead: Vec<&str> = path.rsplit('/').collect();
        let mut hops = 0;
        while let Some(part) = ahead.pop() {
            match part {
                "" | "." => continue,
                ".." => {
                    place.pop().ok_or(Rule::LinkOut)?;
                    continue;
                }
                _ => place.push(part),
            }
            if let Some(target) = self.target(&place.join("/")) {
                hops += 1;
                if hops > HOPS {
                    return Err(Rule::LinkLoop(HOPS));
                }
                place.pop();
                ahead.extend(target.rsplit('/'));
            }
        }
        Ok(())
    }

    fn target(&self, path: &str) -> Option<&str> {
        match self.names.get(&self.key(path)) {
            Some(Known { what: What::Link(target), .. }) => Some(target),
            _ => None,
        }
    }
}

impl Known {
    fn is_folder(&self) -> bool {
        matches!(self.what, What::Folder | What::Implied)
    }

    /// How a name is spelt that is kept under `key`.
    fn spelling<'a>(&'a self, key: &'a str) -> &'a str {
        self.spelt.as_deref().unwrap_or(key)
    }
}

fn check_characters(name: &str) -> Result<(), Rule> {
    if name.chars().any(char::is_control) {
        return Err(Rule::Control);
    }
    if name.contains('\\') {
        return Err(Rule::Backslash);
    }
    Ok(())
}

fn is_drive(part: &str) -> bool {
    matches!(part.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

/// Whether `target`, seen from `folder`, stays inside as far as its text says.
fn stays_inside(folder: &str, target: &str) -> Result<(), Rule> {
    let mut depth = folder.split('/').filter(|part| !part.is_empty()).count();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => depth = depth.checked_sub(1).ok_or(Rule::LinkOut)?,
            _ => depth += 1,
        }
    }
    Ok(())
}

/// What a file system that is blind to case and to Unicode forms would take the name for.
fn folded(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let forms = ComposingNormalizerBorrowed::new_nfkc();
    // Up and down again, since some letters meet only above (ß and ss, ς and σ).
    let cased = forms.normalize(name).to_uppercase().to_lowercase();
    forms.normalize(&cased).into_owned()
}

#[cfg(test)]
mod tests;
