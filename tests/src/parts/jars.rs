//! The libraries that let Spark read `s3a://` addresses.
//!
//! Spark 3.5's Hadoop client is 3.3.4, and so must hadoop-aws be; it comes from Maven. Where Maven
//! cannot be reached, a package on PyPI carries 3.3.1 with its SDK, which was run against this very
//! client: usable, but not a match, and whoever asks for a match must be told.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use super::archive::Tarball;
use super::cache::{Cache, Part};
use super::fetch::{self, Jar, Sdist};
use super::{PartsError, io_error};
use crate::voice::{Megabytes, Voice, Work};
use muster_console::outcome::Chain;

/// Which hadoop-aws, with which SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The version of hadoop-aws.
    pub hadoop_aws: &'static str,
    /// The SDK's jar.
    pub sdk: &'static str,
    /// Whether hadoop-aws is of the version of Spark's Hadoop client.
    pub matching: bool,
}

/// The pair that matches Spark 3.5.
pub const MAVEN: Pair =
    Pair { hadoop_aws: "3.3.4", sdk: "aws-java-sdk-bundle-1.12.262.jar", matching: true };

/// The pair that PyPI has.
pub const PYPI: Pair =
    Pair { hadoop_aws: "3.3.1", sdk: "aws-java-sdk-bundle-1.11.901.jar", matching: false };

/// Goes up by one with each change of the layout made here.
const RECIPE: u32 = 1;

const FROM_MAVEN: [Jar; 2] = [
    Jar {
        group: "org.apache.hadoop",
        artifact: "hadoop-aws",
        version: "3.3.4",
        bytes: 962_685,
        sha256: "53f9ae03c681a30a50aa17524bd9790ab596b28481858e54efd989a826ed3a4a",
    },
    Jar {
        group: "com.amazonaws",
        artifact: "aws-java-sdk-bundle",
        version: "1.12.262",
        bytes: 280_645_251,
        sha256: "873fe7cf495126619997bec21c44de5d992544aea7e632fdc77adb1a0915bae5",
    },
];

const FROM_PYPI: Sdist = Sdist {
    project: "sagemaker-pyspark",
    version: "1.4.5",
    file: "sagemaker_pyspark-1.4.5.tar.gz",
    bytes: 181_499_812,
    sha256: "05ca2d5081d7138ce29a8fb0a9cba077f28c825288ed07aed46a82e63c0bf1fb",
};

impl Pair {
    /// The cache's name for the part.
    pub fn key(&self) -> String {
        format!("extra-jars-{}-r{RECIPE}", self.hadoop_aws)
    }
}

/// The libraries, from the cache or fetched now; the PyPI pair only where Maven fails.
pub fn provide(cache: &Cache, voice: &Voice) -> Result<(Part, Pair), PartsError> {
    match cache.obtain(&MAVEN.key(), "extra-jars.tgz", voice, |work, path| {
        let jars = fetch::jars(&FROM_MAVEN, work, voice)?;
        let bar =
            voice.bytes("packing extra-jars.tgz", FROM_MAVEN.iter().map(|jar| jar.bytes).sum());
        pack(&jars, path, &bar)?;
        bar.done("");
        Ok(())
    }) {
        Ok(part) => Ok((part, MAVEN)),
        // Only the way there failed. A wrong digest or a full disk is not cured by another source.
        Err(error @ PartsError::Fetch { .. }) => {
            voice.say(format_args!("  {}", Chain(&error)));
            voice.say(format_args!(
                "  Maven gave no hadoop-aws {}; taking {} from PyPI instead. It is older than Spark's \
                 Hadoop client 3.3.4: reading and writing were tried and work, but it is no match.",
                MAVEN.hadoop_aws, PYPI.hadoop_aws
            ));
            Ok((provide_from_pypi(cache, voice)?, PYPI))
        }
        Err(error) => Err(error),
    }
}

fn provide_from_pypi(cache: &Cache, voice: &Voice) -> Result<Part, PartsError> {
    cache.obtain(&PYPI.key(), "extra-jars.tgz", voice, |work, path| {
        let sdist = fetch::sdist(&FROM_PYPI, work, voice)?;
        let bar = voice.bytes("packing extra-jars.tgz", FROM_PYPI.bytes);
        repack(&sdist, path)?;
        let (_, bytes) = super::cache::digest(path)?;
        bar.done(Megabytes(bytes));
        Ok(())
    })
}

/// Writes the jars side by side, without a folder.
fn pack(jars: &[PathBuf], path: &Path, bar: &Work) -> Result<(), PartsError> {
    let mut tarball = Tarball::create(path).map_err(io_error("write", path))?;
    let mut done = 0u64;
    for jar in jars {
        let file = File::open(jar).map_err(io_error("read", jar))?;
        let size = file.metadata().map_err(io_error("read", jar))?.len();
        let name = jar.file_name().unwrap_or_default().to_string_lossy().into_owned();
        tarball.file(&name, false, size, file).map_err(io_error("write", path))?;
        done = done.saturating_add(size);
        bar.at(done);
    }
    tarball.finish().map_err(io_error("write", path))
}

/// Takes the two jars out of the source distribution.
fn repack(sdist: &Path, path: &Path) -> Result<(), PartsError> {
    let read = |source| io_error("read", sdist)(source);
    let write = |source| io_error("write", path)(source);
    let file = BufReader::with_capacity(1 << 20, File::open(sdist).map_err(read)?);
    let mut source = tar::Archive::new(GzDecoder::new(file));
    let mut tarball = Tarball::create(path).map_err(write)?;
    let aws = format!("hadoop-aws-{}.jar", PYPI.hadoop_aws);
    let wanted = [aws.as_str(), PYPI.sdk];
    let mut found = 0;
    for entry in source.entries().map_err(read)? {
        let mut entry = entry.map_err(read)?;
        let name = entry.path().map_err(read)?.into_owned();
        let Some(name) = name.file_name().and_then(|name| name.to_str()) else { continue };
        if wanted.contains(&name) {
            let size = entry.size();
            tarball.file(name, false, size, &mut entry).map_err(write)?;
            found += 1;
        }
    }
    if found != wanted.len() {
        let what = "hadoop-aws and its SDK";
        return Err(PartsError::Layout { path: sdist.to_owned(), what });
    }
    tarball.finish().map_err(write)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_sources_never_share_a_key() {
        assert_ne!(MAVEN.key(), PYPI.key());
        assert_eq!(MAVEN.key(), "extra-jars-3.3.4-r1");
        assert_eq!(FROM_MAVEN[1].file(), MAVEN.sdk);
    }
}
