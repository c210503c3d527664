#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may fail")]

use core::num::NonZeroU8;
use core::time::Duration;

use super::*;
use crate::channel_config::ChannelMode;
use crate::ids::Role;
use crate::wire::ReceiverId;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

const ACK_BYTES: &[u8] = &[0x02, 0x40, 100, 10, 2, 2, 6, 0, 0x40, 87, 1];

fn only(plaintext: &[u8]) -> Result<Frame<'_>, FrameError> {
    let mut frames = Frames::new(plaintext);
    let frame = frames.next().unwrap();
    assert_eq!(frames.next(), None);
    frame
}

fn encode(frame: &Frame<'_>) -> Vec<u8> {
    let mut out = vec![0xFF; frame.encoded_len()];
    let mut writer = Writer::new(&mut out);
    frame.encode(&mut writer).unwrap();
    assert_eq!(writer.remaining(), 0, "the length foreseen is the length written");
    out
}

fn error(kind: FrameErrorKind, frame_type: u8) -> Result<Frame<'static>, FrameError> {
    Err(FrameError { kind, frame_type: u64::from(frame_type) })
}

fn samples() -> Vec<(Frame<'static>, Vec<u8>)> {
    let close = CloseFrame { space: CloseSpace::Application, code: 64, frame_type: 8, text: Text::truncated("no") };
    let data = DataFrame { channel: 16, offset: 300, begin: false, end: true, data: b"abc" };
    let Ok(ack) = only(ACK_BYTES) else { panic!() };
    let Ok(marked_ack_of_one) = only(&[3, 9, 0, 0, 9, 1, 0, 0x40, 64]) else { panic!() };
    let Ok(ack_of_one) = only(&[2, 0x80, 0, 0x40, 0, 0x41, 0x2C, 0, 7]) else { panic!() };
    vec![
        (Frame::Padding(3), vec![0, 0, 0]),
        (Frame::Ping, vec![1]),
        (ack, ACK_BYTES.to_vec()),
        (marked_ack_of_one, vec![3, 9, 0, 0, 9, 1, 0, 0x40, 64]),
        (ack_of_one, vec![2, 0x80, 0, 0x40, 0, 0x41, 0x2C, 0, 7]),
        (Frame::Close(close), vec![4, 1, 0x40, 64, 8, 2, b'n', b'o']),
        (
            Frame::AckFrequency(AckFrequencyFrame::new(300, NonZeroU8::new(8).unwrap(), Duration::from_micros(2_404))),
            vec![5, 0x01, 0x2C, 8, 0x41, 0x2C],
        ),
        (Frame::Data(data), vec![0x0A, 16, 0x41, 0x2C, 3, b'a', b'b', b'c']),
        (Frame::MaxData(16_384), vec![0x10, 0x80, 0, 0x40, 0]),
        (Frame::MaxChannelData { channel: 0, maximum: 5 }, vec![0x11, 0, 5]),
        (Frame::Skip { channel: 16, to: 300 }, vec![0x12, 16, 0x41, 0x2C]),
        (Frame::Receipt { channel: 16, offset: 300 }, vec![0x17, 16, 1, 0x41, 0x2C]),
        (
            Frame::Message(MessageFrame { channel: 17, number: 300, offset: 5, last: true, data: b"xy" }),
            vec![0x13, 17, 0x41, 0x2C, 5, 1, 2, b'x', b'y'],
        ),
        (Frame::Channel(ChannelFrame::End { channel: 256, end: 300 }), vec![0x0C, 0x41, 0, 0x41, 0x2C]),
        (Frame::Channel(ChannelFrame::Reset { channel: 257, code: 9, end: 5 }), vec![0x15, 0x41, 1, 9, 5]),
        (Frame::Channel(ChannelFrame::Stop { channel: 258, code: 300 }), vec![0x16, 0x41, 2, 0x41, 0x2C]),
        (
            Frame::ChannelLimit(LimitFrame { role: Role::Responder, mode: ChannelMode::LatestValue, count: 64 }),
            vec![0x14, 7, 0x40, 64],
        ),
        (
            Frame::NewId(NewIdFrame {
                sequence: 64,
                retire_prior_to: 1,
                id: ReceiverId::new(&[7, 8, 9]).unwrap(),
                token: [5; 16],
            }),
            [&[0x18, 0x40, 64, 1, 3, 7, 8, 9][..], &[5; 16]].concat(),
        ),
        (Frame::RetireId(64), vec![0x19, 0x40, 64]),
        (Frame::PathChallenge([1, 2, 3, 4, 5, 6, 7, 8]), vec![0x1A, 1, 2, 3, 4, 5, 6, 7, 8]),
        (Frame::PathResponse([8, 7, 6, 5, 4, 3, 2, 1]), vec![0x1B, 8, 7, 6, 5, 4, 3, 2, 1]),
        (Frame::Extension { frame_type: 0x80, body: &[9, 9] }, vec![0x80, 2, 9, 9]),
    ]
}

