//! New keys while a session goes on (protocol §8.1).

use super::pair::{Pair, TRIP};
use super::*;
use crate::action::{Timeouts, TimerKind};
use crate::reason::{ClosedBy, DiscardReason, ExtendError, SendError};
use crate::session::State;
use crate::wire::{ControlMessage, DataFrame, Frame, Frames, RekeyKey, Writer};

/// Positions of CONNECT and ACCEPT without user data on channel 0, and of the messages about keys of the first generations.
const FIRST: u64 = 2;
const LENGTH: u64 = 39;

const OFFER: u8 = 0x50;
const ANSWER: u8 = 0x51;

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn established() -> Pair {
    established_with([&small_limits(), &small_limits()], |_, _| {})
}

/// Sessions do not end of being idle.
fn established_with(limits: [&Limits; 2], change: impl Fn(usize, &mut Timeouts)) -> Pair {
    let ends = [0, 1].map(|side| {
        let number = side as u8 + 1;
        let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new([number; 32])), "test");
        config.timeouts.idle = None;
        change(side, &mut config.timeouts);
        Endpoint::new(config, limits[side].clone(), RustCrypto, Seed::new([number; 32])).unwrap()
    });
    Pair::new(ends).establish()
}

fn rotations(pair: &Pair) -> [u32; 2] {
    [0, 1].map(|side| pair.look(side).stats().key_rotations)
}

fn live_for(pair: &mut Pair, time: Duration) {
    let end = pair.now.saturating_add(time);
    pair.live_until(end);
}

/// A message each way arrives.
fn assert_talks(pair: &mut Pair) {
    for side in [0, 1] {
        pair.session(side).send(b"still there?", CHANNEL).unwrap();
        pair.settle();
        let mut out = [0; 20];
        assert_eq!(pair.session(1 - side).recv(&mut out, CHANNEL), Ok(Some(12)));
    }
}

fn assert_nothing_discarded(pair: &Pair) {
    for side in [0, 1] {
        assert_eq!(pair.look(side).discards().total(), 0, "{:?}", pair.look(side).discards());
    }
}

/// The types of control messages in packets to an end, which has not received them.
fn control_messages(pair: &mut Pair, to: usize, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut types = Vec::new();
    for packet in packets {
        let (_, plaintext) = pair.open(to, packet);
        types.extend(Frames::new(&plaintext).filter_map(|frame| match frame {
            Ok(Frame::Data(data)) if data.channel == 0 && data.begin => Some(data.data[0]),
            _ => None,
        }));
    }
    types
}

/// A packet of `from` with a control message of its own making.
fn forge(pair: &mut Pair, from: usize, message_type: u8, generation: u64, ephemeral: [u8; 32], offset: u64) -> Vec<u8> {
    let key = RekeyKey { generation, ephemeral };
    let message =
        if message_type == OFFER { ControlMessage::RekeyOffer(key) } else { ControlMessage::RekeyAnswer(key) };
    let mut bytes = [0; 64];
    let mut writer = Writer::new(&mut bytes);
    message.encode(&mut writer).unwrap();
    let frame = DataFrame { channel: 0, offset, begin: true, end: true, data: writer.written() };
    pair.seal_frame(from, &Frame::Data(frame))
}

/// Some key that can be used.
fn usable() -> [u8; 32] {
    RustCrypto.public_key(&Secret::new([9; 32]))
}

/// After one exchange, with the keys before it wiped at both ends.
fn rotated() -> Pair {
    let mut pair = established();
    rotate(&mut pair);
    pair
}

/// A first exchange, and the keys before it wiped.
fn rotate(pair: &mut Pair) {
    pair.session(0).rotate_key().unwrap();
    live_for(pair, seconds(5));
    assert_eq!(rotations(pair), [1, 1]);
    assert_eq!([0, 1].map(|side| pair.ends[side].shared.memory.rekeys.used()), [0, 0]);
}

