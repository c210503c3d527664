//! One direction of a datagram link: bottleneck, loss, duplication, corruption, delay, jitter and reordering, in virtual time.

mod bursts;
mod codel;
mod config;
mod faults;
mod policer;

pub use bursts::Bursts;
pub use codel::CoDel;
pub use config::{LinkConfig, MAX_DISPLACEMENT, Probability, Reordering};
pub use faults::Faults;
pub use policer::Policer;

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::time::Duration;

use session_core::Instant;

use crate::Generator;

/// Datagrams a link holds at most. A caller that never receives meets a full queue, not an empty machine.
const IN_FLIGHT_DATAGRAMS: usize = 65_536;
/// Sets the generator of corruption apart from that of all else; an arbitrary number.
const CORRUPTION_STREAM: u64 = 0x636f_7272_7570_7421;
/// The same for bursts of loss.
const BURST_STREAM: u64 = 0x6275_7273_7473_2121;
/// Bytes a link holds at most: 10 Gbit/s over 50 ms, the largest path the tests model.
const IN_FLIGHT_BYTES: usize = 64 * 1024 * 1024;

/// One direction of a datagram link.
///
/// A datagram passes, in this order: the MTU, the policer, the queue before the bottleneck, loss, duplication, corruption, delay
/// and jitter, reordering. Jitter never reorders, so that each fault has one knob. Times that go back are read as the
/// latest seen.
///
/// `Flow` says whose a datagram is, where several share the link: it comes out with the datagram it went in with, and
/// no fault depends on it. A link with one flow needs none.
#[derive(Debug)]
pub struct Link<Flow = ()> {
    config: LinkConfig,
    generator: Generator,
    /// Of its own, so that corruption leaves the pattern of the other faults alone.
    corruption: Generator,
    /// The same of bursts.
    burst: Generator,
    is_in_burst: bool,
    bucket: policer::Bucket,
    codel: codel::Control,
    /// The queue before the bottleneck, where it is managed; otherwise what leaves it is known on entry.
    waiting: VecDeque<Waiting<Flow>>,
    waiting_bytes: usize,
    /// The latest time seen in any call.
    now: Instant,
    /// When the bottleneck has sent everything it has taken, in nanoseconds: a small datagram on a fast link takes
    /// less than a microsecond.
    busy_until_nanos: u128,
    /// When the last datagram that entered the path comes out, reordering left aside.
    last_arrival: Instant,
    next_number: u64,
    /// What comes out, in order; instants never decrease.
    scheduled: VecDeque<Scheduled<Flow>>,
    /// What waits to be overtaken, oldest first, at most `MAX_DISPLACEMENT`. Each would be released after everything
    /// scheduled so far.
    held: Vec<Held<Flow>>,
    in_flight_bytes: usize,
    faults: Faults,
}

#[derive(Debug)]
struct Scheduled<Flow> {
    at: Instant,
    flow: Flow,
    datagram: Vec<u8>,
}

#[derive(Debug)]
struct Waiting<Flow> {
    since_nanos: u128,
    is_lost: bool,
    is_lost_in_burst: bool,
    first: Fate,
    /// Of its copy, if there will be one.
    second: Option<Fate>,
    flow: Flow,
    datagram: Vec<u8>,
}

#[derive(Debug)]
struct Held<Flow> {
    number: u64,
    /// Released then, even if too few others have passed.
    release_at: Instant,
    to_pass: u8,
    overtaken: bool,
    flow: Flow,
    datagram: Vec<u8>,
}

impl Link {
    /// Puts `datagram` on the link at `now`.
    pub fn send(&mut self, now: Instant, datagram: &[u8]) {
        self.send_from((), now, datagram);
    }

    /// The next datagram that has come out by `now`.
    pub fn receive(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.receive_with_flow(now).map(|((), datagram)| datagram)
    }
}

