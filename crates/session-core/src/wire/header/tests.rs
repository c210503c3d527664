#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may fail")]

use super::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

const NOISE: &[u8] = &[0xEE; 5];
const MAC1: [u8; 16] = [0xAA; 16];

fn id(bytes: &[u8]) -> ReceiverId {
    ReceiverId::new(bytes).unwrap()
}

fn finish(mut packet: Vec<u8>, layout: HandshakeLayout, noise: &[u8]) -> Vec<u8> {
    packet.truncate(layout.length);
    packet[layout.noise].copy_from_slice(noise);
    finish_marks(&mut packet, MAC1).unwrap();
    packet
}

fn hello(psk_id: Option<&[u8]>) -> Vec<u8> {
    let header = HelloHeader {
        first_contact: false,
        source: id(&[1, 2, 3]),
        psk_id: psk_id.map(|psk_id| PskId::new(psk_id).unwrap()),
    };
    let mut packet = vec![0x77; 100];
    let layout = header.write(&mut packet, NOISE.len()).unwrap();
    assert_eq!(layout.length, header.overhead() + NOISE.len());
    finish(packet, layout, NOISE)
}

fn reply() -> Vec<u8> {
    let header = ReplyHeader { pattern: Pattern::IkPsk2, destination: id(&[9; 8]) };
    let mut packet = vec![0x77; 100];
    let layout = header.write(&mut packet, NOISE.len()).unwrap();
    assert_eq!(layout.length, header.overhead() + NOISE.len());
    finish(packet, layout, NOISE)
}

fn third() -> Vec<u8> {
    let header = FinishHeader { pattern: Pattern::XxPsk3, destination: id(&[9; 8]) };
    let mut packet = vec![0x77; 100];
    let layout = header.write(&mut packet, NOISE.len()).unwrap();
    finish(packet, layout, NOISE)
}

/// The Hello with its byte at `index` replaced.
fn hello_with(index: usize, byte: u8) -> Vec<u8> {
    let mut packet = hello(None);
    packet[index] = byte;
    packet
}

#[test]
fn the_bytes_of_a_hello_are_pinned() {
    let mut expected = vec![0x80, 0, 1, 0, 0, 3, 1, 2, 3, 0, 5];
    expected.extend([0xEE; 5]);
    expected.extend([0xAA; 16]);
    expected.extend([0; 16]);
    assert_eq!(hello(None), expected);
    let mut expected = vec![0x80, 0, 1, 1, 0, 3, 1, 2, 3, 2, 7, 8, 0, 5];
    expected.extend([0xEE; 5]);
    expected.extend([0xAA; 16]);
    expected.extend([0; 16]);
    assert_eq!(hello(Some(&[7, 8])), expected);
}

#[test]
fn the_bytes_of_a_reply_are_pinned() {
    let mut expected = vec![0x90, 0, 1, 1, 8, 9, 9, 9, 9, 9, 9, 9, 9, 0, 5];
    expected.extend([0xEE; 5]);
    expected.extend([0xAA; 16]);
    expected.extend([0; 16]);
    assert_eq!(reply(), expected);
}

#[test]
fn the_bytes_of_a_finish_are_pinned() {
    let mut expected = vec![0xA0, 0, 1, 3, 8, 9, 9, 9, 9, 9, 9, 9, 9, 0, 5];
    expected.extend([0xEE; 5]);
    expected.extend([0xAA; 16]);
    expected.extend([0; 16]);
    assert_eq!(third(), expected);
    let parsed = Finish::parse(&expected).unwrap();
    let pattern = Pattern::XxPsk3;
    let authenticated_by_mac1 = &expected[..20];
    assert_eq!(parsed, Finish { pattern, destination: id(&[9; 8]), noise: NOISE, mac1: MAC1, authenticated_by_mac1 });
}

