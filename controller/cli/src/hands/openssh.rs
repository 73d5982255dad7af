//! OpenSSH over a shell: `ssh` with options of its own, and `scp`.
//!
//! ```text
//! ssh ─ProxyCommand─▶ muster ssh --stdio machine-3 ─▶ controller ─▶ agent ─▶ sshd, for this connection
//! ```
//!
//! The machine's host key comes from its agent beforehand, so nobody is asked about it; the key that
//! opens the door is this store's own and is let in for the one connection.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use muster_api::shell::{Door, Ended, Frame, Start, Stream};
use muster_model::command::TargetRef;
use muster_model::name::MachineId;
use muster_model::view::ViewRequest;

use super::session::{Focus, Session};
use super::shell::open;
use crate::commands::actions::named;
use crate::commands::shell::{Operand, Place, Scp, Ssh};
use crate::failure::Failure;

/// As whom one logs in who does not say it, as without OpenSSH.
const USUAL: &str = "root";

/// What the real one says, for scripts that look for it (CLI contract §1.4).
pub(super) fn error_code(code: u8) -> String {
    format!("subprocess encountered error code {code}")
}

pub(super) async fn ssh(
    session: &mut Session<'_>,
    focus: &Focus,
    act: &Ssh,
) -> Result<(), Failure> {
    let machine = machine(focus, &act.place.target).await?;
    let way = Way::to(session, focus, [machine]).await?;
    let mut command = Command::new("ssh");
    // The first value of an option counts: those that were typed come first.
    command.args(&act.options).args(&way.options);
    if let Some(pty) = act.pty {
        command.arg(if pty { "-t" } else { "-T" });
    }
    command.args(["-l", act.place.user.as_deref().unwrap_or(USUAL)]);
    command.arg("--").arg(host(machine)).args(&act.command);
    run(session, command, "ssh")
}

pub(super) async fn scp(session: &mut Session<'_>, act: &Scp) -> Result<(), Failure> {
    let focus = session.focus().await?;
    let mut machines = BTreeMap::new();
    let mut words = Vec::new();
    for operand in &act.operands {
        words.push(match operand {
            Operand::Here(path) => local(path),
            Operand::There(Place { user, target }, path) => {
                let known = machines.get(target).copied();
                let machine = match known {
                    Some(machine) => machine,
                    None => machine(&focus, target).await?,
                };
                machines.insert(target.clone(), machine);
                format!("{}@{}:{path}", user.as_deref().unwrap_or(USUAL), host(machine))
            }
        });
    }
    let all: BTreeSet<MachineId> = machines.into_values().collect();
    let way = Way::to(session, &focus, all).await?;
    let mut command = Command::new("scp");
    command.args(&act.options).args(&way.options);
    // Between two machines it all comes by here: neither knows the other's way in.
    command.args(["-3", "--"]).args(words);
    run(session, command, "scp")
}

/// A path here that OpenSSH takes for one, whatever is in it.
fn local(path: &str) -> String {
    if path.starts_with(['/', '.']) { path.to_owned() } else { format!("./{path}") }
}

/// What OpenSSH calls a machine.
fn host(machine: MachineId) -> String {
    format!("machine-{machine}")
}

/// The machine that is meant.
async fn machine(focus: &Focus, place: &TargetRef) -> Result<MachineId, Failure> {
    let (application, unit) = match place {
        TargetRef::Machine(id) => return Ok(*id),
        TargetRef::Unit(unit) => (&unit.application, Some(unit)),
        TargetRef::Leader(application) | TargetRef::Application(application) => (application, None),
        TargetRef::AllMachines => return Err(Failure::new("several places at once")),
    };
    let what = ViewRequest { applications: application.to_string(), ..ViewRequest::default() };
    let view = focus.view(&what).await?;
    let mut units = view.applications.get(application).into_iter().flat_map(|a| &a.units);
    let found = units.find(|(name, seen)| match unit {
        Some(unit) => *name == unit,
        None => seen.leader,
    });
    let missing = || {
        let name = named(place);
        Failure::new(format!("unit \"{name}\" not found"))
            .hint("`muster status` shows what there is")
    };
    found.map(|(_, seen)| seen.unit.machine).ok_or_else(missing)
}

/// How OpenSSH comes to machines. What it was told of them is there for as long as this.
struct Way {
    options: Vec<String>,
    known: PathBuf,
}

impl Drop for Way {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.known) {
            tracing::debug!(%error, "the host keys of a connection that is over are still there");
        }
    }
}

impl Way {
    async fn to(
        session: &mut Session<'_>,
        focus: &Focus,
        machines: impl IntoIterator<Item = MachineId>,
    ) -> Result<Way, Failure> {
        let (key, _) = own_key(session)?;
        let mut lines = String::new();
        for machine in machines {
            for line in host_keys(focus, machine).await?.lines() {
                lines.push_str(&format!("{} {line}\n", host(machine)));
            }
        }
        let folder = session.store.folder().join("ssh");
        let known = folder.join(format!("known_hosts.{}", uuid::Uuid::new_v4()));
        fs::write(&known, lines).map_err(|error| wrong(&known, &error))?;
        let program = std::env::current_exe()
            .map_err(|error| Failure::tried("cannot find this program", &error))?;
        let model = format!("{}:{}", focus.on.chosen.name, focus.name);
        let pipe = format!(
            "{} ssh --stdio --model {} %h",
            quoted(&program.display().to_string()),
            quoted(&model)
        );
        let options = [
            format!("ProxyCommand={pipe}"),
            format!("UserKnownHostsFile={}", plain(&known)?),
            "GlobalKnownHostsFile=/dev/null".to_owned(),
            "StrictHostKeyChecking=yes".to_owned(),
            "UpdateHostKeys=no".to_owned(),
            // A connection that somebody else's machine of the same name has left open is another's.
            "ControlPath=none".to_owned(),
            format!("IdentityFile={}", plain(&key)?),
        ];
        let options = options.into_iter().flat_map(|option| ["-o".to_owned(), option]).collect();
        Ok(Way { options, known })
    }
}

