//! Many seeded cases, each of which can be run alone again.

use std::env;
use std::ops::Range;

/// The seeds of a run: `SEED=n` runs that one alone, `CASES=n` the first n.
#[derive(Clone, Debug)]
pub struct Campaign {
    seeds: Range<u64>,
    is_whole: bool,
}

impl Campaign {
    /// `cases` seeds unless the environment says otherwise.
    #[must_use]
    pub fn new(cases: u64) -> Self {
        match (number("SEED"), number("CASES")) {
            (Some(seed), _) => Self { seeds: seed..seed.saturating_add(1), is_whole: false },
            (None, Some(cases)) => Self { seeds: 0..cases, is_whole: true },
            (None, None) => Self { seeds: 0..cases, is_whole: true },
        }
    }

    /// Whether this is more than the replay of one case, so that statements about all cases together mean something.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Runs `case` for every seed. A panic is preceded by the command that repeats it.
    pub fn run(&self, test: &'static str, mut case: impl FnMut(u64)) {
        for seed in self.seeds.clone() {
            let announcement = Announcement { test, seed };
            case(seed);
            drop(announcement);
        }
    }
}

struct Announcement {
    test: &'static str,
    seed: u64,
}

impl Drop for Announcement {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("again: SEED={} cargo test -p session-tests --test {}", self.seed, self.test);
        }
    }
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}
