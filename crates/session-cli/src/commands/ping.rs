//! `session ping`

use std::time::Duration;

use super::node::{Connection, Dialer, millis, or_interrupted};
use crate::args::Ping;
use crate::clock::now;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::{Event, Output};
use crate::ping::{MESSAGE, NoEcho, Pinger, Times};
use crate::purpose::Purpose;
use crate::transfer;

pub(super) fn run(arguments: &Ping, output: Output) -> Result<(), Failure> {
    let dialer = Dialer::new(&arguments.node, &arguments.to, false, output)?;
    arguments.node.runtime.run(async {
        let interrupt = Interrupt::catch()?;
        let interruption = Failure::new(Exit::Interrupted, "interrupted, and no echo came", "try again");
        let connection = dialer.connect(Purpose::Ping, &interrupt, &interruption).await?;
        let mut row = Row { sent: 0, times: Times::default() };
        let result = or_interrupted(&interrupt, &interruption, row.run(&connection, arguments, output)).await;
        row.tell(&connection, output);
        connection.close(&arguments.node).await;
        match result {
            // Ctrl-C is the way to end an endless row.
            Err(failure) if failure.exit() == Exit::Interrupted && row.times.count() > 0 => Ok(()),
            other => other,
        }
    })
}

/// A row of pings.
struct Row {
    sent: u64,
    times: Times,
}

impl Row {
    /// One ping after the other; no interval is shorter than the answer takes, or the time given to it.
    async fn run(&mut self, connection: &Connection, arguments: &Ping, output: Output) -> Result<(), Failure> {
        let Connection { session, place, .. } = connection;
        let interval = Duration::from_secs_f64(arguments.interval);
        let timeout = Duration::from_secs_f64(arguments.timeout);
        let mut pinger = Pinger::new(session, arguments.node.runtime, timeout);
        loop {
            let start = now();
            self.sent += 1;
            let sequence = self.sent;
            match pinger.ping(sequence).await {
                Ok(time) => {
                    self.times.add(time);
                    let time = millis(time);
                    let event = Event::new("echo").number("sequence", sequence).number("bytes", MESSAGE as u64);
                    let line = format_args!("{MESSAGE} bytes from {place}: seq={sequence} time={time:.3} ms");
                    output.say(line, event.decimal("time_ms", Some(time)));
                }
                Err(NoEcho::Late) => {
                    let event = Event::new("lost").number("sequence", sequence);
                    let line = format_args!("no echo from {place} within {} s: seq={sequence}", arguments.timeout);
                    output.say(line, event.decimal("timeout_ms", Some(millis(timeout))));
                }
                Err(NoEcho::Closed(reason)) => return Err(transfer::ended(&reason, place)),
                Err(NoEcho::Unexpected) => return Err(transfer::unexpected(place)),
            }
            if arguments.count.is_some_and(|count| self.sent >= count) {
                return if self.times.count() > 0 { Ok(()) } else { Err(silent(place)) };
            }
            arguments.node.runtime.sleep(interval.saturating_sub(now().saturating_since(start))).await;
        }
    }

    /// What ping(8) says at its end.
    fn tell(&self, connection: &Connection, output: Output) {
        let Connection { session, place, handshake, .. } = connection;
        let (sent, answered, stats) = (self.sent, self.times.count(), session.stats());
        let (handshake, lost) = (millis(*handshake), stats.packets_lost);
        let figures = self.times.summary();
        let part = |index: usize| figures.and_then(|figures| figures.get(index).copied());
        let event = Event::new("summary").number("sent", sent).number("answered", answered);
        let event = event.number("packets_lost", lost).decimal("handshake_ms", Some(handshake));
        let event = event.decimal("min_ms", part(0)).decimal("avg_ms", part(1)).decimal("max_ms", part(2));
        let mut lines = format!(
            "{place}: {sent} sent, {answered} answered, {lost} packets lost and sent again, handshake {handshake:.3} ms"
        );
        if let Some([least, mean, most, deviation]) = figures {
            lines += &format!("; min/avg/max/mdev {least:.3}/{mean:.3}/{most:.3}/{deviation:.3} ms");
        }
        output.say(lines, event.decimal("mdev_ms", part(3)));
    }
}

/// The session lives, and nothing came back in time.
fn silent(place: &str) -> Failure {
    Failure::new(
        Exit::NoAnswer,
        format_args!("no echo came from {place} in time"),
        "give them more time with --timeout",
    )
}
