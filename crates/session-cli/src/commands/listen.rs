//! `session listen`

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use session_tokio::{CloseCode, Endpoint, Incoming, Session};
use smol::channel::{self, Sender};

use super::node::{FAREWELL, builder, load_key, not_bound};
use super::pairing::{Pairing, is_pairing};
use crate::args::Listen;
use crate::clock::now;
use crate::exit::Failure;
use crate::inbox::{Inbox, IncomingFile};
use crate::interrupt::Interrupt;
use crate::keys::authorized::AuthorizedPeer;
use crate::keys::{AuthorizedPeers, PublicKey};
use crate::place::Existing;
use crate::progress::Bytes;
use crate::runtime::Runtime;
use crate::text::{Printable, printable_path};
use crate::transfer::{self, Delivery, NotReceived, close_code};

pub(super) fn run(arguments: &Listen) -> Result<(), Failure> {
    let key = load_key(&arguments.node.key)?;
    let authorized = match arguments.pairing {
        Some(_) => AuthorizedPeers::load_or_begin(&arguments.authorized)?,
        None => AuthorizedPeers::load(&arguments.authorized)?,
    };
    let existing = if arguments.force { Existing::Replace } else { Existing::Keep };
    let inbox = Inbox::open(&arguments.dir, existing).map_err(|error| error.in_folder(&arguments.dir))?;
    let runtime = arguments.node.runtime;
    runtime.run(async {
        let interrupt = Interrupt::catch()?;
        let bound = runtime.bind(builder(&key, &arguments.node), arguments.bind).await;
        let endpoint = bound.map_err(|error| not_bound(&error, arguments.bind))?;
        say(&format!("listening on {}, key {}", endpoint.local_addr(), key.public_key().to_base64()));
        tell_the_start(&inbox, &authorized, arguments);
        if let Some(time) = arguments.pairing {
            endpoint.set_pairing(Some(time));
            let own = key.public_key().fingerprint();
            say(&format!(
                "new peers may ask for {} s by 'session pair'; this node's fingerprint is {own}",
                time.as_secs()
            ));
        }
        let pairing = Pairing::new(key.public_key(), arguments.authorized.clone());
        let (running, ended) = channel::bounded::<()>(1);
        let guests = Arc::new(Guests { authorized: Mutex::new(authorized), pairing });
        let listener = Listener { guests, inbox: Arc::new(inbox), runtime };
        let interrupted = async { interrupt.raised().await };
        smol::future::or(listener.serve(&endpoint, &running), interrupted).await;

        let farewell = endpoint.close(close_code::INTERRUPTED, "the listener was stopped by its user");
        let _ = runtime.within(FAREWELL, farewell).await;
        // Each transfer deletes its temporary file when it hears of the end, and then drops its half of the channel.
        drop(running);
        let _ = runtime.within(FAREWELL, ended.recv()).await;
        // Its user has no other way to end it: this is no failure.
        say("stopped, and all peers are told");
        Ok(())
    })
}

/// What its user should know before the first peer comes.
fn tell_the_start(inbox: &Inbox, authorized: &AuthorizedPeers, arguments: &Listen) {
    match inbox.sweep() {
        Ok(0) => {}
        Ok(count) => say(&format!("{} of unfinished transfers deleted from the inbox", count_of(count, "leftover"))),
        Err(error) => {
            say(&format!("leftovers of unfinished transfers are not looked for: {}", error.in_folder(inbox.path())))
        }
    }
    if authorized.peers().is_empty() && arguments.pairing.is_none() {
        let list = printable_path(&arguments.authorized);
        say(&format!(
            "nobody may send: {list} lists no key; add what a sender's 'session pubkey' prints, then start again"
        ));
    }
}

