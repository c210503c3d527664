use super::*;

const DATAGRAM: u16 = 1200;

/// What is asked for at a window of so many datagrams.
fn packets(wish: &mut AckWish, datagrams: u64) -> u8 {
    wish.on_window(datagrams * u64::from(DATAGRAM), DATAGRAM);
    wish.frame(Duration::from_millis(100)).packets.get()
}

//= docs/protocol.md P-10-12
#[test]
fn no_more_than_an_eighth_of_the_window_is_asked_for() {
    for (datagrams, expected) in
        [(0, 1), (7, 1), (8, 2), (10, 2), (31, 2), (32, 4), (63, 4), (64, 8), (128, 16), (256, 32), (1 << 40, 32)]
    {
        assert_eq!(packets(&mut AckWish::new(), datagrams), expected, "{datagrams}");
    }
}

//= docs/protocol.md P-10-12
#[test]
fn a_wish_is_told_when_it_changes_and_under_a_new_number() {
    let mut wish = AckWish::new();
    packets(&mut wish, 20);
    assert!(!wish.due, "two is what everybody does");
    packets(&mut wish, 100);
    assert!(wish.due);
    let first = wish.frame(Duration::ZERO);
    wish.due = false;
    packets(&mut wish, 120);
    assert!(!wish.due);
    packets(&mut wish, 10);
    let second = wish.frame(Duration::ZERO);
    assert!(wish.due && second.sequence > first.sequence);
    assert_eq!(second.packets.get(), 2);
    wish.sequence = u16::MAX - 1;
    assert_eq!(packets(&mut wish, 1_000), 2, "the last word suits every window");
    assert_eq!(wish.sequence, u16::MAX);
    wish.due = false;
    assert_eq!((packets(&mut wish, 1_000), wish.due), (2, false), "no number is left");
}

#[test]
fn a_small_window_that_moves_about_the_bound_changes_no_wish() {
    let mut wish = AckWish::new();
    assert_eq!(packets(&mut wish, 7), 1);
    let told = wish.sequence;
    for datagrams in [8, 11, 6, 9, 3, 11] {
        assert_eq!((packets(&mut wish, datagrams), wish.sequence), (1, told), "{datagrams}");
    }
    for datagrams in [12, 8, 11] {
        assert_eq!((packets(&mut wish, datagrams), wish.sequence), (2, told + 1), "{datagrams}");
    }
    assert_eq!(packets(&mut wish, 7), 1);
}

//= docs/protocol.md P-10-12
#[test]
fn a_quarter_of_a_round_trip_is_asked_for_within_bounds() {
    let wish = AckWish::new();
    for (round_trip, delay) in [(0, 1_000), (3_999, 1_000), (40_000, 10_000), (100_000, 25_000), (600_000, 25_000)] {
        let frame = wish.frame(Duration::from_micros(round_trip));
        assert_eq!(frame.delay(), Duration::from_micros(delay), "{round_trip}");
    }
}
