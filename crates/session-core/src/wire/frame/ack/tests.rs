#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may fail")]

use super::super::{Frame, FrameError, Frames};
use super::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

fn parse(frame: &[u8]) -> Result<Frame<'_>, FrameError> {
    Frames::new(frame).next().unwrap()
}

fn refused(frame: &[u8]) -> bool {
    parse(frame) == Err(FrameError { kind: FrameErrorKind::Encoding, frame_type: u64::from(frame[0]) })
}

fn encode(ecn: Option<EcnCounts>, ranges: &[(u64, u64)], room: usize) -> Result<(usize, Vec<u8>), WriteError> {
    let mut out = vec![0; room];
    let mut writer = Writer::new(&mut out);
    let count = encode_ack(&mut writer, Duration::from_micros(87), ecn, ranges.iter().copied());
    assert_eq!(writer.position() == 0, count.is_err());
    Ok((count?, writer.written().to_vec()))
}

#[test]
fn the_bytes_of_an_acknowledgement_are_pinned() {
    let ranges = [(98, 100), (90, 90), (0, 1)];
    let expected = [0x02, 0x40, 100, 10, 2, 2, 6, 0, 0x40, 87, 1];
    assert_eq!(encode(None, &ranges, 64), Ok((3, expected.to_vec())));
    let Ok(Frame::Ack(ack)) = parse(&expected) else { panic!() };
    assert_eq!((ack.largest(), ack.delay_micros(), ack.ecn()), (100, 80, None));
    assert_eq!(ack.ranges().collect::<Vec<_>>(), ranges);

    let ecn = EcnCounts { ect0: 1, ect1: 2, ce: 64 };
    let expected = [0x03, 5, 10, 0, 5, 1, 2, 0x40, 64];
    assert_eq!(encode(Some(ecn), &[(0, 5)], 64), Ok((1, expected.to_vec())));
    let Ok(Frame::Ack(ack)) = parse(&expected) else { panic!() };
    assert_eq!(ack.ecn(), Some(ecn));
}

//= docs/protocol.md P-6-6
#[test]
fn ranges_are_at_most_32() {
    let frame = |further: u8| {
        let mut frame = vec![2, 0x40, 200, 0, further, 0];
        frame.extend(vec![0; 2 * usize::from(further)]);
        frame
    };
    let full = frame(31);
    let Ok(Frame::Ack(ack)) = parse(&full) else { panic!() };
    assert_eq!(ack.ranges().count(), 32);
    assert!(refused(&frame(32)));
    assert!(refused(&frame(63)));
    assert!(refused(&[2, 5, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0]));
}

//= docs/protocol.md P-6-6
#[test]
fn ranges_descend_and_stay_at_or_above_0() {
    assert!(parse(&[2, 5, 0, 0, 5]).is_ok());
    assert!(refused(&[2, 5, 0, 0, 6]), "the first range reaches below 0");
    assert!(parse(&[2, 5, 0, 1, 1, 1, 1]).is_ok(), "4–5, 0–1");
    assert!(refused(&[2, 5, 0, 1, 1, 1, 2]), "a further range reaches below 0");
    assert!(refused(&[2, 5, 0, 1, 1, 3, 0]), "a gap reaches below 0");
    assert!(refused(&[2, 5, 0, 1, 4, 0, 0]), "no room for a gap");
    let mut huge = vec![2, 5, 0, 1, 0];
    huge.extend([0xFF; 16]);
    assert!(refused(&huge), "a gap and a range of 2^62 − 1");
}

