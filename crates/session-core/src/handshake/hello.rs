//! The first packet, written by the initiator, and the second, with which the responder answers it.
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used)]

use super::{
    Agreed, Attempt, Awaiting, InitiatorNoise, MAX_HANDSHAKE_PACKET, local, mark, parameters, speaks_the_same,
};
use crate::action::CarrierConfig;
use crate::config::{Config, PskName};
use crate::crypto::keys::SessionSecrets;
use crate::crypto::noise::{
    Initiator, MESSAGE_1_OVERHEAD, MESSAGE_2_OVERHEAD, Responder, XX_MESSAGE_2_OVERHEAD, XxInitiator, XxResponder,
    xx_message_1_overhead,
};
use crate::crypto::{Provider, PublicKey, Secret, marks};
use crate::pool::Blob;
use crate::reason::{ConnectError, DiscardReason};
use crate::shared::{Context, Settings};
use crate::wire::parameters::{self as payload, PayloadOf};
use crate::wire::{Hello, HelloHeader, Pattern, PskId, ReceiverId, ReplyHeader, TransportParameters};

/// Bytes of a padded Hello: what every UDP path carries.
pub(crate) const HELLO_LENGTH: usize = crate::limits::MIN_UDP_DATAGRAM as usize;
/// Bytes of the longest payload without padding.
const LONGEST_PAYLOAD: usize = payload::MAX_LENGTH + payload::LENGTH_FIELD;
/// Bytes of the longest Reply of first contact: byte 0, version, pattern, length of the id, id, length field, message 2, marks.
const LONGEST_XX_REPLY: usize = 15 + XX_MESSAGE_2_OVERHEAD + LONGEST_PAYLOAD + 32;

/// A Hello that may be answered: genuine and acceptable, or of first contact, where nothing can be said of it.
#[expect(clippy::large_enum_variant, reason = "it lives for one call, and there is no allocator to box it")]
pub(crate) enum VerifiedHello {
    Known { noise: Responder, parameters: TransportParameters },
    Unknown { noise: XxResponder },
}

impl VerifiedHello {
    /// Whose it is, if it says.
    pub(crate) fn peer(&self) -> Option<&PublicKey> {
        match self {
            Self::Known { noise, .. } => Some(noise.initiator()),
            Self::Unknown { .. } => None,
        }
    }
}

/// A Hello that is answered, and the answer to it.
pub(crate) struct AnsweredHello {
    pub(crate) attempt: Attempt,
    pub(crate) remote_id: ReceiverId,
    /// The pre-shared key under which it was written.
    pub(crate) psk: Option<PskName>,
    /// The peer and what is agreed with it; on first contact Finish brings both.
    pub(crate) agreed: Option<(PublicKey, Agreed)>,
}

