//! One session: its state, and the commands and questions it takes.
//!
//! [`SessionCore`] is the state. Its methods take what sessions share as an argument ([`Context`]), so that an endpoint can
//! own many of them beside one pool. Applications see [`SessionMut`] and [`SessionRef`], which the endpoint lends out.

mod acknowledge;
mod channels;
#[cfg(test)]
mod check;
mod close;
mod commands;
mod control;
mod crossing;
mod deadlines;
mod discards;
mod dynamic;
mod events;
mod expiry;
mod forgeries;
mod ids;
mod keepalive;
mod late;
mod lifetime;
mod receive;
mod rekey;
mod roaming;
mod silence;
mod state;
mod stats;
pub(crate) mod straight;
mod transmit;

pub use lifetime::Expiry;
pub use state::State;
pub use stats::{ChannelStats, CloseReport, Heard, Stats};

pub(crate) use channels::data_blocks;
pub(crate) use state::{Phase, Trigger};
pub(crate) use transmit::Outcome;

use core::time::Duration;

use channels::Channels;
use channels::schedule::Wants;
use close::Closing;
use control::Control;
use deadlines::AttemptLimit;
use discards::OwnDiscards;
use events::{ChannelEvent, Events};
use forgeries::Forgeries;
use keepalive::Keepalive;
use lifetime::Lifetime;
use stats::Counters;

use crate::action::{Address, Event, Link};
use crate::crypto::keys::SessionSecrets;
use crate::crypto::replay::ReplayWindow;
use crate::crypto::{Provider, PublicKey};
use crate::handshake::{Agreed, AgreedReply, AnsweredHello, Attempt, InitiatorNoise, VerifiedFinish};
use crate::ids::{ChannelId, Role, SessionId, Uid};
use crate::limits::MIN_UDP_DATAGRAM;
use crate::memory::Memory;
use crate::optional::OptionalNumber;
use crate::path::{AckTracker, AckWish, OwnIds, Path, SentLog};
use crate::pool::Pool;
use crate::recovery::PathMtu;
use crate::shared::{Context, Settings, Shared};
use crate::slab::SlabKey;
use crate::state_hash::StateHash;
use crate::time::Instant;
use crate::wire::{ControlMessage, ReceiverId, TransportParameters, UserData};

/// Packet numbers between two that are left out, at least.
const LEAST_SKIP_DISTANCE: u64 = 256;

/// The whole state of one session.
pub(crate) struct SessionCore {
    id: SessionId,
    role: Role,
    phase: Phase,
    peer: Remote,
    /// The first of our ids, from which the others follow.
    local_id: ReceiverId,
    own_ids: OwnIds,
    /// The peer's id in use.
    remote_id: Option<ReceiverId>,
    /// Where its others are kept, once it gave any.
    peer_ids: SlabKey,
    /// Where paths beside the one in use are kept, while there are any.
    others: SlabKey,
    /// How often it went on over another path.
    path_changes: u16,
    /// Where the attempt is kept, while it lasts.
    attempt: SlabKey,
    keys: Keys,
    packets: Packets,
    path: Path,
    channels: Channels,
    control: Control,
    clocks: Clocks,
    closing: Closing,
    events: Events,
    counters: Counters,
    discards: OwnDiscards,
}

/// Who the other end is, as far as the handshake has told.
#[derive(Default)]
struct Remote {
    /// On first contact unknown until the peer has shown it.
    key: Option<PublicKey>,
    first_contact: bool,
    /// The place of the pre-shared key in use; 0 is none.
    psk: u16,
    node_type: u8,
    /// Bytes of the longest datagram it takes.
    largest_datagram: u16,
    capabilities: u64,
}

/// The session's secrets and where its expanded keys may still be.
struct Keys {
    secrets: Option<SessionSecrets>,
    uid: Option<Uid>,
    owner: u64,
    hint: u32,
    /// Exchanges of keys so far that are concluded; the lowest bit is the key phase.
    generation: u32,
    /// Where an exchange is kept, and the keys before it.
    rekey: SlabKey,
    forged: Forgeries,
}

