//! Many sessions behind a few carriers: one way in for datagrams, one for time, one way out.

mod admission;
#[cfg(any(test, fuzzing))]
mod check;
mod crossing;
mod deadlines;
mod directory;
mod dump;
mod filing;
mod ids;
mod lend;
mod line;
mod route;
mod single;
mod slots;
mod turns;
mod vacancy;

pub use dump::Dump;
pub use lend::{SessionMut, SessionRef};
pub use single::Session;

use crate::action::{Action, Address, Arrival, Carrier, Deadline, Link, Received};
use crate::config::{Config, ConnectOptions, Peer};
use crate::crypto::hkdf::hmac;
use crate::crypto::{Generator, ID_LENGTH, IdKey, KeyCache, Provider, PublicKey, RustCrypto, Secret};
use crate::handshake::write_hello;
use crate::ids::SessionId;
use crate::limits::{Limits, MAX_DYNAMIC_CHANNELS, MAX_SPARE_IDS, TIMEOUTS_PER_CALL};
use crate::memory::Memory;
use crate::memory_need::MemoryNeed;
use crate::pool::Pool;
use crate::reason::{ConfigError, ConnectError, DiscardReason, Discards};
use crate::seed::Seed;
use crate::session::{SessionCore, data_blocks};
use crate::shared::{Context, Settings, Shared};
use crate::state_hash::StateHash;
use crate::time::Instant;
use crate::wire::{Class, HandshakeType, UserData, classify, data_header, varint};

use deadlines::Deadlines;
use directory::Directory;
use route::{Routes, name_of};
use slots::{Queue, Slots};
use turns::Turn;
use vacancy::Vacancy;

/// All sessions of one node.
///
/// Datagrams and time go in by [`handle_datagram`](Self::handle_datagram) and [`handle_timeout`](Self::handle_timeout), commands by
/// [`connect`](Self::connect) and [`session_mut`](Self::session_mut); everything comes out of [`poll_action`](Self::poll_action). Every
/// method may be called at any time, in any order, with any `now`; none blocks and none panics. All memory is allocated by [`new`](Self::new), but for
/// pages of 64 session slots, and of the records beside them, up to [`Limits::sessions`].
pub struct Endpoint<P: Provider = RustCrypto> {
    settings: Settings,
    shared: Shared<P>,
    slots: Slots,
    routes: Routes,
    /// Tentative slots by the Hello they answer.
    hellos: Routes,
    /// The same slots by their peer.
    pending_peers: Routes,
    directory: Directory,
    deadlines: Deadlines,
    /// Responder slots whose initiator has not proved itself.
    pending: u32,
    /// First contact is answered until then.
    pairing_until: Option<Instant>,
    /// The largest `now` seen (P-11-3).
    now: Instant,
    discards: Discards,
}

/// Sessions that hear of one refusal.
const REFUSED_PER_CALL: usize = 64;

impl<P: Provider> Endpoint<P> {
    /// Allocates everything up to `limits`. `seed` must come from the operating system's generator or as good a source, and must never be used twice.
    ///
    /// # Errors
    /// [`ConfigError`] names the part of `config` or `limits` that cannot work.
    pub fn new(config: Config, limits: Limits, provider: P, seed: Seed) -> Result<Self, ConfigError> {
        config.check()?;
        check_limits(&limits, &config)?;
        let mut generator = Generator::new(seed);
        let [routes_key, hellos_key, peers_key] = core::array::from_fn(|_| generator.draw_secret());
        let directory_key = Secret::new(hmac(peers_key.expose(), &[b"directory"]));
        let directory = Directory::new(limits.sessions, config.directory_events, directory_key);
        let pending = limits.pending.min(limits.sessions);
        let names = limits.sessions.saturating_mul(u32::from(limits.kept_ids()));
        let ids = IdKey::new(Secret::new(hmac(routes_key.expose(), &[b"ids"])));
        let window = data_blocks(&limits, &config);
        let open = limits.pool_blocks - window;
        let payload = Pool::payload_of(open);
        // A channel that may hold more than senders, or mailboxes, may hold together could wait for ever.
        let limits = Limits {
            send_blocks: limits.send_blocks.min(payload),
            mailbox_blocks: limits.mailbox_blocks.min(limits.session_mailbox_blocks).min(payload),
            ..limits
        };
        let memory = Memory::new(&limits, &config, open);
        Ok(Self {
            shared: Shared { provider, memory, keys: KeyCache::new(limits.hot_keys), key_owners: 0, generator, ids },
            slots: Slots::new(limits.sessions),
            routes: Routes::new(names, &routes_key),
            hellos: Routes::new(pending, &hellos_key),
            pending_peers: Routes::new(pending, &peers_key),
            directory,
            deadlines: Deadlines::new(limits.sessions),
            pending: 0,
            pairing_until: None,
            now: Instant::EPOCH,
            discards: Discards::default(),
            settings: Settings::new(config, limits),
        })
    }

