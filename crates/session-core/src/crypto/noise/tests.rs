#![expect(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test may panic")]

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::symmetric::SymmetricState;
use super::*;
use crate::crypto::public_key::PublicKey;
use crate::crypto::public_key::tests::{low_order, prime_plus, with_top_bit};
use crate::crypto::suite::{Provider, RustCrypto};
use crate::crypto::test_vectors::counting;
use crate::state_hash::StateHash;

/// Everything that goes into one handshake.
#[derive(Clone, Debug)]
struct Case {
    initiator_static: [u8; 32],
    responder_static: [u8; 32],
    initiator_ephemeral: [u8; 32],
    responder_ephemeral: [u8; 32],
    psk: Option<[u8; 32]>,
    prologue: Vec<u8>,
    payload_1: Vec<u8>,
    payload_2: Vec<u8>,
}

/// What came out of it.
#[derive(Debug, PartialEq)]
struct Run {
    message_1: Vec<u8>,
    message_2: Vec<u8>,
    output: HandshakeOutput,
}

/// One end of ours with its keys.
pub(super) struct End {
    pub(super) static_key: StaticKey,
    pub(super) psk: Option<Secret>,
}

impl End {
    pub(super) fn new(secret: [u8; 32], psk: Option<[u8; 32]>) -> Self {
        Self { static_key: StaticKey::new(&RustCrypto, Secret::new(secret)), psk: psk.map(Secret::new) }
    }

    pub(super) fn local(&self) -> Local<'_, RustCrypto> {
        Local { provider: &RustCrypto, static_key: &self.static_key, psk: self.psk.as_ref() }
    }
}

impl Case {
    fn small(with_psk: bool) -> Self {
        Self {
            initiator_static: counting(1),
            responder_static: counting(2),
            initiator_ephemeral: counting(3),
            responder_ephemeral: counting(4),
            psk: with_psk.then(|| counting(5)),
            prologue: b"session/1".to_vec(),
            payload_1: b"one".to_vec(),
            payload_2: b"two".to_vec(),
        }
    }

    fn initiator(&self) -> End {
        End::new(self.initiator_static, self.psk)
    }

    fn responder(&self) -> End {
        End::new(self.responder_static, self.psk)
    }

    fn start(&self, end: &End) -> (Initiator, Vec<u8>) {
        let mut message = vec![0; self.payload_1.len() + MESSAGE_1_OVERHEAD];
        let (initiator, length) = self.start_into(end, &self.payload_1, &mut message).unwrap();
        assert_eq!(length, message.len());
        (initiator, message)
    }

    fn start_into(&self, end: &End, payload: &[u8], out: &mut [u8]) -> Result<(Initiator, usize), NoiseError> {
        let responder = *self.responder().static_key.public();
        let ephemeral = Secret::new(self.initiator_ephemeral);
        Initiator::start(&end.local(), &responder, &self.prologue, ephemeral, payload, out)
    }

    fn snow(&self, fixed_ephemeral: bool, initiator: bool) -> snow::HandshakeState {
        let pattern = if self.psk.is_some() { "IKpsk2" } else { "IK" };
        let name = std::format!("Noise_{pattern}_25519_AESGCM_SHA256");
        let responder = *self.responder().static_key.public().as_bytes();
        let mut builder = snow::Builder::new(name.parse().unwrap()).prologue(&self.prologue).unwrap();
        if let Some(psk) = &self.psk {
            builder = builder.psk(2, psk).unwrap();
        }
        let (secret, ephemeral) = if initiator {
            builder = builder.remote_public_key(&responder).unwrap();
            (&self.initiator_static, &self.initiator_ephemeral)
        } else {
            (&self.responder_static, &self.responder_ephemeral)
        };
        builder = builder.local_private_key(secret).unwrap();
        if fixed_ephemeral {
            builder = builder.fixed_ephemeral_key_for_testing_only(ephemeral);
        }
        if initiator { builder.build_initiator().unwrap() } else { builder.build_responder().unwrap() }
    }

    /// Both ends by snow.
    fn run_snow(&self) -> Run {
        let (mut initiator, mut responder) = (self.snow(true, true), self.snow(true, false));
        let mut buffer = vec![0; MESSAGE_LIMIT];
        let mut payload = vec![0; MESSAGE_LIMIT];
        let length = initiator.write_message(&self.payload_1, &mut buffer).unwrap();
        let message_1 = buffer[..length].to_vec();
        responder.read_message(&message_1, &mut payload).unwrap();
        let length = responder.write_message(&self.payload_2, &mut buffer).unwrap();
        let message_2 = buffer[..length].to_vec();
        initiator.read_message(&message_2, &mut payload).unwrap();
        let output = snow_output(&mut initiator);
        assert_eq!(output, snow_output(&mut responder));
        Run { message_1, message_2, output }
    }

