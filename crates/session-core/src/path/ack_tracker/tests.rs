use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::wire::packet_number::MAX as LAST;

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1000)
}

fn ranges(tracker: &AckTracker) -> Vec<(u64, u64)> {
    let ranges: Vec<_> = tracker.ranges().collect();
    let without_search = tracker.only_range().map(|range| vec![range]);
    assert!(without_search.is_none_or(|found| found == ranges), "what was found without search is all there is");
    ranges
}

/// A tracker that has received `numbers`, ack-eliciting, and reported them.
fn reported(numbers: impl IntoIterator<Item = u64>) -> AckTracker {
    let mut tracker = AckTracker::new();
    for number in numbers {
        tracker.on_packet(number, true, at(0));
    }
    tracker.on_ack_sent();
    tracker
}

#[test]
fn nothing_received_is_nothing_to_say() {
    let tracker = AckTracker::new();
    assert_eq!(ranges(&tracker), []);
    assert!(!tracker.ack_due(Instant::MAX) && !tracker.has_unreported());
    assert_eq!(tracker.deadline(), None);
}

//= docs/protocol.md P-10-1
#[test]
fn the_second_ack_eliciting_packet_is_answered_at_once() {
    let mut tracker = AckTracker::new();
    tracker.on_packet(0, true, at(10));
    assert!(!tracker.ack_due(at(34)));
    assert_eq!(tracker.deadline(), Some(at(35)));
    assert!(tracker.ack_due(at(35)), "due at the deadline itself");
    tracker.on_packet(1, true, at(12));
    assert!(tracker.ack_due(at(12)));
    assert_eq!(tracker.deadline(), Some(at(12)));
    assert_eq!(tracker.ack_delay(at(15)), Duration::from_millis(3));
    tracker.on_ack_sent();
    assert!(!tracker.ack_due(Instant::MAX));
    assert_eq!((tracker.deadline(), tracker.has_unreported()), (None, false));
    assert_eq!(ranges(&tracker), [(0, 1)], "still reported until the peer knows");
}

//= docs/protocol.md P-10-5
#[test]
fn packets_that_elicit_nothing_wait_for_company() {
    let mut tracker = AckTracker::new();
    for number in 0..10 {
        tracker.on_packet(number, false, at(number));
    }
    assert!(!tracker.ack_due(Instant::MAX) && tracker.has_unreported());
    assert_eq!(tracker.deadline(), None);
    assert_eq!(ranges(&tracker), [(0, 9)]);
}

//= docs/protocol.md P-10-1
#[test]
fn a_gap_is_reported_at_once() {
    let mut tracker = reported([0]);
    tracker.on_packet(2, true, at(1));
    assert!(tracker.ack_due(at(1)));
    tracker.on_ack_sent();
    tracker.on_packet(3, true, at(2));
    assert!(!tracker.ack_due(at(2)), "the same gap only once");
    tracker.on_ack_sent();
    tracker.on_packet(1, true, at(3));
    assert!(tracker.ack_due(at(3)), "out of order");
    assert_eq!(ranges(&tracker), [(0, 3)]);
}

#[test]
fn a_gap_seen_by_a_silent_packet_counts_for_the_next_eliciting_one() {
    let mut tracker = reported([0]);
    tracker.on_packet(5, false, at(1));
    assert!(!tracker.ack_due(at(1)));
    tracker.on_packet(6, true, at(2));
    assert!(tracker.ack_due(at(2)));
}

#[test]
fn one_range_that_lies_in_one_word_is_found_without_search() {
    for (numbers, range) in
        [(0..=0, (0, 0)), (0..=63, (0, 63)), (640..=650, (640, 650)), (1_003..=1_003, (1_003, 1_003))]
    {
        assert_eq!(reported(numbers).only_range(), Some(range));
    }
    assert_eq!(reported(60..=70).only_range(), None, "two words");
    assert_eq!(reported([3, 5]).only_range(), None);
    // Numbers of the same word one window apart.
    assert_eq!(reported([10, 514]).only_range(), None);
    assert_eq!(reported([10, 700]).only_range(), Some((700, 700)), "what fell out of the window is forgotten");
}

