//! `muster`, which answers to `juju` too.

use std::process::ExitCode;

use muster::desk::Desk;

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
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => ExitCode::from(runtime.block_on(muster::run(&mut desk, words))),
        Err(error) => {
            desk.error(&format!("cannot start: {error}"));
            ExitCode::FAILURE
        }
    }
}
