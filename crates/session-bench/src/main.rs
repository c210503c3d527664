//! session beside its peers: every figure in one run, turn by turn, with its spread and the ratio. `docs/performance.md` says what each row measures.
#![deny(unsafe_code)]

mod allocator;
mod args;
#[cfg(feature = "peers")]
mod certificate;
mod clock;
mod loopback;
mod memory;
mod report;
mod simulated;
mod turns;
mod versions;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Arguments, Command};
use report::Report;

/// What a measurement breaks off with.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("session-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Check { file } => {
            let rows = report::check(&std::fs::read_to_string(file)?)?;
            println!("{}: {rows} figures agree with their samples", file.display());
            Ok(())
        }
        Command::Loopback(measure) => {
            let mut report = Report::new();
            loopback::run(measure, &mut report)?;
            finish(&report, measure.json.as_deref())
        }
        Command::Memory(measure) => {
            let mut report = Report::new();
            memory::run(measure, &mut report)?;
            finish(&report, measure.json.as_deref())
        }
        Command::Simulated(measure) => {
            let mut report = Report::new();
            simulated::run(measure, &mut report)?;
            finish(&report, measure.json.as_deref())
        }
    }
}

/// Prints the table, and writes the file if one is wanted.
fn finish(report: &Report, json: Option<&std::path::Path>) -> Result<(), Failure> {
    println!("{report}");
    if let Some(path) = json {
        let text = report.to_json();
        report::check(&text)?;
        std::fs::write(path, text)?;
    }
    Ok(())
}
