//! A serial line between a small device and a host, in virtual time. `just cortex-m` has a real one, to a Cortex-M3.

use std::collections::VecDeque;
use std::time::Duration;

use session_core::{Instant, Limits};
use session_scenario::{FILE, FRAME, Outcome, Talk, Turn, end};
use session_sim::Probability;
use session_tests::Noise;

/// A millisecond to the other end.
const TRIP: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(300);

/// Both outcomes of a conversation over a line like that, and how long it took.
fn talk(seed: u64, probability: Probability) -> ([Outcome; 2], Duration) {
    let start = Instant::from_micros(1);
    let [host, device] = [end(1, Limits::default()).unwrap(), end(2, Limits::tiny()).unwrap()];
    let peer = device.public_key();
    let mut talks = [Talk::call(host, 1, peer, start), Talk::listen(device, 2)];
    let mut noise = [Noise::new(seed, probability), Noise::new(seed + 1, probability)];
    let mut lines: [VecDeque<(Instant, Vec<u8>)>; 2] = [VecDeque::new(), VecDeque::new()];
    let (mut now, mut frame) = (start, [0; FRAME]);
    loop {
        let mut next = now.saturating_add(PATIENCE);
        let mut over = 0;
        for index in [0, 1] {
            while let Some((_, bytes)) = lines[index].pop_front_if(|(at, _)| *at <= now) {
                talks[index].hear(&bytes, now);
            }
            loop {
                match talks[index].turn(&mut frame, now) {
                    Turn::Send(length) => {
                        let bytes = noise[index].pass(&frame[..length]);
                        lines[1 - index].push_back((now.saturating_add(TRIP), bytes));
                    }
                    Turn::Wait(until) => break next = next.min(until.unwrap_or(next)),
                    Turn::Over => break over += 1,
                }
            }
        }
        if over == 2 {
            return (talks.map(|talk| talk.outcome()), now.saturating_since(start));
        }
        let arrivals = lines.iter().filter_map(|line| line.front()).map(|(at, _)| *at);
        now = arrivals.min().map_or(next, |at| at.min(next)).max(now);
        assert!(now.saturating_since(start) < PATIENCE, "seed {seed}: {:?}", talks.map(|talk| talk.outcome()));
    }
}

fn assert_both_files_arrived([host, device]: [Outcome; 2]) {
    assert_eq!((host.received, host.received_bytes), (device.sent, FILE));
    assert_eq!((device.received, device.received_bytes), (host.sent, FILE));
    assert_ne!(host.sent, device.sent);
}

#[test]
fn files_cross_a_quiet_line_and_nothing_is_sent_twice() {
    let (outcomes, _) = talk(1, Probability::NEVER);
    assert_both_files_arrived(outcomes);
    assert!(outcomes.iter().all(|outcome| outcome.retransmitted == 0 && outcome.damaged == 0), "{outcomes:?}");
}

/// One byte in a thousand is lost, another damaged: one frame in three.
#[test]
fn files_cross_a_line_that_loses_and_damages_bytes() {
    for seed in [10, 20, 30] {
        let (outcomes, _) = talk(seed, Probability::from_ppm(1_000));
        assert_both_files_arrived(outcomes);
        assert!(outcomes.iter().all(|outcome| outcome.retransmitted > 0 && outcome.damaged > 0), "{outcomes:?}");
        assert_eq!(talk(seed, Probability::from_ppm(1_000)).0, outcomes, "the same seed, the same end");
    }
}
