//! The ids by which the two ends name a session to each other: ours, as counters, and the peer's (protocol §6.1).

use crate::limits::MAX_SPARE_IDS;
use crate::optional::OptionalNumber;
use crate::state_hash::StateHash;
use crate::wire::{NewIdFrame, ReceiverId};

/// Ids of ours that are followed at a time; where the peer holds on to one for longer, it gets no more.
const WINDOW: u32 = u8::BITS;
/// An id that is so many behind the next is to be given back, while the window still has room for numbers that are left out.
const OLD: u32 = WINDOW / 2;
/// Ids of the peer that wait for it to hear that they are retired.
const MAX_RETIRING: usize = 8;

/// The ids we gave the peer, as numbers. Bit n of a set stands for the n-th last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnIds {
    next: u32,
    /// Named by packets of the peer, now or later.
    active: u8,
    /// The peer is to hear of them.
    due: u8,
    /// So many are active at a time.
    most: u8,
    /// The mark of the one that the peer's newest packet over the path in use named.
    named: u8,
}

impl OwnIds {
    /// `first` alone, which the handshake names.
    pub(crate) fn of(first: &ReceiverId) -> Self {
        Self { next: 1, active: 1, due: 0, most: 1, named: mark_of(first) }
    }

    /// The mark of the id by which the peer's packets come over the path in use.
    pub(crate) fn named(&self) -> u8 {
        self.named
    }

    /// They name the id of this mark from now on.
    pub(crate) fn set_named(&mut self, mark: u8) {
        self.named = mark;
    }

    /// How many may be active: what both ends keep.
    pub(crate) fn set_most(&mut self, most: u8) {
        self.most = most;
    }

    /// The number of the next id, if one is wanted.
    pub(crate) fn wanted(&self) -> Option<u32> {
        let room = self.active & 1 << (WINDOW - 1) == 0;
        (room && self.active.count_ones() < u32::from(self.most) && self.next < u32::MAX).then_some(self.next)
    }

    /// Ids of lower numbers are to be given back: once one falls out of the window the peer would get no more, and could not move unrecognised.
    pub(crate) fn retire_prior_to(&self) -> u32 {
        if self.active >> OLD == 0 { 0 } else { self.next.saturating_sub(OLD) }
    }

    /// The next number is used from now on or, where its id is `taken`, left out.
    pub(crate) fn give(&mut self, taken: bool) {
        let bit = u8::from(!taken);
        self.next = self.next.saturating_add(1);
        self.active = self.active << 1 | bit;
        self.due = self.due << 1 | bit;
    }

    /// The peer does not use it any more; `false` if it was never given one.
    #[must_use]
    pub(crate) fn retire(&mut self, sequence: u32) -> bool {
        let Some(age) = self.next.checked_sub(1).and_then(|last| last.checked_sub(sequence)) else { return false };
        let bit = 1_u8.checked_shl(age).unwrap_or(0);
        self.active &= !bit;
        self.due &= !bit;
        true
    }

    pub(crate) fn is_active(&self, sequence: u32) -> bool {
        self.sequences(self.active).any(|active| active == sequence)
    }

    /// Those that packets may name.
    pub(crate) fn active(&self) -> impl Iterator<Item = u32> + use<> {
        self.sequences(self.active)
    }

    /// Those of which the peer is to hear, the oldest first.
    pub(crate) fn due(&self) -> impl Iterator<Item = u32> + use<> {
        self.sequences(self.due)
    }

    pub(crate) fn has_due(&self) -> bool {
        self.due != 0
    }

    pub(crate) fn on_said(&mut self, sequence: u32) {
        let age = self.next.saturating_sub(1).saturating_sub(sequence);
        self.due &= !1_u8.checked_shl(age).unwrap_or(0);
    }

    /// A packet that named some was lost: all are said again but the first, which the handshake has named.
    pub(crate) fn on_lost(&mut self) {
        self.due = self.active;
        self.on_said(0);
    }

