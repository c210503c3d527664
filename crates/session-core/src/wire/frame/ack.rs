//! ACK and ACK_ECN.

use core::time::Duration;

use super::super::reader::{ReadError, Reader, split_short_varint, split_varint};
use super::super::varint;
use super::super::writer::{WriteError, Writer};
use super::{ACK, ACK_ECN, FrameErrorKind};

// P-6-6
/// Ranges of one acknowledgement.
pub(crate) const MAX_RANGES: usize = 32;
/// Microseconds of one unit of the delay.
const DELAY_UNIT: u64 = 8;

/// Packets that arrived with each marking of explicit congestion notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EcnCounts {
    pub(crate) ect0: u64,
    pub(crate) ect1: u64,
    pub(crate) ce: u64,
}

impl EcnCounts {
    #[inline(never)]
    fn parse(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        Ok(Self { ect0: reader.varint()?, ect1: reader.varint()?, ce: reader.varint()? })
    }
}

/// An acknowledgement whose ranges descend and stay at or above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AckFrame<'a> {
    largest: u64,
    delay: u64,
    first_range: u64,
    /// Pairs of gap and range, checked.
    further: &'a [u8],
    ecn: Option<EcnCounts>,
}

/// An acknowledgement of one range: what most are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AckOfOne {
    /// The range, both included.
    pub(crate) low: u64,
    pub(crate) largest: u64,
    delay: u64,
    pub(crate) ecn: Option<EcnCounts>,
}

impl AckOfOne {
    /// Reads what follows the type byte, and gives back what stands behind it; `None` where it is no such acknowledgement, or none at all.
    #[inline(always)]
    pub(super) fn split(bytes: &[u8], with_ecn: bool) -> Option<(Self, &[u8])> {
        let (largest, rest) = split_varint(bytes).ok()?;
        let (delay, rest) = split_short_varint(rest).ok()?;
        let [0, rest @ ..] = rest else { return None };
        let (others, rest) = split_short_varint(rest).ok()?;
        let low = largest.checked_sub(others)?;
        if !with_ecn {
            return Some((Self { low, largest, delay, ecn: None }, rest));
        }
        let mut reader = Reader::new(rest);
        let ecn = EcnCounts::parse(&mut reader).ok()?;
        Some((Self { low, largest, delay, ecn: Some(ecn) }, reader.rest()))
    }

    /// See [`AckFrame::delay_micros`].
    #[inline]
    pub(crate) fn delay_micros(&self) -> u64 {
        self.delay.saturating_mul(DELAY_UNIT)
    }
}

impl From<&AckOfOne> for AckFrame<'_> {
    fn from(ack: &AckOfOne) -> Self {
        let AckOfOne { low, largest, delay, ecn } = *ack;
        Self { largest, delay, first_range: largest.saturating_sub(low), further: &[], ecn }
    }
}

impl<'a> AckFrame<'a> {
    /// Reads what follows the type byte.
    pub(super) fn parse(reader: &mut Reader<'a>, with_ecn: bool) -> Result<Self, FrameErrorKind> {
        let largest = reader.varint()?;
        let delay = reader.varint()?;
        let further_count = reader.varint()?;
        let first_range = reader.varint()?;
        if further_count >= MAX_RANGES as u64 {
            return Err(FrameErrorKind::Encoding);
        }
        let low = largest.checked_sub(first_range).ok_or(FrameErrorKind::Encoding)?;
        let further = if further_count == 0 { &[] } else { skip_ranges(reader, low, further_count)? };
        let ecn = if with_ecn { Some(EcnCounts::parse(reader)?) } else { None };
        Ok(Self { largest, delay, first_range, further, ecn })
    }

    /// The highest range, as (lowest, highest), both included.
    #[inline]
    pub(crate) fn first(&self) -> (u64, u64) {
        (self.largest.saturating_sub(self.first_range), self.largest)
    }

    /// There are ranges below the first.
    #[inline]
    pub(crate) fn has_further(&self) -> bool {
        !self.further.is_empty()
    }

    #[inline]
    pub(crate) fn largest(&self) -> u64 {
        self.largest
    }

    /// Microseconds that the receiver waited before it acknowledged the largest packet, as it says; saturating.
    #[inline]
    pub(crate) fn delay_micros(&self) -> u64 {
        self.delay.saturating_mul(DELAY_UNIT)
    }

    #[inline]
    pub(crate) fn ecn(&self) -> Option<EcnCounts> {
        self.ecn
    }

    /// The ranges as (lowest, highest), both included, descending.
    pub(crate) fn ranges(&self) -> AckRanges<'a> {
        AckRanges { next: Some(self.first()), further: Reader::new(self.further) }
    }

    pub(super) fn encode(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        writer.all_or_nothing(|writer| {
            let written = encode(writer, self.delay, self.ecn, self.ranges())?;
            if written == self.ranges().count() { Ok(()) } else { Err(WriteError::NoRoom) }
        })
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn encoded_len(&self) -> usize {
        // the type and the count of further ranges take a byte each
        2_usize
            .saturating_add(varint::length(self.largest))
            .saturating_add(varint::length(self.delay))
            .saturating_add(varint::length(self.first_range))
            .saturating_add(self.further.len())
            .saturating_add(ecn_len(self.ecn))
    }
}

