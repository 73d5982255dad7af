//! Whom a client trusts: the controller's own authority and nobody else.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use thiserror::Error;

/// The name in every controller's certificate, whatever its addresses. Clients connect to an
/// address and expect this name, so that an address may change without a new certificate.
pub const SERVER_NAME: &str = "muster-controller";

/// Servers whose tickets are kept, which let a next connection begin with less work.
const SESSIONS: usize = 4;

/// Why an authority cannot be trusted.
#[derive(Debug, Error)]
pub enum TrustError {
    /// Not a certificate.
    #[error("cannot read the controller's authority certificate")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// Not one that can be an authority.
    #[error("cannot use the controller's authority certificate")]
    Root(#[source] rustls::Error),
    /// The library's defaults do not go together.
    #[error("cannot set up TLS")]
    Setup(#[source] rustls::Error),
}

/// A TLS 1.3 client that trusts one authority (S1): never the system's roots.
///
/// # Errors
/// If `authority` is not a certificate in PEM.
pub fn client_config(authority: &str) -> Result<rustls::ClientConfig, TrustError> {
    let certificate =
        CertificateDer::from_pem_slice(authority.as_bytes()).map_err(TrustError::Pem)?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).map_err(TrustError::Root)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TrustError::Setup)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // One server, some connections: what is set aside by default would do for hundreds of servers.
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(config)
}