//= docs/protocol.md P-8.1-1 P-8.1-4
#[test]
fn d1_either_end_may_ask_for_new_keys_and_both_count_alike() {
    for asker in [0, 1] {
        let mut pair = established();
        let uid = pair.look(0).uid();
        let mut recorded = Vec::new();
        for round in 1..=3 {
            pair.session(asker).rotate_key().unwrap();
            pair.session(asker).send(b"on the way", CHANNEL).unwrap();
            for side in [asker, 1 - asker] {
                let packets = pair.take(side);
                pair.pass(TRIP);
                pair.deliver(1 - side, &packets);
                recorded.extend(packets.into_iter().map(|packet| (1 - side, packet)));
            }
            pair.settle();
            assert_eq!(rotations(&pair), [round, round]);
            assert_eq!(pair.session(1 - asker).recv(&mut [0; 20], CHANNEL), Ok(Some(10)));
            assert_talks(&mut pair);
            live_for(&mut pair, seconds(11));
        }
        assert_nothing_discarded(&pair);
        assert_eq!([pair.look(0).uid(), pair.look(1).uid()], [uid, uid]);
        for (to, packet) in recorded {
            let before = pair.ends[to].digest();
            assert!(matches!(pair.receive(to, &packet), Received::Discarded(_)), "a packet of old keys comes again");
            assert_eq!(pair.ends[to].digest(), before);
        }
    }
}

//= docs/protocol.md P-8.1-5 P-8.1-6
#[test]
fn d7_who_answers_goes_on_under_the_old_keys_until_a_packet_under_the_new_ones_comes() {
    let mut pair = established();
    pair.session(0).rotate_key().unwrap();
    let offer = pair.take(0);
    assert_eq!(control_messages(&mut pair, 1, &offer), [OFFER]);
    pair.deliver(1, &offer);
    let answer = pair.take(1);
    assert_eq!(control_messages(&mut pair, 0, &answer), [ANSWER]);
    pair.session(1).send(b"old", CHANNEL).unwrap();
    let old = pair.take(1);
    assert!(!pair.core(1).key_phase(), "nobody has shown that the answer has come");

    pair.session(0).send(b"before", CHANNEL).unwrap();
    let before = pair.take(0);
    pair.deliver(0, &answer);
    assert!(pair.core(0).key_phase(), "who answers has the new keys");
    pair.session(0).send(b"after", CHANNEL).unwrap();
    let after = pair.take(0);
    pair.deliver(1, &after);
    assert!(pair.core(1).key_phase(), "new phase before ours");
    // What was on its way arrives all the same.
    pair.deliver(1, &before);
    pair.deliver(0, &old);
    pair.settle();
    let mut out = [0; 20];
    assert_eq!(pair.session(1).recv(&mut out, CHANNEL), Ok(Some(6)));
    assert_eq!(pair.session(1).recv(&mut out, CHANNEL), Ok(Some(5)));
    assert_eq!(pair.session(0).recv(&mut out, CHANNEL), Ok(Some(3)));
    assert_eq!(rotations(&pair), [1, 1]);
    assert_nothing_discarded(&pair);
}

/// The acknowledgement alone says it, too: the asker of a crossing never answers.
//= docs/protocol.md P-8.1-4 P-8.1-5
#[test]
fn offers_that_cross_answer_each_other_whatever_is_lost() {
    for lost in 0..8 {
        let mut pair = established();
        for side in [0, 1] {
            pair.session(side).rotate_key().unwrap();
        }
        let offers = [0, 1].map(|side| pair.take(side));
        pair.pass(TRIP);
        for to in [0, 1] {
            assert_eq!(control_messages(&mut pair, to, &offers[1 - to]), [OFFER]);
            if lost & (1 << to) == 0 {
                pair.deliver(to, &offers[1 - to]);
                assert!(!pair.core(to).key_phase(), "the peer may not have this end's offer");
            }
        }
        for side in [0, 1] {
            pair.session(side).send(b"between", CHANNEL).unwrap();
            let packets = pair.take(side);
            pair.pass(TRIP);
            if lost & 4 == 0 {
                pair.deliver(1 - side, &packets);
            }
        }
        live_for(&mut pair, seconds(8));
        assert_eq!(rotations(&pair), [1, 1], "lost: {lost:03b}");
        for side in [0, 1] {
            assert_eq!(pair.session(side).recv(&mut [0; 20], CHANNEL), Ok(Some(7)));
            assert_eq!(pair.ends[side].shared.memory.rekeys.used(), 0, "nothing is kept");
        }
        assert_talks(&mut pair);
        assert_nothing_discarded(&pair);
    }
}

