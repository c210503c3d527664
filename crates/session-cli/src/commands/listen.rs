//! `session listen`

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use session_tokio::{CloseCode, CloseReason, CloseSpace, ClosedBy, Endpoint, Incoming, Session};
use smol::channel::{self, Sender};

use super::admit::{Guest, admit, empty_list};
use super::node::{FAREWELL, builder, load_key, not_bound};
use super::pairing::Pairing;
use crate::args::Listen;
use crate::clock::now;
use crate::exit::{Exit, Failure};
use crate::inbox::Inbox;
use crate::interrupt::Interrupt;
use crate::keys::{AuthorizedPeers, PublicKey};
use crate::output::{Event, Output};
use crate::ping;
use crate::place::Existing;
use crate::progress::Bytes;
use crate::purpose::Purpose;
use crate::runtime::Runtime;
use crate::text::{Printable, count_of, printable_path};
use crate::transfer::{self, News, NotReceived, NotTaken, close_code};

/// What a listener does for its peers.
const SERVED: [Purpose; 3] = [Purpose::Files, Purpose::Ping, Purpose::Pair];

pub(super) fn run(arguments: &Listen, output: Output) -> Result<(), Failure> {
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
        let (address, own) = (endpoint.local_addr().to_string(), key.public_key());
        let event = Event::new("listening").text("address", &address).text("public_key", &own.to_base64());
        output.say(format_args!("listening on {address}, key {}", own.to_base64()), event);
        sweep(&inbox, output);
        match arguments.pairing {
            Some(time) => open_pairing(&endpoint, time, &own, output),
            None => empty_list(&arguments.authorized, &authorized, output),
        }
        let pairing = Pairing::new(own, arguments.authorized.clone());
        let (running, ended) = channel::bounded::<()>(1);
        let guests = Arc::new(Guests { authorized: Mutex::new(authorized), pairing, output });
        let listener = Listener { guests, inbox: Arc::new(inbox), runtime, output };
        let interrupted = async { interrupt.raised().await };
        smol::future::or(listener.serve(&endpoint, &running), interrupted).await;

        let farewell = endpoint.close(close_code::INTERRUPTED, "the listener was stopped by its user");
        let _ = runtime.within(FAREWELL, farewell).await;
        // Each transfer deletes its temporary file when it hears of the end, and then drops its half of the channel.
        drop(running);
        let _ = runtime.within(FAREWELL, ended.recv()).await;
        // Its user has no other way to end it: this is no failure.
        output.say("stopped, and all peers are told", Event::new("stopped"));
        Ok(())
    })
}

/// Deletes what an earlier run that was killed has left.
fn sweep(inbox: &Inbox, output: Output) {
    match inbox.sweep() {
        Ok(0) => {}
        Ok(count) => {
            let line = format!("{} of unfinished transfers deleted from the inbox", count_of(count, "leftover"));
            output.say(line, Event::new("swept").number("files", count as u64));
        }
        Err(error) => {
            let failure = error.in_folder(inbox.path());
            let event = Event::new("not_swept").text("problem", failure.problem());
            output.say(format_args!("leftovers of unfinished transfers are not looked for: {failure}"), event);
        }
    }
}

fn open_pairing(endpoint: &Endpoint, time: Duration, own: &PublicKey, output: Output) {
    endpoint.set_pairing(Some(time));
    let (seconds, fingerprint) = (time.as_secs(), own.fingerprint());
    let event = Event::new("pairing_open").number("seconds", seconds).text("fingerprint", &fingerprint);
    let line =
        format_args!("new peers may ask for {seconds} s by 'session pair'; this node's fingerprint is {fingerprint}");
    output.say(line, event);
}

struct Listener {
    guests: Arc<Guests>,
    inbox: Arc<Inbox>,
    runtime: Runtime,
    output: Output,
}

