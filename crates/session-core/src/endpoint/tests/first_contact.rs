//! First contact: three messages between ends that do not know each other, while the responder's pairing is on.

use super::pair::{Pair, TRIP};
use super::*;
use crate::config::PskName;
use crate::crypto::keys::{PacketKeys, SessionSecrets};
use crate::crypto::marks;
use crate::crypto::noise::{Local, XX_MESSAGE_3_OVERHEAD, XxInitiator, xx_message_1_overhead};
use crate::session::{Phase, State};
use crate::wire::{
    ApplicationProtocol, FinishHeader, HelloHeader, NumberLength, Pattern, ReceiverId, Reply, TransportParameters,
    Writer, finish_marks,
};

const PSK: &[u8] = b"pair";
const FOREVER: Option<Instant> = Some(Instant::MAX);
const UNKNOWN: Peer<'_> = Peer::Unknown { psk: None };

/// An endpoint with a node type and capabilities of its own, and a pre-shared key.
fn node(number: u8, secret: u8, padding: bool) -> Endpoint {
    node_within(small_limits(), number, secret, padding)
}

fn node_within(limits: Limits, number: u8, secret: u8, padding: bool) -> Endpoint {
    let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new([number; 32])), "test");
    config.node_type = number;
    config.capabilities = u64::from(number) << 40;
    config.carriers[0].padding = padding;
    config.psks.push((PskName::new(PSK).unwrap(), Secret::new([secret; 32])));
    Endpoint::new(config, limits, RustCrypto, Seed::new([number; 32])).unwrap()
}

fn strangers() -> Pair {
    let mut pair = Pair::new([node(1, 7, true), node(2, 7, true)]);
    pair.ends[1].set_pairing(FOREVER, pair.now);
    pair
}

fn begin(pair: &mut Pair, peer: Peer<'_>) {
    let options = ConnectOptions { user_data: b"who" };
    pair.ids[0] = Some(pair.ends[0].connect(peer, link(1, 2), options, pair.now).unwrap());
}

/// Hello and Reply have crossed; returns Finish and the packet with CONNECT.
fn up_to_finish(pair: &mut Pair, peer: Peer<'_>) -> Vec<Vec<u8>> {
    begin(pair, peer);
    for side in [0, 1] {
        let packets = pair.take(side);
        assert_eq!(packets.len(), 1);
        pair.deliver(1 - side, &packets);
    }
    pair.ids[1] = pair.ends[1].sessions().last();
    let packets = pair.take(0);
    assert_eq!(packets.iter().map(|packet| packet[0] >> 6).collect::<Vec<_>>(), [2, 1], "Finish, then CONNECT");
    packets
}

#[track_caller]
fn assert_discarded(pair: &mut Pair, to: usize, packet: &[u8], reason: DiscardReason) {
    let before = pair.ends[to].digest();
    assert_eq!(pair.receive(to, packet), Received::Discarded(reason));
    assert_eq!(pair.ends[to].digest(), before);
}

//= docs/protocol.md P-4.2-11 P-8-1
#[test]
fn strangers_meet_and_are_told_so() {
    let name = PskName::new(PSK).unwrap();
    for psk in [None, Some(&name)] {
        let mut pair = strangers();
        begin(&mut pair, Peer::Unknown { psk });
        assert!(pair.look(0).is_first_contact());
        assert_eq!((pair.look(0).peer_key(), pair.look(0).peer_id()), (None, None));
        assert_eq!((pair.look(0).peer_node_type(), pair.look(0).peer_capabilities()), (None, None));
        pair.settle();
        pair.ids[1] = pair.ends[1].sessions().next();
        assert_eq!(pair.events[1], [Event::Incoming(pair.ids[1].unwrap())]);
        let mut user_data = [0; 8];
        assert_eq!(pair.look(1).user_data(&mut user_data), 3);
        pair.session(1).accept(b"").unwrap();
        pair.settle();
        for side in [0, 1] {
            let (session, peer) = (pair.look(side), pair.ends[1 - side].public_key());
            assert_eq!(session.state(), State::Established);
            assert!(session.is_first_contact());
            assert_eq!((session.peer_key(), session.peer_id()), (Some(peer), Some(peer.peer_id())));
            let number = 2 - side as u8;
            assert_eq!(session.peer_node_type(), Some(number));
            assert_eq!(session.peer_capabilities(), Some(u64::from(number) << 40));
            pair.session(side).send(b"told in confidence", CHANNEL).unwrap();
        }
        assert_eq!(pair.look(0).uid(), pair.look(1).uid());
        pair.settle();
        for side in [0, 1] {
            let mut message = [0; 32];
            assert_eq!(pair.session(side).recv(&mut message, CHANNEL), Ok(Some(18)));
        }
    }
}

