//! Which channel sends next, and how far credit lets it.

use super::{CONTROL, Channels, URGENT};
use crate::channel::{Channel, Fragment};
use crate::channel_config::LOWEST_PRIORITY;
use crate::memory::Memory;
use crate::slab::SlabKey;

/// What the choice of the next channel depends on beside the channel itself.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    senders: Senders,
    /// Positions sent on the application's channels that draw on the session's credit.
    sent: u64,
    /// For each priority the latest turn any of its channels was served at.
    latest: [u64; LOWEST_PRIORITY as usize + 1],
}

/// The channels that had data to send when the packet was begun: no other has any before it has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Senders {
    #[default]
    None,
    /// The one at this place: there is nothing to choose.
    One(usize),
    Many,
}

impl Senders {
    fn note(&mut self, index: usize, channel: &Channel) {
        if channel.outbox.has_any_pending() {
            *self = if *self == Self::None { Self::One(index) } else { Self::Many };
        }
    }
}

/// What channels want of the next packet, from one look at each of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wants {
    /// There is data, if credit lets it leave.
    pub(crate) sends: bool,
    /// There is credit, or a receipt, to tell of.
    pub(crate) tells: bool,
    /// The fewest blocks of memory that one waits for which waits for nothing else.
    pub(crate) starved: Option<u32>,
    /// Which of them have data.
    senders: Senders,
    /// Positions sent on the application's channels that draw on the session's credit.
    sent: u64,
}

/// The only channel that wants anything of the next packet: one of those agreed beforehand, and reliable. All that it has to send is one message.
pub(crate) struct Sole {
    pub(crate) index: usize,
    pub(crate) key: SlabKey,
    pub(crate) message: Fragment,
    /// The latest turn a channel of its priority was served at.
    pub(crate) latest: u64,
}

/// Positions of a piece that was sent, and how many of them for the first time.
pub(crate) struct Served {
    pub(crate) positions: u64,
    pub(crate) advance: u64,
}

impl Channels {
    /// What they want. Most of the time it is nothing, and nothing else has to be looked at then.
    pub(crate) fn wants(&self, memory: &Memory) -> Wants {
        // Kept apart, they stay in registers.
        let (mut tells, mut starved, mut senders, mut sent) = (false, None, Senders::None, self.gone_sent(memory));
        self.visit(memory, |index, channel| {
            tells |= channel.announce | channel.receipt_due;
            senders.note(index, channel);
            sent = sent.saturating_add(sent_on(index, channel));
            if channel.is_starved() {
                starved = least_wanted(starved, channel);
            }
        });
        Wants { sends: senders != Senders::None, tells, starved, senders, sent }
    }

    /// What the choice among channels depends on, derived once for a packet.
    pub(crate) fn schedule(&self, memory: &Memory) -> Schedule {
        let mut schedule = self.schedule_of_gone(memory);
        self.visit(memory, |index, channel| schedule.note(index, channel));
        schedule
    }

    /// Both, from one look at each channel.
    pub(crate) fn survey(&self, memory: &Memory) -> (Wants, Schedule) {
        let (mut wants, mut schedule) = (Wants::default(), self.schedule_of_gone(memory));
        self.visit(memory, |index, channel| {
            wants.note(channel);
            schedule.note(index, channel);
        });
        (wants.senders, wants.sent) = (schedule.senders, schedule.sent);
        (wants, schedule)
    }

    /// The channel that is the only one to want anything of the next packet, and may send all it has as one message of at most so many bytes.
    #[inline]
    pub(crate) fn sole_sender(&self, memory: &Memory, most: usize) -> Option<Sole> {
        if self.has_ledger()
            && self.ledger(memory).is_none_or(|ledger| ledger.has_due() || ledger.first != SlabKey::NOWHERE)
        {
            return None;
        }
        let mut sent = self.gone_sent(memory);
        let mut sender = None;
        for (index, key) in self.lasting().iter().enumerate() {
            let channel = memory.channels.get(*key)?;
            if channel.announce || channel.receipt_due {
                return None;
            }
            sent = sent.saturating_add(sent_on(index, channel));
            if channel.outbox.has_any_pending() && sender.replace((index, *key, channel)).is_some() {
                return None;
            }
        }
        let (index, key, channel) = sender?;
        if index == CONTROL || channel.mode.stands_alone() {
            return None;
        }
        let message = channel.outbox.whole_message(self.limit_of(index, channel, sent), most)?;
        Some(Sole { index, key, message, latest: self.latest_turn(memory, channel) })
    }

