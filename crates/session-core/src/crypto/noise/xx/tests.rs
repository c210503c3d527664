#![expect(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test may panic")]

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::super::symmetric::SymmetricState;
use super::super::tests::{End, any_payload, digest, flips, snow_output, unusable_keys};
use super::super::{HandshakeOutput, MESSAGE_LIMIT, NoiseError};
use super::*;
use crate::crypto::public_key::PublicKey;
use crate::crypto::public_key::tests::with_top_bit;
use crate::crypto::secret::Secret;
use crate::crypto::suite::{Provider, RustCrypto};
use crate::crypto::test_vectors::counting;

/// Snow wants room for a tag in message 1 of `XX` too, although there is none.
const SNOW_LIMIT_1: usize = MESSAGE_LIMIT - 32 - 16;

/// Everything that goes into one handshake.
#[derive(Clone, Debug)]
struct Case {
    initiator_static: [u8; 32],
    responder_static: [u8; 32],
    initiator_ephemeral: [u8; 32],
    responder_ephemeral: [u8; 32],
    psk: Option<[u8; 32]>,
    prologue: Vec<u8>,
    payloads: [Vec<u8>; 3],
}

/// What came out of it.
#[derive(Debug, PartialEq)]
struct Run {
    messages: [Vec<u8>; 3],
    output: HandshakeOutput,
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
            payloads: [b"one".to_vec(), b"two".to_vec(), b"six".to_vec()],
        }
    }

    fn initiator(&self) -> End {
        End::new(self.initiator_static, self.psk)
    }

    fn responder(&self) -> End {
        End::new(self.responder_static, self.psk)
    }

    fn snow(&self, initiator: bool) -> snow::HandshakeState {
        let pattern = if self.psk.is_some() { "XXpsk3" } else { "XX" };
        let name = std::format!("Noise_{pattern}_25519_AESGCM_SHA256");
        let mut builder = snow::Builder::new(name.parse().unwrap()).prologue(&self.prologue).unwrap();
        if let Some(psk) = &self.psk {
            builder = builder.psk(3, psk).unwrap();
        }
        let (secret, ephemeral) = if initiator {
            (&self.initiator_static, &self.initiator_ephemeral)
        } else {
            (&self.responder_static, &self.responder_ephemeral)
        };
        builder = builder.local_private_key(secret).unwrap().fixed_ephemeral_key_for_testing_only(ephemeral);
        if initiator { builder.build_initiator().unwrap() } else { builder.build_responder().unwrap() }
    }

    /// Both ends by snow.
    fn run_snow(&self) -> Run {
        let mut ends = [self.snow(true), self.snow(false)];
        let mut buffer = vec![0; MESSAGE_LIMIT];
        let mut payload = vec![0; MESSAGE_LIMIT];
        let messages = core::array::from_fn(|index| {
            let length = ends[index % 2].write_message(&self.payloads[index], &mut buffer).unwrap();
            let read = ends[1 - index % 2].read_message(&buffer[..length], &mut payload).unwrap();
            assert_eq!(payload[..read], self.payloads[index]);
            buffer[..length].to_vec()
        });
        let [initiator, responder] = &mut ends;
        let output = snow_output(initiator);
        assert_eq!(output, snow_output(responder));
        Run { messages, output }
    }

    fn start(&self) -> (XxInitiator, Vec<u8>) {
        let mut message = vec![0; self.payloads[0].len() + xx_message_1_overhead(self.psk.is_some())];
        let (initiator, length) = self.start_into(&self.payloads[0], &mut message).unwrap();
        assert_eq!(length, message.len());
        (initiator, message)
    }

    fn start_into(&self, payload: &[u8], out: &mut [u8]) -> Result<(XxInitiator, usize), NoiseError> {
        let ephemeral = Secret::new(self.initiator_ephemeral);
        XxInitiator::start(&self.initiator().local(), &self.prologue, ephemeral, payload, out)
    }

    fn verify(&self, initiator: &XxInitiator, message_2: &[u8]) -> Result<(Vec<u8>, XxVerified), NoiseError> {
        let mut payload = vec![0; message_2.len()];
        let (length, verified) = initiator.read_message_2(&self.initiator().local(), message_2, &mut payload)?;
        Ok((payload[..length].to_vec(), verified))
    }

    fn finish(&self, verified: XxVerified) -> (Vec<u8>, HandshakeOutput) {
        let mut message = vec![0; self.payloads[2].len() + XX_MESSAGE_3_OVERHEAD];
        let (length, output) =
            verified.write_message_3(&self.initiator().local(), &self.payloads[2], &mut message).unwrap();
        assert_eq!(length, message.len());
        (message, output)
    }

    fn greet(&self, message_1: &[u8]) -> Result<XxResponder, NoiseError> {
        let mut payload = vec![0; message_1.len()];
        let (responder, length) =
            XxResponder::read_message_1(&self.responder().local(), &self.prologue, message_1, &mut payload)?;
        assert_eq!(length, self.payloads[0].len());
        Ok(responder)
    }

    fn answer(&self, message_1: &[u8]) -> (XxAwaiting, Vec<u8>) {
        let mut message = vec![0; self.payloads[1].len() + XX_MESSAGE_2_OVERHEAD];
        let ephemeral = Secret::new(self.responder_ephemeral);
        let (length, awaiting) = self
            .greet(message_1)
            .unwrap()
            .write_message_2(&self.responder().local(), ephemeral, &self.payloads[1], &mut message)
            .unwrap();
        assert_eq!(length, message.len());
        (awaiting, message)
    }

    fn read_3(
        &self,
        awaiting: &XxAwaiting,
        message_3: &[u8],
    ) -> Result<(Vec<u8>, PublicKey, HandshakeOutput), NoiseError> {
        let mut payload = vec![0; message_3.len()];
        let (length, initiator, output) =
            awaiting.read_message_3(&self.responder().local(), message_3, &mut payload)?;
        Ok((payload[..length].to_vec(), initiator, output))
    }

    /// Each of our ends against snow's other end, byte for byte.
    fn compare(&self) {
        let expected = self.run_snow();
        let (initiator, message_1) = self.start();
        assert!(message_1 == expected.messages[0], "message 1 differs");
        let (payload, verified) = self.verify(&initiator, &expected.messages[1]).unwrap();
        assert!(payload == self.payloads[1], "payload 2 differs");
        assert_eq!(verified.responder(), self.responder().static_key.public());
        let (message_3, output) = self.finish(verified);
        assert!(message_3 == expected.messages[2], "message 3 differs");
        assert_eq!(output, expected.output);

        let (awaiting, message_2) = self.answer(&expected.messages[0]);
        assert!(message_2 == expected.messages[1], "message 2 differs");
        let (payload, initiator, output) = self.read_3(&awaiting, &expected.messages[2]).unwrap();
        assert!(payload == self.payloads[2], "payload 3 differs");
        assert_eq!(&initiator, self.initiator().static_key.public());
        assert_eq!(output, expected.output);
    }
}

