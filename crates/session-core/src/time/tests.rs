use super::*;

#[test]
fn arithmetic_saturates_at_both_ends() {
    assert_eq!(Instant::MAX.saturating_add(Duration::from_micros(1)), Instant::MAX);
    assert_eq!(Instant::EPOCH.saturating_add(Duration::MAX), Instant::MAX);
    assert_eq!(Instant::EPOCH.saturating_since(Instant::MAX), Duration::ZERO);
    assert_eq!(Instant::from_micros(7).saturating_since(Instant::from_micros(3)), Duration::from_micros(4));
}

#[test]
fn the_largest_count_is_the_last_instant_and_none_costs_nothing() {
    assert_eq!(Instant::from_micros(u64::MAX), Instant::MAX);
    assert_eq!(Instant::MAX.as_micros(), u64::MAX - 1);
    assert_eq!(Instant::from_micros(u64::MAX - 1), Instant::MAX);
    assert_eq!((Instant::default().as_micros(), Instant::from_micros(7).as_micros()), (0, 7));
    assert_eq!(size_of::<Option<Instant>>(), size_of::<u64>());
}
