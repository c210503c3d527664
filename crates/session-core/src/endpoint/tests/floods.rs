//! An authenticated peer that sends without end what is allowed once.

use super::pair::{Pair, TRIP};
use super::*;
use crate::wire::{Frame, Writer, encode_ack};

/// Packets of a flood.
const MANY: u64 = 2_000;

/// Blocks of the pool that one end can still take.
fn free_blocks(pair: &mut Pair, side: usize) -> u32 {
    pair.ends[side].shared.memory.pool.open_available()
}

/// A packet of `from` that acknowledges everything from `low` to `high`.
fn ack(pair: &mut Pair, from: usize, low: u64, high: u64) -> Vec<u8> {
    let mut plaintext = [0; 64];
    let mut writer = Writer::new(&mut plaintext);
    encode_ack(&mut writer, Duration::ZERO, None, [(low, high)]).unwrap();
    let length = writer.position();
    pair.seal(from, &plaintext[..length])
}

/// A message of each side still arrives.
fn assert_alive(pair: &mut Pair) {
    let mut out = [0; 32];
    for side in [0, 1] {
        while let Ok(Some(_)) = pair.session(side).recv(&mut out, CHANNEL) {}
    }
    for side in [0, 1] {
        pair.session(side).send(b"still there", CHANNEL).unwrap();
        pair.settle();
        let length = pair.session(1 - side).recv(&mut out, CHANNEL).unwrap().unwrap();
        assert_eq!(&out[..length], b"still there");
    }
}

#[test]
fn d15_a_flood_of_acknowledgements_is_answered_by_nothing_and_held_nowhere() {
    let mut pair = Pair::established(&small_limits());
    pair.session(0).send(b"something to acknowledge", CHANNEL).unwrap();
    let packets = pair.take(0);
    let number = pair.number(1, &packets[0]);
    pair.deliver(1, &packets);
    let free = free_blocks(&mut pair, 0);
    for _ in 0..MANY {
        let packet = ack(&mut pair, 1, 0, number);
        pair.deliver(0, &[packet]);
        assert_eq!(pair.take(0), Vec::<Vec<u8>>::new(), "an acknowledgement asks for none");
    }
    assert!(free_blocks(&mut pair, 0) >= free);
    assert_alive(&mut pair);
}

/// Each of them is a walk over what was sent.
//= docs/protocol.md P-6-7
#[test]
fn d15_a_packet_holds_at_most_64_acknowledgements() {
    for (count, expected) in [(64, None), (65, Some(CloseCode::PROTOCOL))] {
        let mut pair = Pair::established(&small_limits());
        let mut plaintext = [0; 1000];
        let mut writer = Writer::new(&mut plaintext);
        for _ in 0..count {
            encode_ack(&mut writer, Duration::ZERO, None, [(0, 0)]).unwrap();
        }
        let length = writer.position();
        let packet = pair.seal(1, &plaintext[..length]);
        pair.deliver(0, &[packet]);
        assert_eq!(pair.close_code(0), expected, "{count}");
    }
}

#[test]
fn d15_acknowledging_acknowledgements_comes_to_an_end() {
    let mut pair = Pair::established(&small_limits());
    // What both send asks for an acknowledgement at the same time, so that each answer carries one too.
    for side in [0, 1] {
        pair.session(side).send(b"both at once", CHANNEL).unwrap();
    }
    let mut left = 0;
    for _ in 0..50 {
        for side in [0, 1] {
            let packets = pair.take(side);
            left += packets.len();
            pair.deliver(1 - side, &packets);
            pair.pass(TRIP);
            pair.serve(side, pair.now);
        }
    }
    assert!(left <= 6, "{left} packets for two messages");
}

#[test]
fn d15_who_gets_no_acknowledgement_holds_no_more_than_its_bounds() {
    let limits = small_limits();
    let mut pair = Pair::established(&limits);
    let before = free_blocks(&mut pair, 0);
    // The peer takes everything in, and says nothing but how much more it takes.
    for round in 0..200_u64 {
        while pair.session(0).send(&[7; 100], CHANNEL).is_ok() {}
        let _ = pair.take(0);
        for frame in [Frame::MaxData(1 << 20), Frame::MaxChannelData { channel: CHANNEL.0, maximum: 1 << 20 }] {
            let packet = pair.seal_frame(1, &frame);
            pair.deliver(0, &[packet]);
        }
        if let Some(deadline) = pair.ends[0].next_deadline().filter(|_| round % 2 == 1) {
            pair.serve(0, deadline.at);
        }
        let held = before - free_blocks(&mut pair, 0);
        assert!(held <= limits.send_blocks + limits.record_blocks, "{held} blocks after {round} rounds");
        if pair.look(0).close_reason().is_some() {
            panic!("a peer that is heard of is not lost: {:?}", pair.look(0).close_reason());
        }
    }
}

#[test]
fn d21_credit_that_shrinks_is_enormous_or_grows_by_one_costs_nothing() {
    let mut pair = Pair::established(&small_limits());
    let free = free_blocks(&mut pair, 0);
    let frames = |maximum| [Frame::MaxData(maximum), Frame::MaxChannelData { channel: CHANNEL.0, maximum }];
    let mut answers = 0;
    for step in 0..MANY {
        for frame in frames(5_000 + step) {
            let packet = pair.seal_frame(1, &frame);
            pair.deliver(0, &[packet]);
        }
        answers += pair.take(0).len();
    }
    assert!(answers as u64 <= MANY, "no more than an acknowledgement for every second packet: {answers}");
    for frame in frames((1 << 62) - 1).into_iter().chain(frames(0)).chain(frames(1)) {
        let packet = pair.seal_frame(1, &frame);
        pair.deliver(0, &[packet]);
    }
    pair.settle();
    assert_eq!((pair.close_code(0), free_blocks(&mut pair, 0)), (None, free), "what was granted is no memory");
    assert_alive(&mut pair);
}
