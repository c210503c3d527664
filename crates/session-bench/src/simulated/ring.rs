//! AES-256-GCM of ring, for a comparison with peers that have it.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, Tag, UnboundKey};
use session_core::{DhError, OpenError, Provider, RustCrypto, RustCryptoKey, Secret};

/// The packets' cipher is ring's. Header protection and X25519 stay with `RustCrypto`: ring gives out no whole block, and takes no secret key.
#[derive(Clone, Copy)]
pub(super) struct Ring;

pub(super) struct RingKey {
    packets: LessSafeKey,
    headers: RustCryptoKey,
}

impl Provider for Ring {
    type Key = RingKey;

    fn expand(&self, secret: &Secret) -> RingKey {
        let packets =
            UnboundKey::new(&AES_256_GCM, secret.dangerous_expose()).expect("a secret is as long as a key of AES-256");
        RingKey { packets: LessSafeKey::new(packets), headers: RustCrypto.expand(secret) }
    }

    fn seal(&self, key: &RingKey, nonce: &[u8; NONCE_LEN], associated_data: &[u8], in_out: &mut [u8]) -> [u8; 16] {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag = key.packets.seal_in_place_separate_tag(nonce, Aad::from(associated_data), in_out);
        tag.ok().and_then(|tag| tag.as_ref().try_into().ok()).unwrap_or_default()
    }

    fn open(
        &self,
        key: &RingKey,
        nonce: &[u8; NONCE_LEN],
        associated_data: &[u8],
        in_out: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), OpenError> {
        let (nonce, associated_data) = (Nonce::assume_unique_for_key(*nonce), Aad::from(associated_data));
        let opened = key.packets.open_in_place_separate_tag(nonce, associated_data, Tag::from(*tag), in_out, 0..);
        if opened.is_ok() {
            return Ok(());
        }
        in_out.fill(0);
        Err(OpenError)
    }

    fn mask(&self, key: &RingKey, sample: &[u8; 16]) -> [u8; 16] {
        RustCrypto.mask(&key.headers, sample)
    }

    fn dh(&self, secret: &Secret, public: &[u8; 32]) -> Result<Secret, DhError> {
        RustCrypto.dh(secret, public)
    }

    fn public_key(&self, secret: &Secret) -> [u8; 32] {
        RustCrypto.public_key(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_as_the_core_does() {
        session_sim::conformance::check(&Ring);
    }
}
