use proptest::prelude::*;

use super::*;

const DATAGRAM: u16 = 1200;
const MSS: u64 = 1200;

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1000)
}

#[test]
fn the_initial_window_follows_section_7_2() {
    for (datagram, window) in [(1200, 12_000), (1472, 14_720), (1500, 14_720), (9000, 18_000), (256, 2_560)] {
        assert_eq!(NewReno::new(datagram).window(), window, "datagram {datagram}");
    }
}

#[test]
fn slow_start_doubles_per_round_trip() {
    let mut reno = NewReno::new(DATAGRAM);
    for _ in 0..10 {
        reno.on_acked(MSS, at(0), at(50), false);
    }
    assert_eq!(reno.window(), 24_000);
}

#[test]
fn an_idle_application_earns_no_window() {
    let mut reno = NewReno::new(DATAGRAM);
    reno.on_acked(MSS, at(0), at(50), true);
    assert_eq!(reno.window(), 12_000);
}

#[test]
fn one_recovery_period_halves_once() {
    let mut reno = NewReno::new(DATAGRAM);
    reno.on_congestion(at(5), at(10), false);
    assert_eq!(reno.window(), 6_000);
    reno.on_congestion(at(9), at(12), false);
    reno.on_congestion(at(10), at(13), false);
    assert_eq!(reno.window(), 6_000, "sent before the reduction");
    reno.on_acked(MSS, at(10), at(14), false);
    assert_eq!(reno.window(), 6_000, "acknowledgements of the period do not grow the window");
    reno.on_congestion(at(11), at(20), false);
    assert_eq!(reno.window(), 3_000, "sent after it");
}

#[test]
fn congestion_avoidance_adds_one_datagram_per_window() {
    let mut reno = NewReno::new(DATAGRAM);
    reno.on_congestion(at(5), at(10), false);
    for _ in 0..4 {
        reno.on_acked(MSS, at(11), at(20), false);
    }
    assert_eq!(reno.window(), 6_000);
    reno.on_acked(MSS, at(11), at(20), false);
    assert_eq!(reno.window(), 7_200);
}

#[test]
fn small_acknowledgements_add_up() {
    let mut reno = NewReno::new(DATAGRAM);
    reno.on_congestion(at(5), at(10), false);
    for _ in 0..6_000 {
        reno.on_acked(1, at(11), at(20), false);
    }
    assert_eq!(reno.window(), 7_200);
}

#[test]
fn persistent_congestion_falls_to_the_minimum_and_starts_again_slowly() {
    let mut reno = NewReno::new(DATAGRAM);
    reno.on_congestion(at(5), at(10), true);
    assert_eq!(reno.window(), 2_400);
    reno.on_acked(MSS, at(6), at(11), false);
    assert_eq!(reno.window(), 3_600, "the period is over: slow start up to the threshold");
}

#[test]
fn persistent_congestion_counts_inside_a_period() {
    let mut reno = NewReno::new(DATAGRAM);
    reno.on_congestion(at(5), at(10), false);
    reno.on_congestion(at(6), at(11), true);
    assert_eq!(reno.window(), 2_400);
}

#[test]
fn a_new_datagram_size_moves_the_initial_window_and_the_floor() {
    let mut reno = NewReno::new(DATAGRAM);
    reno.set_max_datagram(1400);
    assert_eq!(reno.window(), 14_000);
    reno.on_congestion(at(5), at(10), true);
    reno.set_max_datagram(9000);
    assert_eq!(reno.window(), 18_000, "never below two datagrams");
    reno.set_max_datagram(1200);
    assert_eq!(reno.window(), 18_000);
}

proptest! {
    #[test]
    fn no_input_breaks_the_floor_or_panics(
        steps in prop::collection::vec((0..4u8, any::<u64>(), any::<u64>(), any::<u64>(), any::<bool>()), 0..200),
    ) {
        let mut reno = NewReno::new(DATAGRAM);
        for (kind, bytes, sent_at, now, flag) in steps {
            let before = reno.window();
            let (sent_at, now) = (Instant::from_micros(sent_at), Instant::from_micros(now));
            match kind {
                0 => {
                    reno.on_acked(bytes, sent_at, now, flag);
                    prop_assert!(reno.window() >= before);
                }
                1 => {
                    reno.on_congestion(sent_at, now, flag);
                    prop_assert!(reno.window() <= before);
                }
                2 => reno.set_max_datagram(bytes as u16),
                _ => reno.on_sent(bytes, now),
            }
            prop_assert!(reno.window() >= reno.minimum_window());
        }
    }
}
