#![expect(clippy::expect_used, reason = "a test says what must hold")]

use alloc::vec::Vec;

use proptest::prelude::*;

use super::message::Message;
use super::*;
use crate::time::Instant;

//= docs/protocol.md P-14-1
#[test]
fn what_is_no_message_changes_nothing() {
    let nonsense: [&[u8]; 12] = [
        b"",
        &[0],
        &[1],
        &[2],
        &[3, 0, 0],
        &[0, 0],
        &[1, 0],
        &[0, 0x40, 0x01, 0],    // an id that is not minimal
        &[1, 0, 0x80, 0, 0, 1], // a status that is not minimal
        &[2, 0, 0],             // a CANCEL with a body
        &[0xFF; 20],
        &[0, 0xC0],
    ];
    let (mut requester, mut responder) = (Requester::new(4), Responder::new(4));
    requester.request(None, Instant::EPOCH, |_| Ok::<(), ()>(())).expect("there is room");
    let _ = responder.handle_message(&[0, 0, 0], Instant::EPOCH);
    for message in nonsense {
        assert_eq!(requester.handle_message(message), Answer::Dropped(DropReason::Malformed), "{message:?}");
        let arrived = responder.handle_message(message, Instant::EPOCH);
        assert_eq!(arrived, Arrived::Dropped(DropReason::Malformed), "{message:?}");
    }
    // Each takes its own kinds only.
    assert_eq!(requester.handle_message(&[0, 0, 0]), Answer::Dropped(DropReason::Malformed));
    assert_eq!(requester.handle_message(&[2, 0]), Answer::Dropped(DropReason::Malformed));
    assert_eq!(responder.handle_message(&[1, 0, 0], Instant::EPOCH), Arrived::Dropped(DropReason::Malformed));
    assert_eq!((requester.in_flight(), responder.in_flight()), (1, 1));
    assert_eq!((requester.stats().malformed, responder.stats().malformed), (14, 13));
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let small = (0_u8..3, 0_u8..20, 0_u8..3, prop::collection::vec(any::<u8>(), 0..4));
    prop_oneof![
        small.prop_map(|(kind, id, number, body)| [&[kind, id, number][..], &body].concat()),
        prop::collection::vec(any::<u8>(), 0..24),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Message(Vec<u8>),
    Make(Option<u64>, bool),
    Cancel(u64),
    Flush(bool),
    Respond(u64, u64, bool),
    Timeout,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any_bytes().prop_map(Step::Message),
        2 => (prop::option::of(0_u64..50), any::<bool>()).prop_map(|(deadline, sent)| Step::Make(deadline, sent)),
        1 => (0_u64..20).prop_map(Step::Cancel),
        1 => any::<bool>().prop_map(Step::Flush),
        2 => (0_u64..20, 0_u64..100, any::<bool>()).prop_map(|(id, status, sent)| Step::Respond(id, status, sent)),
        1 => Just(Step::Timeout),
    ]
}

fn outcome(sent: bool) -> Result<(), ()> {
    if sent { Ok(()) } else { Err(()) }
}

proptest! {
    #[test]
    fn what_parses_can_be_written_again(bytes in any_bytes()) {
        if let Some(message) = Message::parse(&bytes) {
            let body = match message {
                Message::Request { body, .. } | Message::Response { body, .. } => body,
                Message::Cancel { .. } => &[],
            };
            let prefix = message.prefix().expect("what was read can be written");
            prop_assert_eq!([prefix.as_bytes(), body].concat(), bytes);
        }
    }

    /// Any calls in any order, with clocks that go back and forth: bounds hold, an id is answered once, no deadline is served twice.
    #[test]
    fn any_order_of_calls_keeps_the_bounds(steps in prop::collection::vec((any_step(), 0_u64..100), 1..200)) {
        let (mut requester, mut responder) = (Requester::new(5), Responder::new(5));
        let (mut answered, mut done) = (Vec::new(), Vec::new());
        for (step, now) in steps {
            let now = Instant::from_micros(now);
            match step {
                Step::Message(bytes) => {
                    if let Answer::Response { id, .. } = requester.handle_message(&bytes) {
                        prop_assert!(!done.contains(&id), "{:?} twice", id);
                        done.push(id);
                    }
                    let _ = responder.handle_message(&bytes, now);
                }
                Step::Make(deadline, sent) => {
                    let deadline = deadline.map(Instant::from_micros);
                    let room = !requester.is_full();
                    let made = requester.request(deadline, now, |_| outcome(sent));
                    prop_assert_eq!(made.is_ok(), room && sent && deadline.is_none_or(|deadline| deadline > now));
                }
                Step::Cancel(id) => {
                    let id = RequestId(id);
                    if requester.cancel(id) {
                        prop_assert!(!done.contains(&id));
                        done.push(id);
                    }
                }
                Step::Flush(sent) => {
                    let _ = requester.flush(|_| outcome(sent));
                    let _ = responder.flush(|_| outcome(sent));
                }
                Step::Respond(id, status, sent) => {
                    let id = RequestId(id);
                    if responder.respond(id, Status(status), now, |_| outcome(sent)).is_ok() {
                        prop_assert!(!answered.contains(&id), "{:?} twice", id);
                        answered.push(id);
                    }
                }
                Step::Timeout => {
                    while let Some(id) = requester.handle_timeout(now) {
                        prop_assert!(!done.contains(&id));
                        done.push(id);
                    }
                    while let Some(id) = responder.handle_timeout(now) {
                        prop_assert!(!answered.contains(&id));
                        answered.push(id);
                    }
                    for next in [requester.next_deadline(), responder.next_deadline()].into_iter().flatten() {
                        prop_assert!(next > now);
                    }
                }
            }
            prop_assert!(requester.in_flight() <= 5 && responder.in_flight() <= 5);
        }
    }
}
