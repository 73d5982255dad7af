//! The last step before a hook: the binary starts itself under this name, joins the hook's control
//! group, waits to be told what to become, and becomes it.
//!
//! The agent starts it without forking itself; and since the process joins the group before it is
//! the hook, no child of the hook is ever outside (reliability document, R6).

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::wire;

/// The name under which the binary is this.
pub const NAME: &str = "muster-hook-start";

/// The name under which it starts what an operator runs: the words say what that is, since its standard
/// input is the operator's.
pub const SHELL: &str = "muster-shell-start";

/// First of its words, if its standard input is a terminal that it shall be in charge of.
pub const ON_TERMINAL: &str = "--terminal";

/// What a process is to become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// The program; it sees this as its own name, too.
    pub program: PathBuf,
    /// Where it begins.
    pub cwd: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its whole environment.
    pub variables: Vec<(OsString, OsString)>,
}

impl Order {
    /// As a message.
    ///
    /// # Errors
    /// If it is larger than any may be.
    pub fn encode(&self) -> io::Result<Vec<u8>> {
        let count = self.args.len().to_string();
        let mut fields: Vec<&[u8]> = vec![
            self.program.as_os_str().as_bytes(),
            self.cwd.as_os_str().as_bytes(),
            count.as_bytes(),
        ];
        fields.extend(self.args.iter().map(|arg| arg.as_bytes()));
        for (key, value) in &self.variables {
            fields.extend([key.as_bytes(), value.as_bytes()]);
        }
        wire::encode(&fields)
    }

    fn decode(fields: Vec<Vec<u8>>) -> Option<Order> {
        let mut fields = fields.into_iter().map(OsString::from_vec);
        let (program, cwd) = (fields.next()?.into(), fields.next()?.into());
        let count: usize = fields.next()?.to_str()?.parse().ok()?;
        let args: Vec<OsString> = fields.by_ref().take(count).collect();
        let mut variables = Vec::new();
        while let Some(key) = fields.next() {
            variables.push((key, fields.next()?));
        }
        (args.len() == count).then_some(Order { program, cwd, args, variables })
    }
}

/// Joins the groups whose `cgroup.procs` the arguments name, and becomes what standard input says.
/// Returns if that fails, or if nothing is said: then there is no hook to run. Only the first group must
/// be joined, the others only count what is in it.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    if let Err(error) = rustix::process::setsid() {
        return fail("cannot start a session", &error.into());
    }
    for (number, group) in args.into_iter().enumerate() {
        let Err(error) = std::fs::write(&group, "0") else { continue };
        let failed = fail("cannot join the control group", &error);
        if number == 0 {
            return failed;
        }
    }
    let order = match wire::read(io::stdin().lock()) {
        Ok(fields) => Order::decode(fields),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return 0,
        Err(error) => return fail("cannot read what to run", &error),
    };
    let Some(order) = order else {
        return fail("cannot read what to run", &io::Error::from(io::ErrorKind::InvalidData));
    };
    let name: &OsStr = order.program.as_os_str();
    let error = Command::new(&order.program)
        .arg0(name)
        .args(order.args)
        .env_clear()
        .envs(order.variables)
        .current_dir(order.cwd)
        .stdin(Stdio::null())
        .exec();
    fail(&format!("cannot run {}", order.program.display()), &error)
}

/// Joins the groups whose `cgroup.procs` are named before `--`, and becomes the program after it: its
/// path, its name, its words. Environment, folder and streams are what it was given. Returns if that
/// fails.
#[must_use]
pub fn run_shell(args: impl IntoIterator<Item = OsString>) -> u8 {
    if let Err(error) = rustix::process::setsid() {
        return fail("cannot start a session", &error.into());
    }
    let mut args = args.into_iter();
    for group in args.by_ref().take_while(|word| word != "--") {
        if group == ON_TERMINAL {
            if let Err(error) = rustix::process::ioctl_tiocsctty(rustix::stdio::stdin()) {
                return fail("cannot take charge of the terminal", &error.into());
            }
        } else if let Err(error) = std::fs::write(&group, "0") {
            return fail("cannot join the control group", &error);
        }
    }
    let (Some(program), Some(name)) = (args.next(), args.next()) else {
        return fail("cannot read what to run", &io::Error::from(io::ErrorKind::InvalidData));
    };
    let error = Command::new(&program).arg0(name).args(args).exec();
    fail(&format!("cannot run {}", program.display()), &error)
}

fn fail(what: &str, error: &io::Error) -> u8 {
    // The agent logs what comes on standard error; without it the exit code remains.
    let _nobody = writeln!(io::stderr().lock(), "{what}: {error}");
    126
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_read_back() {
        let order = Order {
            program: "/charm/hooks/install".into(),
            cwd: "/charm".into(),
            args: vec!["-c".into(), "".into()],
            variables: vec![("PATH".into(), "/bin".into()), ("EMPTY".into(), "".into())],
        };
        let fields = wire::read(&*order.encode().unwrap()).unwrap();
        assert_eq!(Order::decode(fields), Some(order));
    }

    #[test]
    fn an_order_cut_short_is_none() {
        let fields = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect();
        assert_eq!(Order::decode(fields(&["/p", "/", "1"])), None);
        assert_eq!(Order::decode(fields(&["/p", "/", "0", "KEY"])), None);
        assert_eq!(Order::decode(fields(&["/p"])), None);
    }
}
