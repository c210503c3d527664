//! How time passes, and what is done to single nodes meanwhile.

use std::time::Duration;

use session_core::Instant;

use super::{Network, refile};
use crate::network::host::Host;
use crate::{Node, Output, inside};

/// Datagrams and events of one node at one instant, at most. More means that `poll` does not end.
const ACTIONS_PER_INSTANT: u32 = 500_000;
/// Turns of serving deadlines and asking for actions at one instant, at most.
const TURNS_PER_INSTANT: u32 = 64;
/// Calls of `handle_timeout` at one instant, at most.
const TIMEOUTS_PER_INSTANT: u32 = 1_000_000;

impl<N: Node> Network<N> {
    /// Serves what can be done now; where there is nothing, jumps to what comes next. `false` if nothing ever comes.
    pub fn step(&mut self) -> bool {
        if self.pump_dirty() {
            return true;
        }
        let Some(next) = self.next_instant() else { return false };
        self.now = self.now.max(next);
        self.deliver();
        self.serve_alarms();
        self.pump_dirty();
        true
    }

    /// Goes on to what comes next, or, where nothing comes by `limit`, to `limit`. `false` if nothing comes by then. For
    /// loops that look at the network in between.
    pub fn step_until(&mut self, limit: Instant) -> bool {
        if self.pump_dirty() {
            return true;
        }
        if self.next_instant().is_none_or(|next| next > limit) {
            self.now = self.now.max(limit);
            return false;
        }
        self.step()
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let limit = self.now.saturating_add(time);
        while self.step_until(limit) {}
    }

    /// Runs until nothing is left to do but deadlines further away than `quiet`.
    pub fn settle(&mut self, quiet: Duration) {
        while self.pump_dirty() || self.next_instant().is_some_and(|next| next <= self.now.saturating_add(quiet)) {
            self.step();
        }
    }

    /// Gives commands to a node; `None` while it is dead.
    pub fn with<T>(&mut self, node: usize, command: impl FnOnce(&mut N, Instant) -> T) -> Option<T> {
        let host = &mut self.hosts[node];
        let now = host.clock.at(self.now);
        host.is_dirty = true;
        host.node.as_mut().map(|node| inside(|| command(node, now)))
    }

    /// What the clock of a node shows.
    #[must_use]
    pub fn clock(&self, node: usize) -> Instant {
        self.hosts[node].clock.at(self.now)
    }

    /// The next event of a node that was not fetched yet.
    pub fn next_event(&mut self, node: usize) -> Option<N::Event> {
        self.hosts[node].events.pop_front()
    }

    /// All events of a node that were not fetched yet.
    pub fn take_events(&mut self, node: usize) -> Vec<N::Event> {
        self.hosts[node].events.drain(..).collect()
    }

    /// Whether any node has events that were not fetched.
    #[must_use]
    pub fn has_events(&self) -> bool {
        self.hosts.iter().any(|host| !host.events.is_empty())
    }

    /// Whether a node has to be asked what it wants.
    pub(crate) fn is_dirty(&self) -> bool {
        self.hosts.iter().any(|host| host.is_dirty)
    }

    /// Stops a node: it serves nothing and hears nothing. What comes meanwhile is lost.
    pub fn put_to_sleep(&mut self, node: usize) {
        self.incidents.slept += 1;
        self.change(node, |host, _| host.sleeps = true);
        self.hosts[node].is_dirty = false;
    }

    /// Starts it again.
    pub fn wake(&mut self, node: usize) {
        self.change(node, |host, _| host.sleeps = false);
    }

    /// Ends a node without a word and returns what is left of it.
    pub fn kill(&mut self, node: usize) -> Option<N> {
        let killed = self.hosts[node].node.take();
        self.incidents.killed += u64::from(killed.is_some());
        self.hosts[node].events.clear();
        self.hosts[node].is_dirty = false;
        self.file_alarm(node);
        killed
    }

    /// Puts a new node where one was killed.
    pub fn start(&mut self, number: usize, node: N) {
        self.incidents.restarted += 1;
        self.hosts[number].buffer = vec![0; node.max_datagram()];
        self.change(number, |host, _| host.node = Some(node));
        for observer in &mut self.observers {
            observer.started(number);
        }
    }

    /// Sets the clock of a node so many microseconds ahead of the world's, or behind it, without drift.
    pub fn set_clock_ahead(&mut self, node: usize, micros: i64) {
        self.incidents.clocks_jumped += 1;
        self.change(node, |host, _| host.clock.set_ahead(micros));
    }

