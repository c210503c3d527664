//! What a crypto provider must answer: what [`RustCrypto`] does, whose own answers the core holds against published ones.
//!
//! A provider that is wrong breaks the security of every session that has it, or loses its packets. Call [`check`] in a test of yours.

use session_core::{DhError, OpenError, Provider, RustCrypto, Secret};

use crate::generator::Generator;

/// Every length up to this, in bytes: twice the datagrams of an Ethernet.
const EVERY_LENGTH: usize = 3_000;
/// Larger ones, about what a cipher may do at once, and the largest datagram.
const LARGER: [usize; 8] = [4_095, 4_096, 4_097, 9_000, 16_367, 16_384, 65_507, 1 << 20];
/// Keys, masks and agreements that are drawn.
const DRAWS: usize = 64;

/// Holds `provider` against `RustCrypto`: text by text sealed by one and opened by the other, masks, public keys and agreements, and what must be refused.
///
/// # Panics
/// At the first difference.
pub fn check<P: Provider>(provider: &P) {
    let mut generator = Generator::new(0x5e55_1011);
    texts(provider, &mut generator);
    refusals(provider, &mut generator);
    masks(provider, &mut generator);
    agreements(provider, &mut generator);
    low_order(provider, &mut generator);
}

/// A text, and what it is sealed with.
struct Sealed {
    nonce: [u8; 12],
    associated_data: Vec<u8>,
    plain: Vec<u8>,
    sealed: Vec<u8>,
    tag: [u8; 16],
}

impl Sealed {
    /// By `RustCrypto`.
    fn new(secret: &Secret, length: usize, associated: usize, generator: &mut Generator) -> Self {
        let (nonce, plain) = (bytes(generator), text(length, generator));
        let associated_data = text(associated, generator);
        let mut sealed = plain.clone();
        let tag = RustCrypto.seal(&RustCrypto.expand(secret), &nonce, &associated_data, &mut sealed);
        Self { nonce, associated_data, plain, sealed, tag }
    }
}

fn texts<P: Provider>(provider: &P, generator: &mut Generator) {
    let secret = Secret::new(bytes(generator));
    // One key for all of them: what it has been used for must not show.
    let (key, truth) = (provider.expand(&secret), RustCrypto.expand(&secret));
    for length in (0..=EVERY_LENGTH).chain(LARGER) {
        let Sealed { nonce, associated_data, plain, sealed, tag } =
            Sealed::new(&secret, length, length * 7 % 50, generator);
        let mut text = plain.clone();
        assert_eq!(provider.seal(&key, &nonce, &associated_data, &mut text), tag, "the tag of {length} bytes");
        assert!(text == sealed, "{length} bytes sealed");
        assert_eq!(RustCrypto.open(&truth, &nonce, &associated_data, &mut text, &tag), Ok(()), "{length} bytes");
        assert!(text == plain, "{length} bytes");
        text.clone_from(&sealed);
        assert_eq!(provider.open(&key, &nonce, &associated_data, &mut text, &tag), Ok(()), "{length} bytes opened");
        assert!(text == plain, "{length} bytes opened");
    }
}

