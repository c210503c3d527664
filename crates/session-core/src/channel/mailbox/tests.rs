use std::collections::{BTreeMap, BTreeSet};
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const BLOCK_SIZE: usize = 256;

fn pool() -> Pool {
    Pool::new(64, BLOCK_SIZE, 64)
}

fn part(number: u64, offset: u64, last: bool, data: &[u8]) -> MessagePart<'_> {
    MessagePart { number, offset, last, data }
}

fn take(mailbox: &mut Mailbox, pool: &mut Pool) -> Option<Vec<u8>> {
    let length = mailbox.message_length(pool)? as usize;
    let mut out = vec![0; length];
    if length > 0 {
        assert_eq!(mailbox.take(pool, &mut vec![0; length - 1]), None, "a short buffer keeps the message");
    }
    assert_eq!(mailbox.take(pool, &mut out), Some(length));
    Some(out)
}

#[test]
fn whole_messages_come_out_in_the_order_they_were_completed() {
    let (mut pool, mut mailbox) = (pool(), Mailbox::new(false, 16));
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(1, 0, true, b"one")), Posted::Complete);
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(0, 0, true, b"")), Posted::Complete);
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(2, 0, true, &[7; 600])), Posted::Complete);
    assert_eq!(take(&mut mailbox, &mut pool).as_deref(), Some(&b"one"[..]));
    assert_eq!(take(&mut mailbox, &mut pool).as_deref(), Some(&b""[..]));
    assert_eq!(take(&mut mailbox, &mut pool), Some(vec![7; 600]));
    assert_eq!(take(&mut mailbox, &mut pool), None);
    assert_eq!((mailbox.blocks_held(), pool.free()), (0, 64));
}

#[test]
fn a_third_incomplete_message_displaces_the_oldest_and_an_older_one_displaces_nothing() {
    let (mut pool, mut mailbox) = (pool(), Mailbox::new(false, 16));
    for number in [5, 6, 7] {
        assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(number, 0, false, b"head")), Posted::Kept);
    }
    assert_eq!(mailbox.dropped(), 1);
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(4, 0, false, b"head")), Posted::Kept);
    assert_eq!(mailbox.dropped(), 2);
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(6, 4, true, b"tail")), Posted::Complete);
    assert_eq!(take(&mut mailbox, &mut pool).as_deref(), Some(&b"headtail"[..]));
}

#[test]
fn the_newest_value_replaces_what_was_not_read() {
    let (mut pool, mut mailbox) = (pool(), Mailbox::new(true, 16));
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(3, 0, true, b"old")), Posted::Complete);
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(2, 0, true, b"older")), Posted::Kept);
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(4, 0, false, b"n")), Posted::Kept);
    assert_eq!(mailbox.message_length(&pool), Some(3));
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(4, 1, true, b"ew")), Posted::Complete);
    assert_eq!(take(&mut mailbox, &mut pool).as_deref(), Some(&b"new"[..]));
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(4, 0, true, b"new")), Posted::Kept, "a repetition is no news");
    assert_eq!(take(&mut mailbox, &mut pool), None);
    assert_eq!(pool.free(), 64);
}

#[test]
fn of_overlapping_parts_the_first_holds_and_contradictions_change_nothing() {
    let (mut pool, mut mailbox) = (pool(), Mailbox::new(false, 16));
    mailbox.post(&mut pool, u32::MAX, &part(0, 2, false, b"cd"));
    let mut before = StateHash::new();
    mailbox.post(&mut pool, u32::MAX, &part(0, 0, false, b"abXX"));
    mailbox.post(&mut pool, u32::MAX, &part(1, 3, true, b"z"));
    mailbox.digest_into(&pool, &mut before);
    for wrong in [part(0, 0, true, b"abc"), part(1, 4, false, b"z"), part(1, 0, true, b"z")] {
        assert_eq!(mailbox.post(&mut pool, u32::MAX, &wrong), Posted::Contradiction);
    }
    let mut after = StateHash::new();
    mailbox.digest_into(&pool, &mut after);
    assert_eq!(before.finish(), after.finish());
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(0, 3, true, b"Xe")), Posted::Complete);
    assert_eq!(take(&mut mailbox, &mut pool).as_deref(), Some(&b"abcde"[..]));
}

