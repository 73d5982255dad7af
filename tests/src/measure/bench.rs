//! A real installation to measure: controller, machines and agents as users have them, with two
//! charms whose hooks do nothing but say when they began.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use muster_api::client::Endpoint;
use muster_api::{CallError, Client};
use muster_model::command::{Command, ModelCommand};
use muster_model::name::ModelId;
use muster_model::view::{Condition, Wait};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{MeasureError, io_error};
use crate::call::Call;
use crate::demo::{DemoError, Hand, Place, build, stand};
use crate::voice::Voice;

/// The controller and its model.
const NAME: &str = "measure";
/// How long a hook may be in coming before something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);
/// What all programs of the charms are.
const SOURCE: &str = include_str!("bench.c");

/// `plain` has a static `config-changed`; `setter` has one in bash that sets a relation's value.
const PLAIN: &[(&str, &str)] = &[
    (
        "metadata.yaml",
        "name: plain\nsummary: Says when its hooks begin.\ndescription: For measuring.\n\
         requires:\n  in:\n    interface: bench\n",
    ),
    (
        "config.yaml",
        "options:\n  x:\n    type: string\n    default: \"\"\n    description: Anything.\n",
    ),
];
const SETTER: &[(&str, &str)] = &[
    (
        "metadata.yaml",
        "name: setter\nsummary: Sets a relation's value.\ndescription: For measuring.\n\
         provides:\n  out:\n    interface: bench\n",
    ),
    (
        "config.yaml",
        "options:\n  x:\n    type: string\n    default: \"\"\n    description: Anything.\n",
    ),
];
const SET: &str = "#!/bin/bash\nset -e\nid=$(relation-ids out)\n\
     [ -z \"$id\" ] || relation-set -r \"$id\" \"x=$(config-get x)\"\nexec \"$CHARM_DIR/set\"\n";
const EMPTY: &str = "#!/bin/bash\n";

/// The installation; dropped, it is removed.
pub struct Bench {
    hand: Hand,
    client: Client,
    model: ModelId,
    runtime: Runtime,
    count: u64,
    _folder: TempDir,
}

/// A line of a unit's stamps: which program began, and when by the monotonic clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The program's name: the hook's.
    pub name: String,
    /// Nanoseconds.
    pub at: u64,
}

impl Bench {
    /// Bootstraps, deploys `plain`, `setter` and `empty`, relates the first two, and waits.
    pub fn bring_up() -> Result<Self, MeasureError> {
        let voice = Voice::new();
        let folder = tempfile::tempdir_in("/var/tmp").map_err(io_error("make a folder"))?;
        charms(folder.path())?;
        let program = build::binaries(&Place::of_this_program(), &voice).map_err(demo)?;
        let hand = Hand::new(program, NAME, NAME).with("JUJU_DATA", folder.path().join("client"));
        stand::controller(&hand, &voice).map_err(demo)?;
        for (charm, application) in [("plain", "plain"), ("setter", "setter"), ("empty", "empty")] {
            let path = folder.path().join(charm);
            hand.run(&["deploy", &path.to_string_lossy(), application]).map_err(demo)?;
        }
        hand.run(&["integrate", "setter:out", "plain:in"]).map_err(demo)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(io_error("start a runtime"))?;
        let client = client(&folder.path().join("client"))?;
        let models = runtime.block_on(client.models()).map_err(call)?;
        let model = models.iter().find(|model| model.info.name.to_string() == NAME);
        let model =
            model.ok_or_else(|| MeasureError::Unequal("the model is not there".to_owned()))?;
        let model = model.info.id;
        let bench = Self { hand, client, model, runtime, count: 0, _folder: folder };
        bench.settled(&Condition::Settled)?;
        Ok(bench)
    }

    /// The operator's hand.
    pub fn hand(&self) -> &Hand {
        &self.hand
    }

