use super::*;
use crate::crypto::test_vectors::{counting, hex, hex_array};

const LABELS: [(Label, &str, &str); 13] = [
    (Label::Key, "key", "bbd5d1d1062917f0d6e3bcee7ff31fc558947a2b892418681d0fced5126787ee"),
    (Label::Iv, "iv", "a9ba87ff21357fa2cf6d240706966fe8e50649af51f64c35ee41fb7b9d1dc99f"),
    (Label::Hp, "hp", "1268a3f913f4ed8f75065ed3f7ad6d18d83246cc1d9afdbc38d21757c19ad21c"),
    (Label::Dhr, "dhr", "d3ff03c234d716e47b0d6d868302b3e99311007e973ec5b1be042d8d56ea475d"),
    (Label::Pq, "pq", "4b726d7d2cd513cd62214eae32e2e5c20b0f2506e328791fd1c35edb89d17ad8"),
    (Label::Res, "res", "ffeef4896f456a827463248debb2a97ad7435d883015f10e5391a267229be23a"),
    (Label::Exp, "exp", "a6a894ddd236ef0055ca693ac79c7e08eee434efb9a59873a0600a9ab589b9c0"),
    (Label::Uid, "uid", "67c2cab275773a512df31fb57002d496b274bb23774fa0206b17de2c19ef6d18"),
    (Label::Reset, "reset", "e93e99539088cea05576da62c7247e52f5daabb430f77642796946117263dd95"),
    (Label::Id, "id", "3f9724bfbcd75030184ef80008c1cb2725af360edfef0e12e12d78be9ac616b6"),
    (Label::Mac1, "mac1", "296b1cd71547bb027d6f4ef2552286f01ace2c050555f0712986cfbaaed02434"),
    (Label::Cookie, "cookie", "0d61d758208afa31c2a446ddc7bbb078862b62d7fbe6a1405b5faa4ee88bdf78"),
    (Label::Drbg, "drbg", "16e37d6f81f57921a01f3e444b243337b6ccb0f0c226f3581ad3aab5ad84dc15"),
];

/// The expected values were computed by an independent HKDF.
#[test]
fn every_label_has_its_pinned_output() {
    for (label, name, expected) in LABELS {
        assert_eq!(label.text(), [b"sc1 ", name.as_bytes()].concat());
        assert!(label.text().len() <= LABEL_LIMIT);
        let output: [u8; 32] = expand_label(&Secret::new(counting(0)), label, &counting(32));
        assert_eq!(output, hex_array(expected), "{name}");
    }
    let iv: [u8; 12] = expand_label(&Secret::new(counting(0)), Label::Iv, &counting(32));
    assert_eq!(iv, hex_array("0770e618f1e14f5623fd92be"), "the length is part of the derivation");
}

//= docs/protocol.md P-8-2
#[test]
fn no_encoded_label_begins_with_another() {
    let encoded = LABELS.map(|(label, ..)| [&[label.text().len() as u8], label.text()].concat());
    for (index, one) in encoded.iter().enumerate() {
        for (other_index, other) in encoded.iter().enumerate() {
            assert!(index == other_index || !one.starts_with(other), "{one:?} {other:?}");
        }
    }
}

/// RFC 9001, appendix A.1: the shape of the label is that of TLS 1.3.
#[test]
fn the_shape_is_that_of_rfc_8446() {
    let secret = Secret::new(hex_array("c00cf151ca5be075ed0ebfb5c80323c42d6b7db67881289af4008f1f6c357aea"));
    let key: [u8; 16] = expand_text(&secret, b"tls13 quic key", &[]);
    assert_eq!(key, hex_array("1f369613dd76d5467730efcbe3b1a22d"));
    let iv: [u8; 12] = expand_text(&secret, b"tls13 quic iv", &[]);
    assert_eq!(iv, hex_array("fa044b2f42a3fd3b46fb255c"));
    let header_key: [u8; 16] = expand_text(&secret, b"tls13 quic hp", &[]);
    assert_eq!(header_key, hex_array("9f50449e04a0e810283a1e9933adedd2"));
}

/// RFC 5869, appendix A.1. HMAC pads keys with zeros, so the salt of 13 bytes may be padded here already.
#[test]
fn extract_and_expand_are_those_of_rfc_5869() {
    let mut salt = [0; 32];
    salt[..13].copy_from_slice(&hex("000102030405060708090a0b0c"));
    let secret = extract(&Secret::new(salt), &[0x0b; 22]);
    assert_eq!(secret.expose(), &hex_array("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"));
    let mut output = [0; 42];
    expand(&secret, &[&hex("f0f1f2f3f4"), &hex("f5f6f7f8f9")], &mut output);
    let expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
    assert_eq!(output, hex_array(expected));
}

/// RFC 4231, test case 2.
#[test]
fn hmac_gives_the_published_answer() {
    let mut key = [0; 32];
    key[..4].copy_from_slice(b"Jefe");
    let expected = hex_array("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_eq!(hmac(&key, &[b"what do ya want for nothing?"]), expected);
    assert_eq!(hmac(&key, &[b"what do ya", b"", b" want for nothing?"]), expected);
}

/// Noise rev 34, section 4.3, written out.
#[test]
fn the_hkdf_of_noise_is_a_chain_of_hmacs() {
    let chaining_key = Secret::new(counting(7));
    let key = hmac(chaining_key.expose(), &[b"input"]);
    let first = hmac(&key, &[&[1]]);
    let second = hmac(&key, &[&first, &[2]]);
    let third = hmac(&key, &[&second, &[3]]);
    assert_eq!(noise_hkdf(&chaining_key, b"input"), [first, second, third].map(Secret::new));
    assert_eq!(noise_hkdf(&chaining_key, b"input"), [first, second].map(Secret::new));
}
