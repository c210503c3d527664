#![expect(clippy::unwrap_used, reason = "a test may fail")]

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
        let tag = keys(role).seal(&RustCrypto, packet_number, b"header", &mut payload).unwrap();
        assert_eq!([&payload[..], &tag].concat(), hex(expected), "{role:?} {packet_number}");
        let other = if role == Role::Initiator { Role::Responder } else { Role::Initiator };
        assert_eq!(keys(other).open(&RustCrypto, packet_number, b"header", &mut payload, &tag), Ok(()));
        assert_eq!(&payload, b"payload");
    }
}

#[test]
fn a_packet_opens_with_its_number_header_and_direction_only() {
    let mut payload = *b"payload";
    let tag = keys(Role::Initiator).seal(&RustCrypto, 5, b"header", &mut payload).unwrap();
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
    let keys: DirectionKey<RustCrypto> = DirectionKey::new(&RustCrypto, &secrets().traffic.initiator, &counting(32));
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
    assert_eq!(initiator.seal_mask(&RustCrypto, &sample), Some(RustCrypto.mask(&header_key, &sample)));
}

#[test]
fn the_digest_sees_every_part() {
    let reference = digest(&secrets());
    assert_eq!(reference, digest(&secrets()));
    let changes: [fn(&mut SessionSecrets); 6] = [
        |secrets| secrets.hash[0] ^= 1,
        |secrets| secrets.root = Secret::new([0; 32]),
        |secrets| secrets.traffic.initiator = Secret::new([0; 32]),
        |secrets| secrets.headers.initiator = Secret::new([0; 32]),
        |secrets| secrets.traffic.responder = Secret::new([0; 32]),
        |secrets| secrets.headers.responder = Secret::new([0; 32]),
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut secrets = secrets();
        change(&mut secrets);
        assert_ne!(digest(&secrets), reference, "change {index}");
    }
}

/// The ephemeral key of each end for a generation.
fn ephemerals(secrets: [u8; 2]) -> [Ephemeral; 2] {
    secrets.map(|first| {
        let secret = Secret::new(counting(first));
        Ephemeral { public: RustCrypto.public_key(&secret), secret }
    })
}

/// What one end derives for a generation, which becomes the one in use.
fn advance(secrets: &mut SessionSecrets, role: Role, generation: u32, [own, peer]: [&Ephemeral; 2]) {
    let peer = PublicKey::from_bytes(peer.public).unwrap();
    let next = secrets.derive(&RustCrypto, role, generation, own, &peer).unwrap();
    let mut traffic = secrets.advance(next);
    secrets.switch(&mut traffic, role);
}

//= docs/protocol.md P-8.1-1
#[test]
fn the_keys_of_later_generations_are_pinned_and_both_ends_agree_on_them() {
    let (mut at_initiator, mut at_responder) = (secrets(), secrets());
    let headers = [
        keys(Role::Initiator).seal_mask(&RustCrypto, &[7; 16]),
        keys(Role::Initiator).open_mask(&RustCrypto, &[7; 16]),
    ];
    let pinned = [
        (
            [96, 128],
            "324884f272481e262d8cdfaa2e9c4a65de3827c231939468e7caefddc4323d86",
            "742f91a8bf98afb3f26b2f8069564ced7d68bcb10efe06ce4f8a265d87fd2dfe",
            "ea11ca8ee6bb178e2e7c6cfdc74c7803d74864cceda3362da4f3a5df50cf3ac9",
        ),
        (
            [160, 192],
            "4711347748eaa993d558bdbdd4402ab21c8c534acef550541823e0dcfc6b180b",
            "296d8f630d37d1313bf13c5c39bed812019b86abf0ed76ad642285d1fc65875f",
            "68449c68cadafabf7bcacdec197e5818fa2690c9e1aea9a94e07de13a22064d9",
        ),
    ];
    for (generation, (seeds, to_responder, to_initiator, root)) in (1..).zip(pinned) {
        let [initiator, responder] = ephemerals(seeds);
        advance(&mut at_initiator, Role::Initiator, generation, [&initiator, &responder]);
        advance(&mut at_responder, Role::Responder, generation, [&responder, &initiator]);
        for secrets in [&at_initiator, &at_responder] {
            assert_eq!(secrets.traffic.initiator.expose(), &hex_array(to_responder), "generation {generation}");
            assert_eq!(secrets.traffic.responder.expose(), &hex_array(to_initiator), "generation {generation}");
            assert_eq!(secrets.root.expose(), &hex_array(root), "generation {generation}");
        }
    }
    let after: PacketKeys<RustCrypto> = PacketKeys::new(&RustCrypto, &at_initiator, Role::Initiator);
    let masks = [after.seal_mask(&RustCrypto, &[7; 16]), after.open_mask(&RustCrypto, &[7; 16])];
    assert_eq!(masks, headers, "header keys do not change");
}

#[test]
fn the_keys_of_a_generation_depend_on_all_that_was_agreed() {
    let [own, peer] = ephemerals([96, 128]);
    let derived = |secrets: &SessionSecrets, role, generation, own: &Ephemeral, peer: &Ephemeral| {
        let peer = PublicKey::from_bytes(peer.public).unwrap();
        let next = secrets.derive(&RustCrypto, role, generation, own, &peer).unwrap();
        *next.traffic.initiator.expose()
    };
    let reference = derived(&secrets(), Role::Initiator, 1, &own, &peer);
    assert_eq!(derived(&secrets(), Role::Initiator, 1, &own, &peer), reference, "deriving changes nothing");
    assert_ne!(derived(&secrets(), Role::Initiator, 2, &own, &peer), reference, "the generation");
    assert_ne!(derived(&secrets(), Role::Responder, 1, &own, &peer), reference, "who is who");
    let mut other = secrets();
    other.hash[0] ^= 1;
    assert_ne!(derived(&other, Role::Initiator, 1, &own, &peer), reference, "the handshake");
    let mut other = secrets();
    other.root = Secret::new([0; 32]);
    assert_ne!(derived(&other, Role::Initiator, 1, &own, &peer), reference, "the root");
}

//= docs/protocol.md P-8.1-6
#[test]
fn who_goes_over_to_new_keys_keeps_of_the_old_ones_only_what_opens() {
    for role in [Role::Initiator, Role::Responder] {
        let mut secrets = secrets();
        let [own, peer] = ephemerals([96, 128]);
        let next = secrets.derive(&RustCrypto, role, 1, &own, &PublicKey::from_bytes(peer.public).unwrap()).unwrap();
        let mut other = secrets.advance(next);
        let opening = *secrets.traffic.opening(role).expose();
        secrets.switch(&mut other, role);
        assert_eq!(*other.opening(role).expose(), opening);
        assert_eq!(*other.sealing(role).expose(), [0; 32], "{role:?}");
        let keys = PacketKeys::to_open(&RustCrypto, &secrets, other.opening(role));
        assert_eq!(keys.seal(&RustCrypto, 0, b"", &mut [1, 2]), None);
        assert_eq!((keys.seal_mask(&RustCrypto, &[7; 16]), keys.open_mask(&RustCrypto, &[7; 16])), (None, None));
    }
}
