//! The rules of protocol §7, as two endpoints keep them.

use super::pair::{Pair, TRIP};
use super::*;
use crate::reason::{AnswerError, ClosedBy, RecvError};
use crate::session::State;
use crate::wire::{ControlMessage, DataFrame, Frame, Frames, UserData, WireText, Writer};

const CONNECT: u64 = 0x3D;
const ACCEPT: u64 = 0x3E;
const REFUSE: u64 = 0x3F;
const PENDING: u64 = 0x40;

/// Positions of CONNECT and ACCEPT without user data on channel 0: one byte and the terminator.
const FIRST: u64 = 2;

fn message(message_type: u64) -> ControlMessage<'static> {
    let user_data = UserData::default();
    match message_type {
        CONNECT => ControlMessage::Connect { user_data },
        ACCEPT => ControlMessage::Accept { user_data },
        REFUSE => ControlMessage::Refuse { reason: 0x0A, text: WireText::default(), retry_after: None },
        _ => ControlMessage::Pending,
    }
}

/// A packet with one control message at `offset` of channel 0.
fn control_packet(pair: &mut Pair, from: usize, message_type: u64, offset: u64) -> Vec<u8> {
    let mut bytes = [0; 64];
    let mut writer = Writer::new(&mut bytes);
    message(message_type).encode(&mut writer).unwrap();
    let frame = DataFrame { channel: 0, offset, begin: true, end: true, data: writer.written() };
    pair.seal_frame(from, &Frame::Data(frame))
}

/// Sends a control message and expects the receiver to close for it.
#[track_caller]
fn assert_not_allowed(mut pair: Pair, from: usize, message_type: u64, offset: u64) {
    let packet = control_packet(&mut pair, from, message_type, offset);
    assert_eq!(pair.receive(1 - from, &packet), Received::Consumed);
    let reason = pair.look(1 - from).close_reason().unwrap();
    let expected = (ClosedBy::Protocol, CloseCode::FRAME_NOT_ALLOWED, message_type);
    assert_eq!((reason.by, reason.code, reason.frame_type), expected);
}

//= docs/protocol.md P-7-1
#[test]
fn connect_begins_in_the_first_data_packet() {
    let user_data = [0xAB; 512];
    let mut pair = Pair::new([endpoint(1, Limits::default()), endpoint(2, Limits::default())]);
    pair.connect(&user_data);
    // Data queued beforehand does not come first.
    for _ in 0..3 {
        pair.session(0).send(&[1; 1000], CHANNEL).unwrap();
    }
    let packets = pair.take(0);
    pair.deliver(1, &packets);
    let packets = pair.take(1);
    pair.deliver(0, &packets);
    pair.ids[1] = pair.ends[1].sessions().next();
    let packets = pair.take(0);
    let (number, plaintext) = pair.open(1, &packets[0]);
    assert_eq!(number, 0);
    let connect = Frames::new(&plaintext).find_map(|frame| match frame {
        Ok(Frame::Data(data)) if data.channel == 0 => Some(data),
        _ => None,
    });
    let connect = connect.expect("a frame of channel 0");
    assert_eq!((connect.offset, connect.begin, u64::from(connect.data[0])), (0, true, CONNECT));
}

//= docs/protocol.md P-7-1 P-7-2
#[test]
fn connect_is_the_first_control_message_and_comes_once() {
    for other in [ACCEPT, REFUSE, PENDING] {
        assert_not_allowed(Pair::with_keys(b""), 0, other, 0);
        assert_not_allowed(Pair::established(&small_limits()), 0, other, FIRST);
    }
    assert_not_allowed(Pair::asked(b""), 0, CONNECT, FIRST);
    assert_not_allowed(Pair::established(&small_limits()), 0, CONNECT, FIRST);
}

//= docs/protocol.md P-7-2
#[test]
fn connect_has_one_answer_and_pending_before_it_only() {
    assert_not_allowed(Pair::asked(b""), 1, CONNECT, 0);
    for other in [CONNECT, ACCEPT, REFUSE, PENDING] {
        assert_not_allowed(Pair::established(&small_limits()), 1, other, FIRST);
    }
    let mut pair = Pair::asked(b"");
    for packet in [control_packet(&mut pair, 1, PENDING, 0), control_packet(&mut pair, 1, ACCEPT, FIRST)] {
        assert_eq!(pair.look(0).state(), State::Handshaking);
        assert_eq!(pair.receive(0, &packet), Received::Consumed);
    }
    assert_eq!(pair.look(0).state(), State::Established);

    // Our own responder cannot be made to answer twice.
    let mut pair = Pair::asked(b"");
    pair.session(1).accept(b"").unwrap();
    assert_eq!(pair.session(1).accept(b""), Err(AnswerError::NotAsked));
    assert_eq!(pair.session(1).refuse(CloseCode::REFUSED, "", None), Err(AnswerError::NotAsked));
    pair.settle();
    assert_eq!([pair.look(0).state(), pair.look(1).state()], [State::Established; 2]);
}

