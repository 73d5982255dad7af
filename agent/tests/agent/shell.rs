//! Shells: an operator's stream to a program on the machine, as the agent serves it.

use std::time::Duration;

use bytes::Bytes;
use muster_api::shell::{
    Door, Ended, Frame, Incoming, Link, Outgoing, Size, Start, Stream, Terminal, WINDOW,
};

use crate::support::{CharmText, Host, PATIENCE, runs};

/// An operator's end.
struct Operator {
    to: Outgoing,
    from: Incoming,
}

fn line(command: &str) -> Door {
    Door::Shell { user: None, command: Some(command.to_owned()) }
}

async fn begin(link: Link, door: Door, terminal: Option<Terminal>) -> Operator {
    let (to, from, _) = link.begin();
    to.send(Frame::Start(Start { door, terminal })).await.unwrap();
    Operator { to, from }
}

impl Operator {
    async fn next(&mut self) -> Frame {
        let next = tokio::time::timeout(PATIENCE, self.from.next()).await;
        next.expect("a frame in time").expect("a frame").expect("the stream goes on")
    }

    /// Everything until the program's end, taken as it comes.
    async fn rest(&mut self) -> (Ended, Vec<u8>, Vec<u8>) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        loop {
            match self.next().await {
                Frame::Bytes(stream, bytes) => {
                    if stream == Stream::Out { &mut out } else { &mut err }.extend(&bytes);
                    // The agent may be done and gone.
                    let _gone = self.to.taken(stream, bytes.len()).await;
                }
                Frame::Ended(ended) => return (ended, out, err),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Output until `text` is in it.
    async fn until(&mut self, text: &str) {
        let mut out = Vec::new();
        while !String::from_utf8_lossy(&out).contains(text) {
            let Frame::Bytes(stream, bytes) = self.next().await else { panic!("no {text:?}") };
            out.extend(&bytes);
            self.to.taken(stream, bytes.len()).await.unwrap();
        }
    }
}

/// A machine whose unit is at rest.
async fn host() -> Host {
    let mut host = Host::new(CharmText::new().hook("install", "true"));
    host.start();
    host.rest().await;
    host
}

async fn shell(host: &Host, command: &str) -> Operator {
    begin(host.fake.shell(), line(command), None).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_carries_input_both_outputs_and_the_exit_code() {
    let mut host = host().await;
    let mut cat = shell(&host, "cat; echo oh >&2; exit 7").await;
    cat.to.bytes(Stream::In, Bytes::from_static(b"foo\0\xff")).await.unwrap();
    cat.until("foo").await;
    cat.to.bytes(Stream::In, Bytes::from_static(b" bar")).await.unwrap();
    cat.to.send(Frame::InputEnds).await.unwrap();
    let (ended, out, err) = cat.rest().await;
    assert_eq!(
        (ended, out.as_slice(), err.as_slice()),
        (Ended::Exit(7), &b" bar"[..], &b"oh\n"[..])
    );
    let (ended, ..) = shell(&host, "kill -9 $$").await.rest().await;
    assert_eq!(ended, Ended::Signal(9));
    // A root's own place and name, and nothing of a hook.
    let script = "echo $HOME $USER $PWD ${JUJU_UNIT_NAME-none}; ps -o args= -p $$";
    let (_, out, _) = shell(&host, script).await.rest().await;
    let out = String::from_utf8(out).unwrap();
    assert!(out.starts_with("/root root /root none\n"), "{out}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_has_no_limit_and_comes_as_it_is_read() {
    let mut host = host().await;
    let path = host.root().join("printed");
    let script = format!(
        "for i in $(seq 64); do head -c 1048576 /dev/zero; echo $i > {}; done",
        path.display()
    );
    let mut shell = shell(&host, &script).await;
    // Nothing is taken: no more than a window is on its way, and what pipes and connections hold.
    let mut came = 0;
    while came < WINDOW as usize {
        let Frame::Bytes(Stream::Out, bytes) = shell.next().await else { panic!("no output") };
        came += bytes.len();
    }
    assert_eq!(came, WINDOW as usize);
    let more = tokio::time::timeout(Duration::from_millis(300), shell.from.next()).await;
    assert!(more.is_err(), "more comes than was taken");
    let printed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(printed.trim().parse().unwrap_or(0) <= 2, "the program is ahead: {printed}");
    shell.to.taken(Stream::Out, came).await.unwrap();
    let (ended, out, _) = shell.rest().await;
    assert_eq!((ended, out.len() + came), (Ended::Exit(0), 64 << 20));
    host.stop().await;
}

/// Input that a program does not read holds neither its end up nor the operator's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_whose_program_reads_nothing_is_ended_all_the_same() {
    let mut host = host().await;
    let pid = host.root().join("pid");
    let mut one = shell(&host, &format!("echo $$ > {}; exec sleep 600", pid.display())).await;
    let sending = one.to.clone();
    let whole = Bytes::from(vec![b'x'; 3 * WINDOW as usize]);
    let sending = tokio::spawn(async move { sending.bytes(Stream::In, whole).await });
    host.appears("pid").await;
    // The operator's end closes while it waits for room.
    let text = host.left("pid");
    assert!(runs(&text));
    sending.abort();
    drop(one);
    host.until_so("end of the program", || !runs(&text)).await;
    one = shell(&host, "exit 3").await;
    assert_eq!(one.rest().await.0, Ended::Exit(3));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r06_what_a_shell_started_ends_with_the_operator_and_stays_when_it_ended_itself() {
    let mut host = host().await;
    let script = |name: &str, end: &str| {
        let path = host.root().join(name);
        format!("setsid sleep 600 > /dev/null 2>&1 & echo $! > {}; {end}", path.display())
    };
    let cut = shell(&host, &script("cut", "wait")).await;
    host.appears("cut").await;
    let pid = host.left("cut");
    drop(cut);
    host.until_so("end of the child", || !runs(&pid)).await;
    let mut own = shell(&host, &script("own", "exit 0")).await;
    assert_eq!(own.rest().await.0, Ended::Exit(0));
    let pid = host.left("own");
    assert!(runs(&pid), "what was left running goes on");
    // Its output is open: nobody waits for it for long.
    let mut open = shell(&host, "sleep 600 & echo $!").await;
    let (ended, out, _) = open.rest().await;
    assert_eq!(ended, Ended::Exit(0));
    for pid in [pid, String::from_utf8(out).unwrap()] {
        let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_waits_for_no_hook_and_is_in_no_log() {
    let mut host = Host::new(
        CharmText::new()
            .hook("install", "touch $out/in; while [ ! -e $out/go ]; do sleep 0.05; done"),
    );
    host.start();
    host.until_so("the hook", || host.root().join("in").exists()).await;
    let (ended, out, _) = shell(&host, "echo only-for-me").await.rest().await;
    assert_eq!((ended, out.as_slice()), (Ended::Exit(0), &b"only-for-me\n"[..]));
    std::fs::write(host.root().join("go"), "").unwrap();
    host.rest().await;
    let said = host.fake.state.lock().unwrap().logs.iter().any(|l| l.message.contains("only-for"));
    assert!(!said, "what a shell printed is in the log");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_with_a_terminal_is_in_charge_of_it() {
    let mut host = host().await;
    let terminal =
        Terminal { kind: "xterm-256color".to_owned(), size: Size { rows: 33, columns: 91 } };
    let script = "tty; stty size; echo $TERM; read word; stty size; echo got $word; exec cat";
    let mut shell = begin(host.fake.shell(), line(script), Some(terminal)).await;
    shell.until("xterm-256color").await;
    let size = Size { rows: 12, columns: 34 };
    shell.to.send(Frame::Size(size)).await.unwrap();
    shell.to.bytes(Stream::In, Bytes::from_static(b"hello\r")).await.unwrap();
    shell.until("got hello").await;
    // The shell is gone once this comes back; a signal while it makes room might be lost.
    shell.to.bytes(Stream::In, Bytes::from_static(b"ping\r")).await.unwrap();
    shell.until("ping\r\nping").await;
    // What is typed interrupts what runs in it.
    shell.to.bytes(Stream::In, Bytes::from_static(b"\x03")).await.unwrap();
    let (ended, ..) = shell.rest().await;
    assert!(matches!(ended, Ended::Signal(2) | Ended::Exit(130)), "{ended:?}");
    // One that nobody holds any more is hung up.
    let path = host.root().join("tty-pid");
    let terminal = Terminal { kind: String::new(), size };
    let script = format!("echo $$ > {}; sleep 600", path.display());
    let shell = begin(host.fake.shell(), line(&script), Some(terminal)).await;
    host.appears("tty-pid").await;
    let pid = host.left("tty-pid");
    drop(shell);
    host.until_so("end of the terminal's program", || !runs(&pid)).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_that_cannot_begin_says_why_and_one_is_ended_with_the_agent() {
    let mut host = host().await;
    let door = Door::Shell { user: Some("nobody-here".into()), command: None };
    let (ended, ..) = begin(host.fake.shell(), door, None).await.rest().await;
    let why = "there is no user \"nobody-here\" on this machine".to_owned();
    assert_eq!(ended, Ended::Refused(why));
    let (to, from, _) = host.fake.shell().begin();
    to.send(Frame::InputEnds).await.unwrap();
    let mut strange = Operator { to, from };
    assert!(matches!(strange.rest().await.0, Ended::Refused(_)));
    let door = Door::HostKeys;
    let (ended, key, _) = begin(host.fake.shell(), door, None).await.rest().await;
    assert_eq!(ended, Ended::Exit(0));
    assert!(key.starts_with(b"ssh-ed25519 "), "{}", String::from_utf8_lossy(&key));
    let mut long = shell(&host, "echo began; sleep 600").await;
    long.until("began").await;
    host.stop().await;
    let why = "the machine's agent is ending".to_owned();
    assert_eq!(long.rest().await.0, Ended::Refused(why));
}

/// The model's keys are on the machine while the model has them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_models_keys_are_written_whole() {
    let mut host = host().await;
    let path = host.paths.ssh().join("authorized_keys");
    let key =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPAxaOCGQkPsDZPXTZVRpIoQYKb/SOxzqWFQUTWLRr7S ann";
    host.fake.want(|goal| goal.ssh_keys = vec![key.parse().unwrap()]);
    host.until_so("keys", || std::fs::read_to_string(&path).is_ok_and(|t| t.contains(key))).await;
    host.fake.want(|goal| goal.ssh_keys.clear());
    host.until_so("no keys", || !path.exists()).await;
    host.stop().await;
}
