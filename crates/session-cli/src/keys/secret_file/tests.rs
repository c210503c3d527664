use std::fs::{self, Permissions};
use std::path::PathBuf;

use bech32::Fe32;
use bech32::primitives::iter::{ByteIterExt as _, Fe32IterExt as _};
use proptest::prelude::*;

use super::*;

/// The line of the key 00 01 02 … 1f; a change of the format would lock users out of their keys.
const LINE_OF_KNOWN_KEY: &str = "session-secret1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0s950lnw";

fn known_key() -> SecretKey {
    SecretKey::from_bytes(std::array::from_fn(|index| index as u8))
}

struct KeyFile {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

fn file(content: &[u8], mode: u32) -> KeyFile {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.key");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    KeyFile { path, _folder: folder }
}

/// The sentence for the key in `path`, with the folder taken out.
fn sentence(path: &Path) -> String {
    let failure = SecretKey::load(path).unwrap_err().in_file(Some(path));
    assert_eq!(failure.exit(), Exit::KeyFile);
    failure.to_string().replace(&format!("{}/", path.parent().unwrap().display()), "")
}

#[test]
fn line_of_a_known_key_never_changes() {
    assert_eq!(*known_key().to_line(), format!("{LINE_OF_KNOWN_KEY}\n"));
    assert_eq!(SecretKey::parse(LINE_OF_KNOWN_KEY.as_bytes()).unwrap().as_bytes(), known_key().as_bytes());
}

#[test]
fn public_half_matches_rfc_7748() {
    // Section 6.1, Alice's key pair.
    let secret = [
        0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45, 0xdf, 0x4c,
        0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
    ];
    let public = [
        0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74, 0x8b, 0x7d, 0xdc, 0xb4, 0x3e, 0xf7, 0x5a, 0x0d, 0xbf,
        0x3a, 0x0d, 0x26, 0x38, 0x1a, 0xf4, 0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a,
    ];
    assert_eq!(SecretKey::from_bytes(secret).public_key().as_bytes(), &public);
}

#[test]
fn private_file_is_read_with_any_line_end() {
    for end in ["", "\n", "\r\n", "\n\n"] {
        for mode in [0o600, 0o400] {
            let file = file(format!("{LINE_OF_KNOWN_KEY}{end}").as_bytes(), mode);
            assert_eq!(SecretKey::load(&file.path).unwrap().as_bytes(), known_key().as_bytes());
        }
    }
}

#[test]
fn every_bit_for_others_is_refused() {
    for bit in [0o040, 0o020, 0o010, 0o004, 0o002, 0o001] {
        let file = file(LINE_OF_KNOWN_KEY.as_bytes(), 0o600 | bit);
        assert!(matches!(SecretKey::load(&file.path), Err(SecretKeyError::Exposed(mode)) if mode == 0o600 | bit));
    }
    assert_eq!(
        sentence(&file(LINE_OF_KNOWN_KEY.as_bytes(), 0o644).path),
        "secret key node.key is open to other users (mode 0644); run 'chmod 600 node.key', \
         and replace the key if others may have seen it"
    );
}

#[test]
fn every_unfit_file_has_its_sentence() {
    let typo = LINE_OF_KNOWN_KEY.replacen('q', "p", 1);
    let two = format!("{LINE_OF_KNOWN_KEY}\n{LINE_OF_KNOWN_KEY}\n");
    let checksum_of_bech32 = bech32::encode::<bech32::Bech32>(Hrp::parse(PREFIX).unwrap(), &[7; 32]).unwrap();
    let short = bech32::encode::<Bech32m>(Hrp::parse(PREFIX).unwrap(), &[7; 31]).unwrap();
    let long = bech32::encode::<Bech32m>(Hrp::parse(PREFIX).unwrap(), &[7; 33]).unwrap();
    let other = bech32::encode::<Bech32m>(Hrp::parse("session-psk").unwrap(), &[7; 32]).unwrap();
    let damaged = "secret key node.key is damaged: its checksum does not match; \
                   restore it from a copy, or make a new one with 'session keygen'";
    let foreign = "node.key is not a secret key: it does not start with session-secret1; \
                   check the path, or make a new one with 'session keygen'";
    let cases: [(&[u8], &str); 14] = [
        (b"", "secret key node.key is empty; make a new one with 'session keygen'"),
        (b" \n", "secret key node.key is empty; make a new one with 'session keygen'"),
        (typo.as_bytes(), damaged),
        (&LINE_OF_KNOWN_KEY.as_bytes()[..40], damaged),
        (b"session-secret1", damaged),
        (checksum_of_bech32.as_bytes(), damaged),
        (short.as_bytes(), damaged),
        (long.as_bytes(), damaged),
        (two.as_bytes(), "secret key node.key has more than one line; keep one key per file"),
        (
            b"session-x25519 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= me\n",
            "node.key holds a public key where a secret key is needed; give the file that starts with session-secret1",
        ),
        (other.as_bytes(), foreign),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----\n", foreign),
        (b"\xff\xfe\x00", foreign),
        (&[b'x'; 100_000], foreign),
    ];
    for (content, expected) in cases {
        assert_eq!(
            sentence(&file(content, 0o600).path),
            expected,
            "{}",
            content[..content.len().min(80)].escape_ascii()
        );
    }
}

#[test]
fn stray_bits_in_the_padding_are_refused() {
    let hrp = Hrp::parse(PREFIX).unwrap();
    let mut symbols: Vec<_> = known_key().as_bytes().iter().copied().bytes_to_fes().collect();
    let line =
        |symbols: &[Fe32]| -> String { symbols.iter().copied().with_checksum::<Bech32m>(&hrp).chars().collect() };
    assert_eq!(line(&symbols), LINE_OF_KNOWN_KEY);
    let last = symbols.last_mut().unwrap();
    *last = Fe32::try_from(last.to_u8() | 1).unwrap();
    assert!(matches!(SecretKey::parse(line(&symbols).as_bytes()), Err(SecretKeyError::Damaged)));
}

#[test]
fn what_is_no_file_has_its_sentence() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        sentence(&folder.path().join("missing.key")),
        "secret key missing.key cannot be read (No such file or directory); \
         check the path, or make a new one with 'session keygen'"
    );
    let directory = folder.path().join("folder");
    fs::create_dir(&directory).unwrap();
    assert_eq!(sentence(&directory), "secret key folder is not a regular file; name the file itself");
    // Must not wait for a writer.
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert_eq!(sentence(&pipe), "secret key pipe is not a regular file; name the file itself");
}

#[test]
fn debug_shows_nothing() {
    assert_eq!(format!("{:?}", known_key()), "SecretKey(..)");
}

#[test]
fn every_changed_character_is_noticed() {
    for index in 0..LINE_OF_KNOWN_KEY.len() {
        for replacement in b"0123456789abcdefghijklmnopqrstuvwxyzQ -\n" {
            let mut line = LINE_OF_KNOWN_KEY.as_bytes().to_vec();
            if std::mem::replace(&mut line[index], *replacement) != *replacement {
                assert!(SecretKey::parse(&line).is_err(), "{}", line.escape_ascii());
            }
        }
    }
}

proptest! {
    #[test]
    fn every_key_survives_its_line(bytes: [u8; 32]) {
        let line = SecretKey::from_bytes(bytes).to_line();
        prop_assert!(line.len() == LINE && line.ends_with('\n'));
        prop_assert_eq!(*SecretKey::parse(line.as_bytes()).unwrap().as_bytes(), bytes);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = SecretKey::parse(&bytes);
        let _ = SecretKey::parse(&[b"session-secret1", bytes.as_slice()].concat());
    }
}
