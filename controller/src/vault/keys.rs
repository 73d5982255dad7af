//! The vault's keys, in a file beside the store that only its owner reads.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::{KEY, VaultError, fill};

/// The name of the file in the data directory.
pub(super) const FILE: &str = "vault-keys";

/// The keys that wrap those of the revisions, by number, and the key of the checksums.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    wrapping: BTreeMap<u32, Zeroizing<[u8; KEY]>>,
    /// The last of them, by which everything new is wrapped.
    newest: (u32, Zeroizing<[u8; KEY]>),
    checksum: Zeroizing<[u8; KEY]>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

impl Keys {
    /// New keys.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub fn mint() -> Result<Keys, VaultError> {
        let (first, checksum) = (random()?, random()?);
        let wrapping = BTreeMap::from([(1, first.clone())]);
        Ok(Keys { wrapping, newest: (1, first), checksum })
    }

    /// The keys of a data directory; new ones where there are none and `fresh` says that nothing
    /// needs old ones.
    ///
    /// # Errors
    /// If the file is missing though it is needed, is not one of keys, or is not its owner's alone.
    pub fn open(folder: &Path, fresh: bool) -> Result<Keys, VaultError> {
        let path = folder.join(FILE);
        let shown = path.display().to_string();
        let at = |what| {
            let path = shown.clone();
            move |source| VaultError::File { what, path, source }
        };
        match std::fs::metadata(&path) {
            Ok(found) if found.permissions().mode() & 0o077 != 0 => {
                return Err(VaultError::Open(shown));
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if !fresh {
                    return Err(VaultError::Missing(shown));
                }
                let keys = Keys::mint()?;
                keys.save(folder)?;
                return Ok(keys);
            }
            Err(error) => return Err(at("look at")(error)),
        }
        let text = Zeroizing::new(std::fs::read_to_string(&path).map_err(at("read"))?);
        Keys::read(&text).ok_or(VaultError::Damaged(shown))
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// If that cannot be done.
    pub fn save(&self, folder: &Path) -> Result<(), VaultError> {
        let text = self.text();
        crate::disk::write(&folder.join(FILE), text.as_bytes(), 0o600)
            .map_err(|(path, source)| VaultError::File { what: "write", path, source })
    }

    /// One more key, by which everything new is wrapped from now on.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub fn add(&mut self) -> Result<(), VaultError> {
        let (number, key) = (self.newest.0 + 1, random()?);
        self.wrapping.insert(number, key.clone());
        self.newest = (number, key);
        Ok(())
    }

    /// Forgets all keys but the newest.
    pub fn forget_old(&mut self) {
        let newest = self.newest.0;
        self.wrapping.retain(|number, _| *number == newest);
    }

    /// How many keys there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.wrapping.len()
    }

    pub(super) fn newest(&self) -> (u32, &[u8; KEY]) {
        (self.newest.0, &self.newest.1)
    }

    pub(super) fn get(&self, number: u32) -> Option<&[u8; KEY]> {
        self.wrapping.get(&number).map(|key| &**key)
    }

    pub(super) fn checksum(&self) -> &[u8; KEY] {
        &self.checksum
    }

    /// A line a key: its number, or `checksum`, and 64 hexadecimal digits.
    fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::new());
        let line = |text: &mut String, name: &str, key: &[u8; KEY]| {
            let digits = Zeroizing::new(hex::encode(key));
            text.push_str(name);
            text.push(' ');
            text.push_str(&digits);
            text.push('\n');
        };
        line(&mut text, "checksum", &self.checksum);
        for (number, key) in &self.wrapping {
            line(&mut text, &number.to_string(), key);
        }
        text
    }

    fn read(text: &str) -> Option<Keys> {
        let (mut wrapping, mut checksum) = (BTreeMap::new(), None);
        for line in text.lines() {
            let (name, digits) = line.split_once(' ')?;
            let mut key = Zeroizing::new([0; KEY]);
            hex::decode_to_slice(digits, &mut *key).ok()?;
            if name == "checksum" {
                checksum = Some(key);
            } else {
                wrapping.insert(name.parse().ok()?, key);
            }
        }
        let (number, key) = wrapping.last_key_value()?;
        let newest = (*number, key.clone());
        Some(Keys { newest, wrapping, checksum: checksum? })
    }
}

fn random() -> Result<Zeroizing<[u8; KEY]>, VaultError> {
    let mut key = Zeroizing::new([0; KEY]);
    fill(&mut *key)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut keys = Keys::open(folder.path(), true).unwrap();
        assert_eq!(Keys::open(folder.path(), false).unwrap(), keys);
        keys.add().unwrap();
        keys.save(folder.path()).unwrap();
        assert_eq!(Keys::open(folder.path(), false).unwrap(), keys);
        assert_eq!((keys.count(), keys.newest().0), (2, 2));
        keys.forget_old();
        assert_eq!((keys.count(), keys.newest().0), (1, 2));
    }

    #[test]
    fn a_file_that_is_missing_open_or_damaged_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Keys::open(folder.path(), false), Err(VaultError::Missing(_))));
        Keys::open(folder.path(), true).unwrap();
        let path = folder.path().join(FILE);
        let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        mode(0o640);
        assert!(matches!(Keys::open(folder.path(), false), Err(VaultError::Open(_))));
        mode(0o600);
        std::fs::write(&path, "1 abc\n").unwrap();
        assert!(matches!(Keys::open(folder.path(), true), Err(VaultError::Damaged(_))));
    }
}
