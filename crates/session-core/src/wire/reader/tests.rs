use super::*;

#[test]
fn a_failed_read_does_not_move() {
    let mut reader = Reader::new(&[0x40, 0x3F, 1]);
    assert_eq!(reader.varint(), Err(ReadError::NotMinimal));
    assert_eq!(reader.bytes(4), Err(ReadError::Truncated));
    assert_eq!(reader.bytes(usize::MAX), Err(ReadError::Truncated));
    assert_eq!(reader.array::<4>(), Err(ReadError::Truncated));
    assert_eq!(reader.remaining(), 3);
    assert_eq!(reader.u16(), Ok(0x403F));
    assert_eq!(reader.u16(), Err(ReadError::Truncated));
    assert_eq!(reader.varint_bytes(), Err(ReadError::Truncated), "the length is there, the bytes are not");
    assert_eq!((reader.consumed(), reader.rest()), (&[0x40, 0x3F][..], &[1][..]));
    assert_eq!(reader.u8(), Ok(1));
    assert_eq!(reader.u8(), Err(ReadError::Truncated));
    assert!(reader.is_empty());
}

#[test]
fn every_longer_form_of_a_varint_is_refused() {
    for bytes in [
        &[0x40, 0x00][..],
        &[0x40, 0x3F],
        &[0x80, 0, 0x3F, 0xFF],
        &[0xC0, 0, 0, 0, 0x3F, 0xFF, 0xFF, 0xFF],
        &[0xC0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        assert_eq!(Reader::new(bytes).varint(), Err(ReadError::NotMinimal));
    }
}
