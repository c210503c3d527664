use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const EVERYTHING: u64 = u64::MAX;

fn digest(outbox: &Outbox, pool: &Pool) -> [u8; 32] {
    let mut hash = StateHash::new();
    outbox.digest_into(pool, &mut hash);
    hash.finish()
}

/// One position of the channel as the oracle sees it.
#[derive(Clone, Debug)]
struct Position {
    /// `None` is a terminator.
    byte: Option<u8>,
    begin: bool,
    pending: bool,
    acked: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    Begin,
    Write(usize),
    Finish,
    Transmit {
        limit: u64,
        max_length: usize,
    },
    Acked {
        offset: u64,
        positions: u64,
    },
    Lost {
        offset: u64,
        positions: u64,
    },
    GiveUp {
        offset: u64,
        positions: u64,
    },
    /// The peer is told of so many positions given up that were never sent.
    Pass {
        positions: u64,
    },
    AckAll,
    Cut,
    Release,
    Replace(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let length = || prop_oneof![Just(0usize), 0usize..20, 170usize..180, 0usize..1500];
    let offset = || prop_oneof![0u64..400, 0u64..6000, Just(u64::MAX)];
    let positions = || prop_oneof![0u64..40, 0u64..2000, Just(u64::MAX)];
    prop_oneof![
        3 => length().prop_map(Step::Send),
        1 => Just(Step::Begin),
        3 => length().prop_map(Step::Write),
        2 => Just(Step::Finish),
        8 => (prop_oneof![0u64..6000, Just(EVERYTHING)], length())
            .prop_map(|(limit, max_length)| Step::Transmit { limit, max_length }),
        4 => (offset(), positions()).prop_map(|(offset, positions)| Step::Acked { offset, positions }),
        4 => (offset(), positions()).prop_map(|(offset, positions)| Step::Lost { offset, positions }),
        2 => (offset(), positions()).prop_map(|(offset, positions)| Step::GiveUp { offset, positions }),
        2 => positions().prop_map(|positions| Step::Pass { positions }),
        1 => Just(Step::AckAll),
        1 => Just(Step::Cut),
        1 => Just(Step::Release),
        1 => length().prop_map(Step::Replace),
    ]
}

struct Model {
    outbox: Outbox,
    pool: Pool,
    budget: u32,
    positions: Vec<Position>,
    sent: u64,
    streaming: bool,
    between: bool,
    /// Whole messages go the way of those that lie in several blocks.
    in_pieces: bool,
}

impl Model {
    fn new(block_size: usize, budget: u32) -> Self {
        Self {
            outbox: Outbox::new(budget),
            pool: Pool::new(64, block_size, 64),
            budget,
            positions: Vec::new(),
            sent: 0,
            streaming: false,
            between: true,
            in_pieces: false,
        }
    }

    fn acked_to(&self) -> u64 {
        self.positions.iter().take_while(|position| position.acked).count() as u64
    }

    /// Positions that fit: blocks lie at fixed places, so only where the budget's last block may end counts.
    fn room(&self) -> u64 {
        let per_block = per_block(&self.pool);
        let written = self.positions.len() as u64;
        let first = self.acked_to() / per_block;
        ((first + u64::from(self.budget)) * per_block).saturating_sub(written)
    }

    fn push(&mut self, byte: Option<u8>) {
        self.positions.push(Position { byte, begin: self.between, pending: true, acked: false });
        self.between = byte.is_none();
    }

