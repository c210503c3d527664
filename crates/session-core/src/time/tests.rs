use super::*;

#[test]
fn arithmetic_saturates_at_both_ends() {
    assert_eq!(Instant::MAX.saturating_add(Duration::from_micros(1)), Instant::MAX);
    assert_eq!(Instant::EPOCH.saturating_add(Duration::MAX), Instant::MAX);
    assert_eq!(Instant::EPOCH.saturating_since(Instant::MAX), Duration::ZERO);
    assert_eq!(Instant::from_micros(7).saturating_since(Instant::from_micros(3)), Duration::from_micros(4));
}
