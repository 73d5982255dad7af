//! The server: HTTPS only, every route a row of the table.

mod agent;
mod blob;
mod claim;
mod command;
mod crowd;
mod head;
mod lane;
mod logs;
mod problem;
mod secret;
mod session;
mod shell;
mod turns;
mod view;

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawPathParams, Request, State};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use futures_util::FutureExt;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use muster_api::route::{Method, Name, Route, TABLE};
use muster_model::name::UserName;
use muster_model::record::TokenHash;
use muster_resources::{BlobStore, Reader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::config::{Limits, Times};
use crate::heard::Hearing;
use crate::ledger::Ledger;
use crate::log::Logs;
use crate::provision::Provisioner;
use crate::vault::Vault;

pub use claim::Claims;
pub use lane::Lane;
pub use problem::Failure;
pub use shell::Shells;
pub use turns::Turns;

use crowd::{Crowd, Seat};
use head::{Heads, Watched};
use session::Session;

/// Bytes of a request's address (reliability document, section 5).
const MAX_ADDRESS: usize = 8 << 10;

/// Bytes of a request's headers (reliability document, section 5).
const MAX_HEADERS: usize = 32 << 10;

/// What every handler has at hand.
#[derive(Clone, Debug)]
pub struct App {
    /// Commands and reports go in here, snapshots come out.
    pub ledger: Ledger,
    /// Bytes.
    pub blobs: BlobStore,
    /// Who reads them, where they are archives.
    pub reader: Reader,
    /// Contents of secrets.
    pub vault: Vault,
    /// Logs of units.
    pub logs: Logs,
    /// Whom this controller hears from.
    pub hearing: Hearing,
    /// Makes machines.
    pub provisioner: Provisioner,
    /// Where agents reach this controller.
    pub agent_addresses: Vec<SocketAddr>,
    /// Who has shown which bytes.
    pub claims: Claims,
    /// Who sends bytes.
    pub uploads: Turns<UserName>,
    /// Shells that wait for their machine.
    pub shells: Shells,
    /// Who watches a model, or follows its log; by token, since that is a session.
    pub watches: Turns<TokenHash>,
    /// Writes agents' log lines: one at a time, as they go into one file.
    pub logging: Lane,
    /// Reads blobs.
    pub reading: Lane,
    /// How long things are waited for.
    pub times: Times,
    /// Ends the controller.
    pub shutdown: CancellationToken,
}

/// The router: one route for each row of the table, and nothing else.
pub fn router(app: App) -> Router {
    // Shared: every poll that is held has one.
    let app = Arc::new(app);
    let mut router = Router::new();
    for row in TABLE {
        let filter = match row.method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
            Method::Put => MethodFilter::PUT,
        };
        let handler = move |State(app): State<Arc<App>>, path: RawPathParams, request: Request| async move {
            serve_row(app, row, &path, request).await
        };
        router = router.route(row.path, on(filter, handler));
    }
    router
        .fallback(async || Failure::not_found().respond())
        .method_not_allowed_fallback(async || Failure::not_found().respond())
        .with_state(app)
}

async fn serve_row(
    app: Arc<App>,
    row: &'static Route,
    path: &RawPathParams,
    request: Request,
) -> Response<Body> {
    let parts: Vec<String> = path.iter().map(|(_, value)| value.to_owned()).collect();
    let span = tracing::info_span!("request", route = ?row.name, revision = %app.ledger.estate().revision());
    // A panic ends this one request (S30); nothing it held is shared.
    let served = AssertUnwindSafe(dispatch(app, row, &parts, request)).catch_unwind();
    match served.instrument(span).await {
        Ok(Ok(response)) => response,
        Ok(Err(failure)) => failure.respond(),
        Err(_) => Failure::unavailable("it made a mistake; its log has it").respond(),
    }
}

async fn dispatch(
    app: Arc<App>,
    row: &'static Route,
    parts: &[String],
    request: Request,
) -> Result<Response<Body>, Failure> {
    bounded_head(&request)?;
    let session = session::admit(&app, row, parts, request.headers())?;
    if row.name == Name::Goal {
        let after = agent::after(request.uri())?;
        // A poll is held for long by every agent: it holds nothing of the buffer that its
        // request was read into.
        drop(request);
        return agent::goal(&app, &session, after).await;
    }
    // Beside it: what is held for long has not the size of the largest that could have been asked.
    Box::pin(answer(&app, session, row, parts, request)).await
}