#[test]
fn the_bytes_of_each_frame_are_pinned() {
    for (frame, bytes) in samples() {
        assert_eq!(encode(&frame), bytes);
        assert_eq!(only(&bytes), Ok(frame));
        assert_eq!(frame.frame_type(), bytes[0]);
    }
}

#[test]
fn begin_and_end_are_the_low_bits_of_data() {
    for (begin, end, frame_type) in [(false, false, 8), (true, false, 9), (false, true, 10), (true, true, 11)] {
        let frame = Frame::Data(DataFrame { channel: 0, offset: 0, begin, end, data: b"x" });
        assert_eq!(encode(&frame), [frame_type, 0, 0, 1, b'x']);
    }
}

#[test]
fn frames_follow_one_another_and_padding_collapses() {
    let plaintext = [0, 0, 1, 0, 0x10, 7, 0, 0];
    let frames: Vec<_> = Frames::new(&plaintext).map(Result::unwrap).collect();
    assert_eq!(frames, [Frame::Padding(2), Frame::Ping, Frame::Padding(1), Frame::MaxData(7), Frame::Padding(2)]);
    assert_eq!(Frames::new(&[]).next(), None);
}

#[test]
fn acknowledgements_close_and_padding_are_not_acknowledged() {
    for (frame, bytes) in samples() {
        assert_eq!(rule(frame.frame_type()).unwrap().ack_eliciting, !matches!(bytes[0], 0 | 2 | 3 | 4));
    }
}

//= docs/protocol.md P-6-1
#[test]
fn a_frame_cut_short_or_out_of_range_is_refused() {
    for (frame, bytes) in samples().into_iter().filter(|(frame, _)| !matches!(frame, Frame::Padding(_))) {
        for length in 1..bytes.len() {
            assert_eq!(only(&bytes[..length]), error(FrameErrorKind::Encoding, bytes[0]), "{frame:?}");
        }
    }
    assert_eq!(only(&[4, 2, 0, 0, 0]), error(FrameErrorKind::Encoding, 4), "a space of CLOSE");
    assert_eq!(only(&[5, 0, 0, 0, 1]), error(FrameErrorKind::Encoding, 5), "every zeroth packet");
    assert_eq!(only(&[0x14, 8, 1]), error(FrameErrorKind::Encoding, 0x14), "a mode that is none");
    let new_id = |sequence: &[u8], prior: u8, length: u8| [&[0x18], sequence, &[prior, length], &[1; 32]].concat();
    for (bytes, what) in [
        (new_id(&[1], 2, 8), "an id that retires itself"),
        (new_id(&[1], 0, 0), "an id of no bytes"),
        (new_id(&[1], 0, 9), "an id too long"),
        (new_id(&[0xC0, 0, 0, 1, 0, 0, 0, 0], 0, 8), "a number beyond 32 bits"),
    ] {
        assert_eq!(Frames::new(&bytes).next(), Some(error(FrameErrorKind::Encoding, 0x18)), "{what}");
    }
    assert_eq!(only(&[0x19, 0xC0, 0, 0, 1, 0, 0, 0, 0]), error(FrameErrorKind::Encoding, 0x19));
    let beyond = [0x14, 7, 0xC4, 0, 0, 0, 0, 0, 0, 1];
    assert_eq!(only(&beyond), error(FrameErrorKind::Encoding, 0x14), "more channels than there are ids");
    assert_eq!(only(&[0x10, 0x40, 5]), error(FrameErrorKind::Encoding, 0x10), "a longer form of a varint");
    assert_eq!(only(&[8, 0x40, 0, 0, 1, 1]), error(FrameErrorKind::Encoding, 8));
    assert_eq!(only(&[8, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]), error(FrameErrorKind::Encoding, 8));
}

