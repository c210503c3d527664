//! The first packet: written by the initiator, answered by the responder.
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use super::{Attempt, MAX_HANDSHAKE_PACKET, local, parameters, speaks_the_same};
use crate::action::CarrierConfig;
use crate::config::{Config, PskName};
use crate::crypto::keys::SessionSecrets;
use crate::crypto::noise::{Initiator, MESSAGE_1_OVERHEAD, MESSAGE_2_OVERHEAD, Responder};
use crate::crypto::{Provider, PublicKey, Secret, marks};
use crate::pool::Blob;
use crate::reason::{ConnectError, DiscardReason};
use crate::shared::Context;
use crate::wire::parameters::{self as payload, PayloadOf};
use crate::wire::{Hello, HelloHeader, Pattern, PskId, ReceiverId, ReplyHeader, TransportParameters, finish_marks};

/// Bytes of a padded Hello: what every UDP path carries.
pub(crate) const HELLO_LENGTH: usize = crate::limits::MIN_UDP_DATAGRAM as usize;

/// A Hello that is genuine and acceptable.
pub(crate) struct VerifiedHello {
    responder: Responder,
    parameters: TransportParameters,
}

impl VerifiedHello {
    /// Whose it is.
    pub(crate) fn peer(&self) -> &PublicKey {
        self.responder.initiator()
    }
}

/// A Hello that verified, and the answer to it.
pub(crate) struct AnsweredHello {
    pub(crate) attempt: Attempt,
    pub(crate) secrets: SessionSecrets,
    pub(crate) parameters: TransportParameters,
    pub(crate) remote_id: ReceiverId,
    /// Both ends speak the same application protocol. The Reply tells the initiator; a session comes of it only then (P-4.3-4).
    pub(crate) fits: bool,
}

/// Makes the Hello of a new attempt at `peer` and keeps it in pool blocks.
pub(crate) fn write_hello<P: Provider>(
    context: &mut Context<'_, P>,
    peer: &PublicKey,
    psk: Option<&PskName>,
    local_id: ReceiverId,
    carrier: &CarrierConfig,
) -> Result<Attempt, ConnectError> {
    let Context { shared, settings, .. } = context;
    let secret = match psk {
        Some(name) => Some(settings.config.psk(name.as_bytes()).ok_or(ConnectError::UnknownPsk)?),
        None => None,
    };
    let header = HelloHeader { source: local_id, psk_id: psk.and_then(|name| PskId::new(name.as_bytes())) };
    let target = if carrier.padding { HELLO_LENGTH } else { 0 };
    let parameters = parameters(settings, None, carrier.max_datagram);
    let mut payload = [0; HELLO_LENGTH];
    let padding = target.saturating_sub(header.overhead() + MESSAGE_1_OVERHEAD);
    let length = padding.max(parameters.payload_length());
    let payload = payload.get_mut(..length).ok_or(ConnectError::Key)?;
    parameters.write_payload(payload).map_err(|_| ConnectError::Key)?;

    let mut packet = [0; MAX_HANDSHAKE_PACKET];
    let layout = header.write(&mut packet, MESSAGE_1_OVERHEAD + length).map_err(|_| ConnectError::Key)?;
    if layout.length > usize::from(carrier.max_datagram) {
        return Err(ConnectError::Carrier);
    }
    let ephemeral = shared.generator.hedged_ephemeral(&settings.config.static_key, local_id.as_bytes());
    let (clear, rest) = packet.split_at_mut_checked(layout.noise.start).ok_or(ConnectError::Key)?;
    let noise = rest.get_mut(..layout.noise.len()).ok_or(ConnectError::Key)?;
    let local = local(shared, settings, secret);
    let prologue = Prologue::of(clear);
    let (initiator, _) = Initiator::start(&local, peer, prologue.as_bytes(), ephemeral, payload, noise)
        .map_err(|_| ConnectError::Key)?;
    let packet = packet.get_mut(..layout.length).ok_or(ConnectError::Key)?;
    mark(packet, layout.authenticated_by_mac1.end, &marks::mac1_key(Some(peer))).ok_or(ConnectError::Key)?;
    let blob = Blob::store(&mut shared.memory.pool, packet).ok_or(ConnectError::NoMemory)?;
    Ok(Attempt::initiator(initiator, psk.copied(), blob))
}