    fn sequences(&self, set: u8) -> impl Iterator<Item = u32> + use<> {
        let last = self.next.saturating_sub(1);
        (0..WINDOW).rev().filter(move |age| set & 1 << age != 0).filter_map(move |age| last.checked_sub(age))
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { next, active, due, most, named } = self;
        hash.u64(u64::from(*next));
        hash.bytes(&[*active, *due, *most, *named]);
    }
}

/// Tells the ids of one session apart: no two that are active at a time have the same mark.
pub(crate) fn mark_of(id: &ReceiverId) -> u8 {
    // All of its bytes added without carries; behind them are zeros.
    let word = u64::from_le_bytes(id.padded());
    let word = word ^ word >> 32;
    let word = word ^ word >> 16;
    let mark = (word ^ word >> 8) as u8;
    debug_assert_eq!(mark, id.as_bytes().iter().fold(0, |mark, byte| mark ^ byte));
    mark
}

/// An id of the peer's and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NumberedId {
    pub(crate) sequence: u32,
    pub(crate) id: ReceiverId,
}

/// An id that the peer must hear we do not use.
#[derive(Clone, Copy, Debug)]
struct Retiring {
    sequence: u32,
    /// The packet that said so last, if it may still arrive.
    said_in: OptionalNumber,
}

/// Why NEW_ID closes the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdFault {
    /// One number for two ids, or one id under two numbers.
    Contradiction,
    /// An id of another length than the peer's others.
    Length,
    /// More than this side keeps, or retired faster than it can say.
    TooMany,
}

/// The ids the peer gave us beside its first. Kept from its first NEW_ID on.
#[derive(Debug)]
pub(crate) struct PeerIds {
    in_use: u32,
    /// Beside it: that of another path.
    elsewhere: Option<NumberedId>,
    /// Ids of lower numbers have been used, or never will be.
    floor: u32,
    spares: [Option<NumberedId>; MAX_SPARE_IDS as usize],
    retiring: [Option<Retiring>; MAX_RETIRING],
}

impl PeerIds {
    /// Only the first is known, and in use.
    pub(crate) fn new() -> Self {
        Self { in_use: 0, elsewhere: None, floor: 1, spares: [None; _], retiring: [None; _] }
    }

    /// Takes in what NEW_ID tells, where `most` are kept. `current` is the id in use; what it returns takes its place.
    pub(crate) fn on_new_id(
        &mut self,
        frame: &NewIdFrame,
        current: ReceiverId,
        most: u32,
    ) -> Result<Option<ReceiverId>, IdFault> {
        let NewIdFrame { sequence, retire_prior_to, id, token: _ } = *frame;
        let new = NumberedId { sequence, id };
        if id.length() != current.length() {
            return Err(IdFault::Length);
        }
        let known = [Some(NumberedId { sequence: self.in_use, id: current }), self.elsewhere];
        let known = known.into_iter().chain(self.spares).flatten();
        let mut is_known = false;
        for other in known {
            if (other.sequence == sequence) != (other.id == id) {
                return Err(IdFault::Contradiction);
            }
            is_known |= other == new;
        }
        self.retire_below(retire_prior_to)?;
        let first = self.replace_below(retire_prior_to)?;
        if !is_known && sequence < self.floor {
            // Where too many wait already it is left alone: most likely it was said twice, and the peer has it back.
            let _ = self.retire(sequence);
        } else if !is_known {
            let in_use = u32::from(self.in_use >= retire_prior_to) + u32::from(self.elsewhere.is_some());
            let used = in_use + self.spares.iter().flatten().count() as u32;
            let room = self.spares.iter_mut().find(|spare| spare.is_none());
            *room.filter(|_| used < most).ok_or(IdFault::TooMany)? = Some(new);
        }
        Ok(self.replace_below(retire_prior_to)?.or(first))
    }

    /// Puts a spare in the place of the id in use, if that has a lower number than `sequence`.
    fn replace_below(&mut self, sequence: u32) -> Result<Option<ReceiverId>, IdFault> {
        if self.in_use >= sequence {
            return Ok(None);
        }
        let Some(spare) = self.take_spare() else { return Ok(None) };
        self.retire(self.in_use)?;
        self.in_use = spare.sequence;
        Ok(Some(spare.id))
    }