/// Packet numbers in both directions.
struct Packets {
    next_number: u64,
    /// This number is not going to be used.
    skip: u64,
    /// How far below `skip`, and then below each other, the latest numbers are that were not used, 0 for none; acknowledging one is a lie.
    skipped: [u16; 4],
    /// Packets sealed with these keys.
    sealed: u32,
    /// Packets of the peer that were opened since they came into use, up to 65,535.
    opened: u16,
    largest_acked: OptionalNumber,
    replay: ReplayWindow,
    acks: AckTracker,
    log: SentLog,
    /// A hint that all there is to send may be one message: a short one was queued since a packet was made.
    plain: bool,
    /// An acknowledgement is due whatever the tracker says: its deadline was served.
    ack_forced: bool,
    /// PING is due.
    ping_due: bool,
    wish: AckWish,
}

/// When things last happened.
struct Clocks {
    /// The attempt began; the first PENDING begins it anew. Once it has come to its end, the keys in use came into use then.
    attempt_at: Instant,
    attempt_limit: AttemptLimit,
    /// An authentic packet came last.
    received_at: Instant,
    /// The last keepalive was asked for.
    keepalive_at: Instant,
    keepalive: Keepalive,
    /// Nobody counts as lost before: set where a deadline was served late, because the machine slept.
    grace_until: Instant,
    /// What was sent has had no answer for three probe timeouts, and nothing else came.
    silent: bool,
    /// User data moved last.
    user_data_at: Instant,
    lifetime: Lifetime,
}

impl SessionCore {
    pub(crate) fn initiator<P: Provider>(
        context: &mut Context<'_, P>,
        id: SessionId,
        local_id: ReceiverId,
        link: Link,
        attempt: Attempt,
    ) -> Self {
        let (noise, psk) = attempt.noise().unzip();
        let peer = noise.and_then(InitiatorNoise::responder).copied();
        let psk_place = context.settings.config.psk_place(psk.flatten());
        let mut session = Self::new(context, id, Role::Initiator, peer, local_id, link);
        session.peer.psk = psk_place;
        session.keep_attempt(&mut context.shared.memory, attempt);
        session
    }

    pub(crate) fn responder<P: Provider>(
        context: &mut Context<'_, P>,
        id: SessionId,
        local_id: ReceiverId,
        link: Link,
        hello: AnsweredHello,
    ) -> Self {
        let AnsweredHello { attempt, remote_id, psk, agreed } = hello;
        let peer = agreed.as_ref().map(|(peer, _)| *peer);
        let mut session = Self::new(context, id, Role::Responder, peer, local_id, link);
        session.keep_attempt(&mut context.shared.memory, attempt);
        session.remote_id = Some(remote_id);
        session.peer.psk = context.settings.config.psk_place(psk.as_ref());
        if let Some((_, Agreed { secrets, parameters, fits })) = agreed {
            session.control.unfit = !fits;
            session.adopt(context, secrets, &parameters);
        }
        session
    }

    fn new<P: Provider>(
        context: &mut Context<'_, P>,
        id: SessionId,
        role: Role,
        peer: Option<PublicKey>,
        local_id: ReceiverId,
        link: Link,
    ) -> Self {
        let Context { shared, settings, now } = context;
        let carrier = settings.config.carriers.get(usize::from(link.carrier.0));
        let (least, most) = carrier.map_or((MIN_UDP_DATAGRAM, MIN_UDP_DATAGRAM), |c| (c.min_datagram, c.max_datagram));
        let mtu = PathMtu::new(least, most, *now);
        Self {
            id,
            role,
            phase: if role == Role::Initiator { Phase::Connecting } else { Phase::Tentative },
            peer: Remote { key: peer, first_contact: peer.is_none(), largest_datagram: u16::MAX, ..Remote::default() },
            local_id,
            own_ids: OwnIds::of(&local_id),
            remote_id: None,
            peer_ids: SlabKey::NOWHERE,
            others: SlabKey::NOWHERE,
            path_changes: 0,
            attempt: SlabKey::NOWHERE,
            keys: Keys {
                secrets: None,
                uid: None,
                owner: shared.next_key_owner(),
                hint: u32::MAX,
                generation: 0,
                rekey: SlabKey::NOWHERE,
                forged: Forgeries::default(),
            },
            packets: Packets {
                next_number: 0,
                skip: 1 + shared.generator.below(64),
                skipped: [0; 4],
                sealed: 0,
                opened: 0,
                largest_acked: OptionalNumber::NONE,
                replay: ReplayWindow::default(),
                acks: AckTracker::new(),
                log: SentLog::new(u16::try_from(settings.limits.record_blocks).unwrap_or(u16::MAX)),
                plain: false,
                ack_forced: false,
                ping_due: false,
                wish: AckWish::new(),
            },
            path: Path::new(link, settings.config.congestion_control, mtu, *now),
            channels: Channels::open(&mut shared.memory, &settings.config, &settings.limits),
            control: Control::default(),
            clocks: Clocks {
                attempt_at: *now,
                attempt_limit: if role == Role::Initiator { AttemptLimit::Connect } else { AttemptLimit::Tentative },
                received_at: *now,
                keepalive_at: *now,
                keepalive: Keepalive::default(),
                grace_until: *now,
                silent: false,
                user_data_at: *now,
                lifetime: Lifetime::default(),
            },
            closing: Closing::default(),
            events: Events::default(),
            counters: Counters::default(),
            discards: OwnDiscards::default(),
        }
    }

