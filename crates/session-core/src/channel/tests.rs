//! Both halves, joined by a network that loses, repeats and reorders.

use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::assembler::{Assembler, InsertError};
use super::outbox::{Outbox, OutboxError};
use super::*;
use crate::pool::{Pool, Reservation};

/// Draws that decide everything the strategies leave open (xorshift).
struct Draws(u64);

impl Draws {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }
}

struct Link {
    draws: Draws,
    outbox: Outbox,
    sender: Pool,
    assembler: Assembler,
    receiver: Pool,
    reservation: Reservation,
    window: u64,
    flying: Vec<(Fragment, Vec<u8>)>,
    messages: VecDeque<Vec<u8>>,
    /// Bytes of the front message already streamed, if it is streamed.
    streamed: Option<usize>,
    delivered: Vec<Vec<u8>>,
    partial: Option<Vec<u8>>,
}

impl Link {
    fn new(seed: u64, block_size: usize, blocks: u32, messages: &[Vec<u8>]) -> Self {
        let mut receiver = Pool::new(blocks, block_size, 0);
        let mut reservation = Reservation::default();
        assert!(receiver.reserve(&mut reservation, blocks));
        Self {
            draws: Draws(seed | 1),
            outbox: Outbox::new(blocks),
            sender: Pool::new(blocks, block_size, blocks),
            assembler: Assembler::new(),
            receiver,
            reservation,
            // A window may begin anywhere in its first block.
            window: u64::from(blocks - 1) * positions_per_block(block_size),
            flying: Vec::new(),
            messages: messages.iter().cloned().collect(),
            streamed: None,
            delivered: Vec::new(),
            partial: None,
        }
    }

    fn submit(&mut self) {
        let Some(message) = self.messages.front() else { return };
        let Self { outbox, sender: pool, .. } = self;
        let done = match self.streamed {
            None if self.draws.below(2) == 0 => match outbox.send(pool, message) {
                Ok(_) => true,
                Err(error) => {
                    assert_eq!(error, OutboxError::Blocked);
                    false
                }
            },
            None => {
                outbox.begin().unwrap();
                self.streamed = Some(0);
                false
            }
            Some(at) if at < message.len() => {
                let length = 1 + self.draws.below(message.len() - at);
                self.streamed = Some(at + outbox.write(pool, &message[at..at + length]));
                false
            }
            Some(_) => outbox.finish(pool).is_ok(),
        };
        if done {
            self.messages.pop_front();
            self.streamed = None;
        }
    }

    fn transmit(&mut self) {
        let limit = self.assembler.read_offset() + self.window;
        let max_length = 1 + self.draws.below(1500);
        let Some(fragment) = self.outbox.next_fragment(&self.sender, limit, max_length) else { return };
        assert!(fragment.end_offset().unwrap() <= limit);
        let mut data = vec![0; fragment.length];
        assert_eq!(self.outbox.copy(&self.sender, &fragment, &mut data), fragment.length);
        self.outbox.on_sent(&mut self.sender, &fragment);
        self.flying.push((fragment, data));
    }

    fn arrive(&mut self) {
        if self.flying.is_empty() {
            return;
        }
        let (fragment, data) = self.flying.swap_remove(self.draws.below(self.flying.len()));
        let fate = self.draws.below(8);
        if fate == 0 {
            return self.outbox.on_lost(&mut self.sender, fragment.offset, fragment.positions());
        }
        let inserted = self.assembler.insert(&mut self.receiver, &mut self.reservation, &fragment, &data);
        assert!(inserted.is_ok_and(|inserted| inserted.highest >= fragment.end_offset().unwrap()));
        match fate {
            // Declared lost although it arrived: it will be sent again, perhaps cut elsewhere.
            1 => self.outbox.on_lost(&mut self.sender, fragment.offset, fragment.positions()),
            // The network repeats it.
            2 => self.flying.push((fragment, data)),
            _ => self.outbox.on_acked(&mut self.sender, fragment.offset, fragment.positions()),
        }
    }

    fn read(&mut self) {
        let mut out = vec![0; self.draws.below(700)];
        let announced = self.assembler.message_length();
        let Some(chunk) = self.assembler.read(&mut self.receiver, &mut self.reservation, &mut out) else {
            return;
        };
        assert_eq!(chunk.begin, self.partial.is_none());
        if let Some(announced) = announced {
            assert_eq!(chunk.end, out.len() as u64 >= announced);
        }
        let partial = self.partial.get_or_insert_default();
        partial.extend_from_slice(&out[..chunk.length]);
        if chunk.end {
            self.delivered.extend(self.partial.take());
        }
    }

    fn run(&mut self, messages: &[Vec<u8>]) {
        for _ in 0..200_000 {
            match self.draws.below(5) {
                0 => self.submit(),
                1 | 2 => self.transmit(),
                3 => self.arrive(),
                _ => self.read(),
            }
            if self.delivered.len() == messages.len() && self.messages.is_empty() && self.outbox.is_all_acked() {
                break;
            }
        }
        assert!(self.delivered == messages, "{} of {} delivered", self.delivered.len(), messages.len());
        assert!(self.outbox.is_all_acked());
        assert_eq!(self.assembler.read_offset(), self.outbox.write_offset());
        assert_eq!(self.sender.free(), self.sender.capacity());
        assert_eq!(self.receiver.free(), self.receiver.capacity());
        assert_eq!(self.reservation.remaining(), self.receiver.capacity());
    }
}

fn messages() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let edge = (1usize..4, prop_oneof![Just(176usize), Just(736)], 0usize..3)
        .prop_map(|(blocks, width, over)| blocks * width + over - 2);
    let length = prop_oneof![2 => Just(0usize), 3 => 0usize..40, 3 => edge, 2 => 0usize..3000, 1 => 0usize..12_000];
    proptest::collection::vec(length.prop_flat_map(|length| proptest::collection::vec(any::<u8>(), length)), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn what_is_sent_arrives_once_whole_and_in_order(
        seed in any::<u64>(), large in any::<bool>(), blocks in 2u32..24, messages in messages(),
    ) {
        let block_size = if large { 1024 } else { 256 };
        // Messages larger than the window are streamed sooner or later; not much larger, to keep the run short.
        let room = (u64::from(blocks - 1) * positions_per_block(block_size)) as usize - 1;
        let mut messages = messages;
        messages.iter_mut().for_each(|message| message.truncate(8 * room));
        Link::new(seed, block_size, blocks, &messages).run(&messages);
    }
}

#[test]
fn far_offsets_are_errors() {
    for (offset, length, end) in [
        (u64::MAX, 1, false),
        (u64::MAX, 0, true),
        (MAX_OFFSET, 1, false),
        (MAX_OFFSET, 0, true),
        (0, usize::MAX, true),
    ] {
        assert_eq!(Fragment { offset, length, begin: false, end }.end_offset(), None);
    }
    let last = Fragment { offset: MAX_OFFSET - 2, length: 1, begin: false, end: true };
    assert_eq!((last.end_offset(), last.positions()), (Some(MAX_OFFSET), 2));
    let mut pool = Pool::new(1, 256, 0);
    let refused = Assembler::new().insert(&mut pool, &mut Reservation::default(), &last, &[1]);
    assert_eq!(refused, Err(InsertError::NoMemory));
}
