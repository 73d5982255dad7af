//! Downloads under way: one for each URL, however many ask.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{StatusCode, header};
use reqwest::dns::{Name, Resolve, Resolving};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, watch};

use super::super::hold;
use super::shelf::{Entry, Shelf};
use super::{Upstream, reachable};

/// How long an index file is taken for fresh: machines that update together ask the mirror once.
const FRESH: Duration = Duration::from_secs(60);

/// Bytes of one file at most; the largest package of Debian has less than a tenth of it.
const LARGEST: u64 = 8 << 30;

/// Downloads at once; further ones wait.
const FLIGHTS: usize = 16;

/// Times a download that was cut is taken up again where it was.
const RESUMES: u32 = 4;

/// Where a download stands.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// The mirror has not answered yet.
    Waiting,
    /// Its body is coming in.
    Growing {
        /// What the mirror said of it.
        entry: Entry,
        /// The file that grows.
        path: PathBuf,
        /// Bytes in the file.
        written: u64,
        /// How it ended, once it has.
        ended: Option<Result<(), String>>,
    },
    /// It is on the shelf.
    Whole(Entry),
    /// The mirror answered with something else than a file.
    Passed(StatusCode),
    /// The mirror did not answer, and nothing is on the shelf.
    Failed(String),
}

/// All downloads of a cache.
#[derive(Debug)]
pub(super) struct Flights {
    shelf: Shelf,
    client: reqwest::Client,
    upstream: Upstream,
    under_way: Mutex<BTreeMap<String, watch::Receiver<State>>>,
    /// When index files were last known to be the mirror's newest.
    fresh: Mutex<BTreeMap<String, Instant>>,
    room: Semaphore,
}

impl Flights {
    pub(super) fn new(shelf: Shelf, upstream: &Upstream) -> io::Result<Flights> {
        // Another part of the process may have chosen already: then that one holds.
        if rustls::crypto::ring::default_provider().install_default().is_err() {
            tracing::trace!("there was a provider of cryptography already");
        }
        let allow = upstream.allow_loopback;
        let mut client = reqwest::Client::builder()
            .no_proxy()
            .user_agent("muster-apt-cache")
            .connect_timeout(Duration::from_secs(15))
            .read_timeout(Duration::from_secs(60))
            .redirect(reqwest::redirect::Policy::custom(move |attempt| {
                let host = attempt.url().host_str().unwrap_or_default();
                let address = host.trim_matches(['[', ']']).parse();
                let own = address.is_ok_and(|address| !reachable(address, allow));
                if own || attempt.previous().len() > 5 { attempt.stop() } else { attempt.follow() }
            }))
            .dns_resolver(Arc::new(Outward { allow_loopback: allow }));
        if let Some(proxy) = &upstream.proxy {
            client = client.proxy(reqwest::Proxy::all(proxy).map_err(io::Error::other)?);
        }
        Ok(Flights {
            shelf,
            client: client.build().map_err(io::Error::other)?,
            upstream: upstream.clone(),
            under_way: Mutex::default(),
            fresh: Mutex::default(),
            room: Semaphore::new(FLIGHTS),
        })
    }

    pub(super) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    pub(super) fn allow_loopback(&self) -> bool {
        self.upstream.allow_loopback
    }

    /// Gives the state of a URL, joining its download or starting one.
    pub(super) fn ask(self: &Arc<Self>, url: &str) -> io::Result<watch::Receiver<State>> {
        // Held over the look at the shelf, so that two askers cannot both find nothing.
        let mut under_way = hold(&self.under_way);
        if let Some(state) = under_way.get(url) {
            return Ok(state.clone());
        }
        let known = self.shelf.find(url);
        if let Some(entry) = &known {
            let fresh = hold(&self.fresh).get(url).is_some_and(|since| since.elapsed() < FRESH);
            if unchanging(url) || fresh {
                return Ok(watch::channel(State::Whole(entry.clone())).1);
            }
        }
        let (send, state) = watch::channel(State::Waiting);
        under_way.insert(url.to_owned(), state.clone());
        let (flights, url) = (Arc::clone(self), url.to_owned());
        tokio::spawn(async move {
            let end = Ended { flights: &flights, url: &url };
            flights.fly(&url, known, &send).await;
            drop(end);
        });
        Ok(state)
    }