fn count_of(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

struct Listener {
    guests: Arc<Guests>,
    inbox: Arc<Inbox>,
    runtime: Runtime,
}

impl Listener {
    /// Gives each session a task of its own. Nothing that a peer does ends this.
    async fn serve(&self, endpoint: &Endpoint, running: &Sender<()>) {
        while let Some(incoming) = endpoint.accept().await {
            let key = PublicKey::from_bytes(*incoming.peer_key().as_bytes());
            let address = incoming.remote_address().map(|address| address.to_string()).unwrap_or_default();
            let known = self.guests.find(&key);
            if known.is_none() && !incoming.is_first_contact() {
                incoming.refuse(CloseCode::UNAUTHORIZED, "it is not in the list of authorized peers");
                say(&format!("{address}: refused, key {} is not authorized", key.to_base64()));
                continue;
            }
            let peer = known.map_or_else(|| address.clone(), |peer| peer.called(&address));
            let (guests, inbox, running) = (Arc::clone(&self.guests), Arc::clone(&self.inbox), running.clone());
            let runtime = self.runtime;
            runtime.spawn(async move {
                if let Some(incoming) = guests.let_in(incoming, key, &peer).await {
                    serve_peer(incoming, &peer, &inbox, runtime).await;
                }
                drop(running);
            });
        }
    }
}

/// Who may come, and who may ask for it.
struct Guests {
    authorized: Mutex<AuthorizedPeers>,
    pairing: Pairing,
}

impl Guests {
    fn find(&self, key: &PublicKey) -> Option<AuthorizedPeer> {
        self.authorized.lock().unwrap_or_else(PoisonError::into_inner).find(key).cloned()
    }

    /// Whoever is not authorized has come by first contact: its user and ours decide.
    async fn let_in(&self, incoming: Incoming, key: PublicKey, peer: &str) -> Option<Incoming> {
        if self.find(&key).is_some() {
            return Some(incoming);
        }
        let incoming = self.pairing.ask(incoming, key, peer, &say).await?;
        let address = incoming.remote_address().map(|address| address.ip().to_string()).unwrap_or_default();
        let list = self.pairing.list();
        let added = {
            let mut authorized = self.authorized.lock().unwrap_or_else(PoisonError::into_inner);
            authorized.add(list, key, &format!("paired from {address}"))
        };
        match added {
            Ok(()) => {
                say(&format!("{peer}: may send from now on, by {}", printable_path(list)));
                Some(incoming)
            }
            Err(failure) => {
                say(&format!("{peer}: refused, {failure}"));
                None
            }
        }
    }
}

async fn serve_peer(incoming: Incoming, peer: &str, inbox: &Inbox, runtime: Runtime) {
    let pairing = is_pairing(&incoming);
    let session = match incoming.accept().await {
        Ok(session) => session,
        Err(error) => return say(&format!("{peer}: gone before it was answered ({error})")),
    };
    if pairing {
        // Its user takes a while to compare. Whatever comes of it, this side has decided.
        let _ = session.closed().await;
        return say(&format!("{peer}: paired"));
    }
    let started = now();
    let start = |file: &IncomingFile| {
        say(&format!("{peer}: receiving {}, {}", file.name(), Bytes(file.length())));
    };
    match transfer::receive(&session, inbox, start).await {
        Ok(Delivery { name, length, digest }) => {
            let seconds = now().saturating_since(started).as_secs_f64();
            let digest = transfer::hex(&digest);
            say(&format!("{peer}: received {name}, {} in {seconds:.1} s, SHA-256 {digest}", Bytes(length)));
        }
        Err(error) => say(&format!("{peer}: {}", failed(&error, inbox))),
    }
    await_close(&session, runtime).await;
}

/// The sender closes once it has read the answer; one that does not is not waited for.
async fn await_close(session: &Session, runtime: Runtime) {
    if runtime.within(FAREWELL, session.closed()).await.is_none() {
        session.abort(close_code::DONE, "");
    }
}

fn failed(error: &NotReceived, inbox: &Inbox) -> String {
    match error {
        NotReceived::Refused(error) => format!("refused, {}", error.in_folder(inbox.path())),
        NotReceived::Failed(error) => format!("failed, {}", error.in_folder(inbox.path())),
        NotReceived::Closed(reason) => format!("failed, {}", transfer::why_ended(reason)),
        NotReceived::Unexpected => "failed, the sender does not keep to session-file/1".to_owned(),
    }
}

/// A line of the listener's log. That nobody reads it is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{}", Printable(line));
}
