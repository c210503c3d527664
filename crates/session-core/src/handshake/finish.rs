//! The third packet of first contact: written by the initiator, checked by the responder.
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]

use super::{Agreed, Attempt, MAX_HANDSHAKE_PACKET, local, mark, parameters, speaks_the_same};
use crate::crypto::keys::SessionSecrets;
use crate::crypto::noise::{HandshakeOutput, Local, XX_MESSAGE_3_OVERHEAD, XxVerified};
use crate::crypto::{Provider, PublicKey, marks};
use crate::reason::DiscardReason;
use crate::shared::{Settings, Shared};
use crate::wire::parameters::{self as payload, PayloadOf};
use crate::wire::{Finish, FinishHeader, Pattern, TransportParameters};

/// Byte 0, version, pattern, length of the id, id, length field, message 3 with the longest payload, both marks.
const LONGEST: usize = 15 + XX_MESSAGE_3_OVERHEAD + payload::LENGTH_FIELD + payload::MAX_LENGTH + 32;

/// A Finish, ready to be kept.
pub(crate) struct FinishPacket {
    bytes: [u8; LONGEST],
    length: usize,
}

impl FinishPacket {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// A Finish that is genuine: whose it is, and what it brings.
pub(crate) struct VerifiedFinish {
    pub(crate) peer: PublicKey,
    pub(crate) agreed: Agreed,
}

/// Makes the Finish that answers a verified Reply.
#[inline(never)]
pub(super) fn write_finish<P: Provider>(
    settings: &Settings,
    local: &Local<'_, P>,
    header: FinishHeader,
    verified: XxVerified,
    largest_datagram: u16,
) -> Option<(FinishPacket, HandshakeOutput)> {
    let ours = parameters(settings, None, largest_datagram);
    let mut payload = [0; payload::MAX_LENGTH + payload::LENGTH_FIELD];
    let length = ours.payload_length();
    let payload = payload.get_mut(..length)?;
    ours.write_payload(payload).ok()?;
    let mut bytes = [0; LONGEST];
    let layout = header.write(&mut bytes, XX_MESSAGE_3_OVERHEAD.checked_add(length)?).ok()?;
    let (_, output) = verified.write_message_3(local, payload, bytes.get_mut(layout.noise.clone())?).ok()?;
    let packet = bytes.get_mut(..layout.length)?;
    mark(packet, layout.authenticated_by_mac1.end, &marks::mac1_key(None))?;
    Some((FinishPacket { bytes, length: layout.length }, output))
}

/// Verifies the Finish of `attempt`, which stays as it is: a forged Finish leaves the true one welcome.
#[inline(never)]
pub(crate) fn verify_finish<P: Provider>(
    shared: &Shared<P>,
    settings: &Settings,
    attempt: &Attempt,
    finish: &Finish<'_>,
) -> Result<VerifiedFinish, DiscardReason> {
    let awaiting = attempt.awaiting().ok_or(DiscardReason::State)?;
    if finish.pattern != Pattern::of(true, awaiting.psk.is_some()) {
        return Err(DiscardReason::Handshake);
    }
    let secret = awaiting.psk.as_ref().and_then(|name| settings.config.psk(name.as_bytes()));
    let mut plaintext = [0; MAX_HANDSHAKE_PACKET];
    let (length, peer, output) = awaiting
        .noise
        .read_message_3(&local(shared, settings, secret), finish.noise, &mut plaintext)
        .map_err(|_| DiscardReason::Handshake)?;
    if settings.is_own(&peer) {
        return Err(DiscardReason::Handshake);
    }
    let theirs = plaintext.get(..length).unwrap_or_default();
    let parameters =
        TransportParameters::parse_payload(theirs, PayloadOf::Hello).map_err(|_| DiscardReason::Parameters)?;
    let fits = speaks_the_same(settings, &parameters);
    Ok(VerifiedFinish { peer, agreed: Agreed { secrets: SessionSecrets::new(output), parameters, fits } })
}
