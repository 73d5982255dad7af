//! A Spark distribution assembled from PyPI's source distribution of PySpark.
//!
//! That package's `deps/` tree is the distribution; only the places differ. Against Spark's own
//! archive it lacks R and the scripts that start a whole cluster over ssh, which nothing here uses.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use super::archive::Tarball;
use super::cache::{Cache, Part};
use super::fetch::{self, Sdist};
use super::{PartsError, io_error};
use crate::voice::{Megabytes, Voice, Work};

/// PySpark 3.5.9: Scala 2.12, Hadoop client 3.3.4, runs on Java 17 and Python 3.11.
const PYSPARK: Sdist = Sdist {
    project: "pyspark",
    version: "3.5.9",
    file: "pyspark-3.5.9.tar.gz",
    bytes: 317_858_593,
    sha256: "ea27adc39ddac9413b8951e45aa748cbed6c785971b81386efc41938f6243d93",
};

/// Goes up by one with each change of the layout made here.
const RECIPE: u32 = 1;

/// The version of Spark that [`provide`] gives.
pub const VERSION: &str = PYSPARK.version;

/// The cache's name for the part.
pub fn key() -> String {
    format!("spark-{VERSION}-r{RECIPE}")
}

/// The distribution, from the cache or assembled now.
pub fn provide(cache: &Cache, voice: &Voice) -> Result<Part, PartsError> {
    let top = top();
    cache.obtain(&key(), &format!("{top}.tgz"), voice, |work, path| {
        let sdist = fetch::sdist(&PYSPARK, work, voice)?;
        let bar = voice.bytes(format!("assembling {top}.tgz"), PYSPARK.bytes);
        assemble(&sdist, path, &bar)?;
        let (_, bytes) = super::cache::digest(path)?;
        bar.done(Megabytes(bytes));
        Ok(())
    })
}

fn top() -> String {
    format!("spark-{VERSION}-bin-hadoop3")
}

/// Reads the source distribution once and writes each file to its place.
fn assemble(sdist: &Path, path: &Path, bar: &Work) -> Result<(), PartsError> {
    let read = |source| io_error("read", sdist)(source);
    let write = |source| io_error("write", path)(source);
    let file = File::open(sdist).map_err(read)?;
    let counted = Counted { inner: BufReader::with_capacity(1 << 20, file), bytes: 0, bar };
    let mut source = tar::Archive::new(GzDecoder::new(counted));
    let mut tarball = Tarball::create(path).map_err(write)?;
    let top = top();
    tarball.folder(&top).map_err(write)?;
    let mut hadoop = None;
    for entry in source.entries().map_err(read)? {
        let mut entry = entry.map_err(read)?;
        let name = entry.path().map_err(read)?.into_owned();
        let Some(place) = place(&name) else { continue };
        let name = format!("{top}/{place}");
        if let Some(version) = hadoop_version(&place) {
            hadoop = Some(version.to_owned());
        }
        match entry.header().entry_type() {
            tar::EntryType::Directory => tarball.folder(&name).map_err(write)?,
            tar::EntryType::Regular => {
                let executable = entry.header().mode().map_err(read)? & 0o100 != 0;
                let size = entry.size();
                tarball.file(&name, executable, size, &mut entry).map_err(write)?;
            }
            _ => {}
        }
    }
    let missing = PartsError::Layout { path: sdist.to_owned(), what: "hadoop-client-api jar" };
    let hadoop = hadoop.ok_or(missing)?;
    tarball.folder(&format!("{top}/conf")).map_err(write)?;
    let release = release(&hadoop);
    let size = release.len() as u64;
    tarball.file(&format!("{top}/RELEASE"), false, size, release.as_bytes()).map_err(write)?;
    tarball.finish().map_err(write)
}

/// What Spark's own archive has in `RELEASE`; its first line is where the version is read from.
fn release(hadoop: &str) -> String {
    format!("Spark {VERSION} built for Hadoop {hadoop}\nAssembled from PySpark {VERSION}.\n")
}

/// Where an entry of the source distribution lies in a Spark distribution, if it belongs there.
fn place(name: &Path) -> Option<String> {
    let mut parts = name.iter();
    parts.next()?;
    let first = parts.next()?.to_str()?;
    let rest: PathBuf = parts.collect();
    let rest = rest.to_str()?;
    let dir = |base: &str| if rest.is_empty() { base.to_owned() } else { format!("{base}/{rest}") };
    match first {
        "pyspark" => Some(dir("python/pyspark")),
        "lib" => Some(dir("python/lib")),
        "deps" => {
            let folder = rest.split('/').next()?;
            let known = ["bin", "sbin", "jars", "data", "examples", "licenses"];
            known.contains(&folder).then(|| rest.to_owned())
        }
        _ => None,
    }
}

fn hadoop_version(place: &str) -> Option<&str> {
    place.strip_prefix("jars/hadoop-client-api-")?.strip_suffix(".jar")
}

/// Moves the bar with what is read.
struct Counted<'a, R> {
    inner: R,
    bytes: u64,
    bar: &'a Work,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(into)?;
        self.bytes = self.bytes.saturating_add(count as u64);
        self.bar.at(self.bytes);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        assert_eq!(place(Path::new(name)).as_deref(), expected, "{name}");
    }

    #[test]
    fn every_part_of_the_source_has_its_place() {
        check("pyspark-3.5.9/deps/bin/spark-class", Some("bin/spark-class"));
        check("pyspark-3.5.9/deps/jars", Some("jars"));
        check("pyspark-3.5.9/pyspark", Some("python/pyspark"));
        check("pyspark-3.5.9/pyspark/sql/types.py", Some("python/pyspark/sql/types.py"));
        check("pyspark-3.5.9/lib/pyspark.zip", Some("python/lib/pyspark.zip"));
        check("pyspark-3.5.9/setup.py", None);
        check("pyspark-3.5.9/deps", None);
        check("pyspark-3.5.9/pyspark.egg-info/PKG-INFO", None);
        check("pyspark-3.5.9", None);
    }

    #[test]
    fn the_version_stands_in_release() {
        assert!(release("3.3.4").starts_with("Spark 3.5.9 built for Hadoop 3.3.4\n"));
        assert_eq!(hadoop_version("jars/hadoop-client-api-3.3.4.jar"), Some("3.3.4"));
        assert_eq!(hadoop_version("jars/hadoop-client-runtime-3.3.4.jar"), None);
    }
}
