//! Noise's SymmetricState and CipherState (rev 34, sections 5.1 and 5.2).

use sha2::{Digest, Sha256};

use super::super::hkdf::noise_hkdf;
use super::super::public_key::PublicKey;
use super::super::secret::Secret;
use super::super::suite::Provider;
use super::{HandshakeOutput, NoiseError};

const IK: &[u8; 28] = b"Noise_IK_25519_AESGCM_SHA256";
const IK_PSK2: &[u8; 32] = b"Noise_IKpsk2_25519_AESGCM_SHA256";

/// The chaining key and the hash. It is worked on as a draft and kept only if the whole message was good.
pub(super) struct SymmetricState {
    chaining_key: Secret,
    hash: [u8; 32],
}

/// A key out of MixKey. Each seals or opens one text in these patterns: it is used up by that, and the nonce is zero.
#[must_use]
pub(super) struct OneTimeCipher(Secret);

impl SymmetricState {
    /// Starts a handshake whose responder's static key is known: Initialize, prologue, pre-message.
    pub(super) fn begin(with_psk: bool, prologue: &[u8], responder: &PublicKey) -> Self {
        let mut hash = [0; 32];
        let name: &[u8] = if with_psk { IK_PSK2 } else { IK };
        for (to, from) in hash.iter_mut().zip(name) {
            *to = *from;
        }
        let mut state = Self { chaining_key: Secret::new(hash), hash };
        state.mix_hash(prologue);
        state.mix_hash(responder.as_bytes());
        state
    }

    pub(super) fn from_parts(chaining_key: &Secret, hash: [u8; 32]) -> Self {
        Self { chaining_key: chaining_key.duplicate(), hash }
    }

    pub(super) fn into_parts(self) -> (Secret, [u8; 32]) {
        (self.chaining_key, self.hash)
    }

    /// The `e` token, which also goes into the chaining key where pre-shared keys are used (section 9.2).
    pub(super) fn mix_ephemeral(&mut self, public: &[u8; 32], with_psk: bool) {
        self.mix_hash(public);
        if with_psk {
            self.mix_only(public);
        }
    }

    pub(super) fn mix_key(&mut self, input: &[u8; 32]) -> OneTimeCipher {
        let [chaining_key, key] = noise_hkdf(&self.chaining_key, input);
        self.chaining_key = chaining_key;
        OneTimeCipher(key)
    }

    /// MixKey whose key is replaced before it seals anything.
    pub(super) fn mix_only(&mut self, input: &[u8; 32]) {
        let _ = self.mix_key(input);
    }

    pub(super) fn mix_key_and_hash(&mut self, psk: &Secret) -> OneTimeCipher {
        let [chaining_key, hash, key] = noise_hkdf(&self.chaining_key, psk.expose());
        self.chaining_key = chaining_key;
        self.mix_hash(hash.expose());
        OneTimeCipher(key)
    }

    /// EncryptAndHash in place; `sealed` is the text and room for its tag.
    pub(super) fn encrypt_and_hash<P: Provider>(
        &mut self,
        provider: &P,
        cipher: OneTimeCipher,
        sealed: &mut [u8],
    ) -> Result<(), NoiseError> {
        let (text, tag) = sealed.split_last_chunk_mut::<16>().ok_or(NoiseError::NoRoom)?;
        *tag = provider.seal(&provider.expand(&cipher.0), &[0; 12], &self.hash, text);
        self.mix_hash(sealed);
        Ok(())
    }

    /// DecryptAndHash; `text` is as long as `sealed` without its tag, and all zero if it was not good.
    pub(super) fn decrypt_and_hash<P: Provider>(
        &mut self,
        provider: &P,
        cipher: OneTimeCipher,
        sealed: &[u8],
        text: &mut [u8],
    ) -> Result<(), NoiseError> {
        let (sealed_text, tag) = sealed.split_last_chunk::<16>().ok_or(NoiseError::TooShort)?;
        if sealed_text.len() != text.len() {
            return Err(NoiseError::NoRoom);
        }
        text.copy_from_slice(sealed_text);
        provider.open(&provider.expand(&cipher.0), &[0; 12], &self.hash, text, tag)?;
        self.mix_hash(sealed);
        Ok(())
    }

    pub(super) fn split(self) -> HandshakeOutput {
        let [initiator_to_responder, responder_to_initiator] = noise_hkdf(&self.chaining_key, &[]);
        HandshakeOutput { hash: self.hash, initiator_to_responder, responder_to_initiator }
    }

    fn mix_hash(&mut self, bytes: &[u8]) {
        self.hash = Sha256::new_with_prefix(self.hash).chain_update(bytes).finalize().into();
    }
}
