//! The responder of `XX` and `XXpsk3`.

use super::super::super::public_key::PublicKey;
use super::super::super::secret::Secret;
use super::super::super::suite::Provider;
use super::super::symmetric::{OneTimeCipher, SymmetricState};
use super::super::{HandshakeOutput, Local, NoiseError, message_length, payload_length};
use super::{XX_MESSAGE_2_OVERHEAD, XX_MESSAGE_3_OVERHEAD, xx_message_1_overhead};
use crate::state_hash::StateHash;

/// A handshake whose first message has been read. Nobody has proved anything yet.
#[derive(Debug)]
pub(crate) struct XxResponder {
    with_psk: bool,
    initiator_ephemeral: PublicKey,
    chaining_key: Secret,
    hash: [u8; 32],
}

/// A handshake whose second message has been written.
#[derive(Debug)]
pub(crate) struct XxAwaiting {
    with_psk: bool,
    ephemeral: Secret,
    chaining_key: Secret,
    hash: [u8; 32],
    static_cipher: OneTimeCipher,
}

impl XxResponder {
    /// Reads message 1 and returns the length of its payload.
    ///
    /// # Errors
    /// `TooShort`, `TooLong`, `NoRoom`, `BadKey`, or, with a pre-shared key, `BadTag`; `payload` then holds no plaintext.
    pub(crate) fn read_message_1<P: Provider>(
        local: &Local<'_, P>,
        prologue: &[u8],
        message: &[u8],
        payload: &mut [u8],
    ) -> Result<(Self, usize), NoiseError> {
        let with_psk = local.psk.is_some();
        let length = payload_length(message.len(), xx_message_1_overhead(with_psk), payload.len())?;
        let payload = payload.get_mut(..length).ok_or(NoiseError::NoRoom)?;
        let (ephemeral, rest) = message.split_first_chunk::<32>().ok_or(NoiseError::TooShort)?;
        let initiator_ephemeral = PublicKey::from_bytes(*ephemeral)?;

        let mut state = SymmetricState::begin_xx(with_psk, prologue);
        state.mix_hash(ephemeral);
        if with_psk {
            let cipher = state.mix_key(ephemeral);
            state.decrypt_and_hash(local.provider, cipher, rest, payload)?;
        } else {
            payload.copy_from_slice(rest);
            state.mix_hash(rest);
        }
        let (chaining_key, hash) = state.into_parts();
        Ok((Self { with_psk, initiator_ephemeral, chaining_key, hash }, length))
    }

    /// Writes message 2 and returns its length. `ephemeral` must be fresh for each call.
    ///
    /// # Errors
    /// `TooLong`, `NoRoom`, `BadKey` or `PskMismatch`.
    pub(crate) fn write_message_2<P: Provider>(
        &self,
        local: &Local<'_, P>,
        ephemeral: Secret,
        payload: &[u8],
        out: &mut [u8],
    ) -> Result<(usize, XxAwaiting), NoiseError> {
        let with_psk = self.with_psk;
        if local.psk.is_some() != with_psk {
            return Err(NoiseError::PskMismatch);
        }
        let length = message_length(payload.len(), XX_MESSAGE_2_OVERHEAD, out.len())?;
        let ee = local.provider.dh(&ephemeral, self.initiator_ephemeral.as_bytes())?;
        let es = local.provider.dh(local.static_key.secret(), self.initiator_ephemeral.as_bytes())?;

        let out = out.get_mut(..length).ok_or(NoiseError::NoRoom)?;
        let (ephemeral_part, out) = out.split_first_chunk_mut::<32>().ok_or(NoiseError::NoRoom)?;
        let (static_part, payload_part) = out.split_first_chunk_mut::<48>().ok_or(NoiseError::NoRoom)?;
        let (static_text, _) = static_part.split_first_chunk_mut::<32>().ok_or(NoiseError::NoRoom)?;
        let (payload_text, _) = payload_part.split_last_chunk_mut::<16>().ok_or(NoiseError::NoRoom)?;
        *ephemeral_part = local.provider.public_key(&ephemeral);
        *static_text = *local.static_key.public().as_bytes();
        payload_text.copy_from_slice(payload);

        let mut state = SymmetricState::from_parts(&self.chaining_key, self.hash);
        state.mix_ephemeral(ephemeral_part, with_psk);
        let cipher = state.mix_key(ee.expose());
        state.encrypt_and_hash(local.provider, cipher, static_part)?;
        let [payload_cipher, static_cipher] = state.mix_key(es.expose()).twice();
        state.encrypt_and_hash(local.provider, payload_cipher, payload_part)?;
        let (chaining_key, hash) = state.into_parts();
        Ok((length, XxAwaiting { with_psk, ephemeral, chaining_key, hash, static_cipher }))
    }
}

impl XxAwaiting {
    /// Reads message 3 and returns the length of its payload and whose it is.
    ///
    /// # Errors
    /// `TooShort`, `TooLong`, `NoRoom`, `BadKey`, `BadTag` or `PskMismatch`; `payload` then holds no plaintext.
    pub(crate) fn read_message_3<P: Provider>(
        &self,
        local: &Local<'_, P>,
        message: &[u8],
        payload: &mut [u8],
    ) -> Result<(usize, PublicKey, HandshakeOutput), NoiseError> {
        if local.psk.is_some() != self.with_psk {
            return Err(NoiseError::PskMismatch);
        }
        let length = payload_length(message.len(), XX_MESSAGE_3_OVERHEAD, payload.len())?;
        let payload = payload.get_mut(..length).ok_or(NoiseError::NoRoom)?;
        let (sealed_static, sealed_payload) = message.split_first_chunk::<48>().ok_or(NoiseError::TooShort)?;

        let mut state = SymmetricState::from_parts(&self.chaining_key, self.hash);
        let mut initiator = [0; 32];
        state.decrypt_and_hash(local.provider, self.static_cipher.to_open(), sealed_static, &mut initiator)?;
        let initiator = PublicKey::from_bytes(initiator)?;
        let mut cipher = state.mix_key(local.provider.dh(&self.ephemeral, initiator.as_bytes())?.expose());
        if let Some(psk) = local.psk {
            cipher = state.mix_key_and_hash(psk);
        }
        state.decrypt_and_hash(local.provider, cipher, sealed_payload, payload)?;
        Ok((length, initiator, state.split()))
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { with_psk, ephemeral, chaining_key, hash: transcript, static_cipher } = self;
        hash.flag(*with_psk);
        ephemeral.digest_into(hash);
        chaining_key.digest_into(hash);
        hash.bytes(transcript);
        static_cipher.digest_into(hash);
    }
}
