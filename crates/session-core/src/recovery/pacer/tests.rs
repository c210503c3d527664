use proptest::prelude::*;

use super::*;

const DATAGRAM: u64 = 1200;
const RTT: Duration = Duration::from_millis(100);

fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

/// Sends as fast as the pacer lets from `start` for `span` µs, polling every `poll` µs at most; bytes sent.
fn saturate(pacer: &mut Pacer, start: u64, span: u64, poll: u64, window: u64) -> u64 {
    let (mut now, mut sent) = (start, 0);
    while now < start + span {
        match pacer.delay(at(now), DATAGRAM, window, RTT) {
            None => {
                pacer.on_sent(at(now), DATAGRAM, window, RTT);
                sent += DATAGRAM;
            }
            Some(earliest) => now = earliest.as_micros().min(now + poll),
        }
    }
    sent
}

#[test]
fn ten_datagrams_leave_at_once_and_the_next_waits() {
    let mut pacer = Pacer::new(at(0), 1200, None);
    for _ in 0..10 {
        assert_eq!(pacer.delay(at(0), DATAGRAM, 12_000, RTT), None);
        pacer.on_sent(at(0), DATAGRAM, 12_000, RTT);
    }
    // 1200 bytes at 1.25 · 12,000 bytes per 100 ms.
    assert_eq!(pacer.delay(at(0), DATAGRAM, 12_000, RTT), Some(at(8_000)));
    assert_eq!(pacer.delay(at(7_999), DATAGRAM, 12_000, RTT), Some(at(8_000)));
    assert_eq!(pacer.delay(at(8_000), DATAGRAM, 12_000, RTT), None);
}

#[test]
fn the_rate_is_a_window_and_a_quarter_per_round_trip() {
    let mut pacer = Pacer::new(at(0), 1200, None);
    let sent = saturate(&mut pacer, 0, 1_000_000, u64::MAX / 2, 120_000);
    assert!((1_500_000..=1_500_000 + 13_200).contains(&sent), "{sent}");
}

#[test]
fn polling_every_microsecond_earns_the_same() {
    // 3,700 bytes per 100 ms: 0.046 bytes per microsecond, which a truncating bucket would never earn.
    let mut patient = Pacer::new(at(0), 1200, None);
    let mut eager = patient.clone();
    let expected = saturate(&mut patient, 0, 1_000_000, u64::MAX / 2, 3_700);
    assert_eq!(saturate(&mut eager, 0, 1_000_000, 1, 3_700), expected);
    let mut counted = Pacer::new(at(0), 1200, None);
    counted.on_sent(at(0), 12_000, 3_700, RTT);
    for now in 0..100_000 {
        counted.on_sent(at(now), 0, 3_700, RTT);
    }
    assert_eq!(counted.tokens, 4_624);
}

#[test]
fn the_cap_bounds_the_rate() {
    let mut pacer = Pacer::new(at(0), 1200, NonZeroU64::new(100_000));
    let sent = saturate(&mut pacer, 0, 1_000_000, u64::MAX / 2, 10_000_000);
    assert!((100_000..=100_000 + 13_200).contains(&sent), "{sent}");
    let mut loose = Pacer::new(at(0), 1200, NonZeroU64::new(u64::MAX));
    loose.on_sent(at(0), 12_000, 12_000, RTT);
    assert_eq!(loose.delay(at(0), DATAGRAM, 12_000, RTT), Some(at(8_000)), "a cap above the rate changes nothing");
}

#[test]
fn a_jump_forward_earns_one_burst() {
    let mut pacer = Pacer::new(at(0), 1200, None);
    pacer.on_sent(at(0), 12_000, 12_000, RTT);
    pacer.on_sent(at(u64::MAX), 12_000, 12_000, RTT);
    assert!(pacer.delay(at(u64::MAX), DATAGRAM, 12_000, RTT).is_none(), "no instant is later");
    assert_eq!(pacer.tokens, 0);
}

