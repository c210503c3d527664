#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

use std::vec;
use std::vec::Vec;

use super::*;
use crate::crypto::test_vectors::{counting, hex, hex_array};

struct GcmVector {
    key: Secret,
    nonce: [u8; 12],
    associated_data: Vec<u8>,
    plain: Vec<u8>,
    sealed: Vec<u8>,
    tag: [u8; 16],
}

/// Test cases 14, 15 and 16 of the GCM specification.
fn gcm_vectors() -> [GcmVector; 3] {
    let key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
    let plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
                 1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
    let sealed = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
                  8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";
    let case_15 = GcmVector {
        key: Secret::new(hex_array(key)),
        nonce: hex_array("cafebabefacedbaddecaf888"),
        associated_data: vec![],
        plain: hex(plain),
        sealed: hex(sealed),
        tag: hex_array("b094dac5d93471bdec1a502270e3cc6c"),
    };
    let case_16 = GcmVector {
        key: Secret::new(hex_array(key)),
        nonce: hex_array("cafebabefacedbaddecaf888"),
        associated_data: hex("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
        plain: hex(plain)[..60].to_vec(),
        sealed: hex(sealed)[..60].to_vec(),
        tag: hex_array("76fc6ece0f4e1768cddf8853bb2d551b"),
    };
    let case_14 = GcmVector {
        key: Secret::new([0; 32]),
        nonce: [0; 12],
        associated_data: vec![],
        plain: vec![0; 16],
        sealed: hex("cea7403d4d606b6e074ec5d3baf39d18"),
        tag: hex_array("d0d1c8a799996bf0265b98b5d48ab919"),
    };
    [case_14, case_15, case_16]
}

#[test]
fn aes_gcm_gives_the_published_answers() {
    for vector in gcm_vectors() {
        let key = RustCrypto.expand(&vector.key);
        let mut text = vector.plain.clone();
        assert_eq!(RustCrypto.seal(&key, &vector.nonce, &vector.associated_data, &mut text), vector.tag);
        assert_eq!(text, vector.sealed);
        assert_eq!(RustCrypto.open(&key, &vector.nonce, &vector.associated_data, &mut text, &vector.tag), Ok(()));
        assert_eq!(text, vector.plain);
    }
}

#[test]
fn a_text_that_does_not_open_is_wiped() {
    let [_, _, vector] = gcm_vectors();
    let key = RustCrypto.expand(&vector.key);
    let refused = |nonce: &[u8; 12], associated_data: &[u8], sealed: &[u8], tag: &[u8; 16]| {
        let mut text = sealed.to_vec();
        let result = RustCrypto.open(&key, nonce, associated_data, &mut text, tag);
        assert_eq!(text, vec![0; sealed.len()], "neither plaintext nor ciphertext is left");
        result == Err(OpenError)
    };
    for bit in 0..128 {
        let mut tag = vector.tag;
        tag[bit / 8] ^= 1 << (bit % 8);
        assert!(refused(&vector.nonce, &vector.associated_data, &vector.sealed, &tag), "tag bit {bit}");
    }
    let mut sealed = vector.sealed.clone();
    sealed[59] ^= 0x80;
    assert!(refused(&vector.nonce, &vector.associated_data, &sealed, &vector.tag));
    assert!(refused(&vector.nonce, &vector.associated_data[1..], &vector.sealed, &vector.tag));
    assert!(refused(&[0; 12], &vector.associated_data, &vector.sealed, &vector.tag));
}

/// FIPS 197, appendix C.3.
#[test]
fn the_mask_is_one_block_of_aes_256() {
    let key = RustCrypto.expand(&Secret::new(counting(0)));
    let mask = RustCrypto.mask(&key, &hex_array("00112233445566778899aabbccddeeff"));
    assert_eq!(mask, hex_array("8ea2b7ca516745bfeafc49904b496089"));
}

/// RFC 7748, section 5.2.
#[test]
fn x25519_gives_the_published_answers() {
    let cases = [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
    ];
    for (scalar, public, shared) in cases {
        let result = RustCrypto.dh(&Secret::new(hex_array(scalar)), &hex_array(public));
        assert_eq!(result, Ok(Secret::new(hex_array(shared))));
    }
}

#[test]
fn both_ends_of_a_diffie_hellman_agree() {
    let (ours, theirs) = (Secret::new(counting(1)), Secret::new(counting(99)));
    let (our_public, their_public) = (RustCrypto.public_key(&ours), RustCrypto.public_key(&theirs));
    let shared = RustCrypto.dh(&ours, &their_public).unwrap();
    assert_eq!(shared, RustCrypto.dh(&theirs, &our_public).unwrap());
    let mut base_point = [0; 32];
    base_point[0] = 9;
    assert_eq!(RustCrypto.dh(&ours, &base_point).unwrap().expose(), &our_public);
}

//= docs/protocol.md P-4.2-2
#[test]
fn an_all_zero_result_is_refused() {
    for public in crate::crypto::public_key::tests::low_order() {
        assert_eq!(RustCrypto.dh(&Secret::new(counting(3)), &public), Err(DhError));
    }
}