    /// The heap that [`new`](Self::new) takes with these, exactly: to size a device, or a server before it is full.
    ///
    /// ```
    /// use session_core::{Config, Endpoint, Limits, RustCrypto, Secret, StaticKey};
    ///
    /// let config = Config::new(StaticKey::new(&RustCrypto, Secret::new([7; 32])), "example/1");
    /// let mut limits = Limits::default();
    /// let need = Endpoint::<RustCrypto>::memory_need(&config, &limits)?;
    /// limits.sessions += 1_000;
    /// let more = Endpoint::<RustCrypto>::memory_need(&config, &limits)?;
    /// println!("a session takes {} bytes", (more.at_most - need.at_most) / 1_000);
    /// # Ok::<(), session_core::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] as [`new`](Self::new).
    pub fn memory_need(config: &Config, limits: &Limits) -> Result<MemoryNeed, ConfigError> {
        config.check()?;
        check_limits(limits, config)?;
        let pending = limits.pending.min(limits.sessions);
        Ok(Memory::need(limits, config)
            .and(KeyCache::<P>::need(limits.hot_keys))
            .and(Slots::need(limits.sessions))
            .and(Routes::need(limits.sessions.saturating_mul(u32::from(limits.kept_ids()))))
            .and(Routes::need(pending))
            .and(Routes::need(pending))
            .and(Directory::need(limits.sessions, config.directory_events))
            .and(Deadlines::need(limits.sessions)))
    }

    // --- inputs ---

    /// Takes one datagram, any bytes. It is opened in place; afterwards its contents mean nothing.
    ///
    /// A datagram that is not authentic is [`Received::Discarded`] and changes nothing but a counter (P-3-4).
    pub fn handle_datagram(&mut self, datagram: &mut [u8], arrival: Arrival, now: Instant) -> Received {
        self.advance(now);
        let result = match self.settings.config.carriers.get(usize::from(arrival.link.carrier.0)) {
            None => Err(DiscardReason::Carrier),
            Some(carrier) => match classify(datagram) {
                Class::Garbage => Err(DiscardReason::Malformed),
                Class::Data => self.handle_data(datagram, &arrival),
                Class::Handshake => {
                    let carrier = *carrier;
                    match HandshakeType::of(datagram) {
                        Ok(HandshakeType::Hello) => self.handle_hello(datagram, &arrival.link, &carrier),
                        Ok(HandshakeType::Reply) => self.handle_reply(datagram, &arrival.link, &carrier),
                        Ok(HandshakeType::Finish) => self.handle_finish(datagram, &arrival.link),
                        Err(error) => Err(error.into()),
                    }
                }
            },
        };
        match result {
            Ok(()) => Received::Consumed,
            Err(reason) => {
                self.discards.count(reason);
                Received::Discarded(reason)
            }
        }
    }

