//! Rows over loopback sockets: both ends in this process, so that its processor time is that of both.

mod core_loop;
#[cfg(feature = "peers")]
mod kcp;
mod places;
#[cfg(feature = "peers")]
mod quinn;
mod raw;
#[cfg(feature = "peers")]
mod s2n;
mod session;
#[cfg(feature = "peers")]
mod streams;
#[cfg(feature = "peers")]
mod tls;
mod unreliable;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "peers")]
use session_aws_lc::AwsLc;
use session_core::RustCrypto;

use crate::Failure;
use crate::args::Measure;
use crate::clock::{now, processor_time};
use crate::report::{About, Better, Report};
use crate::turns::{Figure, Subject, measure};
use places::{OneProcessor, Places};
use session::Ciphers;

/// Moves bytes from one end to the other, in order and whole, unless its `about` says otherwise.
trait Bulk {
    fn about(&self) -> About;
    /// Brings `bytes` across; done when the far application has them.
    fn transfer(&mut self, bytes: usize) -> Result<(), Failure>;
}

/// Answers a message of 64 bytes with one.
trait PingPong {
    fn about(&self) -> About;
    /// The time of each of `count` round trips, one after the other.
    fn round_trips(&mut self, count: usize) -> Result<Vec<Duration>, Failure>;
}

/// Sends messages of 64 bytes that all arrive, in order.
trait Messages {
    fn about(&self) -> About;
    /// Brings `count` messages across; done when the far application has the last.
    fn send(&mut self, count: usize) -> Result<(), Failure>;
}

/// Sends messages of 64 bytes that nobody sends again.
trait Unreliable {
    fn about(&self) -> About;
    /// Sends `count` messages as fast as they are taken; the figures of those that come.
    fn send_unreliable(&mut self, count: usize) -> Result<Vec<f64>, Failure>;
}

/// Begins connections.
trait Handshakes {
    fn about(&self) -> About;
    /// Begins `count` connections and ends them, one after the other.
    fn connect(&mut self, count: usize) -> Result<(), Failure>;
}

/// Bytes given to a peer at a time, and asked of it.
const PIECE: usize = 256 * 1024;
/// Bytes of a ping and of its answer.
const PING: usize = 64;

const BULK: [Figure; 2] = [
    Figure { name: "processor time, both ends", unit: "s/GB", better: Better::Lower },
    Figure { name: "goodput", unit: "MB/s", better: Better::Higher },
];
const RATE: [Figure; 2] = [
    Figure { name: "processor time, both ends", unit: "us each", better: Better::Lower },
    Figure { name: "rate", unit: "1/s", better: Better::Higher },
];
const UNRELIABLE: [Figure; 3] = [
    Figure { name: "processor time of a message that comes, both ends", unit: "us each", better: Better::Lower },
    Figure { name: "messages that come", unit: "1/s", better: Better::Higher },
    Figure { name: "part of the messages that comes", unit: "of 1", better: Better::Higher },
];
const PING_PONG: [Figure; 2] = [
    Figure { name: "p50", unit: "us", better: Better::Lower },
    Figure { name: "p99", unit: "us", better: Better::Lower },
];

pub(crate) fn run(asked: &Measure, report: &mut Report) -> Result<(), Failure> {
    if asked.wants_row("bulk-1452") {
        bulk("bulk-1452", Datagram::Ethernet, asked, report)?;
    }
    if asked.wants_row("bulk-best") {
        bulk("bulk-best", Datagram::Best, asked, report)?;
    }
    if asked.wants_row("ping-pong") {
        ping_pong("ping-pong", Places::one_thread, asked, report)?;
    }
    if asked.wants_row("ping-pong-apart") {
        let _processor = OneProcessor::take()?;
        ping_pong("ping-pong-apart", Places::apart, asked, report)?;
    }
    if asked.wants_row("messages") {
        messages(asked, report)?;
    }
    if asked.wants_row("unreliable") {
        unreliable(asked, report)?;
    }
    if asked.wants_row("handshakes") {
        handshakes(asked, report)?;
    }
    Ok(())
}

/// Which datagrams a peer may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Datagram {
    /// 1452 bytes, what IPv6 over Ethernet leaves.
    Ethernet,
    /// What is best for the peer on loopback.
    Best,
}

