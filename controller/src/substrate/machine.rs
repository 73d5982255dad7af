//! A machine's life: made, started, stopped, removed; each step on record before it is taken.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::error::{SubstrateError, file, kernel};
use super::host::{Host, HostSpec, HostState, check_name};
use super::launch::{self, Files};
use super::overlay::{self, Overlay};
use super::process::{self, Process, Waited};
use super::record::{self, MachineRecord, Run, Wanted};
use super::{Enforcement, Inner, Substrate, cgroup, hold, network};

/// How long killed processes may take to be gone: one that waits for a disk ends when it has it.
const KILLED_WITHIN: Duration = Duration::from_secs(30);

/// The name of a machine that was started again, and what came of it.
pub type Revived = (String, Result<Host, SubstrateError>);

/// What is remembered of a machine in memory: a lock, and how often it ended of late.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// Held while the machine is changed.
    pub(super) change: Mutex<()>,
    /// When it failed of late; see `supervise.rs`.
    pub(super) failures: Mutex<Vec<Instant>>,
}

impl Substrate {
    /// Makes a machine and starts it; comes back when it is up.
    ///
    /// A machine whose making was cut off is removed first and made anew.
    ///
    /// # Errors
    ///
    /// [`SubstrateError::Exists`], [`SubstrateError::BootTimeout`], [`SubstrateError::BootEnded`],
    /// and those of each step. What was made until then is on record: [`Substrate::destroy`].
    pub fn create(&self, spec: &HostSpec) -> Result<Host, SubstrateError> {
        spec.check()?;
        let inner = &self.inner;
        let root = self.ensure_root(spec.base.as_ref(), &mut |_| {})?;
        self.ensure_network()?;
        let slot = inner.slot(&spec.name);
        let _change = hold(&slot.change);
        match record::load::<MachineRecord>(&inner.folder(&spec.name))? {
            Some(record) if record.complete => {
                return Err(SubstrateError::Exists { name: spec.name.clone() });
            }
            _ => inner.remove(&spec.name)?,
        }
        let mut record = inner.reserve(spec, &root)?;
        inner.step("record")?;
        let overlay = Overlay::of(&inner.folder(&spec.name), &root);
        overlay.mount()?;
        inner.step("overlay")?;
        inner.furnish(spec, &record, &overlay.merged)?;
        inner.step("files")?;
        record.complete = true;
        inner.save(&record)?;
        self.bring_up(&slot, &mut record)?;
        Ok(inner.host(&record))
    }

    /// Starts a machine that does not run; comes back when it is up. One that runs is left alone.
    ///
    /// # Errors
    ///
    /// As [`Substrate::create`], and [`SubstrateError::Unknown`].
    pub fn start(&self, name: &str) -> Result<Host, SubstrateError> {
        let inner = &self.inner;
        self.ensure_network()?;
        let slot = inner.slot(name);
        let _change = hold(&slot.change);
        let mut record = inner.load(name)?;
        if !inner.runs(&record) {
            hold(&slot.failures).clear();
            record.wanted = Wanted::Running;
            self.bring_up(&slot, &mut record)?;
        }
        Ok(inner.host(&record))
    }

    /// Stops a machine in good order, or by force when it takes longer than the settings say.
    ///
    /// # Errors
    ///
    /// [`SubstrateError::Unknown`], [`SubstrateError::Unkillable`].
    pub fn stop(&self, name: &str) -> Result<(), SubstrateError> {
        let inner = &self.inner;
        let slot = inner.slot(name);
        let _change = hold(&slot.change);
        let mut record = inner.load(name)?;
        record.wanted = Wanted::Stopped;
        record.ended = None;
        inner.save(&record)?;
        inner.halt(&record)?;
        record.run = None;
        inner.save(&record)
    }

    /// Stops a machine and starts it again, on the same layer and address.
    ///
    /// # Errors
    ///
    /// As [`Substrate::stop`] and [`Substrate::start`].
    pub fn restart(&self, name: &str) -> Result<Host, SubstrateError> {
        self.stop(name)?;
        self.start(name)
    }

