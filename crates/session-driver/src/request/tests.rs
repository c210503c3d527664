use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use session_core::ChannelId;

use super::*;
use crate::fake::{Node, World, join, pattern, small_limits};
use crate::{RecvError, Session};

const BOTH: ChannelId = ChannelId(16);
const SECOND: Duration = Duration::from_secs(1);

fn open(world: &mut World) -> (Node, Node, Session, Session) {
    let mut node = || {
        world.node_with(64, 64, |builder| {
            let builder = builder.limits(small_limits());
            builder.channel(ChannelId(16)).channel(ChannelId(17)).channel(ChannelId(18))
        })
    };
    let (a, b) = (node(), node());
    let (near, far) = world.run(join(a.endpoint.connect(b.key, b.address), async {
        b.endpoint.accept().await.expect("the endpoint lives").accept().await
    }));
    (a, b, near.expect("connects"), far.expect("accepts"))
}

fn ends(near: &Session, far: &Session, options: RequestOptions) -> (Requester, Responder) {
    (near.requester(options).expect("the pair is free"), far.responder(options).expect("the pair is free"))
}

/// All at once, each with its number.
async fn all<T, F: Future<Output = T>>(count: usize, make: impl Fn(usize) -> F) -> Vec<T> {
    let mut futures: Vec<_> = (0..count).map(|number| Some(Box::pin(make(number)))).collect();
    let mut results: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if let Some(Poll::Ready(value)) = future.as_mut().map(|future| future.as_mut().poll(context)) {
                *result = Some(value);
                *future = None;
            }
        }
        if futures.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    results.into_iter().flatten().collect()
}

/// Polls a future so often, then drops it.
async fn give_up_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Answers `count` requests with what they ask, backwards; holds up to `held` back and answers the latest first.
async fn reverse(responder: &Responder, count: usize, held: usize) {
    let mut waiting = Vec::new();
    for number in 0..count {
        waiting.push(responder.next().await.expect("the session lives"));
        if waiting.len() > held || number + 1 == count {
            while let Some(mut request) = waiting.pop() {
                let mut body = request.take_bytes();
                body.reverse();
                request.respond(&body).await.expect("is waited for");
            }
        }
    }
}

async fn ask(requester: &Requester, number: usize) {
    let question = pattern(number * 37 % 3000, number as u8);
    let mut answer = requester.request(&question, 30 * SECOND).await.expect("is answered");
    answer.reverse();
    assert!(answer == question, "the answer to another question");
}

/// Nobody waits and nothing stands in the tables.
fn assert_idle(node: &Node) {
    node.endpoint.shared().with(|state, _| {
        assert_eq!((state.waiting(), state.exchanges.next_deadline()), (0, None));
    });
}

#[test]
fn many_requests_are_under_way_both_ways_over_one_channel() {
    let mut world = World::new();
    let (a, b, near, far) = open(&mut world);
    let options = RequestOptions::on(BOTH).in_flight(64);
    let (there, from_there) = ends(&near, &far, options);
    let (back, from_back) = (far.requester(options), near.responder(options));
    let (back, from_back) = (back.expect("it is the same pair"), from_back.expect("it is the same pair"));
    // More than may be in flight, and more than the channel's window.
    let count = 150;
    world.run(join(
        join(all(count, |number| ask(&there, number)), reverse(&from_there, count, 20)),
        join(all(count, |number| ask(&back, number)), reverse(&from_back, count, 7)),
    ));
    for (asked, served) in [(there.stats(), from_there.stats()), (back.stats(), from_back.stats())] {
        assert_eq!((asked.requests, asked.responses, asked.late), (150, 150, 0));
        assert_eq!((served.requests, served.responses, served.refused), (150, 150, 0));
    }
    assert_idle(&a);
    assert_idle(&b);
}

#[test]
fn a_request_ends_when_its_time_is_over_and_the_responder_learns_it() {
    let mut world = World::new();
    let (a, b, near, far) = open(&mut world);
    let (requester, responder) = ends(&near, &far, RequestOptions::on(BOTH));
    let began = world.now();
    let (late, ()) = world.run(join(requester.request(b"?", 5 * SECOND), async {
        let request = responder.next().await.expect("the session lives");
        request.cancelled().await;
        assert_eq!(request.respond(b"!").await, Err(RespondError::Cancelled));
    }));
    assert_eq!(late, Err(RequestError::TimedOut));
    let took = Duration::from_micros(world.now() - began);
    assert!((5 * SECOND..6 * SECOND).contains(&took), "{took:?}");
    assert_eq!((requester.stats().expired, responder.stats().responses), (1, 0));
    world.run(join(ask(&requester, 7), reverse(&responder, 1, 0)));
    assert_idle(&a);
    assert_idle(&b);
}

