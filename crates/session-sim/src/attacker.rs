//! Somebody on the way who sees everything, holds no key, and sends what he likes.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::AddAssign;
use std::time::Duration;

use session_core::{Address, Instant};

use crate::{Generator, Probability};

/// Datagrams an attacker remembers.
const REMEMBERED: usize = 64;

/// What an attacker does, for each datagram it sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttackerConfig {
    /// Sends one of the last 64 datagrams again, as it was.
    pub replay: Probability,
    /// The same with one to three of its bytes changed.
    pub mutation: Probability,
    /// The same cut off somewhere.
    pub truncation: Probability,
    /// The same from another address: an honest node's, or one where nobody answers.
    pub spoofing: Probability,
    /// Sends random bytes that begin as a packet does.
    pub injection: Probability,
    /// How much later it arrives, at most.
    pub delay: Duration,
}

/// What an attacker has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attacks {
    /// Datagrams made of random bytes.
    pub injected: u64,
    /// Datagrams sent again.
    pub replayed: u64,
    /// Datagrams sent again with bytes changed.
    pub mutated: u64,
    /// Datagrams sent again from elsewhere.
    pub spoofed: u64,
    /// Datagrams sent again in part.
    pub truncated: u64,
}

impl AddAssign for Attacks {
    fn add_assign(&mut self, other: Self) {
        let Self { injected, replayed, mutated, spoofed, truncated } = other;
        self.injected += injected;
        self.replayed += replayed;
        self.mutated += mutated;
        self.spoofed += spoofed;
        self.truncated += truncated;
    }
}

/// A datagram that nobody honest has sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Injection {
    /// When it arrives.
    pub at: Instant,
    /// Where it claims to come from.
    pub source: Address,
    /// Where it goes.
    pub destination: Address,
    /// Its bytes.
    pub datagram: Vec<u8>,
}

/// Sees every datagram and adds its own. What it does follows from its seed and what it sees.
#[derive(Clone, Debug)]
pub struct Attacker {
    config: AttackerConfig,
    generator: Generator,
    seen: VecDeque<(Address, Address, Vec<u8>)>,
    attacks: Attacks,
}

impl Attacker {
    /// One that has seen nothing.
    #[must_use]
    pub fn new(config: AttackerConfig, seed: u64) -> Self {
        let seen = VecDeque::with_capacity(REMEMBERED);
        Self { config, generator: Generator::new(seed), seen, attacks: Attacks::default() }
    }

    /// What it has done.
    #[must_use]
    pub fn attacks(&self) -> &Attacks {
        &self.attacks
    }

    /// Sees a datagram, and says what arrives because of it.
    pub fn see(&mut self, now: Instant, source: Address, destination: Address, datagram: &[u8]) -> Vec<Injection> {
        self.remember(source, destination, datagram);
        let AttackerConfig { replay, mutation, truncation, spoofing, injection, .. } = self.config;
        let mut injections = Vec::new();
        if self.generator.chance(replay) {
            self.attacks.replayed += 1;
            injections.push(self.again(now));
        }
        if self.generator.chance(mutation) {
            self.attacks.mutated += 1;
            let mut changed = self.again(now);
            self.mutate(&mut changed.datagram);
            injections.push(changed);
        }
        if self.generator.chance(truncation) {
            self.attacks.truncated += 1;
            let mut part = self.again(now);
            let length = self.generator.below(part.datagram.len() as u64) as usize;
            part.datagram.truncate(length);
            injections.push(part);
        }
        if self.generator.chance(spoofing) {
            self.attacks.spoofed += 1;
            let mut elsewhere = self.again(now);
            elsewhere.source = self.elsewhere();
            injections.push(elsewhere);
        }
        if self.generator.chance(injection) {
            self.attacks.injected += 1;
            let mut garbage = self.again(now);
            self.scribble(&mut garbage.datagram);
            injections.push(garbage);
        }
        injections
    }

    /// Does nothing any more.
    pub fn stop(&mut self) {
        self.config = AttackerConfig::default();
    }

    fn remember(&mut self, source: Address, destination: Address, datagram: &[u8]) {
        let mut bytes = match self.seen.len() {
            REMEMBERED => self.seen.pop_front().map_or_else(Vec::new, |(_, _, bytes)| bytes),
            _ => Vec::new(),
        };
        bytes.clear();
        bytes.extend_from_slice(datagram);
        self.seen.push_back((source, destination, bytes));
    }

    /// One of the datagrams seen; most often one of the latest, which may still overtake its original.
    fn again(&mut self, now: Instant) -> Injection {
        let count = self.seen.len() as u64;
        let back =
            if self.generator.below(2) == 0 { self.generator.below(count.min(3)) } else { self.generator.below(count) };
        let (source, destination, ref datagram) = self.seen[(count - 1 - back) as usize];
        let delay = Duration::from_micros(self.generator.below(self.config.delay.as_micros() as u64 + 1));
        Injection { at: now.saturating_add(delay), source, destination, datagram: datagram.clone() }
    }

    fn mutate(&mut self, datagram: &mut [u8]) {
        for _ in 0..=self.generator.below(3) {
            // The header is more worth than what is encrypted.
            let most = if self.generator.below(2) == 0 { 16.min(datagram.len()) } else { datagram.len() };
            let at = self.generator.below(most as u64) as usize;
            if let Some(byte) = datagram.get_mut(at) {
                *byte ^= 1 + self.generator.below(255) as u8;
            }
        }
    }

    /// Random bytes behind the beginning of a packet: the ids are right often enough.
    fn scribble(&mut self, datagram: &mut [u8]) {
        let kept = self.generator.below(12) as usize;
        for byte in datagram.iter_mut().skip(kept) {
            *byte = self.generator.next_u64() as u8;
        }
    }

    fn elsewhere(&mut self) -> Address {
        if self.generator.below(2) == 0 {
            let index = self.generator.below(self.seen.len() as u64) as usize;
            return self.seen[index].0;
        }
        // The block that documents use: nobody is there.
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 1 + self.generator.below(65_000) as u16).into()
    }
}

#[cfg(test)]
mod tests;
