use std::collections::BTreeSet;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::super::tests::{Oracle, Step, in_order, step, true_fragment};
use super::super::{InsertError, Violation};
use super::*;
use crate::channel::Fragment;
use crate::channel::block_map::work::words;
use crate::state_hash::StateHash;

fn rig() -> (Assembler, Pool, Reservation) {
    rig_of(64)
}

fn rig_of(blocks: u32) -> (Assembler, Pool, Reservation) {
    let mut pool = Pool::new(blocks, 256, 0);
    let mut reservation = Reservation::default();
    assert!(pool.reserve(&mut reservation, blocks));
    (Assembler::new(), pool, reservation)
}

fn insert(rig: &mut (Assembler, Pool, Reservation), offset: u64, data: &[u8], begin: bool, end: bool) {
    let fragment = Fragment { offset, length: data.len(), begin, end };
    rig.0.insert(&mut rig.1, &mut rig.2, &fragment, data).unwrap();
    rig.0.note_complete(&mut rig.1, &fragment);
}

fn take(rig: &mut (Assembler, Pool, Reservation)) -> Option<Vec<u8>> {
    let mut out = vec![0; rig.0.complete_length(&rig.1)? as usize];
    assert_eq!(rig.0.take_complete(&mut rig.1, &mut rig.2, &mut out), Some(out.len()));
    Some(out)
}

#[test]
fn a_complete_message_does_not_wait_for_a_gap_before_it() {
    let mut rig = rig();
    insert(&mut rig, 6, b"later", true, true);
    assert_eq!(take(&mut rig).as_deref(), Some(&b"later"[..]));
    assert_eq!(take(&mut rig), None);
    assert_eq!(rig.0.read_offset(), 0, "the gap keeps its credit");
    insert(&mut rig, 6, b"later", true, true);
    assert_eq!(take(&mut rig), None, "a repetition is no message");
    insert(&mut rig, 0, b"first", true, true);
    assert_eq!(take(&mut rig).as_deref(), Some(&b"first"[..]));
    assert_eq!((rig.0.read_offset(), rig.0.blocks_held()), (12, 0));
}

#[test]
fn a_short_buffer_keeps_the_message() {
    let mut rig = rig();
    insert(&mut rig, 0, b"message", true, true);
    assert_eq!(rig.0.take_complete(&mut rig.1, &mut rig.2, &mut [0; 6]), None);
    assert_eq!(take(&mut rig).as_deref(), Some(&b"message"[..]));
}

#[test]
fn empty_messages_are_messages() {
    let mut rig = rig();
    for offset in [1, 0, 2] {
        insert(&mut rig, offset, b"", true, true);
    }
    for _ in 0..3 {
        assert_eq!(take(&mut rig).as_deref(), Some(&b""[..]));
    }
    assert_eq!(take(&mut rig), None);
    assert_eq!(rig.0.blocks_held(), 0);
}

/// Words looked at while a peer that leaves position 0 out sends `count` empty messages, each read at once or all in the end.
fn work_behind_a_gap(count: u64, at_once: bool) -> u64 {
    let mut rig = rig_of(64);
    let before = words();
    for offset in 1..=count {
        insert(&mut rig, offset, b"", true, true);
        if at_once {
            assert_eq!(take(&mut rig).as_deref(), Some(&b""[..]));
            assert_eq!(rig.0.complete_length(&rig.1), None);
        }
    }
    for _ in 0..if at_once { 0 } else { count } {
        assert_eq!(take(&mut rig).as_deref(), Some(&b""[..]));
    }
    assert_eq!(take(&mut rig), None);
    words() - before
}

/// A peer that leaves the first position out must not make each message dearer than the one before.
#[test]
fn reading_behind_a_gap_costs_the_same_for_each_message() {
    for at_once in [true, false] {
        let (half, whole) = (work_behind_a_gap(5_000, at_once), work_behind_a_gap(10_000, at_once));
        assert!(whole < half * 5 / 2, "{half} words for 5,000 messages, {whole} for 10,000");
    }
}

/// Nor a peer that fills one hole after the other in front of thousands of messages that were read.
#[test]
fn filling_holes_before_what_was_read_costs_blocks_not_messages() {
    let mut rig = rig_of(64);
    let (holes, top) = (2_000, 10_000);
    for offset in holes..top {
        insert(&mut rig, offset, b"", true, true);
        assert!(take(&mut rig).is_some());
    }
    for (number, hole) in (1..holes / 2).enumerate() {
        // A hole is filled, and the next message comes at the very top.
        let before = words();
        insert(&mut rig, 2 * hole, b"", true, true);
        insert(&mut rig, top + number as u64, b"", true, true);
        for _ in 0..2 {
            assert!(take(&mut rig).is_some());
        }
        assert_eq!(take(&mut rig), None);
        let work = words() - before;
        assert!(work < 4_000, "{work} words for two messages");
    }
}

#[test]
fn the_first_of_the_complete_messages_is_known_whatever_completes_it() {
    let mut rig = rig();
    insert(&mut rig, 2_000, b"third", true, true);
    insert(&mut rig, 500, &[2; 600], false, false);
    insert(&mut rig, 1_100, b"", false, true);
    assert_eq!(rig.0.complete_length(&rig.1), Some(5));
    insert(&mut rig, 400, &[1; 100], true, false);
    assert_eq!(rig.0.complete_length(&rig.1), Some(700), "its first part came last");
    insert(&mut rig, 0, &[0; 200], true, false);
    insert(&mut rig, 300, &[0; 99], false, true);
    insert(&mut rig, 150, &[0; 200], false, false);
    for length in [399, 700, 5] {
        assert_eq!(take(&mut rig).map(|message| message.len()), Some(length));
    }
    assert_eq!(take(&mut rig), None);
    assert_eq!(rig.0.read_offset(), 1_101);
}

