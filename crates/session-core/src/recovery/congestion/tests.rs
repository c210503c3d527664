use proptest::prelude::*;

use super::*;

const DATAGRAM: u16 = 1200;
const RTT: Duration = Duration::from_millis(50);
const BOTH: [CongestionControl; 2] = [CongestionControl::Cubic, CongestionControl::NewReno];

pub(super) fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1000)
}

/// A full datagram, sent and acknowledged then.
pub(super) fn acked(sent_at: Instant, now: Instant) -> Acked {
    Acked { bytes: DATAGRAM, sent_at, now, app_limited: false, smoothed_rtt: RTT, max_datagram: DATAGRAM }
}

fn new_reno() -> Congestion {
    Congestion::new(CongestionControl::NewReno, DATAGRAM)
}

#[test]
fn the_initial_window_follows_rfc_9002_section_7_2() {
    for (datagram, window) in [(1200, 12_000), (1472, 14_720), (1500, 14_720), (9000, 18_000), (256, 2_560)] {
        for control in BOTH {
            assert_eq!(Congestion::new(control, datagram).window(), window, "datagram {datagram}");
        }
    }
}

#[test]
fn slow_start_doubles_per_round_trip() {
    for control in BOTH {
        let mut congestion = Congestion::new(control, DATAGRAM);
        for _ in 0..10 {
            congestion.on_acked(&acked(at(0), at(50)));
        }
        assert_eq!(congestion.window(), 24_000);
    }
}

#[test]
fn an_idle_application_earns_no_window() {
    for control in BOTH {
        let mut congestion = Congestion::new(control, DATAGRAM);
        for lost in [false, true] {
            if lost {
                congestion.on_congestion(at(5), at(10), false, DATAGRAM);
            }
            let before = congestion.window();
            for millis in 51..5_000 {
                congestion.on_acked(&Acked { app_limited: true, ..acked(at(50), at(millis)) });
            }
            assert_eq!(congestion.window(), before);
        }
    }
}

/// RFC 9438 §5.8: the cubic function does not run on while the application sends little, to leap up when it sends again.
#[test]
fn time_in_which_little_was_sent_does_not_count_for_cubic() {
    let grow = |paused: u64| {
        let mut congestion = Congestion::new(CongestionControl::Cubic, DATAGRAM);
        for _ in 0..200 {
            congestion.on_acked(&acked(at(1), at(2)));
        }
        congestion.on_congestion(at(5), at(10), false, DATAGRAM);
        for millis in 100..1_000 {
            congestion.on_acked(&acked(at(90), at(millis)));
        }
        congestion.on_acked(&Acked { app_limited: true, ..acked(at(900), at(1_000)) });
        for millis in 1_000..2_000 {
            congestion.on_acked(&acked(at(900), at(millis + paused)));
        }
        congestion.window()
    };
    let (at_once, later) = (grow(0), grow(60_000));
    assert!(at_once > 200_000, "{at_once}");
    assert_eq!(at_once, later);
}

#[test]
fn one_recovery_period_is_answered_once() {
    for (control, once, twice) in [(CongestionControl::NewReno, 6_000, 3_600), (CongestionControl::Cubic, 8_400, 5_880)]
    {
        let mut congestion = Congestion::new(control, DATAGRAM);
        congestion.on_congestion(at(5), at(10), false, DATAGRAM);
        assert_eq!(congestion.window(), once);
        congestion.on_congestion(at(9), at(12), false, DATAGRAM);
        congestion.on_congestion(at(10), at(13), false, DATAGRAM);
        assert_eq!(congestion.window(), once, "sent before the reduction");
        congestion.on_acked(&acked(at(10), at(14)));
        assert_eq!(congestion.window(), once, "acknowledgements of the period do not grow the window");
        congestion.on_congestion(at(11), at(20), false, DATAGRAM);
        assert_eq!(congestion.window(), twice, "sent after it");
    }
}

