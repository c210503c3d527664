//! A session's channels, the credit given and received on them, and the memory that backs the credit.

pub(crate) mod dynamic;
mod next;
mod receiving;
pub(super) mod schedule;

use crate::channel::{Channel, Dynamic, Expiry, Ledger, Mailbox, Skips, positions_per_block};
use crate::channel_config::{ChannelConfig, ChannelMode};
use crate::config::Config;
use crate::ids::ChannelId;
use crate::limits::{CHANNELS, CONTROL_WINDOW, Limits};
use crate::memory::Memory;
use crate::pool::{Pool, Reservation};
use crate::slab::{Slab, SlabKey};
use crate::state_hash::StateHash;
use crate::wire::TransportParameters;
use dynamic::{key_at, place_of};

/// Position of the control channel.
pub(crate) const CONTROL: usize = 0;
/// The priority that may exceed the window a little.
const URGENT: u8 = 0;
/// Session credit that bulk data never uses up where there are urgent channels; what is left is renewed before it is less (P-9-11).
const URGENT_CREDIT: u64 = 4096;

/// The channels of one session. The first is the control channel, which has credit of its own.
pub(crate) struct Channels {
    /// Where those are kept that are always there; only the first `count` are open.
    keys: [SlabKey; CHANNELS],
    count: u8,
    /// A message has a deadline, or the peer is to hear of one that was given up.
    pub(crate) expiring: bool,
    /// Some channel had no room for a message, and `Writable` was not raised on each since.
    pub(crate) refused: bool,
    /// Where it is kept what dynamic channels there are; nowhere if there can be none.
    ledger: SlabKey,
    /// Backs the whole session credit while any application channel holds a block.
    data: Backing,
    /// The same for the control channel.
    control: Backing,
    /// The peer takes this many positions over all application channels.
    send_maximum: u64,
    /// The peer's window of one channel, or its share of the session's.
    peer_window: u64,
    /// Of these, what channels that are not urgent leave to those that are.
    urgent_share: u64,
    /// We take this many.
    receive_maximum: u64,
    /// MAX_DATA is due.
    pub(crate) announce: bool,
}

/// A reservation and the number of blocks it must cover.
#[derive(Default)]
struct Backing {
    reservation: Reservation,
    blocks: u32,
    secured: bool,
}

/// What storing DATA did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Position of its channel.
    pub(crate) index: usize,
    /// More can be read than before.
    pub(crate) advanced: bool,
}

/// Why DATA was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreError {
    UnknownChannel,
    /// DATA on a channel of MESSAGE frames, or the other way round.
    Mode,
    FlowControl,
    Contradiction,
    /// It does not agree with where the channel ends.
    FinalSize,
    OffsetOverflow,
    NoMemory,
}

impl Channels {
    /// Opens the control channel and those agreed beforehand. Must be released.
    pub(crate) fn open(memory: &mut Memory, config: &Config, limits: &Limits) -> Self {
        let agreed = &config.channels;
        let per_block = positions_per_block(limits.block_size as usize);
        let application = agreed.len().min(CHANNELS - 1);
        let mut keys = [SlabKey::NOWHERE; CHANNELS];
        let control = ChannelConfig::from(ChannelId::CONTROL);
        let windows = agreed.iter().map(|config| (config, limits.channel_window, limits.send_blocks));
        let all = [(&control, CONTROL_WINDOW, u32::MAX)].into_iter().chain(windows);
        for (key, (config, window, send_blocks)) in keys.iter_mut().zip(all) {
            let mut channel = Channel::new(config, window, send_blocks);
            if config.mode.stands_alone() {
                let mailbox = Mailbox::new(config.mode == ChannelMode::LatestValue, limits.mailbox_blocks);
                let posted = memory.mailboxes.insert(mailbox);
                debug_assert!(posted.is_ok(), "there is room for the mailboxes of every session");
                channel.mailbox = posted.unwrap_or(SlabKey::NOWHERE);
            }
            let opened = memory.channels.insert(channel);
            debug_assert!(opened.is_ok(), "there is room for the channels of every session");
            *key = opened.unwrap_or(SlabKey::NOWHERE);
        }
        // There is room for one of each session, or for none at all.
        let ledger = memory.ledgers.insert(Ledger::new(config.channel_limits.counts()));
        Self {
            keys,
            count: (application + 1) as u8,
            ledger: ledger.unwrap_or(SlabKey::NOWHERE),
            expiring: false,
            refused: false,
            data: Backing { blocks: data_blocks(limits, config), ..Backing::default() },
            control: Backing { blocks: CONTROL_WINDOW.div_ceil(per_block) as u32 + 1, ..Backing::default() },
            send_maximum: 0,
            peer_window: 0,
            urgent_share: 0,
            receive_maximum: limits.session_window,
            announce: false,
        }
    }

