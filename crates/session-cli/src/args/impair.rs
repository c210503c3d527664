//! The command line of `session impair`.

pub mod values;

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::time::Duration;

use clap::Args;
use session_sim::{Bursts, CoDel, LinkConfig, Policer, Probability, Reordering};

use super::{address, long_time};
use crate::exit::{Exit, Failure};
use crate::impair::Phase;
use crate::keys::Address;
use values::{Directed, bytes, changes, each_way, interval, listening, percent, rate, short_time, size};

/// How long a datagram that too few others follow waits to be overtaken.
const MAX_HOLD: Duration = Duration::from_millis(10);
/// What waits at a bottleneck whose queue nobody has sized: so much time, and no less than ten full packets of Ethernet.
const DEFAULT_QUEUE: Duration = Duration::from_millis(100);
const MIN_DEFAULT_QUEUE: usize = 15_000;
/// CoDel's interval in targets: 5 ms go with 100 ms (RFC 8289 §4.2, §4.3).
const TARGETS_IN_INTERVAL: u32 = 20;

/// What `session impair --help` begins with.
pub(super) const LONG_ABOUT: &str = "Pass UDP datagrams on between clients and a server as a bad network does, until Ctrl-C.\n\n\
    Clients write to --listen instead of to the server, and share the link. Each option about the link holds both ways; 'up:' before its \
    value makes it hold on the way to the server only, 'down:' on the way back, and of several for one way the last counts: \
    '--delay 20ms --loss 1% --loss up:5%'. With '@' and a time behind it a value holds from then on: '--mtu 1452 --mtu 1280@10s'. At the end it says what happened to the datagrams. The same --seed does the same to the same datagrams.";

/// Arguments of `session impair`.
#[derive(Clone, Debug, Args)]
pub struct Impair {
    /// The address that clients write to; port 0 lets the system choose
    #[arg(long, value_name = "ADDR", value_parser = listening)]
    pub listen: SocketAddr,
    /// Where the server listens: address and port
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub to: Address,
    /// Lose so many datagrams, such as 2%
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub loss: Vec<Directed<Probability>>,
    /// Lose so many more of them, several in a row each time, such as 2%
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub burst: Vec<Directed<Probability>>,
    /// How many in a row are lost in a burst, on average
    #[arg(long, value_name = "N", default_value_t = 5, requires = "burst", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub burst_length: u32,
    /// Let each be under way for so long, such as 20ms
    #[arg(long, value_name = "TIME", value_parser = short_time)]
    pub delay: Vec<Directed<Duration>>,
    /// Add up to so much to the delay, such as 5ms; none overtakes another for that
    #[arg(long, value_name = "TIME", value_parser = short_time)]
    pub jitter: Vec<Directed<Duration>>,
    /// Deliver so many of them twice
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub duplicate: Vec<Directed<Probability>>,
    /// Hold so many of them back until later ones have overtaken them, or for 10 ms where too few follow
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub reorder: Vec<Directed<Probability>>,
    /// How many overtake one that is held back, at most
    #[arg(long, value_name = "N", default_value_t = 3, requires = "reorder", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub places: u8,
    /// Change one bit in so many of them
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub corrupt: Vec<Directed<Probability>>,
    /// Pass no more than that, such as 10mbit: bits a second, of what the datagrams contain
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub rate: Vec<Directed<NonZeroU64>>,
    /// Let so many bytes wait for their turn and drop what comes then, such as 64KiB; without it what passes in 100 ms
    #[arg(long, value_name = "BYTES", requires = "rate", value_parser = bytes)]
    pub queue: Vec<Directed<usize>>,
    /// Manage that queue by CoDel (RFC 8289): drop what comes out once everything has waited longer than that, such as 5ms, for twenty times as long; 0ms turns it off
    #[arg(long, value_name = "TIME", requires = "rate", value_parser = short_time)]
    pub codel: Vec<Directed<Duration>>,
    /// Drop what comes above that, such as 10mbit, and let nothing wait for it
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub police: Vec<Directed<NonZeroU64>>,
    /// Let so many bytes through at once before that counts; without it what --police lets through in 100 ms
    #[arg(long, value_name = "BYTES", requires = "police", value_parser = bytes)]
    pub police_burst: Vec<Directed<usize>>,
    /// Drop datagrams that contain more bytes, without notice
    #[arg(long, value_name = "BYTES", value_parser = size)]
    pub mtu: Vec<Directed<usize>>,
    /// Give every client another port towards the server so often, such as 30s, as a NAT that forgets; what comes to the old one is lost
    #[arg(long, value_name = "TIME", value_parser = interval)]
    pub rebind: Option<Duration>,
    /// What chance comes from; without it another every time, which is said
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// End after that time (90s, 5m, 1h); without it at Ctrl-C
    #[arg(long = "for", value_name = "DURATION", value_parser = long_time)]
    pub duration: Option<Duration>,
    /// Print JSON, one object a line (docs/cli.md)
    #[arg(long)]
    pub json: bool,
}

