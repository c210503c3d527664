//! Writing into a caller's slice from front to back.

use core::ops::Range;

use super::varint;

/// Why something was not written. Nothing of it has been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteError {
    /// The slice is too short.
    NoRoom,
    /// A value has no form on the wire, for example a varint above 2^62 − 1.
    OutOfRange,
}

impl core::fmt::Display for WriteError {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(match self {
            Self::NoRoom => "the slice is too short",
            Self::OutOfRange => "a value has no form on the wire",
        })
    }
}

impl core::error::Error for WriteError {}

/// A place of a [`Writer`] to return to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(usize);

/// A slice and how much of it is written. A failed write does not move it.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    out: &'a mut [u8],
    position: usize,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut [u8]) -> Self {
        Self { out, position: 0 }
    }

    #[inline]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let range = self.skip(bytes.len())?;
        self.out.get_mut(range).ok_or(WriteError::NoRoom)?.copy_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn zeros(&mut self, count: usize) -> Result<(), WriteError> {
        let range = self.skip(count)?;
        self.out.get_mut(range).ok_or(WriteError::NoRoom)?.fill(0);
        Ok(())
    }

    /// Leaves `count` bytes as they are, for the caller to fill.
    pub(crate) fn skip(&mut self, count: usize) -> Result<Range<usize>, WriteError> {
        let start = self.position;
        let end = start.checked_add(count).filter(|end| *end <= self.out.len()).ok_or(WriteError::NoRoom)?;
        self.position = end;
        Ok(start..end)
    }

    /// Lets `fill` write the next `count` bytes.
    #[inline]
    pub(crate) fn fill<T>(&mut self, count: usize, fill: impl FnOnce(&mut [u8]) -> T) -> Result<T, WriteError> {
        let range = self.skip(count)?;
        self.out.get_mut(range).map(fill).ok_or(WriteError::NoRoom)
    }

    #[inline]
    pub(crate) fn u8(&mut self, value: u8) -> Result<(), WriteError> {
        self.array([value])
    }

    #[inline]
    pub(crate) fn u16(&mut self, value: u16) -> Result<(), WriteError> {
        self.array(value.to_be_bytes())
    }

    /// As many bytes as the compiler knows of.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self, bytes: [u8; N]) -> Result<(), WriteError> {
        let rest = self.out.get_mut(self.position..).unwrap_or_default();
        *rest.first_chunk_mut().ok_or(WriteError::NoRoom)? = bytes;
        self.position = self.position.saturating_add(N);
        Ok(())
    }

    #[inline]
    pub(crate) fn varint(&mut self, value: u64) -> Result<(), WriteError> {
        match value {
            0..=0x3F => self.u8(value as u8),
            0x40..=0x3FFF => self.u16(value as u16 | 0x4000),
            _ => self.long_varint(value),
        }
    }

    fn long_varint(&mut self, value: u64) -> Result<(), WriteError> {
        match value {
            0..=0x3FFF_FFFF => self.array((value as u32 | 0x8000_0000).to_be_bytes()),
            0x4000_0000..=varint::MAX => self.array((value | 0xC000_0000_0000_0000).to_be_bytes()),
            _ => Err(WriteError::OutOfRange),
        }
    }

    /// Runs `write`; where it fails the writer returns to where it was.
    #[inline]
    pub(crate) fn all_or_nothing<T>(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        let mark = self.mark();
        let result = write(self);
        if result.is_err() {
            self.reset(mark);
        }
        result
    }

    /// Returns to `mark`; a mark ahead of the present place is ignored.
    pub(crate) fn reset(&mut self, mark: Mark) {
        self.position = self.position.min(mark.0);
    }

    /// Replaces the byte written at `mark`.
    pub(crate) fn replace_u8(&mut self, mark: Mark, value: u8) {
        if let Some(byte) = self.out.get_mut(..self.position).and_then(|written| written.get_mut(mark.0)) {
            *byte = value;
        }
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark(self.position)
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn remaining(&self) -> usize {
        self.out.len().saturating_sub(self.position)
    }

    /// Bytes of the whole slice.
    pub(crate) fn capacity(&self) -> usize {
        self.out.len()
    }

    pub(crate) fn written(&self) -> &[u8] {
        self.out.get(..self.position).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