fn bulk(row: &'static str, datagram: Datagram, asked: &Measure, report: &mut Report) -> Result<(), Failure> {
    let bytes = if asked.quick { 32 << 20 } else { 256 << 20 };
    let mut peers: Vec<Box<dyn Bulk>> = sessions(asked, datagram, Places::pool)?
        .into_iter()
        .map(|session| Box::new(session) as Box<dyn Bulk>)
        .collect();
    #[cfg(feature = "peers")]
    peers.extend(streams(asked, datagram, Places::pool)?.into_iter().map(|peer| Box::new(peer) as Box<dyn Bulk>));
    if asked.wants_peer("udp") {
        peers.push(Box::new(raw::Segments::new(datagram)?));
    }
    let subjects = peers.iter_mut().map(|peer| {
        Subject::new(peer.about(), || {
            let (time, processor) = cost(|| peer.transfer(bytes))?;
            Ok(vec![processor * 1e9 / bytes as f64, bytes as f64 / time / 1e6])
        })
    });
    measure(row, &BULK, subjects.collect(), asked, report)
}

fn ping_pong(
    row: &'static str,
    places: impl Fn() -> Result<Arc<Places>, Failure>,
    asked: &Measure,
    report: &mut Report,
) -> Result<(), Failure> {
    let count = if asked.quick { 500 } else { 10_000 };
    let mut peers: Vec<Box<dyn PingPong>> = sessions(asked, Datagram::Ethernet, &places)?
        .into_iter()
        .map(|session| Box::new(session) as Box<dyn PingPong>)
        .collect();
    if asked.wants_peer("session-core-loop") {
        let about = About::package("session-core-loop", "session-core", "AES-256-GCM, RustCrypto");
        peers.push(Box::new(core_loop::CoreLoop::new(places()?, RustCrypto, about)?));
    }
    #[cfg(feature = "peers")]
    if asked.wants_peer("session-core-loop-aws-lc") {
        let about = About::package("session-core-loop-aws-lc", "session-core", "AES-256-GCM, AWS-LC");
        peers.push(Box::new(core_loop::CoreLoop::new(places()?, AwsLc, about)?));
    }
    #[cfg(feature = "peers")]
    peers.extend(
        streams(asked, Datagram::Ethernet, &places)?.into_iter().map(|peer| Box::new(peer) as Box<dyn PingPong>),
    );
    if asked.wants_peer("udp-echo") {
        peers.push(Box::new(raw::Echo::connected(places()?)?));
    }
    if asked.wants_peer("udp-echo-unconnected") {
        peers.push(Box::new(raw::Echo::unconnected(places()?)?));
    }
    let subjects = peers.iter_mut().map(|peer| {
        Subject::new(peer.about(), || {
            let mut times = peer.round_trips(count)?;
            times.sort();
            let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e6;
            Ok(vec![at(50), at(99)])
        })
    });
    measure(row, &PING_PONG, subjects.collect(), asked, report)
}

fn messages(asked: &Measure, report: &mut Report) -> Result<(), Failure> {
    let count = if asked.quick { 20_000 } else { 500_000 };
    let mut peers: Vec<Box<dyn Messages>> = sessions(asked, Datagram::Ethernet, Places::pool)?
        .into_iter()
        .map(|session| Box::new(session) as Box<dyn Messages>)
        .collect();
    #[cfg(feature = "peers")]
    peers.extend(
        streams(asked, Datagram::Ethernet, Places::pool)?.into_iter().map(|peer| Box::new(peer) as Box<dyn Messages>),
    );
    let subjects = peers.iter_mut().map(|peer| Subject::new(peer.about(), || rate(count, || peer.send(count))));
    measure("messages", &RATE, subjects.collect(), asked, report)
}