    fn bytes(&self, length: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 7 + self.positions.len()) as u8 | 1).collect()
    }

    fn range(&self, offset: u64, positions: u64) -> core::ops::Range<usize> {
        let to = offset.saturating_add(positions).min(self.sent);
        offset.min(to) as usize..to as usize
    }

    fn next_fragment(&self, limit: u64, max_length: usize) -> Option<Fragment> {
        let limit = limit.min(self.positions.len() as u64) as usize;
        let first = (0..limit).find(|at| self.positions[*at].pending)?;
        let mut fragment = Fragment { offset: first as u64, length: 0, begin: self.positions[first].begin, end: false };
        for position in self.positions[first..limit].iter().take_while(|position| position.pending) {
            match position.byte {
                None => {
                    fragment.end = true;
                    break;
                }
                Some(_) if fragment.length < max_length => fragment.length += 1,
                Some(_) => break,
            }
        }
        (fragment.positions() > 0).then_some(fragment)
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Send(length) => self.send(length),
            Step::Begin => {
                let expected = if self.streaming { Err(OutboxError::Streaming) } else { Ok(()) };
                assert_eq!(self.outbox.begin(), expected);
                self.streaming = true;
            }
            Step::Write(length) => {
                let bytes = self.bytes(length);
                let expected = if self.streaming { length.min(self.room() as usize) } else { 0 };
                assert_eq!(self.outbox.write(&mut self.pool, &bytes), expected);
                bytes[..expected].iter().for_each(|byte| self.push(Some(*byte)));
            }
            Step::Finish => {
                let result = self.outbox.finish(&mut self.pool);
                if !self.streaming {
                    assert_eq!(result, Err(OutboxError::NotStreaming));
                } else if self.room() == 0 {
                    assert_eq!(result, Err(OutboxError::Blocked));
                } else {
                    self.push(None);
                    self.streaming = false;
                    assert_eq!(result, Ok(self.positions.len() as u64));
                }
            }
            Step::Transmit { limit, max_length } => self.transmit(limit, max_length),
            Step::Acked { offset, positions } => self.ack(offset, positions),
            Step::AckAll => self.ack(0, self.sent),
            Step::GiveUp { offset, positions } => self.give_up(offset, positions),
            Step::Pass { positions } => self.pass(positions),
            Step::Cut => {
                self.outbox.cut(&mut self.pool);
                self.positions.truncate(self.sent as usize);
                self.take_back();
                (self.streaming, self.between) = (false, true);
            }
            // Who releases or replaces has no message open.
            Step::Release if !self.streaming => {
                self.outbox.release(&mut self.pool);
                self.take_back();
            }
            Step::Replace(length) if !self.streaming => self.replace(length),
            Step::Release | Step::Replace(_) => {}
            Step::Lost { offset, positions } => {
                self.outbox.on_lost(&mut self.pool, offset, positions);
                let range = self.range(offset, positions);
                self.positions[range].iter_mut().for_each(|position| position.pending |= !position.acked);
            }
        }
    }

    fn send(&mut self, length: usize) {
        let bytes = self.bytes(length);
        let before = digest(&self.outbox, &self.pool);
        let result = if self.in_pieces {
            self.outbox.send_in_pieces(&mut self.pool, &bytes)
        } else {
            let within = self.outbox.send_within(&mut self.pool, &bytes);
            within.map_or_else(|| self.outbox.send(&mut self.pool, &bytes), Ok)
        };
        let refusal = if self.streaming {
            Some(OutboxError::Streaming)
        } else if length as u64 >= self.room() {
            Some(OutboxError::Blocked)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            assert_eq!(result, Err(refusal));
            assert_eq!(digest(&self.outbox, &self.pool), before);
            return;
        }
        bytes.iter().for_each(|byte| self.push(Some(*byte)));
        self.push(None);
        assert_eq!(result, Ok(self.positions.len() as u64));
        assert_ne!(digest(&self.outbox, &self.pool), before);
    }

    fn transmit(&mut self, limit: u64, max_length: usize) {
        let before = digest(&self.outbox, &self.pool);
        let promised = self.outbox.has_pending(limit);
        let fragment = self.outbox.next_fragment(&self.pool, limit, max_length);
        assert_eq!(fragment, self.next_fragment(limit, max_length));
        assert_eq!(digest(&self.outbox, &self.pool), before, "searching changes nothing");
        let exists = self.positions.iter().take(limit.min(1 << 20) as usize).any(|position| position.pending);
        assert!(promised || !exists);
        assert_eq!(self.outbox.has_pending(limit), exists, "exact after a search");
        let Some(fragment) = fragment else { return };
        for room in [0, max_length / 2, fragment.length, max_length] {
            let cut = Some(fragment.cut(room)).filter(|cut| cut.positions() > 0);
            assert_eq!(cut, self.next_fragment(limit, room), "as if asked for {room} bytes");
        }
        let mut out = vec![0; fragment.length];
        assert_eq!(self.outbox.copy(&self.pool, &fragment, &mut out), fragment.length);
        let range = fragment.offset as usize..(fragment.offset + fragment.positions()) as usize;
        let expected: Vec<u8> = self.positions[range.clone()].iter().filter_map(|position| position.byte).collect();
        assert_eq!(out, expected);
        self.outbox.on_sent(&mut self.pool, &fragment);
        self.positions[range.clone()].iter_mut().for_each(|position| position.pending = false);
        self.sent = self.sent.max(range.end as u64);
    }

    fn ack(&mut self, offset: u64, positions: u64) {
        self.outbox.on_acked(&mut self.pool, offset, positions);
        let range = self.range(offset, positions);
        for position in &mut self.positions[range] {
            position.acked = true;
            position.pending = false;
        }
    }

    /// What was never sent is given up once.
    fn give_up(&mut self, offset: u64, positions: u64) {
        let to = offset.saturating_add(positions).min(self.positions.len() as u64) as usize;
        let from = (offset.min(to as u64) as usize).min(to);
        let unsent = (self.sent as usize).clamp(from, to);
        if self.positions[unsent..to].iter().any(|position| position.acked) {
            return;
        }
        self.outbox.give_up(&mut self.pool, from as u64, to as u64);
        for position in &mut self.positions[from..to] {
            position.acked = true;
            position.pending = false;
        }
    }

    /// Nothing that was written is sent any more.
    fn take_back(&mut self) {
        for position in &mut self.positions {
            position.acked = true;
            position.pending = false;
        }
        self.sent = self.positions.len() as u64;
    }

    fn replace(&mut self, length: usize) {
        let bytes = self.bytes(length);
        let before = digest(&self.outbox, &self.pool);
        match self.outbox.replace(&mut self.pool, &bytes) {
            Ok(end) => {
                self.take_back();
                bytes.iter().for_each(|byte| self.push(Some(*byte)));
                self.push(None);
                assert_eq!(end, self.positions.len() as u64);
            }
            Err(error) => {
                assert_eq!(error, OutboxError::Blocked);
                assert_eq!(digest(&self.outbox, &self.pool), before);
            }
        }
    }

    fn pass(&mut self, positions: u64) {
        let unsent = &self.positions[self.sent as usize..];
        let given_up = unsent.iter().take_while(|position| position.acked).count() as u64;
        self.sent += given_up.min(positions);
        self.outbox.pass(self.sent);
    }

    fn agree(&self) {
        let Self { outbox, pool, .. } = self;
        let written = self.positions.len() as u64;
        assert_eq!(outbox.acked_to(), self.acked_to());
        assert_eq!(outbox.write_offset(), written);
        assert_eq!(outbox.highest_sent(), self.sent);
        assert_eq!(outbox.is_all_acked(), self.acked_to() == written);
        assert_eq!(outbox.is_streaming(), self.streaming);
        let pending = self.positions.iter().filter(|position| position.pending).count() as u64;
        assert_eq!(outbox.pending, pending);
        let per_block = block_map::positions_per_block(pool.block_size());
        let blocks: Vec<_> = core::iter::successors(outbox.head, |block| pool.next(*block)).collect();
        for cursor in [outbox.send_cursor, outbox.search_cursor, outbox.ack_cursor].into_iter().flatten() {
            assert!(blocks.contains(&cursor), "a hint is a block that is held");
        }
        if let Some(block) = outbox.send_cursor {
            assert_eq!(
                block_map::index(pool, block),
                (self.sent - 1) / per_block,
                "the block of the last position sent"
            );
        }
        let kept = self.acked_to()..written;
        let held = if kept.is_empty() { 0 } else { (written - 1) / per_block - kept.start / per_block + 1 };
        assert_eq!(u64::from(outbox.blocks_held()), held);
        assert_eq!(u64::from(pool.capacity() - pool.free()), held);
    }
}