#[test]
fn an_unreliable_message_without_room_is_given_up_and_counted_once() {
    let (mut pool, mut mailbox) = (pool(), Mailbox::new(false, 3));
    let width = per_block(&pool);
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(0, 0, true, &vec![1; 2 * width])), Posted::Complete);
    // It is found out with its first part, or with a later one, and neither what was kept nor what still comes takes room.
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(1, 0, false, &vec![2; 2 * width])), Posted::NoRoom(u32::MAX));
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(1, 2 * width as u64, true, b"x")), Posted::Kept);
    assert_eq!((mailbox.blocks_held(), mailbox.dropped()), (2, 1));
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(2, 0, false, &vec![2; width])), Posted::Kept);
    assert_eq!(
        mailbox.post(&mut pool, u32::MAX, &part(2, width as u64, false, &vec![2; width])),
        Posted::NoRoom(u32::MAX)
    );
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(2, 2 * width as u64, true, b"x")), Posted::Kept);
    assert_eq!((mailbox.blocks_held(), mailbox.dropped()), (2, 2));
    // What never fits is not asked for again.
    for offset in [3 * width as u64, 4 * width as u64] {
        assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(3, offset, false, b"x")), Posted::Kept);
    }
    assert_eq!(mailbox.dropped(), 3);
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(4, 0, true, &vec![2; width])), Posted::Complete);
    assert_eq!((mailbox.blocks_held(), mailbox.dropped()), (3, 3));
    mailbox.release(&mut pool);
    assert_eq!(pool.free(), 64);
}

/// A reader that runs late would else lose short messages by the thousand, in blocks that are almost empty.
#[test]
fn small_messages_that_come_whole_share_blocks() {
    let (mut pool, mut mailbox) = (pool(), Mailbox::new(false, 2));
    // Eight bytes of a block are its head, and two of a message its length: 13 of 17 bytes fit.
    for number in 0..26_u8 {
        let posted = mailbox.post(&mut pool, u32::MAX, &part(number.into(), 0, true, &[number; 17]));
        assert_eq!(posted, Posted::Complete, "{number}");
    }
    assert_eq!(mailbox.blocks_held(), 2);
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(26, 0, true, &[26; 17])), Posted::NoRoom(1));
    assert_eq!(mailbox.dropped(), 1);
    for number in 0..13_u8 {
        assert_eq!(mailbox.blocks_held(), 2);
        assert_eq!(take(&mut mailbox, &mut pool), Some(vec![number; 17]));
    }
    // What was read makes room when its block is free; longer ones stand between pages, in order.
    assert_eq!(mailbox.blocks_held(), 1);
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(27, 0, true, &[27; 246])), Posted::Complete);
    assert_eq!(mailbox.drop_oldest(&mut pool).then(|| mailbox.dropped()), Some(2));
    for number in 14..26_u8 {
        assert_eq!(take(&mut mailbox, &mut pool), Some(vec![number; 17]));
    }
    assert_eq!(take(&mut mailbox, &mut pool), Some(vec![27; 246]));
    assert_eq!((mailbox.blocks_held(), pool.free()), (0, 64));
}

/// It may never become whole, and would keep out all that come.
//= docs/protocol.md P-9.1-5
#[test]
fn an_incomplete_message_gives_way_to_a_newer_whole_one_and_not_to_an_older() {
    let (mut pool, mut mailbox) = (pool(), Mailbox::new(false, 1));
    mailbox.post(&mut pool, u32::MAX, &part(5, 0, false, b"head"));
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(4, 0, true, b"older")), Posted::NoRoom(1));
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(6, 0, true, b"newer")), Posted::Complete);
    assert_eq!(take(&mut mailbox, &mut pool).as_deref(), Some(&b"newer"[..]));
    assert_eq!((mailbox.dropped(), mailbox.blocks_held(), pool.free()), (2, 0, 64));
}

/// Nothing of it has to wait, so it displaces nothing.
#[test]
fn a_whole_message_needs_no_place_among_the_incomplete() {
    let (mut pool, mut mailbox) = (pool(), Mailbox::new(false, 8));
    for number in [5, 7] {
        mailbox.post(&mut pool, u32::MAX, &part(number, 0, false, b"he"));
    }
    for number in [4, 6, 8] {
        assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(number, 0, true, &[number as u8; 9])), Posted::Complete);
        assert_eq!(take(&mut mailbox, &mut pool), Some(vec![number as u8; 9]));
    }
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(5, 2, true, b"re")), Posted::Complete);
    assert_eq!((take(&mut mailbox, &mut pool).as_deref(), mailbox.dropped()), (Some(&b"here"[..]), 0));
}

