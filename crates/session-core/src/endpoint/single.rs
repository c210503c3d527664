//! One session that stands alone.

use super::vacancy::Vacancy;
use super::{Endpoint, SessionMut, SessionRef};
use crate::action::{Action, Arrival, Deadline, Link, Received};
use crate::config::{Config, ConnectOptions, Peer};
use crate::crypto::{Provider, PublicKey, RustCrypto};
use crate::ids::SessionId;
use crate::limits::Limits;
use crate::memory_need::MemoryNeed;
use crate::reason::{ConfigError, ConnectError, Discards};
use crate::seed::Seed;
use crate::session::{SessionCore, State};
use crate::time::Instant;

/// One session at a time, with everything it needs: for devices that talk to one peer.
///
/// It either begins the session by [`connect`](Self::connect), or waits until a peer asks: then
/// [`Event::Incoming`](crate::Event::Incoming) comes, to be answered through [`commands`](Self::commands). Events name the session by a
/// [`SessionId`](crate::SessionId), which need not be looked at: there is one session only.
///
/// After [`Event::Closed`](crate::Event::Closed) the next session takes the place of the old one, whether `connect` or a peer begins it; nothing
/// has to be tidied up, and nothing is allocated. Until then the old one still answers questions, and what it delivered can be read. While there is a session, nobody else
/// gets in: a peer that lost its state is heard when the old session counts as lost, three keepalive intervals after its last packet.
///
/// This is an [`Endpoint`] with a single slot, and behaves like one: any method at any time, with any `now`; none panics.
///
/// # Memory
///
/// All is allocated by [`new`](Self::new): the pool, and some 10 KiB for the slot, its expanded keys and small tables. The limits of this example make
/// a pool of 24 KiB:
///
/// ```
/// use session_core::{
///     Action, Address, Arrival, Carrier, ChannelId, Config, ConnectOptions, Event, Instant, Limits, Link, Peer, RustCrypto,
///     Secret, Seed, Session, StaticKey,
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut small = Limits::default();
/// small.block_size = 256;
/// small.pool_blocks = 96;
/// small.session_window = 4096;
/// small.channel_window = 4096;
/// small.send_blocks = 24;
/// small.record_blocks = 8;
/// let session = |number: u8| {
///     // A program draws both from its operating system, and never the same twice.
///     let key = StaticKey::new(&RustCrypto, Secret::new([number; 32]));
///     Session::new(Config::new(key, "example/1"), small.clone(), RustCrypto, Seed::new([number; 32]))
/// };
/// let mut ends = [session(1)?, session(2)?];
///
/// let now = Instant::from_micros(1);
/// let place = |number| Address::Opaque([number; 16]);
/// let link = Link { carrier: Carrier(0), local: place(1), remote: place(2) };
/// let peer = Peer::Known { key: ends[1].public_key(), psk: None };
/// ends[0].connect(peer, link, ConnectOptions::default(), now)?;
///
/// // Both ends of a wire. A program has one, and a socket or a radio.
/// let mut out = [0; 1500];
/// let mut greeting = None;
/// while greeting.is_none() {
///     for end in [0, 1] {
///         match ends[end].poll_action(&mut out, now) {
///             Action::Transmit(transmit) => {
///                 let back = Link { local: transmit.link.remote, remote: transmit.link.local, ..transmit.link };
///                 let _ = ends[1 - end].handle_datagram(&mut out[..transmit.len], Arrival::new(back), now);
///             }
///             Action::Event(Event::Incoming(_)) => ends[end].commands(now).ok_or("gone")?.accept(b"")?,
///             Action::Event(Event::Established(_)) if end == 0 => {
///                 ends[end].commands(now).ok_or("gone")?.send(b"hello", ChannelId(16))?;
///             }
///             Action::Event(Event::Readable(_, channel)) => {
///                 greeting = ends[end].commands(now).ok_or("gone")?.recv(&mut out, channel)?;
///             }
///             _ => {}
///         }
///     }
/// }
/// assert_eq!(greeting, Some(5));
/// # Ok(())
/// # }
/// ```
pub struct Session<P: Provider = RustCrypto> {
    pub(super) endpoint: Endpoint<P>,
}

impl<P: Provider> Session<P> {
    /// Allocates everything. Of `limits`, `sessions`, `pending` and `hot_keys` are taken as 1. `seed` must come from the operating system's
    /// generator or as good a source, and must never be used twice.
    ///
    /// # Errors
    /// [`ConfigError`] names the part of `config` or `limits` that cannot work.
    pub fn new(config: Config, limits: Limits, provider: P, seed: Seed) -> Result<Self, ConfigError> {
        let mut endpoint = Endpoint::new(config, of_one(limits), provider, seed)?;
        endpoint.settings.ended_make_room = true;
        Ok(Self { endpoint })
    }

