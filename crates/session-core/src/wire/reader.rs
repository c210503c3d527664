//! Reading untrusted bytes from front to back.

use super::varint;

/// Why a field could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// The bytes end inside the field.
    Truncated,
    /// A varint is not in its shortest form.
    NotMinimal,
}

impl core::fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str(match self {
            Self::Truncated => "the bytes end inside a field",
            Self::NotMinimal => "a varint is not in its shortest form",
        })
    }
}

impl core::error::Error for ReadError {}

/// A place in a byte string. A failed read does not move it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reader<'a> {
    whole: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(whole: &'a [u8]) -> Self {
        Self { whole, position: 0 }
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8], ReadError> {
        let end = self.position.checked_add(count).ok_or(ReadError::Truncated)?;
        let bytes = self.whole.get(self.position..end).ok_or(ReadError::Truncated)?;
        self.position = end;
        Ok(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let array = self.rest().first_chunk::<N>().ok_or(ReadError::Truncated)?;
        self.bytes(N)?;
        Ok(*array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, ReadError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, ReadError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn varint(&mut self) -> Result<u64, ReadError> {
        let mut ahead = *self;
        let first = self.rest().first().ok_or(ReadError::Truncated)?;
        let (value, length) = match first >> 6 {
            0 => (u64::from(ahead.u8()?), 1),
            1 => (u64::from(ahead.u16()? & 0x3FFF), 2),
            2 => (u64::from(u32::from_be_bytes(ahead.array()?) & 0x3FFF_FFFF), 4),
            _ => (u64::from_be_bytes(ahead.array()?) & varint::MAX, 8),
        };
        if varint::length(value) != length {
            return Err(ReadError::NotMinimal);
        }
        *self = ahead;
        Ok(value)
    }

    /// A varint length and as many bytes.
    pub(crate) fn varint_bytes(&mut self) -> Result<&'a [u8], ReadError> {
        let mut ahead = *self;
        let length = usize::try_from(ahead.varint()?).map_err(|_| ReadError::Truncated)?;
        let bytes = ahead.bytes(length)?;
        *self = ahead;
        Ok(bytes)
    }

    /// What has been read so far.
    pub(crate) fn consumed(&self) -> &'a [u8] {
        self.whole.get(..self.position).unwrap_or_default()
    }

    /// What has not been read, left unread.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.whole.get(self.position..).unwrap_or_default()
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }
}

#[cfg(test)]
mod tests;