//= docs/protocol.md P-8.1-6 P-5-5
#[test]
fn d7_packets_under_old_keys_are_opened_for_three_probe_timeouts() {
    for side in [0, 1] {
        let mut pair = established();
        pair.core(0).set_round_trip(Duration::from_millis(20));
        pair.core(1).set_round_trip(Duration::from_millis(20));
        let late: Vec<_> = (0..2).map(|_| pair.seal_frame(1 - side, &Frame::Ping)).collect();
        pair.session(side).rotate_key().unwrap();
        pair.settle();
        assert_eq!(rotations(&pair), [1, 1]);
        assert_eq!(pair.receive(side, &late[0]), Received::Consumed);
        let (timer, at) = pair.deadline(side);
        assert!(timer == TimerKind::Rekey || timer == TimerKind::Acknowledge, "{timer:?}");
        // Three of 20 + 4 × 10 + 25 ms, more or less.
        assert!(at.saturating_since(pair.now) <= Duration::from_millis(3 * 85));
        live_for(&mut pair, Duration::from_millis(3 * 100));
        let before = pair.ends[side].digest();
        assert_eq!(pair.receive(side, &late[1]), Received::Discarded(DiscardReason::KeyPhase));
        assert_eq!(pair.ends[side].digest(), before);
        assert_eq!(pair.ends[side].shared.memory.rekeys.used(), 0);
    }
}

//= docs/protocol.md P-8.1-1 P-5-7
#[test]
fn d8_each_packet_of_an_exchange_counts_once() {
    let mut pair = established();
    pair.session(0).rotate_key().unwrap();
    let mut all = Vec::new();
    let mut side = 0;
    let mut quiet = 0;
    while quiet < 4 {
        let packets = pair.take(side);
        quiet = if packets.is_empty() { quiet + 1 } else { 0 };
        for packet in packets {
            assert_eq!(pair.receive(1 - side, &packet), Received::Consumed);
            assert_eq!(pair.receive(1 - side, &packet), Received::Discarded(DiscardReason::Replayed), "at once");
            all.push((1 - side, packet));
        }
        pair.pass(TRIP);
        pair.serve(side, pair.now);
        side = 1 - side;
    }
    assert_eq!(rotations(&pair), [1, 1]);
    for (to, packet) in &all {
        let before = pair.ends[*to].digest();
        assert_eq!(pair.receive(*to, packet), Received::Discarded(DiscardReason::Replayed), "after the exchange");
        assert_eq!(pair.ends[*to].digest(), before);
    }
    assert_eq!(rotations(&pair), [1, 1]);
    assert_talks(&mut pair);
}

#[track_caller]
fn assert_closes(mut pair: Pair, to: usize, packet: &[u8], code: CloseCode) {
    assert_eq!(pair.receive(to, packet), Received::Consumed);
    let reason = pair.look(to).close_reason().expect("it closes");
    assert_eq!((reason.by, reason.code), (ClosedBy::Protocol, code));
    pair.settle();
    assert_eq!(pair.close_code(1 - to), Some(code), "the peer learns why");
    live_for(&mut pair, seconds(11));
    for side in [0, 1] {
        assert_eq!(pair.ends[side].shared.memory.rekeys.used(), 0, "side {side} keeps secrets");
    }
}

