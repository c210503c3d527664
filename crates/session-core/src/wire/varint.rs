//! The variable-length integer of RFC 9000 §16, in its shortest form only.

/// The largest value: 62 bits.
pub(crate) const MAX: u64 = (1 << 62) - 1;

/// Bytes of the shortest form of `value`; a value above [`MAX`] has none and counts as 8.
pub(crate) const fn length(value: u64) -> usize {
    match value {
        0..=0x3F => 1,
        0x40..=0x3FFF => 2,
        0x4000..=0x3FFF_FFFF => 4,
        _ => 8,
    }
}

#[cfg(test)]
mod tests;
