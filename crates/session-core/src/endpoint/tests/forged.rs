//! Forged input at every step of a session's life: a run with it is, byte for byte, the run without it.

use core::ops::Range;
use std::collections::{BTreeMap, BTreeSet};
use std::format;

use super::*;
use crate::channel_config::{ChannelMode, ChannelOptions};
use crate::config::PskName;
use crate::crypto::marks;
use crate::send_options::SendOptions;

/// Bytes of mac1 and mac2.
const MARKS: usize = 32;
/// The name of the pre-shared key.
const PSK: &[u8] = b"k";
/// The channels beside [`CHANNEL`], one for each other mode.
const OTHERS: [(ChannelId, ChannelMode); 3] = [
    (ChannelId(20), ChannelMode::ReliableUnordered),
    (ChannelId(21), ChannelMode::Unreliable),
    (ChannelId(22), ChannelMode::LatestValue),
];

/// Which handshake the two have, of four.
#[derive(Clone, Copy, Debug)]
struct Contact {
    /// Neither end knows the other beforehand.
    first: bool,
    /// Both hold the pre-shared key, and use it.
    with_psk: bool,
}

/// Carriers that do not pad keep the Hello short enough to flip each of its bits.
fn node(number: u8) -> Endpoint {
    let key = StaticKey::new(&RustCrypto, Secret::new([number; 32]));
    let mut config = Config::new(key, "test");
    config.carriers[0].padding = false;
    config.channels = vec![CHANNEL.into()];
    config.channels.extend(OTHERS.map(|(id, mode)| ChannelConfig::new(id, mode)));
    config.psks.push((PskName::new(PSK).unwrap(), Secret::new([7; 32])));
    for mode in ChannelMode::ALL {
        config.channel_limits = config.channel_limits.with(mode, 1);
    }
    let limits = Limits { opened_channels: 4, ..small_limits() };
    Endpoint::new(config, limits, RustCrypto, Seed::new([number; 32])).unwrap()
}

/// A genuine packet and the end it goes to.
type Genuine = (usize, Vec<u8>);

/// The life of one session between two endpoints, with a stop at every phase.
struct Life {
    contact: Contact,
    ends: [Endpoint; 2],
    ids: [Option<SessionId>; 2],
    now: Instant,
    /// All that came out of the two ends.
    trace: Vec<(usize, Vec<u8>)>,
    delivered: Vec<Genuine>,
    /// What is forged from; nothing in the run that is compared with.
    genuine: Vec<Genuine>,
    phases: BTreeSet<(usize, std::string::String)>,
    reasons: BTreeMap<DiscardReason, u64>,
}

impl Life {
    fn live(contact: Contact, genuine: Vec<Genuine>) -> Self {
        let mut life = Self {
            contact,
            ends: [node(1), node(2)],
            ids: [None; 2],
            now: Instant::from_micros(1),
            trace: Vec::new(),
            delivered: Vec::new(),
            genuine,
            phases: BTreeSet::new(),
            reasons: BTreeMap::new(),
        };
        life.run();
        life
    }

    fn run(&mut self) {
        let name = PskName::new(PSK).unwrap();
        let psk = Some(&name).filter(|_| self.contact.with_psk);
        let mut peer = Peer::Known { key: self.ends[1].public_key(), psk };
        if self.contact.first {
            peer = Peer::Unknown { psk };
            self.ends[1].set_pairing(Some(Instant::MAX), self.now);
        }
        self.stop();
        self.ids[0] =
            Some(self.ends[0].connect(peer, link(1, 2), ConnectOptions { user_data: b"hello" }, self.now).unwrap());
        self.stop();
        let hello = self.take(0);
        self.stop();
        self.deliver(1, hello);
        self.ids[1] = self.ends[1].sessions().next();
        self.stop();
        let reply = self.take(1);
        self.deliver(0, reply);
        self.stop();
        // Finish on its own, and CONNECT.
        for packet in self.take(0) {
            self.deliver(1, vec![packet]);
            self.stop();
        }
        self.settle();
        self.stop();
        let at_bob = self.ids[1].unwrap();
        self.ends[1].session_mut(at_bob, self.now).unwrap().accept(b"welcome").unwrap();
        self.settle();
        for side in [0, 1] {
            self.send(side, [&b"one"[..], b"another"][side]);
            for (channel, _) in OTHERS {
                self.send_on(side, &[side as u8; 30], channel);
            }
        }
        self.settle();
        self.stop();
        self.read_all();
        self.use_dynamic_channels();
        self.send(0, b"last words");
        self.ends[0].session_mut(self.ids[0].unwrap(), self.now).unwrap().close(7, "enough");
        self.stop();
        let last = self.take(0);
        self.deliver(1, last);
        let acknowledgement = self.due(1);
        self.deliver(0, acknowledgement);
        self.stop();
        let close = self.take(0);
        self.deliver(1, close);
        self.stop();
        self.take(1);
        for _ in 0..8 {
            self.due(0);
            self.due(1);
            self.stop();
        }
    }

