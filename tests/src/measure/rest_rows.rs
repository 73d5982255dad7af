//! Q30, Q31: an agent at rest, and the size of what ships.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use super::charms::Kind;
use super::installation::Installation;
use super::programs::Programs;
use super::{Bench, MeasureError, Measured, Row, Run, Unit, io_error, machine};
use crate::floors::idle::Idle;

/// The rows.
pub const ROWS: &[Row] = &[
    Row {
        id: "Q30",
        what: "memory of an agent with one unit, at rest",
        yardstick: "a bare axum and rustls server",
        goal: Some(3.0),
        run: rest,
    },
    Row {
        id: "Q31",
        what: "bytes of agent, controller and command (goals 14, 22, 12 MiB)",
        yardstick: "those goals together, 48 MiB",
        goal: Some(1.0),
        run: sizes,
    },
];

fn rest(bench: &Bench) -> Result<Measured, MeasureError> {
    let mut installation = Installation::start()?;
    let machines = installation.machines(1)?;
    let (machine, token) =
        machines.first().ok_or_else(|| MeasureError::Unequal("no machine".to_owned()))?;
    let agent = installation.start_agent(*machine, token)?;
    let charm = installation.charm(Kind::Plain)?;
    let place = muster_model::record::Placement::Machine(*machine);
    installation.deploy("plain", &charm, vec![place])?;
    installation.application_settled("plain")?;
    let idle = Idle::open(1)?;
    let quiet = if bench.strict { Duration::from_secs(60) } else { Duration::from_secs(5) };
    let (used, switched) = (machine::used(agent), machine::switches(agent));
    std::thread::sleep(quiet);
    let used = machine::used(agent) - used;
    let switched = machine::switches(agent) - switched;
    let read = |pid: u32| -> Result<Run, MeasureError> {
        let bytes = machine::memory(pid)
            .ok_or_else(|| MeasureError::Unequal("a process has ended".to_owned()))?;
        Ok(Run { times: vec![bytes as f64], cpu: f64::MIN_POSITIVE, peak: bytes })
    };
    let at_once = Bench { strict: false, ..*bench };
    let paired = at_once.pairs(7, || read(agent), || read(idle.server()))?;
    let counts = BTreeMap::from([
        ("cpu ms".to_owned(), (used * 1000.0) as u64),
        ("seconds".to_owned(), quiet.as_secs()),
        ("wake-ups".to_owned(), switched),
        ("anonymous bytes".to_owned(), machine::anonymous(agent).unwrap_or(0)),
        ("threads".to_owned(), machine::threads(agent)),
    ]);
    let note = format!("over {} s at rest, not ten minutes", quiet.as_secs());
    Ok(Measured { paired, counts, note, unit: Unit::Bytes })
}

fn sizes(bench: &Bench) -> Result<Measured, MeasureError> {
    let programs = Programs::build()?;
    let mut counts = BTreeMap::new();
    let mut all = 0;
    for path in [programs.agent(), programs.controller(), programs.command()] {
        let bytes = fs::metadata(&path).map_err(io_error("read a program's size"))?.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        counts.insert(name, bytes);
        all += bytes;
    }
    let size = |bytes: u64| Run { times: vec![bytes as f64], cpu: f64::MIN_POSITIVE, peak: 0 };
    let at_once = Bench { strict: false, ..*bench };
    let paired = at_once.pairs(1, || Ok(size(all)), || Ok(size(48 << 20)))?;
    Ok(Measured { paired, counts, note: "static, stripped".to_owned(), unit: Unit::Bytes })
}
