//! The operator's hand: the muster command, which answers to juju too.
//!
//! ```text
//! words ──commands──▶ Request { act, model, format } ──hands──▶ model view ──shape──▶ json, yaml
//!                        │                               │                  └─print─▶ tables
//!                        └─ exit 2: nothing was done     └─ Command ─▶ controller
//! ```
//!
//! A line is read completely before anything is touched: [`parse`] is pure, so a story told in the
//! very lines that an operator types needs neither a controller nor a disk. What is then done is
//! in [`hands`], one file a family like [`commands`]; what scripts read is in [`shape`], what people
//! read in [`print`], and which controller and model are meant in [`context`].

pub mod act;
pub mod commands;
pub mod query;

mod clock;
pub mod context;
pub mod desk;
pub mod failure;

pub mod hands;
pub mod print;
pub mod shape;

pub use act::Act;
pub use request::{Request, Said, parse};

mod plugin;
mod request;

use desk::Desk;
use failure::Failure;
use muster_console::outcome::DONE;

/// Carries out a line (without the program's name) at a desk; the answer is the exit code.
pub async fn run(desk: &mut Desk, words: Vec<String>) -> u8 {
    let own =
        words.first().is_none_or(|word| word.starts_with('-') || commands::find(word).is_some());
    if !own && let Some(code) = plugin::run(desk, &words) {
        return code;
    }
    let request = match parse(&words) {
        Ok(Said::Request(request)) => *request,
        Ok(Said::Text(text)) => return end(desk, None, Ok(text)),
        Err(failure) => return end(desk, None, Err(failure)),
    };
    desk.talk = request.talk;
    let empty = request.formatted && matches!(request.style.as_str(), "json" | "yaml");
    let result = hands::carry_out(desk, &request).await;
    end(desk, empty.then_some("{}\n"), result.map(|()| String::new()))
}

/// Writes what is left to say. `instead` is what a caller who asked for data finds on stdout when
/// there is none (CLI contract §1.3).
fn end(desk: &mut Desk, instead: Option<&str>, result: Result<String, Failure>) -> u8 {
    let failure = match result.and_then(|text| desk.data(&text)) {
        Ok(()) => return DONE,
        Err(failure) => failure,
    };
    if let Some(text) = instead.filter(|_| !desk.has_written() && !failure.is_usage()) {
        // Whether or not this can be written, the failure is the answer.
        if let Err(second) = desk.data(text) {
            desk.detail(&second.message);
        }
    }
    if !failure.message.is_empty() {
        desk.error(&failure.to_string());
    }
    failure.code
}