fn refusals<P: Provider>(provider: &P, generator: &mut Generator) {
    for length in [0, 1, 15, 16, 17, 40, 256, 1_436] {
        let secret = Secret::new(bytes(generator));
        let key = provider.expand(&secret);
        let Sealed { nonce, associated_data, sealed, tag, .. } = Sealed::new(&secret, length, 20, generator);
        let refused =
            |key: &P::Key, nonce: &[u8; 12], associated_data: &[u8], sealed: &[u8], tag: &[u8; 16], what: &str| {
                let mut text = sealed.to_vec();
                let result = provider.open(key, nonce, associated_data, &mut text, tag);
                assert_eq!(result, Err(OpenError), "{what}, {length} bytes");
                assert!(
                    text.iter().all(|byte| *byte == 0),
                    "{what}, {length} bytes: neither plaintext nor ciphertext is left"
                );
            };
        for bit in 0..128 {
            refused(&key, &nonce, &associated_data, &sealed, &flipped(tag, bit), "a bit of the tag");
        }
        for bit in 0..96 {
            refused(&key, &flipped(nonce, bit), &associated_data, &sealed, &tag, "a bit of the nonce");
        }
        for at in 0..associated_data.len() {
            let mut other = associated_data.clone();
            other[at] ^= 0x10;
            refused(&key, &nonce, &other, &sealed, &tag, "a byte of the associated data");
        }
        refused(&key, &nonce, &associated_data[1..], &sealed, &tag, "less associated data");
        for at in (0..length).step_by(7) {
            let mut other = sealed.clone();
            other[at] ^= 0x80;
            refused(&key, &nonce, &associated_data, &other, &tag, "a byte of the text");
        }
        if let Some((_, less)) = sealed.split_last() {
            refused(&key, &nonce, &associated_data, less, &tag, "a shorter text");
        }
        refused(
            &provider.expand(&Secret::new(bytes(generator))),
            &nonce,
            &associated_data,
            &sealed,
            &tag,
            "another key",
        );
    }
}

fn masks<P: Provider>(provider: &P, generator: &mut Generator) {
    for _ in 0..DRAWS {
        let secret = Secret::new(bytes(generator));
        let (key, truth) = (provider.expand(&secret), RustCrypto.expand(&secret));
        for sample in [bytes(generator), [0; 16], [0xff; 16], bytes(generator)] {
            assert_eq!(provider.mask(&key, &sample), RustCrypto.mask(&truth, &sample), "the mask of {sample:02x?}");
        }
    }
}

fn agreements<P: Provider>(provider: &P, generator: &mut Generator) {
    let extremes = [[0; 32], [0xff; 32]];
    let drawn: Vec<[u8; 32]> = (0..DRAWS).map(|_| bytes(generator)).collect();
    for own in extremes.into_iter().chain(drawn) {
        let own = Secret::new(own);
        let public = RustCrypto.public_key(&own);
        assert_eq!(provider.public_key(&own), public);
        // Of other keys, one that has the bit that does not count, and one that is the prime and more.
        let other = RustCrypto.public_key(&Secret::new(bytes(generator)));
        let with_top_bit = flipped(other, 255);
        for public in [public, other, with_top_bit, PRIME_AND_2] {
            let agrees = provider.dh(&own, &public) == RustCrypto.dh(&own, &public);
            assert!(agrees, "the agreement with {public:02x?}");
        }
    }
}

/// With a public key of low order both ends would agree on zero, whatever their secrets.
fn low_order<P: Provider>(provider: &P, generator: &mut Generator) {
    for public in LOW_ORDER {
        for public in [public, flipped(public, 255)] {
            let own = Secret::new(bytes(generator));
            assert_eq!(RustCrypto.dh(&own, &public), Err(DhError));
            assert_eq!(provider.dh(&own, &public), Err(DhError), "a public key of low order: {public:02x?}");
        }
    }
}

fn bytes<const N: usize>(generator: &mut Generator) -> [u8; N] {
    std::array::from_fn(|_| generator.next_u64() as u8)
}

fn text(length: usize, generator: &mut Generator) -> Vec<u8> {
    (0..length).map(|_| generator.next_u64() as u8).collect()
}

fn flipped<const N: usize>(mut bytes: [u8; N], bit: usize) -> [u8; N] {
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

/// 2^255 - 19 + 2, which is 2 written otherwise.
const PRIME_AND_2: [u8; 32] = {
    let mut value = [0xff; 32];
    value[0] = 0xef;
    value[31] = 0x7f;
    value
};

/// The values of u of low order below 2^255 (RFC 7748, section 6.1), two of them not canonical.
const LOW_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    number(1, 0, 0),
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
        0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44,
        0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    number(0xec, 0xff, 0x7f),
    number(0xed, 0xff, 0x7f),
    number(0xee, 0xff, 0x7f),
];

const fn number(low: u8, middle: u8, high: u8) -> [u8; 32] {
    let mut value = [middle; 32];
    value[0] = low;
    value[31] = high;
    value
}

#[cfg(test)]
mod tests;
