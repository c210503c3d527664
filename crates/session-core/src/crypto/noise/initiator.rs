//! The initiator of `IK` and `IKpsk2`.

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
/// It keeps what it takes to read the answer, not the message itself.
#[derive(Debug)]
pub(crate) struct Initiator {
    with_psk: bool,
    responder: PublicKey,
    ephemeral: Secret,
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
        let with_psk = local.psk.is_some();
        let length = message_length(payload.len(), MESSAGE_1_OVERHEAD, out.len())?;
        let es = local.provider.dh(&ephemeral, responder.as_bytes())?;
        let ss = local.provider.dh(local.static_key.secret(), responder.as_bytes())?;

        let out = out.get_mut(..length).ok_or(NoiseError::NoRoom)?;
        let (ephemeral_part, out) = out.split_first_chunk_mut::<32>().ok_or(NoiseError::NoRoom)?;
        let (static_part, payload_part) = out.split_first_chunk_mut::<48>().ok_or(NoiseError::NoRoom)?;
        let (static_text, _) = static_part.split_first_chunk_mut::<32>().ok_or(NoiseError::NoRoom)?;
        let (payload_text, _) = payload_part.split_last_chunk_mut::<16>().ok_or(NoiseError::NoRoom)?;
        *ephemeral_part = local.provider.public_key(&ephemeral);
        *static_text = *local.static_key.public().as_bytes();
        payload_text.copy_from_slice(payload);

        let mut state = SymmetricState::begin(with_psk, prologue, responder);
        state.mix_ephemeral(ephemeral_part, with_psk);
        let cipher = state.mix_key(es.expose());
        state.encrypt_and_hash(local.provider, cipher, static_part)?;
        let cipher = state.mix_key(ss.expose());
        state.encrypt_and_hash(local.provider, cipher, payload_part)?;

        let (chaining_key, hash) = state.into_parts();
        Ok((Self { with_psk, responder: *responder, ephemeral, chaining_key, hash }, length))
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
        let Self { with_psk, responder, ephemeral, chaining_key, hash: transcript } = self;
        hash.flag(*with_psk);
        hash.bytes(responder.as_bytes());
        ephemeral.digest_into(hash);
        chaining_key.digest_into(hash);
        hash.bytes(transcript);
    }
}
