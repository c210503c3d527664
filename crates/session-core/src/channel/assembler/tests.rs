use std::collections::{BTreeMap, BTreeSet};
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::channel::MAX_OFFSET;

struct Rig {
    assembler: Assembler,
    pool: Pool,
    reservation: Reservation,
    granted: u32,
}

impl Rig {
    fn new(block_size: usize, blocks: u32) -> Self {
        let mut pool = Pool::new(blocks + 3, block_size, 0);
        let mut reservation = Reservation::default();
        assert!(pool.reserve(&mut reservation, blocks));
        Self { assembler: Assembler::new(), pool, reservation, granted: blocks }
    }

    fn digest(&self) -> [u8; 32] {
        let mut hash = StateHash::new();
        self.assembler.digest_into(&self.pool, &mut hash);
        self.pool.digest_into(&mut hash);
        hash.finish()
    }

    /// Inserts and checks what holds for every insertion.
    fn insert(&mut self, fragment: Fragment, data: &[u8]) -> Result<Inserted, InsertError> {
        let before = self.digest();
        let checked = self.check(&fragment, data.len());
        let needed = self.blocks_needed(&fragment);
        let (held, left) = (self.assembler.blocks_held(), self.reservation.remaining());
        let result = self.assembler.insert(&mut self.pool, &mut self.reservation, &fragment, data);
        match result {
            Err(InsertError::Violation(violation)) => assert_eq!(checked, Err(violation)),
            Err(InsertError::NoMemory) => assert!(checked.is_ok() && needed > left),
            Ok(inserted) => {
                assert!(checked.is_ok());
                assert_eq!(self.assembler.blocks_held(), held + needed);
                assert_eq!(self.digest() != before, inserted.new_positions > 0);
            }
        }
        if result.is_err() {
            assert_eq!(self.digest(), before, "a refused fragment changes nothing");
        }
        assert_eq!(self.reservation.remaining() + self.assembler.blocks_held(), self.granted);
        result
    }

    /// Whether the fragment is consistent with everything received and not read.
    fn check(&self, fragment: &Fragment, data_len: usize) -> Result<(), Violation> {
        let claim = self.assembler.claim(fragment, data_len)?;
        self.assembler.examine(&self.pool, self.assembler.origin(&self.pool, &claim), &claim)
    }

    /// Blocks that inserting the fragment takes.
    fn blocks_needed(&self, fragment: &Fragment) -> u32 {
        self.assembler
            .claim(fragment, fragment.length)
            .map_or(0, |claim| self.assembler.missing(&self.pool, self.assembler.origin(&self.pool, &claim), &claim))
    }

    fn read(&mut self, room: usize) -> Option<(Chunk, Vec<u8>)> {
        let mut out = vec![0; room];
        let chunk = self.assembler.read(&mut self.pool, &mut self.reservation, &mut out)?;
        out.truncate(chunk.length);
        Some((chunk, out))
    }

    fn assert_empty(&self) {
        assert_eq!(self.pool.free(), self.pool.capacity());
        assert_eq!(self.reservation.remaining(), self.granted);
    }
}

fn part(offset: u64, length: usize, begin: bool, end: bool) -> Fragment {
    Fragment { offset, length, begin, end }
}

const CONTRADICTION: Result<Inserted, InsertError> = Err(InsertError::Violation(Violation::Contradiction));
const OVERFLOW: Result<Inserted, InsertError> = Err(InsertError::Violation(Violation::OffsetOverflow));

/// A received position as the oracle sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Position {
    pub(super) byte: u8,
    pub(super) begin: bool,
    pub(super) end: bool,
}

pub(super) struct Oracle {
    /// Not read yet.
    pub(super) received: BTreeMap<u64, Position>,
    pub(super) read: u64,
    between: bool,
    highest: u64,
}

impl Oracle {
    pub(super) fn new() -> Self {
        Self { received: BTreeMap::new(), read: 0, between: true, highest: 0 }
    }