impl<Flow: Copy> Link<Flow> {
    /// An empty link. Everything it does to datagrams is determined by `config`, `seed` and the calls.
    #[must_use]
    pub const fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            config,
            generator: Generator::new(seed),
            corruption: Generator::new(seed ^ CORRUPTION_STREAM),
            burst: Generator::new(seed ^ BURST_STREAM),
            is_in_burst: false,
            bucket: policer::Bucket { missing: 0, at: 0 },
            codel: codel::Control::NEW,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            now: Instant::EPOCH,
            busy_until_nanos: 0,
            last_arrival: Instant::EPOCH,
            next_number: 0,
            scheduled: VecDeque::new(),
            held: Vec::new(),
            in_flight_bytes: 0,
            faults: Faults::NONE,
        }
    }

    /// Puts `datagram` of `flow` on the link at `now`.
    pub fn send_from(&mut self, flow: Flow, now: Instant, datagram: &[u8]) {
        self.now = self.now.max(now);
        self.dequeue_until(self.now);
        self.faults.sent += 1;
        // Each fault is drawn for each datagram, so that changing one rate leaves the others' pattern alone.
        let lost = self.generator.chance(self.config.loss);
        let duplicated = self.generator.chance(self.config.duplication);
        let first = self.draw_fate();
        let second = self.draw_fate();
        let in_burst = self.config.bursts.is_some_and(|bursts| bursts.draw(&mut self.is_in_burst, &mut self.burst));

        let now_nanos = nanos(self.now);
        if self.config.mtu.is_some_and(|mtu| datagram.len() > mtu) {
            self.faults.too_big += 1;
        } else if !self.config.policer.is_none_or(|policer| self.bucket.take(policer, datagram.len(), now_nanos)) {
            self.faults.policed += 1;
        } else if self.is_managed() {
            self.enqueue(Waiting {
                since_nanos: now_nanos,
                is_lost: lost || in_burst,
                is_lost_in_burst: in_burst && !lost,
                first,
                second: duplicated.then_some(second),
                flow,
                datagram: datagram.to_vec(),
            });
        } else if !self.has_room(datagram.len()) || !self.pass_bottleneck(datagram.len()) {
            self.faults.queue_dropped += 1;
        } else if lost || in_burst {
            self.faults.lost += 1;
            self.faults.lost_in_bursts += u64::from(!lost);
        } else {
            self.leave(flow, datagram, first, duplicated.then_some(second));
        }
    }

    /// The next datagram that has come out by `now`, and whose it is.
    pub fn receive_with_flow(&mut self, now: Instant) -> Option<(Flow, Vec<u8>)> {
        self.now = self.now.max(now);
        self.dequeue_until(self.now);
        if self.next_delivery()? > self.now {
            return None;
        }
        if self.scheduled.is_empty() {
            self.release_held_until(self.now);
        }
        let Scheduled { flow, datagram, .. } = self.scheduled.pop_front()?;
        self.in_flight_bytes -= datagram.len();
        self.faults.delivered += 1;
        Some((flow, datagram))
    }

    /// Somebody else has the medium until then: what is sent meanwhile waits. For links whose directions share one.
    pub fn hold_until(&mut self, instant: Instant) {
        self.busy_until_nanos = self.busy_until_nanos.max(nanos(instant));
    }

    /// Changes what happens to datagrams sent from now on; those under way keep their fate.
    pub fn set_config(&mut self, config: LinkConfig) {
        self.config = config;
    }

    /// When the next datagram comes out: [`Link::receive_with_flow`] gives one at that time and none before. Where [`CoDel`] manages the queue, it
    /// may drop at that time what would have come out, and there is none.
    #[must_use]
    pub fn next_delivery(&self) -> Option<Instant> {
        if let Some(scheduled) = self.scheduled.front() {
            return Some(scheduled.at);
        }
        let dequeued = self.waiting.front().map(|head| instant(head.since_nanos.max(self.busy_until_nanos)));
        self.held.iter().map(|held| held.release_at).chain(dequeued).min()
    }

    /// When the bottleneck will have sent everything it has taken so far.
    #[must_use]
    pub fn busy_until(&self) -> Instant {
        instant(self.busy_until_nanos)
    }

    /// Datagrams on the link that are neither delivered nor gone.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.scheduled.len() + self.held.len() + self.waiting.len()
    }

    /// What has happened so far, by kind.
    #[must_use]
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What this link does to datagrams.
    #[must_use]
    pub const fn config(&self) -> &LinkConfig {
        &self.config
    }

    fn draw_fate(&mut self) -> Fate {
        let jitter_micros = u64::try_from(self.config.jitter.as_micros()).unwrap_or(u64::MAX);
        let reordering = self.config.reordering;
        let jitter = Duration::from_micros(self.generator.below(jitter_micros.saturating_add(1)));
        let is_held = self.generator.chance(reordering.probability());
        let displacement = self.generator.below(u64::from(reordering.max_displacement())) as u8 + 1;
        let is_held = is_held && reordering.max_displacement() > 0;
        let corrupted = self.corruption.chance(self.config.corruption);
        let bit = self.corruption.next_u64();
        Fate { jitter, displacement: is_held.then_some(displacement), flipped: corrupted.then_some(bit) }
    }

    fn is_managed(&self) -> bool {
        self.config.codel.is_some() && self.config.bandwidth.is_some() || !self.waiting.is_empty()
    }

    /// Takes a datagram into the managed queue, or drops it at its tail.
    fn enqueue(&mut self, waiting: Waiting<Flow>) {
        let length = waiting.datagram.len();
        let is_idle = self.waiting.is_empty() && self.busy_until_nanos <= waiting.since_nanos;
        let fits = is_idle || self.config.queue.is_none_or(|queue| self.waiting_bytes + length <= queue);
        if !fits || !self.has_room(length) {
            self.faults.queue_dropped += 1;
            return;
        }
        self.waiting_bytes += length;
        self.in_flight_bytes += length;
        self.waiting.push_back(waiting);
        self.dequeue_until(self.now);
    }

    /// Moves what the managed queue gives to the bottleneck by `limit`.
    fn dequeue_until(&mut self, limit: Instant) {
        while let Some(head) = self.waiting.front() {
            let start = head.since_nanos.max(self.busy_until_nanos);
            if start > nanos(limit) {
                return;
            }
            let Some(waiting) = self.waiting.pop_front() else { return };
            let Waiting { since_nanos, is_lost, is_lost_in_burst, first, second, flow, datagram } = waiting;
            let length = datagram.len();
            self.waiting_bytes -= length;
            self.in_flight_bytes -= length;
            let codel = self.config.codel.unwrap_or_default();
            if !self.codel.passes(codel, start - since_nanos, length, self.waiting_bytes, start) {
                self.faults.codel_dropped += 1;
                continue;
            }
            let sending = self.config.bandwidth.map_or(0, |bandwidth| transmission_nanos(length, bandwidth));
            self.busy_until_nanos = start + sending;
            if is_lost {
                self.faults.lost += 1;
                self.faults.lost_in_bursts += u64::from(is_lost_in_burst);
            } else {
                self.leave(flow, &datagram, first, second);
            }
        }
    }

    /// Puts a datagram on the path behind the bottleneck, twice if it has a second fate.
    fn leave(&mut self, flow: Flow, datagram: &[u8], first: Fate, second: Option<Fate>) {
        self.enter_path(first, flow, datagram);
        if let Some(second) = second.filter(|_| self.has_room(datagram.len())) {
            self.faults.duplicated += 1;
            self.enter_path(second, flow, datagram);
        }
    }

    fn has_room(&self, length: usize) -> bool {
        self.in_flight() < IN_FLIGHT_DATAGRAMS && self.in_flight_bytes.saturating_add(length) <= IN_FLIGHT_BYTES
    }

    /// Takes `length` bytes into the bottleneck, or says that its queue is full.
    fn pass_bottleneck(&mut self, length: usize) -> bool {
        let now_nanos = nanos(self.now);
        let Some(bandwidth) = self.config.bandwidth else {
            self.busy_until_nanos = self.busy_until_nanos.max(now_nanos);
            return true;
        };
        let backlog_nanos = self.busy_until_nanos.saturating_sub(now_nanos);
        let backlog = backlog_nanos.saturating_mul(u128::from(bandwidth.get())) / NANOS_PER_SECOND;
        // A datagram that finds the bottleneck idle is being sent, not queued, however short the queue.
        let fits = self.config.queue.is_none_or(|queue| backlog + length as u128 <= queue as u128);
        if backlog_nanos > 0 && !fits {
            return false;
        }
        self.busy_until_nanos = now_nanos + backlog_nanos + transmission_nanos(length, bandwidth);
        true
    }

    /// Puts one copy on the path behind the bottleneck.
    fn enter_path(&mut self, fate: Fate, flow: Flow, datagram: &[u8]) {
        let arrival =
            self.busy_until().saturating_add(self.config.delay).saturating_add(fate.jitter).max(self.last_arrival);
        self.last_arrival = arrival;
        self.in_flight_bytes += datagram.len();
        let number = self.next_number;
        self.next_number += 1;
        let mut datagram = datagram.to_vec();
        if let Some(bit) = fate.flipped.filter(|_| !datagram.is_empty()) {
            self.faults.corrupted += 1;
            let bit = (bit % (datagram.len() as u64 * 8)) as usize;
            datagram[bit / 8] ^= 1 << (bit % 8);
        }

        self.release_held_until(arrival);
        // Were all of them held, nobody would overtake anybody.
        let may_hold = self.held.len() < usize::from(self.config.reordering.max_displacement());
        match fate.displacement {
            Some(to_pass) if may_hold => self.held.push(Held {
                number,
                release_at: arrival.saturating_add(self.config.reordering.max_hold()),
                to_pass,
                overtaken: false,
                flow,
                datagram,
            }),
            _ => self.schedule(number, Scheduled { at: arrival, flow, datagram }),
        }
    }

    /// Schedules the held datagrams whose time is up by `limit`, earliest first.
    fn release_held_until(&mut self, limit: Instant) {
        while let Some(index) = (0..self.held.len()).min_by_key(|&index| (self.held[index].release_at, index)) {
            if self.held[index].release_at > limit {
                break;
            }
            let at = self.held[index].release_at;
            self.release(index, at);
        }
    }

    /// Schedules a datagram, and after it every held one that has now been overtaken often enough.
    fn schedule(&mut self, number: u64, scheduled: Scheduled<Flow>) {
        let at = scheduled.at;
        self.scheduled.push_back(scheduled);
        for held in self.held.iter_mut().filter(|held| held.number < number) {
            held.to_pass -= 1;
            held.overtaken = true;
        }
        // Each turn, here or in the call below it, takes one of at most 64 held datagrams away.
        while let Some(index) = self.held.iter().position(|held| held.to_pass == 0) {
            self.release(index, at);
        }
    }

    fn release(&mut self, index: usize, at: Instant) {
        let held = self.held.remove(index);
        self.faults.reordered += u64::from(held.overtaken);
        self.schedule(held.number, Scheduled { at, flow: held.flow, datagram: held.datagram });
    }
}

/// What was drawn for one copy of a datagram.
#[derive(Clone, Copy, Debug)]
struct Fate {
    jitter: Duration,
    /// How many others pass it, where it is held back.
    displacement: Option<u8>,
    /// Which bit is changed, modulo the length, where one is.
    flipped: Option<u64>,
}

const NANOS_PER_MICRO: u128 = 1_000;
const NANOS_PER_SECOND: u128 = 1_000_000_000;

fn nanos(instant: Instant) -> u128 {
    u128::from(instant.as_micros()) * NANOS_PER_MICRO
}

/// The first instant that is not before.
fn instant(nanos: u128) -> Instant {
    Instant::from_micros(u64::try_from(nanos.div_ceil(NANOS_PER_MICRO)).unwrap_or(u64::MAX))
}

fn transmission_nanos(length: usize, bandwidth: NonZeroU64) -> u128 {
    (length as u128 * NANOS_PER_SECOND).div_ceil(u128::from(bandwidth.get()))
}

#[cfg(test)]
mod tests;
