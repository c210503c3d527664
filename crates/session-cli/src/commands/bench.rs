//! `session bench`: figures of this machine, medians of several runs.

mod core;
mod loopback;

use std::io::{self, Write as _};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::args::Bench;
use crate::exit::{Exit, Failure, reason};
use crate::runtime::Runtime;

pub(super) fn run(arguments: &Bench) -> Result<(), Failure> {
    let runs = if arguments.quick { 3 } else { 5 };
    for runtime in [Runtime::Tokio, Runtime::Smol] {
        let name = runtime.name();
        runtime.run(async {
            let pair = loopback::Pair::new(runtime).await?;
            let result = measure(&pair, name, runs, arguments.quick).await;
            pair.close(runtime).await;
            result
        })?;
    }
    let mut rates: Vec<_> = (0..runs).map(|_| core::handshakes(if arguments.quick { 50 } else { 500 })).collect();
    say(&format!("core to core handshakes in memory, both ends: {:.0} per s", median(&mut rates)))?;
    for sessions in if arguments.quick { &[1, 1_000][..] } else { &[1, 1_000, 100_000] } {
        let idle = core::Idle::new(*sessions);
        let sessions = idle.sessions();
        if let Some(bytes) = idle.resident_bytes_each() {
            say(&format!("{sessions} idle sessions: {bytes:.0} B resident for each, one end"))?;
        }
        let mut times: Vec<_> = idle.polls(runs);
        say(&format!("{sessions} idle sessions: {:.1} ns per poll_action", median(&mut times)))?;
    }
    Ok(())
}

/// The figures of two endpoints, by the name of what runs them.
async fn measure(pair: &loopback::Pair, name: &str, runs: usize, quick: bool) -> Result<(), Failure> {
    let bytes = if quick { 16 << 20 } else { 256 << 20 };
    let (mut rates, mut costs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let (time, processor) = pair.stream(bytes).await?;
        rates.push(bytes as f64 / time.as_secs_f64() / 1e6);
        costs.push(processor.as_secs_f64() * 1e9 / bytes as f64);
    }
    say(&format!("{name} goodput over loopback: {:.0} MB/s", median(&mut rates)))?;
    say(&format!("{name} processor time, both ends: {:.2} s/GB", median(&mut costs)))?;
    let mut times = pair.ping_pong(if quick { 1_000 } else { 20_000 }).await?;
    let (half, most) = (percentile(&mut times, 50), percentile(&mut times, 99));
    say(&format!("{name} ping-pong of 64 B: p50 {half:.1} us, p99 {most:.1} us"))?;
    let mut rates = Vec::new();
    for _ in 0..runs {
        rates.push(pair.handshakes(if quick { 50 } else { 500 }).await?);
    }
    say(&format!("{name} handshakes over loopback, one after the other: {:.0} per s", median(&mut rates)))
}

fn median(values: &mut [f64]) -> f64 {
    percentile(values, 50)
}

fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) * percent / 100).copied().unwrap_or(f64::NAN)
}

/// Processor time of all threads so far, user and system.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

fn say(line: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{line}").map_err(|error| {
        let problem = format!("the figures cannot be written ({})", reason(&error));
        Failure::new(Exit::Io, problem, "write them to a place that has room")
    })
}
