//! The unit's socket: calls of tools, taken one at a time by the run they belong to.
//!
//! ```text
//! tool ─▶ socket ─▶ who is it? which run? ─▶ the run's inbox ─▶ tools::answer(&mut Context)
//! ```
//!
//! Only processes of the present run are served (reliability document, S12): the folder and the
//! socket are root's, the kernel names the peer's user and process, the process must be in the
//! run's control group, and the context's id carries 256 random bits that end with the run.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::hook::cgroup::Group;
use crate::hook::context::Context;
use crate::tools;
use crate::wire::{self, Answer, Call};

/// How long a tool may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);
/// Calls at once (reliability document, section 5).
const AT_ONCE: usize = 64;

type Inbox = mpsc::Sender<(Call, oneshot::Sender<Answer>)>;

/// The run whose tools are served at the moment.
#[derive(Debug)]
struct Open {
    id: String,
    group: Arc<Group>,
    inbox: Inbox,
}

/// A unit's socket. Cheap to clone; it is served until the unit's task ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Server {
    open: Arc<Mutex<Option<Open>>>,
}

/// A run being served; gives its context back at the end.
#[derive(Debug)]
pub(crate) struct Serving {
    server: Server,
    context: JoinHandle<Context>,
}

impl Server {
    /// Listens on `path` until `stop`.
    pub(crate) fn start(path: &Path, stop: CancellationToken) -> io::Result<Server> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        let server = Server::default();
        let serving = server.clone();
        let places = Arc::new(Semaphore::new(AT_ONCE));
        tokio::spawn(async move {
            loop {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = stop.cancelled() => return,
                };
                match accepted {
                    Ok((stream, _)) => {
                        let server = serving.clone();
                        tokio::spawn(async move {
                            server.serve(stream).await;
                            drop(place);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a call of a hook tool could not be accepted");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        });
        Ok(server)
    }

    /// Serves the tools of the run that `context` is bound to.
    pub(crate) fn open(&self, context: Context, group: Arc<Group>) -> Serving {
        let (inbox, mut calls) = mpsc::channel::<(Call, oneshot::Sender<Answer>)>(AT_ONCE);
        let open = Open { id: context.id.clone(), group, inbox };
        *self.lock() = Some(open);
        let context = tokio::spawn(async move {
            let mut context = context;
            while let Some((call, answer)) = calls.recv().await {
                // Whoever asked may be gone by now; what was written holds all the same.
                let _gone = answer.send(tools::answer(&mut context, call).await);
            }
            context
        });
        Serving { server: self.clone(), context }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(&self, mut stream: UnixStream) {
        let answer = match self.take(&mut stream).await {
            Ok(answer) => answer,
            Err(problem) => Answer {
                code: 1,
                stderr: format!("ERROR bad request: {problem}\n").into_bytes(),
                ..Answer::default()
            },
        };
        let written = wire::encode(&answer.fields(&[answer.code])).or_else(|_| {
            let stderr = b"ERROR the answer is larger than any may be\n".to_vec();
            let answer = Answer { code: 1, stderr, ..Answer::default() };
            wire::encode(&answer.fields(&[1]))
        });
        let sent = match written {
            Ok(bytes) => stream.write_all(&bytes).await,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "a hook tool left before its answer");
        }
    }

    async fn take(&self, stream: &mut UnixStream) -> Result<Answer, String> {
        let peer = stream.peer_cred().map_err(|error| error.to_string())?;
        if peer.uid() != rustix::process::geteuid().as_raw() {
            return Err("permission denied".to_owned());
        }
        // Buffered: a call is a dozen small fields, and each would be a read of its own.
        let mut reader = tokio::io::BufReader::new(&mut *stream);
        let read = tokio::time::timeout(PATIENCE, wire::read_async(&mut reader)).await;
        let fields = read.map_err(|_| "it did not come".to_owned())?;
        let call = fields.and_then(Call::from_fields).map_err(|error| error.to_string())?;
        let process = peer.pid().and_then(rustix::process::Pid::from_raw);
        let inbox = {
            let open = self.lock();
            match &*open {
                Some(open)
                    if same(&open.id, &call.context)
                        && process.is_some_and(|process| open.group.holds(process)) =>
                {
                    Some(open.inbox.clone())
                }
                _ => None,
            }
        };
        let wrong = || format!("wrong context ID; got \"{}\"", shown(&call.context));
        let Some(inbox) = inbox else { return Err(wrong()) };
        let (answer, answered) = oneshot::channel();
        let refused = wrong();
        if inbox.send((call, answer)).await.is_err() {
            return Err(refused);
        }
        drop(inbox);
        answered.await.map_err(|_| refused)
    }
}

impl Serving {
    /// Ends it: calls that have begun are answered, later ones are refused. None if the run's task
    /// broke, which is a defect that was logged.
    pub(crate) async fn close(self) -> Option<Context> {
        *self.server.lock() = None;
        match self.context.await {
            Ok(context) => Some(context),
            Err(error) => {
                tracing::error!(%error, "the task that serves a hook's tools broke");
                None
            }
        }
    }
}

/// Compares without telling by the time it takes how much of it was right.
fn same(one: &str, other: &str) -> bool {
    one.len() == other.len()
        && one.bytes().zip(other.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// A context's id without its secret part.
fn shown(id: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic();
    let name = id.rsplit_once('-').map_or(id, |(name, _)| name);
    name.chars().filter(|c| plain(*c)).take(100).collect()
}
