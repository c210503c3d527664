//! Whose turn it is to tell something and to send.

use core::time::Duration;

use super::Endpoint;
use super::slots::Queue;
use crate::action::{Action, Event, Transmit};
use crate::crypto::Provider;
use crate::session::{Outcome, Phase, SessionCore, straight};
use crate::shared::Context;

/// Bytes one session may send before the next gets its turn, at most.
const QUANTUM: u64 = 64 * 1024;
/// The same as time at its pacing rate: a slow session holds nobody up for longer than it would take a turn itself.
const TURN: Duration = Duration::from_millis(1);

/// Whose turn it is without a look at the queues.
pub(super) enum Turn {
    /// They have to be asked, and before them whoever has something to announce.
    Unknown,
    Tells(Event),
    /// This is its datagram.
    Sends(Transmit),
    /// Nobody has anything to tell, and whoever may have something to send stands in its queue.
    Filed,
}

impl<P: Provider> Endpoint<P> {
    /// Where one session was touched and no slot stands in a queue, as after a datagram and what the application did about it: takes its event or its plain packet,
    /// as the general way would, without putting the slot into queues and taking it out again.
    #[inline]
    pub(super) fn serve_touched(&mut self, out: &mut [u8]) -> Turn {
        let alone = straight::is_open() && self.slots.are_queues_empty() && !self.directory.has_news();
        let Some(slot) = self.slots.touched().filter(|_| alone) else {
            return Turn::Unknown;
        };
        let Some(core) = self.slots.at_mut(slot).filter(|core| core.may_go_straight()) else { return Turn::Unknown };
        if let Some(event) = core.take_lasting_event(&self.shared.memory) {
            return Turn::Tells(event);
        }
        let mut context = Context { shared: &mut self.shared, settings: &self.settings, now: self.now };
        if let Some(outcome @ (Outcome::Sent(len, ecn) | Outcome::Last(len, ecn))) =
            core.transmit_plain(&mut context, out)
        {
            let link = core.link();
            self.slots.take_touched();
            self.charge(slot, len, matches!(outcome, Outcome::Last(..)));
            return Turn::Sends(Transmit { len, link, ecn, alone: false });
        }
        let memory = &self.shared.memory;
        let wants = core.wants(memory);
        let transmits = core.may_transmit(memory, &wants);
        debug_assert!(core.starved_of(&wants).is_none(), "who was refused nothing does not wait for memory");
        debug_assert!(!core.is_evictable(&self.settings, memory), "who is established has not ended");
        self.slots.take_touched();
        if transmits {
            self.slots.push(Queue::Ready, slot);
        }
        self.file(slot);
        Turn::Filed
    }

    /// The next event there is.
    #[inline]
    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.file_touched();
        self.feed_waiting();
        if let Some(event) = self.directory.take_event(|slot| self.slots.at(slot)) {
            return Some(event);
        }
        while let Some(slot) = self.slots.first(Queue::Events) {
            if let Some(event) = self.take_event(slot) {
                return Some(event);
            }
        }
        None
    }

    pub(super) fn take_event(&mut self, slot: u32) -> Option<Event> {
        let core = self.slots.at_mut(slot)?;
        let event = core.take_event(&mut self.shared.memory, &self.settings);
        if core.has_events() {
            self.slots.push(Queue::Events, slot);
        } else {
            self.slots.unlink(Queue::Events, slot);
        }
        // Nothing follows from having told most of them, and they are the many.
        if event.is_none_or(|event| !event.is_of_lasting_channel()) {
            self.refile_now(slot);
        }
        event
    }

    /// Asks a session that is ready for a datagram. `None` where it had none and has nothing to tell, and is ready no more.
    pub(super) fn transmit(&mut self, slot: u32, out: &mut [u8]) -> Option<Action> {
        let Some(core) = self.slots.at_mut(slot) else {
            self.slots.unlink(Queue::Ready, slot);
            return None;
        };
        let mut context = Context { shared: &mut self.shared, settings: &self.settings, now: self.now };
        let outcome = core.transmit(&mut context, out);
        let (len, ecn, link) = match outcome {
            Outcome::Sent(len, ecn) | Outcome::Last(len, ecn) => (len, ecn, core.link()),
            Outcome::Search(len) => (len, None, core.link()),
            Outcome::Probed(len, link) => (len, None, link),
            Outcome::NeedsRoom(bytes) => {
                // What has expired meanwhile is told of all the same.
                self.refile_now(slot);
                return Some(Action::NeedsRoom(bytes));
            }
            Outcome::Nothing => return self.rest(slot).map(Action::Event),
        };
        self.charge(slot, len, matches!(outcome, Outcome::Last(..)));
        Some(Action::Transmit(Transmit { len, link, ecn, alone: matches!(outcome, Outcome::Search(_)) }))
    }

    /// It was asked and had nothing. Not filed as ready again: window or pacer may go on saying no.
    fn rest(&mut self, slot: u32) -> Option<Event> {
        self.slots.unlink(Queue::Ready, slot);
        if self.slots.at(slot).is_some_and(|core| core.awaits_record(&self.shared.memory)) {
            self.slots.push(Queue::Unrecorded, slot);
        }
        self.file(slot);
        if self.slots.at(slot).is_some_and(SessionCore::has_events) { self.take_event(slot) } else { None }
    }

    /// Deficit round-robin: a session keeps its turn until its quantum is spent, so runs of datagrams stay together.
    fn charge(&mut self, slot: u32, bytes: usize, rests: bool) {
        // What has left has deadlines of its own.
        self.file(slot);
        let Some(core) = self.slots.at(slot) else { return };
        // It may have been the Hello, or the CLOSE that an event waits for.
        if core.phase() != Phase::Established {
            self.directory.follow(slot, core);
        }
        let (has_events, quantum) = (core.has_events(), core.bytes_in(TURN).min(QUANTUM));
        if has_events {
            self.slots.push(Queue::Events, slot);
        }
        let Some(deficit) = self.slots.deficit_mut(slot) else { return };
        *deficit = deficit.saturating_add(bytes as u32);
        if u64::from(*deficit) >= quantum {
            *deficit = 0;
            self.slots.rotate(Queue::Ready, slot);
        }
        if rests {
            // Asked again it would say that it has nothing, at the price of another packet.
            self.slots.unlink(Queue::Ready, slot);
        } else {
            self.slots.push(Queue::Ready, slot);
        }
    }
}
