//! `cargo verify [--quick]`: everything that must pass. `cargo verify ids`: what proves which line of the
//! checklists.

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use muster_console::outcome::Chain;
use muster_tests::call;
use muster_tests::verify::{self, Verified};
use muster_tests::voice::Voice;

/// Checks format, lints and documents, and runs every test: unit, property, simulation, scenario,
/// contract, the charms' own, and the system tests on real machines. Installs what that needs.
#[derive(Debug, Parser)]
#[command(name = "cargo verify")]
struct Arguments {
    /// Leave out the system tests, which need root, disk and minutes.
    #[arg(long)]
    quick: bool,
    #[command(subcommand)]
    instead: Option<Instead>,
}

#[derive(Debug, Subcommand)]
enum Instead {
    /// Run nothing; say for each line of the checklists which tests claim it, or why none does.
    Ids,
}

fn main() -> ExitCode {
    let Arguments { quick, instead } = Arguments::parse_from(call::words());
    let voice = Voice::new();
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.parent().unwrap_or(package);
    let done = match instead {
        Some(Instead::Ids) => verify::account(root),
        None => verify::run(root, quick, &voice).map(|verified| closing(&verified)),
    };
    match done {
        Ok(text) => {
            print(text.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => {
            voice.say(format_args!("ERROR {}", Chain(&error)));
            ExitCode::FAILURE
        }
    }
}

fn closing(verified: &Verified) -> String {
    let mut text = format!("tests: {}\n", verified.tally);
    for proof in &verified.proofs {
        text.push_str(&format!("{proof}\n"));
        if !proof.outstanding.is_empty() {
            let count = proof.outstanding.len();
            text.push_str(&format!("    {count} claims are by tests that this run left out\n"));
        }
    }
    text
}

#[expect(clippy::print_stdout, reason = "the closing line is this program's output")]
fn print(line: &str) {
    println!("{line}");
}
