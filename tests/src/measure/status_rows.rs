//! Q22, Q23: the whole `muster status`, from exec to exit.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use muster_model::command::ModelCommand;
use muster_model::record::Placement;
use serde_json::json;

use super::charms::Kind;
use super::installation::{Installation, wrong};
use super::{Bench, MeasureError, Measured, Row, Run, Unit, io_error};
use crate::call::{self, Call};
use crate::floors::status;

/// Units of the large model.
const MANY: usize = 10_000;
/// Units that one command adds.
const AT_ONCE: usize = 500;
/// Pairs of the large one: the floor takes less than 50 ms.
const PAIRS: usize = 50;
/// Calls of one run of the small model.
const BATCH: usize = 10;

/// The rows.
pub const ROWS: &[Row] = &[
    Row {
        id: "Q22",
        what: "muster status of 10,000 units, whole process",
        yardstick: "as large a JSON encoded, sent, decoded, and as many lines printed",
        goal: Some(5.0),
        run: many,
    },
    Row {
        id: "Q23",
        what: "muster status of 3 units, whole process",
        yardstick: "kubectl version --client",
        goal: Some(0.7),
        run: few,
    },
];

fn many(bench: &Bench) -> Result<Measured, MeasureError> {
    let installation = Installation::start()?;
    deploy(&installation, MANY)?;
    let desk = desk(&installation)?;
    let (mut lines, mut bytes) = (0, 0);
    let paired = bench.pairs(
        PAIRS,
        || {
            let (took, printed) = status(&installation, &desk)?;
            lines = printed;
            Ok(Run::of(took))
        },
        || {
            let (took, read) = status::round(MANY)?;
            bytes = read as u64;
            Ok(Run::of(took))
        },
    )?;
    if lines < MANY as u64 {
        return Err(MeasureError::Unequal(format!("status has {lines} lines for {MANY} units")));
    }
    let counts = BTreeMap::from([("lines".to_owned(), lines), ("floor's bytes".to_owned(), bytes)]);
    let note = "units without agents: they wait for their machines";
    Ok(Measured { paired, counts, note: note.to_owned(), unit: Unit::Seconds })
}

fn few(bench: &Bench) -> Result<Measured, MeasureError> {
    let mut installation = Installation::start()?;
    for kind in [Kind::Plain, Kind::Empty, Kind::Hookless] {
        installation.deploy_with_agent(kind)?;
    }
    let desk = desk(&installation)?;
    let kubectl = kubectl(&installation)?;
    let version = || {
        let began = Instant::now();
        let status = Command::new(&kubectl)
            .args(["version", "--client"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(io_error("start kubectl"))?;
        if status.success() {
            Ok(began.elapsed())
        } else {
            Err(MeasureError::Unequal(format!("kubectl ended with {status}")))
        }
    };
    let times = |mut once: Box<dyn FnMut() -> Result<Duration, MeasureError> + '_>| {
        Ok(Run::of_many((0..BATCH).map(|_| once()).collect::<Result<Vec<_>, MeasureError>>()?))
    };
    let paired = bench.pairs(
        20,
        || times(Box::new(|| Ok(status(&installation, &desk)?.0))),
        || times(Box::new(version)),
    )?;
    let counts = BTreeMap::from([("units".to_owned(), 3)]);
    Ok(Measured { paired, counts, note: String::new(), unit: Unit::Seconds })
}

fn deploy(installation: &Installation, units: usize) -> Result<(), MeasureError> {
    let charm = installation.charm(Kind::Hookless)?;
    let placements = |count| vec![Placement::Anywhere; count];
    installation.deploy("many", &charm, placements(AT_ONCE.min(units)))?;
    let mut made = AT_ONCE.min(units);
    while made < units {
        let more = AT_ONCE.min(units - made);
        installation.tell(ModelCommand::AddUnits {
            application: "many".parse().map_err(|error| wrong(&error))?,
            placements: placements(more),
            attach_storage: Vec::new(),
        })?;
        made += more;
    }
    Ok(())
}

/// One `muster status`: how long it took and how many lines it printed.
fn status(installation: &Installation, desk: &Path) -> Result<(Duration, u64), MeasureError> {
    let began = Instant::now();
    let output = Command::new(installation.programs().command())
        .arg("status")
        .env("JUJU_DATA", desk)
        .stdin(Stdio::null())
        .output()
        .map_err(io_error("start the command"))?;
    let took = began.elapsed();
    if output.status.success() {
        Ok((took, output.stdout.iter().filter(|byte| **byte == b'\n').count() as u64))
    } else {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(MeasureError::Unequal(format!("status ended with {}: {said}", output.status)))
    }
}

/// A client store that knows the installation.
fn desk(installation: &Installation) -> Result<PathBuf, MeasureError> {
    let folder = installation.folder().join("client");
    fs::create_dir_all(&folder).map_err(io_error("make a client store"))?;
    let name = installation.name();
    let (uuid, model) = installation.ids()?;
    let controllers = json!({"current-controller": name, "controllers": {name: {
        "uuid": uuid,
        "api-endpoints": [installation.address().to_string()],
        "ca-cert": installation.authority(),
        "cloud": "localhost",
    }}});
    let accounts = json!({"controllers": {name: {"user": "admin", "token": installation.token()}}});
    let full = format!("admin/{name}");
    let models = json!({"controllers": {name: {
        "current-model": full,
        "models": {full: {"uuid": model, "type": "iaas"}},
    }}});
    // JSON is YAML.
    for (file, content) in
        [("controllers.yaml", controllers), ("accounts.yaml", accounts), ("models.yaml", models)]
    {
        fs::write(folder.join(file), content.to_string())
            .map_err(io_error("write a client store"))?;
    }
    Ok(folder)
}

/// The yardstick from outside: as it is installed, else from Debian's package, unpacked aside.
fn kubectl(installation: &Installation) -> Result<PathBuf, MeasureError> {
    if let Some(found) = call::find("kubectl") {
        return Ok(found);
    }
    let folder = installation.folder().join("kubectl");
    fs::create_dir_all(&folder).map_err(io_error("make a folder"))?;
    let download = Call::new("apt-get").args(["download", "kubernetes-client"]).within(&folder);
    download.run().map_err(|error| {
        let why = muster_console::outcome::Chain(&error).to_string();
        MeasureError::Lacking { what: "kubectl", why }
    })?;
    Call::new("sh").args(["-c", "dpkg -x kubernetes-client_*.deb ."]).within(&folder).run()?;
    Ok(folder.join("usr/bin/kubectl"))
}
