//! From within: what somebody who has taken the reader over can still do.

use std::fs::{self, File};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use super::*;

/// In a thread of its own: rights are a thread's, and this one's are gone afterwards.
fn confined<T: Send>(top: Option<&Path>, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let top = top.map(|top| OwnedFd::from(File::open(top).unwrap()));
            let mut lacks = Lacks::default();
            give_up(top.as_ref(), &mut lacks).unwrap();
            assert_eq!(lacks, Lacks::default(), "these tests need root, and Landlock");
            work()
        });
        thread.join().unwrap()
    })
}

#[test]
fn s9_a_reader_that_was_taken_over_writes_into_its_folder_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (folder.path().join("own"), folder.path().join("other"));
    for path in [&own, &other] {
        fs::create_dir(path).unwrap();
    }
    fs::write(other.join("canary"), "alive").unwrap();
    symlink(&other, own.join("way-out")).unwrap();
    confined(Some(&own), || {
        fs::write(own.join("file"), "bytes").unwrap();
        fs::create_dir(own.join("folder")).unwrap();
        fs::write(own.join("folder/file"), "bytes").unwrap();
        symlink("file", own.join("link")).unwrap();
        for outside in [other.as_path(), &own.join("way-out"), folder.path(), Path::new("/tmp")] {
            assert!(fs::write(outside.join("file"), "bytes").is_err(), "{}", outside.display());
            assert!(fs::create_dir(outside.join("new")).is_err());
            assert!(symlink("x", outside.join("link")).is_err());
            assert!(fs::rename(own.join("file"), outside.join("moved")).is_err());
            assert!(fs::hard_link(own.join("file"), outside.join("linked")).is_err());
        }
        let canary = other.join("canary");
        assert!(fs::read(&canary).is_err(), "it cannot be read");
        assert!(fs::remove_file(&canary).is_err());
        assert!(fs::rename(&canary, own.join("taken")).is_err());
        assert!(fs::hard_link(&canary, own.join("taken")).is_err());
        assert!(File::options().append(true).open(&canary).is_err());
        // Nor is what it has written there to be read, run, or made a device of.
        assert!(fs::read(own.join("file")).is_err());
        assert!(std::process::Command::new("/bin/true").status().is_err());
        for secret in ["/etc/passwd", "/proc/self/environ", "/proc/1/environ"] {
            assert!(fs::read(secret).is_err(), "{secret}");
        }
    });
    assert_eq!(fs::read(other.join("canary")).unwrap(), b"alive");
    assert_eq!(fs::read_dir(&other).unwrap().count(), 1);
}

#[test]
fn s9_a_reader_that_was_taken_over_has_no_network() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heard = UdpSocket::bind("127.0.0.1:0").unwrap();
    TcpStream::connect(address).unwrap();
    confined(None, || {
        assert!(TcpStream::connect(address).is_err());
        let sent = UdpSocket::bind("0.0.0.0:0")
            .and_then(|socket| socket.send_to(b"x", heard.local_addr().unwrap()));
        assert!(sent.is_err());
    });
}

/// Landlock does not look at who connects to a socket of the file system.
#[test]
fn s9_a_reader_finds_no_socket_and_no_path_out_of_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (own, socket) = (folder.path().join("own"), folder.path().join("socket"));
    fs::create_dir(&own).unwrap();
    let _listener = UnixListener::bind(&socket).unwrap();
    UnixStream::connect(&socket).unwrap();
    let shut = |top: Option<&Path>| {
        // Not the root of the other threads of this process.
        unshare(UnshareFlags::FS).unwrap();
        let top = top.map(|top| OwnedFd::from(File::open(top).unwrap()));
        let mut lacks = Lacks::default();
        shut_in(top.as_ref(), &mut lacks).unwrap();
        assert_eq!(lacks, Lacks::default(), "these tests need root");
        for path in [&*socket, Path::new("../socket"), Path::new("/../socket")] {
            assert!(UnixStream::connect(path).is_err(), "{}", path.display());
            assert!(fs::metadata(path).is_err(), "{}", path.display());
        }
        assert!(top.is_none() || fs::read_dir("/").unwrap().count() == 0);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| shut(Some(&own)));
        scope.spawn(|| shut(None));
    });
}

#[test]
fn s9_a_reader_has_no_capabilities_and_gets_none() {
    confined(None, || {
        let none = rustix::thread::capabilities(None).unwrap();
        assert!(none.effective.is_empty() && none.permitted.is_empty());
        assert!(rustix::thread::no_new_privs().unwrap());
        assert!(unshare(UnshareFlags::NEWNS).is_err());
    });
}