//= docs/protocol.md P-8.1-2
#[test]
fn d7_messages_about_keys_out_of_their_order_close_the_session() {
    let not_allowed = CloseCode::FRAME_NOT_ALLOWED;
    for from in [0, 1] {
        for (message_type, generation) in [(OFFER, 0), (OFFER, 2), (OFFER, 1 << 32 | 1), (ANSWER, 1)] {
            let mut pair = established();
            let packet = forge(&mut pair, from, message_type, generation, usable(), FIRST);
            assert_closes(pair, 1 - from, &packet, not_allowed);
        }

        // A second offer of one generation: answered, and waiting.
        let mut pair = established();
        pair.session(from).rotate_key().unwrap();
        let offer = pair.take(from);
        pair.deliver(1 - from, &offer);
        let packet = forge(&mut pair, from, OFFER, 1, usable(), FIRST + LENGTH);
        assert_closes(pair, 1 - from, &packet, not_allowed);
        let mut pair = rotated();
        let offset = FIRST + LENGTH;
        let packet = forge(&mut pair, from, OFFER, 2, usable(), offset);
        assert_eq!(pair.receive(1 - from, &packet), Received::Consumed);
        assert_eq!(pair.close_code(1 - from), None, "the first waits");
        let packet = forge(&mut pair, from, OFFER, 2, usable(), offset + LENGTH);
        assert_closes(pair, 1 - from, &packet, not_allowed);

        // Two exchanges without a packet under the keys of the first.
        let mut pair = established();
        pair.session(1 - from).rotate_key().unwrap();
        let offer = pair.take(1 - from);
        pair.deliver(from, &offer);
        let answer = pair.take(from);
        pair.deliver(1 - from, &answer);
        assert_eq!(pair.look(1 - from).stats().key_rotations, 1);
        let packet = forge(&mut pair, from, OFFER, 2, usable(), FIRST + LENGTH);
        assert_closes(pair, 1 - from, &packet, not_allowed);

        // An answer of another generation, and one to an offer that another offer has answered.
        let mut pair = established();
        pair.session(1 - from).rotate_key().unwrap();
        let _ = pair.take(1 - from);
        let packet = forge(&mut pair, from, ANSWER, 2, usable(), FIRST);
        assert_closes(pair, 1 - from, &packet, not_allowed);
        let mut pair = established();
        pair.session(1 - from).rotate_key().unwrap();
        let _ = pair.take(1 - from);
        let packet = forge(&mut pair, from, OFFER, 1, usable(), FIRST);
        pair.deliver(1 - from, &[packet]);
        let packet = forge(&mut pair, from, ANSWER, 1, usable(), FIRST + LENGTH);
        assert_closes(pair, 1 - from, &packet, not_allowed);
    }
}

//= docs/protocol.md P-8.1-2
#[test]
fn nobody_offers_before_the_session_was_established() {
    let mut pair = Pair::asked(b"");
    assert_eq!(pair.session(0).rotate_key(), Err(ExtendError::NotEstablished));
    let packet = forge(&mut pair, 0, OFFER, 1, usable(), FIRST);
    assert_eq!(pair.receive(1, &packet), Received::Consumed);
    assert_eq!(pair.close_code(1), Some(CloseCode::FRAME_NOT_ALLOWED));

    // An initiator that closes already may hear that it was accepted, and an offer with it.
    let mut pair = Pair::asked(b"");
    pair.session(0).send(b"keeps it flushing", CHANNEL).unwrap();
    pair.session(0).close(0, "");
    pair.session(1).accept(b"").unwrap();
    pair.session(1).rotate_key().unwrap();
    let packets = pair.take(1);
    assert_eq!(control_messages(&mut pair, 0, &packets), [0x3E, OFFER]);
    pair.deliver(0, &packets);
    assert!(answers(&mut pair, 0), "it goes on flushing");
    assert_eq!(pair.close_code(0), Some(CloseCode(0)));
    live_for(&mut pair, seconds(3));
    pair.settle();
    assert_eq!(pair.close_code(1), Some(CloseCode(0)));
    assert_nothing_discarded(&pair);
    assert_eq!(pair.session(0).rotate_key(), Err(ExtendError::NotEstablished));
}

