//! `cargo verify [--quick]`: everything that must pass.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use muster_console::outcome::Chain;
use muster_tests::call;
use muster_tests::verify;
use muster_tests::voice::Voice;

/// Checks format, lints and documents, and runs every test: unit, property, simulation, scenario,
/// contract, the charms' own, and the system tests on real machines. Installs what that needs.
#[derive(Debug, Parser)]
#[command(name = "cargo verify")]
struct Arguments {
    /// Leave out the system tests, which need root, disk and minutes.
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    let Arguments { quick } = Arguments::parse_from(call::words());
    let voice = Voice::new();
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.parent().unwrap_or(package);
    match verify::run(root, quick, &voice) {
        Ok(tally) => {
            print(&format!("tests: {tally}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            voice.say(format_args!("ERROR {}", Chain(&error)));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the closing line is this program's output")]
fn print(line: &str) {
    println!("{line}");
}
