use std::collections::BTreeSet;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::channel::{Chunk, Fragment};

struct Rig {
    assembler: Assembler,
    pool: Pool,
    reservation: Reservation,
    skips: Skips,
}

impl Rig {
    fn new(blocks: u32) -> Self {
        let mut pool = Pool::new(blocks, 256, 0);
        let mut reservation = Reservation::default();
        assert!(pool.reserve(&mut reservation, blocks));
        Self { assembler: Assembler::new(), pool, reservation, skips: Skips::default() }
    }

    /// Stores a part of a message as a session does.
    fn insert(&mut self, offset: u64, data: &[u8], begin: bool, end: bool, unordered: bool) {
        let fragment = Fragment { offset, length: data.len(), begin, end };
        if fragment.end_offset().unwrap() <= self.skips.floor {
            return;
        }
        self.assembler.insert(&mut self.pool, &mut self.reservation, &fragment, data).unwrap();
        if unordered {
            self.assembler.note_complete(&mut self.pool, &fragment);
        }
    }

    fn skip(&mut self, to: u64) -> Result<(), InsertError> {
        self.assembler.skip(&mut self.pool, &mut self.reservation, &mut self.skips, to)
    }

    fn read(&mut self, out: &mut [u8]) -> Option<Chunk> {
        let chunk = self.assembler.read(&mut self.pool, &mut self.reservation, out)?;
        if chunk.end {
            self.assembler.pass_read(&mut self.pool, &mut self.reservation);
        }
        Some(chunk)
    }

    /// The next whole message.
    fn take(&mut self, unordered: bool) -> Option<Vec<u8>> {
        let length =
            if unordered { self.assembler.complete_length(&self.pool)? } else { self.assembler.message_length()? };
        let mut out = vec![0; length as usize];
        if unordered {
            self.assembler.take_complete(&mut self.pool, &mut self.reservation, &mut out)?;
        } else {
            assert!(self.read(&mut out).unwrap().end);
        }
        Some(out)
    }
}

#[test]
fn a_reader_goes_on_past_what_never_comes() {
    for unordered in [false, true] {
        let mut rig = Rig::new(8);
        rig.insert(0, b"first", true, true, unordered);
        rig.insert(6, b"sec", true, false, unordered);
        rig.insert(20, b"third", true, true, unordered);
        rig.skip(20).unwrap();
        assert_eq!((rig.skips.positions, rig.skips.floor), (14, 20));
        assert_eq!(rig.take(unordered).as_deref(), Some(&b"first"[..]));
        assert_eq!(rig.take(unordered).as_deref(), Some(&b"third"[..]));
        assert_eq!(rig.take(unordered), None);
        assert_eq!((rig.assembler.read_offset(), rig.assembler.blocks_held()), (26, 0));
        // Its parts may come late.
        rig.insert(9, b"ond", false, false, unordered);
        rig.insert(12, b"1234567", false, true, unordered);
        assert_eq!((rig.take(unordered), rig.assembler.blocks_held()), (None, 0));
    }
}

#[test]
fn what_is_complete_below_is_delivered() {
    for unordered in [false, true] {
        let mut rig = Rig::new(8);
        rig.insert(10, b"one", true, true, unordered);
        rig.insert(20, b"two", true, true, unordered);
        rig.insert(24, b"", true, true, unordered);
        rig.skip(30).unwrap();
        assert_eq!(rig.skips.positions, 30 - 4 - 5);
        for message in [&b"one"[..], b"two", b""] {
            assert_eq!(rig.take(unordered).as_deref(), Some(message));
        }
        assert_eq!(rig.take(unordered), None);
        assert_eq!((rig.assembler.read_offset(), rig.assembler.blocks_held()), (30, 0));
    }
}

#[test]
fn a_reader_in_the_midst_of_a_message_is_told() {
    let mut rig = Rig::new(8);
    rig.insert(0, b"half", true, false, false);
    assert_eq!(rig.read(&mut [0; 2]).map(|chunk| chunk.length), Some(2));
    rig.insert(10, b"next", true, true, false);
    rig.skip(10).unwrap();
    assert_eq!((rig.skips.cut, rig.skips.positions), (true, 8));
    let mut out = [0; 9];
    assert_eq!(rig.read(&mut out), Some(Chunk { length: 4, begin: true, end: true }));
    assert_eq!(&out[..4], b"next");
    assert_eq!(rig.assembler.blocks_held(), 0);
}

