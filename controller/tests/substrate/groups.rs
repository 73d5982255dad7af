//! Groups and doors, on real machines: who reaches whom, and what root in a machine can do about it.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};

use muster_controller::substrate::{Door, HostSpec, Substrate, Traffic};

use crate::world::{World, ok, run, sh, spec, until};

/// Answers a word on a port of each protocol, for as long as the machine runs.
const SERVE: &str = "cat > /root/serve.py <<'EOF'
import socket, threading
def tcp(port):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(('0.0.0.0', port)); s.listen()
    while True:
        c, a = s.accept(); c.sendall(('seen ' + a[0]).encode()); c.close()
def udp(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('0.0.0.0', port))
    while True:
        _, a = s.recvfrom(64); s.sendto(('seen ' + a[0]).encode(), a)
for port in (80, 81, 8005): threading.Thread(target=tcp, args=(port,)).start()
for port in (53, 54): threading.Thread(target=udp, args=(port,)).start()
EOF
systemd-run --quiet --unit serve python3 /root/serve.py
until ss -Hltn | grep -q :8005; do sleep 0.05; done";

/// Where a machine is on the wire. Not from `/sys`, which in a machine is the host's.
const MAC: &str = "ip -o link show dev eth0 | sed 's:.*link/ether ::; s: .*::'";

fn of_group(group: &str, name: &str) -> HostSpec {
    HostSpec { group: group.to_owned(), ..spec(name) }
}

fn ping(substrate: &Substrate, from: &str, to: Ipv4Addr) -> bool {
    sh(substrate, from, &format!("ping -c 1 -W 1 {to}")).0 == 0
}

/// What a service says, or nothing.
fn tcp(substrate: &Substrate, from: &str, to: Ipv4Addr, port: u16) -> String {
    sh(substrate, from, &format!("nc -N -w 1 {to} {port} </dev/null")).1
}

fn udp(substrate: &Substrate, from: &str, to: Ipv4Addr, port: u16) -> String {
    let ask = format!(
        "python3 -c \"import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(1)
s.sendto(b'x', ('{to}', {port})); print(s.recv(64).decode())\" 2>/dev/null"
    );
    sh(substrate, from, &ask).1
}

#[test]
fn machines_of_two_groups_reach_each_other_only_through_doors() {
    let mut world = World::new();
    let substrate = world.get().clone();
    let make = |group: &str, name: &str| substrate.create(&of_group(group, name)).unwrap().address;
    let (a, a2) = (make("a", "a"), make("a", "a2"));
    let (b, b2) = (make("b", "b"), make("b", "b2"));
    for name in ["a", "a2", "b"] {
        ok(&substrate, name, SERVE);
    }

    // Within a group everything reaches, the real address is seen, and so do frames to all.
    for (from, own, to) in [("a", a, a2), ("a2", a2, a), ("b2", b2, b)] {
        assert!(ping(&substrate, from, to));
        assert_eq!(tcp(&substrate, from, to, 81), format!("seen {own}"));
        assert_eq!(udp(&substrate, from, to, 54), format!("seen {own}"));
    }
    let heard = ok(&substrate, "a", "ping -c 2 -W 2 ff02::1%eth0");
    let local = |name| {
        let show = "ip -6 -o address show dev eth0 scope link | sed 's:.*inet6 ::; s:/.*::'";
        ok(&substrate, name, show)
    };
    assert!(heard.contains(&local("a2")) && !heard.contains(&local("b")), "{heard}");

    // Between groups nothing does, in neither direction.
    // At the same time, since each silence is waited for.
    std::thread::scope(|scope| {
        for (from, to) in [("a", b), ("b", a), ("a2", b2), ("b2", a2), ("b", a2)] {
            let substrate = &substrate;
            scope.spawn(move || {
                assert!(!ping(substrate, from, to), "{from} to {to}");
                for port in [22, 80, 81] {
                    assert_eq!(tcp(substrate, from, to, port), "", "{from} to {to}:{port}");
                }
                assert_eq!(udp(substrate, from, to, 53), "", "{from} to {to}");
            });
        }
    });

    // All of them reach the gateway, and the host reaches all.
    let listener = substrate.listen(17070).unwrap();
    std::thread::spawn(move || say_hello(&listener));
    for name in ["a", "b"] {
        assert_eq!(tcp(&substrate, name, substrate.gateway(), 17070), "hello");
        assert!(ping(&substrate, name, substrate.gateway()));
        ok(&substrate, name, "getent hosts deb.debian.org >/dev/null || ip route get 1.1.1.1");
    }
    for address in [a, b] {
        std::net::TcpStream::connect((address, 22)).unwrap();
    }

    doors_open_what_they_say(&substrate, (a, a2), (b, b2));
    root_in_a_machine_cannot_pass(&substrate, a);

    // Somebody clears the host's rules while the controller runs: noticed, and made anew with the doors.
    let web = Door { traffic: Traffic::Tcp(80, 80), from: (Ipv4Addr::UNSPECIFIED, 0) };
    substrate.set_doors("a", &[web]).unwrap();
    assert!(!substrate.mend_rules().unwrap());
    let table = format!("muster_{}", world.tag);
    for clear in [&["delete", "table", "inet", &table], &["flush", "table", "inet", &table]] {
        run("nft", clear);
        assert!(substrate.mend_rules().unwrap(), "{clear:?} was not noticed");
        assert!(!substrate.mend_rules().unwrap());
        assert_eq!(tcp(&substrate, "b", a, 80), format!("seen {b}"));
        assert_eq!(tcp(&substrate, "b", a, 81), "");
        assert!(run("nft", &["list", "table", "inet", &table]).contains("masquerade"));
    }

    // The rules outlive the controller, a restart of the machine, and somebody who clears them.
    drop(substrate);
    world.close();
    run("nft", &["delete", "table", "inet", &table]);
    let substrate = world.open().clone();
    substrate.ensure_network().unwrap();
    assert_eq!(substrate.get("a").unwrap().doors, [web]);
    assert_eq!(tcp(&substrate, "b", a, 80), format!("seen {b}"));
    assert_eq!(tcp(&substrate, "b", a, 81), "");
    substrate.restart("a").unwrap();
    ok(&substrate, "a", SERVE);
    assert_eq!(tcp(&substrate, "b", a, 80), format!("seen {b}"));
    assert_eq!(tcp(&substrate, "b", a, 81), "");
    assert!(ping(&substrate, "a", a2));

    // What was a machine's goes with it.
    substrate.destroy("a").unwrap();
    let table = run("nft", &["list", "table", "inet", &table]);
    assert!(!table.contains(&a.to_string()), "{table}");
    drop(substrate);
    world.end();
}

