//! Faults beside those of the links: nodes, clocks, cuts, translators, addresses.

use std::time::Duration;

use session_core::Instant;

use super::options::pick;
use super::run::World;
use crate::{Generator, LinkConfig};

/// Microseconds a clock jumps back at most: a core whose clock went back stands until it has caught up.
const MOST_BACK: u64 = 2_000_000;

/// What may happen, in the order of the bits of [`Options::chaos`](super::Options::chaos).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Kill,
    Sleep,
    Jump,
    Stop,
    Drift,
    Cut,
    ForgetMappings,
    Move,
    Shrink,
    Silence,
    Rebind,
    Migrate,
}

const KINDS: [Kind; 12] = [
    Kind::Kill,
    Kind::Sleep,
    Kind::Jump,
    Kind::Stop,
    Kind::Drift,
    Kind::Cut,
    Kind::ForgetMappings,
    Kind::Move,
    Kind::Shrink,
    Kind::Silence,
    Kind::Rebind,
    Kind::Migrate,
];

/// What ends a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    Restart(usize),
    Wake(usize),
    Go(usize),
    Mend(usize, usize),
    Restore(usize, usize),
}

/// When what goes wrong and is made good.
#[derive(Debug)]
pub(super) struct Chaos {
    random: Generator,
    every: Duration,
    kinds: Vec<Kind>,
    next_at: Instant,
    remedies: Vec<(Instant, Remedy)>,
}

impl Chaos {
    pub(super) fn new(seed: u64, every: Duration, bits: u32, now: Instant) -> Self {
        let kinds =
            KINDS.into_iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, kind)| kind).collect();
        let next_at = now.saturating_add(every);
        Self { random: Generator::new(seed ^ 0x6368_616f_7321), every, kinds, next_at, remedies: Vec::new() }
    }

    /// When it wants to [`act`](Self::act).
    pub(super) fn next_at(&self) -> Instant {
        self.remedies.iter().map(|(at, _)| *at).min().map_or(self.next_at, |at| at.min(self.next_at))
    }

    /// Does what is due.
    pub(super) fn act(&mut self, world: &mut World) {
        let now = world.network.now();
        self.apply_remedies(world, now);
        if now < self.next_at {
            return;
        }
        let wait = self.every.as_micros() as u64;
        self.next_at = now.saturating_add(Duration::from_micros(wait / 2 + self.random.below(wait)));
        if !self.kinds.is_empty() {
            let kind = *pick(&mut self.random, &self.kinds);
            self.begin(kind, world, now);
        }
    }

    /// Everything is made good.
    pub(super) fn end(&mut self, world: &mut World) {
        self.apply_remedies(world, Instant::MAX);
    }

    fn apply_remedies(&mut self, world: &mut World, until: Instant) {
        self.remedies.sort_by_key(|(at, _)| *at);
        while self.remedies.first().is_some_and(|(at, _)| *at <= until) {
            match self.remedies.remove(0).1 {
                Remedy::Restart(node) => world.start(node),
                Remedy::Wake(node) => world.network.wake(node),
                Remedy::Go(node) => world.network.stop_clock(node, false),
                Remedy::Mend(from, to) => world.network.set_cut(from, to, false),
                Remedy::Restore(one, other) => world.network.set_link(one, other, world.options().link),
            }
        }
    }

    fn begin(&mut self, kind: Kind, world: &mut World, now: Instant) {
        let nodes = world.options().nodes as u64;
        let node = self.random.below(nodes) as usize;
        let other = (node + 1 + self.random.below(nodes - 1) as usize) % nodes as usize;
        // Most pass soon; some last longer than a session lives without its peer.
        let longest = *pick(&mut self.random, &[500_000, 2_000_000, 20_000_000]);
        let until = now.saturating_add(Duration::from_micros(1 + self.random.below(longest)));
        let remedy = match kind {
            Kind::Kill if world.is_alive(node) => {
                world.kill(node);
                Remedy::Restart(node)
            }
            Kind::Sleep if world.is_alive(node) => {
                world.network.put_to_sleep(node);
                Remedy::Wake(node)
            }
            Kind::Jump => {
                let forwards = self.random.below(2) == 0;
                let far = self.random.below(if forwards { longest } else { MOST_BACK }) as i64;
                world.jump_clock(node, if forwards { far } else { -far });
                return;
            }
            Kind::Stop => {
                world.network.stop_clock(node, true);
                Remedy::Go(node)
            }
            Kind::Drift => {
                let ppm = self.random.below(200_001) as i32 - 100_000;
                world.network.set_clock_drift(node, ppm);
                return;
            }
            Kind::Cut => {
                world.network.set_cut(node, other, true);
                Remedy::Mend(node, other)
            }
            Kind::ForgetMappings => {
                world.network.forget_mappings(node);
                return;
            }
            Kind::Move if world.options().nat.is_none() && world.is_alive(node) => {
                world.move_node(node);
                return;
            }
            Kind::Shrink => {
                let mtu = Some(600 + self.random.below(800) as usize);
                let config = LinkConfig { mtu, ..world.options().link };
                world.network.set_link(node, other, config);
                Remedy::Restore(node, other)
            }
            Kind::Silence => {
                world.network.set_cut(node, other, true);
                world.network.set_cut(other, node, true);
                self.remedies.push((until, Remedy::Mend(other, node)));
                Remedy::Mend(node, other)
            }
            Kind::Rebind if world.options().nat.is_none() && world.is_alive(node) => {
                world.rebind_node(node);
                return;
            }
            Kind::Migrate if world.is_alive(node) => {
                world.migrate_node(node, &mut self.random);
                return;
            }
            Kind::Kill | Kind::Sleep | Kind::Move | Kind::Rebind | Kind::Migrate => return,
        };
        self.remedies.push((until, remedy));
    }
}
