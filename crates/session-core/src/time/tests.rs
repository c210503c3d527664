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

#[test]
fn a_span_holds_every_time_the_protocol_agrees_on() {
    let longest_wait = Duration::from_millis(crate::wire::parameters::MAX_KEEPALIVE) * 1100 / 1000;
    for duration in [Duration::ZERO, Duration::from_millis(25), longest_wait] {
        assert_eq!(Duration::from(Span::from(duration)), duration);
    }
    assert_eq!(Duration::from(Span::from(Duration::MAX)), Duration::from_micros(u64::from(u32::MAX)));
}