/// Verifies a Hello whose mac1 has been checked. Nothing has changed, whatever comes of it.
pub(crate) fn verify_hello<P: Provider>(
    context: &Context<'_, P>,
    hello: &Hello<'_>,
) -> Result<VerifiedHello, DiscardReason> {
    let Context { shared, settings, .. } = context;
    let local = local(shared, settings, psk_of(&settings.config, hello)?);
    let mut plaintext = [0; MAX_HANDSHAKE_PACKET];
    let prologue = Prologue::of(hello.clear);
    let (responder, length) = Responder::read_message_1(&local, prologue.as_bytes(), hello.noise, &mut plaintext)
        .map_err(|_| DiscardReason::Handshake)?;
    let parameters = TransportParameters::parse_payload(plaintext.get(..length).unwrap_or_default(), PayloadOf::Hello)
        .map_err(|_| DiscardReason::Parameters)?;
    Ok(VerifiedHello { responder, parameters })
}

/// Makes the Reply to a verified Hello of `hello_length` bytes and keeps it in pool blocks.
pub(crate) fn write_reply<P: Provider>(
    context: &mut Context<'_, P>,
    hello: &Hello<'_>,
    hello_length: usize,
    verified: VerifiedHello,
    local_id: ReceiverId,
    carrier: &CarrierConfig,
) -> Result<AnsweredHello, DiscardReason> {
    let Context { shared, settings, .. } = context;
    let VerifiedHello { responder, parameters: theirs } = verified;
    let header = ReplyHeader { pattern: hello.pattern, destination: hello.source };
    let ours = parameters(settings, Some(local_id), carrier.max_datagram);
    let mut payload = [0; payload::MAX_LENGTH + payload::LENGTH_FIELD];
    let length = ours.payload_length();
    let payload = payload.get_mut(..length).ok_or(DiscardReason::Parameters)?;
    ours.write_payload(payload).map_err(|_| DiscardReason::Parameters)?;
    let mut packet = [0; MAX_HANDSHAKE_PACKET];
    let layout = header.write(&mut packet, MESSAGE_2_OVERHEAD + length).map_err(|_| DiscardReason::Parameters)?;
    if layout.length > hello_length || layout.length > usize::from(carrier.max_datagram) {
        return Err(DiscardReason::Undersized);
    }
    let noise = packet.get_mut(layout.noise.clone()).ok_or(DiscardReason::Parameters)?;
    let ephemeral = shared.generator.hedged_ephemeral(&settings.config.static_key, hello.noise);
    let local = local(shared, settings, psk_of(&settings.config, hello)?);
    let (_, output) =
        responder.write_message_2(&local, ephemeral, payload, noise).map_err(|_| DiscardReason::Handshake)?;
    let packet = packet.get_mut(..layout.length).ok_or(DiscardReason::Parameters)?;
    mark(packet, layout.authenticated_by_mac1.end, &settings.mac1_key).ok_or(DiscardReason::Parameters)?;
    let reply = Blob::store(&mut shared.memory.pool, packet).ok_or(DiscardReason::NoMemory)?;
    Ok(AnsweredHello {
        attempt: Attempt::responder(*responder.initiator(), hello.mac1, reply),
        secrets: SessionSecrets::new(output),
        fits: speaks_the_same(settings, &theirs),
        parameters: theirs,
        remote_id: hello.source,
    })
}

/// The pre-shared key a Hello names. An unknown name looks like a wrong tag.
fn psk_of<'a>(config: &'a Config, hello: &Hello<'_>) -> Result<Option<&'a Secret>, DiscardReason> {
    match (hello.pattern, hello.psk_id) {
        (Pattern::Ik, None) => Ok(None),
        (Pattern::IkPsk2, Some(name)) => config.psk(name.as_bytes()).map(Some).ok_or(DiscardReason::Handshake),
        _ => Err(DiscardReason::Malformed),
    }
}

/// Writes both marks behind the Noise message.
fn mark(packet: &mut [u8], marked: usize, key: &[u8; 32]) -> Option<()> {
    let mac1 = marks::mac1(key, packet.get(..marked)?);
    finish_marks(packet, mac1).ok()
}

/// Name and clear header of a Hello, which both sides hash first (protocol §4.2).
struct Prologue {
    bytes: [u8; Self::MAX],
    length: usize,
}

impl Prologue {
    const NAME: &'static [u8; 10] = b"session/1\0";
    /// byte0, version, pattern, lengths, ids and the length field of the largest Hello.
    const MAX: usize = Self::NAME.len() + 40;

    fn of(clear: &[u8]) -> Self {
        let mut bytes = [0; Self::MAX];
        let length = Self::NAME.len() + clear.len();
        for (to, from) in bytes.iter_mut().zip(Self::NAME.iter().chain(clear)) {
            *to = *from;
        }
        debug_assert!(length <= Self::MAX, "a clear header has at most 34 bytes");
        Self { bytes, length: length.min(Self::MAX) }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}
