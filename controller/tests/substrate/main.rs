//! Real machines on this host. Needs root, makes namespaces, mounts and control groups, and checks
//! that nothing of them is left: `cargo test -p muster-controller --test substrate`.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests, not the product")]

mod bases;
mod groups;
mod world;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use muster_controller::substrate::{
    Enforcement, Exec, HostBind, HostFile, HostSpec, HostState, Interrupt, Substrate,
    SubstrateError,
};

use world::{World, leader, ok, run, sh, spec, until};

#[test]
fn machines_are_real_and_leave_nothing() {
    let world = World::new();
    let substrate = world.get();
    let shared = world.folder.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::write(shared.join("word"), "from the host").unwrap();
    let one = substrate
        .create(&HostSpec {
            cores: Some(1),
            mem_mib: Some(512),
            files: vec![HostFile {
                path: "/etc/muster/agent.json".into(),
                mode: 0o600,
                bytes: b"{}".to_vec(),
            }],
            binds: vec![
                HostBind { from: shared, to: "/srv/shared".into(), read_only: true },
                layer(),
            ],
            authorized_keys: vec!["ssh-ed25519 AAAA somebody".into()],
            ..spec("one")
        })
        .unwrap();
    let two = substrate.create(&spec("two")).unwrap();
    assert!(matches!(substrate.create(&spec("two")), Err(SubstrateError::Exists { .. })));
    assert_eq!(one.limits.cores, Enforcement::Enforced);
    assert_eq!(one.limits.mem, Enforcement::Enforced);
    assert_eq!(two.limits.mem, Enforcement::Unlimited);

    // Real systemd, all of it up, and each machine itself.
    for name in ["one", "two"] {
        assert_eq!(ok(substrate, name, "systemctl is-system-running"), "running");
        assert_eq!(ok(substrate, name, "hostname"), name);
        assert!(ok(substrate, name, "journalctl --no-pager -n 50").contains("systemd"));
    }
    let id = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub";
    assert_ne!(ok(substrate, "one", id), ok(substrate, "two", id));
    assert_eq!(ok(substrate, "one", "stat -c %a /etc/muster/agent.json"), "600");
    assert_eq!(ok(substrate, "one", "cat /srv/shared/word"), "from the host");
    assert_ne!(sh(substrate, "one", "echo x > /srv/shared/word").0, 0);
    assert_eq!(ok(substrate, "one", "stat -c %a /root/.ssh/authorized_keys"), "600");

    // What the agent confines itself with is to be had.
    let landlock = "python3 -c \"import ctypes
assert ctypes.CDLL(None).syscall(444, 0, 0, 1) > 0\"";
    ok(substrate, "one", landlock);

    // They see each other, and from the host they are seen.
    ok(substrate, "one", &format!("ping -c 1 -W 5 {}", two.address));
    ok(substrate, "two", &format!("ping -c 1 -W 5 {}", one.address));
    let mut banner = [0; 4];
    TcpStream::connect((two.address, 22)).unwrap().read_exact(&mut banner).unwrap();
    assert_eq!(&banner, b"SSH-");

    // A socket on the gateway: machines reach it, the host's own namespace does not have it.
    let listener = substrate.listen(17070).unwrap();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"hello from the controller").unwrap();
    });
    let ask = format!("nc -N -w 5 {} 17070 </dev/null", substrate.gateway());
    assert_eq!(ok(substrate, "one", &ask), "hello from the controller");
    served.join().unwrap();
    assert!(!run("ss", &["-Hltn"]).contains(&substrate.gateway().to_string()));

    limits_hold(substrate);
    limits_are_seen(substrate);
    loop_devices_work(substrate);
    packages_come_through_the_cache(substrate);

    let timed = substrate.exec_with(
        "one",
        &Exec {
            argv: vec!["sleep".into(), "1000".into()],
            env: vec![],
            stdin: vec![],
            within: Duration::from_millis(300),
        },
    );
    assert!(matches!(timed, Err(SubstrateError::ExecTimeout { .. })), "{timed:?}");
    until("the killed command is gone", || sh(substrate, "one", "pgrep -x sleep").0 != 0);

    substrate.destroy("one").unwrap();
    substrate.destroy("one").unwrap();
    assert!(matches!(substrate.get("one"), Err(SubstrateError::Unknown { .. })));
    assert_eq!(ok(substrate, "two", "systemctl is-system-running"), "running");
    world.end();
}