#[test]
fn type_and_capabilities_of_a_known_peer_can_be_read_too() {
    let mut pair = strangers();
    pair.connect(b"");
    pair.settle();
    pair.ids[1] = pair.ends[1].sessions().next();
    for side in [0, 1] {
        assert!(!pair.look(side).is_first_contact());
        assert_eq!(pair.look(side).peer_node_type(), Some(2 - side as u8));
        assert_eq!(pair.look(side).peer_capabilities(), Some((2 - side as u64) << 40));
    }
}

//= docs/protocol.md P-4.2-10
#[test]
fn h27_nobody_learns_our_key_while_pairing_is_off() {
    let mut pair = strangers();
    let until = pair.now.saturating_add(Duration::from_secs(60));
    begin(&mut pair, UNKNOWN);
    let hello = pair.take(0).remove(0);
    pair.ends[1].set_pairing(None, pair.now);
    assert_discarded(&mut pair, 1, &hello, DiscardReason::Pairing);
    assert_eq!(pair.take(1), Vec::<Vec<u8>>::new());
    let mut off = Pair::new([node(1, 7, true), node(2, 7, true)]);
    assert_discarded(&mut off, 1, &hello, DiscardReason::Pairing);
    // The instant it ends is over.
    pair.ends[1].set_pairing(Some(pair.now), pair.now);
    assert_discarded(&mut pair, 1, &hello, DiscardReason::Pairing);
    pair.ends[1].set_pairing(Some(until), pair.now);
    pair.now = Instant::from_micros(until.as_micros() - 1);
    assert_eq!(pair.receive(1, &hello), Received::Consumed);
    let reply = pair.take(1).remove(0);
    assert_eq!(pair.receive(0, &reply), Received::Consumed);
    let finish = pair.take(0).remove(0);
    pair.now = until;
    assert_discarded(&mut pair, 1, &finish, DiscardReason::Pairing);
    assert_discarded(&mut pair, 1, &hello, DiscardReason::Pairing);
    // A known peer is welcome all the time.
    let mut pair = Pair::new([node(1, 7, true), node(2, 7, true)]);
    pair.connect(b"");
    pair.settle();
    assert_eq!(pair.events[1].len(), 1);
}

#[test]
fn a_session_that_has_begun_outlives_pairing() {
    let mut pair = strangers();
    for packet in up_to_finish(&mut pair, UNKNOWN) {
        pair.deliver(1, &[packet]);
        pair.ends[1].set_pairing(None, pair.now);
    }
    pair.settle();
    pair.session(1).accept(b"").unwrap();
    pair.settle();
    assert_eq!(pair.look(0).state(), State::Established);
}

/// Carries what the ends say, but for the first packets of a kind that is to be lost: Hello, Reply, Finish, CONNECT, the answer.
fn open_with_losses(mut losses: [u32; 5]) -> Pair {
    let mut pair = strangers();
    begin(&mut pair, UNKNOWN);
    let end = pair.now.saturating_add(Duration::from_millis(9_500));
    loop {
        for side in [0, 1] {
            for packet in pair.take(side) {
                let kind = match packet[0] >> 4 {
                    0x8 => 0,
                    0x9 => 1,
                    0xA => 2,
                    _ => 3 + side,
                };
                if losses[kind] > 0 {
                    losses[kind] -= 1;
                    continue;
                }
                let _ = pair.receive(1 - side, &packet);
            }
        }
        if let Some(Event::Incoming(id)) = pair.events[1].first().copied()
            && pair.ids[1].is_none()
        {
            pair.ids[1] = Some(id);
            pair.session(1).accept(b"").unwrap();
            continue;
        }
        if pair.events[0].contains(&Event::Established(pair.ids[0].unwrap())) {
            return pair;
        }
        let next = [0, 1].into_iter().filter_map(|side| pair.ends[side].next_deadline()).map(|next| next.at).min();
        pair.now = pair.now.max(next.unwrap());
        assert!(pair.now < end, "no session with losses {losses:?} left");
        for side in [0, 1] {
            pair.serve(side, pair.now);
        }
    }
}

