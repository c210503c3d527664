#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::crypto::test_vectors::hex_array;

fn some_key() -> PublicKey {
    let mut bytes = [0; 32];
    bytes[0] = 9;
    PublicKey::from_bytes(bytes).unwrap()
}

#[test]
fn keys_and_marks_are_pinned() {
    let first_contact = hex_array("56d2748052157be064247f057b912b3658da162e6452ae6412d61cfd275a1738");
    assert_eq!(mac1_key(None), first_contact);
    let key = mac1_key(Some(&some_key()));
    assert_eq!(key, hex_array("f8e17ab9286a4a8f7d9805d7e736c9ffd9b61bf7db986c5098c9dc3f85788256"));
    assert_eq!(mac1(&key, b"packet"), hex_array("a4bd7ddb5cf041811fe94cda6b794438"));
}

#[test]
fn a_mark_fits_one_key_and_one_packet() {
    let key = mac1_key(Some(&some_key()));
    let mark = mac1(&key, b"packet");
    assert!(verify_mac1(&key, b"packet", &mark));
    assert!(!verify_mac1(&key, b"packeu", &mark));
    assert!(!verify_mac1(&key, b"packe", &mark));
    assert!(!verify_mac1(&mac1_key(None), b"packet", &mark));
    for bit in 0..128 {
        let mut other = mark;
        other[bit / 8] ^= 1 << (bit % 8);
        assert!(!verify_mac1(&key, b"packet", &other), "bit {bit}");
    }
}