#[test]
fn a_hello_and_a_reply_read_back() {
    let packet = hello(Some(&[7, 8]));
    let parsed = Hello::parse(&packet).unwrap();
    let expected = Hello {
        version: 1,
        pattern: Pattern::IkPsk2,
        source: id(&[1, 2, 3]),
        psk_id: PskId::new(&[7, 8]),
        clear: &packet[..14],
        noise: NOISE,
        mac1: MAC1,
        authenticated_by_mac1: &packet[..19],
    };
    assert_eq!(parsed, expected);
    let packet = reply();
    let parsed = Reply::parse(&packet).unwrap();
    let expected = Reply {
        pattern: Pattern::IkPsk2,
        destination: id(&[9; 8]),
        noise: NOISE,
        mac1: MAC1,
        authenticated_by_mac1: &packet[..20],
    };
    assert_eq!(parsed, expected);
}

//= docs/protocol.md P-3-1
#[test]
fn a_packet_that_ends_inside_a_field_is_refused() {
    assert_eq!(classify(&[]), Class::Garbage);
    assert_eq!(Hello::parse(&[]), Err(HeaderError::Truncated));
    for packet in [hello(None), hello(Some(&[5; 16])), reply(), third()] {
        for length in 0..packet.len() {
            assert!(Hello::parse(&packet[..length]).is_err());
            assert!(Reply::parse(&packet[..length]).is_err());
            assert!(Finish::parse(&packet[..length]).is_err());
        }
    }
}

//= docs/protocol.md P-3-1
#[test]
fn the_first_byte_tells_the_class() {
    for byte in 0..=u8::MAX {
        let expected = match byte >> 6 {
            0 => Class::Garbage,
            1 => Class::Data,
            _ => Class::Handshake,
        };
        assert_eq!(classify(&[byte]), expected);
    }
}

//= docs/protocol.md P-3-2
#[test]
fn low_bits_of_a_handshake_packet_are_zero() {
    for low in 1..16 {
        assert_eq!(Hello::parse(&hello_with(0, 0x80 | low)), Err(HeaderError::ReservedBits));
        assert_eq!(HandshakeType::of(&[0x90 | low]), Err(HeaderError::ReservedBits));
    }
}

//= docs/protocol.md P-3-3
#[test]
fn types_but_hello_reply_and_finish_are_refused() {
    assert_eq!(HandshakeType::of(&[0x80]), Ok(HandshakeType::Hello));
    assert_eq!(HandshakeType::of(&[0x90]), Ok(HandshakeType::Reply));
    assert_eq!(HandshakeType::of(&[0xA0]), Ok(HandshakeType::Finish));
    for kind in 3..8 {
        let first = 0x80 | kind << 4;
        assert_eq!(HandshakeType::of(&[first]), Err(HeaderError::UnservedType));
        assert_eq!(Hello::parse(&hello_with(0, first)), Err(HeaderError::UnservedType));
    }
    for first in 0..0x80 {
        assert_eq!(HandshakeType::of(&[first]), Err(HeaderError::UnservedType));
    }
    assert_eq!(Hello::parse(&reply()), Err(HeaderError::UnservedType));
    assert_eq!(Reply::parse(&hello(None)), Err(HeaderError::UnservedType));
    assert_eq!(Finish::parse(&reply()), Err(HeaderError::UnservedType));
    assert_eq!(Hello::parse(&third()), Err(HeaderError::UnservedType));
}

//= docs/protocol.md P-4.1-1
#[test]
fn another_version_is_refused() {
    for (index, byte) in [(1, 1), (2, 0), (2, 2), (1, 0xFF)] {
        assert_eq!(Hello::parse(&hello_with(index, byte)), Err(HeaderError::Version));
        let mut packet = reply();
        packet[index] = byte;
        assert_eq!(Reply::parse(&packet), Err(HeaderError::Version));
        let mut packet = third();
        packet[index] = byte;
        assert_eq!(Finish::parse(&packet), Err(HeaderError::Version));
    }
}

