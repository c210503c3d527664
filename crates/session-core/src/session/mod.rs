//! One session: its state, and the commands and questions it takes.
//!
//! [`SessionCore`] is the state. Its methods take what sessions share as an argument ([`Context`]), so that an endpoint can
//! own many of them beside one pool. Applications see [`SessionMut`] and [`SessionRef`], which the endpoint lends out.

mod acknowledge;
mod begin;
mod channels;
#[cfg(test)]
mod check;
mod close;
mod commands;
mod control;
mod crossing;
mod deadlines;
mod digest;
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
use crate::handshake::Attempt;
use crate::ids::{ChannelId, Role, SessionId, Uid};
use crate::memory::Memory;
use crate::optional::OptionalNumber;
use crate::path::{AckTracker, AckWish, OwnIds, Path, SentLog};
use crate::shared::{Settings, Shared};
use crate::slab::SlabKey;
use crate::time::Instant;
use crate::wire::ReceiverId;

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
            return self.take_lasting_event(memory);
        }
        self.take_any_event(memory, settings)
    }

    /// It is established and has nothing to tell but of channels that last as long as it, and none of them waits for memory.
    #[inline]
    pub(crate) fn may_go_straight(&self) -> bool {
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
}

/// The name of the channel at `index`.
fn id_at(channels: &Channels, memory: &Memory, index: usize) -> ChannelId {
    channels.get(memory, index).map_or(ChannelId::CONTROL, |channel| channel.id)
}

impl Keys {
    /// The key phase of what is sealed.
    fn key_phase(&self) -> bool {
        !self.generation.is_multiple_of(2)
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
}

#[cfg(test)]
mod tests;
