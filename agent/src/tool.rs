//! The tool's side of a call: what the binary does when it is started under a tool's name.
//!
//! Nothing of the agent is set up here: no runtime, no log, no configuration. A hook calls its tools
//! by the hundred, and each is a process of its own (performance document, Q8).

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::wire::{self, Answer, Call};

/// Carries out the tool called `name` and returns its exit code.
#[must_use]
pub fn run(name: &str) -> u8 {
    match call(name) {
        Ok(answer) => give(&answer).unwrap_or(1),
        Err(problem) => {
            say(&format!("ERROR {problem}\n"));
            1
        }
    }
}

fn call(name: &str) -> Result<Answer, String> {
    let variable = |key: &str| match env::var(key) {
        Ok(value) if !value.is_empty() => Ok(value),
        _ => Err(format!("{key} not set")),
    };
    let context = variable("JUJU_CONTEXT_ID")?;
    let socket = variable("JUJU_AGENT_SOCKET_ADDRESS")?;
    let args: Result<Vec<String>, String> =
        env::args_os().skip(1).map(|word| text(name, word)).collect();
    let args = args?;
    let stdin = if reads_stdin(name, &args) { Some(stdin()?) } else { None };
    let call = Call { context, tool: name.to_owned(), cwd: cwd(), stdin, args };
    exchange(Path::new(&socket), &call).map_err(|error| format!("cannot reach the agent: {error}"))
}

/// A word as text. Words that somebody reads are taken with what is no text in them replaced, because
/// a charm passes on what a program printed; of anything else a changed byte would be another value.
fn text(tool: &str, word: OsString) -> Result<String, String> {
    let prose = ["juju-log", "status-set", "action-log", "action-set", "action-fail"];
    match word.into_string() {
        Ok(text) => Ok(text),
        Err(word) if prose.contains(&tool) => Ok(word.to_string_lossy().into_owned()),
        Err(word) => Err(format!("argument {word:?} is not UTF-8")),
    }
}

/// One call over `socket`.
fn exchange(socket: &Path, call: &Call) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    // An agent that refuses the caller answers without reading what it wants.
    let asked = wire::write(&mut stream, &call.fields());
    let answer = wire::read(io::BufReader::new(stream)).and_then(Answer::from_fields);
    answer.or_else(|problem| asked.and(Err(problem)))
}

/// The working directory as the agent can use it; empty if there is none any more.
pub(crate) fn cwd() -> String {
    env::current_dir()
        .ok()
        .and_then(|path| path.into_os_string().into_string().ok())
        .unwrap_or_default()
}

/// Whether the tool takes standard input with these words. All others leave it alone: a `while read`
/// loop that calls them goes on (hook contract, section 3.4).
fn reads_stdin(name: &str, args: &[String]) -> bool {
    if !matches!(name, "relation-set" | "state-set" | "secret-add" | "secret-set") {
        return false;
    }
    let mut before = "";
    for word in args {
        if word == "--" {
            return false;
        }
        if word == "--file=-" || (before == "--file" && word == "-") {
            return true;
        }
        before = word;
    }
    false
}

fn stdin() -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    // Not read to its end: whoever writes more is told by its pipe.
    match io::stdin().lock().take(wire::MAX_STDIN as u64 + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() > wire::MAX_STDIN => {
            Err(format!("standard input is larger than {} bytes", wire::MAX_STDIN))
        }
        Ok(_) => Ok(bytes),
        Err(error) => Err(format!("cannot read standard input: {error}")),
    }
}

/// Leaves the answer where the caller looks for it.
pub(crate) fn give(answer: &Answer) -> io::Result<u8> {
    if answer.output.is_empty() {
        io::stdout().lock().write_all(&answer.stdout)?;
    } else if let Err(error) = fs::write(&answer.output, &answer.stdout) {
        say(&format!("ERROR cannot write {:?}: {error}\n", answer.output));
        return Ok(1);
    }
    io::stderr().lock().write_all(&answer.stderr)?;
    Ok(answer.code)
}

fn say(text: &str) {
    // If even this fails there is nobody to tell; the exit code remains.
    let _nobody = io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::{reads_stdin, text};
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    /// Hook contract T43.
    #[test]
    fn what_somebody_reads_may_hold_any_byte() {
        let word = || OsString::from_vec(b"caf\xe9 au lait".to_vec());
        for tool in ["juju-log", "status-set", "action-log", "action-set", "action-fail"] {
            assert_eq!(text(tool, word()).unwrap(), "caf\u{fffd} au lait");
        }
        let refused = text("relation-set", word()).unwrap_err();
        assert_eq!(refused, "argument \"caf\\xE9 au lait\" is not UTF-8");
    }

    /// Hook contract E22.
    #[test]
    fn e22_only_a_file_dash_takes_standard_input() {
        let reads = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            reads_stdin(&words[0], &words[1..])
        };
        assert!(reads("relation-set -r 1 --file -"));
        assert!(reads("state-set --file=- a=b"));
        assert!(reads("secret-add --label x --file -") && reads("secret-set id --file=-"));
        assert!(!reads("secret-get --file -"));
        assert!(!reads("config-get key"));
        assert!(!reads("relation-set a=b"));
        assert!(!reads("relation-set --file x -"));
        assert!(!reads("juju-log --file -"));
    }
}
