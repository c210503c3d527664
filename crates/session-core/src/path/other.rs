//! The other path of a session: one that the peer has come over, or that this end has chosen, until the session goes on over it (protocol §15).

use core::net::SocketAddr;
use core::time::Duration;

use crate::action::{Address, Link};
use crate::crypto::Secret;
use crate::crypto::hkdf::hmac;
use crate::limits::MIN_UDP_DATAGRAM;
use crate::state_hash::StateHash;
use crate::time::Instant;

/// Times more bytes than came from an address that may leave to it before it is validated (RFC 9000 §8.1).
const AMPLIFICATION: u32 = 3;
/// How often a challenge is said before its path is given up.
const MAX_TRIES: u8 = 4;
/// The probe timeout where no round trip was measured (RFC 9002 §6.2.2): the new path's is not known.
const UNMEASURED_PTO: Duration = Duration::from_millis(999);
/// Probe timeouts for which a path is waited for (RFC 9000 §8.2.4).
const PATIENCE: u32 = 3;

/// What PATH_CHALLENGE asks for, and PATH_RESPONSE gives back.
pub(crate) type Challenge = [u8; 8];

/// What a session keeps of paths beside the one it uses, while there is anything to keep.
#[derive(Default)]
pub(crate) struct Others {
    /// The peer's challenge that came over the path in use, and the bytes its answer may take.
    pub(crate) answer: Option<(Challenge, u16)>,
    pub(crate) path: Option<OtherPath>,
    asked: Option<Asked>,
}

/// What makes challenges, so that the answer to one counts though another path has taken the place of the one that was asked.
struct Asked {
    /// A challenge is the address under this.
    secret: Secret,
    /// It makes no more from then on.
    until: Instant,
    /// An answer that was none to the path that is looked at now.
    answered: Option<Challenge>,
}

/// One path that is not in use.
pub(crate) struct OtherPath {
    pub(crate) link: Link,
    /// Ours.
    challenge: Challenge,
    /// The peer's, which is to be answered.
    pub(crate) answer: Option<Challenge>,
    /// Bytes of authentic datagrams that came over it, and of datagrams that left over it.
    received: u32,
    sent: u32,
    /// This end chose it, and knows whom it asks: no bytes have to come first.
    pub(crate) chosen: bool,
    /// The session is to go on over it once it is validated.
    pub(crate) wanted: bool,
    /// The mark of the id of ours that packets over it name.
    pub(crate) named: u8,
    validated: bool,
    /// The challenge is to be said.
    due: bool,
    tries: u8,
    again_at: Instant,
    until: Instant,
}

impl OtherPath {
    /// A path with a challenge to be said, but where it is `proven` that the peer is there. `timeout` is the probe timeout of the path in use.
    pub(crate) fn new(
        link: Link,
        named: u8,
        (challenge, proven): (Challenge, bool),
        timeout: Duration,
        now: Instant,
    ) -> Self {
        Self {
            link,
            challenge,
            answer: None,
            received: 0,
            sent: 0,
            chosen: false,
            wanted: false,
            named,
            validated: proven,
            due: !proven,
            tries: 0,
            again_at: now,
            until: now.saturating_add(patience(timeout)),
        }
    }

    /// This end chose it.
    pub(crate) fn choose(&mut self) {
        self.chosen = true;
        self.wanted = true;
    }

    /// An authentic datagram came over it, which named the id of this mark.
    pub(crate) fn on_received(&mut self, bytes: u64, named: u8) {
        self.received = self.received.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.named = named;
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.validated && self.wanted
    }

    /// Bytes the next datagram to it may have.
    pub(crate) fn room(&self) -> u16 {
        if self.chosen || self.validated {
            return MIN_UDP_DATAGRAM;
        }
        let room = self.received.saturating_mul(AMPLIFICATION).saturating_sub(self.sent);
        u16::try_from(room).unwrap_or(u16::MAX)
    }

    /// The challenge to be said now, if one is.
    pub(crate) fn challenge_due(&self) -> Option<Challenge> {
        self.due.then_some(self.challenge)
    }

    /// Something is to be said there.
    pub(crate) fn is_due(&self) -> bool {
        self.due || self.answer.is_some()
    }

    /// A datagram left over it, with all that was due.
    pub(crate) fn on_sent(&mut self, bytes: usize, timeout: Duration, now: Instant) {
        self.sent = self.sent.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.answer = None;
        if core::mem::take(&mut self.due) {
            let backoff = timeout.saturating_mul(1 << self.tries.min(MAX_TRIES));
            self.again_at = now.saturating_add(backoff.max(Duration::from_micros(1)));
            self.tries = self.tries.saturating_add(1);
        }
    }

