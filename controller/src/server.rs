//! The server: HTTPS only, every route a row of the table.

mod agent;
mod blob;
mod command;
mod logs;
mod problem;
mod session;
mod view;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawPathParams, Request, State};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use muster_api::route::{Method, Name, Route, TABLE};
use muster_resources::BlobStore;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::heard::Hearing;
use crate::ledger::Ledger;
use crate::log::Logs;
use crate::provision::Provisioner;

pub use problem::Failure;

/// Connections at a time (reliability document, section 5).
const CONNECTIONS: usize = 10_000;

/// How long a client may take for the TLS handshake, and for the head of a request (S1).
const PATIENCE: Duration = Duration::from_secs(10);

/// What every handler has at hand.
#[derive(Clone, Debug)]
pub struct App {
    /// Commands and reports go in here, snapshots come out.
    pub ledger: Ledger,
    /// Bytes.
    pub blobs: BlobStore,
    /// Logs of units.
    pub logs: Logs,
    /// Whom this controller hears from.
    pub hearing: Hearing,
    /// Makes machines.
    pub provisioner: Provisioner,
    /// Where agents reach this controller.
    pub agent_addresses: Vec<SocketAddr>,
    /// Ends the controller.
    pub shutdown: CancellationToken,
}

/// The router: one route for each row of the table, and nothing else.
pub fn router(app: App) -> Router {
    let mut router = Router::new();
    for row in TABLE {
        let filter = match row.method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
            Method::Put => MethodFilter::PUT,
        };
        let handler = move |State(app): State<App>, path: RawPathParams, request: Request| async move {
            serve_row(app, row, &path, request).await
        };
        router = router.route(row.path, on(filter, handler));
    }
    router.fallback(async || Failure::not_found().respond()).with_state(app)
}

async fn serve_row(
    app: App,
    row: &'static Route,
    path: &RawPathParams,
    request: Request,
) -> Response<Body> {
    let parts: Vec<String> = path.iter().map(|(_, value)| value.to_owned()).collect();
    match dispatch(app, row, &parts, request).await {
        Ok(response) => response,
        Err(failure) => failure.respond(),
    }
}

async fn dispatch(
    app: App,
    row: &'static Route,
    parts: &[String],
    request: Request,
) -> Result<Response<Body>, Failure> {
    let session = session::admit(&app, row, parts, request.headers())?;
    let address = request.uri().clone();
    match row.name {
        Name::Version => view::version(&app),
        Name::Controller => view::controller(&app),
        Name::Whoami => view::whoami(&session),
        Name::Teardown => command::teardown(&app, row, request).await,
        Name::Findings => view::findings(&app),
        Name::Commands => command::submit(&app, &session, row, request).await,
        Name::Models => view::models(&app, &session),
        Name::ModelView => view::model(&app, &session, &address),
        Name::ModelWait => view::wait(&app, &session, row, request).await,
        Name::ModelLogs => logs::read(&app, &session, &address),
        Name::BlobState => blob::state(&app, parts),
        Name::BlobAppend => blob::append(&app, row, parts, request).await,
        Name::BlobRead => blob::read(&app, &session, parts, &address).await,
        Name::Enrol => agent::enrol(&app, &session, row, request).await,
        Name::Goal => agent::goal(&app, &session, &address).await,
        Name::Reports => agent::report(&app, &session, row, request).await,
        Name::Snapshot => agent::snapshot(&app, &session, row, parts, request).await,
        Name::AgentLogs => logs::take(&app, &session, row, request).await,
        Name::AgentPresence => agent::presence(&app, &session, row, request).await,
    }
}

/// Serves on a listener until `shutdown`; requests that have begun come to their end.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
    router: Router,
    shutdown: CancellationToken,
) {
    let acceptor = TlsAcceptor::from(tls);
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let tasks = TaskTracker::new();
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { break };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, most likely: the loop must live on (R23).
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = shutdown.cancelled() => break,
        };
        let (acceptor, router, shutdown) = (acceptor.clone(), router.clone(), shutdown.clone());
        tasks.spawn(async move {
            connection(stream, acceptor, router, shutdown).await;
            drop(permit);
        });
    }
    tasks.close();
    tasks.wait().await;
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    router: Router,
    shutdown: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection ended before it began");
        return;
    }
    let secured = match tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
        Ok(Ok(secured)) => secured,
        Ok(Err(error)) => {
            tracing::debug!(%error, "no TLS handshake");
            return;
        }
        Err(_) => return,
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(hyper_util::rt::TokioTimer::new())
        .header_read_timeout(PATIENCE * 6)
        .max_buf_size(64 << 10);
    let service = TowerToHyperService::new(router);
    let serving = builder.serve_connection(TokioIo::new(secured), service);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
