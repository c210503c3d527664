//! The keys of a session and the protection of its packets. Nonces of packets are made here and never leave.

use zeroize::Zeroizing;

use super::hkdf::{Label, expand_label, expand_secret, extract};
use super::noise::HandshakeOutput;
use super::secret::Secret;
use super::suite::{OpenError, Provider};
use crate::ids::Role;
use crate::state_hash::StateHash;

/// What a session keeps of its keys: enough to make the expanded ones again.
#[derive(Debug)]
pub(crate) struct SessionSecrets {
    hash: [u8; 32],
    root: Secret,
    initiator: DirectionSecrets,
    responder: DirectionSecrets,
}

/// The secrets of what one end sends.
#[derive(Debug)]
struct DirectionSecrets {
    traffic: Secret,
    /// Kept apart from `traffic`: header keys do not change with a rekey.
    header: Secret,
}

impl SessionSecrets {
    /// Derives everything from the result of a handshake.
    pub(crate) fn new(output: HandshakeOutput) -> Self {
        let HandshakeOutput { hash, initiator_to_responder, responder_to_initiator } = output;
        let mut input = Zeroizing::new([[0; 32]; 2]);
        *input = [*initiator_to_responder.expose(), *responder_to_initiator.expose()];
        Self {
            root: extract(&Secret::new(hash), input.as_flattened()),
            initiator: DirectionSecrets::new(initiator_to_responder, &hash),
            responder: DirectionSecrets::new(responder_to_initiator, &hash),
            hash,
        }
    }

    /// The name of the session, the same at both ends.
    pub(crate) fn uid(&self) -> [u8; 16] {
        expand_label(&self.root, Label::Uid, &self.hash)
    }

    /// All of them, for who looks whether they show somewhere.
    #[cfg(test)]
    pub(crate) fn exposed(&self) -> [[u8; 32]; 5] {
        let Self { hash: _, root, initiator, responder } = self;
        [root, &initiator.traffic, &initiator.header, &responder.traffic, &responder.header]
            .map(|secret| *secret.expose())
    }

    pub(crate) fn digest_into(&self, state: &mut StateHash) {
        let Self { hash, root, initiator, responder } = self;
        state.bytes(hash);
        root.digest_into(state);
        initiator.digest_into(state);
        responder.digest_into(state);
    }
}

impl DirectionSecrets {
    fn new(traffic: Secret, hash: &[u8; 32]) -> Self {
        Self { header: expand_secret(&traffic, Label::Hp, hash), traffic }
    }

    fn digest_into(&self, state: &mut StateHash) {
        let Self { traffic, header } = self;
        traffic.digest_into(state);
        header.digest_into(state);
    }
}

/// The expanded keys of a session for one of its ends. Large, and made again from [`SessionSecrets`] at any time.
pub(crate) struct PacketKeys<P: Provider> {
    seal: DirectionKeys<P>,
    open: DirectionKeys<P>,
}

struct DirectionKeys<P: Provider> {
    key: P::Key,
    header_key: P::Key,
    iv: Zeroizing<[u8; 12]>,
}

impl<P: Provider> PacketKeys<P> {
    pub(crate) fn new(provider: &P, secrets: &SessionSecrets, role: Role) -> Self {
        let (seal, open) = match role {
            Role::Initiator => (&secrets.initiator, &secrets.responder),
            Role::Responder => (&secrets.responder, &secrets.initiator),
        };
        // Made where they stay: a copy on the way would be the largest thing on a small stack.
        Self {
            seal: DirectionKeys::new(provider, seal, &secrets.hash),
            open: DirectionKeys::new(provider, open, &secrets.hash),
        }
    }

    /// Encrypts `payload` in place and returns the tag. A packet number must never be used for two packets.
    #[must_use]
    pub(crate) fn seal(&self, provider: &P, packet_number: u64, header: &[u8], payload: &mut [u8]) -> [u8; 16] {
        provider.seal(&self.seal.key, &self.seal.nonce(packet_number), header, payload)
    }

    /// Decrypts `payload` in place.
    ///
    /// # Errors
    /// [`OpenError`] if the packet is not genuine; `payload` is then all zero.
    pub(crate) fn open(
        &self,
        provider: &P,
        packet_number: u64,
        header: &[u8],
        payload: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), OpenError> {
        provider.open(&self.open.key, &self.open.nonce(packet_number), header, payload, tag)
    }

    /// The mask for the header of a packet to send.
    pub(crate) fn seal_mask(&self, provider: &P, sample: &[u8; 16]) -> [u8; 16] {
        provider.mask(&self.seal.header_key, sample)
    }

    /// The mask on the header of a packet received.
    pub(crate) fn open_mask(&self, provider: &P, sample: &[u8; 16]) -> [u8; 16] {
        provider.mask(&self.open.header_key, sample)
    }
}

impl<P: Provider> DirectionKeys<P> {
    fn new(provider: &P, secrets: &DirectionSecrets, hash: &[u8; 32]) -> Self {
        Self {
            key: provider.expand(&expand_secret(&secrets.traffic, Label::Key, hash)),
            header_key: provider.expand(&secrets.header),
            iv: Zeroizing::new(expand_label(&secrets.traffic, Label::Iv, hash)),
        }
    }

    /// RFC 9001 section 5.3: the packet number, right-aligned, is added to the static part.
    fn nonce(&self, packet_number: u64) -> [u8; 12] {
        let mut nonce = *self.iv;
        for (byte, number) in nonce.iter_mut().rev().zip(packet_number.to_le_bytes()) {
            *byte ^= number;
        }
        nonce
    }
}

#[cfg(test)]
mod tests;
