//! The initiator of `IK` and `IKpsk2`.

use zeroize::Zeroize;

use super::super::public_key::PublicKey;
use super::super::secret::Secret;
use super::super::suite::Provider;
use super::symmetric::SymmetricState;
use super::{
    HandshakeOutput, Local, MESSAGE_1_OVERHEAD, MESSAGE_2_OVERHEAD, NoiseError, message_length, payload_length,
};
use crate::state_hash::StateHash;

/// A handshake whose first message has been written.
///
/// It keeps what it takes to read the answer and to write the first message once more, not the message itself.
#[derive(Debug)]
pub(crate) struct Initiator {
    with_psk: bool,
    responder: PublicKey,
    ephemeral: Secret,
    ephemeral_public: [u8; 32],
    chaining_key: Secret,
    hash: [u8; 32],
}

impl Initiator {
    /// Writes message 1 and returns its length.
    ///
    /// # Errors
    /// `TooLong`, `NoRoom`, or `BadKey` for a provider that finds the responder's key unusable.
    pub(crate) fn start<P: Provider>(
        local: &Local<'_, P>,
        responder: &PublicKey,
        prologue: &[u8],
        ephemeral: Secret,
        payload: &[u8],
        out: &mut [u8],
    ) -> Result<(Self, usize), NoiseError> {
        let mut initiator = Self {
            with_psk: local.psk.is_some(),
            responder: *responder,
            ephemeral_public: local.provider.public_key(&ephemeral),
            ephemeral,
            chaining_key: Secret::new([0; 32]),
            hash: [0; 32],
        };
        let (state, length) = initiator.write_message_1(local, prologue, payload, out)?;
        (initiator.chaining_key, initiator.hash) = state.into_parts();
        Ok((initiator, length))
    }

    /// Writes message 1 once more, the same bytes, from the same arguments.
    ///
    /// # Errors
    /// `NotARetry` if an argument differs from those of [`start`](Self::start): the message then carries other bytes
    /// under the same key and is wiped from `out`. Else as for `start`.
    pub(crate) fn rewrite_message_1<P: Provider>(
        &self,
        local: &Local<'_, P>,
        prologue: &[u8],
        payload: &[u8],
        out: &mut [u8],
    ) -> Result<usize, NoiseError> {
        if local.psk.is_some() != self.with_psk {
            return Err(NoiseError::PskMismatch);
        }
        let (state, length) = self.write_message_1(local, prologue, payload, out)?;
        let (_, hash) = state.into_parts();
        if hash != self.hash {
            out.zeroize();
            return Err(NoiseError::NotARetry);
        }
        Ok(length)
    }

    /// Reads message 2 and returns the length of its payload.
    ///
    /// # Errors
    /// `TooShort`, `TooLong`, `NoRoom`, `BadKey`, `BadTag` or `PskMismatch`; `payload` then holds no plaintext.
    pub(crate) fn read_message_2<P: Provider>(
        &self,
        local: &Local<'_, P>,
        message: &[u8],
        payload: &mut [u8],
    ) -> Result<(usize, HandshakeOutput), NoiseError> {
        if local.psk.is_some() != self.with_psk {
            return Err(NoiseError::PskMismatch);
        }
        let length = payload_length(message.len(), MESSAGE_2_OVERHEAD, payload.len())?;
        let payload = payload.get_mut(..length).ok_or(NoiseError::NoRoom)?;
        let (ephemeral, sealed) = message.split_first_chunk::<32>().ok_or(NoiseError::TooShort)?;
        PublicKey::from_bytes(*ephemeral)?;

        let mut state = SymmetricState::from_parts(&self.chaining_key, self.hash);
        state.mix_ephemeral(ephemeral, self.with_psk);
        state.mix_only(local.provider.dh(&self.ephemeral, ephemeral)?.expose());
        let mut cipher = state.mix_key(local.provider.dh(local.static_key.secret(), ephemeral)?.expose());
        if let Some(psk) = local.psk {
            cipher = state.mix_key_and_hash(psk);
        }
        state.decrypt_and_hash(local.provider, cipher, sealed, payload)?;
        Ok((length, state.split()))
    }

    pub(crate) fn responder(&self) -> &PublicKey {
        &self.responder
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { with_psk, responder, ephemeral, ephemeral_public, chaining_key, hash: transcript } = self;
        hash.flag(*with_psk);
        hash.bytes(responder.as_bytes());
        ephemeral.digest_into(hash);
        hash.bytes(ephemeral_public);
        chaining_key.digest_into(hash);
        hash.bytes(transcript);
    }

    fn write_message_1<P: Provider>(
        &self,
        local: &Local<'_, P>,
        prologue: &[u8],
        payload: &[u8],
        out: &mut [u8],
    ) -> Result<(SymmetricState, usize), NoiseError> {
        let length = message_length(payload.len(), MESSAGE_1_OVERHEAD, out.len())?;
        let es = local.provider.dh(&self.ephemeral, self.responder.as_bytes())?;
        let ss = local.provider.dh(local.static_key.secret(), self.responder.as_bytes())?;

        let out = out.get_mut(..length).ok_or(NoiseError::NoRoom)?;
        let (ephemeral, out) = out.split_first_chunk_mut::<32>().ok_or(NoiseError::NoRoom)?;
        let (static_part, payload_part) = out.split_first_chunk_mut::<48>().ok_or(NoiseError::NoRoom)?;
        let (static_text, _) = static_part.split_first_chunk_mut::<32>().ok_or(NoiseError::NoRoom)?;
        let (payload_text, _) = payload_part.split_last_chunk_mut::<16>().ok_or(NoiseError::NoRoom)?;
        *ephemeral = self.ephemeral_public;
        *static_text = *local.static_key.public().as_bytes();
        payload_text.copy_from_slice(payload);

        let mut state = SymmetricState::begin(self.with_psk, prologue, &self.responder);
        state.mix_ephemeral(ephemeral, self.with_psk);
        let cipher = state.mix_key(es.expose());
        state.encrypt_and_hash(local.provider, cipher, static_part)?;
        let cipher = state.mix_key(ss.expose());
        state.encrypt_and_hash(local.provider, cipher, payload_part)?;
        Ok((state, length))
    }
}
