#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use super::super::packet_number;
use super::*;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes256};
use proptest::prelude::*;
use std::vec;

const ID: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

fn header(packet_number: u64, number_length: NumberLength) -> DataHeader {
    DataHeader { key_phase: true, receiver_id: ReceiverId::new(&ID).unwrap(), packet_number, number_length }
}

fn aes_256_mask(key: [u8; 32], sample: [u8; 16]) -> [u8; 16] {
    let mut block = sample.into();
    Aes256::new(&key.into()).encrypt_block(&mut block);
    block.into()
}

#[test]
fn the_bytes_of_a_header_are_pinned() {
    let mut out = [0; 13];
    for (length, expected) in [
        (NumberLength::One, &[0x44, 1, 2, 3, 4, 5, 6, 7, 8, 0xDD][..]),
        (NumberLength::Two, &[0x45, 1, 2, 3, 4, 5, 6, 7, 8, 0xCC, 0xDD]),
        (NumberLength::Three, &[0x46, 1, 2, 3, 4, 5, 6, 7, 8, 0xBB, 0xCC, 0xDD]),
        (NumberLength::Four, &[0x47, 1, 2, 3, 4, 5, 6, 7, 8, 0xAA, 0xBB, 0xCC, 0xDD]),
    ] {
        let header = header(0x0011_AABB_CCDD, length);
        let mut writer = Writer::new(&mut out);
        assert_eq!(header.write(&mut writer), Ok(9));
        assert_eq!((writer.written(), header.encoded_len()), (expected, expected.len()));
        let short = expected.len().checked_sub(1).unwrap();
        assert_eq!(header.write(&mut Writer::new(&mut out[..short])), Err(WriteError::NoRoom));
    }
    let mut writer = Writer::new(&mut out);
    DataHeader { key_phase: false, ..header(0, NumberLength::One) }.write(&mut writer).unwrap();
    assert_eq!(writer.written()[0], 0x40);
}

//= docs/protocol.md P-5-2
#[test]
fn masks_are_those_of_rfc_9001_5_4_3() {
    // RFC 9001 A.2 and A.3: AES-128, the client's and the server's Initial.
    for (key, sample, expected) in [
        (
            0x9f50_449e_04a0_e810_283a_1e99_33ad_edd2_u128,
            0xd1b1_c98d_d768_9fb8_ec11_d242_b123_dc9b_u128,
            [0x43, 0x7b, 0x9a, 0xec, 0x36],
        ),
        (
            0xc206_b8d9_b9f0_f376_4443_0b49_0eea_a314,
            0x2cd0_991c_d25b_0aac_406a_5816_b639_4100,
            [0x2e, 0xc0, 0xd8, 0x35, 0x6a],
        ),
    ] {
        let mut block = sample.to_be_bytes().into();
        Aes128::new(&key.to_be_bytes().into()).encrypt_block(&mut block);
        assert!(block.starts_with(&expected));
    }
    // FIPS 197 C.3: AES-256, as the header key here.
    let key = core::array::from_fn(|index| index as u8);
    let sample = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes();
    let mask = aes_256_mask(key, sample);
    assert_eq!(mask, 0x8ea2_b7ca_5167_45bf_eafc_4990_4b49_6089_u128.to_be_bytes());

    let mut packet = vec![0; 29];
    header(0xAABB_CCDD, NumberLength::Three).write(&mut Writer::new(&mut packet)).unwrap();
    packet[13..].copy_from_slice(&sample);
    packet[12] = 0x99;
    assert_eq!(super::sample(&packet, 9), Some(sample), "4 bytes after the start of the number, whatever its length");
    super::mask(&mut packet, 9, mask).unwrap();
    assert_eq!(packet[0], 0x46 ^ (0x8e & 0x1f), "the low five bits");
    assert_eq!(packet[1..9], ID);
    assert_eq!(packet[9..12], [0xBB ^ 0xa2, 0xCC ^ 0xb7, 0xDD ^ 0xca]);
    assert_eq!(packet[12], 0x99, "beyond the number nothing is masked");
    assert_eq!(packet[13..], sample);
}

//= docs/protocol.md P-5-3
#[test]
fn a_packet_shorter_than_29_bytes_is_refused() {
    for length in 0..29 {
        assert_eq!(parse_protected(&vec![0x40; length], 8), Err(HeaderError::Truncated));
        assert_eq!(parse_protected(&vec![0x40; length], 1), Err(HeaderError::Truncated));
    }
    assert_eq!(parse_protected(&[0x40; 29], 8), Ok((ReceiverId::new(&[0x40; 8]).unwrap(), 9)));
    assert_eq!(parse_protected(&[0x40; 29], 1), Ok((ReceiverId::new(&[0x40]).unwrap(), 2)));
    assert_eq!(parse_protected(&[0x40; 29], 0), Err(HeaderError::IdLength));
    assert_eq!(parse_protected(&[0x40; 60], 9), Err(HeaderError::IdLength));
    assert_eq!(parse_protected(&[0x40; 60], usize::MAX), Err(HeaderError::Truncated));
}