    fn send(&mut self, side: usize, message: &[u8]) {
        self.send_on(side, message, CHANNEL);
    }

    fn send_on(&mut self, side: usize, message: &[u8], channel: ChannelId) {
        let id = self.ids[side].unwrap();
        self.ends[side].session_mut(id, self.now).unwrap().send(message, channel).unwrap();
    }

    /// Both ends open a channel of every mode and end each in another way. What has a deadline is lost on its way.
    fn use_dynamic_channels(&mut self) {
        let opened = [0, 1].map(|side| {
            ChannelMode::ALL.map(|mode| {
                self.command(side, |session| session.open_channel(mode, ChannelOptions::default()).unwrap())
            })
        });
        let late = SendOptions::by(self.now.saturating_add(Duration::from_millis(500)));
        for side in [0, 1] {
            for channel in opened[side] {
                self.command(side, |session| session.send_with(b"late", channel, late).unwrap());
            }
            let _lost = self.take(side);
        }
        self.stop();
        self.now = self.now.max(late.deadline.unwrap());
        for side in [0, 1] {
            self.due(side);
            for channel in opened[side] {
                self.send_on(side, b"in time", channel);
                let expired = self.command(side, |session| session.take_expired(channel)).is_some();
                assert_eq!(expired, channel.dynamic_mode() != Some(ChannelMode::Unreliable), "sent is sent, there");
            }
        }
        self.stop();
        self.settle();
        self.stop();
        for side in [0, 1] {
            let [ordered, unordered, unreliable, latest] = opened[1 - side];
            self.command(1 - side, |session| session.finish_channel(ordered).unwrap());
            self.command(1 - side, |session| session.reset_channel(7, unordered).unwrap());
            self.command(side, |session| session.stop_channel(8, unreliable).unwrap());
            self.command(side, |session| session.finish_channel(latest).unwrap());
        }
        self.stop();
        self.settle();
        self.stop();
        for side in [0, 1] {
            let [ordered, unordered, unreliable, latest] = opened[1 - side];
            for (channel, length) in [(ordered, Some(7)), (unordered, None), (unreliable, None), (latest, Some(7))] {
                let received = self.command(side, |session| session.recv(&mut [0; 100], channel));
                assert_eq!(received.ok().flatten(), length, "{channel:?}");
                let _ended_already = self.command(side, |session| session.finish_channel(channel));
                let _ended_already = self.command(1 - side, |session| session.finish_channel(channel));
            }
        }
        self.settle();
        self.stop();
        for side in [0, 1] {
            let id = self.ids[side].unwrap();
            let left: Vec<_> = self.ends[side].session(id).unwrap().channels().filter(|id| id.is_dynamic()).collect();
            assert_eq!(left, [], "all have come and gone");
        }
    }

