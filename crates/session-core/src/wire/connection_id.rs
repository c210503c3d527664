//! The name of a session in the packets sent to one endpoint.

/// A receiver id: 1–8 bytes, opaque to whoever did not choose it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ReceiverId {
    bytes: [u8; Self::MAX_LENGTH],
    length: u8,
}

impl ReceiverId {
    /// docs/protocol.md §2.
    pub(crate) const MAX_LENGTH: usize = 8;

    /// `None` where `id` is not 1–8 bytes long.
    #[inline]
    pub(crate) fn new(id: &[u8]) -> Option<Self> {
        if let Ok(bytes) = id.try_into() {
            return Some(Self::of(bytes));
        }
        if id.is_empty() {
            return None;
        }
        let mut bytes = [0; Self::MAX_LENGTH];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        Some(Self { bytes, length: u8::try_from(id.len()).ok()? })
    }

    /// The longest id.
    pub(crate) const fn of(bytes: [u8; Self::MAX_LENGTH]) -> Self {
        Self { bytes, length: Self::MAX_LENGTH as u8 }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length()).unwrap_or_default()
    }

    /// Its bytes, and zeros behind them.
    pub(crate) const fn padded(&self) -> [u8; Self::MAX_LENGTH] {
        self.bytes
    }

    pub(crate) fn length(&self) -> usize {
        usize::from(self.length)
    }
}

impl core::fmt::Debug for ReceiverId {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("ReceiverId(")?;
        for byte in self.as_bytes() {
            write!(formatter, "{byte:02x}")?;
        }
        formatter.write_str(")")
    }
}

#[cfg(test)]
mod tests;
