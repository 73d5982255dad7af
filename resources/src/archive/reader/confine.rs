//! What the process that reads an archive gives up before it looks at the first byte.
//!
//! | given up | by | where that is not to be had |
//! | --- | --- | --- |
//! | files, but to write into the folder | Landlock | told in the log, once |
//! | every path that leads elsewhere, sockets too | the folder becomes its root | told in the log, once |
//! | the network | an empty network namespace; Landlock refuses TCP beside it | told in the log, once |
//! | signals to others, abstract sockets | Landlock (Linux 6.12) | – |
//! | every capability, and new ones | `capset`, `no_new_privs` | – |
//! | memory, time, large files, open files | resource limits | an error |
//! | outliving the daemon | the parent's death signal | an error |
//!
//! The user stays the daemon's own: what is unpacked belongs to it (S9: owner root). Root without
//! capabilities and with Landlock has no more than the folder.

use std::io;
use std::os::fd::OwnedFd;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};
use serde::{Deserialize, Serialize};

use super::super::Limits;

/// Bytes of address space that reading may add to what the program has when it starts: an allocator
/// may reserve much before anything is read. What is read goes through in pieces; most of this is what
/// the memory of a few threads is reserved by.
const MEMORY: u64 = 1 << 30;

/// Bytes that are unpacked in a second of processor time, at the very least.
const SLOWEST: u64 = 8 << 20;

/// The newest version of Landlock that is made use of; older ones hold what they know.
const NEWEST: ABI = ABI::V6;

/// What this system could not hold, in words; nothing where it holds everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lacks(pub(super) Vec<String>);

/// Gives up everything but writing below `top`. Called before any other thread is started.
///
/// # Errors
///
/// The kernel's, where it has what is asked for and refuses it.
pub(super) fn confine(top: Option<&OwnedFd>, limits: &Limits) -> io::Result<Lacks> {
    let parent = rustix::process::getppid();
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    if rustix::process::getppid() != parent {
        return Err(io::Error::other("whoever asked has ended"));
    }
    bound(limits)?;
    let mut lacks = Lacks::default();
    shut_in(top, &mut lacks)?;
    give_up(top, &mut lacks)?;
    Ok(lacks)
}

/// Bytes of address space that the process has: the first number of `statm`, in pages.
fn address_space() -> io::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages = text.split(' ').next().and_then(|pages| pages.parse::<u64>().ok());
    let pages = pages.ok_or_else(|| io::Error::other("`/proc/self/statm` holds no number"))?;
    Ok(pages.saturating_mul(rustix::param::page_size() as u64))
}

fn bound(limits: &Limits) -> io::Result<()> {
    for (resource, most) in [
        (Resource::As, address_space()?.saturating_add(MEMORY)),
        (Resource::Cpu, 60 + limits.unpacked / SLOWEST),
        (Resource::Fsize, limits.file),
        (Resource::Nofile, 256),
        (Resource::Core, 0),
    ] {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

/// Takes the folder for the root of everything; without one, a place where nothing is.
fn shut_in(top: Option<&OwnedFd>, lacks: &mut Lacks) -> io::Result<()> {
    let inside = match top {
        Some(top) => rustix::process::fchdir(top),
        // It shows what this process has open, and has neither folders nor sockets.
        None => rustix::process::chdir("/proc/self/fdinfo"),
    };
    inside?;
    if let Err(errno) = rustix::process::chroot(".") {
        // Only root may.
        lacks.0.push(format!("no root of its own: {errno}"));
    }
    Ok(())
}

/// The rights of this thread and of those that it starts.
fn give_up(top: Option<&OwnedFd>, lacks: &mut Lacks) -> io::Result<()> {
    if let Err(errno) = unshare(UnshareFlags::NEWNET) {
        // Only root may; what is left is what Landlock refuses.
        lacks.0.push(format!("no network namespace of its own: {errno}"));
    }
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets)?;
    match landlock(top).map_err(io::Error::other)? {
        // Older ones lack what concerns files least: devices' requests, signals, sockets.
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => {}
        RulesetStatus::NotEnforced => lacks.0.push("no Landlock in this kernel".to_owned()),
    }
    Ok(())
}

#[expect(deprecated, reason = "unsafe only for tables of open files, which are not asked for")]
fn unshare(flags: UnshareFlags) -> rustix::io::Result<()> {
    rustix::thread::unshare(flags)
}

fn landlock(top: Option<&OwnedFd>) -> Result<RulesetStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    if let Some(top) = top {
        let write: BitFlags<AccessFs> = AccessFs::MakeDir
            | AccessFs::MakeReg
            | AccessFs::MakeSym
            | AccessFs::WriteFile
            | AccessFs::ReadDir;
        rules = rules.add_rule(PathBeneath::new(top, write))?;
    }
    Ok(rules.restrict_self()?.ruleset)
}

#[cfg(test)]
mod tests;
