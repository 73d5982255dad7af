//! A proxy between the machines' `apt` and the mirrors, so that nothing is downloaded twice.
//!
//! ```text
//! machine ──GET http://mirror/…──▶ handle ──▶ Shelf: whole, and fresh or unchanging? ──▶ file
//!                                     └─no─▶ Flight: one download for all who ask ──▶ growing file
//! ```
//!
//! What is named by its content (`.deb`, `by-hash/`) never changes and is never asked for again.
//! Index files are asked for again after a minute, with what is known of them; when the mirror
//! does not answer, what is here is given. Whole files are published by rename; a cut one is
//! resumed while somebody waits and dropped otherwise.
//!
//! Machines can reach this, so it is narrow: `GET` and `HEAD`, plain `http`, no address of the
//! host's own, limits on everything that grows.

mod flight;
mod shelf;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Semaphore, watch};

use flight::{Flights, State};
use shelf::{Entry, Shelf};

/// Connections served at once; further ones wait to be accepted. `apt` opens one a mirror.
const CONNECTIONS: usize = 128;

/// Bytes of a request's head.
const HEAD: usize = 32 << 10;

/// Bytes of a URL (`reliability-security.md` §5).
const URL: usize = 8 << 10;

/// How long a client may take to send a request's head.
const HEAD_WITHIN: Duration = Duration::from_secs(30);

/// How mirrors are reached.
#[derive(Clone, Debug, Default)]
pub struct Upstream {
    /// A proxy that stands between this host and the mirrors.
    pub proxy: Option<String>,
    /// Hosts, with the port where it is not the usual one, that are asked by TLS, though machines ask
    /// for them by plain HTTP.
    pub secure: BTreeSet<String>,
    /// For tests, whose mirror is on this host.
    pub allow_loopback: bool,
}

impl Upstream {
    /// By which address a URL is asked for.
    fn address(&self, url: &str) -> String {
        match url.split_once("://") {
            Some(("http", rest))
                if self.secure.contains(rest.split('/').next().unwrap_or(rest)) =>
            {
                format!("https://{rest}")
            }
            _ => url.to_owned(),
        }
    }
}

/// A running cache; it ends when this is dropped.
#[derive(Debug)]
pub struct AptCache {
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
    address: SocketAddr,
}

impl AptCache {
    /// Serves on a listener from a folder, in threads of its own.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made, or the client of the mirrors cannot.
    pub fn start(
        listener: TcpListener,
        folder: &Path,
        upstream: &Upstream,
    ) -> io::Result<AptCache> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let shelf = Shelf::open(folder)?;
        let flights = Arc::new(Flights::new(shelf, upstream)?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("apt-cache")
            .enable_all()
            .build()?;
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::Builder::new().name("apt-cache".into()).spawn(move || {
            if let Err(error) = runtime.block_on(serve(listener, flights, stopped)) {
                tracing::error!(%error, "the package cache ended");
            }
            runtime.shutdown_timeout(Duration::from_secs(2));
        })?;
        Ok(AptCache { stop, thread: Some(thread), address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it; downloads that are under way are cut and dropped.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for AptCache {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the package cache panicked");
        }
    }
}

async fn serve(
    listener: TcpListener,
    flights: Arc<Flights>,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return Ok(()) };
        let stream = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let flights = Arc::clone(&flights);
        tokio::spawn(async move {
            let service = service_fn(move |request| handle(Arc::clone(&flights), request));
            let served = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WITHIN)
                .max_buf_size(HEAD)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "a client of the package cache went away");
            }
            drop(permit);
        });
    }
}

async fn handle(
    flights: Arc<Flights>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    Ok(answer(&flights, &request).await.unwrap_or_else(|(status, words)| plain(status, &words)))
}

type Refused = (StatusCode, String);