    /// The latest turn that any of the application's channels agreed beforehand was served at, of the priority of this one.
    #[inline]
    fn latest_turn(&self, memory: &Memory, of: &Channel) -> u64 {
        let application = self.lasting().get(CONTROL + 1..).unwrap_or_default();
        if application.len() == 1 {
            return of.served_at();
        }
        let peers = application.iter().filter_map(|key| memory.channels.get(*key));
        peers.filter(|channel| channel.priority == of.priority).map(Channel::served_at).max().unwrap_or(0)
    }

    /// What was sent on channels that are gone counts for ever.
    fn schedule_of_gone(&self, memory: &Memory) -> Schedule {
        Schedule { sent: self.gone_sent(memory), ..Schedule::default() }
    }

    #[inline]
    fn gone_sent(&self, memory: &Memory) -> u64 {
        if self.has_ledger() { self.ledger(memory).map_or(0, |ledger| ledger.gone_sent) } else { 0 }
    }

    /// The channel to take data from now, and below which position: control first, then by priority, then by turn.
    #[inline]
    pub(crate) fn next_with_data(
        &self,
        memory: &Memory,
        schedule: &Schedule,
        urgent_only: bool,
    ) -> Option<(usize, u64)> {
        match schedule.senders {
            Senders::None => None,
            Senders::One(index) => {
                let channel = self.get(memory, index).filter(|channel| may_go(index, channel, urgent_only))?;
                Some((index, self.ready_to(index, channel, schedule.sent)?))
            }
            Senders::Many => self.next_of_many(memory, schedule, urgent_only),
        }
    }

    fn next_of_many(&self, memory: &Memory, schedule: &Schedule, urgent_only: bool) -> Option<(usize, u64)> {
        let mut next: Option<((u8, u64), usize, u64)> = None;
        self.visit(memory, |index, channel| {
            if !channel.outbox.has_any_pending() || !may_go(index, channel, urgent_only) {
                return;
            }
            let Some(limit) = self.ready_to(index, channel, schedule.sent) else { return };
            let place = match index {
                CONTROL => (0, 0),
                _ => (channel.priority.saturating_add(1), channel.turn(schedule.latest_turn(channel.priority))),
            };
            if next.is_none_or(|(first, ..)| place < first) {
                next = Some((place, index, limit));
            }
        });
        next.map(|(_, index, limit)| (index, limit))
    }

    /// Whether [`next_with_data`](Self::next_with_data) finds a channel: which would be first does not matter.
    pub(crate) fn has_data(&self, memory: &Memory, wants: &Wants, urgent_only: bool) -> bool {
        let is_ready = |index: usize, channel: &Channel| {
            may_go(index, channel, urgent_only) && self.ready_to(index, channel, wants.sent).is_some()
        };
        let has_data = match wants.senders {
            Senders::None => false,
            Senders::One(index) => self.get(memory, index).is_some_and(|channel| is_ready(index, channel)),
            Senders::Many => {
                let mut any = false;
                self.visit(memory, |index, channel| {
                    any |= channel.outbox.has_any_pending() && is_ready(index, channel);
                });
                any
            }
        };
        let next = || self.next_with_data(memory, &self.schedule(memory), urgent_only);
        debug_assert_eq!(has_data, next().is_some(), "a channel has data, or none has");
        has_data
    }

    /// Below which position a channel has data that may leave, of the application's channels together `sent` so far.
    #[inline]
    fn ready_to(&self, index: usize, channel: &Channel, sent: u64) -> Option<u64> {
        let limit = self.limit_of(index, channel, sent);
        channel.outbox.has_pending(limit).then_some(limit)
    }

    /// What SKIP has to say of the channel at `index` now.
    pub(crate) fn skip_due(&self, memory: &Memory, schedule: &Schedule, index: usize) -> Option<u64> {
        let channel = self.get(memory, index)?;
        let expiry = memory.expiries.get(channel.expiry)?;
        expiry.due(self.limit_of(index, channel, schedule.sent))
    }

