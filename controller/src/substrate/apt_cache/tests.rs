use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;

/// A mirror whose answers are counted, and which cuts the first answer of paths with `cut`.
struct Mirror {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
    off: Arc<AtomicBool>,
}

const BYTES: usize = 300_000;

fn content() -> Vec<u8> {
    (0..BYTES).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

fn mirror() -> Mirror {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let off = Arc::new(AtomicBool::new(false));
    let (count, down) = (Arc::clone(&asked), Arc::clone(&off));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            if down.load(Ordering::SeqCst) {
                continue;
            }
            let count = Arc::clone(&count);
            std::thread::spawn(move || one(stream, &count));
        }
    });
    Mirror { address, asked, off }
}

fn one(mut stream: TcpStream, count: &AtomicUsize) {
    let mut head = Vec::new();
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        head.push(line.to_ascii_lowercase());
    }
    let nth = count.fetch_add(1, Ordering::SeqCst);
    let first = head.first().cloned().unwrap_or_default();
    let all = content();
    let same =
        "etag: \"e\"\r\nlast-modified: Sat, 01 Jan 2022 00:00:00 GMT\r\nconnection: close\r\n";
    let answer = if first.contains("missing") {
        stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
    } else if head.iter().any(|line| line.starts_with("if-none-match: \"e\"")) {
        stream.write_all(format!("HTTP/1.1 304 Not Modified\r\n{same}\r\n").as_bytes())
    } else if let Some(range) = head.iter().find_map(|line| line.strip_prefix("range: bytes=")) {
        let from: usize = range.trim().trim_end_matches('-').parse().unwrap();
        let rest = &all[from..];
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\n{same}content-range: bytes {from}-{}/{BYTES}\r\ncontent-length: {}\r\n\r\n",
            BYTES - 1,
            rest.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(rest))
    } else {
        let head = format!("HTTP/1.1 200 OK\r\n{same}content-length: {BYTES}\r\n\r\n");
        let until = if first.contains("cut") && nth == 0 { BYTES / 3 } else { BYTES };
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&all[..until]))
    };
    drop(answer);
}

struct Bench {
    cache: Option<AptCache>,
    folder: tempfile::TempDir,
    mirror: Mirror,
}

impl Bench {
    fn new() -> Bench {
        let mut bench =
            Bench { cache: None, folder: tempfile::tempdir().unwrap(), mirror: mirror() };
        bench.start();
        bench
    }

    fn start(&mut self) {
        drop(self.cache.take());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = Upstream { allow_loopback: true, ..Upstream::default() };
        self.cache = Some(AptCache::start(listener, self.folder.path(), &upstream).unwrap());
    }

    fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let url = format!("http://{}{path}", self.mirror.address);
        raw(self.cache.as_ref().unwrap().address(), "GET", &url)
    }

    fn asked(&self) -> usize {
        self.mirror.asked.load(Ordering::SeqCst)
    }
}

fn raw(proxy: SocketAddr, method: &str, url: &str) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(proxy).unwrap();
    write!(stream, "{method} {url} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let at = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let status = String::from_utf8_lossy(&all[9..12]).parse().unwrap();
    (status, all[at + 4..].to_vec())
}

#[test]
fn a_package_is_fetched_once_however_many_ask() {
    let bench = Bench::new();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let askers: Vec<_> = (0..8).map(|_| scope.spawn(|| bench.get("/pool/a.deb"))).collect();
        askers.into_iter().map(|asker| asker.join().unwrap()).collect()
    });
    for (status, body) in answers {
        assert_eq!(status, 200);
        assert_eq!(body, content());
    }
    assert_eq!(bench.get("/pool/a.deb").1, content());
    assert_eq!(bench.asked(), 1);
}