    async fn fly(&self, url: &str, known: Option<Entry>, send: &watch::Sender<State>) {
        let Ok(_room) = self.room.acquire().await else { return };
        let mut request = self.client.get(self.upstream.address(url));
        if let Some(known) = &known {
            if let Some(etag) = &known.etag {
                request = request.header(header::IF_NONE_MATCH, etag);
            }
            if let Some(date) = &known.last_modified {
                request = request.header(header::IF_MODIFIED_SINCE, date);
            }
        }
        let again = request.try_clone();
        let answered = match (request.send().await, again) {
            // A mirror may close a kept connection in the moment in which it is used again.
            (Err(error), Some(again)) if error.is_request() && !error.is_connect() => {
                again.send().await
            }
            (answered, _) => answered,
        };
        let response = match answered {
            Ok(response) if !response.status().is_server_error() => response,
            other => {
                let why = match other {
                    Ok(response) => format!("the mirror said {}", response.status()),
                    Err(error) => format!("the mirror did not answer: {}", causes(&error)),
                };
                tracing::warn!(url, why, kept = known.is_some(), "no answer from a mirror");
                // Without a mirror, what is here is better than nothing.
                send.send_replace(known.map_or(State::Failed(why), State::Whole));
                return;
            }
        };
        match (response.status(), known) {
            (StatusCode::NOT_MODIFIED, Some(entry)) => {
                self.note_fresh(url);
                send.send_replace(State::Whole(entry));
            }
            (StatusCode::OK, _) => self.land(url, response, send).await,
            (status, _) => {
                send.send_replace(State::Passed(status));
            }
        }
    }

    /// Takes a body in, resuming it when it is cut, and publishes it once it is whole.
    async fn land(&self, url: &str, response: reqwest::Response, send: &watch::Sender<State>) {
        let text = |name: header::HeaderName| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let (body, path) = self.shelf.begin(url);
        let mut entry = Entry {
            url: url.to_owned(),
            body,
            length: response.content_length(),
            etag: text(header::ETAG),
            last_modified: text(header::LAST_MODIFIED),
            content_type: text(header::CONTENT_TYPE),
        };
        if entry.length.is_some_and(|length| length > LARGEST) {
            send.send_replace(State::Failed("larger than is kept".to_owned()));
            return;
        }
        let mut file = match tokio::fs::File::create(&path).await {
            Ok(file) => file,
            Err(error) => {
                send.send_replace(State::Failed(format!("cannot keep it: {error}")));
                return;
            }
        };
        send.send_replace(State::Growing {
            entry: entry.clone(),
            path: path.clone(),
            written: 0,
            ended: None,
        });
        let mut result = self.write(url, response, &entry, &mut file, send).await;
        if let Ok(written) = result {
            entry.length = Some(written);
            result = self
                .shelf
                .publish(&entry, &path)
                .map(|()| written)
                .map_err(|error| format!("cannot keep it: {error}"));
        }
        match &result {
            Ok(_) => self.note_fresh(url),
            Err(why) => {
                tracing::warn!(url, why, "a download was given up");
                remove(&path).await;
            }
        }
        send.send_modify(|state| {
            if let State::Growing { ended, .. } = state {
                *ended = Some(result.map(drop));
            }
        });
    }

    async fn write(
        &self,
        url: &str,
        mut response: reqwest::Response,
        entry: &Entry,
        file: &mut tokio::fs::File,
        send: &watch::Sender<State>,
    ) -> Result<u64, String> {
        let keep = |error: io::Error| format!("cannot keep it: {error}");
        let mut total = 0u64;
        let mut resumes = 0;
        loop {
            let mut pieces = response.bytes_stream();
            let mut cut = None;
            while let Some(piece) = pieces.next().await {
                let piece: Bytes = match piece {
                    Ok(piece) => piece,
                    Err(error) => {
                        cut = Some(causes(&error));
                        break;
                    }
                };
                total += piece.len() as u64;
                if total > entry.length.unwrap_or(LARGEST).min(LARGEST) {
                    return Err("it is longer than was said".to_owned());
                }
                file.write_all(&piece).await.map_err(keep)?;
                file.flush().await.map_err(keep)?;
                send.send_modify(|state| {
                    if let State::Growing { written, .. } = state {
                        *written = total;
                    }
                });
            }
            let short = entry.length.is_some_and(|length| total < length);
            match cut {
                None if !short => return Ok(total),
                cut if !short || resumes >= RESUMES => {
                    return Err(cut.unwrap_or_else(|| "it was cut".to_owned()));
                }
                _ => {
                    resumes += 1;
                    response = self.resume(url, entry, total).await?;
                }
            }
        }
    }

