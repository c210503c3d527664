//! Any frames, as if the peer had sealed them, to a session of either role in every phase.

use alloc::vec::Vec;

use super::hello::{NOW, begin, exhaust, peer};
use super::null::{Null, TAG};
use super::{ALICE, BOB, CHANNEL, Report, drain, endpoint, feed, limits, link};
use crate::action::{Arrival, Link, Received};
use crate::channel_config::{ChannelMode, ChannelOptions};
use crate::endpoint::Endpoint;
use crate::ids::{Role, SessionId};
use crate::session::Phase;
use crate::time::Instant;
use crate::wire::{Frame, Frames};

/// Control bits of a record.
pub(super) const SKIP_NUMBERS: u8 = 0x01;
pub(super) const REPEAT_NUMBER: u8 = 0x02;
pub(super) const WRONG_TAG: u8 = 0x04;
pub(super) const KEY_PHASE: u8 = 0x08;
pub(super) const WRONG_ID: u8 = 0x10;
/// The application reads and sends.
pub(super) const USE: u8 = 0x20;
/// The next deadline passes first.
pub(super) const WAIT: u8 = 0x40;
/// The application accepts whoever asks.
pub(super) const ACCEPT: u8 = 0x80;

/// A longer input only takes longer.
const MOST_RECORDS: usize = 64;

/// The phase a session is brought to before the first packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before the first packet under new keys: SynSent or Tentative.
    Unconfirmed,
    Handshaking,
    Established,
    Flushing,
    Closing,
    Draining,
    Closed,
    /// Unconfirmed, and no block left but what is promised.
    NoMemory,
}

impl Stage {
    pub(super) const ALL: [Self; 8] = [
        Self::Unconfirmed,
        Self::Handshaking,
        Self::Established,
        Self::Flushing,
        Self::Closing,
        Self::Draining,
        Self::Closed,
        Self::NoMemory,
    ];

    /// The first byte of an input that begins with `self` and `role`.
    #[cfg(test)]
    pub(super) fn code(self, role: Role) -> u8 {
        (self as u8) << 1 | u8::from(role == Role::Responder)
    }
}

/// One end of a session, and what its peer's packets look like.
struct Target {
    endpoint: Endpoint<Null>,
    id: SessionId,
    link: Link,
    receiver_id: [u8; 8],
    number: u32,
    now: Instant,
}

/// The first byte of `data` chooses role and stage; then come records: control bits, a length, and so many bytes of plaintext.
pub fn frames_after_open(data: &[u8]) -> Report {
    let mut report = Report::default();
    let Some((&start, mut rest)) = data.split_first() else { return report };
    let role = if start & 1 == 0 { Role::Initiator } else { Role::Responder };
    let Some(mut target) = Target::new(role, Stage::ALL[usize::from(start >> 1) % Stage::ALL.len()]) else {
        return report;
    };
    for _ in 0..MOST_RECORDS {
        let [control, length, more @ ..] = rest else { break };
        let (plaintext, more) = more.split_at(usize::from(*length).min(more.len()));
        target.step(*control, plaintext, &mut report);
        rest = more;
    }
    // Every deadline leads somewhere.
    for _ in 0..16 {
        let Some(deadline) = target.endpoint.next_deadline() else { break };
        target.now = target.now.max(deadline.at);
        target.endpoint.handle_timeout(target.now);
        drain(&mut target.endpoint, target.now, &mut Report::default());
    }
    report
}

impl Target {
    fn new(role: Role, stage: Stage) -> Option<Self> {
        let mut unseen = Report::default();
        let seen = &mut unseen;
        let (mut alice, mut bob) = (endpoint(ALICE, Null, limits()), endpoint(BOB, Null, limits()));
        let hello = begin(&mut alice, &bob.public_key());
        pass(&mut bob, &hello, link(BOB, ALICE), NOW);
        if stage == Stage::NoMemory {
            exhaust(if role == Role::Initiator { &mut alice } else { &mut bob }, &peer(&Null, 10));
        }
        let replies = drain(&mut bob, NOW, seen);
        let at_alice = alice.sessions().next()?;
        let at_bob = bob.sessions().next()?;
        let confirmed = !matches!(stage, Stage::Unconfirmed | Stage::NoMemory);
        let mut connects = Vec::new();
        if confirmed || role == Role::Responder {
            for reply in replies {
                pass(&mut alice, &reply, link(ALICE, BOB), NOW);
            }
            connects = drain(&mut alice, NOW, seen);
        }
        let alice_is_called = hello.get(6..14)?.try_into().ok()?;
        let mut target = match role {
            Role::Initiator => Self {
                endpoint: alice,
                id: at_alice,
                link: link(ALICE, BOB),
                receiver_id: alice_is_called,
                number: 100,
                now: NOW,
            },
            Role::Responder => {
                let receiver_id = connects.first()?.get(1..9)?.try_into().ok()?;
                Self { endpoint: bob, id: at_bob, link: link(BOB, ALICE), receiver_id, number: 100, now: NOW }
            }
        };
        if confirmed && role == Role::Responder {
            for connect in connects {
                pass(&mut target.endpoint, &connect, target.link, NOW);
            }
            drain(&mut target.endpoint, NOW, seen);
        }
        target.advance(role, stage, seen);
        Some(target)
    }

