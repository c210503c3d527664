//! mac1: the mark that shows that a handshake packet is meant for this node, before anything costly is done.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::hkdf::hmac;
use super::public_key::PublicKey;

/// The key of the marks on packets to `responder_static`; `None` on first contact, where nobody knows that key yet.
pub(crate) fn mac1_key(responder_static: Option<&PublicKey>) -> [u8; 32] {
    let key = responder_static.map_or(&[0; 32], PublicKey::as_bytes);
    Sha256::new().chain_update(b"sc1 mac1").chain_update(key).finalize().into()
}

/// The mark on a handshake packet, computed over everything before the marks.
pub(crate) fn mac1(key: &[u8; 32], packet_without_marks: &[u8]) -> [u8; 16] {
    let mac = hmac(key, &[packet_without_marks]);
    core::array::from_fn(|index| mac.get(index).copied().unwrap_or_default())
}

/// Whether `mark` is the mark of the packet, in constant time.
#[must_use]
pub(crate) fn verify_mac1(key: &[u8; 32], packet_without_marks: &[u8], mark: &[u8; 16]) -> bool {
    mac1(key, packet_without_marks).ct_eq(mark).into()
}

#[cfg(test)]
mod tests;