proptest! {
    /// Parts in any order, repeated, cut anywhere: what comes out is what went in, once.
    #[test]
    fn parts_in_any_order_make_the_message(
        length in 0_usize..1500,
        cuts in proptest::collection::vec(0_usize..1500, 0..8),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 1..40),
    ) {
        let message: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let mut edges: Vec<usize> = cuts.into_iter().filter(|cut| *cut < length && *cut > 0).collect();
        edges.extend([0, length]);
        edges.sort_unstable();
        edges.dedup();
        if length == 0 {
            edges = vec![0, 0];
        }
        let pieces: Vec<(usize, usize)> = edges.windows(2).map(|edge| (edge[0], edge[1])).collect();
        let (mut pool, mut mailbox) = (pool(), Mailbox::new(true, 32));
        let mut complete = 0;
        let chosen = order.iter().map(|index| *index.get(&pieces)).chain(pieces.iter().copied());
        for (from, to) in chosen {
            let posted = mailbox.post(&mut pool, u32::MAX, &part(9, from as u64, to == length, &message[from..to]));
            complete += usize::from(posted == Posted::Complete);
            prop_assert!(!matches!(posted, Posted::NoRoom(_)));
        }
        prop_assert_eq!(complete, 1);
        prop_assert_eq!(take(&mut mailbox, &mut pool), Some(message));
        prop_assert_eq!(pool.free(), 64);
    }
}

/// Posts a message of `blocks` blocks but for those that are `lost`; says what came of its last part.
fn post_blocks(mailbox: &mut Mailbox, pool: &mut Pool, number: u64, blocks: u64, lost: &[u64]) -> Posted {
    let width = per_block(pool);
    let data = vec![number as u8; width];
    let mut posted = Posted::Kept;
    for block in (0..blocks).filter(|block| !lost.contains(block)) {
        posted = mailbox.post(pool, u32::MAX, &part(number, block * width as u64, block + 1 == blocks, &data));
    }
    posted
}

/// Parts that never come would else keep every later message out, for ever.
//= docs/protocol.md P-9.1-5
#[test]
fn an_incomplete_message_gives_way_to_newer_ones_where_room_is_missing() {
    for latest_only in [false, true] {
        let (mut pool, mut mailbox) = (pool(), Mailbox::new(latest_only, 4));
        assert_eq!(post_blocks(&mut mailbox, &mut pool, 1, 3, &[1]), Posted::Kept);
        for number in 2..6 {
            assert_eq!(
                post_blocks(&mut mailbox, &mut pool, number, 3, &[]),
                Posted::Complete,
                "{latest_only} {number}"
            );
            assert_eq!(take(&mut mailbox, &mut pool).map(|message| message[0]), Some(number as u8));
        }
        assert_eq!(mailbox.dropped(), 1);
        assert_eq!((mailbox.blocks_held(), pool.free()), (0, 64));
    }
}

#[test]
fn an_incomplete_message_does_not_give_way_to_an_older_one() {
    let (mut pool, mut mailbox) = (pool(), Mailbox::new(false, 4));
    assert_eq!(post_blocks(&mut mailbox, &mut pool, 7, 3, &[1]), Posted::Kept);
    assert_eq!(post_blocks(&mut mailbox, &mut pool, 6, 3, &[]), Posted::NoRoom(u32::MAX));
    assert_eq!(post_blocks(&mut mailbox, &mut pool, 7, 2, &[0]), Posted::Contradiction, "its end is known still");
    let width = per_block(&pool);
    assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(7, width as u64, false, &vec![7; width])), Posted::Complete);
}