    /// From Handshaking on to `stage`.
    fn advance(&mut self, role: Role, stage: Stage, seen: &mut Report) {
        if matches!(stage, Stage::Unconfirmed | Stage::NoMemory | Stage::Handshaking) {
            return;
        }
        match role {
            Role::Initiator => self.step(0, &[0x0B, 0, 0, 1, 0x3E], seen),
            Role::Responder => self.step(ACCEPT, &[0x01], seen),
        }
        assert_eq!(self.endpoint.phase_of(self.id), Some(Phase::Established));
        let now = self.now;
        let Some(mut session) = self.endpoint.session_mut(self.id, now) else { return };
        match stage {
            Stage::Flushing => {
                let sent = session.send(&[1; 100], CHANNEL);
                assert!(sent.is_ok(), "{sent:?}");
                session.close(3, "enough");
            }
            Stage::Closing => session.abort(4, "stop"),
            Stage::Draining | Stage::Closed => self.step(0, &[0x04, 1, 5, 0, 0], seen),
            _ => {}
        }
        if stage == Stage::Closed {
            self.wait();
        }
        drain(&mut self.endpoint, self.now, seen);
    }

    fn wait(&mut self) {
        if let Some(deadline) = self.endpoint.next_deadline() {
            self.now = self.now.max(deadline.at);
        }
        self.endpoint.handle_timeout(self.now);
    }

    /// One packet of the peer, and what the application does about it.
    fn step(&mut self, control: u8, plaintext: &[u8], report: &mut Report) {
        if control & WAIT != 0 {
            self.wait();
            drain(&mut self.endpoint, self.now, report);
        }
        self.now = self.now.saturating_add(core::time::Duration::from_millis(1));
        let packet = self.packet(control, plaintext);
        let applied =
            self.endpoint.phase_of(self.id).is_some_and(|phase| phase.exchanges_data() || phase == Phase::Tentative);
        if applied && control & (REPEAT_NUMBER | WRONG_TAG | KEY_PHASE | WRONG_ID) == 0 {
            // A digest would take most of the time, and nothing is discarded here.
            let received = self.endpoint.handle_datagram(&mut packet.clone(), Arrival::new(self.link), self.now);
            assert_eq!(received, Received::Consumed, "a good packet");
            self.endpoint.assert_invariants();
            note(plaintext, report);
        } else {
            let _ = feed(&mut self.endpoint, &packet, self.link, self.now, report);
        }
        if control & USE != 0 {
            self.use_session();
        }
        if control & ACCEPT != 0 {
            let now = self.now;
            let _ = self.endpoint.session_mut(self.id, now).map(|mut session| session.accept(b"yes"));
        }
        drain(&mut self.endpoint, self.now, report);
    }

    fn packet(&mut self, control: u8, plaintext: &[u8]) -> Vec<u8> {
        if control & REPEAT_NUMBER == 0 {
            self.number += if control & SKIP_NUMBERS == 0 { 1 } else { 3 };
        }
        let mut packet = Vec::new();
        let generation = self.endpoint.session(self.id).map_or(0, |session| session.stats().key_rotations);
        let other_phase = u32::from(control & KEY_PHASE != 0);
        packet.push(if (generation ^ other_phase) & 1 == 0 { 0x43 } else { 0x47 });
        packet.extend(self.receiver_id.map(|byte| if control & WRONG_ID == 0 { byte } else { !byte }));
        packet.extend(self.number.to_be_bytes());
        packet.extend(plaintext);
        packet.extend(TAG.map(|byte| if control & WRONG_TAG == 0 { byte } else { !byte }));
        packet
    }

    fn use_session(&mut self) {
        let now = self.now;
        let Some(mut session) = self.endpoint.session_mut(self.id, now) else { return };
        let mut bytes = [0; 128];
        while let Ok(Some(_)) = session.read(&mut bytes, CHANNEL) {}
        let _ = session.send(&bytes, CHANNEL);
        let open: Vec<_> = session.as_ref().map(|session| session.channels().collect()).unwrap_or_default();
        for (turn, channel) in open.into_iter().filter(|id| id.is_dynamic()).enumerate() {
            while let Ok(Some(_)) = session.recv(&mut bytes, channel) {}
            let _ = session.send(&bytes, channel);
            // What was sent before is ended, so that channels come and go.
            let _ = if turn % 2 == 0 { session.finish_channel(channel) } else { session.reset_channel(1, channel) };
        }
        let _ = session.open_channel(ChannelMode::ReliableOrdered, ChannelOptions::default());
        let _ = session.rotate_key();
        self.endpoint.assert_invariants();
    }
}

/// Hands over a packet that is good: without the digests of [`feed`], which cost most of an execution.
fn pass(endpoint: &mut Endpoint<Null>, packet: &[u8], link: Link, now: Instant) {
    let _ = endpoint.handle_datagram(&mut packet.to_vec(), Arrival::new(link), now);
}

/// Notes the frames of a packet that was applied, up to the first that ended it.
fn note(plaintext: &[u8], report: &mut Report) {
    for frame in Frames::new(plaintext).map_while(Result::ok) {
        report.frame_types.push(frame.frame_type());
        if let Frame::Data(data) = frame
            && data.channel == 0
            && data.begin
            && data.end
        {
            report.control_types.extend(data.data.first());
        }
    }
}