    /// Lets the clock of a node jump by so many microseconds.
    pub fn jump_clock(&mut self, node: usize, micros: i64) {
        self.incidents.clocks_jumped += 1;
        self.change(node, |host, _| host.clock.jump(micros));
    }

    /// Lets the clock of a node gain so many millionths from now on, or lose them.
    pub fn set_clock_drift(&mut self, node: usize, drift_ppm: i32) {
        self.incidents.clocks_drifted += 1;
        self.change(node, |host, now| host.clock.set_drift(drift_ppm, now));
    }

    /// Stops the clock of a node, or lets it go on as if it had never stood.
    pub fn stop_clock(&mut self, node: usize, stops: bool) {
        self.incidents.clocks_stopped += u64::from(stops);
        self.change(node, |host, now| host.clock.stop(stops, now));
    }

    fn change(&mut self, node: usize, change: impl FnOnce(&mut Host<N>, Instant)) {
        change(&mut self.hosts[node], self.now);
        self.hosts[node].is_dirty = true;
        self.file_alarm(node);
    }

    pub(crate) fn next_instant(&self) -> Option<Instant> {
        let injection = self.injections.first_key_value().map(|((at, _), _)| *at);
        let first = [self.arrivals.first(), self.alarms.first()].into_iter().flatten().map(|(at, _)| *at);
        first.chain(injection).min()
    }

    fn serve_alarms(&mut self) {
        while let Some(&(at, node)) = self.alarms.first() {
            if at > self.now {
                break;
            }
            self.pump(node);
        }
    }

    pub(crate) fn pump_dirty(&mut self) -> bool {
        let mut any = false;
        for node in 0..self.hosts.len() {
            if self.hosts[node].is_dirty && self.hosts[node].runs() {
                self.pump(node);
                any = true;
            }
        }
        any
    }

    /// Serves the deadlines of a node and asks it for actions until it has nothing to do before a later instant.
    fn pump(&mut self, number: usize) {
        self.hosts[number].is_dirty = false;
        for _ in 0..TURNS_PER_INSTANT {
            self.serve_deadlines(number);
            self.drain(number);
            let host = &self.hosts[number];
            if host.deadline().is_none_or(|deadline| deadline > host.clock.at(self.now)) {
                for observer in &mut self.observers {
                    if let Some(node) = host.node.as_ref() {
                        observer.rested(number, node, self.now);
                    }
                }
                self.file_alarm(number);
                return;
            }
        }
        panic!("I8: {:?} recurs at node {number} again and again", self.hosts[number].deadline());
    }

    /// Serves deadlines until none is left that has passed (P-11-1).
    fn serve_deadlines(&mut self, number: usize) {
        let host = &mut self.hosts[number];
        let now = host.clock.at(self.now);
        let Some(node) = host.node.as_mut() else { return };
        for _ in 0..TIMEOUTS_PER_INSTANT {
            if node.next_deadline().is_none_or(|deadline| deadline > now) {
                return;
            }
            inside(|| node.handle_timeout(now));
        }
        panic!("I8: {:?} is served at {now:?} and does not go away", node.next_deadline());
    }

    /// Fetches all events and datagrams.
    fn drain(&mut self, number: usize) {
        for _ in 0..ACTIONS_PER_INSTANT {
            let host = &mut self.hosts[number];
            let now = host.clock.at(self.now);
            let Host { node: Some(node), buffer, .. } = host else { return };
            match inside(|| node.poll(buffer, now)) {
                Output::Transmit(transmit) => {
                    let buffer = std::mem::take(&mut host.buffer);
                    self.transmit(number, transmit.link, transmit.ecn, &buffer[..transmit.len]);
                    self.hosts[number].buffer = buffer;
                }
                Output::Event(event) => host.events.push_back(event),
                Output::Wait => return,
            }
        }
        panic!("I8: poll does not come to an end at node {number}");
    }

    fn file_alarm(&mut self, number: usize) {
        let host = &mut self.hosts[number];
        // By the world's clock; a deadline of a clock that was set back may have passed long ago.
        let next = host.deadline().filter(|_| host.runs()).and_then(|deadline| host.clock.when(deadline));
        let next = next.map(|next| next.max(self.now));
        refile(&mut self.alarms, &mut host.filed, next, number);
    }
}
