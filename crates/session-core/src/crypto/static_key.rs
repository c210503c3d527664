//! A node's own lasting key pair.

use core::fmt;

use super::public_key::PublicKey;
use super::secret::Secret;
use super::suite::Provider;

/// A node's static key: the secret half and the public half that belongs to it.
pub struct StaticKey {
    secret: Secret,
    public: PublicKey,
}

impl StaticKey {
    /// Computes the public half of `secret`.
    #[must_use]
    pub fn new<P: Provider>(provider: &P, secret: Secret) -> Self {
        let public = PublicKey::of_own(provider.public_key(&secret));
        Self { secret, public }
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.secret
    }
}

impl fmt::Debug for StaticKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StaticKey").field("public", &self.public).finish_non_exhaustive()
    }
}