proptest! {
    #[test]
    fn the_outbox_does_what_single_positions_would(
        steps in proptest::collection::vec(step(), 1..80), large in any::<bool>(), budget in 1u32..12,
    ) {
        let mut model = Model::new(if large { 1024 } else { 256 }, budget);
        for step in &steps {
            model.apply(step);
            model.agree();
        }
        while model.outbox.has_pending(EVERYTHING) {
            model.transmit(EVERYTHING, 1200);
        }
        model.ack(0, EVERYTHING);
        model.agree();
        prop_assert_eq!(model.pool.free(), model.pool.capacity());
    }
}

proptest! {
    #[test]
    fn what_lies_within_a_block_is_queued_as_in_pieces(
        steps in proptest::collection::vec(step(), 1..60), large in any::<bool>(), budget in 1u32..12,
    ) {
        let mut models = [false, true].map(|in_pieces| Model {
            in_pieces,
            ..Model::new(if large { 1024 } else { 256 }, budget)
        });
        for step in &steps {
            models.iter_mut().for_each(|model| model.apply(step));
            let [within, in_pieces] = &models;
            prop_assert_eq!(digest(&within.outbox, &within.pool), digest(&in_pieces.outbox, &in_pieces.pool));
            prop_assert_eq!(within.outbox.written, in_pieces.outbox.written);
            prop_assert_eq!(within.outbox.ending, in_pieces.outbox.ending);
            prop_assert_eq!(within.outbox.tail, in_pieces.outbox.tail);
        }
    }
}

