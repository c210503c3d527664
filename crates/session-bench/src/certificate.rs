//! A certificate for `localhost` that only this program trusts.

use std::sync::Arc;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::Failure;

/// The name in the certificate.
pub(crate) const NAME: &str = "localhost";

/// Lets every handshake be a whole one: none begins where one before it ended.
pub(crate) fn without_resumption(
    (mut server, mut client): (ServerConfig, ClientConfig),
) -> (ServerConfig, ClientConfig) {
    server.send_tls13_tickets = 0;
    client.resumption = rustls::client::Resumption::disabled();
    (server, client)
}

/// A certificate and its key.
pub(crate) struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    pub(crate) chain_pem: String,
    pub(crate) key_pem: String,
    key: Vec<u8>,
}

impl Certificate {
    /// A new one, ECDSA over P-256: what every peer takes.
    pub(crate) fn new() -> Result<Self, Failure> {
        Self::with(&PKCS_ECDSA_P256_SHA256)
    }

    /// A new one of another algorithm.
    pub(crate) fn with(algorithm: &'static rcgen::SignatureAlgorithm) -> Result<Self, Failure> {
        let key = KeyPair::generate_for(algorithm)?;
        let certificate = rcgen::CertificateParams::new(vec![NAME.to_owned()])?.self_signed(&key)?;
        Ok(Self {
            chain: vec![certificate.der().clone()],
            chain_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            key: key.serialize_der(),
        })
    }

    /// TLS 1.3 of a server that has it and of a client that trusts it.
    pub(crate) fn configs(&self, provider: &Arc<CryptoProvider>) -> Result<(ServerConfig, ClientConfig), Failure> {
        let server = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key())?;
        let client = ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(self.roots()?)
            .with_no_client_auth();
        Ok((server, client))
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }

    /// The store of a client that trusts it.
    fn roots(&self) -> Result<RootCertStore, Failure> {
        let mut roots = RootCertStore::empty();
        roots.add(self.chain[0].clone())?;
        Ok(roots)
    }
}