//= docs/protocol.md P-10-13
#[test]
fn losses_leave_three_datagrams_and_persistent_congestion_two() {
    for control in BOTH {
        let mut congestion = Congestion::new(control, DATAGRAM);
        for loss in 0..20 {
            congestion.on_congestion(at(11 + 10 * loss), at(15 + 10 * loss), false, DATAGRAM);
        }
        assert_eq!(congestion.window(), 3_600);
        congestion.on_congestion(at(300), at(310), true, DATAGRAM);
        assert_eq!(congestion.window(), 2_400);
        congestion.on_congestion(at(320), at(330), false, DATAGRAM);
        assert_eq!(congestion.window(), 2_400, "a loss never raises the window");
    }
}

#[test]
fn new_reno_adds_one_datagram_per_window() {
    let mut congestion = new_reno();
    congestion.on_congestion(at(5), at(10), false, DATAGRAM);
    for _ in 0..4 {
        congestion.on_acked(&acked(at(11), at(20)));
    }
    assert_eq!(congestion.window(), 6_000);
    congestion.on_acked(&acked(at(11), at(20)));
    assert_eq!(congestion.window(), 7_200);
}

#[test]
fn small_acknowledgements_add_up() {
    let mut congestion = new_reno();
    congestion.on_congestion(at(5), at(10), false, DATAGRAM);
    for _ in 0..6_000 {
        congestion.on_acked(&Acked { bytes: 1, ..acked(at(11), at(20)) });
    }
    assert_eq!(congestion.window(), 7_200);
}

#[test]
fn persistent_congestion_falls_to_the_minimum_and_starts_again_slowly() {
    for control in BOTH {
        let mut congestion = Congestion::new(control, DATAGRAM);
        congestion.on_congestion(at(5), at(10), true, DATAGRAM);
        assert_eq!(congestion.window(), 2_400);
        congestion.on_acked(&acked(at(6), at(11)));
        assert_eq!(congestion.window(), 3_600, "the period is over: slow start up to the threshold");
    }
}

#[test]
fn persistent_congestion_counts_inside_a_period() {
    for control in BOTH {
        let mut congestion = Congestion::new(control, DATAGRAM);
        congestion.on_congestion(at(5), at(10), false, DATAGRAM);
        congestion.on_congestion(at(6), at(11), true, DATAGRAM);
        assert_eq!(congestion.window(), 2_400);
    }
}

#[test]
fn a_new_datagram_size_moves_the_initial_window_and_the_floor() {
    for control in BOTH {
        let mut congestion = Congestion::new(control, DATAGRAM);
        congestion.set_max_datagram(DATAGRAM, 1400);
        assert_eq!(congestion.window(), 14_000);
        congestion.on_congestion(at(5), at(10), true, 1400);
        congestion.set_max_datagram(1400, 9000);
        assert_eq!(congestion.window(), 18_000, "never below two datagrams");
        congestion.set_max_datagram(9000, DATAGRAM);
        assert_eq!(congestion.window(), 18_000);
    }
}

#[test]
fn rising_round_trip_times_end_the_first_slow_start_without_a_loss() {
    for control in BOTH {
        let mut congestion = Congestion::new(control, DATAGRAM);
        let mut windows = std::vec::Vec::new();
        for round in 0..20_u64 {
            let (sent_at, now) = (at(round * 100), at(round * 100 + 100));
            // From the fifth round on a queue builds up.
            let sample = Duration::from_millis(100 + round.saturating_sub(5) * 20);
            let datagrams = congestion.window() / u64::from(DATAGRAM);
            for _ in 0..datagrams {
                congestion.on_acked(&acked(sent_at, now));
                congestion.on_round_trip(sample, sent_at, now);
            }
            windows.push(congestion.window());
        }
        assert_eq!(windows[4], 12_000 << 5, "doubles as long as nothing rises");
        assert!(windows[12] < windows[5] * 5, "{windows:?}");
        assert!(windows[19] < windows[12] * 3 / 2, "no slow start any more: {windows:?}");
    }
}

