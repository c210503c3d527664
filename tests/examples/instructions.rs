//! What `just instructions` counts: the same work on an endpoint with few sessions and with many.
//!
//! The argument is the number of sessions. With no more than that the program sets them up, says `ready`, and waits for a line, upon which
//! the counter is on. Then it does what is counted. The provider computes nothing, so the cipher is not in the count.

use std::io::{self, BufRead as _};

use session_core::{Action, Arrival, CarrierConfig, Endpoint, Instant, Limits, SessionId};
use session_tests::pair::{CHANNEL, DATAGRAM, link, reversed};
use session_tests::{Null, Pair};

/// How often each counted function runs; `.ci/instructions.py` divides by it.
const REPETITIONS: usize = 1_000;
/// Sessions that take part in the echoes, spread over all.
const BUSY: usize = 64;
const MESSAGE: [u8; 64] = [7; 64];
/// Sessions open, and rest, while time stands still: no deadline comes up.
const START: Instant = Instant::from_micros(1);
/// Time between two echoes: enough for the pacer, and all of them together too short for a keepalive.
const PACE_MICROS: u64 = 1_000;
/// When the bulk transfer begins: after the echoes, and before a session that rests has a keepalive to send.
const BULK_START: Instant = Instant::from_micros(2_000_000);
/// Datagrams that go before anything comes back: about what an adapter gives to one system call.
const BATCH: usize = 40;
/// Time between two batches, so that congestion control sees a link as fast as that.
const BATCH_MICROS: u64 = 50;
/// How many times what is counted goes before it.
const WARM_UP: usize = 20;
/// What the application writes at a time, and reads.
const PIECE: usize = 16 * 1_024;

fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).expect("the number of sessions");
    let mut pair = Pair::new(&limits(count), |config| config.carriers = vec![CarrierConfig::udp(1_452)]);
    pair.connect(count, START);
    println!("ready");
    io::stdin().lock().read_line(&mut String::new()).expect("a line");
    idle_polls(&mut pair);
    echoes(&mut pair);
    transfers(&mut pair);
}

#[inline(never)]
fn idle_polls(pair: &mut Pair) {
    let mut out = vec![0; DATAGRAM];
    for _ in 0..REPETITIONS {
        let action = idle_poll(&mut pair.server, &mut out);
        assert!(matches!(action, Action::Wait(_)), "there was something to do: {action:?}");
    }
}

/// Counted: a poll that finds nothing to do.
#[inline(never)]
fn idle_poll(endpoint: &mut Endpoint<Null>, out: &mut [u8]) -> Action {
    endpoint.poll_action(out, START)
}

/// The echoes, with all that belongs to them at the other end.
#[inline(never)]
fn echoes(pair: &mut Pair) {
    let stride = pair.accepted.len().div_ceil(BUSY);
    let busy: Vec<_> = (0..pair.connected.len()).step_by(stride).collect();
    // Who has rested expands its keys first, and is not counted yet.
    for (turn, number) in busy.iter().copied().chain(busy.iter().copied().cycle().take(REPETITIONS)).enumerate() {
        let at = Instant::from_micros(START.as_micros() + turn as u64 * PACE_MICROS);
        exchange(pair, number, at, if turn < busy.len() { answer } else { echo });
    }
}

/// A datagram with all that `handle_datagram` wants to know.
struct Arriving<'a> {
    datagram: &'a mut [u8],
    arrival: Arrival,
    at: Instant,
}

/// Counted: a message comes in, is read, and goes back, with every poll until there is nothing left to do.
#[inline(never)]
fn echo(endpoint: &mut Endpoint<Null>, id: SessionId, arriving: Arriving<'_>, out: &mut [u8]) -> usize {
    answer(endpoint, id, arriving, out)
}

#[inline(always)]
fn answer(endpoint: &mut Endpoint<Null>, id: SessionId, arriving: Arriving<'_>, out: &mut [u8]) -> usize {
    let Arriving { datagram, arrival, at } = arriving;
    let _ = endpoint.handle_datagram(datagram, arrival, at);
    let mut message = [0; MESSAGE.len()];
    let mut session = endpoint.session_mut(id, at).expect("the session is up");
    let received = session.recv(&mut message, CHANNEL);
    assert_eq!(received, Ok(Some(MESSAGE.len())));
    session.send(&message, CHANNEL).expect("there is credit");
    let mut answer = 0;
    loop {
        match endpoint.poll_action(&mut out[answer..], at) {
            Action::Transmit(transmit) => answer += transmit.len,
            Action::Event(_) => {}
            _ => return answer,
        }
    }
}

