//! Runs seeds through the simulated world and says what came of it.
//!
//! ```text
//! session-sim --seeds 1000              the first 1,000 seeds, all processors
//! session-sim --seed 42                 one again
//! session-sim --seed 42 --trace DIR     and every datagram written to DIR/42.log and DIR/42.qlog
//! session-sim --hour                    one session of 100 messages a second both ways for an hour
//! ```

mod arguments;
mod heap;
mod hour;

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use arguments::{Arguments, Task};
use session_sim::swarm::{Campaign, Options, Report, Summary, run, run_traced};

fn main() -> ExitCode {
    match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => perform(&arguments),
        Err(message) => {
            eprintln!("{message}\n\n{}", arguments::USAGE);
            ExitCode::from(2)
        }
    }
}

fn perform(arguments: &Arguments) -> ExitCode {
    match &arguments.task {
        Task::Campaign => campaign(arguments),
        Task::One(seed) => one(*seed, arguments),
        Task::Hour => hour::run(),
        Task::Help => {
            println!("{}\n{}", arguments::USAGE, arguments::HELP);
            ExitCode::SUCCESS
        }
    }
}

/// One seed, which may panic: the backtrace is worth having.
fn one(seed: u64, arguments: &Arguments) -> ExitCode {
    let options = Options::expand(seed, arguments.packets);
    println!("{options}");
    let report = match &arguments.trace {
        None => run(&options, Some(heap::live)),
        Some(directory) => {
            let open = |ending: &str| {
                std::fs::create_dir_all(directory)?;
                File::create(directory.join(format!("{seed}.{ending}"))).map(BufWriter::new)
            };
            match (open("log"), open("qlog")) {
                (Ok(text), Ok(events)) => run_traced(&options, Some(heap::live), text, events),
                (Err(error), _) | (_, Err(error)) => {
                    eprintln!("{}: {error}", directory.display());
                    return ExitCode::from(2);
                }
            }
        }
    };
    print_report(&report);
    ExitCode::SUCCESS
}

fn print_report(report: &Report) {
    println!("{} packets in {:.1} s of virtual time", report.packets, report.time.as_secs_f64());
    println!("ledger: {}", report.totals);
    println!("links: {}", report.faults);
    let kinds = report.incidents.kinds().into_iter().chain(report.actions.kinds());
    println!("faults: {}", listed(kinds));
    println!("fingerprint: {:016x}", report.fingerprint);
    print!("{}", report.coverage);
}

fn campaign(arguments: &Arguments) -> ExitCode {
    let mut campaign =
        Campaign::new(arguments.first..arguments.first.saturating_add(arguments.seeds), arguments.packets);
    campaign.keeps_going = arguments.keeps_going;
    campaign.heap = Some(heap::live);
    if let Some(threads) = arguments.threads {
        campaign.threads = threads;
    }
    let done = AtomicU64::new(0);
    let is_terminal = std::io::stderr().is_terminal();
    let summary = campaign.run(|_, _| {
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        if is_terminal {
            eprint!("\r{done} of {} seeds", arguments.seeds);
        } else if done.is_multiple_of(100) {
            eprintln!("{done} of {} seeds", arguments.seeds);
        }
        let _nobody_reads_on = std::io::stderr().flush();
    });
    if is_terminal {
        eprintln!();
    }
    print_summary(&summary);
    let missing = summary.missing();
    let wants_all = arguments.seeds >= arguments::SEEDS_FOR_ALL_FAULTS && summary.violations.is_empty();
    if wants_all && !missing.is_empty() {
        println!("faults and actions that never happened: {missing:?}");
        return ExitCode::FAILURE;
    }
    if summary.violations.is_empty() { ExitCode::SUCCESS } else { failed(&summary, arguments) }
}

fn print_summary(summary: &Summary) {
    println!("{} runs, {} packets, {} s of virtual time", summary.runs, summary.packets, summary.seconds);
    println!("ledger: {}", summary.totals);
    // Each of these would have ended its run as a violation.
    if summary.violations.is_empty() {
        println!(
            "        duplicated 0, misordered 0, forged accepts 0 of {} opened, nonce repeats 0 of {} sealed",
            summary.opened, summary.sealed
        );
    }
    println!("faults: {}", listed(summary.kinds()));
    println!("fingerprint: {:016x}", summary.fingerprint);
    println!("state edges: {}", summary.coverage.len());
    print!("{}", summary.coverage);
}

fn listed(kinds: impl Iterator<Item = (&'static str, u64)>) -> String {
    kinds.map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", ")
}

fn failed(summary: &Summary, arguments: &Arguments) -> ExitCode {
    for (seed, message) in &summary.violations {
        println!("\nVIOLATION at seed {seed}: {message}");
        println!("{}", Options::expand(*seed, arguments.packets));
        println!("again: {}", arguments.replay(*seed));
    }
    ExitCode::FAILURE
}
