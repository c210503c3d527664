#![expect(clippy::expect_used, reason = "a test says what must hold")]

use std::vec;

use super::*;

const NOW: Instant = Instant::from_micros(1_000);

fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

fn request(id: u64, patience: u64) -> Vec<u8> {
    let message = Message::Request { id: RequestId(id), patience, body: b"" };
    [message.prefix().expect("fits").as_bytes(), b"ask"].concat()
}

fn cancel(id: u64) -> Vec<u8> {
    Message::Cancel { id: RequestId(id) }.prefix().expect("fits").as_bytes().to_vec()
}

fn respond(responder: &mut Responder, id: u64, now: Instant) -> Result<Vec<u8>, RespondError<()>> {
    let mut wire = Vec::new();
    responder.respond(RequestId(id), Status::DONE, now, |prefix| {
        wire = prefix.as_bytes().to_vec();
        Ok(())
    })?;
    Ok(wire)
}

fn flushed(responder: &mut Responder) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    responder
        .flush(|prefix| {
            all.push(prefix.as_bytes().to_vec());
            Ok::<(), ()>(())
        })
        .expect("sends");
    all
}

//= docs/protocol.md P-14-4
#[test]
fn a_request_is_answered_once() {
    let mut responder = Responder::new(4);
    let asked = Arrived::Request { id: RequestId(3), deadline: None, body: b"ask" };
    assert_eq!(responder.handle_message(&request(3, 0), NOW), asked);
    let blocked = responder.respond(RequestId(3), Status::DONE, NOW, |_| Err("blocked"));
    assert_eq!(blocked, Err(RespondError::Send("blocked")));
    let never = responder.respond(RequestId(3), Status(1 << 62), NOW, |_| Ok::<(), ()>(()));
    assert_eq!(never, Err(RespondError::Status));
    assert!(responder.is_serving(RequestId(3)), "it still waits for its answer");
    assert_eq!(respond(&mut responder, 3, NOW), Ok(vec![1, 3, 0]));
    assert_eq!(respond(&mut responder, 3, NOW), Err(RespondError::NotServed));
    assert_eq!(respond(&mut responder, 9, NOW), Err(RespondError::NotServed));
    assert_eq!((responder.in_flight(), responder.stats().responses), (0, 1));
}

//= docs/protocol.md P-14-3
#[test]
fn an_id_is_served_once() {
    let mut responder = Responder::new(4);
    let repeated = Arrived::Dropped(DropReason::Repeated);
    let _ = responder.handle_message(&request(5, 0), NOW);
    assert_eq!(responder.handle_message(&request(5, 0), NOW), repeated, "while it is served");
    respond(&mut responder, 5, NOW).expect("is served");
    assert_eq!(responder.handle_message(&request(5, 0), NOW), repeated, "after its answer");
    assert!(matches!(responder.handle_message(&request(4, 0), NOW), Arrived::Request { .. }), "order is no matter");
    assert!(matches!(responder.handle_message(&request(1028, 0), NOW), Arrived::Request { .. }));
    assert_eq!(responder.handle_message(&request(4, 0), NOW), repeated, "below the window");
    assert!(matches!(responder.handle_message(&request(6, 0), NOW), Arrived::Request { .. }));
    assert_eq!(responder.stats().repeated, 3);
}

//= docs/protocol.md P-14-4 P-14-9
#[test]
fn a_cancelled_request_takes_no_answer_even_where_cancel_comes_first() {
    let mut responder = Responder::new(4);
    let _ = responder.handle_message(&request(0, 0), NOW);
    assert_eq!(responder.handle_message(&cancel(0), NOW), Arrived::Cancelled(RequestId(0)));
    assert_eq!(respond(&mut responder, 0, NOW), Err(RespondError::NotServed));
    assert_eq!(responder.handle_message(&cancel(0), NOW), Arrived::Dropped(DropReason::NotServed));
    assert_eq!(responder.handle_message(&cancel(1), NOW), Arrived::Dropped(DropReason::NotServed));
    assert_eq!(responder.handle_message(&request(1, 0), NOW), Arrived::Dropped(DropReason::Repeated));
    assert_eq!((responder.in_flight(), responder.stats().cancelled, responder.stats().not_served), (0, 1, 2));
}

//= docs/protocol.md P-14-8
#[test]
fn a_request_nobody_waits_for_any_more_ends_by_itself() {
    let mut responder = Responder::new(4);
    let _ = responder.handle_message(&request(0, 500), NOW);
    let _ = responder.handle_message(&request(1, 0), NOW);
    let _ = responder.handle_message(&request(2, u64::MAX >> 2), NOW);
    assert_eq!(responder.next_deadline(), Some(at(1_500)));
    assert_eq!(respond(&mut responder, 0, at(1_500)), Err(RespondError::NotServed), "it is too late");
    assert_eq!(responder.handle_timeout(at(1_499)), None);
    assert_eq!(responder.handle_timeout(at(1_500)), Some(RequestId(0)));
    assert_eq!(responder.handle_timeout(at(1_500)), None, "a served deadline does not recur");
    assert!(responder.next_deadline() > Some(at(1_500)));
    assert!(respond(&mut responder, 1, Instant::MAX).is_ok(), "without a deadline there is none");
}

//= docs/protocol.md P-14-7
#[test]
fn what_is_above_the_bound_is_told_so() {
    let mut responder = Responder::new(1);
    let _ = responder.handle_message(&request(0, 0), NOW);
    assert_eq!(responder.handle_message(&request(1, 0), NOW), Arrived::Refused(RequestId(1)));
    assert_eq!(responder.handle_message(&request(2, 0), NOW), Arrived::Refused(RequestId(2)));
    assert_eq!(responder.flush(|_| Err("blocked")), Err("blocked"));
    assert_eq!(flushed(&mut responder), [vec![1, 1, 1], vec![1, 2, 1]]);
    assert_eq!(flushed(&mut responder), Vec::<Vec<u8>>::new());
    assert_eq!(responder.handle_message(&request(3, 0), NOW), Arrived::Refused(RequestId(3)));
    assert_eq!(responder.handle_message(&cancel(3), NOW), Arrived::Dropped(DropReason::NotServed));
    assert_eq!(flushed(&mut responder), Vec::<Vec<u8>>::new(), "nobody waits for that refusal");
    assert_eq!((responder.stats().refused, responder.in_flight()), (3, 1));
    let mut none = Responder::new(0);
    assert_eq!(none.handle_message(&request(0, 0), NOW), Arrived::Refused(RequestId(0)));
}

#[test]
fn it_allocates_no_more_than_it_was_built_with() {
    let mut responder = Responder::new(usize::MAX);
    let built = (responder.entries.capacity(), responder.refused.capacity());
    for id in 0..2 * MAX_IN_FLIGHT as u64 {
        let _ = responder.handle_message(&request(id, 0), NOW);
    }
    let one_more = request(2 * MAX_IN_FLIGHT as u64, 0);
    assert_eq!(responder.handle_message(&one_more, NOW), Arrived::Dropped(DropReason::Overrun));
    assert_eq!((responder.in_flight(), responder.refused.len()), (MAX_IN_FLIGHT, MAX_IN_FLIGHT));
    assert_eq!((responder.entries.capacity(), responder.refused.capacity()), built);
}
