//! The real parts that the demo and the system tests attach as resources.
//!
//! ```text
//! spark-3.5.9-bin-hadoop3.tgz   assembled from PyPI's `pyspark`, laid out like Spark's own archive
//! extra-jars.tgz                hadoop-aws and its SDK, from Maven; else the older pair from PyPI
//! ```
//!
//! Both are made once and kept by name and version ([`cache`]). Everything fetched has its SHA-256
//! in this crate, so what a registry gives is what was tried, or it is refused.

pub mod archive;
pub mod cache;
pub mod fetch;
pub mod jars;
pub mod spark;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::call::CallError;
use crate::setup::{self, Feature, SetupError};
use crate::voice::Voice;

pub use cache::{Cache, Part};
pub use jars::Pair;

/// Where the parts are kept unless told otherwise.
pub const HOME: &str = "/var/cache/muster/parts";

/// The two resources of the demo's Spark.
#[derive(Clone, Debug)]
pub struct Parts {
    /// A Spark distribution as one gzipped tarball.
    pub spark: Part,
    /// The S3A connector's libraries as one gzipped tarball.
    pub extra_jars: Part,
    /// Which libraries those are.
    pub pair: Pair,
}

/// A part that could not be had.
#[derive(Debug, Error)]
pub enum PartsError {
    /// The cache could not be used.
    #[error("cannot {what} `{}`", path.display())]
    Io {
        /// What was tried, as a verb.
        what: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Something fetched is not what was tried and written down here.
    #[error("`{}` has SHA-256 {found}, not {expected}; it was not used", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// What this crate says.
        expected: String,
        /// What it has.
        found: String,
    },
    /// A source archive lacks something, so the layout is not the one known here.
    #[error("`{}` holds no {what}", path.display())]
    Layout {
        /// The archive.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// A package client failed.
    #[error("cannot fetch {what}")]
    Fetch {
        /// The package.
        what: String,
        /// Why.
        source: CallError,
    },
    /// A record of the cache does not parse.
    #[error("cannot read the record `{}`", path.display())]
    Record {
        /// The record.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// What fetches is not installed and cannot be.
    #[error("cannot install what fetches the parts")]
    Setup(#[source] SetupError),
}

/// Takes both parts from the cache at `home`, making first what is not there.
pub fn provide(home: &Path, voice: &Voice) -> Result<Parts, PartsError> {
    let cache = Cache::open(home, voice)?;
    if !(cache.has(&spark::key()) && cache.has(&jars::MAVEN.key())) {
        setup::ready(&[Feature::Parts], voice).map_err(PartsError::Setup)?;
    }
    let spark = spark::provide(&cache, voice)?;
    let (extra_jars, pair) = jars::provide(&cache, voice)?;
    Ok(Parts { spark, extra_jars, pair })
}

/// Names what was tried with a file, for `map_err`.
fn io_error<'a>(what: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> PartsError + 'a {
    move |source| PartsError::Io { what, path: path.to_owned(), source }
}
