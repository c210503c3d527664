use proptest::prelude::*;

use super::*;

fn sampled(millis: u64) -> RttEstimator {
    let mut rtt = RttEstimator::new();
    rtt.update(Duration::from_millis(millis), Duration::ZERO, Duration::ZERO);
    rtt
}

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1000)
}

//= docs/protocol.md P-10-2
#[test]
fn three_later_packets_make_a_loss() {
    let thresholds = LossThresholds::new(10, at(0), &sampled(100), Patience::new());
    assert!(thresholds.is_lost(7, at(0)));
    assert!(!thresholds.is_lost(8, at(0)));
    assert!(!thresholds.is_lost(11, at(0)), "nothing above the largest acknowledged is lost");
}

//= docs/protocol.md P-10-2
#[test]
fn nine_eighths_of_a_round_trip_make_a_loss() {
    let rtt = sampled(80);
    assert_eq!(loss_delay(&rtt, Patience::new()), Duration::from_millis(90));
    assert!(!LossThresholds::new(10, at(89), &rtt, Patience::new()).is_lost(9, at(0)));
    let due = LossThresholds::new(10, at(90), &rtt, Patience::new());
    assert!(due.is_lost(9, at(0)), "lost at the deadline itself, or the timer would spin");
    assert_eq!(due.deadline(at(0)), at(90));
    assert!(!due.is_lost(11, at(0)));
}

#[test]
fn the_delay_takes_the_worse_of_latest_and_smoothed() {
    let mut rtt = sampled(80);
    rtt.update(Duration::from_millis(160), Duration::ZERO, Duration::ZERO);
    assert_eq!(loss_delay(&rtt, Patience::new()), Duration::from_millis(180));
    rtt.update(Duration::ZERO, Duration::ZERO, Duration::ZERO);
    assert_eq!(loss_delay(&rtt, Patience::new()), Duration::from_micros(micros(rtt.smoothed()) * 9 / 8));
    assert_eq!(loss_delay(&sampled(0), Patience::new()), GRANULARITY);
}

#[test]
fn an_early_clock_loses_nothing() {
    // now < delay: a subtraction clamped at the epoch would declare everything lost.
    assert!(!LossThresholds::new(10, at(1), &sampled(100), Patience::new()).is_lost(9, at(0)));
}

proptest! {
    #[test]
    fn any_numbers_are_judged_and_age_only_loses(largest: u64, number: u64, sent_at: u64, now: u64, later: u64, rtt: u32) {
        let mut estimator = RttEstimator::new();
        estimator.update(Duration::from_micros(rtt.into()), Duration::ZERO, Duration::ZERO);
        let sent_at = Instant::from_micros(sent_at);
        let (now, later) = (now.min(later), now.max(later));
        let early = LossThresholds::new(largest, Instant::from_micros(now), &estimator, Patience::new());
        let late = LossThresholds::new(largest, Instant::from_micros(later), &estimator, Patience::new());
        prop_assert!(!early.is_lost(number, sent_at) || late.is_lost(number, sent_at));
        let served = LossThresholds::new(largest, early.deadline(sent_at), &estimator, Patience::new());
        prop_assert_eq!(served.is_lost(number, sent_at), number <= largest);
    }
}

//= docs/protocol.md P-10-2
#[test]
fn a_path_where_packets_came_late_is_given_more_time() {
    let rtt = sampled(80);
    let mut patience = Patience::new();
    patience.on_late(5);
    let thresholds = LossThresholds::new(10, at(0), &rtt, patience);
    assert!(thresholds.is_lost(4, at(0)) && !thresholds.is_lost(5, at(0)));
    assert_eq!(loss_delay(&rtt, patience), Duration::from_millis(90));
    patience.on_late(0);
    assert_eq!(loss_delay(&rtt, patience), Duration::from_millis(100));
    for _ in 0..9 {
        patience.on_late(0);
        patience.on_late(u64::MAX);
    }
    assert_eq!(loss_delay(&rtt, patience), Duration::from_millis(160));
    assert!(LossThresholds::new(100, at(0), &rtt, patience).is_lost(36, at(0)));
}
