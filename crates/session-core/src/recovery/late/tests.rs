use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::congestion_control::CongestionControl;

fn before() -> Congestion {
    Congestion::new(CongestionControl::Cubic, 1200)
}

fn lost(numbers: impl IntoIterator<Item = u64>) -> LostPackets {
    let mut lost = LostPackets::new();
    numbers.into_iter().for_each(|number| lost.add(number));
    lost
}

#[test]
fn an_episode_is_mistaken_when_the_last_of_its_packets_has_come() {
    let mut episode = LossEpisode::new(before(), lost([10, 12]));
    assert_eq!(episode.take_acked(&[(20, 30), (11, 11), (0, 9)]), None);
    assert_eq!(episode.take_acked(&[(20, 30), (9, 11)]), Some(10));
    assert_eq!(episode.take_acked(&[(20, 30), (9, 11)]), None, "once");
    assert!(episode.mistaken().is_none(), "the other is still missing");
    episode.add(&lost([14]));
    assert_eq!(episode.take_acked(&[(0, 40)]), Some(12));
    assert!(episode.mistaken().is_none());
    assert_eq!(episode.take_acked(&[(0, 40)]), Some(14));
    assert!(episode.mistaken().is_some());
}

#[test]
fn more_packets_than_are_remembered_were_lost_whatever_comes() {
    for extra in [0, 1] {
        let count = REMEMBERED as u64 + extra;
        let mut episode = LossEpisode::new(before(), lost(0..count));
        while episode.take_acked(&[(0, 100)]).is_some() {}
        assert_eq!(episode.mistaken().is_some(), extra == 0);
    }
    let mut episode = LossEpisode::new(before(), lost([1, 1 + (1 << 16)]));
    while episode.take_acked(&[(0, 1 << 20)]).is_some() {}
    assert!(episode.mistaken().is_none(), "too far apart");
    let mut episode = LossEpisode::new(before(), lost([5]));
    episode.add(&lost(0..=REMEMBERED as u64));
    while episode.take_acked(&[(0, 100)]).is_some() {}
    assert!(episode.mistaken().is_none());
}

#[test]
fn patience_grows_with_what_comes_late_and_is_lost_in_sixteen_losses() {
    let mut patience = Patience::new();
    assert_eq!((patience.packets(), patience.lag_eighths()), (3, 1));
    patience.on_late(3);
    assert_eq!((patience.packets(), patience.lag_eighths()), (4, 1), "three behind were not late enough");
    patience.on_late(9);
    assert_eq!((patience.packets(), patience.lag_eighths()), (10, 1));
    patience.on_late(2);
    assert_eq!((patience.packets(), patience.lag_eighths()), (10, 2), "it was its time that was over");
    for _ in 0..10 {
        patience.on_late(0);
    }
    assert_eq!(patience.lag_eighths(), 8, "never more than two round trips");
    patience.on_late(u64::MAX);
    assert_eq!(patience.packets(), 64);
    for _ in 0..15 {
        patience.on_loss();
    }
    assert_eq!((patience.packets(), patience.lag_eighths()), (64, 8));
    patience.on_late(64);
    for _ in 0..15 {
        patience.on_loss();
    }
    assert_eq!(patience.packets(), 64, "counted anew from the last that was late");
    patience.on_loss();
    assert_eq!(patience, Patience::new());
}

proptest! {
    #[test]
    fn what_is_taken_is_what_was_lost_and_acknowledged(
        numbers in prop::collection::btree_set(0..200u64, 0..30),
        bounds in prop::collection::btree_set(0..200u64, 0..20),
    ) {
        let numbers: Vec<_> = numbers.into_iter().collect();
        let mut episode = LossEpisode::new(before(), lost(numbers.iter().copied()));
        let bounds: Vec<_> = bounds.into_iter().collect();
        let ranges: Vec<_> = bounds.chunks_exact(2).map(|pair| (pair[0], pair[1])).rev().collect();
        let mut taken: Vec<_> = core::iter::from_fn(|| episode.take_acked(&ranges)).collect();
        taken.sort_unstable();
        let is_acked = |number: &&u64| ranges.iter().any(|(low, high)| (low..=high).contains(number));
        let expected: Vec<_> = numbers.iter().filter(is_acked).copied().collect();
        prop_assert_eq!(&taken, &expected);
        prop_assert_eq!(episode.mistaken().is_some(), taken.len() == numbers.len());
    }
}
