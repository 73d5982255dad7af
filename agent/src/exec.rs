//! `juju-exec` and `juju-run`: commands in a unit's context, given on the machine itself (hook
//! contract, section 5.12); and `jujud version`, which libraries ask for.

mod pieces;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use muster_charms::JUJU_VERSION;
use muster_console::flags::{self, Flag, Line, Order, Reading, Usage};
use muster_console::outcome::error_line;
use muster_model::Version;
use muster_model::goal::{RelationGoal, UnitGoal};
use muster_model::hook::{RelationHook, RelationHookKind};
use muster_model::name::{MachineId, RelationId, UnitName};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::hook::output::{self, Piece, Sink, Stream};
use crate::links;
use crate::step::ExecRequest;
use crate::tool;
use crate::wire::{self, Answer, Call};
use crate::world::World;

/// How long `--no-context` waits for the machine's lock.
const PATIENCE: Duration = Duration::from_secs(300);
/// Pieces of output that may wait to be sent.
const AHEAD: usize = 8;
/// Where the socket is, if not at its usual place.
const SOCKET: &str = "MUSTER_EXEC_SOCKET";

const USAGE: Usage = Usage {
    flags: &[&[
        Flag::value(&["u", "unit"], "UNIT", "The unit; all words are the command then."),
        Flag::switch(&["no-context"], "Run without a unit."),
        Flag::value(&["r", "relation"], "ID", "Run in the context of this relation."),
        Flag::value(&["remote-unit"], "UNIT", "The relation's remote unit."),
        Flag::value(&["remote-app"], "APPLICATION", "The relation's remote application."),
        Flag::switch(&["force-remote-unit"], "Take the remote unit even if it is not a member."),
        Flag::switch(&["operator"], "Does nothing here."),
    ]],
    order: Order::FlagsFirst,
    ..Usage::of("juju-exec", "[<unit>] <command> [...]", "Run a command in a unit's context.")
};

/// The client: sends the words to the agent and leaves what comes of them.
#[must_use]
pub fn run(name: &str, words: impl IntoIterator<Item = OsString>) -> u8 {
    call(name, words)
        .unwrap_or_else(|(code, text)| tool::give(&problem(code, &text)).unwrap_or(code))
}

fn call(name: &str, words: impl IntoIterator<Item = OsString>) -> Result<u8, (u8, String)> {
    if let Ok(context) = std::env::var("JUJU_CONTEXT_ID") {
        let shown = context.rsplit_once('-').map_or(context.as_str(), |(shown, _)| shown);
        let text = format!("{name} cannot be called from within a hook, have context \"{shown}\"");
        return Err((2, text));
    }
    let socket = std::env::var_os(SOCKET)
        .map_or_else(|| crate::paths::Paths::usual().exec_socket(), PathBuf::from);
    let args: Result<Vec<String>, OsString> =
        words.into_iter().map(OsString::into_string).collect();
    let args = args.map_err(|word| (2, format!("argument {word:?} is not UTF-8")))?;
    let call = Call { tool: name.to_owned(), cwd: tool::cwd(), args, ..Call::default() };
    pieces::receive(&socket, &call)
        .map_err(|error| (1, format!("no answer of the agent to the end: {error}")))
}

/// `jujud version`: the version, the system and the architecture.
#[must_use]
pub fn version(words: impl IntoIterator<Item = OsString>) -> u8 {
    let asked = words.into_iter().next();
    if !matches!(asked.as_ref().and_then(|word| word.to_str()), Some("version" | "--version")) {
        let answer = Answer {
            stderr: error_line("only `version` is known").into_bytes(),
            ..Answer::default()
        };
        return tool::give(&Answer { code: 2, ..answer }).unwrap_or(2);
    }
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let text = format!("{JUJU_VERSION}-{}-{arch}\n", system());
    u8::from(io::stdout().lock().write_all(text.as_bytes()).is_err())
}

/// The system's word in versions: `debian`, `ubuntu`, or `genericlinux`.
fn system() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("ID="))
        .map_or_else(|| "genericlinux".to_owned(), |id| id.trim_matches('"').to_owned())
}

/// Puts the binary where charms and scripts look for it.
pub(crate) fn install(settings: &Settings, machine: MachineId) -> io::Result<()> {
    let tools = settings.paths.machine_tools(machine);
    std::fs::create_dir_all(&tools)?;
    links::link(&settings.program, &tools.join("jujud"))?;
    links::tools(&settings.program, &settings.paths.all_tools())?;
    let Some(programs) = &settings.paths.programs else { return Ok(()) };
    links::link(&settings.program, &programs.join("juju-exec"))?;
    links::link(&settings.program, &programs.join("juju-run"))
}

/// A command for a unit.
#[derive(Debug)]
pub(crate) struct Asked {
    unit: UnitName,
    request: ExecRequest,
}

