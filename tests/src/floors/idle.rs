//! *idle*: a bare axum and rustls server that holds connections which say nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConnection, RootCertStore, ServerConfig, StreamOwned};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::measure::{MeasureError, io_error};

/// The server in a process of its own, and the connections it holds.
pub struct Idle {
    server: Child,
    _held: Vec<StreamOwned<ClientConnection, TcpStream>>,
}

impl Idle {
    /// Starts the server and opens `count` connections; each has asked once.
    pub fn open(count: usize) -> Result<Self, MeasureError> {
        let me = std::env::current_exe().map_err(io_error("find this program"))?;
        let mut server = Command::new(me)
            .args(["inner", "idle"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(io_error("start the floor's server"))?;
        let said = server.stdout.take();
        let mut idle = Self { server, _held: Vec::new() };
        let mut lines = BufReader::new(
            said.ok_or_else(|| MeasureError::Unequal("the server says nothing".to_owned()))?,
        );
        let mut address = String::new();
        lines.read_line(&mut address).map_err(io_error("read the floor's address"))?;
        let address: SocketAddr = address.trim().parse().map_err(tls)?;
        let mut authority = String::new();
        while !authority.contains("END CERTIFICATE") {
            let read = lines.read_line(&mut authority);
            if read.map_err(io_error("read the floor's certificate"))? == 0 {
                return Err(MeasureError::Tls("the floor gave no certificate".to_owned()));
            }
        }
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(authority.as_bytes()).map_err(tls)?)
            .map_err(tls)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let config = Arc::new(config);
        for _ in 0..count {
            let name = ServerName::try_from("localhost").map_err(tls)?;
            let connection = ClientConnection::new(Arc::clone(&config), name).map_err(tls)?;
            let stream = TcpStream::connect(address).map_err(io_error("connect on loopback"))?;
            let mut stream = StreamOwned::new(connection, stream);
            stream
                .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
                .map_err(io_error("ask the floor's server"))?;
            let mut head = [0; 12];
            stream.read_exact(&mut head).map_err(io_error("hear the floor's server"))?;
            idle._held.push(stream);
        }
        Ok(idle)
    }

    /// The server's process.
    pub fn server(&self) -> u32 {
        self.server.id()
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _gone = self.server.kill();
        let _reaped = self.server.wait();
    }
}

/// Serves until it is killed; says its address and its certificate first.
pub fn serve() -> Result<(), MeasureError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(io_error("start a runtime"))?;
    runtime.block_on(async {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).map_err(tls)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(tls)?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .map_err(tls)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.map_err(io_error("listen on loopback"))?;
        let address = listener.local_addr().map_err(io_error("listen on loopback"))?;
        let said = format!("{address}\n{}", made.cert.pem());
        let mut out = std::io::stdout().lock();
        out.write_all(said.as_bytes()).and_then(|()| out.flush()).map_err(io_error("say"))?;
        drop(out);
        let router: Router = Router::new().route("/", get(async || ""));
        loop {
            let (stream, _) = listener.accept().await.map_err(io_error("accept"))?;
            let (acceptor, router) = (acceptor.clone(), router.clone());
            tokio::spawn(async move {
                // A connection that breaks is the client's affair; the floor counts those that hold.
                let Ok(secured) = acceptor.accept(stream).await else { return };
                let builder = auto::Builder::new(TokioExecutor::new());
                let service = TowerToHyperService::new(router);
                let _broken = builder.serve_connection(TokioIo::new(secured), service).await;
            });
        }
    })
}

fn tls(error: impl std::fmt::Display) -> MeasureError {
    MeasureError::Tls(error.to_string())
}