/// Makes the Hello of a new attempt at `peer`, or at whoever answers, and keeps it in pool blocks.
#[inline(never)]
pub(crate) fn write_hello<P: Provider>(
    context: &mut Context<'_, P>,
    peer: Option<&PublicKey>,
    psk: Option<&PskName>,
    local_id: ReceiverId,
    carrier: &CarrierConfig,
) -> Result<Attempt, ConnectError> {
    let Context { shared, settings, .. } = context;
    let secret = match psk {
        Some(name) => Some(settings.config.psk(name.as_bytes()).ok_or(ConnectError::UnknownPsk)?),
        None => None,
    };
    let psk_id = psk.and_then(|name| PskId::new(name.as_bytes()));
    let header = HelloHeader { first_contact: peer.is_none(), source: local_id, psk_id };
    let overhead = if peer.is_some() { MESSAGE_1_OVERHEAD } else { xx_message_1_overhead(psk.is_some()) };
    let mut payload = [0; HELLO_LENGTH];
    let payload = hello_payload(settings, &header, overhead, carrier, &mut payload).ok_or(ConnectError::Key)?;

    let mut packet = [0; MAX_HANDSHAKE_PACKET];
    let layout = header.write(&mut packet, overhead + payload.len()).map_err(|_| ConnectError::Key)?;
    if layout.length > usize::from(carrier.min_datagram) {
        return Err(ConnectError::Carrier);
    }
    let ephemeral = shared.generator.hedged_ephemeral(&settings.config.static_key, local_id.as_bytes());
    let (clear, rest) = packet.split_at_mut_checked(layout.noise.start).ok_or(ConnectError::Key)?;
    let message = rest.get_mut(..layout.noise.len()).ok_or(ConnectError::Key)?;
    let local = local(shared, settings, secret);
    let prologue = Prologue::of(clear);
    let noise = match peer {
        Some(peer) => Initiator::start(&local, peer, prologue.as_bytes(), ephemeral, payload, message)
            .map(|(noise, _)| InitiatorNoise::Known(noise)),
        None => XxInitiator::start(&local, prologue.as_bytes(), ephemeral, payload, message)
            .map(|(noise, _)| InitiatorNoise::Unknown(noise)),
    };
    let noise = noise.map_err(|_| ConnectError::Key)?;
    let packet = packet.get_mut(..layout.length).ok_or(ConnectError::Key)?;
    mark(packet, layout.authenticated_by_mac1.end, &marks::mac1_key(peer)).ok_or(ConnectError::Key)?;
    let blob = Blob::store(&mut shared.memory.pool, packet).ok_or(ConnectError::NoMemory)?;
    Ok(Attempt::initiator(noise, psk.copied(), blob))
}

/// The payload of message 1: our parameters and padding, or on first contact, where anybody can read it, padding alone.
fn hello_payload<'a>(
    settings: &Settings,
    header: &HelloHeader<'_>,
    overhead: usize,
    carrier: &CarrierConfig,
    payload: &'a mut [u8; HELLO_LENGTH],
) -> Option<&'a [u8]> {
    // A Reply is never longer than its Hello, and without the parameters a Hello would be the shorter one.
    let least = if header.first_contact { LONGEST_XX_REPLY.min(usize::from(carrier.min_datagram)) } else { 0 };
    let target = if carrier.padding { HELLO_LENGTH } else { least };
    let padded = target.saturating_sub(header.overhead() + overhead);
    if header.first_contact {
        return payload.get(..padded);
    }
    let parameters = parameters(settings, None, carrier.max_datagram);
    let payload = payload.get_mut(..padded.max(parameters.payload_length()))?;
    parameters.write_payload(payload).ok()?;
    Some(payload)
}

/// Verifies a Hello whose mac1 has been checked. Nothing has changed, whatever comes of it.
#[inline(never)]
pub(crate) fn verify_hello<P: Provider>(
    context: &Context<'_, P>,
    hello: &Hello<'_>,
) -> Result<VerifiedHello, DiscardReason> {
    let Context { shared, settings, .. } = context;
    let local = local(shared, settings, psk_of(&settings.config, hello)?);
    let mut plaintext = [0; MAX_HANDSHAKE_PACKET];
    let prologue = Prologue::of(hello.clear);
    let prologue = prologue.as_bytes();
    if hello.pattern.is_first_contact() {
        let (noise, length) = XxResponder::read_message_1(&local, prologue, hello.noise, &mut plaintext)
            .map_err(|_| DiscardReason::Handshake)?;
        let is_padding = plaintext.get(..length).unwrap_or_default().iter().all(|byte| *byte == 0);
        return if is_padding { Ok(VerifiedHello::Unknown { noise }) } else { Err(DiscardReason::Parameters) };
    }
    let (noise, length) = Responder::read_message_1(&local, prologue, hello.noise, &mut plaintext)
        .map_err(|_| DiscardReason::Handshake)?;
    let parameters = TransportParameters::parse_payload(plaintext.get(..length).unwrap_or_default(), PayloadOf::Hello)
        .map_err(|_| DiscardReason::Parameters)?;
    Ok(VerifiedHello::Known { noise, parameters })
}

