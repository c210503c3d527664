use std::num::NonZeroU64;
use std::time::Duration;

use session_core::Instant;
use session_sim::LinkConfig;

use super::end::{End, MESSAGE};
use super::network::{Network, START, Task};
use super::profile::{Profile, QUIC_DATAGRAM};
use super::{SMALL, one, percentiles, seeds, session, share};
use crate::args::Measure;

const BULK: Task = Task { bytes: None, message_every: None };

/// Sends a datagram of 1000 bytes, and the next when the last was answered: the least that can be called a protocol.
#[derive(Default)]
struct StopAndWait {
    is_sender: bool,
    given: usize,
    received: usize,
    outgoing: Option<Vec<u8>>,
}

impl End for StopAndWait {
    fn handle_datagram(&mut self, datagram: Vec<u8>, _: Instant) {
        if self.is_sender {
            self.given = 0;
        } else {
            self.received += datagram.len();
            self.outgoing = Some(vec![0; 10]);
        }
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_transmit(&mut self, _: Instant) -> Option<Vec<u8>> {
        self.outgoing.take()
    }

    fn next_deadline(&mut self) -> Option<Instant> {
        None
    }

    fn is_established(&self) -> bool {
        true
    }

    fn write(&mut self, bytes: &[u8], _: Instant) -> usize {
        let taken = (1000 - self.given).min(bytes.len());
        if taken > 0 {
            self.given = 1000;
            self.outgoing = Some(vec![0; 1000]);
        }
        taken
    }

    fn finish(&mut self, _: Instant) {}

    fn read(&mut self, _: &mut [u8], _: Instant) -> usize {
        std::mem::take(&mut self.received)
    }

    fn send_message(&mut self, _: &[u8; MESSAGE], _: Instant) -> bool {
        false
    }

    fn receive_message(&mut self, _: Instant) -> Option<[u8; MESSAGE]> {
        None
    }
}

fn stop_and_wait(_: u16, _: u64, _: Instant) -> Result<[Box<dyn End>; 2], crate::Failure> {
    Ok([Box::new(StopAndWait { is_sender: true, ..StopAndWait::default() }), Box::new(StopAndWait::default())])
}

/// 1 MB/s, 10 ms each way.
fn line() -> Profile {
    let link = LinkConfig {
        bandwidth: NonZeroU64::new(1_000_000),
        delay: Duration::from_millis(10),
        queue: Some(50_000),
        ..LinkConfig::default()
    };
    Profile {
        name: "line".into(),
        time: Duration::from_secs(10),
        datagram: QUIC_DATAGRAM,
        forward: link,
        backward: link,
    }
}

fn profile(name: &str) -> Profile {
    Profile::all().expect("the file is good").into_iter().find(|profile| profile.name == name).expect("a profile")
}

#[test]
fn the_profiles_are_those_of_the_design() {
    let names: Vec<_> = Profile::all().expect("the file is good").into_iter().map(|profile| profile.name).collect();
    assert_eq!(
        names,
        [
            "lan",
            "dsl",
            "lte",
            "satellite",
            "loss-1",
            "loss-5",
            "loss-20",
            "bufferbloat",
            "reordering",
            "policer",
            "wifi-bursts",
            "radio-128k",
            "mtu-576"
        ]
    );
    let satellite = profile("satellite");
    assert_eq!(satellite.forward.delay + satellite.backward.delay, Duration::from_millis(600));
    assert_eq!(satellite.forward.bandwidth.map(NonZeroU64::get), Some(2_500_000));
}

#[test]
fn a_protocol_that_waits_for_each_answer_gets_what_arithmetic_says() {
    // 1.000 ms for the datagram, 0.010 ms for the answer, 20 ms on the way: 21.010 ms each.
    let outcome = one(&line(), stop_and_wait, BULK, Duration::from_micros(21_010 * 100), 1).expect("it runs");
    assert_eq!(outcome.received, 100 * 1000);
    let earlier = one(&line(), stop_and_wait, BULK, Duration::from_micros(21_010 * 99 + 10_999), 1).expect("it runs");
    assert_eq!(earlier.received, 99 * 1000, "the hundredth datagram comes a microsecond later");
}

#[test]
fn a_half_is_what_two_alike_get_each() {
    let half = share(&line(), stop_and_wait, stop_and_wait, 1).expect("it runs");
    assert!((half - 1.0).abs() < 0.01, "{half}");
    let beside = share(&line(), session::pair, stop_and_wait, 1).expect("it runs");
    assert!(beside < 0.2, "who waits for each answer gets little beside who does not: {beside}");
}

#[test]
fn session_fills_a_line_and_gets_no_more_than_it_carries() {
    let outcome = one(&line(), session::pair, BULK, Duration::from_secs(10), 1).expect("it runs");
    let part = outcome.received as f64 / 10e6;
    assert!((0.9..0.98).contains(&part), "{part} of the line: headers and tags take 2 % at least");
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let task = Task { bytes: Some(SMALL), message_every: Some(Duration::from_millis(20)) };
    let run = |seed| one(&profile("loss-5"), session::pair, task, Duration::from_secs(100), seed).expect("it runs");
    let first = run(1);
    assert_eq!(first, run(1));
    assert_ne!(first, run(2));
    assert_eq!(first.received, SMALL);
    assert!(first.completion.is_some_and(|time| time > Duration::from_millis(400)), "the line takes as long");
}

#[test]
fn a_message_that_does_not_come_is_as_old_as_it_is() {
    let task = Task { bytes: None, message_every: Some(Duration::from_secs(1)) };
    let mut network = Network::new(&line(), 1);
    network.add(stop_and_wait(QUIC_DATAGRAM, 1, START).expect("two ends"), task);
    let outcome = network.run(Duration::from_secs(10)).remove(0);
    // Sent at 0 s to 8 s, none comes by 10 s.
    assert_eq!(outcome.latencies, (2..=10).rev().map(Duration::from_secs).collect::<Vec<_>>());
    let [half, most] = percentiles(outcome);
    assert_eq!((half, most), (6000.0, 9000.0));
}

#[test]
fn small_datagrams_pass_a_path_that_takes_no_others() {
    let task = Task { bytes: Some(SMALL), message_every: None };
    let outcome = one(&profile("mtu-576"), session::pair, task, Duration::from_secs(10), 1).expect("it runs");
    assert_eq!(outcome.received, SMALL);
}

#[cfg(feature = "peers")]
#[test]
fn quinn_does_the_same_from_the_same_seed() {
    let task = Task { bytes: Some(SMALL), message_every: Some(Duration::from_millis(20)) };
    let run = || one(&profile("loss-5"), super::quinn::pair, task, Duration::from_secs(100), 1).expect("it runs");
    let first = run();
    assert_eq!(first.received, SMALL);
    assert_eq!(first, run());
}

#[test]
fn quick_is_a_number_of_seeds_only_where_none_is_asked_for() {
    let asked = |quick, turns| seeds(&Measure { quick, turns, ..Measure::default() });
    assert_eq!([asked(false, None), asked(true, None)], [20, 3]);
    assert_eq!([asked(false, Some(5)), asked(true, Some(5)), asked(true, Some(0))], [5, 5, 1]);
}

/// What is sent depends on keys and seeds alone, whoever computes it.
#[cfg(feature = "peers")]
#[test]
fn every_provider_makes_the_same_datagrams() {
    let pairs: [super::MakePair; 3] = [session::pair, super::with_ring().1, super::with_aws_lc().1];
    let datagrams = pairs.map(|make| {
        let mut ends = make(1452, 5, START).expect("they can be made");
        let mut datagrams = Vec::new();
        for _ in 0..20 {
            for side in [0, 1] {
                ends[side].write(&[7; 10_000], START);
                while let Some(datagram) = ends[side].poll_transmit(START) {
                    datagrams.push(datagram.clone());
                    ends[1 - side].handle_datagram(datagram, START);
                }
            }
        }
        assert!(ends.iter().all(|end| end.is_established()));
        datagrams
    });
    assert!(datagrams[0].len() > 20, "{} datagrams", datagrams[0].len());
    assert!(datagrams[0] == datagrams[1] && datagrams[0] == datagrams[2]);
}
