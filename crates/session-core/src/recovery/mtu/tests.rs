use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// A window that bounds no probe.
const WIDE: u64 = 1 << 20;
const START: Instant = Instant::from_micros(5_000_000);

fn later(seconds: u64) -> Instant {
    Instant::from_micros(START.as_micros() + seconds * 1_000_000)
}

/// Searches over a path that takes `carries` bytes until no probe wants to leave; returns the sizes that were tried.
fn search(mtu: &mut PathMtu, carries: u16, window: u64, now: Instant) -> Vec<u16> {
    let mut tried = Vec::new();
    loop {
        mtu.on_full_sent(now);
        let Some(bytes) = mtu.probe(window) else { return tried };
        assert!(bytes > mtu.size() && bytes <= mtu.limit, "a probe of {bytes} bytes in {mtu:?}");
        assert!(tried.len() < 200, "the search does not end: {mtu:?}");
        tried.push(bytes);
        mtu.on_probe_sent();
        assert_eq!(mtu.probe(window), None, "one at a time");
        if bytes <= carries {
            mtu.on_probe_acked(bytes, now);
            assert_eq!(mtu.size(), bytes);
        } else {
            mtu.on_probe_lost(bytes, now);
        }
    }
}

#[test]
fn sizes_that_are_common_are_found_in_a_few_probes() {
    // What the path carries, the limit, what is found, and the probes that takes.
    let table: [(u16, u16, u16, usize); 12] = [
        (1200, 1200, 1200, 0),
        (1452, 1452, 1452, 1),
        (1472, 1452, 1452, 1),
        (65_507, 65_507, 65_507, 1),
        (9000, 9000, 9000, 1),
        (1472, 65_507, 1472, 11),
        (1452, 65_507, 1452, 13),
        (1232, 1452, 1232, 13),
        (1392, 1452, 1392, 11),
        (8952, 65_507, 8952, 14),
        (1200, 1452, 1200, 15),
        (1280, 1452, 1268, 17),
    ];
    for (carries, limit, found, probes) in table {
        let mut mtu = PathMtu::new(1200, limit, START);
        let tried = search(&mut mtu, carries, WIDE, START);
        assert_eq!((mtu.size(), tried.len()), (found, probes), "{carries} of {limit}: {tried:?}");
    }
}

//= docs/protocol.md P-10.1-2
#[test]
fn a_size_is_given_up_after_three_probes_and_no_sooner() {
    let mut mtu = PathMtu::new(1200, 1452, START);
    for lost in 1..=3 {
        mtu.on_full_sent(START);
        assert_eq!(mtu.probe(WIDE), Some(1452), "probe {lost}");
        mtu.on_probe_sent();
        mtu.on_probe_lost(1452, START);
    }
    mtu.on_full_sent(START);
    assert!(mtu.probe(WIDE).is_some_and(|bytes| bytes < 1452));
    // One that arrives is worth more than two that did not.
    let mut mtu = PathMtu::new(1200, 1452, START);
    for arrives in [false, false, true] {
        mtu.on_full_sent(START);
        assert_eq!(mtu.probe(WIDE), Some(1452));
        mtu.on_probe_sent();
        if arrives {
            mtu.on_probe_acked(1452, START);
        } else {
            mtu.on_probe_lost(1452, START);
        }
    }
    assert_eq!(mtu.size(), 1452);
}

#[test]
fn who_fills_no_datagram_searches_for_nothing() {
    let mut mtu = PathMtu::new(1200, 1452, START);
    assert_eq!(mtu.probe(WIDE), None);
    mtu.on_full_sent(START);
    assert_eq!(mtu.probe(WIDE), Some(1452));
    mtu.on_probe_sent();
    mtu.on_probe_lost(1452, START);
    assert_eq!(mtu.probe(WIDE), None, "each probe has a full datagram of its own");
}

