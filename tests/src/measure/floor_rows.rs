//! The floors beside one another: what this machine allows, before anything of the product runs.
//!
//! B is always *spawn*, so that the ratios tell one machine from another.

use std::collections::BTreeMap;

use super::{Bench, MeasureError, Measured, Paired, Row, Run, Unit, io_error};
use crate::floors::circle::Circle;
use crate::floors::fanout::FanOut;
use crate::floors::handshake::Handshake;
use crate::floors::spawn::Nothing;
use crate::floors::{load, status};

/// Pairs of a row, each of [`BATCH`] calls a side.
const PAIRS: usize = 20;
/// Calls of one run.
const BATCH: usize = 50;

/// One row for each floor.
pub const ROWS: &[Row] = &[
    floor("F-circle", "two loopback messages, a synced one-row commit, a program started", circle),
    floor("F-fan-out", "200 bytes to each of 1,000 connections and 64 back", fan_out),
    floor("F-handshake", "one full TLS 1.3 handshake, both ends", handshake),
    floor("F-status", "10,000 units as JSON over a socket, decoded, printed", read_status),
    floor("F-load", "10,000 rows read with plain SQLite", load_rows),
];

const fn floor(
    id: &'static str,
    what: &'static str,
    run: fn(&Bench) -> Result<Measured, MeasureError>,
) -> Row {
    Row { id, what, yardstick: "a static program started and awaited", goal: None, run }
}

fn circle(bench: &Bench) -> Result<Measured, MeasureError> {
    let home = folder()?;
    let mut circle = Circle::open(home.path())?;
    let paired = beside_spawn(bench, || many(BATCH, || circle.round()))?;
    circle.close()?;
    Ok(plain(paired, []))
}

fn fan_out(bench: &Bench) -> Result<Measured, MeasureError> {
    const CONNECTIONS: usize = 1_000;
    let mut fan = FanOut::open(CONNECTIONS)?;
    let paired = beside_spawn(bench, || many(BATCH / 10, || fan.round()))?;
    Ok(plain(paired, [("connections", CONNECTIONS as u64)]))
}

fn handshake(bench: &Bench) -> Result<Measured, MeasureError> {
    let handshake = Handshake::prepare()?;
    let paired = beside_spawn(bench, || many(BATCH, || Ok(handshake.shake()?.0)))?;
    Ok(plain(paired, []))
}

fn read_status(bench: &Bench) -> Result<Measured, MeasureError> {
    const UNITS: usize = 10_000;
    let mut bytes = 0;
    let paired = beside_spawn(bench, || {
        many(1, || {
            let (time, read) = status::round(UNITS)?;
            bytes = read as u64;
            Ok(time)
        })
    })?;
    Ok(plain(paired, [("units", UNITS as u64), ("bytes", bytes)]))
}

fn load_rows(bench: &Bench) -> Result<Measured, MeasureError> {
    const ROWS: u64 = 10_000;
    let home = folder()?;
    let path = home.path().join("load.db");
    let mut database = crate::floors::circle::database(&path)?;
    let filling = database.transaction()?;
    for _ in 0..ROWS {
        filling.execute("INSERT INTO rows (value) VALUES (zeroblob(300))", [])?;
    }
    filling.commit()?;
    let paired = beside_spawn(bench, || {
        many(1, || {
            let (time, loaded) = load::load(&path)?;
            if loaded.rows == ROWS {
                Ok(time)
            } else {
                Err(MeasureError::Unequal(format!("{} rows read of {ROWS}", loaded.rows)))
            }
        })
    })?;
    Ok(plain(paired, [("rows", ROWS)]))
}

/// A against the program that does nothing.
fn beside_spawn(
    bench: &Bench,
    a: impl FnMut() -> Result<Run, MeasureError>,
) -> Result<Paired, MeasureError> {
    let home = folder()?;
    let nothing = Nothing::compile(home.path())?;
    bench.pairs(PAIRS, a, || many(BATCH, || nothing.spawn()))
}

/// One run of `count` calls.
fn many(
    count: usize,
    mut call: impl FnMut() -> Result<std::time::Duration, MeasureError>,
) -> Result<Run, MeasureError> {
    let times = (0..count).map(|_| call()).collect::<Result<Vec<_>, _>>()?;
    Ok(Run::of_many(times))
}

fn plain<const N: usize>(paired: Paired, counts: [(&str, u64); N]) -> Measured {
    let counts = counts.map(|(name, count)| (name.to_owned(), count));
    Measured { paired, counts: BTreeMap::from(counts), note: String::new(), unit: Unit::Seconds }
}

/// A folder on a real disk: what is synced in memory says nothing.
fn folder() -> Result<tempfile::TempDir, MeasureError> {
    tempfile::tempdir_in("/var/tmp").map_err(io_error("make a folder in /var/tmp"))
}