    /// Our initiator, answered by somebody else's `message_2`.
    fn run_initiator(&self, message_2: &[u8]) -> (Vec<u8>, HandshakeOutput) {
        let end = self.initiator();
        let (initiator, message_1) = self.start(&end);
        let mut payload = vec![0; message_2.len()];
        let (length, output) = initiator.read_message_2(&end.local(), message_2, &mut payload).unwrap();
        assert_eq!(payload[..length], self.payload_2);
        (message_1, output)
    }

    /// Our responder, asked by somebody else's `message_1`.
    fn run_responder(&self, message_1: &[u8]) -> (Vec<u8>, HandshakeOutput) {
        let end = self.responder();
        let mut payload = vec![0; message_1.len()];
        let (responder, length) =
            Responder::read_message_1(&end.local(), &self.prologue, message_1, &mut payload).unwrap();
        assert_eq!(payload[..length], self.payload_1);
        assert_eq!(responder.initiator(), self.initiator().static_key.public());
        let mut message_2 = vec![0; self.payload_2.len() + MESSAGE_2_OVERHEAD];
        let ephemeral = Secret::new(self.responder_ephemeral);
        let (length, output) =
            responder.write_message_2(&end.local(), ephemeral, &self.payload_2, &mut message_2).unwrap();
        assert_eq!(length, message_2.len());
        (message_2, output)
    }

    /// Each of our ends against snow's other end, byte for byte.
    fn compare(&self) {
        let expected = self.run_snow();
        let (message_1, output) = self.run_initiator(&expected.message_2);
        assert!(message_1 == expected.message_1, "message 1 differs");
        assert_eq!(output, expected.output);
        let (message_2, output) = self.run_responder(&expected.message_1);
        assert!(message_2 == expected.message_2, "message 2 differs");
        assert_eq!(output, expected.output);
    }
}

pub(super) fn snow_output(state: &mut snow::HandshakeState) -> HandshakeOutput {
    assert!(state.is_handshake_finished());
    let (initiator_to_responder, responder_to_initiator) = state.dangerously_get_raw_split();
    HandshakeOutput {
        hash: state.get_handshake_hash().try_into().unwrap(),
        initiator_to_responder: Secret::new(initiator_to_responder),
        responder_to_initiator: Secret::new(responder_to_initiator),
    }
}

pub(super) fn any_payload(limit: usize) -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![20 => 0..80usize, 10 => 80..1400usize, 1 => 1400..=limit];
    (length, any::<u8>()).prop_map(|(length, first)| (0..length).map(|index| (index as u8) ^ first).collect())
}