type Answer = fn(&mut Endpoint<Null>, SessionId, Arriving<'_>, &mut [u8]) -> usize;

/// A message to the server and back.
fn exchange(pair: &mut Pair, number: usize, at: Instant, respond: Answer) {
    let (at_client, at_server) = (pair.connected[number], pair.accepted[number]);
    let mut session = pair.client.session_mut(at_client, at).expect("the session is up");
    session.send(&MESSAGE, CHANNEL).expect("there is credit");
    let (mut datagram, mut out) = (vec![0; DATAGRAM], vec![0; DATAGRAM]);
    let len = loop {
        match pair.client.poll_action(&mut datagram, at) {
            Action::Transmit(transmit) => break transmit.len,
            Action::Event(_) => {}
            action => panic!("nothing is sent: {action:?}"),
        }
    };
    let arriving = Arriving { datagram: &mut datagram[..len], arrival: Arrival::new(reversed(link())), at };
    let length = respond(&mut pair.server, at_server, arriving, &mut out);
    assert!(length > MESSAGE.len(), "the answer has {length} bytes");
    let _ = pair.client.handle_datagram(&mut out[..length], Arrival::new(link()), at);
    let mut message = [0; MESSAGE.len()];
    let mut session = pair.client.session_mut(at_client, at).expect("the session is up");
    assert_eq!(session.recv(&mut message, CHANNEL), Ok(Some(MESSAGE.len())));
    pair.settle(at);
}

/// What a transfer takes from an application, and what is on its way.
struct Buffers {
    piece: Vec<u8>,
    datagram: Vec<u8>,
    read: Vec<u8>,
}

/// A bulk transfer on one session, at first until windows and datagrams have their size.
#[inline(never)]
fn transfers(pair: &mut Pair) {
    let mut buffers = Buffers { piece: vec![7; PIECE], datagram: vec![0; DATAGRAM], read: vec![0; PIECE] };
    let batches = REPETITIONS / BATCH;
    let mut at = BULK_START.as_micros();
    for _ in 0..WARM_UP * batches {
        at += BATCH_MICROS;
        transfer(pair, &mut buffers, Instant::from_micros(at));
    }
    for _ in 0..batches {
        at += BATCH_MICROS;
        bulk(pair, &mut buffers, Instant::from_micros(at));
    }
}

/// Counted: the sum of all calls is a thousand datagrams.
#[inline(never)]
fn bulk(pair: &mut Pair, buffers: &mut Buffers, at: Instant) {
    assert_eq!(transfer(pair, buffers, at), BATCH, "the link is full");
}

/// Writes all there is room for, carries a batch of datagrams, reads, and carries what comes back. No deadline is served: those of the sessions at rest
/// would be counted.
fn transfer(pair: &mut Pair, buffers: &mut Buffers, at: Instant) -> usize {
    let Buffers { piece, datagram, read } = buffers;
    let (from, to) = (pair.connected[0], pair.accepted[0]);
    let mut session = pair.client.session_mut(from, at).expect("the session is up");
    while session.send(piece, CHANNEL).is_ok() {}
    let mut datagrams = 0;
    while datagrams < BATCH {
        match pair.client.poll_action(datagram, at) {
            Action::Transmit(transmit) => {
                datagrams += 1;
                let _ = pair.server.handle_datagram(&mut datagram[..transmit.len], Arrival::new(reversed(link())), at);
            }
            Action::Event(_) => {}
            _ => break,
        }
    }
    let mut session = pair.server.session_mut(to, at).expect("the session is up");
    while session.recv(read, CHANNEL) != Ok(None) {}
    loop {
        match pair.server.poll_action(datagram, at) {
            Action::Transmit(transmit) => {
                let _ = pair.client.handle_datagram(&mut datagram[..transmit.len], Arrival::new(link()), at);
            }
            Action::Event(_) => {}
            _ => break,
        }
    }
    datagrams
}

/// Room for so many sessions, each of which holds some blocks while it begins.
fn limits(sessions: u32) -> Limits {
    let mut limits = Limits::default();
    limits.sessions = sessions;
    limits.pending = sessions.min(10);
    limits.pool_blocks = sessions.saturating_mul(4).max(8_192);
    limits
}