//= docs/protocol.md P-4.2-11
#[test]
fn whichever_message_is_lost_the_session_opens() {
    for lost in 0..32_u32 {
        let losses = core::array::from_fn(|kind| lost >> kind & 1);
        let pair = open_with_losses(losses);
        assert_eq!(pair.ends[1].session_count(), 1, "losses {losses:?}");
    }
    for kind in 0..5 {
        let mut losses = [0; 5];
        losses[kind] = 2;
        open_with_losses(losses);
    }
}

//= docs/protocol.md P-4.2-11
#[test]
fn finish_goes_ahead_of_every_probe_until_the_responder_is_heard() {
    let mut pair = strangers();
    let first = up_to_finish(&mut pair, UNKNOWN);
    for _ in 0..2 {
        let at = pair.deadline(0).1;
        pair.serve(0, at);
        let again = pair.take(0);
        assert_eq!(again[0], first[0], "the same Finish");
        assert!(again.len() > 1 && again[1..].iter().all(|packet| packet[0] & 0xC0 == 0x40));
    }
    // CONNECT in front of Finish cannot be read; Finish makes the next one welcome, and is not needed twice.
    assert_discarded(&mut pair, 1, &first[1], DiscardReason::State);
    assert_eq!(pair.receive(1, &first[0]), Received::Consumed);
    assert_discarded(&mut pair, 1, &first[0], DiscardReason::State);
    assert_eq!(pair.ends[1].phase_of(pair.ids[1].unwrap()), Some(Phase::Tentative));
    assert_eq!(pair.receive(1, &first[1]), Received::Consumed);
    assert_discarded(&mut pair, 1, &first[0], DiscardReason::State);
    pair.settle();
    let at = pair.deadline(0).1;
    pair.serve(0, at);
    assert!(pair.take(0).iter().all(|packet| packet[0] & 0x80 == 0), "Finish is over");
}

//= docs/protocol.md P-4.2-12
#[test]
fn a_slot_of_first_contact_stays_tentative_until_a_data_packet_verifies() {
    let mut pair = strangers();
    let packets = up_to_finish(&mut pair, UNKNOWN);
    let began = pair.now;
    assert_eq!(pair.receive(1, &packets[0]), Received::Consumed);
    pair.serve(1, began.saturating_add(Duration::from_secs(5)));
    assert_eq!(pair.ends[1].session_count(), 0);
    assert!(pair.events[1].is_empty(), "nobody hears of an attempt that was never proved");
}

/// First contact and contact with a known key are counted together.
//= docs/protocol.md P-4.2-8 P-4.2-12
#[test]
fn from_finish_on_a_slot_is_one_of_the_four_of_its_peer() {
    let limits = Limits { sessions: 8, pending: 8, pool_blocks: 512, ..small_limits() };
    for finish_first in [true, false] {
        let mut pair = Pair::new([1, 2].map(|number| node_within(limits.clone(), number, 7, true)));
        pair.ends[1].set_pairing(FOREVER, pair.now);
        let packets = up_to_finish(&mut pair, UNKNOWN);
        let known = Peer::Known { key: pair.ends[1].public_key(), psk: None };
        let hellos: Vec<_> = (0..4)
            .map(|_| {
                pair.ends[0].connect(known, link(1, 2), ConnectOptions::default(), pair.now).unwrap();
                pair.take(0).remove(0)
            })
            .collect();
        let (last, others) = if finish_first { (&hellos[3], &packets[..1]) } else { (&packets[0], &hellos[3..]) };
        for packet in others.iter().chain(&hellos[..3]) {
            assert_eq!(pair.receive(1, packet), Received::Consumed);
            pair.ends[1].assert_invariants();
        }
        let _ = pair.take(1);
        assert_discarded(&mut pair, 1, last, DiscardReason::PeerPending);
        pair.ends[1].assert_invariants();
        let over = pair.now.saturating_add(Duration::from_secs(5));
        pair.serve(1, over);
        pair.ends[1].assert_invariants();
        assert_eq!(pair.ends[1].session_count(), 0);
        let taken = pair.receive(1, &hellos[3]);
        assert_eq!(taken, Received::Consumed, "it has none any more");
    }
}

