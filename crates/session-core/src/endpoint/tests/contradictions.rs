//! A peer whose fragments overlap and contradict each other, on a channel of each mode: what it said first holds, or the session ends.

use std::collections::BTreeMap;

use super::pair::Pair;
use super::*;
use crate::channel_config::{ChannelConfig, ChannelMode};
use crate::wire::{DataFrame, Frame, MessageFrame};

const CASES: u64 = 150;
/// Fragments of a case.
const FRAGMENTS: u64 = 24;
/// The peer speaks of the first positions, or bytes, only, so that what it says meets.
const SPACE: u64 = 40;

const MODES: [ChannelMode; 4] =
    [ChannelMode::ReliableOrdered, ChannelMode::ReliableUnordered, ChannelMode::Unreliable, ChannelMode::LatestValue];

/// What a peer says of some positions.
#[derive(Clone, Copy, Debug)]
struct Said {
    /// Of the message; 0 where messages have no numbers.
    number: u64,
    offset: u64,
    length: u64,
    begin: bool,
    end: bool,
}

/// Every position as it was said first; nothing is ever forgotten.
#[derive(Default)]
struct Oracle {
    /// By message and offset: the byte, and whether a message begins or ends here. Terminators have a place of their own in DATA.
    places: BTreeMap<(u64, u64), (u8, bool, bool)>,
    /// Where messages of MESSAGE end.
    lengths: BTreeMap<u64, u64>,
}

impl Oracle {
    fn claims(said: &Said, byte: u8) -> impl Iterator<Item = ((u64, u64), (u8, bool, bool))> {
        let Said { number, offset, length, begin, end } = *said;
        (0..length + u64::from(end)).map(move |at| {
            let is_terminator = at == length;
            ((number, offset + at), (if is_terminator { 0 } else { byte }, begin && at == 0, is_terminator))
        })
    }

    /// DATA: no two claims of one place differ, and a message begins just where one has ended.
    fn takes_data(&mut self, said: &Said, byte: u8) -> bool {
        let mut next = self.places.clone();
        for (place, claim) in Self::claims(said, byte) {
            let first = next.entry(place).or_insert(claim);
            if (first.1, first.2) != (claim.1, claim.2) {
                return false;
            }
        }
        let agrees = next.iter().all(|((number, at), (_, begins, _))| match at.checked_sub(1) {
            None => *begins,
            Some(before) => next.get(&(*number, before)).is_none_or(|(_, _, ends)| ends == begins),
        });
        if agrees {
            self.places = next;
        }
        agrees
    }

    /// MESSAGE: a message has one end, and nothing lies behind it.
    fn takes_message(&mut self, said: &Said, byte: u8) -> bool {
        let of_message = (said.number, 0)..(said.number + 1, 0);
        let highest = self.places.range(of_message).next_back().map_or(0, |((_, at), _)| at + 1);
        let end = said.offset + said.length;
        let known = self.lengths.get(&said.number).copied();
        if known.is_some_and(|known| end > known || said.end && end != known) || said.end && highest > end {
            return false;
        }
        if said.end {
            self.lengths.insert(said.number, end);
        }
        for (place, claim) in Self::claims(&Said { end: false, ..*said }, byte) {
            self.places.entry(place).or_insert(claim);
        }
        true
    }

    /// Messages of DATA that are whole, in order; `prefix` stops at the first gap.
    fn whole_data(&self, prefix: bool) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        let mut open: Option<Vec<u8>> = None;
        for at in 0..=SPACE * 2 {
            match self.places.get(&(0, at)) {
                None if prefix => break,
                None => open = None,
                Some((byte, begins, ends)) => {
                    if *begins {
                        open = Some(Vec::new());
                    }
                    match open.as_mut() {
                        Some(_) if *ends => messages.extend(open.take()),
                        Some(message) => message.push(*byte),
                        None => {}
                    }
                }
            }
        }
        messages
    }

    fn whole_message(&self, number: u64) -> Option<Vec<u8>> {
        let length = *self.lengths.get(&number)?;
        (0..length).map(|at| self.places.get(&(number, at)).map(|place| place.0)).collect()
    }
}

fn is_in_data(mode: ChannelMode) -> bool {
    matches!(mode, ChannelMode::ReliableOrdered | ChannelMode::ReliableUnordered)
}

