use super::*;

#[test]
fn what_is_put_in_comes_out() {
    assert_eq!(size_of::<OptionalNumber>(), 8);
    for number in [None, Some(0), Some(1), Some((1 << 62) - 1)] {
        assert_eq!(OptionalNumber::from(number).get(), number);
    }
    assert_eq!(OptionalNumber::default().get(), None);
    assert_eq!(OptionalNumber::from(u64::MAX).get(), Some(u64::MAX - 1), "a number is never taken for none");
}