fn unreliable(asked: &Measure, report: &mut Report) -> Result<(), Failure> {
    let count = if asked.quick { 20_000 } else { 500_000 };
    let mut peers: Vec<Box<dyn Unreliable>> =
        vec![Box::new(session::Session::new(Places::pool()?, Datagram::Ethernet, Ciphers::RustCrypto)?)];
    #[cfg(feature = "peers")]
    if asked.wants_peer("quinn") {
        peers.push(Box::new(quinn::Quinn::new(Places::pool()?, Datagram::Ethernet)?.datagrams()?));
    }
    let subjects = peers.iter_mut().map(|peer| Subject::new(peer.about(), || peer.send_unreliable(count)));
    measure("unreliable", &UNRELIABLE, subjects.collect(), asked, report)
}

fn handshakes(asked: &Measure, report: &mut Report) -> Result<(), Failure> {
    let count = if asked.quick { 50 } else { 1_000 };
    let mut peers: Vec<Box<dyn Handshakes>> = sessions(asked, Datagram::Ethernet, Places::one_thread)?
        .into_iter()
        .map(|session| Box::new(session) as Box<dyn Handshakes>)
        .collect();
    #[cfg(feature = "peers")]
    {
        if asked.wants_peer("quinn") {
            peers.push(Box::new(quinn::Quinn::new(Places::one_thread()?, Datagram::Ethernet)?));
        }
        if asked.wants_peer("s2n-quic") {
            peers.push(Box::new(s2n::S2n::new(Places::one_thread()?, Datagram::Ethernet)?));
        }
        if asked.wants_peer("tcp-rustls") {
            peers.push(Box::new(tls::Tls::new(Places::one_thread()?)?));
        }
    }
    let subjects = peers.iter_mut().map(|peer| Subject::new(peer.about(), || rate(count, || peer.connect(count))));
    measure("handshakes", &RATE, subjects.collect(), asked, report)
}

/// session with each of its providers that is wanted; with the default one first.
fn sessions(
    asked: &Measure,
    datagram: Datagram,
    places: impl Fn() -> Result<Arc<Places>, Failure>,
) -> Result<Vec<session::Session>, Failure> {
    let wanted = Ciphers::ALL.iter().filter(|ciphers| asked.wants_peer(ciphers.about().name));
    wanted.map(|ciphers| session::Session::new(places()?, datagram, *ciphers)).collect()
}

/// The peers that are streams of bytes, as far as they are wanted.
#[cfg(feature = "peers")]
fn streams(
    asked: &Measure,
    datagram: Datagram,
    places: impl Fn() -> Result<Arc<Places>, Failure>,
) -> Result<Vec<streams::Streams>, Failure> {
    let mut peers = Vec::new();
    if asked.wants_peer("quinn") {
        peers.push(quinn::Quinn::new(places()?, datagram)?.streams()?);
    }
    if asked.wants_peer("s2n-quic") {
        peers.push(s2n::S2n::new(places()?, datagram)?.streams()?);
    }
    if asked.wants_peer("tcp-rustls") {
        peers.push(tls::Tls::new(places()?)?.streams()?);
    }
    if asked.wants_peer("tokio_kcp") && datagram == Datagram::Ethernet {
        peers.push(kcp::streams(places()?)?);
    }
    Ok(peers)
}

/// Seconds that `work` takes, and processor seconds.
fn cost(work: impl FnOnce() -> Result<(), Failure>) -> Result<(f64, f64), Failure> {
    let (start, processor) = (now(), processor_time());
    work()?;
    Ok(((now() - start).as_secs_f64(), (processor_time() - processor).as_secs_f64()))
}

/// The sample of a turn of `RATE` in which `count` things were done.
fn rate(count: usize, work: impl FnOnce() -> Result<(), Failure>) -> Result<Vec<f64>, Failure> {
    let (time, processor) = cost(work)?;
    Ok(vec![processor * 1e6 / count as f64, count as f64 / time])
}

/// Runs the sender here and the receiver as a task of its own.
async fn both(
    places: &Places,
    receive: impl Future<Output = Result<(), Failure>> + Send + 'static,
    send: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let receive = places.far().spawn(receive);
    send.await?;
    receive.await?
}

/// Times `count` turns of `round_trip`.
async fn timed(
    count: usize,
    mut round_trip: impl AsyncFnMut() -> Result<(), Failure>,
) -> Result<Vec<Duration>, Failure> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let start = now();
        round_trip().await?;
        times.push(now().saturating_sub(start));
    }
    Ok(times)
}

#[cfg(test)]
mod tests;