//= docs/protocol.md P-4.1-2
#[test]
fn another_pattern_is_refused() {
    for pattern in 4..=u8::MAX {
        assert_eq!(Hello::parse(&hello_with(3, pattern)), Err(HeaderError::UnservedPattern));
        let mut packet = reply();
        packet[3] = pattern;
        assert_eq!(Reply::parse(&packet), Err(HeaderError::UnservedPattern));
    }
    for pattern in 0..=u8::MAX {
        let mut packet = third();
        packet[3] = pattern;
        let expected = if matches!(pattern, 2 | 3) { None } else { Some(HeaderError::UnservedPattern) };
        assert_eq!(Finish::parse(&packet).err(), expected, "pattern {pattern}");
    }
}

//= docs/protocol.md P-4.1-3
#[test]
fn id_lengths_out_of_range_are_refused() {
    for length in 1..=u8::MAX {
        assert_eq!(Hello::parse(&hello_with(4, length)), Err(HeaderError::IdLength));
    }
    for length in (9..=u8::MAX).chain([0]) {
        assert_eq!(Hello::parse(&hello_with(5, length)), Err(HeaderError::IdLength));
        let mut packet = reply();
        packet[4] = length;
        assert_eq!(Reply::parse(&packet), Err(HeaderError::IdLength));
        packet[0] = 0xA0;
        packet[3] = 2;
        assert_eq!(Finish::parse(&packet), Err(HeaderError::IdLength));
    }
}

//= docs/protocol.md P-4.1-4
#[test]
fn a_psk_id_stands_with_its_pattern_and_is_1_to_16_bytes() {
    for length in 1..=16 {
        let packet = hello(Some(&[6; 16][..length]));
        assert_eq!(Hello::parse(&packet).unwrap().psk_id, PskId::new(&[6; 16][..length]));
    }
    for length in (17..=u8::MAX).chain([0]) {
        let mut packet = hello(Some(&[6; 16]));
        packet[9] = length;
        assert_eq!(Hello::parse(&packet), Err(HeaderError::PskLength));
    }
    assert_eq!(PskId::new(&[7, 8]).unwrap().as_bytes(), [7, 8]);
    assert!(PskId::new(&[]).is_none() && PskId::new(&[6; 17]).is_none());
    // With the other pattern the same bytes are the length field and do not add up.
    let mut packet = hello(Some(&[7, 8]));
    packet[3] = 0;
    assert_eq!(Hello::parse(&packet), Err(HeaderError::Length));
    assert!(Hello::parse(&hello_with(3, 1)).is_err());
}

//= docs/protocol.md P-4.1-5
#[test]
fn the_length_field_matches_the_packet() {
    for length in [0, 4, 6, 0xFF] {
        assert_eq!(Hello::parse(&hello_with(10, length)), Err(HeaderError::Length));
    }
    assert_eq!(Hello::parse(&hello_with(9, 1)), Err(HeaderError::Length));
    let mut longer = reply();
    longer.push(0);
    assert_eq!(Reply::parse(&longer), Err(HeaderError::Length));
    // No data packet follows in the same datagram.
    let mut longer = third();
    longer.extend([0x43; 40]);
    assert_eq!(Finish::parse(&longer), Err(HeaderError::Length));
}

//= docs/protocol.md P-4.1-7
#[test]
fn the_second_mark_is_zero() {
    let length = hello(None).len();
    for index in length - 16..length {
        assert_eq!(Hello::parse(&hello_with(index, 1)), Err(HeaderError::Mac2));
    }
    let mut packet = reply();
    *packet.last_mut().unwrap() = 0x80;
    assert_eq!(Reply::parse(&packet), Err(HeaderError::Mac2));
    let mut packet = third();
    *packet.last_mut().unwrap() = 0x80;
    assert_eq!(Finish::parse(&packet), Err(HeaderError::Mac2));
}

