//! `cargo measure [ROW …]`: speed beside its yardsticks.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use muster_console::outcome::Chain;
use muster_resources::archive::reader;
use muster_tests::call::{self, Call};
use muster_tests::measure::child::{self, Inner};
use muster_tests::measure::{self, Bench, MeasureError, log, table};
use muster_tests::voice::Voice;

/// Measures rows beside their yardsticks, in pairs, and prints ratios. Runs in which others used the
/// machine are dropped and counted.
#[derive(Debug, Parser)]
#[command(name = "cargo measure")]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    inner: Option<Hidden>,
    /// The rows to measure, by name or by its beginning (Q16 for Q16-100 and Q16-1000); all if none is named.
    rows: Vec<String>,
    /// List the rows and measure nothing.
    #[arg(long)]
    list: bool,
    /// Take a tenth of the pairs, and noisy runs too: a look, not a measurement.
    #[arg(long)]
    rough: bool,
    /// Measure the programs in this folder, and build none.
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
    /// A file to which one line of JSON is added for each row.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Hidden {
    /// What the rows run in a process of its own.
    #[command(hide = true, subcommand)]
    Inner(Inner),
}

fn main() -> ExitCode {
    if std::env::args().next().is_some_and(|own| own == reader::NAME) {
        return reader::serve();
    }
    let voice = Voice::new();
    match measure(&Arguments::parse_from(call::words()), &voice) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            voice.say(format_args!("ERROR {}", Chain(&error)));
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments, voice: &Voice) -> Result<(), MeasureError> {
    if let Some(Hidden::Inner(inner)) = &arguments.inner {
        let taken = child::perform(inner)?;
        let line = serde_json::to_string(&taken);
        print(&line.map_err(|error| MeasureError::Unequal(error.to_string()))?);
        return Ok(());
    }
    if arguments.list {
        for row in measure::rows() {
            print(&format!("{}  {} / {}", row.id, row.what, row.yardstick));
        }
        return Ok(());
    }
    if let Some(folder) = &arguments.programs {
        measure::programs::take_from(folder.clone());
    }
    let bench = Bench { strict: !arguments.rough, shorten: if arguments.rough { 10 } else { 1 } };
    let measured = measure::run(&arguments.rows, &bench, voice)?;
    print(&table::table(&measured));
    if let Some(path) = &arguments.log {
        let commit = Call::new("git").args(["rev-parse", "--short", "HEAD"]).run();
        // Outside a clone there is no commit to name.
        let commit = commit.unwrap_or_default();
        for (row, outcome) in &measured {
            log::append(path, now(), commit.trim(), row.id, outcome)?;
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a log line carries the time it was measured at")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

#[expect(clippy::print_stdout, reason = "the table is this program's output")]
fn print(text: &str) {
    println!("{text}");
}