    /// Queues CONNECT with `user_data`. `false` if there is no memory for it.
    pub(crate) fn queue_connect(&mut self, memory: &mut Memory, user_data: UserData<'_>) -> bool {
        self.queue_control(memory, &ControlMessage::Connect { user_data })
    }

    /// The Reply to our Hello has verified: keys are agreed, and CONNECT may leave.
    pub(crate) fn on_reply<P: Provider>(&mut self, context: &mut Context<'_, P>, reply: AgreedReply) {
        if !self.follow(Trigger::ReplyVerified) {
            return;
        }
        let AgreedReply { secrets, parameters, remote_id, finish } = reply;
        let Memory { pool, attempts, .. } = &mut context.shared.memory;
        match (finish, attempts.get_mut(self.attempt)) {
            (Some((peer, packet)), Some(attempt)) => {
                self.peer.key = Some(peer);
                attempt.begin_finishing(pool, packet.as_bytes());
            }
            _ => self.end_attempt(&mut context.shared.memory),
        }
        self.remote_id = Some(remote_id);
        self.clocks.received_at = context.now;
        self.adopt(context, secrets, &parameters);
    }

    /// The Finish of a first contact has verified: keys are agreed, and the first data packet confirms them.
    pub(crate) fn on_finish<P: Provider>(&mut self, context: &mut Context<'_, P>, finish: VerifiedFinish) {
        let VerifiedFinish { peer, agreed: Agreed { secrets, parameters, fits } } = finish;
        if let Some(attempt) = context.shared.memory.attempts.get_mut(self.attempt) {
            attempt.forget_noise();
        }
        self.peer.key = Some(peer);
        self.control.unfit = !fits;
        self.clocks.received_at = context.now;
        self.adopt(context, secrets, &parameters);
    }

    /// Nothing of the attempt is needed any more.
    fn end_attempt(&mut self, memory: &mut Memory) {
        let key = core::mem::take(&mut self.attempt);
        if let Some(attempt) = memory.attempts.get_mut(key) {
            attempt.release(&mut memory.pool);
            memory.attempts.discard(key);
        }
    }

    fn keep_attempt(&mut self, memory: &mut Memory, attempt: Attempt) {
        let kept = memory.attempts.insert(attempt);
        debug_assert!(kept.is_ok(), "there is room for the attempt of every session");
        self.attempt = kept.unwrap_or_default();
    }