fn limits_hold(substrate: &Substrate) {
    // The machine's own limit: memory of this host that it cannot have.
    let eat = "python3 -c 'a = bytearray(700 << 20)'";
    assert_ne!(sh(substrate, "one", eat).0, 0, "512 MiB were asked for");
    assert_eq!(ok(substrate, "one", "systemctl is-system-running"), "running");
    // A unit's limit inside the machine, which systemd ignores where groups are read-only.
    let unit = |limit: &str| {
        format!(
            "systemd-run --quiet --wait --pipe -p MemoryMax={limit} python3 -c 'a = bytearray(200 << 20)'"
        )
    };
    assert_eq!(sh(substrate, "two", &unit("400M")).0, 0);
    assert_ne!(sh(substrate, "two", &unit("64M")).0, 0);
    // Processor time: a second of it takes five at a fifth.
    let spin = "import time
begin = time.monotonic()
while time.process_time() < 0.4: pass
print(time.monotonic() - begin)";
    let script = format!("systemd-run --quiet --wait --pipe -p CPUQuota=20% python3 -c '{spin}'");
    let took: f64 = ok(substrate, "two", &script).parse().unwrap();
    assert!(took > 1.2, "0.4 s of processor time at a fifth took {took} s");
    // A group of the agent's own, as it makes one for each hook.
    let group = "d=/sys/fs/cgroup; [ ! -d $d/pids ] || d=$d/pids; d=$d/hook
        mkdir $d && echo $$ > $d/cgroup.procs && grep -q hook /proc/self/cgroup";
    ok(substrate, "two", group);
}

/// What every charm brings with it, in a machine.
fn layer() -> HostBind {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../layers/base/lib");
    HostBind { from: folder.canonicalize().unwrap(), to: "/srv/layer".into(), read_only: true }
}

/// By charms, and by whatever else looks at the root of its control groups.
fn limits_are_seen(substrate: &Substrate) {
    let charm = "cd /srv/layer && python3 -B -c 'from muster_charm import machine
print(machine.memory_mib(), machine.cores())'";
    assert_eq!(ok(substrate, "one", charm), "512 1");
    let groups = "cd /sys/fs/cgroup && cat memory/memory.limit_in_bytes || cat memory.max";
    assert_eq!(ok(substrate, "one", &format!("({groups}) 2>/dev/null")), (512 << 20).to_string());
    let all =
        ok(substrate, "one", "awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo; nproc");
    let all = all.split_whitespace().collect::<Vec<_>>().join(" ");
    substrate.create(&HostSpec { binds: vec![layer()], ..spec("free") }).unwrap();
    assert_eq!(ok(substrate, "free", charm), all);
    // Written anew with each start.
    substrate.restart("one").unwrap();
    assert_eq!(ok(substrate, "one", charm), "512 1");
    substrate.destroy("free").unwrap();
}

fn loop_devices_work(substrate: &Substrate) {
    let script = "set -e; cd /var/lib; truncate -s 64M volume
        n=$(losetup -f | tr -dc 0-9); [ -e /dev/loop$n ] || mknod /dev/loop$n b 7 $n
        losetup /dev/loop$n volume; mkfs.ext4 -q /dev/loop$n
        mkdir -p /srv/volume; mount /dev/loop$n /srv/volume
        echo kept > /srv/volume/word; sync; findmnt -n -o FSTYPE /srv/volume";
    assert_eq!(ok(substrate, "two", script), "ext4");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains("/srv/volume"), "a mount leaked to the host");
    // The device is left attached, as after a crash of the agent; a restart lets go of it.
    assert!(!run("losetup", &["--list", "-n"]).is_empty());
    substrate.restart("two").unwrap();
    let again =
        "set -e; n=$(losetup -f | tr -dc 0-9); [ -e /dev/loop$n ] || mknod /dev/loop$n b 7 $n
        losetup /dev/loop$n /var/lib/volume; mount /dev/loop$n /srv/volume; cat /srv/volume/word
        test $(losetup -n -l -j /var/lib/volume | wc -l) = 1";
    assert_eq!(ok(substrate, "two", again), "kept");
}

