//! A number that tells datagrams apart.

/// Of the bytes and their number. Not for enemies: who could make two collide would gain nothing but a checker's confusion.
pub(crate) fn fingerprint(datagram: &[u8]) -> u64 {
    let (words, rest) = datagram.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word)).chain(rest.iter().map(|byte| u64::from(*byte)));
    words.chain([datagram.len() as u64]).fold(0, mix)
}

/// Puts one more word into `value`.
pub(crate) fn mix(value: u64, word: u64) -> u64 {
    (value ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}
