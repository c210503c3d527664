//! Each checker with the fault it is there for.

use std::num::NonZeroU32;
use std::time::Duration;

use session_core::{Address, DiscardReason, Instant, Provider, Received, Secret};

use super::*;
use crate::{Observer, Origin, Passage, Recording};

/// A node whose state is a number.
struct Number {
    state: u8,
    is_due: bool,
}

impl Subject for Number {
    fn checksum(&self) -> u128 {
        self.state.into()
    }

    fn is_due(&self) -> bool {
        self.is_due
    }
}

const NODE: usize = 0;
const PEER: usize = 1;
const REFUSED: Received = Received::Discarded(DiscardReason::Malformed);
const IDLE: Number = Number { state: 1, is_due: false };

fn address(node: usize) -> Address {
    Address::Opaque((node as u128).to_be_bytes())
}

/// A datagram from one to the other of so many bytes; `node` is where it is seen.
fn passage(node: usize, from: usize, to: usize, length: usize, origin: Origin) -> Passage {
    let at = Instant::EPOCH;
    Passage { at, node, source: address(from), destination: address(to), length, origin, is_first: true }
}

fn arriving(origin: Origin) -> Passage {
    passage(NODE, PEER, NODE, 100, origin)
}

fn leaving(length: usize) -> Passage {
    passage(NODE, NODE, PEER, length, Origin::Node)
}

#[test]
#[should_panic(expected = "I1")]
fn noop_finds_a_refused_datagram_that_changes_something() {
    let mut noop = Noop::new(0);
    noop.arriving(&IDLE, &arriving(Origin::Injected), b"");
    noop.arrived(&Number { state: 2, ..IDLE }, &arriving(Origin::Injected), REFUSED);
}

/// Feeds two forged packets, each of which changes something, where every `limit` may.
fn two_changes_by_forged_packets(limit: u32) {
    let mut noop = Noop::new(0).with_forged_packets(NonZeroU32::new(limit).expect("more than none"));
    let forged = Received::Discarded(DiscardReason::Authentication);
    for state in [2, 3] {
        noop.arriving(&IDLE, &arriving(Origin::Injected), b"");
        noop.arrived(&Number { state, ..IDLE }, &arriving(Origin::Injected), forged);
    }
}

#[test]
fn noop_lets_forged_packets_bring_new_keys() {
    two_changes_by_forged_packets(1);
}

#[test]
#[should_panic(expected = "I1")]
fn noop_finds_forged_packets_that_bring_new_keys_too_often() {
    two_changes_by_forged_packets(2);
}

#[test]
#[should_panic(expected = "I1")]
fn noop_finds_a_second_answer() {
    let mut noop = Noop::new(0);
    noop.arriving(&IDLE, &arriving(Origin::Injected), b"");
    noop.arrived(&IDLE, &arriving(Origin::Injected), REFUSED);
    for _ in 0..2 {
        Observer::<Number>::departed(&mut noop, &leaving(50), b"");
    }
}

#[test]
#[should_panic(expected = "I1")]
fn noop_finds_an_answer_that_is_longer_than_what_was_refused() {
    let mut noop = Noop::new(0);
    noop.arriving(&IDLE, &arriving(Origin::Network), b"");
    noop.arrived(&IDLE, &arriving(Origin::Network), REFUSED);
    Observer::<Number>::departed(&mut noop, &leaving(101), b"");
}

#[test]
fn noop_lets_one_answer_pass_and_what_was_due_anyway() {
    for (node, answers) in [(IDLE, 1), (Number { is_due: true, ..IDLE }, 3)] {
        let mut noop = Noop::new(1);
        noop.arriving(&node, &arriving(Origin::Network), b"");
        noop.arrived(&node, &arriving(Origin::Network), REFUSED);
        for _ in 0..answers {
            Observer::<Number>::departed(&mut noop, &leaving(100), b"");
        }
        noop.rested(NODE, &node, Instant::EPOCH);
        Observer::<Number>::departed(&mut noop, &leaving(1_000), b"");
        // What is accepted may change what it likes.
        noop.arriving(&node, &arriving(Origin::Injected), b"");
        noop.arrived(&Number { state: 9, ..node }, &arriving(Origin::Injected), Received::Consumed);
    }
}

