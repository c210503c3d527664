//! The run: a handshake, messages both ways, the end; then one session after the other.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use session_core::{
    Action, Arrival, ChannelId, ConnectOptions, Event, Instant, Limits, Peer, SendError, SessionMut, State,
};
use sha2::{Digest as _, Sha256};

use crate::end::{DATAGRAM, End, RELIABLE, UNRELIABLE, end, link};

/// Messages each way on each channel.
pub const MESSAGES: usize = 100;
/// Bytes of each.
pub const MESSAGE: usize = 64;
/// Sessions after the first, where all is run.
pub const RECONNECTS: usize = 1_000;
/// One way along the wire.
const TRIP: Duration = Duration::from_millis(5);
/// What is to come about takes less.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of the largest message.
const ROOM: usize = 128;

/// What the machine tells about itself.
pub trait Meter {
    /// Instructions since the start.
    fn instructions(&mut self) -> u64;
    /// Bytes of heap ever in use at a time.
    fn heap(&self) -> usize;
}

/// Instructions, and how often they were spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Of all times together.
    pub instructions: u64,
    /// Handshakes or datagrams.
    pub times: u64,
}

impl Cost {
    /// Of one time.
    #[must_use]
    pub fn each(&self) -> u64 {
        self.instructions.checked_div(self.times).unwrap_or(0)
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// SHA-256 over every datagram in the order in which they left: who sent it, its length, its bytes.
    pub digest: [u8; 32],
    /// How many there were.
    pub datagrams: u64,
    /// Heap that one end takes.
    pub heap_of_one: usize,
    /// Heap when both ends stand.
    pub heap_of_two: usize,
    /// Heap after the second session.
    pub heap_after_second: usize,
    /// Heap after the last.
    pub heap_after_last: usize,
    /// The handshake at the end that begins.
    pub initiator: Cost,
    /// The handshake at the other.
    pub responder: Cost,
    /// A datagram with a message, from the command to the last byte.
    pub sent: Cost,
    /// The same where it arrives, up to the application.
    pub received: Cost,
}

/// Runs everything, with so many sessions after the first.
///
/// # Panics
/// If anything does not come about, or not as it should.
pub fn run<M: Meter>(meter: &mut M, reconnects: usize) -> Report {
    let buffer = vec![0; DATAGRAM];
    let before = meter.heap();
    let first = end(1, Limits::tiny()).expect("the limits are in order");
    let heap_of_one = meter.heap() - before;
    let second = end(2, Limits::tiny()).expect("the limits are in order");
    let heap_of_two = meter.heap() - before;
    let mut wire = Wire::new([first, second], buffer, meter);

    let (initiator, responder) = wire.connect();
    let (sent, received) = wire.converse(MESSAGES);
    wire.close();
    let mut heap_after_second = 0;
    for reconnect in 1..=reconnects {
        wire.connect();
        wire.converse(1);
        wire.close();
        if reconnect == 2 {
            heap_after_second = wire.meter.heap() - before;
        }
    }
    let heap_after_last = wire.meter.heap() - before;
    Report {
        digest: wire.hash.finalize().into(),
        datagrams: wire.datagrams,
        heap_of_one,
        heap_of_two,
        heap_after_second,
        heap_after_last,
        initiator,
        responder,
        sent,
        received,
    }
}

/// Two ends, and everything between them.
struct Wire<'a, M> {
    ends: [End; 2],
    meter: &'a mut M,
    now: Instant,
    buffer: Vec<u8>,
    closed: [bool; 2],
    hash: Sha256,
    datagrams: u64,
    /// What each end spent since it was last asked.
    spent: [u64; 2],
}

impl<'a, M: Meter> Wire<'a, M> {
    fn new(ends: [End; 2], buffer: Vec<u8>, meter: &'a mut M) -> Self {
        Self {
            ends,
            meter,
            now: Instant::from_micros(1),
            buffer,
            closed: [false; 2],
            hash: Sha256::new(),
            datagrams: 0,
            spent: [0; 2],
        }
    }

    /// What the handshake costs at each end.
    fn connect(&mut self) -> (Cost, Cost) {
        self.spent = [0; 2];
        self.closed = [false; 2];
        let peer = Peer::Known { key: self.ends[1].public_key(), psk: None };
        let now = self.now;
        self.metered(0, |end| end.connect(peer, link(0), ConnectOptions::default(), now)).expect("the place is free");
        self.step_until(|wire| wire.ends.iter().all(|end| end.state() == State::Established));
        let [initiator, responder] = self.spent.map(|instructions| Cost { instructions, times: 1 });
        (initiator, responder)
    }