//= docs/protocol.md P-8.1-3
#[test]
fn keys_that_cannot_be_used_close_the_session() {
    let mut not_canonical = [0xFF; 32];
    not_canonical[0] = 0xF0;
    not_canonical[31] = 0x7F;
    let mut low_order = [0; 32];
    low_order[0] = 1;
    for (from, key) in [(0, [0; 32]), (1, low_order), (0, not_canonical), (1, [0xFF; 32])] {
        let mut pair = established();
        let packet = forge(&mut pair, from, OFFER, 1, key, FIRST);
        assert_closes(pair, 1 - from, &packet, CloseCode::PROTOCOL);
        let mut pair = established();
        pair.session(1 - from).rotate_key().unwrap();
        let _ = pair.take(1 - from);
        let packet = forge(&mut pair, from, ANSWER, 1, key, FIRST);
        assert_closes(pair, 1 - from, &packet, CloseCode::PROTOCOL);
    }
}

/// Whether an end has answered an offer by now.
fn answers(pair: &mut Pair, side: usize) -> bool {
    let packets = pair.take(side);
    control_messages(pair, 1 - side, &packets).contains(&ANSWER)
}

//= docs/protocol.md P-8.1-7
#[test]
fn an_offer_waits_ten_seconds_after_the_last_exchange_unless_much_was_sent() {
    for from in [0, 1] {
        let to = 1 - from;
        let mut pair = established();
        // What was sent under earlier keys does not count.
        pair.core(to).count_opened(u16::MAX);
        rotate(&mut pair);
        let packet = forge(&mut pair, from, OFFER, 2, usable(), FIRST + LENGTH);
        assert_eq!(pair.receive(to, &packet), Received::Consumed);
        assert!(!answers(&mut pair, to));
        // `rotated` took five seconds since.
        pair.serve(to, pair.now.saturating_add(Duration::from_millis(4_900)));
        assert!(!answers(&mut pair, to), "not yet");
        pair.serve(to, pair.now.saturating_add(Duration::from_millis(100)));
        assert!(answers(&mut pair, to));

        let mut pair = rotated();
        pair.core(to).count_opened(u16::MAX);
        let packet = forge(&mut pair, from, OFFER, 2, usable(), FIRST + LENGTH);
        assert_eq!(pair.receive(to, &packet), Received::Consumed);
        assert!(answers(&mut pair, to));
    }
}

//= docs/protocol.md P-8.1-7
#[test]
fn an_offer_that_waits_comes_through_once_the_peer_has_sent_much() {
    for from in [0, 1] {
        let to = 1 - from;
        let mut pair = rotated();
        pair.core(to).count_opened(u16::MAX - 3);
        let offer = forge(&mut pair, from, OFFER, 2, usable(), FIRST + LENGTH);
        assert_eq!(pair.receive(to, &offer), Received::Consumed);
        assert!(!answers(&mut pair, to));
        for more in [1, 2] {
            let packet = pair.seal_frame(from, &Frame::Ping);
            assert_eq!(pair.receive(to, &packet), Received::Consumed);
            assert_eq!(answers(&mut pair, to), more == 2, "after {more} more");
        }
    }
}