    /// Sets the option of an application to something new; the monotonic clock when it was sent.
    pub fn change(&mut self, application: &str) -> Result<u64, MeasureError> {
        self.count += 1;
        let wrong = |error: &dyn std::error::Error| MeasureError::Unequal(error.to_string());
        let configure = ModelCommand::Configure {
            application: application.parse().map_err(|error| wrong(&error))?,
            set: [("x".parse().map_err(|error| wrong(&error))?, self.count.to_string())].into(),
            reset: Default::default(),
            trust: None,
        };
        let command = Command::Model { model: self.model, command: configure };
        let id = uuid::Uuid::new_v4().to_string().parse().map_err(|error| wrong(&error))?;
        let sent = monotonic();
        self.runtime.block_on(self.client.command(id, command, false)).map_err(call)?;
        Ok(sent)
    }

    /// Waits on the server until something holds.
    pub fn settled(&self, condition: &Condition) -> Result<(), MeasureError> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE * 20 {
            let wait = Wait { condition: condition.clone(), timeout_ms: 30_000 };
            let answer =
                self.runtime.block_on(self.client.wait(self.model, &wait)).map_err(call)?;
            if answer.holds {
                return Ok(());
            }
        }
        Err(MeasureError::Unequal("the model does not settle".to_owned()))
    }

    /// The stamps of a unit, once there is one of `name` after `since`.
    pub fn stamp(&self, unit: &str, name: &str, since: u64) -> Result<Stamp, MeasureError> {
        let path = machine_of(unit)?.join("var/lib/muster-bench");
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let newest = stamps(&text).into_iter().rev().find(|stamp| stamp.name == name);
            if let Some(stamp) = newest.filter(|stamp| stamp.at > since) {
                return Ok(stamp);
            }
            // Only so that the looking takes no processor from what is looked at.
            std::thread::sleep(Duration::from_micros(300));
        }
        Err(MeasureError::Unequal(format!("{unit} never ran {name}")))
    }

    /// Starts a program `count` times in a unit's context and gives how long each took.
    pub fn race(
        &self,
        unit: &str,
        count: usize,
        command: &[&str],
    ) -> Result<Vec<Duration>, MeasureError> {
        let tag = unit.replace('/', "-");
        let race = format!("/var/lib/juju/agents/unit-{tag}/charm/race");
        let number = count.to_string();
        let mut args = vec!["exec", "--unit", unit, "--", &race, &number];
        args.extend(command);
        let printed = self.hand.run(&args).map_err(demo)?;
        let times: Vec<Duration> = printed
            .lines()
            .filter_map(|line| line.parse().ok())
            .map(Duration::from_nanos)
            .collect();
        if times.len() == count {
            Ok(times)
        } else {
            Err(MeasureError::Unequal(format!("{} times of {count}", times.len())))
        }
    }

    /// Where a unit's charm has its program that does nothing.
    pub fn nothing(unit: &str) -> String {
        format!("/var/lib/juju/agents/unit-{}/charm/nothing", unit.replace('/', "-"))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // What is left is found by the next run, and by whoever reads `muster controllers`.
        drop(self.hand.bare(&["kill-controller", NAME, "--no-prompt"]).run());
    }
}

/// Writes the three charms.
fn charms(folder: &Path) -> Result<(), MeasureError> {
    let source = folder.join("bench.c");
    fs::write(&source, SOURCE).map_err(io_error("write a source"))?;
    let program = folder.join("bench");
    Call::new("cc").args(["-static", "-O2", "-o"]).arg(&program).arg(&source).run()?;
    for (charm, files) in [("plain", PLAIN), ("setter", SETTER), ("empty", PLAIN)] {
        let home = folder.join(charm);
        fs::create_dir_all(home.join("hooks")).map_err(io_error("make a charm"))?;
        for (name, text) in files {
            let text = text.replace("name: plain", &format!("name: {charm}"));
            fs::write(home.join(name), text).map_err(io_error("write a charm"))?;
        }
        fs::copy(&program, home.join("race")).map_err(io_error("write a charm"))?;
        symlink("race", home.join("nothing")).map_err(io_error("write a charm"))?;
        symlink("race", home.join("set")).map_err(io_error("write a charm"))?;
        for hook in ["config-changed", "in-relation-changed"] {
            let path = home.join("hooks").join(hook);
            let script = match (charm, hook) {
                ("setter", "config-changed") => SET,
                ("empty", "config-changed") => EMPTY,
                ("plain", _) => {
                    fs::copy(&program, &path).map_err(io_error("write a charm"))?;
                    continue;
                }
                _ => continue,
            };
            fs::write(&path, script).map_err(io_error("write a charm"))?;
            let executable = fs::Permissions::from_mode(0o755);
            fs::set_permissions(&path, executable).map_err(io_error("write a charm"))?;
        }
    }
    Ok(())
}

