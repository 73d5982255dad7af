//! Putting texts into a bucket of an S3 gateway, from outside the cluster.

use std::fmt;
use std::time::Duration;

use reqwest::{Certificate, Client, StatusCode};
use rusty_s3::{Bucket, BucketError, Credentials, S3Action, UrlStyle};
use thiserror::Error;

use super::Corpus;

/// How long a signed request may be sent.
const SIGNED_FOR: Duration = Duration::from_secs(300);
/// How long one request may take; the largest text is tens of kilobytes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Characters of a refusal that are shown.
const SHOWN: usize = 400;

/// What was tried with a gateway, and failed.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// The CA certificate is none.
    #[error("cannot use the gateway's CA certificate")]
    Certificate(#[source] reqwest::Error),
    /// No HTTP client could be made.
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
    /// The endpoint is no address.
    #[error("`{0}` is no address of an S3 gateway")]
    Endpoint(String),
    /// The bucket's name cannot be put into an address.
    #[error("cannot address the bucket `{bucket}`")]
    Bucket {
        /// The name.
        bucket: String,
        /// Why.
        source: BucketError,
    },
    /// A request got no answer.
    #[error("cannot {what}")]
    Request {
        /// What was asked.
        what: String,
        /// Why. The address is left out: it carries a signature.
        source: reqwest::Error,
    },
    /// A request was answered with a no.
    #[error("cannot {what}: the gateway answered {status}: {body}")]
    Refused {
        /// What was asked.
        what: String,
        /// The answer's status.
        status: StatusCode,
        /// The beginning of what came with it.
        body: String,
    },
}

/// How to reach a bucket.
#[derive(Clone)]
pub struct Target {
    /// The gateway, such as `https://10.9.0.4:443`.
    pub endpoint: String,
    /// The CA that signed the gateway's certificate, as PEM; none for plain HTTP.
    pub ca: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// The account's name.
    pub access_key: String,
    /// The account's secret.
    pub secret_key: String,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} as {}", self.bucket, self.endpoint, self.access_key)
    }
}

/// A bucket that can be written and read.
pub struct Gateway {
    client: Client,
    bucket: Bucket,
    credentials: Credentials,
}

impl Gateway {
    /// Prepares to talk to `target`; nothing is sent.
    pub fn new(target: &Target) -> Result<Self, GatewayError> {
        // Fails only if a provider is there already, and that one serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut client = Client::builder().timeout(PATIENCE).no_proxy();
        if let Some(ca) = &target.ca {
            let certificates = Certificate::from_pem_bundle(ca.as_bytes());
            client = client.tls_certs_only(certificates.map_err(GatewayError::Certificate)?);
        } else {
            client = client.tls_certs_only([]);
        }
        let endpoint = reqwest::Url::parse(&target.endpoint)
            .map_err(|_| GatewayError::Endpoint(target.endpoint.clone()))?;
        let bucket =
            Bucket::new(endpoint, UrlStyle::Path, target.bucket.clone(), "us-east-1".to_owned())
                .map_err(|source| GatewayError::Bucket { bucket: target.bucket.clone(), source })?;
        Ok(Self {
            client: client.build().map_err(GatewayError::Client)?,
            bucket,
            credentials: Credentials::new(&target.access_key, &target.secret_key),
        })
    }

    /// Puts every text below `folder` that is not there with these very bytes. Gives how many.
    pub async fn upload(
        &self,
        folder: &str,
        corpus: &Corpus,
        mut each: impl FnMut(&str),
    ) -> Result<usize, GatewayError> {
        let mut sent = 0;
        for text in &corpus.texts {
            let key = format!("{folder}/{}", text.name);
            if self.get(&key).await?.as_deref() == Some(text.bytes.as_slice()) {
                continue;
            }
            each(&text.name);
            self.put(&key, text.bytes.clone()).await?;
            sent += 1;
        }
        Ok(sent)
    }