    /// So many messages each way on each channel, one at a time; what a datagram costs on its way out, and on its way in.
    fn converse(&mut self, messages: usize) -> (Cost, Cost) {
        // What the handshake left behind goes first.
        self.settle();
        let (mut sent, mut received) = (Cost::default(), Cost::default());
        for number in 0..messages {
            for channel in [RELIABLE, UNRELIABLE] {
                for from in [0, 1] {
                    let before = self.datagrams;
                    self.spent = [0; 2];
                    self.say(from, channel, number);
                    if self.datagrams == before + 1 {
                        sent = Cost { instructions: sent.instructions + self.spent[from], times: sent.times + 1 };
                        received = Cost {
                            instructions: received.instructions + self.spent[1 - from],
                            times: received.times + 1,
                        };
                    }
                }
            }
        }
        (sent, received)
    }

    /// One message, compared where it arrives.
    fn say(&mut self, from: usize, channel: ChannelId, number: usize) {
        let message: [u8; MESSAGE] =
            core::array::from_fn(|at| (number * 31 + at * 7 + from * 13 + usize::from(channel == RELIABLE)) as u8);
        let limit = self.now.saturating_add(PATIENCE);
        loop {
            match self.command(from, |session| session.send(&message, channel)) {
                Ok(_) => break,
                Err(error) => assert_eq!(error, SendError::Blocked),
            }
            assert!(self.now < limit, "message {number} finds no room");
            self.step();
        }
        let mut out = [0; ROOM];
        loop {
            self.carry();
            let length = self.command(1 - from, |session| session.recv(&mut out, channel)).expect("a channel");
            if let Some(length) = length {
                assert_eq!(out[..length], message, "bytes differ");
                return;
            }
            assert!(self.now < limit, "message {number} does not arrive");
            self.step();
        }
    }

    fn close(&mut self) {
        self.command(0, |session| session.close(7, "enough"));
        self.step_until(|wire| wire.closed == [true; 2]);
    }

    /// Until nothing is on its way and nobody waits for a receipt.
    fn settle(&mut self) {
        let limit = self.now.saturating_add(Duration::from_millis(500));
        while self.carry() || self.next_deadline() < limit {
            self.wait();
        }
    }

    fn step_until(&mut self, is_done: impl Fn(&Self) -> bool) {
        let limit = self.now.saturating_add(PATIENCE);
        while !is_done(self) {
            assert!(self.now < limit, "it takes too long");
            self.step();
        }
    }

    /// Carries what there is to carry, or else lets time pass.
    fn step(&mut self) {
        if !self.carry() {
            self.wait();
        }
    }

    /// Carries every datagram and tells every event; whether there were any.
    fn carry(&mut self) -> bool {
        let mut busy = false;
        for from in [0, 1] {
            let mut buffer = core::mem::take(&mut self.buffer);
            loop {
                let now = self.now;
                match self.metered(from, |end| end.poll_action(&mut buffer, now)) {
                    Action::Transmit(transmit) => self.deliver(from, &mut buffer[..transmit.len]),
                    Action::Event(event) => self.tell(from, event),
                    Action::NeedsRoom(bytes) => panic!("a datagram of {bytes} bytes"),
                    _ => break,
                }
                busy = true;
            }
            self.buffer = buffer;
        }
        busy
    }

    fn deliver(&mut self, from: usize, datagram: &mut [u8]) {
        self.hash.update([from as u8]);
        self.hash.update((datagram.len() as u32).to_be_bytes());
        self.hash.update(&*datagram);
        self.datagrams += 1;
        self.now = self.now.saturating_add(TRIP);
        let now = self.now;
        let _ = self.metered(1 - from, |end| end.handle_datagram(datagram, Arrival::new(link(1 - from)), now));
    }

    fn tell(&mut self, end: usize, event: Event) {
        match event {
            Event::Incoming(_) => self.command(end, |session| session.accept(b"")).expect("it waits for an answer"),
            Event::Closed(_) => self.closed[end] = true,
            _ => {}
        }
    }

    /// To the next deadline, and what is due then.
    fn wait(&mut self) {
        self.now = self.next_deadline().max(self.now);
        let now = self.now;
        for index in [0, 1] {
            self.metered(index, |end| end.handle_timeout(now));
        }
    }

    fn next_deadline(&self) -> Instant {
        self.ends
            .iter()
            .filter_map(|end| end.next_deadline())
            .map(|deadline| deadline.at)
            .min()
            .expect("a session has one")
    }

    fn command<T>(&mut self, index: usize, command: impl FnOnce(&mut SessionMut<'_>) -> T) -> T {
        let now = self.now;
        self.metered(index, |end| command(&mut end.commands(now).expect("there is a session")))
    }

    fn metered<T>(&mut self, index: usize, operation: impl FnOnce(&mut End) -> T) -> T {
        let before = self.meter.instructions();
        let result = operation(&mut self.ends[index]);
        self.spent[index] += self.meter.instructions() - before;
        result
    }
}