    /// Takes over what a verified handshake message brought.
    fn adopt<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        secrets: SessionSecrets,
        parameters: &TransportParameters,
    ) {
        let Context { shared, settings, now } = context;
        self.keys.uid = Some(Uid(secrets.uid()));
        self.keys.secrets = Some(secrets);
        self.peer.node_type = parameters.node_type;
        self.peer.capabilities = parameters.capabilities;
        self.channels.set_initial_credit(&mut shared.memory, &settings.config, &settings.limits, parameters);
        self.path.set_peer_max_ack_delay(parameters.max_ack_delay);
        self.peer.largest_datagram = u16::try_from(parameters.largest_datagram).unwrap_or(u16::MAX);
        self.path.bound_datagrams(self.peer.largest_datagram, *now);
        self.own_ids.set_most(parameters.ids.min(settings.limits.kept_ids()));
        let permille = 900 + shared.generator.below(201) as u16;
        let timeouts = &settings.config.timeouts;
        self.clocks.keepalive = Keepalive::agree(self.role, timeouts, parameters.keepalive, permille);
    }

    /// Moves along the table; `false` and no change where the trigger means nothing.
    fn follow(&mut self, trigger: Trigger) -> bool {
        let Some(next) = self.phase.after(trigger) else { return false };
        self.phase = next;
        true
    }

    pub(crate) fn id(&self) -> SessionId {
        self.id
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// The peer's key; on first contact once it has shown it.
    pub(crate) fn peer(&self) -> Option<&PublicKey> {
        self.peer.key.as_ref()
    }

    /// The place of the pre-shared key that was used, or is to be, among those of the configuration; 0 is none.
    pub(crate) fn psk_place(&self) -> u16 {
        self.peer.psk
    }

    pub(crate) fn is_first_contact(&self) -> bool {
        self.peer.first_contact
    }

    pub(crate) fn peer_node_type(&self) -> Option<u8> {
        self.keys.uid.map(|_| self.peer.node_type)
    }

    pub(crate) fn peer_capabilities(&self) -> Option<u64> {
        self.keys.uid.map(|_| self.peer.capabilities)
    }

    pub(crate) fn local_id(&self) -> ReceiverId {
        self.local_id
    }

    pub(crate) fn link(&self) -> Link {
        self.path.link
    }

    /// The peer's end of it.
    pub(crate) fn remote(&self) -> &Address {
        &self.path.link.remote
    }

    /// Bytes it may send in one turn of `turn`, a datagram at least.
    pub(crate) fn bytes_in(&self, turn: Duration) -> u64 {
        self.path.bytes_in(turn)
    }

    pub(crate) fn mac1_of_hello(&self, memory: &Memory) -> Option<[u8; 16]> {
        self.attempt(memory).and_then(Attempt::mac1_of_hello)
    }

    pub(crate) fn attempt<'m>(&self, memory: &'m Memory) -> Option<&'m Attempt> {
        memory.attempts.get(self.attempt)
    }

    /// The Hello came again: so does the Reply.
    pub(crate) fn queue_reply(&self, memory: &mut Memory) {
        if self.phase == Phase::Tentative
            && let Some(attempt) = memory.attempts.get_mut(self.attempt)
        {
            attempt.queue();
        }
    }

    pub(crate) fn take_event(&mut self, memory: &mut Memory, settings: &Settings) -> Option<Event> {
        // Most of the time: what the general way would come to, with nothing of the session's before it.
        if self.events.is_lasting_only() {
            let channels = &self.channels;
            return self.events.take_lasting(self.id, |index| id_at(channels, memory, index));
        }
        self.take_any_event(memory, settings)
    }

    /// It is established and has nothing to tell but of channels that last as long as it, and none of them waits for memory.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.phase == Phase::Established && self.events.is_lasting_only() && !self.channels.refused
    }

    /// The next event of a channel that lasts as long as the session.
    #[inline]
    pub(crate) fn take_lasting_event(&mut self, memory: &Memory) -> Option<Event> {
        let channels = &self.channels;
        self.events.take_lasting(self.id, |index| id_at(channels, memory, index))
    }

    /// Finds out whether still some channel waits to be told that there is room.
    #[inline]
    pub(crate) fn review_refusals(&mut self, memory: &Memory) {
        if self.channels.refused {
            let waits = self.channels.iter(memory).any(|channel| channel.blocked);
            self.channels.refused = waits;
        }
    }

    #[inline(never)]
    fn take_any_event(&mut self, memory: &mut Memory, settings: &Settings) -> Option<Event> {
        if !self.has_events() {
            return None;
        }
        let channels = &self.channels;
        let mut event = self.events.take(self.id, |index| id_at(channels, memory, index));
        if event.is_none() && self.events.may_have_dynamic() {
            event = self.take_channel_event(memory, settings);
        }
        if event.is_none() && self.has_events() {
            event = self.events.take_last(self.id);
        }
        if matches!(event, Some(Event::Closed(_))) {
            self.closing.reported = true;
        }
        event
    }

    /// `Closed` waits until CLOSE has been handed out, so that who stops or begins anew on it has told the peer.
    #[inline]
    pub(crate) fn has_events(&self) -> bool {
        if self.closing.due { !self.events.is_over() } else { !self.events.is_empty() }
    }

    /// Blocks of memory it waits for, if it waits for nothing else.
    pub(crate) fn starved(&self, memory: &Memory) -> Option<u32> {
        self.starved_of(&self.channels.wants(memory))
    }

    /// The same by what its channels want.
    pub(crate) fn starved_of(&self, wants: &Wants) -> Option<u32> {
        wants.starved.filter(|_| self.phase.takes_data())
    }

    /// What its channels want.
    pub(crate) fn wants(&self, memory: &Memory) -> Wants {
        self.channels.wants(memory)
    }

    /// It has data to send, and what others hold of the memory keeps it from doing so.
    pub(crate) fn awaits_record(&self, memory: &Memory) -> bool {
        self.phase.exchanges_data()
            && self.packets.log.wants_block(&memory.pool)
            && self.channels.has_data(memory, &self.channels.wants(memory), false)
    }

    /// There is memory again.
    pub(crate) fn feed(&mut self, memory: &mut Memory) {
        let mut place = self.channels.place_after(memory, None);
        while let Some(index) = place {
            if let Some(channel) = self.channels.get_mut(memory, index).filter(|channel| channel.is_starved()) {
                channel.blocked = false;
                self.events.raise_on(&mut memory.dynamics, index, ChannelEvent::Writable);
            }
            place = self.channels.place_after(memory, place);
        }
    }

    /// Gives everything back that the session holds of the shared state.
    pub(crate) fn release<P: Provider>(&mut self, shared: &mut Shared<P>) {
        self.channels.release(&mut shared.memory);
        self.packets.log.release(&mut shared.memory.pool);
        self.control.user_data.release(&mut shared.memory.pool);
        self.forget_losses(&mut shared.memory);
        self.closing.release(&mut shared.memory);
        self.end_attempt(&mut shared.memory);
        shared.memory.peer_ids.remove(core::mem::take(&mut self.peer_ids));
        self.release_others(&mut shared.memory);
        self.forget_keys(shared);
    }

    /// Drops the secrets and the expanded keys.
    fn forget_keys<P: Provider>(&mut self, shared: &mut Shared<P>) {
        self.keys.secrets = None;
        shared.keys.forget(self.keys.owner, self.keys.hint);
        self.end_rekey(shared);
    }

    /// Discard counters are left out, and what is counted from them: they are all that unauthenticated input may change. The hint is where a cache entry was.
    pub(crate) fn digest_into(&self, memory: &Memory, hash: &mut StateHash) {
        let pool = &memory.pool;
        let Self {
            id,
            role,
            phase,
            peer,
            local_id,
            own_ids,
            remote_id,
            peer_ids: _,
            others: _,
            path_changes,
            attempt: _,
            keys,
            packets,
            path,
            channels,
            control,
            clocks,
            closing,
            events,
            counters,
            discards: _,
        } = self;
        hash.u64(id.as_u64());
        hash.u64(*role as u64);
        hash.u64(*phase as u64);
        peer.digest_into(hash);
        hash.bytes(local_id.as_bytes());
        hash.bytes(remote_id.as_ref().map_or(&[], ReceiverId::as_bytes));
        own_ids.digest_into(hash);
        hash.u64(u64::from(*path_changes));
        let peer_ids = memory.peer_ids.get(self.peer_ids);
        hash.flag(peer_ids.is_some());
        if let Some(peer_ids) = peer_ids {
            peer_ids.digest_into(hash);
        }
        if let Some(others) = memory.others.get(self.others) {
            others.digest_into(hash);
        }
        let attempt = self.attempt(memory);
        hash.flag(attempt.is_some());
        if let Some(attempt) = attempt {
            attempt.digest_into(pool, hash);
        }
        keys.digest_into(memory, hash);
        packets.digest_into(pool, hash);
        path.digest_into(hash);
        let episode = memory.episodes.get(path.episode);
        hash.flag(episode.is_some());
        if let Some(episode) = episode {
            episode.digest_into(hash);
        }
        channels.digest_into(memory, hash);
        control.digest_into(pool, hash);
        clocks.digest_into(hash);
        closing.digest_into(memory, hash);
        events.digest_into(hash);
        counters.digest_into(hash);
    }
}