    /// Something was given up that the peer is to hear of.
    pub(crate) fn has_skips(&self, memory: &Memory) -> bool {
        if !self.expiring {
            return false;
        }
        let schedule = self.schedule(memory);
        self.entries(memory).skip(1).any(|(index, _)| self.skip_due(memory, &schedule, index).is_some())
    }

    /// SKIP left in packet `number`: what it passes over counts as sent.
    pub(crate) fn on_skip_said(
        &self,
        memory: &mut Memory,
        schedule: &mut Schedule,
        index: usize,
        to: u64,
        number: u64,
    ) {
        let Some(channel) = self.get_in(&memory.dynamics, &mut memory.channels, index) else { return };
        schedule.sent = schedule.sent.saturating_add(to.saturating_sub(channel.outbox.highest_sent()));
        channel.outbox.pass(to);
        if let Some(expiry) = memory.expiries.get_mut(channel.expiry) {
            expiry.on_said(to, number);
        }
    }

    /// Positions below this may be sent on a channel now, of the application's channels together `sent` so far.
    fn limit_of(&self, index: usize, channel: &Channel, sent: u64) -> u64 {
        if index == CONTROL {
            return channel.send_maximum;
        }
        if channel.mode.stands_alone() {
            return u64::MAX;
        }
        let kept_back = if channel.priority == URGENT { 0 } else { self.urgent_share };
        let left = self.send_maximum.saturating_sub(sent).saturating_sub(kept_back);
        channel.send_maximum.min(channel.outbox.highest_sent().saturating_add(left))
    }
}

/// Nothing goes ahead of control, and it is never urgent.
fn may_go(index: usize, channel: &Channel, urgent_only: bool) -> bool {
    !urgent_only || (index != CONTROL && channel.priority == URGENT)
}

/// Positions sent on a channel that draw on the session's credit. Control has credit of its own.
fn sent_on(index: usize, channel: &Channel) -> u64 {
    if index == CONTROL || channel.mode.stands_alone() { 0 } else { channel.outbox.highest_sent() }
}

impl Wants {
    fn note(&mut self, channel: &Channel) {
        self.sends |= channel.outbox.has_any_pending();
        self.tells |= channel.announce || channel.receipt_due;
        if channel.is_starved() {
            self.starved = least_wanted(self.starved, channel);
        }
    }
}

fn least_wanted(starved: Option<u32>, channel: &Channel) -> Option<u32> {
    Some(starved.map_or(channel.wanted, |least| least.min(channel.wanted)))
}

impl Schedule {
    /// Some channel may have data to send.
    pub(crate) fn has_senders(&self) -> bool {
        self.senders != Senders::None
    }

    /// Whether it says the same as one derived `now`, which may know that fewer channels have data.
    pub(crate) fn is_still(&self, now: &Self) -> bool {
        let covers = match (self.senders, now.senders) {
            (Senders::Many, _) | (_, Senders::None) => true,
            (had, has) => had == has,
        };
        covers && self.sent == now.sent && self.latest == now.latest
    }

    #[cfg(test)]
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// A piece of the `channel` at `index` is on its way.
    pub(crate) fn on_served(&mut self, index: usize, channel: &mut Channel, served: Served) {
        let Served { positions, advance } = served;
        channel.on_served(self.latest_turn(channel.priority), positions);
        if self.senders == Senders::One(index) && !channel.outbox.has_any_pending() {
            self.senders = Senders::None;
        }
        if index == CONTROL {
            return;
        }
        if !channel.mode.stands_alone() {
            self.sent = self.sent.saturating_add(advance);
        }
        self.note_served(channel);
    }

    /// Control goes first without a turn.
    fn note(&mut self, index: usize, channel: &Channel) {
        self.senders.note(index, channel);
        self.sent = self.sent.saturating_add(sent_on(index, channel));
        if index != CONTROL {
            self.note_served(channel);
        }
    }

    fn latest_turn(&self, priority: u8) -> u64 {
        self.latest.get(usize::from(priority)).copied().unwrap_or(0)
    }

    fn note_served(&mut self, channel: &Channel) {
        if let Some(latest) = self.latest.get_mut(usize::from(channel.priority)) {
            *latest = channel.served_at().max(*latest);
        }
    }
}