/// However much was sent: packets under keys of the same phase could not be told apart.
//= docs/protocol.md P-8.1-7
#[test]
fn an_offer_waits_until_older_keys_are_wiped() {
    let mut pair = established();
    pair.session(0).rotate_key().unwrap();
    pair.settle();
    assert_eq!(pair.ends[1].shared.memory.rekeys.used(), 1, "the old keys are still there");
    pair.core(1).count_opened(u16::MAX - 1);
    let packet = forge(&mut pair, 0, OFFER, 2, usable(), FIRST + LENGTH);
    assert_eq!(pair.receive(1, &packet), Received::Consumed);
    assert!(!answers(&mut pair, 1));
    while pair.deadline(1).0 != TimerKind::Rekey {
        let (_, at) = pair.deadline(1);
        pair.serve(1, at);
        let _ = pair.take(1);
    }
    let (_, at) = pair.deadline(1);
    assert!(at < pair.now.saturating_add(seconds(4)));
    pair.serve(1, at);
    assert!(answers(&mut pair, 1), "at once then");
}

#[test]
fn who_asks_again_too_early_is_served_later() {
    let mut pair = established();
    pair.session(0).rotate_key().unwrap();
    // One that is under way will do.
    pair.session(0).rotate_key().unwrap();
    live_for(&mut pair, seconds(30));
    assert_eq!(rotations(&pair), [1, 1]);

    let mut pair = established();
    pair.session(0).rotate_key().unwrap();
    pair.settle();
    pair.session(0).rotate_key().unwrap();
    live_for(&mut pair, seconds(9));
    assert_eq!(rotations(&pair), [1, 1]);
    live_for(&mut pair, seconds(2));
    assert_eq!(rotations(&pair), [2, 2]);
    live_for(&mut pair, seconds(30));
    assert_eq!(rotations(&pair), [2, 2]);
    assert_nothing_discarded(&pair);
}

/// Both ask at once, over and over, and what comes too early waits.
#[test]
fn two_ends_that_ask_all_the_time_agree_every_ten_seconds() {
    let mut pair = established();
    for _ in 0..600 {
        for side in [0, 1] {
            pair.session(side).rotate_key().unwrap();
        }
        live_for(&mut pair, Duration::from_millis(100));
    }
    let [near, far] = rotations(&pair);
    assert!((5..=7).contains(&near) && near.abs_diff(far) <= 1, "{near} and {far} in a minute");
    live_for(&mut pair, seconds(12));
    assert_eq!(rotations(&pair)[0], rotations(&pair)[1]);
    assert_nothing_discarded(&pair);
}

//= docs/protocol.md P-8.1-8
#[test]
fn d6_new_keys_are_due_after_a_number_of_packets() {
    for side in [0, 1] {
        let mut pair = established();
        pair.core(side).wear_keys((1 << 20) - 1);
        assert_ne!(pair.deadline(side).0, TimerKind::Rekey);
        pair.session(side).send(b"the last one", CHANNEL).unwrap();
        pair.settle();
        live_for(&mut pair, seconds(1));
        assert_eq!(rotations(&pair), [1, 1], "side {side}");
        assert_ne!(pair.deadline(side).0, TimerKind::Rekey, "counted from the beginning");
        assert_talks(&mut pair);
        assert_nothing_discarded(&pair);
    }
}

//= docs/protocol.md P-8.1-8 P-8.1-7
#[test]
fn who_sends_much_gets_new_keys_as_often_as_that_takes() {
    let limits = Limits { key_packets: 200, ..small_limits() };
    let mut pair = established_with([&limits, &small_limits()], |_, timeouts| timeouts.new_keys = None);
    let mut out = [0; 1000];
    for _ in 0..3000 {
        // As if the peer had sent much: this test has no time for 65,535 packets each.
        pair.core(1).count_opened(u16::MAX - 1);
        pair.session(0).send(&[7; 900], CHANNEL).unwrap();
        pair.settle();
        assert_eq!(pair.session(1).recv(&mut out, CHANNEL), Ok(Some(900)));
        live_for(&mut pair, Duration::from_millis(10));
    }
    let [near, far] = rotations(&pair);
    // Acknowledgements and PING count, too.
    assert!((15..=30).contains(&near) && near.abs_diff(far) <= 1, "{near} and {far}");
    assert_nothing_discarded(&pair);
}

