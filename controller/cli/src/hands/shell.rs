//! `ssh` and `scp` over the agent's own connection: no port is opened, no key is needed.
//!
//! A command runs as a task on the machine, beside hooks and not behind them. Its streams come back
//! whole when it is over. Files go through such a command too, with their digest, so that one that
//! was cut short on the way is refused and not kept.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use muster_model::command::{ModelCommand, TargetRef};
use muster_resources::Digest;

use super::files;
use super::run::{ask, collect};
use super::session::{Focus, Session};
use crate::clock::Zone;
use crate::commands::common::Patience;
use crate::commands::shell::{Scp, Ssh, target};
use crate::failure::Failure;
use crate::shape::action::Task;

/// The largest file that `scp` carries: what a task's command and its results hold with room to
/// spare. Larger ones are resources.
const LARGEST: usize = 512 << 10;

pub(super) async fn ssh(session: &mut Session<'_>, act: &Ssh) -> Result<(), Failure> {
    if act.command.is_empty() {
        return Err(Failure::new(
            "cannot open an interactive shell: the agent's connection carries commands only",
        )
        .hint("Give the command: muster ssh <unit> <command>"));
    }
    let focus = session.focus().await?;
    // As OpenSSH does: the words are joined and the shell there reads them.
    let task = once(session, &focus, &act.target, act.command.join(" ")).await?;
    session.desk.raw(task.stream("stdout"))?;
    session.desk.raw_words(task.stream("stderr"));
    match task.return_code() {
        Some(0) => Ok(()),
        Some(code) => Err(Failure {
            code: u8::try_from(code).unwrap_or(255),
            ..Failure::new(format!("exit status {code}"))
        }),
        None => {
            Err(Failure::new(format!("the command did not end: {} {}", task.status, task.message)))
        }
    }
}

async fn once(
    session: &mut Session<'_>,
    focus: &Focus,
    place: &TargetRef,
    command: String,
) -> Result<Task, Failure> {
    let targets = vec![place.clone()];
    let command = ModelCommand::RunCommand {
        targets,
        command,
        timeout_ms: None,
        parallel: true,
        execution_group: String::new(),
    };
    let asked = ask(focus, command).await?;
    if asked.tasks.is_empty() {
        let name = crate::commands::actions::named(place);
        return Err(Failure::new(format!("{name} not found")));
    }
    let talk = std::mem::replace(&mut session.desk.talk, crate::desk::Talk::Quiet);
    let views = collect(session, focus, &asked.tasks, Patience::Endless).await;
    session.desk.talk = talk;
    match views?.first() {
        Some(view) => Ok(Task::of(view, &Zone::of(true))),
        None => Err(Failure::new("the command left no result")),
    }
}

/// One operand of `scp`.
enum Place<'a> {
    Here(&'a str),
    There(TargetRef, &'a str),
}

fn place(word: &str) -> Result<Place<'_>, Failure> {
    match word.split_once(':') {
        Some((host, path))
            if !host.contains('/')
                || host.split('/').count() == 2 && !host.starts_with(['.', '/']) =>
        {
            Ok(Place::There(target(host)?, path))
        }
        _ => Ok(Place::Here(word)),
    }
}

pub(super) async fn scp(session: &mut Session<'_>, act: &Scp) -> Result<(), Failure> {
    if let Some(option) = act.words.iter().find(|word| word.starts_with('-')) {
        return Err(Failure::new(format!(
            "option {option} is OpenSSH's; files go one by one over the agent's connection"
        ))
        .hint("For a folder: muster ssh <unit> tar … | tar …, or a resource."));
    }
    let Some((last, sources)) = act.words.split_last() else {
        return Err(Failure::new("at least two arguments required"));
    };
    let focus = session.focus().await?;
    let to = place(last)?;
    for source in sources {
        let name = source.rsplit(['/', ':']).next().unwrap_or_default();
        match (place(source)?, &to) {
            (Place::Here(from), Place::There(host, path)) => {
                let bytes = files::read(&session.desk.path(from), LARGEST).map_err(|failure| {
                    failure.hint("A large file is best attached as a resource.")
                })?;
                let digest = Digest::of(&bytes).to_string();
                let command = format!(
                    "to={path}; to=${{to:-.}}; [ -d \"$to\" ] && to=\"$to/{name}\"; new=\"$to.$$\"; base64 -d > \"$new\" <<'END' && [ \"$(sha256sum < \"$new\" | cut -d' ' -f1)\" = {hex} ] && mv \"$new\" \"$to\"\n{text}\nEND\n",
                    path = quoted(path),
                    name = name.replace(['"', '$', '`', '\\'], "_"),
                    hex = digest.rsplit(':').next().unwrap_or_default(),
                    text = STANDARD.encode(&bytes),
                );
                let task = once(session, &focus, host, command).await?;
                ended(source, &task)?;
            }
            (Place::There(host, path), Place::Here(into)) => {
                let path_word = quoted(path);
                let command =
                    format!("sha256sum < {path_word} | cut -d' ' -f1 && base64 -w0 < {path_word}");
                let task = once(session, &focus, &host, command).await?;
                ended(source, &task)?;
                let bytes = received(task.stream("stdout")).ok_or_else(|| {
                    Failure::new(format!("cannot copy {source}: it did not arrive whole"))
                        .hint(format!("At most {LARGEST} bytes go this way."))
                })?;
                let mut file = session.desk.path(into);
                if file.is_dir() {
                    file.push(name);
                }
                std::fs::write(&file, bytes).map_err(|error| {
                    Failure::tried(format!("cannot write `{}`", file.display()), &error)
                })?;
            }
            _ => {
                return Err(Failure::new(
                    "one side must be on a machine (<unit>:<path>), the other here",
                ));
            }
        }
    }
    Ok(())
}

fn ended(source: &str, task: &Task) -> Result<(), Failure> {
    match task.return_code() {
        Some(0) => Ok(()),
        _ => {
            Err(Failure::new(format!("cannot copy {source}: {}", task.stream("stderr").trim_end())))
        }
    }
}

fn quoted(path: &str) -> String {
    match path.strip_prefix("~/") {
        Some(rest) => format!("~/'{}'", rest.replace('\'', "'\\''")),
        None => format!("'{}'", path.replace('\'', "'\\''")),
    }
}

/// The bytes of a file that came as its digest and its text, if they are whole.
fn received(stdout: &str) -> Option<Vec<u8>> {
    let (hex, text) = stdout.split_once('\n')?;
    let bytes = STANDARD.decode(text.trim_end()).ok()?;
    Digest::of(&bytes).to_string().ends_with(hex.trim()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_arrive_whole_is_refused() {
        let digest = Digest::of(b"hello").to_string();
        let hex = digest.rsplit(':').next().unwrap();
        assert_eq!(received(&format!("{hex}\naGVsbG8=")), Some(b"hello".to_vec()));
        assert_eq!(received(&format!("{hex}\naGVsbA==")), None);
        assert_eq!(received(""), None);
        assert!(matches!(place("wiki/0:/etc/hosts"), Ok(Place::There(..))));
        assert!(matches!(place("./a:b"), Ok(Place::Here(_))));
        assert!(matches!(place("file"), Ok(Place::Here(_))));
    }
}