    fn positions(fragment: &Fragment, data: &[u8]) -> Vec<(u64, Position)> {
        let bytes = data.iter().map(|byte| (*byte, false)).chain(fragment.end.then_some((0, true)));
        bytes
            .enumerate()
            .map(|(at, (byte, end))| {
                (fragment.offset + at as u64, Position { byte, begin: at == 0 && fragment.begin, end })
            })
            .collect()
    }

    /// What was received and this fragment, laid side by side: boundaries must agree everywhere.
    pub(super) fn contradicts(&self, fragment: &Fragment, data: &[u8]) -> bool {
        let claimed: BTreeMap<u64, Position> = Self::positions(fragment, data).into_iter().collect();
        let differs = claimed.iter().any(|(at, claim)| {
            self.received.get(at).is_some_and(|known| (known.begin, known.end) != (claim.begin, claim.end))
        });
        let mut ends: BTreeMap<u64, bool> = self.received.iter().map(|(at, known)| (*at, known.end)).collect();
        let mut begins: BTreeMap<u64, bool> = self.received.iter().map(|(at, known)| (*at, known.begin)).collect();
        for (at, claim) in claimed.range(self.read.saturating_sub(1)..) {
            ends.insert(*at, claim.end);
            begins.insert(*at, claim.begin);
        }
        let last_read = self.read.checked_sub(1);
        let known_end = |at: u64| if Some(at) == last_read { Some(self.between) } else { ends.get(&at).copied() };
        let torn = begins.iter().any(|(at, begin)| match at.checked_sub(1) {
            // What has been read is not compared any more.
            None => !begin && self.read == 0,
            Some(before) => known_end(before).is_some_and(|end| end != *begin) && *at >= self.read,
        });
        let rewrites = last_read.and_then(|at| claimed.get(&at)).is_some_and(|claim| claim.end != self.between)
            && fragment.offset + fragment.positions() >= self.read;
        differs || torn || rewrites
    }

    pub(super) fn insert(&mut self, fragment: &Fragment, data: &[u8]) -> u64 {
        let mut new = 0;
        for (at, position) in Self::positions(fragment, data) {
            self.highest = self.highest.max(at + 1);
            if at >= self.read && !self.received.contains_key(&at) {
                self.received.insert(at, position);
                new += 1;
            }
        }
        new
    }

    fn read(&mut self, room: usize) -> Option<(Chunk, Vec<u8>)> {
        let mut bytes = Vec::new();
        let mut chunk = Chunk { length: 0, begin: self.between, end: false };
        let start = self.read;
        while let Some(position) = self.received.get(&self.read).copied() {
            if !position.end && bytes.len() == room {
                break;
            }
            self.received.remove(&self.read);
            self.read += 1;
            self.between = position.end;
            if position.end {
                chunk.end = true;
                break;
            }
            bytes.push(position.byte);
        }
        chunk.length = bytes.len();
        (self.read > start).then_some((chunk, bytes))
    }

    fn message_length(&self) -> Option<u64> {
        let mut at = self.read;
        while let Some(position) = self.received.get(&at) {
            if position.end {
                return Some(at - self.read);
            }
            at += 1;
        }
        None
    }

    fn contiguous(&self) -> u64 {
        (self.read..).find(|at| !self.received.contains_key(at)).unwrap()
    }

