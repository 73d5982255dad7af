//! `muster`, which answers to `juju` too.

use std::process::ExitCode;

use muster::desk::Desk;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let mut desk = Desk::of_this_process();
    let words: Result<Vec<String>, _> =
        std::env::args_os().skip(1).map(std::ffi::OsString::into_string).collect();
    let words = match words {
        Ok(words) => words,
        Err(word) => {
            desk.error(&format!("the word {} is not text in UTF-8", word.display()));
            return ExitCode::from(2);
        }
    };
    log(&words);
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => ExitCode::from(runtime.block_on(muster::run(&mut desk, words))),
        Err(error) => {
            desk.error(&format!("cannot start: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// The program's own log, for who asks for it with `--debug` or `--show-log`.
fn log(words: &[String]) {
    let asked = words.iter().take_while(|word| *word != "--");
    if !asked.into_iter().any(|word| word == "--debug" || word == "--show-log") {
        return;
    }
    let filter = EnvFilter::new("muster=debug,muster_api=debug,info");
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
