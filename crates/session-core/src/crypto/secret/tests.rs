#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use std::format;

use super::*;
use crate::Seed;

#[test]
fn nothing_is_shown() {
    assert_eq!(format!("{:?}", Secret::new([7; 32])), "Secret(..)");
    assert_eq!(format!("{:?}", Seed::new([7; 32])), "Seed(..)");
}

#[test]
fn equality_looks_at_every_byte() {
    let secret = Secret::new([7; 32]);
    assert_eq!(secret, secret.duplicate());
    for position in 0..32 {
        let mut other = [7; 32];
        other[position] ^= 1;
        assert_ne!(secret, Secret::new(other), "byte {position}");
    }
}