    fn agrees(&self, rig: &Rig) {
        let assembler = &rig.assembler;
        assert_eq!(assembler.read_offset(), self.read);
        assert_eq!(assembler.contiguous_to(), self.contiguous());
        assert_eq!(assembler.readable(), self.read < self.contiguous());
        assert_eq!(assembler.highest(), self.highest);
        assert_eq!(assembler.message_length(), self.message_length());
        let per_block = per_block(&rig.pool);
        let blocks: BTreeSet<u64> = self.received.keys().map(|at| at / per_block).collect();
        assert_eq!(assembler.blocks_held() as usize, blocks.len(), "just the blocks with something unread");
        let mut block = assembler.head;
        for index in blocks {
            let id = block.unwrap();
            assert_eq!(block_map::index(&rig.pool, id), index);
            let parts = block_map::view(&rig.pool, id);
            for at in 0..per_block as usize {
                let offset = index * per_block + at as u64;
                let noted = block_map::get(parts.maps[RECEIVED], at);
                let received = noted || offset < assembler.contiguous_to();
                let (begin, end) = (block_map::get(parts.maps[BEGIN], at), block_map::get(parts.maps[END], at));
                let stored = received.then_some(Position { byte: parts.data[at], begin, end });
                if offset >= self.read {
                    assert_eq!(stored, self.received.get(&offset).copied());
                }
                assert!(received || (parts.data[at] == 0 && !begin && !end), "nothing where nothing was received");
            }
            block = rig.pool.next(id);
        }
        assert_eq!((block, assembler.head.is_none()), (None, assembler.tail.is_none()));
    }
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A true fragment: from a place in the true channel, cut at the message's end.
    Insert {
        offset: u64,
        length: usize,
    },
    /// Whatever a broken peer may say.
    Lie(Fragment),
    /// What follows all that was received, as most fragments do.
    InOrder {
        length: usize,
        lie: Option<(bool, bool)>,
    },
    Read(usize),
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let offset = || prop_oneof![0u64..30, 165u64..190, 0u64..1200];
    let length = || prop_oneof![0usize..6, 0usize..400];
    prop_oneof![
        8 => (offset(), length()).prop_map(|(offset, length)| Step::Insert { offset, length }),
        2 => (offset(), length(), any::<bool>(), any::<bool>())
            .prop_map(|(offset, length, begin, end)| Step::Lie(Fragment { offset, length, begin, end })),
        6 => (length(), prop_oneof![4 => Just(None), 1 => any::<(bool, bool)>().prop_map(Some)])
            .prop_map(|(length, lie)| Step::InOrder { length, lie }),
        3 => prop_oneof![0usize..3, 0usize..500].prop_map(Step::Read),
    ]
}

/// The true fragment from `offset`, given where the messages end.
pub(super) fn true_fragment(ends: &[u64], offset: u64, length: usize) -> Fragment {
    let begin = offset == 0 || ends.contains(&(offset - 1));
    let terminator = ends.iter().copied().find(|end| *end >= offset).unwrap_or(u64::MAX);
    let data = (length as u64).min(terminator - offset) as usize;
    Fragment { offset, length: data, begin, end: data < length && offset + data as u64 == terminator }
}

pub(super) fn in_order(ends: &[u64], oracle: &Oracle, length: usize, lie: Option<(bool, bool)>) -> Fragment {
    let fragment = true_fragment(ends, oracle.contiguous(), length);
    lie.map_or(fragment, |(begin, end)| Fragment { begin, end, ..fragment })
}

proptest! {
    #[test]
    fn the_assembler_does_what_single_positions_would(
        steps in proptest::collection::vec(step(), 1..60),
        lengths in proptest::collection::vec(prop_oneof![Just(0u64), 0u64..10, 170u64..180, 0u64..700], 1..12),
        large in any::<bool>(),
        blocks in 1u32..8,
    ) {
        let ends: Vec<u64> = lengths
            .iter()
            .scan(0, |next, length| {
                let end = *next + length;
                *next = end + 1;
                Some(end)
            })
            .collect();
        let mut rig = Rig::new(if large { 1024 } else { 256 }, blocks);
        let mut oracle = Oracle::new();
        for (number, step) in steps.iter().enumerate() {
            let fragment = match *step {
                Step::Read(room) => {
                    prop_assert_eq!(rig.read(room), oracle.read(room));
                    oracle.agrees(&rig);
                    continue;
                }
                Step::Insert { offset, length } => true_fragment(&ends, offset, length),
                Step::Lie(fragment) => fragment,
                Step::InOrder { length, lie } => in_order(&ends, &oracle, length, lie),
            };
            let data = vec![number as u8 | 1; fragment.length];
            let result = rig.insert(fragment, &data);
            if oracle.contradicts(&fragment, &data) {
                prop_assert_eq!(result, CONTRADICTION);
            } else if result != Err(InsertError::NoMemory) {
                let new_positions = oracle.insert(&fragment, &data);
                prop_assert_eq!(result, Ok(Inserted { new_positions, highest: oracle.highest }));
            }
            oracle.agrees(&rig);
        }
        while let Some(read) = rig.read(100) {
            prop_assert_eq!(Some(read), oracle.read(100));
        }
        prop_assert_eq!(oracle.read(100), None);
        rig.assembler.release(&mut rig.pool, &mut rig.reservation);
        rig.assert_empty();
    }
}

