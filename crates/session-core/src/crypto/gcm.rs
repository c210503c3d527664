//! GCM (NIST SP 800-38D) with nonces of 96 bits, out of the block cipher and the hash of `RustCrypto`.
//!
//! What `aes-gcm` computes, with fewer calls of the cipher, each of which costs as much as twenty blocks where registers are wide: all
//! blocks of a text are made in one, and the block that hides the tag with them.

use aes::cipher::array::Array;
use aes::cipher::consts::U16;
use aes::cipher::typenum::Unsigned;
use aes::cipher::{
    BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, ParBlocks, ParBlocksSizeUser,
};
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

type Block = Array<u8, U16>;

const BLOCK: usize = 16;
/// The longest text, in bytes (SP 800-38D, section 5.2.1.1): the counter does not come round.
const LONGEST: u64 = (1 << 36) - 32;
/// A key of GCM.
pub(super) struct Gcm<C> {
    pub(super) cipher: C,
    hash: GHash,
}

impl<C: BlockCipherEncrypt<BlockSize = U16>> Gcm<C> {
    pub(super) fn new(cipher: C) -> Self {
        let mut hash_key = Block::default();
        cipher.encrypt_block(&mut hash_key);
        let hash = GHash::new(&hash_key);
        hash_key.zeroize();
        Self { cipher, hash }
    }

    /// Encrypts `text` in place and returns the tag; `None` and no change if it is too long.
    pub(super) fn seal(&self, nonce: &[u8; 12], associated_data: &[u8], text: &mut [u8]) -> Option<[u8; 16]> {
        if text.len() as u64 > LONGEST {
            return None;
        }
        let mut mask = Block::default();
        let keep = |block: &Block| {
            mask = *block;
            true
        };
        self.cipher.encrypt_with_backend(CounterMode { nonce, text: &mut *text, accept: keep });
        Some(self.tag(&mask, self.hash(associated_data, text)))
    }

    /// Decrypts `text` in place and tells `true`, or leaves it as it is: the tag does not fit.
    #[must_use]
    pub(super) fn open(&self, nonce: &[u8; 12], associated_data: &[u8], text: &mut [u8], tag: &[u8; 16]) -> bool {
        if text.len() as u64 > LONGEST {
            return false;
        }
        let hash = self.hash(associated_data, text);
        let mut fits = false;
        let check = |mask: &Block| {
            fits = self.tag(mask, hash).ct_eq(tag).into();
            fits
        };
        self.cipher.encrypt_with_backend(CounterMode { nonce, text, accept: check });
        fits
    }

    fn hash(&self, associated_data: &[u8], text: &[u8]) -> Block {
        let mut hash = self.hash.clone();
        hash.update_padded(associated_data);
        hash.update_padded(text);
        let bits = |bytes: &[u8]| u128::from((bytes.len() as u64).wrapping_mul(8));
        hash.update(&[((bits(associated_data) << 64) | bits(text)).to_be_bytes().into()]);
        hash.finalize()
    }

    fn tag(&self, mask: &Block, hash: Block) -> [u8; 16] {
        (u128::from_ne_bytes(hash.into()) ^ u128::from_ne_bytes((*mask).into())).to_ne_bytes()
    }
}

/// `text` is combined with the keystream if `accept` likes the block that hides the tag.
struct CounterMode<'a, F> {
    nonce: &'a [u8; 12],
    text: &'a mut [u8],
    accept: F,
}

impl<F> BlockSizeUser for CounterMode<'_, F> {
    type BlockSize = U16;
}

impl<F: FnOnce(&Block) -> bool> BlockCipherEncClosure for CounterMode<'_, F> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let Self { nonce, text, accept } = self;
        let batch = <B as ParBlocksSizeUser>::ParBlocksSize::USIZE;
        let mut counter = Counter { nonce, next: 1 };
        let mut keystream = ParBlocks::<B>::default();

        let in_first = text.len().min(batch.saturating_sub(1).saturating_mul(BLOCK));
        let (first, rest) = text.split_at_mut(in_first);
        counter.encrypt(backend, &mut keystream, in_first.div_ceil(BLOCK).saturating_add(1));
        let Some((mask, others)) = keystream.split_first() else { return };
        if !accept(mask) {
            return;
        }
        combine(first, others);
        for part in rest.chunks_mut(batch.saturating_mul(BLOCK)) {
            counter.encrypt(backend, &mut keystream, part.len().div_ceil(BLOCK));
            combine(part, &keystream);
        }
    }
}

/// The counter block.
struct Counter<'a> {
    nonce: &'a [u8; 12],
    /// The one to encrypt next.
    next: u32,
}

impl Counter<'_> {
    /// Makes the next `wanted` blocks of the keystream, a batch at most.
    #[inline(always)]
    fn encrypt<B: BlockCipherEncBackend<BlockSize = U16>>(
        &mut self,
        backend: &B,
        keystream: &mut ParBlocks<B>,
        wanted: usize,
    ) {
        let batch = batch_pays(wanted, keystream.len());
        let blocks = if batch { keystream.len() } else { wanted };
        let mut counter = [0; BLOCK];
        counter.iter_mut().zip(self.nonce).for_each(|(to, from)| *to = *from);
        for (block, ahead) in keystream.iter_mut().take(blocks).zip(0..) {
            if let Some(number) = counter.last_chunk_mut() {
                *number = self.next.wrapping_add(ahead).to_be_bytes();
            }
            *block = counter.into();
        }
        self.next = self.next.wrapping_add(wanted as u32);
        if batch {
            backend.encrypt_par_blocks(keystream.into());
        } else {
            keystream.iter_mut().take(wanted).for_each(|block| backend.encrypt_block(block.into()));
        }
    }
}

/// Whether a whole batch costs less than `wanted` blocks of it one by one.
///
/// The portable code does 2 or 4 blocks for the price of one. Where batches are wide, blocks one after the other overlap in the
/// processor: with registers of 512 bits, 64 take as long as 45 of these. Three quarters are near that, and err towards blocks.
fn batch_pays(wanted: usize, batch: usize) -> bool {
    let alone = if batch <= 4 { 1 } else { batch.saturating_sub(batch / 4) };
    wanted > alone
}

#[inline(always)]
fn combine(text: &mut [u8], keystream: &[Block]) {
    for (byte, key) in text.iter_mut().zip(Array::slice_as_flattened(keystream)) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests;