fn packages_come_through_the_cache(substrate: &Substrate) {
    let install =
        "apt-get -q update >/dev/null && apt-get -q install -y hello nginx-light >/dev/null
        hello && systemctl is-active nginx";
    for name in ["one", "two"] {
        let said = ok(substrate, name, install);
        assert!(said.contains("Hello, world!") && said.contains("active"), "{said}");
    }
    let kept = fs::read_dir("/var/cache/muster/apt/entries").unwrap().flatten();
    let debs = kept.filter(|entry| {
        fs::read_to_string(entry.path()).is_ok_and(|text| text.contains("/hello_"))
    });
    assert_eq!(debs.count(), 1);
}

#[test]
fn machines_outlive_the_controller_and_come_back() {
    let mut world = World::new();
    let first = world.get().create(&spec("one")).unwrap();
    ok(world.get(), "one", "echo kept > /root/word");
    assert!(matches!(Substrate::open(world.settings.clone()), Err(SubstrateError::InUse { .. })));

    // The controller restarts: the same processes, adopted.
    world.open();
    let adopted = world.get().get("one").unwrap();
    assert_eq!(leader(&adopted), leader(&first));
    assert_eq!(ok(world.get(), "one", "cat /root/word"), "kept");

    // Without its cache, as while the controller restarts, apt finds another way.
    world.settings.apt_cache = false;
    world.open();
    let update = "apt-get -q -o Debug::Acquire::http=true update 2>&1";
    assert!(!ok(world.get(), "one", update).contains(":3142"));
    world.settings.apt_cache = true;
    world.open().ensure_network().unwrap();
    assert!(ok(world.get(), "one", "/usr/lib/muster/apt-proxy").ends_with(":3142"));

    // `reboot` inside an adopted machine: started again, same layer, same address.
    sh(world.get(), "one", "systemctl reboot");
    let substrate = world.get().clone();
    until("the machine to come back", || {
        let host = substrate.get("one").unwrap();
        leader(&host).is_some_and(|pid| Some(pid) != leader(&first))
            && substrate
                .exec("one", &["systemctl", "is-system-running"])
                .is_ok_and(|o| o.status == 0)
    });
    assert_eq!(ok(&substrate, "one", "cat /root/word"), "kept");
    assert_eq!(substrate.get("one").unwrap().address, first.address);

    // Killed hard: started again.
    let before = leader(&substrate.get("one").unwrap());
    run("kill", &["-9", &before.unwrap().to_string()]);
    until("the killed machine to come back", || {
        let host = substrate.get("one").unwrap();
        leader(&host).is_some_and(|pid| Some(pid) != before)
            && substrate
                .exec("one", &["systemctl", "is-system-running"])
                .is_ok_and(|o| o.status == 0)
    });

    // `poweroff` inside: it stays off, and says so; the next start of the controller brings it back.
    let (send, turns) = std::sync::mpsc::channel();
    substrate.on_turn(move |name| send.send(name.to_owned()).unwrap());
    sh(&substrate, "one", "systemctl poweroff");
    assert_eq!(turns.recv_timeout(Duration::from_secs(60)).unwrap(), "one");
    let off = substrate.get("one").unwrap().state;
    assert!(matches!(off, HostState::Ended(why) if why.contains("powered off")));
    drop(substrate);
    let substrate = world.open().clone();
    let off = substrate.get("one").unwrap().state;
    assert!(matches!(off, HostState::Ended(why) if why.contains("powered off")));
    let revived = substrate.revive().unwrap();
    assert_eq!((revived.len(), revived[0].0.as_str()), (1, "one"));
    assert_eq!(ok(&substrate, "one", "cat /root/word"), "kept");

    // The host reboots: nothing runs, nothing is mounted, the boot is another.
    drop(substrate);
    let state = world.state();
    let path = state.join("machines/one/record.json");
    let text = fs::read_to_string(&path).unwrap();
    let record: serde_json::Value = serde_json::from_str(&text).unwrap();
    world.close();
    let pid = record["run"]["leader"]["pid"].as_u64().unwrap();
    run("kill", &["-9", &pid.to_string()]);
    until("the keeper to be gone", || {
        let pid = record["run"]["keeper"]["pid"].as_u64().unwrap();
        fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z"))
    });
    run("umount", &[state.join("machines/one/merged").to_str().unwrap()]);
    run("ip", &["netns", "delete", record["netns"].as_str().unwrap()]);
    run("ip", &["netns", "delete", &format!("muster-sw-{}", world.tag)]);
    let boot = record["run"]["boot"].as_str().unwrap();
    fs::write(&path, text.replace(boot, "another")).unwrap();
    world.open();
    let host = world.get().get("one").unwrap();
    assert!(matches!(&host.state, HostState::Ended(why) if why.contains("reboot of the host")));
    let revived = world.get().revive().unwrap();
    assert_eq!(revived.len(), 1);
    assert_eq!(revived[0].1.as_ref().unwrap().address, first.address);
    assert_eq!(ok(world.get(), "one", "cat /root/word"), "kept");
    world.end();
}

