//! Removal goes by the record, thing by thing, and can be taken up again wherever it stopped
//! (`reliability-security.md` R14, R28).

use std::fs;
use std::time::Duration;

use super::error::{SubstrateError, file, kernel};
use super::record::{self, MachineRecord, NetworkRecord, Thing, Wanted};
use super::{Inner, Substrate, hold, network, overlay, process, shared, tree};

impl Substrate {
    /// Removes every machine, then the network and the state root itself. Idempotent. The cache
    /// root stays. Afterwards this handle is only good for doing it again.
    ///
    /// # Errors
    ///
    /// The first of what could not be removed; the rest was removed, and what was not is still on
    /// record.
    pub fn kill_all(&self) -> Result<(), SubstrateError> {
        let names = self.inner.names()?;
        let mut failed = None;
        // Ends take a moment of waiting each and hardly any work.
        for some in names.chunks(8) {
            std::thread::scope(|scope| {
                let threads: Vec<_> =
                    some.iter().map(|name| scope.spawn(|| self.destroy(name))).collect();
                for thread in threads {
                    match thread.join() {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => failed = failed.take().or(Some(error)),
                        Err(_) => tracing::error!("a thread that removed a machine panicked"),
                    }
                }
            });
        }
        match failed {
            Some(error) => Err(error),
            None => self.remove_network(),
        }
    }

    fn remove_network(&self) -> Result<(), SubstrateError> {
        let inner = &self.inner;
        let _shape = hold(&inner.shape);
        if let Some(apt) = hold(&inner.apt).take() {
            apt.stop();
        }
        let group = inner.group("");
        for hierarchy in &inner.hierarchies {
            hierarchy.remove_if_empty(group.trim_end_matches('/'));
        }
        if let Some(record) = record::load::<NetworkRecord>(&inner.state)? {
            for thing in record.things.iter().rev() {
                inner.remove_thing(thing)?;
            }
        }
        shared::leave_shared()?;
        for path in ["machines", record::FILE, "lock"] {
            let path = inner.state.join(path);
            tree::remove(&path).map_err(file("remove", path))?;
        }
        match fs::remove_dir(&inner.state) {
            Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => Ok(()),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(file("remove", &inner.state)(error))
            }
            _ => Ok(()),
        }
    }
}

impl Inner {
    /// Removes a machine by its record. The slot is held.
    pub(super) fn remove(&self, name: &str) -> Result<(), SubstrateError> {
        let folder = self.folder(name);
        if let Some(mut record) = record::load::<MachineRecord>(&folder)? {
            record.wanted = Wanted::Stopped;
            self.save(&record)?;
            self.halt(&record)?;
            for thing in record.things.iter().rev() {
                self.remove_thing(thing)?;
                self.step("removal")?;
            }
        }
        // The record goes last: until then the removal can be taken up again.
        tree::remove(&folder).map_err(file("remove", &folder))?;
        Ok(())
    }

    /// Removes a group from every hierarchy, killing whoever still comes into it: a launcher that
    /// was cut off from us between its start and its entering does so late.
    fn remove_groups(&self, group: &str) -> Result<(), SubstrateError> {
        let mut tries = 0;
        for hierarchy in &self.hierarchies {
            let at = hierarchy.at.join(group);
            while let Err(error) = hierarchy.remove(group) {
                tries += 1;
                if tries > 20 || error.kind() != std::io::ErrorKind::ResourceBusy {
                    return Err(file("remove", at)(error));
                }
                let list = || self.hierarchies.iter().flat_map(|h| h.processes(group)).collect();
                process::kill_until_none(list, Duration::from_secs(10))
                    .map_err(kernel("wait for killed processes"))?;
            }
        }
        Ok(())
    }

    /// Removes a thing; one that is not there is fine.
    fn remove_thing(&self, thing: &Thing) -> Result<(), SubstrateError> {
        match thing {
            Thing::Path(path) => tree::remove(path).map_err(file("remove", path)),
            Thing::Netns(name) => network::remove_netns(name),
            Thing::Link { netns, name } => network::remove_link(netns.as_deref(), name),
            Thing::Cgroup(group) => self.remove_groups(group),
            Thing::Overlay(merged) => {
                overlay::detach_loops(merged)?;
                overlay::unmount(merged)
            }
            Thing::Rules(index) => self.network.remove_rules(*index),
            Thing::Table(name) => network::remove_table(name),
            Thing::Forwarding(tag) => shared::leave_forwarding(tag),
            Thing::Number(number) => shared::release_number(*number, &self.state),
        }
    }
}
