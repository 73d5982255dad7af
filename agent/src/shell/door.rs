//! What begins when a shell is opened: the program, as whom, with which environment.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use muster_api::shell::{Door, Start, Terminal};
use rustix::process::Pid;
use thiserror::Error;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

use super::keys::{self, KeyError, Temporary};
use super::terminal::Master;
use crate::config::Settings;
use crate::hook::cgroup::Group;
use crate::hook::starting::Starters;
use crate::starter;
use crate::world::World;

/// The account that scripts written for Juju's machines log in as.
const USUAL: &str = "ubuntu";

/// Becomes another user; it belongs to every machine (util-linux).
const BECOME: &str = "/usr/bin/setpriv";

/// The table of accounts.
const ACCOUNTS: &str = "/etc/passwd";

/// Why a shell does not begin.
#[derive(Debug, Error)]
pub(super) enum DoorError {
    #[error("there is no user \"{0}\" on this machine")]
    NoUser(String),
    #[error("there is no SSH server on this machine: `{SERVER}` is missing")]
    NoServer,
    #[error("cannot make a terminal")]
    Terminal(#[source] io::Error),
    #[error("cannot start `{}`", program.display())]
    Start { program: PathBuf, source: io::Error },
    #[error("cannot set up the SSH server of this machine")]
    Keys(#[from] KeyError),
}

/// OpenSSH's own.
pub(super) const SERVER: &str = "/usr/sbin/sshd";

/// What has begun.
pub(super) enum Begun {
    /// A program.
    Running(Box<Running>),
    /// Nothing: this is the answer.
    Said(String),
}

/// A program that runs.
pub(super) struct Running {
    pub(super) child: Child,
    pub(super) group: Group,
    pub(super) terminal: Option<Held>,
    /// What is there for as long as it runs.
    pub(super) _temporary: Option<Temporary>,
}

/// A terminal with both of its halves.
pub(super) type Held = (Master, (pipe::Receiver, pipe::Sender));

/// A program to begin.
struct Program {
    path: PathBuf,
    /// What it sees as its own name: with a dash before it, a shell reads what a login reads.
    name: OsString,
    args: Vec<OsString>,
    home: PathBuf,
    user: String,
    shell: String,
}

/// Begins what is wanted, in a group of its own.
pub(super) fn open(world: &World, start: Start, starters: &Starters) -> Result<Begun, DoorError> {
    let settings = &world.settings;
    let mut temporary = None;
    let program = match start.door {
        Door::Shell { user, command } => {
            let accounts = fs::read_to_string(ACCOUNTS).unwrap_or_default();
            shell(&accounts, user, command)?
        }
        Door::Server { key } => {
            if !Path::new(SERVER).exists() {
                return Err(DoorError::NoServer);
            }
            let (server, own) = keys::server(&settings.paths, &key)?;
            temporary = Some(own);
            server_program(server)
        }
        Door::HostKeys => return Ok(Begun::Said(keys::host_keys(&settings.paths)?)),
    };
    let running = begin(settings, program, start.terminal, starters)?;
    Ok(Begun::Running(Box::new(Running { _temporary: temporary, ..running })))
}

fn server_program(args: Vec<OsString>) -> Program {
    Program {
        path: SERVER.into(),
        name: SERVER.into(),
        args,
        home: "/".into(),
        user: "root".into(),
        shell: "/bin/sh".into(),
    }
}

/// The shell of a user, or a line for it.
fn shell(
    accounts: &str,
    user: Option<String>,
    command: Option<String>,
) -> Result<Program, DoorError> {
    let wanted = user.unwrap_or_else(|| "root".to_owned());
    let (user, account) = match account(accounts, &wanted) {
        Some(account) => (wanted, account),
        // Where nobody made that account, as on a host that was there before, whoever may write to the
        // model is let in all the same.
        None if wanted == USUAL || wanted == "root" => {
            let root = account(accounts, "root").unwrap_or_else(Account::root);
            ("root".to_owned(), root)
        }
        None => return Err(DoorError::NoUser(wanted)),
    };
    let Account { id, group, home, shell } = account;
    let base = Path::new(&shell).file_name().map(OsString::from).unwrap_or_default();
    let words = match command {
        Some(command) => vec!["-c".into(), command.into()],
        // What a login reads is read.
        None => vec!["-l".into()],
    };
    let home = Some(PathBuf::from(home)).filter(|home| home.is_dir());
    let home = home.unwrap_or_else(|| "/".into());
    let (path, name, args) = if id == "0" {
        (PathBuf::from(&shell), base, words)
    } else {
        // No login session is opened: that would take it out of its group.
        let become_other = ["--reuid", &id, "--regid", &group, "--init-groups", "--", &shell];
        let mut args: Vec<OsString> = become_other.map(OsString::from).to_vec();
        args.extend(words);
        (BECOME.into(), BECOME.into(), args)
    };
    Ok(Program { path, name, args, home, user, shell })
}

/// A line of the table of accounts.
#[derive(Debug, PartialEq, Eq)]
struct Account {
    id: String,
    group: String,
    home: String,
    shell: String,
}

impl Account {
    /// That which there is in any case.
    fn root() -> Account {
        let [id, group, home, shell] = ["0", "0", "/root", "/bin/sh"].map(str::to_owned);
        Account { id, group, home, shell }
    }
}

fn account(table: &str, name: &str) -> Option<Account> {
    let line = table.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2).map(str::to_owned);
    let (id, group) = (fields.next()?, fields.next()?);
    let mut fields = fields.skip(1);
    let (home, shell) = (fields.next()?, fields.next().filter(|shell| !shell.is_empty()));
    Some(Account { id, group, home, shell: shell.unwrap_or_else(|| "/bin/sh".to_owned()) })
}

fn begin(
    settings: &Settings,
    program: Program,
    terminal: Option<Terminal>,
    starters: &Starters,
) -> Result<Running, DoorError> {
    let terminal = match terminal {
        Some(terminal) => {
            let (master, theirs) = Master::open(terminal.size).map_err(DoorError::Terminal)?;
            let halves = master.halves().map_err(DoorError::Terminal)?;
            Some(((master, halves), theirs, terminal.kind))
        }
        None => None,
    };
    let (run, mut group) = starters.group();
    let mut command = Command::new(&settings.program);
    command.arg0(starter::SHELL);
    if terminal.is_some() {
        command.arg(starter::ON_TERMINAL);
    }
    command.args(group.procs()).arg("--").arg(&program.path).arg(&program.name);
    command.args(&program.args).current_dir(&program.home).env_clear();
    for (key, value) in [
        ("USER", program.user.as_str()),
        ("LOGNAME", program.user.as_str()),
        ("SHELL", program.shell.as_str()),
        ("PATH", settings.path.as_str()),
        ("LANG", "C.UTF-8"),
    ] {
        command.env(key, value);
    }
    command.env("HOME", &program.home);
    let master = match terminal {
        Some((master, [one, two, three], kind)) => {
            command.stdin(one).stdout(two).stderr(three);
            command.env("TERM", if kind.is_empty() { "dumb" } else { &kind });
            Some(master)
        }
        None => {
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            None
        }
    };
    let spawned = command.spawn();
    let child = match spawned {
        Ok(child) => child,
        Err(source) => {
            if let Err(error) = group.remove() {
                tracing::debug!(%error, "a control group that was not used is not removed");
            }
            return Err(DoorError::Start { program: program.path, source });
        }
    };
    let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    group.began(leader, &starters.runs(), &run);
    Ok(Running { child, group, terminal: master, _temporary: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "root:x:0:0:root:/root:/bin/bash\n\
        daemon:x:1:1::/usr/sbin:/usr/sbin/nologin\n\
        ubuntu:x:1000:1001:Ubuntu:/home/ubuntu:/bin/bash\n";

    #[test]
    fn accounts_are_read_by_their_whole_name() {
        let ubuntu = account(TABLE, "ubuntu").unwrap();
        assert_eq!((ubuntu.id.as_str(), ubuntu.home.as_str()), ("1000", "/home/ubuntu"));
        assert_eq!(account(TABLE, "root").unwrap().shell, "/bin/bash");
        assert_eq!(account(TABLE, "ubunt"), None);
        assert_eq!(account(TABLE, ""), None);
    }

    fn line(user: Option<&str>, command: Option<&str>) -> Vec<String> {
        let own = |text: &str| text.to_owned();
        let program = shell(TABLE, user.map(own), command.map(own)).unwrap();
        let mut words = vec![program.path.display().to_string()];
        words.extend(program.args.iter().map(|word| word.to_string_lossy().into_owned()));
        words.push(format!("as {}", program.user));
        words
    }

    #[test]
    fn whoever_is_not_root_becomes_so_without_a_login_session() {
        assert_eq!(line(None, Some("ls -l")), ["/bin/bash", "-c", "ls -l", "as root"]);
        assert_eq!(line(Some("root"), None), ["/bin/bash", "-l", "as root"]);
        let ubuntu = line(Some("ubuntu"), Some("id"));
        let before = ["/usr/bin/setpriv", "--reuid", "1000", "--regid", "1001", "--init-groups"];
        assert_eq!(ubuntu[..6], before);
        assert_eq!(ubuntu[6..], ["--", "/bin/bash", "-c", "id", "as ubuntu"]);
        // Where the account is missing it is root; any other is refused.
        let table = TABLE.replace("ubuntu:x", "other:x");
        let program = shell(&table, Some("ubuntu".to_owned()), None).unwrap();
        assert_eq!((program.user.as_str(), program.path), ("root", PathBuf::from("/bin/bash")));
        assert!(matches!(shell(&table, Some("ann".to_owned()), None), Err(DoorError::NoUser(_))));
    }
}
