//! Packet numbers, truncated and recovered as in RFC 9000 A.2 and A.3.

use super::varint;

/// The largest packet number: 62 bits.
pub(crate) const MAX: u64 = varint::MAX;

/// Bytes of a truncated packet number: 1–4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NumberLength {
    One,
    Two,
    Three,
    Four,
}

impl NumberLength {
    pub(crate) const ALL: [Self; 4] = [Self::One, Self::Two, Self::Three, Self::Four];

    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Three => 3,
            Self::Four => 4,
        }
    }

    /// The low two bits of byte 0 of a data packet.
    pub(crate) fn bits(self) -> u8 {
        match self {
            Self::One => 0,
            Self::Two => 1,
            Self::Three => 2,
            Self::Four => 3,
        }
    }

    /// From byte 0 of a data packet.
    pub(crate) fn from_bits(byte0: u8) -> Self {
        match byte0 & 0x03 {
            0 => Self::One,
            1 => Self::Two,
            2 => Self::Three,
            _ => Self::Four,
        }
    }

    /// Bits of four bytes that are not the number's.
    #[inline]
    pub(super) fn bits_left_of_four_bytes(self) -> u32 {
        match self {
            Self::One => 24,
            Self::Two => 16,
            Self::Three => 8,
            Self::Four => 0,
        }
    }

    /// How many numbers the length tells apart.
    #[inline]
    fn window(self) -> u64 {
        match self {
            Self::One => 1 << 8,
            Self::Two => 1 << 16,
            Self::Three => 1 << 24,
            Self::Four => 1 << 32,
        }
    }
}

/// The shortest length that lets the receiver recover `number`.
///
/// `None` where no length does: `number` is not above `largest_acked`, is above [`MAX`], or is 2^31 ahead.
pub(crate) fn encode_length(number: u64, largest_acked: Option<u64>) -> Option<NumberLength> {
    if number > MAX {
        return None;
    }
    let unacknowledged = match largest_acked {
        Some(largest) => number.checked_sub(largest).filter(|distance| *distance > 0)?,
        None => number.checked_add(1)?,
    };
    NumberLength::ALL.into_iter().find(|length| unacknowledged <= length.window() / 2)
}

/// The low bits of `number` that are sent.
pub(crate) fn truncate(number: u64, length: NumberLength) -> u32 {
    (number & length.window().wrapping_sub(1)) as u32
}

/// The packet number nearest to the one after `largest_received` whose low bits are `truncated`.
#[inline(always)]
pub(crate) fn decode(truncated: u32, length: NumberLength, largest_received: Option<u64>) -> u64 {
    let window = length.window();
    let half = window / 2;
    let low_bits = window.wrapping_sub(1);
    let expected = largest_received.map_or(0, |largest| largest.min(MAX).saturating_add(1));
    let candidate = (expected & !low_bits) | (u64::from(truncated) & low_bits);
    // None is nearer than the one that is expected, which is what comes most often.
    if candidate == expected && expected <= MAX {
        return expected;
    }
    if candidate.saturating_add(half) <= expected && candidate.saturating_add(window) <= MAX {
        candidate.saturating_add(window)
    } else if candidate > expected.saturating_add(half) && candidate >= window {
        candidate.saturating_sub(window)
    } else {
        // 2^62 itself is no packet number: it can only come of `expected` past the end.
        candidate.min(MAX)
    }
}

#[cfg(test)]
mod tests;