#[test]
fn an_empty_message_is_a_bare_terminator() {
    let mut pool = Pool::new(4, 256, 4);
    let mut outbox = Outbox::new(4);
    assert_eq!(outbox.send(&mut pool, b""), Ok(1));
    assert_eq!(outbox.send(&mut pool, b"x"), Ok(3));
    let empty = Fragment { offset: 0, length: 0, begin: true, end: true };
    assert_eq!(outbox.next_fragment(&pool, EVERYTHING, 0), Some(empty));
    assert_eq!(outbox.next_fragment(&pool, 0, 0), None);
    outbox.on_sent(&mut pool, &empty);
    assert_eq!(outbox.next_fragment(&pool, EVERYTHING, 0), None, "data does not fit");
    let data = Fragment { offset: 1, length: 1, begin: true, end: false };
    assert_eq!(outbox.next_fragment(&pool, 2, 100), Some(data), "credit ends before the terminator");
    let whole = Fragment { end: true, ..data };
    assert_eq!(outbox.next_fragment(&pool, 3, 1), Some(whole));
}

#[test]
fn the_budget_and_the_open_limit_both_block() {
    let mut pool = Pool::new(4, 256, 3);
    let mut outbox = Outbox::new(1);
    let message = [1; 4 * 176];
    assert_eq!(outbox.send(&mut pool, &message[..176]), Err(OutboxError::Blocked), "no room for the terminator");
    assert_eq!(outbox.send(&mut pool, &message[..175]), Ok(176));
    assert_eq!(outbox.send(&mut pool, b""), Err(OutboxError::Blocked));
    outbox.budget = 9;
    assert_eq!(outbox.send(&mut pool, &message[..2 * 176]), Err(OutboxError::Blocked), "open limit");
    assert_eq!(outbox.blocks_held(), 1);
    assert_eq!(outbox.send(&mut pool, &message[..2 * 176 - 1]), Ok(3 * 176));
    outbox.release(&mut pool);
    assert_eq!((pool.free(), outbox.blocks_held()), (4, 0));
    assert!(!outbox.has_pending(EVERYTHING) && outbox.is_all_acked());
}