    /// The heap that [`new`](Self::new) takes with these, exactly; `at_start` and `at_most` are the same unless channels come and go.
    ///
    /// # Errors
    /// [`ConfigError`] as [`new`](Self::new).
    pub fn memory_need(config: &Config, limits: &Limits) -> Result<MemoryNeed, ConfigError> {
        Endpoint::<P>::memory_need(config, &of_one(limits.clone()))
    }

    // --- inputs ---

    /// Takes one datagram, any bytes. It is opened in place; afterwards its contents mean nothing.
    ///
    /// A datagram that is not authentic is [`Received::Discarded`] and changes nothing but a counter.
    pub fn handle_datagram(&mut self, datagram: &mut [u8], arrival: Arrival, now: Instant) -> Received {
        self.endpoint.handle_datagram(datagram, arrival, now)
    }

    /// Serves deadlines that have passed. An early call does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
    }

    // --- output ---

    /// The one output: an event, else a datagram written into `out`, else how long there is nothing to do.
    ///
    /// A buffer of [`max_datagram`](Self::max_datagram) bytes is always enough; a shorter one may give [`Action::NeedsRoom`], which changes nothing.
    pub fn poll_action(&mut self, out: &mut [u8], now: Instant) -> Action {
        self.endpoint.poll_action(out, now)
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called next. Changes nothing.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Deadline> {
        self.endpoint.next_deadline()
    }

    // --- commands ---

    /// Begins a session with `peer` over `link`: the first, or the next after [`Event::Closed`](crate::Event::Closed).
    ///
    /// It takes the place of a peer that has only knocked, of which nothing was told yet.
    ///
    /// # Errors
    /// [`ConnectError`]; nothing has changed then. [`ConnectError::TooManySessions`] means that the last session has not ended, or its end was not yet told.
    pub fn connect(
        &mut self,
        peer: Peer<'_>,
        link: Link,
        options: ConnectOptions<'_>,
        now: Instant,
    ) -> Result<(), ConnectError> {
        self.endpoint.advance(now);
        let vacancy = self.vacancy();
        self.endpoint.begin_attempt(vacancy, peer, link, options).map(|_| ())
    }

    /// Takes a peer that does not know our key, until `until`; see [`Endpoint::set_pairing`].
    pub fn set_pairing(&mut self, until: Option<Instant>, now: Instant) {
        self.endpoint.set_pairing(until, now);
    }

    /// The session for commands: `accept`, `send`, `recv`, `close` and the like; `None` if there is none. `now` is when they are given.
    pub fn commands(&mut self, now: Instant) -> Option<SessionMut<'_, P>> {
        let id = self.id()?;
        self.endpoint.session_mut(id, now)
    }

    /// The session for questions; `None` if there is none. One that ended is there until the next begins, at least for
    /// [`Timeouts::forget`](crate::Timeouts::forget).
    #[must_use]
    pub fn as_ref(&self) -> Option<SessionRef<'_>> {
        self.endpoint.session(self.id()?)
    }

    /// The state of the session; [`State::Closed`] if there is none.
    #[must_use]
    pub fn state(&self) -> State {
        self.as_ref().map_or(State::Closed, |session| session.state())
    }

    /// Datagrams discarded since [`new`](Self::new), by reason.
    #[must_use]
    pub fn discards(&self) -> &Discards {
        self.endpoint.discards()
    }

    /// Our long-term public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.endpoint.public_key()
    }

    /// Bytes of a buffer that is always enough for [`poll_action`](Self::poll_action).
    #[must_use]
    pub fn max_datagram(&self) -> usize {
        self.endpoint.max_datagram()
    }

    /// The system refused a datagram of `bytes` bytes as too long: see [`Endpoint::datagram_refused`].
    pub fn datagram_refused(&mut self, link: &Link, bytes: usize, now: Instant) {
        self.endpoint.datagram_refused(link, bytes, now);
    }

    /// Mixes fresh entropy into the generator; at any time.
    pub fn add_entropy(&mut self, seed: Seed) {
        self.endpoint.add_entropy(seed);
    }

    /// Says that this process may share its past with another: see [`Endpoint::entropy_changed`].
    pub fn entropy_changed(&mut self, seed: Seed, now: Instant) {
        self.endpoint.entropy_changed(seed, now);
    }

    /// SHA-256 over all state but discard counters: equal before and after a refused datagram.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.endpoint.digest()
    }

    // --- inside ---

    fn id(&self) -> Option<SessionId> {
        self.endpoint.slots.at(0).map(SessionCore::id)
    }

    /// The slot, if nothing in it is worth keeping.
    fn vacancy(&mut self) -> Option<Vacancy> {
        match self.endpoint.slots.at(0) {
            None => self.endpoint.vacancy(),
            Some(core) => (core.is_told() || core.is_unheard()).then(|| Vacancy::in_place_of(core.id())),
        }
    }
}

const _: () = {
    const fn assert_send<T: Send>() {}
    assert_send::<Session<RustCrypto>>();
};

fn of_one(limits: Limits) -> Limits {
    Limits { sessions: 1, pending: 1, hot_keys: 1, ..limits }
}