/// Makes the Reply to a verified Hello of `hello_length` bytes and keeps it in pool blocks.
#[inline(never)]
pub(crate) fn write_reply<P: Provider>(
    context: &mut Context<'_, P>,
    hello: &Hello<'_>,
    hello_length: usize,
    verified: VerifiedHello,
    local_id: ReceiverId,
    carrier: &CarrierConfig,
) -> Result<AnsweredHello, DiscardReason> {
    let Context { shared, settings, .. } = context;
    let first_contact = hello.pattern.is_first_contact();
    let header = ReplyHeader { pattern: hello.pattern, destination: hello.source };
    let ours = parameters(settings, Some(local_id), carrier.max_datagram);
    let mut payload = [0; LONGEST_PAYLOAD];
    let length = ours.payload_length();
    let payload = payload.get_mut(..length).ok_or(DiscardReason::Parameters)?;
    ours.write_payload(payload).map_err(|_| DiscardReason::Parameters)?;
    let mut packet = [0; MAX_HANDSHAKE_PACKET];
    let overhead = if first_contact { XX_MESSAGE_2_OVERHEAD } else { MESSAGE_2_OVERHEAD };
    let layout = header.write(&mut packet, overhead + length).map_err(|_| DiscardReason::Parameters)?;
    if layout.length > hello_length || layout.length > usize::from(carrier.min_datagram) {
        return Err(DiscardReason::Undersized);
    }
    let message = packet.get_mut(layout.noise.clone()).ok_or(DiscardReason::Parameters)?;
    let ephemeral = shared.generator.hedged_ephemeral(&settings.config.static_key, hello.noise);
    let local = local(shared, settings, psk_of(&settings.config, hello)?);
    let (awaiting, agreed) = match verified {
        VerifiedHello::Known { noise, parameters } => {
            let (_, output) =
                noise.write_message_2(&local, ephemeral, payload, message).map_err(|_| DiscardReason::Handshake)?;
            let fits = speaks_the_same(settings, &parameters);
            let agreed = Agreed { secrets: SessionSecrets::new(output), parameters, fits };
            (None, Some((*noise.initiator(), agreed)))
        }
        VerifiedHello::Unknown { noise } => {
            let (_, noise) =
                noise.write_message_2(&local, ephemeral, payload, message).map_err(|_| DiscardReason::Handshake)?;
            (Some(Awaiting { noise, psk: psk_name(hello) }), None)
        }
    };
    let packet = packet.get_mut(..layout.length).ok_or(DiscardReason::Parameters)?;
    let mac1_key = if first_contact { marks::mac1_key(None) } else { settings.mac1_key };
    mark(packet, layout.authenticated_by_mac1.end, &mac1_key).ok_or(DiscardReason::Parameters)?;
    let reply = Blob::store(&mut shared.memory.pool, packet).ok_or(DiscardReason::NoMemory)?;
    let attempt = Attempt::responder(hello.mac1, awaiting, reply);
    Ok(AnsweredHello { attempt, remote_id: hello.source, psk: psk_name(hello), agreed })
}

/// The name of the pre-shared key that a Hello names.
pub(crate) fn psk_name(hello: &Hello<'_>) -> Option<PskName> {
    hello.psk_id.and_then(|name| PskName::new(name.as_bytes()).ok())
}

/// The pre-shared key a Hello names. An unknown name looks like a wrong tag.
fn psk_of<'a>(config: &'a Config, hello: &Hello<'_>) -> Result<Option<&'a Secret>, DiscardReason> {
    match (hello.pattern, hello.psk_id) {
        (Pattern::Ik | Pattern::Xx, None) => Ok(None),
        (Pattern::IkPsk2 | Pattern::XxPsk3, Some(name)) => {
            config.psk(name.as_bytes()).map(Some).ok_or(DiscardReason::Handshake)
        }
        _ => Err(DiscardReason::Malformed),
    }
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
