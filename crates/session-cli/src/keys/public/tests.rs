use proptest::prelude::*;

use super::*;

const KEY: PublicKey = PublicKey::from_bytes([0xfb; 32]);
const BASE64: &str = "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=";

#[test]
fn line_reads_as_it_is_written() {
    for comment in ["", "me", "me at home, 2nd floor"] {
        let line = PublicKeyLine { key: KEY, comment: comment.to_owned() };
        assert_eq!(PublicKeyLine::parse(&line.to_string()), Ok(line));
    }
    let line = PublicKeyLine { key: KEY, comment: "me".to_owned() };
    assert_eq!(line.to_string(), format!("session-x25519 {BASE64} me"));
    assert_eq!(PublicKeyLine::parse(&format!("  session-x25519\t{BASE64}   me \r\n")), Ok(line));
}

#[test]
fn every_unfit_line_has_its_reason() {
    let cases = [
        ("", PublicKeyError::WrongType),
        ("ssh-ed25519 AAAA", PublicKeyError::WrongType),
        ("session-x25519x AAAA", PublicKeyError::WrongType),
        ("session-x25519", PublicKeyError::Missing),
        ("session-x25519 AAAA", PublicKeyError::Malformed),
        // Unpadded, url-safe, 33 bytes, stray bits in the padding.
        ("session-x25519 +/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s", PublicKeyError::Malformed),
        ("session-x25519 -_v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=", PublicKeyError::Malformed),
        ("session-x25519 +/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7", PublicKeyError::Malformed),
        ("session-x25519 +/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/t=", PublicKeyError::Malformed),
        ("session-secret1qqqq", PublicKeyError::IsSecret),
        ("session-x25519 session-secret1qqqq", PublicKeyError::IsSecret),
    ];
    for (line, error) in cases {
        assert_eq!(PublicKeyLine::parse(line), Err(error), "{line}");
    }
}

#[test]
fn fingerprint_is_the_hash_of_the_key() {
    // `printf '\0%.0s' {1..32} | sha256sum`, in base64 without padding.
    let fingerprint = PublicKey::from_bytes([0; 32]).fingerprint();
    assert_eq!(fingerprint, "SHA256:Zmh6rfhivXdsj8GLjp+OIAiXFIVu4jOzkCpZHQ1fKSU");
}

proptest! {
    #[test]
    fn every_key_survives_base64(bytes: [u8; 32]) {
        let key = PublicKey::from_bytes(bytes);
        prop_assert_eq!(PublicKey::from_base64(&key.to_base64()), Ok(key));
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,80}", rest in any::<String>()) {
        let _ = PublicKeyLine::parse(&text);
        let _ = PublicKeyLine::parse(&format!("session-x25519 {rest}"));
        let _ = PublicKey::from_base64(&rest);
    }
}