    /// The object's bytes, or `None` if there is no such object.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, GatewayError> {
        let url = self.bucket.get_object(Some(&self.credentials), key).sign(SIGNED_FOR);
        let what = format!("read `{key}`");
        let answer = self.client.get(url).send().await;
        let answer = answer.map_err(|source| failed(&what, source))?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                let bytes = answer.bytes().await.map_err(|source| failed(&what, source))?;
                Ok(Some(bytes.to_vec()))
            }
            _ => Err(refused(what, answer).await),
        }
    }

    /// Writes an object.
    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), GatewayError> {
        let url = self.bucket.put_object(Some(&self.credentials), key).sign(SIGNED_FOR);
        let what = format!("write `{key}`");
        let answer = self.client.put(url).body(bytes).send().await;
        let answer = answer.map_err(|source| failed(&what, source))?;
        if answer.status().is_success() { Ok(()) } else { Err(refused(what, answer).await) }
    }
}

fn failed(what: &str, source: reqwest::Error) -> GatewayError {
    GatewayError::Request { what: what.to_owned(), source: source.without_url() }
}

async fn refused(what: String, answer: reqwest::Response) -> GatewayError {
    let status = answer.status();
    let body = answer.text().await.unwrap_or_default();
    GatewayError::Refused { what, status, body: body.chars().take(SHOWN).collect() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::super::Text;
    use super::*;

    type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

    /// A gateway that keeps what is put and refuses what is not signed.
    async fn serve(listener: TcpListener, objects: Objects) {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let (head, mut body) = loop {
                let mut more = [0; 4096];
                let count = stream.read(&mut more).await.unwrap();
                bytes.extend_from_slice(&more[..count]);
                if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                    let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
                    break (head, bytes.split_off(at + 4));
                }
                assert!(count > 0, "cut off");
            };
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
            });
            while body.len() < length.unwrap_or(0) {
                let mut more = [0; 4096];
                let count = stream.read(&mut more).await.unwrap();
                body.extend_from_slice(&more[..count]);
            }
            let mut words = head.split(' ');
            let (verb, target) = (words.next().unwrap(), words.next().unwrap());
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let answer = if !query.contains("X-Amz-Signature=") {
                (403, b"AccessDenied".to_vec())
            } else if verb == "PUT" {
                objects.lock().unwrap().insert(path.to_owned(), body);
                (200, Vec::new())
            } else {
                match objects.lock().unwrap().get(path) {
                    Some(bytes) => (200, bytes.clone()),
                    None => (404, b"NoSuchKey".to_vec()),
                }
            };
            let length = answer.1.len();
            let head = format!(
                "HTTP/1.1 {} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n",
                answer.0
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&answer.1).await.unwrap();
        }
    }

    #[tokio::test]
    async fn only_what_is_missing_or_changed_is_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let objects = Objects::default();
        let server = tokio::spawn(serve(listener, objects.clone()));
        let gateway = Gateway::new(&Target {
            endpoint,
            ca: None,
            bucket: "texts".to_owned(),
            access_key: "someone".to_owned(),
            secret_key: "secret".to_owned(),
        })
        .unwrap();
        let text = |name: &str, text: &str| Text { name: name.to_owned(), bytes: text.into() };
        let mut corpus = Corpus { texts: vec![text("a", "one"), text("b", "two")] };
        assert_eq!(gateway.upload("x", &corpus, |_| {}).await.unwrap(), 2);
        assert_eq!(gateway.upload("x", &corpus, |_| {}).await.unwrap(), 0);
        corpus.texts[1].bytes = b"three".to_vec();
        assert_eq!(gateway.upload("x", &corpus, |_| {}).await.unwrap(), 1);
        assert_eq!(objects.lock().unwrap()["/texts/x/b"], b"three");
        server.abort();
    }

    #[test]
    fn the_secret_does_not_show() {
        let target = Target {
            endpoint: "https://10.0.0.1".to_owned(),
            ca: None,
            bucket: "texts".to_owned(),
            access_key: "someone".to_owned(),
            secret_key: "hush".to_owned(),
        };
        assert!(!format!("{target:?}").contains("hush"));
    }
}
