//! Fetching through the registries' ordinary clients, with the machine's own settings for them.

use std::fs;
use std::path::{Path, PathBuf};

use super::cache::expect_digest;
use super::{PartsError, io_error};
use crate::call::Call;
use crate::voice::{Megabytes, Voice};

/// A source distribution on PyPI.
#[derive(Clone, Copy, Debug)]
pub struct Sdist {
    /// The project's name, as pip takes it.
    pub project: &'static str,
    /// The version.
    pub version: &'static str,
    /// The file's name.
    pub file: &'static str,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: &'static str,
}

/// A jar in a Maven repository.
#[derive(Clone, Copy, Debug)]
pub struct Jar {
    /// The group.
    pub group: &'static str,
    /// The artifact.
    pub artifact: &'static str,
    /// The version.
    pub version: &'static str,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: &'static str,
}

impl Jar {
    /// What the file is called.
    pub fn file(&self) -> String {
        format!("{}-{}.jar", self.artifact, self.version)
    }
}

/// Fetches a source distribution into `work`, unless it is there whole already.
pub fn sdist(sdist: &Sdist, work: &Path, voice: &Voice) -> Result<PathBuf, PartsError> {
    let path = work.join(sdist.file);
    if path.exists() && expect_digest(&path, sdist.sha256).is_ok() {
        return Ok(path);
    }
    let partial = fresh(work, "pip")?;
    let temporary = fresh(work, "tmp")?;
    let what = format!("{} {} from PyPI", sdist.project, sdist.version);
    let bar = voice.bytes(format!("fetching {what}"), sdist.bytes);
    Call::new(crate::setup::python_with("pip").unwrap_or("python3"))
        .args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir"])
        .args(["--no-binary", sdist.project])
        .arg(format!("{}=={}", sdist.project, sdist.version))
        .arg("--dest")
        .arg(&partial)
        .env("TMPDIR", &temporary)
        .run_with(|_| bar.at(size(&temporary).max(size(&partial)).min(sdist.bytes)))
        .map_err(|source| PartsError::Fetch { what: what.clone(), source })?;
    let fetched = partial.join(sdist.file);
    expect_digest(&fetched, sdist.sha256)?;
    fs::rename(&fetched, &path).map_err(io_error("publish", &path))?;
    for folder in [&partial, &temporary] {
        fs::remove_dir_all(folder).map_err(io_error("remove", folder))?;
    }
    bar.done(Megabytes(sdist.bytes));
    Ok(path)
}

/// Fetches jars into `work`, unless they are there whole already.
///
/// Maven keeps what it has half fetched in a repository inside `work`, and goes on from there.
pub fn jars(jars: &[Jar], work: &Path, voice: &Voice) -> Result<Vec<PathBuf>, PartsError> {
    let repository = work.join("repository");
    fs::create_dir_all(&repository).map_err(io_error("make", &repository))?;
    let mut paths = Vec::new();
    for jar in jars {
        let path = work.join(jar.file());
        if !(path.exists() && expect_digest(&path, jar.sha256).is_ok()) {
            let partial = fresh(work, "mvn")?;
            let coordinates = format!("{}:{}:{}", jar.group, jar.artifact, jar.version);
            let what = format!("{coordinates} from Maven");
            let bar = voice.bytes(format!("fetching {what}"), jar.bytes);
            let before = size(&repository);
            Call::new("mvn")
                .args(["--batch-mode", "--strict-checksums", "--no-transfer-progress"])
                .arg("dependency:copy")
                .arg(format!("-Dartifact={coordinates}"))
                .arg(format!("-DoutputDirectory={}", partial.display()))
                .arg(format!("-Dmaven.repo.local={}", repository.display()))
                .within(work)
                .run_with(|_| bar.at(size(&repository).saturating_sub(before).min(jar.bytes)))
                .map_err(|source| PartsError::Fetch { what: what.clone(), source })?;
            let fetched = partial.join(jar.file());
            expect_digest(&fetched, jar.sha256)?;
            fs::rename(&fetched, &path).map_err(io_error("publish", &path))?;
            bar.done(Megabytes(jar.bytes));
        }
        paths.push(path);
    }
    Ok(paths)
}

/// An empty folder `name` in `work`.
fn fresh(work: &Path, name: &str) -> Result<PathBuf, PartsError> {
    let folder = work.join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(io_error("remove", &folder))?;
    }
    fs::create_dir_all(&folder).map_err(io_error("make", &folder))?;
    Ok(folder)
}

/// The bytes of all files under `folder`, as far as they can be seen; only a bar depends on it.
fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let mut sum = 0u64;
    for entry in entries.flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let bytes = if metadata.is_dir() { size(&entry.path()) } else { metadata.len() };
        sum = sum.saturating_add(bytes);
    }
    sum
}
