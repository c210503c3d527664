use proptest::prelude::*;

use super::*;

const fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

fn after(samples: &[(u64, u64)], max_ack_delay: Duration) -> RttEstimator {
    let mut rtt = RttEstimator::new();
    for &(sample, delay) in samples {
        rtt.update(ms(sample), ms(delay), max_ack_delay);
    }
    rtt
}

#[test]
fn starts_at_a_third_of_a_second() {
    let rtt = RttEstimator::new();
    assert_eq!((rtt.smoothed(), rtt.variance(), rtt.sampled), (ms(333), Duration::from_micros(166_500), false));
    assert_eq!(rtt.pto(Duration::ZERO, 0), ms(333 + 666));
}

#[test]
fn the_first_sample_replaces_the_guess_and_ignores_the_delay() {
    let rtt = after(&[(100, 50)], ms(25));
    assert_eq!((rtt.latest(), rtt.smoothed(), rtt.variance(), rtt.minimum()), (ms(100), ms(100), ms(50), ms(100)));
    assert!(rtt.sampled);
}

#[test]
fn later_samples_follow_appendix_a_7() {
    // Adjusted 140 - 20 = 120: variance (3·50 + 20) / 4, smoothed (7·100 + 120) / 8.
    let rtt = after(&[(100, 0), (140, 20)], ms(25));
    assert_eq!(rtt.smoothed(), Duration::from_micros(102_500));
    assert_eq!(rtt.variance(), Duration::from_micros(42_500));
    assert_eq!(rtt.latest(), ms(140), "the latest sample is kept unadjusted");
    assert_eq!(rtt.pto(ms(25), 0), Duration::from_micros(102_500 + 170_000 + 25_000));
}

#[test]
fn the_reported_delay_counts_up_to_the_maximum() {
    assert_eq!(after(&[(100, 0), (200, 1000)], ms(25)), after(&[(100, 0), (200, 25)], ms(25)));
}

#[test]
fn the_delay_never_pushes_a_sample_below_the_minimum() {
    assert_eq!(after(&[(100, 0), (110, 20)], ms(25)), after(&[(100, 0), (110, 0)], ms(25)));
    assert_eq!(after(&[(100, 0), (60, 20)], ms(25)).minimum(), ms(60), "the minimum ignores the delay");
}

#[test]
fn a_standing_clock_leaves_one_granularity() {
    let mut rtt = RttEstimator::new();
    for _ in 0..100 {
        rtt.update(Duration::ZERO, ms(25), ms(25));
    }
    assert_eq!(rtt.pto(Duration::ZERO, 0), GRANULARITY);
}

proptest! {
    #[test]
    fn the_timeout_never_wraps_and_never_falls(
        samples in prop::collection::vec((any::<u64>(), any::<u64>()), 0..8),
        max_ack_delay: u64,
        count: u32,
    ) {
        let mut rtt = RttEstimator::new();
        let max_ack_delay = Duration::from_micros(max_ack_delay);
        for (sample, delay) in samples {
            rtt.update(Duration::from_micros(sample), Duration::from_micros(delay), max_ack_delay);
        }
        let mut last = Duration::ZERO;
        for count in (0..130).chain([count, u32::MAX - 1, u32::MAX].into_iter().filter(|&count| count >= 130)) {
            let timeout = rtt.pto(max_ack_delay, count);
            prop_assert!(timeout >= last && timeout >= GRANULARITY && timeout <= MAX_PROBE_TIMEOUT);
            last = timeout;
        }
        prop_assert_eq!(last, MAX_PROBE_TIMEOUT);
    }

    #[test]
    fn estimates_stay_between_the_samples(samples in prop::collection::vec(0..10_000_000u64, 1..50)) {
        let mut rtt = RttEstimator::new();
        for &sample in &samples {
            rtt.update(Duration::from_micros(sample), Duration::ZERO, Duration::ZERO);
        }
        let (low, high) = (*samples.iter().min().unwrap(), *samples.iter().max().unwrap());
        let smoothed = micros(rtt.smoothed());
        // Rounding down loses at most one microsecond per step and never more than 8 in all.
        prop_assert!(smoothed + 8 >= low && smoothed <= high);
        prop_assert_eq!(micros(rtt.minimum()), low);
    }
}
