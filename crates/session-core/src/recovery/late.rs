//! Packets that were declared lost and came late: whether a loss was answered for nothing, and how patient to be from then on.

use super::congestion::Congestion;
use super::loss::{MAX_PACKET_THRESHOLD, PACKET_THRESHOLD};
use crate::state_hash::StateHash;

/// Packets of an episode that are remembered. One that loses more is taken for what it looks like.
pub(crate) const REMEMBERED: usize = 32;
/// Part of a round trip that a packet may lag behind, in eighths: 1/8 (RFC 9002 §6.1.2), and a whole one after packets came late
/// (RFC 8985 §6.2, reo_wnd).
const LEAST_LAG: u8 = 1;
const MOST_LAG: u8 = 8;
/// Losses in a row that were real, after which a path counts as one that keeps the order (RFC 8985 §6.2: 16).
const CALM_EPISODES: u8 = 16;

/// How far packets of a path may fall behind others before they count as lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    packets: u8,
    lag_eighths: u8,
    /// Losses answered since a packet last came late.
    calm: u8,
}

impl Patience {
    pub(crate) const fn new() -> Self {
        Self { packets: PACKET_THRESHOLD, lag_eighths: LEAST_LAG, calm: 0 }
    }

    /// Packets sent later and acknowledged before one is lost.
    pub(crate) fn packets(self) -> u64 {
        u64::from(self.packets)
    }

    /// Eighths of a round trip that a packet may take longer than one.
    pub(crate) fn lag_eighths(self) -> u64 {
        u64::from(self.lag_eighths)
    }

    /// A packet that was declared lost arrived when one sent `distance` later already had.
    pub(crate) fn on_late(&mut self, distance: u64) {
        self.calm = 0;
        if distance < self.packets() {
            // It was given up for its time.
            self.lag_eighths = self.lag_eighths.saturating_mul(2).min(MOST_LAG);
        } else {
            let wanted = u8::try_from(distance.saturating_add(1)).unwrap_or(u8::MAX);
            self.packets = wanted.min(MAX_PACKET_THRESHOLD);
        }
    }

    /// A loss was answered, and the packets of the one before did not all come late.
    pub(crate) fn on_loss(&mut self) {
        self.calm = self.calm.saturating_add(1);
        if self.calm >= CALM_EPISODES {
            *self = Self::new();
        }
    }

    pub(crate) fn digest_into(self, hash: &mut StateHash) {
        let Self { packets, lag_eighths, calm } = self;
        hash.u64(u64::from_le_bytes([packets, lag_eighths, calm, 0, 0, 0, 0, 0]));
    }
}

/// Numbers of packets that were declared lost.
#[derive(Clone, Debug)]
pub(crate) struct LostPackets {
    first: u64,
    /// From `first` on.
    offsets: [u16; REMEMBERED],
    count: u8,
    /// All that were lost are here, or have come late.
    is_complete: bool,
}

impl LostPackets {
    pub(crate) const fn new() -> Self {
        Self { first: 0, offsets: [0; REMEMBERED], count: 0, is_complete: true }
    }

    /// Packet `number` is lost.
    pub(crate) fn add(&mut self, number: u64) {
        if self.count == 0 {
            self.first = number;
        }
        let offset = number.checked_sub(self.first).and_then(|offset| u16::try_from(offset).ok());
        match (offset, self.offsets.get_mut(usize::from(self.count))) {
            (Some(offset), Some(place)) => {
                *place = offset;
                self.count += 1;
            }
            _ => self.is_complete = false,
        }
    }

    fn numbers(&self) -> impl Iterator<Item = u64> {
        self.offsets.iter().take(usize::from(self.count)).map(|offset| self.first + u64::from(*offset))
    }

    /// Takes out a packet that lies in one of the ranges (low, high), descending.
    fn take_acked(&mut self, acked: &[(u64, u64)]) -> Option<u64> {
        let is_acked = |number: &u64| {
            let range = acked.get(acked.partition_point(|(low, _)| low > number));
            range.is_some_and(|(_, high)| number <= high)
        };
        let (place, number) = self.numbers().enumerate().find(|(_, number)| is_acked(number))?;
        self.count -= 1;
        self.offsets.swap(place, usize::from(self.count));
        Some(number)
    }
}

/// A loss that was answered: its packets, and the window as it was before.
#[derive(Clone, Debug)]
pub(crate) struct LossEpisode {
    before: Congestion,
    lost: LostPackets,
}

impl LossEpisode {
    pub(crate) fn new(before: Congestion, lost: LostPackets) -> Self {
        Self { before, lost }
    }

    /// More packets were lost that had been sent before the loss was answered.
    pub(crate) fn add(&mut self, lost: &LostPackets) {
        self.lost.is_complete &= lost.is_complete;
        lost.numbers().for_each(|number| self.lost.add(number));
    }

    /// One of its packets that an acknowledgement of these ranges shows to have come late; once each.
    pub(crate) fn take_acked(&mut self, acked: &[(u64, u64)]) -> Option<u64> {
        self.lost.take_acked(acked)
    }

    /// The window as it was, if nothing was lost after all.
    pub(crate) fn mistaken(&self) -> Option<&Congestion> {
        (self.lost.count == 0 && self.lost.is_complete).then_some(&self.before)
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { before, lost } = self;
        before.digest_into(hash);
        let LostPackets { first: _, offsets: _, count, is_complete } = lost;
        hash.u64(u64::from(*count));
        hash.flag(*is_complete);
        lost.numbers().for_each(|number| hash.u64(number));
    }
}

#[cfg(test)]
mod tests;