/// Hands the command to the unit's task.
pub(crate) fn pass(asked: Asked, running: &BTreeMap<UnitName, mpsc::Sender<ExecRequest>>) {
    let Asked { unit, request } = asked;
    let refused = match running.get(&unit) {
        None => Some((request, "is not running")),
        Some(inbox) => inbox.try_send(request).err().map(|error| match error {
            mpsc::error::TrySendError::Full(request) => (request, "has too many commands waiting"),
            mpsc::error::TrySendError::Closed(request) => (request, "is not running"),
        }),
    };
    if let Some((request, why)) = refused {
        // Whoever asked may have gone.
        let _gone = request.answer.send(problem(1, &format!("unit \"{unit}\" {why}")));
    }
}

fn problem(code: u8, text: &str) -> Answer {
    Answer { code, stderr: error_line(text).into_bytes(), ..Answer::default() }
}

/// Listens for commands until `stop`. A socket that cannot be had costs this feature, not the agent.
pub(crate) fn serve(world: &World, asked: mpsc::Sender<Asked>, stop: CancellationToken) {
    let path = world.settings.paths.exec_socket();
    let bound = match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => UnixListener::bind(&path),
    };
    let listener = bound.and_then(|listener| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(listener)
    });
    let listener = match listener {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, path = %path.display(), "juju-exec will not work");
            return;
        }
    };
    let world = world.clone();
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let (world, asked, stop) = (world.clone(), asked.clone(), stop.clone());
            tokio::spawn(async move {
                if let Err(error) = one(&world, &asked, &stop, stream).await {
                    tracing::debug!(%error, "juju-exec left before its answer");
                }
            });
        }
    });
}

async fn one(
    world: &World,
    asked: &mpsc::Sender<Asked>,
    stop: &CancellationToken,
    mut stream: UnixStream,
) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let read = tokio::time::timeout(Duration::from_secs(10), wire::read_async(&mut stream)).await;
    let call = read.map_err(io::Error::other)?.and_then(Call::from_fields)?;
    let (output, printed) = mpsc::channel(AHEAD);
    let answer = async {
        let carried = if peer.uid() == rustix::process::geteuid().as_raw() {
            carry_out(world, asked, stop, call, output).await
        } else {
            drop(output);
            Err((1, "permission denied".to_owned()))
        };
        carried.unwrap_or_else(|(code, text)| problem(code, &text))
    };
    pieces::send(stream, printed, answer).await
}

type Refused = (u8, String);

async fn carry_out(
    world: &World,
    asked: &mpsc::Sender<Asked>,
    stop: &CancellationToken,
    call: Call,
    output: mpsc::Sender<Piece>,
) -> Result<Answer, Refused> {
    let line = match flags::read(&USAGE, call.args) {
        Ok(Reading::Line(line)) => line,
        Ok(Reading::Help) => {
            return Ok(Answer { stdout: USAGE.help("").into_bytes(), ..Answer::default() });
        }
        Err(error) => return Err((2, error.to_string())),
    };
    if line.on("no-context") {
        let command = command(&line.words)?;
        return without_unit(world, stop, &call.cwd, &command, output).await;
    }
    let goal = world.goal.borrow().clone();
    let units = goal.as_ref().map(|goal| &goal.units);
    let (unit, words) = which(&line, units)?;
    let command = command(words)?;
    let wanted = units.and_then(|units| units.get(&unit));
    let relation = match (line.last("r"), wanted) {
        (Some(text), Some(wanted)) => Some(relation(&line, text, wanted)?),
        _ => None,
    };
    let (answer, answered) = oneshot::channel();
    let request = ExecRequest { command, relation, output, answer };
    let gone = |_| (1, "the agent is stopping".to_owned());
    asked.send(Asked { unit, request }).await.map_err(|_| gone(()))?;
    answered.await.map_err(|_| gone(()))
}

/// The unit and the words of the command.
fn which<'a>(
    line: &'a Line,
    units: Option<&BTreeMap<UnitName, UnitGoal>>,
) -> Result<(UnitName, &'a [String]), Refused> {
    let known = |unit: &UnitName| units.is_some_and(|units| units.contains_key(unit));
    let missing = |text: &str| (1, format!("unit \"{text}\" not found on this machine"));
    if let Some(text) = line.last("u") {
        let unit = unit(text).filter(known).ok_or_else(|| missing(text))?;
        return Ok((unit, &line.words));
    }
    let first = line.word(0).and_then(|word| unit(word).map(|unit| (word, unit)));
    if let Some((word, unit)) = first {
        if !known(&unit) {
            return Err(missing(word));
        }
        return Ok((unit, line.words.get(1..).unwrap_or_default()));
    }
    match units.map(|units| units.keys().collect::<Vec<_>>()).as_deref() {
        Some([only]) => Ok(((*only).clone(), &line.words)),
        _ => Err((2, "missing unit-name".to_owned())),
    }
}

/// A unit by its name or its tag.
fn unit(text: &str) -> Option<UnitName> {
    UnitName::from_tag(text).or_else(|| text.parse().ok())
}

