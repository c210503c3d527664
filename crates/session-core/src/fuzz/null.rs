//! A provider without cryptography, so that a fuzzer's bytes get past it. It exists in tests and fuzzing builds only.

use crate::crypto::{DhError, OpenError, Provider, Secret};

/// The tag of every packet and handshake message.
pub(crate) const TAG: [u8; 16] = [0x5A; 16];

/// Texts are sealed by [`TAG`] alone and masks are zero; agreed secrets are the sum of both keys, so that both ends agree.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Null;

impl Provider for Null {
    type Key = ();

    fn expand(&self, _: &Secret) {}

    fn seal(&self, (): &(), _: &[u8; 12], _: &[u8], _: &mut [u8]) -> [u8; 16] {
        TAG
    }

    fn open(&self, (): &(), _: &[u8; 12], _: &[u8], in_out: &mut [u8], tag: &[u8; 16]) -> Result<(), OpenError> {
        if *tag == TAG {
            return Ok(());
        }
        in_out.fill(0);
        Err(OpenError)
    }

    fn mask(&self, (): &(), _: &[u8; 16]) -> [u8; 16] {
        [0; 16]
    }

    fn dh(&self, secret: &Secret, public: &[u8; 32]) -> Result<Secret, DhError> {
        let own = self.public_key(secret);
        let sum: [u8; 32] = core::array::from_fn(|index| own[index] ^ public[index]);
        if sum == [0; 32] { Err(DhError) } else { Ok(Secret::new(sum)) }
    }

    /// Canonical, as public keys must be.
    fn public_key(&self, secret: &Secret) -> [u8; 32] {
        let mut key = *secret.expose();
        key[31] &= 0x3F;
        key
    }
}