//= docs/protocol.md P-9-2
#[test]
fn contradictions_are_refused_whatever_came_first() {
    let begun = part(0, 10, true, false);
    let ended = part(10, 5, false, true);
    let next = part(16, 4, true, false);
    // (what came first, what then contradicts it)
    let cases = [
        (begun, part(0, 4, true, true)),    // terminator over data
        (begun, part(0, 10, false, false)), // begin denied
        (begun, part(5, 2, true, false)),   // begin inside
        (begun, part(10, 1, true, false)),  // begin after data
        (begun, part(9, 0, false, true)),   // bare terminator over data
        (ended, part(10, 8, false, false)), // data over terminator
        (ended, part(10, 5, true, true)),   // begin claimed where none was
        (ended, part(10, 4, false, true)),  // another end
        (ended, part(16, 1, false, false)), // begin denied after a terminator
        (ended, part(8, 1, false, true)),   // then 10 would begin a message
        (next, part(10, 6, false, false)),  // runs into the beginning
        (next, part(14, 4, false, false)),  // runs over the beginning
        (next, part(16, 4, false, false)),
    ];
    // An empty message or a longer one before them moves every one of these boundaries over the edge of a block.
    for shift in 0..=190 {
        for (mut first, mut then) in cases {
            let mut rig = Rig::new(256, 4);
            if shift > 0 {
                rig.insert(part(0, shift - 1, true, true), &vec![3; shift - 1]).unwrap();
            }
            rig.insert(part(shift as u64 + 40, 1, false, false), &[3]).unwrap();
            first.offset += shift as u64;
            then.offset += shift as u64;
            rig.insert(first, &vec![1; first.length]).unwrap();
            assert_eq!(rig.insert(then, &vec![2; then.length]), CONTRADICTION, "{first:?} then {then:?}");
        }
    }
    let mut rig = Rig::new(256, 4);
    assert_eq!(rig.insert(part(0, 4, false, false), &[1; 4]), CONTRADICTION, "position 0 begins a message");
    assert_eq!(rig.insert(part(0, 4, true, false), &[1; 3]), CONTRADICTION, "length and data differ");
}

#[test]
fn boundaries_are_remembered_after_their_block_is_gone() {
    let mut rig = Rig::new(256, 2);
    rig.insert(part(0, 175, true, true), &[1; 175]).unwrap();
    assert_eq!(rig.read(500).unwrap().0, Chunk { length: 175, begin: true, end: true });
    rig.assert_empty();
    assert_eq!(rig.insert(part(176, 1, false, false), &[2]), CONTRADICTION);
    assert_eq!(rig.insert(part(170, 10, false, false), &[2; 10]), CONTRADICTION);
    assert_eq!(rig.insert(part(170, 6, false, false), &[2; 6]), CONTRADICTION);
    assert_eq!(rig.insert(part(170, 5, false, true), &[2; 5]).unwrap().new_positions, 0);
    rig.insert(part(176, 20, true, false), &[2; 20]).unwrap();
    assert_eq!(rig.read(500).unwrap().0, Chunk { length: 20, begin: true, end: false });
    rig.assert_empty();
    assert_eq!(rig.insert(part(196, 1, true, false), &[2]), CONTRADICTION);
    assert_eq!(rig.insert(part(190, 5, false, true), &[2; 5]), CONTRADICTION, "195 was read as data");
    assert_eq!(rig.insert(part(180, 5, false, true), &[2; 5]).unwrap().new_positions, 0, "too old to be judged");
    rig.insert(part(196, 0, false, true), &[]).unwrap();
    assert_eq!(rig.read(0).unwrap().0, Chunk { length: 0, begin: false, end: true });
    rig.assert_empty();
}