#[test]
fn a_skip_may_end_inside_a_message_and_go_on() {
    let mut rig = Rig::new(8);
    rig.insert(0, b"part", true, false, false);
    rig.skip(4).unwrap();
    assert_eq!(rig.skips.positions, 4);
    rig.skip(200).unwrap();
    rig.insert(300, b"after", true, true, false);
    rig.skip(300).unwrap();
    rig.skip(300).unwrap();
    rig.skip(7).unwrap();
    assert_eq!((rig.skips.positions, rig.skips.cut), (300, false));
    assert_eq!(rig.take(false).as_deref(), Some(&b"after"[..]));
    assert_eq!(rig.assembler.blocks_held(), 0);
}

#[test]
fn a_skip_into_a_message_that_goes_on_is_refused_and_one_without_memory_changes_nothing() {
    let mut rig = Rig::new(2);
    rig.insert(0, b"1st", true, true, false);
    rig.insert(4, b"message", true, false, false);
    assert_eq!(rig.skip(7), Err(InsertError::Violation(Violation::Contradiction)));
    assert_eq!(rig.skip(1000), Err(InsertError::NoMemory));
    assert_eq!((rig.skips, rig.assembler.blocks_held()), (Skips::default(), 1));
}

proptest! {
    /// Messages in any order, some missing in part or whole; whenever everything below is there or given up, a skip. Each complete one comes
    /// out once, none is mixed with another, and nothing is held in the end.
    #[test]
    fn every_complete_message_comes_out_once_and_no_other(
        lengths in proptest::collection::vec(0_usize..400, 1..12),
        cut in 1_usize..200,
        fates in proptest::collection::vec(any::<(bool, u8)>(), 12),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..80),
        unordered in any::<bool>(),
        eager in any::<bool>(),
    ) {
        let mut parts = Vec::new();
        let mut offset = 0;
        let mut bounds = vec![];
        for (number, length) in lengths.iter().enumerate() {
            let mut at = 0;
            loop {
                let piece = cut.min(length - at);
                let end = at + piece == *length;
                let (given_up, lost) = fates[number];
                // Of a message given up some parts never come.
                if !given_up || !(lost as usize + at / cut).is_multiple_of(3) {
                    parts.push((number, offset + at as u64, vec![number as u8; piece], at == 0, end));
                }
                at += piece;
                if end {
                    break;
                }
            }
            bounds.push((offset, offset + *length as u64 + 1));
            offset += *length as u64 + 1;
        }
        let mut rig = Rig::new(64);
        let mut came: BTreeSet<u64> = BTreeSet::new();
        let mut taken = Vec::new();
        let whole = |came: &BTreeSet<u64>, (from, to): (u64, u64)| (from..to).all(|at| came.contains(&at));
        let mut expected: BTreeSet<usize> = BTreeSet::new();
        let chosen = order.iter().map(|index| index.index(parts.len().max(1))).chain(0..parts.len());
        for index in chosen.filter(|index| *index < parts.len()).collect::<Vec<_>>() {
            let (_, at, data, begin, end) = &parts[index];
            if at + data.len() as u64 + u64::from(*end) > rig.skips.floor {
                came.extend(*at..at + data.len() as u64 + u64::from(*end));
            }
            rig.insert(*at, data, *begin, *end, unordered);
            for (number, bound) in bounds.iter().enumerate() {
                if whole(&came, *bound) {
                    expected.insert(number);
                }
            }
            // As far as an honest sender may go.
            let held = bounds.iter().enumerate().take_while(|(number, bound)| fates[*number].0 || whole(&came, **bound));
            if let Some((_, (_, to))) = held.last() {
                rig.skip(*to).unwrap();
            }
            if eager {
                taken.extend(core::iter::from_fn(|| rig.take(unordered)));
            }
        }
        rig.skip(offset).unwrap();
        taken.extend(core::iter::from_fn(|| rig.take(unordered)));
        let mut wanted: Vec<Vec<u8>> = expected.iter().map(|number| vec![*number as u8; lengths[*number]]).collect();
        if unordered {
            wanted.sort();
            taken.sort();
        }
        prop_assert_eq!(taken, wanted);
        prop_assert_eq!((rig.assembler.read_offset(), rig.assembler.blocks_held()), (offset, 0));
    }
}