//= docs/protocol.md P-4.2-7
#[test]
fn h28_strangers_take_no_more_slots_than_may_be_pending() {
    let mut bob = node(2, 7, true);
    let now = Instant::from_micros(1);
    bob.set_pairing(FOREVER, now);
    let hellos: Vec<_> = (10..40_u8)
        .map(|number| {
            let mut stranger = Pair::new([node(number, 7, true), node(3, 7, true)]);
            begin(&mut stranger, UNKNOWN);
            stranger.take(0).remove(0)
        })
        .collect();
    let mut out = [0; 2000];
    for (index, hello) in hellos.iter().enumerate() {
        let from = Arrival::new(link(2, 10 + index as u8));
        let received = bob.handle_datagram(&mut hello.clone(), from, now);
        if index < 2 {
            assert_eq!(received, Received::Consumed);
            let Action::Transmit(transmit) = bob.poll_action(&mut out, now) else { panic!("no Reply") };
            assert!(transmit.len < hello.len());
        } else {
            assert_eq!(received, Received::Discarded(DiscardReason::PendingFull));
        }
        assert!(matches!(bob.poll_action(&mut out, now), Action::Wait(_)), "one Reply at most");
    }
    assert_eq!(bob.session_count(), 2);
    let over = now.saturating_add(Duration::from_secs(5));
    bob.handle_timeout(over);
    assert_eq!(bob.session_count(), 0);
}

//= docs/protocol.md P-4.1-8 P-4.1-9 P-4.1-11 P-4.2-5
#[test]
fn a_hello_of_first_contact_is_padded_to_be_the_longest_packet() {
    for (padding, least) in [(true, 1200), (false, 401)] {
        let mut pair = Pair::new([node(1, 7, padding), node(2, 7, padding)]);
        pair.ends[1].set_pairing(FOREVER, pair.now);
        begin(&mut pair, UNKNOWN);
        let hello = pair.take(0).remove(0);
        assert_eq!(hello.len(), least);
        assert!(hello[16 + 32..hello.len() - 32].iter().all(|byte| *byte == 0), "nothing is said to a stranger");
        let mut replies = Vec::new();
        for _ in 0..3 {
            assert_eq!(pair.receive(1, &hello), Received::Consumed);
            replies.extend(pair.take(1));
        }
        assert_eq!(replies.len(), 3);
        assert!(replies.iter().all(|reply| *reply == replies[0] && reply.len() < hello.len()));
        pair.deliver(0, &replies[..1]);
        assert!(pair.take(0)[0].len() < replies[0].len() + 100);
        let mut short = hello.clone();
        short.truncate(hello.len() - 1);
        let length = (short.len() - 48) as u16;
        short[14..16].copy_from_slice(&length.to_be_bytes());
        mark(&mut short);
        if padding {
            assert_discarded(&mut pair, 1, &short, DiscardReason::Undersized);
        }
    }
}

//= docs/protocol.md P-4.2-9
#[test]
fn h21_a_pre_shared_key_that_does_not_fit_shows_in_finish_as_a_wrong_tag() {
    let name = PskName::new(PSK).unwrap();
    let mut pair = Pair::new([node(1, 7, true), node(2, 8, true)]);
    pair.ends[1].set_pairing(FOREVER, pair.now);
    let packets = up_to_finish(&mut pair, Peer::Unknown { psk: Some(&name) });
    assert_discarded(&mut pair, 1, &packets[0], DiscardReason::Handshake);
    let mut flipped = packets[0].clone();
    flipped[20] ^= 1;
    mark(&mut flipped);
    assert_discarded(&mut pair, 1, &flipped, DiscardReason::Handshake);
    // A name nobody has is not even answered.
    let mut pair = Pair::new([node(1, 7, true), endpoint(2, small_limits())]);
    pair.ends[1].set_pairing(FOREVER, pair.now);
    begin(&mut pair, Peer::Unknown { psk: Some(&name) });
    let hello = pair.take(0).remove(0);
    assert_discarded(&mut pair, 1, &hello, DiscardReason::Handshake);
}