    async fn resume(
        &self,
        url: &str,
        entry: &Entry,
        from: u64,
    ) -> Result<reqwest::Response, String> {
        // Without a mark of what it was, the rest could be of another file.
        let mark = entry.etag.as_ref().or(entry.last_modified.as_ref());
        let mark = mark.ok_or("it was cut, and cannot be resumed")?;
        let response = self
            .client
            .get(self.upstream.address(url))
            .header(header::RANGE, format!("bytes={from}-"))
            .header(header::IF_RANGE, mark)
            .send()
            .await
            .map_err(|error| causes(&error))?;
        let range = response.headers().get(header::CONTENT_RANGE).and_then(|r| r.to_str().ok());
        let fits = range.is_some_and(|range| range.starts_with(&format!("bytes {from}-")));
        if response.status() == StatusCode::PARTIAL_CONTENT && fits {
            return Ok(response);
        }
        Err(format!("it was cut, and resuming was answered with {}", response.status()))
    }

    fn note_fresh(&self, url: &str) {
        let mut fresh = hold(&self.fresh);
        fresh.retain(|_, since| since.elapsed() < FRESH);
        fresh.insert(url.to_owned(), Instant::now());
    }
}

/// Takes a download off the list, however its task ends.
struct Ended<'a> {
    flights: &'a Flights,
    url: &'a str,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        hold(&self.flights.under_way).remove(self.url);
    }
}

/// Whether what this names can never be anything else.
fn unchanging(url: &str) -> bool {
    let path = url.split('?').next().unwrap_or(url);
    path.contains("/by-hash/") || [".deb", ".udeb", ".ddeb"].iter().any(|end| path.ends_with(end))
}

/// A body that follows a growing file to its end.
pub(super) fn follow(file: tokio::fs::File, state: watch::Receiver<State>) -> Body {
    let steps = futures_util::stream::unfold(Some((file, state, 0u64)), |at| async move {
        let (mut file, mut state, read) = at?;
        match next(&mut file, &mut state, read).await {
            Ok(piece) if piece.is_empty() => None,
            Ok(piece) => {
                let read = read + piece.len() as u64;
                Some((Ok(piece), Some((file, state, read))))
            }
            Err(error) => Some((Err(error), None)),
        }
    });
    Body::from_stream(steps)
}

/// The next piece of a growing file; an empty one is its end.
async fn next(
    file: &mut tokio::fs::File,
    state: &mut watch::Receiver<State>,
    read: u64,
) -> io::Result<Bytes> {
    let there = |state: &State| match state {
        State::Growing { written, ended, .. } => *written > read || ended.is_some(),
        _ => true,
    };
    let given_up = |why: &str| io::Error::other(format!("the download was given up: {why}"));
    // A sender that is gone has said how it ended before; if not, it was cut with its runtime.
    let (written, ended) = match &*state.wait_for(there).await.map_err(|_| given_up("stopped"))? {
        State::Growing { written, ended, .. } => (*written, ended.clone()),
        _ => return Err(given_up("it turned into something else")),
    };
    if written > read {
        let room = usize::try_from((written - read).min(64 << 10)).unwrap_or(64 << 10);
        let mut piece = vec![0; room];
        file.read_exact(&mut piece).await?;
        return Ok(piece.into());
    }
    match ended {
        Some(Err(why)) => Err(given_up(&why)),
        Some(Ok(())) | None => Ok(Bytes::new()),
    }
}

async fn remove(path: &Path) {
    if let Err(error) = tokio::fs::remove_file(path).await {
        tracing::warn!(%error, path = %path.display(), "a cut download was left");
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Finds mirrors by name, and leaves out addresses that are this host's own.
#[derive(Debug)]
struct Outward {
    allow_loopback: bool,
}

impl Resolve for Outward {
    fn resolve(&self, name: Name) -> Resolving {
        let allow = self.allow_loopback;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0))
                .await?
                .filter(|address| reachable(address.ip(), allow))
                .collect();
            if found.is_empty() {
                return Err(format!("`{}` has no address for machines", name.as_str()).into());
            }
            let found: reqwest::dns::Addrs = Box::new(found.into_iter());
            Ok(found)
        })
    }
}