    /// Takes the peer's initial credit out of its transport parameters.
    pub(crate) fn set_initial_credit(
        &mut self,
        memory: &mut Memory,
        config: &Config,
        limits: &Limits,
        parameters: &TransportParameters,
    ) {
        let TransportParameters {
            session_credit, channel_credit, control_credit, channel_limits, largest_message, ..
        } = *parameters;
        let largest_alone = if largest_message == 0 { u64::MAX } else { largest_message };
        self.send_maximum = session_credit;
        if let Some(ledger) = self.ledger_mut(memory) {
            ledger.first_credit = channel_credit;
            ledger.largest_alone = largest_alone;
            ledger.may_open = channel_limits;
        }
        let [ordered, unordered, ..] = channel_limits;
        let ours = u64::from(limits.opened_channels).min(ordered.saturating_add(unordered));
        let most =
            (self.credited(memory).count() as u64).saturating_add(ours).saturating_add(accepted_reliable(config));
        // Messages of that size on all channels at once fit the session's credit: none waits for another's rest.
        let share = session_credit / most.max(1);
        self.peer_window = channel_credit.min(share);
        let has_urgent = self.credited(memory).any(|channel| channel.priority == URGENT);
        self.urgent_share = if has_urgent { share.min(URGENT_CREDIT) } else { 0 };
        self.for_each(memory, |index, entry| {
            entry.send_maximum = match index {
                CONTROL => control_credit,
                _ if entry.mode.stands_alone() => largest_alone,
                _ => channel_credit,
            };
        });
    }

    pub(crate) fn find(&self, memory: &Memory, id: ChannelId) -> Option<usize> {
        // Mostly they are numbered in the order in which they were agreed.
        let likely = id.0.checked_sub(ChannelId::FIRST_AGREED - 1).map_or(CONTROL, |place| place as usize);
        let key = self.keys.get(likely).filter(|_| likely < usize::from(self.count));
        if key.and_then(|key| memory.channels.get(*key)).is_some_and(|channel| channel.id == id) {
            return Some(likely);
        }
        self.find_anywhere(memory, id)
    }

