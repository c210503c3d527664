//! Known answers are written in hexadecimal.
#![expect(clippy::unwrap_used, reason = "a mistyped vector shall fail its test")]

use std::string::String;
use std::vec::Vec;

pub(super) fn hex(digits: &str) -> Vec<u8> {
    let digits: String = digits.split_whitespace().collect();
    assert_eq!(digits.len() % 2, 0);
    digits.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

pub(super) fn hex_array<const N: usize>(digits: &str) -> [u8; N] {
    hex(digits).try_into().unwrap()
}

/// `first`, `first + 1`, …
pub(super) fn counting(first: u8) -> [u8; 32] {
    core::array::from_fn(|index| (index as u8).wrapping_add(first))
}
