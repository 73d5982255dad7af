//! A controller with machines of its own, as the demo has it, and ways into its machines from
//! outside: what is measured by hand runs in the same machines.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use muster_console::outcome::Chain;
use serde_json::Value;
use tempfile::TempDir;

use super::{MeasureError, io_error};
use crate::call::Call;
use crate::demo::{Built, Hand, Place, build, stand};
use crate::parts::{self, Parts};
use crate::setup::{self, Feature};
use crate::voice::Voice;

/// What controller and model are called.
const NAME: &str = "measure";
/// How long anything may be in coming before something is wrong.
const PATIENCE: Duration = Duration::from_secs(900);
/// How often the master's page is asked (performance document, section 3).
const ASKED: Duration = Duration::from_millis(20);

/// A controller on this host; dropped, it is gone with its machines.
pub struct Site {
    /// The command, with the model of the measuring.
    pub hand: Hand,
    /// The charms and parts.
    pub built: Built,
    /// The parts.
    pub parts: Parts,
    /// Where the demo's programs work.
    pub place: Place,
    /// Says what goes on.
    pub voice: Voice,
    folder: TempDir,
}

impl Site {
    /// Builds what ships, and bootstraps a controller with an empty model.
    pub fn up() -> Result<Self, MeasureError> {
        // What the controller starts counts as ours, though it is started in a session of its own.
        nix::sys::prctl::set_child_subreaper(true)
            .map_err(|errno| io_error("adopt orphans")(errno.into()))?;
        let voice = Voice::new();
        setup::fit(Path::new("/var/lib/muster"), setup::ROOM).map_err(|error| wrong(&error))?;
        let features = [Feature::Parts, Feature::Machines];
        setup::ready(&features, &voice).map_err(|error| wrong(&error))?;
        let folder = tempfile::tempdir_in("/var/tmp").map_err(io_error("make a folder"))?;
        let place = Place { profile: "release".to_owned(), ..Place::of_this_program() };
        let program = build::binaries(&place, &voice).map_err(|error| wrong(&error))?;
        let hand = Hand::new(program, NAME, NAME).with("JUJU_DATA", folder.path().join("client"));
        let parts = parts::provide(&place.parts, &voice).map_err(|error| wrong(&error))?;
        let built = build::charms(&place, &hand, &parts, &voice).map_err(|error| wrong(&error))?;
        let site = Self { hand, built, parts, place, voice, folder };
        stand::controller(&site.hand, &site.voice).map_err(|error| wrong(&error))?;
        Ok(site)
    }

    /// A folder that goes with the site.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Adds machines to the model of `hand`, waits for them, and lets a key of ours in.
    pub fn machines(&self, hand: Hand, count: u32) -> Result<Machines<'_>, MeasureError> {
        hand.run(&["add-machine", "-n", &count.to_string()]).map_err(|error| wrong(&error))?;
        let all = until(&hand, "machines", |status| {
            let machines = status.get("machines")?.as_object()?;
            let addresses = machines.iter().map(|(id, machine)| {
                let started = machine.pointer("/juju-status/current")?.as_str()? == "started";
                let address = machine.get("dns-name")?.as_str()?.parse().ok()?;
                started.then_some((id.clone(), address))
            });
            let all = addresses.collect::<Option<Vec<(String, IpAddr)>>>()?;
            (all.len() == count as usize).then_some(all)
        })?;
        let key = self.folder().join("key");
        Call::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).run()?;
        let public = fs::read_to_string(key.with_extension("pub"));
        let public = public.map_err(io_error("read a key"))?;
        let machines = Machines { site: self, hand, all, key };
        let allow =
            format!("mkdir -p /root/.ssh && echo '{}' > /root/.ssh/authorized_keys", public.trim());
        machines.each(&allow)?;
        Ok(machines)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let call = self.hand.bare(&["kill-controller", NAME, "--no-prompt"]);
        if let Err(error) = call.run() {
            self.voice.say(format_args!("the controller stays: {}", Chain(&error)));
        }
    }
}

/// Machines of one model of a site.
pub struct Machines<'a> {
    site: &'a Site,
    hand: Hand,
    /// Ids and addresses, in the order of ids.
    pub all: Vec<(String, IpAddr)>,
    /// A private key that each lets in as root.
    pub key: PathBuf,
}

impl Machines<'_> {
    /// Runs a command on each machine, through the agents.
    pub fn each(&self, command: &str) -> Result<(), MeasureError> {
        let ids = self.all.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(",");
        let args = ["exec", "--machine", &ids, "--wait", "15m", "--", command];
        self.hand.run(&args).map_err(|error| wrong(&error))?;
        Ok(())
    }

    /// What OpenSSH needs to come in.
    pub fn options(&self) -> Vec<String> {
        let known = self.site.folder().join("known-hosts");
        let options = [
            "StrictHostKeyChecking=no".to_owned(),
            format!("UserKnownHostsFile={}", known.display()),
            format!("IdentityFile={}", self.key.display()),
            "LogLevel=ERROR".to_owned(),
        ];
        options.into_iter().flat_map(|option| ["-o".to_owned(), option]).collect()
    }

    /// Copies files and folders to a machine.
    pub fn put(&self, machine: usize, from: &[PathBuf], to: &str) -> Result<(), MeasureError> {
        let to = format!("root@{}:{to}", self.address(machine)?);
        Call::new("scp").args(["-q", "-r"]).args(self.options()).args(from).arg(to).run()?;
        Ok(())
    }

    /// Runs a command on a machine and gives what it printed.
    pub fn ssh(&self, machine: usize, command: &str) -> Result<String, MeasureError> {
        let to = format!("root@{}", self.address(machine)?);
        Ok(Call::new("ssh").args(self.options()).arg(to).arg(command).run()?)
    }

    /// The address of a machine.
    pub fn address(&self, machine: usize) -> Result<IpAddr, MeasureError> {
        let found = self.all.get(machine).map(|(_, address)| *address);
        found.ok_or_else(|| MeasureError::Unequal(format!("no machine {machine}")))
    }

    /// Asks every machine for a Spark master's page until one says how many workers live.
    pub fn workers(&self, wanted: u64) -> Result<(), MeasureError> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self.all.iter().any(|(_, address)| alive(*address) == Some(wanted)) {
                return Ok(());
            }
            std::thread::sleep(ASKED);
        }
        Err(MeasureError::Unequal(format!("never {wanted} workers")))
    }
}

/// The workers that a machine's Spark master counts as alive, if it has one.
fn alive(address: IpAddr) -> Option<u64> {
    let patience = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(address, 8080), patience).ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    stream.write_all(b"GET /json/ HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    serde_json::from_str::<Value>(body).ok()?.get("aliveworkers")?.as_u64()
}

/// Looks at a model's status until there is something to see.
pub fn until<T>(
    hand: &Hand,
    what: &str,
    mut look: impl FnMut(&Value) -> Option<T>,
) -> Result<T, MeasureError> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let status = hand.status().map_err(|error| wrong(&error))?;
        if let Some(seen) = look(&status) {
            return Ok(seen);
        }
        // Only so that the looking takes no processor from what is looked at.
        std::thread::sleep(Duration::from_millis(300));
    }
    Err(MeasureError::Unequal(format!("{what}: not there after {} s", PATIENCE.as_secs())))
}

fn wrong(error: &dyn std::error::Error) -> MeasureError {
    MeasureError::Unequal(Chain(error).to_string())
}
