//! The responder of `IK` and `IKpsk2`.

use super::super::public_key::PublicKey;
use super::super::secret::Secret;
use super::super::suite::Provider;
use super::symmetric::SymmetricState;
use super::{
    HandshakeOutput, Local, MESSAGE_1_OVERHEAD, MESSAGE_2_OVERHEAD, NoiseError, message_length, payload_length,
};

/// A handshake whose first message has been read and verified.
#[derive(Debug)]
pub(crate) struct Responder {
    with_psk: bool,
    initiator: PublicKey,
    initiator_ephemeral: PublicKey,
    chaining_key: Secret,
    hash: [u8; 32],
}

impl Responder {
    /// Reads message 1 and returns the length of its payload.
    ///
    /// Of the pre-shared key only the presence matters here: the key itself is mixed into message 2.
    ///
    /// # Errors
    /// `TooShort`, `TooLong`, `NoRoom`, `BadKey` or `BadTag`; `payload` then holds no plaintext.
    pub(crate) fn read_message_1<P: Provider>(
        local: &Local<'_, P>,
        prologue: &[u8],
        message: &[u8],
        payload: &mut [u8],
    ) -> Result<(Self, usize), NoiseError> {
        let length = payload_length(message.len(), MESSAGE_1_OVERHEAD, payload.len())?;
        let payload = payload.get_mut(..length).ok_or(NoiseError::NoRoom)?;
        let (ephemeral, sealed) = message.split_first_chunk::<32>().ok_or(NoiseError::TooShort)?;
        let (sealed_static, sealed_payload) = sealed.split_first_chunk::<48>().ok_or(NoiseError::TooShort)?;
        let initiator_ephemeral = PublicKey::from_bytes(*ephemeral)?;

        let with_psk = local.psk.is_some();
        let mut state = SymmetricState::begin(with_psk, prologue, local.static_key.public());
        state.mix_ephemeral(ephemeral, with_psk);
        let cipher = state.mix_key(local.provider.dh(local.static_key.secret(), ephemeral)?.expose());
        let mut initiator = [0; 32];
        state.decrypt_and_hash(local.provider, cipher, sealed_static, &mut initiator)?;
        let initiator = PublicKey::from_bytes(initiator)?;
        let cipher = state.mix_key(local.provider.dh(local.static_key.secret(), initiator.as_bytes())?.expose());
        state.decrypt_and_hash(local.provider, cipher, sealed_payload, payload)?;

        let (chaining_key, hash) = state.into_parts();
        Ok((Self { with_psk, initiator, initiator_ephemeral, chaining_key, hash }, length))
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
    ) -> Result<(usize, HandshakeOutput), NoiseError> {
        if local.psk.is_some() != self.with_psk {
            return Err(NoiseError::PskMismatch);
        }
        let length = message_length(payload.len(), MESSAGE_2_OVERHEAD, out.len())?;
        let ee = local.provider.dh(&ephemeral, self.initiator_ephemeral.as_bytes())?;
        let se = local.provider.dh(&ephemeral, self.initiator.as_bytes())?;

        let out = out.get_mut(..length).ok_or(NoiseError::NoRoom)?;
        let (ephemeral_part, payload_part) = out.split_first_chunk_mut::<32>().ok_or(NoiseError::NoRoom)?;
        let (payload_text, _) = payload_part.split_last_chunk_mut::<16>().ok_or(NoiseError::NoRoom)?;
        *ephemeral_part = local.provider.public_key(&ephemeral);
        payload_text.copy_from_slice(payload);

        let mut state = SymmetricState::from_parts(&self.chaining_key, self.hash);
        state.mix_ephemeral(ephemeral_part, self.with_psk);
        state.mix_only(ee.expose());
        let mut cipher = state.mix_key(se.expose());
        if let Some(psk) = local.psk {
            cipher = state.mix_key_and_hash(psk);
        }
        state.encrypt_and_hash(local.provider, cipher, payload_part)?;
        Ok((length, state.split()))
    }

    /// Who sent message 1: the owner of this static key.
    pub(crate) fn initiator(&self) -> &PublicKey {
        &self.initiator
    }
}
