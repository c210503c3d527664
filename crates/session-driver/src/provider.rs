//! The crypto provider of an endpoint, behind one type: handles are the same whoever encrypts (`docs/adr/0021-handles-hide-the-provider.md`).

use std::sync::Arc;

use session_core::{DhError, OpenError, Provider, RustCrypto, RustCryptoKey, Secret};

/// The provider that was chosen. The default one is called directly.
pub(crate) enum AnyProvider {
    RustCrypto,
    Chosen(Box<dyn Chosen>),
}

/// An expanded key of [`AnyProvider`].
#[expect(
    clippy::large_enum_variant,
    reason = "the default's keys stand in the core's cache, and are expanded without an allocation"
)]
pub(crate) enum AnyKey {
    RustCrypto(RustCryptoKey),
    Chosen(Box<dyn ChosenKey>),
}

/// A [`Provider`] as an object.
pub(crate) trait Chosen: Send + Sync {
    fn expand(&self, secret: &Secret) -> Box<dyn ChosenKey>;
    fn dh(&self, secret: &Secret, public: &[u8; 32]) -> Result<Secret, DhError>;
    fn public_key(&self, secret: &Secret) -> [u8; 32];
}

/// A key that knows its provider, so that no key meets another's.
pub(crate) trait ChosenKey: Send {
    fn seal(&self, nonce: &[u8; 12], associated_data: &[u8], in_out: &mut [u8]) -> [u8; 16];
    fn open(
        &self,
        nonce: &[u8; 12],
        associated_data: &[u8],
        in_out: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), OpenError>;
    fn mask(&self, sample: &[u8; 16]) -> [u8; 16];
}

impl AnyProvider {
    pub(crate) fn chosen<P>(provider: P) -> Self
    where
        P: Provider + Send + Sync + 'static,
        P::Key: Send,
    {
        Self::Chosen(Box::new(Arc::new(provider)))
    }
}

impl Provider for AnyProvider {
    type Key = AnyKey;

    fn expand(&self, secret: &Secret) -> AnyKey {
        match self {
            Self::RustCrypto => AnyKey::RustCrypto(RustCrypto.expand(secret)),
            Self::Chosen(provider) => AnyKey::Chosen(provider.expand(secret)),
        }
    }

    fn seal(&self, key: &AnyKey, nonce: &[u8; 12], associated_data: &[u8], in_out: &mut [u8]) -> [u8; 16] {
        match key {
            AnyKey::RustCrypto(key) => RustCrypto.seal(key, nonce, associated_data, in_out),
            AnyKey::Chosen(key) => key.seal(nonce, associated_data, in_out),
        }
    }

    fn open(
        &self,
        key: &AnyKey,
        nonce: &[u8; 12],
        associated_data: &[u8],
        in_out: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), OpenError> {
        match key {
            AnyKey::RustCrypto(key) => RustCrypto.open(key, nonce, associated_data, in_out, tag),
            AnyKey::Chosen(key) => key.open(nonce, associated_data, in_out, tag),
        }
    }

    fn mask(&self, key: &AnyKey, sample: &[u8; 16]) -> [u8; 16] {
        match key {
            AnyKey::RustCrypto(key) => RustCrypto.mask(key, sample),
            AnyKey::Chosen(key) => key.mask(sample),
        }
    }

    fn dh(&self, secret: &Secret, public: &[u8; 32]) -> Result<Secret, DhError> {
        match self {
            Self::RustCrypto => RustCrypto.dh(secret, public),
            Self::Chosen(provider) => provider.dh(secret, public),
        }
    }

    fn public_key(&self, secret: &Secret) -> [u8; 32] {
        match self {
            Self::RustCrypto => RustCrypto.public_key(secret),
            Self::Chosen(provider) => provider.public_key(secret),
        }
    }
}

struct Bound<P: Provider> {
    provider: Arc<P>,
    key: P::Key,
}

impl<P> Chosen for Arc<P>
where
    P: Provider + Send + Sync + 'static,
    P::Key: Send,
{
    fn expand(&self, secret: &Secret) -> Box<dyn ChosenKey> {
        Box::new(Bound { provider: Self::clone(self), key: P::expand(self, secret) })
    }

    fn dh(&self, secret: &Secret, public: &[u8; 32]) -> Result<Secret, DhError> {
        P::dh(self, secret, public)
    }

    fn public_key(&self, secret: &Secret) -> [u8; 32] {
        P::public_key(self, secret)
    }
}

impl<P> ChosenKey for Bound<P>
where
    P: Provider + Send + Sync,
    P::Key: Send,
{
    fn seal(&self, nonce: &[u8; 12], associated_data: &[u8], in_out: &mut [u8]) -> [u8; 16] {
        self.provider.seal(&self.key, nonce, associated_data, in_out)
    }

    fn open(
        &self,
        nonce: &[u8; 12],
        associated_data: &[u8],
        in_out: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), OpenError> {
        self.provider.open(&self.key, nonce, associated_data, in_out, tag)
    }

    fn mask(&self, sample: &[u8; 16]) -> [u8; 16] {
        self.provider.mask(&self.key, sample)
    }
}

#[cfg(test)]
mod tests;
