#![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test may panic")]

use std::format;
use std::vec::Vec;

use super::*;
use crate::crypto::test_vectors::hex_array;

/// The seven values of u of low order below 2^255, two of them not canonical.
pub(in crate::crypto) fn low_order() -> [[u8; 32]; 7] {
    let [zero, one, order_8, other_order_8, minus_one] = LOW_ORDER;
    [zero, one, order_8, other_order_8, minus_one, FIELD_PRIME, prime_plus(1)]
}

/// 2^255 - 19 + `excess`, for `excess` up to 18.
pub(in crate::crypto) fn prime_plus(excess: u8) -> [u8; 32] {
    let mut value = FIELD_PRIME;
    value[0] += excess;
    value
}

pub(in crate::crypto) fn with_top_bit(mut value: [u8; 32]) -> [u8; 32] {
    value[31] |= 0x80;
    value
}

//= docs/protocol.md P-4.2-2
#[test]
fn low_order_is_refused() {
    for value in low_order() {
        assert_eq!(PublicKey::from_bytes(value), Err(InvalidPublicKey));
        assert_eq!(PublicKey::from_bytes(with_top_bit(value)), Err(InvalidPublicKey));
    }
}

#[test]
fn one_key_has_one_encoding() {
    for excess in 0..=18 {
        assert_eq!(PublicKey::from_bytes(prime_plus(excess)), Err(InvalidPublicKey), "prime + {excess}");
        let mut small = [0; 32];
        small[0] = excess;
        assert_eq!(PublicKey::from_bytes(small).is_ok(), excess > 1, "{excess}");
        assert_eq!(PublicKey::from_bytes(with_top_bit(small)), Err(InvalidPublicKey), "2^255 + {excess}");
    }
    let mut largest = FIELD_PRIME;
    largest[0] -= 2;
    assert!(PublicKey::from_bytes(largest).is_ok(), "prime - 2 is the largest usable value");
    largest = FIELD_PRIME;
    largest[1] -= 1;
    largest[0] = 0xff;
    assert!(PublicKey::from_bytes(largest).is_ok(), "a high byte decides before a low one");
}

#[test]
fn the_name_is_the_hash_of_the_key() {
    let mut bytes = [0; 32];
    bytes[0] = 9;
    let key = PublicKey::from_bytes(bytes).unwrap();
    let name = hex_array("34ec81dbdaf9148567dc4254f93852d34f96e78ddd4bd04c1c8a1641a0883b2b");
    assert_eq!(key.peer_id(), PeerId::from_bytes(name));
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(format!("{key:?}"), format!("PublicKey({})", digits.concat()));
}
