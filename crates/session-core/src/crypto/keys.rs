//! The keys of a session and the protection of its packets. Nonces of packets are made here and never leave.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::drbg::Generator;
use super::hkdf::{Label, expand_label, expand_pair, expand_secret, extract};
use super::noise::HandshakeOutput;
use super::public_key::PublicKey;
use super::secret::Secret;
use super::static_key::StaticKey;
use super::suite::{DhError, OpenError, Provider};
use crate::ids::Role;
use crate::state_hash::StateHash;
use crate::wire::ReceiverId;

/// What a session keeps of its keys: enough to make the expanded ones again.
#[derive(Debug)]
pub(crate) struct SessionSecrets {
    hash: [u8; 32],
    root: Secret,
    traffic: TrafficSecrets,
    /// Kept apart from `traffic`: header keys do not change with a generation.
    headers: TrafficSecrets,
}

/// A secret for what each end sends.
#[derive(Debug)]
pub(crate) struct TrafficSecrets {
    initiator: Secret,
    responder: Secret,
}

/// The next generation of a session's keys, derived and not in use yet.
pub(crate) struct NextSecrets {
    root: Secret,
    pub(crate) traffic: TrafficSecrets,
}

/// One end's half of an exchange of ephemeral keys.
pub(crate) struct Ephemeral {
    secret: Secret,
    pub(crate) public: [u8; 32],
}

impl SessionSecrets {
    /// Derives everything from the result of a handshake.
    pub(crate) fn new(output: HandshakeOutput) -> Self {
        let HandshakeOutput { hash, initiator_to_responder, responder_to_initiator } = output;
        let mut input = Zeroizing::new([[0; 32]; 2]);
        *input = [*initiator_to_responder.expose(), *responder_to_initiator.expose()];
        Self {
            root: extract(&Secret::new(hash), input.as_flattened()),
            headers: TrafficSecrets {
                initiator: expand_secret(&initiator_to_responder, Label::Hp, &hash),
                responder: expand_secret(&responder_to_initiator, Label::Hp, &hash),
            },
            traffic: TrafficSecrets { initiator: initiator_to_responder, responder: responder_to_initiator },
            hash,
        }
    }

    /// The name of the session, the same at both ends. Only of generation 0.
    pub(crate) fn uid(&self) -> [u8; 16] {
        expand_label(&self.root, Label::Uid, &self.hash)
    }

    /// A new ephemeral key for `generation`; `received` is what the peer has said of it so far.
    pub(crate) fn ephemeral<P: Provider>(
        &self,
        provider: &P,
        generator: &mut Generator,
        static_key: &StaticKey,
        generation: u32,
        received: &[u8],
    ) -> Ephemeral {
        let context = Sha256::new()
            .chain_update(self.hash)
            .chain_update(u64::from(generation).to_be_bytes())
            .chain_update(received)
            .finalize();
        let secret = generator.hedged_ephemeral(static_key, &context);
        Ephemeral { public: provider.public_key(&secret), secret }
    }

    // P-8.1-1
    /// Derives the keys of `generation` from both ends' ephemeral keys. Nothing changes.
    ///
    /// # Errors
    /// [`DhError`] if the peer's key is of low order.
    pub(crate) fn derive<P: Provider>(
        &self,
        provider: &P,
        role: Role,
        generation: u32,
        own: &Ephemeral,
        peer: &PublicKey,
    ) -> Result<NextSecrets, DhError> {
        let shared = provider.dh(&own.secret, peer.as_bytes())?;
        let root = extract(&self.root, shared.expose());
        let (initiator, responder) = match role {
            Role::Initiator => (&own.public, peer.as_bytes()),
            Role::Responder => (peer.as_bytes(), &own.public),
        };
        let context: [u8; 32] = Sha256::new()
            .chain_update(self.hash)
            .chain_update(u64::from(generation).to_be_bytes())
            .chain_update(initiator)
            .chain_update(responder)
            .finalize()
            .into();
        let [initiator, responder] = expand_pair(&root, Label::Dhr, &context);
        Ok(NextSecrets { root, traffic: TrafficSecrets { initiator, responder } })
    }

    /// The old root gives way to that of the next generation, whose keys are not in use yet.
    pub(crate) fn advance(&mut self, next: NextSecrets) -> TrafficSecrets {
        let NextSecrets { root, traffic } = next;
        self.root = root;
        traffic
    }

    /// Goes over to the secrets of the next generation. Those before are left in their place, but for the one to seal with, which is wiped.
    pub(crate) fn switch(&mut self, next: &mut TrafficSecrets, role: Role) {
        core::mem::swap(&mut self.traffic, next);
        match role {
            Role::Initiator => next.initiator = Secret::new([0; 32]),
            Role::Responder => next.responder = Secret::new([0; 32]),
        }
    }