proptest! {
    #[test]
    fn no_input_breaks_the_floor_or_panics(
        new_reno: bool,
        steps in prop::collection::vec(
            (0..5u8, any::<u16>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<bool>(), any::<bool>()),
            0..200,
        ),
    ) {
        let mut congestion = Congestion::new(BOTH[usize::from(new_reno)], DATAGRAM);
        let mut datagram = DATAGRAM;
        for (kind, bytes, sent_at, now, time, flag, narrow) in steps {
            let before = congestion.window();
            // Times near each other, and any times.
            let (sent_at, now) = if narrow { (sent_at % 1_000_000, now % 100_000_000) } else { (sent_at, now) };
            let (sent_at, now) = (Instant::from_micros(sent_at), Instant::from_micros(now));
            let time = Duration::from_micros(if narrow { time % 1_000_000 } else { time });
            match kind {
                0 | 1 => {
                    congestion.on_acked(&Acked {
                        bytes, sent_at, now, app_limited: flag, smoothed_rtt: time, max_datagram: datagram,
                    });
                    prop_assert!(congestion.window() >= before, "an acknowledgement takes nothing away");
                    // Half of it at most in congestion avoidance, but for the friendly window, which knows no round trip.
                    let most = before + u64::from(bytes).max(before / 2).max(u64::from(bytes) * u64::from(datagram) / 2_400 + 1);
                    prop_assert!(congestion.window() <= most.max(before + u64::from(datagram)), "{before} {}", congestion.window());
                }
                2 => {
                    congestion.on_congestion(sent_at, now, flag, datagram);
                    prop_assert!(congestion.window() <= before);
                }
                3 => {
                    congestion.set_max_datagram(datagram, bytes.max(256));
                    datagram = bytes.max(256);
                }
                _ => {
                    congestion.on_round_trip(time, sent_at, now);
                    prop_assert_eq!(congestion.window(), before);
                }
            }
            prop_assert!(congestion.window() >= u64::from(minimum_window(datagram)));
        }
    }

    #[test]
    fn nothing_grows_in_recovery(
        new_reno: bool,
        rounds in prop::collection::vec((1..200u64, 1..20usize), 1..20),
    ) {
        let mut congestion = Congestion::new(BOTH[usize::from(new_reno)], DATAGRAM);
        let mut now = 1_000;
        for (gap, count) in rounds {
            let lost_at = at(now);
            congestion.on_congestion(lost_at, lost_at, false, DATAGRAM);
            let window = congestion.window();
            for _ in 0..count {
                now += gap;
                congestion.on_acked(&acked(lost_at, at(now)));
                congestion.on_congestion(lost_at, at(now), false, DATAGRAM);
                prop_assert_eq!(congestion.window(), window);
            }
            congestion.on_acked(&acked(at(now), at(now + gap)));
            now += gap + 1;
        }
    }
}

#[test]
fn what_was_answered_for_nothing_is_undone() {
    for control in BOTH {
        let mut congestion = Congestion::new(control, DATAGRAM);
        let mut untouched = congestion.clone();
        // In slow start, then in congestion avoidance.
        for round in 0..40_u64 {
            let now = at(100 * round + 100);
            let before = congestion.on_congestion(now, now, round % 3 == 0, DATAGRAM).unwrap();
            congestion.on_acked(&acked(now, now));
            congestion.undo(&before);
            if round == 20 {
                for flow in [&mut congestion, &mut untouched] {
                    flow.on_congestion(now, now, false, DATAGRAM);
                }
            }
            let later = now.saturating_add(Duration::from_micros(1));
            for _ in 0..20 {
                for flow in [&mut congestion, &mut untouched] {
                    flow.on_acked(&acked(later, later.saturating_add(Duration::from_millis(50))));
                }
            }
        }
        assert!(untouched.window() > 50_000);
        let missing = untouched.window().saturating_sub(congestion.window());
        assert!(missing * 10 < untouched.window(), "{missing} of {}", untouched.window());
    }
}

#[test]
fn an_undo_takes_back_nothing_that_was_gained_since() {
    let mut congestion = Congestion::new(CongestionControl::NewReno, DATAGRAM);
    let before = congestion.on_congestion(at(10), at(10), false, DATAGRAM).unwrap();
    assert!(congestion.on_congestion(at(9), at(11), false, DATAGRAM).is_none(), "it has not fallen again");
    for millis in 11..200 {
        congestion.on_acked(&acked(at(millis), at(millis)));
    }
    let gained = congestion.window();
    congestion.undo(&before);
    assert!(gained > before.window());
    assert_eq!(congestion.window(), gained);
}