/// What people compare is what keeps them apart: nobody in the middle can show a key that is not his.
#[test]
fn h29_somebody_in_the_middle_shows_his_own_key_to_both() {
    let (mut near, mut far) = (strangers(), strangers());
    near.ends[1] = node(66, 7, true);
    far.ends[0] = node(66, 7, true);
    near.ends[1].set_pairing(FOREVER, near.now);
    for pair in [&mut near, &mut far] {
        begin(pair, UNKNOWN);
        pair.settle();
        pair.ids[1] = pair.ends[1].sessions().next();
    }
    let middle = node(66, 7, true).public_key();
    assert_eq!((near.look(0).peer_key(), far.look(1).peer_key()), (Some(middle), Some(middle)));
    assert_ne!(near.look(0).uid(), far.look(1).uid());
}

/// Makes mac1 of a packet of first contact right.
fn mark(packet: &mut [u8]) {
    let marked = packet.len() - 32;
    let mac1 = marks::mac1(&marks::mac1_key(None), &packet[..marked]);
    finish_marks(packet, mac1).unwrap();
}

/// A node that keeps to no rule but Noise's, and Bob.
struct Stranger {
    key: StaticKey,
    noise: XxInitiator,
    bob: Pair,
    /// What Finish agreed on.
    keys: Option<(PacketKeys<RustCrypto>, ReceiverId)>,
}

impl Stranger {
    /// Sends a Hello with any payload.
    fn greet(payload: &[u8]) -> (Self, Received) {
        Self::greet_as(1, payload)
    }

    fn greet_as(number: u8, payload: &[u8]) -> (Self, Received) {
        let key = StaticKey::new(&RustCrypto, Secret::new([number; 32]));
        let header = HelloHeader { first_contact: true, source: ReceiverId::new(&[9; 8]).unwrap(), psk_id: None };
        let mut packet = vec![0; 2000];
        let layout = header.write(&mut packet, payload.len() + xx_message_1_overhead(false)).unwrap();
        let prologue = [b"session/1\x00", &packet[..layout.noise.start]].concat();
        let local = Local { provider: &RustCrypto, static_key: &key, psk: None };
        let noise = &mut packet[layout.noise];
        let (noise, _) = XxInitiator::start(&local, &prologue, Secret::new([77; 32]), payload, noise).unwrap();
        packet.truncate(layout.length);
        mark(&mut packet);
        let mut bob = strangers();
        let received = bob.receive(1, &packet);
        (Self { key, noise, bob, keys: None }, received)
    }

    /// Reads Bob's Reply and answers with a Finish of any payload.
    fn finish(&mut self, payload: &[u8]) -> Received {
        let packet = self.bob.take(1).remove(0);
        let reply = Reply::parse(&packet).unwrap();
        let local = Local { provider: &RustCrypto, static_key: &self.key, psk: None };
        let mut read = [0; 1500];
        let (length, verified) = self.noise.read_message_2(&local, reply.noise, &mut read).unwrap();
        let parameters =
            TransportParameters::parse_payload(&read[..length], crate::wire::parameters::PayloadOf::Reply).unwrap();
        let destination = parameters.receiver_id.unwrap();
        let header = FinishHeader { pattern: Pattern::Xx, destination };
        let mut packet = vec![0; 2000];
        let layout = header.write(&mut packet, payload.len() + XX_MESSAGE_3_OVERHEAD).unwrap();
        let (_, output) = verified.write_message_3(&local, payload, &mut packet[layout.noise]).unwrap();
        let keys = PacketKeys::new(&RustCrypto, &SessionSecrets::new(output), crate::ids::Role::Initiator);
        self.keys = Some((keys, destination));
        packet.truncate(layout.length);
        mark(&mut packet);
        self.bob.receive(1, &packet)
    }

    /// The first data packet.
    fn seal(&self, plaintext: &[u8]) -> Vec<u8> {
        let (keys, receiver_id) = self.keys.as_ref().unwrap();
        let header = data_header::DataHeader {
            key_phase: false,
            receiver_id: *receiver_id,
            packet_number: 0,
            number_length: NumberLength::Four,
        };
        let mut packet = vec![0; 100];
        let mut writer = Writer::new(&mut packet);
        let number_offset = header.write(&mut writer).unwrap();
        let (start, end) = (writer.position(), writer.position() + plaintext.len());
        packet[start..end].copy_from_slice(plaintext);
        let (clear, sealed) = packet.split_at_mut(start);
        let tag = keys.seal(&RustCrypto, 0, clear, &mut sealed[..plaintext.len()]).unwrap();
        packet[end..end + 16].copy_from_slice(&tag);
        packet.truncate(end + 16);
        let mask = keys.seal_mask(&RustCrypto, &data_header::sample(&packet, number_offset).unwrap()).unwrap();
        data_header::mask(&mut packet, number_offset, mask).unwrap();
        packet
    }
}