/// It would else keep the newer one unacknowledged for as long as nobody reads.
//= docs/protocol.md P-9.1-5
#[test]
fn a_value_nobody_has_read_gives_way_to_a_newer_one_where_room_is_missing() {
    let (mut pool, mut mailbox) = (pool(), Mailbox::new(true, 4));
    for number in 0..4 {
        assert_eq!(post_blocks(&mut mailbox, &mut pool, number, 3, &[]), Posted::Complete, "{number}");
    }
    assert_eq!(mailbox.dropped(), 3);
    // While a newer one arrives, there is nothing to read, and never an older one after it.
    assert_eq!(post_blocks(&mut mailbox, &mut pool, 5, 3, &[2]), Posted::Kept);
    assert_eq!(take(&mut mailbox, &mut pool), None);
    assert_eq!(post_blocks(&mut mailbox, &mut pool, 3, 3, &[]), Posted::Kept);
    assert_eq!(take(&mut mailbox, &mut pool), None);
    assert_eq!(post_blocks(&mut mailbox, &mut pool, 5, 3, &[0, 1]), Posted::Complete);
    assert_eq!(take(&mut mailbox, &mut pool).map(|message| message[0]), Some(5));
    assert_eq!((mailbox.blocks_held(), pool.free()), (0, 64));
}

#[test]
fn a_value_that_was_not_read_stays_while_there_is_room_for_both() {
    let (mut pool, mut mailbox) = (pool(), Mailbox::new(true, 4));
    assert_eq!(post_blocks(&mut mailbox, &mut pool, 0, 2, &[]), Posted::Complete);
    assert_eq!(post_blocks(&mut mailbox, &mut pool, 1, 2, &[1]), Posted::Kept);
    assert_eq!(take(&mut mailbox, &mut pool).map(|message| message[0]), Some(0));
    assert_eq!(mailbox.dropped(), 0);
}

/// What a receiver that keeps single bytes would hold of one message.
#[derive(Clone, Debug, Default)]
struct Model {
    bytes: BTreeMap<u64, u8>,
    length: Option<u64>,
    blocks: BTreeSet<u64>,
}

impl Model {
    fn contradicts(&self, part: &MessagePart<'_>) -> bool {
        let end = part.offset + part.data.len() as u64;
        let highest = self.bytes.last_key_value().map_or(0, |(at, _)| at + 1);
        self.length.is_some_and(|length| end > length || (part.last && end != length)) || (part.last && highest > end)
    }

    /// The first bytes of a place stay.
    fn post(&mut self, pool: &Pool, part: &MessagePart<'_>) {
        for (at, byte) in (part.offset..).zip(part.data) {
            self.bytes.entry(at).or_insert(*byte);
        }
        let end = part.offset + part.data.len() as u64;
        self.blocks.extend(touched(pool, part.offset, end));
        if part.last {
            self.length = Some(end);
        }
    }

    fn is_complete(&self) -> bool {
        self.length == Some(self.bytes.len() as u64)
    }
}

/// A message that was completed, and which page it is to stand on.
struct Complete {
    message: Vec<u8>,
    page: Option<usize>,
}

/// Which page a message of `length` bytes is to stand on, and where each page ends then: on the last, if it fits behind what was not read there.
fn page_for(length: usize, complete: &[Complete], ends: &mut Vec<usize>) -> usize {
    let fits = |page: &usize| ends[*page] + 2 + length <= BLOCK_SIZE - 8;
    let page = complete.last().and_then(|last| last.page).filter(fits).unwrap_or_else(|| {
        ends.push(0);
        ends.len() - 1
    });
    ends[page] += 2 + length;
    page
}

fn digest(mailbox: &Mailbox, pool: &Pool) -> [u8; 32] {
    let mut hash = StateHash::new();
    mailbox.digest_into(pool, &mut hash);
    pool.digest_into(&mut hash);
    hash.finish()
}

#[derive(Clone, Debug)]
enum Step {
    Post { number: u64, offset: u64, length: usize, last: bool },
    Take,
}

fn step() -> impl Strategy<Value = Step> {
    let offset = || prop_oneof![Just(0_u64), 0_u64..12, 170_u64..182, 0_u64..900];
    let length = || prop_oneof![0_usize..12, 170_usize..182, 0_usize..500];
    prop_oneof![
        8 => (0_u64..5, offset(), length(), any::<bool>())
            .prop_map(|(number, offset, length, last)| Step::Post { number, offset, length, last }),
        1 => Just(Step::Take),
    ]
}

/// A message of no bytes takes two, for its length: where a page has none or one left, it stands on the next.
#[test]
fn an_empty_message_at_the_end_of_a_page_arrives() {
    for length in 240..=248 {
        let (mut pool, mut mailbox) = (pool(), Mailbox::new(false, 4));
        let first = vec![1; length];
        for (number, message) in [&first[..], b"", b"", b"2"].into_iter().enumerate() {
            assert_eq!(mailbox.post(&mut pool, u32::MAX, &part(number as u64, 0, true, message)), Posted::Complete);
        }
        let taken = [(); 4].map(|()| take(&mut mailbox, &mut pool));
        assert_eq!(taken, [Some(first), Some(vec![]), Some(vec![]), Some(b"2".to_vec())], "{length}");
    }
}

