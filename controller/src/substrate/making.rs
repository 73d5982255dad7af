//! A machine before its first start: its number, its record, and the files that make it itself.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use super::error::{SubstrateError, file};
use super::host::HostSpec;
use super::record::{self, MachineRecord, NetworkRecord, Thing, Wanted};
use super::{APT_CACHE_PORT, Inner, Settings, cgroup, hold, launch, network, sources, tool, tree};

/// Where apt asks by which way it shall fetch.
const APT_PROXY: &str = "/usr/lib/muster/apt-proxy";

/// Where the machine's SSH server is told what is ours.
const SSHD: &str = "/etc/ssh/sshd_config.d/20-muster.conf";

/// The model's keys are let in beside those that somebody keeps on the machine. Its agent writes them
/// there, whole (`muster add-ssh-key`).
const AUTHORIZED: &str =
    "AuthorizedKeysFile .ssh/authorized_keys /var/lib/juju/ssh/authorized_keys\n";

/// The account that scripts log in as.
const USUAL: &str = "ubuntu";

/// Names the package cache while it answers: it ends with the controller, and apt shall not.
fn apt_proxy(gateway: Ipv4Addr) -> String {
    format!(
        "#!/bin/bash\n\
         if timeout 3 bash -c '</dev/tcp/{gateway}/{APT_CACHE_PORT}' 2>/dev/null; then\n\
         echo http://{gateway}:{APT_CACHE_PORT}\n\
         else\n\
         echo DIRECT\n\
         fi\n"
    )
}

impl Inner {
    /// Chooses an index and writes the record: everything that may be made stands in it.
    pub(super) fn reserve(
        &self,
        spec: &HostSpec,
        root: &Path,
    ) -> Result<MachineRecord, SubstrateError> {
        let _shape = hold(&self.shape);
        let mut taken = Vec::new();
        let mut segments = BTreeMap::new();
        for name in self.names()? {
            if let Some(record) = record::load::<MachineRecord>(&self.folder(&name))? {
                taken.push(record.index);
                segments.insert(record.group, record.segment);
            }
        }
        // A number for each group, and fewer machines than numbers.
        let segment = segments.get(&spec.group).copied().or_else(|| {
            (1..=u8::MAX).find(|number| !segments.values().any(|taken| taken == number))
        });
        let segment = segment.ok_or_else(|| SubstrateError::Full {
            what: "number for a group",
            range: format!("1 to {}", u8::MAX),
        })?;
        let shared = record::load::<NetworkRecord>(&self.state)?;
        let mut shared =
            shared.ok_or_else(|| SubstrateError::Unknown { name: "network".into() })?;
        // In turns, so that an address is not soon another machine's.
        let index = network::INDICES
            .skip_while(|index| *index < shared.next)
            .chain(network::INDICES)
            .find(|index| !taken.contains(index))
            .ok_or_else(|| SubstrateError::Full {
                what: "address",
                range: self.network.subnet(),
            })?;
        shared.next = index + 1;
        record::save(&self.state, &shared)?;

        let folder = self.folder(&spec.name);
        let mut things = vec![
            Thing::Path(folder.join("upper")),
            Thing::Path(folder.join("work")),
            Thing::Path(folder.join("merged")),
            Thing::Path(folder.join("console.log")),
            Thing::Path(folder.join("end")),
            Thing::Path(folder.join("end.new")),
            Thing::Overlay(folder.join("merged")),
        ];
        things.extend(self.network.machine_things(index));
        let mut record = MachineRecord {
            name: spec.name.clone(),
            index,
            address: self.network.address(index),
            netns: self.network.netns(index),
            group: spec.group.clone(),
            segment,
            doors: Vec::new(),
            uuid: uuid::Uuid::new_v4().to_string(),
            root: root.to_owned(),
            cores: spec.cores,
            mem_mib: spec.mem_mib,
            binds: spec
                .binds
                .iter()
                .map(|bind| (bind.from.clone(), bind.to.clone(), bind.read_only))
                .collect(),
            limits: cgroup::Limits::default(),
            wanted: Wanted::Running,
            run: None,
            ended: None,
            things,
            complete: false,
        };
        let notify = self.files(&record).notify;
        let nspawn = Path::new("/run/systemd/nspawn/propagate");
        let left = nspawn.join(launch::nspawn_name(&self.network.tag, &record));
        record.things.extend([Thing::Path(notify), Thing::Path(left)]);
        // Last, so that it is removed first: whoever could still make one of the others is in it.
        record.things.push(Thing::Cgroup(self.group(&spec.name)));
        fs::create_dir_all(&folder).map_err(file("make", &folder))?;
        self.save(&record)?;
        Ok(record)
    }