    /// The channel of that name, where it is the application's and stands at its likely place among those agreed beforehand: most do, and it is looked up once.
    #[inline]
    pub(crate) fn agreed_mut<'m>(&self, channels: &'m mut Slab<Channel>, id: ChannelId) -> Option<&'m mut Channel> {
        let place =
            id.0.checked_sub(ChannelId::FIRST_AGREED)?.checked_add(1).filter(|place| *place < u64::from(self.count))?;
        channels.get_mut(*self.keys.get(place as usize)?).filter(|channel| channel.id == id)
    }

    #[inline(never)]
    fn find_anywhere(&self, memory: &Memory, id: ChannelId) -> Option<usize> {
        if id.is_dynamic() {
            return self.dynamics(memory).find(|(_, _, channel)| channel.id == id).map(|(index, ..)| index);
        }
        let is_it = |key: &SlabKey| memory.channels.get(*key).is_some_and(|channel| channel.id == id);
        self.keys.get(..usize::from(self.count))?.iter().position(is_it)
    }

    pub(crate) fn get<'m>(&self, memory: &'m Memory, index: usize) -> Option<&'m Channel> {
        memory.channels.get(self.key(&memory.dynamics, index)?)
    }

    pub(crate) fn get_mut<'m>(&self, memory: &'m mut Memory, index: usize) -> Option<&'m mut Channel> {
        self.get_in(&memory.dynamics, &mut memory.channels, index)
    }

    /// The same where the rest of the memory is in use beside it.
    pub(crate) fn get_in<'m>(
        &self,
        dynamics: &Slab<Dynamic>,
        channels: &'m mut Slab<Channel>,
        index: usize,
    ) -> Option<&'m mut Channel> {
        channels.get_mut(self.key(dynamics, index)?)
    }

    fn key(&self, dynamics: &Slab<Dynamic>, index: usize) -> Option<SlabKey> {
        match key_at(index) {
            Some(key) => dynamics.get(key).map(|dynamic| dynamic.channel),
            None => self.keys.get(index).copied(),
        }
    }

    /// All channels: the control channel first, then those agreed beforehand, then the dynamic ones.
    pub(crate) fn iter<'m>(&self, memory: &'m Memory) -> impl Iterator<Item = &'m Channel> {
        self.entries(memory).map(|(_, channel)| channel)
    }

    /// The same with their places.
    pub(crate) fn entries<'m>(&self, memory: &'m Memory) -> impl Iterator<Item = (usize, &'m Channel)> {
        let lasting = self.keys.iter().enumerate().take(usize::from(self.count));
        let lasting = lasting.filter_map(|(index, key)| Some((index, memory.channels.get(*key)?)));
        lasting.chain(self.dynamics(memory).map(|(index, _, channel)| (index, channel)))
    }

    /// There may be dynamic channels.
    #[inline]
    pub(crate) fn has_ledger(&self) -> bool {
        self.ledger != SlabKey::NOWHERE
    }

    /// Where those are kept that are always there.
    #[inline]
    fn lasting(&self) -> &[SlabKey] {
        self.keys.get(..usize::from(self.count)).unwrap_or(&self.keys)
    }

    /// What [`entries`](Self::entries) gives, for who looks at all of them, without what an iterator that may stop costs.
    pub(crate) fn visit<'m>(&self, memory: &'m Memory, mut look: impl FnMut(usize, &'m Channel)) {
        for (index, key) in self.lasting().iter().enumerate() {
            if let Some(channel) = memory.channels.get(*key) {
                look(index, channel);
            }
        }
        if self.has_ledger() {
            self.dynamics(memory).for_each(|(index, _, channel)| look(index, channel));
        }
    }

    pub(crate) fn for_each(&self, memory: &mut Memory, mut operation: impl FnMut(usize, &mut Channel)) {
        let Memory { channels, dynamics, ledgers, .. } = memory;
        for (index, key) in self.keys.iter().enumerate().take(usize::from(self.count)) {
            if let Some(channel) = channels.get_mut(*key) {
                operation(index, channel);
            }
        }
        let mut key = ledgers.get(self.ledger).map_or(SlabKey::NOWHERE, |ledger| ledger.first);
        while let Some(dynamic) = dynamics.get(key) {
            if let Some(channel) = channels.get_mut(dynamic.channel) {
                operation(place_of(key), channel);
            }
            key = dynamic.next;
        }
    }

    /// The place after the one at `before`, or the first: for loops that need the memory meanwhile.
    pub(crate) fn place_after(&self, memory: &Memory, before: Option<usize>) -> Option<usize> {
        let next = before.map_or(0, |before| before + 1);
        if next < usize::from(self.count) {
            return Some(next);
        }
        self.dynamic_after(memory, before.filter(|before| *before >= CHANNELS))
    }

    pub(crate) fn on_max_data(&mut self, maximum: u64) {
        self.send_maximum = self.send_maximum.max(maximum);
    }

    /// The peer's application took what lies below `offset`; returns whether that is news.
    pub(crate) fn on_receipt(&self, memory: &mut Memory, index: usize, offset: u64) -> Result<bool, StoreError> {
        let channel = self.get_mut(memory, index).ok_or(StoreError::UnknownChannel)?;
        channel.on_receipt(offset).ok_or(StoreError::Contradiction)
    }

    pub(crate) fn on_max_channel_data(&self, memory: &mut Memory, index: usize, maximum: u64) {
        if let Some(channel) = self.get_mut(memory, index).filter(|channel| !channel.mode.stands_alone()) {
            channel.send_maximum = channel.send_maximum.max(maximum);
        }
    }

    /// The application's channels that draw on the session's credit.
    fn credited<'m>(&self, memory: &'m Memory) -> impl Iterator<Item = &'m Channel> {
        self.iter(memory).skip(1).filter(|channel| !channel.mode.stands_alone())
    }

    /// Positions the peer holds of one channel at most.
    pub(crate) fn peer_window(&self) -> u64 {
        self.peer_window
    }

    /// The peer's stack holds everything that was not given up, and knows what was.
    pub(crate) fn is_all_acked(&self, memory: &Memory) -> bool {
        let knows = |channel: &Channel| memory.expiries.get(channel.expiry).is_none_or(Expiry::is_known);
        let acked = self.iter(memory).all(|channel| channel.outbox.is_all_acked() && knows(channel));
        acked && self.owes_no_signal(memory)
    }

    /// Packet `number`, in which SKIP left, was acknowledged, or lost.
    pub(crate) fn on_skip_packet(&self, memory: &mut Memory, number: u64, acknowledged: bool) {
        let mut place = self.place_after(memory, None);
        while let Some(index) = place {
            let expiry = self.get(memory, index).map(|channel| channel.expiry);
            if let Some(expiry) = expiry.and_then(|key| memory.expiries.get_mut(key)) {
                expiry.on_packet(number, acknowledged);
            }
            place = self.place_after(memory, place);
        }
        self.unsettle(memory);
    }

    /// Notes whether there is still a message with a deadline, or something given up that the peer does not know of.
    #[inline]
    pub(crate) fn settle_expiring(&mut self, memory: &Memory) {
        self.expiring = self.expiring && self.has_live_expiry(memory);
    }

    #[inline(never)]
    fn has_live_expiry(&self, memory: &Memory) -> bool {
        self.iter(memory).any(|channel| memory.expiries.get(channel.expiry).is_some_and(Expiry::is_live))
    }

    /// Frees what waits to be sent.
    pub(crate) fn release_outboxes(&mut self, memory: &mut Memory) {
        let mut place = self.place_after(memory, None);
        while let Some(index) = place {
            let Memory { pool, channels, dynamics, expiries, .. } = &mut *memory;
            if let Some(channel) = self.get_in(dynamics, channels, index) {
                channel.end_sending(pool);
                if let Some(expiry) = expiries.get_mut(channel.expiry) {
                    expiry.end(pool);
                }
            }
            place = self.place_after(memory, place);
        }
    }

    /// Frees everything that waits to be sent or read.
    pub(crate) fn release_data(&mut self, memory: &mut Memory) {
        self.release_outboxes(memory);
        let mut place = self.place_after(memory, None);
        while let Some(index) = place {
            let Memory { pool, channels, mailboxes, dynamics, .. } = &mut *memory;
            if let Some(channel) = self.get_in(dynamics, channels, index) {
                let backing = if index == CONTROL { &mut self.control } else { &mut self.data };
                if let Some(inbox) = channel.inbox_mut() {
                    inbox.release(pool, &mut backing.reservation);
                }
                if let Some(mailbox) = mailboxes.get_mut(channel.mailbox) {
                    mailbox.release(pool);
                }
            }
            place = self.place_after(memory, place);
        }
        self.unsecure_if_empty(memory);
    }

    /// Frees everything; there are no channels afterwards.
    pub(crate) fn release(&mut self, memory: &mut Memory) {
        self.release_data(memory);
        self.release_dynamics(memory);
        for key in core::mem::replace(&mut self.keys, [SlabKey::NOWHERE; CHANNELS]) {
            memory.remove_channel(key, &mut self.data.reservation);
        }
    }

    pub(crate) fn has_unread(&self, memory: &Memory) -> bool {
        self.entries(memory).skip(1).any(|(index, _)| self.is_readable(memory, index))
    }

    pub(crate) fn digest_into(&self, memory: &Memory, hash: &mut StateHash) {
        let Self {
            keys: _,
            count,
            expiring,
            refused: _,
            ledger: _,
            data,
            control,
            send_maximum,
            peer_window,
            urgent_share,
            receive_maximum,
            announce,
        } = self;
        hash.flag(*expiring);
        for channel in self.iter(memory) {
            channel.digest_into(&memory.pool, hash);
            if let Some(mailbox) = memory.mailboxes.get(channel.mailbox) {
                mailbox.digest_into(&memory.pool, hash);
            }
            if let Some(expiry) = memory.expiries.get(channel.expiry) {
                expiry.digest_into(&memory.pool, hash);
            }
            if let Some(Skips { floor, positions, cut }) = memory.skips.get(channel.skips) {
                hash.u64(*floor);
                hash.u64(*positions);
                hash.flag(*cut);
            }
        }
        if let Some(ledger) = self.ledger(memory) {
            ledger.digest_into(hash);
        }
        self.dynamics(memory).for_each(|(_, dynamic, _)| dynamic.digest_into(hash));
        data.digest_into(hash);
        control.digest_into(hash);
        for number in [u64::from(*count), *send_maximum, *peer_window, *urgent_share, *receive_maximum] {
            hash.u64(number);
        }
        hash.flag(*announce);
    }
}

