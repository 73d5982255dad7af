//! The controller's own authority and the certificate that it serves with (S1).

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use muster_api::trust::SERVER_NAME;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;
use time::{Duration, OffsetDateTime};

/// How long an authority is good for.
const AUTHORITY_DAYS: i64 = 3650;

/// How long a server's certificate is good for. It is made anew at each start.
const SERVER_DAYS: i64 = 397;

/// Why there is no identity.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Make(#[source] rcgen::Error),
    /// A file could not be read or written.
    #[error("cannot {what} `{path}`")]
    File {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: String,
        /// What happened.
        #[source]
        source: std::io::Error,
    },
    /// What was made cannot be read back.
    #[error("cannot read the certificate or key")]
    Pem(#[source] rustls::pki_types::pem::Error),
    /// The library does not take it.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}

/// The authority that agents and clients pin: its certificate and its key.
pub struct Authority {
    certificate: String,
    key: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// A new authority.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub fn make(name: &str) -> Result<Self, IdentityError> {
        let key = KeyPair::generate().map_err(IdentityError::Make)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("Muster authority of {name}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let (from, until) = validity(AUTHORITY_DAYS);
        params.not_before = from;
        params.not_after = until;
        let certificate = params.self_signed(&key).map_err(IdentityError::Make)?;
        Ok(Authority { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// Writes it under `folder`: `ca.pem` for everybody, `ca-key.pem` for root alone.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), IdentityError> {
        crate::disk::write(&folder.join("ca-key.pem"), self.key.as_bytes(), 0o600)
            .and_then(|()| {
                crate::disk::write(&folder.join("ca.pem"), self.certificate.as_bytes(), 0o644)
            })
            .map_err(|(path, source)| IdentityError::File { what: "write", path, source })
    }

    /// Reads what [`Authority::save`] wrote.
    ///
    /// # Errors
    /// If the files cannot be read.
    pub fn load(folder: &Path) -> Result<Self, IdentityError> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path).map_err(|source| IdentityError::File {
                what: "read",
                path: path.display().to_string(),
                source,
            })
        };
        Ok(Authority { certificate: read("ca.pem")?, key: read("ca-key.pem")? })
    }

    /// Its certificate in PEM, for clients to pin.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }
}

/// A TLS 1.3 server that the authority vouches for, under the one name that clients expect and the
/// addresses it listens on.
///
/// # Errors
/// If the certificate cannot be made.
pub fn server_config(
    authority: &Authority,
    addresses: &[IpAddr],
) -> Result<Arc<rustls::ServerConfig>, IdentityError> {
    let ca_key = KeyPair::from_pem(&authority.key).map_err(IdentityError::Make)?;
    let issuer =
        Issuer::from_ca_cert_pem(&authority.certificate, ca_key).map_err(IdentityError::Make)?;
    let key = KeyPair::generate().map_err(IdentityError::Make)?;
    let names = vec![SERVER_NAME.to_owned(), "localhost".to_owned()];
    let mut params = CertificateParams::new(names).map_err(IdentityError::Make)?;
    params.distinguished_name.push(DnType::CommonName, SERVER_NAME);
    params.subject_alt_names.extend(addresses.iter().copied().map(SanType::IpAddress));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let (from, until) = validity(SERVER_DAYS);
    params.not_before = from;
    params.not_after = until;
    let certificate = params.signed_by(&key, &issuer).map_err(IdentityError::Make)?;
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes())
        .map_err(IdentityError::Pem)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(IdentityError::Tls)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(IdentityError::Tls)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Who comes again, as each agent does for its next report, proves nothing anew: the ticket is
    // kept by the client, and its key ends with this process. Keys are exchanged each time all the
    // same, and who it is says the token in each request.
    config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(IdentityError::Tls)?;
    config.send_tls13_tickets = 1;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(Arc::new(config))
}

/// From a day ago, for clocks that are a little behind, until so many days from now.
fn validity(days: i64) -> (OffsetDateTime, OffsetDateTime) {
    let seconds = crate::clock::now().0.div_euclid(1000);
    let now = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    (now - Duration::days(1), now + Duration::days(days))
}