proptest! {
    /// Fragments in any order, some twice, read at any time: each message comes out once, and nothing is held in the end.
    #[test]
    fn every_message_comes_out_once(
        lengths in proptest::collection::vec(0_usize..700, 1..10),
        cut in 1_usize..300,
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..60),
        eager in any::<bool>(),
    ) {
        let mut fragments = Vec::new();
        let mut offset = 0;
        for (number, length) in lengths.iter().enumerate() {
            let bytes = vec![number as u8; *length];
            let mut at = 0;
            loop {
                let piece = cut.min(length - at);
                let end = at + piece == *length;
                fragments.push((offset + at as u64, bytes[at..at + piece].to_vec(), at == 0, end));
                at += piece;
                if end {
                    break;
                }
            }
            offset += *length as u64 + 1;
        }
        let mut rig = rig();
        let mut taken = Vec::new();
        let chosen = order.iter().map(|index| index.index(fragments.len())).chain((0..fragments.len()).rev());
        for index in chosen.collect::<Vec<_>>() {
            let (offset, data, begin, end) = &fragments[index];
            insert(&mut rig, *offset, data, *begin, *end);
            if eager {
                taken.extend(core::iter::from_fn(|| take(&mut rig)));
            }
        }
        taken.extend(core::iter::from_fn(|| take(&mut rig)));
        let mut expected: Vec<Vec<u8>> =
            lengths.iter().enumerate().map(|(number, length)| vec![number as u8; *length]).collect();
        if !eager {
            prop_assert_eq!(&taken, &expected, "what is all there comes in the order sent");
        }
        taken.sort();
        expected.sort();
        prop_assert_eq!(taken, expected);
        prop_assert_eq!((rig.0.read_offset(), rig.0.blocks_held()), (offset, 0));
    }
}

fn digest(rig: &(Assembler, Pool, Reservation)) -> [u8; 32] {
    let mut hash = StateHash::new();
    rig.0.digest_into(&rig.1, &mut hash);
    rig.1.digest_into(&mut hash);
    hash.finish()
}

/// The model's first complete message that was not taken, which it then takes: its bytes.
fn take_from(oracle: &mut Oracle, taken: &mut BTreeSet<u64>) -> Option<Vec<u8>> {
    let begins: Vec<u64> = oracle
        .received
        .iter()
        .filter(|(at, position)| position.begin && !taken.contains(at))
        .map(|(at, _)| *at)
        .collect();
    let message = begins.into_iter().find_map(|begin| {
        let end = (begin..).find(|at| oracle.received.get(at).is_none_or(|position| position.end))?;
        oracle.received.get(&end)?;
        Some((begin, (begin..end).map(|at| oracle.received[&at].byte).collect::<Vec<u8>>()))
    });
    taken.insert(message.as_ref()?.0);
    // What is taken and has nothing before it is over.
    while taken.remove(&oracle.read) {
        while oracle.received.remove(&oracle.read).is_some_and(|position| !position.end) {
            oracle.read += 1;
        }
        oracle.read += 1;
    }
    message.map(|(_, bytes)| bytes)
}

proptest! {
    /// True fragments and lies, overlapping as they like, taken at any time: the first bytes of a position hold, a lie about a boundary is
    /// refused and leaves no trace, and what is taken is one message as the model has it, once.
    #[test]
    fn of_fragments_that_lie_the_first_holds_or_the_session_ends(
        steps in proptest::collection::vec(step(), 1..60),
        lengths in proptest::collection::vec(prop_oneof![Just(0_u64), 0_u64..10, 170_u64..180, 0_u64..700], 1..12),
    ) {
        let ends: Vec<u64> = lengths
            .iter()
            .scan(0, |next, length| {
                let end = *next + length;
                *next = end + 1;
                Some(end)
            })
            .collect();
        let mut rig = rig();
        let (mut oracle, mut taken) = (Oracle::new(), BTreeSet::new());
        for (number, step) in steps.iter().enumerate() {
            let fragment = match *step {
                Step::Read(_) => {
                    prop_assert_eq!(take(&mut rig), take_from(&mut oracle, &mut taken));
                    prop_assert_eq!(rig.0.read_offset(), oracle.read);
                    continue;
                }
                Step::Insert { offset, length } => true_fragment(&ends, offset, length),
                Step::Lie(fragment) => fragment,
                Step::InOrder { length, lie } => in_order(&ends, &oracle, length, lie),
            };
            let data = vec![number as u8 | 1; fragment.length];
            let before = digest(&rig);
            let result = rig.0.insert(&mut rig.1, &mut rig.2, &fragment, &data);
            if result.is_ok() {
                rig.0.note_complete(&mut rig.1, &fragment);
            }
            if oracle.contradicts(&fragment, &data) {
                prop_assert_eq!(result, Err(InsertError::Violation(Violation::Contradiction)));
                prop_assert_eq!(digest(&rig), before);
            } else {
                let new_positions = oracle.insert(&fragment, &data);
                prop_assert_eq!(result.map(|inserted| inserted.new_positions), Ok(new_positions));
            }
        }
        loop {
            let message = take(&mut rig);
            prop_assert_eq!(&message, &take_from(&mut oracle, &mut taken));
            if message.is_none() {
                break;
            }
        }
        rig.0.release(&mut rig.1, &mut rig.2);
        prop_assert_eq!((rig.1.free(), rig.2.remaining()), (64, 64));
    }
}
