//! The rules of protocol §4 and §8, as two endpoints keep them.

use super::pair::{Pair, TRIP};
use super::*;
use crate::config::PskName;
use crate::crypto::marks;
use crate::crypto::noise::{Initiator, Local, MESSAGE_1_OVERHEAD, MESSAGE_2_OVERHEAD, Responder};
use crate::handshake::{verify_hello, write_reply};
use crate::reason::{ClosedBy, SendError};
use crate::session::State;
use crate::wire::{
    ApplicationProtocol, Hello, HelloHeader, Pattern, PskId, ReceiverId, ReplyHeader, TransportParameters, finish_marks,
};

const LIMIT: usize = 1500;
/// Bytes of mac1 and mac2.
const MARKS: usize = 32;

/// A prologue made of the Hello up to its length field.
type Prologue = fn(&[u8]) -> Vec<u8>;

/// A node that keeps to no rule but Noise's.
struct Stranger {
    key: StaticKey,
    psk: Option<(PskName, Secret)>,
}

impl Stranger {
    fn new(number: u8, psk: Option<(&[u8], u8)>) -> Self {
        Self {
            key: StaticKey::new(&RustCrypto, Secret::new([number; 32])),
            psk: psk.map(|(name, secret)| (PskName::new(name).unwrap(), Secret::new([secret; 32]))),
        }
    }

    fn local(&self) -> Local<'_, RustCrypto> {
        let psk = self.psk.as_ref().map(|(_, secret)| secret);
        Local { provider: &RustCrypto, static_key: &self.key, psk }
    }

    fn hello(&self, to: &PublicKey, payload: &[u8]) -> Vec<u8> {
        self.hello_after(to, payload, prologue)
    }

    /// A Hello whose length is that of `payload` and what stands around it, under any prologue.
    fn hello_after(&self, to: &PublicKey, payload: &[u8], prologue: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let psk_id = self.psk.as_ref().map(|(name, _)| PskId::new(name.as_bytes()).unwrap());
        let header = HelloHeader { first_contact: false, source: ReceiverId::new(&[9; 8]).unwrap(), psk_id };
        let mut packet = vec![0; 2000];
        let layout = header.write(&mut packet, payload.len() + MESSAGE_1_OVERHEAD).unwrap();
        let prologue = prologue(&packet[..layout.noise.start]);
        let noise = &mut packet[layout.noise];
        Initiator::start(&self.local(), to, &prologue, Secret::new([77; 32]), payload, noise).unwrap();
        packet.truncate(layout.length);
        mark(&mut packet, to);
        packet
    }

    /// A Reply to `hello` that names `pattern`, whatever the Hello named.
    fn reply(&self, hello: &[u8], pattern: Pattern, payload: &[u8]) -> Vec<u8> {
        let hello = Hello::parse(hello).unwrap();
        let mut read = vec![0; LIMIT];
        let (responder, _) =
            Responder::read_message_1(&self.local(), &prologue(hello.clear), hello.noise, &mut read).unwrap();
        let header = ReplyHeader { pattern, destination: hello.source };
        let mut packet = vec![0; 2000];
        let layout = header.write(&mut packet, payload.len() + MESSAGE_2_OVERHEAD).unwrap();
        let noise = &mut packet[layout.noise];
        responder.write_message_2(&self.local(), Secret::new([78; 32]), payload, noise).unwrap();
        packet.truncate(layout.length);
        mark(&mut packet, self.key.public());
        packet
    }
}

/// Makes mac1 right.
fn mark(packet: &mut [u8], responder: &PublicKey) {
    let marked = packet.len() - MARKS;
    let mac1 = marks::mac1(&marks::mac1_key(Some(responder)), &packet[..marked]);
    finish_marks(packet, mac1).unwrap();
}

/// The same packet with its last tag broken, and mac1 right.
fn with_wrong_tag(packet: &[u8], responder: &PublicKey) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let end = packet.len() - MARKS;
    packet[end - 1] ^= 1;
    mark(&mut packet, responder);
    packet
}

