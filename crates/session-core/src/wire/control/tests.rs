#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use super::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

fn encode(message: &ControlMessage<'_>) -> Vec<u8> {
    let mut out = vec![0; message.encoded_len()];
    let mut writer = Writer::new(&mut out);
    message.encode(&mut writer).unwrap();
    assert_eq!(writer.remaining(), 0, "the length foreseen is the length written");
    out
}

fn malformed(message: &[u8]) -> bool {
    let message_type = message.first().copied().unwrap_or(0);
    ControlMessage::parse(message) == Err(ControlError { kind: ControlErrorKind::Encoding, message_type })
}

const REKEY: RekeyKey = RekeyKey { generation: 0x102, ephemeral: [0xE0; 32] };

fn samples() -> Vec<(ControlMessage<'static>, Vec<u8>)> {
    let user_data = UserData::new(b"hi").unwrap();
    let refuse = ControlMessage::Refuse { reason: 64, text: Text::default(), retry_after: None };
    let text = Text::truncated("no");
    let busy = ControlMessage::Refuse { reason: 1, text, retry_after: Some(Duration::from_millis(500)) };
    vec![
        (ControlMessage::Connect { user_data }, vec![0x3D, 4, 2, b'h', b'i']),
        (ControlMessage::Connect { user_data: UserData::default() }, vec![0x3D]),
        (ControlMessage::Accept { user_data }, vec![0x3E, 4, 2, b'h', b'i']),
        (refuse, vec![0x3F, 2, 2, 0x40, 64]),
        (busy, vec![0x3F, 2, 1, 1, 4, 2, b'n', b'o', 6, 2, 0x41, 0xF4]),
        (ControlMessage::Pending, vec![0x40]),
        (ControlMessage::RekeyOffer(REKEY), [&[0x50, 2, 2, 0x41, 2, 4, 32][..], &[0xE0; 32]].concat()),
        (ControlMessage::RekeyAnswer(REKEY), [&[0x51, 2, 2, 0x41, 2, 4, 32][..], &[0xE0; 32]].concat()),
    ]
}

#[test]
fn the_bytes_of_each_message_are_pinned() {
    for (message, bytes) in samples() {
        assert_eq!(encode(&message), bytes);
        assert_eq!(ControlMessage::parse(&bytes), Ok(message));
    }
}

//= docs/protocol.md P-7-2
#[test]
fn reserved_and_unassigned_types_are_not_allowed() {
    for message_type in (0..=0x3C).chain(0x41..=0x4F).chain(0x52..=u8::MAX) {
        let expected = Err(ControlError { kind: ControlErrorKind::NotAllowed, message_type });
        assert_eq!(ControlMessage::parse(&[message_type]), expected);
        assert_eq!(ControlMessage::parse(&[message_type, 4, 1, 1]), expected);
    }
}

//= docs/protocol.md P-7-3
#[test]
fn malformed_messages_are_refused() {
    assert!(malformed(&[]));
    for (_, bytes) in samples() {
        for length in 1..bytes.len() {
            let cut = &bytes[..length];
            // A cut between two values leaves a message, but for REFUSE without its reason.
            match ControlMessage::parse(cut) {
                Ok(message) => assert_eq!(encode(&message), cut),
                Err(_) => assert!(malformed(cut)),
            }
        }
    }
    for message in [
        &[0x3D, 4, 2, 1][..],
        &[0x3D, 4, 1, 1, 4, 1, 1],
        &[0x3D, 6, 0, 4, 0],
        &[0x3D, 0x40, 4, 0],
        &[0x3F],
        &[0x3F, 4, 1, b'a'],
        &[0x3F, 2, 0],
        &[0x3F, 2, 2, 1, 1],
        &[0x3F, 2, 2, 0x40, 1],
        &[0x3F, 2, 1, 1, 4, 1, 0xFF],
        &[0x3F, 2, 1, 1, 6, 0],
        &[0x40, 4],
    ] {
        assert!(malformed(message), "{message:?}");
    }
}

//= docs/protocol.md P-7-3
#[test]
fn bounds_are_kept() {
    for message_type in [0x3D, 0x3E] {
        let message = |length: u16| {
            let mut message = vec![message_type, 4];
            message.extend((length | 0x4000).to_be_bytes());
            message.extend(vec![7; usize::from(length)]);
            message
        };
        assert!(ControlMessage::parse(&message(512)).is_ok());
        assert!(malformed(&message(513)));
    }
    assert!(UserData::new(&[0; 513]).is_none());
    assert_eq!(UserData::new(b"hi").unwrap().as_bytes(), b"hi");
    let refuse = |length: u8| {
        let mut message = vec![0x3F, 2, 1, 1, 4, 0x40, length];
        message.extend(vec![b'a'; usize::from(length)]);
        message
    };
    assert!(ControlMessage::parse(&refuse(128)).is_ok());
    assert!(malformed(&refuse(129)));
    let longest = ControlMessage::Connect { user_data: UserData::new(&[0; 512]).unwrap() };
    assert_eq!(longest.encoded_len(), ControlMessage::MAX_LENGTH);
    let retry_after = Some(Duration::MAX);
    let refuse = ControlMessage::Refuse { reason: varint::MAX, text: Text::default(), retry_after };
    assert_eq!(ControlMessage::parse(&encode(&refuse)).unwrap().encoded_len(), refuse.encoded_len());
    assert!(refuse.encoded_len() + 3 + 128 <= ControlMessage::MAX_LENGTH);
}

