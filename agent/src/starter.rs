//! The last step before a hook: the binary starts itself under this name, joins the hook's control
//! group and becomes the hook.
//!
//! The agent starts it without forking itself; and since the process joins the group before it is
//! the hook, no child of the hook is ever outside (reliability document, R6).

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The name under which the binary is this.
pub const NAME: &str = "muster-hook-start";

/// Becomes the program that the arguments name: the group's `cgroup.procs` (or nothing), the name
/// the program sees as its own, the program, its arguments. Returns only if that fails.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let mut args = args.into_iter();
    let (Some(group), Some(name), Some(program)) = (args.next(), args.next(), args.next()) else {
        return fail("too few arguments", &io::Error::from(io::ErrorKind::InvalidInput));
    };
    if let Err(error) = rustix::process::setsid() {
        return fail("cannot start a session", &error.into());
    }
    if !group.is_empty()
        && let Err(error) = std::fs::write(&group, "0")
    {
        return fail("cannot join the control group", &error);
    }
    let error = Command::new(&program).arg0(name).args(args).exec();
    fail(&format!("cannot run {}", program.display()), &error)
}

fn fail(what: &str, error: &io::Error) -> u8 {
    // The agent logs what comes on standard error; without it the exit code remains.
    let _nobody = writeln!(io::stderr().lock(), "{what}: {error}");
    126
}
