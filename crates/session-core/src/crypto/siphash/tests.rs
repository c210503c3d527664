use std::hash::{DefaultHasher, Hasher};

use super::*;

/// The standard library hashes by SipHash-1-3 under a key of zeros.
#[test]
fn it_agrees_with_the_standard_library() {
    let key = SipKey::new(&Secret::new([0; 32]));
    for word in (0..64).flat_map(|bit| [1 << bit, u64::MAX << bit, 0x0123_4567_89ab_cdef_u64.rotate_left(bit)]) {
        let mut other = DefaultHasher::new();
        other.write(&word.to_le_bytes());
        assert_eq!(key.hash(word), other.finish(), "{word:x}");
    }
}

#[test]
fn every_bit_of_the_key_counts() {
    let plain = SipKey::new(&Secret::new([0; 32])).hash(7);
    for bit in 0..128 {
        let bytes = core::array::from_fn(|place| if place == bit / 8 { 1 << (bit % 8) } else { 0 });
        assert_ne!(SipKey::new(&Secret::new(bytes)).hash(7), plain, "bit {bit}");
    }
}
