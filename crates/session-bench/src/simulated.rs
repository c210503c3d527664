//! Rows in virtual time: session and quinn-proto over the same links with the same seeds. Nothing here depends on the machine.

mod end;
mod network;
mod profile;
#[cfg(feature = "peers")]
mod quinn;
#[cfg(feature = "peers")]
mod ring;
mod session;

use std::time::Duration;

#[cfg(feature = "peers")]
use session_aws_lc::AwsLc;
use session_core::Instant;

use crate::Failure;
use crate::args::Measure;
use crate::report::{About, Better, OURS, Report, Row};
use crate::turns::Figure;
pub(crate) use end::End;
pub(crate) use network::START;
use network::{Network, Outcome, Task};
use profile::{Profile, QUIC_DATAGRAM};

/// Bytes that may be sent and not read, and that a sender keeps: more than any profile can have under way.
const WINDOW: u64 = 4 << 20;
/// Bytes whose time from the first datagram to the last byte is measured.
const SMALL: u64 = 1 << 20;
/// Waited for them at most.
const PATIENCE: Duration = Duration::from_secs(900);
/// Between two messages beside a bulk flow.
const MESSAGE_EVERY: Duration = Duration::from_millis(50);
/// Seeds of each profile.
const SEEDS: u64 = 20;
/// The same where it is only to be seen that it runs.
const QUICK_SEEDS: u64 = 3;

const GOODPUT: Figure = Figure { name: "goodput", unit: "kB/s", better: Better::Higher };
const COMPLETION: Figure =
    Figure { name: "1 MiB, from the first datagram to the last byte", unit: "ms", better: Better::Lower };
const HALF: Figure = Figure { name: "message under load, p50", unit: "ms", better: Better::Lower };
const MOST: Figure = Figure { name: "message under load, p99", unit: "ms", better: Better::Lower };
const SHARE: Figure =
    Figure { name: "what quinn-proto gets of its half beside it", unit: "of 1", better: Better::Higher };

/// Makes the two ends of a connection that sends datagrams of so many bytes, from a seed.
pub(crate) type MakePair = fn(u16, u64, Instant) -> Result<[Box<dyn End>; 2], Failure>;

/// Who is simulated; session is first.
pub(crate) fn subjects() -> Vec<(About, MakePair)> {
    let ours = (About::package(OURS, "session-core", "AES-256-GCM, RustCrypto"), session::pair as MakePair);
    #[cfg(not(feature = "peers"))]
    return vec![ours];
    #[cfg(feature = "peers")]
    vec![ours, (About::package("quinn-proto", "quinn-proto", "AES-256-GCM, rustls on ring"), quinn::pair as MakePair)]
}

/// session with the packet cipher of quinn: what is left of the difference is not the cipher's.
#[cfg(feature = "peers")]
pub(crate) fn with_ring() -> (About, MakePair) {
    let make = |datagram, seed, now| session::pair_with(ring::Ring, datagram, seed, now);
    (About::package("session-ring", "session-core", "AES-256-GCM, ring"), make)
}

/// session with its own provider for servers.
#[cfg(feature = "peers")]
pub(crate) fn with_aws_lc() -> (About, MakePair) {
    let make = |datagram, seed, now| session::pair_with(AwsLc, datagram, seed, now);
    (About::package("session-aws-lc", "session-core", "AES-256-GCM, AWS-LC"), make)
}

pub(crate) fn run(asked: &Measure, report: &mut Report) -> Result<(), Failure> {
    let seeds = seeds(asked);
    for profile in Profile::all()?.iter().filter(|profile| asked.wants_row(&profile.name)) {
        for row in measure(profile, seeds, asked)? {
            report.add(row);
        }
    }
    report.show_means();
    Ok(())
}

/// Seeds of each profile: as many as turns were asked for.
fn seeds(asked: &Measure) -> u64 {
    asked.turns.map_or(if asked.quick { QUICK_SEEDS } else { SEEDS }, |turns| turns.max(1) as u64)
}

fn measure(profile: &Profile, seeds: u64, asked: &Measure) -> Result<Vec<Row>, Failure> {
    let row = |figure: &Figure| Row::new(&profile.name, figure);
    let mut rows = [GOODPUT, COMPLETION, HALF, MOST, SHARE].map(|figure| row(&figure));
    let mut subjects = subjects();
    subjects.retain(|(about, _)| asked.wants_peer(about.name));
    if profile.datagram < QUIC_DATAGRAM {
        subjects.truncate(1);
    }
    for row in &mut rows {
        subjects.iter().for_each(|(about, _)| row.add(about.clone()));
    }
    for seed in 0..seeds {
        eprint!("\r{}: seed {} of {seeds}      ", profile.name, seed + 1);
        for (index, (about, make)) in subjects.iter().enumerate() {
            let alone = |task, time| one(profile, *make, task, time, seed);
            let bulk = alone(Task { bytes: None, message_every: None }, profile.time)?;
            rows[0].sample(index, bulk.received as f64 / profile.time.as_secs_f64() / 1e3);
            let small = alone(Task { bytes: Some(SMALL), message_every: None }, PATIENCE)?;
            let completion =
                small.completion.ok_or_else(|| format!("{}: 1 MiB of {} did not come", profile.name, about.name))?;
            rows[1].sample(index, completion.as_secs_f64() * 1e3);
            let loaded = alone(Task { bytes: None, message_every: Some(MESSAGE_EVERY) }, profile.time)?;
            let [half, most] = percentiles(loaded);
            rows[2].sample(index, half);
            rows[3].sample(index, most);
            if let Some((_, other)) = subjects.get(1) {
                rows[4].sample(index, share(profile, *make, *other, seed)?);
            }
        }
    }
    eprintln!("\r{}: done                    ", profile.name);
    Ok(rows.into_iter().filter(Row::has_samples).collect())
}

fn one(profile: &Profile, make: MakePair, task: Task, time: Duration, seed: u64) -> Result<Outcome, Failure> {
    let mut network = Network::new(profile, seed);
    network.add(make(profile.datagram, seed, START)?, task);
    network.run(time).pop().ok_or_else(|| "there was one connection".into())
}

/// Milliseconds of the message in the middle and of the hundredth slowest.
fn percentiles(outcome: Outcome) -> [f64; 2] {
    let mut latencies = outcome.latencies;
    latencies.sort();
    [50, 99].map(|percent| {
        latencies
            .get(latencies.len().saturating_sub(1) * percent / 100)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    })
}

/// Two bulk flows begin at once over one link: of what both got through, the second's part of its half.
fn share(profile: &Profile, first: MakePair, second: MakePair, seed: u64) -> Result<f64, Failure> {
    let mut network = Network::new(profile, seed);
    for (number, make) in [first, second].into_iter().enumerate() {
        network
            .add(make(profile.datagram, seed * 2 + number as u64, START)?, Task { bytes: None, message_every: None });
    }
    let received: Vec<_> = network.run(profile.time).iter().map(|outcome| outcome.received as f64).collect();
    Ok(received[1] / (received.iter().sum::<f64>() / 2.0))
}

#[cfg(test)]
mod tests;