fn received(pair: &mut Pair, side: usize) -> Option<Vec<u8>> {
    let mut out = [0; 64];
    let length = pair.session(side).recv(&mut out, CHANNEL).ok()??;
    Some(out[..length].to_vec())
}

/// Neither a whole message nor a piece of one is given out.
fn nothing_to_read(pair: &mut Pair, side: usize) -> bool {
    let piece = pair.session(side).read(&mut [0; 64], CHANNEL);
    matches!(piece, Ok(None) | Err(RecvError::Closed)) && received(pair, side).is_none()
}

fn is_readable(pair: &Pair, side: usize) -> bool {
    pair.events[side].iter().any(|event| matches!(event, Event::Readable(..)))
}

//= docs/protocol.md P-7-4
#[test]
fn what_comes_before_accept_is_held_back_until_then() {
    let mut pair = Pair::asked(b"");
    pair.session(0).send(b"of the initiator", CHANNEL).unwrap();
    pair.session(1).send(b"of the responder", CHANNEL).unwrap();
    pair.settle();
    for side in [0, 1] {
        assert!(pair.look(side).channel_stats(CHANNEL).unwrap().is_all_acked(), "it has arrived at the other side");
        assert_eq!(pair.look(side).state(), State::Handshaking);
        assert!(!is_readable(&pair, side));
        assert!(nothing_to_read(&mut pair, side));
    }
    pair.session(1).accept(b"").unwrap();
    assert_eq!(pair.look(1).state(), State::Established, "the responder when it accepts");
    let accept = pair.take(1);
    assert!(is_readable(&pair, 1));
    assert_eq!(received(&mut pair, 1).unwrap(), b"of the initiator");
    assert!(pair.look(0).state() == State::Handshaking && nothing_to_read(&mut pair, 0));
    pair.pass(TRIP);
    pair.deliver(0, &accept);
    assert_eq!(pair.look(0).state(), State::Established, "the initiator when ACCEPT arrives");
    let _ = pair.take(0);
    assert!(is_readable(&pair, 0));
    assert_eq!(received(&mut pair, 0).unwrap(), b"of the responder");
}

//= docs/protocol.md P-7-4 P-7-5
#[test]
fn a_refusal_says_why_and_delivers_nothing() {
    let mut pair = Pair::asked(b"");
    pair.session(0).send(b"of the initiator", CHANNEL).unwrap();
    pair.session(1).send(b"of the responder", CHANNEL).unwrap();
    pair.settle();
    let retry_after = Some(Duration::from_millis(1500));
    pair.session(1).refuse(CloseCode::UNAUTHORIZED, "not you", retry_after).unwrap();
    pair.settle();
    let reason = pair.look(0).close_reason().unwrap();
    assert_eq!((reason.by, reason.code), (ClosedBy::Peer, CloseCode::UNAUTHORIZED));
    assert_eq!((reason.text.as_str(), reason.retry_after), ("not you", retry_after));
    for side in [0, 1] {
        assert_eq!(pair.events[side].last(), Some(&Event::Closed(pair.ids[side].unwrap())));
        assert!(!is_readable(&pair, side));
        assert!(!pair.events[side].iter().any(|event| matches!(event, Event::Established(_))));
        assert!(nothing_to_read(&mut pair, side));
    }
}

/// Three keepalive intervals are shorter than PENDING's minute: the initiator keeps both sides alive meanwhile.
#[test]
fn a_peer_that_said_pending_may_take_most_of_a_minute() {
    let mut pair = Pair::asked(b"");
    pair.session(1).pending().unwrap();
    for _ in 0..50 {
        pair.pass(Duration::from_secs(1) - TRIP * 4);
        for side in [0, 1] {
            pair.serve(side, pair.now);
        }
        pair.settle();
    }
    assert_eq!(pair.look(0).state(), State::Handshaking);
    pair.session(1).accept(b"").unwrap();
    pair.settle();
    assert_eq!(pair.look(0).state(), State::Established);
    assert_eq!(pair.look(1).state(), State::Established);
}

//= docs/protocol.md P-7-3
#[test]
fn a_control_message_beyond_its_bound_closes_the_session() {
    let mut pair = Pair::established(&Limits::default());
    let offset = FIRST;
    let mut sent = 0;
    // As far as the first credit reaches, and on when there is more.
    for length in [512, 510, 2] {
        let data = vec![CONNECT as u8; length];
        let part = DataFrame { channel: 0, offset: offset + sent, begin: sent == 0, end: false, data: &data };
        let packet = pair.seal_frame(0, &Frame::Data(part));
        pair.deliver(1, &[packet]);
        sent += length as u64;
    }
    assert_eq!(pair.close_code(1), Some(CloseCode::FRAME_ENCODING));
}