//= docs/protocol.md P-5-4
#[test]
fn reserved_bits_are_refused_and_nothing_is_changed() {
    for first in 0x60..=0x7F {
        let mut packet = [0; 40];
        packet[0] = first;
        assert_eq!(parse_protected(&packet, 8), Err(HeaderError::ReservedBits));
    }
    for first in 0x40..0x60_u8 {
        let mut packet = [3; 40];
        packet[0] = first;
        let before = packet;
        let result = unmask(&mut packet, 9, [0x15; 16]);
        let unmasked = first ^ 0x15;
        if unmasked & 0x18 == 0 {
            assert_eq!(result.unwrap().key_phase, unmasked & 4 != 0);
        } else {
            assert_eq!((result, packet), (Err(HeaderError::ReservedBits), before));
        }
    }
}

//= docs/protocol.md P-3-1
#[test]
fn a_datagram_of_another_class_is_no_data_packet() {
    for first in (0..0x40).chain(0x80..=u8::MAX) {
        assert_eq!(parse_protected(&[first; 64], 8), Err(HeaderError::UnservedType));
    }
    assert_eq!(parse_protected(&[], 8), Err(HeaderError::Truncated));
}

#[test]
fn a_number_out_of_the_datagram_changes_nothing() {
    for offset in [0, 27, 30, usize::MAX] {
        let mut packet = [0x43; 30];
        assert_eq!(unmask(&mut packet, offset, [0; 16]), Err(HeaderError::Truncated));
        assert_eq!(mask(&mut packet, offset, [0xFF; 16]), Err(HeaderError::Truncated));
        assert_eq!(packet, [0x43; 30]);
    }
    assert_eq!(sample(&[0; 28], 9), None);
    assert_eq!(sample(&[0; 28], usize::MAX), None);
    assert_eq!(mask(&mut [], 0, [0; 16]), Err(HeaderError::Truncated));
    assert_eq!(unmask(&mut [], 0, [0; 16]), Err(HeaderError::Truncated));
}

#[test]
fn constant_datagrams_of_every_length_never_panic() {
    for byte in 0..=u8::MAX {
        for length in 0..64 {
            let mut datagram = vec![byte; length];
            let parsed = parse_protected(&datagram, 8);
            assert_eq!(parsed.is_ok(), byte >> 5 == 0b010 && length >= MIN_LENGTH);
            if let Ok((_, number_offset)) = parsed {
                let before = datagram.clone();
                let result = unmask(&mut datagram, number_offset, [byte; 16]);
                assert!(result.is_ok(), "what was masked with itself is zero");
                mask(&mut datagram, number_offset, [byte; 16]).unwrap();
                assert_eq!(datagram[..9], before[..9]);
            }
        }
    }
}

proptest! {
    #[test]
    fn a_masked_header_reads_back(
        packet_number in 0..=packet_number::MAX,
        bits in 0_u8..4,
        key_phase in any::<bool>(),
        id in proptest::collection::vec(any::<u8>(), 1..=8),
        mask in any::<[u8; 16]>(),
    ) {
        let number_length = NumberLength::from_bits(bits);
        let header = DataHeader { key_phase, receiver_id: ReceiverId::new(&id).unwrap(), packet_number, number_length };
        let mut packet = vec![0; 40];
        let number_offset = header.write(&mut Writer::new(&mut packet)).unwrap();
        let plain = packet.clone();
        super::mask(&mut packet, number_offset, mask).unwrap();
        prop_assert_eq!(parse_protected(&packet, id.len()), Ok((header.receiver_id, number_offset)));
        let unmasked = unmask(&mut packet, number_offset, mask).unwrap();
        let truncated_number = truncate(packet_number, number_length);
        let header_length = header.encoded_len();
        prop_assert_eq!(unmasked, Unmasked { key_phase, truncated_number, number_length, header_length });
        prop_assert_eq!(packet, plain);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..64),
        offset in 0_usize..80,
        mask in any::<[u8; 16]>(),
    ) {
        let _ = parse_protected(&bytes, offset);
        let _ = sample(&bytes, offset);
        let before = bytes.clone();
        if unmask(&mut bytes, offset, mask).is_ok() {
            super::mask(&mut bytes, offset, mask).unwrap();
        }
        prop_assert_eq!(bytes, before, "a failure changes nothing, and masking undoes unmasking");
    }
}
