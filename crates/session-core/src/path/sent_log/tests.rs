use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::recovery::Patience;
use crate::recovery::rtt::RttEstimator;
use crate::wire::packet_number::MAX as LAST;

fn packet(number: u64, sent_at: u64, size: u16) -> PacketRecord {
    PacketRecord {
        number,
        sent_at: Instant::from_micros(sent_at),
        size,
        flags: PacketFlags::from_bits(number as u16),
        largest_acked: number.checked_sub(7),
        probe: number.is_multiple_of(5),
    }
}

fn data(number: u64, count: usize) -> Vec<DataRecord> {
    let record =
        |index| DataRecord { channel_index: index as u32, offset: number << 8, positions: u32::MAX - index as u32 };
    (0..count).map(record).collect()
}

type Visited = Vec<(PacketRecord, Vec<DataRecord>)>;

/// What a walk meets; `next` takes one more packet with what it carried.
fn collect(next: impl FnMut() -> Option<(PacketRecord, Vec<DataRecord>)>) -> Visited {
    let mut visited: Visited = core::iter::from_fn(next).collect();
    visited.sort_by_key(|(packet, _)| packet.number);
    visited
}

fn with_data(log: &SentLog, pool: &Pool, cursor: &mut Cursor, packet: PacketRecord) -> (PacketRecord, Vec<DataRecord>) {
    (packet, core::iter::from_fn(|| log.next_data(pool, cursor)).collect())
}

fn ack(log: &mut SentLog, pool: &mut Pool, low: u64, high: u64) -> Visited {
    let mut cursor = Cursor::default();
    let visited = collect(|| {
        let packet = log.next_acked(pool, low, high, &mut cursor)?;
        Some(with_data(log, pool, &mut cursor, packet))
    });
    log.sweep(pool);
    visited
}

fn lose(log: &mut SentLog, pool: &mut Pool, thresholds: &LossThresholds) -> (Visited, Option<Instant>) {
    let mut cursor = Cursor::default();
    let visited = collect(|| {
        let packet = log.next_lost(pool, thresholds, &mut cursor)?;
        Some(with_data(log, pool, &mut cursor, packet))
    });
    log.sweep(pool);
    (visited, cursor.earliest_outstanding())
}

fn oldest(log: &SentLog, pool: &Pool) -> Visited {
    let mut cursor = Cursor::default();
    collect(|| {
        let packet = log.next_oldest(pool, &mut cursor)?;
        Some(with_data(log, pool, &mut cursor, packet))
    })
}

fn thresholds(largest_acked: u64, now: u64) -> LossThresholds {
    let mut rtt = RttEstimator::new();
    rtt.update(Duration::from_micros(8_000), Duration::ZERO, Duration::ZERO);
    LossThresholds::new(largest_acked, Instant::from_micros(now), &rtt, Patience::new())
}

fn filled(pool: &mut Pool, numbers: impl IntoIterator<Item = u64>, records: usize) -> SentLog {
    let mut log = SentLog::new(u16::MAX);
    for number in numbers {
        log.begin(pool, &packet(number, number, 100), &data(number, records)).unwrap();
    }
    log
}

#[test]
fn the_struct_stays_small() {
    let fixed = size_of::<SentLog>() - size_of::<[[u8; HEAD_SIZE]; RESERVE]>() - size_of::<u64>();
    assert!(fixed <= 100, "{fixed} bytes besides the reserve and the step counter");
}

#[test]
fn entries_come_back_as_written() {
    let mut pool = Pool::new(4, 256, 4);
    let mut log = filled(&mut pool, [3, 10, 11], 5);
    let expected: Visited = [3, 10, 11].map(|number| (packet(number, number, 100), data(number, 5))).into();
    assert_eq!(oldest(&log, &pool), expected);
    assert_eq!((log.bytes_in_flight(), log.len_packets(), log.blocks_held()), (300, 3, 2));
    assert_eq!(log.oldest_sent_at(&pool), Some(Instant::from_micros(3)));
    assert_eq!(log.last_ack_eliciting_sent_at(), Some(Instant::from_micros(11)));
    assert_eq!(ack(&mut log, &mut pool, 10, 10), expected[1..2]);
    assert_eq!(ack(&mut log, &mut pool, 0, u64::MAX), [expected[0].clone(), expected[2].clone()]);
    assert_eq!((log.bytes_in_flight(), log.blocks_held(), pool.free()), (0, 0, 4));
    assert_eq!((log.oldest_sent_at(&pool), log.last_ack_eliciting_sent_at()), (None, None));
}

