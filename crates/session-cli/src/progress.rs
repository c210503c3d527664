//! How far a transfer is: a bar on a terminal, about one plain line a second elsewhere.

mod format;
mod meter;

pub use format::{Bytes, Clock, Percent};
pub use meter::Meter;

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use session_core::Instant;

use crate::output::{Event, Output};

/// Time between two plain lines.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// What is known about a transfer at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Bytes of the files that have crossed: the peer's stack is known to hold them.
    pub bytes: u64,
    /// The smoothed round-trip time, once measured.
    pub round_trip: Option<Duration>,
    /// Packets sent.
    pub packets_sent: u64,
    /// Packets of those that were lost.
    pub packets_lost: u64,
}

/// Shows the progress of one transfer.
pub struct Progress {
    label: String,
    meter: Meter,
    display: Display,
}

enum Display {
    Bar(ProgressBar),
    Lines { output: Box<dyn Write + Send>, last: Option<Instant> },
    Events { last: Option<Instant> },
}

impl Progress {
    /// Shows the transfer of `total` bytes called `label` in the way that suits the output: for people on standard error.
    #[must_use]
    pub fn new(label: &str, total: u64, output: Output, now: Instant) -> Self {
        if output.is_json() {
            Self::with(label, total, Display::Events { last: None }, now)
        } else if io::stderr().is_terminal() {
            Self::bar(label, total, ProgressDrawTarget::stderr(), now)
        } else {
            Self::lines(label, total, Box::new(io::stderr()), now)
        }
    }

    /// Writes plain lines to `output`.
    #[must_use]
    pub fn lines(label: &str, total: u64, output: Box<dyn Write + Send>, now: Instant) -> Self {
        Self::with(label, total, Display::Lines { output, last: None }, now)
    }

    /// Draws a bar on `target`.
    #[must_use]
    pub fn bar(label: &str, total: u64, target: ProgressDrawTarget, now: Instant) -> Self {
        let style = ProgressStyle::with_template("{bar:20} {wide_msg}").expect("the template is constant");
        let bar = ProgressBar::with_draw_target(Some(total), target).with_style(style.progress_chars("=> "));
        Self::with(label, total, Display::Bar(bar), now)
    }

    fn with(label: &str, total: u64, display: Display, now: Instant) -> Self {
        Self { label: label.to_owned(), meter: Meter::new(total, now), display }
    }

    /// Takes note of `snapshot`, and shows it if it is time to. Trouble with the output does not stop a transfer.
    pub fn update(&mut self, snapshot: Snapshot, now: Instant) {
        self.meter.update(snapshot.bytes, now);
        match &mut self.display {
            Display::Bar(bar) => {
                bar.set_message(status(&self.label, &self.meter, snapshot));
                bar.set_position(snapshot.bytes.min(all_but_proof(self.meter.total())));
            }
            Display::Lines { output, last } => {
                if is_due(last, now) {
                    let _ = writeln!(output, "{}", status(&self.label, &self.meter, snapshot));
                }
            }
            Display::Events { last } => {
                if is_due(last, now) {
                    let line = status(&self.label, &self.meter, snapshot);
                    Output::new(true).say(line, event(&self.meter, snapshot));
                }
            }
        }
    }

    /// Writes something else meanwhile, beside a bar and not into it.
    pub fn aside(&self, write: impl FnOnce()) {
        match &self.display {
            Display::Bar(bar) => bar.suspend(write),
            Display::Lines { .. } | Display::Events { .. } => write(),
        }
    }

    /// Shows the last line: how much crossed in how long.
    pub fn finish(mut self, snapshot: Snapshot, now: Instant) {
        self.meter.update(snapshot.bytes, now);
        let summary = summary(&self.label, &self.meter, snapshot, now);
        match &mut self.display {
            Display::Bar(bar) => {
                bar.set_position(snapshot.bytes);
                bar.finish_with_message(summary);
            }
            Display::Lines { output, .. } => {
                let _ = writeln!(output, "{summary}");
            }
            // The end has an event of its own.
            Display::Events { .. } => {}
        }
    }
}

/// True once in a [`LINE_INTERVAL`].
fn is_due(last: &mut Option<Instant>, now: Instant) -> bool {
    let is_due = last.is_none_or(|last| now.saturating_since(last) >= LINE_INTERVAL);
    if is_due {
        *last = Some(now);
    }
    is_due
}

fn event(meter: &Meter, snapshot: Snapshot) -> Event {
    let lost = (snapshot.packets_sent > 0).then(|| snapshot.packets_lost as f64 * 100.0 / snapshot.packets_sent as f64);
    Event::new("progress")
        .number("bytes", snapshot.bytes)
        .number("total", meter.total())
        .decimal("bytes_per_second", meter.rate().map(|rate| rate as f64))
        .decimal("rtt_ms", snapshot.round_trip.map(|time| time.as_secs_f64() * 1_000.0))
        .decimal("loss_percent", lost)
        .decimal("eta_seconds", meter.remaining().map(|time| time.as_secs_f64()))
}

/// What a bar may show until the peer has proved that it has everything: that all bytes have crossed is not the end.
fn all_but_proof(total: u64) -> u64 {
    total - total.div_ceil(100)
}

/// `LABEL: 12.3 MiB of 64.0 MiB (19 %), 4.1 MiB/s, RTT 10.2 ms, loss 0.51 %, ETA 0:12`
///
/// From the last byte on it is `LABEL: 64.0 MiB of 64.0 MiB (99 %), checking, RTT ..`: the line for a transfer that is done is the summary.
fn status(label: &str, meter: &Meter, snapshot: Snapshot) -> String {
    let total = meter.total();
    let done = (u128::from(snapshot.bytes) * 100).checked_div(u128::from(total)).unwrap_or(99).min(99);
    let mut line = format!("{label}: {} of {} ({done} %)", Bytes(snapshot.bytes), Bytes(total));
    let is_checking = snapshot.bytes >= total;
    if is_checking {
        line.push_str(", checking");
    }
    if let Some(time) = meter.standstill() {
        let _ = write!(line, ", no progress for {} s", time.as_secs());
    } else if let Some(rate) = meter.rate().filter(|_| !is_checking) {
        let _ = write!(line, ", {}/s", Bytes(rate));
    }
    path_quality(&mut line, snapshot);
    if let Some(remaining) = meter.remaining().filter(|_| !is_checking) {
        let _ = write!(line, ", ETA {}", Clock(remaining));
    }
    line
}

/// `LABEL: 64.0 MiB in 15.6 s, 4.1 MiB/s, RTT 10.2 ms, loss 0.51 %`
fn summary(label: &str, meter: &Meter, snapshot: Snapshot, now: Instant) -> String {
    let elapsed = meter.elapsed(now);
    let mut line = format!("{label}: {} in {:.1} s", Bytes(snapshot.bytes), elapsed.as_secs_f64());
    if let Some(rate) = meter.average(now) {
        let _ = write!(line, ", {}/s", Bytes(rate));
    }
    path_quality(&mut line, snapshot);
    line
}

fn path_quality(line: &mut String, snapshot: Snapshot) {
    if let Some(round_trip) = snapshot.round_trip {
        let _ = write!(line, ", RTT {:.1} ms", round_trip.as_secs_f64() * 1_000.0);
    }
    if snapshot.packets_sent > 0 {
        let _ = write!(line, ", loss {}", Percent { part: snapshot.packets_lost, whole: snapshot.packets_sent });
    }
}

#[cfg(test)]
mod tests;