prop_compose! {
    fn any_case(with_psk: bool)(
        keys in any::<[[u8; 32]; 4]>(),
        psk in any::<[u8; 32]>(),
        prologue in prop::collection::vec(any::<u8>(), 0..=64),
        payload_1 in any_payload(MESSAGE_LIMIT - MESSAGE_1_OVERHEAD),
        payload_2 in any_payload(MESSAGE_LIMIT - MESSAGE_2_OVERHEAD),
    ) -> Case {
        let [initiator_static, responder_static, initiator_ephemeral, responder_ephemeral] = keys;
        let psk = with_psk.then_some(psk);
        Case { initiator_static, responder_static, initiator_ephemeral, responder_ephemeral, psk, prologue, payload_1, payload_2 }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn ik_is_that_of_snow(case in any_case(false)) {
        case.compare();
    }

    #[test]
    fn ik_psk2_is_that_of_snow(case in any_case(true)) {
        case.compare();
    }
}

#[test]
fn the_smallest_and_the_largest_messages_are_those_of_snow() {
    for with_psk in [false, true] {
        let mut case = Case::small(with_psk);
        (case.payload_1, case.payload_2, case.prologue) = (vec![], vec![], vec![]);
        case.compare();
        case.payload_1 = vec![1; MESSAGE_LIMIT - MESSAGE_1_OVERHEAD];
        case.payload_2 = vec![2; MESSAGE_LIMIT - MESSAGE_2_OVERHEAD];
        case.prologue = vec![3; 64];
        case.compare();
    }
}

#[test]
fn a_message_over_the_limit_is_neither_written_nor_read() {
    let case = Case::small(false);
    let (initiator_end, responder_end) = (case.initiator(), case.responder());
    let (initiator, message_1) = case.start(&initiator_end);
    let (responder, _) =
        Responder::read_message_1(&responder_end.local(), &case.prologue, &message_1, &mut [0; 3]).unwrap();
    let mut out = vec![7; MESSAGE_LIMIT + 1];

    let payload = vec![0; MESSAGE_LIMIT - MESSAGE_1_OVERHEAD + 1];
    assert_eq!(case.start_into(&initiator_end, &payload, &mut out).unwrap_err(), NoiseError::TooLong);
    let payload = vec![0; MESSAGE_LIMIT - MESSAGE_2_OVERHEAD + 1];
    let result = responder.write_message_2(&responder_end.local(), Secret::new(counting(4)), &payload, &mut out);
    assert_eq!(result, Err(NoiseError::TooLong));
    assert!(out.iter().all(|byte| *byte == 7), "nothing is written");

    let message = vec![9; MESSAGE_LIMIT + 1];
    let result = initiator.read_message_2(&initiator_end.local(), &message, &mut out);
    assert_eq!(result, Err(NoiseError::TooLong));
    let result = Responder::read_message_1(&responder_end.local(), &case.prologue, &message, &mut out);
    assert_eq!(result.unwrap_err(), NoiseError::TooLong);
}

#[test]
fn a_short_message_or_a_short_buffer_is_refused_untouched() {
    let case = Case::small(true);
    let (initiator_end, responder_end) = (case.initiator(), case.responder());
    let (initiator, message_1) = case.start(&initiator_end);
    let (message_2, _) = case.run_responder(&message_1);
    let mut out = [7; 256];

    for length in 0..MESSAGE_1_OVERHEAD {
        let result = Responder::read_message_1(&responder_end.local(), &case.prologue, &message_1[..length], &mut out);
        assert_eq!(result.unwrap_err(), NoiseError::TooShort);
    }
    for length in 0..MESSAGE_2_OVERHEAD {
        let result = initiator.read_message_2(&initiator_end.local(), &message_2[..length], &mut out);
        assert_eq!(result, Err(NoiseError::TooShort));
    }
    let result = Responder::read_message_1(&responder_end.local(), &case.prologue, &message_1, &mut out[..2]);
    assert_eq!(result.unwrap_err(), NoiseError::NoRoom);
    let result = initiator.read_message_2(&initiator_end.local(), &message_2, &mut out[..2]);
    assert_eq!(result, Err(NoiseError::NoRoom));
    let room = message_1.len() - 1;
    assert_eq!(case.start_into(&initiator_end, b"one", &mut out[..room]).unwrap_err(), NoiseError::NoRoom);
    let (responder, _) =
        Responder::read_message_1(&responder_end.local(), &case.prologue, &message_1, &mut [0; 3]).unwrap();
    let room = message_2.len() - 1;
    let result = responder.write_message_2(&responder_end.local(), Secret::new(counting(4)), b"two", &mut out[..room]);
    assert_eq!(result, Err(NoiseError::NoRoom));
    assert_eq!(out, [7; 256]);
}

/// Every bit of every message, and snow refuses the same.
#[test]
fn a_flipped_bit_is_refused_and_leaves_no_trace() {
    for with_psk in [false, true] {
        let case = Case::small(with_psk);
        let (initiator_end, responder_end) = (case.initiator(), case.responder());
        let (initiator, message_1) = case.start(&initiator_end);
        let before = digest(|hash| initiator.digest_into(hash));
        let mut snow_responder = case.snow(true, false);
        for flipped in flips(&message_1) {
            let mut payload = [7; 3];
            let result = Responder::read_message_1(&responder_end.local(), &case.prologue, &flipped, &mut payload);
            assert!(matches!(result, Err(NoiseError::BadTag | NoiseError::BadKey)), "{result:?}");
            assert!(payload == [7; 3] || payload == [0; 3], "no plaintext");
            assert!(snow_responder.read_message(&flipped, &mut payload).is_err());
        }
        let (message_2, output) = case.run_responder(&message_1);

        let mut snow_initiator = case.snow(true, true);
        assert_eq!(snow_initiator.write_message(&case.payload_1, &mut [0; 256]), Ok(message_1.len()));
        for flipped in flips(&message_2) {
            let mut payload = [7; 3];
            let result = initiator.read_message_2(&initiator_end.local(), &flipped, &mut payload);
            assert!(matches!(result, Err(NoiseError::BadTag | NoiseError::BadKey)), "{result:?}");
            assert!(payload == [7; 3] || payload == [0; 3], "no plaintext");
            assert!(snow_initiator.read_message(&flipped, &mut payload).is_err());
        }
        assert_eq!(digest(|hash| initiator.digest_into(hash)), before);
        let mut payload = [0; 3];
        let result = initiator.read_message_2(&initiator_end.local(), &message_2, &mut payload);
        assert_eq!(result, Ok((3, output)), "the genuine message is accepted afterwards");
        assert_eq!(&payload, b"two");
    }
}

#[test]
fn whatever_the_ends_do_not_share_keeps_them_apart() {
    let case = Case::small(true);
    let end = case.initiator();
    let (initiator, message_1) = case.start(&end);
    let read = |end: End, prologue: &[u8]| {
        Responder::read_message_1(&end.local(), prologue, &message_1, &mut [0; 3]).map(|_| ())
    };
    assert_eq!(read(case.responder(), &case.prologue), Ok(()));
    assert_eq!(read(case.responder(), b"session/2"), Err(NoiseError::BadTag));
    assert_eq!(read(End::new(counting(9), case.psk), &case.prologue), Err(NoiseError::BadTag));
    assert_eq!(read(End::new(case.responder_static, None), &case.prologue), Err(NoiseError::BadTag));

    let other = Case { psk: Some(counting(99)), ..case.clone() };
    let (message_2, _) = other.run_responder(&message_1);
    let result = initiator.read_message_2(&end.local(), &message_2, &mut [0; 3]);
    assert_eq!(result, Err(NoiseError::BadTag), "the pre-shared key decides in message 2");
}

#[test]
fn the_pattern_cannot_change_within_a_handshake() {
    for with_psk in [false, true] {
        let case = Case::small(with_psk);
        let other = Case::small(!with_psk);
        let (initiator, message_1) = case.start(&case.initiator());
        let (message_2, _) = case.run_responder(&message_1);
        let result = initiator.read_message_2(&other.initiator().local(), &message_2, &mut [0; 3]);
        assert_eq!(result, Err(NoiseError::PskMismatch));
        let (responder, _) =
            Responder::read_message_1(&case.responder().local(), &case.prologue, &message_1, &mut [0; 3]).unwrap();
        let result =
            responder.write_message_2(&other.responder().local(), Secret::new(counting(4)), b"two", &mut [0; 256]);
        assert_eq!(result, Err(NoiseError::PskMismatch));
    }
}

/// Message 1 with any bytes in the places of `e` and `s`, else as Noise has it.
fn forge_message_1(case: &Case, ephemeral: [u8; 32], static_bytes: [u8; 32], es: &Secret, ss: &Secret) -> Vec<u8> {
    let responder = *case.responder().static_key.public();
    let mut state = SymmetricState::begin(case.psk.is_some(), &case.prologue, &responder);
    state.mix_ephemeral(&ephemeral, case.psk.is_some());
    let mut static_part = [0; 48];
    static_part[..32].copy_from_slice(&static_bytes);
    let cipher = state.mix_key(es.expose());
    state.encrypt_and_hash(&RustCrypto, cipher, &mut static_part).unwrap();
    let mut payload_part = [&case.payload_1[..], &[0; 16]].concat();
    let cipher = state.mix_key(ss.expose());
    state.encrypt_and_hash(&RustCrypto, cipher, &mut payload_part).unwrap();
    [&ephemeral[..], &static_part, &payload_part].concat()
}

pub(super) fn unusable_keys() -> Vec<[u8; 32]> {
    let mut keys = low_order().to_vec();
    keys.extend(low_order().map(with_top_bit));
    keys.extend((0..=18).map(prime_plus));
    keys
}

//= docs/protocol.md P-4.2-2
#[test]
fn unusable_keys_in_message_1_are_refused() {
    for with_psk in [false, true] {
        let case = Case::small(with_psk);
        let (initiator, responder) = (case.initiator(), case.responder());
        let read = |message: &[u8]| {
            let result = Responder::read_message_1(&responder.local(), &case.prologue, message, &mut [0; 3]);
            result.map(|(responder, _)| *responder.initiator())
        };
        let responder_public = responder.static_key.public().as_bytes();
        let ephemeral = RustCrypto.public_key(&Secret::new(case.initiator_ephemeral));
        let es = RustCrypto.dh(&Secret::new(case.initiator_ephemeral), responder_public).unwrap();
        let ss = RustCrypto.dh(initiator.static_key.secret(), responder_public).unwrap();
        let own = *initiator.static_key.public().as_bytes();

        assert_eq!(read(&forge_message_1(&case, ephemeral, own, &es, &ss)), Ok(*initiator.static_key.public()));
        // The twin of a key gives the same Diffie-Hellman results: only the check refuses it.
        let message = forge_message_1(&case, with_top_bit(ephemeral), own, &es, &ss);
        assert_eq!(read(&message), Err(NoiseError::BadKey), "twin of e");
        let message = forge_message_1(&case, ephemeral, with_top_bit(own), &es, &ss);
        assert_eq!(read(&message), Err(NoiseError::BadKey), "twin of s");
        // A key of low order makes the shared secret known to everybody: zero.
        let zero = Secret::new([0; 32]);
        for key in unusable_keys() {
            let message = forge_message_1(&case, key, own, &zero, &ss);
            assert_eq!(read(&message), Err(NoiseError::BadKey), "e = {key:?}");
            let message = forge_message_1(&case, ephemeral, key, &es, &zero);
            assert_eq!(read(&message), Err(NoiseError::BadKey), "s = {key:?}");
        }
    }
}

//= docs/protocol.md P-4.2-2
#[test]
fn unusable_keys_in_message_2_are_refused() {
    for with_psk in [false, true] {
        let case = Case::small(with_psk);
        let (initiator_end, responder_end) = (case.initiator(), case.responder());
        let (initiator, message_1) = case.start(&initiator_end);
        let initiator_ephemeral = PublicKey::from_bytes(*message_1.first_chunk().unwrap()).unwrap();
        let responder_ephemeral = Secret::new(case.responder_ephemeral);

        let answer = |ephemeral: [u8; 32], ee: &Secret, se: &Secret| {
            let (static_part, payload_part) = message_1[32..].split_first_chunk::<48>().unwrap();
            let own = responder_end.static_key.secret();
            let mut state = SymmetricState::begin(with_psk, &case.prologue, responder_end.static_key.public());
            state.mix_ephemeral(initiator_ephemeral.as_bytes(), with_psk);
            let cipher = state.mix_key(RustCrypto.dh(own, initiator_ephemeral.as_bytes()).unwrap().expose());
            state.decrypt_and_hash(&RustCrypto, cipher, static_part, &mut [0; 32]).unwrap();
            let initiator_static = initiator_end.static_key.public().as_bytes();
            let cipher = state.mix_key(RustCrypto.dh(own, initiator_static).unwrap().expose());
            state.decrypt_and_hash(&RustCrypto, cipher, payload_part, &mut [0; 3]).unwrap();
            state.mix_ephemeral(&ephemeral, with_psk);
            state.mix_only(ee.expose());
            let mut cipher = state.mix_key(se.expose());
            if let Some(psk) = &responder_end.psk {
                cipher = state.mix_key_and_hash(psk);
            }
            let mut payload_part = [&case.payload_2[..], &[0; 16]].concat();
            state.encrypt_and_hash(&RustCrypto, cipher, &mut payload_part).unwrap();
            [&ephemeral[..], &payload_part].concat()
        };
        let read = |message: &[u8]| {
            initiator.read_message_2(&initiator_end.local(), message, &mut [0; 3]).map(|(length, _)| length)
        };
        let ee = RustCrypto.dh(&responder_ephemeral, initiator_ephemeral.as_bytes()).unwrap();
        let se = RustCrypto.dh(&responder_ephemeral, initiator_end.static_key.public().as_bytes()).unwrap();
        let ephemeral = RustCrypto.public_key(&responder_ephemeral);
        assert_eq!(read(&answer(ephemeral, &ee, &se)), Ok(3));
        assert_eq!(read(&answer(with_top_bit(ephemeral), &ee, &se)), Err(NoiseError::BadKey), "twin of e");
        let zero = Secret::new([0; 32]);
        for key in unusable_keys() {
            assert_eq!(read(&answer(key, &zero, &zero)), Err(NoiseError::BadKey), "e = {key:?}");
        }
    }
}

pub(super) fn flips(message: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..message.len() * 8).map(|bit| {
        let mut flipped = message.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    })
}

pub(super) fn digest(feed: impl FnOnce(&mut StateHash)) -> [u8; 32] {
    let mut hash = StateHash::new();
    feed(&mut hash);
    hash.finish()
}
