//! Makes the real parts, or takes them from the cache, and prints where they lie.

use std::path::PathBuf;
use std::process::ExitCode;

use muster_console::outcome::Chain;
use muster_tests::parts;
use muster_tests::voice::Voice;

fn main() -> ExitCode {
    let voice = Voice::new();
    let home = std::env::args_os().nth(1).map_or_else(|| parts::HOME.into(), PathBuf::from);
    match parts::provide(&home, &voice) {
        Ok(parts) => {
            for part in [&parts.spark, &parts.extra_jars] {
                print(&format!("{} {}", part.sha256, part.path.display()));
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            voice.say(format_args!("ERROR {}", Chain(&error)));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the paths are this program's output")]
fn print(line: &str) {
    println!("{line}");
}
