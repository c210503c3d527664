#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::wire::packet_number::MAX as LAST;

/// The plain definition: all numbers ever inserted, cut off at the floor.
#[derive(Default)]
struct Oracle(BTreeSet<u64>);

impl Oracle {
    fn floor(&self) -> u64 {
        self.0.last().map_or(0, |largest| largest.saturating_sub(WINDOW - 1))
    }

    fn insert(&mut self, number: u64) -> bool {
        let inserted = number >= self.floor() && self.0.insert(number);
        self.0 = self.0.split_off(&self.floor());
        inserted
    }

    fn verdict(&self, number: u64) -> Verdict {
        match (number < self.floor(), self.0.contains(&number)) {
            (true, _) => Verdict::TooOld,
            (false, true) => Verdict::Seen,
            (false, false) => Verdict::Fresh,
        }
    }
}

/// Steps relative to the largest number so far, and a few far jumps.
fn any_steps() -> impl Strategy<Value = Vec<(u8, u64)>> {
    let step = prop_oneof![
        8 => (Just(0), 1..4u64),
        6 => (Just(1), 0..40u64),
        4 => (Just(1), 0..1100u64),
        3 => (Just(0), 1..200u64),
        2 => (Just(0), 1000..1100u64),
        1 => (Just(2), prop_oneof![Just(LAST), Just(0), Just(LAST - 1), 0..=LAST, 0..5000u64]),
    ];
    prop::collection::vec(step, 1..400)
}

fn number(largest: u64, (kind, distance): (u8, u64)) -> u64 {
    match kind {
        0 => largest.saturating_add(distance).min(LAST),
        1 => largest.saturating_sub(distance),
        _ => distance,
    }
}

proptest! {
    #[test]
    fn the_window_is_a_set_that_forgets(start in prop_oneof![0..3000u64, 0..=LAST], steps in any_steps()) {
        let (mut window, mut replay, mut oracle) = (PacketWindow::default(), ReplayWindow::default(), Oracle::default());
        let mut largest = start;
        for step in steps {
            let number = number(largest, step);
            prop_assert_eq!(replay.check(number), oracle.verdict(number), "{}", number);
            let inserted = oracle.insert(number);
            prop_assert_eq!(window.insert(number), inserted, "{}", number);
            replay.insert(number);
            largest = *oracle.0.last().unwrap();
            prop_assert_eq!(window.largest(), Some(largest));
            prop_assert_eq!(window.floor(), oracle.floor());
            prop_assert_eq!(window.contains(number), oracle.0.contains(&number));
        }
        for distance in 0..WINDOW + 70 {
            let number = largest.saturating_sub(distance);
            prop_assert_eq!(replay.check(number), oracle.verdict(number), "{}", number);
        }
    }
}

#[test]
fn an_empty_window_has_seen_nothing() {
    let window = ReplayWindow::default();
    for number in [0, 1, WINDOW, LAST] {
        assert_eq!(window.check(number), Verdict::Fresh);
    }
    assert_eq!(window.largest(), None);
}

#[test]
fn the_last_number_closes_the_window() {
    let mut window = ReplayWindow::default();
    window.insert(0);
    window.insert(LAST);
    assert_eq!(window.check(0), Verdict::TooOld);
    assert_eq!(window.check(LAST), Verdict::Seen);
    assert_eq!(window.check(LAST - 1), Verdict::Fresh);
    assert_eq!(window.check(LAST - WINDOW), Verdict::TooOld);
}

#[test]
fn the_window_is_exactly_1024_numbers() {
    let mut window = ReplayWindow::default();
    window.insert(0);
    window.insert(1023);
    assert_eq!(window.check(0), Verdict::Seen);
    window.insert(1024);
    assert_eq!(window.check(0), Verdict::TooOld);
    assert_eq!(window.check(1), Verdict::Fresh);
}

#[test]
fn checking_changes_nothing() {
    let digest = |window: &ReplayWindow| {
        let mut hash = StateHash::new();
        window.digest_into(&mut hash);
        hash.finish()
    };
    let mut window = ReplayWindow::default();
    window.insert(70);
    let before = digest(&window);
    for number in [0, 70, 71, 5000, LAST] {
        let _ = window.check(number);
    }
    assert_eq!(digest(&window), before);
    window.insert(69);
    assert_ne!(digest(&window), before);
}