#[test]
fn an_open_message_is_sent_and_freed_while_it_is_written() {
    let mut pool = Pool::new(2, 256, 2);
    let mut outbox = Outbox::new(1);
    outbox.begin().unwrap();
    assert_eq!(outbox.begin(), Err(OutboxError::Streaming));
    assert_eq!(outbox.send(&mut pool, b"x"), Err(OutboxError::Streaming));
    let bytes: Vec<u8> = (0..100_000u32).map(|at| (at % 251) as u8).collect();
    let (mut written, mut collected) = (0, Vec::new());
    while written < bytes.len() {
        written += outbox.write(&mut pool, &bytes[written..]);
        while let Some(fragment) = outbox.next_fragment(&pool, EVERYTHING, 100) {
            assert_eq!(fragment.begin, fragment.offset == 0);
            assert!(!fragment.end);
            let mut out = [0; 100];
            let length = outbox.copy(&pool, &fragment, &mut out);
            collected.extend_from_slice(&out[..length]);
            outbox.on_sent(&mut pool, &fragment);
            outbox.on_acked(&mut pool, fragment.offset, fragment.positions());
        }
        assert_eq!(pool.free(), 2);
    }
    assert_eq!(collected, bytes);
    assert_eq!(outbox.finish(&mut pool), Ok(100_001));
    assert_eq!(
        outbox.next_fragment(&pool, EVERYTHING, 100),
        Some(Fragment { offset: 100_000, length: 0, begin: false, end: true })
    );
}

#[test]
fn bogus_ranges_and_fragments_are_ignored() {
    let mut pool = Pool::new(4, 256, 4);
    let mut outbox = Outbox::new(4);
    outbox.send(&mut pool, &[7; 300]).unwrap();
    let before = digest(&outbox, &pool);
    for offset in [0, 1, 300, 301, 1 << 61, u64::MAX] {
        for positions in [0, 1, u64::MAX] {
            outbox.on_acked(&mut pool, offset, positions);
            outbox.on_lost(&mut pool, offset, positions);
        }
        let fragment = Fragment { offset: offset.max(301), length: usize::MAX, begin: true, end: true };
        outbox.on_sent(&mut pool, &fragment);
        assert_eq!(outbox.copy(&pool, &Fragment { offset: offset.max(352), ..fragment }, &mut [0; 10]), 0);
    }
    assert_eq!(digest(&outbox, &pool), before, "nothing was sent, so nothing can be acknowledged or lost");
}

#[test]
fn a_freed_block_in_other_hands_is_no_hint() {
    let mut pool = Pool::new(4, 256, 4);
    let (mut outbox, mut other) = (Outbox::new(4), Outbox::new(4));
    outbox.send(&mut pool, &[1; 176 + 50]).unwrap();
    let first = outbox.next_fragment(&pool, EVERYTHING, 500).unwrap();
    outbox.on_sent(&mut pool, &first);
    outbox.on_lost(&mut pool, 0, 1);
    assert_eq!(outbox.next_fragment(&pool, EVERYTHING, 1).unwrap().offset, 0);
    outbox.on_acked(&mut pool, 0, first.positions());
    assert_eq!((outbox.blocks_held(), pool.free()), (0, 4));
    other.send(&mut pool, &[2; 4 * 176 - 1]).unwrap();
    let fragment = other.next_fragment(&pool, EVERYTHING, 1000).unwrap();
    other.on_sent(&mut pool, &fragment);
    other.on_acked(&mut pool, 0, 2 * 176);
    outbox.send(&mut pool, &[3; 176]).unwrap();
    let second = outbox.next_fragment(&pool, EVERYTHING, 1000).unwrap();
    let mut out = [0; 176];
    assert_eq!(outbox.copy(&pool, &second, &mut out), 176);
    assert_eq!(out, [3; 176]);
    for cursor in [outbox.send_cursor, outbox.search_cursor, outbox.ack_cursor].into_iter().flatten() {
        assert!(Some(cursor) == outbox.head || Some(cursor) == outbox.tail);
    }
    for cursor in [other.send_cursor, other.search_cursor, other.ack_cursor].into_iter().flatten() {
        assert!(Some(cursor) == other.head || Some(cursor) == other.tail);
    }
}

