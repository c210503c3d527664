//! Names: of nodes, sessions, channels and messages. None is secret.

use core::fmt;

use crate::channel_config::ChannelMode;

/// The lasting name of a node: SHA-256 of its canonical static public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; 32]);

impl PeerId {
    /// Takes a name that was computed or stored elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the name.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PeerId({})", Hex(&self.0))
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(formatter)
    }
}

/// The local name of a session. It never travels.
///
/// A slot is used again after its session is gone; the generation tells the two apart, so a stale id finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl SessionId {
    /// One number for maps and logs: generation in the upper, slot in the lower half.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        (self.generation as u64) << 32 | self.slot as u64
    }
}

/// A channel of a session: 0 is the protocol's own, 1–15 are reserved, 16–255 are agreed between applications beforehand
/// (the couriers of S0-4), 256 and above are dynamic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub u64);

impl ChannelId {
    /// The protocol's own channel, which carries control messages.
    pub const CONTROL: Self = Self(0);

    /// The first id that applications may agree on.
    pub(crate) const FIRST_AGREED: u64 = 16;
    /// The first id of a dynamic channel.
    const FIRST_DYNAMIC: u64 = 256;
    /// Channels of one mode that one side can open in the life of a session: more ids there are not (protocol §9.4).
    pub(crate) const MOST_DYNAMIC: u64 = 1 << 58;

    /// The channel of `number`, counted from 0, among those of `mode` that `opener` opens.
    pub(crate) const fn dynamic(number: u64, mode: ChannelMode, opener: Role) -> Self {
        let kind = (mode.number() << 1 | opener.bit()) as u64;
        Self(Self::FIRST_DYNAMIC.saturating_add((number << 3) | kind))
    }

    /// Number, mode and opener of a dynamic channel; `None` of others.
    pub(crate) fn parts(self) -> Option<(u64, ChannelMode, Role)> {
        let rest = self.0.checked_sub(Self::FIRST_DYNAMIC)?;
        let mode = ChannelMode::ALL.get((rest >> 1 & 3) as usize).copied()?;
        Some((rest >> 3, mode, if rest & 1 == 0 { Role::Initiator } else { Role::Responder }))
    }

    /// Whether it is one that a side opened while the session lived.
    #[must_use]
    pub const fn is_dynamic(self) -> bool {
        self.0 >= Self::FIRST_DYNAMIC
    }

    /// The mode of a dynamic channel, which its id tells; `None` of others.
    #[must_use]
    pub fn dynamic_mode(self) -> Option<ChannelMode> {
        self.parts().map(|(_, mode, _)| mode)
    }

    /// Which side opened a dynamic channel; `None` of others.
    #[must_use]
    pub fn opener(self) -> Option<Role> {
        self.parts().map(|(_, _, opener)| opener)
    }

    /// Whether applications may agree on this id beforehand.
    #[must_use]
    pub const fn is_agreed(self) -> bool {
        self.0 >= Self::FIRST_AGREED && self.0 < Self::FIRST_DYNAMIC
    }
}

/// A message that was sent: its channel, of whatever mode, and the offset after its last position among all that was sent there. Ordered as sent on
/// one channel. It is a name of this end: only on channels of the reliable modes does the peer know the same offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// The channel it was sent on.
    pub channel: ChannelId,
    /// The offset after its terminator.
    pub end_offset: u64,
}

/// The name both ends give one session: exported from the handshake, constant for the session's life (S2-54).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(pub [u8; 16]);

impl fmt::Display for Uid {
    /// As a UUID is written: 8-4-4-4-12 hexadecimal digits.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                formatter.write_str("-")?;
            }
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Uid({self})")
    }
}

/// Which side of the handshake this end was; fixed for the session's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sent the Hello.
    Initiator,
    /// Answered it.
    Responder,
}

impl Role {
    /// The role of the peer.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }

    /// As ids of dynamic channels name it.
    pub(crate) const fn bit(self) -> u8 {
        match self {
            Self::Initiator => 0,
            Self::Responder => 1,
        }
    }
}

/// Bytes shown as lower-case hexadecimal digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests;