    /// The spare id of the lowest number, for another path; it is not offered again.
    pub(crate) fn take_spare(&mut self) -> Option<NumberedId> {
        let lowest = self
            .spares
            .iter_mut()
            .filter(|spare| spare.is_some())
            .min_by_key(|spare| spare.map_or(u32::MAX, |spare| spare.sequence))?;
        let spare = lowest.take()?;
        self.floor = self.floor.max(spare.sequence.saturating_add(1));
        Some(spare)
    }

    /// Another path is named by a spare, if there is one; no path is named by the one of before any more.
    pub(crate) fn go_elsewhere(&mut self) {
        self.leave_elsewhere(false);
        // One of the two that are in use then is going to be retired: its place is kept.
        if self.retiring.iter().any(Option::is_none) {
            self.elsewhere = self.take_spare();
        }
    }

    /// The id of the other path.
    pub(crate) fn elsewhere(&self) -> Option<ReceiverId> {
        self.elsewhere.map(|elsewhere| elsewhere.id)
    }

    /// The other path has come into use, or is given up: its id takes the place of the one in use, which is returned, or is retired.
    pub(crate) fn leave_elsewhere(&mut self, moved: bool) -> Option<ReceiverId> {
        let NumberedId { sequence, id } = self.elsewhere.take()?;
        let old = if moved { core::mem::replace(&mut self.in_use, sequence) } else { sequence };
        let retired = self.retire(old);
        debug_assert!(retired.is_ok(), "its place was kept");
        moved.then_some(id)
    }

    /// The next RETIRE_ID to be said.
    pub(crate) fn retire_due(&self) -> Option<u32> {
        let due = self.retiring.iter().flatten().find(|retiring| retiring.said_in.get().is_none());
        due.map(|retiring| retiring.sequence)
    }

    /// It was said in packet `number`.
    pub(crate) fn on_retire_said(&mut self, sequence: u32, number: u64) {
        if let Some(retiring) = self.retiring.iter_mut().flatten().find(|retiring| retiring.sequence == sequence) {
            retiring.said_in = number.into();
        }
    }

    /// What became of packet `number`, which held RETIRE_ID.
    pub(crate) fn on_retire_packet(&mut self, number: u64, acked: bool) {
        for retiring in &mut self.retiring {
            if let Some(entry) = retiring.as_mut().filter(|entry| entry.said_in.get() == Some(number)) {
                entry.said_in = OptionalNumber::NONE;
                if acked {
                    *retiring = None;
                }
            }
        }
    }

    fn retire_below(&mut self, sequence: u32) -> Result<(), IdFault> {
        self.floor = self.floor.max(sequence);
        if let Some(elsewhere) = self.elsewhere.take_if(|elsewhere| elsewhere.sequence < sequence) {
            self.retire(elsewhere.sequence)?;
        }
        for index in 0..self.spares.len() {
            if let Some(spare) = self.spares[index].take_if(|spare| spare.sequence < sequence) {
                self.retire(spare.sequence)?;
            }
        }
        Ok(())
    }

    fn retire(&mut self, sequence: u32) -> Result<(), IdFault> {
        if self.retiring.iter().flatten().any(|retiring| retiring.sequence == sequence) {
            return Ok(());
        }
        // One place is for the id of the other path or the one it replaces.
        let kept = usize::from(self.elsewhere.is_some());
        let room = self.retiring.iter_mut().filter(|retiring| retiring.is_none()).nth(kept);
        *room.ok_or(IdFault::TooMany)? = Some(Retiring { sequence, said_in: OptionalNumber::NONE });
        Ok(())
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { in_use, elsewhere, floor, spares, retiring } = self;
        hash.u64(u64::from(*in_use));
        hash.u64(u64::from(*floor));
        for id in spares.iter().chain([elsewhere]) {
            hash.option(id.map(|id| u64::from(id.sequence)));
            hash.bytes(id.as_ref().map_or(&[], |id| id.id.as_bytes()));
        }
        for retiring in retiring {
            hash.option(retiring.map(|retiring| u64::from(retiring.sequence)));
            hash.option(retiring.and_then(|retiring| retiring.said_in.get()));
        }
    }
}

#[cfg(test)]
mod tests;