#[test]
fn an_acknowledged_report_is_not_repeated() {
    let mut tracker = reported([0, 1, 2, 5]);
    tracker.on_packet(6, true, at(1));
    tracker.on_ack_acked(5);
    assert_eq!(ranges(&tracker), [(6, 6)]);
    tracker.on_packet(4, true, at(2));
    assert_eq!(ranges(&tracker), [(6, 6), (4, 4)], "late packets are acknowledged all the same");
    tracker.on_ack_acked(LAST);
    assert_eq!(ranges(&tracker), [(6, 6), (4, 4)], "nothing is dropped that no ACK has reported");
    tracker.on_ack_sent();
    tracker.on_ack_acked(LAST);
    assert_eq!(ranges(&tracker), []);
}

#[test]
fn the_32_newest_ranges_are_reported() {
    let tracker = reported((0..100).map(|index| index * 2));
    let expected: Vec<_> = (68..100).rev().map(|index| (index * 2, index * 2)).collect();
    assert_eq!(ranges(&tracker), expected);
}

#[test]
fn the_window_is_512_numbers_wide() {
    let mut tracker = reported(0..5000);
    assert_eq!(ranges(&tracker), [(5000 - 512, 4999)]);
    tracker.on_packet(10, true, at(1));
    assert!(!tracker.ack_due(Instant::MAX), "too old to be acknowledged");
    tracker.on_packet(LAST, true, at(1));
    assert_eq!(ranges(&tracker), [(LAST, LAST)]);
    tracker.on_packet(LAST - 511, true, at(1));
    tracker.on_packet(LAST - 512, true, at(1));
    assert_eq!(ranges(&tracker), [(LAST, LAST), (LAST - 511, LAST - 511)]);
}

#[test]
fn a_strange_clock_breaks_nothing() {
    let mut tracker = AckTracker::new();
    tracker.on_packet(0, true, Instant::MAX);
    assert_eq!(tracker.deadline(), Some(Instant::MAX));
    assert_eq!(tracker.ack_delay(at(0)), Duration::ZERO);
    tracker.on_packet(1, true, at(5));
    assert!(tracker.ack_due(at(0)), "an immediate ACK waits for no clock");
    assert_eq!(tracker.deadline(), Some(at(5)), "a deadline only comes nearer");
}

/// The same rules over a plain set.
#[derive(Default)]
struct Oracle {
    received: BTreeSet<u64>,
    unreported: BTreeSet<u64>,
    largest: Option<u64>,
}

impl Oracle {
    fn lowest(&self) -> u64 {
        self.largest.unwrap_or(0).saturating_sub(511)
    }

    fn on_packet(&mut self, number: u64) {
        self.largest = self.largest.max(Some(number));
        self.received.insert(number);
        let lowest = self.lowest();
        if number >= lowest {
            self.unreported.insert(number);
        }
        self.received.retain(|&number| number >= lowest);
    }

    fn on_ack_acked(&mut self, largest: u64) {
        let lowest_unreported = self.unreported.first().copied();
        self.received.retain(|&number| number > largest || lowest_unreported.is_some_and(|low| number >= low));
    }

    fn ranges(&self) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = vec![];
        for &number in self.received.iter().rev() {
            match ranges.last_mut() {
                Some((low, _)) if *low == number + 1 => *low = number,
                _ => ranges.push((number, number)),
            }
        }
        ranges.truncate(32);
        ranges
    }
}

#[derive(Clone, Debug)]
enum Operation {
    Packet { number: u64, ack_eliciting: bool },
    Near { back: u64, ack_eliciting: bool },
    Next { skip: u64, ack_eliciting: bool },
    AckSent,
    AckAcked { back: u64 },
}