    /// When there is something to do about it.
    pub(crate) fn deadline(&self) -> Instant {
        let says_again = !self.validated && !self.due && self.tries < MAX_TRIES;
        if says_again { self.again_at.min(self.until) } else { self.until }
    }

    /// The deadline has passed: the challenge is said again. `false` if the path is to be given up.
    #[must_use]
    pub(crate) fn on_deadline(&mut self, now: Instant) -> bool {
        if now >= self.until {
            return false;
        }
        self.due |= !self.validated && self.tries < MAX_TRIES && now >= self.again_at;
        true
    }

    fn digest_into(&self, hash: &mut StateHash) {
        let Self {
            link: _,
            challenge,
            answer,
            received,
            sent,
            chosen,
            wanted,
            named,
            validated,
            due,
            tries,
            again_at,
            until,
        } = self;
        hash.bytes(challenge);
        hash.bytes(answer.as_ref().map_or(&[], |answer| answer));
        hash.u64(u64::from(*received));
        hash.u64(u64::from(*sent));
        for flag in [chosen, wanted, validated, due] {
            hash.flag(*flag);
        }
        hash.bytes(&[*named, *tries]);
        hash.u64(again_at.as_micros());
        hash.u64(until.as_micros());
    }
}

impl Others {
    /// The challenge for a path, and whether it was answered already; `draw` makes a secret where there is none, or it has had its time.
    pub(crate) fn challenge(
        &mut self,
        link: &Link,
        draw: impl FnOnce() -> Secret,
        timeout: Duration,
        now: Instant,
    ) -> (Challenge, bool) {
        self.asked.take_if(|asked| now >= asked.until);
        let until = now.saturating_add(patience(timeout));
        let asked = self.asked.get_or_insert_with(|| Asked { secret: draw(), until, answered: None });
        let mut challenge = Challenge::default();
        let made = hmac(asked.secret.expose(), &[&name_of(link)]);
        challenge.iter_mut().zip(made).for_each(|(to, from)| *to = from);
        (challenge, asked.answered == Some(challenge))
    }

    /// PATH_RESPONSE came, over whichever path.
    pub(crate) fn on_response(&mut self, response: &Challenge) {
        match (&mut self.path, &mut self.asked) {
            (Some(path), _) if path.challenge == *response => {
                path.validated = true;
                path.due = false;
            }
            (_, Some(asked)) => asked.answered = Some(*response),
            (_, None) => {}
        }
    }

    /// Another path is to be looked at; what is known of the one before stays known for a while.
    pub(crate) fn displace(&mut self) -> Option<OtherPath> {
        let path = self.path.take()?;
        if let Some(asked) = self.asked.as_mut().filter(|_| path.validated) {
            asked.answered = Some(path.challenge);
        }
        Some(path)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.answer.is_none() && self.path.is_none()
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { answer, path, asked } = self;
        hash.bytes(answer.as_ref().map_or(&[], |(answer, _)| answer));
        hash.option(answer.map(|(_, room)| u64::from(room)));
        hash.flag(path.is_some());
        if let Some(path) = path {
            path.digest_into(hash);
        }
        hash.flag(asked.is_some());
        if let Some(Asked { secret, until, answered }) = asked {
            secret.digest_into(hash);
            hash.u64(until.as_micros());
            hash.bytes(answered.as_ref().map_or(&[], |answered| answered));
        }
    }
}

/// How long a path is waited for (RFC 9000 §8.2.4).
fn patience(timeout: Duration) -> Duration {
    timeout.max(UNMEASURED_PTO).saturating_mul(PATIENCE)
}

/// The other end of a link in bytes: carrier, kind of address, address, port, zone.
fn name_of(link: &Link) -> [u8; 24] {
    let (kind, address, port, zone) = match link.remote {
        Address::Ip(SocketAddr::V4(address)) => (4, address.ip().to_ipv6_mapped().octets(), address.port(), 0),
        Address::Ip(SocketAddr::V6(address)) => (6, address.ip().octets(), address.port(), address.scope_id()),
        Address::Opaque(bytes) => (0, bytes, 0, 0),
    };
    let parts = [link.carrier.0, kind].into_iter().chain(address).chain(port.to_be_bytes()).chain(zone.to_be_bytes());
    let mut name = [0; 24];
    name.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
    name
}
