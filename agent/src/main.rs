//! The agent, or a hook tool, by the name that the binary is started under.

use std::path::Path;
use std::process::ExitCode;

use muster_resources::archive::reader;

use muster_agent::{daemon, exec, starter, tool, tools};

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let own = words.next().unwrap_or_default();
    let name = Path::new(&own).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // Tools first: whatever comes before them is paid for by every line of every hook.
    if tools::is_tool(name) {
        return tool::run(name).into();
    }
    match name {
        reader::NAME => reader::serve(),
        starter::NAME => starter::run(words).into(),
        starter::SHELL => starter::run_shell(words).into(),
        "juju-exec" | "juju-run" => exec::run(name, words).into(),
        "jujud" => exec::version(words).into(),
        _ => daemon::run(words),
    }
}
