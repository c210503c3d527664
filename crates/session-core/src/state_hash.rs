//! The state digest: proof that a refused packet changed nothing.

use sha2::{Digest, Sha256};

/// Collects a hash over a state: SHA-256, or a keyed one that costs a tenth.
///
/// Every stateful type feeds itself by exhaustive destructuring, so a field added later breaks the build until somebody
/// decides whether it belongs to the digest.
pub(crate) struct StateHash(Sink);

enum Sink {
    Digest(Sha256),
    Checksum(Checksum),
}

impl StateHash {
    pub(crate) fn new() -> Self {
        Self(Sink::Digest(Sha256::new()))
    }

    /// One that ends in [`checksum`](Self::checksum).
    pub(crate) fn keyed(key: u64) -> Self {
        Self(Sink::Checksum(Checksum::new(key)))
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        match &mut self.0 {
            Sink::Digest(hash) => hash.update(bytes),
            Sink::Checksum(checksum) => checksum.bytes(bytes),
        }
    }

    pub(crate) fn u64(&mut self, value: u64) {
        match &mut self.0 {
            Sink::Digest(hash) => hash.update(value.to_be_bytes()),
            Sink::Checksum(checksum) => checksum.words(value, 0),
        }
    }

    pub(crate) fn flag(&mut self, value: bool) {
        self.u64(u64::from(value));
    }

    /// An optional number; `None` and `Some(0)` differ.
    pub(crate) fn option(&mut self, value: Option<u64>) {
        self.flag(value.is_some());
        self.u64(value.unwrap_or(0));
    }

    /// The digest; zeros of a [`keyed`](Self::keyed) one.
    pub(crate) fn finish(self) -> [u8; 32] {
        match self.0 {
            Sink::Digest(hash) => hash.finalize().into(),
            Sink::Checksum(_) => [0; 32],
        }
    }

    /// What a [`keyed`](Self::keyed) one has collected; zero of others.
    pub(crate) fn checksum(self) -> u128 {
        match self.0 {
            Sink::Digest(_) => 0,
            Sink::Checksum(checksum) => checksum.finish(),
        }
    }
}

/// 128 bits, each half folded from products of 64 by 64 bits, as in wyhash. States that differ agree in both halves for hardly one key in 2^64: every word
/// meets one that depends on the key.
struct Checksum {
    halves: [u64; 2],
    key: [u64; 2],
}

impl Checksum {
    /// Odd, and with as many ones as zeros: from wyhash.
    const WORDS: [u64; 4] =
        [0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db, 0x8ebc_6af0_9c88_c6e3, 0x5899_65cc_7537_4cc3];

    fn new(key: u64) -> Self {
        let [one, other, third, fourth] = Self::WORDS;
        let key = [fold(key ^ one, other), fold(key ^ third, fourth)];
        Self { halves: [key[1], key[0]], key }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let (blocks, rest) = bytes.as_chunks::<16>();
        for block in blocks {
            let block = u128::from_le_bytes(*block);
            self.words(block as u64, (block >> 64) as u64);
        }
        if !rest.is_empty() {
            let mut last = [0; 16];
            last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            let last = u128::from_le_bytes(last);
            self.words(last as u64, (last >> 64) as u64);
        }
    }

    fn words(&mut self, one: u64, other: u64) {
        let [_, _, third, fourth] = Self::WORDS;
        let [left, right] = self.halves;
        self.halves[0] = fold(one ^ self.key[0], other ^ left);
        self.halves[1] = fold(one.rotate_left(32) ^ third ^ right, other ^ fourth ^ self.key[1]);
    }

    fn finish(self) -> u128 {
        let [left, right] = self.halves;
        let halves =
            [fold(left ^ self.key[1], right ^ Self::WORDS[0]), fold(right ^ self.key[0], left ^ Self::WORDS[1])];
        u128::from(halves[0]) << 64 | u128::from(halves[1])
    }
}

fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one).wrapping_mul(u128::from(other));
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests;