/// The name of the channel at `index`.
fn id_at(channels: &Channels, memory: &Memory, index: usize) -> ChannelId {
    channels.get(memory, index).map_or(ChannelId::CONTROL, |channel| channel.id)
}

impl Remote {
    fn digest_into(&self, hash: &mut StateHash) {
        let Self { key, first_contact, psk, node_type, largest_datagram, capabilities } = self;
        hash.bytes(key.as_ref().map_or(&[], |key| key.as_bytes()));
        hash.u64(u64::from(*psk));
        hash.flag(*first_contact);
        hash.u64(u64::from(*node_type));
        hash.u64(u64::from(*largest_datagram));
        hash.u64(*capabilities);
    }
}

impl Keys {
    /// The key phase of what is sealed.
    fn key_phase(&self) -> bool {
        !self.generation.is_multiple_of(2)
    }

    fn digest_into(&self, memory: &Memory, hash: &mut StateHash) {
        let Self { secrets, uid, owner, hint: _, generation, rekey, forged: _ } = self;
        hash.flag(secrets.is_some());
        if let Some(secrets) = secrets {
            secrets.digest_into(hash);
        }
        hash.bytes(uid.as_ref().map_or(&[], |uid| &uid.0));
        hash.u64(*owner);
        hash.u64(u64::from(*generation));
        let rekey = memory.rekeys.get(*rekey);
        hash.flag(rekey.is_some());
        if let Some(rekey) = rekey {
            rekey.digest_into(hash);
        }
    }
}