#[test]
fn a_request_that_gets_no_turn_in_time_was_never_made() {
    let mut world = World::new();
    let (a, _b, near, far) = open(&mut world);
    let (requester, responder) = ends(&near, &far, RequestOptions::on(BOTH).in_flight(1));
    let (first, (second, ())) = world.run(join(
        requester.request(b"first", 20 * SECOND),
        join(requester.request(b"second", SECOND), async {
            let request = responder.next().await.expect("the session lives");
            let pause = near.closed();
            assert!(give_up_after(3, pause).await.is_none());
            assert_eq!(request.bytes(), b"first");
            request.cancelled().await;
        }),
    ));
    assert_eq!((first, second), (Err(RequestError::TimedOut), Err(RequestError::TimedOut)));
    assert_eq!(requester.stats().requests, 1);
    // The channel is full: nobody reads at the other end.
    let deaf = RequestOptions::on(ChannelId(17));
    let deaf = near.requester(deaf).expect("the pair is free");
    let body = pattern(6000, 1);
    let results = world.run(all(8, |_| deaf.request(&body, SECOND)));
    assert!(results.iter().all(|result| *result == Err(RequestError::TimedOut)));
    assert!((1..8).contains(&deaf.stats().requests), "{:?}", deaf.stats());
    assert_idle(&a);
}

#[test]
fn a_dropped_request_is_cancelled() {
    let mut world = World::new();
    let (a, b, near, far) = open(&mut world);
    let (requester, responder) = ends(&near, &far, RequestOptions::on(BOTH));
    let ((), ()) = world.run(join(
        async {
            let dropped = Box::pin(requester.request(b"never mind", 60 * SECOND));
            assert_eq!(give_up_after(1, dropped).await, None);
            // What comes next finds the responder as if nothing had been.
            ask(&requester, 5).await;
        },
        async {
            let request = responder.next().await.expect("the session lives");
            if request.bytes() == b"never mind" {
                request.cancelled().await;
                assert_eq!(request.respond(b"!").await, Err(RespondError::Cancelled));
                reverse(&responder, 1, 0).await;
            } else {
                let mut body = request.bytes().to_vec();
                body.reverse();
                request.respond(&body).await.expect("is waited for");
            }
        },
    ));
    assert_eq!((requester.stats().cancelled, responder.stats().cancelled), (1, 1));
    assert_idle(&a);
    assert_idle(&b);
}

#[test]
fn no_answer_is_an_answer_too() {
    let mut world = World::new();
    let (a, _b, near, far) = open(&mut world);
    let options = RequestOptions::on(BOTH).in_flight(2).largest(100);
    let (requester, responder) = ends(&near, &far, options);
    let refused = |status| RequestError::Refused { status, body: Vec::new() };
    let (dropped, ()) = world.run(join(requester.request(b"?", SECOND), async { drop(responder.next().await) }));
    assert_eq!(dropped, Err(refused(Status::DECLINED)));
    let (told, answered) = world.run(join(requester.request(b"?", SECOND), async {
        let request = responder.next().await.expect("the session lives");
        request.respond_with(Status(64), b"no such file").await
    }));
    let body = b"no such file".to_vec();
    assert_eq!((told, answered), (Err(RequestError::Refused { status: Status(64), body }), Ok(())));
    let (too_long, answered) = world.run(join(requester.request(b"?", SECOND), async {
        responder.next().await.expect("the session lives").respond(&pattern(101, 1)).await
    }));
    assert_eq!((too_long, answered), (Err(RequestError::TooLong), Ok(())));
    let (too_large, answered) = world.run(join(requester.request(b"?", SECOND), async {
        responder.next().await.expect("the session lives").respond(&pattern(1 << 20, 1)).await
    }));
    assert_eq!((too_large, answered), (Err(refused(Status::DECLINED)), Err(RespondError::Send(SendError::TooLarge))));
    assert_eq!(world.run(requester.request(&pattern(101, 1), SECOND)), Err(refused(Status::TOO_LONG)));
    let larger = Err(RequestError::Send(SendError::TooLarge));
    assert_eq!(world.run(requester.request(&pattern(1 << 20, 1), SECOND)), larger);
    let unused = world.run(async { give_up_after(1, requester.request(b"waits for nobody", SECOND)).await });
    assert_eq!(unused, None);
    drop(responder);
    assert_eq!(world.run(requester.request(b"?", SECOND)), Err(refused(Status::DECLINED)), "nobody takes requests");
    assert_idle(&a);
}

#[test]
fn a_responder_at_its_bound_says_so_and_garbage_harms_nobody() {
    let mut world = World::new();
    let (_a, _b, near, far) = open(&mut world);
    let responder = far.responder(RequestOptions::on(BOTH).in_flight(2)).expect("the pair is free");
    let requester = near.requester(RequestOptions::on(BOTH).in_flight(8)).expect("the pair is free");
    let (results, ()) = world.run(join(all(8, |_| requester.request(b"?", 9 * SECOND)), async {
        let (one, two) = (responder.next().await, responder.next().await);
        let (one, two) = (one.expect("the session lives"), two.expect("the session lives"));
        let raw = far.channel(BOTH);
        for garbage in [&b""[..], b"\x09", b"\x01\x3f\x00", b"\x02\x00\x00", b"\x01\x40\x00\x00"] {
            raw.send(garbage).await.expect("sends");
        }
        one.respond(b"1").await.expect("is waited for");
        two.respond(b"2").await.expect("is waited for");
    }));
    let busy = Err(RequestError::Refused { status: Status::BUSY, body: Vec::new() });
    assert_eq!(results.iter().filter(|result| **result == busy).count(), 6);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 2);
    assert_eq!((requester.stats().malformed, requester.stats().unknown), (1, 1));
    let takes_the_rest = near.responder(RequestOptions::on(BOTH)).expect("it is the same pair");
    assert_eq!(takes_the_rest.stats().malformed, 3);
    world.run(join(ask(&requester, 3), reverse(&responder, 1, 0)));
}