#[test]
fn what_is_whole_outlives_a_restart_and_the_mirror() {
    let mut bench = Bench::new();
    bench.get("/pool/a.deb");
    bench.get("/dists/InRelease");
    bench.start();
    assert_eq!(bench.get("/pool/a.deb").0, 200);
    assert_eq!(bench.asked(), 2);
    // An index is asked for again, and its being unchanged costs no body.
    assert_eq!(bench.get("/dists/InRelease"), (200, content()));
    assert_eq!(bench.asked(), 3);
    // Within its minute it is not.
    bench.get("/dists/InRelease");
    assert_eq!(bench.asked(), 3);
    bench.mirror.off.store(true, Ordering::SeqCst);
    bench.start();
    assert_eq!(bench.get("/dists/InRelease"), (200, content()), "the mirror is away");
    assert_eq!(bench.get("/dists/Other").0, 502);
}

#[test]
fn a_cut_download_is_resumed() {
    let bench = Bench::new();
    assert_eq!(bench.get("/pool/cut.deb"), (200, content()));
    assert_eq!(bench.asked(), 2);
}

#[test]
fn what_the_mirror_refuses_is_refused_and_not_kept() {
    let bench = Bench::new();
    assert_eq!(bench.get("/missing").0, 404);
    assert_eq!(bench.get("/missing").0, 404);
    assert_eq!(bench.asked(), 2);
}

#[test]
fn only_plain_gets_of_others_are_served() {
    let bench = Bench::new();
    let address = bench.cache.as_ref().unwrap().address();
    let url = format!("http://{}/x", bench.mirror.address);
    assert_eq!(raw(address, "POST", &url).0, 405);
    assert_eq!(raw(address, "CONNECT", "a.example:443").0, 405);
    assert_eq!(raw(address, "GET", "/x").0, 400);
    assert_eq!(raw(address, "GET", "https://a.example/x").0, 400);
    assert_eq!(raw(address, "GET", "http://me:secret@a.example/x").0, 400);
    let long = format!("http://a.example/{}", "x".repeat(URL));
    assert_eq!(raw(address, "GET", &long).0, 414);
    assert_eq!(raw(address, "GET", "http://169.254.169.254/latest").0, 403);
    assert_eq!(raw(address, "HEAD", &url), (200, Vec::new()));
}

#[test]
fn the_hosts_own_services_are_not_for_machines() {
    for own in ["127.0.0.1", "0.0.0.0", "::1", "::ffff:127.0.0.1", "169.254.1.1", "fe80::1"] {
        assert!(!reachable(own.parse().unwrap(), false), "{own}");
    }
    assert!(reachable("10.0.0.7".parse().unwrap(), false));
    let uri: http::Uri = "http://localhost/x".parse().unwrap();
    assert!(url_of(&uri, false).is_ok(), "names are looked at when they are resolved");
}

#[test]
fn a_mirror_that_is_named_by_tls_is_asked_by_tls() {
    let secure = ["mirror.example", "other.example:8443"].map(str::to_owned).into();
    let upstream = Upstream { secure, ..Upstream::default() };
    for (asked, address) in [
        ("http://mirror.example/debian/x", "https://mirror.example/debian/x"),
        ("http://other.example:8443/x", "https://other.example:8443/x"),
        ("http://other.example/x", "http://other.example/x"),
        ("http://mirror.example.org/x", "http://mirror.example.org/x"),
    ] {
        assert_eq!(upstream.address(asked), address);
    }
}

/// The mirror speaks TLS and no test is trusted by this host: that it was spoken to is what is seen.
#[test]
fn tls_is_spoken_to_such_a_mirror() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let hello = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut first = [0; 3];
        stream.read_exact(&mut first).unwrap();
        first
    });
    let folder = tempfile::tempdir().unwrap();
    let secure = [host.clone()].into();
    let upstream = Upstream { allow_loopback: true, secure, ..Upstream::default() };
    let own = TcpListener::bind("127.0.0.1:0").unwrap();
    let cache = AptCache::start(own, folder.path(), &upstream).unwrap();
    let mut stream = TcpStream::connect(cache.address()).unwrap();
    write!(stream, "GET http://{host}/x HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    // A handshake record of TLS.
    assert_eq!(hello.join().unwrap(), [22, 3, 1]);
}