/// Serves what is not a poll.
async fn answer(
    app: &App,
    session: Session,
    row: &'static Route,
    parts: &[String],
    request: Request,
) -> Result<Response<Body>, Failure> {
    let address = request.uri().clone();
    match row.name {
        Name::Version => view::version(app),
        Name::Controller => view::controller(app, &session),
        Name::Whoami => view::whoami(&session),
        Name::Teardown => command::teardown(app, row, request).await,
        Name::Findings => view::findings(app),
        Name::Commands => command::submit(app, &session, row, request).await,
        Name::Clouds => view::clouds(app, &session),
        Name::Models => view::models(app, &session),
        Name::ModelView => view::model(app, &session, &address),
        Name::ModelWait => view::wait(app, &session, row, request).await,
        Name::ModelLogs => logs::read(app, session, &address).await,
        Name::SecretSeal => secret::seal(app, &session, row, request).await,
        Name::SecretContent => secret::reveal(app, &session, parts, &address),
        Name::Shell => shell::open(app, session, &address, request).await,
        Name::BlobState => blob::state(app, &session, parts),
        Name::BlobAppend => blob::append(app, &session, row, parts, request).await,
        Name::BlobRead => blob::read(app, session, parts, &address),
        Name::Enrol => agent::enrol(app, &session, row, request).await,
        Name::Goal => agent::goal(app, &session, agent::after(&address)?).await,
        Name::Reports => agent::report(app, &session, row, request).await,
        Name::Snapshot => agent::snapshot(app, &session, row, parts, request).await,
        Name::AgentSeal => secret::agent_seal(app, &session, row, parts, request).await,
        Name::AgentSecret => secret::agent_read(app, &session, row, parts, request).await,
        Name::AgentSecrets => secret::agent_owned(app, &session, parts),
        Name::AgentLogs => logs::take(app, &session, row, request).await,
        Name::AgentPresence => agent::presence(app, &session, row, request).await,
        Name::AgentShell => shell::take(app, session, request),
    }
}

/// Refuses a head that is longer than anything this table needs.
fn bounded_head(request: &Request) -> Result<(), Failure> {
    let address = request.uri().path_and_query().map_or(0, |text| text.as_str().len());
    if address > MAX_ADDRESS {
        return Err(Failure::malformed(format!("an address is at most {MAX_ADDRESS} bytes")));
    }
    let headers = request.headers().iter();
    let length: usize = headers.map(|(name, value)| name.as_str().len() + value.len()).sum();
    if length > MAX_HEADERS {
        return Err(Failure::malformed(format!("headers are at most {MAX_HEADERS} bytes")));
    }
    Ok(())
}

/// Serves on a listener until `shutdown`; requests that have begun come to their end, unless that
/// takes longer than the grace time.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    router: Router,
    (times, limits): (Times, Limits),
    shutdown: CancellationToken,
) {
    let acceptor = TlsAcceptor::from(tls);
    let crowd = Arc::new(Crowd::new(limits));
    let tasks = TaskTracker::new();
    let cut = CancellationToken::new();
    // Also if this is aborted: nobody is answered from what may not be on disk.
    let _cut = cut.clone().drop_guard();
    loop {
        let (stream, from) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, most likely: the loop must live on (R23).
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = shutdown.cancelled() => break,
        };
        let Some(seat) = crowd.enter(from.ip()) else {
            tracing::debug!(%from, "too many connections; closed");
            continue;
        };
        let (acceptor, router) = (acceptor.clone(), router.clone());
        let (shutdown, cut) = (shutdown.clone(), cut.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = connection((stream, seat), acceptor, router, times, shutdown) => {}
                () = cut.cancelled() => {}
            }
        });
    }
    tasks.close();
    if tokio::time::timeout(times.grace, tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "requests are cut off");
        cut.cancel();
        tasks.wait().await;
    }
}

async fn connection(
    (stream, seat): (TcpStream, Seat),
    acceptor: TlsAcceptor,
    router: Router,
    times: Times,
    shutdown: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection ended before it began");
        return;
    }
    let shaking = tokio::time::timeout(times.handshake, acceptor.accept(stream));
    let shaken = tokio::select! {
        // Beside it: a connection rests for longer than it shakes hands.
        shaken = Box::pin(shaking) => shaken,
        () = shutdown.cancelled() => return,
    };
    let secured = match shaken {
        Ok(Ok(secured)) => secured,
        Ok(Err(error)) => {
            tracing::debug!(%error, "no TLS handshake");
            return;
        }
        Err(_) => return,
    };
    let mut builder = http1::Builder::new();
    builder
        .timer(hyper_util::rt::TokioTimer::new())
        .header_read_timeout(times.idle)
        .max_buf_size(64 << 10);
    let heads = Heads::new();
    let whole = heads.clone();
    let service = TowerToHyperService::new(router);
    let service = service_fn(move |request| {
        let served = whole.whole();
        let answer = service.call(request);
        async move {
            let answer = answer.await;
            drop(served);
            answer
        }
    });
    let stream = TokioIo::new(Watched::new(secured, heads.clone(), seat));
    let serving = builder.serve_connection(stream, service).with_upgrades();
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = heads.overdue(times.head) => return,
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