    /// What a side that has forgotten the session would prove that by, to the end it gave `id` (protocol §8).
    pub(crate) fn reset_token(&self, id: &ReceiverId) -> [u8; 16] {
        let secret = expand_secret(&self.root, Label::Reset, &self.hash);
        let mut context = [0; ReceiverId::MAX_LENGTH];
        context.iter_mut().zip(id.as_bytes()).for_each(|(to, from)| *to = *from);
        expand_label(&secret, Label::Reset, &context)
    }

    /// All of them, for who looks whether they show somewhere.
    #[cfg(test)]
    pub(crate) fn exposed(&self) -> [[u8; 32]; 5] {
        let Self { hash: _, root, traffic, headers } = self;
        [root, &traffic.initiator, &headers.initiator, &traffic.responder, &headers.responder]
            .map(|secret| *secret.expose())
    }

    pub(crate) fn digest_into(&self, state: &mut StateHash) {
        let Self { hash, root, traffic, headers } = self;
        state.bytes(hash);
        root.digest_into(state);
        traffic.digest_into(state);
        headers.digest_into(state);
    }
}

impl TrafficSecrets {
    /// The secret of what the other end sends.
    pub(crate) fn opening(&self, role: Role) -> &Secret {
        match role {
            Role::Initiator => &self.responder,
            Role::Responder => &self.initiator,
        }
    }

    fn sealing(&self, role: Role) -> &Secret {
        self.opening(role.other())
    }

    pub(crate) fn digest_into(&self, state: &mut StateHash) {
        let Self { initiator, responder } = self;
        initiator.digest_into(state);
        responder.digest_into(state);
    }
}

impl Ephemeral {
    pub(crate) fn digest_into(&self, state: &mut StateHash) {
        let Self { secret, public } = self;
        secret.digest_into(state);
        state.bytes(public);
    }
}

/// The expanded keys of a session for one of its ends. Large, and made again from [`SessionSecrets`] at any time.
pub(crate) struct PacketKeys<P: Provider> {
    open: DirectionKey<P>,
    current: Option<CurrentKeys<P>>,
}

/// What only the generation that is sealed with has.
struct CurrentKeys<P: Provider> {
    seal: DirectionKey<P>,
    seal_header: P::Key,
    open_header: P::Key,
}

struct DirectionKey<P: Provider> {
    key: P::Key,
    iv: Zeroizing<[u8; 12]>,
}

impl<P: Provider> PacketKeys<P> {
    /// The keys of the generation that is sealed with.
    pub(crate) fn new(provider: &P, secrets: &SessionSecrets, role: Role) -> Self {
        let SessionSecrets { hash, root: _, traffic, headers } = secrets;
        // Made where they stay: a copy on the way would be the largest thing on a small stack.
        Self {
            open: DirectionKey::new(provider, traffic.opening(role), hash),
            current: Some(CurrentKeys {
                seal: DirectionKey::new(provider, traffic.sealing(role), hash),
                seal_header: provider.expand(headers.sealing(role)),
                open_header: provider.expand(headers.opening(role)),
            }),
        }
    }

    /// What opens packets of another generation, and can do nothing else.
    pub(crate) fn to_open(provider: &P, secrets: &SessionSecrets, opening: &Secret) -> Self {
        Self { open: DirectionKey::new(provider, opening, &secrets.hash), current: None }
    }

    /// Encrypts `payload` in place and returns the tag. A packet number must never be used for two packets of one generation.
    ///
    /// `None` and no change where these keys are [to open](Self::to_open) with; the same of the masks.
    #[must_use]
    pub(crate) fn seal(&self, provider: &P, packet_number: u64, header: &[u8], payload: &mut [u8]) -> Option<[u8; 16]> {
        let seal = &self.current.as_ref()?.seal;
        Some(provider.seal(&seal.key, &seal.nonce(packet_number), header, payload))
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
    pub(crate) fn seal_mask(&self, provider: &P, sample: &[u8; 16]) -> Option<[u8; 16]> {
        Some(provider.mask(&self.current.as_ref()?.seal_header, sample))
    }

    /// The mask on the header of a packet received, of whatever generation.
    pub(crate) fn open_mask(&self, provider: &P, sample: &[u8; 16]) -> Option<[u8; 16]> {
        Some(provider.mask(&self.current.as_ref()?.open_header, sample))
    }
}

impl<P: Provider> DirectionKey<P> {
    fn new(provider: &P, traffic: &Secret, hash: &[u8; 32]) -> Self {
        Self {
            key: provider.expand(&expand_secret(traffic, Label::Key, hash)),
            iv: Zeroizing::new(expand_label(traffic, Label::Iv, hash)),
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