impl Packets {
    /// `number` has been used: goes on to the next, and past one to leave out picks another, `distance` more than the least away.
    fn use_number(&mut self, number: u64, distance: impl FnOnce() -> u64) {
        if number > self.skip {
            let skip = number + LEAST_SKIP_DISTANCE + distance();
            self.skipped.rotate_right(1);
            self.skipped[0] = u16::try_from(skip - self.skip).unwrap_or(0);
            self.skip = skip;
        }
        self.next_number = number + 1;
        self.sealed = self.sealed.saturating_add(1);
    }

    /// The latest numbers that were not used.
    fn skipped(&self) -> impl Iterator<Item = u64> {
        let distances = self.skipped.into_iter().take_while(|distance| *distance > 0);
        distances.scan(self.skip, |number, distance| {
            *number -= u64::from(distance);
            Some(*number)
        })
    }

    /// A number nobody used: above all sent, or left out on purpose.
    #[inline]
    fn never_sent(&self, low: u64, high: u64) -> bool {
        high >= self.next_number || self.skipped().any(|skipped| (low..=high).contains(&skipped))
    }

    fn digest_into(&self, pool: &Pool, hash: &mut StateHash) {
        let Self {
            next_number,
            skip,
            skipped,
            sealed,
            opened,
            largest_acked,
            replay,
            acks,
            log,
            plain: _,
            ack_forced,
            ping_due,
            wish,
        } = self;
        hash.u64(*next_number);
        hash.u64(*skip);
        for distance in skipped {
            hash.u64(u64::from(*distance));
        }
        hash.u64(u64::from(*sealed));
        hash.u64(u64::from(*opened));
        hash.option(largest_acked.get());
        replay.digest_into(hash);
        acks.digest_into(hash);
        log.digest_into(pool, hash);
        hash.flag(*ack_forced);
        hash.flag(*ping_due);
        wish.digest_into(hash);
    }
}

impl Clocks {
    fn digest_into(&self, hash: &mut StateHash) {
        let Self {
            attempt_at,
            attempt_limit,
            received_at,
            keepalive_at,
            keepalive,
            grace_until,
            silent,
            user_data_at,
            lifetime,
        } = self;
        for at in [attempt_at, received_at, keepalive_at, grace_until, user_data_at] {
            hash.u64(at.as_micros());
        }
        hash.flag(*silent);
        hash.u64(*attempt_limit as u64);
        keepalive.digest_into(hash);
        lifetime.digest_into(hash);
    }
}

#[cfg(test)]
mod tests;