/// Whether so many bytes may go out after 100 came in, and what makes the address proven has, or has not, happened.
fn may_send(length: usize, is_heard: bool, received: Received) {
    let mut amplification = Amplification::default();
    amplification.want(PEER, address(NODE));
    Observer::<()>::departed(&mut amplification, &passage(PEER, PEER, NODE, 100, Origin::Node), b"");
    Observer::<()>::arriving(&mut amplification, &(), &arriving(Origin::Network), b"");
    Observer::<()>::arrived(&mut amplification, &(), &arriving(Origin::Network), Received::Consumed);
    Observer::<()>::departed(&mut amplification, &leaving(100), b"");
    if is_heard {
        Observer::<()>::arriving(&mut amplification, &(), &passage(PEER, NODE, PEER, 100, Origin::Network), b"");
    }
    Observer::<()>::arriving(&mut amplification, &(), &passage(NODE, PEER, NODE, 0, Origin::Network), b"");
    Observer::<()>::arrived(&mut amplification, &(), &arriving(Origin::Network), received);
    Observer::<()>::departed(&mut amplification, &leaving(length), b"");
}

#[test]
#[should_panic(expected = "I7")]
fn amplification_finds_the_first_byte_above_three_for_one() {
    may_send(200, false, Received::Consumed);
    may_send(201, false, Received::Consumed);
}

#[test]
#[should_panic(expected = "I7")]
fn amplification_is_not_impressed_by_what_is_refused() {
    may_send(201, true, REFUSED);
}

#[test]
fn amplification_lets_pass_what_goes_to_who_has_shown_that_he_hears_and_to_where_nobody_else_sent_it() {
    may_send(10_000, true, Received::Consumed);
    let mut amplification = Amplification::default();
    amplification.want(NODE, address(PEER));
    Observer::<()>::departed(&mut amplification, &leaving(10_000), b"");
}

#[test]
#[should_panic(expected = "I7")]
fn amplification_believes_nothing_of_before_a_restart() {
    let mut amplification = Amplification::default();
    Observer::<()>::arriving(&mut amplification, &(), &arriving(Origin::Network), b"");
    Observer::<()>::started(&mut amplification, NODE);
    Observer::<()>::departed(&mut amplification, &leaving(1), b"");
}

/// A packet of so and so many frames goes to where 100 bytes came from.
fn seals_for_a_stranger(text: &[u8]) {
    let provider = Recording::new();
    let mut amplification = Amplification::new(provider.clone());
    Observer::<()>::arriving(&mut amplification, &(), &arriving(Origin::Network), b"");
    let _tag = provider.seal(&provider.expand(&Secret::new([1; 32])), &[0; 12], b"", &mut text.to_vec());
    Observer::<()>::departed(&mut amplification, &leaving(50), &[0x40; 50]);
}

#[test]
fn amplification_lets_probes_pass_to_who_has_answered_nothing() {
    let (challenge, response, padding) = ([0x1a; 9], [0x1b; 9], [0; 5]);
    let id = [&[0x18, 0x40, 0x07, 0x00, 0x08][..], &[9; 8], &[7; 16]].concat();
    seals_for_a_stranger(&[&challenge[..], &id, &response, &padding].concat());
}

#[test]
#[should_panic(expected = "I7")]
fn amplification_finds_a_frame_behind_a_probe_for_who_has_answered_nothing() {
    let (challenge, ping) = ([0x1a; 9], [0x01]);
    seals_for_a_stranger(&[&challenge[..], &ping].concat());
}

/// A datagram during which a provider seals so many texts and computes so many secrets.
fn works(seals: u8, computations: u8, received: Received) {
    let provider = Recording::new();
    let mut work = Work::new(provider.clone(), WorkBound::CORE);
    let key = provider.expand(&Secret::new([1; 32]));
    Observer::<()>::arriving(&mut work, &(), &arriving(Origin::Injected), b"");
    for number in 0..seals {
        let _tag = provider.seal(&key, &[number; 12], b"", &mut []);
    }
    (0..computations).for_each(|_| drop(provider.dh(&Secret::new([2; 32]), &[9; 32])));
    Observer::<()>::arrived(&mut work, &(), &arriving(Origin::Injected), received);
}

