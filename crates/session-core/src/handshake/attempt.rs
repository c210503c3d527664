//! What one side keeps while an attempt lasts: its packet, to be repeated byte by byte.

use core::time::Duration;

use crate::config::PskName;
use crate::crypto::PublicKey;
use crate::crypto::noise::Initiator;
use crate::pool::{Blob, Pool};
use crate::state_hash::StateHash;
use crate::time::Instant;

/// Waiting times before a Hello is repeated; the last one goes on (protocol §4.2).
const RETRY_AFTER: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// One side's part of an attempt.
pub(crate) struct Attempt {
    peer: PublicKey,
    /// The Hello of an initiator, the Reply of a responder.
    packet: Blob,
    /// It is to be sent.
    due: bool,
    side: Side,
}

enum Side {
    Initiator {
        noise: Initiator,
        psk: Option<PskName>,
        sent: u8,
        retry_at: Option<Instant>,
    },
    /// Which Hello is answered.
    Responder {
        mac1_of_hello: [u8; 16],
    },
}

/// What came of asking for a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptOutcome {
    Nothing,
    NeedsRoom(usize),
    Sent(usize),
}

impl Attempt {
    pub(crate) fn initiator(noise: Initiator, psk: Option<PskName>, hello: Blob) -> Self {
        let peer = *noise.responder();
        Self { peer, packet: hello, due: true, side: Side::Initiator { noise, psk, sent: 0, retry_at: None } }
    }

    pub(crate) fn responder(peer: PublicKey, mac1_of_hello: [u8; 16], reply: Blob) -> Self {
        Self { peer, packet: reply, due: true, side: Side::Responder { mac1_of_hello } }
    }

    /// Writes the packet if it is due.
    pub(crate) fn transmit(&mut self, pool: &Pool, out: &mut [u8], now: Instant) -> AttemptOutcome {
        if !self.due {
            return AttemptOutcome::Nothing;
        }
        let length = self.packet.len();
        if out.len() < length {
            return AttemptOutcome::NeedsRoom(length);
        }
        self.packet.copy(pool, out);
        self.due = false;
        if let Side::Initiator { sent, retry_at, .. } = &mut self.side {
            let after = RETRY_AFTER[usize::from(*sent).min(RETRY_AFTER.len() - 1)];
            *retry_at = Some(now.saturating_add(after));
            *sent = sent.saturating_add(1);
        }
        AttemptOutcome::Sent(length)
    }

    /// The packet is to be sent, once more.
    pub(crate) fn queue(&mut self) {
        self.due = true;
        if let Side::Initiator { retry_at, .. } = &mut self.side {
            *retry_at = None;
        }
    }

    pub(crate) fn is_due(&self) -> bool {
        self.due
    }

    pub(crate) fn retry_at(&self) -> Option<Instant> {
        match &self.side {
            Side::Initiator { retry_at, .. } => *retry_at,
            Side::Responder { .. } => None,
        }
    }

    pub(crate) fn peer(&self) -> PublicKey {
        self.peer
    }

    /// The initiator's Noise state and the name of its pre-shared key.
    pub(crate) fn noise(&self) -> Option<(&Initiator, Option<&PskName>)> {
        match &self.side {
            Side::Initiator { noise, psk, .. } => Some((noise, psk.as_ref())),
            Side::Responder { .. } => None,
        }
    }

    pub(crate) fn mac1_of_hello(&self) -> Option<[u8; 16]> {
        match &self.side {
            Side::Initiator { .. } => None,
            Side::Responder { mac1_of_hello } => Some(*mac1_of_hello),
        }
    }

    pub(crate) fn release(&mut self, pool: &mut Pool) {
        self.packet.release(pool);
        self.due = false;
    }

    pub(crate) fn digest_into(&self, pool: &Pool, hash: &mut StateHash) {
        let Self { peer, packet, due, side } = self;
        hash.bytes(peer.as_bytes());
        packet.digest_into(pool, hash);
        hash.flag(*due);
        match side {
            Side::Initiator { noise, psk, sent, retry_at } => {
                noise.digest_into(hash);
                hash.bytes(psk.as_ref().map_or(&[], |psk| psk.as_bytes()));
                hash.u64(u64::from(*sent));
                hash.option(retry_at.map(Instant::as_micros));
            }
            Side::Responder { mac1_of_hello } => hash.bytes(mac1_of_hello),
        }
    }
}
