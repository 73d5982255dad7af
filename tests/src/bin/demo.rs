//! `cargo demo`: the main job, from nothing, on real parts.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use muster_console::outcome::Chain;
use muster_tests::call;
use muster_tests::demo::{self, Order, Place};
use muster_tests::voice::Voice;

/// Deploys a Ceph gateway, a Spark cluster and a MariaDB onto system containers of this host, counts
/// the words of real text with Spark, and compares the row in MariaDB with a count made without it.
///
/// Can be run again at any time: what stands is left alone.
#[derive(Debug, Parser)]
#[command(name = "cargo demo")]
struct Arguments {
    #[command(subcommand)]
    order: Option<Word>,
}

#[derive(Debug, Subcommand)]
enum Word {
    /// Everything (this is what happens without a word).
    Up,
    /// Everything, and the job once more though its row is there.
    Again,
    /// Bring Spark to so many units.
    Scale {
        /// How many.
        #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
        units: u32,
    },
    /// Set options of the Spark charm.
    Config {
        /// Each `key=value`.
        #[arg(required = true)]
        pairs: Vec<String>,
    },
    /// Show the status table.
    Status,
    /// Remove controller, machines and volumes; the cache of parts stays.
    Down,
}

fn main() -> ExitCode {
    let order = match Arguments::parse_from(call::words()).order {
        None | Some(Word::Up) => Order::Up { again: false },
        Some(Word::Again) => Order::Up { again: true },
        Some(Word::Scale { units }) => Order::Scale(units),
        Some(Word::Config { pairs }) => Order::Config(pairs),
        Some(Word::Status) => Order::Status,
        Some(Word::Down) => Order::Down,
    };
    let voice = Voice::new();
    match demo::run(&order, &Place::of_this_program(), &voice) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            voice.say(format_args!("ERROR {}", Chain(&error)));
            ExitCode::FAILURE
        }
    }
}
