//! Noise's SymmetricState and CipherState (rev 34, sections 5.1 and 5.2).

use sha2::{Digest, Sha256};

use super::super::hkdf::noise_hkdf;
use super::super::public_key::PublicKey;
use super::super::secret::Secret;
use super::super::suite::Provider;
use super::{HandshakeOutput, NoiseError};
use crate::state_hash::StateHash;

const IK: &[u8; 28] = b"Noise_IK_25519_AESGCM_SHA256";
const IK_PSK2: &[u8; 32] = b"Noise_IKpsk2_25519_AESGCM_SHA256";
const XX: &[u8; 28] = b"Noise_XX_25519_AESGCM_SHA256";
const XX_PSK3: &[u8; 32] = b"Noise_XXpsk3_25519_AESGCM_SHA256";

/// The chaining key and the hash. It is worked on as a draft and kept only if the whole message was good.
pub(super) struct SymmetricState {
    chaining_key: Secret,
    hash: [u8; 32],
}

/// A key out of MixKey and a nonce. It seals or opens one text and is used up by that.
#[derive(Debug)]
#[must_use]
pub(super) struct OneTimeCipher {
    key: Secret,
    nonce: u8,
}

impl OneTimeCipher {
    fn new(key: Secret) -> Self {
        Self { key, nonce: 0 }
    }

    /// The same key for two texts, the next message's first one included: nonces zero and one.
    pub(super) fn twice(self) -> [Self; 2] {
        [Self::new(self.key.duplicate()), Self { key: self.key, nonce: 1 }]
    }

    /// Once more the same, to open with: whatever does not open must leave the genuine text welcome.
    pub(super) fn to_open(&self) -> Self {
        Self { key: self.key.duplicate(), nonce: self.nonce }
    }

    fn nonce(&self) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[11] = self.nonce;
        nonce
    }

    pub(super) fn digest_into(&self, hash: &mut StateHash) {
        let Self { key, nonce } = self;
        key.digest_into(hash);
        hash.u64(u64::from(*nonce));
    }
}

impl SymmetricState {
    /// Starts a handshake whose responder's static key is known: Initialize, prologue, pre-message.
    pub(super) fn begin(with_psk: bool, prologue: &[u8], responder: &PublicKey) -> Self {
        let mut state = Self::initialize(if with_psk { IK_PSK2 } else { IK }, prologue);
        state.mix_hash(responder.as_bytes());
        state
    }

    /// Starts a handshake whose ends do not know each other: Initialize, prologue.
    pub(super) fn begin_xx(with_psk: bool, prologue: &[u8]) -> Self {
        Self::initialize(if with_psk { XX_PSK3 } else { XX }, prologue)
    }

    fn initialize(name: &[u8], prologue: &[u8]) -> Self {
        let mut hash = [0; 32];
        for (to, from) in hash.iter_mut().zip(name) {
            *to = *from;
        }
        let mut state = Self { chaining_key: Secret::new(hash), hash };
        state.mix_hash(prologue);
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
        OneTimeCipher::new(key)
    }

    /// MixKey whose key is replaced before it seals anything.
    pub(super) fn mix_only(&mut self, input: &[u8; 32]) {
        let _ = self.mix_key(input);
    }

    pub(super) fn mix_key_and_hash(&mut self, psk: &Secret) -> OneTimeCipher {
        let [chaining_key, hash, key] = noise_hkdf(&self.chaining_key, psk.expose());
        self.chaining_key = chaining_key;
        self.mix_hash(hash.expose());
        OneTimeCipher::new(key)
    }

    /// EncryptAndHash in place; `sealed` is the text and room for its tag.
    pub(super) fn encrypt_and_hash<P: Provider>(
        &mut self,
        provider: &P,
        cipher: OneTimeCipher,
        sealed: &mut [u8],
    ) -> Result<(), NoiseError> {
        let (text, tag) = sealed.split_last_chunk_mut::<16>().ok_or(NoiseError::NoRoom)?;
        *tag = provider.seal(&provider.expand(&cipher.key), &cipher.nonce(), &self.hash, text);
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
        provider.open(&provider.expand(&cipher.key), &cipher.nonce(), &self.hash, text, tag)?;
        self.mix_hash(sealed);
        Ok(())
    }

    pub(super) fn split(self) -> HandshakeOutput {
        let [initiator_to_responder, responder_to_initiator] = noise_hkdf(&self.chaining_key, &[]);
        HandshakeOutput { hash: self.hash, initiator_to_responder, responder_to_initiator }
    }

    pub(super) fn mix_hash(&mut self, bytes: &[u8]) {
        self.hash = Sha256::new_with_prefix(self.hash).chain_update(bytes).finalize().into();
    }
}