/// The client of a client store's only controller.
fn client(store: &Path) -> Result<Client, MeasureError> {
    let read = |name: &str| -> Result<Value, MeasureError> {
        let text =
            fs::read_to_string(store.join(name)).map_err(io_error("read the client store"))?;
        serde_saphyr::from_str(&text).map_err(|error| MeasureError::Unequal(error.to_string()))
    };
    let missing = || MeasureError::Unequal("the client store lacks the controller".to_owned());
    let controllers = read("controllers.yaml")?;
    let accounts = read("accounts.yaml")?;
    let entry = controllers.pointer(&format!("/controllers/{NAME}")).ok_or_else(missing)?;
    let addresses = entry.get("api-endpoints").and_then(Value::as_array).ok_or_else(missing)?;
    let addresses: Vec<SocketAddr> =
        addresses.iter().filter_map(|address| address.as_str()?.parse().ok()).collect();
    let authority = entry.get("ca-cert").and_then(Value::as_str).ok_or_else(missing)?;
    let token = accounts.pointer(&format!("/controllers/{NAME}/token")).and_then(Value::as_str);
    let endpoint = Endpoint::new(&addresses, authority, token.map(str::to_owned)).map_err(call)?;
    Ok(Client::new(endpoint))
}

/// The root of the machine whose agent has this unit, as this host sees it.
fn machine_of(unit: &str) -> Result<PathBuf, MeasureError> {
    let place = format!("root/var/lib/muster/agent/units/unit-{}", unit.replace('/', "-"));
    for entry in fs::read_dir("/proc").map_err(io_error("list processes"))?.flatten() {
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if name.trim() == "muster-agent" && entry.path().join(&place).exists() {
            return Ok(entry.path().join("root"));
        }
    }
    Err(MeasureError::Unequal(format!("no agent has the unit {unit}")))
}

fn stamps(text: &str) -> Vec<Stamp> {
    let parse = |line: &str| {
        let (name, at) = line.split_once(' ')?;
        Some(Stamp { name: name.to_owned(), at: at.parse().ok()? })
    };
    text.lines().filter_map(parse).collect()
}

/// The clock that the stamps are of: one for all machines of a kernel.
fn monotonic() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

#[expect(clippy::needless_pass_by_value, reason = "goes into map_err as it is")]
fn demo(error: DemoError) -> MeasureError {
    MeasureError::Unequal(crate::fail::Chain(&error).to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "goes into map_err as it is")]
fn call(error: CallError) -> MeasureError {
    MeasureError::Unequal(crate::fail::Chain(&error).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_of_the_charms_do_what_their_names_say() {
        let home = tempfile::tempdir().unwrap();
        charms(home.path()).unwrap();
        let plain = home.path().join("plain");
        let race = plain.join("race").to_string_lossy().into_owned();
        let nothing = plain.join("nothing").to_string_lossy().into_owned();
        let printed = Call::new(&race).args(["3", &nothing]).run().unwrap();
        assert_eq!(printed.lines().filter(|line| line.parse::<u64>().is_ok()).count(), 3);
        assert!(Call::new(&race).args(["1", "/bin/false"]).run().is_err());
        let hook = fs::metadata(plain.join("hooks/config-changed")).unwrap();
        assert_eq!(hook.permissions().mode() & 0o111, 0o111);
        assert!(home.path().join("setter/hooks/config-changed").exists());
        assert!(!home.path().join("setter/hooks/in-relation-changed").exists());
    }

    #[test]
    fn stamps_are_read_line_by_line() {
        let read = stamps("config-changed 12\ntorn li\nset 34\n");
        assert_eq!(read.len(), 2);
        assert_eq!(read[1], Stamp { name: "set".to_owned(), at: 34 });
    }
}
