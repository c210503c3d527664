//! The second packet, as the initiator checks it.
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]

use super::finish::{FinishPacket, write_finish};
use super::{Attempt, InitiatorNoise, MAX_HANDSHAKE_PACKET, local, speaks_the_same};
use crate::crypto::keys::SessionSecrets;
use crate::crypto::noise::{Initiator, Local, XxInitiator};
use crate::crypto::{Provider, PublicKey};
use crate::reason::{CloseCode, DiscardReason};
use crate::shared::{Settings, Shared};
use crate::wire::parameters::PayloadOf;
use crate::wire::{FinishHeader, Pattern, ReceiverId, Reply, TransportParameters};

/// What a genuine Reply brings.
#[expect(clippy::large_enum_variant, reason = "lives on the stack for one call; boxing would allocate")]
pub(crate) enum VerifiedReply {
    /// Keys and the peer's parameters.
    Agreed(AgreedReply),
    /// The peer is genuine, but what it says ends the attempt.
    Unacceptable(CloseCode),
}

/// A Reply that is genuine and acceptable.
pub(crate) struct AgreedReply {
    pub(crate) secrets: SessionSecrets,
    pub(crate) parameters: TransportParameters,
    pub(crate) remote_id: ReceiverId,
    /// Of first contact: who the peer says it is and has proved to be, and the answer.
    pub(crate) finish: Option<(PublicKey, FinishPacket)>,
}

/// Verifies the Reply to `attempt`, which stays as it is: a forged Reply leaves the true one welcome.
#[inline(never)]
pub(crate) fn verify_reply<P: Provider>(
    shared: &Shared<P>,
    settings: &Settings,
    attempt: &Attempt,
    reply: &Reply<'_>,
    largest_datagram: u16,
) -> Result<VerifiedReply, DiscardReason> {
    let (noise, psk) = attempt.noise().ok_or(DiscardReason::State)?;
    let first_contact = matches!(noise, InitiatorNoise::Unknown(_));
    if reply.pattern != Pattern::of(first_contact, psk.is_some()) {
        return Err(DiscardReason::Handshake);
    }
    let secret = psk.and_then(|name| settings.config.psk(name.as_bytes()));
    let local = local(shared, settings, secret);
    match noise {
        InitiatorNoise::Known(noise) => verify_known(settings, &local, noise, reply),
        InitiatorNoise::Unknown(noise) => verify_unknown(settings, &local, noise, reply, largest_datagram),
    }
}

// Neither of the two is inlined: the stack of first contact is the deeper one, and not every handshake's.

#[inline(never)]
fn verify_known<P: Provider>(
    settings: &Settings,
    local: &Local<'_, P>,
    noise: &Initiator,
    reply: &Reply<'_>,
) -> Result<VerifiedReply, DiscardReason> {
    let mut plaintext = [0; MAX_HANDSHAKE_PACKET];
    let (length, output) =
        noise.read_message_2(local, reply.noise, &mut plaintext).map_err(|_| DiscardReason::Handshake)?;
    Ok(match acceptable(settings, plaintext.get(..length).unwrap_or_default()) {
        Ok((parameters, remote_id)) => {
            let secrets = SessionSecrets::new(output);
            VerifiedReply::Agreed(AgreedReply { secrets, parameters, remote_id, finish: None })
        }
        Err(code) => VerifiedReply::Unacceptable(code),
    })
}

#[inline(never)]
fn verify_unknown<P: Provider>(
    settings: &Settings,
    local: &Local<'_, P>,
    noise: &XxInitiator,
    reply: &Reply<'_>,
    largest_datagram: u16,
) -> Result<VerifiedReply, DiscardReason> {
    let mut plaintext = [0; MAX_HANDSHAKE_PACKET];
    let (length, verified) =
        noise.read_message_2(local, reply.noise, &mut plaintext).map_err(|_| DiscardReason::Handshake)?;
    if settings.is_own(verified.responder()) {
        return Err(DiscardReason::Handshake);
    }
    let (parameters, remote_id) = match acceptable(settings, plaintext.get(..length).unwrap_or_default()) {
        Ok(acceptable) => acceptable,
        Err(code) => return Ok(VerifiedReply::Unacceptable(code)),
    };
    let peer = *verified.responder();
    let header = FinishHeader { pattern: reply.pattern, destination: remote_id };
    let (packet, output) =
        write_finish(settings, local, header, verified, largest_datagram).ok_or(DiscardReason::Handshake)?;
    let secrets = SessionSecrets::new(output);
    Ok(VerifiedReply::Agreed(AgreedReply { secrets, parameters, remote_id, finish: Some((peer, packet)) }))
}

/// The parameters of message 2 and the id in them, or why they end the attempt.
fn acceptable(settings: &Settings, payload: &[u8]) -> Result<(TransportParameters, ReceiverId), CloseCode> {
    let parameters =
        TransportParameters::parse_payload(payload, PayloadOf::Reply).map_err(|_| CloseCode::TRANSPORT_PARAMETERS)?;
    if !speaks_the_same(settings, &parameters) {
        return Err(CloseCode::APPLICATION_PROTOCOL);
    }
    let remote_id = parameters.receiver_id.ok_or(CloseCode::TRANSPORT_PARAMETERS)?;
    Ok((parameters, remote_id))
}