/// Says a word to everybody who comes.
fn say_hello(listener: &TcpListener) {
    for mut stream in listener.incoming().flatten() {
        if stream.write_all(b"hello").is_err() {
            return;
        }
    }
}

fn doors_open_what_they_say(
    substrate: &Substrate,
    (a, a2): (Ipv4Addr, Ipv4Addr),
    (b, b2): (Ipv4Addr, Ipv4Addr),
) {
    let everybody = (Ipv4Addr::UNSPECIFIED, 0);
    substrate
        .set_doors(
            "a",
            &[
                Door { traffic: Traffic::Tcp(80, 80), from: everybody },
                Door { traffic: Traffic::Tcp(8000, 8010), from: (b2, 32) },
                Door { traffic: Traffic::Udp(53, 53), from: everybody },
            ],
        )
        .unwrap();
    assert_eq!(tcp(substrate, "b", a, 80), format!("seen {b}"));
    assert_eq!(udp(substrate, "b", a, 53), format!("seen {b}"));
    // Not what was not opened, nor for whom it was not, nor by the machine beside it.
    for port in [22, 81, 8005] {
        assert_eq!(tcp(substrate, "b", a, port), "", "{port}");
    }
    assert_eq!(tcp(substrate, "b2", a, 8005), format!("seen {b2}"));
    assert_eq!(udp(substrate, "b", a, 54), "");
    assert!(!ping(substrate, "b", a));
    assert_eq!(tcp(substrate, "b", a2, 80), "");
    // A door lets in; it does not let the one behind it out.
    assert_eq!(tcp(substrate, "a", b, 81), "");
    let icmp = Door { traffic: Traffic::Icmp, from: everybody };
    substrate.set_doors("a", &[icmp]).unwrap();
    assert!(ping(substrate, "b", a));
    assert_eq!(tcp(substrate, "b", a, 80), "");
    substrate.set_doors("a", &[]).unwrap();
    assert!(!ping(substrate, "b", a));
}

/// Root in a machine may do what it likes to its own end of the wire.
fn root_in_a_machine_cannot_pass(substrate: &Substrate, a: Ipv4Addr) {
    let (gateway, uplink) = (substrate.gateway(), u32::from(substrate.gateway()) + 253);
    let uplink = Ipv4Addr::from(uplink);
    // By way of the host, or of the gateway, as a route says.
    for via in [uplink, gateway] {
        ok(substrate, "b", &format!("ip route replace {a}/32 via {via}"));
        assert!(!ping(substrate, "b", a), "via {via}");
        assert_eq!(tcp(substrate, "b", a, 80), "", "via {via}");
        ok(substrate, "b", &format!("ip route delete {a}/32"));
    }
    // Straight to the other's place on the wire.
    let mac = ok(substrate, "a", MAC);
    ok(substrate, "b", &format!("ip neigh replace {a} lladdr {mac} dev eth0"));
    assert!(!ping(substrate, "b", a));
    assert_eq!(tcp(substrate, "b", a, 80), "");
    ok(substrate, "b", &format!("ip neigh del {a} dev eth0"));
    // In the name of the other group's machine, or of the gateway: nobody is led astray by it.
    for stolen in [a, gateway] {
        ok(substrate, "b", &format!("ip address add {stolen}/32 dev eth0"));
        let ask = format!(
            "python3 - <<'EOF'
import socket, struct
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('eth0', 0x0806))
mac = s.getsockname()[4]
ip = socket.inet_aton('{stolen}')
for op in (1, 2):
    s.send(b'\\xff' * 6 + mac + b'\\x08\\x06' + struct.pack('!HHBBH', 1, 0x800, 6, 4, op)
           + mac + ip + b'\\xff' * 6 + ip)
EOF"
        );
        ok(substrate, "b", &ask);
        let own = format!("ping -c 1 -W 2 -I {stolen} {uplink}");
        assert_ne!(sh(substrate, "b", &own).0, 0, "{stolen} is not b's");
        ok(substrate, "b", &format!("ip address del {stolen}/32 dev eth0"));
    }
    assert!(ping(substrate, "a", gateway));
    assert_eq!(
        ok(substrate, "a2", &format!("nc -N -w 2 {a} 80 </dev/null")).split(' ').next(),
        Some("seen")
    );
    std::net::TcpStream::connect((a, 22)).unwrap();
    // With the other's place on the wire as its own.
    let swap = |mac: &str| format!("ip link set eth0 address {mac}");
    let own = ok(substrate, "b", MAC);
    ok(substrate, "b", &swap(&mac));
    assert!(!ping(substrate, "b", gateway));
    assert!(ping(substrate, "a", gateway), "its frames still come to it");
    ok(substrate, "b", &swap(&own));
    until("b to be back", || ping(substrate, "b", gateway));
    assert!(!ping(substrate, "b", a));
    assert_ne!(mac, own);
}