//= docs/protocol.md P-7-3
#[test]
fn reserved_and_unknown_odd_values_are_refused_and_even_ones_ignored() {
    for message_type in [0x3D, 0x3E, 0x40] {
        for id in [0x01, 0x03, 0x05, 0x07, 0x09, 0x3F] {
            assert!(malformed(&[message_type, id, 1, 0]));
        }
        for id in [0x00, 0x02, 0x06, 0x08, 0x3E] {
            assert!(ControlMessage::parse(&[message_type, id, 1, 0]).is_ok());
        }
    }
    for id in [0x03, 0x05, 0x07, 0x09] {
        assert!(malformed(&[0x3F, 2, 1, 1, id, 1, 0]));
    }
    assert!(malformed(&[0x3F, 1, 0, 2, 1, 1]));
    let expected = ControlMessage::Refuse { reason: 1, text: Text::default(), retry_after: None };
    assert_eq!(ControlMessage::parse(&[0x3F, 2, 1, 1, 8, 1, 0xFF]), Ok(expected), "redirect");
}

//= docs/protocol.md P-7-3
#[test]
fn messages_about_keys_hold_a_generation_and_a_key() {
    for (_, bytes) in samples().into_iter().filter(|(message, _)| message.message_type() >= REKEY_OFFER) {
        let [message_type, generation @ ..] = &bytes[..5] else { unreachable!() };
        let key = &bytes[5..];
        assert!(malformed(&[&[*message_type], generation].concat()), "no key");
        assert!(malformed(&[&[*message_type], key].concat()), "no generation");
        assert!(malformed(&[&[*message_type, 2, 0], key].concat()), "an empty generation");
        assert!(malformed(&[&bytes[..5], &[4, 31], &[1; 31]].concat()), "a short key");
        assert!(malformed(&[&bytes[..5], &[4, 33], &[1; 33]].concat()), "a long key");
        assert!(malformed(&[&bytes[..], &[5, 0]].concat()), "a further secret, which is reserved");
        assert!(malformed(&[&bytes[..], &[7, 0]].concat()), "an odd value nobody knows");
        assert!(ControlMessage::parse(&[&bytes[..], &[6, 1, 9]].concat()).is_ok(), "an even value nobody knows");
    }
}

#[test]
fn a_message_without_room_is_not_begun() {
    for (message, bytes) in samples() {
        for length in 0..bytes.len() {
            let mut out = vec![0; length];
            let mut writer = Writer::new(&mut out);
            assert_eq!(message.encode(&mut writer), Err(WriteError::NoRoom));
            assert_eq!(writer.position(), 0);
        }
    }
    let refuse = ControlMessage::Refuse { reason: u64::MAX, text: Text::default(), retry_after: None };
    assert_eq!(refuse.encode(&mut Writer::new(&mut [0; 64])), Err(WriteError::OutOfRange));
}

proptest! {
    #[test]
    fn values_read_back(
        kind in 0_u8..3,
        data in proptest::collection::vec(any::<u8>(), 0..=512),
        reason in 0..=varint::MAX,
        text in "[a-zé]{0,64}",
        retry_after in proptest::option::of(0..=varint::MAX),
    ) {
        let user_data = UserData::new(&data).unwrap();
        let message = match kind {
            0 => ControlMessage::Connect { user_data },
            1 => ControlMessage::Accept { user_data },
            _ => {
                let retry_after = retry_after.map(Duration::from_millis);
                ControlMessage::Refuse { reason, text: Text::truncated(&text), retry_after }
            }
        };
        let bytes = encode(&message);
        prop_assert_eq!(ControlMessage::parse(&bytes), Ok(message));
    }

    #[test]
    fn a_changed_message_never_panics_and_what_parses_reads_back(
        sample in 0_usize..6,
        changes in proptest::collection::vec((0_usize..12, any::<u8>()), 0..3),
        tail in proptest::collection::vec(any::<u8>(), 0..16),
    ) {
        let mut bytes = samples()[sample].1.clone();
        bytes.extend(tail);
        for (index, byte) in changes {
            if let Some(place) = bytes.get_mut(index) {
                *place = byte;
            }
        }
        if let Ok(message) = ControlMessage::parse(&bytes) {
            let again = encode(&message);
            prop_assert_eq!(ControlMessage::parse(&again), Ok(message));
        }
    }
}