#[test]
fn a_clock_that_went_back_does_not_stop_the_sender() {
    let mut pacer = Pacer::new(at(1_000_000_000), 1200, None);
    pacer.on_sent(at(1_000_000_000), 12_000, 12_000, RTT);
    let earliest = pacer.delay(at(500), DATAGRAM, 12_000, RTT).unwrap();
    assert_eq!(earliest, at(8_500));
    assert_eq!(pacer.delay(earliest, DATAGRAM, 12_000, RTT), None);
}

#[test]
fn datagrams_larger_than_the_bucket_still_leave() {
    let mut pacer = Pacer::new(at(0), 256, None);
    assert_eq!(pacer.delay(at(0), 60_000, 12_000, RTT), None);
    pacer.on_sent(at(0), 60_000, 12_000, RTT);
    let earliest = pacer.delay(at(0), 60_000, 12_000, RTT).unwrap();
    assert_eq!(pacer.delay(earliest, 60_000, 12_000, RTT), None);
}

proptest! {
    #[test]
    fn every_promise_is_kept_and_nothing_panics(
        cap in prop::option::of(1..=u64::MAX),
        steps in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u16>(), any::<bool>()), 1..60),
    ) {
        let mut pacer = Pacer::new(at(0), 1200, cap.and_then(NonZeroU64::new));
        for (now, bytes, window, rtt, datagram, narrow) in steps {
            let (now, bytes, window, rtt) = if narrow {
                (now % 10_000_000, bytes % 3_000, window % 1_000_000, rtt % 1_000_000)
            } else {
                (now, bytes, window, rtt)
            };
            let (now, rtt) = (at(now), Duration::from_micros(rtt));
            if let Some(earliest) = pacer.delay(now, bytes, window, rtt) {
                prop_assert!(earliest > now);
                // Saturated instants are a promise for never.
                if earliest < Instant::MAX {
                    prop_assert_eq!(pacer.delay(earliest, bytes, window, rtt), None);
                }
            }
            pacer.on_sent(now, bytes, window, rtt);
            pacer.set_max_datagram(datagram);
        }
    }

    #[test]
    fn no_pattern_of_calls_beats_the_rate(gaps in prop::collection::vec(0..5_000u64, 1..200), window in 2_400..500_000u64) {
        let mut pacer = Pacer::new(at(0), 1200, None);
        let (mut now, mut sent) = (0, 0u64);
        for gap in gaps {
            now += gap;
            while pacer.delay(at(now), DATAGRAM, window, RTT).is_none() {
                pacer.on_sent(at(now), DATAGRAM, window, RTT);
                sent += DATAGRAM;
            }
        }
        let allowed = now * window * 5 / 400_000;
        let burst = (window * 5 * 2_000 / 400_000).max(12_000);
        prop_assert!(sent <= allowed + burst);
    }
}

#[test]
fn a_span_earns_its_part_of_a_round_trip() {
    let pacer = Pacer::new(at(0), 1200, None);
    // 1.25 windows of 1 MB per 100 ms are 12.5 kB per ms.
    assert_eq!(pacer.bytes_in(Duration::from_millis(1), 1_000_000, RTT), 12_500);
    assert_eq!(pacer.bytes_in(Duration::ZERO, 1_000_000, RTT), 0);
    assert_eq!(pacer.bytes_in(Duration::MAX, u64::MAX, Duration::ZERO), u64::MAX);
    let capped = Pacer::new(at(0), 1200, NonZeroU64::new(1_000_000));
    assert_eq!(capped.bytes_in(Duration::from_millis(1), 1_000_000, RTT), 1_000);
}

#[test]
fn what_is_earned_in_64_bits_is_what_is_earned_in_128() {
    for (bytes, per_micros, micros, remainder) in
        [(5, 4, 7, 3), (12_000, 400_000, 99_999, 399_999), (1, 1, u64::MAX - 1, 0), (u64::MAX, 3, 1, 0)]
    {
        let rate = Rate { bytes, micros: per_micros };
        assert_eq!(rate.earn(micros, remainder), rate.earn_much(micros, remainder), "{bytes} in {per_micros}");
    }
}