#[test]
#[should_panic(expected = "I6")]
fn work_finds_a_datagram_that_costs_too_much() {
    works(1, 5, Received::Consumed);
    works(1, 6, Received::Consumed);
}

#[test]
#[should_panic(expected = "I6")]
fn work_finds_a_text_sealed_for_nobody() {
    works(1, 0, REFUSED);
}

#[test]
#[should_panic(expected = "I5")]
fn bound_finds_a_byte_too_many() {
    Observer::<()>::rested(&mut Bound::new(|| 100, 100), NODE, &(), Instant::EPOCH);
    Observer::<()>::rested(&mut Bound::new(|| 101, 100), NODE, &(), Instant::EPOCH);
}

/// A node with one session.
struct Keyring {
    now: Instant,
    keys: KeyState,
}

impl KeyHolder for Keyring {
    fn clock(&self) -> Instant {
        self.now
    }

    fn tell_keys(&self, tell: &mut dyn FnMut(KeyState)) {
        tell(self.keys);
    }
}

const PHASE: Received = Received::Discarded(DiscardReason::KeyPhase);

/// A session of a probe timeout of 10 ms goes over to new keys; so much later it discards a packet of before that comes off a link, as it was or not.
fn discards_after(late: Duration, origin: Origin, is_damaged: bool) {
    let provider = Recording::new();
    let mut checker = KeyPhases::new(provider.clone());
    let key = provider.expand(&Secret::new([1; 32]));
    let mut text = [7; 8];
    let tag = provider.seal(&key, &[0; 12], b"", &mut text);
    Observer::<Keyring>::departed(&mut checker, &passage(PEER, PEER, NODE, 8, Origin::Node), &[1; 8]);
    provider.open(&key, &[0; 12], b"", &mut text, &tag).expect("honest");

    let at = Instant::EPOCH.saturating_add(Duration::from_secs(1));
    let state = KeyState { session: 5, rotations: 0, discarded: 0, probe_timeout: Duration::from_millis(10) };
    let mut node = Keyring { now: at, keys: state };
    for rotations in [0, 1] {
        node.keys.rotations = rotations;
        checker.arriving(&node, &arriving(Origin::Network), b"");
        checker.arrived(&node, &arriving(Origin::Network), Received::Consumed);
    }
    node.now = at.saturating_add(late);
    checker.arriving(&node, &arriving(origin), &[1 + u8::from(is_damaged); 8]);
    node.keys.discarded = 1;
    checker.arrived(&node, &arriving(origin), PHASE);
}

#[test]
fn key_phases_lets_pass_what_is_late_forged_or_damaged() {
    discards_after(Duration::from_millis(30), Origin::Network, false);
    discards_after(Duration::ZERO, Origin::Injected, false);
    discards_after(Duration::ZERO, Origin::Network, true);
}

#[test]
#[should_panic(expected = "I11")]
fn key_phases_finds_old_keys_that_were_wiped_too_early() {
    discards_after(Duration::from_micros(29_999), Origin::Network, false);
}

#[test]
#[should_panic(expected = "I11")]
fn key_phases_finds_what_is_sealed_too_early() {
    let provider = Recording::new();
    let mut checker = KeyPhases::new(provider.clone());
    let _tag = provider.seal(&provider.expand(&Secret::new([1; 32])), &[0; 12], b"", &mut []);
    Observer::<Keyring>::departed(&mut checker, &passage(PEER, PEER, NODE, 8, Origin::Node), &[1; 8]);
    let keys = KeyState { session: 5, rotations: 0, discarded: 0, probe_timeout: Duration::from_millis(10) };
    let node = Keyring { now: Instant::EPOCH, keys };
    checker.arriving(&node, &arriving(Origin::Network), &[1; 8]);
    checker.arrived(&node, &arriving(Origin::Network), PHASE);
}