/// As the shell that OpenSSH starts its command with reads it; `%` is OpenSSH's own.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''")).replace('%', "%%")
}

/// A path as a value of an option.
fn plain(path: &Path) -> Result<String, Failure> {
    let text = path.display().to_string();
    if text.contains(['"', '\n']) {
        let failure = Failure::new(format!("OpenSSH cannot be told of `{text}`"));
        return Err(failure.hint("Set JUJU_DATA to a folder with a plain name."));
    }
    Ok(format!("\"{}\"", text.replace('%', "%%")))
}

fn wrong(path: &Path, error: &io::Error) -> Failure {
    Failure::tried(format!("cannot write `{}`", path.display()), error)
}

/// The keys that the machine's servers are known by, as its agent says.
async fn host_keys(focus: &Focus, machine: MachineId) -> Result<String, Failure> {
    let start = Start { door: Door::HostKeys, terminal: None };
    let (_to, mut from) = open(focus, &TargetRef::Machine(machine), start).await?;
    let mut text = Vec::new();
    let why = loop {
        match from.next().await {
            Ok(Some(Frame::Bytes(Stream::Out, bytes))) => text.extend_from_slice(&bytes),
            Ok(Some(Frame::Ended(Ended::Exit(0)))) => {
                let text = String::from_utf8(text);
                return text.map_err(|error| Failure::tried("cannot read the host keys", &error));
            }
            Ok(Some(Frame::Ended(Ended::Refused(why)))) => break why,
            Ok(_) => break "its agent does not say them".to_owned(),
            Err(error) => break error.to_string(),
        }
    };
    Err(Failure::new(format!("the host keys of machine {machine} are not known: {why}")))
}

/// This store's own key: where it is, and its public half. Made when it is first needed.
pub(super) fn own_key(session: &Session<'_>) -> Result<(PathBuf, String), Failure> {
    let folder = session.store.folder().join("ssh");
    let (key, public) = (folder.join("juju_id_ed25519"), folder.join("juju_id_ed25519.pub"));
    if !public.exists() {
        make_key(&folder, &key, &public)?;
    }
    let line = fs::read_to_string(&public)
        .map_err(|error| Failure::tried(format!("cannot read `{}`", public.display()), &error))?;
    Ok((key, line.trim().to_owned()))
}

fn make_key(folder: &Path, key: &Path, public: &Path) -> Result<(), Failure> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| wrong(folder, &error))?;
    // One makes it, whoever else wants it at the same time.
    let lock = folder.join("lock");
    let mut options = fs::File::options();
    options.write(true).create(true).truncate(false).mode(0o600);
    let lock_file = options.open(&lock).map_err(|error| wrong(&lock, &error))?;
    rustix::fs::flock(&lock_file, rustix::fs::FlockOperation::LockExclusive)
        .map_err(|error| wrong(&lock, &error.into()))?;
    if public.exists() {
        return Ok(());
    }
    // A half that an earlier try left is of no use.
    if let Err(error) = fs::remove_file(key)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(wrong(key, &error));
    }
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", "juju-client-key", "-f"]).arg(key);
    let output = command.output().map_err(|error| absent("ssh-keygen", &error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::new(format!("cannot make `{}`: {said}", key.display())))
}

fn absent(program: &str, error: &io::Error) -> Failure {
    let failure = Failure::tried(format!("cannot run `{program}`"), error);
    failure.hint("Install OpenSSH's client (on Debian and Ubuntu: openssh-client).")
}

/// Runs OpenSSH with this program's own streams; its exit code is ours.
fn run(session: &mut Session<'_>, mut command: Command, name: &str) -> Result<(), Failure> {
    command.current_dir(&session.desk.folder).env_clear().envs(&session.desk.env);
    let status = command.status().map_err(|error| absent(name, &error))?;
    let code = match status.code() {
        Some(code) => u8::try_from(code).unwrap_or(u8::MAX),
        None if status.signal().is_some() => u8::MAX,
        None => 1,
    };
    if code == 0 {
        return Ok(());
    }
    Err(Failure { code, ..Failure::new(error_code(code)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_openssh_reads_is_what_was_meant() {
        assert_eq!(quoted("/opt/a b'c%/muster"), r"'/opt/a b'\''c%%/muster'");
        assert_eq!(plain(Path::new("/home/a b/ssh")).unwrap(), "\"/home/a b/ssh\"");
        assert!(plain(Path::new("/a\"b")).is_err());
        assert_eq!(local("-r"), "./-r");
        assert_eq!(local("a:b"), "./a:b");
        assert_eq!(local("../x"), "../x");
        assert_eq!(host(MachineId(3)), "machine-3");
    }
}