#[test]
fn a_packet_is_acknowledged_or_lost_once() {
    let mut pool = Pool::new(4, 256, 4);
    let mut log = filled(&mut pool, 0..6, 1);
    assert_eq!(ack(&mut log, &mut pool, 5, 5).len(), 1);
    assert_eq!(ack(&mut log, &mut pool, 5, 5), []);
    let (lost, earliest) = lose(&mut log, &mut pool, &thresholds(5, 9_001));
    assert_eq!(lost.iter().map(|(packet, _)| packet.number).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(earliest, Some(Instant::from_micros(3)), "3 and 4 wait for the loss timer");
    assert_eq!(ack(&mut log, &mut pool, 0, 2), [], "a late acknowledgement is ignored");
    assert_eq!(lose(&mut log, &mut pool, &thresholds(5, 9_003)).0.len(), 1, "by time, at the deadline itself");
    let (lost, earliest) = lose(&mut log, &mut pool, &thresholds(5, 9_004));
    assert_eq!((lost.len(), earliest), (1, None));
    assert_eq!(pool.free(), 4);
}

#[test]
fn refusals_change_nothing() {
    let mut pool = Pool::new(2, 256, 2);
    let mut log = SentLog::new(1);
    log.begin(&mut pool, &packet(9, 0, 10), &data(9, 4)).unwrap();
    let digest = |log: &SentLog, pool: &Pool| {
        let mut hash = StateHash::new();
        log.digest_into(pool, &mut hash);
        pool.digest_into(&mut hash);
        hash.finish()
    };
    let before = digest(&log, &pool);
    assert_eq!(log.begin(&mut pool, &packet(9, 0, 10), &[]), Err(LogError::NotAscending));
    assert_eq!(log.begin(&mut pool, &packet(8, 0, 10), &[]), Err(LogError::NotAscending));
    assert_eq!(SentLog::max_data_records(&pool), 13);
    assert_eq!(log.begin(&mut pool, &packet(10, 0, 10), &data(10, 14)), Err(LogError::TooManyRecords));
    assert!(!log.room_for(&pool, 14) && !log.room_for(&pool, 8) && log.room_for(&pool, 7));
    assert_eq!(log.begin(&mut pool, &packet(10, 0, 10), &data(10, 8)), Err(LogError::Full), "max_blocks is reached");
    assert!(before == digest(&log, &pool));
    log.begin(&mut pool, &packet(LAST, 0, 10), &data(10, 7)).unwrap();
    assert_eq!(log.begin(&mut pool, &packet(LAST, 0, 10), &[]), Err(LogError::NotAscending));
    log.release(&mut pool);
    assert_eq!((pool.free(), log.is_empty(), log.bytes_in_flight()), (2, true, 0));
}

#[test]
fn control_packets_fit_while_the_pool_has_nothing() {
    let mut pool = Pool::new(1, 256, 1);
    let other = pool.take_open().unwrap();
    let mut log = SentLog::new(4);
    assert!(!log.room_for(&pool, 1));
    for number in 0..2 {
        assert!(log.room_for(&pool, 0));
        log.begin(&mut pool, &packet(number, number, 50), &[]).unwrap();
    }
    assert_eq!(log.begin(&mut pool, &packet(2, 2, 50), &[]), Err(LogError::Full));
    assert_eq!(log.begin(&mut pool, &packet(2, 2, 50), &data(2, 1)), Err(LogError::Full));
    assert_eq!(log.evict_reserved(), Some(packet(0, 0, 50)));
    log.begin(&mut pool, &packet(2, 2, 50), &[]).unwrap();
    assert_eq!(log.oldest_sent_at(&pool), Some(Instant::from_micros(1)));
    pool.free_open(other);
    log.begin(&mut pool, &packet(3, 3, 50), &data(3, 1)).unwrap();
    assert_eq!((log.len_packets(), log.bytes_in_flight(), log.blocks_held()), (3, 150, 1));
    let (lost, _) = lose(&mut log, &mut pool, &thresholds(4, 4));
    assert_eq!(lost, [(packet(1, 1, 50), vec![])]);
    assert_eq!(ack(&mut log, &mut pool, 0, u64::MAX).len(), 2);
    assert_eq!(pool.free(), 1);
}

#[test]
fn tiny_blocks_leave_the_reserve() {
    for block_size in [0, 15, 16, 47, 48] {
        let mut pool = Pool::new(3, block_size, 3);
        let mut log = SentLog::new(2);
        assert_eq!(SentLog::max_data_records(&pool), 0);
        let fitting = (0..20).filter(|&number| log.begin(&mut pool, &packet(number, 0, 1), &[]).is_ok()).count();
        assert_eq!(fitting, if block_size < 48 { 2 } else { 4 }, "block size {block_size}");
        assert_eq!(ack(&mut log, &mut pool, 0, u64::MAX).len(), fitting);
        assert_eq!(pool.free(), 3);
    }
}

#[test]
fn holes_do_not_hold_the_blocks_behind_them() {
    let mut pool = Pool::new(100, 256, 100);
    let mut log = filled(&mut pool, 0..400, 1);
    assert_eq!(log.blocks_held(), 80);
    ack(&mut log, &mut pool, 1, 399);
    assert_eq!((log.blocks_held(), log.len_packets()), (1, 1));
    log.begin(&mut pool, &packet(400, 400, 1), &data(400, 1)).unwrap();
    assert_eq!(ack(&mut log, &mut pool, 0, u64::MAX).len(), 2);
    assert_eq!(pool.free(), 100);
}

#[test]
fn a_cursor_from_before_a_sweep_touches_nothing() {
    let mut pool = Pool::new(3, 256, 3);
    let mut log = filled(&mut pool, 0..10, 1);
    // One walk stopped between packets, one between a packet and its data.
    let (mut between, mut inside) = (Cursor::default(), Cursor::default());
    for _ in 0..2 {
        log.next_acked(&mut pool, 0, u64::MAX, &mut between).unwrap();
    }
    log.next_acked(&mut pool, 0, u64::MAX, &mut inside).unwrap();
    ack(&mut log, &mut pool, 0, 6);
    let mut other = filled(&mut pool, 0..10, 1);
    for cursor in [&mut between, &mut inside] {
        assert_eq!(log.next_acked(&mut pool, 0, u64::MAX, cursor), None);
        assert_eq!(log.next_oldest(&pool, cursor), None);
    }
    assert_eq!(ack(&mut other, &mut pool, 0, u64::MAX).len(), 10, "blocks of another log are left alone");
    assert_eq!(ack(&mut log, &mut pool, 0, u64::MAX).len(), 3);
}

#[test]
fn the_hint_never_names_a_block_of_another_log() {
    for with_stale_cursor in [false, true] {
        let mut pool = Pool::new(4, 256, 4);
        let mut log = filled(&mut pool, 0..5, 1);
        let mut stale = Cursor::default();
        if with_stale_cursor {
            log.next_acked(&mut pool, 0, u64::MAX, &mut stale).unwrap();
        }
        ack(&mut log, &mut pool, 0, u64::MAX);
        let mut other = filled(&mut pool, 0..5, 1);
        assert!(!with_stale_cursor || log.next_acked(&mut pool, 0, u64::MAX, &mut stale).is_none());
        log.begin(&mut pool, &packet(5, 5, 77), &[]).unwrap();
        assert_eq!(ack(&mut log, &mut pool, 3, u64::MAX), [(packet(5, 5, 77), vec![])]);
        assert_eq!(ack(&mut other, &mut pool, 0, u64::MAX).len(), 5);
    }
}

#[test]
fn the_range_of_numbers_costs_nothing() {
    let mut pool = Pool::new(100, 1024, 100);
    let mut log = filled(&mut pool, (0..1000).map(|number| number << 40), 2);
    log.steps.set(0);
    assert_eq!(ack(&mut log, &mut pool, 0, u64::MAX).len(), 1000);
    let for_all = log.steps.get();
    assert!(for_all <= 6 * 1000, "{for_all} steps for 1000 packets with 2 records each");
    log.steps.set(0);
    for _ in 0..100 {
        assert_eq!(ack(&mut log, &mut pool, 0, u64::MAX), []);
        assert_eq!(ack(&mut log, &mut pool, u64::MAX, 0), []);
    }
    assert!(log.steps.get() <= 200 * 10);
}

/// Behind a packet above the range nothing in the blocks is wanted, but what found room only in the log itself is.
#[test]
fn a_walk_ends_at_the_first_packet_above_the_range_and_goes_on_in_the_reserve() {
    let mut pool = Pool::new(100, 256, 100);
    let mut log = filled(&mut pool, 0..7, 1);
    let mut others = Vec::new();
    while let Some(block) = pool.take_for_record() {
        others.push(block);
    }
    let no_room = |log: &SentLog, pool: &Pool| !log.room_for(pool, 1);
    let mut next = 7;
    while !no_room(&log, &pool) {
        log.begin(&mut pool, &packet(next, next, 100), &data(next, 1)).unwrap();
        next += 1;
    }
    let reserved = next;
    log.begin(&mut pool, &packet(reserved, reserved, 50), &[]).unwrap();
    others.into_iter().for_each(|block| pool.free_open(block));
    for number in reserved + 1..reserved + 400 {
        log.begin(&mut pool, &packet(number, number, 100), &data(number, 1)).unwrap();
    }
    assert!(log.blocks_held() > 50);
    log.steps.set(0);
    assert_eq!(ack(&mut log, &mut pool, 2, 2), [(packet(2, 2, 100), data(2, 1))]);
    assert!(log.steps.get() < 20, "{} steps", log.steps.get());
    log.steps.set(0);
    let numbers: Vec<_> = ack(&mut log, &mut pool, 3, reserved).iter().map(|(packet, _)| packet.number).collect();
    assert_eq!(numbers, (3..=reserved).collect::<Vec<_>>(), "the last of them needed no block");
    assert!(log.steps.get() < 60, "{} steps", log.steps.get());
}

/// What a log and its pool are, blocks included.
fn state(log: &SentLog, pool: &Pool) -> [u8; 32] {
    let mut hash = StateHash::new();
    log.digest_into(pool, &mut hash);
    pool.digest_into(&mut hash);
    hash.finish()
}

#[test]
fn the_only_packet_is_taken_as_by_a_walk() {
    let mut straight = 0;
    for (records, settled, low, high) in (0..3).flat_map(|records| {
        let ranges = (0..7).flat_map(move |low| (low..8).map(move |high| (low, high)));
        ranges.flat_map(move |(low, high)| (0..7).map(move |settled| (records, settled, low, high)))
    }) {
        // Two twins with the packets 0 to 5, of which all below `settled` and then all above it are gone.
        let [(mut log, mut pool), (mut walked, mut walked_pool)] = [(); 2].map(|()| {
            let mut pool = Pool::new(4, 256, 4);
            let mut log = filled(&mut pool, 0..6, records);
            if settled > 0 {
                ack(&mut log, &mut pool, 0, settled - 1);
                ack(&mut log, &mut pool, settled + 1, u64::MAX);
            }
            (log, pool)
        });
        let Some(only) = log.only(&pool, low, high) else { continue };
        straight += 1;
        assert!((low..=high).contains(&only.packet.number));
        let expected = ack(&mut walked, &mut walked_pool, low, high);
        assert_eq!([(only.packet, only.data.into_iter().collect::<Vec<_>>())][..], expected);
        log.forget_only(&mut pool, &only);
        assert_eq!(state(&log, &pool), state(&walked, &walked_pool));
    }
    // Of the six, one at a time is left, with nothing or one piece of data, in a block of its own or behind others.
    assert!(straight > 100, "{straight}");
}

/// Steps to settle `packets` packets in flight by the given acknowledgements.
fn steps_for(packets: u64, acks: impl Iterator<Item = (u64, u64)>, detect_losses: bool) -> u64 {
    let mut pool = Pool::new(packets as u32, 1024, packets as u32);
    let mut log = filled(&mut pool, 0..packets, 1);
    log.steps.set(0);
    for (low, high) in acks {
        ack(&mut log, &mut pool, low, high);
        if detect_losses {
            lose(&mut log, &mut pool, &thresholds(high, 0));
        }
        let _ = (log.oldest_sent_at(&pool), log.last_ack_eliciting_sent_at());
    }
    assert!(log.is_empty());
    assert_eq!(pool.free(), packets as u32);
    log.steps.get()
}

#[test]
fn work_grows_with_the_packets_only() {
    let every_second = |n: u64| {
        let odd = (0..n).skip(1).step_by(2);
        odd.chain((0..n).step_by(2)).map(|number| (number, number))
    };
    let behind_a_hole = |n: u64| (1..n).map(|high| (1, high)).chain([(0, 0)]);
    let from_the_end = |n: u64| (0..n).rev().map(|number| (number, number));
    let both_ends = |n: u64| (0..n).flat_map(move |number| [(number, number), (n - 1, n - 1)]);
    let cases: [(&str, &dyn Fn(u64) -> u64); 5] = [
        ("every second", &|n| steps_for(n, every_second(n), false)),
        ("every second, with losses", &|n| steps_for(n, every_second(n), true)),
        ("behind a hole", &|n| steps_for(n, behind_a_hole(n), false)),
        ("from the end, with losses", &|n| steps_for(n, from_the_end(n).chain([(0, n)]), true)),
        ("both ends, with losses", &|n| steps_for(n, both_ends(n).chain([(0, n)]), true)),
    ];
    for (name, steps) in cases {
        let (half, whole) = (steps(10_000), steps(20_000));
        assert!(whole * 10 <= half * 23, "{name}: {half} steps for 10,000 packets, {whole} for 20,000");
    }
}

#[derive(Clone, Debug)]
enum Operation {
    Begin { gap: u64, size: u16, records: usize },
    Acknowledge { back: u64, length: u64 },
    AcknowledgeAll,
    Lose { back: u64, age: u64 },
    Probe,
    Evict,
    TakeFromPool(usize),
    ReturnToPool,
    Release,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        40 => (1..4u64, any::<u16>(), 0..15usize).prop_map(|(gap, size, records)| Operation::Begin { gap, size, records }),
        10 => (0..80u64, 0..20u64).prop_map(|(back, length)| Operation::Acknowledge { back, length }),
        1 => Just(Operation::AcknowledgeAll),
        5 => (0..80u64, 0..20_000u64).prop_map(|(back, age)| Operation::Lose { back, age }),
        5 => Just(Operation::Probe),
        2 => Just(Operation::Evict),
        3 => (1..8usize).prop_map(Operation::TakeFromPool),
        3 => Just(Operation::ReturnToPool),
        1 => Just(Operation::Release),
    ]
}

