#![expect(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test may panic")]

use core::cell::Cell;
use core::marker::PhantomData;
use std::vec;
use std::vec::Vec;

use aes::Aes256Enc;
use aes::cipher::KeyInit;
use aes::cipher::array::ArraySize;
use aes::cipher::consts::{U1, U2, U4, U8, U12, U30, U64};
use aes::cipher::inout::InOut;
use aes_gcm::AesGcm;
use aes_gcm::aead::AeadInOut;

use super::*;

/// AES-256 as if its backend took `N` blocks at a time; counts what it is asked for.
struct Batches<N> {
    cipher: Aes256Enc,
    whole: Cell<usize>,
    single: Cell<usize>,
    size: PhantomData<N>,
}

impl<N> Batches<N> {
    fn new() -> Self {
        Self { cipher: cipher(), whole: Cell::new(0), single: Cell::new(0), size: PhantomData }
    }
}

impl<N> BlockSizeUser for Batches<N> {
    type BlockSize = U16;
}

impl<N: ArraySize> ParBlocksSizeUser for Batches<N> {
    type ParBlocksSize = N;
}

impl<N: ArraySize> BlockCipherEncrypt for Batches<N> {
    fn encrypt_with_backend(&self, closure: impl BlockCipherEncClosure<BlockSize = U16>) {
        closure.call(self);
    }
}

impl<N: ArraySize> BlockCipherEncBackend for Batches<N> {
    fn encrypt_block(&self, block: InOut<'_, '_, Block>) {
        self.single.set(self.single.get() + 1);
        self.cipher.encrypt_block_inout(block);
    }

    fn encrypt_par_blocks(&self, mut blocks: InOut<'_, '_, ParBlocks<Self>>) {
        self.whole.set(self.whole.get() + 1);
        (0..N::USIZE).for_each(|at| self.cipher.encrypt_block_inout(blocks.get(at)));
    }
}

fn cipher() -> Aes256Enc {
    Aes256Enc::new(&core::array::from_fn(|at| at as u8 ^ 0xa5).into())
}

/// A text, its nonce and its associated data, all different for each length.
fn text(length: usize) -> ([u8; 12], Vec<u8>, Vec<u8>) {
    let byte = |at: usize| (at.wrapping_mul(2_654_435_761).wrapping_add(length * 977) >> 7) as u8;
    (core::array::from_fn(byte), (0..length * 7 % 50).map(byte).collect(), (0..length).map(byte).collect())
}

fn agrees_with_aes_gcm<C: BlockCipherEncrypt<BlockSize = U16>>(gcm: &Gcm<C>, length: usize) {
    let oracle = AesGcm::<Aes256Enc, U12>::from(cipher());
    let (nonce, associated_data, plain) = text(length);
    let mut expected = plain.clone();
    let tag = oracle.encrypt_inout_detached((&nonce).into(), &associated_data, expected.as_mut_slice().into()).unwrap();
    let tag: [u8; 16] = tag.into();

    let mut sealed = plain.clone();
    assert_eq!(gcm.seal(&nonce, &associated_data, &mut sealed), Some(tag), "{length} bytes");
    assert_eq!(sealed, expected, "{length} bytes");

    let mut wrong = tag;
    wrong[length % 16] ^= 1 << (length % 8);
    assert!(!gcm.open(&nonce, &associated_data, &mut sealed, &wrong));
    assert_eq!(sealed, expected, "nothing is decrypted before the tag fits");
    assert!(gcm.open(&nonce, &associated_data, &mut sealed, &tag));
    assert_eq!(sealed, plain, "{length} bytes");
}

#[test]
fn every_length_agrees_with_aes_gcm() {
    let gcm = Gcm::new(cipher());
    (0..=3000).chain([4095, 4096, 9000, 16_367, 16_368, 65_535, 1 << 20]).for_each(|length| {
        agrees_with_aes_gcm(&gcm, length);
    });
}

#[test]
fn every_size_of_batches_agrees_with_aes_gcm() {
    fn check<N: ArraySize>() {
        let gcm = Gcm::new(Batches::<N>::new());
        let near_batches = (0..6).flat_map(|batches| (0..40).map(move |at| batches * N::USIZE * 16 + at));
        near_batches.for_each(|length| agrees_with_aes_gcm(&gcm, length));
    }
    check::<U1>();
    check::<U2>();
    check::<U4>();
    check::<U8>();
    check::<U30>();
    check::<U64>();
}

#[test]
fn one_altered_bit_anywhere_is_noticed() {
    let gcm = Gcm::new(cipher());
    let (nonce, associated_data, mut sealed) = text(1100);
    let tag = gcm.seal(&nonce, &associated_data, &mut sealed).unwrap();
    for bit in 0..sealed.len() * 8 {
        sealed[bit / 8] ^= 1 << (bit % 8);
        assert!(!gcm.open(&nonce, &associated_data, &mut sealed, &tag), "bit {bit}");
        sealed[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(gcm.open(&nonce, &associated_data, &mut sealed, &tag));
}

#[test]
fn what_fills_no_batch_goes_the_cheaper_way() {
    fn used<N: ArraySize>(blocks: usize) -> (usize, usize) {
        let gcm = Gcm::new(Batches::<N>::new());
        // The key of the hash.
        gcm.cipher.single.set(0);
        let _ = gcm.seal(&[1; 12], &[], &mut vec![0; blocks * 16]);
        (gcm.cipher.whole.get(), gcm.cipher.single.get())
    }
    assert_eq!(used::<U64>(0), (0, 1), "the block that hides the tag");
    assert_eq!(used::<U64>(3), (0, 4));
    assert_eq!(used::<U64>(62), (1, 0));
    assert_eq!(used::<U64>(63 + 26), (1, 26), "a datagram of 1452 bytes");
    assert_eq!(used::<U64>(63 + 60), (2, 0));
    assert_eq!(used::<U2>(0), (0, 1));
    assert_eq!(used::<U2>(4), (2, 1));
    assert_eq!(used::<U4>(4), (1, 1));
    assert_eq!(used::<U4>(5), (2, 0));
}

#[test]
fn the_counter_may_reach_its_end() {
    let cipher = cipher();
    let last = cipher_block(&cipher, [9; 12], u32::MAX);
    let backend = Batches::<U8>::new();
    let mut counter = Counter { nonce: &[9; 12], next: u32::MAX - 6 };
    let mut keystream = ParBlocks::<Batches<U8>>::default();
    counter.encrypt(&backend, &mut keystream, 7);
    assert_eq!(keystream[6], last);
    assert_eq!((backend.whole.get(), backend.single.get()), (1, 0));
}

fn cipher_block(cipher: &Aes256Enc, nonce: [u8; 12], counter: u32) -> Block {
    let mut block = Block::default();
    block[..12].copy_from_slice(&nonce);
    block[12..].copy_from_slice(&counter.to_be_bytes());
    cipher.encrypt_block(&mut block);
    block
}