impl Impair {
    /// What happens on the way to the server and on the way back, from the start on and from each change on.
    ///
    /// # Errors
    /// If there is a queue, or CoDel, in a direction that has no rate, or an allowance where nothing is policed.
    pub fn phases(&self) -> Result<Vec<Phase>, Failure> {
        let shares = [&self.loss, &self.burst, &self.duplicate, &self.reorder, &self.corrupt];
        let mut changed: Vec<_> = shares.into_iter().flat_map(|option| changes(option)).collect();
        changed.extend([&self.delay, &self.jitter, &self.codel].into_iter().flat_map(|option| changes(option)));
        changed.extend([&self.rate, &self.police].into_iter().flat_map(|option| changes(option)));
        changed.extend([&self.queue, &self.police_burst, &self.mtu].into_iter().flat_map(|option| changes(option)));
        changed.push(Duration::ZERO);
        changed.sort_unstable();
        changed.dedup();
        changed.into_iter().map(|from| self.links(from).map(|[up, down]| Phase { from, up, down })).collect()
    }

    /// The same at one time after the start.
    fn links(&self, at: Duration) -> Result<[LinkConfig; 2], Failure> {
        let [loss, burst, duplication, reorder, corruption] =
            [&self.loss, &self.burst, &self.duplicate, &self.reorder, &self.corrupt].map(|option| each_way(option, at));
        let [delay, jitter, codel] = [&self.delay, &self.jitter, &self.codel].map(|option| each_way(option, at));
        let [rate, police] = [&self.rate, &self.police].map(|option| each_way(option, at));
        let [queue, allowance, mtu] = [&self.queue, &self.police_burst, &self.mtu].map(|option| each_way(option, at));
        let link = |way: usize| {
            let (bandwidth, policed) = (rate[way], police[way]);
            // Off, as is no burst at all.
            let target = codel[way].filter(|target| !target.is_zero());
            let burst = burst[way].filter(|share| *share > Probability::NEVER);
            let waits = [(queue[way].is_some(), "a queue"), (target.is_some(), "CoDel")];
            if let Some((_, what)) = waits.into_iter().find(|(is_there, _)| *is_there && bandwidth.is_none()) {
                return Err(missing(way, what, "that anything would wait for", "rate"));
            }
            if allowance[way].is_some() && policed.is_none() {
                return Err(missing(way, "an allowance", "above which it would count", "police"));
            }
            Ok(LinkConfig {
                loss: loss[way].unwrap_or_default(),
                duplication: duplication[way].unwrap_or_default(),
                bursts: burst.map(|share| Bursts::of(share, self.burst_length)),
                reordering: reorder[way]
                    .map_or(Reordering::NONE, |share| Reordering::new(share, self.places, MAX_HOLD)),
                corruption: corruption[way].unwrap_or_default(),
                delay: delay[way].unwrap_or_default(),
                jitter: jitter[way].unwrap_or_default(),
                bandwidth,
                queue: queue[way].or(bandwidth.map(default_queue)),
                codel: target.map(|target| CoDel { target, interval: target * TARGETS_IN_INTERVAL }),
                policer: policed.map(|rate| {
                    let burst = allowance[way].unwrap_or_else(|| default_queue(rate));
                    Policer { rate, burst: burst as u64 }
                }),
                mtu: mtu[way],
            })
        };
        Ok([link(0)?, link(1)?])
    }
}

/// Something in one direction is of no use without a rate.
fn missing(way: usize, what: &str, why: &str, option: &str) -> Failure {
    let way = ["up", "down"][way];
    let problem = format!("there is {what} {way}, and no rate {why}");
    Failure::new(Exit::Usage, problem, format_args!("give --{option} {way}:RATE too"))
}

fn default_queue(bandwidth: NonZeroU64) -> usize {
    let bytes = u128::from(bandwidth.get()) * DEFAULT_QUEUE.as_millis() / 1_000;
    usize::try_from(bytes).unwrap_or(usize::MAX).max(MIN_DEFAULT_QUEUE)
}

#[cfg(test)]
mod tests;