/// The ranges of an [`AckFrame`].
#[derive(Clone, Debug)]
pub(crate) struct AckRanges<'a> {
    next: Option<(u64, u64)>,
    further: Reader<'a>,
}

impl Iterator for AckRanges<'_> {
    type Item = (u64, u64);

    fn next(&mut self) -> Option<Self::Item> {
        let current = self.next?;
        self.next = next_range(&mut self.further, current.0);
        Some(current)
    }
}

/// Writes an acknowledgement of `ranges`, given as (lowest, highest), descending and apart by at least one number.
///
/// Writes the highest of them that fit, at most [`MAX_RANGES`], and returns how many. The delay is cut to what its field holds.
///
/// # Errors
/// `NoRoom` where not even the first range fits; `OutOfRange` where there is no range or they do not descend.
pub(crate) fn encode_ack(
    writer: &mut Writer<'_>,
    delay: Duration,
    ecn: Option<EcnCounts>,
    ranges: impl IntoIterator<Item = (u64, u64)>,
) -> Result<usize, WriteError> {
    let delay = crate::time::micros(delay) / DELAY_UNIT;
    encode(writer, delay.min(varint::MAX), ecn, ranges)
}

/// The same of one range, without marks: what most acknowledgements are.
#[inline]
pub(crate) fn encode_ack_of_one(
    writer: &mut Writer<'_>,
    delay_micros: u64,
    range: (u64, u64),
) -> Result<(), WriteError> {
    let delay = delay_micros / DELAY_UNIT;
    let (low, largest) = range;
    let others = largest.checked_sub(low).ok_or(WriteError::OutOfRange)?;
    writer.all_or_nothing(|writer| {
        writer.u8(ACK)?;
        writer.varint(largest)?;
        writer.varint(delay.min(varint::MAX))?;
        writer.u8(0)?;
        writer.varint(others)
    })
}

fn encode(
    writer: &mut Writer<'_>,
    delay: u64,
    ecn: Option<EcnCounts>,
    ranges: impl IntoIterator<Item = (u64, u64)>,
) -> Result<usize, WriteError> {
    let mut ranges = ranges.into_iter().take(MAX_RANGES);
    writer.all_or_nothing(|writer| {
        let (mut low, largest) = ranges.next().ok_or(WriteError::OutOfRange)?;
        writer.u8(if ecn.is_some() { ACK_ECN } else { ACK })?;
        writer.varint(largest)?;
        writer.varint(delay)?;
        let count = writer.mark();
        writer.u8(0)?;
        writer.varint(largest.checked_sub(low).ok_or(WriteError::OutOfRange)?)?;
        let mut further = 0_u8;
        for (next_low, high) in ranges {
            // Numbers between the ranges, less one (RFC 9000 §19.3.1).
            let gap = low.checked_sub(high).and_then(|gap| gap.checked_sub(2)).ok_or(WriteError::OutOfRange)?;
            let range = high.checked_sub(next_low).ok_or(WriteError::OutOfRange)?;
            let length = varint::length(gap).saturating_add(varint::length(range));
            if length.saturating_add(ecn_len(ecn)) > writer.remaining() {
                break;
            }
            writer.varint(gap)?;
            writer.varint(range)?;
            low = next_low;
            further = further.saturating_add(1);
        }
        writer.replace_u8(count, further);
        if let Some(EcnCounts { ect0, ect1, ce }) = ecn {
            writer.varint(ect0)?;
            writer.varint(ect1)?;
            writer.varint(ce)?;
        }
        Ok(usize::from(further).saturating_add(1))
    })
}

fn ecn_len(ecn: Option<EcnCounts>) -> usize {
    ecn.map_or(0, |EcnCounts { ect0, ect1, ce }| {
        varint::length(ect0).saturating_add(varint::length(ect1)).saturating_add(varint::length(ce))
    })
}

/// Reads so many ranges below one that ends at `low`, and returns the bytes of all.
#[inline(never)]
fn skip_ranges<'a>(reader: &mut Reader<'a>, low: u64, count: u64) -> Result<&'a [u8], FrameErrorKind> {
    let (start, mut low) = (*reader, low);
    for _ in 0..count {
        (low, _) = next_range(reader, low).ok_or(FrameErrorKind::Encoding)?;
    }
    let length = start.remaining().saturating_sub(reader.remaining());
    Ok(start.rest().get(..length).unwrap_or_default())
}

/// The range below one that ends at `low`; `None` where there is none, or it would reach below 0.
fn next_range(reader: &mut Reader<'_>, low: u64) -> Option<(u64, u64)> {
    let gap = reader.varint().ok()?;
    let range = reader.varint().ok()?;
    let high = low.checked_sub(gap)?.checked_sub(2)?;
    Some((high.checked_sub(range)?, high))
}

#[cfg(test)]
mod tests;