#[test]
fn a_fragment_sent_again_after_its_start_was_acknowledged_is_still_sent() {
    let mut pool = Pool::new(4, 256, 4);
    let mut outbox = Outbox::new(4);
    outbox.send(&mut pool, &[1; 300]).unwrap();
    let whole = outbox.next_fragment(&pool, EVERYTHING, 300).unwrap();
    outbox.on_sent(&mut pool, &whole);
    outbox.on_lost(&mut pool, 0, 301);
    outbox.on_acked(&mut pool, 0, 176);
    assert_eq!(outbox.blocks_held(), 1);
    outbox.on_sent(&mut pool, &whole);
    assert!(!outbox.has_pending(EVERYTHING));
}

#[test]
fn the_digest_covers_content_and_every_mark() {
    let mut pool = Pool::new(4, 256, 4);
    let mut outbox = Outbox::new(4);
    let mut seen = std::collections::BTreeSet::from([digest(&outbox, &pool)]);
    outbox.send(&mut pool, b"ab").unwrap();
    assert!(seen.insert(digest(&outbox, &pool)));
    outbox.on_sent(&mut pool, &Fragment { offset: 0, length: 2, begin: true, end: true });
    assert!(seen.insert(digest(&outbox, &pool)));
    outbox.on_lost(&mut pool, 1, 1);
    assert!(seen.insert(digest(&outbox, &pool)));
    outbox.on_acked(&mut pool, 2, 1);
    assert!(seen.insert(digest(&outbox, &pool)));
    outbox.on_acked(&mut pool, 2, 1);
    assert!(!seen.insert(digest(&outbox, &pool)), "acknowledged twice is acknowledged");
    let mut other_pool = Pool::new(4, 256, 4);
    let mut other = Outbox::new(4);
    other.send(&mut other_pool, b"ac").unwrap();
    assert!(seen.insert(digest(&other, &other_pool)));
}

#[test]
fn an_outbox_is_small() {
    assert!(size_of::<Outbox>() <= 120, "{}", size_of::<Outbox>());
}

#[test]
fn what_follows_what_was_passed_over_is_copied_from_its_own_block() {
    let mut pool = Pool::new(64, 256, 64);
    let mut outbox = Outbox::new(40);
    for (byte, length) in [(1, 100), (2, 1000), (3, 300)] {
        outbox.send(&mut pool, &vec![byte; length]).unwrap();
    }
    let first = outbox.next_fragment(&pool, u64::MAX, 100).unwrap();
    outbox.on_sent(&mut pool, &first);
    outbox.give_up(&mut pool, 101, 1102);
    outbox.pass(1102);
    let next = outbox.next_fragment(&pool, u64::MAX, 100).unwrap();
    let mut out = [0; 100];
    assert_eq!((next.offset, outbox.copy(&pool, &next, &mut out)), (1102, 100));
    assert_eq!(out, [3; 100]);
}

/// What records hold of payload's part does not come free with what is replaced.
#[test]
fn a_value_takes_the_place_of_another_whole_or_not_at_all() {
    for records in 0..=8 {
        let mut pool = Pool::new(10, 256, 10).shared_with_records();
        let mut outbox = Outbox::new(8);
        outbox.replace(&mut pool, &[1; 500]).unwrap();
        let held: Vec<_> = (0..records).map_while(|_| pool.take_for_record()).collect();
        let before = digest(&outbox, &pool);
        match outbox.replace(&mut pool, &[2; 300]) {
            Ok(_) => {
                let value = outbox.next_fragment(&pool, EVERYTHING, 1_000).expect("it is there");
                let mut bytes = [0; 300];
                assert_eq!((outbox.copy(&pool, &value, &mut bytes), value.end), (300, true), "{records}");
                assert_eq!(bytes, [2; 300]);
            }
            Err(error) => {
                assert_eq!((error, digest(&outbox, &pool)), (OutboxError::Blocked, before), "{records}");
                assert!(held.len() > 1, "one block is for records: {records}");
            }
        }
    }
}
