#![expect(clippy::unwrap_used, reason = "a test may fail")]

use super::super::reader::Reader;
use super::super::writer::{WriteError, Writer};
use super::*;
use proptest::prelude::*;

fn encode(value: u64) -> std::vec::Vec<u8> {
    let mut out = [0; 8];
    let mut writer = Writer::new(&mut out);
    writer.varint(value).unwrap();
    writer.written().to_vec()
}

#[test]
fn the_samples_of_rfc_9000_a_1_hold() {
    for (bytes, value) in [
        (&[0xC2, 0x19, 0x7C, 0x5E, 0xFF, 0x14, 0xE8, 0x8C][..], 151_288_809_941_952_652),
        (&[0x9D, 0x7F, 0x3E, 0x7D], 494_878_333),
        (&[0x7B, 0xBD], 15_293),
        (&[0x25], 37),
    ] {
        assert_eq!(encode(value), bytes);
        assert_eq!(Reader::new(bytes).varint(), Ok(value));
    }
}

#[test]
fn lengths_change_where_rfc_9000_says() {
    for (value, length) in
        [(0, 1), (63, 1), (64, 2), (16_383, 2), (16_384, 4), (1_073_741_823, 4), (1_073_741_824, 8), (MAX, 8)]
    {
        assert_eq!(encode(value).len(), length);
        assert_eq!(super::length(value), length);
    }
}

#[test]
fn above_the_maximum_nothing_is_written() {
    let mut out = [7; 8];
    assert_eq!(Writer::new(&mut out).varint(MAX.wrapping_add(1)), Err(WriteError::OutOfRange));
    assert_eq!(Writer::new(&mut out).varint(u64::MAX), Err(WriteError::OutOfRange));
    assert_eq!(out, [7; 8]);
}

proptest! {
    #[test]
    fn what_is_written_reads_back(value in 0..=MAX, shift in 0_u32..62) {
        let value = value >> shift;
        let bytes = encode(value);
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(reader.varint(), Ok(value));
        prop_assert!(reader.is_empty());
    }

    #[test]
    fn what_reads_is_written_alike(bytes in proptest::collection::vec(any::<u8>(), 0..10)) {
        let mut reader = Reader::new(&bytes);
        match reader.varint() {
            Ok(value) => prop_assert_eq!(encode(value), reader.consumed()),
            Err(_) => prop_assert_eq!(reader.remaining(), bytes.len()),
        }
    }
}
