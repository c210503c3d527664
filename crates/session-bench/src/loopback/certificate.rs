//! A certificate for `localhost` that only this program trusts.

use rcgen::{CertifiedKey, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::Failure;

/// The name in the certificate.
pub(crate) const NAME: &str = "localhost";

/// A certificate and its key.
pub(crate) struct Certificate {
    pub(crate) chain: Vec<CertificateDer<'static>>,
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
        let CertifiedKey { cert, signing_key } = CertifiedKey { cert: certificate, signing_key: key };
        Ok(Self { chain: vec![cert.der().clone()], key: signing_key.serialize_der() })
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }

    /// The store of a client that trusts it.
    pub(crate) fn roots(&self) -> Result<RootCertStore, Failure> {
        let mut roots = RootCertStore::empty();
        roots.add(self.chain[0].clone())?;
        Ok(roots)
    }
}