/// A crash after every single step, of making and of removing, and the removal afterwards.
#[test]
fn r14_r28_a_crash_after_any_step_leaves_nothing() {
    let mut steps_seen = 0;
    for nth in 0.. {
        let mut world = World::new();
        let count = Arc::new(AtomicUsize::new(0));
        let asked = Arc::clone(&count);
        world.settings.interrupt =
            Some(Interrupt(Arc::new(move |_| asked.fetch_add(1, Ordering::SeqCst) == nth)));
        world.open();
        let made = world.get().create(&spec("one"));
        let removed = made.as_ref().ok().map(|_| world.get().destroy("one"));
        world.settings.interrupt = None;
        // The controller that crashed is gone; another finds what it left.
        world.open();
        let done = matches!((&made, &removed), (Ok(_), Some(Ok(()))));
        match &made {
            Err(SubstrateError::Interrupted { step }) => {
                assert!(!step.is_empty());
                world.get().destroy("one").unwrap();
                assert!(world.get().list().unwrap().is_empty());
            }
            Ok(_) => world.get().destroy("one").unwrap(),
            Err(other) => panic!("{other}"),
        }
        world.end();
        if done {
            steps_seen = nth;
            break;
        }
    }
    assert!(steps_seen > 20, "only {steps_seen} steps were seen");
}

#[test]
fn two_state_roots_do_not_see_each_other() {
    let (here, there) = (World::new(), World::new());
    assert_ne!(here.tag, there.tag);
    let (one, other) = std::thread::scope(|scope| {
        let one = scope.spawn(|| here.get().create(&spec("same")).unwrap());
        let other = scope.spawn(|| there.get().create(&spec("same")).unwrap());
        (one.join().unwrap(), other.join().unwrap())
    });
    assert_ne!(one.address, other.address);
    let reach = format!("nc -z -w 2 {} 22", other.address);
    assert_ne!(sh(here.get(), "same", &reach).0, 0, "networks are apart");
    here.end();
    assert_eq!(ok(there.get(), "same", "systemctl is-system-running"), "running");
    let forward = fs::read_to_string(Path::new("/proc/sys/net/ipv4/ip_forward")).unwrap();
    assert_eq!(forward.trim(), "1", "the other network still needs it");
    there.end();
}