/// Written out from protocol §4.2.
fn prologue(clear: &[u8]) -> Vec<u8> {
    [b"session/1\x00", clear].concat()
}

fn parameters(application: &str) -> TransportParameters {
    TransportParameters {
        application: ApplicationProtocol::new(application.as_bytes()),
        ..TransportParameters::default()
    }
}

/// A payload of `length` bytes; the receiver id is that of a Reply.
fn payload(parameters: &TransportParameters, length: usize) -> Vec<u8> {
    let mut payload = vec![0; length];
    parameters.write_payload(&mut payload).unwrap();
    payload
}

fn reply_payload(application: &str) -> Vec<u8> {
    let parameters = TransportParameters { receiver_id: ReceiverId::new(&[9; 8]), ..parameters(application) };
    payload(&parameters, 64)
}

/// Payload bytes that make a Hello of `length` bytes.
fn padding_of_hello(length: usize) -> usize {
    length
        - MESSAGE_1_OVERHEAD
        - HelloHeader { first_contact: false, source: ReceiverId::new(&[9; 8]).unwrap(), psk_id: None }.overhead()
}

fn bob() -> Endpoint {
    endpoint(2, small_limits())
}

fn with_padding(padding: bool) -> Endpoint {
    let key = StaticKey::new(&RustCrypto, Secret::new([2; 32]));
    let mut config = Config::new(key, "test");
    config.carriers[0] =
        crate::action::CarrierConfig { max_datagram: LIMIT as u16, min_datagram: LIMIT as u16, padding };
    Endpoint::new(config, small_limits(), RustCrypto, Seed::new([2; 32])).unwrap()
}

fn receive(to: &mut Endpoint, packet: &[u8]) -> Received {
    to.handle_datagram(&mut packet.to_vec(), arrival(1), Instant::from_micros(1))
}

fn packets(from: &mut Endpoint, now: Instant) -> Vec<Vec<u8>> {
    let mut out = vec![0; 2000];
    let mut packets = Vec::new();
    while let Action::Transmit(transmit) = from.poll_action(&mut out, now) {
        packets.push(out[..transmit.len].to_vec());
        assert!(packets.len() < 100, "no end of packets");
    }
    packets
}

/// Discarded for `reason`, unanswered, and nothing has changed.
#[track_caller]
fn assert_discarded(to: &mut Endpoint, packet: &[u8], reason: DiscardReason) {
    let before = to.digest();
    assert_eq!(receive(to, packet), Received::Discarded(reason));
    assert_eq!(to.digest(), before);
    assert_eq!(packets(to, Instant::from_micros(1)), Vec::<Vec<u8>>::new());
}

//= docs/protocol.md P-4.1-8
#[test]
fn h10_a_hello_of_1199_bytes_is_answered_only_where_addresses_are_proven() {
    let hello = |length| {
        Stranger::new(1, None).hello(&bob().public_key(), &payload(&parameters("test"), padding_of_hello(length)))
    };
    assert_eq!(hello(1199).len(), 1199);
    assert_discarded(&mut with_padding(true), &hello(1199), DiscardReason::Undersized);
    assert_eq!(receive(&mut with_padding(true), &hello(1200)), Received::Consumed);
    assert_eq!(receive(&mut with_padding(false), &hello(1199)), Received::Consumed);

    let mut pair = Pair::new([endpoint(1, small_limits()), bob()]);
    pair.connect(b"");
    let sent = pair.take(0);
    assert_eq!(sent[0].len(), 1200, "our own is padded");
    let noise = Hello::parse(&sent[0]).unwrap().noise;
    assert_eq!(noise.len() - MESSAGE_1_OVERHEAD, padding_of_hello(1200), "inside the payload");
}

