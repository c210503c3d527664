//! Many seeds, on as many threads as there are processors. Each run is alone on its thread; what it does does not depend on the others.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::panic;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Actions, Coverage, Options, Report, Violation, run};
use crate::ledger::Totals;
use crate::{Faults, Incidents};

thread_local! {
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Seeds to run, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Campaign {
    /// The seeds.
    pub seeds: Range<u64>,
    /// Datagrams of each run, at least.
    pub packets: u64,
    /// Threads.
    pub threads: usize,
    /// Goes on after a violation.
    pub keeps_going: bool,
    /// Tells the bytes of heap that nodes on this thread hold.
    pub heap: Option<fn() -> i64>,
}

/// What one run came to.
pub type Outcome = Result<Report, Violation>;

/// The sums of a campaign.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Runs that broke nothing.
    pub runs: u64,
    /// Datagrams that nodes sent.
    pub packets: u64,
    /// Seconds of virtual time.
    pub seconds: u64,
    /// What links did.
    pub faults: Faults,
    /// What else happened.
    pub incidents: Incidents,
    /// What applications did beside sending.
    pub actions: Actions,
    /// What became of messages.
    pub totals: Totals,
    /// Which edges between states were gone.
    pub coverage: Coverage,
    /// Texts sealed, every one under a nonce of its own.
    pub sealed: u64,
    /// Texts opened, every one of which somebody had sealed.
    pub opened: u64,
    /// One number for all datagrams of all runs: two campaigns that did the same have the same.
    pub fingerprint: u64,
    /// What was broken, by seed.
    pub violations: BTreeMap<u64, String>,
}

impl Campaign {
    /// These seeds, on all processors, until the first violation.
    #[must_use]
    pub fn new(seeds: Range<u64>, packets: u64) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self { seeds, packets, threads, keeps_going: false, heap: None }
    }

    /// Runs them; `progress` is told of each run in the order in which they end. While it runs, panics are silent in the whole program:
    /// they are how violations are told.
    pub fn run(&self, progress: impl Fn(u64, &Outcome) + Sync) -> Summary {
        let summary = Mutex::new(Summary::default());
        let next = AtomicU64::new(self.seeds.start);
        let stops = AtomicBool::new(false);
        let hook = panic::take_hook();
        panic::set_hook(Box::new(|info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let message = info.payload_as_str().unwrap_or("a panic without words");
            LAST_PANIC.set(Some(format!("{message} ({place})")));
        }));
        std::thread::scope(|scope| {
            for _ in 0..self.threads.max(1) {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= self.seeds.end || stops.load(Ordering::Relaxed) {
                            return;
                        }
                        let outcome = self.run_one(seed);
                        progress(seed, &outcome);
                        stops.fetch_or(outcome.is_err() && !self.keeps_going, Ordering::Relaxed);
                        summary.lock().expect("nobody panics with it").add(outcome);
                    }
                });
            }
        });
        panic::set_hook(hook);
        summary.into_inner().expect("nobody panics with it")
    }

    fn run_one(&self, seed: u64) -> Outcome {
        let options = Options::expand(seed, self.packets);
        panic::catch_unwind(|| run(&options, self.heap)).map_err(|_| {
            let message = LAST_PANIC.take().unwrap_or_default();
            // A panic of the core is a broken invariant, too.
            let is_named = message.starts_with('I') && message[1..].starts_with(|digit: char| digit.is_ascii_digit());
            let message = if is_named { message } else { format!("I8: {message}") };
            Violation { seed, message }
        })
    }
}

impl Summary {
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Ok(report) => {
                self.runs += 1;
                self.packets += report.packets;
                self.seconds += report.time.as_secs();
                self.faults += report.faults;
                self.incidents += report.incidents;
                self.actions += report.actions;
                self.totals += report.totals;
                self.coverage.merge(&report.coverage);
                self.sealed += report.usage.seals;
                self.opened += report.usage.opened;
                // A sum, because runs end in any order.
                self.fingerprint = self.fingerprint.wrapping_add(report.fingerprint);
            }
            Err(violation) => drop(self.violations.insert(violation.seed, violation.message)),
        }
    }

    /// Kinds of faults and actions that never happened.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        self.kinds().filter(|(_, count)| *count == 0).map(|(kind, _)| kind).collect()
    }

    /// Every kind of fault and action with its number.
    pub fn kinds(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let Faults { lost, lost_in_bursts, duplicated, reordered, corrupted, too_big, queue_dropped, .. } = self.faults;
        let links = [
            ("lost", lost),
            ("lost in bursts", lost_in_bursts),
            ("duplicated", duplicated),
            ("reordered", reordered),
            ("corrupted", corrupted),
            ("too big", too_big),
            ("queue dropped", queue_dropped),
            ("CoDel dropped", self.faults.codel_dropped),
            ("policed", self.faults.policed),
        ];
        links.into_iter().chain(self.incidents.kinds()).chain(self.actions.kinds())
    }
}