//= docs/protocol.md P-6-2
#[test]
fn reserved_and_unassigned_types_are_not_allowed() {
    for frame_type in (0x06..=0x07).chain(0x0D..=0x0F).chain(0x1C..=0x7F) {
        let plaintext = [frame_type, 1, 1, 1, 1, 1, 1, 1, 1];
        assert_eq!(only(&plaintext), error(FrameErrorKind::NotAllowed, frame_type));
    }
}

//= docs/protocol.md P-6-3
#[test]
fn extensions_are_skipped_and_critical_ones_refused() {
    for frame_type in 0x80..=0xBF {
        let plaintext = [frame_type, 2, 0xFF, 0xFF, 1];
        let frames: Vec<_> = Frames::new(&plaintext).collect();
        assert_eq!(frames, [Ok(Frame::Extension { frame_type, body: &[0xFF, 0xFF] }), Ok(Frame::Ping)]);
        assert_eq!(only(&[frame_type, 2, 0xFF]), error(FrameErrorKind::Encoding, frame_type));
    }
    for frame_type in 0xC0..=0xFF {
        assert_eq!(only(&[frame_type, 0, 1]), error(FrameErrorKind::UnknownCritical, frame_type));
    }
    assert_eq!(
        Frame::Extension { frame_type: 0xC0, body: &[] }.encode(&mut Writer::new(&mut [0; 9])),
        Err(WriteError::OutOfRange)
    );
}

//= docs/protocol.md P-6-5
#[test]
fn the_text_of_a_close_is_at_most_128_bytes_of_utf_8() {
    let frame = |text: &[u8]| {
        let mut frame = vec![4, 0, 0, 0, u8::try_from(text.len()).unwrap()];
        frame.extend(text);
        frame
    };
    assert!(only(&frame(&[b'a'; 128])).is_ok());
    assert_eq!(only(&frame(&[b'a'; 129])), error(FrameErrorKind::Encoding, 4));
    assert_eq!(only(&frame(&[0xC3])), error(FrameErrorKind::Encoding, 4));
}

//= docs/protocol.md P-9-6
#[test]
fn data_ends_below_2_62_and_covers_a_position() {
    let mut last = vec![0x0A, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0];
    assert!(only(&last).is_ok(), "the offset 2^62 − 1 and a terminator");
    last[10] = 1;
    last.push(b'x');
    assert_eq!(only(&last), error(FrameErrorKind::Encoding, 0x0A));
    assert_eq!(only(&[8, 0, 0, 0]), error(FrameErrorKind::Encoding, 8));
    assert_eq!(only(&[9, 0, 0, 0]), error(FrameErrorKind::Encoding, 9));
    assert!(only(&[0x0B, 0, 0, 0]).is_ok(), "an empty message");

    let prefix = DataPrefix { channel: 0, offset: varint::MAX, begin: false, end: false, length: 1 };
    for prefix in [
        prefix,
        DataPrefix { offset: u64::MAX, ..prefix },
        DataPrefix { offset: 0, length: 0, ..prefix },
        DataPrefix { offset: 0, channel: u64::MAX, ..prefix },
    ] {
        assert_eq!(prefix.encode(&mut Writer::new(&mut [0; 64])), Err(WriteError::OutOfRange));
    }
}

#[test]
fn a_frame_without_room_is_not_begun() {
    for (frame, bytes) in samples() {
        for length in 0..bytes.len() {
            let mut out = vec![0; length];
            let mut writer = Writer::new(&mut out);
            assert_eq!(frame.encode(&mut writer), Err(WriteError::NoRoom));
            assert_eq!(writer.position(), 0);
        }
    }
}

#[test]
fn a_prefix_and_its_bytes_are_a_frame() {
    let mut out = [0; 16];
    let mut writer = Writer::new(&mut out);
    let prefix = DataPrefix { channel: 300, offset: 1, begin: true, end: false, length: 2 };
    prefix.encode(&mut writer).unwrap();
    assert_eq!(writer.position(), prefix.encoded_len());
    writer.bytes(b"hi").unwrap();
    let frame = DataFrame { channel: 300, offset: 1, begin: true, end: false, data: b"hi" };
    assert_eq!(only(writer.written()), Ok(Frame::Data(frame)));
}

