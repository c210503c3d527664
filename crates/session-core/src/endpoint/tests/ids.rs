//! Ids of a session, given and retired (protocol §6.1).

use super::pair::{Pair, TRIP};
use super::*;
use crate::action::TimerKind;
use crate::wire::{Frame, NewIdFrame, ReceiverId};

fn limits(spare_ids: u32) -> Limits {
    Limits { spare_ids, ..small_limits() }
}

impl Pair {
    /// Id number `sequence` of one end.
    fn id(&mut self, side: usize, sequence: u32) -> ReceiverId {
        let first = self.core(side).local_id();
        self.ends[side].shared.ids.further(&first, sequence)
    }

    /// NEW_ID of one end, as it would be.
    fn new_id(&mut self, side: usize, sequence: u32, retire_prior_to: u32) -> Frame<'static> {
        let id = self.id(side, sequence);
        Frame::NewId(NewIdFrame { sequence, retire_prior_to, id, token: [0; 16] })
    }

    fn active(&mut self, side: usize) -> Vec<u32> {
        self.core(side).own_ids().active().collect()
    }

    fn say(&mut self, from: usize, frame: &Frame<'_>) {
        let packet = self.seal_frame(from, frame);
        self.deliver(1 - from, &[packet]);
    }
}

//= docs/protocol.md P-6.1-1
#[test]
fn each_end_gives_as_many_ids_as_both_keep() {
    for (one, other) in [(0, 3), (1, 1), (2, 3), (3, 3)] {
        let mut pair = Pair::new([endpoint(1, limits(one)), endpoint(2, limits(other))]).establish();
        for side in [0, 1] {
            assert_eq!(pair.active(side).len() as u32, 1 + one.min(other), "{one} and {other} spare");
            assert!(!pair.core(side).own_ids().has_due(), "all are said");
            pair.ends[side].assert_invariants();
        }
    }
}

//= docs/protocol.md P-6.1-3 P-6.1-4
#[test]
fn a_retired_id_names_nothing_and_a_fresh_one_takes_its_place() {
    let mut pair = Pair::established(&limits(1));
    let old = pair.seal_frame(0, &Frame::Ping);
    let frame = pair.new_id(1, 1, 1);
    pair.say(1, &frame);
    assert_eq!(pair.core(0).remote_id(), Some(pair.id(1, 1)));
    // A message arrives under the new id.
    pair.session(0).send(b"hello", CHANNEL).unwrap();
    pair.settle();
    let mut out = [0; 10];
    assert_eq!(pair.session(1).recv(&mut out, CHANNEL), Ok(Some(5)));
    assert_eq!(pair.active(1), [1, 2], "the first is retired, and another given");
    pair.ends[1].assert_invariants();
    assert_eq!(pair.receive(1, &old), Received::Discarded(DiscardReason::UnknownSession));
    let frame = pair.new_id(1, 2, 2);
    pair.say(1, &frame);
    pair.settle();
    assert_eq!((pair.core(0).remote_id(), pair.active(1)), (Some(pair.id(1, 2)), vec![2, 3]));
}

#[test]
fn ids_of_which_the_peer_has_not_heard_are_said_again() {
    let mut pair = Pair::new([endpoint(1, limits(1)), endpoint(2, limits(1))]);
    pair.agree(b"");
    pair.settle();
    pair.session(1).accept(b"").unwrap();
    let lost = pair.take(1);
    assert_eq!(lost.len(), 1, "ACCEPT and NEW_ID share a packet");
    let plaintext = pair.open(0, &lost[0]).1;
    assert!(plaintext.windows(2).any(|bytes| bytes == [0x18, 1]), "{plaintext:?}");
    let (timer, at) = pair.deadline(1);
    assert_eq!(timer, TimerKind::LossDetection);
    pair.serve(1, at);
    pair.settle();
    for side in [0, 1] {
        assert_eq!(pair.active(side), [0, 1]);
        let frame = pair.new_id(side, 1, 1);
        pair.say(side, &frame);
        assert_eq!(pair.core(1 - side).remote_id(), Some(pair.id(side, 1)), "it was heard of");
    }
    pair.pass(TRIP);
    pair.settle();
    assert_eq!((pair.active(0), pair.active(1)), (vec![1, 2], vec![1, 2]));
}

//= docs/protocol.md P-6.1-4
#[test]
fn a_peer_that_retires_our_only_id_or_none_of_ours_is_closed() {
    for (spare, sequence) in [(0, 0), (0, 1), (1, 0), (1, 2), (3, u32::MAX)] {
        let mut pair = Pair::established(&limits(spare));
        pair.say(0, &Frame::RetireId(sequence));
        assert_eq!(pair.close_code(1), Some(CloseCode::PROTOCOL), "{spare} spare, id {sequence} retired");
        pair.ends[1].assert_invariants();
    }
    // What it may: one it does not use. Twice is no fault.
    let mut pair = Pair::established(&limits(1));
    pair.say(0, &Frame::RetireId(1));
    pair.say(0, &Frame::RetireId(1));
    assert_eq!((pair.close_code(1), pair.active(1)), (None, vec![0, 2]));
}

//= docs/protocol.md P-6.1-2
#[test]
fn a_peer_that_gives_more_ids_than_are_kept_is_closed() {
    for spare in 0..=3 {
        let mut pair = Pair::established(&limits(spare));
        let frame = pair.new_id(1, spare + 1, 0);
        pair.say(1, &frame);
        assert_eq!(pair.close_code(0), Some(CloseCode::PROTOCOL), "{spare} spare");
    }
    // An end that keeps one takes none, not even in the place of that one.
    let mut pair = Pair::established(&limits(0));
    let frame = pair.new_id(1, 1, 1);
    pair.say(1, &frame);
    assert_eq!(pair.close_code(0), Some(CloseCode::PROTOCOL));
}

//= docs/protocol.md P-6.1-5
#[test]
fn ids_that_churn_are_followed_as_long_as_what_is_retired_is_acknowledged() {
    let mut pair = Pair::established(&limits(1));
    for sequence in 1..200 {
        let frame = pair.new_id(1, sequence, sequence);
        pair.say(1, &frame);
        let packets = pair.take(0);
        assert!(packets.len() <= 1, "a packet answers: {}", packets.len());
        pair.pass(TRIP);
        pair.deliver(1, &packets);
        pair.settle();
        assert_eq!(pair.ends[0].shared.memory.peer_ids.used(), 1);
    }
    assert_eq!((pair.close_code(0), pair.close_code(1)), (None, None));
    // Unheard, it may go on for a while only.
    let mut pair = Pair::established(&limits(1));
    let rounds = (1..100).take_while(|sequence| {
        let frame = pair.new_id(1, *sequence, *sequence);
        pair.say(1, &frame);
        let _ = pair.take(0);
        pair.close_code(0).is_none()
    });
    assert_eq!(rounds.count(), 8);
    assert_eq!(pair.close_code(0), Some(CloseCode::PROTOCOL));
}

#[test]
fn the_token_of_an_id_is_its_own_and_the_sessions() {
    let mut pair = Pair::established(&limits(1));
    let (first, second) = (pair.id(1, 0), pair.id(1, 1));
    let token = |pair: &mut Pair, side: usize, id: &ReceiverId| {
        let slot = pair.ids[side].unwrap().slot;
        pair.ends[side].slots.at(slot).unwrap().reset_token(id).unwrap()
    };
    assert_eq!(token(&mut pair, 0, &first), token(&mut pair, 1, &first), "both ends could compute it");
    assert_ne!(token(&mut pair, 1, &first), token(&mut pair, 1, &second));
}
