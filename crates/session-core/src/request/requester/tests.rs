#![expect(clippy::expect_used, reason = "a test says what must hold")]

use std::vec;

use super::*;

const NOW: Instant = Instant::from_micros(1_000);

fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

fn sent(_: &Prefix) -> Result<(), ()> {
    Ok(())
}

/// Makes a request and returns it with its prefix.
fn make(requester: &mut Requester, deadline: Option<Instant>) -> (RequestId, Vec<u8>) {
    let mut wire = Vec::new();
    let id = requester
        .request(deadline, NOW, |prefix| {
            wire = prefix.as_bytes().to_vec();
            sent(prefix)
        })
        .expect("there is room");
    (id, wire)
}

fn response(id: RequestId, status: u64, body: &[u8]) -> Vec<u8> {
    let prefix = Message::Response { id, status: Status(status), body }.prefix().expect("fits");
    [prefix.as_bytes(), body].concat()
}

fn cancels(requester: &mut Requester) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    requester
        .flush(|prefix| {
            all.push(prefix.as_bytes().to_vec());
            sent(prefix)
        })
        .expect("sends");
    all
}

#[test]
fn a_request_says_how_long_it_waits_and_takes_one_answer() {
    let mut requester = Requester::new(4);
    let (first, wire) = make(&mut requester, Some(at(1_063)));
    assert_eq!(wire, [0, 0, 63]);
    let (second, wire) = make(&mut requester, None);
    assert_eq!(wire, [0, 1, 0]);
    assert_eq!((requester.in_flight(), requester.next_deadline()), (2, Some(at(1_063))));
    let answer = response(second, 64, b"yes");
    assert_eq!(requester.handle_message(&answer), Answer::Response { id: second, status: Status(64), body: b"yes" });
    assert_eq!(requester.handle_message(&answer), Answer::Late(second), "a second answer is none");
    assert!(requester.is_waiting(first) && !requester.is_waiting(second));
    assert_eq!(requester.stats(), RequesterStats { requests: 2, responses: 1, late: 1, ..RequesterStats::default() });
}

//= docs/protocol.md P-14-6
#[test]
fn answers_that_nobody_waits_for_are_told_apart() {
    let mut requester = Requester::new(4);
    let (id, _) = make(&mut requester, Some(at(2_000)));
    assert_eq!(requester.handle_message(&response(RequestId(1), 0, b"")), Answer::Dropped(DropReason::Unknown));
    assert_eq!(requester.handle_timeout(at(1_999)), None);
    assert_eq!(requester.handle_timeout(at(2_000)), Some(id));
    assert_eq!(requester.handle_timeout(at(2_000)), None, "a served deadline does not recur");
    assert_eq!(requester.next_deadline(), None);
    assert_eq!(requester.handle_message(&response(id, 0, b"too late")), Answer::Late(id));
    let stats = requester.stats();
    assert_eq!((stats.unknown, stats.late, stats.expired, stats.responses), (1, 1, 1, 0));
}

//= docs/protocol.md P-14-5 P-14-7
#[test]
fn what_was_given_up_counts_until_its_cancel_was_sent() {
    let mut requester = Requester::new(2);
    let (first, _) = make(&mut requester, None);
    let (second, _) = make(&mut requester, Some(at(1_001)));
    assert_eq!(requester.request(None, NOW, sent), Err(RequestError::Full));
    assert!(requester.cancel(first) && !requester.cancel(first) && !requester.cancel(RequestId(7)));
    assert_eq!(requester.handle_timeout(at(1_001)), Some(second));
    assert_eq!(requester.request(None, NOW, sent), Err(RequestError::Full), "neither CANCEL has left");
    let mut calls = 0;
    let result = requester.flush(|_| {
        calls += 1;
        if calls == 1 { Ok(()) } else { Err("blocked") }
    });
    assert_eq!((result, calls, requester.in_flight()), (Err("blocked"), 2, 1));
    assert_eq!(cancels(&mut requester), [vec![2, 1]]);
    assert_eq!((cancels(&mut requester), requester.in_flight()), (vec![], 0));
}

#[test]
fn an_answer_to_what_was_given_up_saves_its_cancel() {
    let mut requester = Requester::new(1);
    let (id, _) = make(&mut requester, None);
    assert!(requester.cancel(id));
    assert_eq!(requester.handle_message(&response(id, 0, b"")), Answer::Late(id));
    assert_eq!((cancels(&mut requester), requester.in_flight()), (vec![], 0));
}

#[test]
fn a_request_that_is_not_sent_is_none() {
    let mut requester = Requester::new(1);
    assert_eq!(requester.request(None, NOW, |_| Err("blocked")), Err(RequestError::Send("blocked")));
    assert_eq!(requester.request(Some(NOW), NOW, sent), Err(RequestError::Expired));
    assert_eq!((requester.in_flight(), requester.stats()), (0, RequesterStats::default()));
    let (id, _) = make(&mut requester, None);
    assert_eq!(id.as_u64(), 0, "no id was used up");
    assert_eq!(Requester::new(0).request(None, NOW, sent), Err(RequestError::Full));
}

//= docs/protocol.md P-14-2
#[test]
fn ids_ascend_and_stay_within_the_window_of_the_oldest() {
    let mut requester = Requester::new(usize::MAX);
    let (oldest, _) = make(&mut requester, None);
    for number in 1..1024 {
        let (id, _) = make(&mut requester, None);
        assert_eq!(id.as_u64(), number);
        let _ = requester.handle_message(&response(id, 0, b""));
    }
    assert_eq!(requester.in_flight(), 1);
    assert_eq!(requester.request(None, NOW, sent), Err(RequestError::Full));
    let _ = requester.handle_message(&response(oldest, 0, b""));
    let (id, _) = make(&mut requester, None);
    assert_eq!(id.as_u64(), 1024, "no id is used again");
}

#[test]
fn it_allocates_no_more_than_it_was_built_with() {
    let mut requester = Requester::new(usize::MAX);
    let capacity = requester.entries.capacity();
    while !requester.is_full() {
        make(&mut requester, None);
    }
    assert_eq!((requester.in_flight(), requester.entries.capacity()), (MAX_IN_FLIGHT, capacity));
}
