//! Q16, Q21: many agents at once, each with its own connections, identity, journal and goal stream.
//! The agents are the production library, all in this process; the controller is a process apart.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use muster_model::command::ModelCommand;
use muster_model::record::Placement;
use muster_model::view::Condition;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::agents::Agents;
use super::charms::Kind;
use super::installation::{Installation, wrong};
use super::{Bench, MeasureError, Measured, Row, Run, Unit, io_error, machine};
use crate::floors::circle;
use crate::floors::fanout::FanOut;
use crate::floors::idle::Idle;

/// Pairs of a deployment; each takes seconds.
const PAIRS: usize = 7;
/// Rounds of the floor, and rows for each unit: what a unit's way from install to start takes.
const ROUNDS: usize = 10;
/// Rows of one commit of the floor.
const BATCH: usize = 100;
/// Descriptors for each agent: two connections at both ends, sockets, journal, spool, logs, lock.
const DESCRIPTORS: u64 = 16;

/// The rows.
pub const ROWS: &[Row] = &[
    Row {
        id: "Q16-100",
        what: "deploy 100 units until all are settled",
        yardstick: "ten fan-out rounds and 1,000 rows committed in batches",
        goal: Some(10.0),
        run: |bench| deploy(bench, 100),
    },
    Row {
        id: "Q16-1000",
        what: "deploy 1,000 units until all are settled",
        yardstick: "ten fan-out rounds and 10,000 rows committed in batches",
        goal: Some(10.0),
        run: |bench| deploy(bench, 1_000),
    },
    Row {
        id: "Q21-1000",
        what: "controller's memory with 1,000 agents and units",
        yardstick: "a bare axum and rustls server with as many idle connections",
        goal: Some(1.3),
        run: |bench| memory(bench, 1_000),
    },
];

/// A controller and `count` agents on machines of their own, all connected.
fn stand(count: usize) -> Result<(Installation, Agents, Vec<Placement>), MeasureError> {
    descriptors(count as u64 * DESCRIPTORS)?;
    let installation = Installation::start()?;
    let machines = installation.machines(count)?;
    let placements = machines.iter().map(|(id, _)| Placement::Machine(*id)).collect();
    let mut agents = Agents::start(&installation, &machines)?;
    // All have a goal, and so wait for the next.
    let began = Instant::now();
    while agents.traffic.counts().iter().any(|(name, n)| *name == "goals" && *n < count as u64) {
        agents.check()?;
        if began.elapsed() > Duration::from_secs(120) {
            return Err(MeasureError::Unequal("not every agent got a goal".to_owned()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    installation.settled(&Condition::Settled)?;
    Ok((installation, agents, placements))
}

/// Raises the limit of open files as far as needed; says if that is further than possible.
fn descriptors(wanted: u64) -> Result<(), MeasureError> {
    let failed = |errno: nix::Error| io_error("raise the limit of open files")(errno.into());
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed)?;
    if soft >= wanted + 1_000 {
        return Ok(());
    }
    let hard = hard.max(wanted + 1_000);
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(failed)
}

fn deploy(bench: &Bench, count: usize) -> Result<Measured, MeasureError> {
    let (installation, mut agents, placements) = stand(count)?;
    let charm = installation.charm(Kind::Hookless)?;
    let mut fan = FanOut::open(count)?;
    let folder = tempfile::tempdir_in("/var/tmp").map_err(io_error("make a folder"))?;
    let mut database = circle::database(&folder.path().join("floor.db"))?;
    let mut counts = BTreeMap::new();
    let mut number = 0;
    let paired = bench.pairs(
        PAIRS,
        || {
            number += 1;
            let name = format!("many{number}");
            let before = Counts::now(&installation, &agents)?;
            let began = Instant::now();
            installation.deploy(&name, &charm, placements.clone())?;
            installation.application_settled(&name)?;
            let took = began.elapsed();
            counts = Counts::now(&installation, &agents)?.since(&before);
            agents.check()?;
            let application = name.parse().map_err(|error| wrong(&error))?;
            let gone = Condition::ApplicationGone(application);
            let application = name.parse().map_err(|error| wrong(&error))?;
            installation.tell(ModelCommand::RemoveApplication {
                application,
                destroy_storage: true,
                force: false,
            })?;
            installation.settled(&gone)?;
            installation.settled(&Condition::Settled)?;
            Ok(Run::of(took))
        },
        || {
            let began = Instant::now();
            for _ in 0..ROUNDS {
                fan.round()?;
            }
            for _ in 0..(count * ROUNDS).div_ceil(BATCH) {
                let transaction = database.transaction()?;
                for _ in 0..BATCH {
                    transaction.execute("INSERT INTO rows (value) VALUES (zeroblob(300))", [])?;
                }
                transaction.commit()?;
            }
            Ok(Run::of(began.elapsed()))
        },
    )?;
    let note = "no peer relation (its hooks are n² by contract: Q19); agents and controller share the \
                cores; counts of the last run";
    Ok(Measured { paired, counts, note: note.to_owned(), unit: Unit::Seconds })
}

/// What does not depend on the machine, and what the controller used.
struct Counts(BTreeMap<String, u64>);

impl Counts {
    fn now(installation: &Installation, agents: &Agents) -> Result<Self, MeasureError> {
        let mut all: BTreeMap<String, u64> = agents
            .traffic
            .counts()
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count))
            .collect();
        all.insert("txns".to_owned(), installation.revision()?);
        all.insert("commits".to_owned(), installation.commits()?);
        let cpu = (installation.controller_cpu() * 1000.0) as u64;
        all.insert("controller's cpu ms".to_owned(), cpu);
        let own = machine::used(std::process::id());
        all.insert("agents' cpu ms".to_owned(), (own * 1000.0) as u64);
        let written = machine::written(installation.controller());
        all.insert("controller's bytes written".to_owned(), written);
        Ok(Self(all))
    }

    fn since(self, before: &Self) -> BTreeMap<String, u64> {
        let was = |name: &String| before.0.get(name).copied().unwrap_or(0);
        self.0.into_iter().map(|(name, now)| (name.clone(), now - was(&name))).collect()
    }
}

fn memory(bench: &Bench, count: usize) -> Result<Measured, MeasureError> {
    let (installation, agents, placements) = stand(count)?;
    let charm = installation.charm(Kind::Hookless)?;
    installation.deploy("many", &charm, placements)?;
    installation.application_settled("many")?;
    let idle = Idle::open(count)?;
    // Longer than a connection that nobody uses is kept.
    let rest = Duration::from_secs(if bench.strict { 60 } else { 15 });
    std::thread::sleep(rest);
    let read = |pid: u32| -> Result<Run, MeasureError> {
        let bytes = machine::memory(pid)
            .ok_or_else(|| MeasureError::Unequal("a process has ended".to_owned()))?;
        Ok(Run { times: vec![bytes as f64], cpu: f64::MIN_POSITIVE, peak: bytes })
    };
    let quiet = Bench { strict: false, ..*bench };
    let paired = quiet.pairs(PAIRS, || read(installation.controller()), || read(idle.server()))?;
    let mut counts: BTreeMap<String, u64> =
        agents.traffic.counts().into_iter().map(|(n, c)| (n.to_owned(), c)).collect();
    let sockets = machine::sockets(installation.controller());
    counts.insert("controller's sockets".to_owned(), sockets);
    let note = format!("read after {} s at rest, not ten minutes", rest.as_secs());
    Ok(Measured { paired, counts, note, unit: Unit::Bytes })
}
