//! Rules of frames and credit, with a peer that breaks them.

use super::pair::Pair;
use super::*;
use crate::wire::{DataFrame, Frame, Writer};

fn plaintext(frames: &[Frame<'_>]) -> Vec<u8> {
    let mut bytes = vec![0; 1000];
    let mut writer = Writer::new(&mut bytes);
    for frame in frames {
        frame.encode(&mut writer).unwrap();
    }
    writer.written().to_vec()
}

fn message(offset: u64, data: &[u8]) -> Frame<'_> {
    Frame::Data(DataFrame { channel: CHANNEL.0, offset, begin: true, end: true, data })
}

//= docs/protocol.md P-6-4
#[test]
fn nothing_behind_an_offending_frame_is_delivered() {
    let mut pair = Pair::established(&Limits::default());
    let mut bytes = plaintext(&[message(0, b"before")]);
    // SKIP is reserved: it must not come.
    bytes.extend([0x12, 16, 0]);
    bytes.extend(plaintext(&[message(7, b"behind")]));
    let packet = pair.seal(0, &bytes);
    pair.deliver(1, &[packet]);
    let mut out = [0; 100];
    let mut session = pair.session(1);
    assert_eq!(session.recv(&mut out, CHANNEL), Ok(Some(6)));
    assert_eq!(&out[..6], b"before");
    assert_eq!(session.recv(&mut out, CHANNEL), Err(crate::reason::RecvError::Closed));
    assert_eq!(pair.close_code(1), Some(CloseCode::FRAME_NOT_ALLOWED));
}

//= docs/protocol.md P-9-5
#[test]
fn credit_never_shrinks() {
    let mut pair = Pair::established(&Limits::default());
    let less = plaintext(&[
        Frame::MaxData(1),
        Frame::MaxChannelData { channel: CHANNEL.0, maximum: 1 },
        Frame::MaxData(0),
        Frame::MaxChannelData { channel: CHANNEL.0, maximum: 0 },
    ]);
    let packet = pair.seal(1, &less);
    pair.deliver(0, &[packet]);
    pair.session(0).send(b"still within the first credit", CHANNEL).unwrap();
    pair.settle();
    let mut out = [0; 100];
    assert_eq!(pair.session(1).recv(&mut out, CHANNEL), Ok(Some(29)));
}