//= docs/protocol.md P-4.1-9
#[test]
fn a_reply_is_never_longer_than_its_hello() {
    // The shortest Hello there is, and a responder with much to tell.
    let mut bob = with_padding(false);
    bob.settings.config.application = "".into();
    bob.settings.config.capabilities = (1 << 62) - 1;
    bob.settings.config.node_type = 255;
    let hello = Stranger::new(1, None).hello(&bob.public_key(), &[0, 0]);
    assert_eq!(receive(&mut bob, &hello), Received::Consumed);
    let length = packets(&mut bob, Instant::from_micros(1))[0].len();
    assert!(length <= hello.len(), "{length} bytes for {}", hello.len());

    // One that would be longer is not made.
    let mut answer = |hello_length| {
        let carrier = bob.settings.config.carriers[0];
        let mut context = Context { shared: &mut bob.shared, settings: &bob.settings, now: bob.now };
        let parsed = Hello::parse(&hello).unwrap();
        let verified = verify_hello(&context, &parsed).unwrap();
        let id = ReceiverId::new(&[8; 8]).unwrap();
        write_reply(&mut context, &parsed, hello_length, verified, id, &carrier).map(|_| ())
    };
    assert_eq!(answer(length - 1), Err(DiscardReason::Undersized));
    assert_eq!(answer(length), Ok(()));
}

//= docs/protocol.md P-4.1-9 P-4.2-5
#[test]
fn each_hello_has_one_reply_and_a_repeated_one_the_same() {
    let mut bob = bob();
    let hello = Stranger::new(1, None).hello(&bob.public_key(), &payload(&parameters("test"), padding_of_hello(1200)));
    let mut now = Instant::from_micros(1);
    let mut replies = Vec::new();
    for hellos in [1, 1, 2, 1] {
        for _ in 0..hellos {
            assert_eq!(bob.handle_datagram(&mut hello.clone(), arrival(1), now), Received::Consumed);
        }
        let sent = packets(&mut bob, now);
        assert!((1..=hellos).contains(&sent.len()), "{} Replies to {hellos} Hellos", sent.len());
        replies.extend(sent);
        for _ in 0..3 {
            now = now.saturating_add(Duration::from_millis(300));
            bob.handle_timeout(now);
            assert_eq!(packets(&mut bob, now), Vec::<Vec<u8>>::new(), "nobody asked");
        }
    }
    assert!(replies.iter().all(|reply| *reply == replies[0]), "not the same Reply");
    assert_eq!(bob.session_count(), 1);

    // The slot's life is over: the next answer is another.
    now = now.saturating_add(Duration::from_secs(5));
    bob.handle_timeout(now);
    assert_eq!(bob.session_count(), 0);
    assert_eq!(bob.handle_datagram(&mut hello.clone(), arrival(1), now), Received::Consumed);
    assert_ne!(packets(&mut bob, now), [replies[0].clone()]);
}

//= docs/protocol.md P-4.1-10
#[test]
fn handshake_packets_end_at_1500_bytes() {
    let hello = |length| {
        Stranger::new(1, None).hello(&bob().public_key(), &payload(&parameters("test"), padding_of_hello(length)))
    };
    assert_discarded(&mut bob(), &hello(1501), DiscardReason::Malformed);
    assert_eq!(receive(&mut bob(), &hello(1500)), Received::Consumed);

    let mut pair = Pair::new([endpoint(1, small_limits()), bob()]);
    pair.connect(b"");
    let hello = pair.take(0).remove(0);
    let reply = |length: usize| {
        let overhead = MESSAGE_2_OVERHEAD
            + ReplyHeader { pattern: Pattern::Ik, destination: ReceiverId::new(&[9; 8]).unwrap() }.overhead();
        let mut payload = reply_payload("test");
        payload.resize(length - overhead, 0);
        Stranger::new(2, None).reply(&hello, Pattern::Ik, &payload)
    };
    assert_eq!(reply(1501).len(), 1501);
    let before = pair.ends[0].digest();
    assert_eq!(pair.receive(0, &reply(1501)), Received::Discarded(DiscardReason::Malformed));
    assert_eq!(pair.ends[0].digest(), before);
    assert_eq!(pair.receive(0, &reply(1500)), Received::Consumed);
}

