use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::channel::Fragment;

fn rig() -> (Assembler, Pool, Reservation) {
    let mut pool = Pool::new(64, 256, 0);
    let mut reservation = Reservation::default();
    assert!(pool.reserve(&mut reservation, 64));
    (Assembler::new(), pool, reservation)
}

fn insert(rig: &mut (Assembler, Pool, Reservation), offset: u64, data: &[u8], begin: bool, end: bool) {
    let fragment = Fragment { offset, length: data.len(), begin, end };
    rig.0.insert(&mut rig.1, &mut rig.2, &fragment, data).unwrap();
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