/// The log, and a map that does the same the plain way.
struct Pair {
    pool: Pool,
    others: Vec<BlockId>,
    log: SentLog,
    map: BTreeMap<u64, (PacketRecord, Vec<DataRecord>)>,
    number: u64,
    now: u64,
}

impl Pair {
    fn take(&mut self, mut wanted: impl FnMut(&PacketRecord) -> bool) -> Visited {
        let taken: Visited = self.map.values().filter(|(packet, _)| wanted(packet)).cloned().collect();
        self.map.retain(|_, (packet, _)| !wanted(packet));
        taken
    }

    fn apply(&mut self, operation: Operation) {
        self.now += 500;
        match operation {
            Operation::Begin { gap, size, records } => self.begin(gap, size, records),
            Operation::Acknowledge { back, length } => {
                let low = self.number.saturating_sub(back);
                let high = low + length;
                let expected = self.take(|packet| (low..=high).contains(&packet.number));
                assert_eq!(ack(&mut self.log, &mut self.pool, low, high), expected);
            }
            Operation::AcknowledgeAll => {
                let expected = self.take(|_| true);
                assert_eq!(ack(&mut self.log, &mut self.pool, 0, u64::MAX), expected);
                assert_eq!(self.log.blocks_held(), 0);
            }
            Operation::Lose { back, age } => {
                let largest = self.number.saturating_sub(back);
                let thresholds = thresholds(largest, self.now.saturating_sub(age));
                let expected = self.take(|packet| thresholds.is_lost(packet.number, packet.sent_at));
                let left = self.map.values().filter(|(packet, _)| packet.number <= largest);
                let earliest = left.map(|(packet, _)| packet.sent_at).min();
                assert_eq!(lose(&mut self.log, &mut self.pool, &thresholds), (expected, earliest));
            }
            Operation::Probe => {
                let expected: Visited = self.map.values().cloned().collect();
                assert_eq!(oldest(&self.log, &self.pool), expected);
            }
            Operation::Evict => {
                if let Some(packet) = self.log.evict_reserved() {
                    assert_eq!(self.map.remove(&packet.number), Some((packet, vec![])));
                }
            }
            Operation::TakeFromPool(count) => {
                self.others.extend((0..count).filter_map(|_| self.pool.take_open()));
            }
            Operation::ReturnToPool => self.others.drain(..).for_each(|block| self.pool.free_open(block)),
            Operation::Release => {
                self.log.release(&mut self.pool);
                self.map.clear();
            }
        }
    }