//= docs/protocol.md P-4.2-1
#[test]
fn the_prologue_is_the_name_and_the_hello_up_to_its_length() {
    let stranger = Stranger::new(1, None);
    let payload = payload(&parameters("test"), padding_of_hello(1200));
    let hello = |prologue: Prologue| stranger.hello_after(&bob().public_key(), &payload, prologue);
    assert_eq!(receive(&mut bob(), &hello(prologue)), Received::Consumed);
    let others: [Prologue; 6] = [
        |_| Vec::new(),
        <[u8]>::to_vec,
        |clear| [b"session/1", clear].concat(),
        |clear| [b"session/2\x00", clear].concat(),
        |clear| [b"session/1\x00", &clear[..clear.len() - 2]].concat(),
        |clear| [b"session/1\x00", &clear[1..]].concat(),
    ];
    for other in others {
        assert_discarded(&mut bob(), &hello(other), DiscardReason::Handshake);
    }

    // What our initiator writes opens under it too.
    let mut pair = Pair::new([endpoint(1, small_limits()), bob()]);
    pair.connect(b"");
    let sent = pair.take(0).remove(0);
    let hello = Hello::parse(&sent).unwrap();
    let length_field = sent.len() - MARKS - hello.noise.len();
    assert_eq!(hello.clear, &sent[..length_field], "from byte0 up to and including the length");
    let reply = Stranger::new(2, None).reply(&sent, Pattern::Ik, &reply_payload("test"));
    assert_eq!(pair.receive(0, &reply), Received::Consumed);
}

//= docs/protocol.md P-4.2-8
#[test]
fn a_peer_has_four_tentative_slots() {
    let limits = Limits { sessions: 8, pending: 8, pool_blocks: 512, ..small_limits() };
    let mut pair = Pair::new([endpoint(1, limits.clone()), endpoint(2, limits)]);
    let hellos: Vec<_> = (0..5)
        .map(|_| {
            pair.connect(b"");
            pair.take(0).remove(0)
        })
        .collect();
    pair.deliver(1, &hellos[..4]);
    let _ = pair.take(1);
    assert_discarded(&mut pair.ends[1], &hellos[4], DiscardReason::PeerPending);
    let padded = payload(&parameters("test"), padding_of_hello(1200));
    let of_another = Stranger::new(3, None).hello(&pair.ends[1].public_key(), &padded);
    assert_eq!(pair.receive(1, &of_another), Received::Consumed, "another peer is not held up");
    assert_eq!(pair.ends[1].session_count(), 5);

    pair.pass(Duration::from_secs(5));
    pair.serve(1, pair.now);
    assert_eq!(pair.ends[1].session_count(), 0);
    pair.deliver(1, &hellos[4..]);
    assert_eq!(pair.ends[1].session_count(), 1);
}

fn with_psk(number: u8, psk: Option<(&[u8], u8)>) -> Endpoint {
    let Stranger { key, psk } = Stranger::new(number, psk);
    let mut config = Config::new(key, "test");
    config.psks.extend(psk);
    Endpoint::new(config, small_limits(), RustCrypto, Seed::new([number; 32])).unwrap()
}

