//! The initiator of `XX` and `XXpsk3`.

use super::super::super::public_key::PublicKey;
use super::super::super::secret::Secret;
use super::super::super::suite::Provider;
use super::super::symmetric::{OneTimeCipher, SymmetricState};
use super::super::{HandshakeOutput, Local, NoiseError, message_length, payload_length};
use super::{XX_MESSAGE_2_OVERHEAD, XX_MESSAGE_3_OVERHEAD, xx_message_1_overhead};
use crate::state_hash::StateHash;

/// A handshake whose first message has been written.
#[derive(Debug)]
pub(crate) struct XxInitiator {
    with_psk: bool,
    ephemeral: Secret,
    chaining_key: Secret,
    hash: [u8; 32],
}

/// A handshake whose second message has verified: the responder's static key is known.
pub(crate) struct XxVerified {
    with_psk: bool,
    responder: PublicKey,
    responder_ephemeral: PublicKey,
    state: SymmetricState,
    static_cipher: OneTimeCipher,
}

impl XxInitiator {
    /// Writes message 1, whose payload anybody can read, and returns its length.
    ///
    /// # Errors
    /// `TooLong` or `NoRoom`.
    pub(crate) fn start<P: Provider>(
        local: &Local<'_, P>,
        prologue: &[u8],
        ephemeral: Secret,
        payload: &[u8],
        out: &mut [u8],
    ) -> Result<(Self, usize), NoiseError> {
        let with_psk = local.psk.is_some();
        let length = message_length(payload.len(), xx_message_1_overhead(with_psk), out.len())?;
        let out = out.get_mut(..length).ok_or(NoiseError::NoRoom)?;
        let (ephemeral_part, payload_part) = out.split_first_chunk_mut::<32>().ok_or(NoiseError::NoRoom)?;
        *ephemeral_part = local.provider.public_key(&ephemeral);
        payload_part.get_mut(..payload.len()).ok_or(NoiseError::NoRoom)?.copy_from_slice(payload);

        let mut state = SymmetricState::begin_xx(with_psk, prologue);
        state.mix_hash(ephemeral_part);
        if with_psk {
            let cipher = state.mix_key(ephemeral_part);
            state.encrypt_and_hash(local.provider, cipher, payload_part)?;
        } else {
            state.mix_hash(payload_part);
        }
        let (chaining_key, hash) = state.into_parts();
        Ok((Self { with_psk, ephemeral, chaining_key, hash }, length))
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
    ) -> Result<(usize, XxVerified), NoiseError> {
        let with_psk = self.with_psk;
        if local.psk.is_some() != with_psk {
            return Err(NoiseError::PskMismatch);
        }
        let length = payload_length(message.len(), XX_MESSAGE_2_OVERHEAD, payload.len())?;
        let payload = payload.get_mut(..length).ok_or(NoiseError::NoRoom)?;
        let (ephemeral, sealed) = message.split_first_chunk::<32>().ok_or(NoiseError::TooShort)?;
        let (sealed_static, sealed_payload) = sealed.split_first_chunk::<48>().ok_or(NoiseError::TooShort)?;
        let responder_ephemeral = PublicKey::from_bytes(*ephemeral)?;

        let mut state = SymmetricState::from_parts(&self.chaining_key, self.hash);
        state.mix_ephemeral(ephemeral, with_psk);
        let cipher = state.mix_key(local.provider.dh(&self.ephemeral, ephemeral)?.expose());
        let mut responder = [0; 32];
        state.decrypt_and_hash(local.provider, cipher, sealed_static, &mut responder)?;
        let responder = PublicKey::from_bytes(responder)?;
        let cipher = state.mix_key(local.provider.dh(&self.ephemeral, responder.as_bytes())?.expose());
        let [payload_cipher, static_cipher] = cipher.twice();
        state.decrypt_and_hash(local.provider, payload_cipher, sealed_payload, payload)?;
        Ok((length, XxVerified { with_psk, responder, responder_ephemeral, state, static_cipher }))
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { with_psk, ephemeral, chaining_key, hash: transcript } = self;
        hash.flag(*with_psk);
        ephemeral.digest_into(hash);
        chaining_key.digest_into(hash);
        hash.bytes(transcript);
    }
}

impl XxVerified {
    /// Who sent message 2: the owner of this static key.
    pub(crate) fn responder(&self) -> &PublicKey {
        &self.responder
    }

    /// Writes message 3 and returns its length.
    ///
    /// # Errors
    /// `TooLong`, `NoRoom`, `BadKey` or `PskMismatch`.
    pub(crate) fn write_message_3<P: Provider>(
        self,
        local: &Local<'_, P>,
        payload: &[u8],
        out: &mut [u8],
    ) -> Result<(usize, HandshakeOutput), NoiseError> {
        let Self { with_psk, responder: _, responder_ephemeral, mut state, static_cipher } = self;
        if local.psk.is_some() != with_psk {
            return Err(NoiseError::PskMismatch);
        }
        let length = message_length(payload.len(), XX_MESSAGE_3_OVERHEAD, out.len())?;
        let se = local.provider.dh(local.static_key.secret(), responder_ephemeral.as_bytes())?;
        let out = out.get_mut(..length).ok_or(NoiseError::NoRoom)?;
        let (static_part, payload_part) = out.split_first_chunk_mut::<48>().ok_or(NoiseError::NoRoom)?;
        let (static_text, _) = static_part.split_first_chunk_mut::<32>().ok_or(NoiseError::NoRoom)?;
        let (payload_text, _) = payload_part.split_last_chunk_mut::<16>().ok_or(NoiseError::NoRoom)?;
        *static_text = *local.static_key.public().as_bytes();
        payload_text.copy_from_slice(payload);

        state.encrypt_and_hash(local.provider, static_cipher, static_part)?;
        let mut cipher = state.mix_key(se.expose());
        if let Some(psk) = local.psk {
            cipher = state.mix_key_and_hash(psk);
        }
        state.encrypt_and_hash(local.provider, cipher, payload_part)?;
        Ok((length, state.split()))
    }

    /// Message 3 without payload, with any bytes in the place of `s` and the secret that would follow from them.
    #[cfg(test)]
    pub(super) fn forge_message_3<P: Provider>(
        self,
        provider: &P,
        static_bytes: [u8; 32],
        se: &Secret,
        psk: Option<&Secret>,
    ) -> std::vec::Vec<u8> {
        let Self { mut state, static_cipher, .. } = self;
        let mut static_part = [&static_bytes[..], &[0; 16]].concat();
        let mut tag = [0; 16];
        let sealed = state.encrypt_and_hash(provider, static_cipher, &mut static_part);
        let mut cipher = state.mix_key(se.expose());
        if let Some(psk) = psk {
            cipher = state.mix_key_and_hash(psk);
        }
        let sealed = sealed.and_then(|()| state.encrypt_and_hash(provider, cipher, &mut tag));
        assert_eq!(sealed, Ok(()));
        [&static_part[..], &tag].concat()
    }
}