//= docs/protocol.md P-8.1-8
#[test]
fn user_data_under_old_keys_brings_new_ones_and_silence_does_not() {
    for side in [0, 1] {
        // The end that would offer alone.
        let mut pair = established_with([&small_limits(), &small_limits()], |end, timeouts| {
            if end != side {
                timeouts.new_keys = None;
            }
        });
        let begun = pair.now;
        let due = if side == 0 { seconds(120) } else { seconds(135) };
        pair.live_until(begun.saturating_add(seconds(600)));
        assert_eq!(rotations(&pair), [0, 0], "no user data has moved");
        assert_talks(&mut pair);
        live_for(&mut pair, seconds(5));
        assert_eq!(rotations(&pair), [1, 1]);

        let begun = pair.now;
        while pair.now < begun.saturating_add(due - seconds(7)) {
            assert_talks(&mut pair);
            live_for(&mut pair, seconds(1));
        }
        assert_eq!(rotations(&pair), [1, 1], "not before {due:?}");
        for _ in 0..10 {
            assert_talks(&mut pair);
            live_for(&mut pair, seconds(1));
        }
        assert_eq!(rotations(&pair), [2, 2]);
        assert_nothing_discarded(&pair);
    }
}

//= docs/protocol.md P-8-3
#[test]
fn d6_a_session_ends_before_its_packet_numbers_do() {
    let limit = (1 << 62) - (1 << 16);
    for side in [0, 1] {
        let mut pair = established();
        // The other end knows of numbers that high.
        for number in [1 << 31, 1 << 45, limit - 1] {
            pair.core(side).continue_at(number);
        }
        pair.session(side).send(b"last", CHANNEL).unwrap();
        assert_eq!(pair.take(side).len(), 2, "the last, and CLOSE");
        let reason = pair.look(side).close_reason().unwrap();
        assert_eq!((reason.by, reason.code), (ClosedBy::Protocol, CloseCode::KEY_LIMIT));
        assert_eq!(pair.session(side).send(b"one too many", CHANNEL), Err(SendError::Closed));
    }
}

/// A packet of the other phase costs nothing where no other keys are, whatever the generation.
//= docs/protocol.md P-5-5
#[test]
fn d2_packets_of_the_next_phase_are_dropped_and_honest_traffic_flows() {
    for mut pair in [established(), rotated()] {
        for side in [0, 1] {
            let phase = pair.core(side).key_phase();
            for number in [1 << 32, (1 << 62) - 1] {
                let at = pair.core(side).next_number();
                for flipped in [false, true] {
                    pair.core(1 - side).continue_at(number);
                    let forged = pair.seal_in_phase(1 - side, phase != flipped, &[1]);
                    let before = pair.ends[side].digest();
                    // Without keys of its own an attacker has no tag; here even that would not do.
                    if flipped {
                        assert_eq!(pair.receive(side, &forged), Received::Discarded(DiscardReason::KeyPhase));
                        assert_eq!(pair.ends[side].digest(), before);
                    }
                }
                assert_eq!(pair.core(side).next_number(), at);
            }
        }
    }
}

//= docs/protocol.md P-8.1-6
#[test]
fn d7_old_keys_are_wiped_in_time_though_the_session_ends_meanwhile() {
    for side in [0, 1] {
        let mut pair = established();
        pair.core(side).set_round_trip(Duration::from_millis(20));
        pair.session(0).rotate_key().unwrap();
        pair.settle();
        assert_eq!(pair.ends[side].shared.memory.rekeys.used(), 1);
        let late = pair.seal_frame(1 - side, &Frame::Ping);
        assert_eq!(pair.receive(side, &late), Received::Consumed);
        pair.pass(TRIP);
        pair.session(side).abort(0, "");
        let (timer, at) = pair.deadline(side);
        assert_eq!(timer, TimerKind::Rekey, "before the session is closed");
        pair.serve(side, at);
        assert_eq!((pair.look(side).state(), pair.ends[side].shared.memory.rekeys.used()), (State::Closing, 0));
        assert_ne!(pair.deadline(side).0, TimerKind::Rekey);
    }
}

