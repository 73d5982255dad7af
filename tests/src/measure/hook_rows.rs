//! Q8 to Q13: hooks and hook tools, and the way from a change to a hook, on a real installation.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_model::view::Condition;

use super::bench::Bench as Installation;
use super::{Bench, MeasureError, Measured, Row, Run, Unit, io_error};
use crate::floors::circle::Circle;

/// Calls of one run.
const BATCH: usize = 50;

/// The rows.
pub const ROWS: &[Row] = &[
    Row {
        id: "Q8",
        what: "one config-get, start to exit",
        yardstick: "a static program started and awaited",
        goal: Some(1.8),
        run: one_tool,
    },
    Row {
        id: "Q9",
        what: "a bash hook's 20 × $(config-get x)",
        yardstick: "the same with /bin/true",
        goal: Some(1.25),
        run: twenty_tools,
    },
    Row {
        id: "Q10",
        what: "an empty bash hook, command sent to model settled",
        yardstick: "the same script run directly",
        goal: Some(3.0),
        run: empty_hook,
    },
    Row {
        id: "Q12",
        what: "relation-set's hook over to relation-changed begun, other machine",
        yardstick: "two loopback messages, a synced one-row commit, a program started",
        goal: Some(5.0),
        run: relation,
    },
    Row {
        id: "Q13",
        what: "config sent to config-changed begun",
        yardstick: "two loopback messages, a synced one-row commit, a program started",
        goal: Some(5.0),
        run: config,
    },
];

fn one_tool(bench: &Bench) -> Result<Measured, MeasureError> {
    let installation = Installation::bring_up()?;
    let nothing = Installation::nothing("plain/0");
    let paired = bench.pairs(
        20,
        || Ok(Run::of_many(installation.race("plain/0", BATCH, &["config-get", "x"])?)),
        || Ok(Run::of_many(installation.race("plain/0", BATCH, &[&nothing])?)),
    )?;
    Ok(measured(paired, ""))
}

fn twenty_tools(bench: &Bench) -> Result<Measured, MeasureError> {
    let installation = Installation::bring_up()?;
    let script = |program: &str| format!("for i in {{1..20}}; do v=$({program}); done");
    let (tools, floor) = (script("config-get x"), script("/bin/true"));
    let paired = bench.pairs(
        10,
        || Ok(Run::of_many(installation.race("plain/0", 5, &["bash", "-c", &tools])?)),
        || Ok(Run::of_many(installation.race("plain/0", 5, &["bash", "-c", &floor])?)),
    )?;
    Ok(measured(paired, ""))
}

fn empty_hook(bench: &Bench) -> Result<Measured, MeasureError> {
    let mut installation = Installation::bring_up()?;
    let application = "empty".parse().map_err(|_| MeasureError::Unequal("a name".to_owned()))?;
    let settled = Condition::ApplicationSettled(application);
    let folder = tempfile::tempdir().map_err(io_error("make a folder"))?;
    let script = folder.path().join("hook");
    std::fs::write(&script, "#!/bin/bash\n").map_err(io_error("write a script"))?;
    let direct = || {
        let began = std::time::Instant::now();
        let mut bash = std::process::Command::new("/bin/bash");
        bash.arg(&script).status().map_err(io_error("run a script"))?;
        Ok(began.elapsed())
    };
    let paired = bench.pairs(
        20,
        || {
            let mut times = Vec::new();
            for _ in 0..BATCH / 5 {
                let began = std::time::Instant::now();
                installation.change("empty")?;
                installation.settled(&settled)?;
                times.push(began.elapsed());
            }
            Ok(Run::of_many(times))
        },
        || {
            Ok(Run::of_many(
                (0..BATCH).map(|_| direct()).collect::<Result<Vec<_>, MeasureError>>()?,
            ))
        },
    )?;
    let note = "A begins at the client, so it holds a command and a wait over TLS as well";
    Ok(measured(paired, note))
}

fn relation(bench: &Bench) -> Result<Measured, MeasureError> {
    let mut installation = Installation::bring_up()?;
    beside_circle(bench, "A is counted from the setting hook's last act", || {
        let sent = installation.change("setter")?;
        let set = installation.stamp("setter/0", "set", sent)?;
        let changed = installation.stamp("plain/0", "in-relation-changed", set.at)?;
        Ok(Duration::from_nanos(changed.at - set.at))
    })
}

fn config(bench: &Bench) -> Result<Measured, MeasureError> {
    let mut installation = Installation::bring_up()?;
    beside_circle(bench, "", || {
        let sent = installation.change("plain")?;
        let begun = installation.stamp("plain/0", "config-changed", sent)?;
        Ok(Duration::from_nanos(begun.at - sent))
    })
}

fn beside_circle(
    bench: &Bench,
    note: &str,
    mut once: impl FnMut() -> Result<Duration, MeasureError>,
) -> Result<Measured, MeasureError> {
    let folder = tempfile::tempdir_in("/var/tmp").map_err(io_error("make a folder"))?;
    let mut circle = Circle::open(folder.path())?;
    let paired = bench.pairs(
        20,
        || Ok(Run::of_many((0..BATCH).map(|_| once()).collect::<Result<Vec<_>, _>>()?)),
        || Ok(Run::of_many((0..BATCH).map(|_| circle.round()).collect::<Result<Vec<_>, _>>()?)),
    )?;
    circle.close()?;
    Ok(measured(paired, note))
}

fn measured(paired: super::Paired, note: &str) -> Measured {
    Measured { paired, counts: BTreeMap::new(), note: note.to_owned(), unit: Unit::Seconds }
}
