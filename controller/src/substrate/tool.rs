//! Tools of the host, run to their end.
//!
//! Only what would be silly by hand: `ip`, `nft`, `mmdebstrap`, `apt-get`, `losetup`.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::error::SubstrateError;

/// Where tools are looked for besides the caller's `PATH`: a root shell of a plain account lacks
/// the `sbin` folders.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Bytes of a failed tool's stderr that go into the error.
const SAID: usize = 2000;

/// Whether the tool is on this host.
pub(super) fn exists(tool: &str) -> bool {
    FOLDERS.iter().any(|folder| Path::new(folder).join(tool).exists())
}

/// A command that is found in the host's own folders, with a neutral locale.
pub(super) fn command(tool: &str) -> Command {
    let mut command = Command::new(tool);
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command.env("LC_ALL", "C.UTF-8");
    command.stdin(Stdio::null());
    command
}

/// Runs a tool to its end and gives its stdout.
///
/// # Errors
///
/// [`SubstrateError::ToolStart`] and [`SubstrateError::Tool`].
pub(super) fn run<S: AsRef<OsStr>>(tool: &str, args: &[S]) -> Result<String, SubstrateError> {
    finish(command(tool).args(args), None)
}

/// Runs a tool with the given text on its stdin.
///
/// # Errors
///
/// As [`run`].
pub(super) fn run_with<S: AsRef<OsStr>>(
    tool: &str,
    args: &[S],
    input: &str,
) -> Result<String, SubstrateError> {
    finish(command(tool).args(args), Some(input))
}

fn finish(command: &mut Command, input: Option<&str>) -> Result<String, SubstrateError> {
    let line = line_of(command);
    let start = |source| SubstrateError::ToolStart { tool: line.clone(), source };
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(start)?;
    if let (Some(text), Some(mut pipe)) = (input, child.stdin.take()) {
        // A tool that ends early closes the pipe; what it said then is the better error.
        if let Err(error) = pipe.write_all(text.as_bytes()) {
            tracing::debug!(%error, tool = %line, "a tool did not read all of its input");
        }
    }
    let output = child.wait_with_output().map_err(start)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(SubstrateError::Tool {
        line: line_of(command),
        status: output.status.to_string(),
        said: tail(&String::from_utf8_lossy(&output.stderr), SAID),
    })
}

/// The command as one line for messages.
pub(super) fn line_of(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}

/// The last `most` bytes of a text, trimmed, not cut inside a character.
pub(super) fn tail(text: &str, most: usize) -> String {
    let text = text.trim();
    let mut from = text.len().saturating_sub(most);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.get(from..).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_tool_tells_its_line_and_what_it_said() {
        let error = run("sh", &["-c", "echo words >&2; exit 3"]).unwrap_err().to_string();
        assert!(error.contains("sh -c"), "{error}");
        assert!(error.contains("words"), "{error}");
        assert!(error.contains('3'), "{error}");
    }

    #[test]
    fn input_reaches_the_tool() {
        assert_eq!(run_with("cat", &[] as &[&str], "text").unwrap(), "text");
    }

    #[test]
    fn a_tail_is_cut_between_characters() {
        assert_eq!(tail("aä", 1), "");
        assert_eq!(tail("abcd", 2), "cd");
    }
}
