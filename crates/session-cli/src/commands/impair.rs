//! `session impair`

use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use session_core::Instant;
use session_sim::Faults;

use super::node::{look_up, no_socket, or_interrupted};
use crate::args::Impair;
use crate::clock::now;
use crate::exit::{Exit, Failure, reason};
use crate::impair::{Description, Phase, Relay, Report, Settings, StartError};
use crate::interrupt::Interrupt;
use crate::output::{Event, Output};
use crate::progress::Clock;
use crate::runtime::Runtime;
use crate::text::count_of;

/// Time between two looks at what has happened.
const LOOK: Duration = Duration::from_secs(1);
/// Looks from one plain line to the next: who wants to see more has a terminal or --json.
const LOOKS_PER_LINE: u32 = 10;

pub(super) fn run(arguments: &Impair, output: Output) -> Result<(), Failure> {
    let phases = arguments.phases()?;
    let seed = match arguments.seed {
        Some(seed) => seed,
        // Short enough to be typed.
        None => getrandom::u32().map_err(|error| no_seed(&error))?.into(),
    };
    Runtime::Smol.run(async {
        let interrupt = Interrupt::catch()?;
        let interruption = Failure::new(Exit::Interrupted, "interrupted before anything was passed on", "run it again");
        let server = or_interrupted(&interrupt, &interruption, look_up(&arguments.to)).await?;
        let settings = Settings { listen: arguments.listen, server, phases, rebind: arguments.rebind, seed };
        let relay = Relay::start(&settings).map_err(|error| not_started(&error, &settings))?;
        if is_itself(relay.address(), server) {
            let problem = format!("{server} is the relay's own address");
            return Err(Failure::new(Exit::Usage, problem, "give --to the address of the server"));
        }
        tell_settings(&relay, &settings, output);
        let mut status = Status::new(output);
        let over = async {
            match arguments.duration {
                Some(time) => Runtime::Smol.sleep(time).await,
                None => smol::future::pending().await,
            }
        };
        let ended = smol::future::or(interrupt.raised(), over);
        smol::future::or(ended, status.keep(&relay)).await;
        // Its user has no other way to end it: this is no failure.
        status.finish(&relay.stop());
        Ok(())
    })
}

fn no_seed(error: &getrandom::Error) -> Failure {
    Failure::new(Exit::Internal, format_args!("no seed can be drawn ({error})"), "give one with --seed")
}

fn not_started(error: &StartError, settings: &Settings) -> Failure {
    match error {
        StartError::Listen(error) => no_socket(error, settings.listen, "--listen"),
        StartError::Server(error) => {
            let problem = format!("{} cannot be written to ({})", settings.server, reason(error));
            Failure::new(Exit::Io, problem, "give --to an address that this machine has a way to")
        }
    }
}

/// True where what goes to `server` comes back to the relay: it would go round for ever.
fn is_itself(relay: SocketAddr, server: SocketAddr) -> bool {
    let is_here = relay.ip() == server.ip() || relay.ip().is_unspecified() && server.ip().is_loopback();
    is_here && relay.port() == server.port()
}

fn tell_settings(relay: &Relay, settings: &Settings, output: Output) {
    let Settings { server, phases, rebind, seed, .. } = settings;
    let (address, server) = (relay.address().to_string(), server.to_string());
    let link = |phase: &Phase| [phase.up, phase.down].map(|link| Description(&link).to_string());
    let [up, down] = phases.first().map(link).unwrap_or_default();
    let event = Event::new("relaying").text("address", &address).text("to", &server).number("seed", *seed);
    let event = event.text("up", &up).text("down", &down).decimal("rebind_seconds", rebind.map(|it| it.as_secs_f64()));
    let often = rebind.map_or(String::new(), |interval| format!("; other ports every {interval:?}"));
    let link_now = both(&up, &down);
    output.say(format_args!("relaying {address} to {server}, seed {seed}; {link_now}{often}"), event);
    for phase in phases.iter().skip(1) {
        let [up, down] = link(phase);
        let event = Event::new("later").decimal("seconds", Some(phase.from.as_secs_f64()));
        let event = event.text("up", &up).text("down", &down);
        output.say(format_args!("from {:?} on: {}", phase.from, both(&up, &down)), event);
    }
}

