//! Connections that share one link in virtual time, and the applications at their ends.

use std::collections::VecDeque;
use std::time::Duration;

use session_core::Instant;
use session_sim::Link;

use super::end::{End, MESSAGE};
use super::profile::Profile;

/// When the simulator begins.
pub(crate) const START: Instant = Instant::from_micros(1_000_000);
/// Bytes of the bulk flow given or taken at a time.
const PIECE: usize = 64 * 1024;
/// Datagrams of an end at one instant, at most: more means that it never stops.
const DATAGRAMS_PER_INSTANT: usize = 100_000;

/// Turns at one instant, at most.
const TURNS_PER_INSTANT: usize = 10_000;

/// What the application of a connection does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    /// Bytes of the bulk flow, as many as go through if `None`.
    pub(super) bytes: Option<u64>,
    /// A message is sent so often beside it.
    pub(super) message_every: Option<Duration>,
}

/// A connection: the sender of the bulk flow and its receiver.
struct Flow {
    ends: [Box<dyn End>; 2],
    task: Task,
    given: u64,
    is_finished: bool,
    received: u64,
    /// When the last byte of a bulk flow that ends came.
    done_at: Option<Instant>,
    next_message: Instant,
    /// Messages that wait for room, by when they were sent.
    waiting: VecDeque<Instant>,
    /// When each message was sent; those that came are the first, in order.
    sent: Vec<Instant>,
    latencies: Vec<Duration>,
    has_begun: bool,
    /// The sender was woken since its application last acted.
    is_woken: bool,
}

/// What became of a connection.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outcome {
    /// Bytes of the bulk flow that the receiver's application has.
    pub(super) received: u64,
    /// From the first datagram to the last byte, if it came.
    pub(super) completion: Option<Duration>,
    /// How long each message took from one application to the other, but those of the last tenth of the time: they may be
    /// under way. One that has not come is as old as it is.
    pub(super) latencies: Vec<Duration>,
}

/// Two directions of a link, and the connections over it.
pub(super) struct Network {
    now: Instant,
    /// Datagrams carry the number of their connection.
    links: [Link<usize>; 2],
    flows: Vec<Flow>,
    piece: Vec<u8>,
}

impl Network {
    /// No connections yet. The same seed draws the same faults for the same datagrams.
    pub(super) fn new(profile: &Profile, seed: u64) -> Self {
        let links = [Link::new(profile.forward, seed * 2 + 1), Link::new(profile.backward, seed * 2 + 2)];
        Self { now: START, links, flows: Vec::new(), piece: vec![7; PIECE] }
    }

    /// Adds a connection that begins at once.
    pub(super) fn add(&mut self, ends: [Box<dyn End>; 2], task: Task) {
        self.flows.push(Flow {
            ends,
            task,
            given: 0,
            is_finished: false,
            received: 0,
            done_at: None,
            next_message: self.now,
            waiting: VecDeque::new(),
            sent: Vec::new(),
            latencies: Vec::new(),
            has_begun: false,
            is_woken: false,
        });
    }

    /// Runs for `time`, or until all bulk flows that end have ended.
    pub(super) fn run(mut self, time: Duration) -> Vec<Outcome> {
        let end = START.saturating_add(time);
        let mut turns = 0;
        loop {
            self.pump();
            let is_done = self.flows.iter().all(|flow| flow.done_at.is_some());
            match self.next_instant().filter(|next| *next <= end && !is_done) {
                Some(next) if next > self.now => (self.now, turns) = (next, 0),
                Some(_) => turns += 1,
                None => break,
            }
            assert!(turns < TURNS_PER_INSTANT, "a deadline comes back at {:?} again and again", self.now);
            self.deliver();
            self.serve();
        }
        self.flows.into_iter().map(|flow| flow.outcome(end, time)).collect()
    }

    fn next_instant(&mut self) -> Option<Instant> {
        let arrivals = self.links.iter().filter_map(Link::next_delivery).min();
        let deadlines = self.flows.iter_mut().filter_map(Flow::next_instant).min();
        [arrivals, deadlines].into_iter().flatten().min()
    }