//= docs/protocol.md P-10.1-3
#[test]
fn a_probe_takes_half_of_the_window_at_most() {
    let mut mtu = PathMtu::new(1200, 65_507, START);
    let tried = search(&mut mtu, 65_507, 12_000, START);
    assert!(tried.iter().all(|bytes| *bytes <= 6000), "{tried:?}");
    assert!(mtu.size() > 5984, "{mtu:?}");
    // It goes on as the window grows.
    search(&mut mtu, 65_507, WIDE, START);
    assert_eq!(mtu.size(), 65_507);
    // No room for anything larger than what is used.
    let mut mtu = PathMtu::new(1200, 65_507, START);
    assert_eq!(search(&mut mtu, 65_507, 2400, START), []);
    assert_eq!(search(&mut mtu, 65_507, 2 * 65_507, START), [65_507]);
}

//= docs/protocol.md P-10.1-5
#[test]
fn ten_minutes_later_what_did_not_pass_is_tried_again() {
    let mut mtu = PathMtu::new(1200, 1452, START);
    search(&mut mtu, 1200, WIDE, START);
    assert_eq!(search(&mut mtu, 1452, WIDE, later(599)), [], "too soon");
    assert_eq!(search(&mut mtu, 1452, WIDE, later(600)), [1452]);
    assert_eq!(search(&mut mtu, 1452, WIDE, later(100_000)), [], "there is no more to find");
    // Seconds are kept modulo 2^16; at the worst a search comes ten minutes late.
    let mut mtu = PathMtu::new(1200, 1452, START);
    search(&mut mtu, 1200, WIDE, START);
    assert_eq!(search(&mut mtu, 1452, WIDE, later(65_536 + 599)), []);
    assert_eq!(search(&mut mtu, 1452, WIDE, later(65_536 + 600)), [1452]);
}

#[test]
fn a_path_that_takes_less_is_searched_up_to_what_it_took() {
    let mut mtu = PathMtu::new(1200, 9000, START);
    search(&mut mtu, 1472, WIDE, START);
    assert_eq!(mtu.size(), 1472);
    mtu.fall_back(START);
    assert_eq!(mtu.size(), 1200);
    let tried = search(&mut mtu, 1252, WIDE, START);
    assert!(tried.iter().all(|bytes| *bytes <= 1472), "{tried:?}");
    assert_eq!(mtu.size(), 1252);
    // Below the base there is nothing to fall back to.
    mtu.fall_back(START);
    search(&mut mtu, 1200, WIDE, START);
    mtu.fall_back(START);
    assert_eq!((mtu.size(), search(&mut mtu, 1200, WIDE, START)), (1200, Vec::new()));
}

#[test]
fn probes_of_another_time_change_nothing() {
    let mut mtu = PathMtu::new(1200, 1452, START);
    mtu.on_full_sent(START);
    mtu.on_probe_sent();
    // Larger than anything asked for, and smaller than what is used.
    mtu.on_probe_acked(9000, START);
    mtu.on_probe_acked(1100, START);
    for _ in 0..9 {
        mtu.on_probe_lost(9000, START);
        mtu.on_probe_lost(1200, START);
    }
    assert_eq!((mtu.size(), search(&mut mtu, 1452, WIDE, START)), (1200, [1452].to_vec()));
    // Nothing is asked for any more.
    mtu.on_probe_acked(1472, START);
    mtu.on_probe_lost(1452, START);
    assert_eq!(mtu.size(), 1452);
}

//= docs/protocol.md P-10.1-7 P-10.1-2
#[test]
fn after_a_refusal_the_next_probe_is_the_only_one_on_its_way() {
    let mut mtu = PathMtu::new(1200, 1452, START);
    mtu.on_full_sent(START);
    mtu.on_probe_sent();
    mtu.on_refused(1452, START);
    mtu.on_full_sent(START);
    assert_eq!(mtu.probe(WIDE), Some(1372));
    mtu.on_probe_sent();
    // The one that never left is found lost now.
    mtu.on_probe_lost(1452, START);
    mtu.on_full_sent(START);
    assert_eq!(mtu.probe(WIDE), None);
    mtu.on_probe_acked(1372, START);
    assert_eq!(mtu.size(), 1372);
    // What is in use, or smaller, is refused: back to the base and up again. Below the base nothing is refused.
    mtu.on_refused(1300, START);
    assert_eq!((mtu.size(), search(&mut mtu, 1299, WIDE, START).iter().max()), (1200, Some(&1284)));
    mtu.on_refused(1200, START);
    assert_eq!(mtu.size(), 1284);
}