    fn command<T>(&mut self, side: usize, command: impl FnOnce(&mut SessionMut<'_, RustCrypto>) -> T) -> T {
        command(&mut self.ends[side].session_mut(self.ids[side].unwrap(), self.now).unwrap())
    }

    /// Every message of every mode has come, once.
    fn read_all(&mut self) {
        let mut out = [0; 100];
        for side in [0, 1] {
            let id = self.ids[side].unwrap();
            for channel in OTHERS.iter().map(|(channel, _)| *channel).chain([CHANNEL]) {
                let mut session = self.ends[side].session_mut(id, self.now).unwrap();
                let length = session.recv(&mut out, channel).unwrap().expect("a message of each mode");
                self.trace.push((side, out[..length].to_vec()));
                assert_eq!(session.recv(&mut out, channel), Ok(None));
            }
        }
    }

    fn deliver(&mut self, to: usize, packets: Vec<Vec<u8>>) {
        for packet in packets {
            let received = self.ends[to].handle_datagram(&mut packet.clone(), arrival(to), self.now);
            assert_eq!(received, Received::Consumed);
            self.delivered.push((to, packet));
        }
    }

    fn take(&mut self, side: usize) -> Vec<Vec<u8>> {
        let mut out = vec![0; 2000];
        let mut packets = Vec::new();
        loop {
            match self.ends[side].poll_action(&mut out, self.now) {
                Action::Transmit(transmit) => {
                    self.trace.push((side, out[..transmit.len].to_vec()));
                    packets.push(out[..transmit.len].to_vec());
                }
                action @ Action::Event(_) => self.trace.push((side, format!("{action:?}").into_bytes())),
                action => {
                    self.trace.push((side, format!("{action:?}").into_bytes()));
                    return packets;
                }
            }
        }
    }

    /// Lets the next deadline of one end pass.
    fn due(&mut self, side: usize) -> Vec<Vec<u8>> {
        if let Some(deadline) = self.ends[side].next_deadline() {
            self.now = self.now.max(deadline.at);
            self.ends[side].handle_timeout(self.now);
        }
        self.take(side)
    }

    /// Carries packets to and fro until only keepalive is left to wait for.
    fn settle(&mut self) {
        for _ in 0..10 {
            for side in [0, 1] {
                let packets = self.take(side);
                self.deliver(1 - side, packets);
            }
            let soon = self.now.saturating_add(Duration::from_millis(30));
            for side in [0, 1] {
                if self.ends[side].next_deadline().is_some_and(|deadline| deadline.at <= soon) {
                    let packets = self.due(side);
                    self.deliver(1 - side, packets);
                }
            }
        }
    }

    /// Forges everything there is to forge, to both ends.
    fn stop(&mut self) {
        for side in [0, 1] {
            let phase = self.ids[side].and_then(|id| self.ends[side].phase_of(id));
            self.phases.insert((side, format!("{phase:?}")));
        }
        let before = [self.ends[0].digest(), self.ends[1].digest()];
        let responder = self.ends[1].public_key();
        for (to, packet) in self.genuine.clone() {
            for forged in forgeries(&packet, &responder) {
                self.inject(to, &forged, &before);
            }
            for address in [3, 4] {
                let strange = Arrival::new(link(3 + to as u8, address));
                if is_reply(&packet) {
                    self.inject_over(to, &packet, strange, &before);
                }
            }
        }
        if self.genuine.is_empty() {
            return;
        }
        for (to, packet) in self.delivered.clone() {
            // A repeated Hello is answered; a test of its own shows how.
            for _ in 0..if is_hello(&packet) { 0 } else { 3 } {
                self.inject(to, &packet, &before);
            }
        }
    }

    fn inject(&mut self, to: usize, forged: &[u8], before: &[[u8; 32]; 2]) {
        self.inject_over(to, forged, arrival(to), before);
    }

    fn inject_over(&mut self, to: usize, forged: &[u8], arrival: Arrival, before: &[[u8; 32]; 2]) {
        let received = self.ends[to].handle_datagram(&mut forged.to_vec(), arrival, self.now);
        let Received::Discarded(reason) = received else {
            panic!("{forged:02x?} was taken by {to} in {:?}; of {:02x?}", self.phases.last(), self.genuine.first())
        };
        assert_eq!(self.ends[to].digest(), before[to], "{reason:?} changed something: {forged:02x?}");
        *self.reasons.entry(reason).or_default() += 1;
    }
}

fn is_hello(packet: &[u8]) -> bool {
    packet[0] == 0x80
}

fn is_reply(packet: &[u8]) -> bool {
    packet[0] == 0x90
}

fn flipped(packet: &[u8], bits: Range<usize>) -> impl Iterator<Item = Vec<u8>> + '_ {
    bits.map(|bit| {
        let mut packet = packet.to_vec();
        packet[bit / 8] ^= 1 << (bit % 8);
        packet
    })
}