//= docs/protocol.md P-8.1-6
#[test]
fn an_exchange_holds_one_record_and_gives_it_back_at_every_end() {
    let begin: [fn(&mut Pair); 4] = [
        |_| {},
        |pair| {
            let offer = pair.take(0);
            pair.deliver(1, &offer);
        },
        |pair| {
            for side in [0, 1] {
                let packets = pair.take(side);
                pair.deliver(1 - side, &packets);
            }
        },
        Pair::settle,
    ];
    for (stage, begin) in begin.iter().enumerate() {
        let mut pair = established();
        pair.session(0).rotate_key().unwrap();
        begin(&mut pair);
        assert_eq!(pair.ends[0].shared.memory.rekeys.used(), 1, "stage {stage}");
        pair.session(0).abort(0, "");
        live_for(&mut pair, seconds(30));
        for side in [0, 1] {
            assert_eq!(pair.ends[side].shared.memory.rekeys.used(), 0, "stage {stage}, side {side}");
            pair.ends[side].forget(pair.ids[side].unwrap());
            pair.ends[side].assert_invariants();
        }
    }
}

/// A packet of `from` whose tag is wrong.
fn spoilt(pair: &mut Pair, from: usize) -> Vec<u8> {
    let mut packet = pair.seal_frame(from, &Frame::Ping);
    *packet.last_mut().unwrap() ^= 1;
    packet
}

//= docs/protocol.md P-8-4
#[test]
fn d10_forged_packets_bring_new_keys() {
    let limits = Limits { forged_packets: 100, ..small_limits() };
    for victim in [0, 1] {
        let mut pair = established_with([&limits, &limits], |_, _| {});
        for round in 1..=3 {
            let forged = spoilt(&mut pair, 1 - victim);
            let before = pair.ends[victim].digest();
            for _ in 0..99 {
                assert_eq!(pair.receive(victim, &forged), Received::Discarded(DiscardReason::Authentication));
            }
            assert_eq!(pair.ends[victim].digest(), before);
            assert_ne!(pair.deadline(victim).0, TimerKind::Rekey);
            let _ = pair.receive(victim, &forged);
            let (timer, at) = pair.deadline(victim);
            assert_eq!(timer, TimerKind::Rekey, "round {round}");
            assert_eq!(pair.ends[victim].next_deadline().map(|deadline| deadline.at), Some(at), "it is filed");
            pair.serve(victim, at);
            live_for(&mut pair, seconds(12));
            assert_eq!(rotations(&pair), [round, round]);
            assert_talks(&mut pair);
        }
    }
}

//= docs/protocol.md P-8-4
#[test]
fn d10_a_session_ends_before_a_key_has_met_too_many_forged_packets() {
    let limits = Limits { forged_packets: 2, ..small_limits() };
    let mut pair = established_with([&limits, &limits], |_, _| {});
    let forged = spoilt(&mut pair, 1);
    for number in 1..2 * 32_767 {
        let _ = pair.receive(0, &forged);
        if number % 10_000 == 0 {
            // Nobody answers the offer.
            pair.serve(0, pair.now);
            let _ = pair.take(0);
        }
    }
    assert_eq!(pair.close_code(0), None);
    let _ = pair.receive(0, &forged);
    pair.serve(0, pair.now);
    let reason = pair.look(0).close_reason().unwrap();
    assert_eq!((reason.by, reason.code), (ClosedBy::Protocol, CloseCode::KEY_LIMIT));
    assert_eq!(pair.look(0).discards().of(DiscardReason::Authentication), 2 * 32_767);
}