#[test]
fn constant_plaintexts_of_every_length_never_panic() {
    for byte in 0..=u8::MAX {
        for length in 0..64 {
            let plaintext = vec![byte; length];
            assert_eq!(Frames::new(&plaintext).next().is_none(), length == 0);
            assert!(Frames::new(&plaintext).count() <= length);
        }
    }
}

proptest! {
    #[test]
    fn values_read_back(
        kind in 0_u8..9,
        first in 0..=varint::MAX,
        second in 0..=varint::MAX / 2,
        shift in 0_u32..62,
        flag in any::<bool>(),
        bytes in proptest::collection::vec(any::<u8>(), 1..100),
        text in "[a-zé]{0,60}",
    ) {
        let (first, second) = (first >> shift, second >> shift);
        let space = if flag { CloseSpace::Protocol } else { CloseSpace::Application };
        let frame = match kind {
            0 => Frame::Close(CloseFrame { space, code: first, frame_type: second, text: Text::truncated(&text) }),
            1 => Frame::Data(DataFrame { channel: first, offset: second, begin: flag, end: !flag, data: &bytes }),
            2 => Frame::MaxData(first),
            3 => Frame::MaxChannelData { channel: first, maximum: second },
            4 => Frame::Channel(ChannelFrame::End { channel: first, end: second }),
            5 => Frame::Channel(ChannelFrame::Reset { channel: first, code: second, end: first }),
            6 => Frame::Channel(ChannelFrame::Stop { channel: first, code: second }),
            7 => Frame::ChannelLimit(LimitFrame {
                role: if flag { Role::Initiator } else { Role::Responder },
                mode: ChannelMode::ALL[first as usize % 4],
                count: second >> 4,
            }),
            _ => Frame::Extension { frame_type: 0x80 | bytes[0] & 0x3F, body: &bytes },
        };
        let bytes = encode(&frame);
        prop_assert_eq!(only(&bytes), Ok(frame));
    }

    /// What is taken without a look at all types is what the general way gives, and nothing else is taken.
    #[test]
    fn the_common_frames_are_taken_as_they_are_parsed(
        lead in 0_usize..samples().len(),
        changes in proptest::collection::vec((0_usize..16, any::<u8>()), 0..3),
        tail in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut plaintext = samples()[lead].1.clone();
        plaintext.extend(tail);
        for (index, byte) in changes {
            if let Some(place) = plaintext.get_mut(index) {
                *place = byte;
            }
        }
        let mut frames = Frames::new(&plaintext);
        while let Some(frame_type) = frames.next_type() {
            let (mut with_ack, mut with_data) = (frames, frames);
            let (ack, data) = (with_ack.take_ack(), with_data.take_data());
            let before = frames.reader;
            let parsed = frames.next().unwrap();
            let is_of_one = |frame: &Frame<'_>| matches!(frame, Frame::Ack(ack) if !ack.has_further());
            let expected_ack = parsed.ok().filter(is_of_one);
            prop_assert_eq!(ack.as_ref().map(|ack| Frame::Ack(ack.into())), expected_ack);
            prop_assert_eq!(with_ack.reader, if ack.is_some() { frames.reader } else { before });
            let expected_data = parsed.ok().filter(|_| is_data(&frame_type));
            prop_assert_eq!(data.map(Frame::Data), expected_data);
            prop_assert_eq!(with_data.reader, if data.is_some() { frames.reader } else { before });
        }
        prop_assert_eq!(frames.next(), None);
    }

    #[test]
    fn arbitrary_plaintexts_never_panic_and_what_parses_is_written_alike(
        lead in 0_usize..samples().len(),
        changes in proptest::collection::vec((0_usize..16, any::<u8>()), 0..3),
        tail in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut plaintext = samples()[lead].1.clone();
        plaintext.extend(tail);
        for (index, byte) in changes {
            if let Some(place) = plaintext.get_mut(index) {
                *place = byte;
            }
        }
        let mut out = vec![0; plaintext.len()];
        let mut writer = Writer::new(&mut out);
        let mut whole = true;
        for frame in Frames::new(&plaintext) {
            whole = frame.is_ok();
            if let Ok(frame) = frame {
                let start = writer.position();
                frame.encode(&mut writer).unwrap();
                prop_assert_eq!(writer.position() - start, frame.encoded_len());
            }
        }
        prop_assert!(plaintext.starts_with(writer.written()));
        prop_assert_eq!(writer.remaining() == 0, whole);
    }
}
