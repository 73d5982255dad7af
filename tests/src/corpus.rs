//! The real text whose words are counted, and a count of them that knows nothing of Spark.
//!
//! The text is what a Debian machine and a clone of this project have anyway: the licences in
//! `/usr/share/common-licenses` (links count as the file they name) and the project's documents.

pub mod count;
pub mod gateway;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;

pub use count::words;

/// Where Debian keeps the texts of common licences.
pub const LICENCES: &str = "/usr/share/common-licenses";

/// Text that could not be read.
#[derive(Debug, Error)]
pub enum CorpusError {
    /// A folder or file could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no text at all.
    #[error("no text in `{}`", path.display())]
    Empty {
        /// Where it was looked for.
        path: PathBuf,
    },
}

/// One text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Its name in the bucket: letters, digits, `.`, `-` and `_`.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// All texts, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corpus {
    /// The texts.
    pub texts: Vec<Text>,
}

impl Corpus {
    /// Reads the licences of this machine and the documents of the project at `project`.
    pub fn gather(project: &Path) -> Result<Self, CorpusError> {
        Self::from_folders(Path::new(LICENCES), project)
    }

    fn from_folders(licences: &Path, project: &Path) -> Result<Self, CorpusError> {
        let mut texts = Vec::new();
        for path in list(licences)? {
            if path.is_file() {
                texts.push(read("licence", &path)?);
            }
        }
        let licences_read = texts.len();
        for path in list(project)? {
            let document = path.extension().is_some_and(|end| end == "md");
            if path.is_file() && (document || path.ends_with("LICENSE")) {
                texts.push(read("muster", &path)?);
            }
        }
        for (folder, count) in [(licences, licences_read), (project, texts.len() - licences_read)] {
            if count == 0 {
                return Err(CorpusError::Empty { path: folder.to_owned() });
            }
        }
        texts.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { texts })
    }

    /// The count that the job must come to.
    pub fn words(&self) -> u64 {
        self.texts.iter().map(|text| words(&text.bytes)).sum()
    }

    /// All bytes.
    pub fn bytes(&self) -> u64 {
        self.texts.iter().map(|text| text.bytes.len() as u64).sum()
    }

    /// A short name of exactly these texts, so that a changed one is never counted with old ones.
    pub fn label(&self) -> String {
        let mut hash = Sha256::new();
        for text in &self.texts {
            hash.update(text.name.as_bytes());
            hash.update((text.bytes.len() as u64).to_be_bytes());
            hash.update(&text.bytes);
        }
        hex::encode(hash.finalize()).chars().take(12).collect()
    }
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, CorpusError> {
    let failed = |source| CorpusError::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    Ok(paths)
}

fn read(kind: &str, path: &Path) -> Result<Text, CorpusError> {
    let bytes =
        fs::read(path).map_err(|source| CorpusError::Read { path: path.to_owned(), source })?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    Ok(Text { name: format!("{kind}-{}", name.chars().map(plain).collect::<String>()), bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_count_as_what_they_name_and_folders_do_not_count() {
        let home = tempfile::tempdir().unwrap();
        let (licences, project) = (home.path().join("l"), home.path().join("p"));
        fs::create_dir_all(licences.join("folder")).unwrap();
        fs::create_dir_all(&project).unwrap();
        fs::write(licences.join("GPL-3"), "a b\n").unwrap();
        std::os::unix::fs::symlink("GPL-3", licences.join("GPL")).unwrap();
        fs::write(project.join("README.md"), "c\n").unwrap();
        fs::write(project.join("Cargo.toml"), "no text").unwrap();
        let corpus = Corpus::from_folders(&licences, &project).unwrap();
        let names: Vec<_> = corpus.texts.iter().map(|text| text.name.as_str()).collect();
        assert_eq!(names, ["licence-GPL", "licence-GPL-3", "muster-README.md"]);
        assert_eq!(corpus.words(), 5);
        let label = corpus.label();
        fs::write(project.join("README.md"), "d\n").unwrap();
        assert_ne!(Corpus::from_folders(&licences, &project).unwrap().label(), label);
    }

    #[test]
    fn no_text_is_an_error_not_a_count_of_zero() {
        let home = tempfile::tempdir().unwrap();
        let error = Corpus::from_folders(home.path(), home.path()).unwrap_err();
        assert!(matches!(error, CorpusError::Empty { .. }));
    }
}
