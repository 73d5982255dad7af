//! Q1 to Q6: bytes. The archive door beside the usual tools, on the tarball of the demo's Spark.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use muster_resources::tree_digest;
use tempfile::TempDir;

use super::child::{self, Taken};
use super::{Bench, MeasureError, Measured, Row, Run, Unit, io_error};
use crate::call::Call;
use crate::parts::{self, cache::Cache, spark};
use crate::voice::Voice;

/// Pairs; each takes some seconds.
const PAIRS: usize = 7;

/// The rows.
pub const ROWS: &[Row] = &[
    Row {
        id: "Q1",
        what: "verify, unpack, sync, rename",
        yardstick: "sha256sum && tar xzf && sync -f",
        goal: Some(0.36),
        run: with_sync,
    },
    Row {
        id: "Q2",
        what: "verify, unpack, sync, rename",
        yardstick: "tar xzf, which neither verifies nor syncs",
        goal: Some(0.55),
        run: bare,
    },
    Row {
        id: "Q4",
        what: "second unit's own tree",
        yardstick: "tar xzf",
        goal: Some(0.16),
        run: second,
    },
    Row {
        id: "Q6",
        what: "peak memory while unpacking",
        yardstick: "tar xzf's (the goal is 32 MiB)",
        goal: None,
        run: memory,
    },
];

fn with_sync(bench: &Bench) -> Result<Measured, MeasureError> {
    unpacking(bench, |place| {
        let (archive, target) = (place.archive(), place.b());
        format!("sha256sum '{archive}' && tar xzf '{archive}' -C '{target}' && sync -f '{target}'")
    })
}

fn bare(bench: &Bench) -> Result<Measured, MeasureError> {
    unpacking(bench, |place| format!("tar xzf '{}' -C '{}'", place.archive(), place.b()))
}

fn unpacking(bench: &Bench, script: fn(&Place) -> String) -> Result<Measured, MeasureError> {
    let place = Place::prepare()?;
    let paired = bench.pairs(
        PAIRS,
        || Ok(place.unpack()?.into()),
        || {
            let taken = place.shell(&script(&place))?;
            place.same()?;
            Ok(taken.into())
        },
    )?;
    Ok(Measured { paired, counts: place.counts()?, note: String::new(), unit: Unit::Seconds })
}

fn second(bench: &Bench) -> Result<Measured, MeasureError> {
    let place = Place::prepare()?;
    place.unpack()?;
    let first = place.folder.path().join("first");
    fs::rename(place.folder.path().join("a"), &first).map_err(io_error("move a tree"))?;
    let paired = bench.pairs(
        PAIRS,
        || {
            place.clear("a")?;
            Ok(child::inside(&["clone", &first.to_string_lossy(), &place.a()])?.into())
        },
        || {
            let taken =
                place.shell(&format!("tar xzf '{}' -C '{}'", place.archive(), place.b()))?;
            place.same()?;
            Ok(taken.into())
        },
    )?;
    Ok(Measured { paired, counts: place.counts()?, note: String::new(), unit: Unit::Seconds })
}

fn memory(bench: &Bench) -> Result<Measured, MeasureError> {
    let place = Place::prepare()?;
    let peak = |taken: Taken| Run { times: vec![taken.peak as f64], ..Run::from(taken) };
    let paired = bench.pairs(
        PAIRS,
        || Ok(peak(place.unpack()?)),
        || Ok(peak(place.shell(&format!("tar xzf '{}' -C '{}'", place.archive(), place.b()))?)),
    )?;
    Ok(Measured { paired, counts: place.counts()?, note: String::new(), unit: Unit::Bytes })
}

/// A folder on a real disk with the archive's name and two targets.
struct Place {
    folder: TempDir,
    archive: PathBuf,
    digest: String,
}

impl Place {
    fn prepare() -> Result<Self, MeasureError> {
        let wrong = |error: parts::PartsError| {
            MeasureError::Unequal(muster_console::outcome::Chain(&error).to_string())
        };
        let voice = Voice::new();
        let cache = Cache::open(Path::new(parts::HOME), &voice).map_err(wrong)?;
        let part = spark::provide(&cache, &voice).map_err(wrong)?;
        // The same file system as the archive: what is measured is no copy from disk to disk.
        let folder = tempfile::Builder::new().prefix(".measure-").tempdir_in(parts::HOME);
        let folder = folder.map_err(io_error("make a folder beside the parts"))?;
        Ok(Self { folder, archive: part.path, digest: part.sha256 })
    }

    fn archive(&self) -> String {
        self.archive.to_string_lossy().into_owned()
    }

    fn a(&self) -> String {
        self.folder.path().join("a").to_string_lossy().into_owned()
    }

    fn b(&self) -> String {
        self.folder.path().join("b").to_string_lossy().into_owned()
    }

    /// A: the archive door, in a process of its own, into a folder that is not there yet.
    fn unpack(&self) -> Result<Taken, MeasureError> {
        self.clear("a")?;
        child::inside(&["unpack", &self.archive(), &self.a(), &self.digest])
    }

    /// B: a shell, into an empty folder.
    fn shell(&self, script: &str) -> Result<Taken, MeasureError> {
        self.clear("b")?;
        fs::create_dir(self.b()).map_err(io_error("make a folder"))?;
        child::inside(&["run", "--", "sh", "-c", script])
    }

    /// Removes a tree and lets the file system settle, so that no run pays for the one before.
    fn clear(&self, name: &str) -> Result<(), MeasureError> {
        let path = self.folder.path().join(name);
        if path.exists() {
            fs::remove_dir_all(&path).map_err(io_error("remove a tree"))?;
        }
        Call::new("sync").arg("-f").arg(self.folder.path()).run()?;
        Ok(())
    }

    /// Refuses a pair whose two trees differ.
    fn same(&self) -> Result<(), MeasureError> {
        let digest = |path: String| {
            tree_digest(Path::new(&path)).map_err(|error| MeasureError::Unequal(error.to_string()))
        };
        if digest(self.a())? == digest(self.b())? {
            Ok(())
        } else {
            Err(MeasureError::Unequal("the two trees differ".to_owned()))
        }
    }

    fn counts(&self) -> Result<BTreeMap<String, u64>, MeasureError> {
        let bytes = fs::metadata(&self.archive).map_err(io_error("read the archive's size"))?.len();
        Ok(BTreeMap::from([("archive bytes".to_owned(), bytes)]))
    }
}