#[test]
fn what_fits_is_written_highest_first() {
    let ranges = [(98, 100), (90, 90), (80, 81), (0, 1)];
    assert_eq!(encode(None, &ranges, 6).unwrap(), (1, vec![2, 0x40, 100, 10, 0, 2]));
    assert_eq!(encode(None, &ranges, 8).unwrap().0, 2);
    assert_eq!(encode(None, &ranges, 9).unwrap().0, 2);
    assert_eq!(encode(None, &ranges, 5), Err(WriteError::NoRoom));
    let ecn = Some(EcnCounts::default());
    assert_eq!(encode(ecn, &ranges, 8), Err(WriteError::NoRoom));
    assert_eq!(encode(ecn, &ranges, 9).unwrap().0, 1);
    assert_eq!(encode(ecn, &ranges, 11).unwrap().0, 2);
    let many: Vec<_> = (0..40).rev().map(|number| (number * 2, number * 2)).collect();
    assert_eq!(encode(None, &many, 200).unwrap().0, MAX_RANGES);
}

#[test]
fn ranges_that_do_not_descend_are_not_written() {
    for ranges in [&[][..], &[(5, 4)], &[(5, 9), (1, 4)], &[(5, 9), (5, 9)], &[(5, 9), (3, 2)], &[(0, u64::MAX)]] {
        assert_eq!(encode(None, ranges, 64), Err(WriteError::OutOfRange));
    }
    let mut out = [0; 32];
    let mut writer = Writer::new(&mut out);
    assert_eq!(encode_ack(&mut writer, Duration::MAX, None, [(0, 0)]), Ok(1));
    let Ok(Frame::Ack(ack)) = parse(writer.written()) else { panic!() };
    assert_eq!(ack.delay_micros(), u64::MAX / 8 * 8);
}

proptest! {
    #[test]
    fn ranges_read_back(
        largest in 1_u64 << 20..varint::MAX,
        steps in proptest::collection::vec((0_u64..300, 0_u64..300), 1..=32),
        ecn in proptest::option::of((0..varint::MAX, 0..varint::MAX, 0..varint::MAX)),
    ) {
        let ecn = ecn.map(|(ect0, ect1, ce)| EcnCounts { ect0, ect1, ce });
        let mut high = largest;
        let ranges: Vec<_> = steps.iter().map(|(length, gap)| {
            let range = (high - length, high);
            high = range.0 - gap - 2;
            range
        }).collect();
        let (count, bytes) = encode(ecn, &ranges, 1000).unwrap();
        let (_, of_first) = encode(None, &ranges[..1], 1000).unwrap();
        for room in 0..=of_first.len() {
            let mut out = vec![0; room];
            let mut writer = Writer::new(&mut out);
            let written = encode_ack_of_one(&mut writer, 87, ranges[0]);
            let whole = room == of_first.len();
            prop_assert_eq!(written, if whole { Ok(()) } else { Err(WriteError::NoRoom) });
            prop_assert_eq!(writer.written(), if whole { &of_first[..] } else { &[] });
        }
        prop_assert_eq!(count, ranges.len());
        let Ok(Frame::Ack(ack)) = parse(&bytes) else { panic!() };
        prop_assert_eq!(ack.ranges().collect::<Vec<_>>(), ranges);
        prop_assert_eq!((ack.ecn(), ack.encoded_len()), (ecn, bytes.len()));
        let mut out = vec![0; bytes.len()];
        ack.encode(&mut Writer::new(&mut out)).unwrap();
        prop_assert_eq!(&out, &bytes);
        let mut short = vec![0; bytes.len() - 1];
        prop_assert_eq!(ack.encode(&mut Writer::new(&mut short)), Err(WriteError::NoRoom));
    }

    #[test]
    fn what_parses_descends(mut bytes in proptest::collection::vec(0_u8..70, 4..80)) {
        bytes[0] = 2 + bytes[0] % 2;
        bytes[3] %= 33;
        if let Ok(Frame::Ack(ack)) = parse(&bytes) {
            let ranges: Vec<_> = ack.ranges().collect();
            prop_assert_eq!(ranges[0].1, ack.largest());
            prop_assert!(ranges.iter().all(|(low, high)| low <= high));
            prop_assert!(ranges.windows(2).all(|pair| pair[1].1 + 1 < pair[0].0));
        }
    }
}