async fn answer(
    flights: &Arc<Flights>,
    request: &Request<Incoming>,
) -> Result<Response<Body>, Refused> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let words = "only GET and HEAD are served";
        return Err((StatusCode::METHOD_NOT_ALLOWED, words.to_owned()));
    }
    let url = url_of(request.uri(), flights.allow_loopback())?;
    let with_body = *request.method() == Method::GET;
    let mut state = flights.ask(&url).map_err(failed)?;
    let decided = state
        .wait_for(|state| !matches!(state, State::Waiting))
        .await
        .map_err(|_| (StatusCode::BAD_GATEWAY, "the download was given up".to_owned()))?
        .clone();
    match decided {
        State::Waiting => Err((StatusCode::BAD_GATEWAY, "nothing came".to_owned())),
        State::Failed(words) => Err((StatusCode::BAD_GATEWAY, words)),
        State::Passed(status) => Err((status, "the mirror said so".to_owned())),
        State::Whole(entry) => whole(flights, &entry, request.headers(), with_body).await,
        State::Growing { entry, path, .. } => {
            let file = tokio::fs::File::open(&path).await;
            let file = match file {
                Ok(file) => file,
                // It was published between the look and the opening.
                Err(_) => flights.shelf().open_body(&entry).await.map_err(failed)?,
            };
            let body = if with_body { flight::follow(file, state) } else { Body::empty() };
            Ok(with_head(&entry, body))
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn failed(error: io::Error) -> Refused {
    tracing::warn!(%error, "the package cache could not serve");
    (StatusCode::INTERNAL_SERVER_ERROR, "the cache failed".to_owned())
}

async fn whole(
    flights: &Flights,
    entry: &Entry,
    asked: &HeaderMap,
    with_body: bool,
) -> Result<Response<Body>, Refused> {
    let same = |name: header::HeaderName, known: &Option<String>| {
        let asked = asked.get(name).and_then(|value| value.to_str().ok());
        asked.is_some() && asked == known.as_deref()
    };
    if same(header::IF_NONE_MATCH, &entry.etag)
        || same(header::IF_MODIFIED_SINCE, &entry.last_modified)
    {
        let mut response = with_head(entry, Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(header::CONTENT_LENGTH);
        return Ok(response);
    }
    let body = if with_body {
        let file = flights.shelf().open_body(entry).await.map_err(failed)?;
        Body::from_stream(tokio_util::io::ReaderStream::with_capacity(file, 64 << 10))
    } else {
        Body::empty()
    };
    Ok(with_head(entry, body))
}

fn with_head(entry: &Entry, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let mut put = |name: header::HeaderName, value: Option<&str>| {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    };
    let length = entry.length.map(|length| length.to_string());
    put(header::CONTENT_LENGTH, length.as_deref());
    put(header::CONTENT_TYPE, entry.content_type.as_deref());
    put(header::LAST_MODIFIED, entry.last_modified.as_deref());
    put(header::ETAG, entry.etag.as_deref());
    response
}

fn plain(status: StatusCode, words: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{words}\n")));
    *response.status_mut() = status;
    response
}

/// The one form of a URL that this fetches, and so the key of what it keeps.
fn url_of(uri: &http::Uri, allow_loopback: bool) -> Result<String, Refused> {
    let bad = |words: &str| (StatusCode::BAD_REQUEST, words.to_owned());
    if uri.scheme_str() != Some("http") {
        return Err(bad("this is a proxy for plain http"));
    }
    let authority = uri.authority().ok_or_else(|| bad("no host"))?;
    if authority.as_str().contains('@') {
        return Err(bad("no names and passwords"));
    }
    if let Ok(address) = authority.host().trim_matches(['[', ']']).parse::<IpAddr>()
        && !reachable(address, allow_loopback)
    {
        return Err((StatusCode::FORBIDDEN, "that address is not for machines".to_owned()));
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = authority.as_str().to_ascii_lowercase();
    let url = format!("http://{}{path}", host.strip_suffix(":80").unwrap_or(&host));
    if url.len() > URL {
        return Err((StatusCode::URI_TOO_LONG, "the URL is too long".to_owned()));
    }
    Ok(url)
}

/// Whether machines may be shown what listens there: this host's own services are not for them.
fn reachable(address: IpAddr, allow_loopback: bool) -> bool {
    let own = match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_broadcast()
        }
        IpAddr::V6(address) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unicast_link_local()
                || address.is_multicast()
        }
    };
    !own || (allow_loopback && address.is_loopback())
}

#[cfg(test)]
mod tests;