    /// Starts every machine that shall run and does not: after a reboot of the host, or because it was
    /// powered off from inside or ended too often.
    ///
    /// # Errors
    ///
    /// That the machines cannot be listed; what became of each is in the list.
    pub fn revive(&self) -> Result<Vec<Revived>, SubstrateError> {
        let mut tried = Vec::new();
        for name in self.inner.names()? {
            let Ok(record) = self.inner.load(&name) else { continue };
            if record.complete && record.wanted == Wanted::Running && !self.inner.runs(&record) {
                let result = self.start(&name);
                tried.push((name, result));
            }
        }
        Ok(tried)
    }

    /// Removes a machine with everything on its record. One that is not there is fine.
    ///
    /// # Errors
    ///
    /// What could not be removed, and by whom it is held; the record stays, so that it can be
    /// tried again.
    pub fn destroy(&self, name: &str) -> Result<(), SubstrateError> {
        check_name(name)?;
        let slot = self.inner.slot(name);
        let _change = hold(&slot.change);
        self.inner.remove(name)
    }

    /// Every machine, by name.
    ///
    /// # Errors
    ///
    /// A record that cannot be read.
    pub fn list(&self) -> Result<Vec<Host>, SubstrateError> {
        let mut hosts = Vec::new();
        for name in self.inner.names()? {
            // A folder without a record is a removal's last moment.
            if let Some(record) = record::load(&self.inner.folder(&name))? {
                hosts.push(self.inner.host(&record));
            }
        }
        Ok(hosts)
    }

    /// One machine.
    ///
    /// # Errors
    ///
    /// [`SubstrateError::Unknown`].
    pub fn get(&self, name: &str) -> Result<Host, SubstrateError> {
        Ok(self.inner.host(&self.inner.load(name)?))
    }

    /// The machine's first process, when it runs.
    pub(super) fn leader(&self, name: &str) -> Result<Option<Process>, SubstrateError> {
        Ok(self.inner.leader_of(&self.inner.load(name)?))
    }

    /// Makes what a run needs, as far as it is not there, and starts it. The slot is held.
    pub(super) fn bring_up(
        &self,
        slot: &Arc<Slot>,
        record: &mut MachineRecord,
    ) -> Result<(), SubstrateError> {
        let inner = &self.inner;
        let folder = inner.folder(&record.name);
        let overlay = Overlay::of(&folder, &record.root);
        inner.make_runtime()?;
        // A crash between starting and writing it down leaves processes that nobody knows.
        inner.halt(record)?;
        overlay.mount()?;
        inner.network.plug(record, &|step| inner.step(step))?;
        let (mut launch_groups, mut host_groups) = (Vec::new(), Vec::new());
        let group = inner.group(&record.name);
        for hierarchy in &inner.hierarchies {
            for (name, groups) in [("launch", &mut launch_groups), ("host", &mut host_groups)] {
                let inner_group = format!("{group}/{name}");
                let at = hierarchy.at.join(&inner_group);
                groups.push(hierarchy.make(&inner_group).map_err(file("make", at))?);
            }
        }
        inner.step("groups")?;
        record.limits = cgroup::limit(&inner.hierarchies, &group, record.cores, record.mem_mib);
        record.ended = None;
        inner.save(record)?;
        let files = inner.files(record);
        let tag = &inner.network.tag;
        let launched =
            launch::launch(tag, record, &overlay.merged, &files, &launch_groups, &host_groups)?;
        inner.step("launch")?;
        record.run = Some(Run { boot: inner.boot.clone(), keeper: launched.keeper, leader: None });
        inner.save(record)?;
        inner.step("run")?;
        let within = inner.settings.boot_timeout;
        let up = launched.wait_up(&record.name.clone(), &files, within, |leader| {
            if let Some(run) = &mut record.run {
                run.leader = Some(leader);
            }
            inner.show_limits(record);
            inner.save(record)
        });
        if let Err(error) = up {
            // A machine that did not come up is not left half up; what it said is in the error.
            inner.halt(record)?;
            let mut child = launched.child;
            child.wait().map_err(kernel("wait for nspawn"))?;
            record.run = None;
            record.ended = Some(error.to_string());
            inner.save(record)?;
            return Err(error);
        }
        let keeper = launched.keeper;
        self.supervise(slot, &record.name, keeper, Some(launched.child))?;
        inner.step("up")
    }
}

