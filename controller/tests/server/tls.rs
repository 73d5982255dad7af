//! The wire: TLS 1.3 under the controller's own authority, and no place for who says nothing (S1).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use muster_api::Client;
use muster_api::client::Endpoint;
use muster_api::trust::{SERVER_NAME, client_config};
use muster_controller::identity::{Authority, server_config};
use rustls::HandshakeKind;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::common::House;

/// A connection on which a test says what it wants.
pub async fn connect(house: &House) -> TlsStream<TcpStream> {
    let config = client_config(&house.authority).unwrap();
    shake(house.address, config).await.unwrap()
}

async fn shake(
    address: SocketAddr,
    config: impl Into<Arc<rustls::ClientConfig>>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(SERVER_NAME).unwrap();
    TlsConnector::from(config.into()).connect(name, stream).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s01_both_sides_refuse_what_is_not_tls_13_under_the_pinned_authority() {
    let house = House::start().await;
    // Another authority.
    let other = Authority::make("other").unwrap();
    let endpoint = Endpoint::new(&[house.address], other.certificate(), None).unwrap();
    assert!(Client::new(endpoint).version().await.is_err());
    // TLS 1.2, which a client offers that knows the authority well.
    let mut roots = rustls::RootCertStore::empty();
    use rustls::pki_types::pem::PemObject;
    let der = rustls::pki_types::CertificateDer::from_pem_slice(house.authority.as_bytes());
    roots.add(der.unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let old = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    assert!(shake(house.address, old).await.is_err());
    // Plain HTTP.
    let mut plain = TcpStream::connect(house.address).await.unwrap();
    plain.write_all(b"GET /v1/version HTTP/1.1\r\nHost: m\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // Closed or reset; either way there is no answer in clear.
    drop(plain.read_to_end(&mut answer).await);
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1 200"));
    // And with all of that, who comes as he should is served.
    house.root().version().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s01_the_client_refuses_a_server_that_is_not_the_controller() {
    let authority = Authority::make("mine").unwrap();
    let good = server_config(&authority, &[]).unwrap();
    let stranger = server_config(&Authority::make("mine").unwrap(), &[]).unwrap();
    for (config, trusted) in [(good, true), (stranger, false)] {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            TlsAcceptor::from(config).accept(stream).await.is_ok()
        });
        let shaken = shake(address, client_config(authority.certificate()).unwrap()).await;
        assert_eq!(shaken.is_ok(), trusted);
        drop(shaken);
        serving.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn q25_who_comes_again_is_known_by_the_ticket_of_the_first_time() {
    let house = House::start().await;
    let config = Arc::new(client_config(&house.authority).unwrap());
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
        let mut stream = shake(house.address, Arc::clone(&config)).await.unwrap();
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind));
        stream.write_all(b"GET /v1/version HTTP/1.0\r\nHost: m\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&answer));
    }
    // The ticket gives no right: without a token nothing but the version is answered.
    let mut stream = shake(house.address, config).await.unwrap();
    stream.write_all(b"GET /v1/controller HTTP/1.0\r\nHost: m\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.0 401"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s01_who_says_nothing_is_shown_the_door() {
    let house = House::tuned(|settings| {
        settings.times.handshake = Duration::from_millis(300);
        settings.times.idle = Duration::from_millis(600);
    })
    .await;
    let closed = |what: &'static str, mut read: Box<dyn tokio::io::AsyncRead + Unpin + Send>| async move {
        let mut rest = Vec::new();
        let reading = tokio::time::timeout(Duration::from_secs(10), read.read_to_end(&mut rest));
        // How it is closed does not matter.
        drop(reading.await.unwrap_or_else(|_| panic!("{what} is still open")));
    };
    let silent = TcpStream::connect(house.address).await.unwrap();
    closed("a connection without a handshake", Box::new(silent)).await;
    let quiet = connect(&house).await;
    closed("a connection without a request", Box::new(quiet)).await;
    let mut done = connect(&house).await;
    done.write_all(b"GET /v1/version HTTP/1.1\r\nHost: m\r\n\r\n").await.unwrap();
    closed("a connection after its request", Box::new(done)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s01_a_head_that_does_not_end_is_not_waited_for_as_a_rest_between_requests_is() {
    let house = House::tuned(|settings| {
        settings.times.head = Duration::from_millis(300);
        settings.times.idle = Duration::from_secs(3600);
    })
    .await;
    let whole = b"GET /v1/version HTTP/1.1\r\nHost: m\r\n\r\n";
    let half = b"GET /v1/version HTTP/1.1\r\nHost:";
    let mut first = connect(&house).await;
    first.write_all(half).await.unwrap();
    let mut later = connect(&house).await;
    later.write_all(whole).await.unwrap();
    let mut answer = [0; 12];
    later.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let mut resting = connect(&house).await;
    resting.write_all(whole).await.unwrap();
    later.write_all(half).await.unwrap();
    // A letter now and then is no end.
    let trickle = tokio::spawn(async move {
        while later.write_all(b"x").await.is_ok() && later.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut rest = Vec::new();
    let patience = Duration::from_secs(10);
    // How it is closed does not matter.
    drop(tokio::time::timeout(patience, first.read_to_end(&mut rest)).await.unwrap());
    tokio::time::timeout(patience, trickle).await.unwrap().unwrap();
    // One that rests is still open, and is served.
    resting.write_all(whole).await.unwrap();
    resting.read_exact(&mut answer).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s01_one_address_does_not_take_all_connections() {
    let house = House::tuned(|settings| {
        settings.limits.per_loopback = 8;
        settings.times.handshake = Duration::from_secs(2);
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(house.address).await.unwrap());
    }
    crate::common::until(|| async {
        shake(house.address, client_config(&house.authority).unwrap()).await.is_err().then_some(())
    })
    .await;
    drop(silent);
    crate::common::until(|| async { house.root().version().await.ok() }).await;
}