    /// Serves deadlines that have passed: at least one session's and at most 64. An early call does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        for _ in 0..TIMEOUTS_PER_CALL {
            self.file_noted();
            let Some((first, slot)) = self.deadlines.first() else { return };
            if first.at > self.now {
                return;
            }
            self.with(slot, |core, context| core.handle_timeout(context));
            let next = self.deadline_of(slot);
            self.deadlines.settle(&mut self.slots, slot, next);
        }
    }

    // --- output ---

    /// The one output: an event, else a datagram written into `out`, else how long there is nothing to do.
    ///
    /// A buffer of [`max_datagram`](Self::max_datagram) bytes is always enough; a shorter one may give [`Action::NeedsRoom`], which changes nothing.
    pub fn poll_action(&mut self, out: &mut [u8], now: Instant) -> Action {
        self.advance(now);
        match self.serve_touched(out) {
            Turn::Tells(event) => return Action::Event(event),
            Turn::Sends(transmit) => return Action::Transmit(transmit),
            Turn::Filed => {}
            Turn::Unknown => {
                if let Some(event) = self.poll_event() {
                    return Action::Event(event);
                }
            }
        }
        while let Some(slot) = self.slots.first(Queue::Ready) {
            if let Some(action) = self.transmit(slot, out) {
                return action;
            }
        }
        self.file_noted();
        Action::Wait(self.deadlines.first().map(|(deadline, _)| deadline))
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called next. Changes nothing.
    ///
    /// The instant may be early, because a deadline pushed back is noted when the old one passes, of whose kind it is until then; it is never late.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Deadline> {
        let filed = self.deadlines.first().map(|(deadline, _)| deadline);
        let noted = self.deadlines.noted().chain(self.slots.touched()).filter_map(|slot| self.deadline_of(slot));
        filed.into_iter().chain(noted).min_by_key(|deadline| deadline.at)
    }

    // --- commands ---

    /// Begins a session with `peer` over `link`. [`Event::Established`](crate::Event::Established) or [`Event::Closed`](crate::Event::Closed) tells how it went.
    ///
    /// Messages may be sent at once; they leave behind CONNECT, within the peer's credit, and are held there until it accepts.
    ///
    /// # Errors
    /// [`ConnectError`]; nothing has changed then.
    pub fn connect(
        &mut self,
        peer: Peer<'_>,
        link: Link,
        options: ConnectOptions<'_>,
        now: Instant,
    ) -> Result<SessionId, ConnectError> {
        self.advance(now);
        let vacancy = self.vacancy();
        self.begin_attempt(vacancy, peer, link, options)
    }

    #[inline(never)]
    fn begin_attempt(
        &mut self,
        vacancy: Option<Vacancy>,
        peer: Peer<'_>,
        link: Link,
        options: ConnectOptions<'_>,
    ) -> Result<SessionId, ConnectError> {
        let (key, psk) = match peer {
            Peer::Known { key, psk } => (Some(key), psk),
            Peer::Unknown { psk } => (None, psk),
        };
        let carrier = *self.settings.config.carriers.get(usize::from(link.carrier.0)).ok_or(ConnectError::Carrier)?;
        let user_data = UserData::new(options.user_data).ok_or(ConnectError::UserData)?;
        if key.is_some_and(|key| self.settings.is_own(&key)) {
            return Err(ConnectError::Key);
        }
        if key.is_some_and(|key| self.refuses_second(&key)) {
            return Err(ConnectError::SecondSession);
        }
        let vacancy = vacancy.ok_or(ConnectError::TooManySessions)?;
        let checkpoint = self.shared.checkpoint();
        let local_id = self.routes.new_id(&self.shared.ids, &mut self.shared.generator);
        let mut context = Context { shared: &mut self.shared, settings: &self.settings, now: self.now };
        let attempt = match write_hello(&mut context, key.as_ref(), psk, local_id, &carrier) {
            Ok(attempt) => attempt,
            Err(error) => {
                self.shared.restore(checkpoint);
                return Err(error);
            }
        };
        let mut core = SessionCore::initiator(&mut context, vacancy.id, local_id, link, attempt);
        if !core.queue_connect(&mut context.shared.memory, user_data) {
            core.release(context.shared);
            self.shared.restore(checkpoint);
            return Err(ConnectError::NoMemory);
        }
        self.install(&vacancy, core);
        Ok(vacancy.id)
    }

    /// Answers peers that do not know our key, and takes whoever asks, until `until`; `None` ends it. Off until it is called.
    ///
    /// While it is on, anybody who can send us a datagram learns our public key, and what [`Event::Incoming`](crate::Event::Incoming) announces may come
    /// from a stranger: see [`SessionRef::is_first_contact`]. Sessions that have begun go on when it ends.
    pub fn set_pairing(&mut self, until: Option<Instant>, now: Instant) {
        self.advance(now);
        self.pairing_until = until.filter(|until| *until > self.now);
    }

    /// Lends out a session for commands; `None` if it is gone. `now` is when the commands are given.
    pub fn session_mut(&mut self, id: SessionId, now: Instant) -> Option<SessionMut<'_, P>> {
        self.advance(now);
        self.slots.contains(id).then(|| SessionMut::new(self, id))
    }

    /// Lends out a session for questions; `None` if it is gone.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Option<SessionRef<'_>> {
        self.slots.get(id).map(|core| SessionRef::new(&self.settings, core, &self.shared.memory))
    }

    /// Says that a closed session has nothing more to tell: after [`Event::Closed`](crate::Event::Closed) its slot is free at once,
    /// or when the quiet time is over. Without it the slot is free 10 seconds after the close or the last read.
    pub fn forget(&mut self, id: SessionId) {
        if self.slots.contains(id) {
            self.with(id.slot, |core, _| core.forget());
        }
    }

    /// Our end of `carrier` has another address, `local`: a socket was bound anew. Every session over it goes on from there and says so at once, so that
    /// its peer follows. Looks at every session.
    pub fn rebind(&mut self, carrier: Carrier, local: Address, now: Instant) {
        self.advance(now);
        for slot in 0..self.slots.high() {
            if self.slots.at(slot).is_some_and(|core| core.link().carrier == carrier) {
                self.with(slot, |core, context| core.rebind(context, local));
            }
        }
    }

    /// The system refused to send a datagram of `bytes` bytes over `link`, because what leads there takes none so long (`EMSGSIZE`): sessions over it, 64 of them
    /// at most, use smaller ones at once, and do not wait until three such datagrams were lost. Others are told when their own are refused.
    ///
    /// Only for what the system knows of its own interfaces. An error that ICMP brought is none of these, for anybody can forge it: on Linux a socket that is not
    /// connected and has `IP_PMTUDISC_PROBE` heeds none. Nothing makes datagrams smaller than [`CarrierConfig::min_datagram`](crate::CarrierConfig::min_datagram).
    pub fn datagram_refused(&mut self, link: &Link, bytes: usize, now: Instant) {
        self.advance(now);
        let Ok(bytes) = u16::try_from(bytes) else { return };
        let mut slots = [None; REFUSED_PER_CALL];
        let may_use = |slot: &u32| self.slots.at(*slot).is_some_and(|core| core.may_use(link, bytes));
        let affected = self.sessions_at(link.remote).map(|id| id.slot).filter(may_use);
        slots.iter_mut().zip(affected).for_each(|(noted, slot)| *noted = Some(slot));
        for slot in slots.into_iter().flatten() {
            self.with(slot, |core, context| core.on_refused(bytes, context.now));
        }
    }

    /// Every session there is, in no particular order.
    pub fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.slots.iter().map(|(_, core)| core.id())
    }

    /// How many sessions there are, closed ones that have not been forgotten included.
    #[must_use]
    pub fn session_count(&self) -> u32 {
        self.slots.used()
    }

    /// Datagrams discarded, by reason.
    #[must_use]
    pub fn discards(&self) -> &Discards {
        &self.discards
    }

    /// Our long-term public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        *self.settings.config.static_key.public()
    }

    /// Bytes of a buffer that is always enough for [`poll_action`](Self::poll_action).
    #[must_use]
    pub fn max_datagram(&self) -> usize {
        let largest = self.settings.config.carriers.iter().map(|carrier| usize::from(carrier.max_datagram)).max();
        largest.unwrap_or(0).max(crate::handshake::MAX_HANDSHAKE_PACKET)
    }

    /// Mixes fresh entropy into the generator; at any time.
    pub fn add_entropy(&mut self, seed: Seed) {
        self.shared.generator.add_entropy(seed);
    }

    /// Says that this process may share its past with another: after a fork, a clone or a restored snapshot of the machine.
    ///
    /// Two copies that went on would use the same keys and packet numbers twice. So every session ends here, unknown to its peer, before another
    /// packet leaves, and randomness begins anew from `seed`, which only this copy has.
    pub fn entropy_changed(&mut self, seed: Seed, now: Instant) {
        self.advance(now);
        self.shared.generator = Generator::new(seed);
        for slot in 0..self.slots.high() {
            self.with(slot, |core, context| core.end_unheard(context));
        }
    }

    /// SHA-256 over all state but discard counters: equal before and after a refused datagram.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = StateHash::new();
        self.digest_into(&mut hash);
        hash.finish()
    }

    /// A keyed hash of the same state that costs a tenth of the [`digest`](Self::digest), for who compares very often: two states that differ agree for a
    /// key drawn at random as good as never. It is no one-way function of the secrets that are in the state: to compare, not to show.
    #[must_use]
    pub fn checksum(&self, key: u64) -> u128 {
        let mut hash = StateHash::keyed(key);
        self.digest_into(&mut hash);
        hash.checksum()
    }

    // --- inside ---

    fn digest_into(&self, hash: &mut StateHash) {
        let Self {
            settings: _,
            shared,
            slots,
            routes: _,
            hellos: _,
            pending_peers: _,
            directory,
            deadlines: _,
            pending,
            pairing_until,
            now: _,
            discards: _,
        } = self;
        shared.digest_into(hash);
        for (slot, core) in slots.iter() {
            hash.u64(u64::from(slot));
            core.digest_into(&shared.memory, hash);
        }
        for queue in Queue::ALL {
            hash.option(self.first_of(queue).map(u64::from));
        }
        directory.digest_into(hash);
        hash.option(self.next_deadline().map(|deadline| deadline.at.as_micros()));
        hash.u64(u64::from(*pending));
        hash.option(pairing_until.map(Instant::as_micros));
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    #[inline(never)]
    fn handle_data(&mut self, datagram: &mut [u8], arrival: &Arrival) -> Result<(), DiscardReason> {
        let (id, number_offset) = data_header::parse_protected(datagram, ID_LENGTH)?;
        let slot = self.routes.find_often(name_of(&id)).ok_or(DiscardReason::UnknownSession)?;
        let core = self.slots.at_mut(slot).ok_or(DiscardReason::UnknownSession)?;
        let context = Context { shared: &mut self.shared, settings: &self.settings, now: self.now };
        // What does not open files nothing anew: not even a place in a queue may change.
        let opened = match core.open(context.shared, datagram, (id, number_offset), arrival) {
            Ok(opened) => opened,
            Err(reason) => {
                // But where forged packets are so many that new keys are due (P-8-4).
                if core.count_discard(reason, &self.settings.limits) {
                    self.file_touched();
                    self.file(slot);
                }
                return Err(reason);
            }
        };
        let is_unanswered = self.with(slot, |core, context| {
            core.receive(context, &opened);
            core.is_unanswered()
        });
        if is_unanswered == Some(true) {
            self.join_crossing(slot);
        }
        Ok(())
    }
}

fn check_limits(limits: &Limits, config: &Config) -> Result<(), ConfigError> {
    if !matches!(limits.block_size, 256 | 1024) {
        return Err(ConfigError::BlockSize);
    }
    let accepted: u64 = config.channel_limits.counts().iter().sum();
    if accepted.saturating_add(u64::from(limits.opened_channels)) > u64::from(MAX_DYNAMIC_CHANNELS) {
        return Err(ConfigError::DynamicChannels);
    }
    let windows = u64::from(data_blocks(limits, config)) * 2;
    let zero = [
        limits.sessions,
        limits.pending,
        limits.hot_keys,
        limits.send_blocks,
        limits.mailbox_blocks,
        limits.session_mailbox_blocks,
        limits.record_blocks,
        limits.forged_packets,
    ]
    .contains(&0);
    if zero
        || limits.session_window == 0
        || limits.channel_window == 0
        || limits.session_window.max(limits.channel_window) > varint::MAX
        || limits.spare_ids > MAX_SPARE_IDS
        || u64::from(limits.pool_blocks) < windows
    {
        return Err(ConfigError::Limits);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