#[test]
fn the_end_of_the_session_ends_every_request() {
    let mut world = World::new();
    let (a, b, near, far) = open(&mut world);
    let (requester, responder) = ends(&near, &far, RequestOptions::on(BOTH));
    let ((open, queued), ()) = world.run(join(
        join(requester.request(b"open", Duration::MAX), requester.request(b"queued", Duration::MAX)),
        async {
            let request = responder.next().await.expect("the session lives");
            let closing = far.close(5, "enough");
            assert_eq!(closing.await.code.0, 5);
            request.cancelled().await;
            assert!(matches!(request.respond(b"!").await, Err(RespondError::Send(SendError::Closed(Some(_))))));
            assert_eq!(responder.next().await.expect("it came before").bytes(), b"queued");
            assert!(responder.next().await.is_none());
        },
    ));
    for ended in [open, queued] {
        let Err(RequestError::Closed(Some(reason))) = ended else { panic!("{ended:?}") };
        assert_eq!((reason.code.0, reason.text.as_str()), (5, "enough"));
    }
    assert!(matches!(world.run(requester.request(b"late", SECOND)), Err(RequestError::Closed(_))));
    drop((near, far, requester, responder));
    let pause = world.sleep(30 * SECOND);
    world.run(pause);
    for node in [&a, &b] {
        assert_idle(node);
        node.endpoint.shared().with(|state, _| assert!(state.exchanges.is_empty() && state.sessions.is_empty()));
    }
}

#[test]
fn a_pair_is_one_and_a_channel_belongs_to_one_pair() {
    let mut world = World::new();
    let (_a, _b, near, far) = open(&mut world);
    let (one, two) = (ChannelId(16), ChannelId(17));
    let requester = near.requester(RequestOptions::pair(one, two)).expect("the pair is free");
    assert_eq!(near.requester(RequestOptions::on(two)).err(), Some(ChannelTaken));
    assert_eq!(near.responder(RequestOptions::pair(ChannelId(18), two)).err(), Some(ChannelTaken));
    let responder = far.responder(RequestOptions::pair(two, one)).expect("the pair is free");
    world.run(join(ask(&requester, 1), reverse(&responder, 1, 0)));
    drop(requester);
    // Ids go on where they were, else the responder would take the next request for a repeated one.
    let again = near.requester(RequestOptions::pair(one, two)).expect("it is the same pair");
    world.run(join(ask(&again, 2), reverse(&responder, 1, 0)));
    assert_eq!(again.stats().requests, 2);
    let nowhere = near.requester(RequestOptions::on(ChannelId(99))).expect("it shows later");
    let unknown = Err(RequestError::Send(SendError::UnknownChannel));
    assert_eq!(world.run(nowhere.request(b"?", SECOND)), unknown);
    assert_eq!(world.run(far.channel(ChannelId(99)).read(&mut [0; 1])), Err(RecvError::UnknownChannel));
}

/// Every future dropped after any number of polls and made anew: each question that was answered was answered right, no request that
/// came is lost, and nothing is left behind.
#[test]
fn dropped_futures_lose_and_double_nothing() {
    for polls in 0..6 {
        let mut world = World::new();
        let (a, b, near, far) = open(&mut world);
        let (requester, responder) = ends(&near, &far, RequestOptions::on(BOTH).in_flight(4));
        let serving = async {
            let mut served = 0;
            loop {
                let mut polls = polls;
                let request = loop {
                    if let Some(next) = give_up_after(polls, responder.next()).await {
                        break next;
                    }
                    polls += 1;
                };
                let Some(request) = request else { return served };
                let _ = give_up_after(polls.min(1), request.cancelled()).await;
                let mut body = request.bytes().to_vec();
                body.reverse();
                served += usize::from(request.respond(&body).await.is_ok());
            }
        };
        let asking = async {
            for number in 0..20 {
                let question = pattern(number * 500, number as u8);
                let mut polls = polls;
                let mut answer = loop {
                    if let Some(answer) = give_up_after(polls, requester.request(&question, 30 * SECOND)).await {
                        break answer.expect("is answered");
                    }
                    polls += 1;
                };
                answer.reverse();
                assert!(answer == question, "the answer to another question");
            }
            let stats = requester.stats();
            near.close(0, "done").await;
            stats
        };
        let (asked, served) = world.run(join(asking, serving));
        let of_responder = responder.stats();
        assert_eq!((asked.responses, asked.requests), (20, 20 + asked.cancelled), "{polls} polls");
        assert_eq!(of_responder.responses, served as u64);
        assert_eq!(of_responder.responses, 20 + asked.late);
        for node in [&a, &b] {
            assert_idle(node);
        }
    }
}