//= docs/protocol.md P-4.2-9
#[test]
fn h21_at_either_end_a_pre_shared_key_that_does_not_fit_looks_like_a_wrong_tag() {
    // At the responder: a name it does not know against a tag that is wrong.
    let named = |psk: Option<(&[u8], u8)>| {
        let stranger = Stranger::new(1, psk);
        let named = psk.map_or(0, |(name, _)| name.len() + 1);
        let hello = stranger.hello(&bob().public_key(), &payload(&parameters("test"), padding_of_hello(1200) - named));
        assert_eq!(hello.len(), 1200);
        hello
    };
    let known: Option<(&[u8], u8)> = Some((b"one", 5));
    let wrong_tag = with_wrong_tag(&named(known), &bob().public_key());
    assert_discarded(&mut with_psk(2, known), &wrong_tag, DiscardReason::Handshake);
    assert_discarded(&mut with_psk(2, known), &named(Some((b"two", 5))), DiscardReason::Handshake);
    assert_discarded(&mut with_psk(2, None), &named(known), DiscardReason::Handshake);

    // A key of the same name shows in message 2 only: the answer looks the same.
    let mut lengths = Vec::new();
    for secret in [5, 6] {
        let mut bob = with_psk(2, known);
        assert_eq!(receive(&mut bob, &named(Some((b"one", secret)))), Received::Consumed);
        let sent = packets(&mut bob, Instant::from_micros(1));
        lengths.push((sent.len(), sent[0].len()));
    }
    assert_eq!(lengths[0], lengths[1]);

    // At the initiator.
    let name = PskName::new(b"one").unwrap();
    for expected in [Some(&name), None] {
        let mut alice = with_psk(1, known);
        let peer = Peer::Known { key: bob().public_key(), psk: expected };
        let now = Instant::from_micros(1);
        let id = alice.connect(peer, link(1, 2), ConnectOptions::default(), now).unwrap();
        let hello = packets(&mut alice, now).remove(0);
        let (true_key, pattern, other) = match expected {
            Some(_) => (known, Pattern::IkPsk2, Pattern::Ik),
            None => (None, Pattern::Ik, Pattern::IkPsk2),
        };
        let genuine = Stranger::new(2, true_key).reply(&hello, pattern, &reply_payload("test"));
        let wrong_tag = with_wrong_tag(&genuine, &bob().public_key());
        // Absent where one was expected, or there where none was.
        let other_pattern = Stranger::new(2, true_key).reply(&hello, other, &reply_payload("test"));
        let mut refused = vec![wrong_tag, other_pattern];
        if expected.is_some() {
            let wrong_key: Option<(&[u8], u8)> = Some((b"one", 6));
            refused.push(Stranger::new(2, wrong_key).reply(&hello, pattern, &reply_payload("test")));
        }
        for reply in refused {
            let before = alice.digest();
            let received = alice.handle_datagram(&mut reply.clone(), arrival(0), now);
            assert_eq!(received, Received::Discarded(DiscardReason::Handshake));
            assert_eq!(alice.digest(), before);
            assert_eq!(packets(&mut alice, now), Vec::<Vec<u8>>::new());
        }
        assert_eq!(alice.handle_datagram(&mut genuine.clone(), arrival(0), now), Received::Consumed);
        assert_eq!(alice.session(id).unwrap().state(), State::Handshaking);
    }
}

/// Connects, and answers with a genuine Reply of any payload.
fn answered_with(payload: &[u8]) -> Pair {
    let mut pair = Pair::new([endpoint(1, small_limits()), bob()]);
    pair.connect(b"");
    let hello = pair.take(0).remove(0);
    let reply = Stranger::new(2, None).reply(&hello, Pattern::Ik, payload);
    pair.pass(TRIP);
    assert_eq!(pair.receive(0, &reply), Received::Consumed);
    assert_eq!(pair.take(0).len(), usize::from(pair.close_code(0).is_none()), "nothing is sent after the end");
    pair
}

//= docs/protocol.md P-4.3-3
#[test]
fn a_refused_payload_discards_a_hello_and_ends_an_attempt() {
    // An unknown odd id; a list longer than the payload; a receiver id where it must, or must not, stand.
    let unknown = [&[0, 3, 0x15, 1, 0][..], &[0; 1000]].concat();
    let too_long = [&[1, 1][..], &[0; 1000]].concat();
    let misplaced = payload(&TransportParameters { receiver_id: ReceiverId::new(&[9; 8]), ..parameters("test") }, 1100);
    for refused in [&unknown, &too_long, &misplaced] {
        let mut refused = refused.clone();
        refused.resize(padding_of_hello(1200), 0);
        let hello = Stranger::new(1, None).hello(&bob().public_key(), &refused);
        assert_discarded(&mut bob(), &hello, DiscardReason::Parameters);
    }
    for refused in [&unknown, &too_long, &payload(&parameters("test"), 64)] {
        let pair = answered_with(refused);
        let reason = pair.look(0).close_reason().unwrap();
        assert_eq!((reason.by, reason.code), (ClosedBy::Protocol, CloseCode::TRANSPORT_PARAMETERS));
        assert_eq!(pair.events[0], [Event::Closed(pair.ids[0].unwrap())]);
    }
    assert_eq!(answered_with(&reply_payload("test")).close_code(0), None);
}

