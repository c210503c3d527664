//! Rows in memory: the cores alone, both ends on one thread, no socket and no link between them.

mod handshake;
mod idle;
mod sides;

use std::time::Duration;

use session_core::Instant;

use crate::Failure;
use crate::allocator;
use crate::args::Measure;
use crate::clock::processor_time;
use crate::report::{Better, Report};
use crate::simulated::{self, End, MakePair, START};
use crate::turns::{Figure, Subject, measure};

/// Bytes of the datagrams: what IPv6 over Ethernet leaves.
const DATAGRAM: u16 = 1452;
/// Bytes given and taken at a time.
const PIECE: usize = 64 * 1024;
/// How far the clock goes in a turn of both ends.
const TURN: Duration = Duration::from_micros(100);
/// Turns without a byte or a deadline, at most.
const PATIENCE: u32 = 1_000;

const CORE: [Figure; 3] = [
    Figure { name: "processor time of a datagram, both ends", unit: "us", better: Better::Lower },
    Figure { name: "goodput, both ends on one processor", unit: "MB/s", better: Better::Higher },
    Figure { name: "allocations and growths of a datagram, both ends", unit: "1", better: Better::Lower },
];

pub(crate) fn run(asked: &Measure, report: &mut Report) -> Result<(), Failure> {
    if asked.wants_row("core") {
        core(asked, report)?;
    }
    if asked.wants_row("handshake-memory") {
        handshake::run(asked, report)?;
    }
    if asked.wants_row("idle-memory") {
        idle::run(asked, report)?;
    }
    Ok(())
}

fn core(asked: &Measure, report: &mut Report) -> Result<(), Failure> {
    let bytes = if asked.quick { 16 << 20 } else { 256 << 20 };
    let mut pairs = Vec::new();
    let subjects = simulated::subjects().into_iter();
    #[cfg(feature = "peers")]
    let subjects = subjects.chain([simulated::with_aws_lc(), simulated::with_ring()]);
    for (about, make) in subjects.filter(|(about, _)| asked.wants_peer(about.name)) {
        pairs.push((about, Pair::new(make)?));
    }
    let subjects = pairs.iter_mut().map(|(about, pair)| {
        Subject::new(about.clone(), || {
            let (start, datagrams) = (processor_time(), pair.datagrams);
            allocator::take();
            pair.transfer(bytes)?;
            let (allocations, datagrams) = (allocator::take(), (pair.datagrams - datagrams) as f64);
            let time = (processor_time() - start).as_secs_f64();
            Ok(vec![time * 1e6 / datagrams, bytes as f64 / time / 1e6, allocations as f64 / datagrams])
        })
    });
    measure("core", &CORE, subjects.collect(), asked, report)
}

/// Two ends that hand each other their datagrams.
pub(crate) struct Pair {
    ends: [Box<dyn End>; 2],
    now: Instant,
    /// Handed over so far, in either direction.
    datagrams: u64,
}

impl Pair {
    fn new(make: MakePair) -> Result<Self, Failure> {
        let mut pair = Self { ends: make(DATAGRAM, 1, START)?, now: START, datagrams: 0 };
        for _ in 0..PATIENCE {
            pair.turn();
            if pair.ends.iter().all(|end| end.is_established()) {
                return Ok(pair);
            }
        }
        Err("the ends do not find each other".into())
    }

    /// Hands over all datagrams of both ends, and lets the clock go on.
    fn turn(&mut self) {
        let [near, far] = &mut self.ends;
        for is_near in [true, false] {
            let (from, to) = if is_near { (&mut *near, &mut *far) } else { (&mut *far, &mut *near) };
            while let Some(datagram) = from.poll_transmit(self.now) {
                to.handle_datagram(datagram, self.now);
                self.datagrams += 1;
            }
        }
        self.now = self.now.saturating_add(TURN);
        for end in &mut self.ends {
            if end.next_deadline().is_some_and(|at| at <= self.now) {
                end.handle_timeout(self.now);
            }
        }
    }

    fn transfer(&mut self, bytes: usize) -> Result<(), Failure> {
        let mut piece = vec![7; PIECE];
        let (mut given, mut taken, mut idle) = (0, 0, 0);
        while taken < bytes {
            while given < bytes {
                match self.ends[0].write(&piece[..PIECE.min(bytes - given)], self.now) {
                    0 => break,
                    length => given += length,
                }
            }
            self.turn();
            idle += 1;
            loop {
                match self.ends[1].read(&mut piece, self.now) {
                    0 => break,
                    length => (taken, idle) = (taken + length, 0),
                }
            }
            if idle > PATIENCE {
                return Err("the ends have stopped".into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