/// One word is text for the shell as it is; several are quoted and joined.
fn command(words: &[String]) -> Result<String, Refused> {
    match words {
        [] => Err((2, "missing commands".to_owned())),
        [one] => Ok(one.clone()),
        several => Ok(several.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")),
    }
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn relation(line: &Line, text: &str, wanted: &UnitGoal) -> Result<RelationHook, Refused> {
    let number = text.rsplit(':').next().unwrap_or_default();
    let id = number
        .parse::<u32>()
        .map(RelationId)
        .map_err(|_| (2, format!("invalid relation id {text:?}")))?;
    let goal =
        wanted.relations.get(&id).ok_or_else(|| (1, format!("unknown relation id: {id}")))?;
    let remote = remote(line, id, goal)?;
    Ok(RelationHook {
        kind: RelationHookKind::Changed,
        relation: id,
        endpoint: goal.endpoint.clone(),
        remote_application: goal.remote_application.clone(),
        remote_unit: remote,
        version: Version::ZERO,
        departing_unit: None,
    })
}

fn remote(line: &Line, id: RelationId, goal: &RelationGoal) -> Result<Option<UnitName>, Refused> {
    if let Some(text) = line.last("remote-unit") {
        let unit: UnitName =
            text.parse().map_err(|_| (2, format!("invalid unit name {text:?}")))?;
        if !goal.members.contains_key(&unit) && !line.on("force-remote-unit") {
            return Err((1, format!("unknown remote unit {unit}")));
        }
        return Ok(Some(unit));
    }
    if line.has("remote-app") {
        return Ok(None);
    }
    let members: Vec<&UnitName> = goal.members.keys().collect();
    match members.as_slice() {
        [one] => Ok(Some((*one).clone())),
        [] => Err((1, format!("cannot infer remote unit in empty relation {id}"))),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err((1, format!("ambiguous remote unit; possibilities are {names:?}")))
        }
    }
}

async fn without_unit(
    world: &World,
    stop: &CancellationToken,
    cwd: &str,
    command: &str,
    output: mpsc::Sender<Piece>,
) -> Result<Answer, Refused> {
    let held = tokio::select! {
        biased;
        () = stop.cancelled() => return Err((1, "the agent is stopping".to_owned())),
        held = tokio::time::timeout(PATIENCE, world.locks.machine()) => held,
    };
    let held =
        held.map_err(|_| (1, "the machine's lock was not free for five minutes".to_owned()))?;
    let cwd = if Path::new(cwd).is_absolute() { cwd } else { "/" };
    let wrong = |error| (1, format!("cannot run bash: {error}"));
    let mut child = tokio::process::Command::new("/bin/bash")
        .args(["-c", command])
        .current_dir(cwd)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env_clear()
        .env("PATH", &world.settings.path)
        .spawn()
        .map_err(wrong)?;
    let over = CancellationToken::new();
    let reading = |stream| output::Reading {
        stream,
        sink: Sink::Sent(output.clone()),
        kept: Arc::default(),
        over: over.clone(),
    };
    let readers = [
        child
            .stdout
            .take()
            .map(|from| tokio::spawn(output::read(from, reading(Stream::Out), |_| ()))),
        child
            .stderr
            .take()
            .map(|from| tokio::spawn(output::read(from, reading(Stream::Err), |_| ()))),
    ];
    drop(output);
    let status = child.wait().await;
    over.cancel();
    for reader in readers.into_iter().flatten() {
        reader.await.map_err(|broken| wrong(io::Error::other(broken)))?;
    }
    drop(held);
    let code = status.map_err(wrong)?.code().and_then(|code| u8::try_from(code).ok());
    Ok(Answer { code: code.unwrap_or(1), ..Answer::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Line {
        match flags::read(&USAGE, line.split(' ').map(str::to_owned)) {
            Ok(Reading::Line(line)) => line,
            other => panic!("{other:?}"),
        }
    }

    /// Hook contract A14.
    #[test]
    fn a14_the_unit_may_be_named_in_three_ways_or_left_out() {
        assert_eq!(unit("unit-my-db2-0").unwrap().to_string(), "my-db2/0");
        assert_eq!(unit("wiki/3").unwrap().to_string(), "wiki/3");
        assert_eq!(which(&words("uptime"), None).unwrap_err(), (2, "missing unit-name".into()));
        assert_eq!(
            which(&words("x/0 uptime"), None).unwrap_err(),
            (1, "unit \"x/0\" not found on this machine".into())
        );
        assert_eq!(command(&[]).unwrap_err(), (2, "missing commands".into()));
    }

    #[test]
    fn one_word_is_shell_text_and_several_are_quoted() {
        let all = |words: &[&str]| {
            command(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>()).unwrap()
        };
        assert_eq!(all(&["echo $X | cat"]), "echo $X | cat");
        assert_eq!(all(&["echo", "a b", "it's", ""]), r"echo 'a b' 'it'\''s' ''");
    }

    #[test]
    fn flags_of_the_command_are_the_commands() {
        let line = words("-u a/0 ls -l --all");
        assert_eq!(line.words, ["ls", "-l", "--all"]);
    }
}