/// A fragment of messages of nine bytes and a terminator, or of ten bytes in MESSAGE; in one of `truths` it is a lie.
fn draw(random: &mut Generator, mode: ChannelMode, truths: u64) -> Said {
    let lies = random.below(truths) == 0;
    let flips = [0; 2].map(|_| lies && random.below(2) == 0);
    let length = random.below(12);
    if is_in_data(mode) {
        let offset = random.below(SPACE);
        let left = 9 - offset % 10;
        let end = (length >= left) ^ flips[0];
        let length = if lies { length } else { length.clamp(left.min(1), left) };
        Said { number: 0, offset, length, begin: offset.is_multiple_of(10) ^ flips[1], end: end || length == 0 }
    } else {
        let offset = random.below(10);
        let length = if lies { length } else { length.clamp(1, 10 - offset) };
        let end = (offset + length == 10) ^ flips[0];
        Said { number: random.below(2), offset, length, begin: false, end: end || length == 0 }
    }
}

/// A small generator of its own: the case is in the seed.
struct Generator(u64);

impl Generator {
    fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (value ^ (value >> 31)) % bound
    }
}

/// Whether the session lived, and how many messages came out.
fn run_case(mode: ChannelMode, seed: u64) -> (bool, usize) {
    let mut random = Generator(seed);
    let mut pair =
        Pair::established_with(&Limits { mailbox_blocks: 64, ..small_limits() }, &[ChannelConfig::new(CHANNEL, mode)]);
    let mut oracle = Oracle::default();
    let mut delivered = Vec::new();
    for index in 1..=FRAGMENTS {
        let said = draw(&mut random, mode, if seed.is_multiple_of(3) { 1 << 40 } else { FRAGMENTS });
        let byte = index as u8;
        let data = vec![byte; said.length as usize];
        let Said { number, offset, begin, end, .. } = said;
        let frame = if is_in_data(mode) {
            Frame::Data(DataFrame { channel: CHANNEL.0, offset, begin, end, data: &data })
        } else {
            Frame::Message(MessageFrame { channel: CHANNEL.0, number, offset, last: end, data: &data })
        };
        if mode == ChannelMode::LatestValue && delivered.iter().any(|(done, _)| *done >= number) {
            continue;
        }
        let packet = pair.seal_frame(0, &frame);
        assert_eq!(pair.receive(1, &packet), Received::Consumed);
        let fits = if is_in_data(mode) { oracle.takes_data(&said, byte) } else { oracle.takes_message(&said, byte) };
        let expected = if fits { None } else { Some(CloseCode::PROTOCOL) };
        assert_eq!(pair.close_code(1), expected, "{mode:?}, seed {seed}, fragment {index}: {said:?}");
        if !fits {
            break;
        }
        // A message of MESSAGE is gone from the receiver once it is whole; from then on it would be another.
        if !is_in_data(mode)
            && let Some(message) = oracle.whole_message(number)
        {
            oracle.lengths.remove(&number);
            oracle.places.retain(|(of, _), _| *of != number);
            if mode == ChannelMode::LatestValue {
                oracle.places.retain(|(of, _), _| *of > number);
                oracle.lengths.retain(|of, _| *of > number);
                delivered.clear();
            }
            delivered.push((number, message));
        }
        pair.take(1);
    }
    let expected: Vec<_> = match mode {
        ChannelMode::ReliableOrdered => oracle.whole_data(true),
        ChannelMode::ReliableUnordered => oracle.whole_data(false),
        _ => delivered.into_iter().map(|(_, message)| message).collect(),
    };
    let lived = pair.close_code(1).is_none();
    let mut out = [0; 200];
    let mut messages = Vec::new();
    while let Ok(Some(length)) = pair.session(1).recv(&mut out, CHANNEL) {
        messages.push(out[..length].to_vec());
    }
    assert_eq!(messages, expected, "{mode:?}, seed {seed}, lived: {lived}");
    (lived, messages.len())
}

//= docs/protocol.md P-9-2 P-9.1-2
#[test]
fn d18_of_fragments_that_contradict_the_first_holds_or_the_session_ends_in_every_mode() {
    for mode in MODES {
        let outcomes: Vec<_> = (0..CASES).map(|seed| run_case(mode, seed)).collect();
        let lived = outcomes.iter().filter(|(lived, _)| *lived).count();
        let messages: usize = outcomes.iter().map(|(_, messages)| messages).sum();
        // Else nothing was shown.
        assert!((CASES as usize / 3..CASES as usize * 9 / 10).contains(&lived), "{mode:?}: {lived} lived");
        assert!(messages > 50, "{mode:?}: {messages} messages");
    }
}