proptest! {
    /// Parts that overlap and contradict each other as they like, of messages that displace each other: a message that comes out is, byte for
    /// byte, what came first; parts of one never stand in another, and a contradiction is refused and leaves no trace.
    #[test]
    fn of_parts_that_lie_the_first_holds_or_the_session_ends(
        steps in proptest::collection::vec(step(), 1..80),
        latest_only in any::<bool>(),
        budget in 2_u32..9,
    ) {
        let (mut pool, mut mailbox) = (pool(), Mailbox::new(latest_only, budget));
        let mut models: BTreeMap<u64, Model> = BTreeMap::new();
        let mut complete: Vec<Complete> = Vec::new();
        let mut ends = Vec::new();
        let mut newest = None;
        for (index, step) in steps.iter().enumerate() {
            let Step::Post { number, offset, length, last } = *step else {
                let expected = if complete.is_empty() { None } else { Some(complete.remove(0).message) };
                prop_assert_eq!(take(&mut mailbox, &mut pool), expected);
                continue;
            };
            // The wire refuses a part that neither carries a byte nor ends its message.
            let last = last || length == 0;
            let data = vec![index as u8 | 1; length];
            let part = part(number, offset, last, &data);
            let outdated = latest_only && newest.is_some_and(|newest| number <= newest);
            let fits = offset + length as u64 <= u64::from(budget) * per_block(&pool) as u64;
            let before = digest(&mailbox, &pool);
            let is_small = !latest_only && offset == 0 && last && length <= 246 && !models.contains_key(&number);
            let lies = !outdated
                && fits
                && models.get(&number).is_some_and(|model| model.contradicts(&part));
            let posted = mailbox.post(&mut pool, u32::MAX, &part);
            prop_assert_eq!(posted == Posted::Contradiction, lies, "{:?}", part);
            if lies || outdated {
                prop_assert_eq!(digest(&mailbox, &pool), before);
                continue;
            }
            if latest_only && mailbox.message_length(&pool).is_none() && !complete.is_empty() {
                prop_assert!(Some(number) > newest, "a value gives way to a newer one only");
                complete.clear();
            }
            let held: BTreeSet<u64> = mailbox.partial.iter().flatten().map(|partial| partial.number).collect();
            prop_assert!(held.len() <= PARTIAL);
            // Only what is older gives way.
            let gone: Vec<u64> = models.keys().copied().filter(|held_before| !held.contains(held_before)).collect();
            prop_assert!(gone.iter().all(|gone| *gone <= number), "{:?} for {}", gone, number);
            if posted == Posted::Complete || posted == Posted::Kept && fits && held.contains(&number) {
                models.entry(number).or_default().post(&pool, &part);
            }
            if posted == Posted::Complete {
                let model = models.remove(&number).expect("it was posted");
                prop_assert!(model.is_complete());
                newest = newest.max(Some(number));
                if latest_only {
                    complete.clear();
                }
                let page = is_small.then(|| page_for(length, &complete, &mut ends));
                complete.push(Complete { message: model.bytes.into_values().collect(), page });
            }
            models.retain(|number, _| held.contains(number));
            prop_assert_eq!(models.keys().copied().collect::<BTreeSet<_>>(), held);
            prop_assert!(models.values().all(|model| !model.is_complete()));
            let width = per_block(&pool);
            let pages: BTreeSet<usize> = complete.iter().filter_map(|it| it.page).collect();
            let long = complete.iter().filter(|it| it.page.is_none());
            let of_complete = pages.len() + long.map(|it| it.message.len().div_ceil(width).max(1)).sum::<usize>();
            let of_partial: usize = models.values().map(|model| model.blocks.len()).sum();
            prop_assert_eq!(mailbox.blocks_held() as usize, of_complete + of_partial);
            prop_assert!(mailbox.blocks_held() <= budget);
        }
        while let Some(message) = take(&mut mailbox, &mut pool) {
            prop_assert_eq!(message, complete.remove(0).message);
        }
        prop_assert!(complete.is_empty());
        mailbox.release(&mut pool);
        prop_assert_eq!(pool.free(), 64);
    }
}
