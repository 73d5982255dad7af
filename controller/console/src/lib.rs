//! What the operator's commands and the hook tools have in common: how a line of words is read, and
//! how an answer, an error and a duration are written.
//!
//! ```text
//! words ──flags──▶ Line ──(the command or tool)──▶ Value ──format──▶ text
//!            └─▶ UsageError ──outcome──▶ `ERROR …`, exit 2
//! ```
//!
//! Pure: nothing here reads a clock, a file or the environment, so the same words give the same
//! answer in a terminal, in a hook and in a test. The rules come from the hook contract §5.1 and
//! §5.2 and from the CLI contract §1.1 to §1.5; they are the same rules.

pub mod flags;
pub mod format;

pub mod duration;
pub mod natural;
pub mod outcome;