impl Listener {
    /// Gives each session a task of its own. Nothing that a peer does ends this.
    async fn serve(&self, endpoint: &Endpoint, running: &Sender<()>) {
        while let Some(incoming) = endpoint.accept().await {
            let Some(guest) = self.guests.admit(incoming) else { continue };
            let server = Server { peer: guest.name.clone(), output: self.output, runtime: self.runtime };
            let (guests, inbox, running) = (Arc::clone(&self.guests), Arc::clone(&self.inbox), running.clone());
            self.runtime.spawn(async move {
                if let Some(guest) = guests.let_in(guest).await {
                    server.serve(guest, &guests, &inbox).await;
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
    output: Output,
}

impl Guests {
    fn admit(&self, incoming: Incoming) -> Option<Guest> {
        admit(incoming, &self.authorized(), &SERVED, self.output)
    }

    /// Whoever is not authorized has come by first contact: its user and ours decide.
    async fn let_in(&self, guest: Guest) -> Option<Guest> {
        if self.authorized().find(&guest.key).is_some() {
            return Some(guest);
        }
        let Guest { incoming, purpose, key, name } = guest;
        let incoming = self.pairing.ask(incoming, key, &name, self.output).await?;
        let address = incoming.remote_address().map(|address| address.ip().to_string()).unwrap_or_default();
        // One that only pairs is written down when its user has said yes too; until then nothing of it must fail.
        let (list, comment) = (self.pairing.list(), format!("paired peer {address}"));
        let is_in = match purpose {
            Purpose::Pair => {
                let promised = self.authorized().promise(list, key, &comment);
                promised.inspect_err(|failure| self.not_added(&name, &key, failure)).is_ok()
            }
            _ => self.add(&name, key, &comment),
        };
        is_in.then_some(Guest { incoming, purpose, key, name })
    }

    /// Writes down what was promised to `key`, whose user has said yes.
    fn keep(&self, peer: &str, key: PublicKey) -> bool {
        let comment = self.authorized().find(&key).map(|known| known.comment.clone());
        self.add(peer, key, &comment.unwrap_or_default())
    }

    /// Authorizes `key` for good, and tells the user, also where that fails.
    fn add(&self, peer: &str, key: PublicKey, comment: &str) -> bool {
        let list = self.pairing.list();
        let added = self.authorized().add(list, key, comment);
        match added {
            Ok(false) => true,
            Ok(true) => {
                let event = Event::new("authorized").text("peer", peer).text("public_key", &key.to_base64());
                let line = format_args!("{peer}: may send from now on, by {}", printable_path(list));
                self.output.say(line, event.text("path", &list.to_string_lossy()));
                true
            }
            Err(failure) => {
                self.not_added(peer, &key, &failure);
                false
            }
        }
    }

    fn not_added(&self, peer: &str, key: &PublicKey, failure: &Failure) {
        let event = Event::new("refused").text("peer", peer).text("public_key", &key.to_base64());
        self.output.say(format_args!("{peer}: refused, {failure}"), event.text("why", failure.problem()));
    }

    fn authorized(&self) -> MutexGuard<'_, AuthorizedPeers> {
        self.authorized.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves one peer.
struct Server {
    peer: String,
    output: Output,
    runtime: Runtime,
}

impl Server {
    async fn serve(&self, guest: Guest, guests: &Guests, inbox: &Inbox) {
        let Guest { incoming, purpose, key, .. } = guest;
        let session = match incoming.accept().await {
            Ok(session) => session,
            Err(error) => {
                if purpose == Purpose::Pair {
                    guests.authorized().withdraw(&key);
                }
                return self.failed(Exit::NoAnswer, &format!("gone before it was answered ({error})"));
            }
        };
        match purpose {
            Purpose::Ping => self.echo(&session).await,
            Purpose::Pair => self.pair(&session, key, guests).await,
            _ => self.receive(&session, inbox).await,
        }
    }

    /// Its user takes a while to compare. The end of the session is the answer, and only one code is a yes.
    async fn pair(&self, session: &Session, key: PublicKey, guests: &Guests) {
        let reason = session.closed().await;
        let is_of_peer = (reason.by, reason.space) == (ClosedBy::Peer, CloseSpace::Application);
        match reason.code {
            CloseCode(close_code::PAIRED) if is_of_peer => {
                if guests.keep(&self.peer, key) {
                    self.say("paired", self.event("paired"));
                }
            }
            code => {
                guests.authorized().withdraw(&key);
                let why = match code {
                    CloseCode(close_code::FAILED) if is_of_peer => Printable(reason.text.as_str()).to_string(),
                    _ => transfer::why_ended(&reason),
                };
                self.failed(Exit::Refused, &format!("not paired: {why}"));
            }
        }
    }

    async fn receive(&self, session: &Session, inbox: &Inbox) {
        let mut started = now();
        let result = transfer::receive(session, inbox, |news| match news {
            News::Begun { first, files, bytes } => {
                let event = self.event("receiving").text("path", first.as_str()).number("files", files as u64);
                let what = if files == 1 { first.to_string() } else { count_of(files, "file") };
                self.say(format_args!("receiving {what}, {}", Bytes(bytes)), event.number("bytes", bytes));
                started = now();
            }
            News::Delivered { path, length, digest } => {
                let seconds = now().saturating_since(started).as_secs_f64();
                started = now();
                let digest = transfer::hex(digest);
                let event = self.event("received").text("path", path.as_str()).number("bytes", length);
                let line = format_args!("received {path}, {} in {seconds:.1} s, SHA-256 {digest}", Bytes(length));
                self.say(line, event.decimal("seconds", Some(seconds)).text("sha256", &digest));
            }
        });
        if let Err(error) = result.await {
            match &error {
                NotReceived::Refused(not_taken) => self.not_taken("refused", not_taken, inbox),
                NotReceived::Failed(not_taken) => self.not_taken("failed at", not_taken, inbox),
                NotReceived::Closed(reason) => {
                    self.failed(Exit::of(reason), &format!("failed, {}", transfer::why_ended(reason)));
                }
                NotReceived::Unexpected => self.failed(Exit::Protocol, "failed, the peer sent what has no place here"),
            }
        }
        self.await_close(session).await;
    }

    async fn echo(&self, session: &Session) {
        let (echoes, reason): (u64, CloseReason) = ping::echo(session).await;
        let event = self.event("pinged").number("echoes", echoes).text("end", &transfer::why_ended(&reason));
        self.say(format_args!("pinged, {}", count_of(usize::try_from(echoes).unwrap_or(usize::MAX), "echo")), event);
    }

    /// The sender closes once it has read the answer; one that does not is not waited for.
    async fn await_close(&self, session: &Session) {
        if self.runtime.within(FAREWELL, session.closed()).await.is_none() {
            session.abort(close_code::DONE, "");
        }
    }

    /// Of several files, the user must know which.
    fn not_taken(&self, verb: &str, NotTaken { path, error }: &NotTaken, inbox: &Inbox) {
        let why = format!("{verb} {}, {}", Printable(path), error.in_folder(inbox.path()));
        self.say(&why, self.event("failed").text("class", error.exit().name()).text("why", &why).text("path", path));
    }

    fn failed(&self, exit: Exit, why: &str) {
        self.say(why, self.event("failed").text("class", exit.name()).text("why", why));
    }

    fn say(&self, line: impl std::fmt::Display, event: Event) {
        self.output.say(format_args!("{}: {line}", self.peer), event);
    }

    fn event(&self, name: &str) -> Event {
        Event::new(name).text("peer", &self.peer)
    }
}
