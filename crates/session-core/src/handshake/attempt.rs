//! What one side keeps while an attempt lasts: its packet, to be repeated byte by byte, and what it takes to read the answer.

use core::time::Duration;

use crate::config::PskName;
use crate::crypto::PublicKey;
use crate::crypto::noise::{Initiator, XxAwaiting, XxInitiator};
use crate::pool::{Blob, Pool};
use crate::state_hash::StateHash;
use crate::time::Instant;
use crate::wire::MARK_LENGTH;

/// Waiting times before a Hello is repeated; the last one goes on (protocol §4.2).
const RETRY_AFTER: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];
/// Thousandths of a waiting time by which it is shortened or lengthened, at most.
const JITTER: u16 = 200;

/// One side's part of an attempt.
pub(crate) struct Attempt {
    /// Hello and then Finish of an initiator, the Reply of a responder.
    packet: Blob,
    /// It is to be sent.
    due: bool,
    side: Side,
}

enum Side {
    Initiator {
        noise: InitiatorNoise,
        psk: Option<PskName>,
        sent: u8,
        retry_at: Option<Instant>,
    },
    /// Keys are agreed; whether Finish has come is not known.
    Finishing,
    /// Which Hello is answered, and of first contact what Finish is read with, until it has come.
    Responder {
        mac1_of_hello: [u8; 16],
        awaiting: Option<Awaiting>,
    },
}

/// A handshake whose Hello has been written.
pub(crate) enum InitiatorNoise {
    Known(Initiator),
    Unknown(XxInitiator),
}

/// A handshake of first contact whose Reply has been written.
pub(crate) struct Awaiting {
    pub(crate) noise: XxAwaiting,
    pub(crate) psk: Option<PskName>,
}

/// What came of asking for a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptOutcome {
    Nothing,
    NeedsRoom(usize),
    Sent(usize),
}

impl Attempt {
    pub(crate) fn initiator(noise: InitiatorNoise, psk: Option<PskName>, hello: Blob) -> Self {
        Self { packet: hello, due: true, side: Side::Initiator { noise, psk, sent: 0, retry_at: None } }
    }

    pub(crate) fn responder(mac1_of_hello: [u8; 16], awaiting: Option<Awaiting>, reply: Blob) -> Self {
        Self { packet: reply, due: true, side: Side::Responder { mac1_of_hello, awaiting } }
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
            *retry_at = Some(now.saturating_add(retry_after(*sent, &out[..length])));
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

    /// The initiator's Reply has verified: Finish takes the place of Hello, whose blocks hold it easily.
    pub(crate) fn begin_finishing(&mut self, pool: &mut Pool, finish: &[u8]) {
        self.packet.release(pool);
        let kept = Blob::store(pool, finish);
        debug_assert!(kept.is_some(), "a Finish is shorter than the Hello that was released");
        self.packet = kept.unwrap_or_default();
        self.due = true;
        self.side = Side::Finishing;
    }

    /// Finish has come; the Reply is kept for a Hello that comes again.
    pub(crate) fn forget_noise(&mut self) {
        if let Side::Responder { awaiting, .. } = &mut self.side {
            *awaiting = None;
        }
    }

    pub(crate) fn is_due(&self) -> bool {
        self.due
    }

    pub(crate) fn retry_at(&self) -> Option<Instant> {
        match &self.side {
            Side::Initiator { retry_at, .. } => *retry_at,
            Side::Finishing | Side::Responder { .. } => None,
        }
    }

    /// The initiator's Noise state and the name of its pre-shared key.
    pub(crate) fn noise(&self) -> Option<(&InitiatorNoise, Option<&PskName>)> {
        match &self.side {
            Side::Initiator { noise, psk, .. } => Some((noise, psk.as_ref())),
            Side::Finishing | Side::Responder { .. } => None,
        }
    }

    /// What the responder reads Finish with.
    pub(crate) fn awaiting(&self) -> Option<&Awaiting> {
        match &self.side {
            Side::Responder { awaiting, .. } => awaiting.as_ref(),
            Side::Initiator { .. } | Side::Finishing => None,
        }
    }

    pub(crate) fn mac1_of_hello(&self) -> Option<[u8; 16]> {
        match &self.side {
            Side::Responder { mac1_of_hello, .. } => Some(*mac1_of_hello),
            Side::Initiator { .. } | Side::Finishing => None,
        }
    }

    pub(crate) fn release(&mut self, pool: &mut Pool) {
        self.packet.release(pool);
        self.due = false;
    }

    pub(crate) fn digest_into(&self, pool: &Pool, hash: &mut StateHash) {
        let Self { packet, due, side } = self;
        packet.digest_into(pool, hash);
        hash.flag(*due);
        match side {
            Side::Initiator { noise, psk, sent, retry_at } => {
                noise.digest_into(hash);
                hash.bytes(psk.as_ref().map_or(&[], |psk| psk.as_bytes()));
                hash.u64(u64::from(*sent));
                hash.option(retry_at.map(Instant::as_micros));
            }
            Side::Finishing => hash.bytes(b"finishing"),
            Side::Responder { mac1_of_hello, awaiting } => {
                hash.bytes(mac1_of_hello);
                hash.flag(awaiting.is_some());
                if let Some(Awaiting { noise, psk }) = awaiting {
                    noise.digest_into(hash);
                    hash.bytes(psk.as_ref().map_or(&[], |psk| psk.as_bytes()));
                }
            }
        }
    }
}

/// How long to wait after a Hello of which `sent` went before it. Its mac1 is as good as random, and no attempt shares it with another:
/// those that began together do not stay together.
fn retry_after(sent: u8, hello: &[u8]) -> Duration {
    let waiting = RETRY_AFTER[usize::from(sent).min(RETRY_AFTER.len() - 1)];
    let mac1 = hello.len().saturating_sub(2 * MARK_LENGTH);
    let drawn = hello.get(mac1 + 2 * usize::from(sent % 8)..).and_then(<[u8]>::first_chunk);
    let permille = 1000 - JITTER + drawn.map_or(JITTER, |drawn| u16::from_be_bytes(*drawn) % (2 * JITTER + 1));
    waiting * u32::from(permille) / 1000
}

impl InitiatorNoise {
    /// The peer's key, where it was known beforehand.
    pub(crate) fn responder(&self) -> Option<&PublicKey> {
        match self {
            Self::Known(noise) => Some(noise.responder()),
            Self::Unknown(_) => None,
        }
    }

    fn digest_into(&self, hash: &mut StateHash) {
        match self {
            Self::Known(noise) => noise.digest_into(hash),
            Self::Unknown(noise) => noise.digest_into(hash),
        }
    }
}