impl Inner {
    pub(super) fn slot(&self, name: &str) -> Arc<Slot> {
        Arc::clone(hold(&self.slots).entry(name.to_owned()).or_default())
    }

    pub(super) fn load(&self, name: &str) -> Result<MachineRecord, SubstrateError> {
        check_name(name)?;
        record::load(&self.folder(name))?
            .ok_or_else(|| SubstrateError::Unknown { name: name.to_owned() })
    }

    pub(super) fn save(&self, record: &MachineRecord) -> Result<(), SubstrateError> {
        record::save(&self.folder(&record.name), record)
    }

    pub(super) fn files(&self, record: &MachineRecord) -> Files {
        Files::of(&self.folder(&record.name), &self.runtime(), record.index)
    }

    /// Lets the machine see its limits. That they hold is another matter, so this stops nothing.
    fn show_limits(&self, record: &MachineRecord) {
        let (group, cores, mem) = (self.group(&record.name), record.cores, record.mem_mib);
        let shown = cgroup::show_inside(&self.hierarchies, &group, cores, mem);
        for (of, shown) in [(&record.limits.cores, shown.cores), (&record.limits.mem, shown.mem)] {
            if let (Enforcement::Enforced, Enforcement::NotEnforced(why)) = (of, shown) {
                tracing::warn!(machine = record.name, why, "it does not see a limit of its own");
            }
        }
    }

    /// Whether the recorded run still runs.
    pub(super) fn runs(&self, record: &MachineRecord) -> bool {
        record.run.as_ref().is_some_and(|run| run.boot == self.boot && run.keeper.lives())
    }

    fn leader_of(&self, record: &MachineRecord) -> Option<Process> {
        if !self.runs(record) {
            return None;
        }
        let known = record.run.as_ref().and_then(|run| run.leader);
        known
            .filter(|leader| leader.lives())
            .or_else(|| launch::find_leader(&self.hierarchies, &self.group(&record.name)))
    }

    pub(super) fn host(&self, record: &MachineRecord) -> Host {
        let folder = self.folder(&record.name);
        let state = if !record.complete {
            HostState::Incomplete
        } else if self.runs(record) {
            HostState::Running { leader: self.leader_of(record).map(|leader| leader.pid) }
        } else {
            match (&record.ended, record.wanted) {
                (Some(why), _) => HostState::Ended(why.clone()),
                (None, Wanted::Stopped) => HostState::Stopped,
                (None, Wanted::Running) => HostState::Ended("not started since".to_owned()),
            }
        };
        Host {
            name: record.name.clone(),
            address: record.address,
            netns: record.netns.clone(),
            netns_path: network::netns_path(&record.netns),
            root: folder.join("merged"),
            console: folder.join("console.log"),
            state,
            limits: record.limits.clone(),
            doors: record.doors.clone(),
        }
    }

    /// Ends a machine's run: in good order first, then by force; nothing of it is left running.
    pub(super) fn halt(&self, record: &MachineRecord) -> Result<(), SubstrateError> {
        let wait = || kernel::<std::io::Error>(format!("wait for the end of `{}`", record.name));
        if let Some(run) = &record.run
            && self.runs(record)
            && let Some(keeper) = run.keeper.open()
            && let Some(nspawn) = launch::nspawn(run.keeper).and_then(Process::open)
        {
            process::signal(&nspawn, Signal::TERM).map_err(wait())?;
            let within = self.settings.stop_timeout;
            let waited = process::wait_end(&keeper, None, within).map_err(wait())?;
            if waited == Waited::TimeOver {
                tracing::warn!(machine = record.name, "did not end by itself and is killed");
            }
        }
        let group = self.group(&record.name);
        let list = || self.hierarchies.iter().flat_map(|h| h.processes(&group)).collect();
        let left = process::kill_until_none(list, KILLED_WITHIN).map_err(wait())?;
        if !left.is_empty() {
            let (name, within) = (record.name.clone(), KILLED_WITHIN);
            return Err(SubstrateError::Unkillable { name, pids: left, within });
        }
        overlay::detach_loops(&self.folder(&record.name).join("merged"))
    }
}