/// What the two directions do, once where it is the same.
fn both(up: &str, down: &str) -> String {
    if up == down { format!("each way: {up}") } else { format!("up: {up}; down: {down}") }
}

/// Says what happens.
struct Status {
    output: Output,
    start: Instant,
    /// What was said last.
    said: Report,
    bar: Option<ProgressBar>,
}

impl Status {
    fn new(output: Output) -> Self {
        let on_terminal = !output.is_json() && io::stderr().is_terminal();
        let bar = on_terminal.then(|| {
            let style = ProgressStyle::with_template("{wide_msg}").expect("the template is constant");
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
        });
        Self { output, start: now(), said: Report::default(), bar }
    }

    /// Says so once in a while, for ever.
    async fn keep(&mut self, relay: &Relay) {
        let looks = if self.output.is_json() || self.bar.is_some() { 1 } else { LOOKS_PER_LINE };
        loop {
            Runtime::Smol.sleep(LOOK * looks).await;
            let report = relay.report();
            if let Some(bar) = &self.bar {
                bar.set_message(self.line(&report));
            } else if report != self.said {
                self.output.remark(self.line(&report), self.event(&report));
            }
            self.said = report;
        }
    }

    fn finish(self, report: &Report) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        for (direction, faults) in [("up", &report.up), ("down", &report.down)] {
            self.output.say(format_args!("{direction}: {faults}"), faults_event(direction, faults));
        }
        self.output.say(self.line(report), self.event(report));
    }

    fn line(&self, report: &Report) -> String {
        let Report { up, down, in_flight, clients, rebound, turned_away, undeliverable } = report;
        let clients = count_of(usize::try_from(*clients).unwrap_or(usize::MAX), "client");
        let time = Clock(now().saturating_since(self.start));
        let mut line = format!(
            "{time}, {clients}; up {} in, {} out; down {} in, {} out; {in_flight} under way",
            up.sent, up.delivered, down.sent, down.delivered
        );
        if *rebound > 0 {
            line += &format!("; {rebound} times another port");
        }
        if *turned_away > 0 {
            line += &format!("; {turned_away} of newcomers dropped, too many clients");
        }
        if *undeliverable > 0 {
            line += &format!("; {undeliverable} not taken by the system");
        }
        line
    }

    fn event(&self, report: &Report) -> Event {
        let Report { up, down, in_flight, clients, rebound, turned_away, undeliverable } = report;
        let seconds = now().saturating_since(self.start).as_secs_f64();
        let event = Event::new("relayed").decimal("seconds", Some(seconds)).number("clients", *clients);
        let event = event.number("up_sent", up.sent).number("up_delivered", up.delivered);
        let event = event.number("down_sent", down.sent).number("down_delivered", down.delivered);
        let event = event.number("in_flight", *in_flight).number("rebound", *rebound);
        let event = event.number("turned_away", *turned_away);
        event.number("undeliverable", *undeliverable)
    }
}

fn faults_event(direction: &str, faults: &Faults) -> Event {
    let event = Event::new("impaired").text("direction", direction);
    let event = event.number("sent", faults.sent).number("delivered", faults.delivered).number("lost", faults.lost);
    let event = event.number("lost_in_bursts", faults.lost_in_bursts);
    let event = event.number("duplicated", faults.duplicated).number("reordered", faults.reordered);
    let event = event.number("corrupted", faults.corrupted).number("too_big", faults.too_big);
    let event = event.number("queue_dropped", faults.queue_dropped);
    event.number("codel_dropped", faults.codel_dropped).number("policed", faults.policed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relay_to_itself_is_found_out() {
        let is_itself = |relay: &str, server: &str| is_itself(relay.parse().unwrap(), server.parse().unwrap());
        assert!(is_itself("127.0.0.1:7", "127.0.0.1:7") && is_itself("0.0.0.0:7", "127.0.0.1:7"));
        assert!(!is_itself("127.0.0.1:7", "127.0.0.1:8") && !is_itself("0.0.0.0:7", "192.0.2.1:7"));
    }
}