//= docs/protocol.md P-9-2
#[test]
fn the_first_bytes_of_a_position_stay() {
    let mut rig = Rig::new(256, 4);
    rig.insert(part(4, 4, false, false), b"BBBB").unwrap();
    assert_eq!(rig.insert(part(0, 10, true, true), b"aaaaaaaaaa").unwrap().new_positions, 7);
    assert_eq!(rig.read(100).unwrap().1, b"aaaaBBBBaa");
}

#[test]
fn a_far_fragment_takes_its_own_blocks_only() {
    let mut rig = Rig::new(256, 3);
    let far = MAX_OFFSET - 100;
    assert_eq!(rig.insert(part(far, 99, false, true), &[1; 99]).unwrap().highest, MAX_OFFSET);
    assert!(rig.assembler.blocks_held() <= 2);
    assert_eq!(rig.insert(part(far, 100, false, true), &[1; 100]), OVERFLOW);
    for offset in [MAX_OFFSET, MAX_OFFSET + 1, u64::MAX] {
        assert_eq!(rig.insert(part(offset, 1, true, false), &[1]), OVERFLOW);
        assert_eq!(rig.blocks_needed(&part(offset, 1, true, true)), 0);
    }
    assert_eq!(rig.blocks_needed(&part(0, 1 << 50, true, true)), u32::MAX);
    assert_eq!(rig.insert(part(0, usize::MAX, true, true), &[]), OVERFLOW);
    rig.insert(part(0, 5, true, false), b"hello").unwrap();
    assert_eq!(rig.read(9).unwrap().1, b"hello");
    assert_eq!(rig.assembler.message_length(), None);
    rig.assembler.release(&mut rig.pool, &mut rig.reservation);
    rig.assert_empty();
}

#[test]
fn every_second_byte_of_a_window_then_the_rest() {
    for block_size in [256, 1024] {
        let width = block_map::positions_per_block(block_size);
        let window = 4 * width;
        let mut rig = Rig::new(block_size, 4);
        for at in (0..window / 2 - 1).rev().map(|half| 2 * half + 1) {
            rig.insert(part(at, 1, false, false), &[at as u8]).unwrap();
        }
        assert!(!rig.assembler.readable());
        assert_eq!(rig.insert(part(window, 1, false, false), &[1]), Err(InsertError::NoMemory));
        for at in (0..window - 1).step_by(2) {
            rig.insert(part(at, 1, at == 0, false), &[at as u8]).unwrap();
            assert_eq!(rig.assembler.contiguous_to(), (at + 2).min(window - 1));
        }
        assert_eq!(rig.assembler.message_length(), None);
        rig.insert(part(window - 1, 0, false, true), &[]).unwrap();
        assert_eq!(rig.assembler.message_length(), Some(window - 1));
        let (chunk, bytes) = rig.read(10_000).unwrap();
        assert_eq!(chunk, Chunk { length: window as usize - 1, begin: true, end: true });
        assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == at as u8));
        rig.assert_empty();
    }
}

#[test]
fn a_fragment_of_no_positions_changes_nothing() {
    let mut rig = Rig::new(256, 1);
    for offset in [0, 5, 176, MAX_OFFSET] {
        let inserted = rig.insert(part(offset, 0, offset == 5, false), &[]);
        assert_eq!(inserted, Ok(Inserted { new_positions: 0, highest: 0 }));
    }
    assert_eq!(rig.read(5), None);
}

#[test]
fn the_digest_covers_content_and_boundaries() {
    let variants = [(&b"ab"[..], true), (b"ac", true), (b"ab", false), (b"a", true)];
    let digests: BTreeSet<[u8; 32]> = variants
        .into_iter()
        .map(|(data, end)| {
            let mut rig = Rig::new(256, 2);
            rig.insert(part(0, data.len(), true, end), data).unwrap();
            rig.digest()
        })
        .collect();
    assert_eq!(digests.len(), variants.len());
}

#[test]
fn an_assembler_is_small() {
    assert!(size_of::<Assembler>() <= 96, "{}", size_of::<Assembler>());
}
