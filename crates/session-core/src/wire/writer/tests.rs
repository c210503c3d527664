use super::*;

#[test]
fn a_failed_write_leaves_no_trace() {
    let mut out = [9; 3];
    let mut writer = Writer::new(&mut out);
    assert_eq!(writer.u8(1), Ok(()));
    assert_eq!(writer.varint(1 << 20), Err(WriteError::NoRoom));
    assert_eq!(writer.zeros(3), Err(WriteError::NoRoom));
    assert_eq!(writer.skip(usize::MAX), Err(WriteError::NoRoom));
    let failed = writer.all_or_nothing(|writer| {
        writer.u8(2)?;
        writer.u16(3)
    });
    assert_eq!(failed, Err(WriteError::NoRoom));
    assert_eq!((writer.position(), writer.remaining(), writer.written()), (1, 2, &[1][..]));
    assert_eq!(writer.u16(0x0405), Ok(()));
    assert_eq!(out, [1, 4, 5]);
}

#[test]
fn a_mark_leads_back_and_never_ahead() {
    let mut out = [0; 4];
    let mut writer = Writer::new(&mut out);
    let start = writer.mark();
    assert_eq!(writer.u16(7), Ok(()));
    let ahead = writer.mark();
    writer.replace_u8(start, 8);
    writer.replace_u8(ahead, 9);
    assert_eq!(writer.written(), [8, 7]);
    writer.reset(start);
    writer.reset(ahead);
    assert_eq!(writer.position(), 0);
    assert_eq!(out, [8, 7, 0, 0], "an unwritten byte is not replaced");
}
