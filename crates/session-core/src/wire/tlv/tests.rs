#![expect(clippy::unwrap_used, reason = "a test may fail")]

use super::*;
use proptest::prelude::*;
use std::vec::Vec;

#[test]
fn ids_ascend_strictly() {
    let list = [2, 1, 9, 2, 0];
    let mut reader = TlvReader::new(&list);
    assert_eq!(reader.next(), Some(Ok(Tlv { id: 2, value: &[9] })));
    assert_eq!(reader.next(), Some(Err(TlvError::Order)));
    assert_eq!(reader.next(), None, "it ends after the first error");
    assert_eq!(TlvReader::new(&[2, 0, 1, 0]).nth(1), Some(Err(TlvError::Order)));
}

#[test]
fn a_list_cut_short_is_an_error() {
    for list in [&[2][..], &[2, 1], &[0x40], &[2, 0xC0, 0, 0, 1, 0, 0, 0, 0]] {
        assert_eq!(TlvReader::new(list).next(), Some(Err(TlvError::Read(ReadError::Truncated))));
    }
    assert_eq!(TlvReader::new(&[2, 0x40, 0]).next(), Some(Err(TlvError::Read(ReadError::NotMinimal))));
}

#[test]
fn a_varint_fills_its_value() {
    assert_eq!(Tlv { id: 0, value: &[0x40, 0x40] }.varint(), Some(64));
    for value in [&[][..], &[0, 0], &[0x40], &[0x40, 1]] {
        assert_eq!(Tlv { id: 0, value }.varint(), None);
    }
}

#[test]
fn a_list_out_of_order_is_not_written() {
    let mut out = [0; 16];
    let mut writer = Writer::new(&mut out);
    let mut list = TlvWriter::new(&mut writer);
    list.varint(4, 1).unwrap();
    assert_eq!(list.varint(4, 1), Err(WriteError::OutOfRange));
    assert_eq!(list.bytes(2, &[]), Err(WriteError::OutOfRange));
    assert_eq!(list.bytes(6, &[0; 16]), Err(WriteError::NoRoom));
    assert_eq!(writer.written(), [4, 1, 1]);
}

proptest! {
    #[test]
    fn a_list_reads_and_writes_alike(bytes in proptest::collection::vec(0_u8..12, 0..64)) {
        let mut out = [0; 64];
        let mut writer = Writer::new(&mut out);
        let mut list = TlvWriter::new(&mut writer);
        let mut length = 0_usize;
        let values: Vec<_> = TlvReader::new(&bytes).collect();
        for tlv in values.iter().flatten() {
            list.bytes(tlv.id, tlv.value).unwrap();
            length = length.saturating_add(encoded_len(tlv.id, tlv.value.len()));
        }
        prop_assert!(bytes.starts_with(writer.written()));
        prop_assert_eq!(writer.position(), length);
        prop_assert_eq!(writer.position() == bytes.len(), values.iter().all(Result::is_ok));
    }
}
