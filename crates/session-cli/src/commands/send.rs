//! `session send`

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use session_tokio::{Endpoint, PublicKey, Session, Stats};

use super::node::{FAREWELL, dial_out, load_key, or_interrupted};
use super::pair::{key_of, known_peers, meet, place_of};
use super::pairing::PAIR;
use crate::args::Send;
use crate::clock::now;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::keys::known_peers::KnownPeer;
use crate::keys::{KnownPeers, Peer};
use crate::progress::{Bytes, Progress, Snapshot};
use crate::runtime::Runtime;
use crate::text::Printable;
use crate::transfer::{self, Source, close_code};

/// Time between two looks at a transfer.
const TICK: Duration = Duration::from_millis(100);

pub(super) fn run(arguments: &Send) -> Result<(), Failure> {
    let key = load_key(&arguments.node.key)?;
    let receiver = Receiver::find(arguments)?;
    let source = Source::open(&arguments.file)?;
    let runtime = arguments.node.runtime;
    runtime.run(async {
        let interrupt = Interrupt::catch()?;
        let dialling = dial_out(&key, &arguments.node, &arguments.to.address);
        let (endpoint, address) = or_interrupted(&interrupt, &interrupted(), dialling).await?;
        let connecting = receiver.connect(&endpoint, address, arguments);
        let result = match or_interrupted(&interrupt, &interrupted(), connecting).await {
            Ok(session) => deliver(&session, source, arguments, &interrupt).await,
            Err(failure) => Err(failure),
        };
        let _ = runtime.within(FAREWELL, endpoint.close(close_code::DONE, "")).await;
        result
    })
}

/// Whom the file is for.
enum Receiver {
    /// Its key is known, and where there is one, by a line of known_peers.
    Known(crate::keys::PublicKey, Option<KnownPeer>),
    /// Only what it will be called, in that list.
    New(String, KnownPeers),
}

impl Receiver {
    fn find(arguments: &Send) -> Result<Self, Failure> {
        let name = match &arguments.to.peer {
            Peer::Key(key) => return Ok(Self::Known(*key, None)),
            Peer::Name(name) => name,
        };
        let known = known_peers()?;
        match known.find(name) {
            None if arguments.accept_new => Ok(Self::New(name.clone(), known)),
            _ => known.named(name).map(|peer| Self::Known(peer.key, Some(peer.clone()))),
        }
    }

    async fn connect(self, endpoint: &Endpoint, address: SocketAddr, arguments: &Send) -> Result<Session, Failure> {
        let place = arguments.to.address.to_string();
        tell(&format!("connecting to {place}"));
        match self {
            Self::New(name, mut known) => {
                let session = meet(endpoint, address, &[], &place, &arguments.node).await?;
                let key = key_of(&session);
                let origin = place_of(&known.add(&name, key)?.origin);
                tell(&format!("{name} is known from now on by {}, {origin}", key.fingerprint()));
                Ok(session)
            }
            Self::Known(key, peer) => {
                let public = PublicKey::from_bytes(*key.as_bytes()).map_err(|_| {
                    let problem = format!("{} is not a public key that can be used", key.to_base64());
                    Failure::new(Exit::KeyFile, problem, "give the key that the peer's 'session pubkey' prints")
                })?;
                let error = match endpoint.connect(public, address).await {
                    Ok(session) => return Ok(session),
                    Err(error) => transfer::not_connected(&error, &place, arguments.node.patience()),
                };
                // Silence may mean that another key answers there. Finding out trusts nobody.
                if let Some(peer) = peer.filter(|_| arguments.accept_new && error.exit() == Exit::NoAnswer)
                    && let Ok(session) = meet(endpoint, address, PAIR, &place, &arguments.node).await
                {
                    let other = key_of(&session);
                    session.abort(close_code::FAILED, "its key is not the one that is known");
                    if other != peer.key {
                        return Err(peer.has_changed(&other, &place));
                    }
                }
                Err(error)
            }
        }
    }
}

async fn deliver(
    session: &Session,
    mut source: Source,
    arguments: &Send,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let place = arguments.to.address.to_string();
    let name = Printable(&String::from_utf8_lossy(source.name())).to_string();
    tell(&format!("session with {place} is up, RTT {:.1} ms", millis(session.stats().smoothed_rtt)));

    let sent = AtomicU64::new(0);
    let mut progress = Progress::new(&name, source.length(), now());
    let sending = async { Ok(transfer::send(session, &mut source, &sent).await) };
    let watching = watch(session, &sent, &mut progress, arguments.node.runtime);
    let result = match or_interrupted(interrupt, &interrupted(), smol::future::or(sending, watching)).await {
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

fn interrupted() -> Failure {
    Failure::new(Exit::Interrupted, "interrupted, and the file is not delivered", "send it again")
}

/// A change of state, where the progress goes too.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
