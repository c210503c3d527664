use std::vec::Vec;

use super::*;
use crate::crypto::suite::{RustCrypto, RustCryptoKey};
use crate::crypto::test_vectors::{counting, hex, hex_array};

fn secrets() -> SessionSecrets {
    SessionSecrets::new(HandshakeOutput {
        hash: counting(32),
        initiator_to_responder: Secret::new(counting(0)),
        responder_to_initiator: Secret::new(counting(64)),
    })
}

fn keys(role: Role) -> PacketKeys<RustCrypto> {
    PacketKeys::new(&RustCrypto, &secrets(), role)
}

fn digest(secrets: &SessionSecrets) -> [u8; 32] {
    let mut hash = StateHash::new();
    secrets.digest_into(&mut hash);
    hash.finish()
}

/// What is expected here and below was computed by an independent HKDF and AES-GCM.
#[test]
fn the_name_of_a_session_is_pinned() {
    assert_eq!(secrets().uid(), hex_array("c9484f4b768214ca0af54b44b405e8e2"));
}

//= docs/protocol.md P-8-1
#[test]
fn packets_are_pinned_at_both_ends_of_the_number_space() {
    let cases = [
        (Role::Initiator, 0, "5c012b532ccd3bbd03797ef5bf774cdceb0ff5aaa67807"),
        (Role::Initiator, 1, "d83632bff07d1013248617dca3b5da9cc557c239edeb98"),
        (Role::Initiator, (1 << 62) - 1, "ebc866cbe442bc0d707ebace7f07a75e88d66cfa222974"),
        (Role::Initiator, u64::MAX, "5912baa4905ce3c24a55251cfae297519f6f2f0ee0304e"),
        (Role::Responder, 0, "04eb4cee479e0ec5c2a91a4b325b082e7a2214bade6c5c"),
        (Role::Responder, 1, "1fadb52626f10e2497b8db855aea6d73076b8b40ebf3cd"),
        (Role::Responder, (1 << 62) - 1, "5fe63141ab7c34af060653c4400cf9135dfe5e1e2eaaac"),
        (Role::Responder, u64::MAX, "5682e4bb9d2f3f9f48e08fc3638aa679060baee92e4165"),
    ];
    for (role, packet_number, expected) in cases {
        let mut payload = *b"payload";
        let tag = keys(role).seal(&RustCrypto, packet_number, b"header", &mut payload);
        assert_eq!([&payload[..], &tag].concat(), hex(expected), "{role:?} {packet_number}");
        let other = if role == Role::Initiator { Role::Responder } else { Role::Initiator };
        assert_eq!(keys(other).open(&RustCrypto, packet_number, b"header", &mut payload, &tag), Ok(()));
        assert_eq!(&payload, b"payload");
    }
}

#[test]
fn a_packet_opens_with_its_number_header_and_direction_only() {
    let mut payload = *b"payload";
    let tag = keys(Role::Initiator).seal(&RustCrypto, 5, b"header", &mut payload);
    let opens = |role, packet_number, header: &[u8]| {
        let mut payload = payload;
        let result = keys(role).open(&RustCrypto, packet_number, header, &mut payload, &tag);
        assert!(result.is_ok() || payload == [0; 7], "what does not open is wiped");
        result.is_ok()
    };
    assert!(opens(Role::Responder, 5, b"header"));
    assert!(!opens(Role::Responder, 5 + (1 << 32), b"header"), "all 64 bits of the number count");
    assert!(!opens(Role::Responder, 4, b"header"));
    assert!(!opens(Role::Responder, 5, b"headeR"));
    assert!(!opens(Role::Initiator, 5, b"header"), "one's own packet does not come back");
}

#[test]
fn numbers_give_different_nonces() {
    let keys: DirectionKeys<RustCrypto> = DirectionKeys::new(&RustCrypto, &secrets().initiator, &counting(32));
    let numbers = (0..64).flat_map(|shift| [1 << shift, (1 << shift) - 1, u64::MAX - (1 << shift)]);
    let mut numbers: Vec<u64> = numbers.collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut nonces: Vec<_> = numbers.iter().map(|number| keys.nonce(*number)).collect();
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), numbers.len());
    assert_eq!(keys.nonce(0x4000_0000_0000_0000 - 1), hex_array("0770e618ce1eb0a9dc026d41"));
}

#[test]
fn header_masks_agree_across_and_differ_between_directions() {
    let (initiator, responder) = (keys(Role::Initiator), keys(Role::Responder));
    let sample = [7; 16];
    assert_eq!(initiator.seal_mask(&RustCrypto, &sample), responder.open_mask(&RustCrypto, &sample));
    assert_eq!(responder.seal_mask(&RustCrypto, &sample), initiator.open_mask(&RustCrypto, &sample));
    assert_ne!(initiator.seal_mask(&RustCrypto, &sample), initiator.open_mask(&RustCrypto, &sample));

    let header_secret = hex_array("1268a3f913f4ed8f75065ed3f7ad6d18d83246cc1d9afdbc38d21757c19ad21c");
    let header_key: RustCryptoKey = RustCrypto.expand(&Secret::new(header_secret));
    assert_eq!(initiator.seal_mask(&RustCrypto, &sample), RustCrypto.mask(&header_key, &sample));
}

#[test]
fn the_digest_sees_every_part() {
    let reference = digest(&secrets());
    assert_eq!(reference, digest(&secrets()));
    let changes: [fn(&mut SessionSecrets); 6] = [
        |secrets| secrets.hash[0] ^= 1,
        |secrets| secrets.root = Secret::new([0; 32]),
        |secrets| secrets.initiator.traffic = Secret::new([0; 32]),
        |secrets| secrets.initiator.header = Secret::new([0; 32]),
        |secrets| secrets.responder.traffic = Secret::new([0; 32]),
        |secrets| secrets.responder.header = Secret::new([0; 32]),
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut secrets = secrets();
        change(&mut secrets);
        assert_ne!(digest(&secrets), reference, "change {index}");
    }
}