/// Where credit ends inside a message given up, the skip may end just where everything has come.
//= docs/protocol.md P-9.3-3
#[test]
fn a_skip_to_where_everything_came_is_passed_over() {
    for unordered in [false, true] {
        let mut rig = Rig::new(8);
        rig.insert(0, b"part", true, false, unordered);
        rig.skip(4).unwrap();
        assert_eq!((rig.skips.positions, rig.skips.floor, rig.skips.cut), (4, 4, false));
        assert_eq!((rig.assembler.read_offset(), rig.assembler.blocks_held()), (4, 0));
        assert_eq!((rig.take(unordered), rig.assembler.readable()), (None, false));
        rig.insert(4, b"next", true, true, unordered);
        assert_eq!(rig.take(unordered).as_deref(), Some(&b"next"[..]));
    }
    // A reader in its midst is told at once, and gets no byte that was not sent.
    let mut rig = Rig::new(8);
    rig.insert(0, b"half", true, false, false);
    assert_eq!(rig.read(&mut [0; 2]).map(|chunk| chunk.length), Some(2));
    rig.skip(4).unwrap();
    assert_eq!((rig.skips.cut, rig.skips.positions, rig.read(&mut [0; 9])), (true, 2, None));
}

/// Whatever a peer sends: no panic, nothing read that did not come, no memory lost.
#[test]
fn skips_and_fragments_at_random_break_nothing() {
    const BLOCKS: u32 = 12;
    const WINDOW: u64 = 1000;
    for seed in 0..3000_u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut below = |bound: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % bound
        };
        let unordered = below(2) == 0;
        let mut rig = Rig::new(BLOCKS);
        // Every position has one byte, so that nothing else may be read of it.
        let byte = |at: u64| 0x40 | (at % 61) as u8;
        let mut trace = Vec::new();
        for _ in 0..60 {
            let base = rig.assembler.read_offset();
            match below(8) {
                0..=3 => {
                    let offset = (base + below(WINDOW)).saturating_sub(below(20));
                    let most = if below(3) == 0 { 300 } else { 8 };
                    let length = below(most).min((base + WINDOW).saturating_sub(offset + 1));
                    let (begin, end) = (below(2) == 0, below(2) == 0);
                    let fragment = Fragment { offset, length: length as usize, begin, end };
                    if fragment.positions() == 0 || fragment.end_offset().unwrap() <= rig.skips.floor {
                        continue;
                    }
                    let data: Vec<u8> = (offset..offset + length).map(byte).collect();
                    trace.push(std::format!("data {offset}+{length} {begin} {end}"));
                    let stored = rig.assembler.insert(&mut rig.pool, &mut rig.reservation, &fragment, &data);
                    if stored.is_ok() && unordered {
                        rig.assembler.note_complete(&mut rig.pool, &fragment);
                    }
                }
                4 | 5 => {
                    let to =
                        if below(2) == 0 { base + below(WINDOW) } else { rig.assembler.contiguous_to() + below(2) };
                    let to = to.min(base + WINDOW);
                    trace.push(std::format!("skip {to} {:?}", rig.skip(to)));
                }
                _ if unordered => {
                    if let Some(length) = rig.assembler.complete_length(&rig.pool) {
                        let mut out = vec![0; length as usize];
                        let from = rig.assembler.complete.get().unwrap();
                        rig.assembler.take_complete(&mut rig.pool, &mut rig.reservation, &mut out).unwrap();
                        trace.push(std::format!("take {from}+{length}"));
                        assert!(out.iter().zip(from..).all(|(read, at)| *read == byte(at)), "{seed}: {trace:?}");
                    }
                }
                _ => {
                    let mut out = vec![0; 1 + below(400) as usize];
                    let chunk = rig.read(&mut out);
                    trace.push(std::format!("read {base} {chunk:?}"));
                    let length = chunk.map_or(0, |chunk| chunk.length);
                    assert!(out[..length].iter().zip(base..).all(|(read, at)| *read == byte(at)), "{seed}: {trace:?}");
                }
            }
            let assembler = &rig.assembler;
            let (read, contiguous) = (assembler.read_offset(), assembler.contiguous_to());
            assert!(read <= contiguous && contiguous <= assembler.highest(), "{seed}: {trace:?}");
            assert!(read >= rig.skips.floor || assembler.blocks_held() > 0, "{seed}: {trace:?}");
            let next = assembler.message_end.get();
            assert!(next.is_none_or(|end| (read..contiguous).contains(&end)), "{seed}: {trace:?}");
            assert!(next.is_none_or(|end| !assembler.is_read(&rig.pool, end)), "{seed}: {trace:?}");
            assert_eq!(assembler.find_end(&rig.pool, assembler.head, read), next, "{seed}: {trace:?}");
            assert_eq!(rig.pool.free(), BLOCKS - assembler.blocks_held(), "{seed}: {trace:?}");
        }
        rig.assembler.release(&mut rig.pool, &mut rig.reservation);
        assert_eq!((rig.pool.free(), rig.reservation.remaining()), (BLOCKS, BLOCKS), "{seed}: {trace:?}");
    }
}