prop_compose! {
    fn any_case(with_psk: bool)(
        keys in any::<[[u8; 32]; 4]>(),
        psk in any::<[u8; 32]>(),
        prologue in prop::collection::vec(any::<u8>(), 0..=64),
        payload_1 in any_payload(SNOW_LIMIT_1),
        payload_2 in any_payload(MESSAGE_LIMIT - XX_MESSAGE_2_OVERHEAD),
        payload_3 in any_payload(MESSAGE_LIMIT - XX_MESSAGE_3_OVERHEAD),
    ) -> Case {
        let [initiator_static, responder_static, initiator_ephemeral, responder_ephemeral] = keys;
        let (psk, payloads) = (with_psk.then_some(psk), [payload_1, payload_2, payload_3]);
        Case { initiator_static, responder_static, initiator_ephemeral, responder_ephemeral, psk, prologue, payloads }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn xx_is_that_of_snow(case in any_case(false)) {
        case.compare();
    }

    #[test]
    fn xx_psk3_is_that_of_snow(case in any_case(true)) {
        case.compare();
    }
}

#[test]
fn the_smallest_and_the_largest_messages_are_those_of_snow() {
    for with_psk in [false, true] {
        let mut case = Case::small(with_psk);
        (case.payloads, case.prologue) = ([vec![], vec![], vec![]], vec![]);
        case.compare();
        let overheads = [xx_message_1_overhead(with_psk), XX_MESSAGE_2_OVERHEAD, XX_MESSAGE_3_OVERHEAD];
        case.payloads = overheads.map(|overhead| vec![overhead as u8; MESSAGE_LIMIT - overhead]);
        case.payloads[0].truncate(SNOW_LIMIT_1);
        case.prologue = vec![3; 64];
        case.compare();
    }
}

#[test]
fn a_message_over_the_limit_is_neither_written_nor_read() {
    for with_psk in [false, true] {
        let case = Case::small(with_psk);
        let (mine, theirs) = (case.initiator(), case.responder());
        let (initiator, message_1) = case.start();
        let (awaiting, message_2) = case.answer(&message_1);
        let mut out = vec![7; MESSAGE_LIMIT + 1];

        let over = |overhead: usize| vec![0; MESSAGE_LIMIT - overhead + 1];
        let result = case.start_into(&over(xx_message_1_overhead(with_psk)), &mut out);
        assert_eq!(result.unwrap_err(), NoiseError::TooLong);
        let responder = case.greet(&message_1).unwrap();
        let (ephemeral, payload) = (Secret::new(counting(4)), over(XX_MESSAGE_2_OVERHEAD));
        let result = responder.write_message_2(&theirs.local(), ephemeral, &payload, &mut out);
        assert_eq!(result.unwrap_err(), NoiseError::TooLong);
        let (_, verified) = case.verify(&initiator, &message_2).unwrap();
        let result = verified.write_message_3(&mine.local(), &over(XX_MESSAGE_3_OVERHEAD), &mut out);
        assert_eq!(result.unwrap_err(), NoiseError::TooLong);
        assert!(out.iter().all(|byte| *byte == 7), "nothing is written");

        let message = vec![9; MESSAGE_LIMIT + 1];
        let result = XxResponder::read_message_1(&theirs.local(), &case.prologue, &message, &mut out);
        assert_eq!(result.unwrap_err(), NoiseError::TooLong);
        assert_eq!(case.verify(&initiator, &message).err(), Some(NoiseError::TooLong));
        assert_eq!(case.read_3(&awaiting, &message), Err(NoiseError::TooLong));
    }
}

#[test]
fn a_short_message_or_a_short_buffer_is_refused_untouched() {
    for with_psk in [false, true] {
        let case = Case::small(with_psk);
        let (mine, theirs) = (case.initiator(), case.responder());
        let (initiator, message_1) = case.start();
        let (awaiting, message_2) = case.answer(&message_1);
        let (_, verified) = case.verify(&initiator, &message_2).unwrap();
        let (message_3, _) = case.finish(verified);
        let mut out = [7; 256];

        let read_1 = |message: &[u8], out: &mut [u8]| {
            XxResponder::read_message_1(&theirs.local(), &case.prologue, message, out).map(|_| ())
        };
        let read_2 = |message: &[u8], out: &mut [u8]| initiator.read_message_2(&mine.local(), message, out).map(|_| ());
        let read_3 =
            |message: &[u8], out: &mut [u8]| awaiting.read_message_3(&theirs.local(), message, out).map(|_| ());
        for length in 0..xx_message_1_overhead(with_psk) {
            assert_eq!(read_1(&message_1[..length], &mut out), Err(NoiseError::TooShort));
        }
        for length in 0..XX_MESSAGE_2_OVERHEAD {
            assert_eq!(read_2(&message_2[..length], &mut out), Err(NoiseError::TooShort));
        }
        for length in 0..XX_MESSAGE_3_OVERHEAD {
            assert_eq!(read_3(&message_3[..length], &mut out), Err(NoiseError::TooShort));
        }
        assert_eq!(read_1(&message_1, &mut out[..2]), Err(NoiseError::NoRoom));
        assert_eq!(read_2(&message_2, &mut out[..2]), Err(NoiseError::NoRoom));
        assert_eq!(read_3(&message_3, &mut out[..2]), Err(NoiseError::NoRoom));

        let room = message_1.len() - 1;
        assert_eq!(case.start_into(b"one", &mut out[..room]).unwrap_err(), NoiseError::NoRoom);
        let room = message_2.len() - 1;
        let responder = case.greet(&message_1).unwrap();
        let result = responder.write_message_2(&theirs.local(), Secret::new(counting(4)), b"two", &mut out[..room]);
        assert_eq!(result.unwrap_err(), NoiseError::NoRoom);
        let room = message_3.len() - 1;
        let (_, verified) = case.verify(&initiator, &message_2).unwrap();
        let result = verified.write_message_3(&mine.local(), b"six", &mut out[..room]);
        assert_eq!(result.unwrap_err(), NoiseError::NoRoom);
        assert_eq!(out, [7; 256]);
    }
}

/// Without a pre-shared key message 1 is plain: only its hash shows the change, and message 2 is where both refuse.
#[test]
fn a_flipped_bit_of_message_1_is_noticed_where_snow_notices_it() {
    for with_psk in [false, true] {
        let case = Case::small(with_psk);
        let (initiator, message_1) = case.start();
        let before = digest(|hash| initiator.digest_into(hash));
        for flipped in flips(&message_1) {
            let mut snow_responder = case.snow(false);
            let snow_read = snow_responder.read_message(&flipped, &mut [0; 64]);
            let responder = match case.greet(&flipped) {
                Ok(responder) => responder,
                Err(error) => {
                    // Snow takes a key with the top bit set for its twin; a tag it refuses all the same.
                    assert!(error == NoiseError::BadKey || snow_read.is_err(), "{error:?}");
                    continue;
                }
            };
            assert!(snow_read.is_ok() && !with_psk);
            let mut message_2 = [0; 256];
            let (ephemeral, end) = (Secret::new(case.responder_ephemeral), case.responder());
            let (length, _) = responder.write_message_2(&end.local(), ephemeral, b"two", &mut message_2).unwrap();
            let mut snow_message_2 = [0; 256];
            assert_eq!(snow_responder.write_message(b"two", &mut snow_message_2), Ok(length));
            assert_eq!(message_2, snow_message_2, "both answer, and alike");
            assert_eq!(case.verify(&initiator, &message_2[..length]).err(), Some(NoiseError::BadTag));
            let mut snow_initiator = case.snow(true);
            snow_initiator.write_message(b"one", &mut [0; 256]).unwrap();
            assert!(snow_initiator.read_message(&message_2[..length], &mut [0; 64]).is_err());
        }
        assert_eq!(digest(|hash| initiator.digest_into(hash)), before);
    }
}

#[test]
fn a_flipped_bit_of_message_2_is_refused_and_leaves_no_trace() {
    for with_psk in [false, true] {
        let case = Case::small(with_psk);
        let end = case.initiator();
        let (initiator, message_1) = case.start();
        let (_, message_2) = case.answer(&message_1);
        let before = digest(|hash| initiator.digest_into(hash));
        let mut snow_initiator = case.snow(true);
        assert_eq!(snow_initiator.write_message(b"one", &mut [0; 256]), Ok(message_1.len()));
        for flipped in flips(&message_2) {
            let mut payload = [7; 3];
            let error = initiator.read_message_2(&end.local(), &flipped, &mut payload).err();
            assert!(matches!(error, Some(NoiseError::BadTag | NoiseError::BadKey)), "{error:?}");
            assert!(payload == [7; 3] || payload == [0; 3], "no plaintext");
            assert!(snow_initiator.read_message(&flipped, &mut payload).is_err());
        }
        assert_eq!(digest(|hash| initiator.digest_into(hash)), before);
        let (payload, _) = case.verify(&initiator, &message_2).unwrap();
        assert_eq!(payload, b"two", "the genuine message is accepted afterwards");
    }
}

#[test]
fn a_flipped_bit_of_message_3_is_refused_and_leaves_no_trace() {
    for with_psk in [false, true] {
        let case = Case::small(with_psk);
        let end = case.responder();
        let (initiator, message_1) = case.start();
        let (awaiting, message_2) = case.answer(&message_1);
        let (_, verified) = case.verify(&initiator, &message_2).unwrap();
        let (message_3, output) = case.finish(verified);
        let before = digest(|hash| awaiting.digest_into(hash));
        let mut snow_responder = case.snow(false);
        snow_responder.read_message(&message_1, &mut [0; 64]).unwrap();
        snow_responder.write_message(b"two", &mut [0; 256]).unwrap();
        for flipped in flips(&message_3) {
            let mut payload = [7; 3];
            let error = awaiting.read_message_3(&end.local(), &flipped, &mut payload).err();
            assert_eq!(error, Some(NoiseError::BadTag));
            assert!(payload == [7; 3] || payload == [0; 3], "no plaintext");
            assert!(snow_responder.read_message(&flipped, &mut payload).is_err());
        }
        assert_eq!(digest(|hash| awaiting.digest_into(hash)), before);
        let genuine = (b"six".to_vec(), *case.initiator().static_key.public(), output);
        assert_eq!(case.read_3(&awaiting, &message_3), Ok(genuine), "the genuine message is accepted afterwards");
    }
}

#[test]
fn whatever_the_ends_do_not_share_keeps_them_apart() {
    let case = Case::small(true);
    let (initiator, message_1) = case.start();
    let greet = |case: &Case| case.greet(&message_1).map(|_| ());
    assert_eq!(greet(&case), Ok(()));
    assert_eq!(greet(&Case { prologue: b"session/2".to_vec(), ..case.clone() }), Err(NoiseError::BadTag));

    let other = Case { psk: Some(counting(99)), ..case.clone() };
    let (awaiting, message_2) = other.answer(&message_1);
    let (_, verified) = case.verify(&initiator, &message_2).unwrap();
    let (message_3, _) = case.finish(verified);
    assert_eq!(other.read_3(&awaiting, &message_3), Err(NoiseError::BadTag), "the pre-shared key decides in message 3");

    let (plain, psk) = (Case::small(false), Case::small(true));
    let longer = Case { payloads: [vec![0; 16 + 3], vec![], vec![]], ..plain.clone() };
    assert_eq!(psk.greet(&longer.start().1).err(), Some(NoiseError::BadTag));
}

#[test]
fn the_pattern_cannot_change_within_a_handshake() {
    for with_psk in [false, true] {
        let (case, other) = (Case::small(with_psk), Case::small(!with_psk));
        let (initiator, message_1) = case.start();
        let (awaiting, message_2) = case.answer(&message_1);
        let (_, verified) = case.verify(&initiator, &message_2).unwrap();
        let (message_3, _) = case.finish(verified);
        assert_eq!(other.verify(&initiator, &message_2).err(), Some(NoiseError::PskMismatch));
        assert_eq!(other.read_3(&awaiting, &message_3), Err(NoiseError::PskMismatch));
        let (_, verified) = case.verify(&initiator, &message_2).unwrap();
        let result = verified.write_message_3(&other.initiator().local(), b"six", &mut [0; 256]);
        assert_eq!(result.err(), Some(NoiseError::PskMismatch));
        let (responder, ephemeral) = (case.greet(&message_1).unwrap(), Secret::new(counting(4)));
        let result = responder.write_message_2(&other.responder().local(), ephemeral, b"two", &mut [0; 256]);
        assert_eq!(result.err(), Some(NoiseError::PskMismatch));
    }
}

/// Message 1 with any bytes in the place of `e`, else as Noise has it.
fn forge_message_1(case: &Case, ephemeral: [u8; 32]) -> Vec<u8> {
    if case.psk.is_none() {
        return [&ephemeral[..], &case.payloads[0]].concat();
    }
    let mut state = SymmetricState::begin_xx(true, &case.prologue);
    state.mix_hash(&ephemeral);
    let mut payload_part = [&case.payloads[0][..], &[0; 16]].concat();
    let cipher = state.mix_key(&ephemeral);
    state.encrypt_and_hash(&RustCrypto, cipher, &mut payload_part).unwrap();
    [&ephemeral[..], &payload_part].concat()
}

/// Message 2 to `message_1` with any bytes in the places of `e` and `s`, and the secrets that would follow from them.
fn forge_message_2(case: &Case, message_1: &[u8], keys: [[u8; 32]; 2], ee: &Secret, es: &Secret) -> Vec<u8> {
    let [ephemeral, static_bytes] = keys;
    let with_psk = case.psk.is_some();
    let mut state = SymmetricState::begin_xx(with_psk, &case.prologue);
    let (their_ephemeral, rest) = message_1.split_first_chunk::<32>().unwrap();
    state.mix_ephemeral(their_ephemeral, with_psk);
    state.mix_hash(rest);
    state.mix_ephemeral(&ephemeral, with_psk);
    let mut static_part = [&static_bytes[..], &[0; 16]].concat();
    let cipher = state.mix_key(ee.expose());
    state.encrypt_and_hash(&RustCrypto, cipher, &mut static_part).unwrap();
    let mut payload_part = [&case.payloads[1][..], &[0; 16]].concat();
    let cipher = state.mix_key(es.expose());
    state.encrypt_and_hash(&RustCrypto, cipher, &mut payload_part).unwrap();
    [&ephemeral[..], &static_part, &payload_part].concat()
}

//= docs/protocol.md P-4.2-2
#[test]
fn unusable_keys_in_message_1_are_refused() {
    for with_psk in [false, true] {
        let case = Case::small(with_psk);
        let own = RustCrypto.public_key(&Secret::new(case.initiator_ephemeral));
        let end = case.responder();
        let answer = |ephemeral: [u8; 32]| {
            let responder = case.greet(&forge_message_1(&case, ephemeral))?;
            let fresh = Secret::new(case.responder_ephemeral);
            responder.write_message_2(&end.local(), fresh, b"two", &mut [0; 256]).map(|_| ())
        };
        assert_eq!(answer(own), Ok(()));
        // The twin of a key gives the same Diffie-Hellman results: only the check refuses it.
        assert_eq!(answer(with_top_bit(own)), Err(NoiseError::BadKey), "twin of e");
        for key in unusable_keys() {
            assert_eq!(case.greet(&forge_message_1(&case, key)).err(), Some(NoiseError::BadKey), "e = {key:?}");
        }
    }
}

//= docs/protocol.md P-4.2-2
#[test]
fn unusable_keys_in_message_2_are_refused() {
    for with_psk in [false, true] {
        let case = Case::small(with_psk);
        let (initiator, message_1) = case.start();
        let read = |keys: [[u8; 32]; 2], ee: &Secret, es: &Secret| {
            case.verify(&initiator, &forge_message_2(&case, &message_1, keys, ee, es)).map(|_| ())
        };
        let theirs = message_1.first_chunk().unwrap();
        let ephemeral_secret = Secret::new(case.responder_ephemeral);
        let ephemeral = RustCrypto.public_key(&ephemeral_secret);
        let end = case.responder();
        let own = *end.static_key.public().as_bytes();
        let ee = RustCrypto.dh(&ephemeral_secret, theirs).unwrap();
        let es = RustCrypto.dh(end.static_key.secret(), theirs).unwrap();
        assert_eq!(read([ephemeral, own], &ee, &es), Ok(()));
        assert_eq!(read([with_top_bit(ephemeral), own], &ee, &es), Err(NoiseError::BadKey), "twin of e");
        assert_eq!(read([ephemeral, with_top_bit(own)], &ee, &es), Err(NoiseError::BadKey), "twin of s");
        // A key of low order makes the shared secret known to everybody: zero.
        let zero = Secret::new([0; 32]);
        for key in unusable_keys() {
            assert_eq!(read([key, own], &zero, &es), Err(NoiseError::BadKey), "e = {key:?}");
            assert_eq!(read([ephemeral, key], &ee, &zero), Err(NoiseError::BadKey), "s = {key:?}");
        }
    }
}

//= docs/protocol.md P-4.2-2
#[test]
fn unusable_keys_in_message_3_are_refused() {
    for with_psk in [false, true] {
        let case = Case::small(with_psk);
        let (initiator, message_1) = case.start();
        let (awaiting, message_2) = case.answer(&message_1);
        let responder_ephemeral = message_2.first_chunk::<32>().unwrap();
        let read = |static_bytes: [u8; 32], se: &Secret| {
            let (_, verified) = case.verify(&initiator, &message_2).unwrap();
            let message = verified.forge_message_3(&RustCrypto, static_bytes, se, case.initiator().psk.as_ref());
            case.read_3(&awaiting, &message).map(|(_, initiator, _)| initiator)
        };
        let end = case.initiator();
        let own = *end.static_key.public().as_bytes();
        let se = RustCrypto.dh(end.static_key.secret(), responder_ephemeral).unwrap();
        assert_eq!(read(own, &se), Ok(*end.static_key.public()));
        assert_eq!(read(with_top_bit(own), &se), Err(NoiseError::BadKey), "twin of s");
        let zero = Secret::new([0; 32]);
        for key in unusable_keys() {
            assert_eq!(read(key, &zero), Err(NoiseError::BadKey), "s = {key:?}");
        }
    }
}
