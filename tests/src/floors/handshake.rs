//! *handshake*: N full TLS 1.3 handshakes, one after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use crate::measure::MeasureError;

/// Rounds of messages after which a handshake is stuck.
const TURNS: usize = 16;

/// Both ends' settings, with a certificate made for this.
pub struct Handshake {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Handshake {
    /// Makes a key and a certificate.
    pub fn prepare() -> Result<Self, MeasureError> {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).map_err(tls)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let certificate = made.cert.der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).map_err(tls)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let only = &[&rustls::version::TLS13];
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(only)
            .map_err(tls)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .map_err(tls)?;
        // Tickets would let the second handshake be a short one.
        server.send_tls13_tickets = 0;
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(only)
            .map_err(tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { server: Arc::new(server), client: Arc::new(client) })
    }

    /// One handshake in memory: how long both ends worked, and of that how long the server did.
    pub fn shake(&self) -> Result<(Duration, Duration), MeasureError> {
        let name = ServerName::try_from("localhost").map_err(tls)?;
        let began = Instant::now();
        let mut client = ClientConnection::new(self.client.clone(), name).map_err(tls)?;
        let mut in_server = Duration::ZERO;
        let begun = Instant::now();
        let mut server = ServerConnection::new(self.server.clone()).map_err(tls)?;
        in_server += begun.elapsed();
        for _ in 0..TURNS {
            let mut bytes = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut bytes).map_err(tls)?;
            }
            let begun = Instant::now();
            let mut answer = Vec::new();
            if !bytes.is_empty() {
                server.read_tls(&mut bytes.as_slice()).map_err(tls)?;
                server.process_new_packets().map_err(tls)?;
            }
            while server.wants_write() {
                server.write_tls(&mut answer).map_err(tls)?;
            }
            in_server += begun.elapsed();
            if !answer.is_empty() {
                client.read_tls(&mut answer.as_slice()).map_err(tls)?;
                client.process_new_packets().map_err(tls)?;
            }
            if !client.is_handshaking() && !server.is_handshaking() {
                return Ok((began.elapsed(), in_server));
            }
        }
        Err(MeasureError::Tls("the handshake does not come to an end".to_owned()))
    }
}

fn tls(error: impl std::fmt::Display) -> MeasureError {
    MeasureError::Tls(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_comes_to_its_end() {
        let (both, server) = Handshake::prepare().unwrap().shake().unwrap();
        assert!(server > Duration::ZERO && server < both);
    }
}