//= docs/protocol.md P-4.3-4
#[test]
fn application_protocols_that_differ_end_the_attempt() {
    for other in ["tess", "test2", "tes", ""] {
        let pair = answered_with(&reply_payload(other));
        let reason = pair.look(0).close_reason().unwrap();
        assert_eq!((reason.by, reason.code), (ClosedBy::Protocol, CloseCode::APPLICATION_PROTOCOL));
        assert_eq!(pair.events[0], [Event::Closed(pair.ids[0].unwrap())]);
    }
}

//= docs/protocol.md P-8-1
#[test]
fn both_ends_name_a_session_alike_and_each_key_serves_one_direction_of_one_session() {
    let mut pair = Pair::established(&small_limits());
    let first = pair.look(0).uid().unwrap();
    assert_eq!(pair.look(1).uid(), Some(first));
    let seal = |pair: &mut Pair, side| {
        let mut text = *b"the same text under the same number";
        let keys = pair.core(side).packet_keys(&RustCrypto).unwrap();
        let tag = keys.seal(&RustCrypto, 0, b"", &mut text);
        (text, tag)
    };
    let mut sealed = vec![seal(&mut pair, 0), seal(&mut pair, 1)];
    let known: Vec<_> = pair.ends[1].sessions().collect();
    pair.connect(b"");
    pair.settle();
    pair.ids[1] = pair.ends[1].sessions().find(|id| !known.contains(id));
    let second = pair.look(0).uid().unwrap();
    assert_eq!(pair.look(1).uid(), Some(second));
    assert_ne!(first, second);
    sealed.extend([seal(&mut pair, 0), seal(&mut pair, 1)]);
    for (index, one) in sealed.iter().enumerate() {
        assert!(sealed[..index].iter().all(|other| other.0 != one.0 && other.1 != one.1), "a key serves twice");
    }
}

//= docs/protocol.md P-8-3
#[test]
fn d6_a_session_ends_before_a_key_has_sealed_too_much() {
    let limit = (1 << 23) - (1 << 16);
    for side in [0, 1] {
        let mut pair = Pair::established(&small_limits());
        pair.core(side).continue_at(limit - 2);
        pair.core(side).wear_keys(limit as u32 - 2);
        pair.session(side).send(b"last but one", CHANNEL).unwrap();
        let packets = pair.take(side);
        assert_eq!((packets.len(), pair.number(1 - side, &packets[0])), (1, limit - 2));
        pair.pass(TRIP);
        pair.deliver(1 - side, &packets);
        assert_eq!(pair.close_code(side), None);

        pair.session(side).send(b"last", CHANNEL).unwrap();
        let packets = pair.take(side);
        assert_eq!(packets.len(), 2, "the last, and CLOSE");
        assert_eq!(pair.number(1 - side, &packets[0]), limit - 1);
        pair.deliver(1 - side, &packets[..1]);
        let (number, plaintext) = pair.open(1 - side, &packets[1]);
        assert_eq!((number, plaintext[0]), (limit, 0x04));
        let reason = pair.look(side).close_reason().unwrap();
        assert_eq!((reason.by, reason.code), (ClosedBy::Protocol, CloseCode::KEY_LIMIT));
        pair.deliver(1 - side, &packets[1..]);
        assert_eq!(pair.close_code(1 - side), Some(CloseCode::KEY_LIMIT), "the peer learns why");
        assert_eq!(pair.session(side).send(b"one too many", CHANNEL), Err(SendError::Closed));
        assert_eq!(pair.take(side), Vec::<Vec<u8>>::new());
    }
}