fn parameters(application: &str, receiver_id: Option<ReceiverId>) -> Vec<u8> {
    let application = ApplicationProtocol::new(application.as_bytes());
    let parameters = TransportParameters { application, receiver_id, ..TransportParameters::default() };
    let mut payload = vec![0; 64];
    parameters.write_payload(&mut payload).unwrap();
    payload
}

/// Bytes of padding that make a Hello of 1200.
const PADDING: usize = 1200 - 16 - 32 - 32;

//= docs/protocol.md P-4.1-11 P-4.3-3
#[test]
fn h24_a_stranger_with_parameters_where_none_belong_or_bad_ones_is_discarded() {
    for at in [0, 1, PADDING / 2, PADDING - 1] {
        let mut payload = vec![0; PADDING];
        payload[at] = 1;
        let (mut stranger, received) = Stranger::greet(&payload);
        assert_eq!(received, Received::Discarded(DiscardReason::Parameters));
        assert_eq!((stranger.bob.ends[1].session_count(), stranger.bob.take(1).len()), (0, 0));
    }
    let misplaced = parameters("test", ReceiverId::new(&[9; 8]));
    for refused in [&[0, 3, 0x15, 1, 0][..], &[1, 1, 0], &[], &misplaced] {
        let (mut stranger, received) = Stranger::greet(&[0; PADDING]);
        assert_eq!(received, Received::Consumed);
        assert_eq!(stranger.finish(refused), Received::Discarded(DiscardReason::Parameters));
    }
    let (mut stranger, _) = Stranger::greet(&[0; PADDING]);
    assert_eq!(stranger.finish(&parameters("test", None)), Received::Consumed);
}

//= docs/protocol.md P-4.2-13
#[test]
fn h6_a_finish_of_the_responders_own_key_is_discarded() {
    for (number, expected) in [(2, Received::Discarded(DiscardReason::Handshake)), (1, Received::Consumed)] {
        let (mut stranger, _) = Stranger::greet_as(number, &[0; PADDING]);
        assert_eq!(stranger.finish(&parameters("test", None)), expected);
    }
}

//= docs/protocol.md P-4.3-4
#[test]
fn strangers_of_different_applications_part() {
    // The responder finds out by Finish and says so when the first data packet has verified.
    let (mut stranger, _) = Stranger::greet(&[0; PADDING]);
    assert_eq!(stranger.finish(&parameters("other", None)), Received::Consumed);
    let id = stranger.bob.ends[1].sessions().next().unwrap();
    stranger.bob.ids[1] = Some(id);
    assert_eq!(stranger.bob.ends[1].phase_of(id), Some(Phase::Tentative));
    let ping = stranger.seal(&[0x01; 4]);
    assert_eq!(stranger.bob.receive(1, &ping), Received::Consumed);
    assert_eq!(stranger.bob.close_code(1), Some(CloseCode::APPLICATION_PROTOCOL));
    assert_eq!(stranger.bob.take(1).len(), 1, "CLOSE says so");
    // The initiator finds out by the Reply, and says nothing more.
    let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new([1; 32])), "other");
    config.node_type = 1;
    let alice = Endpoint::new(config, small_limits(), RustCrypto, Seed::new([1; 32])).unwrap();
    let mut pair = Pair::new([alice, node(2, 7, true)]);
    pair.ends[1].set_pairing(FOREVER, pair.now);
    begin(&mut pair, UNKNOWN);
    let hello = pair.take(0);
    pair.deliver(1, &hello);
    let reply = pair.take(1);
    pair.pass(TRIP);
    pair.deliver(0, &reply);
    assert_eq!(pair.take(0), Vec::<Vec<u8>>::new());
    assert_eq!(pair.close_code(0), Some(CloseCode::APPLICATION_PROTOCOL));
}
