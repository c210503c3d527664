use super::*;

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1000)
}

/// A round of `samples` round trips of `micros` each; whether slow start ended.
fn round(slow_start: &mut SlowStart, now: &mut u64, samples: usize, micros: u64) -> bool {
    let sent_at = at(*now);
    *now += 100;
    let mut over = false;
    for _ in 0..samples {
        over |= slow_start.on_round_trip(Duration::from_micros(micros), sent_at, at(*now));
        *now += 1;
    }
    over
}

fn is_conservative(slow_start: &SlowStart) -> bool {
    slow_start.growth(1200) == 300
}

/// RFC 9406 §4.2: a round must be slower than the last by an eighth of it, at least 4 and at most 16 ms.
#[test]
fn a_rise_counts_from_an_eighth_of_the_round_trip_on() {
    for (last, threshold) in [(8_000, 4_000), (64_000, 8_000), (1_000_000, 16_000)] {
        for (rise, counts) in [(threshold - 1, false), (threshold, true)] {
            let mut slow_start = SlowStart::new(CongestionControl::Cubic);
            let mut now = 0;
            for _ in 0..3 {
                assert!(!round(&mut slow_start, &mut now, 10, last));
            }
            assert!(!is_conservative(&slow_start));
            round(&mut slow_start, &mut now, 10, last + rise);
            assert_eq!(is_conservative(&slow_start), counts, "{last} µs and {rise} more");
        }
    }
}

#[test]
fn seven_round_trips_do_not_make_a_verdict() {
    // The first of them closes the round before.
    for (samples, counts) in [(8, false), (9, true)] {
        let mut slow_start = SlowStart::new(CongestionControl::Cubic);
        let mut now = 0;
        round(&mut slow_start, &mut now, 10, 50_000);
        round(&mut slow_start, &mut now, 10, 50_000);
        round(&mut slow_start, &mut now, samples, 90_000);
        assert_eq!(is_conservative(&slow_start), counts, "{samples}");
    }
}

#[test]
fn five_doubtful_rounds_end_slow_start() {
    let mut slow_start = SlowStart::new(CongestionControl::Cubic);
    let mut now = 0;
    round(&mut slow_start, &mut now, 20, 50_000);
    round(&mut slow_start, &mut now, 20, 50_000);
    // The first sample of a round closes the one before.
    let ended = (1..20).find(|_| round(&mut slow_start, &mut now, 20, 90_000));
    assert_eq!(ended, Some(6), "it is seen in the first, and each round counts when the next begins");
}

#[test]
fn a_round_that_is_fast_again_resumes_slow_start() {
    let mut slow_start = SlowStart::new(CongestionControl::Cubic);
    let mut now = 0;
    round(&mut slow_start, &mut now, 20, 50_000);
    round(&mut slow_start, &mut now, 20, 50_000);
    round(&mut slow_start, &mut now, 20, 90_000);
    assert!(is_conservative(&slow_start));
    round(&mut slow_start, &mut now, 20, 60_000);
    assert!(!is_conservative(&slow_start), "it was a jitter");
    for _ in 0..20 {
        assert!(!round(&mut slow_start, &mut now, 20, 60_000));
    }
}