/// Everything somebody may make of a packet who saw it but holds no key.
fn forgeries(packet: &[u8], responder: &PublicKey) -> Vec<Vec<u8>> {
    let mut forged: Vec<Vec<u8>> = flipped(packet, 0..packet.len() * 8).collect();
    forged.extend((0..packet.len()).map(|length| packet[..length].to_vec()));
    forged.extend([1, 16, 300].map(|more| [packet, &vec![0; more][..]].concat()));
    forged.extend((0..=255).filter(|first| *first != packet[0]).map(|first| [&[first], &packet[1..]].concat()));
    let body = packet.len() - 16;
    forged.push([&packet[..body], &[0xFF; 16]].concat());
    forged.push([&packet[..1], &[0xAB; 8], &packet[9..]].concat());
    // Lost tag, doubled tag, tag alone.
    forged.push(packet[body..].to_vec());
    forged.push([packet, &packet[body..]].concat());
    if packet[0] & 0x80 != 0 {
        if is_hello(packet) && packet[3] >= 2 {
            // Whoever sends it is as good as any other.
            return forged;
        }
        // Who knows the responder's key can make mac1 right: the header's fields, then a few bits of the rest.
        let clear = 16 * 8;
        let rest = (clear..(packet.len() - MARKS) * 8).step_by(61).flat_map(|bit| bit..bit + 1);
        let again = (0..clear).chain(rest).flat_map(|bit| flipped(packet, bit..bit + 1));
        forged.extend(again.map(|packet| marked(packet, responder)));
    } else {
        // Another packet number and key phase under any mask, without a tag that fits.
        forged.extend((0..32).map(|low| [&[packet[0] & 0xE0 | low][..], &packet[1..9], &[low; 40]].concat()));
    }
    forged
}

fn marked(mut packet: Vec<u8>, responder: &PublicKey) -> Vec<u8> {
    let body = packet.len() - MARKS;
    let key = if packet[3] >= 2 { None } else { Some(responder) };
    let mac1 = marks::mac1(&marks::mac1_key(key), &packet[..body]);
    packet[body..body + 16].copy_from_slice(&mac1);
    packet
}

//= docs/protocol.md P-3-4 P-4.1-6 P-4.2-3 P-4.2-6 P-5-5 P-5-7 P-5-8
#[test]
fn d1_d2_d4_d5_d25_h2_forged_input_leaves_no_trace_in_any_phase() {
    let reasons = forge_in_every_phase(Contact { first: false, with_psk: false });
    assert!(reasons.contains(&DiscardReason::Pairing), "an IK Hello made one of first contact: {reasons:?}");
}

#[test]
fn h2_forged_input_leaves_no_trace_where_a_pre_shared_key_is_used() {
    forge_in_every_phase(Contact { first: false, with_psk: true });
}

//= docs/protocol.md P-3-4 P-4.1-6 P-4.2-3 P-4.2-6
#[test]
fn h2_forged_input_leaves_no_trace_in_any_phase_of_a_first_contact() {
    forge_in_every_phase(Contact { first: true, with_psk: false });
}

#[test]
fn h2_forged_input_leaves_no_trace_in_a_first_contact_under_a_pre_shared_key() {
    forge_in_every_phase(Contact { first: true, with_psk: true });
}

/// Why forgeries were discarded.
fn forge_in_every_phase(contact: Contact) -> BTreeSet<DiscardReason> {
    let quiet = Life::live(contact, Vec::new());
    let all = &quiet.delivered;
    assert!(all.len() >= 8, "{} packets", all.len());
    // One of each size and direction, first and last of the data packets among them.
    let mut genuine: Vec<Genuine> = Vec::new();
    for (to, packet) in all {
        let same = |(other_to, other): &&Genuine| {
            (other_to, other.len(), other[0] & 0x80) == (to, packet.len(), packet[0] & 0x80)
        };
        if genuine.iter().filter(same).count() == 0 {
            genuine.push((*to, packet.clone()));
        }
    }
    let forged = Life::live(contact, genuine);
    assert_eq!(forged.trace, quiet.trace, "output differs");
    assert_eq!([forged.ends[0].digest(), forged.ends[1].digest()], [quiet.ends[0].digest(), quiet.ends[1].digest()]);
    for phase in ["Connecting", "SynSent", "Handshaking", "Established", "Flushing", "Closing", "Closed"] {
        assert!(
            forged.phases.contains(&(0, format!("Some({phase})"))),
            "{phase} was not met at the initiator: {:?}",
            forged.phases
        );
    }
    for phase in ["Tentative", "Handshaking", "Established", "Draining", "Closed"] {
        assert!(
            forged.phases.contains(&(1, format!("Some({phase})"))),
            "{phase} was not met at the responder: {:?}",
            forged.phases
        );
    }
    use DiscardReason as Reason;
    for reason in [
        Reason::Malformed,
        Reason::Version,
        Reason::Unserved,
        Reason::Mark,
        Reason::UnknownSession,
        Reason::Handshake,
        Reason::Authentication,
        Reason::Replayed,
        Reason::KeyPhase,
        Reason::State,
    ] {
        assert!(forged.reasons.contains_key(&reason), "{reason:?} was not met: {:?}", forged.reasons);
    }
    forged.reasons.into_keys().collect()
}
