//! `session send`

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use session_tokio::{Endpoint, PublicKey, Session, Stats};

use super::node::{FAREWELL, builder, load_key, not_bound};
use crate::args::Send;
use crate::clock::now;
use crate::exit::{Exit, Failure, reason};
use crate::interrupt::Interrupt;
use crate::keys::{Address, KnownPeers, configuration};
use crate::progress::{Bytes, Progress, Snapshot};
use crate::runtime::Runtime;
use crate::text::Printable;
use crate::transfer::{self, Source, close_code};

/// Time between two looks at a transfer.
const TICK: Duration = Duration::from_millis(100);

pub(super) fn run(arguments: &Send) -> Result<(), Failure> {
    let key = load_key(&arguments.node.key)?;
    let peer = arguments.to.peer.resolve(|| {
        let file = configuration::known_peers(|name| std::env::var_os(name))?;
        KnownPeers::load(&file)
    })?;
    let peer = PublicKey::from_bytes(*peer.as_bytes()).map_err(|_| {
        let problem = format!("{} is not a public key that can be used", peer.to_base64());
        Failure::new(Exit::KeyFile, problem, "give the key that the peer's 'session pubkey' prints")
    })?;
    let source = Source::open(&arguments.file)?;
    let runtime = arguments.node.runtime;
    runtime.run(async {
        let interrupt = Interrupt::catch()?;
        let interrupted = async {
            interrupt.raised().await;
            Err(interrupted())
        };
        let (endpoint, address) = smol::future::or(dial_out(&key, arguments), interrupted).await?;
        let result = deliver(&endpoint, peer, address, source, arguments, &interrupt).await;
        let _ = runtime.within(FAREWELL, endpoint.close(close_code::DONE, "")).await;
        result
    })
}

/// Looks the address up and binds an endpoint of its family.
async fn dial_out(key: &crate::keys::SecretKey, arguments: &Send) -> Result<(Endpoint, SocketAddr), Failure> {
    let address = look_up(&arguments.to.address).await?;
    let any: SocketAddr =
        if address.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let bound = arguments.node.runtime.bind(builder(key, &arguments.node), any).await;
    Ok((bound.map_err(|error| not_bound(&error, any))?, address))
}

async fn deliver(
    endpoint: &Endpoint,
    peer: PublicKey,
    address: SocketAddr,
    mut source: Source,
    arguments: &Send,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let place = arguments.to.address.to_string();
    let name = Printable(&String::from_utf8_lossy(source.name())).to_string();
    tell(&format!("connecting to {place}"));
    let connecting = async {
        let session = endpoint.connect(peer, address).await;
        session.map_err(|error| transfer::not_connected(&error, &place, arguments.node.patience()))
    };
    let session = or_interrupted(interrupt, connecting).await?;
    tell(&format!("session with {place} is up, RTT {:.1} ms", millis(session.stats().smoothed_rtt)));

    let sent = AtomicU64::new(0);
    let mut progress = Progress::new(&name, source.length(), now());
    let sending = async { Ok(transfer::send(&session, &mut source, &sent).await) };
    let watching = watch(&session, &sent, &mut progress, arguments.node.runtime);
    let result = match or_interrupted(interrupt, smol::future::or(sending, watching)).await {
        Ok(result) => result,
        Err(interruption) => {
            session.abort(close_code::INTERRUPTED, "the sender was stopped by its user");
            return Err(interruption);
        }
    };
    let digest = result.map_err(|error| error.failure(&source, &place))?;
    progress.finish(snapshot(&session.stats(), source.length()), now());
    let _ = arguments.node.runtime.within(FAREWELL, session.close(close_code::DONE, "")).await;
    tell(&format!("session with {place} is closed"));
    let length = Bytes(source.length());
    // The file is delivered, whether or not anybody reads this.
    let _ = writeln!(io::stdout(), "{name}: {length} delivered, SHA-256 {} at both ends", transfer::hex(&digest));
    Ok(())
}

/// Shows the progress for ever.
async fn watch<T>(session: &Session, sent: &AtomicU64, progress: &mut Progress, runtime: Runtime) -> T {
    loop {
        progress.update(snapshot(&session.stats(), sent.load(Ordering::Relaxed)), now());
        runtime.sleep(TICK).await;
    }
}

fn snapshot(stats: &Stats, bytes: u64) -> Snapshot {
    let measured = !stats.smoothed_rtt.is_zero();
    Snapshot {
        bytes,
        round_trip: measured.then_some(stats.smoothed_rtt),
        packets_sent: stats.ack_eliciting_sent,
        packets_lost: stats.packets_lost,
    }
}

async fn or_interrupted<T>(
    interrupt: &Interrupt,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let interruption = async {
        interrupt.raised().await;
        Err(interrupted())
    };
    smol::future::or(work, interruption).await
}

fn interrupted() -> Failure {
    Failure::new(Exit::Interrupted, "interrupted, and the file is not delivered", "send it again")
}

async fn look_up(address: &Address) -> Result<SocketAddr, Failure> {
    let (name, port) = match address {
        Address::Socket(address) => return Ok(*address),
        Address::Host { name, port } => (name.clone(), *port),
    };
    let host = name.clone();
    let found = smol::unblock(move || (host.as_str(), port).to_socket_addrs().map(|mut addresses| addresses.next()));
    let (why, found) = match found.await {
        Ok(found) => ("it has no address".to_owned(), found),
        Err(error) => (reason(&error), None),
    };
    found.ok_or_else(|| {
        let problem = format!("host {name} is not found ({why})");
        Failure::new(Exit::NoAnswer, problem, "check the name, or give an IP address")
    })
}

/// A change of state, where the progress goes too.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