impl Backing {
    fn secure(&mut self, pool: &mut Pool) -> bool {
        if !self.secured {
            self.secured = pool.reserve(&mut self.reservation, self.blocks);
        }
        self.secured
    }

    /// Nobody holds a block of it.
    fn is_unused(&self) -> bool {
        self.reservation.remaining() == self.blocks
    }

    fn unsecure(&mut self, pool: &mut Pool) {
        pool.unreserve(&mut self.reservation);
        self.secured = false;
    }

    fn digest_into(&self, hash: &mut StateHash) {
        let Self { reservation, blocks, secured } = self;
        hash.u64(u64::from(reservation.remaining()));
        hash.u64(u64::from(*blocks));
        hash.flag(*secured);
    }
}

/// Blocks that hold `session_window` positions however they are spread over the channels that may be open: each that draws on credit may
/// begin and end inside a block.
pub(crate) fn data_blocks(limits: &Limits, config: &Config) -> u32 {
    let agreed = config.channels.iter().filter(|channel| !channel.mode.stands_alone()).count() as u64;
    let channels = agreed + u64::from(limits.opened_channels) + accepted_reliable(config);
    let per_block = positions_per_block(limits.block_size as usize);
    let blocks = limits.session_window.div_ceil(per_block).saturating_add(2 * channels);
    u32::try_from(blocks).unwrap_or(u32::MAX)
}

/// Channels of the reliable modes that a peer may have opened at once.
fn accepted_reliable(config: &Config) -> u64 {
    u64::from(config.channel_limits.reliable_ordered) + u64::from(config.channel_limits.reliable_unordered)
}