    fn begin(&mut self, gap: u64, size: u16, records: usize) {
        let number = self.number + gap;
        let (packet, data) = (packet(number, self.now, size), data(number, records));
        let fits = self.log.room_for(&self.pool, records);
        match self.log.begin(&mut self.pool, &packet, &data) {
            Ok(()) => {
                assert!(fits);
                self.map.insert(number, (packet, data));
                self.number = number;
            }
            Err(LogError::TooManyRecords) => assert!(!fits && records > SentLog::max_data_records(&self.pool)),
            Err(LogError::Full) => {
                let no_block = self.pool.open_available() == 0 || self.log.blocks_held() == 6;
                assert!(!fits && no_block, "room is refused only without a block");
                assert!(records > 0 || self.map.len() >= RESERVE);
            }
            Err(LogError::NotAscending) => panic!("numbers ascend here"),
        }
    }

    fn check(&self) {
        let sizes: u64 = self.map.values().map(|(packet, _)| u64::from(packet.size)).sum();
        assert_eq!(self.log.bytes_in_flight(), sizes);
        assert_eq!(self.log.len_packets() as usize, self.map.len());
        assert_eq!(self.log.is_empty(), self.map.is_empty());
        assert_eq!(self.log.oldest_sent_at(&self.pool), self.map.values().map(|(packet, _)| packet.sent_at).min());
        let last = self.log.last_ack_eliciting_sent_at();
        assert_eq!(last.is_some(), !self.map.is_empty());
        assert!(last >= self.map.values().map(|(packet, _)| packet.sent_at).max());
        assert!(self.log.blocks_held() <= 6);
        let held = usize::from(self.log.blocks_held()) + self.others.len();
        assert_eq!(held + self.pool.free() as usize, self.pool.capacity() as usize);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_log_agrees_with_a_map(operations in prop::collection::vec(operation(), 1..200)) {
        let mut pair = Pair {
            pool: Pool::new(10, 256, 10),
            others: Vec::new(),
            log: SentLog::new(6),
            map: BTreeMap::new(),
            number: 0,
            now: 0,
        };
        for operation in operations {
            pair.apply(operation);
            pair.check();
        }
        pair.apply(Operation::ReturnToPool);
        pair.apply(Operation::AcknowledgeAll);
        prop_assert_eq!(pair.pool.free(), 10);
    }
}
