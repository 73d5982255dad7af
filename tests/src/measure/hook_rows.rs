//! Q8 to Q13: hooks and hook tools, and the way from a change to a hook, on a real installation.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_model::record::Placement;

use super::agents::Agents;
use super::charms::Kind;
use super::installation::Installation;
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
        what: "an empty bash hook, goal arrived to report acknowledged",
        yardstick: "the same script run directly",
        goal: Some(3.0),
        run: empty_hook,
    },
    Row {
        id: "Q12",
        what: "relation-set's hook over to relation-changed begun, other agent",
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
    racing(bench, 20, BATCH, "config-get x", "nothing")
}

fn twenty_tools(bench: &Bench) -> Result<Measured, MeasureError> {
    racing(bench, 20, 5, "tools", "true")
}

/// Two programs raced in turn from within a hook.
fn racing(
    bench: &Bench,
    pairs: usize,
    count: usize,
    tool: &str,
    floor: &str,
) -> Result<Measured, MeasureError> {
    let mut installation = Installation::start()?;
    installation.deploy_with_agent(Kind::Runner)?;
    let installation = std::cell::RefCell::new(installation);
    let race = |program: &str| installation.borrow_mut().race(count, program);
    let paired =
        bench.pairs(pairs, || Ok(Run::of_many(race(tool)?)), || Ok(Run::of_many(race(floor)?)))?;
    Ok(measured(paired, BTreeMap::new(), ""))
}

fn empty_hook(bench: &Bench) -> Result<Measured, MeasureError> {
    let mut installation = Installation::start()?;
    let machines = installation.machines(1)?;
    let agents = Agents::start(&installation, &machines)?;
    let charm = installation.charm(Kind::Empty)?;
    let placements = machines.iter().map(|(id, _)| Placement::Machine(*id)).collect();
    installation.deploy("empty", &charm, placements)?;
    installation.application_settled("empty")?;
    let folder = tempfile::tempdir_in("/var/tmp").map_err(io_error("make a folder"))?;
    let script = folder.path().join("hook");
    std::fs::write(&script, "#!/bin/bash\n").map_err(io_error("write a script"))?;
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, executable).map_err(io_error("write a script"))?;
    let direct = || {
        let began = std::time::Instant::now();
        let mut script = std::process::Command::new(&script);
        script.status().map_err(io_error("run a script"))?;
        Ok(began.elapsed())
    };
    let before: BTreeMap<_, _> = agents.traffic.counts().into_iter().collect();
    let mut hooks: u64 = 0;
    agents.traffic.take_commits();
    let paired = bench.pairs(
        20,
        || {
            let mut times = Vec::new();
            for _ in 0..BATCH {
                agents.traffic.forget();
                installation.change("empty")?;
                let taken = agents.commits(1, Duration::from_secs(30));
                hooks += taken.len() as u64;
                times.extend(taken);
                // The next goal must find nobody at work.
                installation.application_settled("empty")?;
            }
            Ok(Run::of_many(times))
        },
        || {
            Ok(Run::of_many(
                (0..BATCH).map(|_| direct()).collect::<Result<Vec<_>, MeasureError>>()?,
            ))
        },
    )?;
    let mut counts: BTreeMap<String, u64> = agents
        .traffic
        .counts()
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count - before.get(name).copied().unwrap_or(0)))
        .collect();
    counts.insert("hooks".to_owned(), hooks);
    Ok(measured(paired, counts, "the agent's library in this process; the controller is not"))
}

fn relation(bench: &Bench) -> Result<Measured, MeasureError> {
    let mut installation = Installation::start()?;
    installation.deploy_with_agent(Kind::Plain)?;
    installation.deploy_with_agent(Kind::Setter)?;
    installation.deploy_with_agent(Kind::Hookless)?;
    installation.relate()?;
    let (began, mut changes) = (installation.revision()?, 0);
    let (paired, mut installation) = beside_circle(bench, installation, |installation| {
        changes += 1;
        let sent = installation.change("setter")?;
        let set = installation.stamp("setter/0", "set", sent)?;
        let changed = installation.stamp("plain/0", "in-relation-changed", set.at)?;
        Ok(Duration::from_nanos(changed.at - set.at))
    })?;
    let counts = per_change(&mut installation, began, changes)?;
    Ok(measured(paired, counts, "A is counted from the setting hook's last act"))
}

fn config(bench: &Bench) -> Result<Measured, MeasureError> {
    let mut installation = Installation::start()?;
    installation.deploy_with_agent(Kind::Plain)?;
    let (began, mut changes) = (installation.revision()?, 0);
    let (paired, mut installation) = beside_circle(bench, installation, |installation| {
        changes += 1;
        let sent = installation.change("plain")?;
        let begun = installation.stamp("plain/0", "config-changed", sent)?;
        Ok(Duration::from_nanos(begun.at - sent))
    })?;
    let counts = per_change(&mut installation, began, changes)?;
    Ok(measured(paired, counts, ""))
}

fn per_change(
    installation: &mut Installation,
    began: u64,
    changes: u64,
) -> Result<BTreeMap<String, u64>, MeasureError> {
    let txns = installation.revision()? - began;
    Ok(BTreeMap::from([("txns".to_owned(), txns), ("changes".to_owned(), changes)]))
}

fn beside_circle(
    bench: &Bench,
    mut installation: Installation,
    mut once: impl FnMut(&mut Installation) -> Result<Duration, MeasureError>,
) -> Result<(super::Paired, Installation), MeasureError> {
    let folder = tempfile::tempdir_in("/var/tmp").map_err(io_error("make a folder"))?;
    let mut circle = Circle::open(folder.path())?;
    let paired = bench.pairs(
        20,
        || {
            installation.forget_stamps()?;
            let mut times = Vec::new();
            for _ in 0..BATCH {
                times.push(once(&mut installation)?);
                // Nothing queues: what the change has set off comes to its end first.
                installation.settled(&muster_model::view::Condition::Settled)?;
            }
            Ok(Run::of_many(times))
        },
        || Ok(Run::of_many((0..BATCH).map(|_| circle.round()).collect::<Result<Vec<_>, _>>()?)),
    )?;
    circle.close()?;
    Ok((paired, installation))
}

fn measured(paired: super::Paired, counts: BTreeMap<String, u64>, note: &str) -> Measured {
    Measured { paired, counts, note: note.to_owned(), unit: Unit::Seconds }
}