fn operation() -> impl Strategy<Value = Operation> {
    let number = prop_oneof![Just(0), Just(LAST), 0..=LAST, LAST - 3000..=LAST];
    prop_oneof![
        1 => (number, any::<bool>()).prop_map(|(number, ack_eliciting)| Operation::Packet { number, ack_eliciting }),
        20 => (0..1100u64, any::<bool>()).prop_map(|(back, ack_eliciting)| Operation::Near { back, ack_eliciting }),
        40 => (prop_oneof![Just(1u64), 1..4u64, 1..2000u64], any::<bool>())
            .prop_map(|(skip, ack_eliciting)| Operation::Next { skip, ack_eliciting }),
        10 => Just(Operation::AckSent),
        10 => (0..1500u64).prop_map(|back| Operation::AckAcked { back }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_tracker_agrees_with_a_set(operations in prop::collection::vec(operation(), 1..150), nows in any::<[u64; 8]>()) {
        let (mut tracker, mut oracle) = (AckTracker::new(), Oracle::default());
        let mut eliciting = 0;
        for (index, operation) in operations.into_iter().enumerate() {
            let now = Instant::from_micros(nows[index % 8]);
            let largest = oracle.largest.unwrap_or(0);
            let (number, ack_eliciting) = match operation {
                Operation::Packet { number, ack_eliciting } => (number, ack_eliciting),
                Operation::Near { back, ack_eliciting } => (largest.saturating_sub(back), ack_eliciting),
                Operation::Next { skip, ack_eliciting } => (largest.saturating_add(skip).min(LAST), ack_eliciting),
                Operation::AckSent => {
                    tracker.on_ack_sent();
                    oracle.unreported.clear();
                    eliciting = 0;
                    continue;
                }
                Operation::AckAcked { back } => {
                    tracker.on_ack_acked(largest.saturating_sub(back));
                    oracle.on_ack_acked(largest.saturating_sub(back));
                    prop_assert_eq!(ranges(&tracker), oracle.ranges());
                    continue;
                }
            };
            let behind = number < oracle.lowest();
            let before = tracker.deadline();
            tracker.on_packet(number, ack_eliciting, now);
            oracle.on_packet(number);
            prop_assert_eq!(ranges(&tracker), oracle.ranges());
            prop_assert_eq!(tracker.has_unreported(), !oracle.unreported.is_empty());
            eliciting += usize::from(ack_eliciting && !behind);
            prop_assert_eq!(tracker.deadline().is_some(), eliciting > 0);
            prop_assert!(before.is_none_or(|before| tracker.deadline().is_some_and(|deadline| deadline <= before)));
            prop_assert!(eliciting < 2 || tracker.ack_due(Instant::EPOCH));
            prop_assert!(tracker.deadline().is_none_or(|deadline| tracker.ack_due(deadline)));
        }
    }
}

fn ask(tracker: &mut AckTracker, sequence: u16, packets: u8, millis: u64) {
    tracker.on_asked(sequence, NonZeroU8::new(packets).unwrap(), Duration::from_millis(millis));
}

//= docs/protocol.md P-10-1
#[test]
fn what_the_peer_asked_for_is_done() {
    let mut tracker = reported([0]);
    ask(&mut tracker, 1, 8, 10);
    for number in 1..8 {
        tracker.on_packet(number, true, at(100));
        assert!(!tracker.is_immediate(), "{number}");
    }
    assert_eq!(tracker.deadline(), Some(at(110)));
    tracker.on_packet(8, true, at(101));
    assert!(tracker.is_immediate(), "the eighth");
    tracker.on_ack_sent();
    tracker.on_packet(10, true, at(102));
    assert!(tracker.is_immediate(), "one is missing");
    tracker.on_ack_sent();
    tracker.hurry();
    tracker.on_packet(11, true, at(103));
    assert!(tracker.is_immediate(), "marked as congested");
}

//= docs/protocol.md P-10-1
#[test]
fn of_several_wishes_the_last_holds_and_no_delay_is_longer_than_ours() {
    let mut tracker = reported([0]);
    ask(&mut tracker, 2, 4, 1_000);
    ask(&mut tracker, 1, 100, 1);
    tracker.on_packet(1, true, at(0));
    assert_eq!(tracker.deadline(), Some(at(25)));
    for number in 2..5 {
        assert!(!tracker.is_immediate());
        tracker.on_packet(number, true, at(1));
    }
    assert!(tracker.is_immediate());
    tracker.on_ack_sent();
    ask(&mut tracker, 3, 1, 0);
    tracker.on_packet(5, true, at(2));
    assert!(tracker.is_immediate());
    tracker.on_ack_sent();
    ask(&mut tracker, 4, 255, 0);
    tracker.on_packet(6, true, at(3));
    assert_eq!((tracker.is_immediate(), tracker.deadline()), (false, Some(at(3))));
}
