//! What the command line says.

use std::path::PathBuf;

/// The words for people.
pub(crate) const USAGE: &str =
    "usage: session-sim [--seeds N] [--first SEED] [--packets N] [--threads N] [--keep-going]
       session-sim --seed SEED [--packets N] [--trace DIRECTORY]
       session-sim --hour";

/// The same for who asks.
pub(crate) const HELP: &str = "
  --seeds N       runs this many seeds, one after the other from --first on (100)
  --first SEED    begins with this one (0)
  --packets N     lets each run have about this many datagrams (10,000)
  --threads N     that many runs at a time (all processors)
  --keep-going    goes on after a failure, and names every seed that failed
  --seed SEED     runs one again: prints what it expands to, and what came of it
  --trace DIR     writes each of its datagrams to DIR/SEED.log and, as JSON-SEQ, to DIR/SEED.qlog
  --hour          one session, 100 messages a second both ways, 1 % loss, for an hour

A seed that fails is named together with the command that runs it again. docs/simulator.md says what is checked.";

/// From so many seeds on, a kind of fault that never happened is a failure.
pub(crate) const SEEDS_FOR_ALL_FAULTS: u64 = 500;

/// Datagrams of a run, unless said otherwise.
const PACKETS: u64 = 10_000;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Campaign,
    One(u64),
    Hour,
    Help,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) task: Task,
    pub(crate) first: u64,
    pub(crate) seeds: u64,
    pub(crate) packets: u64,
    pub(crate) threads: Option<usize>,
    pub(crate) keeps_going: bool,
    pub(crate) trace: Option<PathBuf>,
}

impl Arguments {
    /// # Errors
    /// What is wrong, in words.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self {
            task: Task::Campaign,
            first: 0,
            seeds: 100,
            packets: PACKETS,
            threads: None,
            keeps_going: false,
            trace: None,
        };
        while let Some(word) = words.next() {
            let mut number = || -> Result<u64, String> {
                let text = words.next().ok_or(format!("{word} wants a number"))?;
                text.parse().map_err(|_| format!("{word} {text}: not a number"))
            };
            match word.as_str() {
                "--seeds" => arguments.seeds = number()?,
                "--first" => arguments.first = number()?,
                "--packets" => arguments.packets = number()?,
                "--threads" => arguments.threads = Some(number()?.clamp(1, 1024) as usize),
                "--seed" => arguments.task = Task::One(number()?),
                "--hour" => arguments.task = Task::Hour,
                "--help" | "-h" => arguments.task = Task::Help,
                "--keep-going" => arguments.keeps_going = true,
                "--trace" => arguments.trace = Some(words.next().ok_or("--trace wants a directory")?.into()),
                _ => return Err(format!("{word}: unknown")),
            }
        }
        match arguments.trace.is_some() && !matches!(arguments.task, Task::One(_)) {
            true => Err("--trace goes with --seed: a campaign would write too much".to_owned()),
            false => Ok(arguments),
        }
    }

    /// The command that runs one seed of this campaign again.
    pub(crate) fn replay(&self, seed: u64) -> String {
        let packets = if self.packets == PACKETS { String::new() } else { format!(" --packets {}", self.packets) };
        format!("cargo run -p session-sim --release -- --seed {seed}{packets}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Arguments, String> {
        Arguments::parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_replay_command_means_the_run_it_was_printed_for() {
        for campaign in ["--seeds 1000", "--seeds 5 --packets 77 --threads 3", ""] {
            let campaign = parse(campaign).expect("good");
            let replay = campaign.replay(42);
            let words = replay.strip_prefix("cargo run -p session-sim --release -- ").expect("a command");
            let again = parse(words).expect("good");
            assert_eq!((again.task, again.packets), (Task::One(42), campaign.packets));
        }
    }

    #[test]
    fn nonsense_is_refused_with_words() {
        for (text, word) in [
            ("--seeds", "wants"),
            ("--seeds many", "not a number"),
            ("--what", "unknown"),
            ("--trace x", "--seed"),
            ("--trace", "directory"),
        ] {
            assert!(parse(text).expect_err("nonsense").contains(word), "{text}");
        }
    }
}
