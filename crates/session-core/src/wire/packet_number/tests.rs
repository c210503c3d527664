#![expect(clippy::arithmetic_side_effects, reason = "a test may fail")]

use super::*;
use proptest::prelude::*;

//= docs/protocol.md P-5-6
#[test]
fn the_samples_of_rfc_9000_appendix_a_hold() {
    assert_eq!(encode_length(0xAC_5C02, Some(0xAB_E8B3)), Some(NumberLength::Two));
    assert_eq!(encode_length(0xAC_E8FE, Some(0xAB_E8B3)), Some(NumberLength::Three));
    assert_eq!(decode(0x9B32, NumberLength::Two, Some(0xA82F_30EA)), 0xA82F_9B32);
}

#[test]
fn a_length_ends_where_half_its_window_does() {
    for (length, half) in NumberLength::ALL.into_iter().zip([1_u64 << 7, 1 << 15, 1 << 23, 1 << 31]) {
        assert_eq!(encode_length(half, Some(0)), Some(length));
        assert_ne!(encode_length(half | 1, Some(0)), Some(length));
    }
    assert_eq!(encode_length(0, None), Some(NumberLength::One));
    assert_eq!(encode_length(127, None), Some(NumberLength::One));
    assert_eq!(encode_length(128, None), Some(NumberLength::Two));
    assert_eq!(encode_length(1 << 32, None), None);
    assert_eq!(encode_length(5, Some(5)), None);
    assert_eq!(encode_length(5, Some(6)), None);
    assert_eq!(encode_length(MAX | 1 << 62, Some(MAX)), None);
}

//= docs/protocol.md P-5-6
#[test]
fn recovery_picks_the_nearest_number_and_the_higher_of_two() {
    for (truncated, largest, number) in
        [(0x80, 0x1FF, 0x280), (0x81, 0x1FF, 0x181), (0x7F, 0x2FE, 0x37F), (0x80, 0x2FE, 0x280)]
    {
        assert_eq!(decode(truncated, NumberLength::One, Some(largest)), number);
    }
    assert_eq!(decode(0, NumberLength::One, Some(MAX ^ 1)), MAX ^ 0xFF, "there is none above");
}

#[test]
fn recovery_stays_within_the_numbers_there_are() {
    assert_eq!(decode(0xFF, NumberLength::One, None), 0xFF);
    assert_eq!(decode(0xFF, NumberLength::One, Some(0)), 0xFF);
    assert_eq!(decode(0xFF, NumberLength::One, Some(0x100)), 0xFF);
    for length in NumberLength::ALL {
        for largest in [MAX, u64::MAX] {
            assert!(decode(0, length, Some(largest)) <= MAX);
            assert_eq!(decode(u32::MAX, length, Some(largest)), MAX);
        }
    }
}

#[test]
fn bits_and_lengths_agree() {
    for (bits, length) in (0_u8..4).zip(NumberLength::ALL) {
        assert_eq!((length.bits(), length.bytes()), (bits, usize::from(bits).saturating_add(1)));
        assert_eq!(NumberLength::from_bits(bits | 0xFC), length);
    }
}

proptest! {
    //= docs/protocol.md P-5-6
    #[test]
    fn every_number_sent_is_recovered(
        acked in proptest::option::of(0..MAX / 2),
        ahead in 1_u64..1 << 31,
        shift in 0_u32..31,
        received in 0_u64..1 << 31,
    ) {
        let ahead = (ahead >> shift).max(1);
        let number = acked.map_or(ahead.saturating_sub(1), |acked| acked.saturating_add(ahead));
        let length = encode_length(number, acked).unwrap_or(NumberLength::One);
        // The receiver has what it acknowledged and perhaps more, below this number.
        let largest = acked.map(|acked| acked.saturating_add(received % ahead));
        prop_assert_eq!(decode(truncate(number, length), length, largest), number);
    }

    #[test]
    fn recovery_keeps_the_low_bits(bits in any::<u32>(), largest in proptest::option::of(0..MAX), nn in 0_u8..4) {
        let length = NumberLength::from_bits(nn);
        let number = decode(bits, length, largest);
        prop_assert!(number <= MAX);
        prop_assert_eq!(truncate(number, length), truncate(u64::from(bits), length));
    }
}