#[test]
fn a_peer_that_takes_less_bounds_search_and_base() {
    let mut mtu = PathMtu::new(1200, 65_507, START);
    mtu.bound(1400, START);
    assert_eq!(search(&mut mtu, 65_507, WIDE, START), [1400]);
    mtu.bound(256, START);
    assert_eq!((mtu.size(), mtu.base()), (256, 256));
    assert_eq!(search(&mut mtu, 65_507, WIDE, START), []);
    // A peer that takes more does not lift our own limit.
    let mut mtu = PathMtu::new(1200, 1452, START);
    mtu.bound(65_527, START);
    assert_eq!(search(&mut mtu, 65_507, WIDE, START), [1452]);
}

#[test]
fn a_black_hole_is_three_bursts_in_a_row() {
    let mut black_hole = BlackHole::default();
    assert_eq!([(); 3].map(|()| black_hole.on_burst_lost()), [false, false, true]);
    assert_eq!([(); 2].map(|()| black_hole.on_burst_lost()), [false, false], "it counts anew");
    black_hole.on_passed();
    assert_eq!([(); 3].map(|()| black_hole.on_burst_lost()), [false, false, true]);
}

proptest! {
    /// Whatever the path carries and however often it changes: the search ends, within its bounds, beside the truth.
    #[test]
    fn a_search_ends_within_its_bounds_and_beside_the_truth(
        base in 256_u16..=1200,
        limit in 256_u16..=65_527,
        paths in proptest::collection::vec(any::<u16>(), 1..6),
    ) {
        let mut mtu = PathMtu::new(base, limit, START);
        let base = base.min(limit);
        for (turn, carries) in (0..).zip(paths) {
            let (carries, now) = (carries.max(base), later(turn * RAISE_SECONDS as u64));
            if mtu.size() > carries {
                mtu.fall_back(now);
            }
            let highest = if let Search::Running { highest, .. } = mtu.search { highest } else { limit };
            let tried = search(&mut mtu, carries, WIDE, now);
            prop_assert!(mtu.size() >= base && mtu.size() <= limit.min(carries));
            let found = mtu.size() == highest || limit.min(carries) - mtu.size() < GRANULARITY || carries > highest;
            prop_assert!(found, "{:?} of {} bytes", mtu, carries);
            // Three for each size that does not pass: the limit, four halvings of the common sizes, one beside them, thirteen halvings.
            prop_assert!(tried.len() <= 60, "{} probes", tried.len());
        }
    }

    /// Whatever is said of probes, in whatever order, sizes stay within bounds and a probe is larger than what is used.
    #[test]
    fn no_order_of_events_leaves_the_bounds(
        base in 256_u16..=1200,
        limit in 256_u16..=65_527,
        events in proptest::collection::vec((0_u8..6, any::<u16>(), any::<u16>()), 0..200),
    ) {
        let mut mtu = PathMtu::new(base, limit, START);
        let base = base.min(limit);
        for (event, bytes, second) in events {
            let now = later(u64::from(second));
            match event {
                0 => mtu.on_full_sent(now),
                1 => mtu.on_probe_sent(),
                2 => {
                    let before = mtu.size();
                    mtu.on_probe_acked(bytes, now);
                    prop_assert!(mtu.size() == before || (mtu.size() == bytes && bytes > before));
                }
                3 => mtu.on_probe_lost(bytes, now),
                4 => mtu.fall_back(now),
                _ => {
                    let probe = mtu.probe(u64::from(bytes));
                    prop_assert!(probe.is_none_or(|probe| probe > mtu.size() && probe <= limit && u64::from(probe) * 2 <= u64::from(bytes)));
                }
            }
            prop_assert!(mtu.size() >= base && mtu.size() <= limit);
        }
    }
}