    fn deliver(&mut self) {
        for (direction, link) in self.links.iter_mut().enumerate() {
            while let Some((index, datagram)) = link.receive_with_flow(self.now) {
                let (flow, to) = (&mut self.flows[index], 1 - direction);
                flow.ends[to].handle_datagram(datagram, self.now);
                flow.is_woken |= to == 0;
            }
        }
    }

    fn serve(&mut self) {
        for flow in &mut self.flows {
            for (number, end) in flow.ends.iter_mut().enumerate() {
                if end.next_deadline().is_some_and(|at| at <= self.now) {
                    end.handle_timeout(self.now);
                    flow.is_woken |= number == 0;
                }
            }
            flow.is_woken |= flow.message_due().is_some_and(|at| at <= self.now);
        }
    }

    /// Lets applications act and ends send until nobody has anything to do at this instant.
    fn pump(&mut self) {
        for (index, flow) in self.flows.iter_mut().enumerate() {
            flow.receive(self.now, &mut self.piece);
            loop {
                flow.send(self.now, &self.piece);
                for (end, link) in flow.ends.iter_mut().zip(&mut self.links) {
                    for datagrams in 0.. {
                        assert!(datagrams < DATAGRAMS_PER_INSTANT, "an end sends without end");
                        let Some(datagram) = end.poll_transmit(self.now) else { break };
                        link.send_from(index, self.now, &datagram);
                    }
                }
                // An end may have come to take data while it was asked for datagrams.
                if flow.has_begun || !flow.ends[0].may_write() {
                    break;
                }
            }
        }
    }
}

impl Flow {
    fn message_due(&self) -> Option<Instant> {
        self.task.message_every.filter(|_| self.ends[0].may_write()).map(|_| self.next_message)
    }

    fn next_instant(&mut self) -> Option<Instant> {
        let deadlines = self.ends.iter_mut().filter_map(|end| end.next_deadline()).min();
        [deadlines, self.message_due()].into_iter().flatten().min()
    }

    fn send(&mut self, now: Instant, piece: &[u8]) {
        if !self.ends[0].may_write() || (self.has_begun && !self.is_woken) {
            return;
        }
        if !self.has_begun {
            self.has_begun = true;
            self.next_message = now;
        }
        self.is_woken = false;
        if let Some(interval) = self.task.message_every {
            while self.next_message <= now {
                self.waiting.push_back(self.next_message);
                self.sent.push(self.next_message);
                self.next_message = self.next_message.saturating_add(interval);
            }
            while let Some(sent) = self.waiting.front() {
                let mut message = [7; MESSAGE];
                message[..8].copy_from_slice(&sent.as_micros().to_be_bytes());
                if !self.ends[0].send_message(&message, now) {
                    break;
                }
                self.waiting.pop_front();
            }
        }
        while !self.is_finished {
            let left = self.task.bytes.map_or(piece.len() as u64, |bytes| bytes - self.given).min(piece.len() as u64);
            let taken = self.ends[0].write(&piece[..left as usize], now);
            self.given += taken as u64;
            if self.task.bytes == Some(self.given) {
                self.ends[0].finish(now);
                self.is_finished = true;
            }
            if taken == 0 {
                break;
            }
        }
    }

    fn receive(&mut self, now: Instant, buffer: &mut [u8]) {
        loop {
            let length = self.ends[1].read(buffer, now);
            self.received += length as u64;
            if length == 0 {
                break;
            }
        }
        while let Some(message) = self.ends[1].receive_message(now) {
            let sent = message.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
            self.latencies.push(now.saturating_since(Instant::from_micros(sent)));
        }
        if self.task.bytes == Some(self.received) && self.done_at.is_none() {
            self.done_at = Some(now);
        }
    }

    fn outcome(self, end: Instant, time: Duration) -> Outcome {
        let missing = self.sent[self.latencies.len()..].iter().map(|sent| end.saturating_since(*sent));
        let settled = self.sent.partition_point(|sent| sent.saturating_since(START) < time * 9 / 10);
        let latencies = self.latencies.iter().copied().chain(missing).take(settled).collect();
        Outcome { received: self.received, completion: self.done_at.map(|at| at.saturating_since(START)), latencies }
    }
}