    /// Writes what makes this machine itself, and what the caller gave.
    pub(super) fn furnish(
        &self,
        spec: &HostSpec,
        record: &MachineRecord,
        merged: &Path,
    ) -> Result<(), SubstrateError> {
        let write = |path: &str, mode, bytes: &[u8]| {
            let at = merged.join(path.trim_start_matches('/'));
            tree::write_inside(merged, path, mode, bytes).map_err(file("write", at))
        };
        let name = &record.name;
        write("/etc/hostname", 0o644, format!("{name}\n").as_bytes())?;
        let hosts = format!(
            "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{} {name}\n",
            record.address
        );
        write("/etc/hosts", 0o644, hosts.as_bytes())?;
        write("/etc/resolv.conf", 0o644, resolv(&self.settings).as_bytes())?;
        let id = format!("{}\n", record.uuid.replace('-', ""));
        write("/etc/machine-id", 0o444, id.as_bytes())?;
        if self.settings.apt_cache {
            let (path, script) = (APT_PROXY, apt_proxy(self.network.gateway()));
            write(path, 0o755, script.as_bytes())?;
            let from = merged.join("etc/apt/sources.list");
            let sources = fs::read_to_string(&from).map_err(file("read", from))?;
            write("/etc/apt/sources.list", 0o644, sources::plain(&sources).as_bytes())?;
            // What a charm adds by HTTPS cannot be looked into, so it goes past the cache.
            let proxy = format!(
                "Acquire::http::Proxy-Auto-Detect \"{path}\";\nAcquire::https::Proxy \"DIRECT\";\n"
            );
            write("/etc/apt/apt.conf.d/01muster", 0o644, proxy.as_bytes())?;
        }
        write(SSHD, 0o644, AUTHORIZED.as_bytes())?;
        account(merged)?;
        write(
            "/etc/sudoers.d/90-muster",
            0o440,
            format!("{USUAL} ALL=(ALL) NOPASSWD:ALL\n").as_bytes(),
        )?;
        if !spec.authorized_keys.is_empty() {
            tree::folder_inside(merged, "/root/.ssh").map_err(file("make", merged))?;
            let keys = spec.authorized_keys.join("\n") + "\n";
            write("/root/.ssh/authorized_keys", 0o600, keys.as_bytes())?;
        }
        for file in &spec.files {
            write(&file.path, file.mode, &file.bytes)?;
        }
        Ok(())
    }
}

/// Makes the account that scripts written for Juju's machines log in as, unless the root has it. No
/// password opens it.
fn account(merged: &Path) -> Result<(), SubstrateError> {
    let table = merged.join("etc/passwd");
    let accounts = fs::read_to_string(&table).map_err(file("read", table))?;
    if accounts.lines().any(|line| line.split(':').next() == Some(USUAL)) {
        return Ok(());
    }
    let mut words = vec![merged.as_os_str(), "/usr/sbin/useradd".as_ref()];
    let flags = ["--create-home", "--shell", "/bin/bash", "--password", "*", USUAL];
    words.extend(flags.map(AsRef::<OsStr>::as_ref));
    tool::run("chroot", &words).map(drop)
}

fn resolv(settings: &Settings) -> String {
    let mut servers: Vec<String> = settings.name_servers.iter().map(ToString::to_string).collect();
    if servers.is_empty() {
        servers = network::name_servers();
    }
    if servers.is_empty() {
        tracing::warn!("this host's name servers are on loopback; machines have none");
    }
    servers.iter().map(|server| format!("nameserver {server}\n")).collect()
}