#[test]
fn a_packet_is_written_into_exactly_its_room() {
    let header = HelloHeader { first_contact: false, source: id(&[1]), psk_id: None };
    let length = header.overhead() + 7;
    assert_eq!(header.write(&mut vec![0; length - 1], 7), Err(WriteError::NoRoom));
    assert_eq!(header.write(&mut vec![0; length], 7).unwrap().length, length);
    assert_eq!(header.write(&mut vec![0; 70_000], 65_536), Err(WriteError::OutOfRange));
    assert_eq!(finish_marks(&mut [0; 31], MAC1), Err(WriteError::NoRoom));
}

#[test]
fn constant_datagrams_of_every_length_are_refused() {
    for byte in 0..=u8::MAX {
        for length in 0..64 {
            let datagram = vec![byte; length];
            assert!(Hello::parse(&datagram).is_err() && Reply::parse(&datagram).is_err());
            assert!(Finish::parse(&datagram).is_err());
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        first_contact in any::<bool>(),
        source in proptest::collection::vec(any::<u8>(), 1..=8),
        psk in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..=16)),
        noise in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let header = HelloHeader { first_contact, source: id(&source), psk_id: psk.as_deref().and_then(PskId::new) };
        let mut packet = vec![0; 300];
        let layout = header.write(&mut packet, noise.len()).unwrap();
        let (clear, authenticated) = (layout.clear.clone(), layout.authenticated_by_mac1.clone());
        let packet = finish(packet, layout, &noise);
        let parsed = Hello::parse(&packet).unwrap();
        prop_assert_eq!(HelloHeader { first_contact: parsed.pattern.is_first_contact(), source: parsed.source, psk_id: parsed.psk_id }, header);
        prop_assert_eq!(parsed.pattern, header.pattern());
        prop_assert_eq!((parsed.noise, parsed.mac1), (&noise[..], MAC1));
        prop_assert_eq!(parsed.clear, &packet[clear]);
        prop_assert_eq!(parsed.authenticated_by_mac1, &packet[authenticated]);
    }

    #[test]
    fn a_changed_packet_never_panics_and_what_parses_is_written_alike(
        changes in proptest::collection::vec((0_usize..60, any::<u8>()), 0..4),
        cut in 0_usize..100,
    ) {
        for mut packet in [hello(None), hello(Some(&[7, 8])), reply(), third()] {
            for (index, byte) in &changes {
                if let Some(place) = packet.get_mut(*index) {
                    *place = *byte;
                }
            }
            packet.truncate(cut);
            let mut again = vec![0; packet.len()];
            if let Ok(hello) = Hello::parse(&packet) {
                let header = HelloHeader { first_contact: hello.pattern.is_first_contact(), source: hello.source, psk_id: hello.psk_id };
                let layout = header.write(&mut again, hello.noise.len()).unwrap();
                again[layout.noise].copy_from_slice(hello.noise);
                finish_marks(&mut again, hello.mac1).unwrap();
                prop_assert_eq!(&again, &packet);
            }
            if let Ok(reply) = Reply::parse(&packet) {
                let header = ReplyHeader { pattern: reply.pattern, destination: reply.destination };
                let layout = header.write(&mut again, reply.noise.len()).unwrap();
                again[layout.noise].copy_from_slice(reply.noise);
                finish_marks(&mut again, reply.mac1).unwrap();
                prop_assert_eq!(&again, &packet);
            }
            if let Ok(third) = Finish::parse(&packet) {
                let header = FinishHeader { pattern: third.pattern, destination: third.destination };
                let layout = header.write(&mut again, third.noise.len()).unwrap();
                again[layout.noise].copy_from_slice(third.noise);
                finish_marks(&mut again, third.mac1).unwrap();
                prop_assert_eq!(&again, &packet);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
        let _ = (classify(&bytes), HandshakeType::of(&bytes), Hello::parse(&bytes), Reply::parse(&bytes), Finish::parse(&bytes));
    }
}
